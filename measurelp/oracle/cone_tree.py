"""A tree of simplicial cones over one slice, whatever function is bounded on a cone.

Nodes are slots of arrays, the rows that cut a cone lie in an arena, and compiled sweeps work on
both; here they are made, enlarged and dealt out to pieces.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from measurelp.oracle import _arena_kernels as arena
from measurelp.oracle import _frontier_kernels as states
from measurelp.oracle.dual_function import ROUNDOFF
from measurelp.oracle.frontier import longer, open_slots
from measurelp.oracle.open_tree import OpenTree
from measurelp.oracle.row_store import PlainRows

MAX_RANK = 14  # from here on, half the orthants alone are too many
_MOST_OPEN = 16384  # nodes that wait best first; from then on a tree is worked depth first
_MOST_BYTES = 64e6  # of cut rows that do so


class ConeTree(OpenTree):
    """Cones over one slice: arrays of nodes, and an arena with the rows that cut each.

    The first two arrays of ``frames`` are where a node's rows begin in the arena and how many
    there are.
    """

    first_room = 64

    def __init__(self, index: int, bound: float) -> None:
        super().__init__(index, bound)
        self.top, self.reach = bound, 0.0
        self.most_open, self.most_live = _MOST_OPEN, 0
        self.chunks = np.concatenate([[0, 0], np.full(48, -1)])
        self.arena_row, self.arena_v = np.zeros(0, np.int32), np.zeros((0, 0))

    @abstractmethod
    def _open(self, store: Any) -> tuple[int, int]:
        """Set ``reach`` and empty ``frames``; the number of orthants and of numbers a row."""

    def _begin(self, store: PlainRows) -> None:
        orthants, numbers = self._open(store)
        self.ints[states.END_ROOT] = orthants
        self.most_live = max(int(_MOST_BYTES) // (8 * numbers + 4), 5 * len(store.rows))
        self.arena_v = np.zeros((numbers, 0))
        self._grow(store)

    @property
    def nbytes(self) -> int:
        return super().nbytes + self.arena_row.nbytes + self.arena_v.nbytes

    def _grow(self, store: PlainRows) -> None:
        """More room for nodes if that was missing, and otherwise for rows."""
        if self.frontier[5][states.N_FREE] < 3:
            super()._grow(store)
        most = len(store.rows)
        if self.ints[states.NEXT_ROOT] == self.ints[states.END_ROOT]:
            most = int(self.frames[1][open_slots(self.frontier)].max())
        least = int(self.chunks[arena.BUMP]) + 3 * _chunk(most)
        if least > len(self.arena_row):
            length = max(least, 2 * len(self.arena_row))
            arena_v = np.empty((len(self.arena_v), length))
            arena_v[:, : len(self.arena_row)] = self.arena_v
            self.arena_row, self.arena_v = longer(self.arena_row, length), arena_v

    def _unopened(self) -> float:
        """All orthants have the slice's bound until they are opened."""
        return self.top if self.ints[states.NEXT_ROOT] < self.ints[states.END_ROOT] else 0.0

    def _slack(self) -> float:
        """Rounding of the sums that were made before the sweep (pairwise, so log n terms each)."""
        return 64.0 * ROUNDOFF * self.reach * float(np.sqrt(len(self.arena_v)))

    def _piece(self, slots: NDArray[np.int64], pieces: int) -> ConeTree:
        piece = super()._piece(slots, pieces)
        assert isinstance(piece, ConeTree)
        piece.most_open = max(self.first_room, self.most_open // pieces)
        piece.most_live = self.most_live // pieces
        begin, count = self.frames[:2]
        lengths = [_chunk(int(rows)) if rows else 0 for rows in count[slots]]
        starts = np.cumsum([0, *lengths])
        piece.chunks = np.concatenate([[starts[-1], starts[-1]], np.full(48, -1)])
        piece.arena_row = np.zeros(starts[-1], np.int32)
        piece.arena_v = np.zeros((len(self.arena_v), starts[-1]))
        piece.frames[0][:] = starts[:-1]
        for slot, start in zip(slots, starts[:-1], strict=True):
            old, new = (slice(at, at + int(count[slot])) for at in (begin[slot], start))
            piece.arena_row[new] = self.arena_row[old]
            piece.arena_v[:, new] = self.arena_v[:, old]
        return piece


def _chunk(count: int) -> int:
    """The rows of the arena that are taken for so many."""
    return 8 << max(0, (count - 1).bit_length() - 3)
