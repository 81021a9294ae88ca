"""The exact oracle over enumerated cells: one projection a cell."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from measurelp.arrangement import Arrangement, Cells, count_cells, iter_cells
from measurelp.errors import InvalidProblem
from measurelp.oracle._kernels import cell_suprema
from measurelp.oracle.ascent import climbed
from measurelp.oracle.base import Budget, OracleReport, in_units_of_alpha, report_from_points
from measurelp.oracle.dual_function import ROUNDOFF, DualFunction, Slice, with_linear_part
from measurelp.problem import MeasureProblem, RowSpace
from measurelp.status import Scope, Termination

_PIECE = 1024  # cells between two looks at the clock


class CellOracle:
    r"""Supremum of :math:`|\eta|` cell by cell.

    On a closed cell K, eta is linear with gradient g, and

    .. math:: \max_{w\in K,\,|w|\le1}\langle g, w\rangle = \min_{\rho\ge0}
              \Bigl|g + \sum_i \rho_i s_i x_i\Bigr|,

    so any :math:`\rho\ge0` proves a bound.  Faces belong to closed cells.  Complexity: cells
    times n d, streamed in blocks.  The report is COMPLETE when ``cells`` is (or is left out,
    so that all cells are enumerated); over a sample of cells it proves nothing.  With a free
    bias every slice has an arrangement of its own, in one dimension less.

    Parameters
    ----------
    cells : Cells, optional
        Cells of the problem's lifted rows to use instead of enumerating.
    """

    name = "cells"

    def __init__(self, cells: Cells | None = None) -> None:
        self.cells = cells
        self._checked_for: MeasureProblem | None = None

    @in_units_of_alpha
    def maximise(
        self,
        dual: DualFunction,
        *,
        level: float = 0.0,
        tolerance: float = 1e-9,
        starts: NDArray[np.float64] | None = None,
        budget: Budget | None = None,
    ) -> OracleReport:
        budget = budget or Budget()
        axes = np.eye(dual.space.rank)
        points = [climbed(dual, axes if starts is None else np.vstack([axes, starts]))]
        values = [dual.values(points[0])]
        best = float(np.abs(values[0]).max(initial=0.0))
        upper, n_cells = 0.0, 0
        termination = Termination.CONVERGED
        for part, arrangement, block in self._blocks(dual):
            if termination is Termination.CONVERGED and budget.time_is_up:
                upper, termination = 2.0 * dual.magnitude, Termination.TIME_LIMIT
                break
            rays, ray_error, jumps, offset = _lines(arrangement, part, dual.space)
            floor = level if level > 0.0 else best
            block_points = np.zeros((len(block), part.rows.shape[1]))
            block_values = np.zeros(len(block))
            total, rows, alpha = part.alpha @ part.rows, part.rows, part.alpha
            if part.centre is None and dual.linear is not None:
                # <l, w> changes its sign on the opposite cell, and total is what the sum loses there.
                offset, total = offset + dual.linear, total + 2.0 * dual.linear
                rows, alpha = with_linear_part(rows, alpha, dual.linear)
            bound = cell_suprema(
                block, rays, ray_error, jumps, offset, total, rows, alpha, floor, block_points,
                block_values,
            )  # fmt: skip
            upper = max(upper, bound)
            best = max(best, float(np.abs(block_values).max(initial=0.0)))
            n_cells += 2 * len(block)
            found = np.flatnonzero(block_values)
            points.append(part.to_space(block_points[found]))
            values.append(block_values[found])
        # Sums over n rows; the arrangement reads rows as decimals at most 5 units away.
        error = (3.0 * len(dual.alpha) + 64.0) * ROUNDOFF * 2.0 * dual.magnitude
        return report_from_points(
            dual, max(upper, best) + error, np.vstack(points), np.concatenate(values), level,
            scope=Scope.COMPLETE if self.cells is None else self.cells.scope,
            termination=termination, cells=n_cells,
        )  # fmt: skip

    def _blocks(
        self, dual: DualFunction
    ) -> Iterator[tuple[Slice, Arrangement, NDArray[np.uint64]]]:
        """Pieces of the packed cells of every slice, small enough to look at the clock between."""
        if self.cells is not None and self._checked_for is not dual.problem:
            self._check(self.cells, dual)
            self._checked_for = dual.problem
        for part in dual.slices:
            if not len(part.rows):
                continue
            if part.centre is not None:
                arrangement = Arrangement.from_data(part.rows)
            else:
                # The original rows, all of them: their degeneracies are exact.
                factor = sum(dual.problem.activation.slopes)
                part = Slice(dual.space.rows, dual.alpha * factor)
                arrangement = Arrangement.from_data(dual.problem.lifted)
            blocks = [self.cells] if self.cells is not None else iter_cells(arrangement)
            for block in blocks:
                for start in range(0, len(block.packed), _PIECE):
                    yield part, arrangement, block.packed[start : start + _PIECE]

    @staticmethod
    def _check(cells: Cells, dual: DualFunction) -> None:
        """Refuse cells of other data, and a part of the cells that says it is all of them."""
        if dual.space.has_free_bias:
            raise InvalidProblem(
                "cells: with a free bias the oracle goes over other arrangements than that of "
                "the lifted data; leave cells out."
            )
        if not np.array_equal(cells.arrangement.data, dual.problem.lifted):
            raise InvalidProblem(
                "cells: they belong to other data; enumerate the cells of problem.lifted."
            )
        if cells.scope is Scope.COMPLETE:
            everything = count_cells(cells.arrangement)
            if len(cells) != everything:
                raise InvalidProblem(
                    f"cells: {len(cells)} of the {everything} cells were given, but marked as "
                    "complete; give all of them, or leave cells out."
                )


def _lines(
    arrangement: Arrangement, part: Slice, space: RowSpace
) -> tuple[NDArray[np.float64], float, NDArray[np.float64], NDArray[np.float64]]:
    """Unit rays of the lines, their error, the jump of eta's gradient across each, the offset.

    With o_i the orientation of row i on its line, a row is active where o_i s_l > 0:
    g = offset + sum of jumps over s_l = +1.  A ray is off by its rounding, by the at most 5
    units in the last place at which a row is read, and by the reduction to the row space.
    """
    rows = part.rows
    weighted = part.alpha[:, None] * rows
    orientation, line = arrangement.orientation, arrangement.line_of_row
    jumps = np.zeros((arrangement.n_lines, rows.shape[1]))
    np.add.at(jumps, line[orientation != 0], (orientation[:, None] * weighted)[orientation != 0])
    offset = np.asarray(weighted[orientation < 0].sum(axis=0))
    rays = np.zeros_like(jumps)
    size = np.linalg.norm(rows, axis=1)
    used = np.flatnonzero((orientation != 0) & (size > 0.0))[::-1]
    rays[line[used]] = orientation[used, None] * rows[used] / size[used, None]
    whole = np.linalg.norm(space.rows, axis=1)
    seen = whole > 0.0
    lost = float(np.max(space.residual[seen] / whole[seen], initial=0.0))
    return rays, 32.0 * ROUNDOFF + lost, jumps, offset
