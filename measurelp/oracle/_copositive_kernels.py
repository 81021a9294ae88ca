r"""Compiled test of copositivity: is t' Q t >= 0 for all t >= 0?

Two exact steps make a symmetric matrix smaller.  Write its form, for one coordinate p, as
a t_p^2 + 2 t_p <b, s> + s'Cs with s >= 0 the other coordinates.

* *Elimination.*  If b >= 0, t_p = 0 is least and C remains.  If b <= 0 and a > 0, t_p = -<b, s> / a
  is least and C - bb'/a remains.
* *Splitting.*  If b has both signs, the cone is split along the edge from a coordinate with
  b_j < 0 to one with b_k > 0 at the point where b vanishes; each part has a sign less.

A part without a negative entry is copositive, one with a negative diagonal is not.  For any b,
eliminating with min(b, 0) is a valid lower bound, so signs that rounding has blurred, and
running out of room, can lose a proof but never make one.

Rounding.  Every new entry is lowered by a multiple of 2^-53 that exceeds its rounding error,
and a smaller entry makes the form smaller: where the answer is yes, it is yes in exact arithmetic.
"""

from __future__ import annotations

import numpy as np

from measurelp._jit_kernels import entry, inner

U = 2.0**-53
_ROOM = 24  # parts that wait
_MOST_PARTS = 400
_BLUR = 1e-12  # of the geometric mean of two diagonal entries: no sign worth splitting for


@entry
def copositive_workspace(r):
    """The arrays that ``is_copositive`` works in."""
    return np.empty((_ROOM, r, r)), np.empty((_ROOM, r, r)), np.empty(_ROOM, np.int64)


@entry
def is_copositive(matrix, space, witness):
    """Whether the symmetric ``matrix`` is proved to be copositive.

    If not, ``witness`` receives a t >= 0 that makes the form negative or nearly so.
    """
    forms, generators, sizes = space
    r = matrix.shape[0]
    for j in range(r):
        for k in range(r):
            forms[0, j, k] = matrix[j, k]
            generators[0, j, k] = 1.0 if j == k else 0.0
    sizes[0] = r
    top = 0
    parts = 1
    while top >= 0:
        q, t, n = forms[top], generators[top], sizes[top]
        lowest, pivot, mixed = -1, -1, n * n + 1
        is_nonnegative = True
        for p in range(n):
            if not q[p, p] >= 0.0:
                lowest = p
                break
            below, above, negative = 0, 0, 0
            for j in range(n):
                if j == p:
                    continue
                blur = _BLUR * np.sqrt(max(q[p, p], 0.0) * max(q[j, j], 0.0))
                negative += not q[p, j] >= 0.0
                below += q[p, j] < -blur
                above += q[p, j] > blur
            if negative > 0:
                is_nonnegative = False
            signs = below * above if negative > 0 else -1
            if signs < mixed:
                pivot, mixed = p, signs
        if lowest >= 0:
            for c in range(r):
                witness[c] = t[lowest, c]
            return False
        if is_nonnegative:
            top -= 1
            continue
        if mixed <= 0 or top + 1 == _ROOM or parts >= _MOST_PARTS:
            if not _eliminate(q, t, n, pivot, witness):
                return False
            sizes[top] = n - 1
            continue
        parts += 1
        _split(forms, generators, top, n, pivot)
        sizes[top + 1] = n
        top += 1
    return True


@inner
def _eliminate(q, t, n, pivot, witness):
    """Take a coordinate out, in place; False with a witness if its diagonal forbids it."""
    r = t.shape[1]
    a = q[pivot, pivot]
    for j in range(n):
        if j != pivot and q[pivot, j] < 0.0 and not a > -1e-8 * q[pivot, j] * U:
            far = (q[j, j] + abs(q[pivot, j])) / abs(q[pivot, j])
            for c in range(r):
                witness[c] = t[j, c] + far * t[pivot, c]
            return False
    for j in range(n):
        b = min(q[pivot, j], 0.0)
        if j == pivot or b == 0.0:
            continue
        for k in range(n):
            other = min(q[pivot, k], 0.0)
            if k == pivot or other == 0.0:
                continue
            product = b * other / a
            q[j, k] -= product + 4.0 * U * (abs(q[j, k]) + product)
        for c in range(r):
            t[j, c] -= b / a * t[pivot, c]
    last = n - 1
    if pivot != last:
        for k in range(n):
            q[pivot, k] = q[last, k]
        for k in range(n):
            q[k, pivot] = q[k, last]
        q[pivot, pivot] = q[last, last]
        for c in range(r):
            t[pivot, c] = t[last, c]
    return True


@inner
def _split(forms, generators, top, n, pivot):
    """Part ``top`` becomes two, at the zero of the pivot's row between its extreme entries."""
    q, t = forms[top], generators[top]
    r = t.shape[1]
    low, high = -1, -1
    for j in range(n):
        if j != pivot:
            if low < 0 or q[pivot, j] < q[pivot, low]:
                low = j
            if high < 0 or q[pivot, j] > q[pivot, high]:
                high = j
    al = q[pivot, high] / (q[pivot, high] - q[pivot, low])
    be = 1.0 - al
    square = al * al * q[low, low] + 2.0 * al * be * q[low, high] + be * be * q[high, high]
    square -= (
        16.0
        * U
        * (al * al * q[low, low] + 2.0 * al * be * abs(q[low, high]) + be * be * q[high, high])
    )
    other_q, other_t = forms[top + 1], generators[top + 1]
    for j in range(n):
        for k in range(n):
            other_q[j, k] = q[j, k]
        for c in range(r):
            other_t[j, c] = t[j, c]
    for c in range(r):
        middle = al * t[low, c] + be * t[high, c]
        t[low, c] = middle
        other_t[high, c] = middle
    for k in range(n):
        a, b = al * other_q[low, k], be * other_q[high, k]
        value = a + b - 8.0 * U * (abs(a) + abs(b))
        if k != low:
            q[low, k] = value
            q[k, low] = value
    for k in range(n):
        if k != high:
            # ``forms[top]`` has its new row by now: the old one is other_q's own
            a, b = al * other_q[low, k], be * other_q[high, k]
            value = a + b - 8.0 * U * (abs(a) + abs(b))
            other_q[high, k] = value
    for k in range(n):
        other_q[k, high] = other_q[high, k]
    q[low, low] = square
    other_q[high, high] = square
