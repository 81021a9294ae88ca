"""Small problems of every kind that a proof can be about, each from a seed."""

from __future__ import annotations

import itertools

import numpy as np

import measurelp as mlp


def gaussian(rng, n, d):
    return rng.standard_normal((n, d))


def grid(rng, n, d):
    points = np.array(list(itertools.product([-1.0, 0.0, 1.0], repeat=d)))
    return points[np.sort(rng.permutation(len(points))[:n])]


def repeated(rng, n, d):
    """Equal, antiparallel and doubled rows, and a zero row."""
    base = rng.standard_normal((n // 4, d))
    return np.vstack([base, base, -base, 2.0 * base, np.zeros((1, d))])


def of_rank_two(rng, n, d):
    """Integers of rank 2, so that dependent columns are exactly dependent."""
    basis = np.zeros((2, d))
    basis[0, 0] = basis[1, 1] = 1.0
    basis[:, 2:] = rng.integers(-2, 3, (2, d - 2))
    return rng.integers(-3, 4, (n, 2)) @ basis


def nearly_of_rank_two(rng, n, d):
    """Of rank 2 up to rounding: the coordinates of a proof miss the data by a little."""
    return rng.standard_normal((n, 2)) @ rng.standard_normal((2, d))


def nearly_of_rank_six(rng, n, d):
    return rng.standard_normal((n, 6)) @ rng.standard_normal((6, d))


def with_a_constant_column(rng, n, d):
    return np.column_stack([rng.standard_normal((n, d - 1)), np.full(n, 0.5)])


def uneven(rng, n, d):
    return rng.standard_normal((n, d)) * 10.0 ** np.linspace(-3.0, 3.0, d)


# name: (family, n, d, bias, skip, loss); the rank of the cones is d, and d + 1 for a penalised bias.
FAST = {
    "rank 2": (gaussian, 12, 2, "none", "none", "squared"),
    "rank 3": (gaussian, 15, 3, "none", "none", "squared"),
    "rank 3, bias": (gaussian, 12, 2, "penalized", "none", "squared"),
    "rank 4": (gaussian, 12, 4, "none", "none", "squared"),
    "interpolation": (gaussian, 10, 3, "none", "none", "interpolation"),
    "interpolation, bias": (gaussian, 10, 2, "penalized", "none", "interpolation"),
    "free bias, constant": (gaussian, 10, 2, "free", "constant", "squared"),
    "free bias, affine": (gaussian, 10, 2, "free", "affine", "interpolation"),
    "one input, free bias": (gaussian, 12, 1, "free", "affine", "squared"),
    "skip, no bias": (gaussian, 12, 2, "none", "affine", "squared"),
    "constant skip, bias": (gaussian, 12, 2, "penalized", "constant", "squared"),
    "grid": (grid, 9, 2, "penalized", "none", "squared"),
    "repeated rows": (repeated, 12, 2, "none", "none", "squared"),
    "dependent columns": (of_rank_two, 10, 4, "none", "none", "squared"),
    "nearly dependent columns": (nearly_of_rank_two, 10, 4, "free", "constant", "squared"),
    "signs": (gaussian, 12, 7, "none", "none", "squared"),
    "signs, many rows": (gaussian, 30, 5, "none", "none", "squared"),
    "signs, free bias": (gaussian, 8, 6, "free", "affine", "interpolation"),
    "signs, dependent columns": (nearly_of_rank_six, 14, 8, "penalized", "none", "squared"),
    "absolute": (gaussian, 14, 2, "penalized", "none", "absolute"),
    "absolute, affine": (gaussian, 14, 2, "none", "affine", "absolute"),
    "quantile": (gaussian, 14, 2, "free", "constant", "quantile"),
    "huber": (grid, 9, 2, "penalized", "constant", "huber"),
    "hinge": (gaussian, 16, 2, "penalized", "none", "hinge"),
    "hinge, constant": (gaussian, 16, 3, "none", "constant", "hinge"),
    "squared hinge": (gaussian, 16, 2, "free", "affine", "squared_hinge"),
    "one point": (gaussian, 1, 3, "none", "none", "squared"),
}
FAMILIES = (
    gaussian,
    grid,
    repeated,
    of_rank_two,
    nearly_of_rank_two,
    with_a_constant_column,
    uneven,
)
SETTINGS = (
    ("none", "none"), ("none", "constant"), ("penalized", "none"), ("penalized", "constant"),
    ("free", "constant"), ("penalized", "affine"), ("none", "affine"), ("free", "affine"),
)  # fmt: skip


def slow():
    """The rest: every family with every setting and loss that it has an answer for, and rank 5."""
    for family, (bias, skip), loss in itertools.product(
        FAMILIES, SETTINGS, ("squared", "interpolation")
    ):
        nearly = family is nearly_of_rank_two and skip == "affine"  # refused, see the tests
        if nearly or (loss == "interpolation" and family not in (gaussian, grid)):
            continue
        d = 3 if family not in (grid, repeated) else 2
        yield f"{family.__name__}-{bias}-{skip}-{loss}", (family, 10, d, bias, skip, loss)
    for bias, d in (("none", 5), ("penalized", 4), ("free", 5)):
        skip = "constant" if bias == "free" else "none"
        yield f"rank 5, bias {bias}", (gaussian, 10, d, bias, skip, "squared")


LOSSES = {
    "squared": mlp.Squared(), "absolute": mlp.Absolute(), "quantile": mlp.Quantile(0.3),
    "huber": mlp.Huber(0.5), "hinge": mlp.Hinge(), "squared_hinge": mlp.SquaredHinge(),
}  # fmt: skip


def problem(family, n, d, bias, skip, loss, *, seed=0):
    """The problem of one line of the table; interpolation gets the targets of a small network."""
    rng = np.random.default_rng(seed)
    X = family(rng, n, d)
    y = np.maximum(X @ rng.standard_normal((d, 3)), 0.0) @ rng.standard_normal(3)
    options = {"bias": bias, "skip": skip}
    if loss == "interpolation":
        return mlp.MeasureProblem(X, y, loss=mlp.Interpolation(), **options)
    y = y + 0.3 * rng.standard_normal(len(y))
    options["loss"] = LOSSES[loss]
    y = np.where(y > 0.0, 1.0, -1.0) if "hinge" in loss else y
    stated = mlp.MeasureProblem(X, y, lam=1.0, **options)
    largest = mlp.lam_max(stated)
    return stated.with_lam(0.05 * largest if largest > 0.0 else 1.0)
