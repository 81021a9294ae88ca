"""From floating point to exact numbers: arrays as integers over one denominator, dual vectors
that are orthogonal to the skip without rounding."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import qr

from measurelp.errors import InvalidProblem
from measurelp.problem import MeasureProblem

_ALPHA_BITS, _SPARE_BITS = 50, 60  # of alpha's entries, and of the finest unit they are in
_ROW_BITS = 40  # of coordinates
_INSIDE = 1.0 - 2.0**-40  # alpha is taken so far into the domain of the dual objective
_FARTHEST = 1e-6  # that an entry is moved, in units of the largest

Rationals = list[Any]  # [denominator, nested lists of numerators]


def rationals(array: NDArray[np.float64]) -> Rationals:
    """Doubles, exactly, as [denominator, numerators nested like the array]."""
    ratios = [value.as_integer_ratio() for value in np.ravel(array).tolist()]
    denominator = max((q for _, q in ratios), default=1)
    flat = np.empty(len(ratios), dtype=object)
    flat[:] = [p * (denominator // q) for p, q in ratios]
    return [denominator, flat.reshape(np.shape(array)).tolist()]


def shortened(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows rounded to some bits of their largest entry's binade."""
    exponents = np.frexp(np.abs(rows).max(axis=1, initial=0.0))[1][:, None]
    return np.asarray(
        np.ldexp(np.round(np.ldexp(rows, _ROW_BITS - exponents)), exponents - _ROW_BITS)
    )


def exact_dual(problem: MeasureProblem, alpha: NDArray[np.float64]) -> tuple[int, list[int]]:
    r"""Alpha, moved by little, such that :math:`\langle\alpha, c\rangle = 0` for the skip's columns.

    All entries but those of a few well chosen rows (as many as the columns have rank) keep
    their values, cut off after some bits; those rows, which are inside the domain of the dual
    objective if possible, take up the rest.

    Returns
    -------
    denominator : int
    numerators : list of int

    Raises
    ------
    InvalidProblem
        If alpha is far from orthogonal to the columns as they are exactly.
    """
    low, high = problem.loss.dual_domain(problem.y)
    if np.isfinite(low).any() or np.isfinite(high).any():
        alpha = alpha * _INSIDE
    exponent = int(np.frexp(np.abs(alpha).max(initial=0.0))[1]) - _ALPHA_BITS
    alpha = np.ldexp(np.trunc(np.ldexp(alpha, -exponent)), exponent)
    unit, numerators = rationals(alpha)
    spare = max(0, _SPARE_BITS - max((abs(a).bit_length() for a in numerators), default=0))
    unit, numerators = unit << spare, [a << spare for a in numerators]
    columns = problem.skip_columns
    if columns.shape[1] == 0:
        return unit, numerators
    entries = rationals(columns)[1]
    scale = np.linalg.norm(columns, axis=0)
    inside = np.minimum(1.0, np.minimum(alpha - low, high - alpha)) + 1e-6
    weighted = inside[:, None] * columns / np.where(scale > 0.0, scale, 1.0)
    _, order = qr(weighted.T, mode="r", pivoting=True)
    rows, pivots = _independent(entries, [int(i) for i in order])
    # Solve sum over the chosen rows of step * row = residual, in the pivot columns.
    residual = [sum(a * row[c] for a, row in zip(numerators, entries, strict=True)) for c in pivots]
    system = [[Fraction(entries[i][c]) for i in rows] for c in pivots]
    steps = _solution(system, [Fraction(r) for r in residual])
    values = [Fraction(a) for a in numerators]
    for i, step in zip(rows, steps, strict=True):
        values[i] -= step
    moved = max((float(abs(step)) for step in steps), default=0.0)
    if moved > _FARTHEST * max(map(abs, numerators)):
        raise InvalidProblem(
            "X: its columns depend on each other up to rounding only, so in exact arithmetic the "
            "skip fits more than in floating point; leave out the dependent columns."
        )
    common = math.lcm(*(value.denominator for value in values))
    return unit * common, [int(value * common) for value in values]


def _independent(matrix: list[list[int]], order: list[int]) -> tuple[list[int], list[int]]:
    """Rows, in this order, that are linearly independent and as many as the rank; pivot columns."""
    rows: list[int] = []
    pivots: list[int] = []
    reduced: list[list[Fraction]] = []
    for i in order:
        row = [Fraction(c) for c in matrix[i]]
        for pivot, other in zip(pivots, reduced, strict=True):
            if row[pivot]:
                factor = row[pivot] / other[pivot]
                row = [x - factor * y for x, y in zip(row, other, strict=True)]
        if any(row):
            rows.append(i)
            reduced.append(row)
            pivots.append(max(range(len(row)), key=lambda c: abs(row[c])))
            if len(rows) == len(row):
                break
    return rows, pivots


def _solution(system: list[list[Fraction]], right: list[Fraction]) -> list[Fraction]:
    """The solution of a regular square system, by elimination."""
    size = len(right)
    table = [[*row, value] for row, value in zip(system, right, strict=True)]
    for c in range(size):
        pivot = max(range(c, size), key=lambda k: abs(table[k][c]))
        table[c], table[pivot] = table[pivot], table[c]
        for k in range(size):
            if k != c and table[k][c]:
                factor = table[k][c] / table[c][c]
                table[k] = [x - factor * y for x, y in zip(table[k], table[c], strict=True)]
    return [table[c][size] / table[c][c] for c in range(size)]
