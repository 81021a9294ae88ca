r"""The null-space property: whether least l1 norms find all sparse vectors.

With :math:`\gamma_s = \max |z_S|_1 / |z_{S^c}|_1` over z in the kernel of A and |S| = s, every z
with at most s entries is the only solution of min |z|_1, Az = y, if and only if
:math:`\gamma_s < 1` (Donoho and Huo 2001; Cohen, Dahmen and DeVore 2009).  The maximum of
:math:`\alpha = |z_S|_1/|z|_1` is attained at a kernel vector of minimal support, a *circuit*;
:math:`\gamma = \alpha/(1-\alpha)`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations, islice

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from measurelp.backends import HighsBackend
from measurelp.program import ConeProgram

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]

CLEAR = 1e-9  # gamma is told from 1 by more than this
_RANK = 1e-11
_CIRCUIT = 1e-10
_BATCH = 1_000_000


@dataclass(frozen=True)
class NullSpaceConstant:
    r"""A bracket on :math:`\gamma_s`.

    Attributes
    ----------
    order : int
    lower : float
        Reached by a kernel vector; inf if one has at most s entries.
    upper : float
        Equal to ``lower`` if all circuits were looked at.
    """

    order: int
    lower: float
    upper: float

    @property
    def holds(self) -> bool | None:
        """Whether the null-space property of this order holds; None if undecided.

        A constant that is 1 up to 1e-9 counts as 1: whether sums of floating-point numbers are
        equal is not decided.
        """
        if self.upper < 1.0 - CLEAR:
            return True
        return False if self.lower >= 1.0 - CLEAR else None


def null_space_constants(
    matrix: Matrix,
    orders: tuple[int, ...],
    *,
    max_supports: int = 100_000,
    max_programs: int = 400,
) -> tuple[tuple[NullSpaceConstant, ...], str]:
    r"""Brackets on the null-space constants of a matrix (n, m), and how they were found.

    By all circuits, where they lie among at most ``max_supports`` sets of rank + 1 columns: exact
    for all orders up to rounding.  Else, for at most ``max_programs`` columns, by one linear
    program a column: from any vector v,
    :math:`|z_i|\le\|e_i - A^\top v\|_\infty|z|_1` on the kernel, and the s largest of these
    numbers add up to a bound on alpha.  Bounds and kernel vectors are recomputed from what the
    solver returns.  For more columns there is a lower end only.
    """
    m = matrix.shape[1]
    _, singular, right = np.linalg.svd(matrix, full_matrices=False)
    rank = int(np.sum(singular > _RANK * singular.max(initial=0.0))) if m else 0
    if rank == m:
        return tuple(NullSpaceConstant(order, 0.0, 0.0) for order in orders), "independent columns"
    rows = right[:rank]  # an orthonormal basis of the row space: the same kernel
    if math.comb(m, rank + 1) <= max_supports:
        alphas = _over_circuits(rows, orders)
        return tuple(
            NullSpaceConstant(order, _gamma(alpha), _gamma(alpha))
            for order, alpha in zip(orders, alphas, strict=True)
        ), "all circuits"
    kernel = np.eye(m) - rows.T @ rows if m <= 4000 else None
    vectors = [] if kernel is None else [kernel]
    bounds = np.ones(m)
    how = "kernel vectors"
    if m <= max_programs:
        how = "linear programs"
        for i in range(m):
            bounds[i], vector = _largest_entry(rows, i)
            vectors.append(vector[None, :])
    largest = np.sort(bounds)[::-1]
    out = []
    for order in orders:
        lower = max((float(_share(part, order).max()) for part in vectors), default=0.0)
        upper = min(1.0, float(largest[:order].sum()))
        out.append(NullSpaceConstant(order, _gamma(lower), _gamma(max(lower, upper))))
    return tuple(out), how


def _gamma(alpha: float) -> float:
    return alpha / (1.0 - alpha) if alpha < 1.0 - 1e-14 else math.inf


def _share(vectors: Matrix, order: int) -> Vector:
    """The largest |z_S|_1 / |z|_1 with |S| = order, for vectors in rows; 0 for those that vanish."""
    size = np.abs(vectors)
    total = size.sum(axis=1)
    order = min(order, size.shape[1])
    top = -np.partition(-size, order - 1, axis=1)[:, :order].sum(axis=1)
    keep = size.max(axis=1) > 1e-8
    return np.where(keep, top / np.where(keep, total, 1.0), 0.0)


def _over_circuits(rows: Matrix, orders: tuple[int, ...]) -> list[float]:
    """The largest shares over all circuits: each is in a set of rank + 1 columns of full rank."""
    rank, m = rows.shape
    best = [0.0] * len(orders)
    every = combinations(range(m), rank + 1)
    while batch := list(islice(every, max(1, _BATCH // (rank + 1) ** 2))):
        blocks = rows.T[np.array(batch)].transpose(0, 2, 1)
        _, singular, right = np.linalg.svd(blocks, full_matrices=True)
        keep = singular[:, -1] > _CIRCUIT * singular[:, 0] if rank else np.ones(len(batch), bool)
        circuits = right[keep, -1]
        if len(circuits):
            best = [
                max(value, float(_share(circuits, order).max()))
                for value, order in zip(best, orders, strict=True)
            ]
    return best


def _largest_entry(rows: Matrix, i: int) -> tuple[float, Vector]:
    r"""A bound on |z_i| / |z|_1 over the kernel, and a kernel vector that should reach it."""
    rank, m = rows.shape
    axis = np.eye(m)[i]
    ones = np.ones((m, 1))
    program = ConeProgram(
        None, np.append(np.zeros(rank), 1.0),
        sparse.csc_array(np.block([[-rows.T, -ones], [rows.T, -ones]])),
        np.concatenate([-axis, axis]), nonneg=2 * m,
    )  # fmt: skip
    report = HighsBackend().solve(program)
    bound, vector = 1.0, axis
    if report.x is not None:
        bound = min(1.0, float(np.abs(axis - rows.T @ report.x[:rank]).max()))
    if report.z is not None:
        vector = report.z[:m] - report.z[m:]
    return bound, np.asarray(vector - rows.T @ (rows @ vector))
