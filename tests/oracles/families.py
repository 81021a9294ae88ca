"""Families of small data sets, plain and degenerate, each from a seed."""

from __future__ import annotations

import numpy as np


def gaussian(rng, n, d):
    """General position."""
    return rng.standard_normal((n, d))


def grid(rng, n, d):
    """Small integers: parallel rows, zero rows and dependent rows come by themselves."""
    return rng.integers(-2, 3, size=(n, d)).astype(float)


def copies(rng, n, d):
    """Equal, antiparallel and scaled copies of a few rows, and a zero row."""
    base = rng.standard_normal((2, d))
    factors = rng.choice([1.0, -1.0, 2.0, -0.5], size=n)
    X = factors[:, None] * base[rng.integers(2, size=n)]
    X[-1] = 0.0
    return X


def low_rank(rng, n, d):
    """Rank one less than d, or one."""
    rank = max(1, d - 1)
    return rng.integers(-3, 4, size=(n, rank)).astype(float) @ rng.integers(-2, 3, size=(rank, d))


def clustered(rng, n, d):
    """Rows that nearly agree."""
    return rng.standard_normal(d) + 1e-5 * rng.standard_normal((n, d))


def uneven(rng, n, d):
    """Entries from 1e-6 to 1e6."""
    return rng.standard_normal((n, d)) * 10.0 ** rng.uniform(-6, 6, size=(n, d))


def extreme(rng, n, d):
    """Entries from 1e-12 to 1e12, some of them zero."""
    X = rng.standard_normal((n, d)) * 10.0 ** rng.uniform(-12, 12, size=(n, d))
    return np.where(rng.random((n, d)) < 0.2, 0.0, X)


def mirrored(rng, n, d):
    """Each row with its opposite, exactly, and some of them twice."""
    X = rng.integers(-2, 3, size=(n, d)).astype(float)
    X[1::2] = -X[: n // 2 * 2 : 2]
    return X if n < 4 else np.vstack([X[:-1], X[:1]])


def last_places(rng, n, d):
    """Copies of two rows, each entry off by a few units in the last place."""
    base = rng.standard_normal((2, d))[rng.integers(2, size=n)]
    return base * (1.0 + rng.integers(-4, 5, size=(n, d)) * 2.0**-52)


def powers(rng, n, d):
    """Zeros and +-10^k for k from -12 to 12."""
    entries = rng.choice([-1.0, 0.0, 1.0, 3.0], size=(n, d))
    return entries * 10.0 ** rng.integers(-12, 13, size=(n, d))


TAME = {"gaussian": gaussian, "grid": grid, "copies": copies, "low_rank": low_rank}
WILD = {"clustered": clustered, "uneven": uneven, "extreme": extreme}
EVERY = TAME | WILD
NASTY = EVERY | {"mirrored": mirrored, "last_places": last_places, "powers": powers}
SETTINGS = [
    ("none", "none"), ("none", "constant"), ("none", "affine"), ("penalized", "none"),
    ("penalized", "constant"), ("penalized", "affine"), ("free", "constant"), ("free", "affine"),
]  # fmt: skip
