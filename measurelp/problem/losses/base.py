"""What a loss is: a value, a dual, where its dual vectors live, and a cone form.

A loss works sample by sample and sees fits and targets, nothing of cells, balls or solvers.
Adding one is one file here with a subclass of :class:`Loss`, and its word in ``LOSSES``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from measurelp.problem.losses.cone_form import ConeForm

Vector = NDArray[np.float64]
_ROUNDOFF = 2.0**-53
_GOLDEN = 0.6180339887498949


class Loss(ABC):
    r"""A loss :math:`L(z) = \sum_i s_i\,\ell(z_i, y_i)` with sample weights :math:`s_i \ge 0`.

    The dual problem that every certificate uses is

    .. math:: \max_\alpha\; D(\alpha) = -L^*(-\alpha) = \sum_i s_i\,D_i(\alpha_i / s_i)
              \quad\text{s.t.}\quad
              \sup_{\|w\|\le 1} \Bigl|\sum_i \alpha_i \langle x_i, w\rangle_+\Bigr| \le \lambda ,
              \qquad D_i(a) = -\ell^*(-a, y_i) .

    A subclass gives :math:`\ell`, :math:`D_i`, the interval :math:`-\partial\ell`, the domain
    of :math:`D_i` and a cone form, all without weights; this class puts the weights in.
    """

    name: ClassVar[str]
    """The word by which files and the command line know the loss."""
    is_hard_constraint: ClassVar[bool] = False
    """Whether the loss is the indicator of fit = y, so that lam does not enter."""
    is_smooth: ClassVar[bool] = True
    """Whether the loss has a gradient everywhere."""
    is_quadratic: ClassVar[bool] = False
    """Whether the loss is half the squared distance from the targets."""
    is_polyhedral: ClassVar[bool] = False
    """Whether the loss is piecewise linear, so that a program over atoms is linear."""

    couples_outputs: ClassVar[bool] = False
    """Whether the outputs of a sample enter together; otherwise the loss is a sum over them."""

    # -- what a loss says of itself, elementwise and without weights ------------------------

    @abstractmethod
    def values(self, fit: Vector, y: Vector) -> Vector:
        r""":math:`\ell(z_i, y_i)`; inf outside its domain."""

    @abstractmethod
    def dual_values(self, alpha: Vector, y: Vector) -> Vector:
        r""":math:`D_i(\alpha_i)`, concave; -inf outside its domain."""

    @abstractmethod
    def dual_interval(self, fit: Vector, y: Vector) -> tuple[Vector, Vector]:
        r"""The ends of :math:`-\partial\ell(z_i, y_i)`; equal where there is a derivative."""

    def curvatures(self, fit: Vector, y: Vector) -> Vector:
        r""":math:`\ell''(z_i, y_i)` of a smooth loss, one of them where it jumps."""
        raise TypeError(f"the {self.name} loss has no second derivative")

    def dual_domain(self, y: Vector) -> tuple[Vector, Vector]:
        """The closed interval on which each :math:`D_i` is finite; it holds 0."""
        return np.full(y.shape, -np.inf), np.full(y.shape, np.inf)

    @abstractmethod
    def cone_form(self, y: Vector, weight: Vector) -> ConeForm:
        """The weighted loss as a cone program in the fit and auxiliary variables."""

    def prepared_targets(self, y: Vector) -> Vector:
        """The targets as the loss reads them; InvalidProblem where it cannot."""
        return y

    def least_values(self, y: Vector) -> Vector:
        r"""A lower bound of :math:`\ell(\cdot, y_i)`."""
        return np.zeros(y.shape)

    def dual_sizes(self, alpha: Vector, y: Vector) -> Vector:
        r"""Magnitudes whose rounding bounds that of :math:`D_i(\alpha_i)`."""
        return np.abs(alpha) * (np.abs(y) + np.abs(alpha)) + np.abs(self.dual_values(alpha, y))

    def domain_error(self, alpha: Vector, y: Vector) -> Vector:
        """How far each sample's alpha may be from the domain of the dual objective, (n,)."""
        return np.zeros(len(y))

    # -- with weights -----------------------------------------------------------------------

    def value(self, fit: Vector, y: Vector, weight: Vector | None = None) -> float:
        """The loss at a fit; inf outside its domain."""
        values = self.values(fit, y)
        return float(np.sum(values if weight is None else _weighted(values, weight)))

    def dual_terms(self, alpha: Vector, y: Vector, weight: Vector | None = None) -> Vector:
        r"""The terms :math:`s_i D_i(\alpha_i / s_i)` of the dual objective."""
        if weight is None:
            return self.dual_values(alpha, y)
        terms = _weighted(self.dual_values(_per_weight(alpha, weight), y), weight)
        absent = weight if alpha.ndim == 1 else weight[:, None]
        return np.where((absent == 0.0) & (alpha != 0.0), -np.inf, terms)

    def dual_value(self, alpha: Vector, y: Vector, weight: Vector | None = None) -> float:
        r"""The dual objective :math:`D(\alpha)`; -inf where it is not finite."""
        return float(np.sum(self.dual_terms(alpha, y, weight)))

    def dual_limits(self, y: Vector, weight: Vector) -> tuple[Vector, Vector]:
        """The interval of each alpha_i on which its term is finite."""
        low, high = self.dual_domain(y)
        return _weighted(low, weight), _weighted(high, weight)

    def into_domain(self, alpha: Vector, y: Vector, weight: Vector) -> Vector:
        """A dual vector near alpha in the domain of the dual objective."""
        return np.clip(alpha, *self.dual_limits(y, weight))

    def dual_rounding(self, alpha: Vector, y: Vector, weight: Vector) -> float:
        """The sum of magnitudes whose rounding bounds that of the dual objective."""
        return float(np.sum(_weighted(self.dual_sizes(_per_weight(alpha, weight), y), weight)))

    def domain_errors(self, alpha: Vector, y: Vector, weight: Vector) -> Vector:
        """The same with weights."""
        return _weighted(self.domain_error(_per_weight(alpha, weight), y), weight)

    def dual_ends(self, fit: Vector, y: Vector, weight: Vector) -> tuple[Vector, Vector]:
        r"""The ends of :math:`-\partial L` at a fit."""
        low, high = self.dual_interval(fit, y)
        return _weighted(low, weight), _weighted(high, weight)

    def dual_from_fit(self, fit: Vector, y: Vector, weight: Vector | None = None) -> Vector | None:
        r""":math:`-\nabla L(\mathrm{fit})`, or None where the loss has no gradient."""
        if not self.is_smooth:
            return None
        alpha = self.dual_interval(fit, y)[0]
        return alpha if weight is None else _weighted(alpha, weight)

    def best_scale(
        self, alpha: Vector, y: Vector, largest: float, weight: Vector | None = None
    ) -> float:
        r"""A factor s in [0, largest] at which :math:`D(s\alpha)` is about greatest.

        D is concave along the ray, so a golden section finds it; whatever it finds is a
        valid factor, since the bound is computed from it.
        """
        end = min(largest, self._last_scale(alpha, y, weight))
        if not end > 0.0:
            return 0.0
        if not np.isfinite(end):
            end = 1.0

        def at(s: float) -> float:
            return self.dual_value(s * alpha, y, weight)

        low, high = 0.0, end
        left, right = high - _GOLDEN * high, _GOLDEN * high
        at_left, at_right = at(left), at(right)
        for _ in range(48):
            if at_left < at_right:
                low, left, at_left = left, right, at_right
                right = low + _GOLDEN * (high - low)
                at_right = at(right)
            else:
                high, right, at_right = right, left, at_left
                left = high - _GOLDEN * (high - low)
                at_left = at(left)
        tried = [0.5 * (low + high), end, min(1.0, end)]
        return float(max(tried, key=at))

    def _last_scale(self, alpha: Vector, y: Vector, weight: Vector | None) -> float:
        """The largest factor at which alpha is in the domain."""
        low, high = self.dual_domain(y)
        unit = alpha if weight is None else _per_weight(alpha, weight)
        with np.errstate(divide="ignore", invalid="ignore"):
            room = np.where(unit > 0.0, high / unit, np.where(unit < 0.0, low / unit, np.inf))
        return float(np.min(room, initial=np.inf)) * (1.0 - 4.0 * _ROUNDOFF)


def _weighted(values: Vector, weight: Vector) -> Vector:
    """Values times the samples' weights, 0 where the weight is, whatever the value."""
    factor = weight if values.ndim == 1 else weight[:, None]
    return np.asarray(np.where(factor > 0.0, factor * np.where(factor > 0.0, values, 0.0), 0.0))


def _per_weight(alpha: Vector, weight: Vector) -> Vector:
    """Alpha over the samples' weights, 0 where the weight is."""
    factor = weight if alpha.ndim == 1 else weight[:, None]
    return np.asarray(alpha / np.where(factor > 0.0, factor, np.inf))
