r"""
Several outputs share neurons
=============================

With several outputs weight decay charges a neuron :math:`|v|_2|w|`, so outputs that look the same way share it. Three curves of
one input are fitted jointly, and one network for each: the joint optimum has fewer neurons and costs less, and both
numbers are proved.
"""

import matplotlib.pyplot as plt
import numpy as np

import measurelp as mlp

rng = np.random.default_rng(0)
x = np.linspace(-2.0, 2.0, 30)
common = np.stack([np.abs(x), np.maximum(x - 0.5, 0.0), np.maximum(-x - 1.0, 0.0)], axis=1)
Y = common @ rng.standard_normal((3, 3)) + 0.03 * rng.standard_normal((30, 3))

joint = mlp.solve(mlp.MeasureProblem(x[:, None], Y, lam=0.5))
single = [mlp.solve(mlp.MeasureProblem(x[:, None], Y[:, j], lam=0.5)) for j in range(3)]
print(
    f"joint: {len(joint.measure)} neurons, objective {joint.certificate.primal_value:.5f}, {joint.certificate.verdict.name}"
)
print(
    f"one network an output: {sum(len(s.measure) for s in single)} neurons, objective "
    f"{sum(s.certificate.primal_value for s in single):.5f}, {', '.join(s.certificate.verdict.name for s in single)}"
)

# %%
# Left the fits, right the output weights of the joint optimum: a row a neuron.

figure, (left, right) = plt.subplots(
    1, 2, figsize=(9.5, 3.7), width_ratios=(1.5, 1.0), layout="constrained"
)
grid = np.linspace(-2.0, 2.0, 400)
fits = joint.predict(grid[:, None])
for j, colour in enumerate(("#0072B2", "#D55E00", "#009E73")):
    left.plot(x, Y[:, j], "o", color=colour, markerfacecolor="none", markersize=4)
    left.plot(grid, fits[:, j], color=colour, label=f"output {j + 1}")
    left.plot(grid, single[j].predict(grid[:, None]), color=colour, linestyle=":", linewidth=1.0)
left.set(xlabel="$x$", ylabel="outputs")
left.set_title("joint (lines), separate (dotted), data (circles)", fontsize="medium")
left.legend()
masses = joint.measure.masses
reach = np.abs(masses).max()
image = right.imshow(masses, cmap="RdBu_r", vmin=-reach, vmax=reach, aspect="auto")
right.set(
    xlabel="output",
    ylabel="neuron",
    xticks=[0, 1, 2],
    xticklabels=["1", "2", "3"],
    yticks=range(len(masses)),
)
right.set_yticklabels([str(k + 1) for k in range(len(masses))])
figure.colorbar(image, ax=right, pad=0.02, label="mass")
plt.show()
