"""The branch-and-bound oracle: simplicial cones, any number of rows, small rank."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from measurelp.oracle import _cone_kernels as kernels
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
        axes = np.vstack([np.eye(dual.space.rank), -np.eye(dual.space.rank)])
        points = climbed(dual, axes if starts is None else np.vstack([axes, starts]))
        values = dual.values(points)
        search = _Search(
            level, tolerance, budget or Budget(), float(np.abs(values).max(initial=0.0))
        )
        all_points, all_values = [points], [values]
        for part in dual.slices:
            peaks, peak_values = search.sweep(part)
            all_points.append(part.to_space(peaks))
            all_values.append(peak_values)
        points, values = np.vstack(all_points), np.concatenate(all_values)
        highest = np.argsort(-np.abs(values), kind="stable")[:64]
        points = climbed(dual, points[highest])
        upper = min(search.upper, 2.0 * dual.magnitude)
        return report_from_points(
            dual, upper, points, dual.values(points), level, termination=search.termination,
            nodes=int(search.ints[kernels.NODES]), depth=int(search.ints[kernels.MAX_DEPTH]),
        )  # fmt: skip


class _Search:
    """State of one call: incumbent, bound and counts, carried from slice to slice."""

    def __init__(self, level: float, tolerance: float, budget: Budget, best: float) -> None:
        self.level, self.tolerance, self.budget = level, tolerance, budget
        self.ints = np.zeros(4, dtype=np.int64)
        self.floats = np.array([best, 0.0])
        self.termination = Termination.CONVERGED
        self.open_bound = 0.0

    @property
    def upper(self) -> float:
        """The bound proved so far."""
        return float(max(self.floats[kernels.UPPER], self.floats[kernels.BEST], self.open_bound))

    def sweep(self, part: Slice) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Bound one slice; returns the points above the level that were met."""
        rows, alpha = part.rows, part.alpha
        r = rows.shape[1]
        if r > _MAX_RANK:
            lengths = np.abs(alpha) * np.linalg.norm(rows, axis=1) * (1.0 + 1e-12)
            either = max(float(lengths[alpha > 0.0].sum()), float(lengths[alpha < 0.0].sum()))
            self.open_bound = max(self.open_bound, either)
            self.termination = Termination.NODE_LIMIT
            return np.zeros((0, r)), np.zeros(0)
        reach = float(np.abs(alpha) @ np.max(np.abs(rows), axis=1, initial=0.0))
        total = np.array([float(np.sum(alpha * rows[:, c])) for c in range(r)])
        peaks, peak_values = np.empty((_MAX_PEAKS, r)), np.empty(_MAX_PEAKS)
        self.ints[kernels.N_PEAKS] = 0
        tree = _Tree(len(rows), r)
        for signs in itertools.product((1.0, -1.0), repeat=r - 1):
            kernels.push_root(
                np.array((1.0, *signs)), rows, alpha, total, tree.stack, tree.arena_row,
                tree.arena_v, self.ints,
            )  # fmt: skip
            self._work(part, reach, tree, peaks, peak_values)
            self.open_bound = max(self.open_bound, tree.open_bound(int(self.ints[kernels.TOP])))
        # Rounding of the sums that reach and total are made of (pairwise, so log n terms).
        self.floats[kernels.UPPER] += 64.0 * ROUNDOFF * reach
        found = int(self.ints[kernels.N_PEAKS])
        return peaks[:found], peak_values[:found]

    def _work(
        self,
        part: Slice,
        reach: float,
        tree: _Tree,
        peaks: NDArray[np.float64],
        peak_values: NDArray[np.float64],
    ) -> None:
        """Work on the orthant on the stack until it is done or the budget is used up.

        Once the budget is used up, each further orthant still gets the one node that bounds it.
        """
        nodes = self.budget.nodes
        while True:
            left = 1
            if self.termination is Termination.CONVERGED:
                left = _CALL_NODES
                if nodes is not None:
                    left = min(left, max(1, nodes - int(self.ints[kernels.NODES])))
            reason = kernels.sweep(
                part.rows, part.alpha, reach, tree.stack, tree.arena_row, tree.arena_v, self.ints,
                self.floats, self.level, self.tolerance, left, peaks, peak_values,
            )  # fmt: skip
            if reason == kernels.GROW:
                tree.grow()
                continue
            if self.termination is Termination.CONVERGED:
                if self.budget.time_is_up:
                    self.termination = Termination.TIME_LIMIT
                elif nodes is not None and int(self.ints[kernels.NODES]) >= nodes:
                    self.termination = Termination.NODE_LIMIT
                elif reason == kernels.PAUSED:
                    continue
            return


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
