"""What the search kernels share: the lowered level, the scratch of a search, and the names of its slots.

Tuples of flat arrays; `_levels` fills them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

U = 2.0**-53
U_SINGLE = 2.0**-24
UP = 1.0 + 1e-9  # inflates every bound to cover the rounding of its own evaluation

# how a search ends
DONE = 0
FULL = 1
NOT_GENERIC = 2
PAUSED = 3

# what a search writes
COUNT = 0
SIGNS = 1
BASES = 2

# slots of Work.bounds: errors and sizes of rows and of phi, previous pivot, errors and size of coefficients, pivot column
ROW_E, PHI_E, ROW_M, PHI_M, SCALE, BETA_E, PHI_BETA_E, BETA_M, PIVOT = range(9)


class Level(NamedTuple):
    """The rows restricted to V_D and the functional phi_D there."""

    n: int  # rows
    n_words: int  # ceil(n / 64)
    dim: int  # D
    rank: int  # d
    exact: bool  # entries are integers whose minors stay exact in float64
    rows: np.ndarray  # (D * 64 * n_words,) one padded stretch per coordinate
    phi: np.ndarray  # (D,)
    row_error: float
    phi_error: float
    row_max: float
    phi_max: float


class Work(NamedTuple):
    """Scratch of one search; the whole state lives here, so that a search can stop, at a full buffer or to pause, and go on."""

    rows: np.ndarray  # (D - 1, D * 64 W) restricted rows by depth, flattened
    beta: np.ndarray  # (D - 1, D, n) coefficients on the elements of S
    phi: np.ndarray  # (D - 1, D)
    phi_beta: np.ndarray  # (D - 1, D)
    bounds: np.ndarray  # (D - 1, 9) errors and sizes by depth, see the constants below
    covered: (
        np.ndarray
    )  # (D - 1, W) uint64, bit l: row l is known not to be the smallest of its class
    in_flat: np.ndarray  # (W,) uint64, bit l: row l lies in cl(S)
    flat_row: np.ndarray  # (n,) rows of cl(S) in order of absorption
    flat_lead: np.ndarray  # (n,) position in S of the element that absorbed it
    flat_sign: np.ndarray  # (n,) sign relative to that element
    flat_size: np.ndarray  # (D + 1,) sizes by depth
    path: np.ndarray  # (D,) elements of S, descending
    cursor: np.ndarray  # (D,) next candidate by depth
    # state (6,): depth, end of the first elements, depth of the echelon forms, exact decisions, row reduced last, its depth
    state: np.ndarray
    singles: np.ndarray  # (128 W,) float32, the rows of a leaf
    words: (
        np.ndarray
    )  # (3, W) uint64: positive and near-zero rows at a vertex, rows with the orientation of k
    masks: np.ndarray  # (2 D, W) uint64: rows of cl(S) by the element that absorbed them, with its sign or the opposite
    extra_row: np.ndarray  # (n,) rows decided one by one at a leaf
    extra_sign: np.ndarray  # (n,) +-1 relative to k, or +-2 absolute
    coefficient: np.ndarray  # (D + 1,) signs of the coefficients of phi on S
    echelon: np.ndarray  # (D, P, D, d) uint64
    pivots: np.ndarray  # (P, D)
    free: np.ndarray  # (D, P, d) columns without a pivot
    reduced: np.ndarray  # (P + 1, d) uint64
    ids: np.ndarray  # (d,)
    matrix: np.ndarray  # (d, d) uint64
    digits: np.ndarray  # (P,) uint64
