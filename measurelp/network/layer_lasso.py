r"""The multitask lasso of one layer, and its limit with equalities, at sizes of real layers.

.. math:: \min_V \tfrac12|\Psi - V\Phi|_F^2 + \lambda\sum_k |v_k|_2
          \qquad\text{and}\qquad \min_V \sum_k |v_k|_2 \ \text{ s.t. } \ V\Phi = \Psi

for features :math:`\Phi` (K, N) and outputs :math:`\Psi` (D, N).  First N is removed: with an
orthonormal basis Q (N, r) of the row space of :math:`\Phi`, only :math:`\Phi Q` and
:math:`\Psi Q` matter.  What is left is solved by the augmented Lagrangian method on the dual,
whose subproblems are smooth and are solved by a semismooth Newton method (Li, Sun and Toh 2018
for the lasso; Zhang, Zhang, Sun and Toh 2020 for groups).  The method does not mind features
that are nearly dependent, which those of trained layers are.
"""

from __future__ import annotations

import math
import time
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

Matrix = NDArray[np.float64]
_EPS = float(np.finfo(np.float64).eps)
_BLOCK = 16384
_ROUNDS, _NEWTON, _GRADIENTS, _SIGMA = 80, 50, 300, 30.0
# Gradients shorter than this, in scaled units, may be rounding.
_ROUNDING = 1e-11


class ReducedLayer(NamedTuple):
    r"""A layer without its samples: :math:`\Phi = U S Q^\top`, and :math:`\Psi Q`.

    Attributes
    ----------
    directions : (K, r) array
        U, orthonormal columns; r is the rank, decided at max(N, K) eps times the largest
        singular value.
    values : (r,) array
        S, decreasing.
    outputs : (D, r) array
        :math:`\Psi Q`.
    outside : float
        :math:`|\Psi - \Psi QQ^\top|_F`: what no V can reach.
    """

    directions: Matrix
    values: Matrix
    outputs: Matrix
    outside: float

    @property
    def feature_rank(self) -> int:
        r"""Rank of :math:`\Phi`."""
        return len(self.values)

    @property
    def output_rank(self) -> int:
        r"""Rank of :math:`\Psi Q`, decided at 1e-12 of its largest singular value."""
        if not self.outputs.size:
            return 0
        sizes = np.linalg.svd(self.outputs, compute_uv=False)
        return int(np.count_nonzero(sizes > 1e-12 * sizes[0]))

    @property
    def features(self) -> Matrix:
        r""":math:`\Phi Q`, (K, r)."""
        return self.directions * self.values

    def penalised(self, lam: float) -> ScaledLayer:
        """The penalised form with features and outputs of norm 1."""
        inward, outward = float(self.values[0]), float(np.linalg.norm(self.outputs))
        return ScaledLayer(
            self.features / inward, self.outputs / outward, lam / (inward * outward),
            outward / inward,
        )  # fmt: skip

    def exact(self) -> ScaledLayer:
        r"""The form with equalities, as :math:`VU = \Psi Q S^{-1}`, which is well conditioned."""
        target = self.outputs / self.values
        outward = float(np.linalg.norm(target))
        return ScaledLayer(self.directions, target / outward, None, outward)


class ScaledLayer(NamedTuple):
    """Features M (K, r), outputs T (D, r), lam, and the factor back to the data's weights."""

    features: Matrix
    outputs: Matrix
    lam: float | None
    weight_scale: float

    @property
    def lam_max(self) -> float:
        """The least lam for which V = 0 is optimal."""
        return column_norm(self.outputs, self.features)


class LayerPoint(NamedTuple):
    """A primal and a dual point in scaled units, from which the next solve can start.

    ``gap`` is the relative gap as the reduced problem shows it: a claim, checked elsewhere.
    """

    weights: Matrix
    dual: Matrix
    sigma: float
    gap: float
    newton_steps: int


def reduce_layer(features: Matrix, outputs: Matrix) -> ReducedLayer:
    """Remove the samples: QR of the features' transpose in blocks, then singular values.

    2 N (K + D)^2 operations, and memory for a block of samples only.
    """
    K, N = features.shape
    triangle = np.zeros((0, K + len(outputs)))
    for start in range(0, N, _BLOCK):
        part = slice(start, start + _BLOCK)
        block = np.vstack([features[:, part], outputs[:, part]]).T
        triangle = np.asarray(np.linalg.qr(np.vstack([triangle, block]), mode="r"))
    top, right = triangle[:K, :K], triangle[:K, K:]
    left, values, basis = np.linalg.svd(top, full_matrices=False)
    cut = max(N, K) * _EPS * values.max(initial=0.0)
    rank = int(np.count_nonzero(values > cut))
    inside = (left[:, :rank].T @ right).T
    outside = math.hypot(
        float(np.linalg.norm(triangle[K:, K:])), float(np.linalg.norm(left[:, rank:].T @ right))
    )
    return ReducedLayer(basis[:rank].T, values[:rank], inside, outside)


def minimise_layer(
    layer: ScaledLayer,
    *,
    tol: float,
    start: LayerPoint | None = None,
    deadline: float = math.inf,
) -> LayerPoint:
    """Minimise until the relative gap is at most ``tol``, or falls no further.

    Parameters
    ----------
    layer : ScaledLayer
        With lam = None for the form with equalities.
    tol : float
    start : LayerPoint, optional
        For example the point of another lam.
    deadline : float
        In seconds of ``time.perf_counter``; the best point so far is returned then.
    """
    M, T, lam, _ = layer
    V = np.zeros((len(T), len(M))) if start is None else start.weights
    A = np.zeros_like(T) if start is None else start.dual
    sigma = _SIGMA if start is None else max(_SIGMA, start.sigma / 300.0)
    best = LayerPoint(V, A, sigma, math.inf, 0)
    growth, accuracy = 6.0, 0.02
    steps = idle = 0
    for _ in range(_ROUNDS):
        A, V_new, taken = _newton(M, T, V, A, lam, sigma, accuracy)
        steps += taken
        if taken == _NEWTON:
            # Not solved: a step in V would be wrong.  Nearer to V it is easier.
            sigma /= growth
            growth = max(1.5, math.sqrt(growth))
            idle += 1
        else:
            V = V_new
            if lam is None:
                V_fit = _onto_equalities(M, T, V)
                gap = _gap_exact(M, T, V_fit, A)
            else:
                V_fit, gap = V, penalised_gap(M, T, V, lam)
            # Once rounding is reached a larger sigma only spoils the point.
            idle = 0 if gap < 0.5 * best.gap or gap > 1e-2 else idle + 1
            if gap < best.gap:
                best = LayerPoint(V_fit, A, sigma, gap, steps)
            if gap <= tol:
                break
            sigma *= growth
            # A gradient of this length makes the residual infeasible by as much.
            needed = 0.3 * min(gap, 1.0) * (1.0 if lam is None else lam)
            accuracy = max(4.0 * _EPS, min(0.2 * accuracy, needed))
        if idle >= 4 or time.perf_counter() > deadline:
            break
    return best._replace(newton_steps=steps)


def _newton(
    M: Matrix, T: Matrix, V: Matrix, A: Matrix, lam: float | None, sigma: float, accuracy: float
) -> tuple[Matrix, Matrix, int]:
    r"""Minimise the augmented Lagrangian's dual function over A, and take its step in V.

    .. math:: \psi(A) = \tfrac\delta2|A|^2 - \langle A, T'\rangle
              + \tfrac1{2\sigma}\sum_k |S_{\sigma\lambda}(v_k + \sigma A m_k)|^2

    with the group soft threshold S; delta = 1 and T' = T for the penalised form, for the other
    delta = 1 / sigma and T' = T + delta A, which is a proximal term.
    """
    delta, target, tau = 1.0, T, sigma * (1.0 if lam is None else lam)
    if lam is None:
        delta = 1.0 / sigma
        target = T + delta * A

    def value(A: Matrix, W: Matrix) -> float:
        smooth = 0.5 * delta * float(np.vdot(A, A)) - float(np.vdot(A, target))
        return smooth + float(np.vdot(W, W)) / (2.0 * sigma)

    Z, W, sizes = _threshold(V + sigma * (A @ M.T), tau)
    psi, shortest, stalled = value(A, W), math.inf, 0
    for step in range(_NEWTON):
        gradient = delta * A - target + W @ M
        length = float(np.linalg.norm(gradient))
        stalled = 0 if length < 0.5 * shortest or length > _ROUNDING else stalled + 1
        shortest = min(shortest, length)
        if length <= accuracy or stalled >= 3:
            return A, W, step
        active = np.flatnonzero(sizes > tau)
        direction = _newton_direction(
            M[active], Z[:, active], tau / sizes[active], delta, sigma, gradient
        )
        slope = float(np.vdot(gradient, direction))
        length = 1.0
        while True:
            A_new = A + length * direction
            Z_new, W_new, sizes_new = _threshold(V + sigma * (A_new @ M.T), tau)
            psi_new = value(A_new, W_new)
            if psi_new <= psi + 1e-4 * length * slope + 1e-14 * abs(psi):
                break
            length *= 0.5
            if length < 1e-10:
                return A, W, step
        A, Z, W, sizes, psi = A_new, Z_new, W_new, sizes_new, psi_new
    return A, W, _NEWTON


def _threshold(Z: Matrix, tau: float) -> tuple[Matrix, Matrix, Matrix]:
    """Z, its columns shortened by tau, and their lengths before that."""
    sizes = np.linalg.norm(Z, axis=0)
    factor = np.maximum(0.0, 1.0 - tau / np.maximum(sizes, 1e-300))
    return Z, Z * factor, sizes


def _newton_direction(
    M: Matrix, Z: Matrix, share: Matrix, delta: float, sigma: float, gradient: Matrix
) -> Matrix:
    r"""Solve :math:`\delta E + \sigma\,H(E M^\top) M = -\text{gradient}` by conjugate gradients.

    H acts on column k as :math:`(1 - s_k) I + s_k u_k u_k^\top` with the unit columns u of Z
    and the share :math:`s_k = \tau/|z_k|`.  The preconditioner replaces it by its mean
    eigenvalue, which leaves one r x r matrix to factor.
    """
    D = len(Z)
    unit = Z / np.linalg.norm(Z, axis=0)
    matrix = (M.T * (sigma * (1.0 - share + share / D))) @ M
    matrix[np.diag_indices_from(matrix)] += delta + 1e-15 * sigma
    factor = linalg.cho_factor(matrix, lower=True, check_finite=False, overwrite_a=True)

    def precondition(E: Matrix) -> Matrix:
        return np.asarray(linalg.cho_solve(factor, E.T, check_finite=False).T)

    def hessian(E: Matrix) -> Matrix:
        Y = E @ M.T
        Y = (1.0 - share) * Y + unit * (share * np.einsum("dk,dk->k", unit, Y))
        return np.asarray(delta * E + sigma * (Y @ M))

    size = float(np.linalg.norm(gradient))
    accuracy = 0.1 * min(0.1, size) * size
    E = np.zeros_like(gradient)
    residual = -gradient
    towards = precondition(residual)
    path, product = towards, float(np.vdot(residual, towards))
    for _ in range(_GRADIENTS):
        curved = hessian(path)
        length = product / float(np.vdot(path, curved))
        E = E + length * path
        residual = residual - length * curved
        if float(np.linalg.norm(residual)) <= accuracy:
            break
        towards = precondition(residual)
        product, before = float(np.vdot(residual, towards)), product
        path = towards + (product / before) * path
    return E


def penalised_gap(M: Matrix, T: Matrix, V: Matrix, lam: float) -> float:
    """The relative gap between V and its residual, scaled to the best feasible length."""
    residual = T - V @ M
    square = float(np.vdot(residual, residual))
    primal = 0.5 * square + lam * float(np.linalg.norm(V, axis=0).sum())
    along, steepest = float(np.vdot(residual, T)), column_norm(residual, M)
    length = along / square if square else 0.0
    if steepest > 0.0:  # feasible with either sign, and ``along`` is negative far from optima
        length = max(-lam / steepest, min(length, lam / steepest))
    return (primal - (length * along - 0.5 * length**2 * square)) / primal if primal else 0.0


def _gap_exact(M: Matrix, T: Matrix, V: Matrix, A: Matrix) -> float:
    primal = float(np.linalg.norm(V, axis=0).sum())
    steepest = column_norm(A, M)
    if primal == 0.0 or steepest == 0.0:
        return math.inf
    dual = A / steepest
    slack = abs(float(np.vdot(dual, T - V @ M)))
    misfit = float(np.linalg.norm(T - V @ M))
    return abs(primal - float(np.vdot(dual, T))) / primal + slack / primal + misfit


def _onto_equalities(M: Matrix, T: Matrix, V: Matrix) -> Matrix:
    """The nearest weights on the same features that fit, if the misfit is small by now."""
    misfit = T - V @ M
    active = np.flatnonzero(V.any(axis=0))
    if not len(active) or float(np.linalg.norm(misfit)) > 1e-3:
        return V
    shift = linalg.lstsq(M[active].T, misfit.T, lapack_driver="gelsy", check_finite=False)[0]
    moved = V.copy()
    moved[:, active] += shift.T
    better = np.linalg.norm(T - moved @ M) < np.linalg.norm(misfit)
    return moved if better else V


def column_norm(A: Matrix, M: Matrix) -> float:
    r""":math:`\max_k |A m_k|_2`, what dual feasibility bounds."""
    return float(np.linalg.norm(A @ M.T, axis=0).max(initial=0.0))
