r"""Peaks of the dual function, each with a proof of what it looks like around it.

A *peak* is the highest point of :math:`s\,\eta` on a face F, the weights on all rows that pass
through it (its *walls*).  Let C be the cone of weights on which every other row keeps the sign
that it has at the peak.  There, with g the sum of :math:`\alpha_i x_i` over the active rows,

.. math:: s\,\eta(f + v) = \langle s g, f\rangle + h(v),\qquad
          h(v) = s\langle g, v\rangle + s\sum_{i\in\text{walls}}\alpha_i\langle x_i, v\rangle_+

for f in F and v in a complement of F whose penalised part is orthogonal to that of F.  h is
linear on every cone of the walls' arrangement, so if it is at most -m at all unit rays of that
arrangement, then :math:`h(v)\le -m|v|`, and for m > 0 the peak is the *only* point of C at
which :math:`s\,\eta` can be as large as it is there.  This is strict complementarity with its
margin; without walls it always holds, because the ball is strictly convex.  A ray along which no
active row changes and no wall becomes active has h = 0 whatever alpha is; where nothing but the
norm changes, strict convexity of the ball again suffices, so with all coordinates penalised such
rays do no harm.  That they are exactly so is decided in rational arithmetic.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from operator import mul

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

WALL_TOLERANCE = 1e-8
_SAME_LINE = 1e-9
_MOST_RAYS = 20_000
_CORRECTIONS = 6


@dataclass(frozen=True, eq=False)
class Landscape:
    r"""The dual function as this module sees it: distinct rows with their coefficients.

    Attributes
    ----------
    rows : (m, r) array
        Distinct rows other than zero, in coordinates of the row space.
    originals : (m, d') array
        A row of the problem's data for each.
    alpha : (m,) array
        Zeros included: a dual vector nearby may be different there.
    n_penalized : int
    """

    rows: Matrix
    originals: Matrix
    alpha: Vector
    n_penalized: int

    @property
    def magnitude(self) -> float:
        r""":math:`\sum_i|\alpha_i||x_i|`, the scale of rounding."""
        return float(np.abs(self.alpha) @ np.linalg.norm(self.rows, axis=1))

    def values(self, points: Matrix) -> Vector:
        """Eta at points (k, r)."""
        return np.asarray(self.alpha @ np.maximum(self.rows @ points.T, 0.0))


@dataclass(frozen=True, eq=False)
class Peak:
    r"""The highest point of s eta on a face.

    Attributes
    ----------
    point : (r,) array
        Of unit norm.
    sign : float
    height : float
        s eta at the point.
    walls, active : (m,) bool arrays
    face : (r, f) array
        A basis whose penalised part is orthonormal.
    margin : float
        m above, minus rounding; inf without walls, negative where the peak is none, nan where
        the walls are degenerate in a way that floating point does not decide.
    """

    point: Vector
    sign: float
    height: float
    walls: NDArray[np.bool_]
    active: NDArray[np.bool_]
    face: Matrix
    margin: float


def peak_near(
    landscape: Landscape, point: Vector, *, tolerance: float = WALL_TOLERANCE
) -> Peak | None:
    """The peak on the face that a point lies on up to ``tolerance``, or None if it has none."""
    rows, alpha, p = landscape.rows, landscape.alpha, landscape.n_penalized
    size = np.linalg.norm(rows, axis=1)
    sign = math.copysign(1.0, float(landscape.values(point[None, :])[0]))
    walls = np.zeros(len(rows), dtype=bool)
    for _ in range(_CORRECTIONS):
        inner = rows @ point
        walls = walls | (np.abs(inner) <= tolerance * size * float(np.linalg.norm(point)))
        active = (inner > 0.0) & ~walls
        face = face_of_walls(rows[walls], p)
        if face is None:
            return None
        gradient = sign * (alpha[active] @ rows[active])
        along = face.T @ gradient
        height = float(np.linalg.norm(along))
        if height == 0.0:
            return None
        found = face @ (along / height)
        moved = rows @ found
        crossed = ~walls & ((moved > 0.0) != active)
        if not crossed.any():
            near = ~walls & (np.abs(moved) <= tolerance * size * float(np.linalg.norm(found)))
            if not near.any():
                margin = _margin(landscape, sign, gradient, walls, active, face)
                return Peak(found, sign, height, walls, active, face, margin)
            walls = walls | near
        else:
            walls = walls | crossed
        point = found
    return None


def face_of_walls(walls: Matrix, n_penalized: int) -> Matrix | None:
    """Basis of the weights on all walls, None if there are none of penalised norm > 0.

    With a free bias and no wall the dual function is flat along the bias: None as well.
    """
    r = walls.shape[1]
    if len(walls) == 0:
        return np.eye(r) if n_penalized == r else None
    unit = walls / np.linalg.norm(walls, axis=1)[:, None]
    _, singular, right = np.linalg.svd(unit, full_matrices=True)
    face = right[int(np.sum(singular > _SAME_LINE * singular[0])) :].T
    if face.shape[1] == 0:
        return None
    if n_penalized == r:
        return np.ascontiguousarray(face)
    _, triangle = np.linalg.qr(face[:n_penalized])
    if np.abs(np.diagonal(triangle)).min() < 1e-9:
        return None
    return np.asarray(np.linalg.solve(triangle.T, face.T).T)


def wall_rays(normals: Matrix) -> Matrix | None:
    """Unit rays of an arrangement of different unit normals (w, q) that span the space.

    Both rays of a line are there; None when there are too many.
    """
    w, q = normals.shape
    if math.comb(w, q - 1) > _MOST_RAYS:
        return None
    rays = [np.ones(1)] if q == 1 else []
    for chosen in combinations(range(w), q - 1) if q > 1 else ():
        _, singular, vectors = np.linalg.svd(normals[list(chosen)], full_matrices=True)
        if singular[-1] > _SAME_LINE:
            rays.append(vectors[-1])
    return np.vstack([*rays, *(-ray for ray in rays)])


def _margin(
    landscape: Landscape, sign: float, gradient: Vector, walls: NDArray[np.bool_],
    active: NDArray[np.bool_], face: Matrix,
) -> float:  # fmt: skip
    if not walls.any():
        return math.inf
    rows, r, p = landscape.rows[walls], face.shape[0], landscape.n_penalized
    _, _, right = np.linalg.svd(np.column_stack([face[:p].T, np.zeros((face.shape[1], r - p))]))
    complement = right[face.shape[1] :].T
    inside = rows @ complement
    inside /= np.linalg.norm(inside, axis=1)[:, None]
    lines: list[int] = []
    for i in range(len(inside)):
        if all(
            min(np.linalg.norm(inside[i] - inside[j]), np.linalg.norm(inside[i] + inside[j]))
            > _SAME_LINE
            for j in lines
        ):
            lines.append(i)
    q = complement.shape[1]
    least = float(np.linalg.svd(inside[lines], compute_uv=False)[-1])
    if len(lines) > q or len(lines) < len(inside):
        # More walls than dimensions meet: they really do only if exact arithmetic says so.
        if exact_rank(landscape.originals[walls]) != q:
            return math.nan
    rays = wall_rays(inside[lines])
    if rays is None:
        return math.nan
    directions = rays @ complement.T
    alpha = landscape.alpha[walls]
    steep = directions @ gradient + sign * (np.maximum(directions @ rows.T, 0.0) @ alpha)
    rounding = (len(landscape.alpha) + 64.0) * 2.0**-50 / least * landscape.magnitude
    if len(lines) > q:
        rounding += 2.0 * _SAME_LINE * landscape.magnitude
    margins = -steep - rounding
    if p == r:
        for k in np.flatnonzero(margins <= rounding):
            if _is_unseen(landscape, directions[k], walls, active, q):
                margins[k] = math.inf
    return float(margins.min())


def _is_unseen(
    landscape: Landscape, direction: Vector, walls: NDArray[np.bool_], active: NDArray[np.bool_],
    q: int,
) -> bool:  # fmt: skip
    """Whether no row that is active here changes along a ray of the walls' span, exactly.

    The rays of span(walls) that are orthogonal to rows B are as many as q minus the rank of
    the products of walls with B.
    """
    inner = landscape.rows @ direction / np.linalg.norm(landscape.rows, axis=1)
    flat = np.abs(inner) <= _SAME_LINE
    if np.any(active & ~flat) or np.any(walls & (inner > _SAME_LINE)):
        return False
    fixed = active | (walls & flat)
    if int(walls.sum()) * int(fixed.sum()) > _MOST_RAYS:
        return False
    left, right = (_fractions(landscape.originals[part]) for part in (walls, fixed))
    products = [[sum(map(mul, a, b), Fraction(0)) for b in right] for a in left]
    return _rank(products) == q - 1


def exact_rank(rows: Matrix) -> int:
    """The rank of a few rows in exact arithmetic, with numbers read as decimals."""
    return _rank(_fractions(np.unique(rows, axis=0)))


def _fractions(rows: Matrix) -> list[list[Fraction]]:
    return [[Fraction(repr(float(value))) for value in row] for row in rows]


def _rank(table: list[list[Fraction]]) -> int:
    """Gaussian elimination."""
    rank = 0
    for column in range(len(table[0]) if table else 0):
        pivot = next((k for k in range(rank, len(table)) if table[k][column]), None)
        if pivot is None:
            continue
        table[rank], table[pivot] = table[pivot], table[rank]
        head = table[rank]
        for k in range(rank + 1, len(table)):
            factor = table[k][column] / head[column]
            if factor:
                table[k] = [a - factor * b for a, b in zip(table[k], head, strict=True)]
        rank += 1
    return rank
