"""Active sets as columns: the implicit regulariser of gradient descent with label noise.

The same cells as for the total variation, with another norm on each; all are known, so
bounding all of them is the proof.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from measurelp.backends import ClarabelBackend
from measurelp.certificate import Certificate
from measurelp.certificate.bounds import dual_bound
from measurelp.dictionary.patterns import all_patterns
from measurelp.errors import InvalidProblem
from measurelp.interrupts import remembered_interrupts
from measurelp.measure import AtomicMeasure, prune_to_extreme_point
from measurelp.oracle.seminorm_cells import SeminormCells
from measurelp.problem import MeasureProblem, RowSpace, check_problem, row_space
from measurelp.program.seminorm_cells import seminorm_program
from measurelp.solving.ending import bracket, concluded, infeasible_bracket
from measurelp.solving.generation import Bound, Columns, Found, Generation
from measurelp.solving.label_noise_result import LabelNoiseOptimum
from measurelp.solving.limits import Limits, deadline_after
from measurelp.solving.progress import Callback
from measurelp.solving.threads import one_thread
from measurelp.status import PointKind

_ROUNDOFF = 2.0**-53
_MOST_PATTERNS = 20_000
_FIRST, _NEW = 160, 40
_NOTHING = 1e-13

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]


def label_noise_optimum(
    problem: MeasureProblem,
    *,
    tol_gap: float = 1e-6,
    time_limit: float | None = None,
    max_rounds: int = 500,
    callback: Callback | None = None,
) -> LabelNoiseOptimum:
    r"""Minimise the regulariser that label noise puts on networks of any width.

    Gradient descent with label noise prefers, among networks that fit, small
    :math:`\sum_i|\nabla_\theta f(x_i)|^2` (Blanc et al. 2020, who divide by n).  A neuron
    :math:`c\,\langle w, \tilde x\rangle_+` with the active set A adds
    :math:`c^2S_A + |(\tilde Xw)_A|^2`, where :math:`S_A=\sum_{i\in A}|\tilde x_i|^2`; at its best scaling

    .. math:: 2\sqrt{S_A}\;|c|\,|(\tilde Xw)_A|_2,

    on each cell a seminorm of cw.  So one atom for each active set and sign suffices,
    and this is the program over cells with another cell norm in the place of lam\|w\|: the sum of
    these costs subject to interpolation, or :math:`\tfrac12|f-y|^2` plus lam times it.

    Parameters
    ----------
    problem : MeasureProblem
        With interpolation or the squared loss, ReLU, one output, ``skip="none"``, no sample weights,
        and ``bias="none"`` or "penalized": a bias is trained, and :math:`\tilde x = (x, 1)`.
        The ball does not enter and must be the default.
    tol_gap : float
        Relative gap to prove.
    time_limit : float, optional
        Seconds, looked at between rounds; when they are over, the bracket so far is returned.
    max_rounds : int
        Limit on restricted programs.
    callback : callable, optional
        Called with a :class:`~measurelp.solving.Progress` after each round.

    Returns
    -------
    LabelNoiseOptimum

    Raises
    ------
    InvalidProblem
        For other problems, more than 20,000 active sets, or more than 300,000 bases of rows.

    Notes
    -----
    Active sets are those of all cells and of lower-dimensional faces that no cell has
    (opposite or dependent rows): on a face the cost can be less than on the cells around it.

    References
    ----------
    Blanc, Gupta, Valiant and Valiant (2020); de Dios and Bruna (2020).

    Examples
    --------
    >>> import numpy as np, measurelp as mlp
    >>> problem = mlp.MeasureProblem(
    ...     np.eye(3), [3.0, 4.0, -5.0], loss=mlp.Interpolation(), bias="none")
    >>> round(mlp.label_noise_optimum(problem).value, 5)  # twice |y|_1; total variation: 10
    24.0
    """
    _check(problem)
    with remembered_interrupts() as interrupts, one_thread():
        limits = Limits(tol_gap, max_rounds, deadline_after(time_limit), interrupts, callback)
        columns = ActiveSetGeneration.of(problem)
        run = Generation(columns, limits)
        termination = run.run()
        assert run.best is not None
        point, value = _pruned(problem, run.best.point, run.best_value)
        run.best = replace(run.best, point=point, objective=value)
        certificate, termination = concluded(_certificate(run), termination)
    norms = np.linalg.norm(point.atoms, axis=1)
    measure = AtomicMeasure(point.atoms / norms[:, None], point.signs * norms)
    stats = run.stats(oracle="active sets", backend="clarabel")
    return LabelNoiseOptimum(
        problem, measure, point.costs, certificate, certificate.dual, termination, stats
    )


class CostedPoint(NamedTuple):
    """Atoms (k, d'), what they cost, and the signs of their masses."""

    atoms: Matrix
    costs: Vector
    signs: Vector


@dataclass
class ActiveSetGeneration(Columns):
    """Pairs of an active set and a sign in play; ``inside`` are weights in the sets."""

    problem: MeasureProblem
    space: RowSpace
    cells: SeminormCells
    inside: Matrix
    chosen: list[tuple[int, float]] = field(default_factory=list)
    is_infeasible: bool = False

    @classmethod
    def of(cls, problem: MeasureProblem) -> ActiveSetGeneration:
        """All active sets of a problem, none in play."""
        space, (active, inside) = row_space(problem), _active_sets(problem)
        factors = 2.0 * np.sqrt(active @ np.sum(problem.lifted**2, axis=1))
        return cls(problem, space, SeminormCells.of(problem, space, active, factors), inside)

    @property
    def n_cells(self) -> int:
        """How many pairs are in play."""
        return len(self.chosen)

    def begin(self) -> list[Found]:
        """Zero."""
        nothing = CostedPoint(np.zeros((0, self.problem.lifted.shape[1])), np.zeros(0), np.zeros(0))
        return [Found(nothing, self.problem.loss_value(np.zeros(self.problem.n)), self.problem.y)]

    def solve(self, time_limit: float | None) -> list[Found]:
        """The program over the pairs in play, its weights moved into their cells."""
        solved = _solve(self.problem, self.cells, self.chosen, time_limit)
        if solved is None:
            return []
        weights, alpha, self.is_infeasible = solved
        if weights is None:
            return [Found(None, math.inf, alpha)]
        pairs = [
            (self.space.weights(w[None])[0], self.inside[k], self.cells.active[k], s)
            for w, (k, s) in zip(weights, self.chosen, strict=True)
        ]
        point, fit = _cleaned(self.problem, pairs)
        reached = self.problem.loss_value(fit) + self.problem.lam * math.fsum(point.costs)
        return [Found(point, reached, alpha)]

    def bound(self, dual: Vector, run: Generation) -> Bound:
        """One NNLS for each active set and sign."""
        bounds, value = self.cells.suprema(dual), -math.inf
        self.level = self.problem.lam * (1.0 + run.limits.fine)
        if self.is_infeasible:
            self.level = 1e-9 * float(np.linalg.norm(dual)) / float(self.cells.factors.min())
        else:
            value, _ = dual_bound(self.problem, dual, float(bounds.max(initial=0.0)))
        return Bound(value, dual, bounds)

    def add(self, bound: Bound) -> int:
        """Put the pairs with the largest bounds above lam in play; few are all tried at once."""
        bounds, most = bound.report, _NEW if self.chosen else _FIRST
        order = np.argsort(-bounds, axis=None)
        if self.chosen:
            order = order[: np.count_nonzero(bounds > self.level)]
        known = set(self.chosen)
        new: list[tuple[int, float]] = []
        for j in order:
            pair = (int(j) // 2, 1.0 - 2.0 * (int(j) % 2))
            if pair not in known and len(new) < most:
                new.append(pair)
        self.chosen += new
        return len(new)


def _check(problem: MeasureProblem) -> None:
    """Refuse what the regulariser is not worked out for."""
    check_problem(problem)
    facts = {
        "loss": problem.loss.is_quadratic or problem.loss.is_hard_constraint,
        "activation": problem.activation.name == "relu", "ball": problem.ball.name == "l2",
        "bias": problem.bias != "free", "skip": problem.skip == "none",
        "outputs": not problem.is_vector, "sample_weight": not problem.is_weighted,
    }  # fmt: skip
    wrong = [name for name, fits in facts.items() if not fits]
    if wrong:
        raise InvalidProblem(
            "problem: the label-noise regulariser is worked out for the squared loss and interpolation, ReLU(), "
            'one output, skip="none", no sample weights, bias "none" or "penalized" and the default ball (no norm '
            f"enters); of this problem the {' and the '.join(wrong)} differ."
        )


def _active_sets(problem: MeasureProblem) -> tuple[NDArray[np.bool_], Matrix]:
    """All sets {i : <x_i, w> > 0} (K, n) but the empty one, and a w for each, nan where none is known.

    They are what is not in the patterns {i : <x_i, -w> >= 0}, lower-dimensional ones included.
    """
    patterns = all_patterns(problem)
    if len(patterns.active) > _MOST_PATTERNS:
        raise InvalidProblem(
            f"X: {len(patterns.active)} active sets, all of which are gone through up to {_MOST_PATTERNS}; use "
            "fewer points or features."
        )
    active = ~patterns.active & np.any(problem.lifted != 0.0, axis=1)
    some = active.any(axis=1)
    return active[some], -patterns.weights[some]


def _solve(
    problem: MeasureProblem,
    cells: SeminormCells,
    chosen: list[tuple[int, float]],
    time_limit: float | None,
) -> tuple[Matrix | None, Vector, bool] | None:
    """Weights (K, r) of the program over some cells, its dual vector, and whether it is infeasible."""
    index = np.array([k for k, _ in chosen], dtype=np.intp)
    signs = np.array([s for _, s in chosen])
    size = float(np.linalg.norm(problem.y)) or 1.0
    m = float(np.linalg.norm(cells.rows)) / math.sqrt(len(cells.rows))
    scale = float(cells.factors.max())
    lam = 0.0 if problem.loss.is_hard_constraint else problem.lam * scale / size
    program = seminorm_program(
        cells.rows / m, cells.active[index], signs, cells.factors[index] / scale, problem.y / size,
        lam,
    )  # fmt: skip
    report = ClarabelBackend().solve(program, tolerance=1e-10, time_limit=time_limit)
    infeasible = report.kind is PointKind.INFEASIBILITY_PROOF
    if report.z is None or not np.isfinite(report.z).all():
        return None
    alpha = -report.z[: problem.n] * scale  # costs were divided by it
    weights = None
    if report.x is not None and report.kind in (PointKind.OPTIMAL, PointKind.APPROXIMATE):
        r = cells.rows.shape[1]
        weights = report.x[: len(index) * r].reshape(-1, r) * (size / m)
        if lam > 0.0:
            inner = cells.active[index].T * (cells.rows @ weights.T)
            alpha = problem.y - inner @ signs
    return weights, np.asarray(alpha), infeasible


def _cleaned(
    problem: MeasureProblem, pairs: list[tuple[Vector, Vector, NDArray[np.bool_], float]]
) -> tuple[CostedPoint, Vector]:
    """Weights moved into their cells with costs and signs, and their fit, recomputed from the data.

    An interior point misses walls by its tolerance, and a row that is active by that much would
    count in S_A.  So rows on which the cell's own point lies are made 0 by a projection, and a small
    multiple of that point clears the others.  A row counts as 0 below the rounding of its sum.
    What interpolation misses after that, multiples of the weights make up for.
    """
    rows, size = problem.lifted, np.linalg.norm(problem.lifted, axis=1)
    columns, kept = [], []
    largest = float(np.abs(problem.y).max())
    for w, inside, active, sign in pairs:
        if (
            not np.isfinite(inside).all()
            or np.linalg.norm((rows @ w)[active]) <= _NOTHING * largest
        ):
            continue
        inner = rows @ inside
        flat = ~active & (inner == 0.0) & (size > 0.0)
        for _ in range(2 if flat.any() else 0):
            w = w - np.linalg.lstsq(rows[flat], rows[flat] @ w, rcond=1e-12)[0]
        wrong = ((rows @ w > 0.0) != active) & (inner != 0.0)
        if wrong.any():
            excess = np.abs((rows @ w)[wrong]) + 4.0 * _ROUNDOFF * size[wrong] * np.linalg.norm(w)
            w = w + inside * float(np.max(2.0 * excess / np.abs(inner[wrong])))
        values = rows @ w
        rounding = 8.0 * (problem.d + 2) * _ROUNDOFF * size * float(np.linalg.norm(w))
        values = np.where(flat & (np.abs(values) <= rounding), 0.0, values)
        on = values > 0.0
        if not on.any():
            continue
        squares = float(np.sum(size[on] ** 2))
        kept.append((w, 2.0 * math.sqrt(squares) * float(np.linalg.norm(values[on])), sign))
        columns.append(sign * np.where(on, values, 0.0))
    if not kept:
        nothing = CostedPoint(np.zeros((0, rows.shape[1])), np.zeros(0), np.zeros(0))
        return nothing, np.zeros(problem.n)
    parts, multiple = np.array(columns).T, np.ones(len(kept))
    for _ in range(2 if problem.loss.is_hard_constraint else 0):
        multiple += np.linalg.lstsq(parts, problem.y - parts @ multiple, rcond=1e-12)[0]
    atoms = np.array([w for w, _, _ in kept]) * np.abs(multiple)[:, None]
    costs = np.array([c for _, c, _ in kept]) * np.abs(multiple)
    signs = np.array([s for _, _, s in kept]) * np.sign(multiple)
    some = multiple != 0.0
    return CostedPoint(atoms[some], costs[some], signs[some]), parts @ multiple


def _pruned(problem: MeasureProblem, point: CostedPoint, value: float) -> tuple[CostedPoint, float]:
    """At most n of the atoms, with the same fit and no greater cost, and their objective."""
    atoms, costs, signs = point
    if not len(atoms):
        return point, value
    features = np.maximum(problem.lifted @ (atoms / costs[:, None]).T, 0.0)
    fewer = prune_to_extreme_point(features, signs * costs)
    masses = fewer.masses[fewer.kept]
    reached = problem.loss_value(features[:, fewer.kept] @ masses)
    reached += problem.lam * float(np.abs(masses).sum())
    if not reached <= value * (1.0 + 1e-9):
        return point, value
    kept = fewer.kept
    scaled = atoms[kept] * (np.abs(masses) / costs[kept])[:, None]
    return CostedPoint(scaled, np.abs(masses), np.sign(masses)), reached


def _certificate(run: Generation) -> Certificate:
    """What is proved, in the words of this regulariser."""
    infeasible = infeasible_bracket(run)
    if infeasible is not None:
        return infeasible
    upper = 0.0 if run.proof is None else float(run.proof.report.max(initial=0.0))
    return bracket(
        run, (0.0, upper),
        f"the least label-noise objective lies in [{run.bound:.9g}, {run.best_value:.9g}], over all active "
        "sets of the data; it says nothing of the total variation",
    )  # fmt: skip
