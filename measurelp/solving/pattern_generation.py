"""Threshold units: a linear, quadratic or cone program over patterns, columns generated.

All patterns are known beforehand, so pricing is exact and its answer is the proof: the loop is that
of :class:`~measurelp.solving.cell_generation.CellGeneration` without anything to search for.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from measurelp.arrangement import Arrangement
from measurelp.backends import Backend
from measurelp.certificate import (
    Certificate,
    certificate_from_reports,
    evaluate,
    infeasible_certificate,
    skip_basis,
)
from measurelp.certificate.bounds import admissible_dual, dual_bound
from measurelp.certificate.certificate import relative
from measurelp.certificate.certify import DualReport
from measurelp.certificate.feasibility import null_obstacle
from measurelp.dictionary.patterns import Patterns
from measurelp.masters.atom_master import AtomMaster
from measurelp.masters.neurons import Matrix, Neurons, Training, Vector, pruned
from measurelp.masters.null_model import null_model
from measurelp.measure import AtomicMeasure
from measurelp.oracle import DualFunction, PatternOracle
from measurelp.problem import Interpolation, MeasureProblem, row_space
from measurelp.program.formulate import skip_from_coefficients
from measurelp.solving.cell_generation import unclaimed
from measurelp.solving.interrupts import Interrupts
from measurelp.solving.progress import Callback, Progress
from measurelp.solving.solution import Solution
from measurelp.status import Termination, Verdict

_FINE = 1e-3


@dataclass(frozen=True, eq=False)
class PatternTraining(Training):
    """A training whose weights are (index of a pattern, 1), times a mass: homogeneous again."""

    active: NDArray[np.bool_] = None  # type: ignore[assignment]

    @classmethod
    def over(cls, problem: MeasureProblem, patterns: Patterns) -> PatternTraining:
        """The training over all patterns."""
        plain = Training.of(problem, row_space(problem))
        fields = vars(plain) | {"rows": np.zeros((problem.n, 2)), "n_penalized": 2}
        return cls(**fields, active=patterns.active)

    def norms(self, weights: Matrix) -> Vector:
        return np.asarray(weights[:, 1])

    def features(self, weights: Matrix) -> Matrix:
        values = self.active[self.indices(weights)].T * weights[:, 1]
        return np.asarray(values if self.root is None else values * self.root[:, None])

    @staticmethod
    def indices(weights: Matrix) -> NDArray[np.intp]:
        """Which patterns these are."""
        return np.rint(weights[:, 0] / weights[:, 1]).astype(np.intp)


def solve_over_patterns(
    problem: MeasureProblem,
    oracle: PatternOracle,
    backend: Backend,
    why: str,
    *,
    is_default_backend: bool,
    tol_gap: float,
    max_rounds: int,
    deadline: float,
    callback: Callback | None,
    interrupts: Interrupts,
) -> Solution:
    """See :func:`measurelp.solve`; a threshold unit's mass is free of any norm of its weight."""
    began = time.perf_counter()
    patterns = oracle.patterns(problem)
    training = PatternTraining.over(problem, patterns)
    space, basis = row_space(problem), skip_basis(problem)
    master = AtomMaster(training, None if is_default_backend else backend)
    zero, start = null_model(training, backend)
    best, best_value = zero, training.objective(zero)
    alpha = admissible_dual(problem, training.to_problem(start), basis)
    proof: DualReport | None = None
    bound, rounds = -math.inf, 0
    termination = Termination.CONVERGED

    def finished(measure: AtomicMeasure, certificate: Certificate, end: Termination) -> Solution:
        stats = {
            "rounds": rounds, "cells": master.n_cells, "oracle": oracle.name, "master": master.name,
            "oracle_why": why, "backend": backend.name, "patterns": len(patterns.active),
            "seconds": time.perf_counter() - began,
        }  # fmt: skip
        return Solution(problem, measure, certificate.dual, certificate, end, stats)

    obstacle = _obstacle(problem, patterns) if problem.loss.is_hard_constraint else None
    if obstacle is not None:
        certificate = infeasible_certificate(problem, obstacle)
        nothing = _measure(problem, patterns, zero)
        return finished(nothing, certificate, Termination.INFEASIBLE)
    is_settled = True
    while True:
        dual = DualFunction(problem, space, alpha)
        report = oracle.maximise(dual)
        value, _ = dual_bound(problem, alpha, report.upper)
        if proof is None or value > bound:
            bound, proof = value, (alpha, report)
        gap = relative(best_value - bound, best_value, bound)
        if callback is not None:
            seconds = time.perf_counter() - began
            callback(Progress(rounds, master.n_cells, best_value, bound, gap, seconds, "proving"))
        if gap <= tol_gap:
            break
        added = _add(master, patterns, oracle.values(dual), problem.lam * (1.0 + _FINE * tol_gap))
        if not added and is_settled and rounds:
            termination = Termination.STALLED
            break
        if interrupts.requested:
            termination = Termination.INTERRUPTED
        elif time.perf_counter() >= deadline:
            termination = Termination.TIME_LIMIT
        elif rounds >= max_rounds:
            termination = Termination.ROUND_LIMIT
        if termination is not Termination.CONVERGED:
            break
        rounds += 1
        left = None if math.isinf(deadline) else max(0.01, deadline - time.perf_counter())
        solved = master.solve(training.y, training.lam, left)
        if solved is None:
            termination = Termination.NUMERICAL
            break
        is_settled = solved.is_settled
        alpha = admissible_dual(problem, training.to_problem(solved.dual), basis)
        objective = training.objective(solved.neurons)
        if objective <= best_value:
            best, best_value = solved.neurons, objective
    measure = _measure(problem, patterns, pruned(training, best))
    certificate = certificate_from_reports(
        problem, evaluate(problem, measure), [proof], tol_gap=tol_gap
    )
    if certificate.verdict is Verdict.REFUTED:
        certificate = unclaimed(certificate)
    if certificate.is_optimal:
        termination = Termination.CONVERGED
    elif termination is Termination.CONVERGED:
        termination = Termination.STALLED
    return finished(measure, certificate, termination)


def _add(master: AtomMaster, patterns: Patterns, values: Vector, level: float) -> int:
    """Put the patterns where |eta| is largest above the level in play, those with a weight."""
    added = 0
    usable = np.flatnonzero(patterns.has_weight & (np.abs(values) > level))
    for k in usable[np.argsort(-np.abs(values[usable]), kind="stable")]:
        added += master.add(np.array([float(k), 1.0]), math.copysign(1.0, values[k]))
        if added == master.most_new:
            break
    return added


def _measure(problem: MeasureProblem, patterns: Patterns, neurons: Neurons) -> AtomicMeasure:
    """Neurons as a measure on the patterns' weights."""
    atoms = np.zeros((0, problem.lifted.shape[1]))
    if len(neurons):
        atoms = patterns.weights[PatternTraining.indices(neurons.weights)]
    masses = neurons.signs * neurons.weights[:, 1]
    return AtomicMeasure(atoms, masses, skip_from_coefficients(problem, neurons.skip))


def _obstacle(problem: MeasureProblem, patterns: Patterns) -> Vector | None:
    """q with <q, y> > 0 that is orthogonal to all patterns and the skip, None if there is none.

    Where two samples with other targets are told apart by nothing, q = e_i - e_j.  Otherwise, a
    hyperplane that only one row has lets its unit step there alone, so that q is 0 there.
    """
    seen: dict[bytes, int] = {}
    for i, column in enumerate(np.ascontiguousarray(patterns.active.T)):
        key = np.packbits(column).tobytes() + (problem.skip_columns[i] + 0.0).tobytes()
        first = seen.setdefault(key, i)
        if problem.y[first] != problem.y[i]:
            q = np.zeros(problem.n)
            q[i], q[first] = np.sign(problem.y[i] - problem.y[first]) * np.array([1.0, -1.0])
            return q
    line = Arrangement.from_data(problem.lifted).line_of_row
    count = np.bincount(line[line >= 0], minlength=1)
    shared = np.flatnonzero((line < 0) | (count[np.maximum(line, 0)] > 1))
    if len(shared) == 0:
        return None
    told_apart = np.unique(patterns.active[:, shared], axis=0).astype(np.float64)
    constraints = np.vstack([told_apart, problem.skip_columns[shared].T])
    loss = problem.loss
    assert isinstance(loss, Interpolation)
    return null_obstacle(constraints, shared, problem.y, loss.tolerance)
