"""The constraint that the fit equals the targets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from measurelp.problem.losses.base import Loss, Vector
from measurelp.problem.losses.cone_form import ConeForm, ConeRows, diagonal


@dataclass(frozen=True)
class Interpolation(Loss):
    r"""The constraint :math:`z = y`: minimise the total variation among all interpolants.

    lam does not enter: the objective is the total variation itself, as if lam were 1, and
    the dual objective is :math:`\langle\alpha, y\rangle`.

    Parameters
    ----------
    tolerance
        A fit counts as interpolating when :math:`|z - y|_\infty` is at most
        ``tolerance * |y|_inf`` (0 if all targets are 0).
    """

    tolerance: float = 1e-8
    name: ClassVar[str] = "interpolation"
    is_hard_constraint: ClassVar[bool] = True
    is_smooth: ClassVar[bool] = False
    is_polyhedral: ClassVar[bool] = True

    def misfit(self, fit: Vector, y: Vector) -> float:
        """The largest absolute deviation, relative to the largest absolute target."""
        worst, size = float(np.max(np.abs(fit - y))), float(np.max(np.abs(y)))
        return worst / size if size > 0.0 else (0.0 if worst == 0.0 else float("inf"))

    def values(self, fit: Vector, y: Vector) -> Vector:
        allowed = self.tolerance * float(np.max(np.abs(y)))
        return np.where(np.abs(fit - y) <= allowed, 0.0, np.inf)

    def dual_values(self, alpha: Vector, y: Vector) -> Vector:
        return np.asarray(alpha * y)

    def dual_interval(self, fit: Vector, y: Vector) -> tuple[Vector, Vector]:
        return self.dual_domain(y)

    def best_scale(
        self, alpha: Vector, y: Vector, largest: float, weight: Vector | None = None
    ) -> float:
        return float(largest) if float(np.sum(alpha * y)) > 0.0 else 0.0

    def cone_form(self, y: Vector, weight: Vector) -> ConeForm:
        return ConeForm(
            quadratic=np.zeros(0), linear=np.zeros(0), zero=ConeRows(y, diagonal(len(y), 1.0)),
            scale=float(np.abs(y).max(initial=0.0)) or 1.0,
        )  # fmt: skip
