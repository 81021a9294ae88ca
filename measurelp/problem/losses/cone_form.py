"""A loss in the words of cone programs."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Index = NDArray[np.intp]
Triplets = tuple[Index, Index, Vector]


def _nothing() -> Triplets:
    return np.zeros(0, np.intp), np.zeros(0, np.intp), np.zeros(0)


@dataclass(frozen=True, eq=False)
class ConeRows:
    r"""Rows :math:`F z + G a + s = h` with s in one kind of cone.

    Attributes
    ----------
    rhs : (m,) array
        h.
    fit : triplets (row, sample, value)
        F, whose columns are the entries of the fit.
    auxiliary : triplets (row, variable, value)
        G.
    """

    rhs: Vector = field(default_factory=lambda: np.zeros(0))
    fit: Triplets = field(default_factory=_nothing)
    auxiliary: Triplets = field(default_factory=_nothing)

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.rhs)


@dataclass(frozen=True, eq=False)
class ConeForm:
    r"""A loss :math:`L(z) = \min_a \tfrac12 a^\top\mathrm{diag}(p)\,a + \langle q, a\rangle` under cone rows.

    Attributes
    ----------
    quadratic, linear : (N,) arrays
        p >= 0 and q, one entry an auxiliary variable.
    zero, nonneg : ConeRows
        Equalities (s = 0) and inequalities (s >= 0).
    exponential : ConeRows
        Rows in threes, :math:`s \in \{(u, v, w) : v e^{u/v} \le w, v > 0\}` and its closure.
    fit_linear : (n,) array or None
        A linear cost of the fit itself.
    scale : float
        The size of fits that matter, for the scaling of programs.
    """

    quadratic: Vector
    linear: Vector
    zero: ConeRows = field(default_factory=ConeRows)
    nonneg: ConeRows = field(default_factory=ConeRows)
    exponential: ConeRows = field(default_factory=ConeRows)
    fit_linear: Vector | None = None
    scale: float = 1.0


def diagonal(
    n: int, value: float | Vector, *, row: int = 0, column: int = 0, step: int = 1
) -> Triplets:
    """Entries (row + step i, column + i, value_i) for i < n."""
    index = np.arange(n)
    return row + step * index, column + index, np.broadcast_to(np.float64(value), (n,)).copy()


def together(*parts: Triplets) -> Triplets:
    """One list of triplets."""
    rows, columns, values = zip(*parts, strict=True)
    return np.concatenate(rows), np.concatenate(columns), np.concatenate(values)


def residual_parts(y: Vector, *, smooth: Vector | None, above: Vector, below: Vector) -> ConeForm:
    r"""The loss :math:`\min \tfrac12 p r^2 + a\,u + b\,v` over z - r - u + v = y, u, v >= 0.

    ``smooth`` is p (None leaves r out), ``above`` and ``below`` are the costs a and b of a fit
    above and below its target; all (n,).
    """
    n = len(y)
    first = 0 if smooth is None else n
    parts = [diagonal(n, -1.0, column=first), diagonal(n, 1.0, column=first + n)]
    if smooth is not None:
        parts.append(diagonal(n, -1.0))
    quadratic = np.zeros(first + 2 * n)
    if smooth is not None:
        quadratic[:n] = smooth
    return ConeForm(
        quadratic=quadratic,
        linear=np.concatenate([np.zeros(first), above, below]),
        zero=ConeRows(y, diagonal(n, 1.0), together(*parts)),
        nonneg=ConeRows(np.zeros(2 * n), auxiliary=diagonal(2 * n, -1.0, column=first)),
        scale=float(np.abs(y).max(initial=0.0)) or 1.0,
    )
