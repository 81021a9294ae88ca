"""How a solve ends: what is returned is certified, and its termination says why there is no more."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from measurelp.certificate import (
    Certificate,
    admissible_dual,
    certificate_from_reports,
    evaluate,
    infeasible_certificate,
    interpolation_obstacle,
    skip_basis,
)
from measurelp.certificate.certificate import gap_between, relative
from measurelp.measure import AtomicMeasure
from measurelp.oracle import DualFunction, Oracle
from measurelp.problem import RowSpace
from measurelp.solving.generation import Generation
from measurelp.status import Scope, Termination, Verdict


def concluded(
    certificate: Certificate, termination: Termination
) -> tuple[Certificate, Termination]:
    """The certificate without a refutation that nobody asked for, and the termination that it gives."""
    if certificate.verdict is Verdict.INFEASIBLE:
        return certificate, Termination.INFEASIBLE
    if certificate.is_optimal:
        return certificate, Termination.CONVERGED
    if termination is Termination.CONVERGED:
        termination = Termination.STALLED
    if certificate.verdict is Verdict.REFUTED:
        certificate = _unclaimed(certificate)
    return certificate, termination


def _unclaimed(certificate: Certificate) -> Certificate:
    """Of a solve that ended early nobody claimed that it is optimal: no refutation, a bracket.

    Where the oracle covered only a sample of weight space there is no bracket either.
    """
    verdict, message = Verdict.UNVERIFIED, "ended early, and only a sample was searched"
    if certificate.scope is Scope.COMPLETE:
        verdict = Verdict.BRACKETED
        message = (
            "ended early: the optimal value lies between dual and primal, a relative gap of "
            f"{certificate.relative_gap:.2g}"
        )
    return replace(certificate, verdict=verdict, improvement=None, message=message)


def certified(
    run: Generation,
    measure: AtomicMeasure,
    termination: Termination,
    space: RowSpace,
    oracle: Oracle,
) -> tuple[Certificate, Termination]:
    """Certify the measure that is returned, by the best proof of the loop or by its own dual vector."""
    try:
        certificate = _certificate(run, measure, termination, space, oracle)
    except KeyboardInterrupt:
        termination = Termination.INTERRUPTED
        certificate = _certificate(run, measure, termination, space, oracle)
    if run.limits.interrupts.requested:
        termination = Termination.INTERRUPTED
    return concluded(certificate, termination)


def _certificate(
    run: Generation,
    measure: AtomicMeasure,
    termination: Termination,
    space: RowSpace,
    oracle: Oracle,
) -> Certificate:
    problem, limits = run.columns.problem, run.limits
    current = evaluate(problem, measure)
    proofs = [] if run.proof is None else [(run.proof.dual, run.proof.report)]
    if proofs:
        certificate = certificate_from_reports(problem, current, proofs, tol_gap=limits.tol_gap)
        if certificate.is_optimal:
            return certificate
    alpha = problem.dual_from_fit(current.fit)
    if alpha is not None:
        alpha = admissible_dual(problem, alpha, skip_basis(problem))
    else:
        assert run.last is not None
        alpha = proofs[0][0] if proofs else run.last.dual
    starts = space.coordinates(measure.atoms)
    starts = starts[np.linalg.norm(starts, axis=1) > 0.0]
    report = oracle.maximise(
        DualFunction(problem, space, alpha), tolerance=limits.fine, starts=starts,
        budget=limits.last_budget(termination),
    )  # fmt: skip
    return certificate_from_reports(
        problem, current, [(alpha, report), *proofs], tol_gap=limits.tol_gap
    )


def infeasible_bracket(run: Generation) -> Certificate | None:
    """The proof that nothing interpolates, where nothing that does was found and there is one."""
    problem = run.columns.problem
    if not (problem.loss.is_hard_constraint and math.isinf(run.best_value)):
        return None
    q = interpolation_obstacle(problem)
    return None if q is None else infeasible_certificate(problem, q)


def bracket(run: Generation, sup: tuple[float, float], message: str) -> Certificate:
    """The bracket that a run proved, for models whose candidates are no measures of least total variation.

    ``sup`` brackets the supremum for the dual vector of the best proof.
    """
    problem, tol_gap = run.columns.problem, run.limits.tol_gap
    value, lower = run.best_value, run.bound
    gap = gap_between(value, lower)
    relative_gap = relative(gap, value, lower)
    dual = np.zeros(problem.y.shape) if run.proof is None else run.proof.dual
    return Certificate(
        verdict=Verdict.OPTIMAL if relative_gap <= tol_gap else Verdict.BRACKETED,
        primal_value=value, dual_value=lower, gap=gap, relative_gap=relative_gap, sup=sup,
        limit=problem.lam, scope=Scope.COMPLETE, witness=None, improvement=None, dual=dual,
        tol_gap=tol_gap, message=message,
    )  # fmt: skip
