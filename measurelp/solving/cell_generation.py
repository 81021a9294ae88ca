"""The ten-line story: generate cells until the certificate closes.

The loop is :meth:`CellGeneration._generate_cells`; the rest of the file is its pieces, which share
the state of one call (the best measure, the best proof, the masters), and so stand together.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from measurelp._jit_kernels import compile_seconds
from measurelp.backends import Backend
from measurelp.certificate import (
    Certificate,
    admissible_dual,
    certificate_from_reports,
    evaluate,
    infeasible_certificate,
    interpolation_obstacle,
    orthonormal_span,
    skip_basis,
    without_skip,
)
from measurelp.certificate.bounds import dual_bound
from measurelp.certificate.certificate import relative
from measurelp.certificate.certify import DEFAULT_NODES, DualReport
from measurelp.masters.atom_master import AtomMaster
from measurelp.masters.conic_master import ConicMaster
from measurelp.masters.joint_master import JointMaster
from measurelp.masters.master import Master, Solved
from measurelp.masters.neurons import Neurons, Training, merged, pruned
from measurelp.masters.newton_master import NewtonMaster
from measurelp.masters.null_model import null_model
from measurelp.masters.polish import polished
from measurelp.masters.sliding_master import SlidingMaster
from measurelp.measure import AtomicMeasure, Skip
from measurelp.oracle import Budget, DualFunction, Oracle, choose_oracle
from measurelp.oracle.ascent import climbed
from measurelp.problem import MeasureProblem, RowSpace, row_space
from measurelp.program.formulate import skip_from_coefficients
from measurelp.solving.interrupts import Interrupts
from measurelp.solving.pricing import priced_peaks
from measurelp.solving.progress import Callback, Progress
from measurelp.solving.solution import Solution
from measurelp.status import Scope, Termination, Verdict

# Where the oracle is dear, ascent is tried harder before it: penalised coordinates and rows.
_DEAR = ((5, 0), (4, 5000))
_SEED = 20260101
# Interpolation: the proximal parameter, in units of the lam from which zero is optimal.
_FIRST_PENALTY = 1e-2
_LEAST_PENALTY = 1e-5
_IDLE_ROUNDS = 15
# From so many rows on, a tenth of them is solved first, to this gap.
_MANY_ROWS, _COARSE_GAP = 20_000, 1e-3
_RELU = (1.0, 0.0)
_FINE = 1e-3  # of the gap asked for: how finely the oracle looks, which hardly costs more
# Sliding is given up after so many rounds without headway, or calls that did not converge.
_PATIENCE, _MOST_FAILURES = 8, 2


def unclaimed(certificate: Certificate) -> Certificate:
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


@dataclass
class CellGeneration:
    """One call of :func:`~measurelp.solve`: the loop and the best bracket so far."""

    problem: MeasureProblem
    space: RowSpace
    oracle: Oracle
    backend: Backend
    slides: bool
    tol_gap: float
    max_rounds: int
    callback: Callback | None
    deadline: float
    interrupts: Interrupts
    began: float = field(default_factory=time.perf_counter)
    compiled: float = field(default_factory=compile_seconds)
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
    watched: float = math.inf
    headway: int = 0

    def __post_init__(self) -> None:
        problem, space = self.problem, self.space
        self.training = Training.of(problem, space)
        self.basis = skip_basis(problem)
        self.span = orthonormal_span(self.training.skip_columns)
        slides = self.slides and problem.loss.is_smooth and problem.activation.slopes == _RELU
        self.master: Master = ConicMaster(self.training, self.backend)
        if problem.ball.fan is not None:
            self.master = AtomMaster(self.training, None if self.slides else self.backend)
        elif problem.is_vector and problem.loss.is_smooth and not problem.loss.is_quadratic:
            self.master = NewtonMaster(self.training, self.backend)
        elif problem.is_vector:
            self.master = JointMaster(self.training, self.span, self.backend)
        elif slides and problem.loss.is_quadratic:
            self.master = SlidingMaster(self.training, self.span)
        elif slides:
            self.master = NewtonMaster(self.training, self.backend)
        self.rng = np.random.default_rng(_SEED)

    def solution(self, first: AtomicMeasure | None, why: str) -> Solution:
        """Solve, and certify whatever was reached."""
        if self.problem.loss.is_hard_constraint:
            q = interpolation_obstacle(self.problem)
            if q is not None:
                empty = AtomicMeasure(
                    np.zeros((0, self.problem.lifted.shape[1])),
                    np.zeros((0, *self.problem.y.shape[1:])), self._skip(None),
                )  # fmt: skip
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
        if certificate.verdict is Verdict.REFUTED:
            certificate = unclaimed(certificate)
        return self._wrap(measure, certificate, termination, why)

    def _certificate(self, measure: AtomicMeasure, termination: Termination) -> Certificate:
        """Certify what is returned, by the best proof of the loop or by its own dual vector."""
        problem, tol_gap = self.problem, self.tol_gap
        current = evaluate(problem, measure)
        proofs = [] if self.proof is None else [self.proof]
        if proofs:
            certificate = certificate_from_reports(problem, current, proofs, tol_gap=tol_gap)
            if certificate.is_optimal:
                return certificate
        alpha = problem.dual_from_fit(current.fit)
        if alpha is not None:
            alpha = self._admissible(alpha)
        else:
            alpha = proofs[0][0] if proofs else self.multipliers
        budget = Budget(self._certificate_deadline(termination), DEFAULT_NODES)
        report = self.oracle.maximise(
            DualFunction(problem, self.space, alpha), tolerance=_FINE * tol_gap,
            starts=self._directions(), budget=budget,
        )  # fmt: skip
        reports = [(alpha, report), *proofs]
        return certificate_from_reports(problem, current, reports, tol_gap=tol_gap)

    # -- the loop -----------------------------------------------------------------------

    def _coarse_start(self) -> AtomicMeasure:
        """The solution for a tenth of the data, to a coarse gap."""
        problem = self.problem
        chosen = np.sort(self.rng.choice(problem.n, problem.n // 10, replace=False))
        coarse = replace(
            problem,
            X=problem.X[chosen],
            y=problem.y[chosen],
            lam=problem.lam * len(chosen) / problem.n,
            sample_weight=problem.sample_weight[chosen],
        )
        space = row_space(coarse)
        oracle, why = choose_oracle(None, space)
        run = replace(
            self, problem=coarse, space=space, oracle=oracle, tol_gap=_COARSE_GAP, callback=None
        )
        return run.solution(None, why).measure

    def _begin(self, first: AtomicMeasure | None) -> None:
        """Put the first cells in play."""
        problem, training = self.problem, self.training
        if first is None and problem.n >= _MANY_ROWS and isinstance(self.master, SlidingMaster):
            first = self._coarse_start()
        zero, start = null_model(training, self.backend)
        self._offer(zero)
        if first is not None and len(first):
            sizes = problem.mass_norm(first.masses)
            weights = self.space.coordinates(first.atoms * sizes[:, None])
            skip = np.zeros_like(zero.skip)
            if first.skip is not None and len(skip):
                constant = np.broadcast_to(first.skip.constant, (1, *skip.shape[1:]))
                skip = np.concatenate([first.skip.linear, constant])[-len(skip) :]
            known = Neurons(weights, (first.masses.T / sizes).T, skip)
            if len(known) > problem.n * problem.n_outputs:
                known = pruned(training, known)
            self._offer(known)
            self.master.begin(known)
        alpha = self.multipliers = self._admissible(training.to_problem(start))
        if training.loss.is_hard_constraint:
            self.multipliers = np.zeros(problem.y.shape)
            dual = DualFunction(problem, self.space, alpha)
            axes = np.vstack([np.eye(self.space.rank), -np.eye(self.space.rank)])
            top = float(dual.sizes(dual.values(climbed(dual, axes))).max(initial=0.0))
            self.penalty = _FIRST_PENALTY * top or 1.0
            self.least_penalty = _LEAST_PENALTY * top or 1.0
        if not self.master.n_cells:
            self._price(alpha, np.zeros((0, self.space.rank)), level=0.0)

    def _generate_cells(self) -> Termination:
        limit = self.problem.lam
        price_level = limit * (1.0 + max(1e-10, 0.05 * self.tol_gap))
        training = self.training
        is_proximal = training.loss.is_hard_constraint and self.master.is_proximal
        idle_rounds, most_idle = 0, _IDLE_ROUNDS if is_proximal else 0
        while True:
            if self.interrupts.requested:
                return Termination.INTERRUPTED
            if self._seconds_to_go <= 0.0:
                return Termination.TIME_LIMIT
            if self.rounds >= self.max_rounds:
                return Termination.ROUND_LIMIT
            if not self.master.n_cells:
                outcome = self._prove(self._zero_dual())
                if outcome is not None:
                    return outcome
            self.rounds += 1
            solved = self._solve_master()
            if solved is None:
                return Termination.NUMERICAL
            alpha = solved.dual
            self._offer(solved.neurons)
            if self.problem.is_vector and solved.is_settled:
                self._offer_sparse(solved.neurons)
            self._report("generating cells")
            if self._gives_up_sliding(solved.neurons):
                continue
            if self._price(alpha, solved.neurons.weights, level=price_level):
                continue
            if not solved.is_settled:
                continue
            if self._oracle_is_dear and self._price(
                alpha, solved.neurons.weights, level=price_level, thoroughly=True
            ):
                continue
            if not solved.is_stationary:
                better = self._polish(solved.neurons, alpha)
                if better is not None:
                    alpha = self._admissible(training.to_problem(better))
            outcome = self._prove(alpha)
            if outcome is Termination.STALLED and idle_rounds < most_idle:
                idle_rounds += 1
            elif outcome is not None:
                return outcome

    @property
    def _oracle_is_dear(self) -> bool:
        p, n = self.space.n_penalized, len(self.space.distinct)
        return any(p >= least_p and n >= least_n for least_p, least_n in _DEAR)

    def _gives_up_sliding(self, neurons: Neurons) -> bool:
        """Where sliding makes no headway, go on with the cone program over the neurons' cells."""
        master = self.master
        if self.best_value < self.watched - 1e-9 * abs(self.best_value):
            self.watched, self.headway = self.best_value, self.rounds
        if not isinstance(master, (SlidingMaster, NewtonMaster)) or self.problem.is_vector:
            return False
        if master.failures < _MOST_FAILURES and self.rounds - self.headway < _PATIENCE:
            return False
        self.master = ConicMaster(self.training, self.backend)
        self.master.begin(neurons)
        return True

    def _solve_master(self) -> Solved | None:
        """One restricted program; its dual vector is made the problem's, orthogonal to the skip.

        Interpolation is approached by the proximal method of multipliers: with multipliers q
        and a small rho, min rho |mu| + 1/2 |fit - (y + rho q)|^2 is a program of the squared
        loss, always feasible and well conditioned, and its residual over rho is the next q.
        """
        training = self.training
        began = time.perf_counter()
        if training.loss.is_hard_constraint and self.master.is_proximal:
            rho = self.penalty
            target = training.y + rho * self.multipliers
            solved = self.master.solve(target, rho, self._seconds_left())
            if solved is not None:
                solved = replace(solved, dual=without_skip(solved.dual / rho, self.basis))
                if solved.is_settled or not self.problem.is_vector:
                    self.multipliers = solved.dual
                    self.penalty = max(rho / 3.0, self.least_penalty)
        else:
            solved = self.master.solve(training.y, training.lam, self._seconds_left())
            if solved is not None:
                solved = replace(solved, dual=self._admissible(training.to_problem(solved.dual)))
                self.multipliers = solved.dual
        self.master_seconds += time.perf_counter() - began
        return solved

    def _prove(self, alpha: NDArray[np.float64]) -> Termination | None:
        """Ask the oracle; None when it put new cells in play."""
        level = self.problem.lam * (1.0 + _FINE * self.tol_gap)
        dual = DualFunction(self.problem, self.space, alpha)
        self._report("proving")
        began = time.perf_counter()
        report = self.oracle.maximise(
            dual, level=level, tolerance=_FINE * self.tol_gap, starts=self._directions(),
            budget=Budget(
                time.perf_counter() + self._seconds_to_go, DEFAULT_NODES, self.interrupts,
                report=None if self.callback is None else partial(self._report_proof, alpha),
            ),
        )  # fmt: skip
        self.oracle_calls += 1
        self.oracle_seconds += time.perf_counter() - began
        if report.scope is Scope.COMPLETE:
            value, _ = dual_bound(self.problem, alpha, report.upper)
            if value > self.bound:
                self.bound, self.proof = value, (alpha, report)
        if relative(self.best_value - self.bound, self.best_value, self.bound) <= self.tol_gap:
            return Termination.CONVERGED
        if self._add_cells(report.peaks, report.peak_values, most=2 * self.master.most_new):
            return None
        if self.interrupts.requested:
            return Termination.INTERRUPTED
        if report.termination is not Termination.CONVERGED:
            return report.termination
        return Termination.STALLED

    # -- pieces ---------------------------------------------------------------------------

    def _price(
        self,
        alpha: NDArray[np.float64],
        starts: NDArray[np.float64],
        *,
        level: float,
        thoroughly: bool = False,
    ) -> int:
        began = time.perf_counter()
        dual = DualFunction(self.problem, self.space, alpha)
        peaks, values = priced_peaks(
            dual, starts, level=level, rng=self.rng, n_most=4 * self.master.most_new,
            thoroughly=thoroughly,
        )  # fmt: skip
        added = self._add_cells(peaks, values, most=self.master.most_new)
        self.pricing_seconds += time.perf_counter() - began
        return added

    def _add_cells(
        self, peaks: NDArray[np.float64], values: NDArray[np.float64], *, most: int
    ) -> int:
        added = 0
        for peak, value in zip(peaks, values, strict=True):
            if added < most:
                added += self.master.add(peak, value / np.linalg.norm(value))
        return added

    def _polish(self, neurons: Neurons, alpha: NDArray[np.float64]) -> NDArray[np.float64] | None:
        """Converge on the faces; offers what is found and returns its dual."""
        dual = DualFunction(self.problem, self.space, alpha)
        for found, multipliers in polished(self.training, neurons, dual, self.span):
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
        worse = objective - self.best_value if math.isfinite(objective) else math.inf
        if self.best is None or worse <= slack * abs(self.best_value) or worse <= 0.0:
            self.best, self.best_value = neurons, objective

    def _offer_sparse(self, neurons: Neurons) -> None:
        """Keep the fewest neurons that were stationary; whether they are good enough is seen later."""
        if not math.isfinite(self.training.objective(neurons)):
            return
        if self.sparse is None or len(neurons) <= len(self.sparse):
            self.sparse = neurons

    def _directions(self) -> NDArray[np.float64]:
        assert self.best is not None
        return self.best.weights[self.training.norms(self.best.weights) > 0.0]

    def _zero_dual(self) -> NDArray[np.float64]:
        assert self.best is not None
        if not self.training.loss.is_hard_constraint:
            return self.multipliers
        return without_skip(self.problem.y - self.training.fit(self.best), self.basis)

    def _admissible(self, alpha: NDArray[np.float64]) -> NDArray[np.float64]:
        return admissible_dual(self.problem, alpha, self.basis)

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
            weights[keep] / norms[keep, None], (neurons.signs[keep].T * norms[keep]).T,
            self._skip(neurons.skip),
        )  # fmt: skip

    def _skip(self, coefficients: NDArray[np.float64] | None) -> Skip | None:
        if coefficients is None:
            coefficients = np.zeros(
                (self.training.skip_columns.shape[1], *self.problem.y.shape[1:])
            )
        return skip_from_coefficients(self.problem, coefficients)

    @property
    def _seconds_to_go(self) -> float:
        """Until the deadline, which compiling kernels puts off."""
        return self.deadline + (compile_seconds() - self.compiled) - time.perf_counter()

    def _seconds_left(self) -> float | None:
        if math.isinf(self.deadline):
            return None
        return max(0.01, self._seconds_to_go)

    def _certificate_deadline(self, termination: Termination) -> float:
        if termination is Termination.INTERRUPTED:
            return time.perf_counter() + 1.0
        if math.isinf(self.deadline):
            return math.inf
        return time.perf_counter() + max(self._seconds_to_go, 0.2)

    def _report_proof(self, alpha: NDArray[np.float64], nodes: int, upper: float) -> None:
        """Tell the callback how far the oracle is."""
        value, _ = dual_bound(self.problem, alpha, upper)
        self._report("proving", max(self.bound, value), nodes)

    def _report(self, message: str, bound: float = -math.inf, nodes: int = 0) -> None:
        if self.callback is not None:
            bound = max(bound, self.bound)
            gap = relative(self.best_value - bound, self.best_value, bound)
            self.callback(
                Progress(self.rounds, self.master.n_cells, self.best_value, bound, gap,
                         time.perf_counter() - self.began, message, nodes)
            )  # fmt: skip

    def _wrap(
        self, measure: AtomicMeasure, certificate: Certificate, termination: Termination, why: str
    ) -> Solution:
        stats: dict[str, Any] = {
            "rounds": self.rounds, "cells": self.master.n_cells, "oracle": self.oracle.name,
            "master": self.master.name,
            "oracle_why": why, "oracle_calls": self.oracle_calls, "backend": self.backend.name,
            "rank": self.space.rank, "seconds": time.perf_counter() - self.began,
            "seconds_oracle": self.oracle_seconds, "seconds_master": self.master_seconds,
            "seconds_pricing": self.pricing_seconds,
        }  # fmt: skip
        return Solution(
            problem=self.problem, measure=measure, dual=certificate.dual,
            certificate=certificate, termination=termination, stats=stats,
        )  # fmt: skip
