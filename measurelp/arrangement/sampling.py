"""Cells met by given directions: a sample that proves nothing about the rest."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from measurelp.errors import InvalidProblem
from measurelp.status import Scope

from ._exact_numbers import checked_matrix
from .arrangement import Arrangement
from .cells import Cells, packed_signs

_U = 2.0**-53
_BLOCK = 1 << 22


def sample_cells(X, directions, *, numbers: str = "decimal") -> Cells:
    """Distinct cells, and their opposites, that contain one of the given directions.

    Parameters
    ----------
    X : array-like of shape (n, d), or Arrangement
    directions : array-like of shape (m, d)
        Points of weight space; those on a hyperplane lie in no cell and are left out.
    numbers : {"decimal", "binary"}
        How the doubles of X are read; directions are always taken literally.

    Returns
    -------
    Cells
        With ``scope`` SAMPLED and the first direction met in every cell (or its negative) as witness.

    Raises
    ------
    InvalidProblem
        ``X`` or ``directions`` is not acceptable.

    Notes
    -----
    O(m n d).  Signs within their floating-point error bound of zero are decided in Fractions.

    Examples
    --------
    >>> cells = sample_cells([[1.0, 0.0], [0.0, 1.0]], [[1.0, 2.0], [-3.0, -1.0], [0.0, 1.0]])
    >>> len(cells), cells.scope.name
    (2, 'SAMPLED')
    """
    arrangement = X if isinstance(X, Arrangement) else Arrangement.from_data(X, numbers=numbers)
    points = checked_matrix(directions, "directions", "binary")
    data = arrangement.data
    if points.shape[1] != data.shape[1]:
        raise InvalidProblem(
            f"directions must have {data.shape[1]} columns like X, but it has shape {points.shape}"
        )
    if arrangement.rank == 0:
        return Cells(
            arrangement, np.zeros((1, 0), dtype=np.uint64), Scope.SAMPLED, points[:1].copy()
        )
    rows = np.zeros(arrangement.n_lines, dtype=np.int64)
    found = np.flatnonzero(arrangement.orientation)[::-1]
    rows[arrangement.line_of_row[found]] = found
    normals = data[rows] * arrangement.orientation[rows][:, None]
    packed, kept = [], []
    for at in range(0, len(points), max(1, _BLOCK // arrangement.n_lines)):
        block = points[at : at + max(1, _BLOCK // arrangement.n_lines)]
        signs = _signs(arrangement, normals, rows, block)
        inside = np.flatnonzero(signs.all(axis=1))
        packed.append(packed_signs(signs[inside] * signs[inside, :1] > 0))
        kept.append(block[inside] * signs[inside, :1])
    words, chosen = np.concatenate(packed), np.concatenate(kept)
    _, first = np.unique(words, axis=0, return_index=True)
    first.sort()
    return Cells(arrangement, words[first], Scope.SAMPLED, chosen[first])


def _signs(arrangement, normals, rows, block) -> np.ndarray:
    """Exact signs (m, n_lines) of the lines at the points of a block."""
    with np.errstate(over="ignore", invalid="ignore"):
        values = block @ normals.T
        # d + 2 roundings, and 5 units in the last place between a double and the decimal it stands for
        room = (np.abs(block) @ np.abs(normals).T) * ((normals.shape[1] + 14) * _U) + 1e-290
        certain = (np.abs(values) > room) & np.isfinite(values)
    signs = np.where(certain, np.sign(values), 0.0).astype(np.int8)
    for i, l in zip(*np.nonzero(~certain), strict=True):
        row = arrangement.exact_row(int(rows[l]))
        value = sum(
            (x * Fraction(w) for x, w in zip(row, block[i].tolist(), strict=True)), Fraction(0)
        )
        signs[i, l] = ((value > 0) - (value < 0)) * arrangement.orientation[rows[l]]
    return signs
