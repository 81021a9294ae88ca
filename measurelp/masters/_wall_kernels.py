"""Walls: on which faces neurons lie, and when they leave them.

A neuron's walls are rows whose inner product with it is kept at zero; what is orthogonal to them is its
face.  See ``_sliding_kernels``.
"""

from __future__ import annotations

import numpy as np

from measurelp._jit_kernels import entry, inner
from measurelp.masters._sliding_state import COUNT

_RELEASED = 1e-300  # an inner product this small says on which side a released wall is left
_DEPENDENT = 1e-8


@inner()
def length_of(weight, p):
    total = 0.0
    for c in range(p):
        total += weight[c] * weight[c]
    return np.sqrt(total)


@inner()
def forget_walls(state, k):
    r = state.weights.shape[1]
    state.n_walls[k] = 0
    for c in range(r):
        for e in range(r):
            state.basis[k, c, e] = 1.0 if c == e else 0.0


@entry()
def add_wall(data, state, k, row):
    """Put neuron k on the wall of a row, if that leaves it a face: one Householder reflection."""
    r, w = state.weights.shape[1], state.n_walls[k]
    if w >= r - 1:
        return False
    normal = np.zeros(r)
    for a in range(r):
        for c in range(r):
            normal[a] += state.basis[k, c, a] * data.rows[c, row] / data.sizes[row]
    length = 0.0
    for a in range(w, r):
        length += normal[a] * normal[a]
    length = np.sqrt(length)
    if not length > _DEPENDENT:
        return False
    for a in range(w):
        state.upper[k, a, w] = normal[a]
    pivot = -length if normal[w] > 0.0 else length
    state.upper[k, w, w] = pivot
    normal[w] -= pivot
    square = 0.0
    for a in range(w, r):
        square += normal[a] * normal[a]
    for c in range(r):
        total = 0.0
        for a in range(w, r):
            total += state.basis[k, c, a] * normal[a]
        for a in range(w, r):
            state.basis[k, c, a] -= 2.0 * total * normal[a] / square
    state.walls[k, w] = row
    state.n_walls[k] = w + 1
    total = 0.0
    for c in range(r):
        total += state.basis[k, c, w] * state.weights[k, c]
    for c in range(r):
        state.weights[k, c] -= total * state.basis[k, c, w]
    return True


@inner()
def release_walls(data, state, work):
    """Let each neuron leave its worst wall, and count the row on the side it leaves to."""
    count, r = state.counts[COUNT], data.rows.shape[0]
    projected = np.zeros(count)
    largest = 0.0
    for k in range(count):
        projected[k] = _face_gradient(state, work, k)
        largest = max(largest, projected[k])
    any_released = False
    multipliers = np.empty(r)
    rows = np.empty(r, np.int64)
    for k in range(count):
        w = state.n_walls[k]
        worst, excess, to_active = -1, 0.0, False
        for a in range(w - 1, -1, -1):
            total = 0.0
            for c in range(r):
                total -= state.basis[k, c, a] * work.gradients[k, c]
            for b in range(a + 1, w):
                total -= state.upper[k, a, b] * multipliers[b]
            multipliers[a] = total / state.upper[k, a, a]
            row = state.walls[k, a]
            room = state.signs[k] * work.residual[row] * data.sizes[row]
            if -multipliers[a] > excess:
                worst, excess, to_active = a, -multipliers[a], False
            if multipliers[a] - room > excess:
                worst, excess, to_active = a, multipliers[a] - room, True
        if excess <= max(1e-9 * data.lam, 0.3 * projected[k], 0.1 * largest):
            continue
        any_released = True
        row = state.walls[k, worst]
        for a in range(w):
            rows[a] = state.walls[k, a]
        forget_walls(state, k)
        for a in range(w):
            if a != worst:
                add_wall(data, state, k, rows[a])
        work.inner[k, row] = -_RELEASED
        if to_active:
            work.inner[k, row] = _RELEASED
            for c in range(r):
                part = state.signs[k] * work.residual[row] * data.rows[c, row]
                work.gradients[k, c] += part
    return any_released


@inner()
def _face_gradient(state, work, k):
    """Length of the gradient's part in the face of neuron k."""
    r = state.weights.shape[1]
    square = 0.0
    for a in range(state.n_walls[k], r):
        total = 0.0
        for c in range(r):
            total += state.basis[k, c, a] * work.gradients[k, c]
        square += total * total
    return np.sqrt(square)


@inner()
def stationarity_error(data, state, work):
    """The largest projected gradient over lam."""
    largest = 0.0
    for k in range(state.counts[COUNT]):
        largest = max(largest, _face_gradient(state, work, k))
    for s in range(state.skip.shape[0]):
        column = data.skip_columns[s]
        total = 0.0
        for i in range(column.shape[0]):
            total += column[i] * work.residual[i]
        largest = max(largest, abs(total))
    return largest / data.lam


@inner()
def pull_kink(data, state, k):
    """With a free bias, move a kink beyond all data to their edge; the constant joins the skip."""
    last = data.n_penalized
    reach = length_of(state.weights[k], last)
    bias = state.weights[k, last]
    if abs(bias) <= reach:
        return
    forget_walls(state, k)
    state.weights[k, last] = reach if bias > 0.0 else -reach
    if bias > 0.0:
        constant = state.signs[k] * (bias - reach) * data.rows[last, 0]
        for s in range(state.skip.shape[0]):
            total = 0.0
            for i in range(data.y.shape[0]):
                total += data.skip_columns[s, i]
            state.skip[s] += constant * total
