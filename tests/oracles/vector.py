"""References for several outputs: suprema of |F| by candidates, restricted programs over dense directions in CVXPY."""

from __future__ import annotations

import itertools
import math

import cvxpy as cp
import numpy as np

from oracles.brute import lifted, loss_expression, skip_columns, solve_tightly


def outputs(rows, A, weights) -> np.ndarray:
    """``F(w) = sum_i A_i <x_i, w>_+`` at weights (k, r): (k, c)."""
    return np.maximum(np.atleast_2d(weights) @ np.asarray(rows).T, 0.0) @ np.asarray(A)


def stationary_points(rows, A) -> np.ndarray:
    """Unit weights among which |F| attains its supremum over the ball.

    A maximiser lies in the relative interior of a face; there F(w) = G w with G the sum of A_i x_i' over its
    active rows, and the maximiser is a singular vector of G on the face's span.  All sets of fewer than r rows
    and all subsets of active rows are tried, consistent or not: every unit vector gives a lower bound anyway.
    """
    rows, A = np.asarray(rows, float), np.asarray(A, float)
    n, r = rows.shape
    subsets = np.array(list(itertools.product((0.0, 1.0), repeat=n)))
    slopes = np.einsum("sn,nq,nr->sqr", subsets, A, rows)
    scale = np.abs(slopes).max(axis=(1, 2), initial=0.0)
    slopes = slopes[scale > 0.0] / scale[scale > 0.0, None, None]
    size = np.linalg.norm(rows, axis=1)
    unit = rows / np.where(size > 0.0, size, 1.0)[:, None]
    points = [np.eye(r)]
    for k in range(r):
        for chosen in itertools.combinations(np.flatnonzero(size), k):
            null = np.eye(r)
            if k:
                _, singular, right = np.linalg.svd(unit[list(chosen)], full_matrices=True)
                null = right[int(np.sum(singular > 1e-14)) :]
            if len(null) == 0 or len(slopes) == 0:
                continue
            restricted = slopes @ null.T
            _, vectors = np.linalg.eigh(np.swapaxes(restricted, 1, 2) @ restricted)
            points.append(np.swapaxes(vectors, 1, 2).reshape(-1, len(null)) @ null)
    found = np.vstack(points)
    return np.vstack([found, -found])


def supremum(X, A, bias: str = "none") -> float:
    """``sup |F|`` over the unit ball; for a free bias the columns of A must sum to zero."""
    if bias == "free":
        X = np.asarray(X, dtype=float)
        return max(supremum(X - centre, A) for centre in X)
    rows = lifted(X, bias)
    return float(np.linalg.norm(outputs(rows, A, stationary_points(rows, A)), axis=1).max())


def group_lasso(rows, Y, directions, *, lam=1.0, interpolate=False) -> float:
    """The joint problem over given unit directions: an upper bound of the optimal value, by CVXPY."""
    features = np.maximum(np.asarray(rows) @ np.asarray(directions).T, 0.0)
    V = cp.Variable((len(directions), np.shape(Y)[1]))
    variation = cp.sum(cp.norm(V, axis=1))
    if interpolate:
        program = cp.Problem(cp.Minimize(variation), [features @ V == Y])
    else:
        loss = 0.5 * cp.sum_squares(features @ V - Y)
        program = cp.Problem(cp.Minimize(loss + lam * variation))
    program.solve(solver="CLARABEL")
    return float(program.value)


def candidates(X, A, bias: str) -> np.ndarray:
    """Weights of unit norm among which |F| attains its supremum, as :func:`supremum` says."""
    if bias != "free":
        rows = lifted(X, bias)
        return stationary_points(rows, A)
    slices = []
    for centre in np.unique(X, axis=0):
        w = stationary_points(X - centre, A)
        slices.append(np.column_stack([w, -w @ centre]))
    return np.vstack(slices)


def joint_optimum(X, Y, name, *, lam, bias, skip, weight, parameter=None, excess=1e-8) -> float:
    """Optimal value of the joint problem, inf where nothing interpolates: group lassos in CVXPY over ever more directions.

    For the dual vector A of each group lasso all candidates for the maximum of |F| are tried.  When none exceeds lam by
    more than ``excess`` of it, the group lasso's value is the optimum: its dual, shrunk that little, is feasible.
    """
    X, Y = np.asarray(X, float), np.asarray(Y, float)
    rows, columns = lifted(X, bias), skip_columns(X, skip)
    p = rows.shape[1] - (bias == "free")
    directions = np.random.default_rng(0).standard_normal((40, rows.shape[1]))
    span = np.hstack([np.maximum(rows @ directions.T, 0.0), columns])
    both = np.hstack([span, Y])
    if name == "interpolation" and np.linalg.matrix_rank(both) > np.linalg.matrix_rank(span):
        return math.inf
    for _ in range(60):
        directions /= np.linalg.norm(directions[:, :p], axis=1)[:, None]
        V, fit = cp.Variable((len(directions), Y.shape[1])), cp.Variable(Y.shape)
        model = np.maximum(rows @ directions.T, 0.0) @ V
        if columns.shape[1]:
            model = model + columns @ cp.Variable((columns.shape[1], Y.shape[1]))
        link = fit == model
        variation = cp.sum(cp.norm(V, axis=1))
        if name == "interpolation":
            program = cp.Problem(cp.Minimize(variation), [link, fit == Y])
        else:
            loss = loss_expression(name, fit, Y, weight, parameter)
            program = cp.Problem(cp.Minimize(loss + lam * variation), [link])
        limit = 1.0 if name == "interpolation" else lam
        solve_tightly(program)
        assert program.value is not None, program.status
        A = np.asarray(link.dual_value)
        if bias == "free":
            A = A - A.mean(axis=0)
        points = candidates(X, A, bias)
        sizes = np.linalg.norm(outputs(rows, A, points), axis=1)
        if sizes.max() <= limit * (1.0 + excess):
            return float(program.value)
        order = np.argsort(-sizes)
        new: list[np.ndarray] = []
        for k in order[sizes[order] > limit * (1.0 + 0.5 * excess)]:
            if all(np.linalg.norm(points[k] - other) > 1e-7 for other in new):
                new.append(points[k])
            if len(new) == 12:
                break
        heavy = np.linalg.norm(V.value, axis=1) > 1e-9
        directions = np.vstack([directions[heavy], np.array(new)])
    raise AssertionError(
        f"the largest |F| is still {sizes.max() / limit - 1.0:.1e} above its limit"
    )
