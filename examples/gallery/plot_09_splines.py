r"""
One input: linear splines with fewest knots
===========================================

With one input, an unpenalised bias and an affine skip, the penalty is the total variation of the slope, and
connecting the dots is optimal among all networks that interpolate. It is not the only optimum: where the slope turns the
same way at consecutive data points, one knot between them does the work of two. ``fewest_knots`` returns a spline with
the least number of knots, and both have a certificate.
"""

import matplotlib.pyplot as plt
import numpy as np

import measurelp as mlp

x = np.linspace(-3.0, 3.0, 13)
y = np.sin(1.5 * x) + 0.3 * x
problem = mlp.MeasureProblem(x[:, None], y, loss=mlp.Interpolation(), bias="free", skip="affine")

slopes = np.diff(y) / np.diff(x)
dots = mlp.ReluNetwork(
    np.ones((len(x) - 2, 1)),
    -x[1:-1],
    output_weights=np.diff(slopes),
    output_bias=y[0] - slopes[0] * x[0],
    skip=mlp.Skip(slopes[:1]),
    bias="free",
)
connected = mlp.certify(problem, dots)
sparsest = mlp.fewest_knots(mlp.solve(problem))

print(f"connecting the dots: {dots.width} knots, {connected.verdict.name}")
print(f"fewest knots:        {len(sparsest.measure)} knots, {sparsest.certificate.verdict.name}")
print(
    f"total variation of the slope: {connected.primal_value:.9f} and {sparsest.certificate.primal_value:.9f}"
)
print(f"by the formula:               {np.abs(np.diff(slopes)).sum():.9f}")

# %%
# Both go through all data points at the same cost.

figure, axes = plt.subplots(1, 2, figsize=(9.5, 3.6), sharey=True)
mlp.plotting.plot_fit(dots, x[:, None], y, ax=axes[0])
mlp.plotting.plot_fit(sparsest, ax=axes[1])
axes[0].set_title(f"connecting the dots: {dots.width} knots", pad=24)
axes[1].set_title(f"fewest knots: {len(sparsest.measure)}", pad=24)
plt.show()
