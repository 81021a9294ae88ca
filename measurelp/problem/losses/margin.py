"""Losses of the margin y z for two classes: hinge, squared hinge, logistic."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from measurelp.errors import InvalidProblem
from measurelp.problem.losses.base import Loss, Vector
from measurelp.problem.losses.cone_form import ConeForm, ConeRows, diagonal, together


def _entropy(p: Vector) -> Vector:
    """-p log p with 0 at 0."""
    return np.asarray(-p * np.log(np.where(p > 0.0, p, 1.0)))


class MarginLoss(Loss):
    r"""A loss :math:`\ell(z, y) = \phi(yz)` of targets y = +-1.

    Labels 0 and 1 (or booleans) are read as -1 and +1.
    """

    def prepared_targets(self, y: Vector) -> Vector:
        classes = np.unique(y)
        if not (set(classes) <= {-1.0, 1.0} or set(classes) <= {0.0, 1.0}):
            shown = ", ".join(f"{c:g}" for c in classes[:5])
            raise InvalidProblem(
                f"y: the {self.name} loss needs labels -1 and 1, or 0 and 1, found {shown}"
                f"{', ...' if len(classes) > 5 else ''}."
            )
        if len(classes) < 2:
            raise InvalidProblem(
                f"y: the {self.name} loss needs two classes, found only the label {classes[0]:g}."
            )
        return np.where(y > 0.0, 1.0, -1.0)

    @abstractmethod
    def margin_values(self, margin: Vector) -> Vector:
        r""":math:`\phi`."""

    @abstractmethod
    def margin_dual(self, a: Vector) -> Vector:
        r""":math:`-\phi^*(-a)`, -inf outside its domain."""

    @abstractmethod
    def margin_interval(self, margin: Vector) -> tuple[Vector, Vector]:
        r"""The ends of :math:`-\partial\phi`."""

    largest: ClassVar[float] = 1.0
    """The largest slope of the loss; the domain of a = y alpha is [0, largest]."""

    def values(self, fit: Vector, y: Vector) -> Vector:
        return self.margin_values(y * fit)

    def dual_values(self, alpha: Vector, y: Vector) -> Vector:
        a = y * alpha
        inside = (a >= 0.0) & (a <= self.largest)
        return np.where(inside, self.margin_dual(np.where(inside, a, 0.0)), -np.inf)

    def dual_interval(self, fit: Vector, y: Vector) -> tuple[Vector, Vector]:
        low, high = self.margin_interval(y * fit)
        return np.where(y > 0.0, low, -high), np.where(y > 0.0, high, -low)

    def dual_domain(self, y: Vector) -> tuple[Vector, Vector]:
        return np.where(y > 0.0, 0.0, -self.largest), np.where(y > 0.0, self.largest, 0.0)


@dataclass(frozen=True)
class Hinge(MarginLoss):
    r"""The hinge loss :math:`L(z) = \sum_i s_i (1 - y_i z_i)_+` of support vector machines.

    Its dual objective is :math:`\sum_i y_i\alpha_i` on :math:`0 \le y_i\alpha_i \le s_i`.
    """

    name: ClassVar[str] = "hinge"
    is_smooth: ClassVar[bool] = False
    is_polyhedral: ClassVar[bool] = True

    def margin_values(self, margin: Vector) -> Vector:
        return np.asarray(np.maximum(1.0 - margin, 0.0))

    def margin_dual(self, a: Vector) -> Vector:
        return a

    def margin_interval(self, margin: Vector) -> tuple[Vector, Vector]:
        return np.where(margin < 1.0, 1.0, 0.0), np.where(margin > 1.0, 0.0, 1.0)

    def cone_form(self, y: Vector, weight: Vector) -> ConeForm:
        return _below_one(y, quadratic=np.zeros(len(y)), linear=weight)


@dataclass(frozen=True)
class SquaredHinge(MarginLoss):
    r"""The squared hinge loss :math:`L(z) = \sum_i s_i (1 - y_i z_i)_+^2`, without a half.

    Its dual objective is :math:`\sum_i (a_i - a_i^2 / (4 s_i))` with :math:`a_i = y_i\alpha_i \ge 0`.
    """

    name: ClassVar[str] = "squared_hinge"
    largest: ClassVar[float] = np.inf

    def margin_values(self, margin: Vector) -> Vector:
        return np.asarray(np.maximum(1.0 - margin, 0.0) ** 2)

    def margin_dual(self, a: Vector) -> Vector:
        return np.asarray(a * (1.0 - 0.25 * a))

    def margin_interval(self, margin: Vector) -> tuple[Vector, Vector]:
        slope = 2.0 * np.maximum(1.0 - margin, 0.0)
        return slope, slope

    def curvatures(self, fit: Vector, y: Vector) -> Vector:
        return np.where(y * fit < 1.0, 2.0, 0.0)

    def cone_form(self, y: Vector, weight: Vector) -> ConeForm:
        return _below_one(y, quadratic=2.0 * weight, linear=np.zeros(len(y)))


@dataclass(frozen=True)
class Logistic(MarginLoss):
    r"""The logistic loss :math:`L(z) = \sum_i s_i \log(1 + e^{-y_i z_i})`.

    Its dual objective is the sum of the entropies
    :math:`-a\log a - (1-a)\log(1-a)` at :math:`a = y_i\alpha_i / s_i` in [0, 1].
    """

    name: ClassVar[str] = "logistic"

    def margin_values(self, margin: Vector) -> Vector:
        return np.asarray(np.logaddexp(0.0, -margin))

    def margin_dual(self, a: Vector) -> Vector:
        return _entropy(a) + _entropy(1.0 - a)

    def margin_interval(self, margin: Vector) -> tuple[Vector, Vector]:
        # 1 / (1 + e^m), without overflow on either side.
        small = np.exp(-np.abs(margin))
        a = np.where(margin > 0.0, small / (1.0 + small), 1.0 / (1.0 + small))
        return a, a

    def curvatures(self, fit: Vector, y: Vector) -> Vector:
        a = self.margin_interval(y * fit)[0]
        return np.asarray(a * (1.0 - a))

    def cone_form(self, y: Vector, weight: Vector) -> ConeForm:
        # log(1 + e^-m) <= t iff e^(-m - t) <= u, e^-t <= v, u + v <= 1; variables t, u, v.
        n = len(y)
        t, u, v = 0, n, 2 * n
        rhs = np.zeros(6 * n)
        rhs[1::3] = 1.0
        return ConeForm(
            quadratic=np.zeros(3 * n), linear=np.concatenate([weight, np.zeros(2 * n)]),
            nonneg=ConeRows(
                np.ones(n), auxiliary=together(diagonal(n, 1.0, column=u), diagonal(n, 1.0, column=v))
            ),
            exponential=ConeRows(
                rhs, diagonal(n, y, step=3),
                together(
                    diagonal(n, 1.0, step=3), diagonal(n, -1.0, row=2, column=u, step=3),
                    diagonal(n, 1.0, row=3 * n, column=t, step=3),
                    diagonal(n, -1.0, row=3 * n + 2, column=v, step=3),
                ),
            ),
        )  # fmt: skip


def _below_one(y: Vector, *, quadratic: Vector, linear: Vector) -> ConeForm:
    """Costs of p >= 1 - y z, p >= 0."""
    n = len(y)
    return ConeForm(
        quadratic=quadratic, linear=linear,
        nonneg=ConeRows(
            np.concatenate([np.full(n, -1.0), np.zeros(n)]), diagonal(n, -y),
            together(diagonal(n, -1.0), diagonal(n, -1.0, row=n)),
        ),
    )  # fmt: skip
