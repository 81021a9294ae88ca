"""Gates as columns: a group lasso, which bounds the ReLU problem from below.

Gates are known beforehand, so evaluating all of them is the proof, as for threshold units
(:mod:`measurelp.solving.pattern_generation`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from measurelp.arrangement import Arrangement, enumerate_cells
from measurelp.backends import ClarabelBackend
from measurelp.certificate import Certificate, skip_basis
from measurelp.certificate.bounds import admissible_dual, dual_bound
from measurelp.dictionary.patterns import first_of_each
from measurelp.errors import InvalidProblem
from measurelp.interrupts import remembered_interrupts
from measurelp.masters.gated_newton import newton_on_gates
from measurelp.masters.neurons import Training
from measurelp.masters.null_model import null_model
from measurelp.measure import Skip
from measurelp.problem import GatedReLU, MeasureProblem, ReLU, check_problem, row_space
from measurelp.program import restricted_program
from measurelp.program.formulate import skip_from_coefficients
from measurelp.solving.ending import bracket, concluded, infeasible_bracket
from measurelp.solving.gated_units import GatedMeasure, GatedRelaxation
from measurelp.solving.generation import Bound, Columns, Found, Generation
from measurelp.solving.limits import Limits, deadline_after
from measurelp.solving.threads import one_thread
from measurelp.status import PointKind

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
    check_problem(problem)
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
    with remembered_interrupts() as interrupts, one_thread():
        limits = Limits(tol_gap, deadline=deadline_after(time_limit), interrupts=interrupts)
        return solve_gated(problem, limits)


class GatedPoint(NamedTuple):
    """Which gates are in use, their weights, and the coefficients of the skip."""

    used: NDArray[np.intp]
    weights: Matrix
    skip: NDArray[np.float64]


@dataclass
class GateGeneration(Columns):
    """The gates in play, of all gates ``active`` (K, n); ``problem`` has the same data and ReLUs."""

    problem: MeasureProblem
    active: Flags
    chosen: list[int] = field(default_factory=list)
    is_infeasible: bool = False

    def __post_init__(self) -> None:
        self.space = row_space(self.problem)
        self.training, self.basis = Training.of(self.problem, self.space), skip_basis(self.problem)

    @property
    def n_cells(self) -> int:
        """How many gates are in play."""
        return len(self.chosen)

    def begin(self) -> list[Found]:
        """The best skip alone."""
        zero, start = null_model(self.training, ClarabelBackend())
        nothing = np.zeros((0, self.problem.lifted.shape[1]))
        point = GatedPoint(np.zeros(0, dtype=np.intp), nothing, zero.skip)
        return [self._found(point, self.training.to_problem(start))]

    def solve(self, time_limit: float | None) -> list[Found]:
        """The group lasso over the gates in play, and Newton's method from there for smooth losses."""
        problem, training = self.problem, self.training
        now = np.array(self.chosen, dtype=np.intp)
        program, lift = restricted_program(
            training.rows, self.active[now], np.ones(len(now)), [np.zeros(0, np.intp)] * len(now),
            y=training.y, lam=training.lam, loss=training.loss, weight=training.weight,
            skip_columns=training.skip_columns, n_penalized=training.n_penalized,
        )  # fmt: skip
        report = ClarabelBackend().solve(program, tolerance=1e-10, time_limit=time_limit)
        dual = lift.dual(report)
        if dual is None or not np.isfinite(dual).all():
            return []
        dual = training.to_problem(dual)
        self.is_infeasible = report.kind is PointKind.INFEASIBILITY_PROOF
        if report.x is None or report.kind not in (PointKind.OPTIMAL, PointKind.APPROXIMATE):
            return [Found(None, math.inf, dual)]
        weights, skip = self.space.weights(lift.weights(report.x)), lift.skip(report.x)
        found = [self._found(GatedPoint(now, weights, skip), dual)]
        if problem.loss.is_smooth and not problem.loss.is_quadratic:
            better = newton_on_gates(problem, self.active[now], weights, skip)
            found += [self._found(GatedPoint(now, w, c), alpha) for w, c, alpha in better]
        return found

    def bound(self, dual: Matrix, run: Generation) -> Bound:
        """Evaluate all gates."""
        alpha = admissible_dual(self.problem, dual, self.basis)
        sizes, rounding = _sizes(self.problem, self.active, alpha)
        self.level = 0.0 if self.is_infeasible else self.problem.lam * (1.0 + run.limits.fine)
        value = -math.inf
        if not self.is_infeasible:
            value, _ = dual_bound(self.problem, alpha, float(sizes.max(initial=0.0)))
        return Bound(value, alpha, (sizes, rounding))

    def add(self, bound: Bound) -> int:
        """Put the gates with the longest vectors above lam in play; few are all tried at once."""
        sizes, _ = bound.report
        most = _NEW if self.chosen else _FIRST
        known, ranked = set(self.chosen), np.argsort(-sizes)[: len(self.chosen) + most]
        above = [int(k) for k in ranked if sizes[k] > self.level or not known]
        new = [k for k in above if k not in known][:most]
        self.chosen += new
        return len(new)

    def _found(self, point: GatedPoint, dual: Matrix) -> Found:
        """With loss and norms recomputed from the data."""
        problem = self.problem
        fit = np.sum(self.active[point.used].T * (problem.lifted @ point.weights.T), axis=1)
        fit = fit + problem.skip_columns @ point.skip
        norms = math.fsum(problem.weight_norm(point.weights))
        return Found(point, problem.loss_value(fit) + problem.lam * norms, dual)


def solve_gated(problem: MeasureProblem, limits: Limits) -> GatedRelaxation:
    """Generate gates until the bracket of a problem with gated units closes."""
    activation = problem.activation
    assert isinstance(activation, GatedReLU)
    plain = replace(problem, activation=ReLU())  # the same data, for what knows measures only
    vectors, active = _gates(plain, activation.gates)
    run = Generation(GateGeneration(plain, active), limits)
    termination = run.run()
    assert run.best is not None
    used, weights, skip = run.best.point
    alive = np.any(weights != 0.0, axis=1)
    used, weights = used[alive], weights[alive]
    measure = GatedMeasure(
        vectors[used], active[used], weights, _skip(plain, skip), plain.n_penalized
    )
    certificate, termination = concluded(
        _certificate(run, all_gates=activation.gates is None), termination
    )
    stats = run.stats(gates=len(active), oracle="gates", backend="clarabel")
    return GatedRelaxation(
        problem, measure, certificate.dual, certificate, termination, stats,
        bounds_relu=activation.gates is None,
    )  # fmt: skip


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
    first = first_of_each(open_gates)
    return vectors[first], open_gates[first]


def _certificate(run: Generation, *, all_gates: bool) -> Certificate:
    """What is proved, in the gated model's own words."""
    if all_gates:  # gates of all cells span what ReLU units of all cells span
        infeasible = infeasible_bracket(run)
        if infeasible is not None:
            return infeasible
    value, lower = run.best_value, run.bound
    words = f"the optimum of the gated model lies in [{lower:.9g}, {value:.9g}]; "
    if all_gates:
        words += f"with the gates of all cells it is at most that of the ReLU, so {lower:.9g} bounds both"
    else:
        words += "with gates that were given it bounds no other model"
    if run.proof is None:
        return bracket(run, (0.0, 0.0), words)
    sizes, rounding = run.proof.report
    largest = float(sizes.max(initial=0.0))
    return bracket(run, (max(0.0, largest * (1.0 - 3e-14) - 2.0 * rounding), largest), words)
