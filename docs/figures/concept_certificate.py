"""An optimal network of two inputs, and the dual function that proves it."""

import matplotlib.pyplot as plt
import numpy as np

import measurelp as mlp

rng = np.random.default_rng(0)
X = rng.standard_normal((30, 2))
y = np.maximum(X @ [1.0, 0.5] - 0.2, 0.0) - np.maximum(X @ [-0.5, 1.0], 0.0)
solution = mlp.solve(mlp.MeasureProblem(X, y, lam=0.3))

figure = plt.figure(figsize=(9.5, 3.8))
left, right = figure.add_gridspec(1, 2, width_ratios=(1.0, 1.3))
mlp.plotting.plot_fit(solution, ax=figure.add_subplot(left))
mlp.plotting.plot_certificate(solution, ax=figure.add_subplot(right, projection="mollweide"))
