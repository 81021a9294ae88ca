"""Covers exist just above the supremum of the dual function and nowhere below it."""

from fractions import Fraction

import numpy as np
import pytest
from oracles import brute
from oracles.families import EVERY, TAME

import measurelp.check_proof as checker
from measurelp.errors import BudgetExceeded
from measurelp.proof.cones import record_cones
from measurelp.proof.exact import rationals
from measurelp.proof.records import Records
from measurelp.proof.signs import record_signs

METHODS = {"cones": (checker.Cones, record_cones), "signs": (checker.Signs, record_signs)}


def question(X, alpha, bias, limit):
    """The functions that are to be below their limits for |eta_alpha| <= limit."""
    problem = {"bias": bias, "lam": Fraction(limit), "X": [list(map(Fraction, x)) for x in X]}
    unit, rows = rationals(X if bias != "penalized" else np.column_stack([X, np.ones(len(X))]))
    fine = [[c << 80 for c in row] for row in rows]
    d = len(rows[0])
    basis = [[Fraction(int(i == j), unit << 80) for j in range(d)] for i in range(d)]
    return list(checker.functions_of(problem, list(map(Fraction, alpha)), basis, fine))


def covered(X, alpha, bias, limit, method, *, most=20_000):
    """Whether covers of all slices are found and accepted."""
    tree, record = METHODS[method]
    try:
        for function in question(X, alpha, bias, limit):
            records = Records(most)
            record(tree(*function), records)
            checker.replay(tree(*function), records)
    except BudgetExceeded:
        return False
    return True


def example(family, seed, bias):
    """Rows and a dual vector of small integers, which sums to 0 for a free bias."""
    rng = np.random.default_rng(seed)
    X = EVERY[family](rng, 7, int(rng.integers(2, 4)))
    alpha = rng.integers(-4, 5, 7).astype(float)
    alpha[0] -= alpha.sum() if bias == "free" else 0.0
    return X, alpha


@pytest.mark.parametrize("method", ["cones", "signs"])
@pytest.mark.parametrize("bias", ["none", "penalized", "free"])
@pytest.mark.parametrize("family", TAME)
def test_the_supremum_is_the_border(family, bias, method):
    for seed in range(3):
        X, alpha = example(family, seed, bias)
        top = brute.supremum(X, alpha, bias)
        if top > 1e-9:
            assert covered(X, alpha, bias, top * (1.0 + 1e-7), method)
            assert not covered(X, alpha, bias, top * (1.0 - 1e-7), method, most=2000)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["cones", "signs"])
@pytest.mark.parametrize("bias", ["none", "penalized", "free"])
@pytest.mark.parametrize("family", EVERY)
def test_the_supremum_is_the_border_often(family, bias, method):
    for seed in range(3, 18):
        X, alpha = example(family, seed, bias)
        top = brute.supremum(X, alpha, bias)
        if top > 1e-9:
            assert not covered(X, alpha, bias, top * (1.0 - 1e-7), method, most=2000)


def test_parallel_rows_are_one_line():
    rows = {(2, 4): 3, (-1, -2): 5, (0, 0): 7, (3, 0): 1, (-1, 0): -3}
    for side in (1, -1):
        F = checker.function_about(rows, (0, 0), side, 1)
        assert [line for _, line in F.lines] == [[1, 2]]  # (1, 0) has weight 3 - 3 = 0
        for u in ((1, 1), (-1, 1), (1, -3), (-2, 0)):
            eta = sum(a * max(0, row[0] * u[0] + row[1] * u[1]) for row, a in rows.items())
            assert 2 * side * eta == checker.dot(F.linear, u) + sum(
                a * abs(checker.dot(line, u)) for a, line in F.lines
            )


def test_a_cap_bounds_what_it_should():
    """Against points of the cap, of all sizes of caps and some degenerate ones."""
    rng = np.random.default_rng(0)
    points = rng.standard_normal((4000, 3))
    points /= np.linalg.norm(points, axis=1)[:, None]
    points *= checker.RADIUS * rng.uniform(size=(4000, 1)) ** (1 / 8)
    for _ in range(60):
        y, v = (rng.integers(-9, 10, 3) << 20 for _ in range(2))
        y[0] += 1
        m = int(checker.RADIUS * np.linalg.norm(y) * rng.uniform(-1, 1))
        top = checker.highest(v.tolist(), y.tolist(), m)
        inside = points @ y >= m
        assert top >= (points[inside] @ v).max(initial=-np.inf)
        if inside.sum() > 50 and v.any():
            assert (points[inside] @ v).max() >= top - 0.3 * checker.RADIUS * np.linalg.norm(v)
