r"""
Small lam and small label noise
===============================

As :math:`\lambda` tends to 0, and label noise with it, the optimum tends to the interpolant of least total
variation; if the limit's dual vector is non-degenerate, which is *proved* here, the number of neurons stays
and they move by an amount proportional to :math:`\lambda`. The measured rates are the slopes of the lines.
"""

import matplotlib.pyplot as plt
import numpy as np

import measurelp as mlp

rng = np.random.default_rng(0)
problem = mlp.MeasureProblem(
    rng.standard_normal((5, 3)), rng.standard_normal(5), lam=1.0, bias="none"
)
lams = np.geomspace(1e-1, 1e-4, 10)
found = mlp.stability(problem, lams=lams, noises=[0.0, 0.3])
print(found.verdict.name, "-", found.message)

# %%
# Each point is a problem that was solved and certified at its own :math:`\lambda`. What is left after the
# first-order prediction of the masses falls twice as fast.

figure, axes = plt.subplots(1, 2, figsize=(9.5, 3.6), sharey=True)
for ax, path in zip(axes, found.paths, strict=True):
    steps = path.settled
    at = [step.lam for step in steps]
    ax.loglog(at, [step.mass_error for step in steps], "o-", color="#0072B2", label="masses")
    ax.loglog(at, [step.location_error for step in steps], "s-", color="#D55E00", label="places")
    ax.loglog(
        at,
        [step.mass_remainder for step in steps],
        "^--",
        color="#009E73",
        label="masses, less first order",
    )
    ax.set_xlabel(r"$\lambda$")
    ax.set_title(rf"label noise of length {np.linalg.norm(path.noise):.1f} $\lambda$")
    ax.grid(True, color="#D9D9D9", linewidth=0.6)
axes[0].set_ylabel("distance from the limit")
axes[0].legend()
plt.show()
