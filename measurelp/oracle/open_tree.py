"""What all trees share: rows, room for nodes, and one visit."""

from __future__ import annotations

from abc import abstractmethod
from copy import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray

from measurelp.oracle import _frontier_kernels as states
from measurelp.oracle.dual_function import Slice
from measurelp.oracle.frontier import (
    filled_frontier,
    larger_frontier,
    longer,
    new_frontier,
    open_slots,
)
from measurelp.oracle.row_store import PlainRows, RowStore
from measurelp.oracle.tree_search import MAX_PEAKS, Goal, Points, Share, Tree


class OpenTree(Tree):
    """Nodes in slots of arrays (``frames``), the open ones waiting in a frontier.

    Bounds and values inside are in the units of the slice's rows as they are stored.
    """

    rows_type: type[PlainRows] = RowStore

    first_room = 8  # nodes there is room for at first; doubled when used up
    sigma = 1.0  # times eta is what is bounded; peaks are reported with their own sign

    def __init__(self, index: int, bound: float) -> None:
        super().__init__(index, bound)
        self.ints, self.floats = np.zeros(6, np.int64), np.zeros(2)
        self.frames: tuple[NDArray[Any], ...] = ()
        self.frontier = new_frontier(0)
        self._store: PlainRows | None = None

    def __getstate__(self) -> dict[str, Any]:
        """All but the rows, which travel with the slice."""
        return self.__dict__ | {"_store": None}

    @abstractmethod
    def _begin(self, store: Any) -> None:
        """Make arrays, and let the root wait."""

    @abstractmethod
    def _sweep(self, store: Any, goal: Goal, nodes: int, work: int, peaks: Points) -> int:
        """Let the kernel work for so many nodes and so much work; why it returned."""

    def _unopened(self) -> float:
        """A bound, in the problem's units, of what is in no node yet."""
        return 0.0

    def _slack(self) -> float:
        """What is charged once to all bounds of nodes."""
        return 0.0

    def advance(self, part: Slice, goal: Goal, share: Share) -> Points:
        r = part.rows.shape[1]
        with np.errstate(over="ignore", under="ignore"):
            store = self._rows_of(part)
            if len(store.rows) == 0:
                self.bound, self.is_open = min(self.bound, store.restored(0.0)), False
                return np.zeros((0, r)), np.zeros(0)
            if not self.frames:
                self._begin(store)
            ints, floats = self.ints, self.floats
            ints[[states.NODES, states.WORK, states.N_PEAKS]] = 0
            floats[states.BEST] = store.scaled(self.best)
            points, values = np.empty((MAX_PEAKS, r)), np.empty(MAX_PEAKS)
            inside = Goal(store.scaled(goal.level), goal.tolerance)
            reason = states.GROW
            while reason == states.GROW:
                nodes, work = int(ints[states.NODES]), int(ints[states.WORK])
                reason = self._sweep(
                    store, inside, share.nodes - nodes, share.work - work, (points, values)
                )
                if reason == states.GROW:
                    self._grow(store)
            self.is_open = reason != states.DONE
            self.nodes += int(ints[states.NODES])
            self.spent += int(ints[states.WORK])
            self.depth = int(ints[states.MAX_DEPTH])
            self.best = max(self.best, float(store.unscaled(floats[states.BEST])))
            waiting = self.frontier[0][open_slots(self.frontier)].max(initial=0.0)
            proved = max(float(floats[states.UPPER]), float(waiting)) + self._slack()
            self.bound = min(self.bound, max(store.restored(proved), self._unopened()))
            found = int(ints[states.N_PEAKS])
            return points[:found], self.sigma * store.unscaled(values[:found])

    @property
    def nbytes(self) -> int:
        return sum(part.nbytes for part in (*self.frames, *self.frontier))

    def _rows_of(self, part: Slice) -> PlainRows:
        """The slice's rows; kept where there is one slice only."""
        if self._store is not None:
            return self._store
        store = self.rows_type(part)
        if part.centre is None:
            self._store = store
        return store

    def _grow(self, store: PlainRows) -> None:
        """More room; for nodes, unless a tree needs other."""
        del store
        capacity = max(self.first_room, 2 * len(self.frontier[0]))
        self.frames = tuple(longer(part, capacity) for part in self.frames)
        self.frontier = larger_frontier(self.frontier, capacity)

    def split(self, pieces: int) -> list[Tree]:
        slots = open_slots(self.frontier)
        pieces = min(pieces, len(slots) // 4)
        if pieces < 2 or self._unopened() > 0.0:
            return [self]
        return [self._piece(slots[k::pieces], pieces) for k in range(pieces)]

    def _piece(self, slots: NDArray[np.int64], pieces: int) -> OpenTree:
        """A tree of its own for some of the open nodes, one of so many."""
        del pieces
        piece = copy(self)
        piece._store, piece.found = self._store, None
        piece.nodes = piece.spent = 0
        piece.ints, piece.floats = self.ints.copy(), self.floats.copy()
        piece.frames = tuple(part[slots] for part in self.frames)
        piece.frontier = filled_frontier(self.frontier[0][slots])
        return piece
