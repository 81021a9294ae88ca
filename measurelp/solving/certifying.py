"""Certificates for networks from anywhere: a better dual vector is looked for where it is needed."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from numpy.typing import ArrayLike

from measurelp import certificate as proofs
from measurelp.certificate import (
    Certificate,
    candidate_measure,
    certificate_from_reports,
    evaluate,
    report_from_certificate,
)
from measurelp.certificate.certify import DEFAULT_NODES
from measurelp.interrupts import remembered_interrupts
from measurelp.measure import AtomicMeasure
from measurelp.network import ReluNetwork
from measurelp.oracle import Budget, Oracle
from measurelp.problem import MeasureProblem, RowSpace, check_problem, whole_number
from measurelp.solving.entry import solve
from measurelp.solving.solution import Solution
from measurelp.status import Scope, Verdict

ROUNDS = 100
# The better dual is to be so much nearer to the optimum than the gap that is asked for.
_CLOSER = 0.1


def certify(
    problem: MeasureProblem,
    candidate: AtomicMeasure | ReluNetwork | Any,
    *,
    dual: ArrayLike | None = None,
    tol_gap: float = 1e-6,
    oracle: str | Oracle | None = None,
    space: RowSpace | None = None,
    budget: Budget | None = None,
    rounds: int = ROUNDS,
) -> Certificate:
    r"""Prove or refute that a measure or a network is a global optimum of ``problem``.

    The candidate's objective P is recomputed.  Its residual alpha (or ``dual``) defines
    :math:`\eta(w) = \sum_i\alpha_i\langle\tilde x_i,w\rangle_+`; an oracle bounds
    :math:`\sup|\eta|\le S` over the whole ball, and :math:`s\alpha` with
    :math:`s\le\lambda/S` is dual feasible, so D, its dual objective, bounds every measure's
    objective from below.

    The residual of a trained network is off by as much as its fit, and D by the same order,
    while P is off by the square.  So where this does not prove optimality and no ``dual`` is
    given, a better dual vector is looked for: the neurons slide on from where the candidate
    has them, with neurons that are missing, as in :func:`measurelp.solve`.  P stays the
    candidate's own.

    Parameters
    ----------
    problem : MeasureProblem
    candidate : AtomicMeasure, ReluNetwork, torch.nn.Module or scikit-learn MLP
        Atoms need not have unit norm.  A network's output bias and skip must fit
        ``problem.skip``.  A module must be Linear, ReLU, Linear
        (:func:`measurelp.network_from_torch`), an MLP fitted with one hidden ReLU layer.
    dual : (n,) array_like, optional
        A dual vector to use beside the one that the candidate's fit gives, instead of looking
        for a better one; the better bound counts.
    tol_gap : float
        Relative gap up to which the verdict is OPTIMAL.
    oracle : {"auto", "angles", "cells", "branch_and_bound", "cones", "signs"} or Oracle, optional
        How the supremum is bounded.
    space : RowSpace, optional
        ``row_space(problem)``, to save computing it again.
    budget : Budget, optional
        Time and nodes for the oracle; what is left open makes the bracket wider.  The deadline
        holds for the search too.  Ctrl-C leaves a wider bracket, too.
    rounds : int
        Limit on restricted programs in the search for a dual vector; 0 for no search.

    Returns
    -------
    Certificate
        OPTIMAL: the relative gap is proved to be at most ``tol_gap``.  REFUTED: adding
        ``improvement`` lowers the recomputed objective.  BRACKETED: neither.  UNVERIFIED:
        the oracle covered only a sample.

    Raises
    ------
    InvalidProblem
        If the candidate does not fit the problem, or an argument is unusable.

    Notes
    -----
    What it does not prove: that the candidate is unique, or anything about other data.  A
    REFUTED candidate's bracket says by how much it can be improved.

    Examples
    --------
    >>> import numpy as np, measurelp as mlp
    >>> problem = mlp.MeasureProblem([[3.0, 4.0]], [2.0], lam=0.5, bias="none")
    >>> mu = mlp.AtomicMeasure(np.array([[0.6, 0.8]]), np.array([0.38]))
    >>> mlp.certify(problem, mu).verdict.name
    'OPTIMAL'
    """
    return certified(
        problem, candidate, dual=dual, tol_gap=tol_gap, oracle=oracle, space=space,
        budget=budget, rounds=rounds,
    )[0]  # fmt: skip


def certified(
    problem: MeasureProblem,
    candidate: Any,
    *,
    dual: ArrayLike | None,
    tol_gap: float,
    oracle: str | Oracle | None,
    space: RowSpace | None,
    budget: Budget | None,
    rounds: int,
) -> tuple[Certificate, Solution | None]:
    """The certificate, and the solution that the search for a dual vector ended with."""
    check_problem(problem)
    rounds = whole_number("rounds", rounds, least=0)
    measure = candidate_measure(problem, candidate)
    given = Budget(nodes=DEFAULT_NODES) if budget is None else budget
    with remembered_interrupts() as interrupts:
        budget = replace(given, interrupted=lambda: given.is_interrupted or interrupts.requested)
        certificate, found = _certified(
            problem, measure, dual, tol_gap, oracle, space, budget, rounds
        )
    if interrupts.requested and certificate.verdict is Verdict.BRACKETED:
        certificate = replace(certificate, message=f"interrupted; {certificate.message}")
    return certificate, found


def _certified(
    problem: MeasureProblem,
    measure: AtomicMeasure,
    dual: ArrayLike | None,
    tol_gap: float,
    oracle: str | Oracle | None,
    space: RowSpace | None,
    budget: Budget,
    rounds: int,
) -> tuple[Certificate, Solution | None]:
    first = proofs.certify(
        problem, measure, dual=dual, tol_gap=tol_gap, oracle=oracle, space=space, budget=budget
    )
    seconds = budget.seconds_left
    if (
        first.is_optimal
        or dual is not None
        or not rounds
        or first.scope is not Scope.COMPLETE
        or math.isinf(first.primal_value)
        or budget.time_is_up
    ):
        return first, None
    found = solve(
        problem, tol_gap=_CLOSER * tol_gap, max_rounds=rounds, oracle=oracle, start=measure,
        time_limit=None if math.isinf(seconds) else seconds,
    )  # fmt: skip
    if found.certificate.verdict is Verdict.INFEASIBLE:
        return first, None
    reports = [report_from_certificate(first), report_from_certificate(found.certificate)]
    certificate = certificate_from_reports(
        problem, evaluate(problem, measure), reports, tol_gap=tol_gap,
        directions=found.measure.atoms,
    )  # fmt: skip
    return certificate, found
