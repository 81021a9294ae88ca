"""The branch-and-bound oracle: simplicial cones, any number of rows, small rank."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from measurelp.oracle import _cone_kernels as kernels
from measurelp.oracle.base import (
    ROUNDOFF,
    Budget,
    DualFunction,
    OracleReport,
    Slice,
    in_units_of_alpha,
)
from measurelp.oracle.tree_search import Points, TreeSearch, maximise_by_trees
from measurelp.status import Termination

_CALL_NODES = 2_000  # between two looks at the clock
_MAX_PEAKS = 1024  # a slice
_MAX_RANK = 14  # from here on, half the orthants alone are too many


class ConeOracle:
    r"""Branch and bound for :math:`\sup|\eta|` over simplicial cones.

    Half the orthants are split along edges.  On each cone the convex rows that cut it are
    replaced by chords and the concave ones by their best linear majorant, which gives a
    bound :math:`|y|` (see ``_cone_kernels``); the four problems :math:`\pm\eta` on a cone and
    its opposite share one sweep.  Only cones on which :math:`|\eta|` comes near the level are
    refined, so the cost is about linear in n and grows seven- to tenfold with each dimension.
    With a free bias there is one tree a data point, in one dimension less.

    What it proves: ``upper`` bounds the supremum over the whole ball, rounding included.
    A budget that ends the work, and a rank above 14, leave a wider, still valid bracket.
    """

    name = "cones"

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
            _ConeSearch, dual, level=level, tolerance=tolerance, starts=starts, budget=budget
        )


class _ConeSearch(TreeSearch):
    def bound(self, part: Slice) -> Points:
        rows, alpha = part.rows, part.alpha
        r = rows.shape[1]
        if r > _MAX_RANK:
            lengths = np.abs(alpha) * np.linalg.norm(rows, axis=1) * (1.0 + 1e-12)
            either = max(float(lengths[alpha > 0.0].sum()), float(lengths[alpha < 0.0].sum()))
            self.upper = max(self.upper, either)
            self.termination = Termination.NODE_LIMIT
            return np.zeros((0, r)), np.zeros(0)
        reach = float(np.abs(alpha) @ np.max(np.abs(rows), axis=1, initial=0.0))
        total = np.array([float(np.sum(alpha * rows[:, c])) for c in range(r)])
        peaks, peak_values = np.empty((_MAX_PEAKS, r)), np.empty(_MAX_PEAKS)
        tree = _Tree(len(rows), r)
        ints, floats = np.zeros(4, dtype=np.int64), np.array([self.best, 0.0])
        still_open = 0.0
        for signs in itertools.product((1.0, -1.0), repeat=r - 1):
            kernels.push_root(
                np.array((1.0, *signs)), rows, alpha, total, tree.stack, tree.arena_row,
                tree.arena_v, ints,
            )  # fmt: skip
            while True:
                used = int(ints[kernels.NODES])
                reason = kernels.sweep(
                    rows, alpha, reach, tree.stack, tree.arena_row, tree.arena_v, ints, floats,
                    self.level, self.tolerance, self.room(_CALL_NODES, used), peaks, peak_values,
                )  # fmt: skip
                if reason == kernels.GROW:
                    tree.grow()
                elif not self.goes_on(int(ints[kernels.NODES]), paused=reason == kernels.PAUSED):
                    break
            still_open = max(still_open, tree.open_bound(int(ints[kernels.TOP])))
        self.nodes += int(ints[kernels.NODES])
        self.depth = max(self.depth, int(ints[kernels.MAX_DEPTH]))
        self.best = float(floats[kernels.BEST])
        # Rounding of the sums that reach and total are made of (pairwise, so log n terms).
        proved = max(float(floats[kernels.UPPER]), still_open) + 64.0 * ROUNDOFF * reach
        self.upper = max(self.upper, proved)
        found = int(ints[kernels.N_PEAKS])
        return peaks[:found], peak_values[:found]


class _Tree:
    """Storage of the depth-first search: frames of cones and an arena of cut rows."""

    def __init__(self, n_rows: int, r: int) -> None:
        capacity = 256
        self.stack: tuple[NDArray[Any], ...] = (
            np.zeros(capacity, np.int64), np.zeros(capacity, np.int64),
            np.zeros(capacity, np.int64), np.zeros(capacity, np.int64),
            np.zeros((capacity, 4)), np.zeros((capacity, r, r)), np.zeros((capacity, r, r)),
            np.zeros((capacity, r)), np.zeros((capacity, r)), np.zeros((capacity, 4, r)),
        )  # fmt: skip
        self.arena_row = np.zeros(4 * n_rows + 64, np.int64)
        self.arena_v = np.zeros((4 * n_rows + 64, r))

    def grow(self) -> None:
        """Double everything."""
        self.stack = tuple(np.concatenate([part, np.zeros_like(part)]) for part in self.stack)
        self.arena_row = np.concatenate([self.arena_row, np.zeros_like(self.arena_row)])
        self.arena_v = np.concatenate([self.arena_v, np.zeros_like(self.arena_v)])

    def open_bound(self, top: int) -> float:
        """The largest inherited bound among the cones that were not treated."""
        alive, bound = self.stack[3], self.stack[4]
        problems = (alive[:top, None] >> np.arange(4)) & 1 == 1
        return float(np.max(bound[:top], where=problems, initial=0.0))
