r"""The compiled steps of the sliding Newton method (see ``sliding``).

A step finds products, residual and gradients (``_pass_kernels``), releases walls (``_wall_kernels``),
solves for Newton's direction on the faces, cuts it where slopes turn (``_line_kernels``), takes it if
the objective goes down, and removes or merges neurons where that costs nothing.

Nothing here is a bound: rounding may cost digits of a candidate, never a proof.
"""

from __future__ import annotations

import numpy as np

from measurelp._jit_kernels import entry, inner
from measurelp.masters._line_kernels import gain, truncate, turns, walk
from measurelp.masters._pass_kernels import find_changes, find_products, flip_sides
from measurelp.masters._sliding_state import COUNT, FAILED, STEPS
from measurelp.masters._wall_kernels import (
    add_wall,
    forget_walls,
    length_of,
    pull_kink,
    release_walls,
    stationarity_error,
)

_MOST_FAILURES = 8
_CORRECTIONS = 4
_MERGE_EVERY, _MERGE_COSINE = 5, 0.98
_STUCK = 1e-12
_MOST_MOVE = 1e6


@entry()
def slide(data, state, work, tolerance, max_steps):
    """Step until the projected gradient is ``tolerance`` times lam; returns what it is then.

    Ends early after ``max_steps``, or when several steps in a row found no descent.
    """
    error = np.inf
    damping = 0.0
    failed = 0
    for step in range(max_steps):
        find_products(data, state, work)
        if step % _MERGE_EVERY == _MERGE_EVERY - 1 and merge(data, state, work):
            find_products(data, state, work)
        if state.counts[COUNT] == 0 and state.skip.shape[0] == 0:
            return 0.0
        released = release_walls(data, state, work)
        error = stationarity_error(data, state, work)
        if error <= tolerance and not released:
            break
        state.counts[STEPS] += 1
        taken = 0.0
        if _direction(data, state, work, damping):
            taken = _search(data, state, work)
            _accept(data, state, work)
        if taken == 1.0:
            damping = 0.0 if damping <= 1e-12 else 0.1 * damping
        elif taken <= 0.0:
            damping = max(10.0 * damping, 1e-8)
        failed = 0 if taken > 0.0 else failed + 1
        if failed >= _MOST_FAILURES:
            state.counts[FAILED] += 1
            break
    find_products(data, state, work)
    merge(data, state, work)
    return error


@inner()
def _direction(data, state, work, damping):
    """Newton's direction on the faces and how far each neuron may go; False without descent.

    A neuron that its first kink stops at once is put (back) on that wall, and all is solved again.
    """
    count = state.counts[COUNT]
    for _ in range(_CORRECTIONS):
        flip_sides(data, state, work)
        if not _newton(data, state, work, damping):
            return False
        find_changes(data, state, work)
        blocked = False
        for k in range(count):
            truncate(state, work, k)
            row = work.hits[k]
            r = data.rows.shape[0]
            path = work.lengths[k] * length_of(work.moves[k], r)
            if row < 0 or path > _STUCK * length_of(state.weights[k], r):
                continue
            if not add_wall(data, state, k, row):
                continue
            blocked = True
            work.hits[k] = -1
            if work.inner[k, row] > 0.0:  # as if the row had never been counted
                for c in range(data.rows.shape[0]):
                    part = state.signs[k] * work.residual[row] * data.rows[c, row]
                    work.gradients[k, c] -= part
            work.inner[k, row] = 0.0
        if not blocked:
            return True
    return True


@inner()
def _newton(data, state, work, damping):
    """Moves (k, r) and skip_move (q,) of one Newton step; whether they lead downhill."""
    count, r, p = state.counts[COUNT], data.rows.shape[0], data.n_penalized
    q = state.skip.shape[0]
    starts = np.zeros(count + 1, np.int64)
    for k in range(count):
        starts[k + 1] = starts[k] + r - state.n_walls[k]
    size = starts[count] + q
    matrix = np.zeros((size, size))
    right = np.zeros(size)
    half = np.empty((r, r))
    for k in range(count):
        first = state.n_walls[k]
        face = state.basis[k]
        for a in range(first, r):
            total = 0.0
            for c in range(r):
                total += face[c, a] * work.gradients[k, c]
            right[starts[k] + a - first] = -total
        for other in range(k, count):
            begin = state.n_walls[other]
            square = work.gram[k, other]
            sign = state.signs[k] * state.signs[other]
            for a in range(first, r):
                for c in range(r):
                    total = 0.0
                    for e in range(r):
                        total += face[e, a] * square[e, c]
                    half[a, c] = sign * total
            there = state.basis[other]
            for a in range(first, r):
                for b in range(begin, r):
                    total = 0.0
                    for c in range(r):
                        total += half[a, c] * there[c, b]
                    matrix[starts[k] + a - first, starts[other] + b - begin] = total
        length = length_of(state.weights[k], p)
        along = np.zeros(r)
        for a in range(first, r):
            for c in range(p):
                along[a] += face[c, a] * state.weights[k, c] / length
        for a in range(first, r):
            for b in range(first, r):
                total = 0.0
                for c in range(p):
                    total += face[c, a] * face[c, b]
                matrix[starts[k] + a - first, starts[k] + b - first] += (data.lam / length) * (
                    total - along[a] * along[b]
                )
            for s in range(q):
                total = 0.0
                for c in range(r):
                    total += face[c, a] * work.cross[k, c, s]
                matrix[starts[k] + a - first, starts[count] + s] = state.signs[k] * total
    downhill = 0.0
    for s in range(q):
        total = 0.0
        for i in range(data.y.shape[0]):
            total += data.skip_columns[s, i] * work.residual[i]
        right[starts[count] + s] = -total
        matrix[starts[count] + s, starts[count] + s] = 1.0
    mean = 0.0
    for a in range(size):
        mean += matrix[a, a] / size
    for a in range(size):
        matrix[a, a] += (damping + 1e-15) * mean
    step = right.copy()
    _solve_positive(matrix, step, 1e-15 * mean)
    for a in range(size):
        downhill -= right[a] * step[a]
    for k in range(count):
        first = state.n_walls[k]
        slope = 0.0
        for c in range(r):
            total = 0.0
            for a in range(first, r):
                total += state.basis[k, c, a] * step[starts[k] + a - first]
            work.moves[k, c] = total
            slope += total * work.gradients[k, c]
        work.slopes[k] = slope
    for s in range(q):
        work.skip_move[s] = step[starts[count] + s]
    longest, largest = 0.0, 0.0
    for k in range(count):
        longest = max(longest, length_of(work.moves[k], r))
        largest = max(largest, length_of(state.weights[k], r))
    # A step of another size than the neurons is that of a singular system: damp it.
    return downhill < 0.0 and longest <= _MOST_MOVE * largest


@inner()
def _solve_positive(matrix, right, least):
    """Cholesky on the upper triangle, in place; pivots below ``least`` are raised to it."""
    size = right.shape[0]
    for k in range(size):
        pivot = np.sqrt(max(matrix[k, k], least))
        for j in range(k, size):
            matrix[k, j] /= pivot
        matrix[k, k] = pivot
        for i in range(k + 1, size):
            factor = matrix[k, i]
            if factor != 0.0:
                for j in range(i, size):
                    matrix[i, j] -= factor * matrix[k, j]
    for k in range(size):
        right[k] /= matrix[k, k]
        for j in range(k + 1, size):
            right[j] -= matrix[k, j] * right[k]
    for k in range(size - 1, -1, -1):
        total = right[k]
        for j in range(k + 1, size):
            total -= matrix[k, j] * right[j]
        right[k] = total / matrix[k, k]


@inner()
def _search(data, state, work):
    """Take the neurons' own lengths if the objective goes down, else one length for all.

    Returns 1 for the first, the common length, or 0 where neither goes down.  ``lengths`` are
    then those to take, ``skip_move`` is scaled, and ``hits`` are the rows to rest on.
    """
    count = state.counts[COUNT]
    common = 1.0
    for k in range(count):
        common = min(common, work.lengths[k])
    taken = 1.0
    if not gain(data, state, work, common) < 0.0:
        taken = common = walk(data, state, work)
        for k in range(count):
            work.lengths[k] = common
        if not (common > 0.0 and gain(data, state, work, common) < 0.0):
            taken = common = 0.0
            for k in range(count):
                work.lengths[k] = 0.0
                work.hits[k] = -1
    for s in range(state.skip.shape[0]):
        work.skip_move[s] *= common
    return taken


@inner()
def _accept(data, state, work):
    """Take the step; neurons that it turns around or makes vanish are removed."""
    count, r, p = state.counts[COUNT], data.rows.shape[0], data.n_penalized
    for s in range(state.skip.shape[0]):
        state.skip[s] += work.skip_move[s]
    largest = 0.0
    turned = np.zeros(count, np.bool_)
    for k in range(count):
        turned[k] = turns(data, state, work, k)
        for c in range(r):
            state.weights[k, c] += work.lengths[k] * work.moves[k, c]
        if p < r and not turned[k]:
            pull_kink(data, state, k)
        largest = max(largest, length_of(state.weights[k], p))
    for k in range(count - 1, -1, -1):
        if turned[k] or length_of(state.weights[k], p) <= 1e-12 * largest:
            remove(data, state, work, k)
        elif work.hits[k] >= 0:
            add_wall(data, state, k, work.hits[k])


@inner()
def merge(data, state, work):
    """Delete and merge neurons where a difference formula says that it costs nothing.

    Needs inner products and residual, and keeps them up to date; whether anything was done.
    """
    n, p, r = data.y.shape[0], data.n_penalized, data.rows.shape[0]
    done = False
    mine = np.empty(r, np.int64)
    k = np.int64(0)
    while k < state.counts[COUNT]:
        inner, sign = work.inner[k], state.signs[k]
        length = length_of(state.weights[k], p)
        gain = -data.lam * length
        for i in range(n):
            if inner[i] > 0.0:
                gain += inner[i] * (0.5 * inner[i] - sign * work.residual[i])
        if gain <= 0.0:
            for i in range(n):
                work.residual[i] -= sign * max(inner[i], 0.0)
            remove(data, state, work, k)
            done = True
            continue
        other = k + 1
        while other < state.counts[COUNT]:
            length = length_of(state.weights[k], p)
            length_other = length_of(state.weights[other], p)
            along = 0.0
            after = 0.0
            for c in range(p):
                along += state.weights[k, c] * state.weights[other, c]
                after += (state.weights[k, c] + state.weights[other, c]) ** 2
            close = along > _MERGE_COSINE * length * length_other
            if not close or state.signs[other] != sign:
                other += 1
                continue
            there = work.inner[other]
            gain = -data.lam * (length + length_other - np.sqrt(after))
            for i in range(n):
                part = sign * _kink(inner[i], there[i])
                gain += part * (work.residual[i] + 0.5 * part)
            if gain > 0.0:
                other += 1
                continue
            done = True
            for i in range(n):
                work.residual[i] += sign * _kink(inner[i], there[i])
                inner[i] += there[i]
            for c in range(r):
                state.weights[k, c] += state.weights[other, c]
            n_mine = state.n_walls[k]
            for w in range(n_mine):
                mine[w] = state.walls[k, w]
            forget_walls(state, k)
            for w in range(n_mine):
                for z in range(state.n_walls[other]):
                    if state.walls[other, z] == mine[w]:
                        add_wall(data, state, k, mine[w])
            remove(data, state, work, other)
        k += 1
    return done


@inner()
def _kink(a, b):
    """(a + b)_+ - a_+ - b_+, without cancellation."""
    if (a >= 0.0) == (b >= 0.0):
        return 0.0
    return -min(abs(a), abs(b))


@entry()
def remove(data, state, work, k):
    """Take neuron k out; the last one takes its place."""
    r, n = data.rows.shape
    last = state.counts[COUNT] - 1
    state.counts[COUNT] = last
    if k != last:
        state.signs[k] = state.signs[last]
        state.n_walls[k] = state.n_walls[last]
        work.lengths[k], work.hits[k] = work.lengths[last], work.hits[last]
        for c in range(r):
            state.weights[k, c] = state.weights[last, c]
            state.walls[k, c] = state.walls[last, c]
            for e in range(r):
                state.basis[k, c, e] = state.basis[last, c, e]
                state.upper[k, c, e] = state.upper[last, c, e]
            for s in range(state.skip.shape[0]):
                work.cross[k, c, s] = work.cross[last, c, s]
        for i in range(n):
            work.inner[k, i] = work.inner[last, i]
            work.active[k, i] = work.active[last, i]
        for other in range(last):
            here = last if other == k else other
            for c in range(r):
                for e in range(r):
                    work.gram[k, other, c, e] = work.gram[last, here, c, e]
                    work.gram[other, k, c, e] = work.gram[here, last, c, e]
    for i in range(n):
        work.active[last, i] = 0
    for c in range(r):
        for s in range(state.skip.shape[0]):
            work.cross[last, c, s] = 0.0
        for e in range(r):
            for other in range(last + 1):
                work.gram[last, other, c, e] = 0.0
                work.gram[other, last, c, e] = 0.0


@entry()
def nonnegative_masses(gram, correlation, lam, masses, sweeps):
    """Coordinate descent for min 1/2 m'Gm - c'm + lam sum m over m >= 0, from ``masses``."""
    slack = gram @ masses - correlation + lam
    for _ in range(sweeps):
        moved = 0.0
        for k in range(masses.shape[0]):
            if gram[k, k] <= 0.0:
                continue
            new = max(0.0, masses[k] - slack[k] / gram[k, k])
            step = new - masses[k]
            if step != 0.0:
                masses[k] = new
                for j in range(masses.shape[0]):
                    slack[j] += step * gram[j, k]
                moved = max(moved, abs(step) * np.sqrt(gram[k, k]))
        if moved <= 1e-10 * lam:
            break
