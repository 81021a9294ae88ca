"""A tree of simplicial cones over one slice, whatever function is bounded on a cone.

Nodes are slots of arrays, the rows that cut a cone lie in an arena, and compiled sweeps work on
both; here they are made, enlarged, read and dealt out to pieces.
"""

from __future__ import annotations

from abc import abstractmethod
from copy import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray

from measurelp.oracle import _arena_kernels as arena
from measurelp.oracle import _frontier_kernels as states
from measurelp.oracle.base import ROUNDOFF, Slice
from measurelp.oracle.frontier import (
    filled_frontier,
    larger_frontier,
    longer,
    new_frontier,
    open_slots,
)
from measurelp.oracle.tree_search import MAX_PEAKS, Goal, Points, Share, Tree

MAX_RANK = 14  # from here on, half the orthants alone are too many
_MOST_OPEN = 16384  # nodes that wait best first; from then on a tree is worked depth first
_MOST_BYTES = 64e6  # of cut rows that do so
_FIRST_OPEN = 64  # nodes there is room for at first; doubled when used up


class ConeTree(Tree):
    """Cones over one slice: arrays of nodes, and an arena with the rows that cut each.

    The first two arrays of ``frames`` are where a node's rows begin in the arena and how many
    there are.
    """

    def __init__(self, index: int, bound: float) -> None:
        super().__init__(index, bound)
        self.top, self.reach = bound, 0.0
        self.most_open, self.most_live = _MOST_OPEN, 0
        self.ints, self.floats = np.zeros(6, np.int64), np.zeros(2)
        self.frames: tuple[NDArray[Any], ...] = ()
        self.frontier = new_frontier(0)
        self.chunks = np.concatenate([[0, 0], np.full(48, -1)])
        self.arena_row, self.arena_v = np.zeros(0, np.int32), np.zeros((0, 0))

    @abstractmethod
    def _open(self, part: Slice) -> tuple[int, int]:
        """Set ``reach`` and empty ``frames``; the number of orthants and the arena's columns."""

    @abstractmethod
    def _sweep(
        self, part: Slice, goal: Goal, nodes: int, work: int, peaks: NDArray[np.float64],
        peak_values: NDArray[np.float64],
    ) -> int:  # fmt: skip
        """Let the kernel work for so many nodes and so much work; why it returned."""

    def advance(self, part: Slice, goal: Goal, share: Share) -> Points:
        n, r = part.rows.shape
        if n == 0:
            self.bound, self.is_open = 0.0, False
            return np.zeros((0, r)), np.zeros(0)
        if not self.frames:
            orthants, columns = self._open(part)
            self.ints[states.END_ROOT] = orthants
            self.most_live = max(int(_MOST_BYTES) // (8 * columns + 4), 5 * n)
            self.arena_v = np.zeros((0, columns))
            self._grow(n)
        peaks, peak_values = np.empty((MAX_PEAKS, r)), np.empty(MAX_PEAKS)
        ints, floats = self.ints, self.floats
        ints[[states.NODES, states.WORK, states.N_PEAKS]] = 0
        floats[states.BEST] = self.best
        reason = states.GROW
        while reason == states.GROW:
            nodes, work = int(ints[states.NODES]), int(ints[states.WORK])
            reason = self._sweep(
                part, goal, share.nodes - nodes, share.work - work, peaks, peak_values
            )
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

    def _grow(self, n: int) -> None:
        """More room for nodes if that was missing, and otherwise for rows."""
        if self.frontier[5][states.N_FREE] < 3:
            capacity = max(_FIRST_OPEN, 2 * len(self.frontier[0]))
            frames = tuple(longer(part, capacity) for part in self.frames)
            self.frames, self.frontier = frames, larger_frontier(self.frontier, capacity)
        if self.ints[states.NEXT_ROOT] == self.ints[states.END_ROOT]:
            n = int(self.frames[1][open_slots(self.frontier)].max())
        least = int(self.chunks[arena.BUMP]) + 3 * _chunk(n)
        if least > len(self.arena_row):
            length = max(least, len(self.arena_row) * 3 // 2)
            arena_v = longer(self.arena_v, length)
            self.arena_row, self.arena_v = longer(self.arena_row, length), arena_v

    def _proved(self) -> float:
        """The largest bound among cones that were given up, wait or are not opened yet."""
        unopened = self.ints[states.NEXT_ROOT] < self.ints[states.END_ROOT]
        waiting = self.frontier[0][open_slots(self.frontier)].max(initial=0.0)
        known = max(float(self.floats[states.UPPER]), float(waiting)) + self._slack()
        return max(self.top, known) if unopened else known

    def _slack(self) -> float:
        """Rounding of the sums that were made before the sweep (pairwise, so log n terms)."""
        return 64.0 * ROUNDOFF * self.reach

    def split(self, pieces: int) -> list[Tree]:
        slots = open_slots(self.frontier)
        pieces = min(pieces, len(slots) // 4)
        if pieces < 2 or self.ints[states.NEXT_ROOT] < self.ints[states.END_ROOT]:
            return [self]
        return [self._piece(slots[k::pieces], pieces) for k in range(pieces)]

    def _piece(self, slots: NDArray[np.int64], pieces: int) -> Tree:
        """A tree of its own for some of the open nodes; the highest bound first."""
        piece = copy(self)
        piece.nodes, piece.found = 0, None
        piece.ints, piece.floats = self.ints.copy(), self.floats.copy()
        piece.most_open = max(_FIRST_OPEN, self.most_open // pieces)
        piece.most_live = self.most_live // pieces
        piece.frames = tuple(part[slots] for part in self.frames)
        begin, count = self.frames[:2]
        lengths = [_chunk(int(rows)) if rows else 0 for rows in count[slots]]
        starts = np.cumsum([0, *lengths])
        piece.chunks = np.concatenate([[starts[-1], starts[-1]], np.full(48, -1)])
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
