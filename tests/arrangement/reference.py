"""Independent and slow ways to the same cells: Fractions, linear programs, known counts.

Nothing here imports the code under test.  Cells are returned as a set of tuples of +-1, both members of
every opposite pair, over pairwise non-parallel nonzero rows unless said otherwise.
"""

from __future__ import annotations

import itertools
import random
from fractions import Fraction
from math import comb, factorial

import numpy as np
from scipy.optimize import linprog


def general_position_count(n: int, d: int) -> int:
    """Cover's count of the cells of n hyperplanes in general position in R^d: ``2 sum_{k<d} C(n-1, k)``."""
    return 2 * sum(comb(n - 1, k) for k in range(d))


def assert_count(found: int, expected: int) -> None:
    """Fail when an enumeration found another number of cells than theory says."""
    if found != expected:
        raise AssertionError(f"found {found} cells where theory says {expected}")


def as_set(signs) -> set[tuple[int, ...]]:
    """The sign vectors of an (m, n) array as a set; fails when one of them occurs twice."""
    out = {tuple(int(v) for v in row) for row in signs}
    if len(out) != len(signs):
        raise AssertionError(f"{len(signs) - len(out)} cells are listed twice")
    return out


# ---- all sign vectors by linear programming ---------------------------------------------------------


def lp_cells(X) -> set[tuple[int, ...]]:
    """Grow sign vectors row by row and keep those for which ``s_i <x_i, w> >= 1`` has a solution."""
    X = np.asarray(X, dtype=float)
    n, d = X.shape
    scale = np.abs(X).max(axis=1, keepdims=True)
    scale[scale == 0] = 1.0
    rows = X / scale
    level = [()]
    for i in range(n):
        if not rows[i].any():
            level = [(*s, 0) for s in level]
            continue
        grown = []
        for s in level:
            for sign in (1, -1):
                t = (*s, sign)
                keep = [j for j in range(i + 1) if t[j] != 0]
                a_ub = -np.array([t[j] * rows[j] for j in keep])
                res = linprog(
                    np.zeros(d),
                    A_ub=a_ub,
                    b_ub=-np.ones(len(keep)),
                    bounds=[(None, None)] * d,
                    method="highs",
                )
                if res.status == 0:
                    grown.append(t)
        level = grown
    return set(level)


# ---- no broken circuits, in Fractions ---------------------------------------------------------------


def _reduce(row, echelon):
    row = list(row)
    for pivot, other in echelon:
        if row[pivot]:
            f = row[pivot]
            row = [a - f * b for a, b in zip(row, other, strict=True)]
    return row


def _extend(echelon, row):
    """Reduced echelon form with one more row, or None when the row depends on it."""
    row = _reduce(row, echelon)
    pivot = next((q for q, v in enumerate(row) if v), None)
    if pivot is None:
        return None
    row = [v / row[pivot] for v in row]
    out = []
    for p, other in echelon:
        f = other[pivot]
        out.append((p, [a - f * b for a, b in zip(other, row, strict=True)]))
    return [*out, (pivot, row)]


def exact_rank(rows) -> int:
    """Rank of a matrix of Fractions."""
    echelon = []
    for row in rows:
        echelon = _extend(echelon, [Fraction(v) for v in row]) or echelon
    return len(echelon)


def _invert(rows):
    d = len(rows)
    m = [
        [Fraction(v) for v in row] + [Fraction(int(i == j)) for j in range(d)]
        for i, row in enumerate(rows)
    ]
    for c in range(d):
        p = next(r for r in range(c, d) if m[r][c])
        m[c], m[p] = m[p], m[c]
        m[c] = [v / m[c][c] for v in m[c]]
        for r in range(d):
            if r != c and m[r][c]:
                f = m[r][c]
                m[r] = [a - f * b for a, b in zip(m[r], m[c], strict=True)]
    return [row[d:] for row in m]


def nbc_cells(rows, seed: int = 0) -> set[tuple[int, ...]]:
    """Cells of pairwise non-parallel rows of full column rank, from their no-broken-circuit sets.

    Uses sets of indices and dual bases in Fractions; no elimination order, no pivoting and no restriction in common
    with the kernels.
    """
    rows = [[Fraction(v) for v in row] for row in rows]
    n, d = len(rows), len(rows[0])
    rng = random.Random(seed)
    flags = {
        level: [Fraction(rng.randint(-(2**40), 2**40)) for _ in range(d)]
        for level in range(1, d + 1)
    }

    def closure(subset):
        echelon = []
        for i in subset:
            echelon = _extend(echelon, rows[i])
            if echelon is None:
                return None
        return {i for i in range(n) if not any(_reduce(rows[i], echelon))}

    half = []
    for level in range(1, d + 1):
        above = [flags[j] for j in range(d, level, -1)]
        for subset in itertools.combinations(range(1, n), level - 1):
            good = True
            for i in range(len(subset)):
                flat = closure(subset[i:])
                if flat is None or min(flat) != subset[i]:
                    good = False
                    break
            if not good:
                continue
            basis = [rows[0]] + [rows[s] for s in subset] + above
            inverse = _invert(basis)
            dual = [[inverse[r][c] for r in range(d)] for c in range(level)]
            phi = flags[level]
            oriented = []
            for v in dual:
                value = sum(a * b for a, b in zip(phi, v, strict=True))
                assert value != 0
                oriented.append([x if value > 0 else -x for x in v])
            signs = []
            for row in rows:
                value = next(
                    x
                    for x in (sum(a * b for a, b in zip(row, v, strict=True)) for v in oriented)
                    if x
                )
                signs.append(1 if value > 0 else -1)
            half.append(tuple(signs))
    whole = set(half) | {tuple(-s for s in t) for t in half}
    assert len(whole) == 2 * len(half)
    return whole


# ---- families with known counts ---------------------------------------------------------------------


def binary_rows(d: int) -> np.ndarray:
    """All 0/1 vectors of length d."""
    return np.array(list(itertools.product((0, 1), repeat=d)), dtype=float)


def resonance(d: int) -> np.ndarray:
    """All nonzero 0/1 vectors of length d."""
    return binary_rows(d)[1:]


def with_bias(X) -> np.ndarray:
    """X with a column of ones appended."""
    X = np.asarray(X, dtype=float)
    return np.hstack([X, np.ones((len(X), 1))])


def grid(values, d: int) -> np.ndarray:
    """All points of values^d with a bias column."""
    return with_bias(list(itertools.product(values, repeat=d)))


def braid(n: int) -> np.ndarray:
    """Rows e_i - e_j: n! cells, rank n - 1 in R^n."""
    rows = []
    for i, j in itertools.combinations(range(n), 2):
        row = [0.0] * n
        row[i], row[j] = 1.0, -1.0
        rows.append(row)
    return np.array(rows)


def type_b(n: int) -> np.ndarray:
    """Rows e_i and e_i +- e_j: 2^n n! cells."""
    rows = list(np.eye(n))
    for i, j in itertools.combinations(range(n), 2):
        for s in (1.0, -1.0):
            row = np.zeros(n)
            row[i], row[j] = 1.0, s
            rows.append(row)
    return np.array(rows)


def type_b_count(n: int) -> int:
    """Order of the hyperoctahedral group."""
    return 2**n * factorial(n)


RESONANCE = {1: 2, 2: 6, 3: 32, 4: 370, 5: 11292, 6: 1066044}
THRESHOLD = {1: 4, 2: 14, 3: 104, 4: 1882, 5: 94572, 6: 15028134}
