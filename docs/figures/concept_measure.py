"""A network of one input, and the same network as a measure on the circle of unit weights."""

import matplotlib.pyplot as plt
import numpy as np

import measurelp as mlp

rng = np.random.default_rng(3)
x = np.sort(rng.uniform(-2.0, 2.0, 14))
y = np.sin(2.0 * x) + 0.1 * rng.standard_normal(14)
solution = mlp.solve(mlp.MeasureProblem(x[:, None], y, lam=0.03))

figure, (left, right) = plt.subplots(1, 2, figsize=(9.0, 3.6), width_ratios=(1.4, 1.0))
mlp.plotting.plot_fit(solution, ax=left)

angle = np.linspace(0.0, 2.0 * np.pi, 361)
right.plot(np.cos(angle), np.sin(angle), color="#767676", linewidth=0.8)
atoms, masses = solution.measure.atoms, solution.measure.masses
right.scatter(
    *atoms.T, s=100.0 * np.abs(masses), zorder=3, c=np.where(masses > 0.0, "#D55E00", "#0072B2")
)
for weight, mass in zip(atoms, masses, strict=True):
    right.text(*(0.72 * weight), f"{mass:+.2f}", ha="center", va="center")
right.set_aspect("equal")
right.set(xlabel="$w$", ylabel="$b$", xlim=(-1.25, 1.25), xticks=[-1, 0, 1], yticks=[-1, 0, 1])
