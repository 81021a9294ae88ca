r"""The compiled steps of the sliding Newton method (see ``sliding``).

Rows come transposed, (r, n), so that every pass over them runs along memory.  ``gram`` (k, k, r, r)
holds sum_i x_i x_i^T over the rows active in both neurons; from step to step only the rows that
changed sides are added and taken away, so that a step costs a few passes over n k numbers and not
n (k r)^2.

Nothing here is a bound: rounding may cost digits of a candidate, never a proof.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

COUNT, STEPS, FAILED = 0, 1, 2  # slots of counts

_REORDERED = {"reassoc", "contract", "nsz"}  # sums in any order; nan and inf keep their meaning
_SNAP = 1e-13
_RELEASED = 1e-300  # an inner product this small says on which side a released wall is left
_DEPENDENT = 1e-8
_MOST_FAILURES = 8
_CORRECTIONS = 4
_MERGE_EVERY, _MERGE_COSINE = 5, 0.98
_STUCK = 1e-12
_MOST_MOVE = 1e6
_BLOCK = 512  # rows


class Data(NamedTuple):
    """The problem: rows (r, n), their lengths (n,), the skip's orthonormal columns (q, n), y (n,)."""

    rows: NDArray[np.float64]
    sizes: NDArray[np.float64]
    skip_columns: NDArray[np.float64]
    y: NDArray[np.float64]
    lam: float
    n_penalized: int


class State(NamedTuple):
    """Neurons, with room for more than ``counts[COUNT]``.

    Of ``walls`` (k, r), row indices, the first ``n_walls`` (k,) count.  ``basis`` (k, r, r) is
    orthogonal: its first columns span the normals of the walls, the others the face; the unit
    normals are basis @ upper.
    """

    weights: NDArray[np.float64]
    signs: NDArray[np.float64]
    skip: NDArray[np.float64]
    walls: NDArray[np.int64]
    n_walls: NDArray[np.int64]
    basis: NDArray[np.float64]
    upper: NDArray[np.float64]
    counts: NDArray[np.int64]


class Work(NamedTuple):
    """What a step needs; ``active`` (k, n) are the sides that ``gram`` and ``cross`` were made of."""

    inner: NDArray[np.float64]
    change: NDArray[np.float64]
    active: NDArray[np.uint8]
    gram: NDArray[np.float64]
    cross: NDArray[np.float64]
    residual: NDArray[np.float64]
    rate: NDArray[np.float64]
    base: NDArray[np.float64]
    gradients: NDArray[np.float64]
    moves: NDArray[np.float64]
    skip_move: NDArray[np.float64]
    slopes: NDArray[np.float64]
    lengths: NDArray[np.float64]
    hits: NDArray[np.int64]
    times: NDArray[np.float64]
    kinks: NDArray[np.int64]


@njit(cache=True, nogil=True, error_model="numpy")
def slide(data, state, work, tolerance, max_steps):
    """Step until the projected gradient is ``tolerance`` times lam; returns what it is then.

    Ends early after ``max_steps``, or when several steps in a row found no descent.
    """
    error = np.inf
    damping = 0.0
    failed = 0
    for step in range(max_steps):
        _products(data, state, work)
        if step % _MERGE_EVERY == _MERGE_EVERY - 1 and merge(data, state, work):
            _products(data, state, work)
        if state.counts[COUNT] == 0 and state.skip.shape[0] == 0:
            return 0.0
        released = _release(data, state, work)
        error = _error(data, state, work)
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
    _products(data, state, work)
    merge(data, state, work)
    return error


# -- passes over the rows -------------------------------------------------------------------
#
# They go block by block, with copies of the block: small arrays that overlap with no other are
# what the compiler vectorises.


@njit(cache=True, nogil=True, error_model="numpy", fastmath=_REORDERED)
def _products(data, state, work):
    """Inner products, zero on walls, the residual fit - y, and the gradients.

    Rows on walls count as inactive in the gradient of the objective in each weight.
    """
    r, n = data.rows.shape
    count, p = state.counts[COUNT], data.n_penalized
    gradients = np.zeros((count, r))
    x, v = np.empty((r, _BLOCK)), np.empty((count, _BLOCK))
    size, residual = np.empty(_BLOCK), np.empty(_BLOCK)
    for low in range(0, n, _BLOCK):
        width = min(_BLOCK, n - low)
        for c in range(r):
            for i in range(width):
                x[c, i] = data.rows[c, low + i]
        for i in range(width):
            size[i] = data.sizes[low + i]
            residual[i] = -data.y[low + i]
        for s in range(state.skip.shape[0]):
            for i in range(width):
                residual[i] += state.skip[s] * data.skip_columns[s, low + i]
        for k in range(count):
            _combine(x, state.weights[k], size, width, v[k])
            for w in range(state.n_walls[k]):
                row = state.walls[k, w] - low
                if 0 <= row < width:
                    v[k, row] = 0.0
            sign = state.signs[k]
            for i in range(width):
                residual[i] += sign * max(v[k, i], 0.0)
            for i in range(width):
                work.inner[k, low + i] = v[k, i]
        for k in range(count):
            for c in range(r):
                total = 0.0
                for i in range(width):
                    total += x[c, i] * (residual[i] if v[k, i] > 0.0 else 0.0)
                gradients[k, c] += total
        for i in range(width):
            work.residual[low + i] = residual[i]
    for k in range(count):
        length = _length_of(state.weights[k], p)
        for c in range(r):
            penalty = data.lam * state.weights[k, c] / length if c < p else 0.0
            work.gradients[k, c] = state.signs[k] * gradients[k, c] + penalty


@njit(cache=True, nogil=True, error_model="numpy", fastmath=_REORDERED)
def _combine(x, weight, size, width, out):
    """out = weight @ x in one block; what is nothing but rounding becomes zero."""
    r = x.shape[0]
    slack = _SNAP * _length_of(weight, r)
    factor = weight[0]
    for i in range(width):
        out[i] = factor * x[0, i]
    for c in range(1, r):
        factor = weight[c]
        for i in range(width):
            out[i] += factor * x[c, i]
    for i in range(width):
        out[i] = 0.0 if abs(out[i]) <= slack * size[i] else out[i]


@njit(cache=True, nogil=True, error_model="numpy")
def _flip(data, state, work):
    """Bring ``gram`` and ``cross`` to the sides that the inner products are on now."""
    r, n = data.rows.shape
    q = state.skip.shape[0]
    count = state.counts[COUNT]
    flipped = np.zeros(n, np.bool_)
    for k in range(count):
        for i in range(n):
            flipped[i] |= (work.inner[k, i] > 0.0) != (work.active[k, i] != 0)
    old = np.empty(count, np.int64)
    new = np.empty(count, np.int64)
    x = np.empty(r)
    for i in range(n):
        if not flipped[i]:
            continue
        n_old = 0
        n_new = 0
        for k in range(count):
            if work.active[k, i] != 0:
                old[n_old] = k
                n_old += 1
            if work.inner[k, i] > 0.0:
                new[n_new] = k
                n_new += 1
        for c in range(r):
            x[c] = data.rows[c, i]
        for a in range(n_old):
            k = old[a]
            kept = work.inner[k, i] > 0.0
            for b in range(n_old):
                if not (kept and work.inner[old[b], i] > 0.0):
                    _add_square(work.gram[k, old[b]], x, -1.0)
            if not kept:
                for c in range(r):
                    for s in range(q):
                        work.cross[k, c, s] -= x[c] * data.skip_columns[s, i]
        for a in range(n_new):
            k = new[a]
            kept = work.active[k, i] != 0
            for b in range(n_new):
                if not (kept and work.active[new[b], i] != 0):
                    _add_square(work.gram[k, new[b]], x, 1.0)
            if not kept:
                for c in range(r):
                    for s in range(q):
                        work.cross[k, c, s] += x[c] * data.skip_columns[s, i]
        for k in range(count):
            work.active[k, i] = work.inner[k, i] > 0.0


@njit(cache=True, nogil=True, error_model="numpy")
def _add_square(square, x, factor):
    for c in range(x.shape[0]):
        scaled = factor * x[c]
        for e in range(x.shape[0]):
            square[c, e] += scaled * x[e]


# -- the direction ----------------------------------------------------------------------------


@njit(cache=True, nogil=True, error_model="numpy")
def _direction(data, state, work, damping):
    """Newton's direction on the faces and how far each neuron may go; False without descent.

    A neuron that its first kink stops at once is put (back) on that wall, and all is solved again.
    """
    count = state.counts[COUNT]
    for _ in range(_CORRECTIONS):
        _flip(data, state, work)
        if not _newton(data, state, work, damping):
            return False
        _changes(data, state, work)
        blocked = False
        for k in range(count):
            _truncate(state, work, k)
            row = work.hits[k]
            r = data.rows.shape[0]
            path = work.lengths[k] * _length_of(work.moves[k], r)
            if row < 0 or path > _STUCK * _length_of(state.weights[k], r):
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


@njit(cache=True, nogil=True, error_model="numpy")
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
        length = _length_of(state.weights[k], p)
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
        longest = max(longest, _length_of(work.moves[k], r))
        largest = max(largest, _length_of(state.weights[k], r))
    # A step of another size than the neurons is that of a singular system: damp it.
    return downhill < 0.0 and longest <= _MOST_MOVE * largest


@njit(cache=True, nogil=True, error_model="numpy")
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


@njit(cache=True, nogil=True, error_model="numpy", fastmath=_REORDERED)
def _changes(data, state, work):
    """What the moves change in the inner products, and in the residual while sides are kept."""
    r, n = data.rows.shape
    count = state.counts[COUNT]
    x, change = np.empty((r, _BLOCK)), np.empty(_BLOCK)
    size, rate = np.empty(_BLOCK), np.empty(_BLOCK)
    for low in range(0, n, _BLOCK):
        width = min(_BLOCK, n - low)
        for c in range(r):
            for i in range(width):
                x[c, i] = data.rows[c, low + i]
        for i in range(width):
            size[i] = data.sizes[low + i]
            rate[i] = 0.0
        for s in range(state.skip.shape[0]):
            for i in range(width):
                rate[i] += work.skip_move[s] * data.skip_columns[s, low + i]
        for k in range(count):
            _combine(x, work.moves[k], size, width, change)
            for w in range(state.n_walls[k]):
                row = state.walls[k, w] - low
                if 0 <= row < width:
                    change[row] = 0.0
            sign = state.signs[k]
            for i in range(width):
                rate[i] += sign * (change[i] if work.inner[k, low + i] > 0.0 else 0.0)
            for i in range(width):
                work.change[k, low + i] = change[i]
        for i in range(width):
            work.rate[low + i] = rate[i]


@njit(cache=True, nogil=True, error_model="numpy")
def _truncate(state, work, k):
    """Exact line search of neuron k against its own first kinks, the others moving by the model.

    Its slope starts at ``slopes[k]`` < 0 and grows linearly to 0 at t = 1 by Newton's model; a row
    i that it crosses at t = -inner / change adds sign (residual_i + t rate_i) |change|, which is
    positive at a convex kink (the neuron may rest there) and negative at a concave one.  The
    neuron stops where its slope turns nonnegative: ``lengths[k]`` in (0, 1] and ``hits[k]``, the
    row it rests on or -1.
    """
    n = work.residual.shape[0]
    inner, change = work.inner[k], work.change[k]
    sign = state.signs[k]
    slope = min(work.slopes[k], -1e-300)
    found = 0
    for i in range(n):
        v = inner[i]
        if (v > 0.0) != (v + change[i] > 0.0):
            work.times[found] = -v / change[i]
            work.kinks[found] = i
            found += 1
    times, kinks = work.times[:found], work.kinks[:found]
    order = np.argsort(times)
    jumps = 0.0
    work.lengths[k] = 1.0
    work.hits[k] = -1
    for position in range(found):
        t = times[order[position]]
        i = kinks[order[position]]
        if slope * (1.0 - t) + jumps >= 0.0:
            break
        jump = sign * (work.residual[i] + t * work.rate[i]) * abs(change[i])
        jumps += jump
        if jump > 0.0 and slope * (1.0 - t) + jumps >= 0.0:
            work.lengths[k] = t
            work.hits[k] = i
            return
    if jumps > 0.0:  # between kinks: slope (1 - t) + jumps = 0
        work.lengths[k] = min(1.0, max(1.0 + jumps / slope, 1e-12))


# -- the step ---------------------------------------------------------------------------------


@njit(cache=True, nogil=True, error_model="numpy")
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
    if not _gain(data, state, work, common) < 0.0:
        taken = common = _walk(data, state, work)
        for k in range(count):
            work.lengths[k] = common
        if not (common > 0.0 and _gain(data, state, work, common) < 0.0):
            taken = common = 0.0
            for k in range(count):
                work.lengths[k] = 0.0
                work.hits[k] = -1
    for s in range(state.skip.shape[0]):
        work.skip_move[s] *= common
    return taken


@njit(cache=True, nogil=True, error_model="numpy")
def _walk(data, state, work):
    """Exact line search along the common direction: the length at which the slope turns.

    The loss along it is quadratic between the kinks of all neurons, which are visited in order:
    slope(t) = sum_i (base_i + t rate_i) rate_i + the norms' part, and each kink changes one
    row's base and rate.  ``hits`` tells the row and neuron whose convex kink ended it.
    """
    n, count = data.y.shape[0], state.counts[COUNT]
    found = 0
    for k in range(count):
        work.hits[k] = -1
        for i in range(n):
            v = work.inner[k, i]
            found += (v > 0.0) != (v + work.change[k, i] > 0.0)
    times = np.empty(found)
    places = np.empty(found, np.int64)
    found = 0
    for k in range(count):
        for i in range(n):
            v = work.inner[k, i]
            if (v > 0.0) != (v + work.change[k, i] > 0.0):
                times[found] = -v / work.change[k, i]
                places[found] = k * n + i
                found += 1
    base, rate = work.base, work.rate
    constant, linear = 0.0, 0.0
    for i in range(n):
        base[i] = work.residual[i]
        constant += base[i] * rate[i]
        linear += rate[i] * rate[i]
    before = 0.0
    for event in np.argsort(times):
        t = times[event]
        k, i = places[event] // n, places[event] % n
        if constant + linear * t + _norm_slope(data, state, work, t) >= 0.0:
            return _turning_point(data, state, work, constant, linear, before, t)
        jump = state.signs[k] * abs(work.change[k, i])
        constant -= base[i] * rate[i]
        linear -= rate[i] * rate[i]
        base[i] -= jump * t
        rate[i] += jump
        constant += base[i] * rate[i]
        linear += rate[i] * rate[i]
        if constant + linear * t + _norm_slope(data, state, work, t) >= 0.0:
            work.hits[k] = i
            return t
        before = t
    if constant + linear + _norm_slope(data, state, work, 1.0) >= 0.0:
        return _turning_point(data, state, work, constant, linear, before, 1.0)
    return 1.0


@njit(cache=True, nogil=True, error_model="numpy")
def _norm_slope(data, state, work, t):
    """lam times the slope of the sum of norms at t along the common direction."""
    total = 0.0
    for k in range(state.counts[COUNT]):
        radial, square = 0.0, 1e-300
        for c in range(data.n_penalized):
            now = state.weights[k, c] + t * work.moves[k, c]
            radial += now * work.moves[k, c]
            square += now * now
        total += radial / np.sqrt(square)
    return data.lam * total


@njit(cache=True, nogil=True, error_model="numpy")
def _turning_point(data, state, work, constant, linear, low, high):
    """Where constant + linear t + the norms' slope turns nonnegative between low and high."""
    for _ in range(60):
        middle = 0.5 * (low + high)
        if constant + linear * middle + _norm_slope(data, state, work, middle) < 0.0:
            low = middle
        else:
            high = middle
    return low


@njit(cache=True, nogil=True, error_model="numpy", fastmath=_REORDERED)
def _gain(data, state, work, skip_factor):
    """Change of the objective along lengths * moves, summed from differences.

    Neurons that are turned around count as removed.
    """
    n, p = data.y.shape[0], data.n_penalized
    count = state.counts[COUNT]
    delta = np.empty(_BLOCK)
    turned = np.empty(count, np.bool_)
    total = 0.0
    for k in range(count):
        turned[k] = _turns(data, state, work, k)
        t = work.lengths[k]
        cross, square, after = 0.0, 0.0, 0.0
        for c in range(p):
            cross += state.weights[k, c] * work.moves[k, c]
            square += work.moves[k, c] * work.moves[k, c]
            now = state.weights[k, c] + t * work.moves[k, c]
            after += now * now
        length = _length_of(state.weights[k], p)
        longer = t * (2.0 * cross + t * square) / (np.sqrt(after) + length)
        total += data.lam * (-length if turned[k] else longer)
    for low in range(0, n, _BLOCK):
        width = min(_BLOCK, n - low)
        for i in range(width):
            delta[i] = 0.0
        for s in range(state.skip.shape[0]):
            step = skip_factor * work.skip_move[s]
            for i in range(width):
                delta[i] += step * data.skip_columns[s, low + i]
        for k in range(count):
            t = work.lengths[k]
            sign = state.signs[k]
            inner, change = work.inner[k], work.change[k]
            if turned[k]:
                for i in range(width):
                    delta[i] -= sign * max(inner[low + i], 0.0)
                continue
            for i in range(width):
                v, step = inner[low + i], t * change[low + i]
                gained = step if v > 0.0 else v + step
                lost = -max(v, 0.0)
                delta[i] += sign * (gained if v + step > 0.0 else lost)
        for i in range(width):
            total += delta[i] * (work.residual[low + i] + 0.5 * delta[i])
    return total


@njit(cache=True, nogil=True, error_model="numpy")
def _turns(data, state, work, k):
    """Whether the step takes neuron k past zero, which removes it."""
    along = 0.0
    for c in range(data.n_penalized):
        old = state.weights[k, c]
        along += old * (old + work.lengths[k] * work.moves[k, c])
    return not along > 0.0


@njit(cache=True, nogil=True, error_model="numpy")
def _accept(data, state, work):
    """Take the step; neurons that it turns around or makes vanish are removed."""
    count, r, p = state.counts[COUNT], data.rows.shape[0], data.n_penalized
    for s in range(state.skip.shape[0]):
        state.skip[s] += work.skip_move[s]
    largest = 0.0
    turned = np.zeros(count, np.bool_)
    for k in range(count):
        turned[k] = _turns(data, state, work, k)
        for c in range(r):
            state.weights[k, c] += work.lengths[k] * work.moves[k, c]
        if p < r and not turned[k]:
            _pull_kink(data, state, k)
        largest = max(largest, _length_of(state.weights[k], p))
    for k in range(count - 1, -1, -1):
        if turned[k] or _length_of(state.weights[k], p) <= 1e-12 * largest:
            remove(data, state, work, k)
        elif work.hits[k] >= 0:
            add_wall(data, state, k, work.hits[k])


@njit(cache=True, nogil=True, error_model="numpy")
def _pull_kink(data, state, k):
    """With a free bias, move a kink beyond all data to their edge; the constant joins the skip."""
    last = data.n_penalized
    reach = _length_of(state.weights[k], last)
    bias = state.weights[k, last]
    if abs(bias) <= reach:
        return
    _forget_walls(state, k)
    state.weights[k, last] = reach if bias > 0.0 else -reach
    if bias > 0.0:
        constant = state.signs[k] * (bias - reach) * data.rows[last, 0]
        for s in range(state.skip.shape[0]):
            total = 0.0
            for i in range(data.y.shape[0]):
                total += data.skip_columns[s, i]
            state.skip[s] += constant * total


# -- walls ------------------------------------------------------------------------------------


@njit(cache=True, nogil=True, error_model="numpy")
def _forget_walls(state, k):
    r = state.weights.shape[1]
    state.n_walls[k] = 0
    for c in range(r):
        for e in range(r):
            state.basis[k, c, e] = 1.0 if c == e else 0.0


@njit(cache=True, nogil=True, error_model="numpy")
def add_wall(data, state, k, row):
    """Put neuron k on the wall of a row, if that leaves it a face: one Householder reflection."""
    r, w = state.weights.shape[1], state.n_walls[k]
    if w >= r - 1:
        return False
    normal = np.zeros(r)
    for a in range(r):
        for c in range(r):
            normal[a] += state.basis[k, c, a] * data.rows[c, row] / data.sizes[row]
    length = 0.0
    for a in range(w, r):
        length += normal[a] * normal[a]
    length = np.sqrt(length)
    if not length > _DEPENDENT:
        return False
    for a in range(w):
        state.upper[k, a, w] = normal[a]
    pivot = -length if normal[w] > 0.0 else length
    state.upper[k, w, w] = pivot
    normal[w] -= pivot
    square = 0.0
    for a in range(w, r):
        square += normal[a] * normal[a]
    for c in range(r):
        total = 0.0
        for a in range(w, r):
            total += state.basis[k, c, a] * normal[a]
        for a in range(w, r):
            state.basis[k, c, a] -= 2.0 * total * normal[a] / square
    state.walls[k, w] = row
    state.n_walls[k] = w + 1
    total = 0.0
    for c in range(r):
        total += state.basis[k, c, w] * state.weights[k, c]
    for c in range(r):
        state.weights[k, c] -= total * state.basis[k, c, w]
    return True


@njit(cache=True, nogil=True, error_model="numpy")
def _release(data, state, work):
    """Let each neuron leave its worst wall, and count the row on the side it leaves to."""
    count, r = state.counts[COUNT], data.rows.shape[0]
    projected = np.zeros(count)
    largest = 0.0
    for k in range(count):
        projected[k] = _face_gradient(state, work, k)
        largest = max(largest, projected[k])
    any_released = False
    multipliers = np.empty(r)
    rows = np.empty(r, np.int64)
    for k in range(count):
        w = state.n_walls[k]
        worst, excess, to_active = -1, 0.0, False
        for a in range(w - 1, -1, -1):
            total = 0.0
            for c in range(r):
                total -= state.basis[k, c, a] * work.gradients[k, c]
            for b in range(a + 1, w):
                total -= state.upper[k, a, b] * multipliers[b]
            multipliers[a] = total / state.upper[k, a, a]
            row = state.walls[k, a]
            room = state.signs[k] * work.residual[row] * data.sizes[row]
            if -multipliers[a] > excess:
                worst, excess, to_active = a, -multipliers[a], False
            if multipliers[a] - room > excess:
                worst, excess, to_active = a, multipliers[a] - room, True
        if excess <= max(1e-9 * data.lam, 0.3 * projected[k], 0.1 * largest):
            continue
        any_released = True
        row = state.walls[k, worst]
        for a in range(w):
            rows[a] = state.walls[k, a]
        _forget_walls(state, k)
        for a in range(w):
            if a != worst:
                add_wall(data, state, k, rows[a])
        work.inner[k, row] = -_RELEASED
        if to_active:
            work.inner[k, row] = _RELEASED
            for c in range(r):
                part = state.signs[k] * work.residual[row] * data.rows[c, row]
                work.gradients[k, c] += part
    return any_released


@njit(cache=True, nogil=True, error_model="numpy")
def _face_gradient(state, work, k):
    """Length of the gradient's part in the face of neuron k."""
    r = state.weights.shape[1]
    square = 0.0
    for a in range(state.n_walls[k], r):
        total = 0.0
        for c in range(r):
            total += state.basis[k, c, a] * work.gradients[k, c]
        square += total * total
    return np.sqrt(square)


@njit(cache=True, nogil=True, error_model="numpy")
def _error(data, state, work):
    """The largest projected gradient over lam."""
    largest = 0.0
    for k in range(state.counts[COUNT]):
        largest = max(largest, _face_gradient(state, work, k))
    for s in range(state.skip.shape[0]):
        column = data.skip_columns[s]
        total = 0.0
        for i in range(column.shape[0]):
            total += column[i] * work.residual[i]
        largest = max(largest, abs(total))
    return largest / data.lam


# -- fewer neurons ----------------------------------------------------------------------------


@njit(cache=True, nogil=True, error_model="numpy")
def merge(data, state, work):
    """Delete and merge neurons where a difference formula says that it costs nothing.

    Needs inner products and residual, and keeps them up to date; whether anything was done.
    """
    n, p, r = data.y.shape[0], data.n_penalized, data.rows.shape[0]
    done = False
    mine = np.empty(r, np.int64)
    k = 0
    while k < state.counts[COUNT]:
        inner, sign = work.inner[k], state.signs[k]
        length = _length_of(state.weights[k], p)
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
            length = _length_of(state.weights[k], p)
            length_other = _length_of(state.weights[other], p)
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
            _forget_walls(state, k)
            for w in range(n_mine):
                for z in range(state.n_walls[other]):
                    if state.walls[other, z] == mine[w]:
                        add_wall(data, state, k, mine[w])
            remove(data, state, work, other)
        k += 1
    return done


@njit(cache=True, nogil=True, error_model="numpy")
def _kink(a, b):
    """(a + b)_+ - a_+ - b_+, without cancellation."""
    if (a >= 0.0) == (b >= 0.0):
        return 0.0
    return -min(abs(a), abs(b))


@njit(cache=True, nogil=True, error_model="numpy")
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


@njit(cache=True, nogil=True, error_model="numpy")
def _length_of(weight, p):
    total = 0.0
    for c in range(p):
        total += weight[c] * weight[c]
    return np.sqrt(total)


@njit(cache=True, nogil=True, error_model="numpy")
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
