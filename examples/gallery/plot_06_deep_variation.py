r"""
The variation-norm penalty of a deep network
============================================

Deep networks whose functions are compositions of functions of bounded variation are trained with
:math:`\mathrm{loss} + \lambda\sum_k(|v_k|_1^2 + |w_k|_2^2)`. Rescaling turns the penalty into :math:`2\sum_k|v_k|_1|w_k|_2`, which favours few
neurons and matrices of low rank between the layers. This is gradient training in torch: what it shows is measured, not proved.
"""

import matplotlib.pyplot as plt
import numpy as np
import torch

import measurelp as mlp

grid = np.linspace(0.0, 1.0, 9)
X = torch.tensor(np.stack(np.meshgrid(grid, grid), axis=-1).reshape(-1, 2))
y = torch.sin(3.0 * X[:, :1]) * X[:, 1:]


def trained(a):
    """A network of two variation layers, its mean squared error, and the matrix between its ReLUs."""
    module = mlp.variation_network(2, [2, 1], neurons=[24, 24], seed=0)
    optimiser = torch.optim.Adam(module.parameters(), lr=0.01)
    for step in range(1500):
        if step == 1000:
            optimiser.param_groups[0]["lr"] = 0.001
        optimiser.zero_grad()
        loss = torch.mean((module(X) - y) ** 2)
        (loss + a * module.penalty()).backward()
        optimiser.step()
    module.rebalance()
    return loss.item(), module.path_cost().item(), module.matrices_between()[0].detach()


strengths = [0.0, 1e-4, 1e-3]
results = [trained(a) for a in strengths]
for a, (loss, cost, matrix) in zip(strengths, results, strict=True):
    report = mlp.matrix_report(matrix)
    print(
        f"a = {a:6.4f}: mean squared error {loss:.2e}, cost of all paths {cost:8.2f}, "
        f"density {report.density:.2f}, rank {report.rank}"
    )

# %%
# The weights from the ReLUs of the first layer to those of the second: of rank two at most, because two
# functions are handed on, and with rows and columns of zeros where the penalty has removed neurons.

figure, axes = plt.subplots(1, 3, figsize=(10.5, 3.8), layout="constrained")
for ax, a, (loss, _, matrix) in zip(axes, strengths, results, strict=True):
    values = np.asarray(matrix)
    reach = np.abs(values).max()
    ax.imshow(values, cmap="RdBu_r", vmin=-reach, vmax=reach, interpolation="none")
    ax.set_title(f"a = {a:g}, error {loss:.0e}")
    ax.set(xlabel="ReLU of layer 1", xticks=[], yticks=[])
axes[0].set_ylabel("ReLU of layer 2")
plt.show()
