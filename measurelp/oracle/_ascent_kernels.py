"""Compiled local ascent of the dual function.

Nothing here is a bound.  Rows come scaled by |alpha| and transposed, (r, n), with the signs of
alpha, so that the one thing done over and over, summing the rows on one side of a hyperplane,
runs along memory.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from measurelp.oracle._kernels import settle, workspace

_REORDERED = {"reassoc", "contract", "nsz"}  # sums in any order; nan and inf keep their meaning
_BLOCK = 512
_MOST_VERTICES = 100  # of one inner problem
_SHARE = 0.5  # of what a linearisation can still gain: enough to linearise anew
_GAIN = 1e-10  # relative; less is not worth a step


@njit(cache=True, nogil=True, error_model="numpy", fastmath=_REORDERED)
def _sums(rows, sides, w, convex, concave):
    """Sums of the rows with <row, w> > 0, of positive and of negative sides."""
    r, n = rows.shape
    active, signed = np.empty(_BLOCK), np.empty(_BLOCK)
    for c in range(r):
        convex[c] = 0.0
        concave[c] = 0.0
    for low in range(0, n, _BLOCK):
        width = min(_BLOCK, n - low)
        for i in range(width):
            active[i] = 0.0
        for c in range(r):
            factor = w[c]
            for i in range(width):
                active[i] += factor * rows[c, low + i]
        for i in range(width):
            active[i] = 1.0 if active[i] > 0.0 else 0.0
            signed[i] = active[i] * sides[low + i]
        for c in range(r):
            both, difference = 0.0, 0.0
            for i in range(width):
                both += active[i] * rows[c, low + i]
                difference += signed[i] * rows[c, low + i]
            convex[c] += 0.5 * (both + difference)
            concave[c] += 0.5 * (both - difference)


@njit(cache=True, nogil=True, error_model="numpy")
def ascend_all(rows, sides, points, signs, steps):
    """Climb signs[k] * eta from points[k] (in place) to local maxima over the unit sphere.

    eta(w) = sum_i sides_i <row_i, w>_+ with sides +-1.  Rows whose contribution is convex are
    linearised at the point, which minorises them; the rest is concave, and its maximum is the
    least norm over base - sum theta_i row_i, theta in [0, 1].  Wolfe's algorithm for that is
    left as soon as it has gained a good share of what it can.  Monotone.
    """
    r = rows.shape[0]
    vertices, no_tags, is_ray, share, trial, gram, vertex, _ = workspace(r, 0)
    sums = np.empty((2, r))
    base, y, w = np.empty(r), np.empty(r), np.empty(r)
    for k in range(points.shape[0]):
        # convex rows of sign * eta are those whose side is the sign
        first = 0 if signs[k] > 0.0 else 1
        for c in range(r):
            w[c] = points[k, c]
        _sums(rows, sides, w, sums[first], sums[1 - first])
        value = _inner(sums[0], w) - _inner(sums[1], w)
        for _ in range(steps):
            # |y| bounds what this linearisation can reach, <vertex, y> / |y| is what y reaches.
            for c in range(r):
                base[c] = sums[0, c]
                vertices[0, c] = base[c] - sums[1, c]
                y[c] = vertices[0, c]
            share[0] = 1.0
            size = 1
            length = 0.0
            previous = np.inf
            least = 1e-9 * np.sqrt(_inner(base, base))
            for _ in range(_MOST_VERTICES):
                length = np.sqrt(_inner(y, y))
                if not max(value * (1.0 + _GAIN), least) < length < previous * (1.0 - 1e-14):
                    break
                previous = length
                _sums(rows, sides, y, sums[first], sums[1 - first])
                for c in range(r):
                    vertex[c] = base[c] - sums[1, c]
                reached = _inner(vertex, y) / length
                if reached - value >= _SHARE * (length - value) or size == share.shape[0]:
                    break
                for c in range(r):
                    vertices[size, c] = vertex[c]
                is_ray[size] = 0
                share[size] = 0.0
                size = settle(vertices, no_tags, is_ray, share, trial, gram, size + 1)
                if size < 1:
                    break
                for c in range(r):
                    y[c] = 0.0
                    for i in range(size):
                        y[c] += share[i] * vertices[i, c]
            if not length > least:
                break
            _sums(rows, sides, y, sums[first], sums[1 - first])
            reached = (_inner(sums[0], y) - _inner(sums[1], y)) / length
            if not reached > value:
                break
            value = reached
            for c in range(r):
                w[c] = y[c] / length
        for c in range(r):
            points[k, c] = w[c]


@njit(cache=True, nogil=True, error_model="numpy")
def _inner(a, b):
    total = 0.0
    for c in range(a.shape[0]):
        total += a[c] * b[c]
    return total
