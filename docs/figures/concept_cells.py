"""The cells of five points in the plane, and of eight points in the plane with a bias."""

import matplotlib.pyplot as plt
import numpy as np

import measurelp as mlp

rng = np.random.default_rng(5)
figure = plt.figure(figsize=(9.5, 3.6))
left, right = figure.add_gridspec(1, 2, width_ratios=(1.0, 1.5))
angle = np.array([0.2, 0.9, 1.4, 2.1, 2.8])
lines = np.column_stack([np.cos(angle), np.sin(angle)])
mlp.plotting.plot_cells(lines, ax=figure.add_subplot(left))
points = np.column_stack([rng.standard_normal((8, 2)), np.ones(8)])
mlp.plotting.plot_cells(points, ax=figure.add_subplot(right, projection="mollweide"))
