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


TAME = {"gaussian": gaussian, "grid": grid, "copies": copies, "low_rank": low_rank}
WILD = {"clustered": clustered, "uneven": uneven, "extreme": extreme}
EVERY = TAME | WILD
SETTINGS = [
    ("none", "none"), ("none", "constant"), ("none", "affine"), ("penalized", "none"),
    ("penalized", "constant"), ("penalized", "affine"), ("free", "constant"), ("free", "affine"),
]  # fmt: skip
