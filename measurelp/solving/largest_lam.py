"""The smallest lam for which nothing is learned."""

from __future__ import annotations

import math
import time
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from measurelp.backends import HighsBackend, backend_from_name
from measurelp.certificate import admissible_dual, skip_basis
from measurelp.certificate.certify import DEFAULT_NODES
from measurelp.errors import InvalidProblem
from measurelp.interrupts import remembered_interrupts
from measurelp.masters.neurons import Training
from measurelp.masters.null_model import null_model
from measurelp.oracle import Budget, DualFunction, Oracle, OracleReport, choose_oracle
from measurelp.problem import MeasureProblem, RowSpace, check_problem, row_space
from measurelp.program import ConeProgram
from measurelp.solving.threads import one_thread

Vector = NDArray[np.float64]
_ROUNDOFF = 2.0**-53
_AT_KINK = 1e-9  # relative to the targets: so near to a kink a fit is at it
_NARROW = 1e-9  # relative width of a bracket that is narrow enough
_MOST_CUTS = 200


class LamBracket(NamedTuple):
    """Proved bounds of lam_max."""

    lower: float
    upper: float


def lam_max(
    problem: MeasureProblem,
    *,
    oracle: str | Oracle | None = None,
    time_limit: float | None = None,
) -> float:
    r"""The smallest lam for which the zero measure is optimal.

    :math:`\lambda_{\max} = \min_\alpha\sup_{\|w\|\le1}|\sum_i\alpha_i\langle\tilde x_i,w\rangle_+|`
    over minus the subgradients alpha of the loss at the best skip (at 0 without one) that are
    orthogonal to the skip's columns.  For a smooth loss there is one: for the squared loss y less its
    projection on the skip's columns.  The upper end of :func:`lam_max_bracket` is returned, so that
    at ``lam_max(problem)`` zero is optimal.

    Examples
    --------
    >>> import measurelp as mlp
    >>> round(mlp.lam_max(mlp.MeasureProblem([[3.0, 4.0]], [2.0], lam=1.0, bias="none")), 9)
    10.0
    """
    return lam_max_bracket(problem, oracle=oracle, time_limit=time_limit).upper


def lam_max_bracket(
    problem: MeasureProblem,
    *,
    oracle: str | Oracle | None = None,
    time_limit: float | None = None,
) -> LamBracket:
    r"""Bounds of lam_max, the smallest lam for which the zero measure is optimal.

    For a smooth loss they are the oracle's bracket.  For a loss with kinks the best subgradient
    is looked for by cutting planes: a linear program over the subgradients, with the peaks of
    the dual functions that were met as cuts.  Each oracle call proves an upper bound, and the
    multipliers of the cuts a lower one: a measure along which the objective falls for every
    smaller lam.  They are not narrow where ``time_limit`` (seconds) or the nodes of the oracle end
    the search, or where a loss with kinks has several joint outputs.

    Examples
    --------
    The median of three points takes the middle one, whose subgradient is free.

    >>> import measurelp as mlp
    >>> problem = mlp.MeasureProblem(
    ...     [[0.0], [1.0], [2.0]], [0.0, 1.0, 4.0], lam=1.0, loss=mlp.Absolute(), bias="free",
    ...     skip="constant",
    ... )
    >>> lower, upper = mlp.lam_max_bracket(problem)
    >>> round(lower, 9), round(upper, 9)
    (2.0, 2.0)
    """
    check_problem(problem)
    if problem.loss.is_hard_constraint:
        raise InvalidProblem("problem: lam does not enter interpolation, so there is no lam_max.")
    deadline = math.inf if time_limit is None else time.perf_counter() + time_limit
    if problem.is_vector and problem.outputs == "separate":
        share = None if time_limit is None else time_limit / problem.n_outputs
        columns = [problem.column(j) for j in range(problem.n_outputs)]
        brackets = [lam_max_bracket(one, oracle=oracle, time_limit=share) for one in columns]
        return LamBracket(*np.max(brackets, axis=0).tolist())
    space = row_space(problem)
    training = Training.of(problem, space)
    backend = HighsBackend() if problem.loss.is_polyhedral else backend_from_name("clarabel")
    neurons, start = null_model(training, backend)
    alpha = admissible_dual(problem, training.to_problem(start), skip_basis(problem))
    chosen, _ = choose_oracle(oracle, space, problem=problem)
    with remembered_interrupts() as interrupts, one_thread():
        budget = Budget(deadline, DEFAULT_NODES, interrupts)
        report = _maximised(problem, space, chosen, alpha, budget)
        bracket = LamBracket(report.lower, report.upper)
        if not problem.loss.is_smooth:
            bracket = LamBracket(0.0, report.upper)
            if not problem.is_vector:
                fit = training.fit(neurons)
                bracket = _over_subgradients(problem, space, chosen, fit, report, budget)
    if interrupts.requested:
        raise KeyboardInterrupt
    return bracket


def _maximised(
    problem: MeasureProblem, space: RowSpace, oracle: Oracle, alpha: Vector, budget: Budget
) -> OracleReport:
    return oracle.maximise(DualFunction(problem, space, alpha), tolerance=1e-10, budget=budget)


def _over_subgradients(
    problem: MeasureProblem, space: RowSpace, oracle: Oracle, fit: Vector, report: OracleReport,
    budget: Budget,
) -> LamBracket:  # fmt: skip
    """Cutting planes over the dual vectors at a fit with kinks."""
    loss, y, weight = problem.loss, problem.y, problem.sample_weight
    near = _AT_KINK * max(1.0, float(np.abs(y).max()), float(np.abs(fit).max()))
    ends = [loss.dual_ends(fit + shift, y, weight) for shift in (-near, 0.0, near)]
    low = np.min([end[0] for end in ends], axis=0)
    high = np.max([end[1] for end in ends], axis=0)
    basis = skip_basis(problem)
    lower, upper = 0.0, report.upper
    cuts = np.zeros((problem.n, 0))
    for _ in range(_MOST_CUTS):
        cuts = np.hstack([cuts, _features_at(problem, space, report)])
        found = _best_subgradient(low, high, basis, cuts)
        if found is None:
            break
        alpha, proved = found
        lower = max(lower, proved)
        alpha = admissible_dual(problem, alpha, basis)
        # Is it optimal for the null model, as it has to be?
        loss_value, dual_value = problem.loss_value(fit), problem.dual_value(alpha)
        if loss_value - dual_value > 1e-8 * max(abs(loss_value), abs(dual_value)):
            break
        report = _maximised(problem, space, oracle, alpha, budget)
        upper = min(upper, report.upper)
        if upper - lower <= _NARROW * upper or budget.time_is_up:
            break
    return LamBracket(min(lower, upper), upper)


def _features_at(problem: MeasureProblem, space: RowSpace, report: OracleReport) -> Vector:
    """The features (n, p) of the peaks that an oracle met, and of its witness."""
    weights = np.vstack([report.witness[None, :], space.weights(report.peaks[:64])])
    norms = problem.weight_norm(weights)
    return problem.features(weights[norms > 0.0] / norms[norms > 0.0, None])


def _best_subgradient(
    low: Vector, high: Vector, basis: Vector, cuts: Vector
) -> tuple[Vector, float] | None:
    """The alpha between ``low`` and ``high``, orthogonal to the skip, least in all cuts.

    Also a lower bound of its height there, from the multipliers nu of the cuts and b of the skip alone:
    the least of <alpha, cuts nu + basis b> over the box.
    """
    n, (p, m) = len(low), (basis.shape[1], cuts.shape[1])
    tall, nothing = sparse.csc_array(-np.ones((m, 1))), sparse.csc_array((n, 1))
    eye = sparse.eye_array(n, format="csc")
    matrix = sparse.block_array(
        [
            [sparse.csc_array(basis.T), sparse.csc_array((p, 1))],
            [sparse.csc_array(cuts.T), tall],
            [sparse.csc_array(-cuts.T), tall],
            [eye, nothing],
            [-eye, nothing],
        ],
        format="csc",
    )
    b = np.concatenate([np.zeros(p + 2 * m), high, -low])
    program = ConeProgram(
        None, np.append(np.zeros(n), 1.0), matrix, b, zero=p, nonneg=2 * m + 2 * n
    )
    report = HighsBackend().solve(program)
    if report.x is None or report.z is None or not np.isfinite(report.z).all():
        return None
    plus, minus = (np.maximum(report.z[p + k * m : p + (k + 1) * m], 0.0) for k in (0, 1))
    total = float(plus.sum() + minus.sum())
    if total == 0.0:
        return report.x[:n], 0.0
    v = cuts @ ((plus - minus) / total) + basis @ (report.z[:p] / total)
    ends = np.minimum(low * v, high * v)
    size = float(np.maximum(np.abs(low), np.abs(high)) @ (np.abs(cuts).max(axis=1) + np.abs(v)))
    return report.x[:n], max(0.0, float(ends.sum()) - 8.0 * (n + m) * _ROUNDOFF * size)
