r"""
Sparse coding: ISTA, FISTA and a learned network
================================================

A step of iterative soft thresholding is a layer of ReLUs, so k steps are a network of k layers. FISTA needs fewer steps than ISTA
for the same proved gap, and a network with *learned* weights (LISTA) fewer layers still, on targets like those it has learned from; what it
promises on others is nothing, so its gap is computed here on fresh ones.
"""

import matplotlib.pyplot as plt
import numpy as np

import measurelp as mlp

rng = np.random.default_rng(0)
W = mlp.coherent_dictionary(12, 24, seed=0)


def targets(count):
    """Combinations of three columns, with noise."""
    codes = np.zeros((count, 24))
    for code in codes:
        code[rng.choice(24, 3, replace=False)] = rng.standard_normal(3)
    return codes @ W.T + 0.01 * rng.standard_normal((count, 12))


known, fresh, lam = targets(400), targets(200), 0.1

runs = {
    "ISTA": mlp.ista(W, fresh, lam, tol_gap=1e-8),
    "FISTA": mlp.fista(W, fresh, lam, tol_gap=1e-8),
}
best = np.mean(runs["FISTA"].gap.primal_value)

layers = [1, 2, 4, 6]
learned = [
    mlp.learn_ista(W, known, lam, steps=k, epochs=250, learning_rate=3e-3).network for k in layers
]


def excess(network):
    """Mean objective on fresh targets above the best, relative."""
    return np.mean(mlp.lasso_gap(W, fresh, network.predict(fresh), lam).primal_value) / best - 1.0


for k, network in zip(layers, learned, strict=True):
    print(
        f"{k} layers: ISTA {excess(mlp.unroll_ista(W, lam, k)):.3f}, learned {excess(network):.3f} above the optimum"
    )

# %%
# Left: the largest proved gap over 200 targets. Right: the mean objective above the optimum by the number of layers.

figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.6))
for (name, run), colour in zip(runs.items(), ("#0072B2", "#D55E00"), strict=True):
    left.semilogy(
        [p.iteration for p in run.history],
        [p.relative_gap for p in run.history],
        color=colour,
        label=name,
    )
left.set(xlabel="iterations", ylabel="largest relative gap, proved")
deep = range(1, 17)
right.semilogy(
    deep, [excess(mlp.unroll_ista(W, lam, k)) for k in deep], "o-", color="#0072B2", label="ISTA"
)
right.semilogy(
    layers, [excess(network) for network in learned], "s-", color="#009E73", label="learned"
)
right.set(xlabel="layers", ylabel="above the optimum, fresh targets")
for ax in (left, right):
    ax.grid(True, color="#D9D9D9", linewidth=0.6)
    ax.legend()
plt.show()
