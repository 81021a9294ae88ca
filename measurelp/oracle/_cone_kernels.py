r"""Compiled branch and bound over simplicial cones.

Long because a node is one compiled function, whose working arrays are made once for a sweep, and because
the argument for its rounding stands with it.

Rows a_l come scaled by |alpha_l| (``row_store``), those that count positively first.  On a cone with
generators r_1..r_d write w = sum t_j r_j, t >= 0.  For F(w) = sigma eta(tau w) every row has the
values v_lj = <a_l, r_j>, and F lies below a linear function of t:

* a row whose values have one sign is linear there;
* a cut row that counts positively is convex: the chord h_j += (v_lj)_+ ;
* a cut row that counts negatively is concave: h_j -= theta_l v_lj, any theta in [0, 1].

If <r_j, y> >= h_j for all j then F(w) <= <y, w> <= |y| |w| on the cone.  The best y is a
point of least norm (``min_norm_point``); *any* y that passes the d inequalities proves the
bound, so accuracy of the inner solver never decides validity.

Rounding.  Let u = 2^-53, V_l the largest |<a_l, root generator>|, K = sum V_l, D the
depth and m the number of cut rows.  Generators are by definition the exact combinations
al r_i + be r_j of floating al, be; what is stored differs from them by at most 20 u D in
each coordinate, and v_lj by at most 20 u V_l D (two roundings of one convex combination a
level, plus values below 16 u V_l that are set to zero).  The sum over uncut rows is
compensated and inherits the same combination: 30 u K D + 8 u K.  Chords, thetas and their
convex combination over the corral are sums of at most m + 2 d terms: (3 m + 40) u K + 60 u K D.
Together |h_j - computed| <= u K (100 D + 3 m + 100) =: delta, and |<r_j, y> - computed| <=
u |y|_1 (20 D + d + 2).  Both are charged before the inequalities are tested.

Children.  Splitting the edge (i, j) at al r_i + be r_j changes the majorant of the parent, with
its thetas, in one value only: h_mid = al h_i + be h_j - G, where G sums min(al |v_li|,
be |v_lj|) over the convex rows that the edge crosses.  So the parent's y, less G along the
normal of the new generator, passes the child's inequalities in exact arithmetic, and so does what
is reached from there by adding normals, which shortens it: a bound of the child in O(d^2).  It is proved like any other y: h_mid carries the errors of h_i and
h_j, at most delta(D, m), a sum of at most m terms of three roundings each and four more
operations, (m + 12) u K, and the values v that G is made of are those of the parent; so
delta(D + 1, m) + (m + 20) u K covers it.
"""

from __future__ import annotations

import numpy as np

from measurelp._jit_kernels import entry, inner
from measurelp.oracle._arena_kernels import add, allocate, free
from measurelp.oracle._cone_bounds_kernels import U, least_over_faces, proved_length
from measurelp.oracle._cone_rows_kernels import (
    chord_heights,
    chord_loss,
    edge_losses,
    median_crossing,
    new_values,
    rows_of_child,
    sum_of_active,
    value_at,
)
from measurelp.oracle._frontier_kernels import (
    BEST,
    MAX_DEPTH,
    NEXT_ROOT,
    NODES,
    UPPER,
    WORK,
    put,
    record,
    release,
    reserve,
)
from measurelp.oracle._kernels import min_norm_point, workspace
from measurelp.oracle._next_node_kernels import NODE, ROOT, next_node

_NODE_WORK = 200  # what a node costs beside its rows, in rows
_CHILD_SWEEPS = 1  # over the normals, before a child is made


@inner()
def _open_orthant(orthant, slot, top, rows, n_plus, total, frames, arena_row, arena_v, chunks):
    """Put an orthant into a slot; bit j - 1 of its number is set where coordinate j is negative."""
    begin, count, plus, depth, alive, bound, generator, normal, uncut, linear, guess = frames
    r, n = rows.shape
    signs = np.empty(r)
    for j in range(r):
        signs[j] = -1.0 if j > 0 and (orthant >> (j - 1)) & 1 else 1.0
        for c in range(r):
            generator[slot, j, c] = 0.0
            normal[slot, j, c] = 0.0
        generator[slot, j, j] = signs[j]
        normal[slot, j, j] = signs[j]
        uncut[slot, j] = 0.0
        linear[slot, j] = signs[j] * total[j]
    for p in range(4):
        bound[slot, p] = top
        for c in range(r):
            guess[slot, p, c] = signs[c]
    alive[slot] = 15
    depth[slot] = 0
    low = np.zeros(n)
    high = np.zeros(n)
    for j in range(r):
        for row in range(n):
            low[row] = min(low[row], signs[j] * rows[j, row])
            high[row] = max(high[row], signs[j] * rows[j, row])
    size = np.int64(0)
    for row in range(n):
        size += low[row] < 0.0 and high[row] > 0.0
    start = allocate(chunks, arena_row, size)
    begin[slot] = start
    count[slot] = size
    plus[slot] = 0
    carry = np.zeros(r)
    for row in range(n):
        if low[row] < 0.0 and high[row] > 0.0:
            arena_row[start] = row
            for j in range(r):
                arena_v[j, start] = signs[j] * rows[j, row]
            start += 1
            plus[slot] += row < n_plus
        elif high[row] > 0.0:
            for j in range(r):
                value = signs[j] * rows[j, row]
                add(uncut[slot], carry, j, value if row < n_plus else -value)
    for j in range(r):
        uncut[slot, j] += carry[j]


@entry()
def sweep(
    rows, n_plus, total, reach, top, frames, arena_row, arena_v, chunks, frontier, most_live,
    most_open, ints, floats, level, tolerance, node_limit, work_limit, peaks, peak_values,
):  # fmt: skip
    """Work the tree until nothing is open or so many nodes or so much work was done.

    A node is given up for problem p when its bound is at most
    max(level, best (1 + tolerance)).  ``reach`` is K of the module's docstring and ``top``
    a bound of everything, which orthants have until they are opened.  Points found above
    ``level`` are appended to ``peaks``.  Children wait in the heap while fewer than
    ``most_open`` nodes and ``most_live`` rows are in use.
    """
    begin, count, plus, depth, alive, bound, generator, normal, uncut, linear, guess = frames
    r, n = rows.shape
    room = 64
    q = np.empty((r, room)).T
    q_tag = np.empty((r, room)).T
    middle = np.empty(room)
    low = np.empty(room)
    high = np.empty(room)
    keep = np.empty(room, np.int64)
    base = np.empty(r)
    base_tag = np.empty(r)
    points = np.empty((4, r))
    heights = np.empty((4, r))
    w = np.empty(r)
    rays = np.empty((r, r))
    t = np.empty(r)
    carry = np.empty(r)
    axis = np.empty(r)
    child_y = np.empty(r)
    child_h = np.empty(r)
    corner = np.empty(r)
    crossings = np.empty(64)
    weights = np.empty(64)
    score = np.empty((r, r))
    everywhere = np.empty(n)
    space = workspace(r, r)
    treated = 0
    work = 0
    while True:
        why, frame, on_pile = next_node(
            frontier, chunks, arena_row, begin, count, n, most_live, most_open, ints, floats, level,
            tolerance, treated >= node_limit or work >= work_limit,
        )  # fmt: skip
        if why not in (NODE, ROOT):
            ints[WORK] += work
            return why
        if why == ROOT:
            _open_orthant(
                ints[NEXT_ROOT], frame, top, rows, n_plus, total, frames, arena_row, arena_v, chunks
            )
            ints[NEXT_ROOT] += 1
            work += n
        first = begin[frame]
        m = count[frame]
        last = first + m
        turn_row = first + plus[frame]
        treated += 1
        work += m + _NODE_WORK
        ints[NODES] += 1
        level_here = depth[frame]
        ints[MAX_DEPTH] = max(ints[MAX_DEPTH], level_here)
        if room < m:
            room = 2 * m
            q = np.empty((r, room)).T
            q_tag = np.empty((r, room)).T
            middle = np.empty(room)
            low = np.empty(room)
            high = np.empty(room)
            keep = np.empty(room, np.int64)
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
        still_alive = np.int64(0)
        for p in range(4):
            if not (alive[frame] >> p) & 1:
                continue
            sigma = 1.0 if p < 2 else -1.0
            opposite = p % 2 == 1
            threshold = max(level, floats[BEST] * (1.0 + tolerance))
            if bound[frame, p] <= threshold:
                floats[UPPER] = max(floats[UPPER], bound[frame, p])
                continue
            for j in range(r):
                base_tag[j] = sigma * uncut[frame, j]
                if opposite:
                    base_tag[j] -= sigma * linear[frame, j]
            chord_first, chord_last = first, turn_row
            curved_first, curved_last = turn_row, last
            if sigma < 0.0:
                chord_first, chord_last = turn_row, last
                curved_first, curved_last = first, turn_row
            n_chords = chord_last - chord_first
            n_q = curved_last - curved_first
            chord_heights(arena_v, chord_first, chord_last, base_tag)
            for c in range(r):
                for k in range(n_q):
                    q[k, c] = rows[c, arena_row[curved_first + k]]
                    q_tag[k, c] = arena_v[c, curved_first + k]
            for c in range(r):
                base[c] = 0.0
                for j in range(r):
                    base[c] += base_tag[j] * normal[frame, j, c]
            y, h = points[p], heights[p]
            min_norm_point(
                base, base_tag, rays, r, q, q_tag, n_q, guess[frame, p],
                threshold * (1.0 - 1e-9), threshold * (1.0 + 1e-9) if n_chords > 0 else np.inf,
                y, h, space,
            )  # fmt: skip
            proved = proved_length(generator[frame], y, h, delta, level_here, axis)
            if proved > threshold:
                close = 0.0
                for c in range(r):
                    close += y[c] * y[c]
                if close <= (threshold * (1.0 + 1e-4)) ** 2:
                    proved = min(
                        proved, least_over_faces(generator[frame], h, delta, level_here, axis)
                    )
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
                    value = sum_of_active(arena_v, chord_first, chord_last, t, middle)
                    value -= sum_of_active(arena_v, curved_first, curved_last, t, middle)
                    for j in range(r):
                        value += t[j] * sigma * uncut[frame, j]
                        if opposite:
                            value -= t[j] * sigma * linear[frame, j]
                    value /= square
                    for c in range(r):
                        guess[frame, p, c] = w[c] / square
                    if value > floats[BEST] or value > level:
                        for c in range(r):
                            w[c] = (-w[c] if opposite else w[c]) / square
                        value = sigma * value_at(rows, n_plus, w, everywhere)
                        better = value > floats[BEST] * (1.0 + 1e-12)
                        if value > floats[BEST]:
                            floats[BEST] = value
                        if value > level or better:
                            record(peaks, peak_values, ints, w, sigma * value, better)
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
                    for j in range(r):
                        t[j] = 0.0
                        for c in range(r):
                            t[j] += normal[frame, j, c] * guess[frame, p, c]
                        carry[j] = max(t[j], 0.0)
        if still_alive == 0:
            free(chunks, arena_row, first, m)
            release(frontier, frame)
            continue
        # Chords decide where to split; without any the kinks of concave rows do.
        split_first, split_last = first, last
        if worst_sigma > 0.0 and turn_row > first:
            split_last = turn_row
        elif worst_sigma < 0.0 and turn_row < last:
            split_first = turn_row
        split_i, split_j = _longest_edge(generator[frame], score)
        if not (level_here > 40 and level_here % 3 == 0):
            edge_losses(arena_v, split_first, split_last, score)
            split_i, split_j = _best_edge(score, carry, split_i, split_j)
        al = median_crossing(arena_v, split_first, split_last, split_i, split_j, crossings, weights)
        be = 1.0 - al

        # What the chords lose at the new generator, for sigma = + and -; and the new values.
        gain_plus = chord_loss(arena_v, first, turn_row, split_i, split_j, al)
        gain_minus = chord_loss(arena_v, turn_row, last, split_i, split_j, al)
        new_values(arena_v, first, last, split_i, split_j, al, middle)
        for c in range(r):
            corner[c] = al * generator[frame, split_i, c] + be * generator[frame, split_j, c]
        # Children: each replaces one of the two by the new generator.  The one in which the
        # worst problem's maximiser lies is treated first.
        prefers_i = al * carry[split_j] >= be * carry[split_i]
        charge = U * reach * (100.0 * (level_here + 1.0) + 4.0 * m + 120.0)
        for turn in range(2):
            if prefers_i == (turn == 1):
                new, old, share, rest = split_i, split_j, al, be
            else:
                new, old, share, rest = split_j, split_i, be, al
            child = reserve(frontier)
            for j in range(r):
                for c in range(r):
                    generator[child, j, c] = corner[c] if j == new else generator[frame, j, c]
                    normal[child, j, c] = normal[frame, j, c]
            for c in range(r):
                normal[child, new, c] = normal[frame, new, c] / share
                normal[child, old, c] -= (rest / share) * normal[frame, new, c]
            alive[child] = 0
            highest = -np.inf
            for p in range(4):
                if not (still_alive >> p) & 1:
                    continue
                gain = gain_plus if p < 2 else gain_minus
                for j in range(r):
                    child_h[j] = heights[p, j]
                    child_y[j] = points[p, j] - gain / share * normal[frame, new, j]
                child_h[new] = share * heights[p, new] + rest * heights[p, old] - gain
                for _ in range(_CHILD_SWEEPS):
                    for j in range(r):
                        inner = 0.0
                        length = 0.0
                        for c in range(r):
                            inner += normal[child, j, c] * child_y[c]
                            length += normal[child, j, c] ** 2
                        if inner < 0.0:
                            for c in range(r):
                                child_y[c] -= inner / length * normal[child, j, c]
                proved = proved_length(
                    generator[child], child_y, child_h, charge, level_here + 1, axis
                )
                proved = min(proved, bound[frame, p])
                if proved <= threshold:
                    floats[UPPER] = max(floats[UPPER], proved)
                else:
                    alive[child] |= 1 << p
                    bound[child, p] = proved
                    highest = max(highest, proved)
            if alive[child] == 0:
                release(frontier, child)
                continue
            depth[child] = level_here + 1
            for p in range(4):
                for c in range(r):
                    guess[child, p, c] = guess[frame, p, c]
            for j in range(r):
                uncut[child, j] = uncut[frame, j]
                linear[child, j] = linear[frame, j]
                carry[j] = 0.0
            uncut[child, new] = share * uncut[frame, new] + rest * uncut[frame, old]
            linear[child, new] = share * linear[frame, new] + rest * linear[frame, old]
            work += m
            size, plus[child] = rows_of_child(
                arena_v, first, turn_row, last, new, middle, low, high, uncut[child], carry, keep
            )
            for j in range(r):
                uncut[child, j] += carry[j]
            start = allocate(chunks, arena_row, size)
            for place in range(size):
                arena_row[start + place] = arena_row[keep[place]]
            for j in range(r):
                for place in range(size):
                    k = keep[place]
                    arena_v[j, start + place] = middle[k - first] if j == new else arena_v[j, k]
            begin[child] = start
            count[child] = size
            put(frontier, child, highest, on_pile)
        free(chunks, arena_row, first, m)
        release(frontier, frame)


@inner()
def _longest_edge(generator, score):
    """The longest edge; squared lengths go to score[j, i], i < j, and score[i, j] becomes zero."""
    r = generator.shape[0]
    longest = 0.0
    split_i, split_j = np.int64(0), np.int64(1)
    for i in range(r):
        for j in range(i + 1, r):
            score[i, j] = 0.0
            gap = 0.0
            for c in range(r):
                gap += (generator[i, c] - generator[j, c]) ** 2
            score[j, i] = gap
            if gap > longest:
                longest = gap
                split_i, split_j = i, j
    return split_i, split_j


@inner()
def _best_edge(score, t, split_i, split_j):
    """Of the edges that are not short, the one along which most is lost near sum t_j r_j."""
    r = score.shape[0]
    longest = score[split_j, split_i]
    total = 0.0
    for j in range(r):
        total += t[j]
    best_score = 0.0
    for i in range(r):
        for j in range(i + 1, r):
            merit = score[i, j] * (min(t[i], t[j]) + 0.02 * total)
            if score[j, i] >= 0.09 * longest and merit > best_score:
                best_score = merit
                split_i, split_j = i, j
    return split_i, split_j
