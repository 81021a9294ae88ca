"""Local ascent of the dual function: finds peaks, proves nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from measurelp.oracle._ascent_kernels import ascend_all, climb_outputs
from measurelp.oracle._nearby_kernels import climb_nearby
from measurelp.oracle._ray_ascent_kernels import ascend_to_rays
from measurelp.oracle.dual_function import DualFunction, Slice

_STEPS = 50
_TURNS = 3


def climbed(
    dual: DualFunction,
    coordinates: NDArray[np.float64],
    signs: NDArray[np.float64] | None = None,
    *,
    steps: int = _STEPS,
) -> NDArray[np.float64]:
    """Where climbing sign * eta from given coordinates (k, r) ends, in coordinates of unit norm.

    With a ball of flat faces these are rays (see ``_ray_ascent_kernels``).  The sign is that of
    eta at the start unless ``signs`` (k,) are given.  Starts without a penalised part are
    dropped.  With a free bias, the linear part and the place of the kink are improved in turn.  Nobody climbs more than ``steps`` steps.
    """
    norms = dual.space.norms(coordinates)
    usable = norms > 0.0
    points = np.array(coordinates[usable] / norms[usable, None])
    if dual.alpha.ndim == 2:
        return _climbed_in_turn(dual, points, steps)
    if signs is None:
        signs = np.where(dual.values(points) < 0.0, -1.0, 1.0)
    else:
        signs = signs[usable]
    if len(points) == 0 or len(dual.merged[1]) == 0:
        return points
    if not dual.space.has_free_bias:
        points = np.ascontiguousarray(points)
        _ascend(dual, dual.slice(0), points, signs, steps)
        return points
    return np.vstack([
        _climbed_with_bias(dual, point, sign) for point, sign in zip(points, signs, strict=True)
    ])  # fmt: skip


def climbed_nearby(
    dual: DualFunction,
    centres: NDArray[np.float64],
    radii: NDArray[np.float64],
    rng: np.random.Generator,
    *,
    starts: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Ends of ascents of |eta| from close to unit vectors (k, r), and eta there.

    For each radius, falling, so many starts about as far from each centre.  Only rows that cut a
    cap of twice the radius are looked at one by one, so narrow caps cost little where rows are many;
    ends outside their cap are left out.  For one output, the Euclidean ball and no free bias.
    """
    r = centres.shape[1]
    if len(dual.merged[1]) == 0:
        return centres[:0], np.zeros(0)
    moves = rng.standard_normal((len(centres), len(radii), starts, r)) / np.sqrt(r)
    points, values = np.empty(moves.shape), np.empty(moves.shape[:3])
    part = dual.slice(0)
    rows, n_plus = _scaled(part.rows, part.alpha)
    climb_nearby(
        rows, n_plus, np.linalg.norm(rows, axis=0), np.ascontiguousarray(centres),
        np.where(dual.values(centres) < 0.0, -1.0, 1.0), radii, moves, _STEPS, points, values,
    )  # fmt: skip
    inside = np.isfinite(values)
    return points[inside], values[inside]


def _ascend(
    dual: DualFunction,
    part: Slice,
    points: NDArray[np.float64],
    signs: NDArray[np.float64],
    steps: int,
) -> None:
    """Climb in place over a slice: over the sphere, or from ray to ray of a ball with flat faces."""
    fan, rows = dual.space.ball.fan, part.rows
    if fan is None:
        ascend_all(*_scaled(rows, part.alpha), points, signs, steps)
        return
    walls = fan.walls(rows.shape[1])
    normals = np.ascontiguousarray(np.vstack([rows, walls]))
    coefficients = signs[:, None] * np.append(part.alpha, np.zeros(len(walls)))
    ball = dual.space.ball
    ascend_to_rays(normals, coefficients, ball.name == "l1", points, steps)
    # The kernel knows the l1 and the linf norm; for others it climbs by the latter.
    points /= ball.norm(points)[:, None]


def _climbed_in_turn(
    dual: DualFunction, points: NDArray[np.float64], steps: int
) -> NDArray[np.float64]:
    """Where climbing |F| for several outputs ends.

    |F(w)| is the largest <u, F(w)> over unit output directions u: the weight climbs a scalar dual
    function for a fixed u, which is then made that of F(w), and at the end u and w are improved
    together on the face that the weight lies on.
    """
    if len(points) == 0 or len(dual.merged[1]) == 0:
        return points
    if not dual.space.has_free_bias:
        points, part = np.ascontiguousarray(points), dual.slice(0)
        climb_outputs(part.rows, part.alpha, points, min(steps, _STEPS))
        return points
    for _ in range(_TURNS):
        values = dual.values(points)
        sizes = dual.sizes(values)
        for k in np.flatnonzero(sizes > 0.0):
            along = replace(dual, alpha=dual.alpha @ (values[k] / sizes[k]))
            if len(along.merged[1]):
                points[k] = _climbed_with_bias(along, points[k], 1.0)
    return points


def _scaled(
    rows: NDArray[np.float64], alpha: NDArray[np.float64]
) -> tuple[NDArray[np.float64], int]:
    """Rows times |alpha|, transposed, those of positive alpha first, and how many these are."""
    positive = alpha > 0.0
    order = np.concatenate([np.flatnonzero(positive), np.flatnonzero(~positive)])
    scaled = rows[order] * np.abs(alpha[order])[:, None]
    return np.ascontiguousarray(scaled.T), int(np.count_nonzero(positive))


def _climbed_with_bias(
    dual: DualFunction, point: NDArray[np.float64], sign: float
) -> NDArray[np.float64]:
    """Alternate between the best kink for a direction and the best direction for a kink."""
    rows, alpha = dual.merged
    inputs = rows[:, :-1]
    direction = point[None, :-1].copy()
    last = -1
    part = None
    for _ in range(_TURNS):
        along = inputs @ direction[0]
        order = np.argsort(along)
        heights, weights = along[order], alpha[order]
        # eta at the kink of point i: sum over points above it of alpha_j (s_j - s_i).
        above = np.cumsum(weights[::-1])[::-1]
        moments = np.cumsum((weights * heights)[::-1])[::-1]
        best = int(order[int(np.argmax(sign * (moments - above * heights)))])
        if best == last:
            break
        last = best
        part = dual.slice(best)
        _ascend(dual, part, direction, np.array([sign]), _STEPS)
    return point[None, :] if part is None else part.to_space(direction)
