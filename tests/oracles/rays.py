"""References for balls with flat faces: all rays in rational arithmetic, by Gauss and Jordan."""

from __future__ import annotations

import itertools
from fractions import Fraction

import cvxpy as cp
import numpy as np

from oracles.brute import solve_tightly


def walls(ball: str, p: int) -> list[list[int]]:
    """Where the norm has kinks: w_j = 0 for l1; w_j = w_k and w_j = -w_k for linf."""
    unit = [[int(j == k) for k in range(p)] for j in range(p)]
    if ball == "l1":
        return unit
    pairs = itertools.combinations(range(p), 2)
    return [
        [a + sign * b for a, b in zip(unit[j], unit[k], strict=True)]
        for j, k in pairs
        for sign in (1, -1)
    ]


def null_vector(matrix: list[list[Fraction]], p: int) -> list[Fraction] | None:
    """A spanning vector of the null space if it is a line, else None."""
    rows = [list(row) for row in matrix]
    pivots: list[int] = []
    for column in range(p):
        place = len(pivots)
        pivot = next((i for i in range(place, len(rows)) if rows[i][column]), None)
        if pivot is None:
            continue
        rows[place], rows[pivot] = rows[pivot], rows[place]
        head = rows[place][column]
        rows[place] = [v / head for v in rows[place]]
        for i in range(len(rows)):
            factor = rows[i][column]
            if i != place and factor:
                rows[i] = [a - factor * b for a, b in zip(rows[i], rows[place], strict=True)]
        pivots.append(column)
    free = [c for c in range(p) if c not in pivots]
    if len(free) != 1:
        return None
    vector = [Fraction(0)] * p
    vector[free[0]] = Fraction(1)
    for row, column in zip(rows, pivots, strict=False):
        vector[column] = -row[free[0]]
    return vector


def norm(ball: str, w: list[Fraction]) -> Fraction:
    """The l1 or linf norm."""
    sizes = [abs(v) for v in w]
    return sum(sizes, Fraction(0)) if ball == "l1" else max(sizes)


def exact_rays(rows: np.ndarray, ball: str) -> list[list[Fraction]]:
    """All rays of the rows' hyperplanes and the norm's walls, of norm 1, both signs, distinct."""
    p = rows.shape[1]
    normals = [[Fraction(float(v)) for v in row] for row in rows]
    normals += [[Fraction(v) for v in wall] for wall in walls(ball, p)]
    found = set()
    for chosen in itertools.combinations(normals, p - 1):
        vector = null_vector(list(chosen), p)
        if vector is not None:
            size = norm(ball, vector)
            found.add(tuple(v / size for v in vector))
            found.add(tuple(-v / size for v in vector))
    return [list(ray) for ray in sorted(found)]


def exact_supremum(rows: np.ndarray, alpha: np.ndarray, ball: str) -> Fraction:
    """The supremum of |eta| over the ball, exactly."""
    data = [[Fraction(float(v)) for v in row] for row in rows]
    factors = [Fraction(float(a)) for a in alpha]
    best = Fraction(0)
    for ray in exact_rays(rows, ball):
        total = Fraction(0)
        for row, factor in zip(data, factors, strict=True):
            inner = sum((a * b for a, b in zip(row, ray, strict=True)), Fraction(0))
            if inner > 0:
                total += factor * inner
        best = max(best, abs(total))
    return best


def dictionary(X: np.ndarray, ball: str, bias: str) -> np.ndarray:
    """All hidden weights of norm 1 that can be needed; with a free bias one slice a data point."""
    if bias == "none":
        return np.array([[float(v) for v in ray] for ray in exact_rays(X, ball)])
    if bias == "penalized":
        lifted = np.hstack([X, np.ones((len(X), 1))])
        return np.array([[float(v) for v in ray] for ray in exact_rays(lifted, ball)])
    atoms = []
    for centre in np.unique(X, axis=0):
        for ray in exact_rays(X - centre, ball):
            w = np.array([float(v) for v in ray])
            atoms.append([*w, -float(w @ centre)])
    return np.array(atoms)


def program_over_atoms(features, skip, *, lam=1.0, loss=None, y=None) -> float:
    """min loss(fit) + lam |z|_1 over masses z and skip coefficients, or |z|_1 with fit = y."""
    z = cp.Variable(features.shape[1])
    fit = features @ z
    if skip.shape[1]:
        fit = fit + skip @ cp.Variable(skip.shape[1])
    if loss is None:
        problem = cp.Problem(cp.Minimize(cp.norm1(z)), [fit == y])
    else:
        problem = cp.Problem(cp.Minimize(loss(fit) + lam * cp.norm1(z)))
    solve_tightly(problem)
    return float(problem.value)
