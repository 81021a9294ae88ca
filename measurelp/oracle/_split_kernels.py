"""Compiled choice of where a simplicial cone is split."""

from __future__ import annotations

import numpy as np

from measurelp._jit_kernels import inner

MAX_CROSSINGS = 32  # an edge that more rows cross is halved


@inner()
def best_split(generator, sizes, arena_v, first, last, t, longest_edge, crossings, weights, score):
    """The edge (i, j) to split and the share of r_i in the new generator.

    Row first + k loses up to ``sizes[k]`` for each unit of its kink.  Of the edges that are not
    short, the one along which rows lose most near the maximiser sum t_j r_j, at the weighted
    median of their kinks.  ``crossings``, ``weights`` and ``score`` (r, r) are room.
    """
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
    if not longest_edge:
        for k in range(first, last):
            size = sizes[k - first]
            if not size > 0.0:
                continue
            for i in range(r):
                a = arena_v[i, k]
                for j in range(i + 1, r):
                    b = arena_v[j, k]
                    if a * b < 0.0:
                        score[i, j] += size * abs(a) * abs(b) / (abs(a) + abs(b))
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
    n_crossings = 0
    for k in range(first, last):
        a, b = arena_v[split_i, k], arena_v[split_j, k]
        size = sizes[k - first]
        if a * b < 0.0 and size > 0.0:
            if n_crossings == crossings.shape[0]:
                return split_i, split_j, 0.5
            crossing = abs(b) / (abs(a) + abs(b))
            weight = size * abs(a) * crossing
            place = n_crossings
            while place > 0 and crossings[place - 1] > crossing:
                crossings[place] = crossings[place - 1]
                weights[place] = weights[place - 1]
                place -= 1
            crossings[place] = crossing
            weights[place] = weight
            n_crossings += 1
    if n_crossings == 0:
        return split_i, split_j, 0.5
    half = 0.0
    for k in range(n_crossings):
        half += 0.5 * weights[k]
    running = 0.0
    k = 0
    while k < n_crossings - 1 and running + weights[k] < half:
        running += weights[k]
        k += 1
    return split_i, split_j, min(max(crossings[k], 0.2), 0.8)
