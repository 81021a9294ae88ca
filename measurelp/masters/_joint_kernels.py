"""Compiled pieces of the sliding Newton method for several outputs (see ``joint_sliding``).

Nothing here is a bound.
"""

from __future__ import annotations

import numpy as np

from measurelp._jit_kernels import entry


@entry
def truncate(inner, active, change, tilt, tilt_rate, slopes, lengths, hits):
    """How far each neuron goes along its step before its own slope turns.

    Neuron k's slope starts at ``slopes[k]`` < 0 and grows linearly to 0 at t = 1 by Newton's model;
    a row i that it crosses adds (tilt + t tilt_rate) |change|, which is positive at a convex
    kink, where the neuron may rest.  ``lengths[k]`` in [0, 1], and ``hits[k]`` the row that it rests
    on or -1.
    """
    count, n = inner.shape
    times, kinks = np.empty(n), np.empty(n, np.int64)
    for k in range(count):
        slope = min(slopes[k], -1e-300)
        found = 0
        for i in range(n):
            v = inner[k, i]
            if active[k, i] != (v + change[k, i] > 0.0) and change[k, i] != 0.0:
                times[found] = -v / change[k, i]
                kinks[found] = i
                found += 1
        jumps = 0.0
        lengths[k] = 1.0
        hits[k] = -1
        for position in np.argsort(times[:found]):
            t = times[position]
            i = kinks[position]
            if slope * (1.0 - t) + jumps >= 0.0:
                break
            jump = (tilt[k, i] + t * tilt_rate[k, i]) * abs(change[k, i])
            jumps += jump
            if t == 0.0 and jump > 0.0:  # the slope is that of the other side: rest, then see
                lengths[k] = 0.0
                hits[k] = i
                break
            if jump > 0.0 and slope * (1.0 - t) + jumps >= 0.0:
                lengths[k] = t
                hits[k] = i
                break
        if hits[k] < 0 and jumps > 0.0:  # between kinks: slope (1 - t) + jumps = 0
            lengths[k] = min(1.0, max(1.0 + jumps / slope, 1e-12))


@entry
def group_masses(gram, correlation, lam, masses, sweeps):
    """Block coordinate descent for min 1/2 <V, G V> - <C, V> + lam sum |V_k|, from ``masses`` (k, c)."""
    count, c = masses.shape
    slack = correlation - gram @ masses
    step = np.empty(c)
    for _ in range(sweeps):
        moved = 0.0
        for k in range(count):
            if not gram[k, k] > 0.0:
                continue
            size = 0.0
            for q in range(c):
                step[q] = masses[k, q] + slack[k, q] / gram[k, k]
                size += step[q] * step[q]
            size = np.sqrt(size)
            factor = max(0.0, 1.0 - lam / (gram[k, k] * size)) if size > 0.0 else 0.0
            change = 0.0
            for q in range(c):
                new = factor * step[q]
                step[q] = new - masses[k, q]
                masses[k, q] = new
                change += step[q] * step[q]
            if change > 0.0:
                for j in range(count):
                    for q in range(c):
                        slack[j, q] -= gram[j, k] * step[q]
                moved = max(moved, np.sqrt(change * gram[k, k]))
        if moved <= 1e-10 * lam:
            break
