"""One solution on the way to the limit, compared with the limit and with its prediction."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from measurelp.certificate import Certificate, Nondegeneracy, first_dual
from measurelp.certificate.examination import Located, locate
from measurelp.certificate.saturated_set import View
from measurelp.measure import AtomicMeasure
from measurelp.solving.solution import Solution

_FORBIDDEN = 1e6  # a distance that is larger than any between unit weights with finite biases


@dataclass(frozen=True, eq=False)
class StabilityStep:
    """A certified solution at one lam and noise.

    Errors are NaN where the step was not solved to the gap asked for, where its atoms do not
    correspond to the limit's, or where the limit is not known well enough.

    Attributes
    ----------
    lam : float
    certificate : Certificate
        Of ``measure``, for the targets with noise.
    measure : AtomicMeasure
    n_atoms : int
        Of the exact stationary point near the measure if that is proved to exist, else of the
        measure.
    same_atoms : bool or None
        Whether number and signs are the limit's; None where the step is not certified or no
        stationary point was proved.
    mass_error, location_error : float
        Largest change of a mass, and of a unit weight (2-norm), against the limit.
    dual_error : float
        2-norm of residual / lam minus its limit.
    mass_remainder, location_remainder : float
        The same less the first-order prediction.
    mass_uncertainty, location_uncertainty, dual_uncertainty : float
        About how much of these numbers is rounding, from proved bounds on masses and dual vectors.
    """

    lam: float
    certificate: Certificate
    measure: AtomicMeasure
    n_atoms: int
    same_atoms: bool | None
    mass_error: float = math.nan
    location_error: float = math.nan
    dual_error: float = math.nan
    mass_remainder: float = math.nan
    location_remainder: float = math.nan
    mass_uncertainty: float = math.nan
    location_uncertainty: float = math.nan
    dual_uncertainty: float = math.nan

    def uncertainty(self, name: str) -> float:
        """Of the error or remainder of this name."""
        return float(getattr(self, name.split("_")[0] + "_uncertainty"))

    def __repr__(self) -> str:
        return (
            f"StabilityStep(lam={self.lam:.3g}, {self.certificate.verdict.name}, {self.n_atoms} "
            f"atoms, masses off by {self.mass_error:.2g}, places by {self.location_error:.2g})"
        )


def compared(solution: Solution, limit: Nondegeneracy) -> StabilityStep:
    """The step of a solution, measured against a limit."""
    lam, measure = solution.problem.lam, solution.measure
    count = int(np.count_nonzero(measure.masses))
    plain = StabilityStep(lam, solution.certificate, measure, count, None)
    if not solution.certificate.is_optimal:
        return plain
    view = View(solution.problem, measure)
    at = locate(view, first_dual(solution))
    if not math.isfinite(at.alpha_error):
        return plain
    signs = np.array([peak.sign for peak in at.support])
    expected = np.sign(limit.masses)
    same = len(signs) == len(expected) and np.sum(signs) == np.sum(expected)
    if not same or not math.isfinite(limit.dual_error):
        known = math.isfinite(limit.dual_error)
        return StabilityStep(
            lam, solution.certificate, measure, len(signs), bool(same) if known else None
        )
    weights, order = _matched(view, at, signs, limit)
    masses = (signs * at.masses)[order]
    mass_step, place_step = masses - limit.masses, weights[order] - limit.atoms
    zero = np.zeros(0)
    first = limit.first_order
    mass_rest = zero if first is None else mass_step - lam * first.masses
    place_rest = np.zeros((0, 1)) if first is None else place_step - lam * first.atoms
    mass_error = 0.0 if at.point is None else at.point.mass_error
    limit_error = 0.0 if math.isnan(limit.mass_error) else limit.mass_error
    eta_error = view.error(at.alpha, at.alpha_error) / lam
    unknown = first is None
    return StabilityStep(
        lam, solution.certificate, measure, len(signs), True,
        mass_error=_largest(mass_step), location_error=_largest(_lengths(place_step)),
        dual_error=float(np.linalg.norm(at.alpha / lam - limit.dual)),
        mass_remainder=math.nan if unknown else _largest(mass_rest),
        location_remainder=math.nan if unknown else _largest(_lengths(place_rest)),
        mass_uncertainty=mass_error + limit_error,
        location_uncertainty=2.0 * (eta_error + limit.dual_error),
        dual_uncertainty=at.alpha_error / lam + limit.dual_error,
    )  # fmt: skip


def _matched(
    view: View, at: Located, signs: NDArray[np.float64], limit: Nondegeneracy
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Unit weights (k, d') of a step, and which of them belongs to each atom of the limit."""
    points = np.array([peak.point for peak in at.support]).reshape(len(signs), view.space.rank)
    weights = view.space.weights(points)
    distance = np.linalg.norm(limit.atoms[:, None, :] - weights[None, :, :], axis=2)
    distance += _FORBIDDEN * (np.sign(limit.masses)[:, None] != signs[None, :])
    return weights, np.asarray(linear_sum_assignment(distance)[1], dtype=np.intp)


def _largest(values: NDArray[np.float64]) -> float:
    return float(np.abs(values).max(initial=0.0))


def _lengths(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.linalg.norm(rows, axis=1))
