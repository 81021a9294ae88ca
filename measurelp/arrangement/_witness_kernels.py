"""Interior points of cells from their bases, with a certificate in floating point."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True, _nrt=False)
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


@njit(cache=True, nogil=True, _nrt=False)
def interior(vectors, n, data, to_data, packed, bases, points, m, v, f, g, w, failed):
    """Points of all half-cells; ``failed[h] = 1`` where the signs of the data at the point are not certified.

    With the dual basis v_1, v_2, ... of the cell's basis, oriented by the signs of its rows, the point is
    ``w = v_1 + t_2 v_2 + ...``: t_j is half the distance along v_j to the nearest hyperplane that w already avoids.

    Certificate: for the rounded point in data coordinates ``|fl<x, w> - <x, w>| <= (d + 2) u sum |x_q w_q|``, one u
    more because a double differs from the decimal it stands for by at most u.

    vectors (n + d, d): equilibrated lines, then flags (by column); data (n, d'): one data row a line, oriented;
    to_data (d', d); packed (H, W); bases (H, d); points (H, d'); m, v (d, d), f, g (n,), w (d,) scratch.
    """
    d = bases.shape[1]
    width = data.shape[1]
    gamma = (width + 4) * 1.1102230246251565e-16
    for h in range(bases.shape[0]):
        failed[h] = 1
        for i in range(d):
            for q in range(d):
                m[i, q] = vectors[bases[h, i], q]
        if not invert(m, v):
            continue
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
            scale = 1.0 / size
            if (packed[h, b >> 6] >> np.uint64(b & 63)) & np.uint64(1) == 0:
                scale = -scale
            for l in range(n):
                value = 0.0
                for q in range(d):
                    value += vectors[l, q] * v[q, j]
                g[l] = value * scale
            t = 1.0
            if j > 0:
                for l in range(n):
                    if abs(f[l]) > 1e-11 and (f[l] > 0.0) != (g[l] > 0.0) and abs(f[l]) < t * abs(g[l]):
                        t = abs(f[l]) / abs(g[l])
                t *= 0.5
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
        good = True
        for l in range(n):
            value = 0.0
            room = 0.0
            for i in range(width):
                term = data[l, i] * points[h, i]
                value += term
                room += abs(term)
            bit = (packed[h, l >> 6] >> np.uint64(l & 63)) & np.uint64(1)
            if bit == 0:
                value = -value
            if not (value > gamma * room + 1e-290):
                good = False
                break
        if good:
            failed[h] = 0
