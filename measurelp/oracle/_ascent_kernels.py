"""Compiled local ascent of the dual function.

Nothing here is a bound.  Rows come scaled by |alpha| and transposed, (r, n), those of positive
alpha first, so that the one thing done over and over, summing the rows on one side of a hyperplane,
runs along memory.
"""

from __future__ import annotations

import numpy as np

from measurelp._jit_kernels import entry, inner
from measurelp.oracle._kernels import settle, workspace

_REORDERED = {"reassoc", "contract", "nsz"}  # sums in any order; nan and inf keep their meaning
_BLOCK = 512
_MOST_VERTICES = 100  # of one inner problem
_SHARE = 0.5  # of what a linearisation can still gain: enough to linearise anew
_GAIN = 1e-10  # relative; less is not worth a step
_MOST_TURNS = 30  # of weight and output direction
_SQUARINGS = 30  # of the slope's square: enough for its singular vector, whatever the gap


@inner(fastmath=_REORDERED)
def _sum_active(rows, first, last, w, total):
    """Sum of the rows with <row, w> > 0 among those from first to last."""
    r = rows.shape[0]
    active = np.empty(_BLOCK)
    for c in range(r):
        total[c] = 0.0
    for low in range(first, last, _BLOCK):
        width = min(_BLOCK, last - low)
        for i in range(width):
            active[i] = 0.0
        for c in range(r):
            factor = w[c]
            for i in range(width):
                active[i] += factor * rows[c, low + i]
        for i in range(width):
            active[i] = 1.0 if active[i] > 0.0 else 0.0
        for c in range(r):
            part = 0.0
            for i in range(width):
                part += active[i] * rows[c, low + i]
            total[c] += part


@inner()
def _sums(rows, n_plus, w, plus, minus):
    """Sums of the active rows, of those that count positively and of the others."""
    _sum_active(rows, np.int64(0), n_plus, w, plus)
    _sum_active(rows, n_plus, rows.shape[1], w, minus)


@entry()
def ascend_all(rows, n_plus, points, signs, steps):
    """Climb signs[k] * eta from points[k] (in place) to local maxima over the unit sphere.

    eta(w) = sum_{i < n_plus} <row_i, w>_+ - sum_{i >= n_plus} <row_i, w>_+.  Rows whose contribution is convex are
    linearised at the point, which minorises them; the rest is concave, and its maximum is the
    least norm over base - sum theta_i row_i, theta in [0, 1].  Wolfe's algorithm for that is
    left as soon as it has gained a good share of what it can.  Monotone.
    """
    r, n = rows.shape
    vertices, no_tags, is_ray, share, trial, gram, vertex, _ = workspace(r, np.int64(0))
    sums = np.empty((2, r))
    base, y, w = np.empty(r), np.empty(r), np.empty(r)
    for k in range(points.shape[0]):
        # convex rows of sign * eta are those that count with this sign
        first = 0 if signs[k] > 0.0 else 1
        for c in range(r):
            w[c] = points[k, c]
        _sums(rows, n_plus, w, sums[first], sums[1 - first])
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
                if first == 0:
                    _sum_active(rows, n_plus, n, y, sums[1])
                else:
                    _sum_active(rows, np.int64(0), n_plus, y, sums[1])
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
            _sums(rows, n_plus, y, sums[first], sums[1 - first])
            reached = (_inner(sums[0], y) - _inner(sums[1], y)) / length
            if not reached > value:
                break
            value = reached
            for c in range(r):
                w[c] = y[c] / length
        for c in range(r):
            points[k, c] = w[c]


@inner()
def value_of_rows(rows, n_plus, w):
    """Eta at one point from rows as ``ascend_all`` has them."""
    r = rows.shape[0]
    plus, minus = np.empty(r), np.empty(r)
    _sums(rows, n_plus, w, plus, minus)
    return _inner(plus, w) - _inner(minus, w)


@entry()
def climb_outputs(rows, alpha, points, steps):
    """Climb |F|, F(w) = sum_i alpha_i <row_i, w>_+ in R^c, from points (in place), by turns.

    Climbing <u, F> for u along F(w) never lowers |F|; u is renewed as long as that gains.  It
    converges only linearly where two singular values of F's slope nearly agree, so now and then
    w moves to the best direction of the face on which it lies.
    """
    n, r = rows.shape
    c = alpha.shape[1]
    f, u = np.empty(c), np.empty(c)
    slope, trial = np.empty((c, r)), np.empty(r)
    scaled, sides = np.empty((r, n)), np.empty(n)
    point, sign = np.empty((1, r)), np.ones(1)
    for k in range(points.shape[0]):
        for i in range(r):
            point[0, i] = points[k, i]
        value = _outputs(rows, alpha, point[0], f)
        for turn in range(_MOST_TURNS):
            if not value > 0.0:
                break
            for q in range(c):
                u[q] = f[q] / value
            n_plus = np.int64(0)
            for i in range(n):
                side = 0.0
                for q in range(c):
                    side += alpha[i, q] * u[q]
                sides[i] = 1.0 if side >= 0.0 else -1.0
                place = n_plus if side >= 0.0 else n - 1 - (i - n_plus)
                n_plus += side >= 0.0
                for j in range(r):
                    scaled[j, place] = abs(side) * rows[i, j]
            ascend_all(scaled, n_plus, point, sign, min(steps, 4))
            reached = _outputs(rows, alpha, point[0], f)
            if turn % 4 == 1 or reached <= value * (1.0 + _GAIN):
                for j in range(r):
                    trial[j] = point[0, j]
                _to_best_on_face(rows, alpha, sides, trial, slope)
                better = _outputs(rows, alpha, trial, f)
                if better > reached:
                    reached = better
                    for j in range(r):
                        point[0, j] = trial[j]
                else:
                    _outputs(rows, alpha, point[0], f)
            done = reached <= value * (1.0 + _GAIN)
            if reached > value:
                value = reached
                for i in range(r):
                    points[k, i] = point[0, i]
            if done:
                break


@inner()
def _outputs(rows, alpha, w, f):
    """F(w) into ``f``; returns |F(w)|."""
    n, r = rows.shape
    c = f.shape[0]
    for q in range(c):
        f[q] = 0.0
    for i in range(n):
        inner = 0.0
        for j in range(r):
            inner += rows[i, j] * w[j]
        if inner > 0.0:
            for q in range(c):
                f[q] += alpha[i, q] * inner
    return np.sqrt(_inner(f, f))


@inner()
def _to_best_on_face(rows, alpha, sides, w, slope):
    """Move w (in place) towards the longest image of F's slope on the face that w lies on.

    The walls of the face are the rows with <row, w> = 0, up to rounding, that are concave for
    the present output direction.  Power steps stay on the face.
    """
    n, r = rows.shape
    c = alpha.shape[1]
    normals, size = np.empty((r, r)), 0
    for q in range(c):
        for j in range(r):
            slope[q, j] = 0.0
    for i in range(n):
        inner, square = 0.0, 0.0
        for j in range(r):
            inner += rows[i, j] * w[j]
            square += rows[i, j] * rows[i, j]
        if inner > 1e-9 * np.sqrt(square):
            for q in range(c):
                for j in range(r):
                    slope[q, j] += alpha[i, q] * rows[i, j]
        elif sides[i] < 0.0 and inner > -1e-9 * np.sqrt(square) and square > 0.0 and size < r - 1:
            for j in range(r):
                normals[size, j] = rows[i, j] / np.sqrt(square)
            for _ in range(2):
                for k in range(size):
                    inner = _inner(normals[size], normals[k])
                    for j in range(r):
                        normals[size, j] -= inner * normals[k, j]
            rest = np.sqrt(_inner(normals[size], normals[size]))
            if rest > 1e-9:
                for j in range(r):
                    normals[size, j] /= rest
                size += 1
    square = np.zeros((r, r))
    for a in range(r):
        for b in range(r):
            for q in range(c):
                square[a, b] += slope[q, a] * slope[q, b]
    # Projected: P S P, P = I - sum of normals; then squared again and again.
    project = np.zeros((r, r))
    for a in range(r):
        project[a, a] = 1.0
        for b in range(r):
            for k in range(size):
                project[a, b] -= normals[k, a] * normals[k, b]
    square = project @ square @ project
    for _ in range(_SQUARINGS):
        largest = np.max(np.abs(square))
        if not largest > 0.0:
            return
        square = (square / largest) @ (square / largest)
    moved = square @ w
    length = np.sqrt(_inner(moved, moved))
    if length > 0.0 and np.isfinite(length):
        for j in range(r):
            w[j] = moved[j] / length


@inner()
def _inner(a, b):
    total = 0.0
    for c in range(a.shape[0]):
        total += a[c] * b[c]
    return total
