r"""Frank-Wolfe over the cone of covariance pairs, for one hidden layer and the squared loss.

With rows :math:`\tilde x_i` and the outputs minimised out, training a network of any width is

.. math:: \min_{(K, K^\sigma)} \ \tfrac\lambda2 \operatorname{tr}\bigl(K K_0^+\bigr)
          + \tfrac\lambda2 \operatorname{tr}\bigl(Y^\top(K^\sigma + \lambda I)^{-1}Y\bigr),
          \qquad K_0 = \tilde X\tilde X^\top,

over the closed cone of the pairs :math:`(zz^\top, \sigma(z)\sigma(z)^\top)` with
:math:`z = \tilde X w`, and it is convex.  With :math:`A = \lambda(K^\sigma + \lambda I)^{-1}Y` its
slope along the ray of w is :math:`\tfrac\lambda2(|w|^2 - |A^\top\sigma(\tilde Xw)|^2/\lambda^2)`: the
steepest ray is the maximum of the dual function of A, a problem over the arrangement.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import linalg
from threadpoolctl import threadpool_limits

from measurelp.certificate import Certificate, certificate_from_reports, evaluate
from measurelp.deep.covariances import CovariancePair, covariance_pair
from measurelp.deep.models import check_plain
from measurelp.errors import InvalidProblem
from measurelp.interrupts import remembered_interrupts
from measurelp.measure import AtomicMeasure
from measurelp.network import compress_layer
from measurelp.oracle import Budget, DualFunction, Oracle, OracleReport, choose_oracle
from measurelp.problem import MeasureProblem, positive_number, row_space

Matrix = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class CovarianceMinimum:
    r"""What :func:`minimise_covariances` returns.

    Attributes
    ----------
    pair : CovariancePair
        :math:`(K, K^\sigma)`.
    preactivations : (n, k) array
        Neurons with this pair, :math:`z_k = \sqrt{\nu_k}\,\tilde Xw_k`.
    outputs : (n,) or (n, c) array
        The best outputs for the pair, :math:`K^\sigma(K^\sigma+\lambda I)^{-1}Y`.
    value : float
        The objective of the pair.
    measure : AtomicMeasure
        The network that has these outputs; its objective is at most ``value``.
    certificate : Certificate
        Of this measure, recomputed from the data.  ``dual_value`` bounds every pair.
    values, bounds : tuple of float
        Objective and proved lower bound, round by round; -inf where weight space was not
        covered.
    """

    pair: CovariancePair
    preactivations: Matrix
    outputs: Matrix
    value: float
    measure: AtomicMeasure
    certificate: Certificate
    values: tuple[float, ...]
    bounds: tuple[float, ...]

    def __repr__(self) -> str:
        return (
            f"CovarianceMinimum(value {self.value:.9g}, {self.preactivations.shape[1]} neurons, "
            f"{len(self.values)} rounds, {self.certificate.verdict.name})"
        )


class _Point(NamedTuple):
    """A point of the cone: rays, how much of each, and what follows."""

    weights: Matrix
    amounts: Matrix
    value: float
    outputs: Matrix
    dual: Matrix
    masses: Matrix


def minimise_covariances(
    problem: MeasureProblem,
    *,
    tol_gap: float = 1e-6,
    max_rounds: int = 200,
    oracle: str | Oracle | None = None,
    time_limit: float | None = None,
) -> CovarianceMinimum:
    r"""Minimise over covariance pairs by the fully corrective Frank-Wolfe method.

    Each round asks an oracle for the steepest rays of the cone, which proves a lower bound,
    and minimises over the cone of all rays that are in use; this second problem is the multitask
    lasso of :func:`measurelp.compress_layer` with :math:`\nu_k = |v_k|`.

    Parameters
    ----------
    problem : MeasureProblem
        Squared loss, ReLU, Euclidean ball, no skip, bias "penalized" or "none".  For the last
        hidden layer of a deep network, X is what the layer before hands on.
    tol_gap : float
        Relative gap to prove.
    max_rounds : int
    oracle : str or Oracle, optional
        As for :func:`measurelp.solve`.  Exact where it covers weight space; with an oracle that
        only samples, nothing is proved and the certificate says so.
    time_limit : float, optional
        Seconds, after which the best pair so far is returned with its bracket, as on Ctrl-C.

    Returns
    -------
    CovarianceMinimum

    Notes
    -----
    :func:`measurelp.solve` finds the same minimum sooner, because its neurons move; here
    they do not, so an atom inside a cell is approached by others.  This is the covariance
    formulation made to work, and an independent check of it.

    References
    ----------
    Jacot, Golikov, Hongler and Gabriel (2022), sections 3.2 and 3.3.

    Examples
    --------
    >>> problem = MeasureProblem(np.eye(2), [3.0, 4.0], lam=0.5, bias="none")
    >>> found = minimise_covariances(problem)
    >>> round(found.value, 6), found.certificate.verdict.name  # lam |y| - lam^2 / 2
    (2.375, 'OPTIMAL')
    >>> found.pair.activation.round(2)  # (|y| - lam) y y^T / |y|^2
    array([[1.62, 2.16],
           [2.16, 2.88]])
    """
    check_plain(problem)
    tol_gap = positive_number("tol_gap", tol_gap)
    if (
        isinstance(max_rounds, bool)
        or not isinstance(max_rounds, (int, np.integer))
        or max_rounds < 1
    ):
        raise InvalidProblem(f"max_rounds: expected an integer >= 1, found {max_rounds!r}.")
    deadline = math.inf
    if time_limit is not None:
        deadline = time.perf_counter() + positive_number("time_limit", time_limit)
    space = row_space(problem)
    chosen, _ = choose_oracle(oracle, space, problem=problem)
    Y = problem.y.reshape(problem.n, -1)
    values: list[float] = []
    bounds: list[float] = []
    with remembered_interrupts() as interrupts, threadpool_limits(limits=1):
        budget = Budget(deadline, interrupted=interrupts)
        point = best = _corrected(problem, Y, np.zeros((0, problem.lifted.shape[1])), tol_gap)
        proof: tuple[Matrix, OracleReport] | None = None
        for _ in range(max_rounds):
            alpha = point.dual.reshape(problem.y.shape)
            report = chosen.maximise(
                DualFunction(problem, space, alpha), level=problem.lam * (1.0 + 1e-3 * tol_gap),
                tolerance=1e-3 * tol_gap, starts=space.coordinates(point.weights), budget=budget,
            )  # fmt: skip
            values.append(point.value)
            bounds.append(_lower_bound(problem, Y, point.dual, report.upper))
            if proof is None or bounds[-1] == max(bounds):
                proof = alpha, report
            closed = best.value - max(bounds) <= 0.5 * tol_gap * best.value
            if closed or not len(report.peaks) or budget.time_is_up:
                break
            rays = np.vstack([point.weights, space.weights(report.peaks)])
            point = _corrected(problem, Y, rays, tol_gap)
            if point.value <= best.value:
                best = point
        assert proof is not None
        measure = AtomicMeasure(best.weights, best.masses.reshape(-1, *problem.y.shape[1:]))
        certificate = certificate_from_reports(
            problem, evaluate(problem, measure), [proof], tol_gap=tol_gap
        )
    z = (problem.lifted @ best.weights.T) * np.sqrt(best.amounts)
    pair = covariance_pair(z) if z.size else CovariancePair(*np.zeros((2, problem.n, problem.n)))
    return CovarianceMinimum(
        pair=pair, preactivations=z, outputs=best.outputs.reshape(problem.y.shape),
        value=best.value, measure=measure, certificate=certificate, values=tuple(values),
        bounds=tuple(bounds),
    )  # fmt: skip


def covariance_objective(problem: MeasureProblem, pair: CovariancePair) -> float:
    r"""The objective of a covariance pair, the outputs minimised out.

    .. math:: \tfrac\lambda2 \operatorname{tr}(K K_0^+)
              + \tfrac\lambda2 \operatorname{tr}\bigl(Y^\top(K^\sigma + \lambda I)^{-1}Y\bigr)

    Convex in the pair.  Parameters as for :func:`minimise_covariances`; that the pair belongs
    to the cone, which no efficient test decides, is up to the caller.

    Raises
    ------
    InvalidProblem
        If K is not in the range of the data, where the objective is infinite.

    Examples
    --------
    >>> problem = MeasureProblem(np.eye(2), [3.0, 4.0], lam=0.5, bias="none")
    >>> best = covariance_pair(np.sqrt(4.5) * np.array([[0.6], [0.8]]))
    >>> round(covariance_objective(problem, best), 6)
    2.375
    """
    check_plain(problem)
    K, K_active = (np.asarray(k, dtype=np.float64) for k in pair)
    for name, k in zip(CovariancePair._fields, (K, K_active), strict=True):
        if k.shape != (problem.n, problem.n) or not np.isfinite(k).all():
            raise InvalidProblem(
                f"pair.{name}: expected finite numbers of shape {(problem.n, problem.n)}, found "
                f"shape {k.shape}."
            )
    inverse = np.linalg.pinv(problem.lifted)
    outside = K - problem.lifted @ (inverse @ K)
    if np.linalg.norm(outside) > 1e-8 * np.linalg.norm(K):
        raise InvalidProblem("pair: K is not in the range of the data; its objective is infinite.")
    Y = problem.y.reshape(problem.n, -1)
    inner = linalg.cho_factor(K_active + problem.lam * np.eye(problem.n))
    cost = float(np.trace(inverse @ K @ inverse.T)) + float(np.vdot(Y, linalg.cho_solve(inner, Y)))
    return 0.5 * problem.lam * cost


def _corrected(problem: MeasureProblem, Y: Matrix, weights: Matrix, tol_gap: float) -> _Point:
    """The best point of the cone of given rays."""
    lam = problem.lam
    active = problem.features(weights)
    amounts = np.zeros(len(weights))
    if len(weights):
        lasso = compress_layer(active.T, Y.T, lam, tol_gap=0.01 * tol_gap)
        amounts[lasso.kept] = np.linalg.norm(lasso.output_weights, axis=0)
    used = amounts > 0.0
    weights, amounts, active = weights[used], amounts[used], active[:, used]
    kernel = (active * amounts) @ active.T
    kernel[np.diag_indices_from(kernel)] += lam
    dual = lam * linalg.cho_solve(linalg.cho_factor(kernel), Y)
    value = 0.5 * lam * float(amounts.sum()) + 0.5 * float(np.vdot(Y, dual))
    masses = amounts[:, None] * (active.T @ dual) / lam
    return _Point(weights, amounts, value, Y - dual, dual, masses)


def _lower_bound(problem: MeasureProblem, Y: Matrix, dual: Matrix, upper: float) -> float:
    """The value of the dual vector, scaled to be feasible and then as well as possible."""
    square = float(np.vdot(dual, dual))
    if not math.isfinite(upper):
        return -math.inf
    along = float(np.vdot(dual, Y))
    scale = along / square if square else 0.0
    if upper > 0.0:
        scale = max(-problem.lam / upper, min(scale, problem.lam / upper))
    return scale * along - 0.5 * scale**2 * square
