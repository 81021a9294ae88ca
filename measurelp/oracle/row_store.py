"""The rows of one slice as both branch and bounds store them."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from measurelp.oracle.dual_function import ROUNDOFF, Slice

_NEGLIGIBLE = 2.0**-450  # rows this short against the longest are charged, not treated


class PlainRows:
    """The rows as they are."""

    def __init__(self, part: Slice) -> None:
        self.rows, self.alpha = part.rows, part.alpha

    def scaled(self, value: float) -> float:
        """A value in the units of these rows."""
        return value

    def unscaled(self, values: Any) -> Any:
        """Values in the problem's units."""
        return values

    def restored(self, upper: float) -> float:
        """A bound in the problem's units."""
        return upper


class RowStore(PlainRows):
    r"""Rows :math:`|\alpha_i| x_i` in units of a power of two, those with positive alpha first.

    With a_l these rounded products, :math:`\eta(w) = \sum_{l<n_+}\langle a_l,w\rangle_+ -
    \sum_{l\ge n_+}\langle a_l,w\rangle_+` up to what ``restored`` charges.

    Attributes
    ----------
    rows : (n, r) array
        Entries of at most 1; ``alpha`` are the coefficients that went into them.
    n_plus : int
        How many of them count positively.
    exponent : int
        Values in the problem's units are those of these rows times 2^exponent.
    """

    def __init__(self, part: Slice) -> None:
        super().__init__(part)
        n, r = part.rows.shape
        row_exponent = _exponent(part.rows)
        alpha_exponent = _exponent(part.alpha)
        alpha = np.ldexp(np.abs(part.alpha), -alpha_exponent)
        rows = alpha[:, None] * np.ldexp(part.rows, -row_exponent)
        exponent = _exponent(rows)
        rows = np.ldexp(rows, -exponent)
        # Entries that fell below the smallest number, and rows that are left out.
        lost = n * r * math.ldexp(1.0, -1070 - max(exponent, -1060))
        largest = np.abs(rows).max(axis=1, initial=0.0)
        # Rounded products are off by u of them, in all by u times the sum of norms; four times that.
        norms = math.sqrt(r) * float(largest.sum()) * (1.0 + 4.0 * (n + 4) * ROUNDOFF)
        self._lost = lost + n * r * _NEGLIGIBLE + 4.0 * ROUNDOFF * norms
        self.exponent = row_exponent + alpha_exponent + exponent
        used = np.flatnonzero(largest > _NEGLIGIBLE)
        positive = part.alpha[used] > 0.0
        order = np.concatenate([used[positive], used[~positive]])
        self.rows, self.alpha = np.ascontiguousarray(rows[order]), part.alpha[order]
        self.n_plus = int(np.count_nonzero(positive))

    @cached_property
    def columns(self) -> NDArray[np.float64]:
        """The rows transposed, (r, n)."""
        return np.ascontiguousarray(self.rows.T)

    @cached_property
    def signs(self) -> NDArray[np.float64]:
        """+1 or -1 for each row (n,)."""
        return np.where(np.arange(len(self.rows)) < self.n_plus, 1.0, -1.0)

    @cached_property
    def sizes(self) -> NDArray[np.float64]:
        """The rows' norms (n,), rounded up."""
        r = self.rows.shape[1]
        return np.linalg.norm(self.rows, axis=1) * (1.0 + 4.0 * (r + 4) * ROUNDOFF)

    @cached_property
    def reach(self) -> float:
        """The sum of the sizes, rounded up: a bound of everything."""
        return float(self.sizes.sum()) * (1.0 + 4.0 * (len(self.rows) + 4) * ROUNDOFF)

    @cached_property
    def rays(self) -> NDArray[np.float64]:
        """The rows times powers of two, of lengths between a half and 1."""
        return np.ldexp(self.rows, -np.frexp(self.sizes)[1].astype(np.int64)[:, None])

    def scaled(self, value: float) -> float:
        """A value in the units of these rows."""
        return float(np.ldexp(value, -self.exponent))

    def unscaled(self, values: Any) -> Any:
        """Values in the problem's units."""
        return np.ldexp(values, self.exponent)

    def restored(self, upper: float) -> float:
        """A bound in the problem's units, with what was left out and the rounding of rows."""
        if len(self.rows) == 0 and self._lost == 0.0 and upper == 0.0:
            return 0.0
        return float(np.nextafter(np.ldexp(upper + self._lost, self.exponent), np.inf))


def _exponent(values: NDArray[np.float64]) -> int:
    """The exponent of the power of two just above the largest entry; 0 without one."""
    return int(np.frexp(np.abs(values).max(initial=0.0))[1])
