r"""Interpolants from least squares with a small lam, where interpolation itself stalls.

Close to degenerate data the cone programs of interpolation end in floating-point noise: many
atoms of little mass, and a poor dual vector.  Least squares are easier, and for small lam their
atoms lie on the same faces of the same cells.  On these faces Newton's method finds the
interpolating measure and its dual vector to rounding
(:mod:`measurelp.certificate.stationary`), and the certificate says whether they are optimal.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from measurelp.certificate import certify
from measurelp.certificate.examination import locate
from measurelp.certificate.saturated_set import View
from measurelp.certificate.solution_face import measure_with_masses
from measurelp.problem import MeasureProblem, Squared
from measurelp.solving.largest_lam import lam_max
from measurelp.solving.solution import Solution
from measurelp.status import Termination

_EXPONENTS = range(3, 9)  # lam is lam_max times 10 to the power of minus these
_BELOW_GAP = 1e-8


def interpolant_from_below(
    stalled: Solution, solve: Callable[..., Solution], *, tol_gap: float, deadline: float
) -> Solution:
    """A solution of the same interpolation problem that is proved better, or the one given."""
    target, best, begin = stalled.problem, stalled, time.perf_counter()
    squared = replace(target, lam=1.0, loss=Squared())
    start = None
    top = lam_max(squared, time_limit=_left(deadline))
    for exponent in _EXPONENTS:
        if time.perf_counter() >= deadline or not top > 0.0:
            break
        lam = top * 10.0**-exponent
        below = solve(
            replace(squared, lam=lam), tol_gap=_BELOW_GAP, start=start, time_limit=_left(deadline)
        )
        if below.termination is Termination.INTERRUPTED:
            return replace(best, termination=Termination.INTERRUPTED)
        start = below.measure
        found = _on_faces_of(target, below)
        if found is not None:
            certificate = certify(target, found.measure, dual=found.dual, tol_gap=tol_gap)
            if certificate.relative_gap < best.certificate.relative_gap:
                seconds = stalled.stats["seconds"] + time.perf_counter() - begin
                best = replace(
                    found, certificate=certificate, dual=certificate.dual,
                    termination=stalled.termination,
                    stats=stalled.stats | {"master": "from below", "seconds": seconds},
                )  # fmt: skip
            if best.certificate.is_optimal:
                return replace(best, termination=Termination.CONVERGED)
        if not below.certificate.is_optimal:
            break
    return best


def _on_faces_of(target: MeasureProblem, below: Solution) -> Solution | None:
    """The interpolating stationary point on the faces of a least-squares solution, uncertified."""
    residual = target.y - below.predict(target.X)
    view = View(target, below.measure)
    at = locate(view, residual / below.problem.lam)
    if at.point is None:
        return None
    points = np.array([peak.point for peak in at.support]).reshape(-1, view.space.rank)
    signs = np.array([peak.sign for peak in at.support])
    measure = measure_with_masses(target, view.space.weights(points), signs * at.masses, target.y)
    return replace(below, problem=target, measure=measure, dual=at.alpha)


def _left(deadline: float) -> float | None:
    return None if math.isinf(deadline) else max(deadline - time.perf_counter(), 1e-3)
