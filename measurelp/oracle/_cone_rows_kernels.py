"""Compiled passes over the rows that cut a cone.

Values of rows at generators lie in ``values`` (r, room), from ``first`` to ``last`` for one cone,
those of rows with positive coefficients before ``middle``.  Half of all signs are as good as
random, so nothing here branches on one where it can be helped, and everything runs along memory.
Sums may be taken in any order: the analysis in ``_cone_kernels`` counts their terms only.
"""

from __future__ import annotations

import numpy as np

from measurelp._jit_kernels import inner
from measurelp.oracle._arena_kernels import add

U = 2.0**-53

_ANY_ORDER = {"reassoc", "nsz"}
_MAX_CROSSINGS = 32  # an edge that more rows cross is halved


@inner(fastmath=_ANY_ORDER)
def chord_heights(values, first, last, heights):
    """Add the chords' values at the generators, sum (v_j)_+, to ``heights``."""
    for j in range(heights.shape[0]):
        total = 0.0
        for k in range(first, last):
            total += max(values[j, k], 0.0)
        heights[j] += total


@inner(fastmath=_ANY_ORDER)
def sum_of_active(values, first, last, t, inner):
    """Sum over rows of (sum_j t_j v_j)_+; ``inner`` is room for as many numbers."""
    for k in range(last - first):
        inner[k] = 0.0
    for j in range(t.shape[0]):
        factor = t[j]
        for k in range(last - first):
            inner[k] += factor * values[j, first + k]
    total = 0.0
    for k in range(last - first):
        total += max(inner[k], 0.0)
    return total


@inner(fastmath=_ANY_ORDER)
def edge_losses(values, first, last, score):
    """score[i, j] for i < j: what chords lose along the edge, at most."""
    r = score.shape[0]
    for i in range(r):
        for j in range(i + 1, r):
            total = 0.0
            for k in range(first, last):
                a, b = abs(values[i, k]), abs(values[j, k])
                loss = a * b / (a + b + 1e-300)
                total += loss if values[i, k] * values[j, k] < 0.0 else 0.0
            score[i, j] += total


@inner()
def median_crossing(values, first, last, i, j, crossings, weights):
    """The share of generator i at the weighted median of the kinks on the edge; 1/2 for many."""
    found = 0
    for k in range(first, last):
        a, b = values[i, k], values[j, k]
        if a * b < 0.0:
            if found == _MAX_CROSSINGS:
                return 0.5
            crossing = abs(b) / (abs(a) + abs(b))
            weight = abs(a) * crossing
            place = found
            while place > 0 and crossings[place - 1] > crossing:
                crossings[place] = crossings[place - 1]
                weights[place] = weights[place - 1]
                place -= 1
            crossings[place] = crossing
            weights[place] = weight
            found += 1
    if found == 0:
        return 0.5
    half = 0.0
    for k in range(found):
        half += 0.5 * weights[k]
    running = 0.0
    k = 0
    while k < found - 1 and running + weights[k] < half:
        running += weights[k]
        k += 1
    return min(max(crossings[k], 0.2), 0.8)


@inner(fastmath=_ANY_ORDER)
def new_values(values, first, last, i, j, al, middle):
    """Values at al r_i + (1 - al) r_j; what is nothing but rounding becomes zero."""
    be = 1.0 - al
    for k in range(last - first):
        a, b = values[i, first + k], values[j, first + k]
        value = al * a + be * b
        middle[k] = 0.0 if abs(value) <= 16.0 * U * max(abs(a), abs(b)) else value


@inner(fastmath=_ANY_ORDER)
def chord_loss(values, first, last, i, j, al):
    """What the chords lose at the new generator: sum of min(al |a|, be |b|) where they cross."""
    be = 1.0 - al
    total = 0.0
    for k in range(first, last):
        a, b = values[i, k], values[j, k]
        loss = min(al * abs(a), be * abs(b))
        total += loss if a * b < 0.0 else 0.0
    return total


@inner()
def value_range(values, first, last, skipped, low, high):
    """The least and the largest value of each row over the generators but one, and 0."""
    for k in range(last - first):
        low[k] = 0.0
        high[k] = 0.0
    for j in range(values.shape[0]):
        if j != skipped:
            for k in range(last - first):
                low[k] = min(low[k], values[j, first + k])
                high[k] = max(high[k], values[j, first + k])


@inner()
def rows_of_child(values, first, middle_row, last, new, middle, low, high, uncut, carry, keep):
    """Which rows cut the child that has the values ``middle`` at its generator ``new``.

    Their places go to ``keep``; what no longer cuts and is positive joins ``uncut``, which
    with ``carry`` is a compensated sum.  Returns how many cut, and how many of these have
    positive coefficients.
    """
    value_range(values, first, last, new, low, high)
    size, n_plus = np.int64(0), np.int64(0)
    for k in range(last - first):
        below = min(low[k], middle[k]) < 0.0
        above = max(high[k], middle[k]) > 0.0
        keep[size] = first + k
        size += below and above
        if above and not below:
            factor = 1.0 if first + k < middle_row else -1.0
            for j in range(values.shape[0]):
                value = middle[k] if j == new else values[j, first + k]
                add(uncut, carry, j, factor * value)
        if first + k == middle_row - 1:
            n_plus = size
    return size, n_plus


@inner(fastmath=_ANY_ORDER)
def value_at(rows, n_plus, w, inner):
    """The function at one point; rows are stored (r, n), ``inner`` is room for n numbers."""
    n = rows.shape[1]
    plus = sum_of_active(rows, np.int64(0), n_plus, w, inner)
    return plus - sum_of_active(rows, n_plus, n, w, inner)
