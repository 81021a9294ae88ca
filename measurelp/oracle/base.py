r"""What an oracle is asked and what it answers.

The dual function of a dual vector alpha is
:math:`\eta(w) = \sum_i \alpha_i \langle\tilde x_i, w\rangle_+`.  An oracle brackets the
supremum of :math:`|\eta|` over the unit ball of hidden weights.  The upper end is a proof,
rounding included; the lower end is the value at a point that is handed over.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from measurelp.problem import MeasureProblem, RowSpace
from measurelp.status import Scope, Termination

ROUNDOFF = 2.0**-53
# To make the ball Euclidean, a free bias b is given the tiny penalty (FREE_BIAS b / R)^2,
# where R is the largest centred input.
FREE_BIAS = 1e-6


@dataclass(frozen=True, eq=False)
class DualFunction:
    r"""The function :math:`\eta_\alpha` of one problem, in row-space coordinates.

    Attributes
    ----------
    problem : MeasureProblem
    space : RowSpace
        Its coordinates (``measurelp.problem.row_space(problem)``).
    alpha : (n,) array
        One number a data point.
    """

    problem: MeasureProblem
    space: RowSpace
    alpha: NDArray[np.float64]

    @property
    def stretch(self) -> NDArray[np.float64]:
        """What the columns of the space's rows are multiplied by, (r,)."""
        stretch = np.ones(self.space.rank)
        if self.space.has_free_bias:
            stretch[-1] = 1.0 / FREE_BIAS
        return stretch

    @cached_property
    def rows(self) -> NDArray[np.float64]:
        """One row a data point such that the ball is Euclidean, (n, r)."""
        return self.space.rows * self.stretch

    @cached_property
    def distinct(self) -> NDArray[np.float64]:
        """The distinct ones among :attr:`rows`, (m, r)."""
        return self.space.distinct * self.stretch

    @cached_property
    def merged(self) -> NDArray[np.float64]:
        """One coefficient a distinct row, (m,)."""
        return np.bincount(self.space.group, weights=self.alpha, minlength=len(self.space.distinct))

    @cached_property
    def magnitude(self) -> float:
        r""":math:`\sum_i |\alpha_i| |z_i|`, the scale of all rounding errors.

        With a free bias, weights with |b| <= R |w| suffice (see :meth:`bound_over_ball`), so
        rows count unstretched.
        """
        return float(np.abs(self.alpha) @ np.linalg.norm(self.space.rows, axis=1))

    def to_space(
        self, points: NDArray[np.float64], values: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Points of the Euclidean sphere as row-space coordinates of unit norm.

        Points without a penalised part are dropped; values are rescaled with the points.
        """
        coordinates = points * self.stretch
        norms = self.space.norms(coordinates)
        usable = norms > 1e-3 * np.linalg.norm(points, axis=1)
        return coordinates[usable] / norms[usable, None], values[usable] / norms[usable]

    def from_space(self, coordinates: NDArray[np.float64]) -> NDArray[np.float64]:
        """Row-space coordinates as points of the Euclidean sphere."""
        points = coordinates / self.stretch
        norms = np.linalg.norm(points, axis=1)
        return np.asarray(points[norms > 0.0] / norms[norms > 0.0, None])

    def value_at_weights(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Eta at hidden weights (k, d') of the problem, from the original data."""
        return np.asarray(self.alpha @ self.problem.features(weights))

    def proved_value(self, weight: NDArray[np.float64]) -> float:
        r"""A number that :math:`|\eta|` at one unit weight is proved to reach."""
        terms = self.alpha * self.problem.features(weight[None, :])[:, 0]
        size = float(np.abs(self.alpha) @ np.linalg.norm(self.problem.lifted, axis=1))
        rounding = 2.0 * (len(weight) + 4) * ROUNDOFF * size * float(np.linalg.norm(weight))
        return max(0.0, abs(math.fsum(terms)) - rounding)

    def bound_over_ball(self, upper: float) -> float:
        r"""A bound over the problem's ball from one over the Euclidean sphere of points.

        Charged are the reduction to the row space, the merging of equal rows and, for a
        free bias, the stretch: weights with \|b\| <= R \|w\| suffice, R the largest centred
        input, because kinks beyond the data act like the skip; and there the Euclidean norm
        of a point is at most sqrt(1 + FREE_BIAS^2) \|w\|.
        """
        space = self.space
        inflation = space.inflation * (1.0 + 4.0 * ROUNDOFF)
        if space.has_free_bias:
            inflation *= 1.0 + FREE_BIAS**2
        merged = len(self.alpha) - len(space.distinct)
        lost = float(np.abs(self.alpha) @ space.residual)
        return upper * inflation + lost + 4.0 * merged * ROUNDOFF * self.magnitude


@dataclass(frozen=True, eq=False)
class OracleReport:
    r"""A bracket on :math:`\sup_{\|w\|\le1} |\eta(w)|` and the peaks that were met.

    Attributes
    ----------
    lower, upper : float
        The bracket.  ``upper`` is proved when ``scope`` is COMPLETE, and inf otherwise.
    witness : (d',) array
        Unit hidden weight with :math:`|\eta| =` ``lower``.
    peaks : (p, r) array
        Distinct local maxima of :math:`|\eta|` above the level, in row-space coordinates of
        unit norm, highest first; ``peak_values`` (p,) holds the signed eta there.
    scope : Scope
        COMPLETE when all of weight space was covered.
    termination : Termination
        Why it stopped.
    stats : dict
        Counts of the method.
    """

    lower: float
    upper: float
    witness: NDArray[np.float64]
    peaks: NDArray[np.float64]
    peak_values: NDArray[np.float64]
    scope: Scope
    termination: Termination
    stats: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Budget:
    """How long an oracle may work.

    Attributes
    ----------
    deadline : float
        ``time.perf_counter()`` value at which to stop; inf for none.
    nodes : int or None
        Branch-and-bound nodes.
    """

    deadline: float = float("inf")
    nodes: int | None = None

    @property
    def time_is_up(self) -> bool:
        """Whether the deadline has passed."""
        return time.perf_counter() >= self.deadline


@runtime_checkable
class Oracle(Protocol):
    """The smallest interface of an oracle."""

    @property
    def name(self) -> str:
        """The word by which statistics and the command line know the oracle."""
        ...

    def maximise(
        self,
        dual: DualFunction,
        *,
        level: float = 0.0,
        tolerance: float = 1e-9,
        starts: NDArray[np.float64] | None = None,
        budget: Budget | None = None,
    ) -> OracleReport:
        r"""Bracket the supremum and collect peaks.

        On return ``upper`` is at most max(level, lower (1 + tolerance)) plus rounding,
        unless the budget ended the work: parts of weight space where :math:`|\eta|` is
        proved to stay below ``level`` need not be resolved further.  ``starts`` (k, r) are
        coordinates that are worth trying first; they affect speed only.
        """
        ...


def distinct_peaks(
    peaks: NDArray[np.float64],
    values: NDArray[np.float64],
    level: float,
    *,
    cosine: float = 1.0 - 1e-9,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Peaks with |value| > level, highest first, without repeated directions of one sign."""
    keep = np.flatnonzero(np.abs(values) > level)
    keep = keep[np.argsort(-np.abs(values[keep]), kind="stable")]
    chosen: list[int] = []
    for k in keep:
        same = [c for c in chosen if values[c] * values[k] > 0.0]
        length = float(np.linalg.norm(peaks[k]))
        lengths = np.linalg.norm(peaks[same], axis=1)
        if not same or float(np.max(peaks[same] @ peaks[k] / lengths)) < cosine * length:
            chosen.append(int(k))
    return peaks[chosen], values[chosen]


def report_from_points(
    dual: DualFunction,
    upper: float,
    points: NDArray[np.float64],
    values: NDArray[np.float64],
    level: float,
    *,
    scope: Scope = Scope.COMPLETE,
    termination: Termination = Termination.CONVERGED,
    **stats: Any,
) -> OracleReport:
    """Assemble a report: the witness is evaluated on the original data, in the problem's ball."""
    points, values = dual.to_space(points, values)
    peaks, peak_values = distinct_peaks(points, values, level)
    lower = 0.0
    witness = np.zeros(dual.problem.lifted.shape[1])
    if len(points):
        weights = dual.space.weights(points[np.argsort(-np.abs(values), kind="stable")[:8]])
        norms = dual.problem.weight_norm(weights)
        weights = weights[norms > 0.0] / norms[norms > 0.0, None]
        if len(weights):
            witness = weights[int(np.argmax(np.abs(dual.value_at_weights(weights))))]
            lower = dual.proved_value(witness)
    if scope is Scope.COMPLETE:
        upper = max(dual.bound_over_ball(upper), lower)
    else:
        upper = float("inf")
    return OracleReport(
        lower=lower, upper=upper, witness=witness, peaks=peaks, peak_values=peak_values,
        scope=scope, termination=termination, stats=stats,
    )  # fmt: skip
