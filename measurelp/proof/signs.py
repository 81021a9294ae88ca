"""Covers of weight space by the signs of rows: for many coordinates and few rows.

The tree is :class:`measurelp.check_proof.Signs`: a lemma F(u) <= constant + <y, u> narrows the
cap in which F can exceed the limit, and with it the bounds of all rows; the signs that were
branched on narrow them further; where that closes nothing, the sign of a convex row is branched
on.  Floating point proposes, in units of the limit; the checker's own steps decide.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
from scipy.optimize import nnls

from measurelp.check_proof import RADIUS, Signs, dot
from measurelp.errors import BudgetExceeded
from measurelp.oracle._kernels import min_norm_point
from measurelp.proof.records import Array, Records

_TURNS = 8  # lemmas of one node
_GAIN = 0.85  # as long as the chords' loss shrinks by this factor
_SWEEPS = 10  # over the multipliers of a narrowing
_STEP = 1.2  # of the least point along a coordinate there; a little more goes faster
_WORTH = 0.8  # a row is narrowed if its chord's loss shrinks by this factor,
_SHARE = 0.5  # unless it is less than this share of the mean loss
_NARROW_BITS = 12  # of multiples in a narrowing
_LEAST_BITS, _MOST_BITS = 16, 40  # of slopes in a lemma

Walls = list[tuple[int, int]]  # rows that were branched on, and their signs


def record_signs(tree: Signs, records: Records) -> None:
    """Append the records of one tree, in preorder; see :class:`Records`."""
    search = _Search(tree)
    stack: list[tuple[Any, Walls]] = [(root, []) for root in tree.roots()]
    while stack:
        node, walls = stack.pop()
        found = _narrowed(search, node, walls, records)
        if found is None:
            continue
        index = search.branching_row(found)
        records.append([0, index])
        above, below = tree.step(found, 0, index)
        stack += [(above, [*walls, (index, 1)]), (below, [*walls, (index, -1)])]


def _narrowed(search: _Search, node: Any, walls: Walls, records: Records) -> Any | None:
    """Lemmas and narrowings as long as they gain much; None if they close the node."""
    for turn in range(3 * _TURNS):
        before = search.losses(*search.ends(node)).sum()
        left = _taken(search, node, search.lemma(node, walls), records)
        if left is None:
            return None
        node = left
        if search.losses(*search.ends(node)).sum() > _GAIN * before:
            for record in list(search.narrowings(node, walls)):
                left = _taken(search, node, record, records)
                if left is None:
                    return None
                node = left
        gains = search.losses(*search.ends(node)).sum() <= _GAIN * before
        if not (gains and turn < _TURNS) and search.branching_row(node) >= 0:
            return node
    raise BudgetExceeded(
        "the exact proof does not close: the dual function exceeds its limit or comes too near it; "
        "ask for a larger gap."
    )


def _taken(search: _Search, node: Any, record: list[int], records: Records) -> Any | None:
    records.append(record)
    return next(iter(search.tree.step(node, *record)), None)


class _Search:
    """One function in floating point: rows scaled to largest entry 1, the limit to 1."""

    def __init__(self, tree: Signs) -> None:
        self.tree, limit = tree, tree.limit
        p = len(tree.linear)
        self.sizes = [max(map(abs, row)) for _, row in tree.lines]
        pairs = list(zip(tree.lines, self.sizes, strict=True))
        self.rows = np.array([[c / size for c in row] for (_, row), size in pairs]).reshape(-1, p)
        self.weights = np.array([a * size / limit for (a, _), size in pairs])
        self.linear = np.array([c / limit for c in tree.linear])
        self.lengths = np.linalg.norm(self.rows, axis=1)
        largest = float(np.max(np.abs(self.weights) * self.lengths, initial=1.0))
        self.size_bits = math.frexp(largest)[1]
        self.y, self.constant = self.linear, 0.0

    def ends(self, node: Any) -> tuple[Array, Array]:
        ends = [
            (low / (size * RADIUS), high / (size * RADIUS))
            for (low, high), size in zip(node[0], self.sizes, strict=True)
        ]
        low, high = np.array(ends).reshape(-1, 2).T
        return low, high

    def losses(self, low: Array, high: Array) -> Array:
        """How far the chord of each row lies above it, at most."""
        free = (low < 0.0) & (high > 0.0) & (self.weights > 0.0)
        return np.where(
            free, -2.0 * self.weights * low * high / np.where(free, high - low, 1.0), 0.0
        )

    def rays(self, walls: Walls) -> Array:
        """The rows that were branched on, turned to where they are positive, of length 1."""
        index = [wall for wall, _ in walls]
        signs = np.array([sign for _, sign in walls], dtype=float)
        return signs[:, None] * self.rows[index] / self.lengths[index, None]

    def lemma(self, node: Any, walls: Walls) -> list[int]:
        """A lemma's record; keeps its y and constant."""
        low, high = self.ends(node)
        free, convex = (low < 0.0) & (high > 0.0), self.weights > 0.0
        slope = np.where(low >= 0.0, 1.0, -1.0)
        chord = free & convex
        slope[chord] = (high[chord] + low[chord]) / (high[chord] - low[chord])
        self.constant = float(self.losses(low, high).sum())
        # A concave row is below the slope 2 theta - 1, 0 <= theta <= 1, which is -1 here.
        base = self.linear + (self.weights * slope) @ self.rows
        curved = np.flatnonzero(free & ~convex)
        q = -2.0 * self.weights[curved, None] * self.rows[curved]
        rays = self.rays(walls)
        y, theta = np.empty(len(base)), np.empty(len(curved))
        min_norm_point(
            base, np.zeros(len(curved)), rays, len(rays), q, -np.eye(len(curved)), len(curved),
            self.y, 0.98 * (1.0 - self.constant), np.inf, y, theta,
        )  # fmt: skip
        start = base - theta @ q
        # The best multipliers of walls for these thetas, which the solver does not tell.
        rho = nnls(rays.T, -start)[0] if len(rays) else np.zeros(0)
        self.y = y = start + rho @ rays
        # Few bits far from the limit, where a lemma need not be sharp.
        distance = abs(self.constant + float(np.linalg.norm(y)) - 1.0)
        bits = 7 - math.frexp(distance)[1] + self.size_bits + math.frexp(len(self.rows))[1]
        unit = 2 ** min(_MOST_BITS, max(_LEAST_BITS, bits))
        record = [1, unit]
        for (k, sign), r in zip(walls, rho.tolist(), strict=True):
            if r > 1e-12:
                more = r / (self.lengths[k] * self.weights[k])
                record += [k, round(sign * (1.0 + more) * unit)]
        for k, slope_k in zip(curved.tolist(), (2.0 * theta - 1.0).tolist(), strict=True):
            default = unit if dot(self.tree.lines[k][1], node[1]) > 0 else -unit
            if round(slope_k * unit) != default:
                record += [k, round(slope_k * unit)]
        return record

    def narrowings(self, node: Any, walls: Walls) -> Iterator[list[int]]:
        """Records that narrow convex rows by the walls, those that gain most first.

        <v, u> over the cap |u| <= 1, <e, u> >= c and the walls <ray, u> >= 0 is at most |v + mu e +
        sum rho ray| - mu c for any mu, rho >= 0, which is minimised by coordinates for all rows at
        once; for given rho, the best mu is known.
        """
        low, high = self.ends(node)
        losses = self.losses(low, high)
        length = float(np.linalg.norm(self.y))
        wanted = np.flatnonzero(losses > _SHARE * losses.sum() / max(1, np.count_nonzero(losses)))
        if not (walls and len(wanted) and length > 0.0):
            return
        e = self.y / length
        cosine = min(max((1.0 - self.constant) / length, -1.0), 1.0)
        sine = math.sqrt(max(1.0 - cosine**2, 1e-300))
        rays = self.rays(walls)
        v = np.vstack([self.rows[wanted], -self.rows[wanted]])
        rho = np.zeros((len(v), len(rays)))
        for _ in range(_SWEEPS):
            along, size = v @ e, np.linalg.norm(v, axis=1)
            across = np.sqrt(np.maximum(size**2 - along**2, 0.0))
            mu = np.where(along < cosine * size, across * cosine / sine - along, 0.0)
            z = v + np.maximum(mu, 0.0)[:, None] * e
            for k, ray in enumerate(rays):
                new = np.maximum(0.0, rho[:, k] - _STEP * (z @ ray))
                change = (new - rho[:, k])[:, None] * ray
                rho[:, k] = new
                z += change
                v += change
        along, size = v @ e, np.linalg.norm(v, axis=1)
        across = np.sqrt(np.maximum(size**2 - along**2, 0.0))
        ends = np.where(along >= cosine * size, size, along * cosine + across * sine)
        tops, bottoms = np.split(ends, 2)
        new_low, new_high = low.copy(), high.copy()
        new_low[wanted] = np.maximum(low[wanted], -bottoms)
        new_high[wanted] = np.minimum(high[wanted], tops)
        gain = losses - self.losses(new_low, new_high)
        order = sorted(range(len(wanted)), key=lambda j: -gain[wanted[j]])
        for j in order:
            i = int(wanted[j])
            if gain[i] < (1.0 - _WORTH) * losses[i]:
                continue
            for sign, at, old, new in (
                (1, j, high[i], new_high[i]),
                (-1, j + len(wanted), -low[i], -new_low[i]),
            ):
                if new < 0.9 * old:
                    yield [2, i, sign << _NARROW_BITS, *self._shares(i, walls, rho[at])]

    def _shares(self, i: int, walls: Walls, rho: Array) -> list[int]:
        """Multiples of walls in the unit that a narrowing's record has."""
        pairs: list[int] = []
        for (wall, sign), r in zip(walls, rho.tolist(), strict=True):
            factor = Fraction(r / float(self.lengths[wall]))
            share = round(factor * self.sizes[i] * 2**_NARROW_BITS / self.sizes[wall])
            pairs += [wall, sign * share] if share else []
        return pairs

    def branching_row(self, node: Any) -> int:
        """The free row whose chord is farthest above it; without chords, the nearest kink."""
        low, high = self.ends(node)
        free = (low < 0.0) & (high > 0.0)
        chords = free & (self.weights > 0.0)
        if not free.any():
            return -1
        length = float(np.linalg.norm(self.y))
        t = self.rows @ (self.y / length if length > 0.0 else self.y)
        if not chords.any():
            return int(np.argmax(np.where(free, -np.abs(t) / self.lengths, -np.inf)))
        t = np.clip(t, low, high)
        width = np.where(free, high - low, 1.0)
        chord = np.abs(low) + (high + low) / width * (t - low)
        above = self.weights * (chord - np.abs(t))
        worst = self.losses(low, high)
        return int(np.argmax(np.where(chords, (above + 0.01 * worst) * worst, -np.inf)))
