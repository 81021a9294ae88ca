"""Half the sum of squares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from measurelp.problem.losses.base import Loss, Vector
from measurelp.problem.losses.cone_form import ConeForm, ConeRows, diagonal


@dataclass(frozen=True)
class Squared(Loss):
    r"""Half the sum of squares, :math:`L(z) = \tfrac12 \sum_i s_i (z_i - y_i)^2`.

    No mean is taken.  Without weights its dual objective is
    :math:`\langle\alpha, y\rangle - \tfrac12|\alpha|^2`.

    Examples
    --------
    >>> import numpy as np
    >>> Squared().value(np.array([1.0, 2.0]), np.array([1.0, 4.0]))
    2.0
    """

    name: ClassVar[str] = "squared"
    is_quadratic: ClassVar[bool] = True

    def values(self, fit: Vector, y: Vector) -> Vector:
        return np.asarray(0.5 * (fit - y) ** 2)

    def dual_values(self, alpha: Vector, y: Vector) -> Vector:
        return np.asarray(alpha * (y - 0.5 * alpha))

    def dual_interval(self, fit: Vector, y: Vector) -> tuple[Vector, Vector]:
        residual = np.asarray(y - fit)
        return residual, residual

    def curvatures(self, fit: Vector, y: Vector) -> Vector:
        return np.ones(y.shape)

    def dual_sizes(self, alpha: Vector, y: Vector) -> Vector:
        return np.asarray(np.abs(alpha) * (np.abs(y) + 0.5 * np.abs(alpha)))

    def best_scale(
        self, alpha: Vector, y: Vector, largest: float, weight: Vector | None = None
    ) -> float:
        size = alpha**2
        if weight is not None:
            factor = weight if alpha.ndim == 1 else weight[:, None]
            size = size / np.where(factor > 0.0, factor, np.inf)
        squared_norm = float(np.sum(size))
        if squared_norm == 0.0:
            return 0.0
        return float(min(max(float(np.sum(alpha * y)) / squared_norm, 0.0), largest))

    def cone_form(self, y: Vector, weight: Vector) -> ConeForm:
        n = len(y)
        return ConeForm(
            quadratic=weight, linear=np.zeros(n),
            zero=ConeRows(y, diagonal(n, 1.0), diagonal(n, -1.0)),
            scale=float(np.abs(y).max(initial=0.0)) or 1.0,
        )  # fmt: skip
