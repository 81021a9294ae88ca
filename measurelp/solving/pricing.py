"""Cheap pricing: where does the dual function exceed lam?  Finds, never proves."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from measurelp.oracle import DualFunction
from measurelp.oracle.ascent import climbed, climbed_nearby
from measurelp.oracle.base import distinct_peaks

_RANDOM_STARTS = 40
_THOROUGH = 10
_MOST_CLIMBS, _LEAST_CLIMBS, _CLIMBED_ROWS = 40, 4, 40_000
_NEAR = 0.98
# From so many rows on, ascent from close to known weights finds more for less; few climbs over all
# rows are enough beside it.  Over very many rows even wide caps are dear.
_NEARBY_FROM, _BESIDE_NEARBY, _MANY_ROWS = 1000, 8, 20_000
_RADII = np.array([0.2, 0.05, 0.015, 0.004])
_NEARBY_STARTS, _MORE_NEARBY_STARTS, _MOST_NEARBY = 2, 8, 60


def priced_peaks(
    dual: DualFunction,
    starts: NDArray[np.float64],
    *,
    level: float,
    rng: np.random.Generator,
    n_most: int,
    thoroughly: bool = False,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Local maxima of |eta| above ``level``, highest first, in row-space coordinates.

    Climbs, for each sign of eta, from the most promising among the given coordinates
    (k, r), the same perturbed a little and much, and random directions.  Where rows are many, what
    is missing late lies within a few tenths to a few thousandths of what is known, so ascents also
    start at such distances.  ``thoroughly`` takes many more of each.
    """
    n, r = len(dual.space.distinct), dual.space.rank
    more = _THOROUGH if thoroughly else 1
    known = starts / np.linalg.norm(starts, axis=1)[:, None]
    looks_nearby = (
        n >= _NEARBY_FROM and dual.alpha.ndim == 1 and dual.space.ball.fan is None
        and not dual.space.has_free_bias
    )  # fmt: skip
    shaken = [
        known + rng.standard_normal(known.shape) * size / np.sqrt(r) for size in (0.1, 0.4) * more
    ]
    points = np.vstack([known, *shaken, _random_directions(dual, more * _RANDOM_STARTS, rng)])
    points = points / dual.space.norms(points)[:, None]
    eta = dual.values(points)
    climbs = more * min(_MOST_CLIMBS, max(_LEAST_CLIMBS, _CLIMBED_ROWS // n))
    if looks_nearby and not thoroughly:
        climbs = min(climbs, _BESIDE_NEARBY)
    if eta.ndim == 2:
        highest = _spread(points, np.argsort(-dual.sizes(eta), kind="stable"), climbs)
        found = climbed(dual, points[highest])
    else:
        highest = _spread(points, np.argsort(-eta, kind="stable"), climbs)
        lowest = _spread(points, np.argsort(eta, kind="stable"), climbs)
        signs = np.repeat([1.0, -1.0], [len(highest), len(lowest)])
        found = climbed(dual, points[np.concatenate([highest, lowest])], signs)
    if looks_nearby:
        count = _MORE_NEARBY_STARTS if thoroughly else _NEARBY_STARTS
        radii = _RADII[int(n >= _MANY_ROWS) :]
        near, values = climbed_nearby(dual, known, radii, rng, starts=count)
        near, _ = distinct_peaks(near, values, np.abs(values), level, most=_MOST_NEARBY)
        found = np.vstack([found, near])
    values = dual.values(found)
    peaks, values = distinct_peaks(found, values, dual.sizes(values), level)
    return peaks[:n_most], values[:n_most]


def _spread(points: NDArray[np.float64], order: NDArray[np.intp], count: int) -> NDArray[np.intp]:
    """The first ``count`` in order; where few are wanted, only those away from earlier ones."""
    if count >= _MOST_CLIMBS:
        return order[:count]
    directions = points / np.linalg.norm(points, axis=1)[:, None]
    chosen: list[int] = []
    for k in order:
        if not np.any(directions[chosen] @ directions[k] > _NEAR):
            chosen.append(int(k))
        if len(chosen) == count:
            break
    return np.array(chosen, dtype=np.intp)


def _random_directions(
    dual: DualFunction, count: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Random directions; with a free bias their kinks fall among the data."""
    directions = rng.standard_normal((count, dual.space.rank))
    if dual.space.has_free_bias:
        linear = directions[:, :-1]
        chosen = dual.space.rows[rng.integers(len(dual.space.rows), size=count)]
        directions[:, -1] = -np.einsum("ij,ij->i", linear, chosen[:, :-1]) / dual.space.bias_scale
    return directions
