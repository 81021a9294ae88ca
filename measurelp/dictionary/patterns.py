r"""All 0/1 vectors that threshold units make of the data: the finite dictionary of step functions.

A weight w gives the pattern :math:`(1\{\langle\tilde x_i, w\rangle \ge 0\})_i`.  Inside a cell of
the data's hyperplanes it is that of the cell.  On a hyperplane its rows are active from either
side, which no cell need be: for inputs 1 and -1 without a bias, w = 0 is active on both.  If
all rows have a positive product with some v (with a bias, (0, ..., 0, 1)), a step along v leaves
active what is active and clears the hyperplanes, so cells suffice.  Otherwise the faces are
gone through: a flat whose rows are linearly independent can be left in any directions,
so only flats with dependent rows, and those with opposite rows, can bring something new.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import gcd, lcm

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog

from measurelp.arrangement import Arrangement, enumerate_cells
from measurelp.errors import InvalidProblem
from measurelp.problem import MeasureProblem

MOST_ENTRIES = 200_000_000  # patterns times data points
MOST_FLATS = 20_000
_LARGEST_EXACT = 2**53

Integers = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Patterns:
    """Distinct patterns with weights that have them.

    Attributes
    ----------
    active : (K, n) bool array
        No row of it twice.
    weights : (K, d') array
        nan where no weight in double precision was found that has the pattern exactly as
        doubles are multiplied; such a pattern counts in bounds and is never an atom.
    """

    active: NDArray[np.bool_]
    weights: NDArray[np.float64]

    @property
    def has_weight(self) -> NDArray[np.bool_]:
        """Which patterns can be atoms."""
        return np.asarray(np.isfinite(self.weights).all(axis=1))

    def contains(self, active: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Which of some patterns (k, n) are among these."""
        known = {row.tobytes() for row in np.packbits(self.active, axis=1)}
        return np.array([row.tobytes() in known for row in np.packbits(active, axis=1)], dtype=bool)


def all_patterns(problem: MeasureProblem) -> Patterns:
    """The patterns of a problem's data, every one of them, numbers read as decimals.

    Raises
    ------
    InvalidProblem
        When there may be more than 2e8 entries, or there are more than 20,000 flats to go through.
    """
    rows = problem.lifted
    arrangement = Arrangement.from_data(rows)
    bound = arrangement.bound_cells()
    if bound * problem.n > MOST_ENTRIES:
        raise InvalidProblem(
            f"X: threshold units make up to {bound} different patterns of these {problem.n} points; "
            f"all are gone through up to {MOST_ENTRIES // problem.n}.  Use fewer points or features."
        )
    cells = enumerate_cells(arrangement, witness=True)
    witnesses = cells.witnesses
    assert witnesses is not None
    active, weights = [cells.signs >= 0], [witnesses]
    if not _is_one_sided(rows):
        for more_active, more_weights in _on_flats(arrangement):
            active.append(more_active)
            weights.append(more_weights)
        active.append(np.ones((1, problem.n), dtype=bool))
        weights.append(np.zeros((1, rows.shape[1])))
    return _distinct(rows, np.vstack(active), np.vstack(weights))


def _distinct(
    rows: NDArray[np.float64], active: NDArray[np.bool_], weights: NDArray[np.float64]
) -> Patterns:
    """Each pattern once, with a weight that has it exactly if one of its own does."""
    finite = np.asarray(np.isfinite(weights).all(axis=1))
    seen = np.where(finite[:, None], weights, 0.0) @ rows.T >= 0.0
    exact = finite & np.all(seen == active, axis=1)
    weights = np.where(exact[:, None], weights, np.nan)
    order = np.argsort(~exact, kind="stable")
    chosen = order[first_of_each(active[order])]
    return Patterns(active[chosen], weights[chosen])


def first_of_each(flags: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Indices of the rows (K, n) that no earlier row equals, in their order."""
    first: dict[bytes, int] = {}
    for k, row in enumerate(np.packbits(flags, axis=1)):
        first.setdefault(row.tobytes(), k)
    return np.fromiter(first.values(), dtype=np.intp, count=len(first))


def _is_one_sided(rows: NDArray[np.float64]) -> bool:
    """Whether some v has a positive product with every nonzero row, checked at the v found."""
    used = rows[np.any(rows != 0.0, axis=1)]
    if not len(used):
        return True
    unit = used / np.linalg.norm(used, axis=1)[:, None]
    p = rows.shape[1]
    answer = linprog(
        np.append(np.zeros(p), -1.0), A_ub=np.column_stack([-unit, np.ones(len(unit))]),
        b_ub=np.zeros(len(unit)), bounds=[(-1, 1)] * p + [(None, 1)],
    )  # fmt: skip
    return answer.x is not None and bool(np.all(unit @ answer.x[:p] > 1e-9))


def _on_flats(
    arrangement: Arrangement,
) -> list[tuple[NDArray[np.bool_], NDArray[np.float64]]]:
    """The patterns of the faces inside flats that can bring new ones, w = 0 left out."""
    lines, rank = arrangement.lines, arrangement.rank
    rows = [
        tuple(int(o) * v for v in lines[line]) if line >= 0 else (0,) * rank
        for line, o in zip(arrangement.line_of_row, arrangement.orientation, strict=True)
    ]
    opposite = {
        line
        for line in range(len(lines))
        if len(set(arrangement.orientation[arrangement.line_of_row == line].tolist())) > 1
    }
    found = []
    seen: set[frozenset[int]] = set()
    level: list[frozenset[int]] = [frozenset()]
    for codimension in range(1, rank):
        following: list[frozenset[int]] = []
        for flat in level:
            for line in range(len(lines)):
                if line in flat:
                    continue
                basis = _null_basis([lines[i] for i in (*flat, line)], rank)
                closure = frozenset(
                    i for i, normal in enumerate(lines) if not any(_dot(normal, b) for b in basis)
                )
                if closure in seen:
                    continue
                seen.add(closure)
                if len(seen) > MOST_FLATS:
                    raise InvalidProblem(
                        f"X: without a bias, threshold units need the faces of the data's hyperplanes, "
                        f"and these have more than {MOST_FLATS} flats; use a bias or fewer points."
                    )
                following.append(closure)
                if len(closure) > codimension or closure & opposite:
                    found.append(_of_flat(arrangement, rows, basis))
        level = following
    return found


def _of_flat(
    arrangement: Arrangement, rows: list[Integers], basis: list[Integers]
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """The patterns of the cells of the hyperplanes restricted to a flat, and weights in them."""
    restricted = [[_dot(row, b) for b in basis] for row in rows]
    if max(abs(v) for row in restricted for v in row) >= _LARGEST_EXACT:
        raise InvalidProblem(
            "X: the numbers have too many digits for exact faces without a bias; round them."
        )
    cells = enumerate_cells(np.array(restricted, dtype=np.float64), numbers="binary", witness=True)
    points = cells.witnesses
    assert points is not None
    weights = np.full((len(points), arrangement.n_rows and arrangement.data.shape[1]), np.nan)
    for k, point in enumerate(points):
        if np.isfinite(point).all():
            inside = [Fraction(float(v)) for v in point]
            combined = [
                sum((z * b[j] for z, b in zip(inside, basis, strict=True)), Fraction(0))
                for j in range(arrangement.rank)
            ]
            scale = lcm(*(v.denominator for v in combined))
            whole = [int(v * scale) for v in combined]
            weights[k] = [float(v) for v in arrangement.coordinates.to_data(whole)]
    return cells.signs >= 0, weights


def _dot(a: Integers, b: Integers) -> int:
    return sum(x * y for x, y in zip(a, b, strict=True))


def _null_basis(normals: list[Integers], width: int) -> list[Integers]:
    """An integer basis of the vectors orthogonal to all normals."""
    matrix = [[Fraction(v) for v in normal] for normal in normals]
    pivots: list[int] = []
    for column in range(width):
        place = len(pivots)
        pivot = next((i for i in range(place, len(matrix)) if matrix[i][column]), None)
        if pivot is None:
            continue
        matrix[place], matrix[pivot] = matrix[pivot], matrix[place]
        head = matrix[place][column]
        matrix[place] = [v / head for v in matrix[place]]
        for i, row in enumerate(matrix):
            if i != place and row[column]:
                factor = row[column]
                matrix[i] = [a - factor * b for a, b in zip(row, matrix[place], strict=True)]
        pivots.append(column)
    basis = []
    for free in (c for c in range(width) if c not in pivots):
        vector = [Fraction(0)] * width
        vector[free] = Fraction(1)
        for row, column in zip(matrix, pivots, strict=False):
            vector[column] = -row[free]
        scale = lcm(*(v.denominator for v in vector))
        whole = [int(v * scale) for v in vector]
        divisor = gcd(*whole) or 1
        basis.append(tuple(v // divisor for v in whole))
    return basis
