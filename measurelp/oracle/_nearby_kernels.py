"""Compiled ascent from close to given points, over the rows that can change sign there.

Near a point most rows keep their sign, and their sum is one linear function; what is left are the
rows that cut the cap, about as many as its radius is wide.  Nothing here is a bound.
"""

from __future__ import annotations

import numpy as np

from measurelp._jit_kernels import entry, inner
from measurelp.oracle._ascent_kernels import ascend_all, value_of_rows


@entry()
def climb_nearby(rows, n_plus, sizes, centres, signs, radii, moves, steps, points, values):
    """Climb signs[a] * eta from centres[a] + radii[s] * moves[a, s, k], unit points.

    Rows, scaled, are those of ``ascend_all``, with their ``sizes``; radii fall.  Where the climb
    of a start ended goes to ``points`` (centres, radii, k, r) and its eta to ``values``, nan where it
    left the cap in which rows were sorted.
    """
    r, n = rows.shape
    n_starts = moves.shape[2]
    inner_products = np.empty(n)
    linear = np.empty(r)
    sign = np.empty(n_starts)
    for a in range(centres.shape[0]):
        w = centres[a]
        near, near_sizes, plus = rows, sizes, n_plus
        linear[:] = 0.0
        for s in range(radii.shape[0]):
            reach = 2.0 * radii[s]
            near, near_sizes, plus = _rows_near(
                near, near_sizes, plus, w, min(reach, 1.0), linear, inner_products
            )
            start = points[a, s]
            for k in range(n_starts):
                length = 0.0
                for c in range(r):
                    start[k, c] = w[c] + radii[s] * moves[a, s, k, c]
                    length += start[k, c] ** 2
                length = np.sqrt(length)
                for c in range(r):
                    start[k, c] /= length
                sign[k] = signs[a]
            local, local_plus = _with_linear(near, plus, linear)
            ascend_all(local, local_plus, start, sign, steps)
            for k in range(n_starts):
                away = 0.0
                along = 0.0
                for c in range(r):
                    along += start[k, c] * w[c]
                for c in range(r):
                    away += (start[k, c] - along * w[c]) ** 2
                values[a, s, k] = np.nan
                if along > 0.0 and away <= reach * reach:
                    values[a, s, k] = value_of_rows(local, local_plus, start[k])


@inner()
def _rows_near(rows, sizes, n_plus, w, reach, linear, inner_products):
    """The rows with |<row, w>| <= reach * size; the active others are added to ``linear``."""
    r, n = rows.shape
    for i in range(n):
        inner_products[i] = 0.0
    for c in range(r):
        factor = w[c]
        for i in range(n):
            inner_products[i] += factor * rows[c, i]
    count, plus = np.int64(0), np.int64(0)
    for i in range(n):
        cuts = abs(inner_products[i]) <= reach * sizes[i]
        count += cuts
        plus += cuts and i < n_plus
    near, near_sizes = np.empty((r, count)), np.empty(count)
    place = 0
    for i in range(n):
        if abs(inner_products[i]) <= reach * sizes[i]:
            for c in range(r):
                near[c, place] = rows[c, i]
            near_sizes[place] = sizes[i]
            place += 1
        elif inner_products[i] > 0.0:
            factor = 1.0 if i < n_plus else -1.0
            for c in range(r):
                linear[c] += factor * rows[c, i]
    return near, near_sizes, plus


@inner()
def _with_linear(rows, n_plus, linear):
    """Rows with two more that stand for a linear function, one that counts positively and one not."""
    r, n = rows.shape
    more = np.empty((r, n + 2))
    for c in range(r):
        more[c, 0] = linear[c]
        for i in range(n_plus):
            more[c, 1 + i] = rows[c, i]
        more[c, 1 + n_plus] = -linear[c]
        for i in range(n_plus, n):
            more[c, 2 + i] = rows[c, i]
    return more, n_plus + 1
