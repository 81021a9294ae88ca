"""Compiled inner problems that all oracles share.

One problem is solved everywhere: the point of least norm in a *zonotope plus cone*

    Y = { base - sum_l theta_l q_l + sum_j mu_j ray_j :  0 <= theta_l <= 1, mu_j >= 0 },

by Wolfe's algorithm.  Every point of Y gives a valid upper bound in every use below, so
nothing here needs to be exact for a bound to be right; accuracy only makes it tight.
"""

from __future__ import annotations

import numpy as np

from measurelp._jit_kernels import entry, inner

# What min_norm_point answers.
LEAST = 0  # converged: the point is the least one up to rounding
BELOW = 1  # stopped early: |y| <= stop_below
ABOVE = 2  # stopped early: every point of Y is longer than stop_above


@inner()
def _solve_symmetric(matrix, right, size):
    """Gaussian elimination with partial pivoting, in place; False when singular."""
    for column in range(size):
        pivot = column
        largest = abs(matrix[column, column])
        for row in range(column + 1, size):
            if abs(matrix[row, column]) > largest:
                largest = abs(matrix[row, column])
                pivot = row
        if not largest > 1e-300:
            return False
        if pivot != column:
            for k in range(size):
                swap = matrix[column, k]
                matrix[column, k] = matrix[pivot, k]
                matrix[pivot, k] = swap
            swap = right[column]
            right[column] = right[pivot]
            right[pivot] = swap
        for row in range(column + 1, size):
            factor = matrix[row, column] / matrix[column, column]
            if factor != 0.0:
                for k in range(column, size):
                    matrix[row, k] -= factor * matrix[column, k]
                right[row] -= factor * right[column]
    for column in range(size - 1, -1, -1):
        total = right[column]
        for k in range(column + 1, size):
            total -= matrix[column, k] * right[k]
        right[column] = total / matrix[column, column]
    return True


@inner()
def workspace(r, n_tag):
    """The arrays that ``min_norm_point`` works in, for problems of r coordinates."""
    capacity = r + 3
    return (
        np.empty((capacity, r)), np.empty((capacity, n_tag)), np.zeros(capacity, np.uint8),
        np.zeros(capacity), np.empty(capacity + 1), np.empty((capacity + 1, capacity + 1)),
        np.empty(r), np.empty(n_tag),
    )  # fmt: skip


@inner()
def settle(points, tags, is_ray, share, trial, gram, size):
    """Move to the least point of the corral's affine hull, dropping what would turn negative.

    ``share`` holds the weights of the corral's first ``size`` members, vertices or rays; returns
    how many are left, or -1 if they are too dependent.
    """
    r, n_tag = points.shape[1], tags.shape[1]
    while True:
        for i in range(size):
            for j in range(i + 1):
                inner = 0.0
                for c in range(r):
                    inner += points[i, c] * points[j, c]
                gram[i, j] = inner
                gram[j, i] = inner
            trial[i] = 0.0
            gram[i, size] = 0.0 if is_ray[i] == 1 else 1.0
            gram[size, i] = gram[i, size]
        gram[size, size] = 0.0
        trial[size] = 1.0
        usable = _solve_symmetric(gram, trial, size + 1)
        step = 1.0
        for i in range(size):
            if usable and not np.isfinite(trial[i]):
                usable = False
        if not usable:
            return -1
        for i in range(size):
            if trial[i] < 0.0:
                ratio = share[i] / (share[i] - trial[i])
                if ratio < step:
                    step = ratio
        for i in range(size):
            share[i] += step * (trial[i] - share[i])
        kept = 0
        for i in range(size):
            if share[i] > 1e-15:
                if kept != i:
                    share[kept] = share[i]
                    is_ray[kept] = is_ray[i]
                    for c in range(r):
                        points[kept, c] = points[i, c]
                    for c in range(n_tag):
                        tags[kept, c] = tags[i, c]
                kept += 1
        shrunk = kept < size
        size = kept
        if step >= 1.0 or not shrunk:
            return size


@inner(fastmath={"reassoc", "nsz"})
def extreme_point(base, base_tag, q, q_tag, n_q, direction, active, p, p_tag):
    """p = base - the sum of the q_l with <q_l, direction> > 0, and p_tag likewise.

    Sums may be taken in any order: every rounding analysis of what they enter counts terms only.
    """
    for row in range(n_q):
        active[row] = 0.0
    for c in range(base.shape[0]):
        factor = direction[c]
        for row in range(n_q):
            active[row] += factor * q[row, c]
    for row in range(n_q):
        active[row] = 1.0 if active[row] > 0.0 else 0.0
    for c in range(base.shape[0]):
        total = 0.0
        for row in range(n_q):
            total += active[row] * q[row, c]
        p[c] = base[c] - total
    for c in range(base_tag.shape[0]):
        total = 0.0
        for row in range(n_q):
            total += active[row] * q_tag[row, c]
        p_tag[c] = base_tag[c] - total


@entry()
def min_norm_point(
    base, base_tag, rays, n_rays, q, q_tag, n_q, start, stop_below, stop_above, y, tag,
    space=None,
):  # fmt: skip
    """Wolfe's algorithm on Y; ``y`` receives the point, ``tag`` its linear companion.

    ``base_tag`` and ``q_tag`` are carried along: if y = base - sum theta_l q_l + rays, then
    tag = base_tag - sum theta_l q_tag_l (rays carry nothing).  ``space`` is what
    ``workspace`` made, for callers that ask often; they had better store q and q_tag by columns.
    Returns a status, a lower bound of |Y| (-inf
    where none was found) and the sum of the multipliers mu_j of y.
    Complexity: a pass over q and the rays for each of the few steps.
    """
    r = base.shape[0]
    n_tag = base_tag.shape[0]
    capacity = r + 3
    if space is None:
        points, tags, is_ray, share, trial, gram, p, p_tag = workspace(r, n_tag)
    else:
        points, tags, is_ray, share, trial, gram, p, p_tag = space

    # First vertex: the extreme one in the direction of ``start``.
    active = np.empty(n_q)
    extreme_point(base, base_tag, q, q_tag, n_q, start, active, points[0], tags[0])
    share[0] = 1.0
    is_ray[0] = 0
    size = 1
    for c in range(r):
        y[c] = points[0, c]
    for c in range(n_tag):
        tag[c] = tags[0, c]
    lower = -np.inf
    ray_total = 0.0
    previous = np.inf
    stalled = 0

    for _ in range(200):
        length2 = 0.0
        for c in range(r):
            length2 += y[c] * y[c]
        length = np.sqrt(length2)
        if length <= stop_below:
            return BELOW, lower, ray_total
        # Linear minimisation over Y in the direction y.
        extreme_point(base, base_tag, q, q_tag, n_q, y, active, p, p_tag)
        inner = 0.0
        distance2 = 0.0
        for c in range(r):
            inner += p[c] * y[c]
            distance2 += (p[c] - y[c]) * (p[c] - y[c])
        worst_ray = -1
        worst = -1e-13 * length
        for j in range(n_rays):
            along = 0.0
            for c in range(r):
                along += rays[j, c] * y[c]
            if along < worst:
                worst = along
                worst_ray = j
        if worst_ray < 0:
            lower = max(lower, inner / length)
            if lower > stop_above:
                return ABOVE, lower, ray_total
        vertex_gain = (length2 - inner) / (length * np.sqrt(distance2) + 1e-300)
        ray_gain = -worst / length
        if vertex_gain <= 1e-13 and worst_ray < 0:
            return LEAST, lower, ray_total
        if length >= previous * (1.0 - 1e-15):
            stalled += 1
            if stalled > 2:
                return LEAST, lower, ray_total
        else:
            stalled = 0
        previous = length
        if size == capacity:
            return LEAST, lower, ray_total
        if worst_ray >= 0 and ray_gain >= vertex_gain:
            for c in range(r):
                points[size, c] = rays[worst_ray, c]
            for c in range(n_tag):
                tags[size, c] = 0.0
            is_ray[size] = 1
        else:
            for c in range(r):
                points[size, c] = p[c]
            for c in range(n_tag):
                tags[size, c] = p_tag[c]
            is_ray[size] = 0
        share[size] = 0.0
        size += 1

        size = settle(points, tags, is_ray, share, trial, gram, size)
        if size < 0:
            return LEAST, lower, ray_total
        total = 0.0
        for i in range(size):
            if is_ray[i] == 0:
                total += share[i]
        if not total > 0.5:
            # Rounding has eaten the vertices; the last y is still a point of Y.
            return LEAST, lower, ray_total
        for c in range(r):
            y[c] = 0.0
        for c in range(n_tag):
            tag[c] = 0.0
        ray_total = 0.0
        for i in range(size):
            if is_ray[i] == 0:
                share[i] /= total
            else:
                ray_total += share[i]
            for c in range(r):
                y[c] += share[i] * points[i, c]
            for c in range(n_tag):
                tag[c] += share[i] * tags[i, c]
    return LEAST, lower, ray_total


@entry()
def dual_value(rows, alpha, w):
    """eta(w) = sum_i alpha_i <x_i, w>_+ at one point."""
    total = 0.0
    for i in range(rows.shape[0]):
        inner = 0.0
        for c in range(rows.shape[1]):
            inner += rows[i, c] * w[c]
        if inner > 0.0:
            total += alpha[i] * inner
    return total


@entry()
def cell_suprema(packed, rays, ray_error, jumps, offset, total, rows, alpha, floor, points, values):
    """The suprema of +-eta over each cell and its opposite, by projection.

    A cell is {w : s_l <ray_l, w> >= 0}; bit l of ``packed`` is set where s_l = +1.  There
    eta is linear with gradient g = offset + sum of jumps_l over s_l = +1, and on the
    opposite cell it is <g - total, w> at -w.  Any point of g + cone(s_l ray_l) bounds the
    cell from above by its length.  Suprema not above ``floor`` are not sought.  ``points[k]``
    receives the best point over the four problems of cell k and ``values[k]`` the signed
    eta there.  Returns an upper bound of all suprema up to rounding of the gradients; that
    of the rays, each off by at most ``ray_error``, is charged.
    """
    m, r = rays.shape
    signed = np.empty((m, r))
    g = np.empty(r)
    base = np.empty(r)
    y = np.empty(r)
    w = np.empty(r)
    start = np.zeros(r)
    no_tag = np.empty(0)
    no_q = np.empty((0, r))
    no_tags = np.empty((0, 0))
    space = workspace(r, no_tag.shape[0])
    upper = 0.0
    for k in range(packed.shape[0]):
        for c in range(r):
            g[c] = offset[c]
        for row in range(m):
            active = (packed[k, row >> 6] >> np.uint64(row & 63)) & np.uint64(1)
            if active == 1:
                for c in range(r):
                    signed[row, c] = rays[row, c]
                    g[c] += jumps[row, c]
            else:
                for c in range(r):
                    signed[row, c] = -rays[row, c]
        values[k] = 0.0
        for problem in range(4):
            flip = 1.0 if problem < 2 else -1.0
            side = 1.0 if problem % 2 == 0 else -1.0
            length = 0.0
            for c in range(r):
                base[c] = flip * (g[c] if side > 0.0 else g[c] - total[c])
                length += base[c] * base[c]
            length = np.sqrt(length)
            threshold = max(abs(values[k]), floor)
            if length > threshold:
                _, _, ray_total = min_norm_point(
                    base, no_tag, signed, m, no_q, no_tags, 0, start, threshold, np.inf, y, no_tag,
                    space,
                )  # fmt: skip
                projected = 0.0
                for c in range(r):
                    projected += y[c] * y[c]
                projected = np.sqrt(projected)
                projected += ray_total * ray_error
                if projected <= length:  # never true of NaN
                    length = projected
            upper = max(upper, length)
            if length <= threshold:
                continue
            for c in range(r):
                w[c] = side * y[c] / length
            reached = dual_value(rows, alpha, w)
            if flip * reached > abs(values[k]):
                values[k] = reached
                for c in range(r):
                    points[k, c] = w[c]
    return upper
