r"""How close the columns of a matrix are to orthogonal: coherence and restricted isometry.

Columns are scaled to unit length here; G is their Gram matrix.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations, islice

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]

_BLOCK = 4_000_000  # numbers in one block of a Gram matrix or of a batch of supports
_STARTS = 8


@dataclass(frozen=True, eq=False)
class Coherence:
    r"""Inner products of unit columns.

    Attributes
    ----------
    value : float
        :math:`\mu = \max_{i\ne j}|G_{ij}|`, the mutual coherence; 0 for a single column.
    pair : tuple of int or None
        Two columns at which it is attained.
    cumulative : (t,) array
        :math:`\mu_1(p)` for p = 1, ..., t: the largest sum of p moduli in a row of G (Tropp's
        cumulative coherence, or Babel function), the diagonal left out.
    """

    value: float
    pair: tuple[int, int] | None
    cumulative: Vector


def unit_columns(matrix: Matrix) -> Matrix:
    """The columns scaled to unit length; none may be zero."""
    near = matrix / np.abs(matrix).max(axis=0)  # so that no square over- or underflows
    return np.asarray(near / np.linalg.norm(near, axis=0))


def coherence(columns: Matrix, *, most: int = 1) -> Coherence:
    """The coherence of unit columns (n, m) and their cumulative coherence up to ``most``.

    Complexity O(n m^2), in blocks: the Gram matrix is never stored.
    """
    m = columns.shape[1]
    most = max(1, min(most, m - 1))
    if m < 2:
        return Coherence(0.0, None, np.zeros(most))
    best, pair, sums = -1.0, (0, 1), np.zeros(most)
    step = max(1, _BLOCK // m)
    for begin in range(0, m, step):
        block = np.abs(columns[:, begin : begin + step].T @ columns)
        block[np.arange(len(block)), begin + np.arange(len(block))] = -1.0
        i, j = np.unravel_index(int(np.argmax(block)), block.shape)
        if block[i, j] > best:
            best, pair = float(block[i, j]), (begin + int(i), int(j))
        largest = -np.partition(-block, most - 1, axis=1)[:, :most]
        largest = -np.sort(-largest, axis=1)
        sums = np.maximum(sums, np.cumsum(largest, axis=1).max(axis=0))
    return Coherence(min(best, 1.0), (min(pair), max(pair)), sums)


def welch_bound(n: int, m: int) -> float:
    r"""The least coherence of m unit vectors in n dimensions, :math:`\sqrt{(m-n)/(n(m-1))}`.

    0 for m <= n.  Source: Welch 1974.
    """
    return math.sqrt((m - n) / (n * (m - 1))) if m > n else 0.0


@dataclass(frozen=True)
class RestrictedIsometry:
    r"""A bracket on the restricted isometry constant of one order.

    :math:`\delta_s = \max_{|S|=s}\|G_{SS} - I\|_2`, the least delta with
    :math:`(1-\delta)|z|^2 \le |Az|^2 \le (1+\delta)|z|^2` for all z with s entries.

    Attributes
    ----------
    order : int
    lower : float
        Reached on a support.
    upper : float
        Equal to ``lower`` if all supports were looked at.
    supports : int
        How many supports were looked at.
    """

    order: int
    lower: float
    upper: float
    supports: int

    @property
    def is_exact(self) -> bool:
        """Whether the constant is known, up to rounding."""
        return self.upper == self.lower


def restricted_isometry(
    columns: Matrix, orders: tuple[int, ...], *, max_supports: int = 100_000
) -> tuple[RestrictedIsometry, ...]:
    r"""Brackets on the restricted isometry constants of unit columns (n, m).

    Exact by enumeration where there are at most ``max_supports`` supports.  Otherwise the lower
    end is the best of supports that grow greedily from the most coherent pairs, and the upper end
    the least of three bounds: the cumulative coherence :math:`\mu_1(s-1)` (Gershgorin), the
    spectrum of the whole matrix, and :math:`\tfrac{s-1}{t-1}\delta_t` for t < s, since a Gram
    matrix of s columns is an average of those of t.
    """
    m = columns.shape[1]
    known = coherence(columns, most=max([1, *orders]) - 1 or 1)
    spectrum = np.linalg.svd(columns, compute_uv=False)
    lowest = float(spectrum[-1] ** 2) if m <= columns.shape[0] else 0.0
    whole = max(float(spectrum[0] ** 2) - 1.0, 1.0 - lowest)
    found: dict[int, RestrictedIsometry] = {}
    for order in sorted(set(orders)):
        count = math.comb(m, order)
        if order <= 1:
            found[order] = RestrictedIsometry(order, 0.0, 0.0, m)
        elif order == 2:
            found[order] = RestrictedIsometry(order, known.value, known.value, count)
        elif count <= max_supports:
            value = _by_enumeration(columns, order)
            found[order] = RestrictedIsometry(order, value, value, count)
        else:
            lower, seen = _by_greed(columns, order, known)
            upper = min(float(known.cumulative[order - 2]), whole, (order - 1) * known.value)
            for less in found.values():
                lower = max(lower, less.lower)
                if less.order > 1:
                    upper = min(upper, (order - 1) / (less.order - 1) * less.upper)
            found[order] = RestrictedIsometry(order, lower, max(lower, upper), seen)
    return tuple(found[order] for order in orders)


def _deviation(columns: Matrix, supports: NDArray[np.intp]) -> Vector:
    """|G_SS - I| for supports (b, s)."""
    chosen = columns.T[supports]
    eigenvalues = np.linalg.eigvalsh(chosen @ chosen.transpose(0, 2, 1))
    return np.asarray(np.maximum(eigenvalues[:, -1] - 1.0, 1.0 - eigenvalues[:, 0]))


def _by_enumeration(columns: Matrix, order: int) -> float:
    n, m = columns.shape
    every = combinations(range(m), order)
    best, size = 0.0, max(1, _BLOCK // (order * max(n, order)))
    while batch := list(islice(every, size)):
        best = max(best, float(_deviation(columns, np.array(batch)).max()))
    return best


def _by_greed(columns: Matrix, order: int, known: Coherence) -> tuple[float, int]:
    """The best support grown column by column from the most coherent pair and some others."""
    m = columns.shape[1]
    assert known.pair is not None
    starts = [list(known.pair)]
    for first in np.linspace(0, m - 1, min(_STARTS, m)).astype(int):
        inner = np.abs(columns.T @ columns[:, first])
        inner[first] = -1.0
        starts.append([int(first), int(np.argmax(inner))])
    best, seen = 0.0, 0
    for support in starts:
        while len(support) < order:
            near = columns.T @ columns[:, support]
            rest = np.setdiff1d(np.argsort(-np.abs(near).sum(axis=1))[: 64 + order], support)
            trial = np.column_stack([np.tile(support, (len(rest), 1)), rest])
            values = _deviation(columns, trial)
            seen += len(trial)
            support = [*support, int(rest[np.argmax(values)])]
        best = max(best, float(_deviation(columns, np.array([support]))[0]))
    return best, seen
