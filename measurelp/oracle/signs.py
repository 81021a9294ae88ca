"""The branch-and-bound oracle over signs of rows: few rows, any rank."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from measurelp.oracle import _sign_kernels as kernels
from measurelp.oracle.base import (
    ROUNDOFF,
    Budget,
    DualFunction,
    OracleReport,
    Slice,
    in_units_of_alpha,
)
from measurelp.oracle.tree_search import Points, TreeSearch, maximise_by_trees

_CALL_WORK = 40_000  # rows times nodes between two looks at the clock
_MAX_PEAKS = 1024  # a tree
_FIRST_ROOM = 8  # nodes on the stack, and signs on a path; doubled when used up
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
    """

    name = "signs"

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
            _SignSearch, dual, level=level, tolerance=tolerance, starts=starts, budget=budget
        )


class _SignSearch(TreeSearch):
    def bound(self, part: Slice) -> Points:
        with np.errstate(over="ignore", under="ignore"):
            both = [self._work(_Tree(part, sigma), sigma) for sigma in (1.0, -1.0)]
        return np.vstack([points for points, _ in both]), np.hstack([values for _, values in both])

    def _work(self, tree: _Tree, sigma: float) -> Points:
        """Bound sigma eta on one slice; returns the points above the level that were met."""
        if len(tree.rows) == 0:
            self.upper = max(self.upper, tree.in_units(0.0))
            return tree.peaks[:0], tree.peak_values[:0]
        ints = np.zeros(4, dtype=np.int64)
        floats = np.array([np.ldexp(self.best, -tree.exponent), 0.0])
        level = float(np.ldexp(self.level, -tree.exponent))
        kernels.push_root(tree.sizes, tree.reach, tree.stack, ints)
        most = max(1, _CALL_WORK // len(tree.rows))
        while True:
            used = int(ints[kernels.NODES])
            reason = kernels.sweep(
                tree.rows, tree.convex, tree.rays, tree.sizes, tree.reach, tree.stack, ints,
                floats, level, self.tolerance, self.room(most, used), tree.peaks, tree.peak_values,
            )  # fmt: skip
            if reason == kernels.GROW:
                tree.grow()
            elif not self.goes_on(int(ints[kernels.NODES]), paused=reason == kernels.PAUSED):
                break
        self.nodes += int(ints[kernels.NODES])
        self.depth = max(self.depth, int(ints[kernels.MAX_DEPTH]))
        pending = float(tree.stack[4][: int(ints[kernels.TOP])].max(initial=0.0))
        self.upper = max(self.upper, tree.in_units(max(float(floats[kernels.UPPER]), pending)))
        self.best = max(self.best, float(np.ldexp(floats[kernels.BEST], tree.exponent)))
        found = int(ints[kernels.N_PEAKS])
        values = sigma * np.ldexp(tree.peak_values[:found], tree.exponent)
        return tree.peaks[:found], values


class _Tree:
    """One problem in units of a power of two, and room for the depth-first search."""

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
        m, capacity = len(self.rows), _FIRST_ROOM
        self.stack: tuple[NDArray[Any], ...] = (
            np.zeros((capacity, m), np.int8), np.zeros((capacity, m), np.int64),
            np.zeros((capacity, m)), np.zeros((capacity, m)), np.zeros(capacity),
            np.zeros((capacity, m)), np.zeros((capacity, m)), np.zeros(capacity, np.int64),
            np.zeros((capacity, 2, m)),
        )  # fmt: skip
        self.peaks, self.peak_values = np.empty((_MAX_PEAKS, r)), np.empty(_MAX_PEAKS)

    def grow(self) -> None:
        """Double the room."""
        self.stack = tuple(np.concatenate([part, np.zeros_like(part)]) for part in self.stack)

    def in_units(self, upper: float) -> float:
        """A bound in the problem's units, with what was left out and the rounding of rows."""
        total = upper + self.lost + 4.0 * ROUNDOFF * self.reach
        return float(np.nextafter(np.ldexp(total, self.exponent), np.inf))


def _exponent(values: NDArray[np.float64]) -> int:
    """The exponent of the power of two just above the largest entry; 0 without one."""
    return int(np.frexp(np.abs(values).max(initial=0.0))[1])
