"""The branch-and-bound oracle over signs of rows: few rows, any rank."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from measurelp.oracle import _sign_kernels as kernels
from measurelp.oracle.ascent import climbed
from measurelp.oracle.base import (
    ROUNDOFF,
    Budget,
    DualFunction,
    OracleReport,
    Slice,
    in_units_of_alpha,
    report_from_points,
)
from measurelp.status import Termination

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
        axes = np.vstack([np.eye(dual.space.rank), -np.eye(dual.space.rank)])
        points = climbed(dual, axes if starts is None else np.vstack([axes, starts]))
        values = dual.values(points)
        best = float(np.abs(values).max(initial=0.0))
        search = _Search(level, tolerance, budget or Budget(), best)
        all_points, all_values = [points], [values]
        for part in dual.slices:
            for sigma in (1.0, -1.0):
                peaks, peak_values = search.work(part, sigma)
                all_points.append(part.to_space(peaks))
                all_values.append(peak_values)
        points, values = np.vstack(all_points), np.concatenate(all_values)
        highest = np.argsort(-np.abs(values), kind="stable")[:64]
        points = climbed(dual, points[highest])
        upper = min(max(search.upper, search.best), 2.0 * dual.magnitude)
        return report_from_points(
            dual, upper, points, dual.values(points), level, termination=search.termination,
            nodes=search.nodes, depth=search.depth,
        )  # fmt: skip


class _Search:
    """State of one call: incumbent, bound and counts, carried from tree to tree."""

    def __init__(self, level: float, tolerance: float, budget: Budget, best: float) -> None:
        self.level, self.tolerance, self.budget, self.best = level, tolerance, budget, best
        self.upper = 0.0
        self.nodes = self.depth = 0
        self.termination = Termination.CONVERGED

    def work(self, part: Slice, sigma: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Bound sigma eta on one slice; returns the points above the level that were met."""
        with np.errstate(over="ignore", under="ignore"):
            return self._work(_Tree(part, sigma), sigma)

    def _work(self, tree: _Tree, sigma: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        if len(tree.rows) == 0:
            self.upper = max(self.upper, tree.in_units(0.0))
            return tree.peaks[:0], tree.peak_values[:0]
        ints = np.zeros(4, dtype=np.int64)
        floats = np.array([np.ldexp(self.best, -tree.exponent), 0.0])
        level = float(np.ldexp(self.level, -tree.exponent))
        kernels.push_root(tree.sizes, tree.reach, tree.stack, ints)
        allowed = self.budget.nodes
        while True:
            # Once the budget is used up, each further tree still gets the node that bounds it.
            left = 1
            if self.termination is Termination.CONVERGED:
                left = max(1, _CALL_WORK // len(tree.rows))
                if allowed is not None:
                    left = min(left, max(1, allowed - self.nodes - int(ints[kernels.NODES])))
            reason = kernels.sweep(
                tree.rows, tree.convex, tree.rays, tree.sizes, tree.reach, tree.stack, ints,
                floats, level, self.tolerance, left, tree.peaks, tree.peak_values,
            )  # fmt: skip
            if reason == kernels.GROW:
                tree.grow()
                continue
            if self.termination is Termination.CONVERGED:
                if self.budget.time_is_up:
                    self.termination = Termination.TIME_LIMIT
                elif allowed is not None and self.nodes + int(ints[kernels.NODES]) >= allowed:
                    self.termination = Termination.NODE_LIMIT
                elif reason == kernels.PAUSED:
                    continue
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
