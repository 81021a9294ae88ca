r"""
The cheapest network that memorises
===================================

With ``loss=Interpolation()`` the problem is to fit all labels exactly with the least total variation; it
is a linear program over an infinite dictionary, and its solution needs at most n neurons. Random labels
get more expensive the more of them there are, and the certificate says that *no* network of any width
memorises them for less. Labels that no network can fit come back as INFEASIBLE, with a vector that proves it.
"""

import matplotlib.pyplot as plt
import numpy as np

import measurelp as mlp

rng = np.random.default_rng(0)
X = rng.standard_normal((16, 2))
labels = rng.choice([-1.0, 1.0], 16)


def cheapest(n):
    """The network of least total variation through the first n labels."""
    return mlp.solve(mlp.MeasureProblem(X[:n], labels[:n], loss=mlp.Interpolation()))


sizes = [2, 4, 6, 8, 10, 12, 14, 16]
solutions = [cheapest(n) for n in sizes]
for n, solution in zip(sizes, solutions, strict=True):
    certificate = solution.certificate
    print(
        f"n = {n:2d}: {certificate.verdict.name}, total variation {certificate.primal_value:8.3f}, "
        f"{len(solution.measure):2d} neurons"
    )

# %%
# On the left the network that memorises all sixteen labels, with the creases of its neurons; on the right what
# memorising costs.

figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.8), width_ratios=(1.25, 1.0))
mlp.plotting.plot_fit(solutions[-1], ax=left)
right.plot(sizes, [s.certificate.primal_value for s in solutions], "o-", color="#0072B2")
right.set(
    xlabel="random labels", ylabel="least total variation, proved", ylim=(0.0, None), xticks=sizes
)
right2 = right.twinx()
right2.plot(sizes, [len(s.measure) for s in solutions], "s--", color="#D55E00", markersize=4)
right2.set_ylabel("neurons", color="#D55E00")
right2.set_ylim(0, 17)
right2.spines["right"].set_visible(True)

# %%
# The same point with two labels cannot be memorised by any function.

impossible = mlp.solve(
    mlp.MeasureProblem([[1.0, 2.0], [1.0, 2.0]], [0.0, 1.0], loss=mlp.Interpolation())
)
print(impossible.certificate.verdict.name, impossible.certificate.witness)
plt.show()
