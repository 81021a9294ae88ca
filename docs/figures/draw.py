"""Draw the pictures of docs/plotting.md again: ``python docs/figures/draw.py``."""

from pathlib import Path

import matplotlib as mpl

mpl.use("agg")
import matplotlib.pyplot as plt
import numpy as np

import measurelp as mlp

rng = np.random.default_rng(0)
X = rng.standard_normal((30, 2))
y = np.maximum(X @ [1.0, 0.5] - 0.2, 0.0) - np.maximum(X @ [-0.5, 1.0], 0.0)
solution = mlp.solve(mlp.MeasureProblem(X, y, lam=0.3))

x = np.sort(rng.uniform(-2.0, 2.0, 14))
line = mlp.solve(
    mlp.MeasureProblem(x[:, None], np.sin(2.0 * x) + 0.1 * rng.standard_normal(14), lam=0.05)
)

figure = plt.figure(figsize=(10.0, 6.4), layout="constrained")
mlp.plotting.plot_fit(line, ax=figure.add_subplot(2, 2, 1))
mlp.plotting.plot_certificate(line, ax=figure.add_subplot(2, 2, 2))
mlp.plotting.plot_fit(solution, ax=figure.add_subplot(2, 2, 3))
mlp.plotting.plot_certificate(solution, ax=figure.add_subplot(2, 2, 4, projection="mollweide"))
target = Path(__file__).with_name("certificates.png")
figure.savefig(target, dpi=90, metadata={"Software": None})
