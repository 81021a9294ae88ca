"""Passes over all rows: inner products, residual, gradients, and sides that changed.

Rows come transposed, (r, n), and a pass goes block by block, all neurons in turn, with copies of the
block: small arrays that overlap with no other are what the compiler vectorises.  ``gram`` (k, k, r, r)
holds sum_i x_i x_i^T over the rows active in both neurons; from step to step only the rows that
changed sides are added and taken away, so that a step costs a few passes over n k numbers and not
n (k r)^2.  See ``_sliding_kernels``.
"""

from __future__ import annotations

import numpy as np

from measurelp._jit_kernels import entry, inner
from measurelp.masters._sliding_state import COUNT
from measurelp.masters._wall_kernels import length_of

_REORDERED = {"reassoc", "contract", "nsz"}  # sums in any order; nan and inf keep their meaning
_SNAP = 1e-13
_BLOCK = 1024  # rows


@entry(fastmath=_REORDERED)
def find_products(data, state, work):
    """Inner products, zero on walls, the residual fit - y, and the gradients.

    Rows on walls count as inactive in the gradient of the objective in each weight.
    """
    r, n = data.rows.shape
    count, p = state.counts[COUNT], data.n_penalized
    gradients = np.zeros((count, r))
    x, v = np.empty((r, _BLOCK)), np.empty((count, _BLOCK))
    size, residual = np.empty(_BLOCK), np.empty(_BLOCK)
    for low in range(0, n, _BLOCK):
        width = min(_BLOCK, n - low)
        for c in range(r):
            for i in range(width):
                x[c, i] = data.rows[c, low + i]
        for i in range(width):
            size[i] = data.sizes[low + i]
            residual[i] = -data.y[low + i]
        for s in range(state.skip.shape[0]):
            for i in range(width):
                residual[i] += state.skip[s] * data.skip_columns[s, low + i]
        for k in range(count):
            _combine(x, state.weights[k], size, width, v[k])
            for w in range(state.n_walls[k]):
                row = state.walls[k, w] - low
                if 0 <= row < width:
                    v[k, row] = 0.0
            sign = state.signs[k]
            for i in range(width):
                residual[i] += sign * max(v[k, i], 0.0)
            for i in range(width):
                work.inner[k, low + i] = v[k, i]
        for k in range(count):
            for c in range(r):
                total = 0.0
                for i in range(width):
                    total += x[c, i] * (residual[i] if v[k, i] > 0.0 else 0.0)
                gradients[k, c] += total
        for i in range(width):
            work.residual[low + i] = residual[i]
    for k in range(count):
        length = length_of(state.weights[k], p)
        for c in range(r):
            penalty = data.lam * state.weights[k, c] / length if c < p else 0.0
            work.gradients[k, c] = state.signs[k] * gradients[k, c] + penalty


@inner(fastmath=_REORDERED)
def _combine(x, weight, size, width, out):
    """out = weight @ x in one block; what is nothing but rounding becomes zero."""
    r = x.shape[0]
    slack = _SNAP * length_of(weight, r)
    factor = weight[0]
    for i in range(width):
        out[i] = factor * x[0, i]
    for c in range(1, r):
        factor = weight[c]
        for i in range(width):
            out[i] += factor * x[c, i]
    for i in range(width):
        out[i] = 0.0 if abs(out[i]) <= slack * size[i] else out[i]


@entry()
def flip_sides(data, state, work):
    """Bring ``gram`` and ``cross`` to the sides that the inner products are on now."""
    r, n = data.rows.shape
    q = state.skip.shape[0]
    count = state.counts[COUNT]
    flipped = np.zeros(n, np.bool_)
    for k in range(count):
        for i in range(n):
            flipped[i] |= (work.inner[k, i] > 0.0) != (work.active[k, i] != 0)
    old = np.empty(count, np.int64)
    new = np.empty(count, np.int64)
    x = np.empty(r)
    for i in range(n):
        if not flipped[i]:
            continue
        n_old = 0
        n_new = 0
        for k in range(count):
            if work.active[k, i] != 0:
                old[n_old] = k
                n_old += 1
            if work.inner[k, i] > 0.0:
                new[n_new] = k
                n_new += 1
        for c in range(r):
            x[c] = data.rows[c, i]
        for a in range(n_old):
            k = old[a]
            kept = work.inner[k, i] > 0.0
            for b in range(n_old):
                if not (kept and work.inner[old[b], i] > 0.0):
                    _add_square(work.gram[k, old[b]], x, -1.0)
            if not kept:
                for c in range(r):
                    for s in range(q):
                        work.cross[k, c, s] -= x[c] * data.skip_columns[s, i]
        for a in range(n_new):
            k = new[a]
            kept = work.active[k, i] != 0
            for b in range(n_new):
                if not (kept and work.active[new[b], i] != 0):
                    _add_square(work.gram[k, new[b]], x, 1.0)
            if not kept:
                for c in range(r):
                    for s in range(q):
                        work.cross[k, c, s] += x[c] * data.skip_columns[s, i]
        for k in range(count):
            work.active[k, i] = work.inner[k, i] > 0.0


@inner()
def _add_square(square, x, factor):
    for c in range(x.shape[0]):
        scaled = factor * x[c]
        for e in range(x.shape[0]):
            square[c, e] += scaled * x[e]


@entry(fastmath=_REORDERED)
def find_changes(data, state, work):
    """What the moves change in the inner products, and in the residual while sides are kept."""
    r, n = data.rows.shape
    count = state.counts[COUNT]
    x, change = np.empty((r, _BLOCK)), np.empty(_BLOCK)
    size, rate, v = np.empty(_BLOCK), np.empty(_BLOCK), np.empty(_BLOCK)
    for low in range(0, n, _BLOCK):
        width = min(_BLOCK, n - low)
        for c in range(r):
            for i in range(width):
                x[c, i] = data.rows[c, low + i]
        for i in range(width):
            size[i] = data.sizes[low + i]
            rate[i] = 0.0
        for s in range(state.skip.shape[0]):
            for i in range(width):
                rate[i] += work.skip_move[s] * data.skip_columns[s, low + i]
        for k in range(count):
            _combine(x, work.moves[k], size, width, change)
            for w in range(state.n_walls[k]):
                row = state.walls[k, w] - low
                if 0 <= row < width:
                    change[row] = 0.0
            sign = state.signs[k]
            for i in range(width):
                v[i] = work.inner[k, low + i]
            for i in range(width):
                rate[i] += sign * (change[i] if v[i] > 0.0 else 0.0)
            for i in range(width):
                work.change[k, low + i] = change[i]
        for i in range(width):
            work.rate[low + i] = rate[i]
