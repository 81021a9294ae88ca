"""The gated ReLU relaxation: a group lasso over gates, which bounds the ReLU problem from below."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from measurelp.arrangement import Arrangement, enumerate_cells
from measurelp.backends import ClarabelBackend
from measurelp.certificate import skip_basis
from measurelp.certificate.bounds import admissible_dual, dual_bound
from measurelp.certificate.certificate import relative
from measurelp.errors import InvalidProblem
from measurelp.problem import MeasureProblem, finite_matrix, row_space
from measurelp.program import restricted_program
from measurelp.solving.neurons import Training
from measurelp.status import PointKind

_ROUNDOFF = 2.0**-53
_MOST_GATES = 500_000
_FIRST, _NEW = 60, 40


@dataclass(frozen=True, eq=False)
class GatedRelaxation:
    r"""The optimum of the gated model, as a proved bracket.

    Attributes
    ----------
    value, lower : float
        Objective of the weights that were found, and a proved lower bound on the gated
        optimum.
    relative_gap : float
    bounds_relu : bool
        Whether all gates of the data were used; then ``lower`` bounds the ReLU problem's optimum too.
        ``value`` never does.
    active : (k, n) bool array
        The gates in use, and ``weights`` (k, d') what each multiplies.
    dual : (n,) array
    message : str
        What is proved, in a sentence.
    """

    value: float
    lower: float
    relative_gap: float
    bounds_relu: bool
    active: NDArray[np.bool_]
    weights: NDArray[np.float64]
    dual: NDArray[np.float64]
    message: str


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

    Parameters
    ----------
    problem : MeasureProblem
        With the l2 ball, the ReLU and one output; any loss, bias "none" or "penalized", any skip.
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
    _check(problem)
    deadline = math.inf if time_limit is None else time.perf_counter() + time_limit
    active, complete = _gates(problem, gates)
    training, space = Training.of(problem, row_space(problem)), row_space(problem)
    basis = skip_basis(problem)
    chosen = list(range(min(_FIRST, len(active))))
    value, lower = math.inf, -math.inf
    best: tuple[NDArray[np.intp], NDArray[np.float64]] = np.zeros(0, np.intp), np.zeros((0, 0))
    proved = np.zeros(problem.n)
    while True:
        now = np.array(chosen, dtype=np.intp)
        program, lift = restricted_program(
            training.rows, active[now], np.ones(len(now)), [np.zeros(0, np.intp)] * len(now),
            y=training.y, lam=training.lam, loss=training.loss, weight=training.weight,
            skip_columns=training.skip_columns, n_penalized=training.n_penalized,
        )  # fmt: skip
        report = ClarabelBackend().solve(program, tolerance=1e-10)
        dual = lift.dual(report)
        if dual is None or not np.isfinite(dual).all():
            break
        infeasible = report.kind is PointKind.INFEASIBILITY_PROOF
        if report.x is not None and report.kind in (PointKind.OPTIMAL, PointKind.APPROXIMATE):
            weights = lift.weights(report.x)
            inner = active[now].T * (space.rows @ weights.T)
            fit = inner.sum(axis=1) + problem.skip_columns @ lift.skip(report.x)
            reached = problem.loss_value(fit) + problem.lam * float(training.norms(weights).sum())
            if reached < value:
                value, best = reached, (now, weights)
        alpha = admissible_dual(problem, training.to_problem(dual), basis)
        sizes = _sizes(problem, active, alpha)
        if not infeasible:
            bound, _ = dual_bound(problem, alpha, float(sizes.max(initial=0.0)))
            if bound > lower:
                lower, proved = bound, alpha
        if relative(max(0.0, value - lower), value, lower) <= tol_gap:
            break
        limit = 0.0 if infeasible else problem.lam * (1.0 + 1e-3 * tol_gap)
        waiting = [int(k) for k in np.argsort(-sizes)[: len(chosen) + _NEW] if sizes[k] > limit]
        new = [k for k in waiting if k not in set(chosen)][:_NEW]
        if not new or time.perf_counter() >= deadline:
            break
        chosen += new
    used, weights = best
    return _result(
        space.weights(weights) if len(used) else np.zeros((0, problem.lifted.shape[1])),
        active[used], value, lower, proved, complete,
    )  # fmt: skip


def _sizes(
    problem: MeasureProblem, active: NDArray[np.bool_], alpha: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Bounds of |sum_i alpha_i D_ii x_i| for each gate, the rounding of the sums charged."""
    weighted = alpha[:, None] * problem.lifted[:, : problem.n_penalized]
    rounding = 2.0 * (problem.n + problem.d + 8) * _ROUNDOFF
    return np.asarray(
        np.linalg.norm(active @ weighted, axis=1) * (1.0 + 1e-14)
        + rounding * float(np.linalg.norm(weighted, axis=1).sum())
    )


def _gates(problem: MeasureProblem, gates: ArrayLike | None) -> tuple[NDArray[np.bool_], bool]:
    """Distinct gates (k, n), and whether they are those of all cells."""
    rows = problem.lifted
    if gates is None:
        arrangement = Arrangement.from_data(rows)
        if arrangement.bound_cells() > _MOST_GATES:
            raise InvalidProblem(
                f"X: up to {arrangement.bound_cells()} cells, each a gate; pass some gates, whose "
                "model is smaller and bounds nothing else."
            )
        return np.unique(enumerate_cells(arrangement).signs > 0, axis=0), True
    given = finite_matrix("gates", gates)
    if given.shape[1] != rows.shape[1]:
        raise InvalidProblem(
            f"gates: expected {rows.shape[1]} columns, as many as hidden weights have entries, found "
            f"{given.shape[1]}."
        )
    return np.unique(given @ rows.T >= 0.0, axis=0), False


def _check(problem: MeasureProblem) -> None:
    if problem.ball.name != "l2" or problem.activation.name != "relu" or problem.is_vector:
        raise InvalidProblem(
            "problem: the gated relaxation is stated for the l2 ball, the ReLU and one output; found "
            f"{problem!r}."
        )
    if problem.bias == "free":
        raise InvalidProblem(
            "problem: behind a fixed gate a bias outside the norm costs nothing, so gates would fit "
            'steps for free; choose bias="penalized" or bias="none".'
        )


def _result(
    weights: NDArray[np.float64], active: NDArray[np.bool_],
    value: float, lower: float, dual: NDArray[np.float64], complete: bool,
) -> GatedRelaxation:  # fmt: skip
    gap = relative(max(0.0, value - lower), value, lower)
    message = f"the optimum of the gated model lies in [{lower:.9g}, {value:.9g}]; "
    if complete:
        message += f"with the gates of all cells it is at most that of the ReLU, so {lower:.9g} bounds both"
    else:
        message += "with gates that were given it bounds no other model"
    return GatedRelaxation(value, lower, gap, complete, active, weights, dual, message)
