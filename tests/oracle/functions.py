"""Dual functions of every kind, the oracles that can do them, and what must hold of their reports."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
from oracles import brute

import measurelp as mlp
from measurelp.oracle import AngleOracle, CellOracle, ConeOracle, DualFunction, SignOracle
from measurelp.problem import row_space

ALPHAS = ("normal", "integers", "one", "positive", "negative", "uneven", "alternating", "zero")


def draw_alpha(kind, rng, n):
    """Coefficients of a kind, (n,)."""
    if kind == "zero":
        return np.zeros(n)
    if kind == "one":
        alpha = np.zeros(n)
        alpha[rng.integers(n)] = rng.choice([-1.0, 2.0])
        return alpha
    if kind == "integers":
        return rng.integers(-1, 2, size=n).astype(float)
    if kind == "alternating":  # equal neighbours cancel
        return np.resize([1.0, -1.0], n) * rng.choice([1.0, 3.0])
    alpha = rng.standard_normal(n)
    if kind == "uneven":
        return alpha * 10.0 ** rng.uniform(-12, 12, size=n)
    return {"normal": alpha, "positive": np.abs(alpha), "negative": -np.abs(alpha)}[kind]


def dual_function(X, alpha, bias="none", skip=None):
    """The dual function of alpha without its projection on the skip (for a free bias at least its mean)."""
    if skip is None:
        skip = "constant" if bias == "free" else "none"
    alpha = np.array(alpha, dtype=float)
    problem = mlp.MeasureProblem(X, np.zeros(len(X)), lam=1.0, bias=bias, skip=skip)
    if skip != "none":
        columns = problem.skip_columns / np.maximum(
            np.abs(problem.skip_columns).max(axis=0), 1e-300
        )
        left, singular, _ = np.linalg.svd(columns, full_matrices=False)
        basis = left[:, singular > 1e-12 * max(singular[0], 1e-300)]
        for _ in range(2):
            alpha = alpha - basis @ (basis.T @ alpha)
    if bias == "free":
        alpha = without_sum(alpha)
    return DualFunction(problem, row_space(problem), alpha)


def without_sum(alpha):
    """alpha with its mean taken away, the last digits from its largest entry."""
    alpha = alpha - alpha.mean()
    for _ in range(3):
        rest = sum(map(Fraction, alpha), Fraction(0))
        alpha[int(np.argmax(np.abs(alpha)))] -= float(rest)
    return alpha


def able(dual, *, cells=True):
    """Every oracle that can do this function, by name."""
    found = {"cones": ConeOracle(), "signs": SignOracle()}
    if cells:
        found["cells"] = CellOracle()
    if dual.space.n_penalized <= 2:
        found["angles"] = AngleOracle()
    return found


def size_of(dual) -> float:
    """sum |alpha_i| |x_i|: the scale of rounding errors."""
    return float(np.abs(dual.alpha) @ np.linalg.norm(dual.problem.lifted, axis=1))


def leak_of(dual) -> float:
    """With a free bias alpha sums to zero up to rounding only, and the rest sees b up to the largest input."""
    if dual.problem.bias != "free":
        return 0.0
    rest = abs(float(sum(map(Fraction, dual.alpha), Fraction(0))))
    return 4.0 * rest * float(np.abs(dual.problem.X).max()) * dual.problem.d


def assert_proved(dual, report, *, exact=None, tight=None) -> None:
    """Nothing that candidates know exceeds the bound, in exact arithmetic, and the witness attains the lower end.

    ``exact`` is the supremum from candidates in floating point, ``tight`` the relative width allowed.
    """
    problem, alpha, p = dual.problem, dual.alpha, dual.problem.n_penalized
    size, leak = size_of(dual), leak_of(dual)
    if not 0.0 <= report.lower <= report.upper < np.inf:
        raise AssertionError(f"no bracket: [{report.lower!r}, {report.upper!r}]")
    for w in brute.maximisers(problem.X, alpha, problem.bias, most=3):
        if brute.exceeds_exactly(problem.lifted, alpha, w, p, report.upper + leak):
            raise AssertionError(f"eta exceeds the proved bound {report.upper!r} at {w!r}")
    if report.lower > 0.0 and not brute.exceeds_exactly(
        problem.lifted, alpha, report.witness, p, report.lower * (1 - 1e-15)
    ):
        raise AssertionError(f"the witness does not reach {report.lower!r}")
    if exact is not None:
        brute.assert_brackets((report.lower, report.upper), exact, floor=1e-12 * size + leak)
    if (
        tight is not None
        and not report.upper - report.lower <= tight * report.upper + 1e-11 * size + leak
    ):
        raise AssertionError(f"a wide bracket: [{report.lower!r}, {report.upper!r}]")


def assert_agree(dual, reports) -> None:
    """No bracket of one function lies above another: all hold the same number."""
    leak = leak_of(dual)
    for (a, first), (b, second) in itertools.permutations(reports.items(), 2):
        if not first.lower <= second.upper + leak:
            raise AssertionError(
                f"{a} reaches {first.lower!r}, {b} proves at most {second.upper!r}"
            )


def sampled_ascent(rows, alpha, rng, *, starts=200, steps=60):
    """The largest |eta| on the sphere that plain gradient steps meet: (value, unit weight)."""
    rows, alpha = np.asarray(rows, float), np.asarray(alpha, float)
    points = rng.standard_normal((starts, rows.shape[1]))
    points /= np.linalg.norm(points, axis=1)[:, None]
    signs = np.where(brute.eta(rows, alpha, points) < 0.0, -1.0, 1.0)
    best, where = 0.0, points[0]
    for _ in range(steps):
        inner = points @ rows.T
        values = np.abs(np.maximum(inner, 0.0) @ alpha)
        if values.max() > best:
            best, where = float(values.max()), points[int(np.argmax(values))].copy()
        gradients = signs[:, None] * (((inner > 0.0) * alpha) @ rows)
        lengths = np.linalg.norm(gradients, axis=1)
        gradients[lengths == 0.0] = points[lengths == 0.0]
        points = points + gradients / np.where(lengths > 0.0, lengths, 1.0)[:, None]
        points /= np.maximum(np.linalg.norm(points, axis=1), 1e-300)[:, None]
    return best, where
