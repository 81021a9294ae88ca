r"""Compiled branch and bound over simplicial cones.

On a cone with generators r_1..r_d write w = sum t_j r_j, t >= 0.  For F(w) = sigma eta(tau w)
every row l has the values v_lj = <x_l, r_j>, and F lies below a linear function of t:

* a row whose values have one sign is linear there;
* a cut row with a positive coefficient is convex: the chord h_j += c_l (v_lj)_+ ;
* a cut row with a negative coefficient is concave: h_j -= theta_l c_l v_lj, any theta in [0, 1].

If <r_j, y> >= h_j for all j then F(w) <= <y, w> <= |y| |w| on the cone.  The best y is a
point of least norm (``min_norm_point``); *any* y that passes the d inequalities proves the
bound, so accuracy of the inner solver never decides validity.

Rounding.  Let u = 2^-53, V_l the largest |<x_l, root generator>|, K = sum |a_l| V_l, D the
depth and m the number of cut rows.  Generators are by definition the exact combinations
al r_i + be r_j of floating al, be; what is stored differs from them by at most 20 u D in
each coordinate, and v_lj by at most 20 u V_l D (two roundings of one convex combination a
level, plus values below 16 u V_l that are set to zero).  The sum over uncut rows is
compensated and inherits the same combination: 30 u K D + 8 u K.  Chords, thetas and their
convex combination over the corral are sums of at most m + 2 d terms: (3 m + 40) u K + 60 u K D.
Together |h_j - computed| <= u K (100 D + 3 m + 100) =: delta, and |<r_j, y> - computed| <=
u |y|_1 (20 D + d + 2).  Both are charged before the inequalities are tested.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from measurelp.oracle._kernels import dual_value, min_norm_point

U = 2.0**-53

# Why sweep returned.
DONE = 0
PAUSED = 1  # the node budget of this call is used up
GROW = 2  # the arena of cut rows or the stack of frames is full

# Slots of the integer and float state vectors.
TOP, NODES, N_PEAKS, MAX_DEPTH = 0, 1, 2, 3
BEST, UPPER = 0, 1


@njit(cache=True, nogil=True, error_model="numpy")
def push_root(signs, rows, alpha, total, stack, arena_row, arena_v, ints):
    """Put the orthant with the given signs (+-1) on the empty stack."""
    begin, end, depth, alive, bound, generator, normal, uncut, linear, guess = stack
    n, r = rows.shape
    for i in range(r):
        for c in range(r):
            generator[0, i, c] = 0.0
            normal[0, i, c] = 0.0
        generator[0, i, i] = signs[i]
        normal[0, i, i] = signs[i]
        uncut[0, i] = 0.0
        linear[0, i] = signs[i] * total[i]
    for p in range(4):
        bound[0, p] = np.inf
        for c in range(r):
            guess[0, p, c] = signs[c]
    alive[0] = 15
    depth[0] = 0
    begin[0] = 0
    size = 0
    carry = np.zeros(r)
    for row in range(n):
        positive = False
        negative = False
        for j in range(r):
            value = signs[j] * rows[row, j]
            arena_v[size, j] = value
            positive |= value > 0.0
            negative |= value < 0.0
        if positive and negative:
            arena_row[size] = row
            size += 1
        elif positive:
            for j in range(r):
                _add(uncut[0], carry, j, alpha[row] * arena_v[size, j])
    for j in range(r):
        uncut[0, j] += carry[j]
    end[0] = size
    ints[TOP] = 1


@njit(cache=True, nogil=True, error_model="numpy")
def _add(total, carry, j, term):
    """Neumaier's compensated addition of ``term`` to total[j] + carry[j]."""
    new = total[j] + term
    if abs(total[j]) >= abs(term):
        carry[j] += (total[j] - new) + term
    else:
        carry[j] += (term - new) + total[j]
    total[j] = new


@njit(cache=True, nogil=True, error_model="numpy")
def sweep(
    rows, alpha, reach, stack, arena_row, arena_v, ints, floats,
    level, tolerance, budget, peaks, peak_values,
):  # fmt: skip
    """Work the stack down until it is empty or ``budget`` nodes were treated.

    A node is given up for problem p when its bound is at most
    max(level, best (1 + tolerance)).  ``reach`` is K of the module's docstring.
    Points found above ``level`` are appended to ``peaks`` while there is room.
    """
    begin, end, depth, alive, bound, generator, normal, uncut, linear, guess = stack
    r = rows.shape[1]
    q = np.empty((max(16, arena_row.shape[0] // 8), r))
    q_tag = np.empty_like(q)
    base = np.empty(r)
    base_tag = np.empty(r)
    y = np.empty(r)
    h = np.empty(r)
    w = np.empty(r)
    rays = np.empty((r, r))
    t = np.empty(r)
    carry = np.empty(r)
    crossings = np.empty(32)
    weights = np.empty(32)
    treated = 0
    while ints[TOP] > 0:
        frame = ints[TOP] - 1
        first, last = begin[frame], end[frame]
        m = last - first
        # Room for two children before anything of this node is changed.
        if frame + 2 >= begin.shape[0] or last + 2 * m + 2 > arena_row.shape[0]:
            return GROW
        if treated >= budget:
            return PAUSED
        treated += 1
        ints[NODES] += 1
        level_here = depth[frame]
        ints[MAX_DEPTH] = max(ints[MAX_DEPTH], level_here)
        if q.shape[0] < m:
            q = np.empty((2 * m, r))
            q_tag = np.empty_like(q)
        for j in range(r):
            length = 0.0
            for c in range(r):
                length += normal[frame, j, c] ** 2
            length = np.sqrt(length)
            for c in range(r):
                rays[j, c] = normal[frame, j, c] / length
        delta = U * reach * (100.0 * level_here + 3.0 * m + 100.0)

        worst_bound = -np.inf
        worst_sigma = 1.0
        worst_has_chords = True
        still_alive = 0
        for p in range(4):
            if not (alive[frame] >> p) & 1:
                continue
            sigma = 1.0 if p < 2 else -1.0
            opposite = p % 2 == 1
            threshold = max(level, floats[BEST] * (1.0 + tolerance))
            if bound[frame, p] <= threshold:
                floats[UPPER] = max(floats[UPPER], bound[frame, p])
                continue
            n_q = 0
            n_chords = 0
            for j in range(r):
                base_tag[j] = sigma * uncut[frame, j]
                if opposite:
                    base_tag[j] -= sigma * linear[frame, j]
            for k in range(first, last):
                row = arena_row[k]
                coefficient = sigma * alpha[row]
                if coefficient > 0.0:
                    n_chords += 1
                    for j in range(r):
                        if arena_v[k, j] > 0.0:
                            base_tag[j] += coefficient * arena_v[k, j]
                else:
                    for c in range(r):
                        q[n_q, c] = -coefficient * rows[row, c]
                        q_tag[n_q, c] = -coefficient * arena_v[k, c]
                    n_q += 1
            for c in range(r):
                base[c] = 0.0
                for j in range(r):
                    base[c] += base_tag[j] * normal[frame, j, c]
            min_norm_point(
                base, base_tag, rays, r, q, q_tag, n_q, guess[frame, p],
                threshold * (1.0 - 1e-9), threshold * (1.0 + 1e-9) if n_chords > 0 else np.inf,
                y, h,
            )  # fmt: skip
            proved = _proved_length(generator[frame], y, h, delta, level_here)
            threshold = max(level, floats[BEST] * (1.0 + tolerance))
            if proved > threshold:
                close = 0.0
                for c in range(r):
                    close += y[c] * y[c]
                if close <= (threshold * (1.0 + 1e-4)) ** 2:
                    proved = min(proved, _least_over_faces(generator[frame], h, delta, level_here))
            proved = min(proved, bound[frame, p])
            # A relaxation's maximiser, moved into the cone, is a point to try.
            length = 0.0
            for c in range(r):
                length += y[c] * y[c]
            length = np.sqrt(length)
            if length > 0.0:
                for j in range(r):
                    t[j] = 0.0
                    for c in range(r):
                        t[j] += normal[frame, j, c] * y[c]
                    t[j] = max(t[j], 0.0)
                square = 0.0
                for c in range(r):
                    w[c] = 0.0
                    for j in range(r):
                        w[c] += t[j] * generator[frame, j, c]
                    square += w[c] * w[c]
                square = np.sqrt(square)
                if square > 0.0:
                    value = 0.0
                    for j in range(r):
                        value += t[j] * sigma * uncut[frame, j]
                        if opposite:
                            value -= t[j] * sigma * linear[frame, j]
                    for k in range(first, last):
                        inner = 0.0
                        for j in range(r):
                            inner += t[j] * arena_v[k, j]
                        if inner > 0.0:
                            value += sigma * alpha[arena_row[k]] * inner
                    value /= square
                    for c in range(r):
                        guess[frame, p, c] = w[c] / square
                    if value > floats[BEST] or value > level:
                        for c in range(r):
                            w[c] = (-w[c] if opposite else w[c]) / square
                        value = sigma * dual_value(rows, alpha, w)
                        better = value > floats[BEST] * (1.0 + 1e-12)
                        if value > floats[BEST]:
                            floats[BEST] = value
                        slot = ints[N_PEAKS]
                        if (value > level or better) and slot < peaks.shape[0]:
                            for c in range(r):
                                peaks[slot, c] = w[c]
                            peak_values[slot] = sigma * value
                            ints[N_PEAKS] += 1
            threshold = max(level, floats[BEST] * (1.0 + tolerance))
            if proved <= threshold + 8.0 * r * delta or m == 0 or level_here >= 400:
                # What is above the threshold by no more than the rounding that was charged,
                # a cone that no row cuts (the relaxation is exact there), and such a depth:
                # splitting would gain nothing.  The bound stands as it is.
                floats[UPPER] = max(floats[UPPER], proved)
            else:
                bound[frame, p] = proved
                still_alive |= 1 << p
                if proved > worst_bound:
                    worst_bound = proved
                    worst_sigma = sigma
                    worst_has_chords = n_chords > 0
                    for j in range(r):
                        t[j] = 0.0
                        for c in range(r):
                            t[j] += normal[frame, j, c] * guess[frame, p, c]
                        carry[j] = max(t[j], 0.0)
        if still_alive == 0:
            ints[TOP] -= 1
            continue
        for j in range(r):
            t[j] = carry[j]

        # Branch: the edge along which the chords of the worst problem lose most, or, where
        # only concave rows cut and the inner solver was not accurate enough, their kinks.
        longest = 0.0
        long_i, long_j = 0, 1
        for i in range(r):
            for j in range(i + 1, r):
                gap = 0.0
                for c in range(r):
                    gap += (generator[frame, i, c] - generator[frame, j, c]) ** 2
                if gap > longest:
                    longest = gap
                    long_i, long_j = i, j
        best_score = 0.0
        split_i, split_j = -1, -1
        if not (level_here > 40 and level_here % 3 == 0):
            total_t = 0.0
            for j in range(r):
                total_t += t[j]
            for i in range(r):
                for j in range(i + 1, r):
                    gap = 0.0
                    for c in range(r):
                        gap += (generator[frame, i, c] - generator[frame, j, c]) ** 2
                    if gap < 0.09 * longest:
                        continue
                    score = 0.0
                    for k in range(first, last):
                        a, b = arena_v[k, i], arena_v[k, j]
                        if a * b < 0.0:
                            c_l = worst_sigma * alpha[arena_row[k]]
                            if c_l > 0.0 or not worst_has_chords:
                                score += abs(c_l) * abs(a) * abs(b) / (abs(a) + abs(b))
                    score *= min(t[i], t[j]) + 0.02 * total_t
                    if score > best_score:
                        best_score = score
                        split_i, split_j = i, j
        if split_i < 0:
            split_i, split_j = long_i, long_j
        count = 0
        overflow = False
        for k in range(first, last):
            a, b = arena_v[k, split_i], arena_v[k, split_j]
            c_l = worst_sigma * alpha[arena_row[k]]
            if a * b < 0.0 and (c_l > 0.0 or not worst_has_chords):
                if count == 32:
                    overflow = True
                    break
                crossings[count] = abs(b) / (abs(a) + abs(b))
                weights[count] = abs(c_l) * abs(a) * abs(b) / (abs(a) + abs(b))
                count += 1
        al = 0.5
        if count > 0 and not overflow:
            al = min(max(_weighted_median(crossings, weights, count), 0.2), 0.8)
        be = 1.0 - al

        # Children: ``frame`` keeps generator j (replaces i), the next frame keeps i.
        other = frame + 1
        depth[other] = level_here + 1
        depth[frame] = level_here + 1
        alive[frame] = still_alive
        alive[other] = still_alive
        for p in range(4):
            bound[other, p] = bound[frame, p]
            for c in range(r):
                guess[other, p, c] = guess[frame, p, c]
        for j in range(r):
            uncut[other, j] = uncut[frame, j]
            linear[other, j] = linear[frame, j]
            for c in range(r):
                generator[other, j, c] = generator[frame, j, c]
                normal[other, j, c] = normal[frame, j, c]
        middle = al * uncut[frame, split_i] + be * uncut[frame, split_j]
        uncut[frame, split_i] = middle
        uncut[other, split_j] = middle
        middle = al * linear[frame, split_i] + be * linear[frame, split_j]
        linear[frame, split_i] = middle
        linear[other, split_j] = middle
        for c in range(r):
            middle = al * generator[frame, split_i, c] + be * generator[frame, split_j, c]
            generator[frame, split_i, c] = middle
            generator[other, split_j, c] = middle
            n_i, n_j = normal[frame, split_i, c], normal[frame, split_j, c]
            normal[frame, split_i, c] = n_i / al
            normal[frame, split_j, c] = n_j - (be / al) * n_i
            normal[other, split_j, c] = n_j / be
            normal[other, split_i, c] = n_i - (al / be) * n_j
        # The second child's list is written behind this one, then the first in place.
        tail = last
        for j in range(r):
            carry[j] = 0.0
        for k in range(first, last):
            tail = _inherit(
                k, tail, split_j, split_i, split_j, al, be, alpha,
                arena_row, arena_v, uncut[other], carry,
            )  # fmt: skip
        for j in range(r):
            uncut[other, j] += carry[j]
            carry[j] = 0.0
        kept = first
        for k in range(first, last):
            kept = _inherit(
                k, kept, split_i, split_i, split_j, al, be, alpha,
                arena_row, arena_v, uncut[frame], carry,
            )  # fmt: skip
        for j in range(r):
            uncut[frame, j] += carry[j]
        moved = kept
        for k in range(last, tail):
            arena_row[moved] = arena_row[k]
            for j in range(r):
                arena_v[moved, j] = arena_v[k, j]
            moved += 1
        end[frame] = kept
        begin[other] = kept
        end[other] = moved
        ints[TOP] = other + 1
    return DONE


@njit(cache=True, nogil=True, error_model="numpy")
def _inherit(k, slot, replaced, i, j, al, be, alpha, arena_row, arena_v, uncut, carry):
    """Give cut row k to the child whose generator ``replaced`` is the new middle one.

    Writes it to ``slot`` and returns the next free slot, or adds it to the child's linear
    part if it does not cut the child.
    """
    r = arena_v.shape[1]
    row = arena_row[k]
    a, b = arena_v[k, i], arena_v[k, j]
    middle = al * a + be * b
    if abs(middle) <= 16.0 * U * max(abs(a), abs(b)):
        middle = 0.0
    positive = middle > 0.0
    negative = middle < 0.0
    for c in range(r):
        value = middle if c == replaced else arena_v[k, c]
        arena_v[slot, c] = value
        positive |= value > 0.0
        negative |= value < 0.0
    if positive and negative:
        arena_row[slot] = row
        return slot + 1
    if positive:
        for c in range(r):
            _add(uncut, carry, c, alpha[row] * arena_v[slot, c])
    return slot


@njit(cache=True, nogil=True, error_model="numpy")
def _proved_length(generator, y, h, delta, depth):
    """Lengthen y until <r_j, y> >= h_j holds with all rounding charged; return |y| or inf."""
    r = h.shape[0]
    axis = np.zeros(r)
    for j in range(r):
        for c in range(r):
            axis[c] += generator[j, c]
    excess = 0.0
    size = 0.0
    for c in range(r):
        size += abs(y[c])
    charge = delta + 2.0 * U * size * (20.0 * depth + r + 2.0)
    for j in range(r):
        inner = 0.0
        along = 0.0
        for c in range(r):
            inner += generator[j, c] * y[c]
            along += generator[j, c] * axis[c]
        if not along > 0.0:
            return np.inf
        missing = (h[j] + charge - inner) / along
        if not missing <= excess:
            excess = missing
    if not np.isfinite(excess):
        return np.inf
    # The added part is charged as well: its own rounding is below a millionth of it.
    excess *= 1.0 + 1e-6
    square = 0.0
    for c in range(r):
        square += (y[c] + excess * axis[c]) ** 2
    return np.sqrt(square) * (1.0 + 1e-14)


@njit(cache=True, nogil=True, error_model="numpy")
def _least_over_faces(generator, h, delta, depth):
    """The least proved length over the points that make some of the inequalities tight.

    For each set of generators, y is the shortest solution of <r_j, y> = h_j over the set, by
    Gram-Schmidt, which solves the equations to rounding however thin the cone is.  The best
    y for given h is among them.
    """
    r = h.shape[0]
    q = np.empty((r, r))
    y = np.empty(r)
    v = np.empty(r)
    least = np.inf
    for chosen in range(1, 1 << r):
        size = 0
        for c in range(r):
            y[c] = 0.0
        usable = True
        for j in range(r):
            if not (chosen >> j) & 1:
                continue
            if size == r:
                usable = False
                break
            missing = h[j]
            before = 0.0
            for c in range(r):
                v[c] = generator[j, c]
                before += v[c] * v[c]
                missing -= v[c] * y[c]
            for _ in range(2):
                for k in range(size):
                    inner = 0.0
                    for c in range(r):
                        inner += q[k, c] * v[c]
                    for c in range(r):
                        v[c] -= inner * q[k, c]
            after = 0.0
            for c in range(r):
                after += v[c] * v[c]
            if not after > 1e-26 * before:
                usable = False
                break
            after = np.sqrt(after)
            along = 0.0
            for c in range(r):
                q[size, c] = v[c] / after
                along += q[size, c] * generator[j, c]
            for c in range(r):
                y[c] += (missing / along) * q[size, c]
            size += 1
        if usable:
            least = min(least, _proved_length(generator, y, h, delta, depth))
    return least


@njit(cache=True, nogil=True, error_model="numpy")
def _weighted_median(values, weights, count):
    """The point up to which half of the weight lies."""
    order = np.argsort(values[:count])
    half = 0.0
    for k in range(count):
        half += weights[k]
    half *= 0.5
    running = 0.0
    for k in range(count):
        running += weights[order[k]]
        if running >= half:
            return values[order[k]]
    return values[order[count - 1]]
