r"""Compiled branch and bound over simplicial cones on which the norm of the ball is linear.

Long for the reason of ``_cone_kernels``: one compiled function a node, and its rounding.

Cones, rows, values and majorants are those of ``_cone_kernels``.  Here the generators r_1..r_d
of a cone have norm 1 and the norm is linear on it, so that |sum t_j r_j| = sum t_j, and

    F(w) <= sum_j t_j h_j <= |w| max_j h_j .

The least max_j h_j over the thetas of concave rows is a linear program in d - 1 dimensions,
whose dual is to maximise the concave function  sum_j t_j base_j - sum_l (sum_j t_j q_lj)_+
over the simplex; ``concave_maximum`` walks along its edges, over kinks until the slope is gone.
Any thetas prove a bound, so neither degeneracy nor rounding of the walk decides validity.

Edges are split exactly where a row is zero.  A row whose cut edges are split one after the other cuts
less with each split and at last not at all; from ``_ROW_BY_ROW`` levels on, rows are taken in turn, so
the tree ends whatever the threshold is, and where it ends the majorant is F itself, whose largest
value on the cone is that of a generator: bound and value agree up to rounding.

Rounding.  The derivation of ``_cone_kernels`` holds with V_l = |x_l|_*, the largest value of a row
on the ball; a root's values are sums of d products, and values up to 4 d u |x_l|_1 are set to zero
there: six times 4 d u K more, in all delta = u K (100 D + 3 m + 100 + 24 d).  A split with floating
shares al, be, whose sum differs from 1 by at most u, makes norms of generators drift by u a
level, which multiplies a bound by at most 1 + 2 u D.
"""

from __future__ import annotations

import numpy as np

from measurelp._jit_kernels import entry, inner
from measurelp.oracle._arena_kernels import add, allocate, free
from measurelp.oracle._cone_bounds_kernels import U
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
from measurelp.oracle._kernels import dual_value
from measurelp.oracle._next_node_kernels import NODE, ROOT, next_node
from measurelp.oracle._walk_kernels import concave_maximum, walk_space

_NODE_WORK = 50
_MAX_CROSSINGS = 32
_ROW_BY_ROW = 60
_DEEPEST = 4000


@inner()
def _open_root(root, negligible, slot, top, rows, alpha, total, frames, arena_row, arena_v, chunks):
    """Put the cone of given generators (r, r) into a slot.

    Values up to ``negligible`` times the sum of moduli of a row's entries are set to zero.
    """
    begin, count, depth, alive, bound, generator, uncut, linear = frames
    n, r = rows.shape
    carry = np.zeros(r)
    value = np.empty(r)
    for j in range(r):
        uncut[slot, j] = 0.0
        linear[slot, j] = 0.0
        for c in range(r):
            generator[slot, j, c] = root[j, c]
            linear[slot, j] += root[j, c] * total[c]
    for p in range(4):
        bound[slot, p] = top
    alive[slot] = 15
    depth[slot] = 0
    size = 0
    for row in range(n):
        positive, negative = _root_values(root, negligible, rows[row], value)
        size += positive and negative
    start = allocate(chunks, arena_row, size)
    begin[slot] = start
    count[slot] = size
    for row in range(n):
        positive, negative = _root_values(root, negligible, rows[row], value)
        if positive and negative:
            arena_row[start] = row
            for j in range(r):
                arena_v[j, start] = value[j]
            start += 1
        elif positive:
            for j in range(r):
                add(uncut[slot], carry, j, alpha[row] * value[j])
    for j in range(r):
        uncut[slot, j] += carry[j]


@inner()
def _root_values(root, negligible, row, value):
    """<row, generator> for all generators of a root, and whether some are positive, negative."""
    size = 0.0
    for c in range(row.shape[0]):
        size += abs(row[c])
    positive = False
    negative = False
    for j in range(row.shape[0]):
        value[j] = 0.0
        for c in range(row.shape[0]):
            value[j] += root[j, c] * row[c]
        if abs(value[j]) <= negligible * size:
            value[j] = 0.0
        positive |= value[j] > 0.0
        negative |= value[j] < 0.0
    return positive, negative


@inner()
def _give_rows(
    frame, child, new, old, share, rest, middle, keep, carry, alpha, frames, arena_row, arena_v,
    chunks,
):  # fmt: skip
    """Give a child, whose generator ``new`` is share r_new + rest r_old, its rows and sums.

    ``middle`` holds the values of the parent's cut rows there; ``keep`` and ``carry`` are room.
    """
    begin, count, _, _, _, _, uncut, linear = frames
    r = carry.shape[0]
    first, last = begin[frame], begin[frame] + count[frame]
    for j in range(r):
        uncut[child, j] = uncut[frame, j]
        linear[child, j] = linear[frame, j]
        carry[j] = 0.0
    uncut[child, new] = share * uncut[frame, new] + rest * uncut[frame, old]
    linear[child, new] = share * linear[frame, new] + rest * linear[frame, old]
    size = 0
    for k in range(first, last):
        positive = middle[k - first] > 0.0
        negative = middle[k - first] < 0.0
        for j in range(r):
            if j != new:
                positive |= arena_v[j, k] > 0.0
                negative |= arena_v[j, k] < 0.0
        if positive and negative:
            keep[size] = k
            size += 1
        elif positive:
            coefficient = alpha[arena_row[k]]
            for j in range(r):
                value = middle[k - first] if j == new else arena_v[j, k]
                add(uncut[child], carry, j, coefficient * value)
    for j in range(r):
        uncut[child, j] += carry[j]
    start = allocate(chunks, arena_row, size)
    for place in range(size):
        k = keep[place]
        arena_row[start + place] = arena_row[k]
        for j in range(r):
            arena_v[j, start + place] = arena_v[j, k]
        arena_v[new, start + place] = middle[k - first]
    begin[child] = start
    count[child] = size


@entry()
def sweep_fan(
    rows, alpha, total, reach, top, roots, frames, arena_row, arena_v, chunks, frontier, most_live,
    most_open, ints, floats, level, tolerance, node_limit, work_limit, peaks, peak_values,
):  # fmt: skip
    """Work the tree, as ``sweep`` of ``_cone_kernels`` does, over cones where the norm is linear."""
    begin, count, depth, alive, bound, generator, uncut, linear = frames
    n, r = rows.shape
    room = 64
    q = np.empty((room, r))
    inner = np.empty(room)
    status = np.empty(room, np.int64)
    middle = np.empty(room)
    keep = np.empty(room, np.int64)
    base = np.empty(r)
    t = np.empty(r)
    h = np.empty(r)
    w = np.empty(r)
    worst_t = np.empty(r)
    carry = np.empty(r)
    crossings = np.empty(_MAX_CROSSINGS)
    weights = np.empty(_MAX_CROSSINGS)
    space = walk_space(r)
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
            _open_root(
                roots[ints[NEXT_ROOT]], 4.0 * r * U, frame, top, rows, alpha, total, frames,
                arena_row, arena_v, chunks,
            )  # fmt: skip
            ints[NEXT_ROOT] += 1
            work += n
        first = begin[frame]
        m = count[frame]
        last = first + m
        treated += 1
        work += m + _NODE_WORK
        ints[NODES] += 1
        level_here = depth[frame]
        ints[MAX_DEPTH] = max(ints[MAX_DEPTH], level_here)
        if room < m:
            room = 2 * m
            q = np.empty((room, r))
            inner = np.empty(room)
            status = np.empty(room, np.int64)
            middle = np.empty(room)
            keep = np.empty(room, np.int64)
        delta = U * reach * (100.0 * level_here + 3.0 * m + 100.0 + 24.0 * r)

        worst_bound = -np.inf
        worst_sigma = 1.0
        still_alive = 0
        highest = -np.inf
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
                base[j] = sigma * uncut[frame, j]
                if opposite:
                    base[j] -= sigma * linear[frame, j]
            for k in range(first, last):
                coefficient = sigma * alpha[arena_row[k]]
                if coefficient > 0.0:
                    n_chords += 1
                    for j in range(r):
                        if arena_v[j, k] > 0.0:
                            base[j] += coefficient * arena_v[j, k]
                else:
                    for j in range(r):
                        q[n_q, j] = -coefficient * arena_v[j, k]
                    n_q += 1
            concave_maximum(
                base, q, n_q, threshold * (1.0 - 1e-9) - delta,
                threshold * (1.0 + 1e-9) if n_chords > 0 else np.inf, status, inner, t, h, space,
            )  # fmt: skip
            proved = 0.0
            for j in range(r):
                proved = max(proved, h[j])
            proved = (proved + delta) * (1.0 + 2.0 * U * (level_here + 8.0))
            if not proved <= bound[frame, p]:
                proved = bound[frame, p]
            value = 0.0
            for j in range(r):
                value += t[j] * sigma * uncut[frame, j]
                if opposite:
                    value -= t[j] * sigma * linear[frame, j]
            for k in range(first, last):
                along = 0.0
                for j in range(r):
                    along += t[j] * arena_v[j, k]
                if along > 0.0:
                    value += sigma * alpha[arena_row[k]] * along
            if value > floats[BEST] or value > level:
                for c in range(r):
                    w[c] = 0.0
                    for j in range(r):
                        w[c] += t[j] * generator[frame, j, c]
                    if opposite:
                        w[c] = -w[c]
                value = sigma * dual_value(rows, alpha, w)
                better = value > floats[BEST] * (1.0 + 1e-12)
                if value > floats[BEST]:
                    floats[BEST] = value
                if value > level or better:
                    record(peaks, peak_values, ints, w, sigma * value, better)
            threshold = max(level, floats[BEST] * (1.0 + tolerance))
            if proved <= threshold + 8.0 * delta or m == 0 or level_here >= _DEEPEST:
                floats[UPPER] = max(floats[UPPER], proved)
                continue
            bound[frame, p] = proved
            still_alive |= 1 << p
            highest = max(highest, proved)
            if proved > worst_bound:
                worst_bound = proved
                worst_sigma = sigma
                for j in range(r):
                    worst_t[j] = t[j]
        if still_alive == 0:
            free(chunks, arena_row, first, m)
            release(frontier, frame)
            continue
        split_i, split_j, al = _crossing_split(
            alpha, arena_row, arena_v, first, last, worst_sigma, worst_t,
            level_here >= _ROW_BY_ROW, crossings, weights,
        )  # fmt: skip
        be = 1.0 - al
        for k in range(first, last):
            a, b = arena_v[split_i, k], arena_v[split_j, k]
            value = al * a + be * b
            if abs(value) <= 16.0 * U * max(abs(a), abs(b)):
                value = 0.0
            middle[k - first] = value
        # The child in which the worst problem's maximiser lies is treated first.
        prefers_i = al * worst_t[split_j] >= be * worst_t[split_i]
        for turn in range(2):
            if prefers_i == (turn == 1):
                new, old, share, rest = split_i, split_j, al, be
            else:
                new, old, share, rest = split_j, split_i, be, al
            child = reserve(frontier)
            for j in range(r):
                for c in range(r):
                    generator[child, j, c] = generator[frame, j, c]
            for c in range(r):
                generator[child, new, c] = (
                    share * generator[frame, new, c] + rest * generator[frame, old, c]
                )
            alive[child] = still_alive
            depth[child] = level_here + 1
            for p in range(4):
                bound[child, p] = bound[frame, p]
            _give_rows(
                frame, child, new, old, share, rest, middle, keep, carry, alpha, frames, arena_row,
                arena_v, chunks,
            )  # fmt: skip
            work += m
            put(frontier, child, highest, on_pile)
        free(chunks, arena_row, first, m)
        release(frontier, frame)


@inner()
def _crossing_split(
    alpha, arena_row, arena_v, first, last, sigma, t, row_by_row, crossings, weights
):  # fmt: skip
    """The edge (i, j) to split and the share of r_i in the new generator, on which a row is zero.

    The edge along which the chords of the problem sigma lose most near its maximiser
    sum t_j r_j, at the weighted median of the kinks; where no chord is left, kinks of concave
    rows count.  ``row_by_row``: the longest cut edge of the first row.
    """
    r = t.shape[0]
    split_i, split_j = -1, -1
    best = 0.0
    end = first + 1 if row_by_row else last
    for turn in range(2):
        for i in range(r):
            for j in range(i + 1, r):
                score = 0.0
                for k in range(first, end):
                    a, b = arena_v[i, k], arena_v[j, k]
                    if a * b < 0.0:
                        size = sigma * alpha[arena_row[k]]
                        if size > 0.0 or turn == 1 or row_by_row:
                            score += abs(size) * abs(a) * abs(b) / (abs(a) + abs(b))
                score *= min(t[i], t[j]) + 0.02
                if score > best:
                    best, split_i, split_j = score, i, j
        if split_i >= 0:
            break
    if split_i < 0:
        # Products have underflowed: any edge that a row cuts.
        for k in range(first, last):
            for i in range(r):
                for j in range(i + 1, r):
                    if min(arena_v[i, k], arena_v[j, k]) < 0.0 < max(arena_v[i, k], arena_v[j, k]):
                        a, b = abs(arena_v[i, k]), abs(arena_v[j, k])
                        return i, j, b / (a + b)
    chords_only = turn == 0 and not row_by_row
    n_crossings = 0
    for k in range(first, end):
        a, b = arena_v[split_i, k], arena_v[split_j, k]
        size = sigma * alpha[arena_row[k]]
        if a * b < 0.0 and (size > 0.0 or not chords_only) and n_crossings < crossings.shape[0]:
            crossing = abs(b) / (abs(a) + abs(b))
            weight = abs(size) * abs(a) * crossing
            place = n_crossings
            while place > 0 and crossings[place - 1] > crossing:
                crossings[place] = crossings[place - 1]
                weights[place] = weights[place - 1]
                place -= 1
            crossings[place] = crossing
            weights[place] = weight
            n_crossings += 1
    half = 0.0
    for k in range(n_crossings):
        half += 0.5 * weights[k]
    running = 0.0
    k = 0
    while k < n_crossings - 1 and running + weights[k] < half:
        running += weights[k]
        k += 1
    return split_i, split_j, crossings[k]
