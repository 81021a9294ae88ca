r"""Compiled branch and bound for :math:`\sup|F|`, F(w) = K w + sum_l A_l <x_l, w>_+ in R^c.

As in ``_cone_kernels`` a cone is a simplex of generators in one orthant, split along edges; the
bound of a cone is that of ``_vector_bounds_kernels``, which answers whether |F| stays below a
threshold on it.

Rounding.  Generators are by definition the exact convex combinations of floating al, be.  What
is stored differs from them by at most 20 u D in each coordinate, u = 2^-53 and D the depth, and
v_lj by at most 20 u V_l D, V_l the largest |<x_l, root generator>|, as derived in
``_cone_kernels``.  There the values at the generators of the linear majorant, sums over all rows,
are off by at most u K (100 D + 3 m + 100), K = sum |a_l| V_l, m the number of cut rows.  B_j and
the middle C_j are such sums in each of their c coordinates; by the triangle inequality their
errors have a length of at most the same with K = sum |A_l| V_l, and one rounding of theta or of a
middle more a row.  The sums q_j and e_j have nonnegative terms, at most |A_l| V_l each, with a few
roundings of their own.  So delta = u K (120 D + (c + 8) m + 16 c + 200) covers each of them.
R_jk = <r_j, r_k> is off by at most 40 u D + (r + 4) u, as |r_j|_1 is about 1.
"""

from __future__ import annotations

import numpy as np

from measurelp._jit_kernels import entry, inner
from measurelp.oracle._arena_kernels import add, allocate, free
from measurelp.oracle._copositive_kernels import U, copositive_workspace
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
from measurelp.oracle._next_node_kernels import NODE, ROOT, next_node
from measurelp.oracle._split_kernels import MAX_CROSSINGS, best_split
from measurelp.oracle._vector_bounds_kernels import relaxation, stays_below

_NODE_WORK = 50  # what a node costs beside its rows, in rows
_REPEATS = 2  # bounds of a node, each around a better output direction
_BISECTIONS = 3  # for the bound of a node that stays open
_DEEPEST = 400


@inner
def outputs(rows, weights, linear, w, f):
    """F(w) into ``f``; returns |F(w)|."""
    n, r = rows.shape
    c = f.shape[0]
    for q in range(c):
        f[q] = 0.0
        for i in range(r):
            f[q] += linear[q, i] * w[i]
    for k in range(n):
        inner = 0.0
        for i in range(r):
            inner += rows[k, i] * w[i]
        if inner > 0.0:
            for q in range(c):
                f[q] += weights[k, q] * inner
    square = 0.0
    for q in range(c):
        square += f[q] * f[q]
    return np.sqrt(square)


@inner
def _open_orthant(orthant, slot, top, rows, weights, linear, frames, arena_row, arena_v, chunks):
    """Put an orthant into a slot; bit j of its number is set where coordinate j is negative."""
    begin, count, depth, bound, generator, normal, uncut, direction = frames
    n, r = rows.shape
    c = weights.shape[1]
    signs = np.empty(r)
    for j in range(r):
        signs[j] = -1.0 if (orthant >> j) & 1 else 1.0
        for i in range(r):
            generator[slot, j, i] = signs[j] if i == j else 0.0
            normal[slot, j, i] = generator[slot, j, i]
        for q in range(c):
            uncut[slot, j, q] = signs[j] * linear[q, j]
    bound[slot] = top
    depth[slot] = 0
    size = 0
    for row in range(n):
        positive, negative = False, False
        for j in range(r):
            positive |= signs[j] * rows[row, j] > 0.0
            negative |= signs[j] * rows[row, j] < 0.0
        size += positive and negative
    start = allocate(chunks, arena_row, size)
    begin[slot] = start
    count[slot] = size
    carry = np.zeros((r, c))
    for row in range(n):
        positive, negative = False, False
        for j in range(r):
            positive |= signs[j] * rows[row, j] > 0.0
            negative |= signs[j] * rows[row, j] < 0.0
        if positive and negative:
            arena_row[start] = row
            for j in range(r):
                arena_v[j, start] = signs[j] * rows[row, j]
            arena_v[r, start] = 0.5
            start += 1
        elif positive:
            for j in range(r):
                for q in range(c):
                    add(uncut[slot, j], carry[j], q, weights[row, q] * (signs[j] * rows[row, j]))
    for j in range(r):
        for q in range(c):
            uncut[slot, j, q] += carry[j, q]
    centre, f = np.ones(r), np.empty(c)
    for i in range(r):
        centre[i] = signs[i]
    length = outputs(rows, weights, linear, centre, f)
    for q in range(c):
        direction[slot, q] = f[q] / length if length > 0.0 else 1.0 / np.sqrt(float(c))


@entry
def sweep(
    rows, weights, sizes, linear, reach, top, frames, arena_row, arena_v, chunks, frontier,
    most_live, most_open, ints, floats, level, tolerance, node_limit, work_limit, peaks,
    peak_values,
):  # fmt: skip
    """Work the tree until nothing is open or so many nodes or so much work was done.

    A node is given up when |F| is proved to stay below max(level, best (1 + tolerance)) on it.
    ``reach`` is K of the module's docstring and ``top`` a bound of everything, which orthants
    have until they are opened.  Points found above ``level`` are appended to ``peaks`` with |F|.
    """
    begin, count, depth, bound, generator, normal, uncut, direction = frames
    n, r = rows.shape
    c = weights.shape[1]
    room = 64
    middle, keep = np.empty(room), np.empty(room, np.int64)
    loss, inner, off = np.empty(room), np.empty(room), np.empty(room)
    centre, half, low, height = np.empty((r, c)), np.empty(r), np.empty(r), np.empty(r)
    y, multiplier, majorant, error = np.empty(r), np.empty(r), np.empty((r, c)), np.empty(r)
    gram, form, beta, axis = np.empty((r, r)), np.empty((r, r)), np.empty(r), np.empty(r)
    t, witness, w, f = np.empty(r), np.empty(r), np.empty(r), np.empty(c)
    carry, score = np.empty((r, c)), np.empty((r, r))
    crossings, shares = np.empty(MAX_CROSSINGS), np.empty(MAX_CROSSINGS)
    space = copositive_workspace(r)
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
                ints[NEXT_ROOT], frame, top, rows, weights, linear, frames, arena_row, arena_v,
                chunks,
            )  # fmt: skip
            ints[NEXT_ROOT] += 1
            work += n
        threshold = max(level, floats[BEST] * (1.0 + tolerance))
        first = begin[frame]
        m = count[frame]
        last = first + m
        treated += 1
        work += m * (c + 2) + _NODE_WORK
        ints[NODES] += 1
        level_here = depth[frame]
        ints[MAX_DEPTH] = max(ints[MAX_DEPTH], level_here)
        if room < m:
            room = 2 * m
            middle, keep = np.empty(room), np.empty(room, np.int64)
            loss, inner, off = np.empty(room), np.empty(room), np.empty(room)
        delta = U * reach * (120.0 * level_here + (c + 8.0) * m + 16.0 * c + 200.0)
        slack = U * (41.0 * level_here + r + 8.0)
        _shape(generator[frame], gram, axis, beta)
        rooms = (centre, half, low, height, y, multiplier, inner, off)

        is_below = False
        best_here = 0.0
        proved = bound[frame]
        for j in range(r):
            t[j] = 1.0
            witness[j] = 1.0
        for _ in range(_REPEATS):
            relaxation(
                rows, weights, sizes, generator[frame], normal[frame], uncut[frame],
                direction[frame], beta, arena_row, arena_v, first, last, threshold, delta,
                majorant, error, loss, rooms,
            )  # fmt: skip
            is_below = stays_below(
                generator[frame], gram, majorant, error, threshold, delta, slack, t, form, space,
                witness,
            )  # fmt: skip
            if is_below:
                proved = min(proved, threshold)
                break
            value = _value_in_cone(
                witness, generator[frame], weights, uncut[frame], arena_row, arena_v, first, last,
                w, f,
            )  # fmt: skip
            if not value > 0.0:
                break
            for q in range(c):
                direction[frame, q] = f[q]
            for j in range(r):
                t[j] = witness[j]
            best_here = max(best_here, value)
            if value > floats[BEST] or value > level:
                true = outputs(rows, weights, linear, w, f)
                better = true > floats[BEST] * (1.0 + 1e-12)
                floats[BEST] = max(floats[BEST], true)
                if true > level or better:
                    record(peaks, peak_values, ints, w, true, better)
                threshold = max(level, floats[BEST] * (1.0 + tolerance))
        if is_below:
            floats[UPPER] = max(floats[UPPER], proved)
        else:
            # The least number that is proved: by the values at the generators, then by tests.
            simple = 0.0
            for j in range(r):
                length = 0.0
                for q in range(c):
                    length += majorant[j, q] ** 2
                simple = max(simple, (np.sqrt(length) + error[j] + 4.0 * delta) / beta[j])
            simple *= 1.0 + 1e-12
            if simple <= proved:  # never true of NaN
                proved = max(simple, threshold)
            low_end = max(threshold, best_here)
            for _ in range(_BISECTIONS):
                if not proved > low_end * (1.0 + 1e-3 * tolerance):
                    break
                tried = 0.5 * (low_end + proved)
                if stays_below(
                    generator[frame], gram, majorant, error, tried, delta, slack, t, form, space,
                    witness,
                ):  # fmt: skip
                    proved = tried
                else:
                    low_end = tried
            blurred = threshold + 16.0 * r * delta + threshold * 64.0 * r * r * slack
            if proved <= blurred or level_here >= _DEEPEST:
                # Above the threshold by no more than the rounding that is charged, or at such a
                # depth, splitting gains nothing.  The bound stands as it is.
                floats[UPPER] = max(floats[UPPER], proved)
                is_below = True
        if is_below:
            free(chunks, arena_row, first, m)
            release(frontier, frame)
            continue
        split_i, split_j, al = best_split(
            generator[frame], loss, arena_v, first, last, t,
            level_here > 40 and level_here % 3 == 0, crossings, shares, score,
        )  # fmt: skip
        be = 1.0 - al
        for k in range(first, last):
            a, b = arena_v[split_i, k], arena_v[split_j, k]
            value = al * a + be * b
            if abs(value) <= 16.0 * U * max(abs(a), abs(b)):
                value = 0.0
            middle[k - first] = value
        prefers_i = al * t[split_j] >= be * t[split_i]
        for turn in range(2):
            if prefers_i == (turn == 1):
                new, old, share, rest = split_i, split_j, al, be
            else:
                new, old, share, rest = split_j, split_i, be, al
            child = reserve(frontier)
            for j in range(r):
                for i in range(r):
                    generator[child, j, i] = generator[frame, j, i]
                    normal[child, j, i] = normal[frame, j, i]
                for q in range(c):
                    uncut[child, j, q] = uncut[frame, j, q]
            for i in range(r):
                generator[child, new, i] = (
                    al * generator[frame, split_i, i] + be * generator[frame, split_j, i]
                )
                normal[child, new, i] = normal[frame, new, i] / share
                normal[child, old, i] -= (rest / share) * normal[frame, new, i]
            for q in range(c):
                uncut[child, new, q] = share * uncut[frame, new, q] + rest * uncut[frame, old, q]
                direction[child, q] = direction[frame, q]
            depth[child] = level_here + 1
            bound[child] = proved
            work += m
            for j in range(r):
                for q in range(c):
                    carry[j, q] = 0.0
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
                    for j in range(r):
                        value = middle[k - first] if j == new else arena_v[j, k]
                        for q in range(c):
                            add(uncut[child, j], carry[j], q, weights[arena_row[k], q] * value)
            for j in range(r):
                for q in range(c):
                    uncut[child, j, q] += carry[j, q]
            start = allocate(chunks, arena_row, size)
            for place in range(size):
                k = keep[place]
                arena_row[start + place] = arena_row[k]
                for j in range(r + 1):
                    arena_v[j, start + place] = arena_v[j, k]
                arena_v[new, start + place] = middle[k - first]
            begin[child] = start
            count[child] = size
            put(frontier, child, proved, on_pile)
        free(chunks, arena_row, first, m)
        release(frontier, frame)


@inner
def _shape(generator, gram, axis, beta):
    """Inner products of the generators, and lower bounds of those with their unit mean."""
    r = generator.shape[0]
    length = 0.0
    for i in range(r):
        axis[i] = 0.0
        for j in range(r):
            axis[i] += generator[j, i]
        length += axis[i] * axis[i]
    length = np.sqrt(length)
    for j in range(r):
        beta[j] = 0.0
        for i in range(r):
            beta[j] += generator[j, i] * axis[i]
        beta[j] *= (1.0 - 1e-9) / length
        for k in range(r):
            gram[j, k] = 0.0
            for i in range(r):
                gram[j, k] += generator[j, i] * generator[k, i]


@inner
def _value_in_cone(t, generator, weights, uncut, arena_row, arena_v, first, last, w, f):
    """|F(w)| at the unit vector w along sum t_j r_j, and F(w) / |F(w)| in ``f``."""
    r, c = uncut.shape
    square = 0.0
    for i in range(r):
        w[i] = 0.0
        for j in range(r):
            w[i] += t[j] * generator[j, i]
        square += w[i] * w[i]
    for q in range(c):
        f[q] = 0.0
        for j in range(r):
            f[q] += t[j] * uncut[j, q]
    for k in range(first, last):
        inner = 0.0
        for j in range(r):
            inner += t[j] * arena_v[j, k]
        if inner > 0.0:
            for q in range(c):
                f[q] += weights[arena_row[k], q] * inner
    length = 0.0
    for q in range(c):
        length += f[q] * f[q]
    length = np.sqrt(length)
    square = np.sqrt(square)
    if not (square > 0.0 and length > 0.0 and np.isfinite(length / square)):
        return 0.0
    for i in range(r):
        w[i] /= square
    for q in range(c):
        f[q] /= length
    return length / square
