"""Counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from measurelp.errors import InvalidProblem
from measurelp.problem.losses.base import Loss, Vector
from measurelp.problem.losses.cone_form import ConeForm, ConeRows, diagonal


@dataclass(frozen=True)
class Poisson(Loss):
    r"""The Poisson loss :math:`L(z) = \sum_i s_i (e^{z_i} - y_i z_i)` of counts y with log rate z.

    The negative log likelihood without its constant :math:`\log y_i!`, so it can be negative.
    With :math:`p = y_i - \alpha_i / s_i \ge 0` the dual objective is
    :math:`\sum_i s_i\,p\,(1 - \log p)`.
    """

    name: ClassVar[str] = "poisson"

    def prepared_targets(self, y: Vector) -> Vector:
        if np.any(y < 0.0):
            i = int(np.flatnonzero(np.ravel(y) < 0.0)[0])
            raise InvalidProblem(
                f"y: the poisson loss needs counts >= 0, found {np.ravel(y)[i]:g} at row {i}."
            )
        return y

    def values(self, fit: Vector, y: Vector) -> Vector:
        with np.errstate(over="ignore"):
            return np.asarray(np.exp(fit) - y * fit)

    def dual_values(self, alpha: Vector, y: Vector) -> Vector:
        p = y - alpha
        return np.where(p >= 0.0, p * (1.0 - np.log(np.where(p > 0.0, p, 1.0))), -np.inf)

    def dual_sizes(self, alpha: Vector, y: Vector) -> Vector:
        size = np.abs(y) + np.abs(alpha)
        p = np.where(y - alpha > 0.0, y - alpha, 1.0)
        return np.asarray(size * (2.0 + np.abs(np.log(p))))

    def dual_interval(self, fit: Vector, y: Vector) -> tuple[Vector, Vector]:
        with np.errstate(over="ignore"):
            alpha = np.asarray(y - np.exp(fit))
        return alpha, alpha

    def curvatures(self, fit: Vector, y: Vector) -> Vector:
        with np.errstate(over="ignore"):
            return np.asarray(np.exp(fit))

    def dual_domain(self, y: Vector) -> tuple[Vector, Vector]:
        return np.full(y.shape, -np.inf), np.array(y)

    def least_values(self, y: Vector) -> Vector:
        return np.asarray(y - y * np.log(np.where(y > 0.0, y, 1.0)))

    def cone_form(self, y: Vector, weight: Vector) -> ConeForm:
        # e^z <= u.
        n = len(y)
        rhs = np.zeros(3 * n)
        rhs[1::3] = 1.0
        return ConeForm(
            quadratic=np.zeros(n), linear=weight, fit_linear=-weight * y,
            exponential=ConeRows(
                rhs, diagonal(n, -1.0, step=3), diagonal(n, -1.0, row=2, step=3)
            ),
        )  # fmt: skip
