r"""
A proof as a picture
====================

A network is a global optimum exactly when its dual function :math:`\eta` stays between
:math:`-\lambda` and :math:`\lambda` on *all* unit weights and reaches the level at the network's
neurons. With one input and a bias the unit weights are a circle, so what the proof says is a graph:
here is an optimal network with its proof, and then one that is refuted.
"""

import matplotlib.pyplot as plt
import numpy as np

import measurelp as mlp

rng = np.random.default_rng(3)
x = np.sort(rng.uniform(-2.0, 2.0, 14))
y = np.sin(2.0 * x) + 0.1 * rng.standard_normal(14)

problem = mlp.MeasureProblem(x[:, None], y, lam=0.03)
solution = mlp.solve(problem, tol_gap=1e-9)
solution.certificate

# %%
# Left the network and its knots, right its dual function. Grey lines are the walls between cells: on
# them a unit weight begins to see one data point more, so that is where :math:`\eta` has its kinks.

figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.6))
mlp.plotting.plot_fit(solution, ax=left)
mlp.plotting.plot_certificate(solution, ax=right)
left.set_title("the optimal network", pad=24)
right.set_title(r"$|\eta| \leq \lambda$ everywhere: no network is better", pad=24)

# %%
# The optimum for a larger :math:`\lambda` is no optimum for this one: its dual function leaves the tube,
# and a weight at which it does so is a neuron that lowers the objective when it is added.

other = mlp.solve(problem.with_lam(0.05)).measure
refuted = mlp.certify(problem, other, rounds=0)
print(refuted.verdict.name)
print(f"objective            {refuted.primal_value:.5f}")
print(f"with one neuron more {refuted.improvement.objective:.5f}")
print(f"proved optimum       {solution.certificate.dual_value:.5f}")

figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.6))
mlp.plotting.plot_fit(mlp.network_from_measure(other), x[:, None], y, ax=left)
mlp.plotting.plot_dual_function(problem, refuted.dual, measure=other, ax=right)
left.set_title("a network that is not optimal", pad=24)
right.set_title(r"$|\eta| > \lambda$ somewhere: refuted", pad=24)
plt.show()
