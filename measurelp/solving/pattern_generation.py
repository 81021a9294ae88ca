"""Patterns of threshold units as columns: all are known, so pricing is exact and its answer is the proof.

A threshold unit's mass is free of any norm of its weight, so the restricted program is linear, quadratic or
conic in the masses of patterns.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from measurelp.arrangement import Arrangement
from measurelp.backends import Backend
from measurelp.certificate import infeasible_certificate, skip_basis
from measurelp.certificate.bounds import admissible_dual, dual_bound
from measurelp.certificate.feasibility import null_obstacle
from measurelp.dictionary.patterns import Patterns
from measurelp.masters.atom_master import AtomMaster
from measurelp.masters.neurons import Matrix, Neurons, Training, Vector, pruned
from measurelp.masters.null_model import null_model
from measurelp.measure import AtomicMeasure
from measurelp.oracle import DualFunction, PatternOracle
from measurelp.problem import Interpolation, MeasureProblem, row_space
from measurelp.program.formulate import skip_from_coefficients
from measurelp.solving.ending import certified, concluded
from measurelp.solving.generation import Bound, Columns, Found, Generation
from measurelp.solving.limits import Limits
from measurelp.solving.solution import Solution
from measurelp.status import Termination


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


@dataclass
class PatternGeneration(Columns):
    """The patterns in play and their master."""

    problem: MeasureProblem
    oracle: PatternOracle
    backend: Backend
    is_default_backend: bool

    def __post_init__(self) -> None:
        self.patterns = self.oracle.patterns(self.problem)
        self.training = PatternTraining.over(self.problem, self.patterns)
        self.space, self.basis = row_space(self.problem), skip_basis(self.problem)
        self.master = AtomMaster(self.training, None if self.is_default_backend else self.backend)

    @property
    def n_cells(self) -> int:
        """How many patterns are in play."""
        return self.master.n_cells

    def begin(self) -> list[Found]:
        """The best skip alone."""
        zero, start = null_model(self.training, self.backend)
        return [self._found(zero, start)]

    def solve(self, time_limit: float | None) -> list[Found]:
        """The best masses of the patterns in play."""
        solved = self.master.solve(self.training.y, self.training.lam, time_limit)
        return (
            [] if solved is None else [self._found(solved.neurons, solved.dual, solved.is_settled)]
        )

    def bound(self, dual: Vector, run: Generation) -> Bound:
        """Evaluate all patterns."""
        report = self.oracle.maximise(DualFunction(self.problem, self.space, dual))
        value, _ = dual_bound(self.problem, dual, report.upper)
        self.level = self.problem.lam * (1.0 + run.limits.fine)
        return Bound(value, dual, report)

    def add(self, bound: Bound) -> int:
        """Put the patterns where |eta| is largest above lam in play, those with a weight."""
        values, added = self.oracle.values(DualFunction(self.problem, self.space, bound.dual)), 0
        usable = np.flatnonzero(self.patterns.has_weight & (np.abs(values) > self.level))
        for k in usable[np.argsort(-np.abs(values[usable]), kind="stable")]:
            added += self.master.add(np.array([float(k), 1.0]), math.copysign(1.0, values[k]))
            if added == self.master.most_new:
                break
        return added

    def persists(self, found: Found, run: Generation) -> bool:
        """The price of a misfit may have to rise."""
        return not found.is_settled or run.rounds == 0

    def _found(self, neurons: Neurons, dual: Vector, is_settled: bool = True) -> Found:
        alpha = admissible_dual(self.problem, self.training.to_problem(dual), self.basis)
        return Found(neurons, self.training.objective(neurons), alpha, is_settled)

    def measure(self, neurons: Neurons) -> AtomicMeasure:
        """Neurons as a measure on the patterns' weights."""
        atoms = np.zeros((0, self.problem.lifted.shape[1]))
        if len(neurons):
            atoms = self.patterns.weights[PatternTraining.indices(neurons.weights)]
        masses = neurons.signs * neurons.weights[:, 1]
        return AtomicMeasure(atoms, masses, skip_from_coefficients(self.problem, neurons.skip))


def solve_over_patterns(columns: PatternGeneration, why: str, limits: Limits) -> Solution:
    """Generate patterns and certify what was reached; ``why`` says how the oracle was chosen."""
    problem, run = columns.problem, Generation(columns, limits)
    obstacle = _obstacle(problem, columns.patterns) if problem.loss.is_hard_constraint else None
    if obstacle is not None:
        measure = columns.measure(columns.begin()[0].point)
        certificate, termination = concluded(
            infeasible_certificate(problem, obstacle), Termination.INFEASIBLE
        )
    else:
        termination = run.run()
        assert run.best is not None
        measure = columns.measure(pruned(columns.training, run.best.point))
        certificate, termination = certified(
            run, measure, termination, columns.space, columns.oracle
        )
    stats = run.stats(
        oracle=columns.oracle.name, master=columns.master.name, oracle_why=why,
        backend=columns.backend.name, patterns=len(columns.patterns.active),
        patterns_without_weight=int(np.sum(~columns.patterns.has_weight)),
    )  # fmt: skip
    return Solution(problem, measure, certificate.dual, certificate, termination, stats)


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
