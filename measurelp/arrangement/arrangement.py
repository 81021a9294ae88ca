"""`Arrangement`: the distinct hyperplanes of a data set, read exactly."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from math import comb, gcd

import numpy as np

from ._exact_numbers import checked_matrix, checked_numbers, exact_entry, integer_column
from ._modular_kernels import rank_mod

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
        How doubles were read, see `from_data`.
    rounded_columns : tuple of bool
        Columns whose entries were read as the decimals of at most 12 digits next to them.
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
    rounded_columns: tuple[bool, ...]
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
            ``"decimal"`` reads doubles as the decimals that were meant, so that 0.1 is one tenth and points on a decimal
            grid are exactly on it; ``"binary"`` takes doubles literally.

        Returns
        -------
        Arrangement

        Raises
        ------
        InvalidProblem
            X is not a finite, nonempty, two-dimensional array of real numbers, or ``numbers`` is unknown.

        Notes
        -----
        The decimal reading goes column by column.  If every entry of the column lies within 4 units in the last place of a
        decimal with at most 12 significant digits, those decimals are meant: ``3 * 0.1``, which prints as
        0.30000000000000004, is 0.3, whichever way a grid was computed.  Otherwise every entry of the column is the
        shortest decimal that prints it (``repr``), so that data with long decimals keep all their digits.  Whole
        numbers below 2^53 stand for themselves.

        O(n d) exact operations plus one modular rank; exact elimination only when the rank is below d.
        What it proves: ranks, zero rows and coincidences of hyperplanes are decided in integers.

        Examples
        --------
        >>> facts = Arrangement.from_data([[1.0, 0.0], [-2.0, 0.0], [0.0, 0.0], [0.1, 0.3]])
        >>> facts.n_lines, facts.rank, facts.line_of_row.tolist(), facts.orientation.tolist()
        (2, 2, [0, 0, -1, 1], [1, -1, 0, 1])
        >>> [Arrangement.from_data([[0.1 + 0.2, 1.0], [0.3, 1.0]], numbers=r).n_lines for r in ("decimal", "binary")]
        [1, 2]
        """
        checked_numbers(numbers)
        data = checked_matrix(X, "X", numbers)
        columns, scale, shift, pivot, rounded = _centred_columns(data, numbers)
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
            rounded,
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
        return [
            exact_entry(v, self.numbers, rounded)
            for v, rounded in zip(self.data[i].tolist(), self.rounded_columns, strict=True)
        ]

    def bound_cells(self) -> int:
        """Largest number of cells that ``n_lines`` hyperplanes of this rank can have: ``2 sum_{k<rank} C(n_lines-1, k)``.

        Attained exactly in general position; 1 when there is no hyperplane at all.
        """
        if self.rank == 0:
            return 1
        return 2 * sum(comb(self.n_lines - 1, k) for k in range(self.rank))


def _centred_columns(data, numbers):
    """Integer columns, their factors, the multiple of the constant column taken from each, that column's index, flags."""
    read = [integer_column(column, numbers) for column in data.T]
    columns, scale = [part[0] for part in read], [part[1] for part in read]
    rounded = tuple(part[2] for part in read)
    shift = [Fraction(0)] * len(columns)
    constant = [q for q, c in enumerate(columns) if c[0] != 0 and c.count(c[0]) == len(c)]
    if not constant:
        return columns, scale, shift, -1, rounded
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
    return columns, scale, shift, pivot, rounded


def _merged_rows(columns):
    """Distinct lines (coprime, first nonzero entry positive), the line of every row and its orientation."""
    zero = (0,) * len(columns)
    line_of_row, orientation = [], []
    index: dict[tuple[int, ...], int] = {}  # in the order of first appearance
    for row, common in zip(zip(*columns, strict=True), map(gcd, *columns), strict=True):
        if common == 0:
            line_of_row.append(-1)
            orientation.append(0)
            continue
        if common != 1:
            row = tuple([v // common for v in row])
        sign = 1
        if row < zero:
            row, sign = tuple([-v for v in row]), -1
        line_of_row.append(index.setdefault(row, len(index)))
        orientation.append(sign)
    return list(index), np.array(line_of_row, dtype=np.int64), np.array(orientation, dtype=np.int8)


def _has_full_rank(lines, d):
    """Whether the rank modulo one prime is d; then the rank over the integers is d.  A few lines usually tell."""
    for some in (lines[: 2 * d], lines):
        residues = [[v % _RANK_PRIME for v in line] for line in some]
        if rank_mod(np.array(residues, dtype=np.uint64), np.uint64(_RANK_PRIME)) == d:
            return True
    return False


def _independent_columns(lines, d, pivot):
    """Indices of a maximal independent set of columns; the constant column ``pivot`` (never zero) is among them."""
    if not lines:
        return []
    if len(lines) >= d and _has_full_rank(lines, d):
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
