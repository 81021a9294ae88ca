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
from measurelp.certificate.bounds import dual_bound, evaluate
from measurelp.measure import AtomicMeasure
from measurelp.problem import MeasureProblem, Squared

_ROUNDOFF = 2.0**-53


@dataclass(frozen=True, eq=False)
class End:
    """A measure with a feasible dual vector at one lam.

    Attributes
    ----------
    problem : MeasureProblem
    measure : AtomicMeasure
    fit, alpha : arrays
        alpha is scaled to be feasible.
    primal, dual : float
    """

    problem: MeasureProblem
    measure: AtomicMeasure
    fit: NDArray[np.float64]
    alpha: NDArray[np.float64]
    primal: float
    dual: float

    @classmethod
    def of(cls, problem: MeasureProblem, measure: AtomicMeasure, certificate: Certificate) -> End:
        """From a measure and its certificate."""
        current = evaluate(problem, measure)
        dual, scale = dual_bound(problem, certificate.dual, certificate.sup[1], current.objective)
        return cls(problem, measure, current.fit, certificate.dual * scale, current.objective, dual)


def gap_between(upper: End, lower: End) -> float:
    r"""A proved relative gap of the interpolated measure for every lam between two ends.

    ``upper`` is the end at the larger lam.  Rounding is charged.
    """
    lam_0, lam_1 = upper.problem.lam, lower.problem.lam
    variation_0, variation_1 = upper.measure.total_variation, lower.measure.total_variation
    gap_0, gap_1 = upper.primal - upper.dual, lower.primal - lower.dual
    if not np.isfinite([gap_0, gap_1]).all():
        return float("inf")
    problem = upper.problem
    excess = (lam_0 - lam_1) * (variation_1 - variation_0)
    if isinstance(problem.loss, Squared):
        weight = getattr(problem, "sample_weight", np.ones(problem.n))
        weight = weight if upper.fit.ndim == 1 else weight[:, None]
        used = weight > 0.0
        dual_change = np.where(used, upper.alpha - lower.alpha, 0.0) ** 2 / np.where(
            used, weight, 1.0
        )
        excess -= 0.5 * float(np.sum(weight * (upper.fit - lower.fit) ** 2))
        excess -= 0.5 * float(np.sum(dual_change))
    gap = max(gap_0, gap_1)
    if excess > 0.0:
        t = min(max(0.5 + (gap_1 - gap_0) / (2.0 * excess), 0.0), 1.0)
        gap = max(gap, (1.0 - t) * gap_0 + t * gap_1 + t * (1.0 - t) * excess)
    # What the dual values were charged for (the skip) may be this much more between the ends.
    charged = max(
        problem.loss.dual_value(end.alpha, problem.y) - end.dual for end in (upper, lower)
    )
    ratio = lam_0 / lam_1 * max(1.0, upper.primal / lower.primal if lower.primal > 0.0 else 1.0)
    size = upper.primal + lam_0 * variation_1 + float(np.sum(upper.problem.y**2))
    gap += max(charged, 0.0) * ratio + 16.0 * (upper.alpha.size + 8) * _ROUNDOFF * size
    least = max(lower.dual, 0.0)
    if gap == 0.0:
        return 0.0
    return gap / least if least > 0.0 else float("inf")


def interpolated(upper: End, lower: End, lam: float) -> AtomicMeasure:
    """The measure between two ends that :func:`gap_between` speaks of."""
    from measurelp.measure import Skip

    lam_0, lam_1 = upper.problem.lam, lower.problem.lam
    t = (lam_0 - lam) / (lam_0 - lam_1)
    one, other = upper.measure, lower.measure
    skip = None
    if one.skip is not None or other.skip is not None:
        zero = Skip(np.zeros(upper.problem.d))
        first, second = one.skip or zero, other.skip or zero
        skip = Skip(
            (1.0 - t) * first.linear + t * second.linear,
            (1.0 - t) * first.constant + t * second.constant,
        )
    return AtomicMeasure(
        np.vstack([one.atoms, other.atoms]),
        np.concatenate([(1.0 - t) * one.masses, t * other.masses]), skip,
    )  # fmt: skip
