"""The ten-line story: generate cells until the certificate closes."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from measurelp.arrangement import Cells
from measurelp.backends import Backend, backend_from_name
from measurelp.certificate import (
    Certificate,
    certificate_from_reports,
    evaluate,
    infeasible_certificate,
    interpolation_obstacle,
    skip_basis,
    without_skip,
)
from measurelp.certificate.bounds import dual_bound
from measurelp.certificate.certificate import relative
from measurelp.certificate.certify import DEFAULT_NODES, DualReport, candidate_measure
from measurelp.errors import InvalidProblem
from measurelp.measure import AtomicMeasure, Skip
from measurelp.network import ReluNetwork
from measurelp.oracle import Budget, CellOracle, DualFunction, Oracle, choose_oracle
from measurelp.oracle.ascent import climbed
from measurelp.problem import MeasureProblem, RowSpace, row_space
from measurelp.program.formulate import skip_from_coefficients
from measurelp.solving.master import RestrictedMaster
from measurelp.solving.neurons import Neurons, Training, merged, pruned
from measurelp.solving.polish import polished
from measurelp.solving.pricing import priced_peaks
from measurelp.solving.progress import Callback, Progress
from measurelp.solving.solution import Solution
from measurelp.status import Scope, Termination, Verdict

_MOST_NEW_CELLS = 15
_SEED = 20260101
# Interpolation: the proximal parameter, in units of the lam from which zero is optimal.
_FIRST_PENALTY = 1e-2
_LEAST_PENALTY = 1e-5
_IDLE_ROUNDS = 30


def solve(
    problem: MeasureProblem,
    *,
    tol_gap: float = 1e-6,
    time_limit: float | None = None,
    max_rounds: int = 500,
    backend: str | Backend | None = None,
    oracle: str | Oracle | None = None,
    cells: Cells | None = None,
    start: AtomicMeasure | ReluNetwork | None = None,
    callback: Callback | None = None,
    n_jobs: int = 1,
) -> Solution:
    r"""Find a global optimum among all networks of any width, and prove it.

    A cone program over a few cells of the data's hyperplane arrangement gives a network and
    a dual vector alpha.  Where :math:`|\eta_\alpha|` exceeds lam, cells are missing: they
    are added, and so on.  Cells are finite in number, so this ends; cheap local ascent finds
    most of them, and the oracle, which covers all of weight space, proves that none is left.
    Then atoms are merged and pruned to an extreme point (never more atoms than data points),
    and what is returned is certified anew from the data.

    Parameters
    ----------
    problem : MeasureProblem
    tol_gap : float
        Relative gap to prove.
    time_limit : float, optional
        Seconds; when they are over, or on Ctrl-C, the best measure so far is returned with
        its bracket.
    max_rounds : int
        Limit on restricted programs.
    backend : str or Backend, optional
        Solver of the restricted cone programs: "clarabel" (default), "scs", "cvxpy",
        "cvxpy:SOLVER".
    oracle : str or Oracle, optional
        "auto" (default), "angles", "cells" or "cones".
    cells : Cells, optional
        Cells of ``problem.lifted`` for the cell oracle.  A sample of cells can never lead to
        the verdict OPTIMAL.
    start : AtomicMeasure or ReluNetwork, optional
        Where to begin.
    callback : callable, optional
        Called with a :class:`~measurelp.solving.Progress` after each round.
    n_jobs : int
        Reserved for oracles that run in parallel; 1.

    Returns
    -------
    Solution

    Raises
    ------
    InvalidProblem
        For unusable arguments.  Infeasible data and limits are outcomes, not errors.

    References
    ----------
    Pilanci and Ergen (2020) for the program over cells; de Dios and Bruna (2020) for the
    finite linear program behind the measure.

    Examples
    --------
    >>> import measurelp as mlp
    >>> solution = mlp.solve(mlp.MeasureProblem([[3.0, 4.0]], [2.0], lam=0.5, bias="none"))
    >>> solution.certificate.verdict.name, round(solution.certificate.primal_value, 12)
    ('OPTIMAL', 0.195)
    """
    _check_arguments(tol_gap, time_limit, max_rounds, n_jobs)
    chosen_backend = backend_from_name("clarabel" if backend is None else backend)
    if chosen_backend.name == "highs":
        raise InvalidProblem(
            "backend: highs solves linear and quadratic programs, and the l2 ball needs "
            'second-order cones; use "clarabel", "scs" or "cvxpy".'
        )
    space = row_space(problem)
    if cells is not None:
        if cells.scope is Scope.SAMPLED or oracle in (None, "auto", "cells"):
            chosen_oracle: Oracle = CellOracle(cells)
            why = "cells were given"
        else:
            chosen_oracle, why = choose_oracle(oracle, space, cells)
    else:
        chosen_oracle, why = choose_oracle(oracle, space)
    first = None if start is None else candidate_measure(problem, start)
    run = _Run(
        problem=problem, space=space, oracle=chosen_oracle, backend=chosen_backend,
        tol_gap=tol_gap, max_rounds=max_rounds, callback=callback,
        deadline=math.inf if time_limit is None else time.perf_counter() + time_limit,
    )  # fmt: skip
    with threadpool_limits(limits=1):
        return run.solution(first, why)


@dataclass
class _Run:
    """One call of :func:`solve`: the loop and the best bracket so far."""

    problem: MeasureProblem
    space: RowSpace
    oracle: Oracle
    backend: Backend
    tol_gap: float
    max_rounds: int
    callback: Callback | None
    deadline: float
    began: float = field(default_factory=time.perf_counter)
    rounds: int = 0
    oracle_calls: int = 0
    oracle_seconds: float = 0.0
    master_seconds: float = 0.0
    pricing_seconds: float = 0.0
    best_value: float = math.inf
    best: Neurons | None = None
    bound: float = -math.inf
    proof: DualReport | None = None
    sparse: Neurons | None = None
    multipliers: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    penalty: float = 1.0
    least_penalty: float = 1.0

    def __post_init__(self) -> None:
        problem, space = self.problem, self.space
        self.training = Training(
            space.rows, problem.y, problem.lam, problem.loss, problem.skip_columns,
            space.n_penalized,
        )  # fmt: skip
        self.basis = skip_basis(problem)
        self.master = RestrictedMaster(self.training, self.backend)
        self.rng = np.random.default_rng(_SEED)

    def solution(self, first: AtomicMeasure | None, why: str) -> Solution:
        """Solve, and certify whatever was reached."""
        if self.problem.loss.is_hard_constraint:
            q = interpolation_obstacle(self.problem)
            if q is not None:
                empty = AtomicMeasure(
                    np.zeros((0, self.problem.lifted.shape[1])), np.zeros(0), self._skip(None)
                )
                return self._wrap(empty, infeasible_certificate(self.problem, q),
                                  Termination.INFEASIBLE, why)  # fmt: skip
        try:
            self._begin(first)
            termination = self._generate_cells()
        except KeyboardInterrupt:
            termination = Termination.INTERRUPTED
        measure = self._best_measure()
        try:
            certificate = self._certificate(measure, termination)
        except KeyboardInterrupt:
            termination = Termination.INTERRUPTED
            certificate = self._certificate(measure, termination)
        if certificate.verdict is Verdict.OPTIMAL:
            termination = Termination.CONVERGED
        elif termination is Termination.CONVERGED:
            termination = Termination.STALLED
        return self._wrap(measure, certificate, termination, why)

    def _certificate(self, measure: AtomicMeasure, termination: Termination) -> Certificate:
        """Certify what is returned, with its own dual vector and the best one of the loop."""
        problem = self.problem
        current = evaluate(problem, measure)
        alpha = problem.loss.dual_from_fit(current.fit, problem.y)
        if alpha is not None:
            alpha = without_skip(alpha, self.basis)
        elif self.proof is not None:
            alpha = self.proof[0]
        else:
            alpha = self.multipliers
        budget = Budget(self._certificate_deadline(termination), DEFAULT_NODES)
        report = self.oracle.maximise(
            DualFunction(problem, self.space, alpha), tolerance=1e-10,
            starts=self._directions(), budget=budget,
        )  # fmt: skip
        reports = [(alpha, report)]
        certificate = certificate_from_reports(problem, current, reports, tol_gap=self.tol_gap)
        if certificate.is_optimal or self.proof is None:
            return certificate
        reports.append(self.proof)
        return certificate_from_reports(problem, current, reports, tol_gap=self.tol_gap)

    # -- the loop -----------------------------------------------------------------------

    def _begin(self, first: AtomicMeasure | None) -> None:
        """Put the first cells in play."""
        problem, training = self.problem, self.training
        zero = Neurons(
            np.zeros((0, self.space.rank)), np.zeros(0), np.zeros(training.skip_columns.shape[1])
        )
        if training.skip_columns.shape[1]:
            skip = np.asarray(np.linalg.lstsq(training.skip_columns, problem.y, rcond=None)[0])
            zero = Neurons(zero.weights, zero.signs, skip)
        self._offer(zero)
        if first is not None and len(first):
            weights = self.space.coordinates(first.atoms * np.abs(first.masses)[:, None])
            skip = np.zeros(len(zero.skip))
            if first.skip is not None and len(skip):
                skip = np.append(first.skip.linear, first.skip.constant)[-len(skip) :]
            self._offer(Neurons(weights, np.sign(first.masses), skip))
            for point, mass in zip(weights, first.masses, strict=True):
                self.master.add(point, math.copysign(1.0, mass))
        alpha = without_skip(problem.y, self.basis)
        if training.loss.is_hard_constraint:
            self.multipliers = np.zeros(problem.n)
            dual = DualFunction(problem, self.space, alpha)
            axes = np.vstack([np.eye(self.space.rank), -np.eye(self.space.rank)])
            top = float(np.abs(dual.values(climbed(dual, axes))).max(initial=0.0))
            self.penalty = _FIRST_PENALTY * top or 1.0
            self.least_penalty = _LEAST_PENALTY * top or 1.0
        self._price(alpha, np.zeros((0, self.space.rank)), level=0.0)

    def _generate_cells(self) -> Termination:
        training, master = self.training, self.master
        limit = self.problem.lam
        price_level = limit * (1.0 + max(1e-10, 0.05 * self.tol_gap))
        idle_rounds, most_idle = 0, _IDLE_ROUNDS if training.loss.is_hard_constraint else 0
        while True:
            if time.perf_counter() >= self.deadline:
                return Termination.TIME_LIMIT
            if self.rounds >= self.max_rounds:
                return Termination.ROUND_LIMIT
            if not master.cells:
                return self._prove(self._zero_dual()) or Termination.STALLED
            self.rounds += 1
            neurons, alpha = self._solve_master()
            if neurons is None or alpha is None:
                return Termination.NUMERICAL
            added_walls = master.impose_violated_walls(neurons)
            neurons = training.without_far_kinks(neurons)
            busy = training.norms(neurons.weights)
            kept = busy > 1e-7 * float(busy.max(initial=0.0))
            neurons = Neurons(neurons.weights[kept], neurons.signs[kept], neurons.skip)
            self._offer(neurons)
            master.drop_idle(busy)
            self._report("generating cells")
            if self._price(alpha, neurons.weights, level=price_level) or added_walls:
                continue
            better = self._polish(neurons, alpha)
            if better is not None:
                alpha = without_skip(better, self.basis)
            outcome = self._prove(alpha)
            if outcome is Termination.STALLED and idle_rounds < most_idle:
                idle_rounds += 1
            elif outcome is not None:
                return outcome

    def _solve_master(self) -> tuple[Neurons | None, NDArray[np.float64] | None]:
        """One restricted program: neurons and the dual vector, orthogonal to the skip.

        Interpolation is approached by the proximal method of multipliers: with multipliers q
        and a small rho, min rho |mu| + 1/2 |fit - (y + rho q)|^2 is a program of the squared
        loss, always feasible and well conditioned, and its residual over rho is the next q.
        """
        training = self.training
        began = time.perf_counter()
        if training.loss.is_hard_constraint:
            rho = self.penalty
            target = training.y + rho * self.multipliers
            neurons, residual = self.master.solve(target, rho, self._seconds_left())
            alpha = None if residual is None else without_skip(residual / rho, self.basis)
            if alpha is not None:
                self.multipliers = alpha
                self.penalty = max(rho / 3.0, self.least_penalty)
        else:
            neurons, alpha = self.master.solve(training.y, training.lam, self._seconds_left())
            alpha = None if alpha is None else without_skip(alpha, self.basis)
        self.master_seconds += time.perf_counter() - began
        return neurons, alpha

    def _prove(self, alpha: NDArray[np.float64]) -> Termination | None:
        """Ask the oracle; None when it put new cells in play."""
        limit = self.problem.lam
        level = limit * (1.0 + 0.1 * self.tol_gap)
        dual = DualFunction(self.problem, self.space, alpha)
        starts = self._directions()
        budget = Budget(self.deadline, DEFAULT_NODES)
        self._report("proving")
        # Coarsely first: a clear violation need not be located to the last digit.
        for tolerance in (1e-2, 1e-10):
            began = time.perf_counter()
            report = self.oracle.maximise(
                dual, level=level, tolerance=tolerance, starts=starts, budget=budget
            )
            self.oracle_calls += 1
            self.oracle_seconds += time.perf_counter() - began
            if report.scope is Scope.COMPLETE:
                value, _ = dual_bound(self.problem, alpha, report.upper, self.best_value)
                if value > self.bound:
                    self.bound, self.proof = value, (alpha, report)
            if relative(self.best_value - self.bound, self.best_value, self.bound) <= self.tol_gap:
                return Termination.CONVERGED
            if self._add_cells(report.peaks, report.peak_values, most=2 * _MOST_NEW_CELLS):
                return None
            if report.termination is not Termination.CONVERGED:
                return report.termination
        return Termination.STALLED

    # -- pieces ---------------------------------------------------------------------------

    def _price(self, alpha: NDArray[np.float64], starts: NDArray[np.float64], level: float) -> int:
        began = time.perf_counter()
        dual = DualFunction(self.problem, self.space, alpha)
        peaks, values = priced_peaks(
            dual, starts, level=level, rng=self.rng, n_most=4 * _MOST_NEW_CELLS
        )
        added = self._add_cells(peaks, values, most=_MOST_NEW_CELLS)
        self.pricing_seconds += time.perf_counter() - began
        return added

    def _add_cells(
        self, peaks: NDArray[np.float64], values: NDArray[np.float64], *, most: int
    ) -> int:
        added = 0
        for peak, value in zip(peaks, values, strict=True):
            sign = math.copysign(1.0, value)
            if added < most and not self.master.holds(peak, sign):
                added += self.master.add(peak, sign)
        return added

    def _polish(self, neurons: Neurons, alpha: NDArray[np.float64]) -> NDArray[np.float64] | None:
        """Converge on the faces; offers what is found and returns its dual."""
        dual = DualFunction(self.problem, self.space, alpha)
        for found, multipliers in polished(self.training, neurons, dual, self.basis):
            objective = self.training.objective(found)
            if not math.isfinite(objective):
                continue
            if self.sparse is None or objective < self.training.objective(self.sparse):
                self.sparse = found
            if objective <= self.best_value + 1e-9 * abs(self.best_value):
                self._offer(found, slack=1e-11)
                return multipliers
        return None

    def _offer(self, neurons: Neurons, slack: float = 0.0) -> None:
        """Keep the neurons if they are better than, or with slack as good as, the best."""
        objective = self.training.objective(neurons)
        if objective <= self.best_value * (1.0 + slack) or self.best is None:
            self.best, self.best_value = neurons, objective

    def _directions(self) -> NDArray[np.float64]:
        assert self.best is not None
        return self.best.weights[self.training.norms(self.best.weights) > 0.0]

    def _zero_dual(self) -> NDArray[np.float64]:
        assert self.best is not None
        return without_skip(self.problem.y - self.training.fit(self.best), self.basis)

    def _best_measure(self) -> AtomicMeasure:
        """The best neurons as a measure, pruned to an extreme point."""
        assert self.best is not None
        neurons = self.best
        if self.sparse is not None and len(self.sparse) < len(neurons):
            # A little dearer, but within the gap asked for, and on its faces.
            objective = self.training.objective(self.sparse)
            if relative(objective - self.bound, objective, self.bound) <= 0.9 * self.tol_gap:
                neurons = self.sparse
        if len(neurons):
            neurons = merged(self.training, neurons, cosine=1.0 - 1e-12, slack=0.0)
            neurons = pruned(self.training, neurons)
        weights = self.space.weights(neurons.weights)
        norms = self.problem.weight_norm(weights)
        keep = norms > 0.0
        return AtomicMeasure(
            weights[keep] / norms[keep, None], neurons.signs[keep] * norms[keep],
            self._skip(neurons.skip),
        )  # fmt: skip

    def _skip(self, coefficients: NDArray[np.float64] | None) -> Skip | None:
        if coefficients is None:
            coefficients = np.zeros(self.training.skip_columns.shape[1])
        return skip_from_coefficients(self.problem, coefficients)

    def _seconds_left(self) -> float | None:
        if math.isinf(self.deadline):
            return None
        return max(0.01, self.deadline - time.perf_counter())

    def _certificate_deadline(self, termination: Termination) -> float:
        if termination is Termination.INTERRUPTED:
            return time.perf_counter() + 1.0
        if math.isinf(self.deadline):
            return math.inf
        return max(self.deadline, time.perf_counter() + 0.2)

    def _report(self, message: str) -> None:
        if self.callback is not None:
            gap = relative(self.best_value - self.bound, self.best_value, self.bound)
            self.callback(
                Progress(self.rounds, len(self.master.cells), self.best_value, self.bound, gap,
                         time.perf_counter() - self.began, message)
            )  # fmt: skip

    def _wrap(
        self, measure: AtomicMeasure, certificate: Certificate, termination: Termination, why: str
    ) -> Solution:
        stats: dict[str, Any] = {
            "rounds": self.rounds, "cells": len(self.master.cells), "oracle": self.oracle.name,
            "oracle_why": why, "oracle_calls": self.oracle_calls, "backend": self.backend.name,
            "rank": self.space.rank, "seconds": time.perf_counter() - self.began,
            "seconds_oracle": self.oracle_seconds, "seconds_master": self.master_seconds,
            "seconds_pricing": self.pricing_seconds,
        }  # fmt: skip
        return Solution(
            problem=self.problem, measure=measure, dual=certificate.dual,
            certificate=certificate, termination=termination, stats=stats,
        )  # fmt: skip


def _check_arguments(
    tol_gap: float, time_limit: float | None, max_rounds: int, n_jobs: int
) -> None:
    for name, value in (("tol_gap", tol_gap), ("time_limit", time_limit)):
        if value is None:
            continue
        if (
            isinstance(value, bool)
            or not isinstance(value, (int, float, np.number))
            or not (math.isfinite(value) and value > 0.0)
        ):
            raise InvalidProblem(f"{name}: expected a finite number > 0, found {value!r}.")
    for name, count in (("max_rounds", max_rounds), ("n_jobs", n_jobs)):
        if isinstance(count, bool) or not isinstance(count, (int, np.integer)) or count < 1:
            raise InvalidProblem(f"{name}: expected an integer >= 1, found {count!r}.")
