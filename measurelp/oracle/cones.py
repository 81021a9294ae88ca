"""The branch-and-bound oracle: simplicial cones, any number of rows, small rank."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from measurelp.oracle import _cone_kernels as kernels
from measurelp.oracle import _frontier_kernels as states
from measurelp.oracle.base import (
    ROUNDOFF,
    Budget,
    DualFunction,
    OracleReport,
    Slice,
    in_units_of_alpha,
)
from measurelp.oracle.frontier import (
    filled_frontier,
    larger_frontier,
    longer,
    new_frontier,
    open_slots,
)
from measurelp.oracle.tree_search import (
    MAX_PEAKS,
    Goal,
    Points,
    Share,
    Tree,
    maximise_by_trees,
)
from measurelp.oracle.workers import checked_jobs

_MAX_RANK = 14  # from here on, half the orthants alone are too many
_MOST_OPEN = 16384  # nodes that wait best first; from then on a tree is worked depth first
_MOST_BYTES = 64e6  # of cut rows that do so
_FIRST_OPEN = 64  # nodes there is room for at first; doubled when used up


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
        if dual.space.n_penalized > _MAX_RANK:
            budget = Budget(nodes=0)
        return maximise_by_trees(
            (_ConeTree,), dual, level=level, tolerance=tolerance, starts=starts, budget=budget,
            n_jobs=self.n_jobs,
        )  # fmt: skip


class _ConeTree(Tree):
    """Cones over one slice: arrays of nodes, and an arena with the rows that cut each."""

    def __init__(self, index: int, bound: float) -> None:
        super().__init__(index, bound)
        self.top, self.reach, self.total = bound, 0.0, np.zeros(0)
        self.most_open, self.most_live = _MOST_OPEN, 0
        self.ints, self.floats = np.zeros(6, np.int64), np.zeros(2)
        self.frames: tuple[NDArray[Any], ...] = ()
        self.frontier = new_frontier(0)
        self.chunks = np.concatenate([[0, 0], np.full(48, -1)])
        self.arena_row, self.arena_v = np.zeros(0, np.int32), np.zeros((0, 0))

    def advance(self, part: Slice, goal: Goal, share: Share) -> Points:
        rows, alpha = part.rows, part.alpha
        n, r = rows.shape
        if n == 0:
            self.bound, self.is_open = 0.0, False
            return np.zeros((0, r)), np.zeros(0)
        if not self.frames:
            self._begin(rows, alpha)
        peaks, peak_values = np.empty((MAX_PEAKS, r)), np.empty(MAX_PEAKS)
        ints, floats = self.ints, self.floats
        ints[[states.NODES, states.WORK, states.N_PEAKS]] = 0
        floats[states.BEST] = self.best
        reason = states.GROW
        while reason == states.GROW:
            reason = kernels.sweep(
                rows, alpha, self.total, self.reach, self.top, self.frames, self.arena_row, self.arena_v,
                self.chunks, self.frontier, self.most_live, self.most_open, ints, floats,
                goal.level, goal.tolerance, share.nodes - int(ints[states.NODES]),
                share.work - int(ints[states.WORK]), peaks, peak_values,
            )  # fmt: skip
            if reason == states.GROW:
                self._grow(n)
        self.is_open = reason != states.DONE
        self.nodes += int(ints[states.NODES])
        self.depth = int(ints[states.MAX_DEPTH])
        self.best = float(floats[states.BEST])
        self.bound = min(self.bound, self._proved())
        found = int(ints[states.N_PEAKS])
        return peaks[:found], peak_values[:found]

    @property
    def nbytes(self) -> int:
        arrays = (*self.frames, *self.frontier, self.arena_row, self.arena_v)
        return sum(part.nbytes for part in arrays)

    def _begin(self, rows: NDArray[np.float64], alpha: NDArray[np.float64]) -> None:
        n, r = rows.shape
        self.reach = float(np.abs(alpha) @ np.max(np.abs(rows), axis=1, initial=0.0))
        self.total = np.array([float(np.sum(alpha * rows[:, c])) for c in range(r)])
        self.ints[states.END_ROOT] = 1 << (r - 1)
        self.most_live = max(int(_MOST_BYTES) // (8 * r + 4), 5 * n)
        self.frames = (
            np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.int64),
            np.zeros(0, np.int64), np.zeros((0, 4)), np.zeros((0, r, r)), np.zeros((0, r, r)),
            np.zeros((0, r)), np.zeros((0, r)), np.zeros((0, 4, r)),
        )  # fmt: skip
        self.arena_v = np.zeros((0, r))
        self._grow(n)

    def _grow(self, n: int) -> None:
        """More room for nodes if that was missing, and otherwise for rows."""
        if self.frontier[5][states.N_FREE] < 3:
            capacity = max(_FIRST_OPEN, 2 * len(self.frontier[0]))
            frames = tuple(longer(part, capacity) for part in self.frames)
            self.frames, self.frontier = frames, larger_frontier(self.frontier, capacity)
        if self.ints[states.NEXT_ROOT] == self.ints[states.END_ROOT]:
            n = int(self.frames[1][open_slots(self.frontier)].max())
        least = int(self.chunks[kernels.BUMP]) + 3 * _chunk(n)
        if least > len(self.arena_row):
            length = max(least, len(self.arena_row) * 3 // 2)
            arena_v = longer(self.arena_v, length)
            self.arena_row, self.arena_v = longer(self.arena_row, length), arena_v

    def _proved(self) -> float:
        """The largest bound among cones that were given up, wait or are not opened yet."""
        unopened = self.ints[states.NEXT_ROOT] < self.ints[states.END_ROOT]
        waiting = self.frontier[0][open_slots(self.frontier)].max(initial=0.0)
        # Rounding of the sums that reach and total are made of (pairwise, so log n terms).
        slack = 64.0 * ROUNDOFF * self.reach
        known = max(float(self.floats[states.UPPER]), float(waiting)) + slack
        return max(self.top, known) if unopened else known

    def split(self, pieces: int) -> list[Tree]:
        slots = open_slots(self.frontier)
        pieces = min(pieces, len(slots) // 4)
        if pieces < 2 or self.ints[states.NEXT_ROOT] < self.ints[states.END_ROOT]:
            return [self]
        return [self._piece(slots[k::pieces], pieces) for k in range(pieces)]

    def _piece(self, slots: NDArray[np.int64], pieces: int) -> Tree:
        """A tree of its own for some of the open nodes; the highest bound first."""
        piece = _ConeTree(self.index, self.top)
        piece.best, piece.work = self.best, self.work
        piece.reach, piece.total = self.reach, self.total
        piece.ints, piece.floats = self.ints.copy(), self.floats.copy()
        piece.most_open = max(_FIRST_OPEN, self.most_open // pieces)
        piece.most_live = self.most_live // pieces
        piece.frames = tuple(part[slots] for part in self.frames)
        begin, count = self.frames[:2]
        lengths = [_chunk(int(rows)) if rows else 0 for rows in count[slots]]
        starts = np.cumsum([0, *lengths])
        piece.chunks[[kernels.BUMP, kernels.LIVE]] = starts[-1]
        piece.arena_row = np.zeros(starts[-1], np.int32)
        piece.arena_v = np.zeros((starts[-1], self.arena_v.shape[1]))
        piece.frames[0][:] = starts[:-1]
        for slot, start in zip(slots, starts[:-1], strict=True):
            old, new = (slice(at, at + int(count[slot])) for at in (begin[slot], start))
            piece.arena_row[new], piece.arena_v[new] = self.arena_row[old], self.arena_v[old]
        piece.frontier = filled_frontier(self.frontier[0][slots])
        piece.bound = min(self.bound, piece._proved())
        return piece


def _chunk(count: int) -> int:
    """The rows of the arena that are taken for so many."""
    return 8 << max(0, (count - 1).bit_length() - 3)
