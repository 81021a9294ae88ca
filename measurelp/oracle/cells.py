"""The exact oracle over enumerated cells: one projection a cell."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from measurelp.arrangement import Arrangement, Cells, count_cells, iter_cells
from measurelp.errors import InvalidProblem
from measurelp.oracle._kernels import cell_suprema
from measurelp.oracle.ascent import climbed
from measurelp.oracle.base import ROUNDOFF, Budget, DualFunction, OracleReport, report_from_points
from measurelp.status import Scope, Termination

_FREE_BIAS = 1e-5


class CellOracle:
    r"""Supremum of :math:`|\eta|` cell by cell.

    On a closed cell K, eta is linear with gradient g, and

    .. math:: \max_{w\in K,\,|w|\le1}\langle g, w\rangle = \min_{\rho\ge0}
              \Bigl|g + \sum_i \rho_i s_i x_i\Bigr|,

    so any :math:`\rho\ge0` proves a bound.  Faces belong to closed cells.  Complexity: cells
    times n d, streamed in blocks.  The report is COMPLETE when ``cells`` is (or is left out,
    so that all cells are enumerated); over a sample of cells it proves nothing.

    Parameters
    ----------
    cells : Cells, optional
        Cells of the problem's lifted rows to use instead of enumerating.
    """

    name = "cells"

    def __init__(self, cells: Cells | None = None) -> None:
        self.cells = cells

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
        if self.cells is None:
            arrangement = Arrangement.from_data(dual.problem.lifted)
            blocks = iter_cells(arrangement)
            scope = Scope.COMPLETE
        else:
            arrangement = self.cells.arrangement
            self._check(self.cells, dual)
            blocks = iter([self.cells])
            scope = self.cells.scope
        # A free bias gets a small penalty; what that loses is charged to each bound.
        stretch = np.ones(dual.space.rank)
        if dual.space.has_free_bias:
            stretch[-1] = 1.0 / _FREE_BIAS
        rows, alpha = dual.space.rows * stretch, dual.alpha
        rays, jumps, offset = _lines(arrangement, rows, alpha)
        total = alpha @ rows
        # A row may stand for a decimal 5 units in the last place away, and coordinates of the
        # row space are off by the residual.
        size = np.linalg.norm(dual.space.rows, axis=1)
        lost = np.max(dual.space.residual[size > 0.0] / size[size > 0.0], initial=0.0)
        ray_error = 32.0 * ROUNDOFF + float(lost)
        axes = np.eye(rows.shape[1])
        points = [climbed(dual, axes if starts is None else np.vstack([axes, starts]))]
        values = [dual.values(points[0])]
        upper = 0.0
        n_cells = 0
        termination = Termination.CONVERGED
        for block in blocks:
            best = max(float(np.max(np.abs(v), initial=0.0)) for v in values)
            floor = level if level > 0.0 else best
            block_points = np.zeros((len(block.packed), rows.shape[1]))
            block_values = np.zeros(len(block.packed))
            bound = cell_suprema(
                block.packed, rays, ray_error, jumps, offset, total, rows, alpha, floor,
                _FREE_BIAS if dual.space.has_free_bias else 0.0, block_points, block_values,
            )  # fmt: skip
            upper = max(upper, bound)
            n_cells += len(block)
            found = np.flatnonzero(np.abs(block_values) > 0.0)
            points.append(block_points[found] * stretch)
            values.append(block_values[found])
            if budget.time_is_up:
                upper = 2.0 * dual.magnitude
                termination = Termination.TIME_LIMIT
                break
        all_points, all_values = np.vstack(points), np.concatenate(values)
        if dual.space.has_free_bias:
            all_points = climbed(dual, all_points, np.where(all_values < 0.0, -1.0, 1.0))
            all_values = dual.values(all_points)
        # Sums over n rows; the arrangement reads rows as decimals at most 5 units away.
        error = (3.0 * len(rows) + 64.0) * ROUNDOFF * dual.magnitude
        upper = max(upper, float(np.max(np.abs(all_values), initial=0.0))) + error
        return report_from_points(
            dual, upper, all_points, all_values, level,
            scope=scope, termination=termination, cells=n_cells,
        )  # fmt: skip

    @staticmethod
    def _check(cells: Cells, dual: DualFunction) -> None:
        """Refuse cells of other data, and a part of the cells that says it is all of them."""
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
    arrangement: Arrangement, rows: NDArray[np.float64], alpha: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Unit rays of the lines, the jump of eta's gradient across each, and the offset.

    With o_i the orientation of row i on its line, a row is active where o_i s_l > 0:
    g = offset + sum of jumps over s_l = +1.
    """
    weighted = alpha[:, None] * rows
    orientation, line = arrangement.orientation, arrangement.line_of_row
    jumps = np.zeros((arrangement.n_lines, rows.shape[1]))
    np.add.at(jumps, line[orientation != 0], (orientation[:, None] * weighted)[orientation != 0])
    offset = np.asarray(weighted[orientation < 0].sum(axis=0))
    rays = np.zeros_like(jumps)
    for i in np.flatnonzero(orientation != 0)[::-1]:
        rays[line[i]] = orientation[i] * rows[i] / np.linalg.norm(rows[i])
    return rays, jumps, offset
