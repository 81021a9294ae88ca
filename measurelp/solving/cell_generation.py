"""Cells of weights as columns: searched for by ascent, and proved complete by an oracle.

On one cell and sign at most one atom is needed, so a restricted program is about a few cells, or about
neurons that slide over them; which master solves it is :mod:`measurelp.masters.choice`'s
to say.  With a ball of flat faces the columns are rays, and nothing else changes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from measurelp.backends import Backend
from measurelp.certificate import (
    admissible_dual,
    infeasible_certificate,
    interpolation_obstacle,
    orthonormal_span,
    skip_basis,
    without_skip,
)
from measurelp.certificate.bounds import dual_bound
from measurelp.certificate.certificate import relative
from measurelp.masters.choice import choose_master
from measurelp.masters.conic_master import ConicMaster
from measurelp.masters.master import Master
from measurelp.masters.neurons import Neurons, Training, merged, pruned
from measurelp.masters.newton_master import NewtonMaster
from measurelp.masters.null_model import null_model
from measurelp.masters.polish import interpolant, polished
from measurelp.masters.sliding_master import SlidingMaster
from measurelp.measure import AtomicMeasure
from measurelp.oracle import DualFunction, Oracle, choose_oracle
from measurelp.oracle.ascent import climbed
from measurelp.problem import MeasureProblem, RowSpace, row_space
from measurelp.program.formulate import skip_from_coefficients
from measurelp.solving.ending import certified, concluded
from measurelp.solving.generation import Bound, Columns, Found, Generation
from measurelp.solving.limits import Limits
from measurelp.solving.pricing import priced_peaks
from measurelp.solving.solution import Solution
from measurelp.status import Scope, Termination

Array = NDArray[np.float64]

# Where the oracle is dear, ascent is tried harder before it: penalised coordinates and rows.  With
# a free bias it bounds a slice for every row.  After so many proofs that found more than ascent
# had, ascent is tried harder everywhere.
_DEAR = ((5, 0), (4, 5000))
_DEAR_SLICED = ((4, 0), (2, 300))
_DEAR_PROOFS = 2
_SEED = 20260101
# Interpolation: the proximal parameter, in units of the lam from which zero is optimal.
_FIRST_PENALTY = 1e-2
_LEAST_PENALTY = 1e-5
_IDLE_ROUNDS = 15
# From so many rows on, a tenth of them is solved first, to this gap.
_MANY_ROWS, _COARSE_GAP = 20_000, 1e-3
# What eta may exceed lam by where ascent looks no further, of the gap asked for.  Half of it suffices
# where sliding makes restricted problems exact; but with few rows rounds are cheap, and more of them
# leave less for the oracle to find.
_PRICED, _PRICED_EXACT, _DEAR_ROUNDS = 0.05, 0.5, 5000
# Rows of an interpolation problem up to which a first interpolant comes from a linear program.
_MOST_INTERPOLATED = 1000
# Sliding is given up after so many rounds without headway, or calls that did not converge; those are
# forgiven while there is headway and neurons are few, as a share of the rows.
_PATIENCE, _MOST_FAILURES, _FEW = 8, 2, 0.5


@dataclass
class CellGeneration(Columns):
    """The cells in play, their master, and what is remembered between rounds."""

    problem: MeasureProblem
    space: RowSpace
    oracle: Oracle
    backend: Backend
    is_default_backend: bool
    limits: Limits
    first: AtomicMeasure | None = None
    sparse: Neurons | None = None
    best: Neurons | None = None
    multipliers: Array = field(default_factory=lambda: np.zeros(0))
    penalty: float = 1.0
    least_penalty: float = 1.0
    idle_rounds: int = 0
    watched: float = math.inf
    headway: int = 0

    def __post_init__(self) -> None:
        self.training = Training.of(self.problem, self.space)
        self.basis = skip_basis(self.problem)
        self.span = orthonormal_span(self.training.skip_columns)
        self.master: Master = choose_master(
            self.problem, self.training, self.span, self.backend,
            is_default_backend=self.is_default_backend,
        )  # fmt: skip
        self.rng = np.random.default_rng(_SEED)

    @property
    def n_cells(self) -> int:
        """Cells in the restricted program, or neurons and directions."""
        return self.master.n_cells

    # -- what columns are asked -------------------------------------------------------------

    def begin(self) -> list[Found]:
        """The best skip alone, and the measure that the caller knows."""
        training = self.training
        zero, start = null_model(training, self.backend)
        alpha = self.multipliers = self._admissible(training.to_problem(start))
        known = [zero]
        first = self.first
        if (
            first is None
            and self.problem.n >= _MANY_ROWS
            and isinstance(self.master, SlidingMaster)
        ):
            first = self._coarse_start()
        if first is not None and len(first):
            known.append(self._neurons(first, zero))
            self.master.begin(known[-1])
        if training.loss.is_hard_constraint:
            self.multipliers = np.zeros(self.problem.y.shape)
            dual = DualFunction(self.problem, self.space, alpha)
            axes = np.vstack([np.eye(self.space.rank), -np.eye(self.space.rank)])
            top = float(dual.sizes(dual.values(climbed(dual, axes))).max(initial=0.0))
            self.penalty = _FIRST_PENALTY * top or 1.0
            self.least_penalty = _LEAST_PENALTY * top or 1.0
            known = [*self._some_interpolant(zero, dual), *known]
        return [Found(one, training.objective(one), alpha) for one in known]

    def solve(self, time_limit: float | None) -> list[Found]:
        """One restricted program; its dual vector is made the problem's, orthogonal to the skip.

        Interpolation is approached by the proximal method of multipliers: with multipliers q
        and a small rho, min rho |mu| + 1/2 |fit - (y + rho q)|^2 is a program of the squared
        loss, always feasible and well conditioned, and its residual over rho is the next q.
        """
        training, master = self.training, self.master
        if not master.n_cells:
            return [self._as_it_is()]
        if self._is_proximal:
            rho = self.penalty
            target = training.y + rho * self.multipliers
            solved = master.solve(target, rho, time_limit)
            if solved is None:
                return []
            dual = without_skip(solved.dual / rho, self.basis)
            if solved.is_settled or not self.problem.is_vector:
                self.multipliers = dual
                self.penalty = max(rho / 3.0, self.least_penalty)
        else:
            solved = master.solve(training.y, training.lam, time_limit)
            if solved is None:
                return []
            dual = self.multipliers = self._admissible(training.to_problem(solved.dual))
        neurons = solved.neurons
        if self.problem.is_vector and solved.is_settled:
            self._keep_sparse(neurons)
        return [Found(neurons, training.objective(neurons), dual,
                      solved.is_settled, solved.is_stationary)]  # fmt: skip

    def grow(self, found: Found, run: Generation) -> bool:
        """Climb to cells where |eta| exceeds lam; where that finds none, a proof is worth its cost."""
        assert run.best is not None
        self.best = run.best.point
        if run.rounds == 0:
            nowhere = np.zeros((0, self.space.rank))
            return bool(self.n_cells) or self._price(found.dual, nowhere, level=0.0) > 0
        if self._gives_up_sliding(found.point, run):
            return True
        exact = isinstance(self.master, SlidingMaster) and self.training.loss.is_quadratic
        priced = _PRICED_EXACT if exact and self.problem.n >= _DEAR_ROUNDS else _PRICED
        level = self.problem.lam * (1.0 + max(1e-10, priced * run.limits.tol_gap))
        weights = found.point.weights
        if self._price(found.dual, weights, level=level) or not found.is_settled:
            return True
        is_dear = self._oracle_is_dear or run.proofs >= _DEAR_PROOFS
        return is_dear and bool(self._price(found.dual, weights, level=level, thoroughly=True))

    def refined(self, found: list[Found], run: Generation) -> list[Found]:
        """Converged on the faces, where the master leaves that to be done."""
        one = found[-1]
        if one.is_stationary:
            return [one]
        dual = DualFunction(self.problem, self.space, one.dual)
        for neurons, multipliers in polished(
            self.training, one.point, dual, self.span, run.limits.seconds_left
        ):
            objective = self.training.objective(neurons)
            if not math.isfinite(objective):
                continue
            if self.sparse is None or objective < self.training.objective(self.sparse):
                self.sparse = neurons
            if objective <= run.best_value + 1e-9 * abs(run.best_value):
                alpha = self._admissible(self.training.to_problem(multipliers))
                better = Found(neurons, objective, alpha)
                run.offer(better, slack=1e-11)
                return [better]
        return [one]

    def bound(self, dual: Array, run: Generation) -> Bound:
        """Ask the oracle, over all of weight space."""
        limits = run.limits
        report = self.oracle.maximise(
            DualFunction(self.problem, self.space, dual),
            level=self.problem.lam * (1.0 + limits.fine), tolerance=limits.fine,
            starts=self._directions(run), budget=limits.budget(run.report_of_proof(dual)),
        )  # fmt: skip
        value = -math.inf
        if report.scope is Scope.COMPLETE:
            value, _ = dual_bound(self.problem, dual, report.upper)
        return Bound(value, dual, report, report.termination)

    def add(self, bound: Bound) -> int:
        """Put the cells of the oracle's peaks in play."""
        report = bound.report
        return self._add_cells(report.peaks, report.peak_values, most=2 * self.master.most_new)

    def persists(self, found: Found, run: Generation) -> bool:
        """Multipliers of interpolation move on though no cell is missing."""
        self.idle_rounds += 1
        return self._is_proximal and self.idle_rounds <= _IDLE_ROUNDS

    # -- pieces -------------------------------------------------------------------------------

    @property
    def _is_proximal(self) -> bool:
        return self.training.loss.is_hard_constraint and self.master.is_proximal

    @property
    def _oracle_is_dear(self) -> bool:
        p, n = self.space.n_penalized, len(self.space.distinct)
        dear = _DEAR_SLICED if self.space.has_free_bias else _DEAR
        return any(p >= least_p and n >= least_n for least_p, least_n in dear)

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
        limits = replace(self.limits, tol_gap=_COARSE_GAP, callback=None)
        run = replace(self, problem=coarse, space=space, oracle=oracle, limits=limits)
        return solve_over_cells(run, why).measure

    def _neurons(self, first: AtomicMeasure, zero: Neurons) -> Neurons:
        """A measure that is known, pruned where it is too large to begin with."""
        problem = self.problem
        sizes = problem.mass_norm(first.masses)
        weights = self.space.coordinates(first.atoms * sizes[:, None])
        skip = np.zeros_like(zero.skip)
        if first.skip is not None and len(skip):
            constant = np.broadcast_to(first.skip.constant, (1, *skip.shape[1:]))
            skip = np.concatenate([first.skip.linear, constant])[-len(skip) :]
        known = Neurons(weights, (first.masses.T / sizes).T, skip)
        return pruned(self.training, known) if len(known) > problem.n * problem.n_outputs else known

    def _some_interpolant(self, zero: Neurons, dual: DualFunction) -> list[Neurons]:
        """One that is cheap to find, so that there is a finite value however early the end is."""
        is_large = self.problem.is_vector or self.problem.n > _MOST_INTERPOLATED
        if is_large or math.isfinite(self.training.objective(zero)):
            return []
        seconds = self.limits.seconds_left
        found = interpolant(self.training, zero, dual, None if seconds is None else seconds / 2.0)
        return [] if found is None else [found]

    def _as_it_is(self) -> Found:
        """With nothing in play: the best so far or, to interpolate, the skip; and its dual vector."""
        assert self.best is not None
        best, alpha = self.best, self.multipliers
        if self.training.loss.is_hard_constraint:
            best, _ = null_model(self.training, self.backend)
            alpha = without_skip(self.problem.y - self.training.fit(best), self.basis)
        return Found(best, self.training.objective(best), alpha)

    def _gives_up_sliding(self, neurons: Neurons, run: Generation) -> bool:
        """Where sliding makes no headway, go on with the cone program over the neurons' cells.

        Calls that did not become stationary are forgiven while there is headway and neurons are few:
        not near interpolation.
        """
        master = self.master
        if not isinstance(master, (SlidingMaster, NewtonMaster)) or self.problem.is_vector:
            return False
        if run.best_value < self.watched - 1e-9 * abs(run.best_value):
            self.watched, self.headway = run.best_value, run.rounds
            if len(neurons) <= _FEW * self.problem.n:
                master.failures = 0.0
        if master.failures < _MOST_FAILURES and run.rounds - self.headway < _PATIENCE:
            return False
        self.master = ConicMaster(self.training, self.backend)
        self.master.begin(neurons)
        return True

    def _price(self, alpha: Array, starts: Array, *, level: float, thoroughly: bool = False) -> int:
        dual = DualFunction(self.problem, self.space, alpha)
        peaks, values = priced_peaks(
            dual, starts, level=level, rng=self.rng, n_most=4 * self.master.most_new,
            thoroughly=thoroughly,
        )  # fmt: skip
        return self._add_cells(peaks, values, most=self.master.most_new)

    def _add_cells(self, peaks: Array, values: Array, *, most: int) -> int:
        added = 0
        for peak, value in zip(peaks, values, strict=True):
            if added < most:
                added += self.master.add(peak, value / np.linalg.norm(value))
        return added

    def _keep_sparse(self, neurons: Neurons) -> None:
        """Keep the fewest neurons that were stationary; whether they are good enough is seen later."""
        if not math.isfinite(self.training.objective(neurons)):
            return
        if self.sparse is None or len(neurons) <= len(self.sparse):
            self.sparse = neurons

    def _directions(self, run: Generation) -> Array:
        assert run.best is not None
        weights = run.best.point.weights
        return np.asarray(weights[self.training.norms(weights) > 0.0])

    def _admissible(self, alpha: Array) -> Array:
        return admissible_dual(self.problem, alpha, self.basis)

    def measure(self, run: Generation) -> AtomicMeasure:
        """The best neurons as a measure, pruned to an extreme point."""
        assert run.best is not None
        neurons: Neurons = run.best.point
        if self.sparse is not None and len(self.sparse) < len(neurons):
            # A little dearer, but within the gap asked for, and on its faces.
            objective = self.training.objective(self.sparse)
            if relative(objective - run.bound, objective, run.bound) <= 0.9 * run.limits.tol_gap:
                neurons = self.sparse
        if len(neurons):
            neurons = merged(self.training, neurons, cosine=1.0 - 1e-12, slack=0.0)
            neurons = pruned(self.training, neurons)
        weights = self.space.weights(neurons.weights)
        norms = self.problem.weight_norm(weights)
        keep = norms > 0.0
        return AtomicMeasure(
            weights[keep] / norms[keep, None], (neurons.signs[keep].T * norms[keep]).T,
            skip_from_coefficients(self.problem, neurons.skip),
        )  # fmt: skip


def solve_over_cells(cells: CellGeneration, why: str) -> Solution:
    """Generate cells and certify what was reached; ``why`` says how the oracle was chosen."""
    problem, run = cells.problem, Generation(cells, cells.limits)
    q = interpolation_obstacle(problem) if problem.loss.is_hard_constraint else None
    if q is not None:
        skip = np.zeros((cells.training.skip_columns.shape[1], *problem.y.shape[1:]))
        measure = AtomicMeasure(
            np.zeros((0, problem.lifted.shape[1])), np.zeros((0, *problem.y.shape[1:])),
            skip_from_coefficients(problem, skip),
        )  # fmt: skip
        certificate, termination = concluded(
            infeasible_certificate(problem, q), Termination.INFEASIBLE
        )
    else:
        termination = run.run()
        measure = cells.measure(run)
        certificate, termination = certified(run, measure, termination, cells.space, cells.oracle)
    stats = run.stats(
        oracle=cells.oracle.name, master=cells.master.name, oracle_why=why,
        backend=cells.backend.name, rank=cells.space.rank,
    )  # fmt: skip
    return Solution(problem, measure, certificate.dual, certificate, termination, stats)
