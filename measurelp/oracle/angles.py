"""The exact oracle for rank one and two: sort the kinks around the circle."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from measurelp.errors import InvalidProblem
from measurelp.oracle.base import Budget, OracleReport, in_units_of_alpha, report_from_points
from measurelp.oracle.dual_function import ROUNDOFF, DualFunction, as_columns


class AngleOracle:
    r"""Exact supremum of :math:`|\eta|` over at most two penalised coordinates.

    On the arc between neighbouring kinks :math:`\eta(w) = Gw`, G with one row for each output, so
    :math:`|\eta|^2` is a wave of :math:`2\varphi`: its supremum is the largest singular value if the arc
    contains the singular vector, and a value at an end point otherwise.  O(c n log n), and with
    a free bias O(c n^2 log n).  Proves the bracket over the whole circle; rounding of the
    running sums is charged to the upper end.
    """

    name = "angles"

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
        if dual.space.n_penalized > 2:
            raise InvalidProblem(
                "oracle: angles needs weights with at most 2 penalised coordinates, found "
                f'{dual.space.n_penalized}; use "cones" or "cells".'
            )
        points, values = [np.eye(dual.space.rank)[:1]], [dual.values(np.eye(dual.space.rank)[:1])]
        arcs = 0
        for part in dual.slices:
            candidates = np.array([[1.0], [-1.0]])
            if part.rows.shape[1] == 2:
                candidates = self._candidates(part.rows, part.alpha)
            reached = part.values(candidates)
            arcs += len(candidates)
            best = np.argsort(-dual.sizes(reached), kind="stable")[
                : 8 if part.centre is not None else None
            ]
            points.append(part.to_space(candidates[best]))
            values.append(reached[best])
        # 2 u for each of n terms, and a kink's angle is off by a few u.
        error = (2.0 * len(dual.space.distinct) + 64.0) * ROUNDOFF * 2.0 * dual.magnitude
        everything = np.concatenate(values)
        upper = float(np.max(dual.sizes(everything))) + error
        return report_from_points(dual, upper, np.vstack(points), everything, level, arcs=arcs)

    @staticmethod
    def _candidates(rows: NDArray[np.float64], alpha: NDArray[np.float64]) -> NDArray[np.float64]:
        """All kinks, and the two directions of G's longest image that lie inside their own arc."""
        angle = np.arctan2(rows[:, 1], rows[:, 0])[np.any(rows != 0.0, axis=1)]
        kinks = np.unique(np.mod(np.concatenate([angle + np.pi / 2, angle - np.pi / 2]), 2 * np.pi))
        if len(kinks) == 0:
            return np.array([[1.0, 0.0]])
        ends = np.append(kinks[1:], kinks[0] + 2 * np.pi)
        directions = np.column_stack([np.cos(kinks), np.sin(kinks)])
        # A row switches on at angle - pi/2 and off at angle + pi/2, so the gradients of all
        # arcs are running sums; each is formed from the rows active in the arc's middle.
        on = np.mod(np.arctan2(rows[:, 1], rows[:, 0]) - np.pi / 2, 2 * np.pi)
        columns = as_columns(alpha)
        weighted = columns[:, :, None] * rows[:, None, :]
        order = np.argsort(on)
        sums = np.concatenate([np.zeros((1, columns.shape[1], 2)), weighted[order].cumsum(axis=0)])
        middle = np.mod((kinks + ends) / 2, 2 * np.pi)

        def started_before(angles: NDArray[np.float64]) -> NDArray[np.float64]:
            return np.asarray(sums[np.searchsorted(on[order], angles)])

        # Active rows have on in (middle - pi, middle), modulo a full turn.
        gradient = started_before(middle) - started_before(np.maximum(middle - np.pi, 0.0))
        gradient += np.where(
            (middle < np.pi)[:, None, None], sums[-1] - started_before(middle + np.pi), 0.0
        )
        size = np.abs(gradient).max(axis=(1, 2))
        gradient /= np.where(size > 0.0, size, 1.0)[:, None, None]
        first, second = gradient[:, :, 0], gradient[:, :, 1]
        wave = 0.5 * np.arctan2(
            2.0 * (first * second).sum(axis=1), (first**2 - second**2).sum(axis=1)
        )
        peaks = [directions]
        for angle_of_peak in (wave, wave + np.pi):
            inside = (size > 0.0) & (np.mod(angle_of_peak - kinks, 2 * np.pi) <= ends - kinks)
            at = angle_of_peak[inside]
            peaks.append(np.column_stack([np.cos(at), np.sin(at)]))
        return np.vstack(peaks)
