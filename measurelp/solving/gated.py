"""Gated ReLU units: a group lasso over gates, which bounds the ReLU problem from below.

Gates are known beforehand, so evaluating all of them is the proof, as for threshold units
(:mod:`measurelp.solving.pattern_generation`).
"""

from __future__ import annotations

import math
import time
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from measurelp.arrangement import Arrangement, enumerate_cells
from measurelp.backends import ClarabelBackend
from measurelp.certificate import (
    Certificate,
    infeasible_certificate,
    interpolation_obstacle,
    skip_basis,
)
from measurelp.certificate.bounds import admissible_dual, dual_bound
from measurelp.certificate.certificate import relative
from measurelp.errors import InvalidProblem
from measurelp.masters.gated_newton import newton_on_gates
from measurelp.masters.neurons import Training
from measurelp.measure import Skip
from measurelp.problem import GatedReLU, MeasureProblem, ReLU, row_space
from measurelp.program import restricted_program
from measurelp.program.formulate import skip_from_coefficients
from measurelp.solving.gated_units import GatedMeasure, GatedRelaxation
from measurelp.solving.interrupts import Interrupts, remembered_interrupts
from measurelp.solving.progress import Callback, Progress
from measurelp.solving.threads import one_thread
from measurelp.status import PointKind, Scope, Termination, Verdict

_ROUNDOFF = 2.0**-53
_MOST_GATES = 500_000
_FIRST, _NEW = 60, 40

Matrix = NDArray[np.float64]
Flags = NDArray[np.bool_]


def gated_relaxation(
    problem: MeasureProblem,
    gates: ArrayLike | None = None,
    *,
    tol_gap: float = 1e-6,
    time_limit: float | None = None,
) -> GatedRelaxation:
    r"""Replace every ReLU by a linear function behind a fixed gate.

    .. math:: \min_{w_g,\,c}\; L\Bigl(\sum_g D_g \tilde X w_g + Sc\Bigr) + \lambda\sum_g |w_g|_2,
              \qquad D_g = \mathrm{diag}(1\{\tilde X g \ge 0\}),

    a group lasso without the walls of the cells.  Its dual constraint is
    :math:`|\sum_i \alpha_i D_{g,ii}\tilde x_i|\le\lambda` for each gate.  Over *all* cells of the
    data it relaxes the ReLU problem, since weights of a cell with both signs are a difference of
    two: p_gated <= p_relu, and the inequality can be strict.  It is another class of models,
    so nothing here says that a ReLU network is optimal, only how far below its optimum cannot lie.
    ``mlp.solve`` of a problem with ``activation=mlp.GatedReLU(gates)`` gives the same.

    Parameters
    ----------
    problem : MeasureProblem
        With the l2 ball, the ReLU or gated units, and one output; any loss, bias "none" or
        "penalized", any skip.
    gates : (k, d') array_like, optional
        Gate vectors; those of all cells of the data if left out (a vector on a hyperplane, such
        as 0, gives a gate that no cell has and enlarges the model).
    tol_gap : float
        Relative gap to prove.
    time_limit : float, optional
        Seconds; when they are over, the bracket so far is returned.

    Returns
    -------
    GatedRelaxation

    Raises
    ------
    InvalidProblem
        For other problems, gates of another shape, and more than 500,000 cells.

    References
    ----------
    Mishkin, Sahiner and Pilanci (2022).

    Examples
    --------
    >>> import numpy as np, measurelp as mlp
    >>> problem = mlp.MeasureProblem(
    ...     np.eye(2), [3.0, -4.0], loss=mlp.Interpolation(), bias="none")
    >>> round(mlp.gated_relaxation(problem).value, 6)  # the ReLU needs 3 + 4
    5.0
    """
    if problem.ball.name != "l2" or problem.is_vector or problem.bias == "free":
        raise InvalidProblem(
            "problem: gated units are stated for the l2 ball, one output and a bias that is penalized or "
            "none (behind a fixed gate a bias outside the norm would fit steps for free); found "
            f"{problem!r} with {problem.ball!r}."
        )
    if not (problem.is_gated or problem.activation.name == "relu"):
        raise InvalidProblem(
            f"problem: gated units relax the ReLU, and it has the activation {problem.activation!r}."
        )
    if gates is not None or not problem.is_gated:
        problem = replace(problem, activation=GatedReLU(gates))  # type: ignore[arg-type]
    deadline = math.inf if time_limit is None else time.perf_counter() + time_limit
    with remembered_interrupts() as interrupts, one_thread():
        return solve_gated(problem, tol_gap=tol_gap, deadline=deadline, interrupts=interrupts)


def solve_gated(
    problem: MeasureProblem,
    *,
    tol_gap: float,
    deadline: float,
    interrupts: Interrupts,
    max_rounds: int = 500,
    callback: Callback | None = None,
) -> GatedRelaxation:
    """Generate gates until the bracket of a problem with gated units closes."""
    began = time.perf_counter()
    activation = problem.activation
    assert isinstance(activation, GatedReLU)
    plain = replace(problem, activation=ReLU())  # the same data, for what knows measures only
    vectors, active = _gates(plain, activation.gates)
    space = row_space(plain)
    training, basis = Training.of(plain, space), skip_basis(plain)
    chosen = list(range(min(_FIRST, len(active))))
    value, lower, rounds = math.inf, -math.inf, 0
    used, weights = np.zeros(0, dtype=np.intp), np.zeros((0, plain.lifted.shape[1]))
    coefficients, proved = np.zeros(plain.skip_columns.shape[1]), np.zeros(plain.n)
    termination = Termination.CONVERGED
    while termination is Termination.CONVERGED:
        rounds += 1
        now = np.array(chosen, dtype=np.intp)
        program, lift = restricted_program(
            training.rows, active[now], np.ones(len(now)), [np.zeros(0, np.intp)] * len(now),
            y=training.y, lam=training.lam, loss=training.loss, weight=training.weight,
            skip_columns=training.skip_columns, n_penalized=training.n_penalized,
        )  # fmt: skip
        report = ClarabelBackend().solve(program, tolerance=1e-10)
        dual = lift.dual(report)
        if dual is None or not np.isfinite(dual).all():
            termination = Termination.NUMERICAL
            break
        infeasible = report.kind is PointKind.INFEASIBILITY_PROOF
        if report.x is not None and report.kind in (PointKind.OPTIMAL, PointKind.APPROXIMATE):
            found, skip = space.weights(lift.weights(report.x)), lift.skip(report.x)
            reached = _objective(plain, active[now], found, skip)
            if reached < value:
                value, used, weights, coefficients = reached, now, found, skip
        duals = [training.to_problem(dual)]
        if plain.loss.is_smooth and not plain.loss.is_quadratic and len(used) == len(now):
            for found, skip, better in newton_on_gates(plain, active[now], weights, coefficients):
                duals.append(better)
                reached = _objective(plain, active[now], found, skip)
                if reached < value:
                    value, weights, coefficients = reached, found, skip
        latest, sizes = -math.inf, np.zeros(len(active))
        for candidate in duals:
            alpha, bound = admissible_dual(plain, candidate, basis), -math.inf
            tried, _ = _sizes(plain, active, alpha)
            if not infeasible:
                bound, _ = dual_bound(plain, alpha, float(tried.max(initial=0.0)))
            if bound >= latest:
                latest, sizes = bound, tried
            if bound > lower:
                lower, proved = bound, alpha
        gap = relative(max(0.0, value - lower), value, lower)
        if callback is not None:
            seconds = time.perf_counter() - began
            callback(Progress(rounds, len(chosen), value, lower, gap, seconds, "proving"))
        if gap <= tol_gap:
            break
        limit = 0.0 if infeasible else plain.lam * (1.0 + 1e-3 * tol_gap)
        waiting = [int(k) for k in np.argsort(-sizes)[: len(chosen) + _NEW] if sizes[k] > limit]
        known = set(chosen)
        new = [k for k in waiting if k not in known][:_NEW]
        if not new:
            termination = Termination.STALLED
        elif interrupts.requested:
            termination = Termination.INTERRUPTED
        elif time.perf_counter() >= deadline:
            termination = Termination.TIME_LIMIT
        elif rounds >= max_rounds:
            termination = Termination.ROUND_LIMIT
        chosen += new
    alive = np.any(weights != 0.0, axis=1)
    used, weights = used[alive], weights[alive]
    measure = GatedMeasure(
        vectors[used], active[used], weights, _skip(plain, coefficients), plain.n_penalized
    )
    certificate = _certificate(problem, plain, value, lower, proved, active, tol_gap)
    if certificate.verdict is Verdict.INFEASIBLE:
        termination = Termination.INFEASIBLE
    stats = {
        "rounds": rounds, "gates": len(active), "oracle": "gates", "backend": "clarabel",
        "seconds": time.perf_counter() - began,
    }  # fmt: skip
    return GatedRelaxation(
        problem, measure, certificate.dual, certificate, termination, stats,
        bounds_relu=activation.gates is None,
    )  # fmt: skip


def _objective(
    problem: MeasureProblem, active: Flags, weights: Matrix, coefficients: NDArray[np.float64]
) -> float:
    """Loss and norms of weights behind gates, recomputed from the data."""
    fit = np.sum(active.T * (problem.lifted @ weights.T), axis=1)
    fit = fit + problem.skip_columns @ coefficients
    return problem.loss_value(fit) + problem.lam * math.fsum(problem.weight_norm(weights))


def _skip(problem: MeasureProblem, coefficients: NDArray[np.float64]) -> Skip | None:
    return skip_from_coefficients(problem, coefficients) if len(coefficients) else None


def _sizes(problem: MeasureProblem, active: Flags, alpha: Matrix) -> tuple[Matrix, float]:
    """Bounds of |sum_i alpha_i D_ii x_i| for each gate, and how much of them is rounding."""
    weighted = alpha[:, None] * problem.lifted[:, : problem.n_penalized]
    rounding = 2.0 * (problem.n + problem.d + 8) * _ROUNDOFF
    rounding *= float(np.linalg.norm(weighted, axis=1).sum())
    sizes = np.linalg.norm(active @ weighted, axis=1) * (1.0 + 1e-14) + rounding
    return np.asarray(sizes), rounding


def _gates(problem: MeasureProblem, gates: Matrix | None) -> tuple[Matrix, Flags]:
    """Gate vectors (k, d') and what distinct gates they make, (k, n).

    A vector of NaN stands for a cell too thin to hold a point of double precision.
    """
    rows = problem.lifted
    if gates is None:
        arrangement = Arrangement.from_data(rows)
        if arrangement.bound_cells() > _MOST_GATES:
            raise InvalidProblem(
                f"X: up to {arrangement.bound_cells()} cells, each a gate; pass some gates, whose "
                "model is smaller and bounds nothing else."
            )
        cells = enumerate_cells(arrangement, witness=True)
        open_gates, vectors = cells.signs > 0, cells.witnesses
        assert vectors is not None
    else:
        open_gates, vectors = gates @ rows.T >= 0.0, gates
    distinct, first = np.unique(open_gates, axis=0, return_index=True)
    return vectors[first], distinct


def _certificate(
    problem: MeasureProblem, plain: MeasureProblem, value: float, lower: float,
    dual: NDArray[np.float64], active: Flags, tol_gap: float,
) -> Certificate:  # fmt: skip
    """What is proved, in the gated model's own words."""
    all_gates = isinstance(problem.activation, GatedReLU) and problem.activation.gates is None
    if plain.loss.is_hard_constraint and all_gates and math.isinf(value):
        # Gates of all cells span what ReLU units of all cells span.
        q = interpolation_obstacle(plain)
        if q is not None:
            return infeasible_certificate(plain, q)
    gap = max(0.0, value - lower)
    closed = relative(gap, value, lower) <= tol_gap
    message = f"the optimum of the gated model lies in [{lower:.9g}, {value:.9g}]; "
    if all_gates:
        message += f"with the gates of all cells it is at most that of the ReLU, so {lower:.9g} bounds both"
    else:
        message += "with gates that were given it bounds no other model"
    sizes, rounding = _sizes(plain, active, dual)
    largest = float(sizes.max(initial=0.0))
    return Certificate(
        verdict=Verdict.OPTIMAL if closed else Verdict.BRACKETED, primal_value=value,
        dual_value=lower, gap=gap, relative_gap=relative(gap, value, lower),
        sup=(max(0.0, largest * (1.0 - 3e-14) - 2.0 * rounding), largest), limit=plain.lam,
        scope=Scope.COMPLETE, witness=None, improvement=None, dual=dual, tol_gap=tol_gap,
        message=message,
    )  # fmt: skip
