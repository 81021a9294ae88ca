"""The compiled piece of the sliding Newton method: how far each neuron may slide."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True, error_model="numpy")
def slide_lengths(inner, change, residual, residual_change, signs, slopes, lengths, walls):
    """Exact line search for every neuron at once, each against its own first kinks.

    Along its step, neuron k starts with slope ``slopes[k]`` < 0 of the objective, which
    grows linearly to 0 at t = 1 by Newton's model; a row i that it crosses at
    t = -inner / change adds signs[k] (residual_i + t residual_change_i) |change|, which is
    positive at a convex kink (the neuron may rest there) and negative at a concave one.  The
    neuron stops where its slope turns nonnegative.  ``lengths[k]`` in (0, 1] and
    ``walls[k]``, the row it rests on or -1, are written.  inner, change: (n, k).
    """
    n, count = inner.shape
    times = np.empty(n)
    rows = np.empty(n, np.int64)
    for k in range(count):
        found = 0
        for i in range(n):
            v, c = inner[i, k], change[i, k]
            if (v > 0.0 and c < 0.0) or (v < 0.0 and c > 0.0):
                t = -v / c
                if t <= 1.0:
                    times[found] = t
                    rows[found] = i
                    found += 1
        order = np.argsort(times[:found])
        jumps = 0.0
        lengths[k] = 1.0
        walls[k] = -1
        for position in range(found):
            t = times[order[position]]
            i = rows[order[position]]
            here = slopes[k] * (1.0 - t) + jumps
            if here >= 0.0:
                # Between kinks: slope[k] (1 - t) + jumps = 0.
                lengths[k] = min(1.0, max(1.0 + jumps / slopes[k], 1e-12))
                break
            jump = signs[k] * (residual[i] + t * residual_change[i]) * abs(change[i, k])
            jumps += jump
            if jump > 0.0 and slopes[k] * (1.0 - t) + jumps >= 0.0:
                lengths[k] = t
                walls[k] = i
                break
        else:
            if jumps > 0.0:
                lengths[k] = min(1.0, max(1.0 + jumps / slopes[k], 1e-12))
