"""The branch-and-bound oracle: simplicial cones, any number of rows, small rank."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from measurelp.oracle import _cone_kernels as kernels
from measurelp.oracle._kernels import ascend_all
from measurelp.oracle.base import (
    FREE_BIAS,
    ROUNDOFF,
    Budget,
    DualFunction,
    OracleReport,
    report_from_points,
)
from measurelp.status import Termination

_CALL_NODES = 20_000  # between two looks at the clock
_MAX_PEAKS = 4096


class ConeOracle:
    r"""Branch and bound for :math:`\sup|\eta|` over simplicial cones.

    Simplicial cones that cover half of weight space are split along edges.  On each cone the convex rows that cut
    it are replaced by chords and the concave ones by their best linear majorant, which
    gives a bound :math:`|y|` (see ``_cone_kernels``); the four problems :math:`\pm\eta` on
    a cone and its opposite share one sweep.  Only cones on which :math:`|\eta|` comes near
    the level are refined, so the cost is about linear in n and grows seven- to tenfold with
    each dimension.

    What it proves: ``upper`` bounds the supremum over the whole ball, rounding included.
    A budget that ends the work leaves a wider, still valid bracket.
    """

    name = "cones"

    def maximise(
        self,
        dual: DualFunction,
        *,
        level: float = 0.0,
        tolerance: float = 1e-9,
        starts: NDArray[np.float64] | None = None,
        budget: Budget | None = None,
    ) -> OracleReport:
        budget = budget or Budget()
        rows, alpha = dual.distinct, dual.merged
        used = alpha != 0.0
        rows, alpha = np.ascontiguousarray(rows[used]), np.ascontiguousarray(alpha[used])
        r = rows.shape[1]
        points, values = _first_points(rows, alpha, None if starts is None else dual.from_space(starts))
        best = float(np.max(values * np.sign(values), initial=0.0))
        roots = _root_cones(dual)
        reach = float(np.abs(alpha) @ _largest_values(rows, dual))
        total = np.array([float(np.sum(alpha * rows[:, c])) for c in range(r)])
        ints = np.zeros(4, dtype=np.int64)
        floats = np.array([best, 0.0])
        peaks = np.empty((_MAX_PEAKS, r))
        peak_values = np.empty(_MAX_PEAKS)
        tree = _Tree(rows, r)
        termination = Termination.CONVERGED
        is_last_root = True
        for number, root in enumerate(roots, start=1):
            is_last_root = number == len(roots)
            kernels.push_root(
                root, np.linalg.inv(root).T.copy(), rows, alpha, total, tree.stack,
                tree.arena_row, tree.arena_v, ints,
            )  # fmt: skip
            while True:
                left = _CALL_NODES
                if budget.nodes is not None:
                    left = min(left, budget.nodes - int(ints[kernels.NODES]))
                reason = kernels.sweep(
                    rows, alpha, reach, tree.stack, tree.arena_row, tree.arena_v, ints, floats,
                    dual.space.n_penalized, level, tolerance, left, peaks, peak_values,
                )  # fmt: skip
                if reason == kernels.DONE:
                    break
                if reason == kernels.GROW:
                    tree.grow()
                    continue
                if budget.time_is_up:
                    termination = Termination.TIME_LIMIT
                elif budget.nodes is not None and ints[kernels.NODES] >= budget.nodes:
                    termination = Termination.NODE_LIMIT
                if termination is not Termination.CONVERGED:
                    break
            if termination is not Termination.CONVERGED:
                break
        upper = float(max(floats[kernels.UPPER], floats[kernels.BEST]))
        if termination is not Termination.CONVERGED:
            trivial = 2.0 * dual.magnitude
            upper = max(upper, tree.pending_bound(int(ints[kernels.TOP])))
            upper = min(upper, trivial) if is_last_root else trivial
        found = min(int(ints[kernels.N_PEAKS]), _MAX_PEAKS)
        all_points = np.vstack([points, _polished(rows, alpha, peaks[:found], peak_values[:found])])
        all_values = alpha @ np.maximum(rows @ all_points.T, 0.0)
        upper += 8.0 * ROUNDOFF * reach
        return report_from_points(
            dual, upper, all_points, all_values, level, termination=termination,
            nodes=int(ints[kernels.NODES]), depth=int(ints[kernels.MAX_DEPTH]),
        )  # fmt: skip


def _root_cones(dual: DualFunction) -> NDArray[np.float64]:
    """Generators (cones, r, r) of simplicial cones that, with their opposites, cover the ball.

    Half the orthants.  With a free bias: over each half orthant of the linear part the prism
    |b| <= FREE_BIAS |w|_1 (in stretched coordinates), cut into r - 1 simplices by the
    staircase (e_1, -), ..., (e_i, -), (e_i, +), ..., (e_p, +).
    """
    p = dual.space.n_penalized
    cones = []
    for signs in itertools.product((1.0, -1.0), repeat=p - 1):
        axes = np.diag(np.array((1.0, *signs)))
        if not dual.space.has_free_bias:
            cones.append(axes)
            continue
        low = np.column_stack([axes, np.full(p, -FREE_BIAS)])
        high = np.column_stack([axes, np.full(p, FREE_BIAS)])
        cones.extend(np.vstack([low[: i + 1], high[i:]]) for i in range(p))
    return np.array(cones)


def _largest_values(
    rows: NDArray[np.float64], dual: DualFunction
) -> NDArray[np.float64]:
    """A bound on |<row, generator>| over all root cones, (m,)."""
    p = dual.space.n_penalized
    largest = np.max(np.abs(rows[:, :p]), axis=1, initial=0.0)
    if dual.space.has_free_bias:
        largest = largest + np.abs(rows[:, -1]) * FREE_BIAS
    return largest * (1.0 + 1e-12)


def _first_points(
    rows: NDArray[np.float64], alpha: NDArray[np.float64], starts: NDArray[np.float64] | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Local maxima reached from the coordinate axes and the given starts."""
    axes = np.vstack([np.eye(rows.shape[1]), -np.eye(rows.shape[1])])
    points = axes if starts is None or not len(starts) else np.vstack([axes, starts])
    points = points / np.linalg.norm(points, axis=1)[:, None]
    signed = alpha @ np.maximum(rows @ points.T, 0.0)
    points = _polished(rows, alpha, points, signed)
    return points, alpha @ np.maximum(rows @ points.T, 0.0)


def _polished(
    rows: NDArray[np.float64],
    alpha: NDArray[np.float64],
    points: NDArray[np.float64],
    signed: NDArray[np.float64],
) -> NDArray[np.float64]:
    """The points after a climb of sign * eta; at most the 64 highest are climbed."""
    order = np.argsort(-np.abs(signed), kind="stable")[:64]
    climbed = np.ascontiguousarray(points[order])
    signs = np.where(signed[order] < 0.0, -1.0, 1.0)
    ascend_all(rows, alpha, climbed, signs, 50, np.empty(len(climbed)))
    return climbed


class _Tree:
    """Storage of the depth-first search: frames of cones and an arena of cut rows."""

    def __init__(self, rows: NDArray[np.float64], r: int) -> None:
        capacity = 256
        self.stack = (
            np.zeros(capacity, np.int64), np.zeros(capacity, np.int64),
            np.zeros(capacity, np.int64), np.zeros(capacity, np.int64),
            np.zeros((capacity, 4)), np.zeros((capacity, r, r)), np.zeros((capacity, r, r)),
            np.zeros((capacity, r)), np.zeros((capacity, r)), np.zeros((capacity, 4, r)),
        )  # fmt: skip
        self.arena_row = np.zeros(4 * len(rows) + 64, np.int64)
        self.arena_v = np.zeros((4 * len(rows) + 64, r))

    def grow(self) -> None:
        """Double everything."""
        self.stack = tuple(np.concatenate([part, np.zeros_like(part)]) for part in self.stack)
        self.arena_row = np.concatenate([self.arena_row, np.zeros_like(self.arena_row)])
        self.arena_v = np.concatenate([self.arena_v, np.zeros_like(self.arena_v)])

    def pending_bound(self, top: int) -> float:
        """The largest inherited bound among cones that were not treated; inf for a root."""
        alive, bound = self.stack[3], self.stack[4]
        largest = 0.0
        for frame in range(top):
            for p in range(4):
                if (int(alive[frame]) >> p) & 1:
                    largest = max(largest, float(bound[frame, p]))
        return largest
