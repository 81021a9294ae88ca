"""How far to go: line searches past kinks, for each neuron and for all together.

See ``_sliding_kernels``.
"""

from __future__ import annotations

import numpy as np

from measurelp._jit_kernels import entry, inner
from measurelp.masters._sliding_state import COUNT
from measurelp.masters._wall_kernels import length_of

_REORDERED = {"reassoc", "contract", "nsz"}  # sums in any order; nan and inf keep their meaning
_BLOCK = 1024  # rows


@inner()
def truncate(state, work, k):
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


@entry()
def walk(data, state, work):
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


@inner()
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


@inner()
def _turning_point(data, state, work, constant, linear, low, high):
    """Where constant + linear t + the norms' slope turns nonnegative between low and high."""
    for _ in range(60):
        middle = 0.5 * (low + high)
        if constant + linear * middle + _norm_slope(data, state, work, middle) < 0.0:
            low = middle
        else:
            high = middle
    return low


@entry(fastmath=_REORDERED)
def gain(data, state, work, skip_factor):
    """Change of the objective along lengths * moves, summed from differences.

    Neurons that are turned around count as removed.
    """
    n, p = data.y.shape[0], data.n_penalized
    count = state.counts[COUNT]
    delta = np.empty(_BLOCK)
    turned = np.empty(count, np.bool_)
    total = 0.0
    for k in range(count):
        turned[k] = turns(data, state, work, k)
        t = work.lengths[k]
        cross, square, after = 0.0, 0.0, 0.0
        for c in range(p):
            cross += state.weights[k, c] * work.moves[k, c]
            square += work.moves[k, c] * work.moves[k, c]
            now = state.weights[k, c] + t * work.moves[k, c]
            after += now * now
        length = length_of(state.weights[k], p)
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


@inner()
def turns(data, state, work, k):
    """Whether the step takes neuron k past zero, which removes it."""
    along = 0.0
    for c in range(data.n_penalized):
        old = state.weights[k, c]
        along += old * (old + work.lengths[k] * work.moves[k, c])
    return not along > 0.0
