r"""
Balance, path norm and shared neurons
=====================================

Weight decay charges a neuron :math:`\frac12(v^2+|w|^2)`, which rescaling brings down to the path norm
:math:`|v||w|` without changing the function. Neurons of one cell of the data and of one sign can then be added
up to a single one: the outputs on the data stay, and the path norm does not grow. A wide random network is far from
both; the optimum for its own outputs is cheaper still.
"""

import matplotlib.pyplot as plt
import numpy as np

import measurelp as mlp

rng = np.random.default_rng(1)
X = rng.standard_normal((12, 2))
wide = mlp.ReluNetwork(
    rng.standard_normal((60, 2)) * rng.lognormal(0.0, 0.7, (60, 1)),
    rng.standard_normal(60),
    output_weights=rng.standard_normal(60),
)

balanced = mlp.rebalance(wide).model
shared = mlp.share_neurons(balanced, X)
pruned = mlp.prune_network(shared.network, X)
target = mlp.MeasureProblem(X, wide.predict(X), loss=mlp.Interpolation())
optimum = mlp.solve(target)

steps = {
    "random": (wide.width, wide.weight_decay),
    "balanced": (balanced.width, balanced.weight_decay),
    "shared": (shared.network.width, shared.path_norm_after),
    "pruned": (pruned.width, pruned.path_norm),
    "optimal": (len(optimum.measure), optimum.certificate.primal_value),
}
for name, (width, cost) in steps.items():
    print(f"{name:9s} {width:3d} neurons, cost {cost:8.3f}")
print(
    "outputs on the data differ by",
    f"{np.abs(shared.network.predict(X) - wide.predict(X)).max():.1e}",
)
print(
    "proved: no network with these outputs costs less than", f"{optimum.certificate.dual_value:.3f}"
)

# %%
# Before rescaling, incoming and outgoing norms have nothing to do with each other; at every stationary
# point of weight decay they are equal.

figure, (left, middle, right) = plt.subplots(1, 3, figsize=(11.0, 3.5))
mlp.plotting.plot_balance(wide, ax=left)
mlp.plotting.plot_balance(balanced, ax=middle)
left.set_title("random")
middle.set_title("balanced")
names, costs = list(steps), [cost for _, cost in steps.values()]
bars = right.barh(names[::-1], costs[::-1], color=["#009E73", *["#0072B2"] * 4])
right.bar_label(bars, [f"{steps[name][0]} neurons" for name in names[::-1]], padding=4)
right.set(xlabel="cost", xlim=(0.0, 1.35 * max(costs)), title="the same outputs on the data")
plt.show()
