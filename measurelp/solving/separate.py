"""Separate outputs: one problem an output, one certificate for all."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from measurelp.certificate import (
    certificate_from_reports,
    evaluate,
    infeasible_certificate,
)
from measurelp.certificate.bounds import merge_repeated
from measurelp.interrupts import remembered_interrupts
from measurelp.measure import AtomicMeasure, Skip
from measurelp.oracle import OracleReport
from measurelp.problem import MeasureProblem
from measurelp.solving.ending import concluded
from measurelp.solving.solution import Solution
from measurelp.status import Scope, Termination, Verdict

_UP = 1.0 + 8.0 * 2.0**-53
_COUNTS = ("rounds", "cells", "oracle_calls")


def solve_separately(
    problem: MeasureProblem,
    solve_one: Callable[..., Solution],
    *,
    tol_gap: float,
    time_limit: float | None,
    start: AtomicMeasure | None,
) -> Solution:
    """Solve the outputs of a problem one by one with ``solve_one(column, **options)``.

    Loss and penalty are sums over the outputs, so the optimal measures of the columns together
    are optimal, and their dual vectors, each scaled to be feasible, prove it.
    """
    began = time.perf_counter()
    solutions = []
    with remembered_interrupts():  # one Ctrl-C is for all outputs
        for j in range(problem.n_outputs):
            left = None
            if time_limit is not None:
                # What is left goes to the outputs that are left, in equal shares.
                left = (time_limit - (time.perf_counter() - began)) / (problem.n_outputs - j)
                left = max(left, 1e-3)
            first = None if start is None else _column(start, j)
            solutions.append(solve_one(problem.column(j), time_limit=left, start=first))
    measure = _together(problem, solutions)
    stats: dict[str, Any] = dict(solutions[0].stats)
    for key in stats:
        if key in _COUNTS or key.startswith("seconds"):
            stats[key] = sum(one.stats.get(key, 0) for one in solutions)
    if any(one.certificate.verdict is Verdict.INFEASIBLE for one in solutions):
        q = np.zeros(problem.y.shape)
        for j, one in enumerate(solutions):
            if one.certificate.verdict is Verdict.INFEASIBLE:
                q[:, j] = one.dual
        certificate = infeasible_certificate(problem, q)
        return Solution(problem, measure, q, certificate, Termination.INFEASIBLE, stats)
    certificates = [one.certificate for one in solutions]
    scales = [min(1.0, one.limit / one.sup[1]) if one.sup[1] > 0.0 else 1.0 for one in certificates]
    alpha = np.column_stack(
        [one.dual * scale for one, scale in zip(certificates, scales, strict=True)]
    )
    sups = [
        (one.sup[0] * scale, one.sup[1] * scale * _UP)
        for one, scale in zip(certificates, scales, strict=True)
    ]
    best = int(np.argmax([lower for lower, _ in sups]))
    witness = certificates[best].witness
    complete = all(one.scope is Scope.COMPLETE for one in certificates)
    report = OracleReport(
        lower=sups[best][0], upper=max(upper for _, upper in sups),
        witness=np.zeros(problem.lifted.shape[1]) if witness is None else witness,
        peaks=np.zeros((0, 0)), peak_values=np.zeros((0, problem.n_outputs)),
        scope=Scope.COMPLETE if complete else Scope.SAMPLED, termination=Termination.CONVERGED,
    )  # fmt: skip
    certificate = certificate_from_reports(
        problem, evaluate(problem, measure), [(alpha, report)], tol_gap=tol_gap
    )
    early = [one.termination for one in solutions if one.termination is not Termination.CONVERGED]
    termination = early[0] if early else Termination.CONVERGED
    certificate, termination = concluded(certificate, termination)
    if not math.isfinite(certificate.primal_value):
        certificate = replace(certificate, improvement=None)
    return Solution(problem, measure, certificate.dual, certificate, termination, stats)


def _column(measure: AtomicMeasure, j: int) -> AtomicMeasure:
    """The part of a measure that belongs to one output."""
    skip = measure.skip
    if skip is not None:
        constant = float(np.ravel(skip.constant)[j if np.ndim(skip.constant) else 0])
        skip = Skip(skip.linear[:, j], constant)
    kept = measure.masses[:, j] != 0.0
    return AtomicMeasure(measure.atoms[kept], measure.masses[kept, j], skip)


def _together(problem: MeasureProblem, solutions: list[Solution]) -> AtomicMeasure:
    """The measures of the outputs as one with masses in R^c."""
    parts = [one.measure for one in solutions]
    masses = np.zeros((sum(len(part) for part in parts), len(parts)))
    row = 0
    for j, part in enumerate(parts):
        masses[row : row + len(part), j] = part.masses
        row += len(part)
    skip = None
    if problem.skip != "none":
        skips = [one.skip for one in solutions]
        skip = Skip(
            np.column_stack([one.linear for one in skips]),
            np.array([one.constant for one in skips]),
        )
    return merge_repeated(AtomicMeasure(np.vstack([part.atoms for part in parts]), masses, skip))
