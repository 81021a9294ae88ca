"""`Arrangement`: the distinct hyperplanes of a data set, read exactly."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from math import comb, gcd

import numpy as np

from ._exact_numbers import checked_matrix, checked_numbers, integer_column

_RANK_PRIME = 2**31 - 1


def _float(value: Fraction) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


@dataclass(frozen=True, eq=False)
class CoordinateChange:
    """The way back from the coordinates of `Arrangement.lines` to those of the data.

    A line l of the arrangement is ``sum_j lines[l][j] u_j``, the row of X is ``<x, w>``.  A point u is taken to
    ``w[kept[j]] = u_j / scale[j]`` and, where a constant column ``pivot`` was used for centring,
    ``w[pivot] = u_pivot / scale_pivot - sum_j shift[j] w[kept[j]]``; all other coordinates of w are zero.
    """

    n_columns: int
    kept: tuple[int, ...]
    scale: tuple[Fraction, ...]
    shift: tuple[Fraction, ...]
    pivot: int

    def to_data(self, u) -> list[Fraction]:
        """Coordinates w of the exact point u (a sequence of ints or Fractions of length rank)."""
        w = [Fraction(0)] * self.n_columns
        for j, q in enumerate(self.kept):
            w[q] = Fraction(u[j]) / self.scale[j]
        if self.pivot >= 0:
            w[self.pivot] -= sum(
                (s * w[q] for s, q in zip(self.shift, self.kept, strict=True)), Fraction(0)
            )
        return w

    def matrix(self) -> np.ndarray:
        """The same map as a float64 matrix (n_columns, rank)."""
        columns = [
            self.to_data([int(i == j) for i in range(len(self.kept))])
            for j in range(len(self.kept))
        ]
        return np.array([[_float(column[q]) for column in columns] for q in range(self.n_columns)])


@dataclass(frozen=True, eq=False)
class Arrangement:
    """The central arrangement ``{w in R^d : <x_i, w> = 0}`` of the rows of X, in exact integers.

    Build it with `from_data`.  Zero rows define no hyperplane; parallel and antiparallel rows share one ("line").

    Attributes
    ----------
    data : ndarray of shape (n_rows, d)
        X as given (read-only).
    numbers : {"decimal", "binary"}
        How doubles were read.
    n_rows, n_lines, rank : int
    line_of_row : ndarray of shape (n_rows,)
        Line of a row, -1 for a zero row.
    orientation : ndarray of shape (n_rows,), int8
        +1 or -1: ``sign<x_i, w> = orientation[i] * sign(line)``; 0 for a zero row.
    lines : tuple of tuples of int
        Coprime integer normals, shape (n_lines, rank), in the coordinates of `coordinates`.
    coordinates : CoordinateChange
        The way back to the coordinates of the data.
    """

    data: np.ndarray = field(repr=False)
    numbers: str
    n_rows: int
    n_lines: int
    rank: int
    line_of_row: np.ndarray = field(repr=False)
    orientation: np.ndarray = field(repr=False)
    lines: tuple[tuple[int, ...], ...] = field(repr=False)
    coordinates: CoordinateChange = field(repr=False)

    @classmethod
    def from_data(cls, X, *, numbers: str = "decimal") -> Arrangement:
        """Read X exactly and merge its rows into distinct hyperplanes.

        Parameters
        ----------
        X : array-like of shape (n, d)
            One hyperplane normal a row; append a column of ones for a bias.
        numbers : {"decimal", "binary"}
            ``"decimal"`` reads every double as the shortest decimal that prints it, so that 0.1 is one tenth and
            points on a decimal grid are exactly on it; ``"binary"`` takes doubles literally.

        Returns
        -------
        Arrangement

        Raises
        ------
        InvalidProblem
            X is not a finite, nonempty, two-dimensional array of real numbers, or ``numbers`` is unknown.

        Notes
        -----
        O(n d) exact operations plus one modular rank; exact elimination only when the rank is below d.
        What it proves: ranks, zero rows and coincidences of hyperplanes are decided in integers.

        Examples
        --------
        >>> facts = Arrangement.from_data([[1.0, 0.0], [-2.0, 0.0], [0.0, 0.0], [0.1, 0.3]])
        >>> facts.n_lines, facts.rank, facts.line_of_row.tolist(), facts.orientation.tolist()
        (2, 2, [0, 0, -1, 1], [1, -1, 0, 1])
        """
        checked_numbers(numbers)
        data = checked_matrix(X, "X", numbers)
        columns, scale, shift, pivot = _centred_columns(data, numbers)
        lines, line_of_row, orientation = _merged_rows(columns)
        kept = _independent_columns(lines, data.shape[1], pivot)
        if len(kept) < data.shape[1]:
            lines = [tuple(line[q] for q in kept) for line in lines]
        change = CoordinateChange(
            data.shape[1],
            tuple(kept),
            tuple(scale[q] for q in kept),
            tuple(shift[q] for q in kept),
            pivot,
        )
        line_of_row.setflags(write=False)
        orientation.setflags(write=False)
        return cls(
            data,
            numbers,
            data.shape[0],
            len(lines),
            len(kept),
            line_of_row,
            orientation,
            tuple(lines),
            change,
        )

    def exact_row(self, i: int) -> list[Fraction]:
        """Row i of the data as the numbers it stands for."""
        values = self.data[i].tolist()
        return (
            [Fraction(repr(v)) for v in values]
            if self.numbers == "decimal"
            else [Fraction(v) for v in values]
        )

    def bound_cells(self) -> int:
        """Largest number of cells that ``n_lines`` hyperplanes of this rank can have: ``2 sum_{k<rank} C(n_lines-1, k)``.

        Attained exactly in general position; 1 when there is no hyperplane at all.
        """
        if self.rank == 0:
            return 1
        return 2 * sum(comb(self.n_lines - 1, k) for k in range(self.rank))


def _centred_columns(data, numbers):
    """Integer columns, their factors, the multiple of the constant column taken from each, and that column's index."""
    columns, scale = [], []
    for q in range(data.shape[1]):
        integers, factor = integer_column(data[:, q], numbers)
        columns.append(integers)
        scale.append(factor)
    shift = [Fraction(0)] * len(columns)
    constant = [q for q, c in enumerate(columns) if c[0] != 0 and min(c) == max(c)]
    if not constant:
        return columns, scale, shift, -1
    pivot = constant[0]
    unit = columns[pivot][0]
    for q, column in enumerate(columns):
        if q == pivot:
            continue
        low, high = min(column), max(column)
        middle = (low + high) // 2
        if max(high - middle, middle - low) >= max(abs(low), abs(high)):
            continue
        column = [v - middle for v in column]
        common = gcd(*column) or 1
        columns[q] = [v // common for v in column]
        # X_q = factor (common new + middle) and X_pivot = scale_pivot * unit
        shift[q] = scale[q] * middle / (scale[pivot] * unit)
        scale[q] *= common
    return columns, scale, shift, pivot


def _merged_rows(columns):
    """Distinct lines (coprime, first nonzero entry positive), the line of every row and its orientation."""
    n = len(columns[0])
    line_of_row = np.full(n, -1, dtype=np.int64)
    orientation = np.zeros(n, dtype=np.int8)
    index: dict[tuple[int, ...], int] = {}
    lines: list[tuple[int, ...]] = []
    for i, row in enumerate(zip(*columns, strict=True)):
        common = gcd(*row)
        if common == 0:
            continue
        sign = 1
        for v in row:
            if v:
                sign = 1 if v > 0 else -1
                break
        common *= sign
        if common != 1:
            row = tuple([v // common for v in row])
        found = index.get(row)
        if found is None:
            found = index[row] = len(lines)
            lines.append(row)
        line_of_row[i] = found
        orientation[i] = sign
    return lines, line_of_row, orientation


def _rank_modulo_prime(lines, d):
    """Rank modulo one prime: a lower bound on the rank over the integers."""
    p = _RANK_PRIME
    m = np.array([[v % p for v in line] for line in lines], dtype=np.int64)
    rank = 0
    for c in range(d):
        pivots = np.flatnonzero(m[rank:, c])
        if not len(pivots):
            continue
        j = rank + int(pivots[0])
        m[[rank, j]] = m[[j, rank]]
        m[rank] = m[rank] * pow(int(m[rank, c]), -1, p) % p
        m[rank + 1 :] = (m[rank + 1 :] - m[rank + 1 :, c : c + 1] * m[rank]) % p
        rank += 1
        if rank == len(m):
            break
    return rank


def _independent_columns(lines, d, pivot):
    """Indices of a maximal independent set of columns; the constant column ``pivot`` (never zero) is among them."""
    if not lines:
        return []
    if len(lines) >= d and _rank_modulo_prime(lines, d) == d:
        return list(range(d))
    # exact fraction-free elimination on the transpose; the constant column goes first
    order = sorted(range(d), key=lambda q: q != pivot)
    echelon: list[tuple[int, list[int]]] = []
    kept = []
    for q in order:
        row = [line[q] for line in lines]
        for head, other in echelon:
            if row[head]:
                a, b = other[head], row[head]
                row = [a * x - b * y for x, y in zip(row, other, strict=True)]
        common = gcd(*row)
        if common == 0:
            continue
        row = [v // common for v in row]
        echelon.append((next(i for i, v in enumerate(row) if v), row))
        kept.append(q)
    return sorted(kept)
