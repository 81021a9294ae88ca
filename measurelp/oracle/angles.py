"""The exact oracle for rank one and two: sort the kinks around the circle."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from measurelp.errors import InvalidProblem
from measurelp.oracle.base import ROUNDOFF, Budget, DualFunction, OracleReport, report_from_points


class AngleOracle:
    r"""Exact supremum of :math:`|\eta|` when the data have rank at most two.

    On the arc between neighbouring kinks :math:`\eta(w) = \langle g, w\rangle`, so its
    supremum is :math:`|g|` if the arc contains :math:`g/|g|` and a value at an end point
    otherwise.  With a free bias and one input it is piecewise linear in the kink's place, so
    kinks at data points suffice.  O(n log n).  Proves the bracket over the whole circle; rounding of the
    running sums is charged to the upper end.
    """

    name = "angles"

    def maximise(
        self,
        dual: DualFunction,
        *,
        level: float = 0.0,
        tolerance: float = 1e-9,
        starts: NDArray[np.float64] | None = None,
        budget: Budget | None = None,
    ) -> OracleReport:
        rows, alpha = dual.distinct, dual.merged
        if rows.shape[1] > 2:
            raise InvalidProblem(
                f"oracle: angles needs data of rank at most 2, found rank {rows.shape[1]}; "
                'use "cones" or "cells".'
            )
        if dual.space.has_free_bias:
            points = self._kinks_at_data(dual)
        elif rows.shape[1] == 1:
            points = np.array([[1.0], [-1.0]])
        else:
            points = self._candidates(rows, alpha)
        values = alpha @ np.maximum(rows @ points.T, 0.0)
        # 2 u for each of n terms, and a kink's angle is off by a few u.
        error = (2.0 * len(rows) + 64.0) * ROUNDOFF * dual.magnitude
        upper = float(np.max(np.abs(values))) + error
        return report_from_points(dual, upper, points, values, level, arcs=len(points))

    @staticmethod
    def _kinks_at_data(dual: DualFunction) -> NDArray[np.float64]:
        inputs, scale = dual.space.distinct[:, 0], dual.space.bias_scale
        slope = np.concatenate([np.ones(len(inputs)), -np.ones(len(inputs))])
        bias = -slope * np.concatenate([inputs, inputs]) / scale
        return dual.from_space(np.column_stack([slope, bias]))

    @staticmethod
    def _candidates(rows: NDArray[np.float64], alpha: NDArray[np.float64]) -> NDArray[np.float64]:
        """All kinks, and the peaks +-g/|g| that lie inside their own arc."""
        angle = np.arctan2(rows[:, 1], rows[:, 0])[np.any(rows != 0.0, axis=1)]
        kinks = np.unique(np.mod(np.concatenate([angle + np.pi / 2, angle - np.pi / 2]), 2 * np.pi))
        if len(kinks) == 0:
            return np.array([[1.0, 0.0]])
        ends = np.append(kinks[1:], kinks[0] + 2 * np.pi)
        directions = np.column_stack([np.cos(kinks), np.sin(kinks)])
        # A row switches on at angle - pi/2 and off at angle + pi/2, so the gradients of all
        # arcs are running sums; each is formed from the rows active in the arc's middle.
        on = np.mod(np.arctan2(rows[:, 1], rows[:, 0]) - np.pi / 2, 2 * np.pi)
        weighted = alpha[:, None] * rows
        order = np.argsort(on)
        sums = np.vstack([np.zeros(2), np.cumsum(weighted[order], axis=0)])
        middle = np.mod((kinks + ends) / 2, 2 * np.pi)

        def started_before(angles: NDArray[np.float64]) -> NDArray[np.float64]:
            return np.asarray(sums[np.searchsorted(on[order], angles)])

        # Active rows have on in (middle - pi, middle), modulo a full turn.
        gradient = started_before(middle) - started_before(np.maximum(middle - np.pi, 0.0))
        gradient += np.where(
            (middle < np.pi)[:, None], sums[-1] - started_before(middle + np.pi), 0.0
        )
        length = np.linalg.norm(gradient, axis=1)
        peaks = [directions]
        for sign in (1.0, -1.0):
            towards = np.mod(
                np.arctan2(sign * gradient[:, 1], sign * gradient[:, 0]) - kinks, 2 * np.pi
            )
            inside = (length > 0.0) & (towards <= ends - kinks)
            peaks.append(sign * gradient[inside] / length[inside, None])
        return np.vstack(peaks)
