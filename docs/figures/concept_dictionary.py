"""The rays of eight hyperplanes in the plane, and the matrix of their ReLU features."""

import matplotlib.pyplot as plt
import numpy as np

import measurelp as mlp

angle = np.sort(np.random.default_rng(2).uniform(0.0, np.pi, 8))
X = np.column_stack([np.cos(angle), np.sin(angle)])
walls = np.sort(np.concatenate([angle + np.pi / 2.0, angle + 1.5 * np.pi]) % (2.0 * np.pi))
A = mlp.Dictionary(X, np.column_stack([np.cos(walls), np.sin(walls)])).to_dense()

figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.6), width_ratios=(1.0, 1.35))
mlp.plotting.plot_cells(X, ax=left)
image = right.imshow(A, cmap="cividis", aspect="auto")
right.set_xlabel(r"ray $\theta_s$, by its angle")
right.set_ylabel(r"data point $x_i$")
right.set_xticks([0, 5, 10, 15], ["1", "6", "11", "16"])
right.set_yticks([0, 3, 7], ["1", "4", "8"])
right.set_title(r"$A_{is} = \langle x_i, \theta_s\rangle_+$", pad=10)
figure.colorbar(image, ax=right, pad=0.02, aspect=25)
