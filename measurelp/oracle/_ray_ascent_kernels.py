"""Compiled local ascent of the dual function over a ball with flat faces: ends at a ray.

Nothing here is a bound.  eta and the norm are linear on the cells of the rows' hyperplanes
together with the walls of the norm; a plane through the origin meets these cells in sectors, so
eta over the norm has its maximum over a plane at one of the sectors' rays.  From a point, planes inside
the hyperplanes that it lies on lead to a ray of all space; from there, planes that leave one of its
hyperplanes, until none of them leads higher.
"""

from __future__ import annotations

import numpy as np

from measurelp._jit_kernels import entry, inner

_GAIN = 1e-10


@entry()
def ascend_to_rays(normals, coefficients, is_l1, points, steps):
    """Climb sum_i c_ki <normal_i, w>_+ / |w| from points[k] (in place) to rays.

    ``coefficients`` (k, M), zero for normals that are walls of the norm only.
    """
    p = normals.shape[1]
    tight = np.empty(p, np.int64)
    frame = np.empty((p, p))
    for k in range(points.shape[0]):
        w = points[k]
        coefficient = coefficients[k]
        value = _ratio(normals, coefficient, is_l1, w)
        count = 0
        while count < p - 1:
            q = _direction(normals, coefficient, tight, count, -1, w, frame)
            found, index, reached = _best_in_plane(normals, coefficient, is_l1, w, q)
            if index < 0:
                break
            for c in range(p):
                w[c] = found[c]
            value = max(value, reached)
            tight[count] = index
            count += 1
        if count < p - 1:
            continue
        for _ in range(steps):
            best_value = value + _GAIN * abs(value)
            best_place = -1
            best_index = -1
            best = w
            for place in range(count):
                q = _direction(normals, coefficient, tight, count, place, w, frame)
                found, index, reached = _best_in_plane(normals, coefficient, is_l1, w, q)
                if index >= 0 and reached > best_value:
                    best_value, best_place, best_index, best = reached, place, index, found
            if best_place < 0:
                break
            value = best_value
            tight[best_place] = best_index
            for c in range(p):
                w[c] = best[c]
        _settle(normals, tight, count, is_l1, w, frame)


@inner()
def _norm(is_l1, w):
    total = 0.0
    for c in range(w.shape[0]):
        total = total + abs(w[c]) if is_l1 else max(total, abs(w[c]))
    return total


@inner()
def _ratio(normals, coefficient, is_l1, w):
    total = 0.0
    for i in range(normals.shape[0]):
        inner = 0.0
        for c in range(w.shape[0]):
            inner += normals[i, c] * w[c]
        if inner > 0.0:
            total += coefficient[i] * inner
    return total / _norm(is_l1, w)


@inner()
def _reject(v, frame, size):
    """Take the parts along the first orthonormal vectors of a frame away; what length is left."""
    for _ in range(2):
        for k in range(size):
            inner = 0.0
            for c in range(v.shape[0]):
                inner += frame[k, c] * v[c]
            for c in range(v.shape[0]):
                v[c] -= inner * frame[k, c]
    length = 0.0
    for c in range(v.shape[0]):
        length += v[c] * v[c]
    return np.sqrt(length)


@inner()
def _append(v, frame, size):
    """Add a vector to an orthonormal frame if it is independent; the new size."""
    before = 0.0
    for c in range(v.shape[0]):
        before += v[c] * v[c]
    length = _reject(v, frame, size)
    if not length > 1e-10 * np.sqrt(before):
        return size
    for c in range(v.shape[0]):
        frame[size, c] = v[c] / length
    return size + 1


@inner()
def _direction(normals, coefficient, tight, count, but, w, frame):
    """A unit vector inside the tight hyperplanes (one left out), orthogonal to w, rather uphill."""
    m, p = normals.shape
    size = 0
    for k in range(count):
        if k != but:
            size = _append(normals[tight[k]].copy(), frame, size)
    size = _append(w.copy(), frame, size)
    uphill = np.zeros(p)
    for i in range(m):
        if coefficient[i] != 0.0:
            inner = 0.0
            for c in range(p):
                inner += normals[i, c] * w[c]
            if inner > 0.0:
                for c in range(p):
                    uphill[c] += coefficient[i] * normals[i, c]
    grown = _append(uphill, frame, size)
    axis = 0
    while grown == size and axis < p:
        unit = np.zeros(p)
        unit[axis] = 1.0
        if _reject(unit, frame, size) > 0.5 / np.sqrt(p):
            grown = _append(unit, frame, size)
        axis += 1
    if grown == size:
        return np.zeros(p)
    return frame[size].copy()


@inner()
def _best_in_plane(normals, coefficient, is_l1, w, q):
    """The best ray of the plane of w and q, the normal that is zero there, and its value.

    Sorted around the circle: a row is active on half of it, so the gradient is a running sum.
    """
    m, p = normals.shape
    best = w.copy()
    a, b = np.empty(m), np.empty(m)
    angle = np.empty(2 * m)
    which = np.empty(2 * m, np.int64)
    count = 0
    sum_a, sum_b = 0.0, 0.0
    for i in range(m):
        a[i], b[i] = 0.0, 0.0
        size = 0.0
        for c in range(p):
            a[i] += normals[i, c] * w[c]
            b[i] += normals[i, c] * q[c]
            size += abs(normals[i, c])
        if abs(a[i]) + abs(b[i]) <= 1e-11 * size:
            continue
        # Active from phi - pi/2 to phi + pi/2; the circle is walked from -pi to pi.
        phi = np.arctan2(b[i], a[i])
        on, off = phi - 0.5 * np.pi, phi + 0.5 * np.pi
        starts_active = off > np.pi or on < -np.pi
        if on < -np.pi:
            on += 2.0 * np.pi
        if off > np.pi:
            off -= 2.0 * np.pi
        if starts_active:
            sum_a += coefficient[i] * a[i]
            sum_b += coefficient[i] * b[i]
        angle[count], which[count] = on, i
        angle[count + 1], which[count + 1] = off, -1 - i
        count += 2
    order = np.argsort(angle[:count])
    best_index = -1
    best_value = -np.inf
    for k in range(count):
        event = which[order[k]]
        i = event if event >= 0 else -1 - event
        turn = angle[order[k]]
        cosine, sine = np.cos(turn), np.sin(turn)
        norm = 0.0
        for c in range(p):
            entry = abs(cosine * w[c] + sine * q[c])
            norm = norm + entry if is_l1 else max(norm, entry)
        value = (sum_a * cosine + sum_b * sine) / norm
        if value > best_value:
            best_value = value
            best_index = i
            for c in range(p):
                best[c] = (cosine * w[c] + sine * q[c]) / norm
        if event >= 0:
            sum_a += coefficient[i] * a[i]
            sum_b += coefficient[i] * b[i]
        else:
            sum_a -= coefficient[i] * a[i]
            sum_b -= coefficient[i] * b[i]
    return best, best_index, best_value


@inner()
def _settle(normals, tight, count, is_l1, w, frame):
    """Put w onto its hyperplanes to rounding, with exact zeros, and scale it to norm 1."""
    p = w.shape[0]
    size = 0
    for k in range(count):
        size = _append(normals[tight[k]].copy(), frame, size)
    moved = w.copy()
    if _reject(moved, frame, size) > 0.0:
        norm = _norm(is_l1, moved)
        for c in range(p):
            w[c] = moved[c] / norm if abs(moved[c]) > 1e-14 * norm else 0.0
