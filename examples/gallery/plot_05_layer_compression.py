r"""
A layer with fewer neurons
==========================

A layer hands many features on to the next. Keeping its outputs on the data while the sum of the norms of its output weights is
least is a convex problem whose solution uses few of the features; :math:`\lambda` trades error for width.
Every point of the curve below has its duality gap, so that no other output weights on the same
features do better.
"""

import matplotlib.pyplot as plt
import numpy as np

import measurelp as mlp

rng = np.random.default_rng(0)
inputs = rng.standard_normal((4, 1500))
hidden = rng.standard_normal((200, 4)) / 2.0
Phi = np.maximum(hidden @ inputs + rng.standard_normal((200, 1)) / 2.0, 0.0)
V = rng.standard_normal((3, 200)) * (rng.random((3, 200)) < 0.5)
Psi = V @ Phi

exact = mlp.compress_layer(Phi, Psi)
print(
    f"outputs kept exactly: {len(exact.kept)} of {len(Phi)} neurons, gap {exact.relative_gap:.0e}"
)

lams = np.geomspace(1e-1, 3e3, 10)
curve = [mlp.compress_layer(Phi, Psi, lam=lam) for lam in lams]
for lam, done in zip(lams, curve, strict=True):
    print(
        f"lam {lam:8.1f}: {len(done.kept):3d} neurons, error {done.residual:7.3%}, gap {done.relative_gap:.0e}"
    )

# %%
# The neurons that stay at an error of some per cent, and their output weights.

figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.5), width_ratios=(1.0, 1.4))
left.plot(
    [100.0 * done.residual for done in curve],
    [len(done.kept) for done in curve],
    "o-",
    color="#0072B2",
)
left.set(
    xscale="log", xlabel="error of the outputs, per cent", ylabel="neurons kept", ylim=(0, None)
)
left.grid(True, color="#D9D9D9", linewidth=0.6)

chosen = next(done for done in curve if done.residual > 0.05)
shown = np.zeros((3, len(Phi)))
shown[:, chosen.kept] = chosen.output_weights
reach = np.abs(shown).max()
image = right.imshow(
    shown, cmap="RdBu_r", vmin=-reach, vmax=reach, aspect="auto", interpolation="none"
)
right.set(xlabel="neuron", ylabel="output", yticks=[0, 1, 2], yticklabels=["1", "2", "3"])
right.set_title(f"{len(chosen.kept)} of {len(Phi)} neurons, error {chosen.residual:.1%}")
figure.colorbar(image, ax=right, pad=0.02, label="output weight")
plt.show()
