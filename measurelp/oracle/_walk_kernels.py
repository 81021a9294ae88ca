r"""Compiled linear program of one cone: the least largest value of a majorant.

For values base_j of fixed rows and q_lj of concave ones at generators r_1..r_d,

    min over theta in [0, 1]^m of max_j (base_j - sum_l theta_l q_lj)
        = max over t in the simplex of  sum_j t_j base_j - sum_l (sum_j t_j q_lj)_+ ,

and the second is concave and piecewise linear: a walk from vertex to vertex of the kinks, along
edges and over kinks until the slope is gone, as a simplex method with bounded variables
does.  d is small, so the vertex's matrix is inverted anew at every step.
"""

from __future__ import annotations

import numpy as np

from measurelp._jit_kernels import entry, inner

_STEPS_PER_COORDINATE = 20


@entry()
def walk_space(r):
    """The arrays that ``concave_maximum`` works in."""
    return (
        np.empty((r, 2 * r)), np.empty((r, r)), np.empty(r, np.int64), np.empty(r), np.empty(r),
        np.empty(r),
    )  # fmt: skip


@inner()
def _inverse(matrix, out, augmented):
    """The inverse by elimination with partial pivoting; False where it is singular."""
    r = out.shape[0]
    for i in range(r):
        for j in range(r):
            augmented[i, j] = matrix[i, j]
            augmented[i, r + j] = 1.0 if i == j else 0.0
    for column in range(r):
        pivot = column
        for i in range(column + 1, r):
            if abs(augmented[i, column]) > abs(augmented[pivot, column]):
                pivot = i
        if not abs(augmented[pivot, column]) > 1e-13:
            return False
        for j in range(2 * r):
            swap = augmented[column, j]
            augmented[column, j] = augmented[pivot, j]
            augmented[pivot, j] = swap
        head = augmented[column, column]
        for j in range(2 * r):
            augmented[column, j] /= head
        for i in range(r):
            factor = augmented[i, column]
            if i != column and factor != 0.0:
                for j in range(2 * r):
                    augmented[i, j] -= factor * augmented[column, j]
    for i in range(r):
        for j in range(r):
            out[i, j] = augmented[i, r + j]
    return True


@entry()
def concave_maximum(base, q, n_q, enough, too_much, status, inner, t, h, space):
    """Maximise <base, t> - sum_l (q_l . t)_+ over the simplex; the majorant that proves it.

    ``t`` receives a point of the simplex and ``h`` the values base - sum theta_l q_l of a majorant
    with theta in [0, 1], whose largest one bounds the maximum from above; at a maximum they
    agree.  Ends early when that bound is at most ``enough`` or the value at t above ``too_much``.
    ``status`` and ``inner`` (n_q,) are room.

    A vertex t lies on r - 1 walls: t_j = 0 (number -1 - j) or q_l . t = 0 (number l).  The thetas
    of rows that are no walls are 0 or 1, those of walls follow from the vertex; where one
    misses [0, 1], or a t_j wants to grow, leaving that wall gains.
    """
    augmented, walls, number, gradient, step, best_h = space
    r = base.shape[0]
    top = 0
    highest = -np.inf
    size = 1e-300
    for j in range(r):
        value = base[j]
        for row in range(n_q):
            value -= max(q[row, j], 0.0)
        if value > highest:
            highest, top = value, j
        size = max(size, abs(base[j]))
    for row in range(n_q):
        inner[row] = q[row, top]
        status[row] = 1 if inner[row] > 0.0 else 0
    for j in range(r):
        t[j] = 0.0
        number[j] = -1 - j
    t[top] = 1.0
    number[top] = number[0]
    inverse = np.empty((r, r))
    matrix = np.empty((r, r))
    least = np.inf
    for _ in range(_STEPS_PER_COORDINATE * r):
        # Wall 0 is the sum of t; the others have their numbers in 1..r-1.
        for j in range(r):
            matrix[0, j] = 1.0
            gradient[j] = base[j]
        for k in range(1, r):
            scale = 0.0
            for j in range(r):
                matrix[k, j] = 0.0
            if number[k] < 0:
                matrix[k, -1 - number[k]] = 1.0
                scale = 1.0
            else:
                for j in range(r):
                    scale = max(scale, abs(q[number[k], j]))
                for j in range(r):
                    matrix[k, j] = q[number[k], j] / scale
            walls[0, k] = scale
        for row in range(n_q):
            if status[row] == 1:
                for j in range(r):
                    gradient[j] -= q[row, j]
        if not _inverse(matrix, inverse, augmented):
            break
        # What each wall's multiplier is, and the wall that it pays most to leave.
        for j in range(r):
            best_h[j] = gradient[j]
        leaving = -1
        sign = 1.0
        best_rate = 1e-13 * size
        for k in range(1, r):
            slope = 0.0
            length = 0.0
            for j in range(r):
                slope += gradient[j] * inverse[j, k]
                length += abs(inverse[j, k])
            gain = slope
            way = 1.0
            if number[k] >= 0:
                theta = min(max(slope / walls[0, k], 0.0), 1.0)
                for j in range(r):
                    best_h[j] -= theta * q[number[k], j]
                gain = slope - walls[0, k]
                if -slope > gain:
                    gain, way = -slope, -1.0
            if gain / length > best_rate:
                best_rate, leaving, sign = gain / length, k, way
        bound = -np.inf
        for j in range(r):
            bound = max(bound, best_h[j])
        if bound < least:
            least = bound
            for j in range(r):
                h[j] = best_h[j]
        value = 0.0
        for j in range(r):
            value += t[j] * base[j]
        for row in range(n_q):
            value -= max(inner[row], 0.0)
        if leaving < 0 or bound <= enough or value > too_much:
            break
        slope = 0.0
        for j in range(r):
            step[j] = sign * inverse[j, leaving]
            slope += gradient[j] * step[j]
        old = number[leaving]
        if old >= 0:
            status[old] = 1 if sign > 0.0 else 0
            if sign > 0.0:
                slope -= walls[0, leaving]
            inner[old] = 0.0
        far = np.inf
        stop = 0
        for j in range(r):
            if step[j] < -1e-12 and not _is_wall(number, -1 - j, leaving):
                reach = max(t[j], 0.0) / -step[j]
                if reach < far:
                    far, stop = reach, -1 - j
        # Over the kinks in their order, until the slope is gone.
        arrived = 0.0
        while slope > 0.0:
            near = far
            which = -1
            change = 0.0
            for row in range(n_q):
                along = 0.0
                for j in range(r):
                    along += q[row, j] * step[j]
                ahead = (status[row] == 0 and along > 0.0) or (status[row] == 1 and along < 0.0)
                if not ahead or row == old or _is_wall(number, row, leaving):
                    continue
                reach = max(-inner[row] / along, 0.0)
                if reach < near:
                    near, which, change = reach, row, abs(along)
            arrived = near
            if which < 0:
                break
            stop = which
            slope -= change
            status[which] = 1 - status[which]
        if not np.isfinite(arrived):
            break
        number[leaving] = stop
        if stop >= 0:
            status[stop] = 0
        for j in range(r):
            t[j] += arrived * step[j]
            if t[j] < 0.0:
                t[j] = 0.0
        total = 0.0
        for j in range(r):
            if _is_wall(number, -1 - j, 0):
                t[j] = 0.0
            total += t[j]
        for j in range(r):
            t[j] /= total
        for row in range(n_q):
            inner[row] = 0.0
            if not _is_wall(number, row, 0):
                for j in range(r):
                    inner[row] += q[row, j] * t[j]
    return least


@inner()
def _is_wall(number, which, but):
    """Whether a wall number is among those of a vertex, one place left out."""
    for k in range(1, number.shape[0]):
        if k != but and number[k] == which:
            return True
    return False
