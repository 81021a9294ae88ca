"""The branch-and-bound oracle over signs of rows: few rows, any rank."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from measurelp.oracle import _frontier_kernels as states
from measurelp.oracle import _sign_kernels as kernels
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

# Nodes that wait best first; from then on a tree is worked depth first.  Few, as neighbours in
# a tree start from each other's multipliers, and more the longer it lasts.
_LEAST_OPEN, _MOST_OPEN = 16, 256
_FIRST_ROOM = 8  # nodes there is room for at first; doubled when used up
_NEGLIGIBLE = 2.0**-450  # rows this short against the longest are charged, not treated


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
            (_SignTree, _NegativeTree), dual, level=level, tolerance=tolerance, starts=starts,
            budget=budget, n_jobs=self.n_jobs,
        )  # fmt: skip


class _SignTree(Tree):
    """Signs of rows for sigma eta on one slice."""

    sigma = 1.0

    def __init__(self, index: int, bound: float) -> None:
        super().__init__(index, bound)
        self.ints, self.floats = np.zeros(6, np.int64), np.zeros(2)
        self.frames: tuple[NDArray[Any], ...] = ()
        self.frontier = new_frontier(0)

    def advance(self, part: Slice, goal: Goal, share: Share) -> Points:
        r = part.rows.shape[1]
        with np.errstate(over="ignore", under="ignore"):
            units = _Units(part, self.sigma)
            if len(units.rows) == 0:
                self.bound, self.is_open = min(self.bound, units.restored(0.0)), False
                return np.zeros((0, r)), np.zeros(0)
            if not self.frames:
                self._begin(units)
            ints, floats = self.ints, self.floats
            ints[[states.NODES, states.WORK, states.N_PEAKS]] = 0
            floats[states.BEST] = np.ldexp(self.best, -units.exponent)
            level = float(np.ldexp(goal.level, -units.exponent))
            peaks, peak_values = np.empty((MAX_PEAKS, r)), np.empty(MAX_PEAKS)
            most_open = min(_LEAST_OPEN + self.nodes // 8, _MOST_OPEN)
            reason = states.GROW
            while reason == states.GROW:
                reason = kernels.sweep(
                    units.rows, units.convex, units.rays, units.sizes, units.reach, self.frames,
                    self.frontier, most_open, ints, floats, level,
                    goal.tolerance, share.nodes - int(ints[states.NODES]),
                    share.work - int(ints[states.WORK]), peaks, peak_values,
                )  # fmt: skip
                if reason == states.GROW:
                    self._grow()
            self.is_open = reason != states.DONE
            self.nodes += int(ints[states.NODES])
            self.depth = int(ints[states.MAX_DEPTH])
            self.best = max(self.best, float(np.ldexp(floats[states.BEST], units.exponent)))
            waiting = self.frontier[0][open_slots(self.frontier)]
            proved = max(float(floats[states.UPPER]), float(waiting.max(initial=0.0)))
            self.bound = min(self.bound, units.restored(proved))
            found = int(ints[states.N_PEAKS])
            values = self.sigma * np.ldexp(peak_values[:found], units.exponent)
        return peaks[:found], values

    @property
    def nbytes(self) -> int:
        return sum(part.nbytes for part in (*self.frames, *self.frontier))

    def _begin(self, units: _Units) -> None:
        m = len(units.rows)
        self.frames = (
            np.zeros((0, m), np.int8), np.zeros((0, m), np.int64), np.zeros((0, m)),
            np.zeros((0, m)), np.zeros(0), np.zeros((0, m)), np.zeros((0, m)),
            np.zeros(0, np.int64),
        )  # fmt: skip
        self._grow()
        kernels.push_root(units.sizes, units.reach, self.frames, self.frontier)

    def _grow(self) -> None:
        """Double the room for nodes."""
        capacity = max(_FIRST_ROOM, 2 * len(self.frontier[0]))
        frames = tuple(longer(part, capacity) for part in self.frames)
        self.frames, self.frontier = frames, larger_frontier(self.frontier, capacity)

    def split(self, pieces: int) -> list[Tree]:
        slots = open_slots(self.frontier)
        pieces = min(pieces, len(slots) // 4)
        if pieces < 2:
            return [self]
        return [self._piece(slots[k::pieces]) for k in range(pieces)]

    def _piece(self, slots: NDArray[np.int64]) -> Tree:
        """A tree of its own for some of the open nodes."""
        piece = type(self)(self.index, self.bound)
        piece.best, piece.work, piece.depth = self.best, self.work, self.depth
        piece.ints, piece.floats = self.ints.copy(), self.floats.copy()
        piece.frames = tuple(part[slots] for part in self.frames)
        piece.frontier = filled_frontier(self.frontier[0][slots])
        return piece


class _NegativeTree(_SignTree):
    """The same for -eta."""

    sigma = -1.0


class _Units:
    """One problem in units of a power of two."""

    def __init__(self, part: Slice, sigma: float) -> None:
        n, r = part.rows.shape
        row_exponent = _exponent(part.rows)
        alpha_exponent = _exponent(part.alpha)
        alpha = np.ldexp(np.abs(part.alpha), -alpha_exponent)
        rows = alpha[:, None] * np.ldexp(part.rows, -row_exponent)
        exponent = _exponent(rows)
        rows = np.ldexp(rows, -exponent)
        # Entries that fell below the smallest number, and rows that are left out.
        lost = n * r * math.ldexp(1.0, -1070 - max(exponent, -1060))
        largest = np.abs(rows).max(axis=1, initial=0.0)
        used = largest > _NEGLIGIBLE
        self.lost = lost + n * r * _NEGLIGIBLE
        self.exponent = row_exponent + alpha_exponent + exponent
        self.rows = np.ascontiguousarray(rows[used])
        self.convex = np.where(sigma * part.alpha[used] > 0.0, 1, 0).astype(np.int8)
        self.sizes = np.linalg.norm(self.rows, axis=1) * (1.0 + 4.0 * (r + 4) * ROUNDOFF)
        self.reach = float(self.sizes.sum()) * (1.0 + 4.0 * (n + 4) * ROUNDOFF)
        halves = np.frexp(self.sizes)[1].astype(np.int64)
        self.rays = np.ldexp(self.rows, -halves[:, None])

    def restored(self, upper: float) -> float:
        """A bound in the problem's units, with what was left out and the rounding of rows."""
        total = upper + self.lost + 4.0 * ROUNDOFF * self.reach
        return float(np.nextafter(np.ldexp(total, self.exponent), np.inf))


def _exponent(values: NDArray[np.float64]) -> int:
    """The exponent of the power of two just above the largest entry; 0 without one."""
    return int(np.frexp(np.abs(values).max(initial=0.0))[1])
