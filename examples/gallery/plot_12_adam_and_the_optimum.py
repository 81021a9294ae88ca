r"""
Gradient training next to the proved optimum
============================================

How far do Adam, L-BFGS and conic particle descent get, and how wide must a network be? Without the optimum nobody
would know: here it is proved, so that every run has a distance from it that is not an estimate. The methods have default
rates and are not tuned, so this judges no method.
"""

import matplotlib.pyplot as plt
import numpy as np

import measurelp as mlp

rng = np.random.default_rng(1)
X = rng.standard_normal((40, 2))
y = (
    np.maximum(X @ [1.0, 0.5], 0.0)
    - np.maximum(X @ [0.5, -1.0], 0.0)
    + 0.05 * rng.standard_normal(40)
)
problem = mlp.MeasureProblem(X, y, lam=0.3)

widths = [8, 16, 32, 64]
comparison = mlp.compare(
    problem, ["adam", "lbfgs", "conic"], widths=widths, seeds=range(4), steps=1500
)
print(comparison.table())

# %%
# Left: the proved distance of every run from the optimum of all widths, by width. Right: the same along the steps at the largest
# width. The line is where runs count as proved optimal, at a gap of 1e-6.

figure, (left, right) = plt.subplots(1, 2, figsize=(9.8, 3.7), sharey=True)
bound = comparison.solution.certificate.dual_value
for shift, (method, colour) in enumerate(
    (("adam", "#0072B2"), ("lbfgs", "#D55E00"), ("conic", "#009E73"))
):
    ends = [end for end in comparison.endpoints if end.method == method]
    at = [end.width * 1.08 ** (shift - 1) for end in ends]
    left.loglog(
        at,
        [end.relative_gap for end in ends],
        "o",
        color=colour,
        markersize=5,
        alpha=0.8,
        label=method,
    )
    run = comparison.runs[method, widths[-1]]
    right.loglog(run.record.step[1:], run.suboptimality(bound)[1:], color=colour, linewidth=1.0)
left.set(xlabel="width", ylabel="proved distance from the optimum", title="where runs ended")
left.set_xticks(widths, [str(width) for width in widths])
left.minorticks_off()
left.legend(loc=(0.03, 0.1))
right.set(xlabel="steps", title=f"width {widths[-1]}, four seeds")
for ax in (left, right):
    ax.grid(True, color="#D9D9D9", linewidth=0.6)
    ax.axhline(1e-6, color="#767676", linestyle="--", linewidth=1.0)
plt.show()
