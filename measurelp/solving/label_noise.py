"""The implicit regulariser of gradient descent with label noise: the same cells, another cell norm."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from measurelp.backends import ClarabelBackend
from measurelp.certificate import Certificate, infeasible_certificate, interpolation_obstacle
from measurelp.certificate.bounds import dual_bound
from measurelp.certificate.certificate import relative
from measurelp.dictionary.patterns import all_patterns
from measurelp.errors import InvalidProblem
from measurelp.measure import AtomicMeasure, prune_to_extreme_point
from measurelp.network import ReluNetwork, parts_from_network, write_folder
from measurelp.oracle.seminorm_cells import SeminormCells
from measurelp.problem import MeasureProblem, finite_matrix, row_space
from measurelp.program.seminorm_cells import seminorm_program
from measurelp.solving.interrupts import remembered_interrupts
from measurelp.solving.other_models import OtherModel
from measurelp.solving.progress import Callback, Progress
from measurelp.solving.threads import one_thread
from measurelp.status import PointKind, Scope, Termination, Verdict

_ROUNDOFF = 2.0**-53
_MOST_PATTERNS = 20_000
_FIRST, _NEW = 80, 40
_NOTHING = 1e-13

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LabelNoiseOptimum(OtherModel):
    r"""The least label-noise regulariser, as a proved bracket, with a network that has it.

    Attributes
    ----------
    problem : MeasureProblem
    measure : AtomicMeasure
        Unit weights and signed masses, at most one for each active set and sign.
    costs : (k,) array
        What each atom costs; they add up to the regulariser.
    certificate : Certificate
        About the label-noise objective, not about the total variation.
    dual : (n,) array
    termination : Termination
    stats : dict
        Rounds, cells in play, seconds.
    """

    problem: MeasureProblem
    measure: AtomicMeasure
    costs: NDArray[np.float64]
    certificate: Certificate
    dual: NDArray[np.float64]
    termination: Termination
    stats: dict[str, Any] = field(default_factory=dict)

    units = "neurons"
    model = "the label-noise objective"
    unlike = "the total variation"

    @property
    def regulariser(self) -> float:
        r"""The sum of the costs, :math:`\sum_i|\nabla_\theta f(x_i)|^2` of :meth:`network`."""
        return math.fsum(self.costs)

    @property
    def total_variation(self) -> float:
        """That of ``measure``, which is not what is minimised."""
        return self.measure.total_variation

    def network(self) -> ReluNetwork:
        r"""The network in the scaling of least gradients, :math:`c_k^2 S_A = |(Xw_k)_A|^2`."""
        atoms, masses = self.measure.atoms, self.measure.masses
        inner = np.maximum(self.problem.lifted @ atoms.T, 0.0)
        squares = np.sum(self.problem.lifted**2, axis=1) @ (inner > 0.0)
        output = np.sqrt(np.abs(masses) * np.linalg.norm(inner, axis=0) / np.sqrt(squares))
        weights = atoms * (np.abs(masses) / output)[:, None]
        hidden, bias = weights[:, : self.problem.d], np.zeros(len(weights))
        if self.problem.has_bias:
            bias = weights[:, -1]
        return ReluNetwork(
            hidden, bias, output_weights=np.sign(masses) * output, bias=self.problem.bias
        )

    def save(
        self,
        folder: str | os.PathLike[str],
        *,
        overwrite: bool = False,
        request: Mapping[str, Any] | None = None,
    ) -> None:
        """Write the network to a folder; saved solutions are minimisers of the total variation.

        ``request`` is what it was asked for, kept beside it as in :meth:`measurelp.Solution.save`.
        """
        document, arrays = parts_from_network(self.network())
        if request is not None:
            document["request"] = dict(request)
        write_folder(folder, document, arrays, kind="network", overwrite=overwrite)

    def predict(self, X: ArrayLike) -> NDArray[np.float64]:
        """The network's outputs at new inputs, (n,)."""
        return np.asarray(self.network().predict(finite_matrix("X", X)))

    def __repr__(self) -> str:
        return (
            f"LabelNoiseOptimum({self.certificate.verdict.name}, objective={self.value:.9g}, "
            f"relative_gap={self.relative_gap:.2g}, {len(self.measure)} atoms, {self.termination.name})"
        )


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
    began = time.perf_counter()
    deadline = math.inf if time_limit is None else time.perf_counter() + time_limit
    with remembered_interrupts() as interrupts, one_thread():
        space = row_space(problem)
        active, inside = _active_sets(problem)
        squares = np.sum(problem.lifted**2, axis=1)
        cells = SeminormCells.of(problem, space, active, 2.0 * np.sqrt(active @ squares))
        atoms, costs = np.zeros((0, problem.lifted.shape[1])), np.zeros(0)
        signs = np.zeros(0)
        value, lower, proved = problem.loss_value(np.zeros(problem.n)), -math.inf, problem.y
        chosen = [(k, s) for k in range(min(_FIRST, len(active))) for s in (1.0, -1.0)]
        alpha, infeasible, rounds = problem.y, False, 0
        termination = Termination.CONVERGED
        while True:
            bounds = cells.suprema(alpha)
            if not infeasible:
                bound, _ = dual_bound(problem, alpha, float(bounds.max(initial=0.0)))
                if bound > lower:
                    lower, proved = bound, alpha
            gap = relative(max(0.0, value - lower), value, lower)
            if callback is not None:
                seconds = time.perf_counter() - began
                callback(Progress(rounds, len(chosen), value, lower, gap, seconds, "proving"))
            if gap <= tol_gap:
                break
            limit = problem.lam * (1.0 + 1e-3 * tol_gap)
            if infeasible:
                limit = 1e-9 * float(np.linalg.norm(alpha)) / float(cells.factors.min())
            if rounds:
                known, order = set(chosen), np.argsort(-bounds, axis=None)
                ranked = [(int(j) // 2, 1.0 - 2.0 * (int(j) % 2)) for j in order]
                above = int(np.count_nonzero(bounds > limit))
                new = [pair for pair in ranked[:above] if pair not in known][:_NEW]
                if not new:
                    termination = Termination.STALLED
                elif interrupts.requested:
                    termination = Termination.INTERRUPTED
                elif time.perf_counter() >= deadline:
                    termination = Termination.TIME_LIMIT
                elif rounds >= max_rounds:
                    termination = Termination.ROUND_LIMIT
                if termination is not Termination.CONVERGED:
                    break
                chosen += new
            if not chosen:
                termination = Termination.STALLED
                break
            rounds += 1
            solved = _solve(problem, cells, chosen)
            if solved is None:
                termination = Termination.NUMERICAL
                break
            weights, alpha, infeasible = solved
            if weights is not None:
                pairs = [(space.weights(w[None])[0], inside[k], active[k], s)
                         for w, (k, s) in zip(weights, chosen, strict=True)]  # fmt: skip
                found = _cleaned(problem, pairs)
                reached = problem.loss_value(found[3]) + problem.lam * math.fsum(found[1])
                if reached < value:
                    value, (atoms, costs, signs, _) = reached, found
        atoms, costs, signs, value = _pruned(problem, atoms, costs, signs, value)
        norms = np.linalg.norm(atoms, axis=1)
        measure = AtomicMeasure(atoms / norms[:, None], signs * norms)
        certificate = _certificate(problem, cells, value, lower, proved, tol_gap)
    if certificate.verdict is Verdict.INFEASIBLE:
        termination = Termination.INFEASIBLE
    stats = {
        "rounds": rounds, "cells": len(chosen), "oracle": "active sets", "backend": "clarabel",
        "seconds": time.perf_counter() - began,
    }  # fmt: skip
    return LabelNoiseOptimum(
        problem, measure, costs, certificate, certificate.dual, termination, stats
    )


def label_noise_regulariser(network: ReluNetwork, X: ArrayLike) -> float:
    r"""What label noise penalises of a network as it is, :math:`\sum_i|\nabla_\theta f(x_i)|^2`.

    Over all hidden weights, output weights and, unless ``bias="none"``, hidden biases:
    :math:`\sum_k c_k^2S_{A_k} + |(\tilde Xw_k)_{A_k}|^2` in the words of :func:`label_noise_optimum`.

    Parameters
    ----------
    network : ReluNetwork
        With one output; its output bias and skip are taken as not trained.
    X : (n, d) array_like

    Returns
    -------
    float

    Examples
    --------
    >>> import measurelp as mlp
    >>> net = mlp.ReluNetwork([[3.0]], output_weights=[2.0], bias="none")
    >>> mlp.label_noise_regulariser(net, [[1.0], [-5.0]])  # 2^2 |1|^2 + |3 x 1|^2
    13.0
    """
    network.require_relu("the label-noise regulariser")
    rows = finite_matrix("X", X)
    if network.outputs > 1:
        raise InvalidProblem(f"network: expected one output, found {network.outputs}.")
    if rows.shape[1] != network.d:
        raise InvalidProblem(f"X: expected {network.d} columns, found {rows.shape[1]}.")
    inner = np.maximum(rows @ network.hidden_weights.T + network.hidden_bias, 0.0)
    squares = np.sum(rows**2, axis=1) + (0.0 if network.bias == "none" else 1.0)
    output = network.output_weights.reshape(network.width)
    return float(output**2 @ (squares @ (inner > 0.0)) + np.sum(inner**2))


def _check(problem: MeasureProblem) -> None:
    """Refuse what the regulariser is not worked out for."""
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
    problem: MeasureProblem, cells: SeminormCells, chosen: list[tuple[int, float]]
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
    report = ClarabelBackend().solve(program, tolerance=1e-10)
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
) -> tuple[Matrix, Vector, Vector, Vector]:
    """Weights moved into their cells, costs, signs and fit, all recomputed from the data.

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
        return np.zeros((0, rows.shape[1])), np.zeros(0), np.zeros(0), np.zeros(problem.n)
    parts, multiple = np.array(columns).T, np.ones(len(kept))
    for _ in range(2 if problem.loss.is_hard_constraint else 0):
        multiple += np.linalg.lstsq(parts, problem.y - parts @ multiple, rcond=1e-12)[0]
    atoms = np.array([w for w, _, _ in kept]) * np.abs(multiple)[:, None]
    costs = np.array([c for _, c, _ in kept]) * np.abs(multiple)
    signs = np.array([s for _, _, s in kept]) * np.sign(multiple)
    some = multiple != 0.0
    return atoms[some], costs[some], signs[some], parts @ multiple


def _pruned(
    problem: MeasureProblem, atoms: Matrix, costs: Vector, signs: Vector, value: float
) -> tuple[Matrix, Vector, Vector, float]:
    """At most n of the atoms, with the same fit and no greater cost, and their objective."""
    if not len(atoms):
        return atoms, costs, signs, value
    features = np.maximum(problem.lifted @ (atoms / costs[:, None]).T, 0.0)
    fewer = prune_to_extreme_point(features, signs * costs)
    masses = fewer.masses[fewer.kept]
    reached = problem.loss_value(features[:, fewer.kept] @ masses)
    reached += problem.lam * float(np.abs(masses).sum())
    if not reached <= value * (1.0 + 1e-9):
        return atoms, costs, signs, value
    kept = fewer.kept
    scaled = atoms[kept] * (np.abs(masses) / costs[kept])[:, None]
    return scaled, np.abs(masses), np.sign(masses), reached


def _certificate(
    problem: MeasureProblem, cells: SeminormCells, value: float, lower: float, dual: Vector,
    tol_gap: float,
) -> Certificate:  # fmt: skip
    """What is proved, in the words of this regulariser."""
    if math.isinf(value):
        q = interpolation_obstacle(problem)
        if q is not None:
            return infeasible_certificate(problem, q)
    gap = max(0.0, value - lower)
    closed = relative(gap, value, lower) <= tol_gap
    upper = float(cells.suprema(dual).max(initial=0.0))
    return Certificate(
        verdict=Verdict.OPTIMAL if closed else Verdict.BRACKETED, primal_value=value,
        dual_value=lower, gap=gap, relative_gap=relative(gap, value, lower), sup=(0.0, upper),
        limit=problem.lam, scope=Scope.COMPLETE, witness=None, improvement=None, dual=dual,
        tol_gap=tol_gap,
        message=(
            f"the least label-noise objective lies in [{lower:.9g}, {value:.9g}], over all active sets of "
            "the data; it says nothing of the total variation"
        ),
    )  # fmt: skip
