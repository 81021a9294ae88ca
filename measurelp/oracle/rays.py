"""The exact oracle over enumerated rays, for balls with flat faces and few rays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from measurelp.dictionary.rays import MOST_RAYS, count_rays, distinct_lines, iter_rays
from measurelp.errors import InvalidProblem
from measurelp.oracle.base import (
    ROUNDOFF,
    Budget,
    DualFunction,
    OracleReport,
    in_units_of_alpha,
    report_from_points,
)
from measurelp.status import Termination

_KEPT = 256  # rays of a block that are handed over


class RayOracle:
    r"""Supremum of :math:`|\eta|` over the l1 or linf ball, ray by ray.

    On the cells of the data's hyperplanes and the walls of the norm both are linear, so
    the supremum is at a ray: all of them are evaluated.  What floating point loses of a ray
    is bounded and charged, and nearly dependent hyperplanes are met in integers, so the report is
    COMPLETE.  More than two million rays are not begun: the report then has the
    bound from norms, and NODE_LIMIT.  C(n + walls, d - 1) rays, each n d operations.
    """

    name = "rays"

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
        ball, p = dual.space.ball, dual.space.n_penalized
        if ball.fan is None:
            raise InvalidProblem(f"oracle: rays are for L1Ball and LInfBall, found {ball!r}.")
        walls = ball.fan.walls(p)
        points, values = [np.zeros((0, dual.space.rank))], [np.zeros(0)]
        upper, n_rays = 0.0, 0
        termination = Termination.CONVERGED
        most = min(MOST_RAYS, MOST_RAYS if budget.nodes is None else budget.nodes)
        for part in dual.slices:
            lines = distinct_lines(np.vstack([part.rows, walls]))
            n_rays += count_rays(len(lines), p)
            if n_rays > most:
                termination = Termination.NODE_LIMIT
                break
            steepness = float(np.abs(part.alpha) @ ball.dual_norm(part.rows))
            for directions, errors in iter_rays(lines):
                if budget.time_is_up:
                    termination = Termination.TIME_LIMIT
                    break
                norms = ball.norm(directions)
                both = np.vstack([directions, -directions]) / np.tile(norms, 2)[:, None]
                eta = part.values(both)
                # An error e moves the unit ray by 2 |e|, and |.| is at most the sum of moduli.
                bounds = np.abs(eta) + np.tile(2.0 * errors / norms, 2) * steepness
                upper = max(upper, float(bounds.max(initial=0.0)))
                best = np.argsort(-np.abs(eta), kind="stable")[:_KEPT]
                best = best[np.abs(eta[best]) > min(level, 0.5 * upper)]
                points.append(part.to_space(both[best]))
                values.append(eta[best])
        if termination is not Termination.CONVERGED:
            upper = float(np.max(dual.slice_bounds))
        rounding = (3.0 * len(dual.alpha) + 8.0 * p + 64.0) * ROUNDOFF * 2.0 * dual.magnitude
        return report_from_points(
            dual, upper + rounding, np.vstack(points), np.concatenate(values), level,
            termination=termination, rays=2 * n_rays,
        )  # fmt: skip
