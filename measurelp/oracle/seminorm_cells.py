"""Suprema over cells whose weights cost what they make of the data: one NNLS a cell."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular
from scipy.optimize import nnls

from measurelp.errors import InvalidProblem
from measurelp.oracle.dual_function import ROUNDOFF
from measurelp.problem import MeasureProblem, RowSpace

MOST_BASES = 300_000
_NEAR = 1e-9

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SeminormCells:
    r"""Cells A with the seminorms :math:`f_A|(Xw)_A|_2`.

    On a closed cell K the dual function is :math:`\langle g, w\rangle` with :math:`g = \sum_{i\in A}\alpha_i x_i`, and for
    every :math:`\rho\ge0`

    .. math:: \langle g, w\rangle \le \langle v, w\rangle,\qquad v = g + \sum_i\rho_i s_i x_i .

    Directions that no active row sees cost nothing, so v would have to vanish along them, which
    rounding does not allow.  But (Xw)_A is also that of a vertex of
    :math:`\{w'\in K : X_Aw' = X_Aw\}`, where r independent rows are 0 or entries of it: of a
    weight with :math:`|w'|\le C\,|(Xw)_A|`, C the largest inverse of a least singular value among
    r independent rows.  So with :math:`R^\top R = X_A^\top X_A + \varepsilon^2 I` and :math:`p = R^{-\top}v`,

    .. math:: \langle g, w\rangle \le |p|\,\sqrt{1+\varepsilon^2C^2}\;|(Xw)_A|,

    for :math:`\varepsilon = 10^{-6}/C` tight to 5e-13, and all rounding is charged as a multiple of C.

    Attributes
    ----------
    rows : (n, r) array
        Data in row-space coordinates, off by at most ``errors`` (n,).
    active : (K, n) bool array
    factors : (K,) array
        f_A > 0.
    reach : float
        C.
    """

    rows: Matrix
    errors: Vector
    active: NDArray[np.bool_]
    factors: Vector
    reach: float

    @classmethod
    def of(
        cls, problem: MeasureProblem, space: RowSpace, active: NDArray[np.bool_], factors: Vector
    ) -> SeminormCells:
        """Those of a problem's data; numbers are read as decimals, as cells are."""
        rows = space.rows
        errors = space.residual + 16.0 * ROUNDOFF * np.linalg.norm(problem.lifted, axis=1)
        return cls(rows, errors, active, factors, _reach(problem.lifted, rows))

    def suprema(self, alpha: Vector, floor: float = 0.0) -> Vector:
        """Upper bounds (K, 2) of eta and of -eta at weights of cost 1; not sought below ``floor``."""
        bounds = np.zeros((len(self.active), 2))
        slack = 1.0 + 4.0 * (len(alpha) + 16.0) * ROUNDOFF  # that of the factors
        for k, active in enumerate(self.active):
            triangle, charge = self._triangle(active)
            walls = np.where(active, 1.0, -1.0)[:, None] * self.rows
            length = np.linalg.norm(walls, axis=1)
            used = length > 0.0
            walls, off = walls[used] / length[used, None], self.errors[used] / length[used]
            white = solve_triangular(triangle, walls.T, trans="T")
            weighted = (alpha * active)[:, None] * self.rows
            g = weighted.sum(axis=0)
            size = float(np.linalg.norm(weighted, axis=1).sum())
            lost = float(np.abs(alpha * active) @ self.errors)
            for side, sign in enumerate((1.0, -1.0)):
                rho = np.zeros(len(walls))
                best = math.inf
                for _ in range(2):
                    v = sign * g + walls.T @ rho
                    p = solve_triangular(triangle, v, trans="T")
                    rounding = (len(alpha) + 16.0) * 2.0 * ROUNDOFF * (size + float(rho.sum()))
                    rounding += lost + float(rho @ off)
                    bound = float(np.linalg.norm(p)) * charge + rounding * self.reach
                    best = min(best, bound / self.factors[k] * slack)
                    if best <= floor:
                        break
                    start = solve_triangular(triangle, -sign * g, trans="T")
                    try:
                        rho, _ = nnls(white, start)
                    except RuntimeError:  # no bound is wrong for want of it
                        break
                bounds[k, side] = best
        return bounds

    def _triangle(self, active: NDArray[np.bool_]) -> tuple[Matrix, float]:
        """R, and by what |p| is multiplied."""
        r = self.rows.shape[1]
        epsilon = 1e-6 / self.reach
        stacked = np.vstack([self.rows[active], epsilon * np.eye(r)])
        size = float(np.linalg.norm(stacked))
        error = 16.0 * (len(stacked) + r) * r * ROUNDOFF * size
        error += float(np.linalg.norm(self.errors[active]))
        triangle: Matrix = np.asarray(np.linalg.qr(stacked, mode="r"))
        return triangle, math.sqrt(1.0 + 1e-12) + error * self.reach


def _reach(data: Matrix, rows: Matrix) -> float:
    """The largest 1 / sigma_min among r independent rows; dependence is decided exactly."""
    r = rows.shape[1]
    used = np.flatnonzero(np.any(data != 0.0, axis=1))
    _, first = np.unique(data[used], axis=0, return_index=True)
    used = used[np.sort(first)]
    if math.comb(len(used), r) > MOST_BASES:
        raise InvalidProblem(
            f"X: {math.comb(len(used), r)} sets of {r} rows, all of which are gone through up to "
            f"{MOST_BASES}; use fewer points or features."
        )
    subsets = np.array(list(combinations(used.tolist(), r)), dtype=np.intp).reshape(-1, r)
    if not len(subsets):
        return 1.0
    singular = np.linalg.svd(rows[subsets], compute_uv=False)
    least, size = singular[:, -1], float(np.linalg.norm(rows, axis=1).max())
    near = np.flatnonzero(least <= _NEAR * size)
    dependent = [int(j) for j in near if _rank(data[subsets[j]]) < r]
    least = np.delete(least, dependent)
    if not len(least):
        return 1.0
    lowest = float(least.min()) - 64.0 * r * ROUNDOFF * size
    if lowest <= 0.0:
        rows_here = [int(i) for i in np.delete(subsets, dependent, axis=0)[int(least.argmin())]]
        raise InvalidProblem(
            f"X: rows {rows_here} are independent, but by less than rounding can tell, so nothing can be "
            "proved here; round or merge nearly equal rows."
        )
    return 1.0 / lowest


def _rank(vectors: Matrix) -> int:
    """The rank of a few vectors, their numbers read as decimals."""
    rows = [[Fraction(repr(float(v))) for v in row] for row in vectors]
    rank = 0
    for column in range(vectors.shape[1]):
        pivot = next((j for j in range(rank, len(rows)) if rows[j][column] != 0), None)
        if pivot is None:
            continue
        rows[rank], rows[pivot] = rows[pivot], rows[rank]
        top = rows[rank]
        for j in range(rank + 1, len(rows)):
            factor = rows[j][column] / top[column]
            rows[j] = [a - factor * b for a, b in zip(rows[j], top, strict=True)]
        rank += 1
    return rank
