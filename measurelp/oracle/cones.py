"""The branch-and-bound oracle: simplicial cones, any number of rows, small rank."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from measurelp.oracle import _cone_kernels as kernels
from measurelp.oracle.base import Budget, OracleReport, in_units_of_alpha
from measurelp.oracle.cone_tree import MAX_RANK, ConeTree
from measurelp.oracle.dual_function import DualFunction
from measurelp.oracle.row_store import RowStore
from measurelp.oracle.tree_search import Goal, Points, maximise_by_trees
from measurelp.oracle.vector_cones import VectorConeTree
from measurelp.oracle.workers import checked_jobs


class ConeOracle:
    r"""Branch and bound for :math:`\sup|\eta|` over simplicial cones.

    Half the orthants are split along edges.  On each cone the convex rows that cut it are
    replaced by chords and the concave ones by their best linear majorant, which gives a
    bound :math:`|y|` (see ``_cone_kernels``); the four problems :math:`\pm\eta` on a cone and
    its opposite share one sweep.  Only cones on which :math:`|\eta|` comes near the level are
    refined, so the cost is about linear in n and grows seven- to tenfold with each dimension.
    With a free bias there is one tree a data point, in one dimension less.

    With several outputs all orthants are split, and whether |eta| stays below the level on a cone
    is decided by the copositivity of a small matrix (see ``_vector_bounds_kernels``).

    What it proves: ``upper`` bounds the supremum over the whole ball, rounding included.
    A budget that ends the work, and a rank above 14, leave a wider, still valid bracket.

    Parameters
    ----------
    n_jobs : int
        Workers.  Without a time limit the bracket does not depend on it.
    """

    name = "cones"

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
        if dual.space.n_penalized > MAX_RANK:
            budget = Budget(nodes=0)
        tree_type: type[ConeTree] = PlainConeTree if dual.alpha.ndim == 1 else VectorConeTree
        return maximise_by_trees(
            {"cones": (tree_type,)}, dual, level=level, tolerance=tolerance, starts=starts, budget=budget,
            n_jobs=self.n_jobs,
        )  # fmt: skip


class PlainConeTree(ConeTree):
    """Half the orthants: one sweep treats eta and -eta on a cone and its opposite."""

    def _open(self, store: RowStore) -> tuple[int, int]:
        r = store.rows.shape[1]
        self.reach = float(np.abs(store.rows).max(axis=1).sum())
        self.total = np.array([float(np.sum(store.signs * column)) for column in store.columns])
        self.frames = (
            np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.int64),
            np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, 4)), np.zeros((0, r, r)),
            np.zeros((0, r, r)), np.zeros((0, r)), np.zeros((0, r)), np.zeros((0, 4, r)),
        )  # fmt: skip
        return 1 << (r - 1), r

    def _sweep(self, store: RowStore, goal: Goal, nodes: int, work: int, peaks: Points) -> int:
        top = float(np.nextafter(store.scaled(self.top), np.inf))
        return int(kernels.sweep(
            store.columns, store.n_plus, self.total, self.reach, top, self.frames, self.arena_row,
            self.arena_v, self.chunks, self.frontier, self.most_live, self.most_open, self.ints,
            self.floats, goal.level, goal.tolerance, nodes, work, *peaks,
        ))  # fmt: skip
