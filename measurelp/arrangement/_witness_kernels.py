"""Interior points of cells from their bases, with a certificate in floating point."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True, _nrt=False, error_model="numpy")
def invert(m, v):
    """Gauss-Jordan with row pivoting: v becomes the inverse of m, which is overwritten; False when a pivot is zero."""
    d = m.shape[0]
    for i in range(d):
        for j in range(d):
            v[i, j] = 1.0 if i == j else 0.0
    for c in range(d):
        p = c
        for r in range(c + 1, d):
            if abs(m[r, c]) > abs(m[p, c]):
                p = r
        if not (abs(m[p, c]) > 0.0):
            return False
        if p != c:
            for j in range(d):
                m[c, j], m[p, j] = m[p, j], m[c, j]
                v[c, j], v[p, j] = v[p, j], v[c, j]
        inverse = 1.0 / m[c, c]
        for j in range(d):
            m[c, j] *= inverse
            v[c, j] *= inverse
        for r in range(d):
            f = m[r, c]
            if r != c and f != 0.0:
                for j in range(d):
                    m[r, j] -= f * m[c, j]
                    v[r, j] -= f * v[c, j]
    return True


@njit(cache=True, nogil=True, _nrt=False, error_model="numpy")
def interior(
    lines,
    vectors,
    n,
    data,
    to_data,
    packed,
    bases,
    points,
    m,
    v,
    f,
    g,
    ratio,
    order,
    signs,
    w,
    failed,
):
    """Points of all half-cells; ``failed[h] = 1`` where the signs of the data at the point are not certified.

    With the dual basis v_1, v_2, ... of the cell's basis, oriented by the signs of its rows, the point is
    ``w = v_1 + t_2 v_2 + ...``: t_j is half the distance along v_j to the nearest hyperplane that w already avoids.

    Certificate: for the rounded point in data coordinates ``|fl<x, w> - <x, w>| <= (d + 2) u sum |x_q w_q|``, 10 u
    more because a double differs from the decimal it stands for by at most 5 units in its last place.

    lines (d, n): equilibrated lines by column; vectors (n + d, d): the same by row, then flags; data (d', n): one data row a
    line, oriented, by column; to_data (d', d); packed (H, W); bases (H, d); points (H, d').  Scratch: m, v (d, d),
    f, g, ratio (n,), signs (64 W,), w (d,).  ``order`` is ``ratio`` seen as int64: the order of nonnegative doubles is that of
    their bits, and maxima of integers are taken several at a time.
    """
    d = bases.shape[1]
    width = data.shape[0]
    gamma = (width + 14) * 1.1102230246251565e-16
    one = np.uint64(1)
    for h in range(bases.shape[0]):
        failed[h] = 1
        for i in range(d):
            for q in range(d):
                m[i, q] = vectors[bases[h, i], q]
        if not invert(m, v):
            continue
        for i in range(packed.shape[1]):
            word = packed[h, i]
            lanes = signs[64 * i : 64 * i + 64]
            for l in range(64):
                lanes[l] = 2.0 * np.float64(np.int64((word >> np.uint64(l)) & one)) - 1.0
        for l in range(n):
            f[l] = 0.0
        for q in range(d):
            w[q] = 0.0
        for j in range(d):
            b = bases[h, j]
            if b >= n:
                break
            size = 0.0
            for q in range(d):
                size = max(size, abs(v[q, j]))
            scale = signs[b] / size
            for q in range(d):
                factor = v[q, j] * scale
                column = lines[q]
                if q == 0:
                    for l in range(n):
                        g[l] = factor * column[l]
                else:
                    for l in range(n):
                        g[l] += factor * column[l]
            t = 1.0
            if j > 0:
                for l in range(n):
                    ratio[l] = -g[l] / f[l] if abs(f[l]) > 1e-14 else 0.0
                largest = np.int64(0)
                for l in range(n):
                    largest = max(largest, order[l])
                ratio[0] = 1.0
                if largest > order[0]:
                    order[0] = largest
                t = 0.5 / ratio[0]
            for l in range(n):
                f[l] += t * g[l]
            for q in range(d):
                w[q] += t * scale * v[q, j]
        size = 0.0
        for i in range(width):
            value = 0.0
            for q in range(d):
                value += to_data[i, q] * w[q]
            points[h, i] = value
            size = max(size, abs(value))
        if not (size > 0.0 and size < 1e300):
            continue
        for i in range(width):
            points[h, i] /= size
            factor = points[h, i]
            column = data[i]
            if i == 0:
                for l in range(n):
                    f[l] = factor * column[l]
                    g[l] = abs(f[l])
            else:
                for l in range(n):
                    f[l] += factor * column[l]
                    g[l] += abs(factor * column[l])
        bad = 0
        for l in range(n):
            bad += 0 if signs[l] * f[l] > gamma * g[l] + 1e-290 else 1
        if bad == 0:
            failed[h] = 0
