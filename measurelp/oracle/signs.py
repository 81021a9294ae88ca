"""The branch-and-bound oracle over signs of rows: few rows, any rank."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from measurelp.oracle import _sign_kernels as kernels
from measurelp.oracle.base import Budget, OracleReport, in_units_of_alpha
from measurelp.oracle.dual_function import DualFunction
from measurelp.oracle.open_tree import OpenTree
from measurelp.oracle.row_store import RowStore
from measurelp.oracle.tree_search import Goal, Points, maximise_by_trees
from measurelp.oracle.workers import checked_jobs

# Nodes that wait best first; from then on a tree is worked depth first.  Few, as neighbours in
# a tree start from each other's multipliers, and more the longer it lasts.
_LEAST_OPEN, _MOST_OPEN = 16, 256


class SignOracle:
    r"""Branch and bound for :math:`\sup|\eta|` over the signs of convex rows.

    For each sign sigma, rows with sigma alpha_i > 0 are convex pieces of sigma eta.  While
    their signs are open they are replaced by chords over proved intervals of <x_i, w>, which
    gives a bound (see ``_sign_kernels``); weights where sigma eta exceeds the level lie in a
    cap, which tightens the intervals and settles most signs without branching.  The tree
    grows with the number of convex rows whose hyperplanes pass near peaks, and only weakly
    with the dimension: the method for rank 6 and more with up to some hundred rows.  With a
    free bias there are two trees a data point, in one dimension less.

    What it proves: ``upper`` bounds the supremum over the whole ball, rounding included.
    A budget that ends the work leaves a wider, still valid bracket.

    Parameters
    ----------
    n_jobs : int
        Workers.  Without a time limit the bracket does not depend on it.
    """

    name = "signs"

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
        return maximise_by_trees(
            {"signs": SIGN_TREES}, dual, level=level, tolerance=tolerance, starts=starts,
            budget=budget, n_jobs=self.n_jobs,
        )  # fmt: skip


class _SignTree(OpenTree):
    """Signs of rows for sigma eta on one slice."""

    def _begin(self, store: RowStore) -> None:
        m = len(store.rows)
        self.frames = (
            np.zeros((0, m), np.int8), np.zeros((0, m), np.int64), np.zeros((0, m)),
            np.zeros((0, m)), np.zeros(0), np.zeros((0, m)), np.zeros((0, m)),
            np.zeros(0, np.int64),
        )  # fmt: skip
        self._grow(store)
        kernels.push_root(store.sizes, store.reach, self.frames, self.frontier)

    def _sweep(self, store: RowStore, goal: Goal, nodes: int, work: int, peaks: Points) -> int:
        convex = (self.sigma * store.signs > 0.0).astype(np.int8)
        most_open = min(_LEAST_OPEN + self.nodes // 8, _MOST_OPEN)
        return int(kernels.sweep(
            store.rows, convex, store.rays, store.sizes, store.reach, self.frames, self.frontier,
            most_open, self.ints, self.floats, goal.level, goal.tolerance, nodes, work,
            *peaks,
        ))  # fmt: skip


class _NegativeTree(_SignTree):
    """The same for -eta."""

    sigma = -1.0


SIGN_TREES = (_SignTree, _NegativeTree)  # for eta and -eta
