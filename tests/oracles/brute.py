"""References for the training problem: cells by linear programs, the cone program in CVXPY, suprema by candidates.

Conventions are those of the notation page: ``rows`` are the inputs that hidden units see (a last column of ones
if there is a bias), ``p`` is the number of leading coordinates of a hidden weight that count in its norm.
"""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import cvxpy as cp
import numpy as np
from scipy.optimize import linprog


def lifted(X, bias: str) -> np.ndarray:
    """Inputs with a last column of ones unless there is no bias."""
    X = np.asarray(X, dtype=float)
    return X if bias == "none" else np.hstack([X, np.ones((len(X), 1))])


def skip_columns(X, skip: str) -> np.ndarray:
    """Columns of the unpenalised part."""
    X = np.asarray(X, dtype=float)
    ones = np.ones((len(X), 1))
    return {"none": ones[:, :0], "constant": ones, "affine": np.hstack([X, ones])}[skip]


# ---- cells ------------------------------------------------------------------------------------------


def sign_patterns(rows) -> np.ndarray:
    """All sign vectors s with ``s_i <x_i, w> > 0`` solvable for the nonzero rows, by linear programs; 0 for zero rows."""
    rows = np.asarray(rows, dtype=float)
    size = np.abs(rows).max(axis=1)
    unit = rows / np.where(size > 0.0, size, 1.0)[:, None]
    found: list[tuple[int, ...]] = [()]
    for i in range(len(rows)):
        if size[i] == 0.0:
            found = [(*s, 0) for s in found]
            continue
        grown = []
        for s in found:
            for sign in (1, -1):
                t = np.array((*s, sign))
                walls = -(t[:, None] * unit[: i + 1])[t != 0]
                answer = linprog(
                    np.zeros(rows.shape[1]),
                    A_ub=walls,
                    b_ub=-np.ones(len(walls)),
                    bounds=(None, None),
                )
                if answer.status == 0:
                    grown.append(tuple(int(v) for v in t))
        found = grown
    return np.array(found, dtype=int).reshape(len(found), len(rows))


def step_patterns(rows) -> np.ndarray:
    """All 0/1 vectors 1{<x_i, w> >= 0}: for each, a w with <x_i, w> >= 0 on it and <= -1 off it."""
    found = []
    for active in itertools.product([0, 1], repeat=len(rows)):
        mask = np.array(active, dtype=bool)
        signed = np.where(mask[:, None], -rows, rows)
        answer = linprog(
            np.zeros(rows.shape[1]), A_ub=signed, b_ub=np.where(mask, 0.0, -1.0),
            bounds=(None, None),
        )  # fmt: skip
        if answer.status == 0:
            found.append(active)
    return np.array(found, dtype=float)


# ---- the program over all cells -----------------------------------------------------------------------


def loss_expression(name, fit, y, weight, parameter=None):
    """The weighted loss of a fit as its definition says it, in CVXPY."""
    terms = {
        "squared": lambda: 0.5 * cp.square(fit - y),
        "absolute": lambda: cp.abs(fit - y),
        "quantile": lambda: cp.maximum(parameter * (y - fit), (1.0 - parameter) * (fit - y)),
        "huber": lambda: 0.5 * cp.huber(fit - y, parameter),
        "hinge": lambda: cp.pos(1.0 - cp.multiply(y, fit)),
        "squared_hinge": lambda: cp.square(cp.pos(1.0 - cp.multiply(y, fit))),
        "logistic": lambda: cp.logistic(-cp.multiply(y, fit)),
        "poisson": lambda: cp.exp(fit) - cp.multiply(y, fit),
        "multinomial_logistic": lambda: (
            cp.log_sum_exp(fit, axis=1) - cp.sum(cp.multiply(y, fit), axis=1)
        ),
    }[name]()
    if len(terms.shape) == 2:
        weight = np.repeat(np.asarray(weight)[:, None], terms.shape[1], axis=1)
    return cp.sum(cp.multiply(weight, terms))


def solve_tightly(program) -> None:
    """Solve by Clarabel to ten digits, where these are out of reach to eight, or by SCS."""
    for options in (
        {"solver": "CLARABEL", "tol_gap_abs": 1e-10, "tol_gap_rel": 1e-10, "tol_feas": 1e-10},
        {"solver": "CLARABEL", "tol_gap_abs": 1e-8, "tol_gap_rel": 1e-8, "tol_feas": 1e-9},
        {"solver": "SCS", "eps_abs": 1e-9, "eps_rel": 1e-9, "max_iters": 500_000},
    ):
        try:
            program.solve(**options)
        except cp.SolverError:
            continue
        return
    raise AssertionError("neither Clarabel nor SCS solves the reference")


def cone_program(
    X, y, *, lam=1.0, bias="penalized", skip="none", interpolate=False, patterns=None, loss=None,
    slopes=(1.0, 0.0), order=2, walled=True,
):  # fmt: skip
    """Optimal value of the program with one cone a cell and sign, by CVXPY; inf when it is infeasible.

    ``min loss(sum_c D_c X (u_c - v_c) + S b) + lam sum_c |u_c| + |v_c|`` over u_c, v_c in closed cell c.
    ``loss`` makes an expression of the fit; without one half the sum of squares.  ``slopes`` (p, q) are those of the
    activation p t_+ + q (-t)_+, whose D_c has p and -q, and ``order`` is that of the norm.
    Without walls the program is that of gated units, which are linear behind 1{c is active}.
    """
    rows, S, y = lifted(X, bias), skip_columns(X, skip), np.asarray(y, dtype=float)
    p = rows.shape[1] - (bias == "free")
    if patterns is None:
        patterns = sign_patterns(rows)
    m, r = len(patterns), rows.shape[1]
    U, V = cp.Variable((m, r)), cp.Variable((m, r))
    active = np.where(patterns > 0, slopes[0], -slopes[1])
    fit = cp.sum(cp.multiply(active.T, rows @ (U - V).T), axis=1)
    if S.shape[1]:
        fit = fit + S @ cp.Variable(S.shape[1])
    side = np.where(patterns > 0, 1.0, -1.0).T
    walls = [cp.multiply(side, rows @ U.T) >= 0, cp.multiply(side, rows @ V.T) >= 0]
    walls = walls if walled else []
    variation = cp.sum(cp.norm(U[:, :p], order, axis=1))
    variation = variation + cp.sum(cp.norm(V[:, :p], order, axis=1))
    if interpolate:
        program = cp.Problem(cp.Minimize(variation), [*walls, fit == y])
    else:
        value = 0.5 * cp.sum_squares(fit - y) if loss is None else loss(fit)
        program = cp.Problem(cp.Minimize(value + lam * variation), walls)
    solve_tightly(program)
    if program.status in ("infeasible", "infeasible_inaccurate"):
        return math.inf
    assert program.value is not None, program.status
    return float(program.value)


# ---- suprema of the dual function -----------------------------------------------------------------------


def eta(rows, alpha, weights) -> np.ndarray:
    """``sum_i alpha_i <x_i, w>_+`` at weights (k, r)."""
    return np.asarray(alpha) @ np.maximum(np.asarray(rows) @ np.atleast_2d(weights).T, 0.0)


def stationary_points(rows, alpha, limit: int = 200_000) -> np.ndarray:
    """Unit weights among which |eta| attains its supremum over the ball, if that is positive.

    A maximiser lies in the relative interior of a face, inside the flat L of the rows it annihilates, and eta is
    there linear with gradient g_A, A its active rows; so it is +-P_L g_A scaled to unit norm.  All sets of fewer
    than r rows and all subsets A are tried, consistent or not: every unit vector gives a lower bound anyway.
    """
    rows = np.asarray(rows, dtype=float)
    n, r = rows.shape
    subsets = np.array(list(itertools.product((0.0, 1.0), repeat=n)))
    gradients = subsets @ (np.asarray(alpha)[:, None] * rows)
    size = np.linalg.norm(rows, axis=1)
    unit = rows / np.where(size > 0.0, size, 1.0)[:, None]
    points = []
    for k in range(r):
        for chosen in itertools.combinations(np.flatnonzero(size), k):
            projected = gradients
            if k:
                _, singular, right = np.linalg.svd(unit[list(chosen)], full_matrices=True)
                rank = int(np.sum(singular > 1e-14))
                null = right[rank:]
                projected = gradients @ null.T @ null
            length = np.linalg.norm(projected, axis=1)
            points.append(projected[length > 0.0] / length[length > 0.0, None])
    found = np.vstack(points) if points else np.zeros((0, r))
    assert len(found) <= limit
    return np.vstack([found, -found, np.eye(r), -np.eye(r)])


def supremum(X, alpha, bias: str = "none") -> float:
    """``sup |eta|`` over the unit ball.

    For a free bias alpha must sum to zero; a maximum over the bias is then at a kink b = -<x_i, w>, where eta is the
    dual function of the shifted inputs x_j - x_i.
    """
    if bias != "free":
        rows = lifted(X, bias)
        return float(np.abs(eta(rows, alpha, stationary_points(rows, alpha))).max(initial=0.0))
    X = np.asarray(X, dtype=float)
    return max(supremum(X - centre, alpha, "none") for centre in X)


def maximisers(X, alpha, bias: str = "none", most: int = 20) -> np.ndarray:
    """Unit weights with the largest |eta| in floating point."""
    if bias == "free":
        X = np.asarray(X, dtype=float)
        points = []
        for centre in X:
            w = maximisers(X - centre, alpha, "none", most)
            points.append(np.column_stack([w, -w @ centre]))
        points = np.vstack(points)
    else:
        points = stationary_points(lifted(X, bias), alpha)
    values = np.abs(eta(lifted(X, bias), alpha, points))
    return points[np.argsort(-values, kind="stable")[:most]]


def supremum_by_sampling(X, alpha, bias="none", *, count=20_000, seed=0) -> float:
    """A lower bound on ``sup |eta|`` by dense random directions."""
    rng = np.random.default_rng(seed)
    X = np.asarray(X, dtype=float)
    directions = rng.standard_normal((count, X.shape[1] + (bias == "penalized")))
    directions /= np.linalg.norm(directions, axis=1)[:, None]
    if bias == "free":
        kinks = X[rng.integers(len(X), size=count)]
        directions = np.column_stack([directions, -np.einsum("ij,ij->i", directions, kinks)])
    return float(np.abs(eta(lifted(X, bias), alpha, directions)).max())


def supremum_on_circle(rows, alpha, *, count=200_000) -> float:
    """A lower bound for two coordinates by a dense angular grid."""
    angle = np.linspace(0.0, 2.0 * np.pi, count, endpoint=False)
    return float(np.abs(eta(rows, alpha, np.column_stack([np.cos(angle), np.sin(angle)]))).max())


def exceeds_exactly(rows, alpha, weight, p: int, bound: float) -> bool:
    """Whether ``|eta(w)| > bound * |w_:p|`` in exact arithmetic on the doubles given."""
    w = [Fraction(float(v)) for v in weight]
    total = Fraction(0)
    for row, a in zip(np.asarray(rows), np.asarray(alpha), strict=True):
        inner = sum((Fraction(float(x)) * v for x, v in zip(row, w, strict=True)), Fraction(0))
        if inner > 0:
            total += Fraction(float(a)) * inner
    return total**2 > Fraction(float(bound)) ** 2 * sum((v * v for v in w[:p]), Fraction(0))


# ---- plain recomputation ----------------------------------------------------------------------------------


def objective(
    X, y, atoms, masses, *, lam=1.0, bias="penalized", linear=None, constant=0.0, interpolate=False
):
    """Objective of a measure by the definition; for interpolation (misfit, total variation)."""
    X, y, atoms = np.asarray(X, float), np.asarray(y, float), np.asarray(atoms, float)
    fit = np.full(len(X), float(constant))
    if linear is not None:
        fit = fit + X @ linear
    total = 0.0
    for atom, mass in zip(atoms, masses, strict=True):
        w, b = (atom, 0.0) if bias == "none" else (atom[:-1], atom[-1])
        fit = fit + mass * np.maximum(X @ w + b, 0.0)
        total += abs(mass) * float(np.linalg.norm(atom if bias == "penalized" else w))
    if interpolate:
        return float(np.abs(fit - y).max()), total
    return 0.5 * float(np.sum((fit - y) ** 2)) + lam * total


def objective_of_network(X, y, network, *, lam=1.0, bias="penalized", interpolate=False):
    """The same from the plain weights of a network, with path norm ``sum |v_k| |w_k|``."""
    X = np.asarray(X, float)
    hidden = np.asarray(network.hidden_weights, float)
    inner = X @ hidden.T + np.asarray(network.hidden_bias, float)
    fit = np.maximum(inner, 0.0) @ network.output_weights + network.output_bias
    if network.skip is not None:
        fit = fit + X @ network.skip.linear + network.skip.constant
    penalised = np.column_stack([hidden, network.hidden_bias]) if bias == "penalized" else hidden
    path = float(np.abs(network.output_weights) @ np.linalg.norm(penalised, axis=1))
    if interpolate:
        return float(np.abs(fit - y).max()), path
    return 0.5 * float(np.sum((fit - y) ** 2)) + lam * path


# ---- assertions -------------------------------------------------------------------------------------------


def assert_brackets(bracket, value, *, rel=1e-8, floor=0.0, what="value") -> None:
    """Fail unless lower <= value <= upper, up to ``rel`` of the value (and an absolute ``floor``)."""
    lower, upper = bracket
    slack = rel * abs(value) + floor
    if not lower <= upper:
        raise AssertionError(f"{what}: the bracket [{lower!r}, {upper!r}] is empty")
    if not lower - slack <= value <= upper + slack:
        raise AssertionError(f"{what}: {value!r} lies outside [{lower!r}, {upper!r}]")


def assert_close(found, expected, *, rel=1e-6, floor=1e-12, what="value") -> None:
    """Fail unless two numbers agree relatively."""
    if not abs(found - expected) <= rel * max(abs(found), abs(expected)) + floor:
        raise AssertionError(f"{what}: found {found!r}, expected {expected!r}")
