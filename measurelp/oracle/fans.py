"""The branch-and-bound oracle for balls with flat faces: cones on which the norm is linear."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from measurelp.errors import InvalidProblem
from measurelp.oracle import _fan_kernels as kernels
from measurelp.oracle.base import Budget, OracleReport, in_units_of_alpha
from measurelp.oracle.cone_tree import ConeTree
from measurelp.oracle.dual_function import DualFunction
from measurelp.oracle.row_store import PlainRows
from measurelp.oracle.tree_search import Goal, Points, maximise_by_trees
from measurelp.oracle.workers import checked_jobs
from measurelp.problem import Ball


class FanOracle:
    r"""Branch and bound for :math:`\sup|\eta|` over the l1 or the linf ball.

    Weight space is cut into simplicial cones on which the norm is linear: orthants for l1,
    cones over simplices of a cube's facets for linf.  With generators of norm 1, a
    linear function has its maximum over the part of the ball in such a cone at a generator.
    Convex rows lie below their chords, concave ones below the best linear majorant, found by a
    walk along the edges of the cone (``_fan_kernels``), and cones are split where rows are zero,
    so that the tree ends, at whatever tolerance.  With a free bias there is one tree a data point.

    What it proves: ``upper`` bounds the supremum over the whole ball, rounding included.  A
    budget that ends the work, and more than 14 (l1) or 8 (linf) coordinates, leave a
    wider, still valid bracket.  Cost: about linear in n for each node; nodes grow
    tenfold or more with each coordinate.

    Parameters
    ----------
    n_jobs : int
        Workers.  Without a time limit the bracket does not depend on it.
    """

    name = "fans"

    def __init__(self, *, n_jobs: int = 1) -> None:
        self.n_jobs = checked_jobs(n_jobs)

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
        ball = dual.space.ball
        if ball.fan is None:
            raise InvalidProblem(f"oracle: fans are for L1Ball and LInfBall, found {ball!r}.")
        if dual.space.n_penalized > ball.fan.most_coordinates:
            budget = Budget(nodes=0)
        return maximise_by_trees(
            {"fans": (partial(FanTree, ball),)}, dual, level=level, tolerance=tolerance, starts=starts,
            budget=budget, n_jobs=self.n_jobs,
        )  # fmt: skip


class FanTree(ConeTree):
    """Cones of a ball's fan over one slice."""

    rows_type = PlainRows

    def __init__(self, ball: Ball, index: int, bound: float) -> None:
        super().__init__(index, bound)
        self.ball = ball
        self.roots = np.zeros((0, 0, 0))

    def _open(self, part: PlainRows) -> tuple[int, int]:
        rows, alpha = part.rows, part.alpha
        r = rows.shape[1]
        self.frames = (
            np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.int64),
            np.zeros(0, np.int64), np.zeros((0, 4)), np.zeros((0, r, r)), np.zeros((0, r)),
            np.zeros((0, r)),
        )  # fmt: skip
        self.reach = float(np.abs(alpha) @ self.ball.dual_norm(rows))
        self.total = np.array([float(np.sum(alpha * rows[:, c])) for c in range(r)])
        assert self.ball.fan is not None
        self.roots = self.ball.fan.cones(r)
        return len(self.roots), r

    def _sweep(self, part: PlainRows, goal: Goal, nodes: int, work: int, peaks: Points) -> int:
        return int(kernels.sweep_fan(
            part.rows, part.alpha, self.total, self.reach, self.top, self.roots, self.frames,
            self.arena_row, self.arena_v, self.chunks, self.frontier, self.most_live,
            self.most_open, self.ints, self.floats, goal.level, goal.tolerance, nodes, work, *peaks,
        ))  # fmt: skip
