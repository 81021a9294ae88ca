r"""What an oracle is asked and what it answers: its interface, its budget, its report.

An oracle brackets the supremum of :math:`|\eta|` over the unit ball of hidden weights
(:mod:`measurelp.oracle.dual_function`).  The upper end is a proof, rounding included; the lower
end is the value at a point that is handed over.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import wraps
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from measurelp._jit_kernels import compile_seconds
from measurelp.oracle.dual_function import DualFunction, as_columns
from measurelp.status import Scope, Termination


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
        unit norm, highest first; ``peak_values`` (p,) or (p, c) holds eta there.
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

    def __post_init__(self) -> None:
        """What overflow made no number says nothing."""
        if math.isnan(self.upper):
            object.__setattr__(self, "upper", math.inf)
        if math.isnan(self.lower):
            object.__setattr__(self, "lower", 0.0)


@dataclass(frozen=True)
class Budget:
    r"""How long an oracle may work.

    Attributes
    ----------
    deadline : float
        ``time.perf_counter()`` value at which to stop; inf for none.  What is compiled after the
        budget was made moves it: a first call does not spend its time on that.
    nodes : int or None
        Branch-and-bound nodes.
    interrupted : callable or None
        Asked whether to stop at once.
    report : callable or None
        Told, a few times a second, how many nodes there were and the bound so far on :math:`|\eta|`.
    """

    deadline: float = float("inf")
    nodes: int | None = None
    interrupted: Callable[[], bool] | None = None
    report: Callable[[int, float], None] | None = None
    compiled: float = field(default_factory=compile_seconds, repr=False)

    def in_units(self, unit: float) -> Budget:
        """For a dual vector divided by a power of two: bounds are reported times it."""
        told = self.report
        if told is None:
            return self
        return replace(self, report=lambda nodes, upper: told(nodes, upper * unit))

    @property
    def seconds_left(self) -> float:
        """Until the deadline."""
        return self.deadline + (compile_seconds() - self.compiled) - time.perf_counter()

    @property
    def is_interrupted(self) -> bool:
        """Whether the caller wants to stop."""
        return self.interrupted is not None and self.interrupted()

    @property
    def time_is_up(self) -> bool:
        """Whether the deadline has passed, or the caller wants to stop."""
        return self.is_interrupted or self.seconds_left <= 0.0


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


Maximise = Callable[..., OracleReport]


def in_units_of_alpha(maximise: Maximise) -> Maximise:
    """Let an oracle's ``maximise`` see dual vectors of size about 1.

    Products of tiny numbers underflow, and no error term covers that.  Scaling alpha by a
    power of two is exact, and so is scaling the report back, up to the last place of
    subnormal numbers, which are rounded outwards.
    """

    @wraps(maximise)
    def scaled(
        self: Oracle,
        dual: DualFunction,
        *,
        level: float = 0.0,
        budget: Budget | None = None,
        **options: Any,
    ) -> OracleReport:
        size = float(np.abs(dual.alpha).max(initial=0.0))
        if size == 0.0 or 0.25 < size < 4.0:
            return maximise(self, dual, level=level, budget=budget, **options)
        unit = 2.0 ** max(-1000, min(1000, math.frexp(size)[1]))
        budget = None if budget is None else budget.in_units(unit)
        report = maximise(
            self,
            replace(dual, alpha=dual.alpha / unit),
            level=level / unit,
            budget=budget,
            **options,
        )
        return replace(
            report,
            lower=max(0.0, math.nextafter(report.lower * unit, 0.0)),
            upper=math.nextafter(report.upper * unit, math.inf) if report.upper > 0.0 else 0.0,
            peak_values=report.peak_values * unit,
        )

    return scaled


def distinct_peaks(
    points: NDArray[np.float64],
    values: NDArray[np.float64],
    sizes: NDArray[np.float64],
    level: float,
    *,
    cosine: float = 1.0 - 1e-9,
    most: int = 1024,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Points with ``sizes`` above ``level``, highest first, without repeated directions.

    Points of one direction count as repeated when their ``values`` (k,) or (k, c) have a positive
    inner product.  Only the ``most`` highest points are looked at.
    """
    keep = np.flatnonzero(sizes > level)
    keep = keep[np.argsort(-sizes[keep], kind="stable")][:most]
    directions = points[keep] / np.linalg.norm(points[keep], axis=1)[:, None]
    outputs = as_columns(values[keep])
    new = np.ones(len(keep), dtype=bool)
    for k in range(1, len(keep)):
        rivals = new[:k] & (outputs[:k] @ outputs[k] > 0.0)
        new[k] = not np.any(directions[:k][rivals] @ directions[k] >= cosine)
    return points[keep[new]], values[keep[new]]


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
    """Assemble a report from points in row-space coordinates and eta there.

    Coordinates without a penalised part are dropped, the others scaled to unit norm; the
    witness is evaluated on the original data, in the problem's ball.
    """
    norms = dual.space.norms(points)
    usable = norms > 0.0
    points, values = points[usable] / norms[usable, None], (values[usable].T / norms[usable]).T
    sizes = dual.sizes(values)
    peaks, peak_values = distinct_peaks(points, values, sizes, level)
    lower = 0.0
    witness = np.zeros(dual.problem.lifted.shape[1])
    if len(points):
        weights = dual.space.weights(points[np.argsort(-sizes, kind="stable")[:8]])
        norms = dual.problem.weight_norm(weights)
        weights = weights[norms > 0.0] / norms[norms > 0.0, None]
        if len(weights):
            witness = weights[int(np.argmax(dual.sizes(dual.value_at_weights(weights))))]
            lower = dual.proved_value(witness)
    if scope is Scope.COMPLETE:
        upper = max(dual.bound_over_ball(upper), lower)
    else:
        upper = float("inf")
    return OracleReport(
        lower=lower, upper=upper, witness=witness, peaks=peaks, peak_values=peak_values,
        scope=scope, termination=termination, stats=stats,
    )  # fmt: skip
