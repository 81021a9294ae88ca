r"""What two certificates prove for every lam between them.

Let :math:`(\mu_0, \alpha_0)` and :math:`(\mu_1, \alpha_1)` be a measure and a feasible dual vector
at :math:`\lambda_0 > \lambda_1`, with gaps :math:`g_0, g_1`.  At
:math:`\lambda_t = (1-t)\lambda_0 + t\lambda_1` the dual vector :math:`\alpha_t = (1-t)\alpha_0 +
t\alpha_1` is feasible, because :math:`\sup|\eta_\alpha|` is convex in alpha, and the measure
:math:`\mu_t = (1-t)\mu_0 + t\mu_1` has at most the interpolated total variation and loss.  So
:math:`\mu_t` is optimal at :math:`\lambda_t` up to

.. math:: (1-t)\,g_0 + t\,g_1 + t(1-t)\,E, \qquad
          E = (\lambda_0 - \lambda_1)(|\mu_1| - |\mu_0|) - C,

where C >= 0 is what strict convexity of the loss and of its conjugate give back; for least
squares :math:`C = \tfrac12|f_0 - f_1|^2 + \tfrac12|\alpha_0 - \alpha_1|^2`, and E = 0 where masses
and alpha are affine in lam.  No oracle is asked: convexity is the argument.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from measurelp.certificate import Certificate
from measurelp.certificate.bounds import (
    dual_bound,
    evaluate,
    feature_bounds,
    orthogonal_nearby,
)
from measurelp.measure import AtomicMeasure, Skip
from measurelp.problem import MeasureProblem

_ROUNDOFF = 2.0**-53


@dataclass(frozen=True, eq=False)
class End:
    """A measure with a feasible dual vector at one lam.

    Attributes
    ----------
    problem : MeasureProblem
    measure : AtomicMeasure
    fit, alpha : arrays
        Within ``alpha_error`` of alpha (2-norm) lies a feasible dual vector whose dual objective
        is at least ``dual``.
    primal, dual, variation : float
    """

    problem: MeasureProblem
    measure: AtomicMeasure
    fit: NDArray[np.float64]
    alpha: NDArray[np.float64]
    alpha_error: float
    primal: float
    dual: float
    variation: float

    @classmethod
    def of(cls, problem: MeasureProblem, measure: AtomicMeasure, certificate: Certificate) -> End:
        """From a measure and its certificate."""
        current = evaluate(problem, measure)
        dual, scale = dual_bound(problem, certificate.dual, certificate.sup[1])
        alpha = certificate.dual * scale
        nearby = orthogonal_nearby(problem, alpha)
        error = np.inf
        if nearby is not None:
            reach = float(np.linalg.norm(feature_bounds(problem)))
            size = float(np.linalg.norm(alpha))
            error = 2.0 * nearby[0] * (np.sqrt(problem.n) + reach * size / problem.lam)
            error += 16.0 * _ROUNDOFF * size
        masses = problem.mass_norm(measure.masses) * problem.weight_norm(measure.atoms)
        return cls(
            problem, measure, current.fit, alpha, error, current.objective, dual,
            float(np.sum(masses)),
        )  # fmt: skip


def gap_between(upper: End, lower: End) -> float:
    r"""A proved relative gap of the interpolated measure for every lam between two ends.

    ``upper`` is the end at the larger lam.  Rounding is charged.  The optimal value grows with
    lam, which bounds what the gap is relative to.
    """
    lam_0, lam_1 = upper.problem.lam, lower.problem.lam
    gap_0, gap_1 = upper.primal - upper.dual, lower.primal - lower.dual
    if not np.isfinite([gap_0, gap_1]).all():
        return float("inf")
    excess = (lam_0 - lam_1) * (lower.variation - upper.variation)
    if upper.problem.loss.is_quadratic:
        excess -= 0.5 * _returned(upper, lower)
    gap = max(gap_0, gap_1)
    if excess > 0.0:
        t = min(max(0.5 + (gap_1 - gap_0) / (2.0 * excess), 0.0), 1.0)
        gap = max(gap, (1.0 - t) * gap_0 + t * gap_1 + t * (1.0 - t) * excess)
    y = upper.problem.y
    size = abs(upper.primal) + lam_0 * (lower.variation + upper.variation) + float(np.sum(y**2))
    gap += 16.0 * (upper.alpha.size + 8) * _ROUNDOFF * size
    least = max(lower.dual, -upper.primal)
    return gap / least if least > 0.0 else float("inf")


def _returned(upper: End, lower: End) -> float:
    """2 C for least squares: squared changes of the fit and of the feasible dual vectors."""
    weight = upper.problem.sample_weight
    weight = weight if upper.fit.ndim == 1 else weight[:, None]
    used = np.where(weight > 0.0, weight, np.inf)
    fit = float(np.sum(weight * (upper.fit - lower.fit) ** 2))
    length = float(np.sqrt(np.sum((upper.alpha - lower.alpha) ** 2 / used)))
    error = (upper.alpha_error + lower.alpha_error) / float(np.sqrt(np.min(used)))
    return fit + max(length - error, 0.0) ** 2


def interpolated(upper: End, lower: End, lam: float) -> AtomicMeasure:
    """The measure between two ends that :func:`gap_between` speaks of."""
    lam_0, lam_1 = upper.problem.lam, lower.problem.lam
    t = (lam_0 - lam) / (lam_0 - lam_1)
    one, other = upper.measure, lower.measure
    skip = None
    if one.skip is not None and other.skip is not None:
        skip = Skip(
            (1.0 - t) * one.skip.linear + t * other.skip.linear,
            (1.0 - t) * one.skip.constant + t * other.skip.constant,
        )
    return AtomicMeasure(
        np.vstack([one.atoms, other.atoms]),
        np.concatenate([(1.0 - t) * one.masses, t * other.masses]), skip,
    )  # fmt: skip
