"""Losses, each with its value, its dual and the lam from which the zero measure is optimal.

A loss sees the fit and the targets, both of shape (n,), and nothing of cells, balls or
solvers.  Adding one is adding one class here that fulfils :class:`Loss`, and its cone form
in :mod:`measurelp.program`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]


@runtime_checkable
class Loss(Protocol):
    r"""The smallest interface of a loss :math:`L(z) = \sum_i \ell(z_i, y_i)`.

    The dual problem that every certificate uses is

    .. math:: \max_\alpha\; -L^*(-\alpha) \quad\text{s.t.}\quad
              \sup_{\|w\|\le 1} \Bigl|\sum_i \alpha_i \langle x_i, w\rangle_+\Bigr| \le \lambda .
    """

    @property
    def name(self) -> str:
        """The word by which files and the command line know the loss."""
        ...

    @property
    def is_hard_constraint(self) -> bool:
        """Whether the loss is the indicator of fit = y, so that lam does not enter."""
        ...

    def value(self, fit: Vector, y: Vector) -> float:
        """The loss at a fit; inf outside its domain."""
        ...

    def dual_value(self, alpha: Vector, y: Vector) -> float:
        r"""The dual objective :math:`-L^*(-\alpha)`."""
        ...

    def dual_from_fit(self, fit: Vector, y: Vector) -> Vector | None:
        r""":math:`-\nabla L(\mathrm{fit})`, or None where the loss has no gradient."""
        ...

    def best_scale(self, alpha: Vector, y: Vector, largest: float) -> float:
        r"""The factor s in [0, largest] for which :math:`-L^*(-s\alpha)` is greatest."""
        ...


@dataclass(frozen=True)
class Squared:
    r"""Half the sum of squares, :math:`L(z) = \tfrac12 \sum_i (z_i - y_i)^2`.

    No mean is taken.  Its dual objective is
    :math:`\langle\alpha, y\rangle - \tfrac12|\alpha|^2`.

    Examples
    --------
    >>> import numpy as np
    >>> Squared().value(np.array([1.0, 2.0]), np.array([1.0, 4.0]))
    2.0
    """

    name: str = "squared"
    is_hard_constraint: bool = False

    def value(self, fit: Vector, y: Vector) -> float:
        residual = fit - y
        return 0.5 * float(residual @ residual)

    def dual_value(self, alpha: Vector, y: Vector) -> float:
        return float(alpha @ (y - 0.5 * alpha))

    def dual_from_fit(self, fit: Vector, y: Vector) -> Vector:
        return np.asarray(y - fit)

    def best_scale(self, alpha: Vector, y: Vector, largest: float) -> float:
        squared_norm = float(alpha @ alpha)
        if squared_norm == 0.0:
            return 0.0
        return float(min(max(float(alpha @ y) / squared_norm, 0.0), largest))


@dataclass(frozen=True)
class Interpolation:
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
    name: str = "interpolation"
    is_hard_constraint: bool = True

    def misfit(self, fit: Vector, y: Vector) -> float:
        """The largest absolute deviation, relative to the largest absolute target."""
        worst, size = float(np.max(np.abs(fit - y))), float(np.max(np.abs(y)))
        return worst / size if size > 0.0 else (0.0 if worst == 0.0 else float("inf"))

    def value(self, fit: Vector, y: Vector) -> float:
        return 0.0 if self.misfit(fit, y) <= self.tolerance else float("inf")

    def dual_value(self, alpha: Vector, y: Vector) -> float:
        return float(alpha @ y)

    def dual_from_fit(self, fit: Vector, y: Vector) -> None:
        return None

    def best_scale(self, alpha: Vector, y: Vector, largest: float) -> float:
        return float(largest) if float(alpha @ y) > 0.0 else 0.0


LOSSES: dict[str, type[Squared] | type[Interpolation]] = {
    "squared": Squared,
    "interpolation": Interpolation,
}
