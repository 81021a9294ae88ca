"""Covers of weight space by cones: proposed in floating point, recorded once they are exact.

The trees are :class:`measurelp.check_proof.Cones`, whose own steps are taken here, so what is
recorded passes there.  Floating point decides only what is tried: which edge is split and which
vector closes a cone.  Everything is in units of the limit.
"""

from __future__ import annotations

import itertools
import math
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from measurelp.check_proof import Cones, Rejected, dot
from measurelp.errors import BudgetExceeded
from measurelp.oracle._kernels import ABOVE, min_norm_point
from measurelp.proof.records import Array, Records

_ENOUGH = 0.97  # of the limit: shorter vectors are not sought
_MANY = 400  # concave lines that cut a cone; with more, it is split without a try
_DEEPEST = 200  # splits; the checker allows more
_SPLIT_PARTS = 16  # an edge is split at a fraction of at most about so many parts
_NEARLY = 1e-9  # thetas as near as that to 0 and 1 are 0 and 1
_FINER = (1, 64, 4096)  # denominators that are tried, in units of the least that may do


def record_cones(tree: Cones, records: Records) -> None:
    """Append the records of trees over all of weight space, in preorder; see :class:`Records`."""
    sizes = [max(map(abs, row)) for _, row in tree.lines]
    p = len(tree.linear)
    rows = np.array(
        [[c / size for c in row] for (_, row), size in zip(tree.lines, sizes, strict=True)]
    ).reshape(-1, p)
    weights = np.array(
        [a * size / tree.limit for (a, _), size in zip(tree.lines, sizes, strict=True)]
    )
    stack = [(root, np.zeros(p), 0) for root in tree.roots()]
    while stack:
        cone, guess, depth = stack.pop()
        node = _Node(tree, cone, rows, weights)
        record = node.closing(guess)
        if record is None:
            if depth >= _DEEPEST or not (len(node.index) and node.is_regular):
                raise BudgetExceeded(
                    "the exact proof does not close: the dual function exceeds its limit or "
                    "comes too near it; ask for a larger gap."
                )
            record = node.split(guess, depth)
        records.append(record)
        stack += [(child, guess.copy(), depth + 1) for child in tree.step(cone, *record)]


class _Node:
    """One cone in floating point, with generators of absolute sum 1."""

    def __init__(self, tree: Cones, cone: Any, rows: Array, weights: Array) -> None:
        self.tree, self.cone = tree, cone
        generators, linear, cut = cone
        self.sums = [sum(map(abs, r)) for r in generators]
        pairs = list(zip(generators, self.sums, strict=True))
        self.r = np.array([[c / size for c in r] for r, size in pairs])
        self.linear = np.array([dot(linear, r) / (size * tree.limit) for r, size in pairs])
        self.index = np.array(cut, dtype=np.intp)
        self.rows, self.weights = rows[self.index], weights[self.index]
        self.v = self.rows @ self.r.T
        try:
            self.normals = np.linalg.inv(self.r)  # columns n_k with <r_j, n_k> = delta_jk
        except np.linalg.LinAlgError:
            self.normals = np.full_like(self.r, np.nan)
        self.is_regular = bool(np.isfinite(self.normals).all())

    def closing(self, guess: Array) -> list[int] | None:
        """A closing record, or None; ``guess`` receives a direction in which F is large."""
        p = len(self.sums)
        convex = self.weights > 0.0
        concave = np.flatnonzero(~convex)
        if len(concave) > _MANY or not self.is_regular:
            return None
        # A concave line is below the slope 2 theta - 1, 0 <= theta <= 1.
        base = self.linear + self.weights[convex] @ np.abs(self.v[convex])
        base = base - self.weights[concave] @ self.v[concave]
        q = -2.0 * self.weights[concave, None] * self.rows[concave]
        rays = np.ascontiguousarray(
            self.normals.T / np.linalg.norm(self.normals.T, axis=1)[:, None]
        )
        y, theta = np.empty(p), np.empty(len(concave))
        status, _, _ = min_norm_point(
            self.normals @ base, np.zeros(len(concave)), rays, p, q, -np.eye(len(concave)),
            len(concave), guess, _ENOUGH, 1.0, y, theta,
        )  # fmt: skip
        length = float(np.linalg.norm(y))
        if length > 0.0:
            guess[:] = y / length
        if status == ABOVE or not length < 1.0:
            return None
        theta[theta < _NEARLY] = 0.0
        theta[theta > 1.0 - _NEARLY] = 1.0
        # Slopes that need not be listed often do as well.
        for choice in (self.rows[concave] @ y > 0.0, theta):
            slopes = 2.0 * np.asarray(choice, dtype=np.float64) - 1.0
            h = base + (self.weights[concave] * (slopes + 1.0)) @ self.v[concave]
            record = self._rounded(y, h, concave, slopes)
            if record is not None:
                return record
        return None

    def _rounded(
        self, y: Array, h: Array, concave: NDArray[np.intp], slopes: Array
    ) -> list[int] | None:
        """The shortest record near y that passes the exact test, or None."""
        norms = np.linalg.norm(self.r, axis=1)
        inward = self.normals @ norms
        inward /= np.linalg.norm(inward)
        along = self.r @ inward
        if not (along > 0.0).all():
            return None
        y = y + max(0.0, float(np.max((h - self.r @ y) / along))) * inward
        room = 1.0 - float(y @ y)
        if not room > 0.0:
            return None
        middle = float(y @ inward)
        # Half way from y along ``inward`` to the sphere: |y + s inward| = 1.
        step = 0.5 * room / (math.hypot(middle, math.sqrt(room)) + middle)
        y = y + step * inward
        margin = min(step * float(np.min(along / norms)), 1.0 - float(np.linalg.norm(y)))
        if not margin > 0.0:
            return None
        least = 2 ** max(0, math.ceil(math.log2(math.sqrt(len(y)) / (1.8 * margin))))
        for unit in (finer * least for finer in _FINER):
            short = [round(c * unit) for c in y.tolist()]
            record = [1, unit, *short]
            for index, slope in zip(self.index[concave].tolist(), slopes.tolist(), strict=True):
                default = unit if dot(self.tree.lines[index][1], short) > 0 else -unit
                if round(slope * unit) != default:
                    record += [index, round(slope * unit)]
            try:
                self.tree.step(self.cone, *record)
            except Rejected:
                continue
            return record
        return None

    def split(self, guess: Array, depth: int) -> list[int]:
        """The edge along which chords lose most, and the point where most of them cross it."""
        p = len(self.sums)
        convex = self.weights > 0.0
        used = convex if convex.any() else ~convex
        v, size = self.v[used], np.abs(self.weights[used])
        t = np.maximum(self.normals.T @ guess, 0.0)
        if not t.any():
            t = np.ones(p)
        t = t + 0.02 * t.sum()
        edges = list(itertools.combinations(range(p), 2))
        lengths = {(i, j): float(((self.r[i] - self.r[j]) ** 2).sum()) for i, j in edges}
        longest = max(lengths, key=lambda edge: lengths[edge])
        best, score = longest, 0.0
        losses: Array = np.zeros(0)
        if not (depth > 40 and depth % 3 == 0):
            for i, j in edges:
                if lengths[i, j] < 0.09 * lengths[longest]:
                    continue
                loss = _chord_losses(v[:, i], v[:, j], size)
                total = float(loss.sum()) * min(t[i], t[j])
                if total > score:
                    best, score, losses = (i, j), total, loss
        i, j = best
        share = 0.5
        if score > 0.0 and 0 < np.count_nonzero(losses) <= 32:
            cut = np.flatnonzero(losses)
            crossings = np.abs(v[cut, j]) / (np.abs(v[cut, i]) + np.abs(v[cut, j]))
            order = np.argsort(crossings)
            running = np.cumsum(losses[cut][order])
            share = float(crossings[order][np.searchsorted(running, 0.5 * running[-1])])
            share = min(max(share, 0.2), 0.8)
        ratio = Fraction(share) * self.sums[j] / ((1 - Fraction(share)) * self.sums[i])
        return [0, i, j, *_small_ratio(ratio)]


def _chord_losses(a: Array, b: Array, size: Array) -> Array:
    """How far the chords of lines with values a and b at two ends lie above them, at most."""
    total = np.abs(a) + np.abs(b)
    cut = a * b < 0.0
    return np.where(cut, size * np.abs(a * b) / np.where(total > 0.0, total, 1.0), 0.0)


def _small_ratio(ratio: Fraction) -> tuple[int, int]:
    """Integers with few bits, but for trailing zeros, about in this ratio."""
    shift = ratio.denominator.bit_length() - ratio.numerator.bit_length()
    near = (ratio * Fraction(2) ** shift).limit_denominator(_SPLIT_PARTS)
    return near.numerator << max(0, -shift), near.denominator << max(0, shift)
