r"""
All solutions along lam
=======================

From the :math:`\lambda` at which the zero network is optimal downwards, neurons enter, grow, come to rest
on the hyperplanes of data points and leave them again. ``solve_path`` certifies a solution at each of many :math:`\lambda` and proves what
happens between two of them; ``path_breakpoints`` finds the events themselves.
"""

import matplotlib.pyplot as plt
import numpy as np

import measurelp as mlp

rng = np.random.default_rng(2)
X = rng.standard_normal((25, 2))
y = np.abs(X[:, 0]) - np.maximum(X[:, 1], 0.0) + 0.1 * rng.standard_normal(25)
problem = mlp.MeasureProblem(X, y, lam=1.0)

path = mlp.solve_path(problem, n_lams=40, lam_min_ratio=0.01)
print("largest proved gap between two points of the path:", f"{np.nanmax(path.gaps_between):.1e}")

exact = mlp.path_breakpoints(problem, lam_min_ratio=0.05)
for event in exact.events[:6]:
    print(event)
print(
    f"... {len(exact.events)} events, gap {exact.relative_gap:.0e} for every lam down to {exact.lam_least:.3f}"
)

# %%
# Masses along the path, with the exact events as ticks at the foot, and the number of neurons.

figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.7), width_ratios=(1.5, 1.0))
mlp.plotting.plot_path(path, ax=left)
foot = left.get_ylim()[0]
left.plot(
    [event.lam for event in exact.events],
    [foot] * len(exact.events),
    "|",
    color="#222222",
    markersize=9,
)
right.step(path.lams, path.n_atoms, where="mid", color="#0072B2")
right.set(
    xscale="log",
    xlabel=r"$\lambda$  (falls to the right)",
    ylabel="neurons",
    xlim=(path.lams[0], path.lams[-1]),
)
right.grid(True, color="#D9D9D9", linewidth=0.6)
plt.show()
