r"""
Representations and the plateau
===============================

The best objective as a function of the width falls to a plateau: beyond some number of neurons more are of no use.
Its height is *proved* here, because it is the optimum of infinite width; the values above it are what descent
found at each width. The objective depends on the hidden layer through the covariances of its activations on the data only, and
minimising over covariances gives the same optimum.
"""

import matplotlib.pyplot as plt
import numpy as np

import measurelp as mlp

x = np.linspace(-1.0, 1.0, 11)
problem = mlp.MeasureProblem(x[:, None], np.cos(5.0 * x), lam=0.01)
solution = mlp.solve(problem, tol_gap=1e-9)

widths = range(1, 9)
curve = mlp.plateau_curve(problem, widths, restarts=3, solution=solution)
print(f"the plateau is proved to begin at {curve.starts_by} neurons or before")

hidden = mlp.representations(solution.network(), problem.X)
over_covariances = mlp.minimise_covariances(problem)
print(
    f"over measures:    {solution.certificate.primal_value:.6f}, {solution.certificate.verdict.name}"
)
print(
    f"over covariances: {over_covariances.value:.6f}, {over_covariances.certificate.verdict.name}"
)

# %%
# On the right the covariances of the hidden activations of the optimum.

figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.7), width_ratios=(1.3, 1.0))
mlp.plotting.plot_widths(widths, curve.values, floor=curve.floor, ax=left)
image = right.imshow(hidden.covariances[0].activation, cmap="cividis")
right.set(xlabel="data point", ylabel="data point", title=r"$K^\sigma$ of the hidden layer")
figure.colorbar(image, ax=right, pad=0.02)
plt.show()
