r"""
One optimum, or a polytope of them
==================================

All optimal networks agree on the data, but there may be many of them. ``uniqueness`` finds the points of weight space where
the dual function is at its level and proves that there are no others; if their features are independent the optimum is
the only one, and otherwise the optima are a polytope, whose members have different numbers of neurons and differ between the data.
"""

import matplotlib.pyplot as plt
import numpy as np

import measurelp as mlp

x = np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
y = np.array([1.5, 0.4, 0.0, 0.5, 1.6])

for bias, skip in (("penalized", "none"), ("free", "affine")):
    problem = mlp.MeasureProblem(x[:, None], y, lam=0.05, bias=bias, skip=skip)
    found = mlp.uniqueness(mlp.solve(problem, tol_gap=1e-10))
    print(f"bias {bias}, skip {skip}: {found.verdict.name}")
    print("   ", found.message)

# %%
# With a free bias and an affine skip the set of optima is a polytope. Its vertices are splines with the same values at
# the data, and the sparsest of them has fewest knots.

optimal_solution = mlp.solve(problem, tol_gap=1e-10)
optimal = mlp.solution_set(optimal_solution)
vertices = optimal.vertices()
print(
    f"dimension {optimal.dimension}, {len(vertices)} vertices, sparsest {len(optimal.sparsest().measure)} neurons"
)

figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.7))
grid = np.linspace(-2.3, 2.3, 461)


def values(measure):
    """The function of an optimal measure on the grid."""
    return mlp.network_from_measure(measure, bias="free").predict(grid[:, None])


for vertex in vertices:
    left.plot(grid, values(vertex), color="#0072B2", linewidth=1.0, alpha=0.6)
sparsest = optimal.sparsest().measure
left.plot(
    grid, values(sparsest), color="#D55E00", label=f"a sparsest: {len(sparsest)} neurons and a line"
)
left.plot([], [], color="#0072B2", label="vertices of the set of optima")
left.plot(x, y, "o", color="#222222", markerfacecolor="white", label="data", zorder=3)
left.set(xlabel="$x$", ylabel="$f(x)$", title="optimal networks with the same values at the data")
left.legend(fontsize=8, loc="upper center")
mlp.plotting.plot_certificate(optimal_solution, ax=right)
plt.show()
