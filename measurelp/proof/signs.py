"""Covers of weight space by the signs of rows: for many coordinates and few rows.

The tree is that of :mod:`measurelp.check_proof`: a lemma F(w) <= constant + <y, w> narrows the
cap in which F can exceed the limit, and with it the bounds of all rows; where that closes
nothing, the sign of a convex row is branched on.  Floating point proposes, in units of the
limit; the checker's own functions decide.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from measurelp.check_proof import FINE, SPLIT, Ends, Signs, halves, lemma, tightened
from measurelp.errors import BudgetExceeded
from measurelp.oracle._kernels import min_norm_point

Record = list[int]
Array = NDArray[np.float64]

_TURNS = 12  # lemmas of one node
_GAIN = 0.95  # as long as the chords' loss shrinks by this factor


def record_signs(problem: Signs, root: Ends, *, most: int) -> list[Record]:
    """The records of one tree, in preorder.

    Raises
    ------
    BudgetExceeded
        If more than ``most`` are needed, or a node cannot be closed.
    """
    search = _Search(problem)
    records: list[Record] = []
    stack = [root]
    while stack:
        node: Ends | None = stack.pop()
        index, loss, turn = -1, math.inf, 0
        while node is not None:
            if len(records) >= most:
                raise BudgetExceeded(
                    f"the exact proof needs more than {most} records; allow more of them or a "
                    "larger gap."
                )
            record, new_loss = search.proposal(node)
            if index >= 0 and (turn >= _TURNS or new_loss > _GAIN * loss):
                records.append([SPLIT, index])
                stack += reversed(halves(node, index))
                break
            loss, turn = new_loss, turn + 1
            records.append(record)
            node = tightened(problem, node, *lemma(problem, node, tuple(record)))
            index = -1 if node is None else search.branching_row(node)
            if node is not None and index < 0 and turn > 2 * _TURNS:
                raise BudgetExceeded(
                    "the exact proof does not close: the dual function exceeds its limit or comes "
                    "too near it; ask for a larger gap."
                )
    return records


class _Search:
    """One function in floating point: rows scaled to largest entry 1, the limit to 1."""

    def __init__(self, problem: Signs) -> None:
        limit = problem.limit
        self.problem = problem
        self.sizes = [max(map(abs, row)) for _, row, _ in problem.rows]
        self.rows = np.array(
            [
                [c / size for c in row]
                for (_, row, _), size in zip(problem.rows, self.sizes, strict=True)
            ]
        ).reshape(-1, len(problem.linear))
        self.weights = np.array(
            [
                weight * size * FINE / limit
                for (weight, _, _), size in zip(problem.rows, self.sizes, strict=True)
            ]
        )
        self.linear = np.array([c / limit for c in problem.linear])
        self.lengths = np.linalg.norm(self.rows, axis=1)
        self.size_bits = math.frexp(
            float(np.max(np.abs(self.weights) * self.lengths, initial=1.0))
        )[1]
        self.y = self.linear

    def ends(self, node: Ends) -> tuple[Array, Array]:
        low = np.array([t / size for t, size in zip(node.low, self.sizes, strict=True)])
        high = np.array([t / size for t, size in zip(node.high, self.sizes, strict=True)])
        return low, high

    def proposal(self, node: Ends) -> tuple[Record, float]:
        """A lemma's record, and how much the chords lose."""
        low, high = self.ends(node)
        on, off = low >= 0.0, high <= 0.0
        free = ~(on | off)
        convex = self.weights > 0.0
        chord = free & convex
        slope = np.where(on & ~off, 1.0, 0.0)
        slope[chord] = high[chord] / (high[chord] - low[chord])
        loss = float(-(self.weights[chord] * slope[chord]) @ low[chord])
        base = self.linear + (self.weights * slope) @ self.rows
        curved = np.flatnonzero(free & ~convex)
        q = -self.weights[curved, None] * self.rows[curved]
        fixed = np.flatnonzero(on != off)
        rays = np.where(on[fixed], 1.0, -1.0)[:, None] * self.rows[fixed]
        rays /= self.lengths[fixed, None]
        y, theta = np.empty(len(base)), np.empty(len(curved))
        min_norm_point(
            base, np.zeros(len(curved)), rays, len(rays), q, -np.eye(len(curved)), len(curved),
            self.y, 0.98 * (1.0 - loss), np.inf, y, theta,
        )  # fmt: skip
        rho = np.zeros(len(rays))
        start = base - theta @ q
        if len(rays):
            # The best multipliers of walls for these thetas, which the solver does not tell.
            rho = nnls(rays.T, -start)[0]
        self.y = y = start + rho @ rays
        # Few bits far from the limit, where a lemma need not be sharp.
        distance = abs(loss + float(np.linalg.norm(y)) - 1.0)
        bits = min(30, max(8, 6 - math.frexp(distance)[1] + self.size_bits))
        record = [0, 0, 30 - bits, 0]
        used = np.flatnonzero(rho > 1e-12)
        if len(used):
            walls = fixed[used].tolist()
            units = [self.problem.limit // self.sizes[index] for index in walls]
            shift = max(0, min(unit.bit_length() for unit in units) - bits)
            record[1], record[3] = shift, len(used)
            for index, unit, multiplier in zip(walls, units, rho[used].tolist(), strict=True):
                factor = Fraction(multiplier / float(self.lengths[index]))
                record += [index, round(factor * unit / 2**shift)]
        for index, t in zip(curved.tolist(), np.round(theta * 2.0**bits).tolist(), strict=True):
            row = self.problem.rows[index][1]
            default = 2**bits if sum(map(int.__mul__, row, node.y)) > 0 else 0
            if t != default:
                record += [index, int(t)]
        return record, loss

    def branching_row(self, node: Ends) -> int:
        """The free row whose chord is farthest above it; without chords, the nearest kink."""
        low, high = self.ends(node)
        free = (low < 0.0) & (high > 0.0)
        chords = free & (self.weights > 0.0)
        if not free.any():
            return -1
        length = float(np.linalg.norm(self.y))
        t = self.rows @ (self.y / length if length > 0.0 else self.y)
        if not chords.any():
            score = np.where(free, -np.abs(t) / self.lengths, -np.inf)
            return int(np.argmax(score))
        t = np.clip(t, low, high)
        width = np.where(free, high - low, 1.0)
        worst = -self.weights * low * high / width
        above = self.weights * (high * (t - low) / width - np.maximum(t, 0.0))
        score = np.where(chords, (above + 0.01 * worst) * worst, -np.inf)
        return int(np.argmax(score))
