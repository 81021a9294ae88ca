"""The penalised layer on few features at a time: most of them are never used."""

from __future__ import annotations

import math
import time

import numpy as np
from numpy.typing import NDArray

from measurelp.network.layer_lasso import (
    LayerPoint,
    ScaledLayer,
    column_norm,
    minimise_layer,
    penalised_gap,
)

Matrix = NDArray[np.float64]
_FIRST, _ROUNDS = 32, 20


def minimise_on_working_sets(
    layer: ScaledLayer,
    *,
    tol: float,
    start: LayerPoint | None = None,
    deadline: float = math.inf,
) -> LayerPoint:
    r"""Minimise as :func:`minimise_layer` does, on a growing set of features.

    A feature that is not used must satisfy :math:`|Am_k| \le \lambda` for the residual A; those
    that violate it most join, at most as many as are there.  A problem of w features has only
    w coordinates, so factoring costs w^3 instead of r^3.  Once half of the features are in
    play, the whole problem takes over from the point that was reached.

    Parameters and result are those of :func:`minimise_layer`, for a layer with lam.
    """
    M, T, lam, _ = layer
    assert lam is not None
    K = len(M)
    slopes = np.linalg.norm(T @ M.T, axis=0)
    working = np.argsort(-slopes, kind="stable")[: min(_FIRST, K)]
    best: LayerPoint | None = None
    if start is not None:
        working = np.union1d(working, np.flatnonzero(start.weights.any(axis=0)))
    steps = 0
    for _ in range(_ROUNDS):
        if 2 * len(working) > K or time.perf_counter() > deadline:
            break
        start = best = _on(layer, working, tol, start, deadline)
        steps += best.newton_steps
        if best.gap <= tol:
            return best._replace(newton_steps=steps)
        slopes = np.linalg.norm(best.dual @ M.T, axis=0)
        slopes[working] = 0.0
        missing = np.flatnonzero(slopes > lam)
        if not len(missing):
            break
        order = np.argsort(-slopes[missing], kind="stable")[: len(working)]
        working = np.union1d(working, missing[order])
    whole = minimise_layer(layer, tol=tol, start=start, deadline=deadline)
    if best is not None and best.gap < whole.gap:
        whole = best
    return whole._replace(newton_steps=steps + whole.newton_steps)


def _on(
    layer: ScaledLayer,
    working: NDArray[np.intp],
    tol: float,
    start: LayerPoint | None,
    deadline: float,
) -> LayerPoint:
    """The minimiser that uses these features only, as a point of the whole layer."""
    M, T, lam, scale = layer
    assert lam is not None
    basis, triangle = np.linalg.qr(M[working].T)
    smaller = ScaledLayer(np.ascontiguousarray(triangle.T), T @ basis, lam, scale)
    if column_norm(smaller.outputs, smaller.features) <= lam:
        inner = LayerPoint(np.zeros((len(T), len(working))), smaller.outputs, 1.0, 0.0, 0)
    else:
        if start is not None:
            start = start._replace(weights=start.weights[:, working], dual=start.dual @ basis)
        inner = minimise_layer(smaller, tol=0.3 * tol, start=start, deadline=deadline)
    V = np.zeros((len(T), len(M)))
    V[:, working] = inner.weights
    return LayerPoint(V, T - V @ M, inner.sigma, penalised_gap(M, T, V, lam), inner.newton_steps)
