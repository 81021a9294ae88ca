"""Covers of weight space by cones: proposed in floating point, recorded once they are exact.

The tree is that of :mod:`measurelp.check_proof`, whose own cones and tests are used here, so
what is recorded passes there.  Floating point decides only what is tried: which edge is split
and which vector closes a problem.  Everything is in units of the limit on eta.
"""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from measurelp.check_proof import (
    SPLIT,
    THETA,
    Ball,
    Cone,
    Part,
    Rejected,
    close,
    divided,
    orthants,
)
from measurelp.errors import BudgetExceeded
from measurelp.oracle._kernels import ABOVE, min_norm_point

Record = list[int]
Array = NDArray[np.float64]

_ENOUGH = 0.97  # of the limit: shorter vectors are not sought
_MANY = 400  # concave lines that cut a cone; with more, it is split without a try
_DEEPEST = 200  # splits; the checker allows more
_SPLIT_PARTS = 16  # an edge is split at a fraction of at most about so many parts
_NEARLY = 1e-9  # thetas as near as that to 0 and 1 are 0 and 1


def record_cover(part: Part, ball: Ball, unit: Fraction, *, most: int) -> list[Record]:
    """The records of one cover, in preorder.

    Parameters
    ----------
    part : Part
        The function to bound.
    ball : Ball
        Where the closing vectors must lie, and ``unit`` its radius as the norm of y.
    most : int
        Records to write at most.

    Raises
    ------
    BudgetExceeded
        If more are needed, or a cone cannot be closed.
    """
    sizes = [max(map(abs, row)) for _, row in part.lines]
    p = len(part.linear)
    rows = np.array(
        [[c / size for c in row] for (_, row), size in zip(part.lines, sizes, strict=True)]
    ).reshape(-1, p)
    weights = np.array(
        [
            weight * size * unit.denominator / unit.numerator
            for (weight, _), size in zip(part.lines, sizes, strict=True)
        ]
    )
    records: list[Record] = []
    for orthant in orthants(part):
        stack = [(orthant, np.zeros((4, p)))]
        while stack:
            cone, guesses = stack.pop()
            node = _Node(part, ball, unit, cone, rows, weights)
            worst, level = -1, -1.0
            for problem in sorted(cone.open):
                record, length = node.closed(problem, guesses[problem])
                if record is not None:
                    records.append(record)
                    cone = cone._replace(open=cone.open - {problem})
                elif length > level:
                    worst, level = problem, length
            if not cone.open:
                continue
            if len(records) >= most:
                raise BudgetExceeded(
                    f"the exact proof needs more than {most} records; allow more of them or a "
                    "larger gap."
                )
            if cone.depth >= _DEEPEST or not (cone.cut and node.is_regular):
                raise BudgetExceeded(
                    "the exact proof does not close: the dual function exceeds its limit or comes "
                    "too near it; ask for a larger gap."
                )
            i, j, a, b, shift = node.split(worst, guesses[worst])
            records.append([SPLIT, i, j, a, b, shift])
            first, second = divided(cone, i, j, a, b, shift)
            stack += [(second, guesses.copy()), (first, guesses)]
    return records


class _Node:
    """One cone in floating point, with generators of absolute sum 1."""

    def __init__(
        self, part: Part, ball: Ball, unit: Fraction, cone: Cone, rows: Array, weights: Array
    ) -> None:
        self.part, self.ball, self.unit, self.cone = part, ball, unit, cone
        self.sums = [sum(map(abs, r)) for r in cone.generators]
        self.r = np.array(
            [[c / size for c in r] for r, size in zip(cone.generators, self.sums, strict=True)]
        )
        self.index = np.array([index for _, index, _ in cone.cut], dtype=np.intp)
        self.rows = rows[self.index]
        self.weights = weights[self.index]
        self.v = self.rows @ self.r.T
        self.values = np.array(
            [_ratio(v, s, unit) for v, s in zip(cone.values, self.sums, strict=True)]
        )
        self.k = np.array(
            [
                _ratio(sum(map(int.__mul__, part.k, r)), s, unit)
                for r, s in zip(cone.generators, self.sums, strict=True)
            ]
        )
        try:
            self.normals = np.linalg.inv(self.r)  # columns n_k with <r_j, n_k> = delta_jk
        except np.linalg.LinAlgError:
            self.normals = np.full_like(self.r, np.nan)
        self.is_regular = bool(np.isfinite(self.normals).all())
        self.rays = np.ascontiguousarray(
            self.normals.T / np.linalg.norm(self.normals.T, axis=1)[:, None]
        )

    def closed(self, problem: int, guess: Array) -> tuple[Record | None, float]:
        """A closing record, or None and a length that says how far it is from closing.

        ``guess`` receives a direction in which the problem is large.
        """
        p = len(self.sums)
        sign = 1.0 if problem < 2 else -1.0
        factor = sign * self.weights
        convex = factor > 0.0
        concave = np.flatnonzero(~convex)
        if len(concave) > _MANY or not self.is_regular:
            return None, math.inf
        base = sign * (self.values - (self.k if problem % 2 else 0.0))
        base = base + factor[convex] @ np.maximum(self.v[convex], 0.0)
        q = -factor[concave, None] * self.rows[concave]
        y, theta = np.empty(p), np.empty(len(concave))
        status, _, _ = min_norm_point(
            self.normals @ base, np.zeros(len(concave)), self.rays, p, q, -np.eye(len(concave)),
            len(concave), guess, _ENOUGH, 1.0, y, theta,
        )  # fmt: skip
        length = float(np.linalg.norm(y))
        if length > 0.0:
            guess[:] = y / length
        if status == ABOVE or not length < 1.0:
            return None, length
        theta[theta < _NEARLY] = 0.0
        theta[theta > 1.0 - _NEARLY] = 1.0
        # Thetas that need not be listed often do as well.
        for choice in (self.rows[concave] @ y > 0.0, theta):
            thetas = np.round(choice * THETA)
            h = base + (factor[concave] * thetas / THETA) @ self.v[concave]
            record = self._rounded(problem, y, h, concave, thetas)
            if record is not None:
                return record, length
        return None, length

    def _rounded(
        self, problem: int, y: Array, h: Array, concave: NDArray[np.intp], thetas: Array
    ) -> Record | None:
        """The shortest record near y that passes the exact test, or None."""
        p = len(y)
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
        grain = 1.8 * margin / math.sqrt(p)
        for finer in (1.0, 2.0**-6):
            exact = self.unit * Fraction(grain * finer)
            shift = max(0, (exact.numerator // exact.denominator).bit_length() - 1)
            short = [round(Fraction(c) * self.unit / 2**shift) for c in y.tolist()]
            record = [problem, shift, *short]
            for index, t in zip(self.index[concave].tolist(), thetas.tolist(), strict=True):
                positive = sum(map(int.__mul__, self.part.lines[index][1], short)) > 0
                if t != (THETA if positive else 0):
                    record += [index, int(t)]
            try:
                close(self.part, self.ball, self.cone, tuple(record))
            except Rejected:
                continue
            return record
        return None

    def split(self, problem: int, guess: Array) -> tuple[int, int, int, int, int]:
        """The edge along which chords lose most, and the point where most of them cross it."""
        p = len(self.sums)
        sign = 1.0 if problem < 2 else -1.0
        factor = sign * self.weights
        used = factor > 0.0 if (factor > 0.0).any() else np.ones(len(factor), dtype=bool)
        v, size = self.v[used], np.abs(factor[used])
        t = np.maximum(self.normals.T @ guess, 0.0)
        if not t.any():
            t = np.ones(p)
        t = t + 0.02 * t.sum()
        edges = list(itertools.combinations(range(p), 2))
        lengths = {(i, j): float(((self.r[i] - self.r[j]) ** 2).sum()) for i, j in edges}
        longest = max(lengths, key=lambda edge: lengths[edge])
        best, score = longest, 0.0
        losses: Array = np.zeros(0)
        if not (self.cone.depth > 40 and self.cone.depth % 3 == 0):
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
        return i, j, *_small_ratio(ratio)


def _ratio(value: int, size: int, unit: Fraction) -> float:
    return value * unit.denominator / (unit.numerator * size)


def _chord_losses(a: Array, b: Array, size: Array) -> Array:
    """How far the chords of lines with values a and b at two ends lie above them, at most."""
    total = np.abs(a) + np.abs(b)
    cut = a * b < 0.0
    return np.where(cut, size * np.abs(a * b) / np.where(total > 0.0, total, 1.0), 0.0)


def _small_ratio(ratio: Fraction) -> tuple[int, int, int]:
    """Integers a, b, shift, few bits each, with a : b 2^shift about ``ratio``."""
    shift = ratio.denominator.bit_length() - ratio.numerator.bit_length()
    near = (ratio * Fraction(2) ** shift).limit_denominator(_SPLIT_PARTS)
    return near.numerator, near.denominator, shift
