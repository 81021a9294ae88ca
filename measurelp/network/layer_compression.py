"""Fewer features for one layer with the same, or nearly the same, outputs, and a proof."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from threadpoolctl import threadpool_limits

from measurelp.errors import InvalidProblem
from measurelp.network.layer_lasso import LayerPoint, ReducedLayer, minimise_layer, reduce_layer
from measurelp.network.layer_working_set import minimise_on_working_sets
from measurelp.network.pruning import prune_layer
from measurelp.problem import check_magnitude, finite_matrix, positive_number

Matrix = NDArray[np.float64]
_EPS = float(np.finfo(np.float64).eps)
_BLOCK = 1024


@dataclass(frozen=True, eq=False)
class CompressedLayer:
    r"""What :func:`compress_layer` returns.

    Attributes
    ----------
    kept : (m,) integer array
        Indices of the features that are kept, increasing.
    output_weights : (D, m) array
        Their output weights; ``output_weights @ features[kept]`` are the outputs.
    lam : float or None
        None for the form with equalities.
    primal_value, dual_value : float
        The objective of ``output_weights`` and a proved lower bound on every V's, both
        recomputed from the data.
    gap, relative_gap : float
        Their difference, and that over the larger modulus.  In the form with equalities the
        gap includes what the remaining misfit may pretend to gain.
    residual : float
        :math:`|\Psi - V\Phi|_F / |\Psi|_F`.
    norm : float
        :math:`\sum_k |v_k|_2`, weighted with the costs if there are any.
    feature_rank, output_rank : int
        Ranks of :math:`\Phi` and of the part of :math:`\Psi` in its range.
    bound : int
        ``feature_rank * output_rank``: no more features are kept.
    seconds : float
    """

    kept: NDArray[np.intp]
    output_weights: Matrix
    lam: float | None
    primal_value: float
    dual_value: float
    gap: float
    relative_gap: float
    residual: float
    norm: float
    feature_rank: int
    output_rank: int
    bound: int
    seconds: float

    def __repr__(self) -> str:
        form = "exact" if self.lam is None else f"lam {self.lam:.4g}"
        return (
            f"CompressedLayer({len(self.kept)} features kept, bound {self.bound}, {form}, "
            f"relative gap {self.relative_gap:.1e}, residual {self.residual:.2e})"
        )


def compress_layer(
    features: ArrayLike,
    outputs: ArrayLike,
    lam: float | None = None,
    *,
    costs: ArrayLike | None = None,
    tol_gap: float = 1e-6,
    range_tolerance: float = 1e-8,
    time_limit: float | None = None,
) -> CompressedLayer:
    r"""Output weights of least norm for given features, on few of them.

    .. math:: \min_V \sum_k \omega_k|v_k|_2 \ \text{ s.t. } \ V\Phi = \Psi
              \qquad\text{or}\qquad
              \min_V \tfrac12|\Psi - V\Phi|_F^2 + \lambda\sum_k \omega_k|v_k|_2 .

    Parameters
    ----------
    features : (K, N) array_like
        :math:`\Phi`: what K hidden neurons hand on for N samples.
    outputs : (D, N) array_like
        :math:`\Psi`: the D outputs of the layer, without its bias.
    lam : float, optional
        Positive for the penalised form; left out or 0, outputs are kept exactly.
    costs : (K,) array_like, optional
        :math:`\omega_k > 0`, 1 if left out; with :math:`\omega_k = |w_k|` the sum is the path
        norm of the layer.
    tol_gap : float
        Relative gap at which to stop.
    range_tolerance : float
        In the exact form, outputs count as combinations of the features if they miss their
        range by at most this, relative to their norm; the nearest combinations are then kept.
    time_limit : float, optional
        Seconds after which the best point so far is taken, with its gap.

    Returns
    -------
    CompressedLayer
        At most rank(Phi) rank(Psi) features are kept, with the outputs and the norm of the
        minimiser (:func:`measurelp.network.prune_layer`).

    Raises
    ------
    InvalidProblem
        If shapes or numbers are not acceptable, or outputs that are to be kept exactly are no
        combinations of the features; the message says by how much.

    Notes
    -----
    The proof is weak duality.  Every A (D, N) with :math:`|A\phi_k|_2 \le \omega_k`
    (penalised: :math:`\le \lambda\omega_k`) bounds the objective of every V from below, by
    :math:`\langle A, \Psi\rangle` (penalised: :math:`-\tfrac12|A|^2` more).  The A used is the
    residual, or a combination of features, scaled until it is feasible on the data, with the
    rounding of the products charged.  ``relative_gap`` states what was proved, also where
    ``tol_gap`` was not reached.

    It proves that no other V on these features is better; features that other hidden weights
    would give are not considered.

    2 N (K + D)^2 operations remove the samples; what remains does not depend on N.

    Examples
    --------
    >>> import numpy as np
    >>> Phi = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    >>> done = compress_layer(Phi, [[2.0, 2.0]])
    >>> done.kept, done.output_weights.round(6)
    (array([2]), array([[2.]]))
    """
    begin = time.perf_counter()
    if np.ndim(outputs) == 1:
        raise InvalidProblem(
            "outputs: expected shape (D, N), a row an output, found one dimension; pass "
            "outputs[None, :] for one output."
        )
    Phi, Psi = finite_matrix("features", features), finite_matrix("outputs", outputs)
    K, N = Phi.shape
    if Psi.shape[1] != N:
        raise InvalidProblem(
            f"outputs: expected {N} columns, one a sample as features {Phi.shape}, found shape "
            f"{Psi.shape}; features are (K, N) and outputs (D, N)."
        )
    check_magnitude("features", Phi)
    check_magnitude("outputs", Psi)
    tol_gap = positive_number("tol_gap", tol_gap)
    lam = None if lam is None or (np.ndim(lam) == 0 and lam == 0.0) else positive_number("lam", lam)
    omega = _costs(costs, K)
    if costs is not None:
        Phi = Phi / omega[:, None]
    deadline = math.inf if time_limit is None else begin + time_limit
    with threadpool_limits(1, user_api="blas"):
        layer = reduce_layer(Phi, Psi)
        if lam is None:
            check_range(layer, range_tolerance)
        point = layer_point(layer, lam, tol=tol_gap, deadline=deadline)
        return certified_layer(Phi, Psi, layer, point, lam=lam, costs=omega, begin=begin)


def layer_point(
    layer: ReducedLayer,
    lam: float | None,
    *,
    tol: float,
    start: LayerPoint | None = None,
    deadline: float = math.inf,
) -> LayerPoint:
    """A minimiser in the units of the data, whose dual vector is in scaled ones."""
    zero = LayerPoint(
        np.zeros((len(layer.outputs), len(layer.directions))), np.zeros_like(layer.outputs), 1.0,
        0.0, 0,
    )  # fmt: skip
    if not layer.output_rank:
        return zero
    scaled = layer.exact() if lam is None else layer.penalised(lam)
    if scaled.lam is not None and scaled.lam >= scaled.lam_max:
        return zero
    if start is not None:
        start = start._replace(weights=start.weights / scaled.weight_scale)
    # The gap on the data differs by rounding and by what is outside the range.
    minimise = minimise_layer if lam is None else minimise_on_working_sets
    point = minimise(scaled, tol=0.5 * tol, start=start, deadline=deadline)
    return point._replace(weights=point.weights * scaled.weight_scale)


def check_range(layer: ReducedLayer, tolerance: float) -> None:
    """Raise InvalidProblem if outputs to be kept exactly are no combinations of features."""
    inside = float(np.linalg.norm(layer.outputs))
    whole = math.hypot(inside, layer.outside)
    if layer.outside > tolerance * whole:
        raise InvalidProblem(
            "outputs: they are no linear combinations of the features; the part outside their range "
            f"has {layer.outside / whole:.3g} of the outputs' norm (at most {tolerance:g} is taken "
            "for rounding). Pass lam for the penalised form, or the outputs without the bias."
        )


def certified_layer(
    Phi: Matrix,
    Psi: Matrix,
    layer: ReducedLayer,
    point: LayerPoint,
    *,
    lam: float | None,
    costs: Matrix,
    begin: float,
) -> CompressedLayer:
    """Prune a point to the width bound and recompute everything from the data.

    ``Phi`` are the features divided by their costs.
    """
    pruned = prune_layer(layer.features, point.weights)
    order = np.argsort(pruned.kept)
    kept, V = pruned.kept[order], pruned.output_weights[:, order]
    misfit = Psi - V @ Phi[kept]
    norm = float(np.linalg.norm(V, axis=0).sum())
    if lam is None:
        A = _dual_from_features(Phi, layer, point)
        limit, primal, curvature = 1.0, norm, 0.0
    else:
        A = misfit
        square = float(np.vdot(A, A))
        limit, primal, curvature = lam, 0.5 * square + lam * norm, square
    along = float(np.vdot(A, Psi))
    steepest = _proved_column_norm(A, Phi)
    length = limit / steepest if steepest > 0.0 else 0.0
    if lam is not None and curvature > 0.0:
        best = along / curvature
        length = max(-length, min(length, best)) if steepest > 0.0 else best
    dual = length * along - 0.5 * length**2 * curvature
    slack = abs(length * float(np.vdot(A, misfit))) if lam is None else 0.0
    gap = max(0.0, primal - dual) + slack
    largest = max(abs(primal), abs(dual))
    whole = float(np.linalg.norm(Psi))
    return CompressedLayer(
        kept=kept, output_weights=V / costs[kept], lam=lam, primal_value=primal, dual_value=dual,
        gap=gap, relative_gap=gap / largest if largest else 0.0,
        residual=float(np.linalg.norm(misfit)) / whole if whole else 0.0, norm=norm,
        feature_rank=layer.feature_rank, output_rank=layer.output_rank,
        bound=layer.feature_rank * layer.output_rank, seconds=time.perf_counter() - begin,
    )  # fmt: skip


def _dual_from_features(Phi: Matrix, layer: ReducedLayer, point: LayerPoint) -> Matrix:
    r"""A (D, N), a combination of features, with :math:`A\Phi^\top` as the reduced dual has it.

    The combination is ill conditioned where features nearly depend on each other, so it is
    corrected by what it misses.
    """
    wanted = point.dual @ layer.directions.T
    A = np.zeros((len(wanted), Phi.shape[1]))
    best, smallest = A, math.inf
    for _ in range(5):
        missed = wanted - A @ Phi.T
        size = float(np.linalg.norm(missed))
        if not size < 0.5 * smallest:
            break
        best, smallest = A, size
        inner = (missed @ layer.directions) / layer.values**2
        A = A + (inner @ layer.directions.T) @ Phi
    return best


def _proved_column_norm(A: Matrix, Phi: Matrix) -> float:
    r"""An upper bound of :math:`\max_k |A\phi_k|_2` that holds in spite of rounding.

    The sum over N is taken in blocks of b, so each inner product is off by at most
    (b + N / b) eps times the lengths of its factors.
    """
    N = A.shape[1]
    products = np.zeros((len(A), len(Phi)))
    for start in range(0, N, _BLOCK):
        part = slice(start, start + _BLOCK)
        products += A[:, part] @ Phi[:, part].T
    error = (min(N, _BLOCK) + N / _BLOCK + 8.0) * _EPS
    sizes = np.linalg.norm(products, axis=0)
    slack = error * float(np.linalg.norm(A)) * np.linalg.norm(Phi, axis=1)
    return float((sizes * (1.0 + 16.0 * _EPS * len(A)) + slack).max(initial=0.0))


def _costs(costs: ArrayLike | None, K: int) -> Matrix:
    if costs is None:
        return np.ones(K)
    omega = np.asarray(costs, dtype=np.float64)
    if omega.shape != (K,) or not (np.isfinite(omega).all() and np.all(omega > 0.0)):
        raise InvalidProblem(
            f"costs: expected {K} positive numbers, one a feature, found shape {omega.shape}"
            + ("." if omega.shape != (K,) else " with entries that are not positive.")
        )
    return omega
