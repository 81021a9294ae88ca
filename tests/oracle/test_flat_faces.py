"""The oracles of the l1 and linf ball against all rays in rational arithmetic."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from oracles.rays import exact_supremum
from scipy.optimize import linprog

import measurelp as mlp
from measurelp.dictionary.rays import all_rays
from measurelp.oracle import Budget, DualFunction, FanOracle, RayOracle, choose_oracle
from measurelp.oracle._walk_kernels import concave_maximum, walk_space
from measurelp.oracle.ascent import climbed
from measurelp.problem import L1Ball, L2Ball, LInfBall, row_space
from oracle.functions import ALPHAS, draw_alpha

BALLS = {"l1": L1Ball(), "linf": LInfBall()}
ORACLES = {"fans": FanOracle(), "rays": RayOracle()}
DATA = ("gauss", "integers", "decimals", "repeated", "thin")


def draw_rows(kind, rng, n, d):
    """Rows of a kind, (n, d)."""
    if kind == "integers":
        return rng.integers(-2, 3, size=(n, d)).astype(float)
    if kind == "decimals":
        return rng.integers(-3, 4, size=(n, d)) * 0.1
    rows = rng.standard_normal((n, d))
    if kind == "repeated":
        rows[n // 2 :] = rows[: n - n // 2] * rng.choice([-2.0, 0.0, 1.0], size=(n - n // 2, 1))
    if kind == "thin":  # nearly parallel rows
        rows[1:] = rows[0] + 1e-9 * rng.standard_normal((n - 1, d))
    return rows


def dual_function(X, alpha, ball, bias="none"):
    """The dual function of alpha; made orthogonal to constants where the bias is free."""
    skip = "none"
    if bias == "free":
        skip, alpha = "constant", alpha - np.mean(alpha)
    problem = mlp.MeasureProblem(
        X, np.ones(len(X)), lam=1.0, ball=BALLS[ball], bias=bias, skip=skip
    )
    return DualFunction(problem, row_space(problem), alpha)


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("d", [1, 2, 3])
@pytest.mark.parametrize("ball", BALLS)
def test_bracket_contains_the_exact_supremum(ball, d, data):
    rng = np.random.default_rng([d, DATA.index(data)])
    for alpha_kind in ALPHAS:
        X, alpha = draw_rows(data, rng, 5, d), draw_alpha(alpha_kind, rng, 5)
        exact = exact_supremum(X, alpha, ball)
        dual = dual_function(X, alpha, ball)
        for oracle in ORACLES.values():
            report = oracle.maximise(dual)
            assert Fraction(report.lower) <= exact <= Fraction(report.upper)
            scale = 1e-13 * float(np.abs(alpha) @ np.abs(X).sum(axis=1))
            assert report.upper - report.lower <= 1e-8 * report.lower + 100 * scale
            reached = abs(float(alpha @ dual.problem.features(report.witness[None, :])[:, 0]))
            assert reached >= report.lower * (1 - 1e-12)
            assert dual.problem.weight_norm(report.witness[None, :])[0] <= 1 + 1e-14


@pytest.mark.parametrize("ball", BALLS)
def test_four_dimensions_on_a_grid(ball):
    rng = np.random.default_rng(4)
    X = rng.integers(-1, 2, size=(5, 4)).astype(float)
    alpha = rng.integers(-2, 3, size=5).astype(float)
    exact = exact_supremum(X, alpha, ball)
    for oracle in ORACLES.values():
        report = oracle.maximise(dual_function(X, alpha, ball))
        assert Fraction(report.lower) <= exact <= Fraction(report.upper)
        assert report.upper <= float(exact) * (1 + 1e-8) + 1e-11


@pytest.mark.parametrize("bias", ["penalized", "free"])
@pytest.mark.parametrize("ball", BALLS)
def test_bias_against_a_grid_of_weights(ball, bias):
    """A penalised bias is a column of ones; a free one runs to where the dual function is flat."""
    rng = np.random.default_rng(8)
    X, alpha = rng.integers(-3, 4, size=(7, 2)) * 0.5, rng.standard_normal(7)
    dual = dual_function(X, alpha, ball, bias)
    report = FanOracle().maximise(dual)
    side = np.linspace(-1, 1, 41)
    biases = side if bias == "penalized" else np.linspace(-4, 4, 161)
    grid = np.array(np.meshgrid(side, side, biases)).reshape(3, -1).T
    grid = grid[dual.problem.weight_norm(grid) <= 1 + 1e-12]
    highest = np.abs(dual.value_at_weights(grid)).max()
    assert highest <= report.upper * (1 + 1e-12)
    assert highest >= 0.9 * report.lower
    assert report.upper <= report.lower * (1 + 1e-8)
    rays = np.abs(dual.value_at_weights(all_rays(dual.problem))).max()
    assert rays == pytest.approx(report.lower, rel=1e-10)


@pytest.mark.parametrize("ball", BALLS)
def test_small_budgets_leave_valid_brackets(ball):
    rng = np.random.default_rng(6)
    X, alpha = rng.standard_normal((30, 4)), rng.standard_normal(30)
    dual = dual_function(X, alpha, ball)
    best = FanOracle().maximise(dual)
    previous = np.inf
    for nodes in (0, 1, 5, 20, 100):
        report = FanOracle().maximise(dual, budget=Budget(nodes=nodes))
        assert report.lower <= best.upper
        assert report.upper >= best.lower
        assert report.upper <= previous
        previous = report.upper
    report = RayOracle().maximise(dual, budget=Budget(nodes=10))
    assert report.termination.name == "NODE_LIMIT"
    assert report.upper >= best.lower


def test_the_bracket_does_not_depend_on_workers():
    rng = np.random.default_rng(7)
    dual = dual_function(rng.standard_normal((40, 3)), rng.standard_normal(40), "l1", "free")
    one, two = (FanOracle(n_jobs=k).maximise(dual, tolerance=1e-6) for k in (1, 2))
    assert (one.lower, one.upper) == (two.lower, two.upper)


@pytest.mark.parametrize("ball", BALLS)
def test_ascent_ends_at_rays(ball):
    rng = np.random.default_rng(9)
    X, alpha = rng.standard_normal((20, 4)), rng.standard_normal(20)
    dual = dual_function(X, alpha, ball)
    starts = rng.standard_normal((12, 4))
    ends = climbed(dual, starts)
    norms = BALLS[ball].norm(ends)
    assert norms == pytest.approx(np.ones(12), abs=1e-14)
    before = np.abs(dual.values(starts / BALLS[ball].norm(starts)[:, None]))
    assert np.all(np.abs(dual.values(ends)) >= before * (1 - 1e-12))
    normals = np.vstack([X, BALLS[ball].walls(4)])
    for w in ends:
        through = normals[np.abs(normals @ w) <= 1e-12]
        assert np.linalg.matrix_rank(through, tol=1e-9) == 3


def test_rays_without_the_walls_of_the_norm_would_be_too_few():
    """On (2, 1), (1, 2) the best ray for the sum is (1, 1) in the linf and an axis in the l1 ball."""
    X, alpha = np.array([[2.0, 1.0], [1.0, 2.0]]), np.ones(2)
    for ball, value in (("l1", 3.0), ("linf", 6.0)):
        for oracle in ORACLES.values():
            assert oracle.maximise(dual_function(X, alpha, ball)).upper == pytest.approx(value)


@pytest.mark.parametrize("seed", range(30))
def test_walk_solves_its_linear_program(seed):
    """min over theta of the largest value, against HiGHS; degenerate instances give a valid bound."""
    rng = np.random.default_rng(seed)
    d, m = int(rng.integers(1, 6)), int(rng.integers(0, 12))
    if seed % 3:
        base, q = rng.standard_normal(d), rng.standard_normal((m, d))
    else:
        base, q = rng.integers(-3, 4, d).astype(float), rng.integers(-2, 3, (m, d)).astype(float)
    t, h = np.empty(d), np.empty(d)
    bound = concave_maximum(
        base, q, m, -np.inf, np.inf, np.empty(m, np.int64), np.empty(m), t, h, walk_space(d)
    )
    cost = np.append(np.zeros(m), 1.0)
    answer = linprog(
        cost, A_ub=np.column_stack([-q.T, -np.ones(d)]), b_ub=-base,
        bounds=[(0, 1)] * m + [(None, None)],
    )  # fmt: skip
    assert t.sum() == pytest.approx(1.0)
    assert t.min() >= 0.0
    assert bound == h.max()
    assert bound >= answer.fun - 1e-9
    if seed % 3:
        assert bound == pytest.approx(answer.fun, abs=1e-9)
        assert base @ t - np.maximum(q @ t, 0.0).sum() == pytest.approx(answer.fun, abs=1e-9)


def test_oracles_of_the_other_kind_of_ball_are_refused():
    X = np.eye(3)
    flat = row_space(mlp.MeasureProblem(X, np.ones(3), lam=1.0, ball=L1Ball()))
    round_ = row_space(mlp.MeasureProblem(X, np.ones(3), lam=1.0, ball=L2Ball()))
    for name in ("angles", "cells", "cones", "signs"):
        with pytest.raises(mlp.InvalidProblem, match=f'oracle: "{name}".*l1'):
            choose_oracle(name, flat)
    for name in ("fans", "rays"):
        with pytest.raises(mlp.InvalidProblem, match="no rays"):
            choose_oracle(name, round_)
    assert choose_oracle(None, flat)[0].name == "rays"
    many = mlp.MeasureProblem(np.random.default_rng(0).standard_normal((400, 4)), np.ones(400),
                              lam=1.0, ball=L1Ball())  # fmt: skip
    assert choose_oracle(None, row_space(many))[0].name == "fans"
    assert choose_oracle("branch_and_bound", flat)[0].name == "fans"


def test_too_many_rays_are_refused():
    problem = mlp.MeasureProblem(np.random.default_rng(0).standard_normal((120, 6)), np.ones(120),
                                 lam=1.0, ball=L1Ball())  # fmt: skip
    with pytest.raises(mlp.InvalidProblem, match=r"X: .* rays"):
        all_rays(problem)
