"""The absolute deviation, its tilted form for quantiles, and Huber's smooth form."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from measurelp.errors import InvalidProblem
from measurelp.problem.losses.base import Loss, Vector
from measurelp.problem.losses.cone_form import ConeForm, residual_parts


def _linear_dual(alpha: Vector, y: Vector, low: float, high: float) -> Vector:
    return np.where((alpha >= low) & (alpha <= high), alpha * y, -np.inf)


def _sided(fit: Vector, y: Vector, low: float, high: float) -> tuple[Vector, Vector]:
    """Both ends are ``high`` below the target and ``low`` above it; at it they differ."""
    return np.where(fit < y, high, low), np.where(fit > y, low, high)


@dataclass(frozen=True)
class Absolute(Loss):
    r"""The sum of absolute deviations, :math:`L(z) = \sum_i s_i |z_i - y_i|`.

    Its dual objective is :math:`\langle\alpha, y\rangle` on :math:`|\alpha_i| \le s_i`.  The
    penalty is exact: from a small lam on, a solution interpolates.

    Examples
    --------
    >>> import numpy as np
    >>> Absolute().value(np.array([1.0, 2.0]), np.array([1.0, 4.0]))
    2.0
    """

    name: ClassVar[str] = "absolute"
    is_smooth: ClassVar[bool] = False
    is_polyhedral: ClassVar[bool] = True

    def values(self, fit: Vector, y: Vector) -> Vector:
        return np.asarray(np.abs(fit - y))

    def dual_values(self, alpha: Vector, y: Vector) -> Vector:
        return _linear_dual(alpha, y, -1.0, 1.0)

    def dual_interval(self, fit: Vector, y: Vector) -> tuple[Vector, Vector]:
        return _sided(fit, y, -1.0, 1.0)

    def dual_domain(self, y: Vector) -> tuple[Vector, Vector]:
        return np.full(y.shape, -1.0), np.full(y.shape, 1.0)

    def cone_form(self, y: Vector, weight: Vector) -> ConeForm:
        return residual_parts(y, smooth=None, above=weight, below=weight)


@dataclass(frozen=True)
class Quantile(Loss):
    r"""The pinball loss :math:`L(z) = \sum_i s_i\,(\tau (y_i - z_i)_+ + (1-\tau)(z_i - y_i)_+)`.

    Minimised over constants by a :math:`\tau`-quantile (Koenker and Bassett 1978); half the
    absolute loss at :math:`\tau = 1/2`.  Its dual objective is :math:`\langle\alpha, y\rangle`
    on :math:`-(1-\tau) s_i \le \alpha_i \le \tau s_i`.

    Parameters
    ----------
    tau : float
        In (0, 1).
    """

    tau: float = 0.5
    name: ClassVar[str] = "quantile"
    is_smooth: ClassVar[bool] = False
    is_polyhedral: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not _is_number(self.tau) or not 0.0 < self.tau < 1.0:
            raise InvalidProblem(f"tau: expected a number in (0, 1), found {self.tau!r}.")

    def values(self, fit: Vector, y: Vector) -> Vector:
        return np.asarray(np.maximum(self.tau * (y - fit), (1.0 - self.tau) * (fit - y)))

    def dual_values(self, alpha: Vector, y: Vector) -> Vector:
        return _linear_dual(alpha, y, self.tau - 1.0, self.tau)

    def dual_interval(self, fit: Vector, y: Vector) -> tuple[Vector, Vector]:
        return _sided(fit, y, self.tau - 1.0, self.tau)

    def dual_domain(self, y: Vector) -> tuple[Vector, Vector]:
        return np.full(y.shape, self.tau - 1.0), np.full(y.shape, self.tau)

    def cone_form(self, y: Vector, weight: Vector) -> ConeForm:
        return residual_parts(
            y, smooth=None, above=(1.0 - self.tau) * weight, below=self.tau * weight
        )


@dataclass(frozen=True)
class Huber(Loss):
    r"""Huber's loss: :math:`\tfrac12 r^2` for :math:`|r| \le \delta`, else :math:`\delta|r| - \tfrac12\delta^2`.

    With r = z - y.  Its dual objective is that of the squared loss on
    :math:`|\alpha_i| \le \delta s_i` (Huber 1964).

    Parameters
    ----------
    delta : float
        > 0, in units of the targets.
    """

    delta: float = 1.0
    name: ClassVar[str] = "huber"

    def __post_init__(self) -> None:
        if not _is_number(self.delta) or not (math.isfinite(self.delta) and self.delta > 0.0):
            raise InvalidProblem(f"delta: expected a finite number > 0, found {self.delta!r}.")

    def values(self, fit: Vector, y: Vector) -> Vector:
        size = np.abs(fit - y)
        inner = np.minimum(size, self.delta)
        return np.asarray(inner * (size - 0.5 * inner))

    def dual_values(self, alpha: Vector, y: Vector) -> Vector:
        return np.where(np.abs(alpha) <= self.delta, alpha * (y - 0.5 * alpha), -np.inf)

    def dual_interval(self, fit: Vector, y: Vector) -> tuple[Vector, Vector]:
        alpha = np.clip(y - fit, -self.delta, self.delta)
        return alpha, alpha

    def curvatures(self, fit: Vector, y: Vector) -> Vector:
        return np.where(np.abs(fit - y) <= self.delta, 1.0, 0.0)

    def dual_domain(self, y: Vector) -> tuple[Vector, Vector]:
        return np.full(y.shape, -self.delta), np.full(y.shape, self.delta)

    def cone_form(self, y: Vector, weight: Vector) -> ConeForm:
        slope = self.delta * weight
        return residual_parts(y, smooth=weight, above=slope, below=slope)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
