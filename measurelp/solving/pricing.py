"""Cheap pricing: where does the dual function exceed lam?  Finds, never proves."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from measurelp.oracle import DualFunction
from measurelp.oracle._kernels import ascend_all
from measurelp.oracle.base import distinct_peaks

_RANDOM_STARTS = 40
_MOST_CLIMBS = 40


def priced_peaks(
    dual: DualFunction,
    starts: NDArray[np.float64],
    *,
    level: float,
    rng: np.random.Generator,
    n_most: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Local maxima of |eta| above ``level``, highest first, in row-space coordinates.

    Climbs from the given coordinates (k, r), perturbed a little and much, and from random
    directions of the sphere, once for each sign of eta.
    """
    rows, alpha = dual.distinct, dual.merged
    used = alpha != 0.0
    rows, alpha = np.ascontiguousarray(rows[used]), alpha[used]
    r = rows.shape[1]
    known = dual.from_space(starts)
    shaken = [known]
    for size in (0.1, 0.4):
        noise = rng.standard_normal(known.shape) * size / np.sqrt(r)
        if dual.space.has_free_bias:
            noise[:, -1] *= np.abs(known[:, -1])
        shaken.append(known + noise)
    shaken.append(_random_directions(dual, rng))
    points = np.vstack(shaken)
    points = points / np.linalg.norm(points, axis=1)[:, None]
    signed = alpha @ np.maximum(rows @ points.T, 0.0)
    highest, lowest = np.argsort(-signed)[:_MOST_CLIMBS], np.argsort(signed)[:_MOST_CLIMBS]
    both = points[np.concatenate([highest, lowest])]
    signs = np.repeat([1.0, -1.0], [len(highest), len(lowest)])
    values = np.empty(len(both))
    ascend_all(rows, alpha, both, signs, 30, values)
    peaks, signed = distinct_peaks(*dual.to_space(both, signs * np.maximum(values, 0.0)), level)
    return peaks[:n_most], signed[:n_most]


def _random_directions(dual: DualFunction, rng: np.random.Generator) -> NDArray[np.float64]:
    """Random directions; with a free bias their kinks fall among the data."""
    r = dual.space.rank
    directions = rng.standard_normal((_RANDOM_STARTS, r))
    if dual.space.has_free_bias:
        linear = directions[:, :-1] / np.linalg.norm(directions[:, :-1], axis=1, keepdims=True)
        chosen = dual.space.rows[rng.integers(len(dual.space.rows), size=_RANDOM_STARTS)]
        bias = -np.einsum("ij,ij->i", linear, chosen[:, :-1]) / dual.space.bias_scale
        return dual.from_space(np.column_stack([linear, bias]))
    return directions
