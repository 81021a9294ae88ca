"""The exact oracle over enumerated rays, for balls with flat faces and few rays."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from measurelp.dictionary.rays import MOST_RAYS, count_rays, distinct_lines, iter_rays
from measurelp.errors import InvalidProblem
from measurelp.oracle.ascent import climbed
from measurelp.oracle.base import Budget, OracleReport, in_units_of_alpha, report_from_points
from measurelp.oracle.dual_function import ROUNDOFF, DualFunction
from measurelp.problem import RowSpace
from measurelp.status import Termination

_MOST_LOCAL = 64  # of the highest rays, from which ascent looks for local maxima


class RayOracle:
    r"""Supremum of :math:`|\eta|` over the l1 or linf ball, ray by ray.

    On the cells of the data's hyperplanes and the walls of the norm both are linear, so
    the supremum is at a ray: all of them are evaluated.  What floating point loses of a ray
    is bounded and charged, and nearly dependent hyperplanes are met in integers, so the report is
    COMPLETE.  More than two million rays are not begun: the report then has the
    bound from norms, and NODE_LIMIT.  C(n + walls, d - 1) rays, each n d operations; they do not
    depend on alpha and are kept for the next call.
    """

    name = "rays"

    def __init__(self) -> None:
        self._space: RowSpace | None = None
        self._rays: list[tuple[NDArray[np.float64], NDArray[np.float64]]] = []

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
        budget, space = budget or Budget(), dual.space
        if space.ball.fan is None:
            raise InvalidProblem(f"oracle: rays are for L1Ball and LInfBall, found {space.ball!r}.")
        points, values = [np.zeros((0, space.rank))], [np.zeros(0)]
        upper, n_rays = 0.0, 0
        termination = Termination.CONVERGED
        most = min(MOST_RAYS, MOST_RAYS if budget.nodes is None else budget.nodes)
        if n_slice_rays(space) * (len(space.distinct) if space.has_free_bias else 1) > most:
            termination = Termination.NODE_LIMIT
        elif self._space is not space:
            self._space, self._rays = space, list(_all_blocks(space, budget))
        magnitude = dual.magnitude
        if termination is Termination.CONVERGED:
            for block, errors in self._rays:
                if budget.time_is_up:
                    break
                eta = dual.values(block)
                opposite = dual.values(-block)
                bounds = np.maximum(np.abs(eta), np.abs(opposite)) + 2.0 * errors * magnitude
                upper = max(upper, float(bounds.max(initial=0.0)))
                both, all_values = np.vstack([block, -block]), np.append(eta, opposite)
                best = np.argsort(-np.abs(all_values), kind="stable")[:_MOST_LOCAL]
                points.append(both[best])
                values.append(all_values[best])
                n_rays += 2 * len(block)
        if budget.time_is_up and termination is Termination.CONVERGED:
            self._space, termination = None, Termination.TIME_LIMIT
        if termination is not Termination.CONVERGED:
            upper = float(np.max(dual.slice_bounds, initial=0.0))
        rounding = (4.0 * len(dual.alpha) + 8.0 * space.rank + 64.0) * ROUNDOFF * 2.0 * magnitude
        found, reached = np.vstack(points), np.concatenate(values)
        highest = np.argsort(-np.abs(reached), kind="stable")[:_MOST_LOCAL]
        tops = climbed(dual, found[highest], np.where(reached[highest] < 0.0, -1.0, 1.0))
        tops = np.vstack([tops, found[highest[:1]]])
        return report_from_points(
            dual, upper + rounding, tops, dual.values(tops), level, termination=termination,
            rays=n_rays,
        )  # fmt: skip


def n_slice_rays(space: RowSpace) -> int:
    """How many rays a slice has, up to sign, if no hyperplanes coincide."""
    assert space.ball.fan is not None
    p = space.n_penalized
    return count_rays(len(space.distinct) + len(space.ball.fan.walls(p)), p)


def _all_blocks(
    space: RowSpace, budget: Budget
) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Unit rays in row-space coordinates with bounds of their errors, block by block."""
    assert space.ball.fan is not None
    p = space.n_penalized
    walls, inputs = space.ball.fan.walls(p), space.distinct[:, :p]
    centres = inputs if space.has_free_bias else np.zeros((1, p))
    for centre in centres:
        for directions, errors in iter_rays(distinct_lines(np.vstack([inputs - centre, walls]))):
            if budget.time_is_up:
                return
            norms = space.ball.norm(directions)
            unit = directions / norms[:, None]
            if space.has_free_bias:
                unit = np.column_stack([unit, -(unit @ centre) / space.bias_scale])
            # The ray is off by |e| / |w|, twice when scaled anew; the norm is at most the sum.
            yield unit, errors / norms
