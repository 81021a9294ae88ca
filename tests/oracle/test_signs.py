"""The tree over signs of rows agrees with every other oracle; its pieces prove what they claim."""

import itertools
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import brute
from oracles.families import EVERY, TAME

import measurelp as mlp
from measurelp.oracle import (
    AngleOracle,
    Budget,
    CellOracle,
    ConeOracle,
    DualFunction,
    Oracle,
    tree_search,
)
from measurelp.oracle import _cap_kernels as caps
from measurelp.oracle.signs import SignOracle
from measurelp.problem import row_space
from measurelp.status import Scope, Termination

BIASES = ("none", "penalized", "free")


def dual_function(X, alpha, bias="none"):
    """The dual function of alpha; a free bias gets the part of alpha that sums to zero."""
    alpha = np.array(alpha, dtype=float)
    if bias == "free":
        alpha = alpha - alpha.mean()
        alpha[-1] -= alpha.sum()
    problem = mlp.MeasureProblem(
        X, np.zeros(len(X)), lam=1.0, bias=bias, skip="constant" if bias == "free" else "none"
    )
    return DualFunction(problem, row_space(problem), alpha)


def size_of(dual) -> float:
    return float(np.abs(dual.alpha) @ np.linalg.norm(dual.problem.lifted, axis=1))


def assert_proved(dual, report) -> None:
    """In exact arithmetic nothing that candidates know exceeds the bound, and the witness attains."""
    problem, alpha, p = dual.problem, dual.alpha, dual.problem.n_penalized
    assert 0.0 <= report.lower <= report.upper < np.inf
    assert report.scope is Scope.COMPLETE
    # With a free bias alpha sums to zero up to rounding only; b is at most the largest input.
    leak = abs(float(alpha.sum())) * 2 * size_of(dual) if problem.bias == "free" else 0.0
    for w in brute.maximisers(problem.X, alpha, problem.bias, most=3):
        assert not brute.exceeds_exactly(problem.lifted, alpha, w, p, report.upper + leak)
    if report.lower > 0.0:
        w = report.witness
        assert brute.exceeds_exactly(problem.lifted, alpha, w, p, report.lower * (1 - 1e-15))


@pytest.mark.parametrize("bias", BIASES)
@pytest.mark.parametrize("family", EVERY)
def test_small_functions(family, bias):
    """18 functions for each of 21 kinds, by candidates and by the other oracles."""
    for seed in range(18):
        rng = np.random.default_rng(seed)
        n, d = int(rng.integers(1, 7)), int(rng.integers(1, 4))
        X = EVERY[family](rng, n, d)
        alpha = rng.standard_normal(n)
        if seed % 2:
            alpha = rng.integers(-2, 3, size=n).astype(float)
        dual = dual_function(X, alpha, bias)
        floor = 1e-12 * size_of(dual)
        report = SignOracle().maximise(dual, tolerance=1e-10, budget=Budget(nodes=20_000))
        assert_proved(dual, report)
        exact = brute.supremum(X, dual.alpha, bias)
        brute.assert_brackets((report.lower, report.upper), exact, floor=floor, what=f"{seed}")
        if family in TAME:
            assert report.upper - report.lower <= 1e-7 * report.upper + 10 * floor
            others = [ConeOracle()]
            if dual.space.n_penalized <= 2:
                others.append(AngleOracle())
            for other in others:
                second = other.maximise(dual, tolerance=1e-10)
                assert report.lower <= second.upper + floor
                assert second.lower <= report.upper + floor


@settings(deadline=None, max_examples=100)
@given(data=st.data())
def test_grids(data):
    """Rows of small integers with zero coefficients, in every setting."""
    n, d = data.draw(st.integers(1, 6)), data.draw(st.integers(1, 3))
    entries = st.integers(-2, 2).map(float)
    rows = st.lists(st.lists(entries, min_size=d, max_size=d), min_size=n, max_size=n)
    X = np.array(data.draw(rows))
    alpha = np.array(data.draw(st.lists(entries, min_size=n, max_size=n)))
    dual = dual_function(X, alpha, data.draw(st.sampled_from(BIASES)))
    report = SignOracle().maximise(dual, tolerance=1e-10)
    assert_proved(dual, report)
    exact = brute.supremum(X, dual.alpha, dual.problem.bias)
    brute.assert_brackets((report.lower, report.upper), exact, floor=1e-12 * size_of(dual))
    assert report.upper - report.lower <= 1e-8 * report.upper + 1e-11 * size_of(dual)


@pytest.mark.parametrize("bias", BIASES)
@pytest.mark.parametrize(("n", "d"), [(40, 2), (25, 3), (30, 4), (24, 5)])
def test_larger_functions(n, d, bias):
    for seed in range(2):
        rng = np.random.default_rng(100 * n + d + seed)
        dual = dual_function(rng.standard_normal((n, d)), rng.standard_normal(n), bias)
        signs = SignOracle().maximise(dual, tolerance=1e-9)
        cones = ConeOracle().maximise(dual, tolerance=1e-9)
        assert signs.termination is Termination.CONVERGED
        assert signs.upper <= signs.lower * (1 + 2e-9)
        assert signs.lower <= cones.upper
        assert cones.lower <= signs.upper


@pytest.mark.parametrize(("n", "d"), [(12, 8), (12, 11), (15, 6)])
def test_high_rank(n, d):
    """Against all cells, also where the data have lower rank than columns."""
    rng = np.random.default_rng(n + d)
    for X in (rng.standard_normal((n, d)), rng.integers(-2, 3, size=(n, d)).astype(float)):
        dual = dual_function(X, rng.standard_normal(n))
        signs = SignOracle().maximise(dual, tolerance=1e-9)
        cells = CellOracle().maximise(dual)
        assert signs.upper <= signs.lower * (1 + 2e-9)
        assert signs.lower <= cells.upper
        assert cells.lower <= signs.upper


def test_rows_that_cancel_and_rows_of_one_sign():
    """eta = sum |<x_i, w>| from antiparallel rows, and eta <= 0 when all alpha are negative."""
    X = np.random.default_rng(5).standard_normal((6, 4))
    report = SignOracle().maximise(dual_function(np.vstack([X, -X]), np.ones(12)), tolerance=1e-10)
    signs = np.array(list(itertools.product((-1.0, 1.0), repeat=6)))
    exact = float(np.linalg.norm(signs @ X, axis=1).max())
    brute.assert_brackets((report.lower, report.upper), exact, rel=1e-9)
    report = SignOracle().maximise(dual_function(np.eye(3), -np.ones(3)), tolerance=1e-10)
    brute.assert_brackets((report.lower, report.upper), np.sqrt(3.0), rel=1e-9)
    report = SignOracle().maximise(dual_function(np.eye(3), np.zeros(3)), tolerance=1e-10)
    assert report.lower == report.upper == 0.0


@pytest.fixture
def no_ascent(monkeypatch):
    """Leave finding peaks to the tree alone, so that a part it forgets is missed."""

    calls = itertools.count()

    def unclimbed(_, points, *, steps):
        # Starts come first; what the tree has found comes second.
        return points if next(calls) % 2 else points[:0]

    monkeypatch.setattr(tree_search, "climbed", unclimbed)


@pytest.mark.parametrize("oracle", [SignOracle, ConeOracle])
@pytest.mark.parametrize("bias", BIASES)
@pytest.mark.parametrize("family", TAME)
def test_the_tree_alone_covers_the_sphere(family, bias, oracle, no_ascent):
    """Levels above, at and below the supremum, tolerance 0 included, without any start."""
    for seed in range(12):
        rng = np.random.default_rng(1000 + seed)
        n, d = int(rng.integers(2, 8)), int(rng.integers(2, 4))
        dual = dual_function(TAME[family](rng, n, d), rng.standard_normal(n), bias)
        exact = brute.supremum(dual.problem.X, dual.alpha, bias)
        floor = 1e-12 * size_of(dual)
        for share in (0.0, 0.5, 0.99, 1.0, 1.02, 1.5):
            for tolerance in (0.0, 1e-3):
                level = share * exact
                report = oracle().maximise(dual, level=level, tolerance=tolerance)
                assert report.termination is Termination.CONVERGED
                assert exact - 1e-14 * size_of(dual) <= report.upper
                assert report.upper <= max(level, exact * (1 + tolerance)) * (1 + 1e-9) + floor
                if share < 1.0:
                    assert report.lower * (1 + tolerance) >= exact * (1 - 1e-9) - floor
                assert_proved(dual, report)


def test_the_tree_alone_on_larger_functions(no_ascent):
    for seed, (n, d) in enumerate([(40, 3), (40, 4), (30, 5), (20, 7)] * 2):
        rng = np.random.default_rng(seed)
        dual = dual_function(rng.standard_normal((n, d)), rng.standard_normal(n))
        signs = SignOracle().maximise(dual, tolerance=1e-9)
        cones = ConeOracle().maximise(dual, tolerance=1e-9, budget=Budget(nodes=200_000))
        assert signs.upper <= signs.lower * (1 + 2e-9)
        assert cones.lower <= signs.upper
        assert signs.lower <= cones.upper
        for share in (1.0 + 1e-6, 1.01, 1.1):
            level = share * signs.lower
            above = SignOracle().maximise(dual, level=level, tolerance=1e-9)
            assert signs.lower <= above.upper <= level * (1 + 1e-9)


def test_paths_longer_than_the_first_stack():
    rng = np.random.default_rng(13)
    dual = dual_function(rng.standard_normal((120, 12)), rng.standard_normal(120))
    report = SignOracle().maximise(
        dual, level=0.5 * size_of(dual) / 12, tolerance=1e-3, budget=Budget(nodes=1_500)
    )
    assert report.stats["depth"] > 16
    assert report.lower <= report.upper < size_of(dual)


@pytest.mark.parametrize("bias", BIASES)
def test_budgets_leave_valid_brackets(bias):
    rng = np.random.default_rng(3)
    X, alpha = rng.standard_normal((30, 4)), rng.standard_normal(30)
    dual = dual_function(X, alpha, bias)
    whole = SignOracle().maximise(dual, tolerance=1e-9)
    for nodes in (1, 2, 3, 5, 10, 30, 100, 300):
        part = SignOracle().maximise(dual, tolerance=1e-9, budget=Budget(nodes=nodes))
        assert part.lower <= whole.upper
        assert part.upper >= whole.lower
        if nodes == 1:
            assert part.termination is Termination.NODE_LIMIT
            assert part.upper > whole.upper
    began = time.perf_counter()
    late = SignOracle().maximise(dual, tolerance=1e-9, budget=Budget(deadline=began - 1.0))
    assert late.termination is Termination.TIME_LIMIT
    assert whole.lower <= late.upper < np.inf
    assert late.lower <= whole.upper


def test_below_the_level_nothing_need_be_resolved():
    rng = np.random.default_rng(8)
    dual = dual_function(rng.standard_normal((40, 6)), rng.standard_normal(40))
    whole = SignOracle().maximise(dual, tolerance=1e-9)
    level = 1.2 * whole.upper
    coarse = SignOracle().maximise(dual, level=level, tolerance=1e-9)
    assert whole.lower <= coarse.upper <= level * (1 + 1e-9)
    assert len(coarse.peaks) == 0
    assert coarse.stats["nodes"] < whole.stats["nodes"]
    fine = SignOracle().maximise(dual, level=0.9 * whole.lower, tolerance=1e-9)
    assert np.all(np.abs(fine.peak_values) > 0.9 * whole.lower)
    np.testing.assert_allclose(dual.values(fine.peaks), fine.peak_values, rtol=1e-9)
    np.testing.assert_allclose(abs(fine.peak_values[0]), whole.lower, rtol=1e-8)


def test_powers_of_two_change_nothing():
    rng = np.random.default_rng(9)
    X, alpha = rng.standard_normal((20, 4)), rng.standard_normal(20)
    one = SignOracle().maximise(dual_function(X, alpha), tolerance=1e-9)
    for row_power, alpha_power in ((20, 0), (-20, 20), (0, -300), (200, 100)):
        scaled = dual_function(np.ldexp(X, row_power), np.ldexp(alpha, alpha_power))
        other = SignOracle().maximise(scaled, tolerance=1e-9)
        assert other.stats == one.stats
        power = row_power + alpha_power
        np.testing.assert_allclose(np.ldexp(other.upper, -power), one.upper, rtol=1e-14)


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_magnitudes(data):
    """Entries +-10^k with k from -70 to 70, and coefficients as uneven."""
    n, d = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 3))
    entry = st.tuples(st.sampled_from([-1.0, 0.0, 1.0, 3.0]), st.integers(-70, 70)).map(
        lambda t: t[0] * 10.0 ** t[1]
    )
    rows = st.lists(st.lists(entry, min_size=d, max_size=d), min_size=n, max_size=n)
    X = np.array(data.draw(rows))
    alpha = np.array(data.draw(st.lists(entry, min_size=n, max_size=n)))
    dual = dual_function(X, alpha, data.draw(st.sampled_from(("none", "penalized"))))
    report = SignOracle().maximise(dual, tolerance=1e-9, budget=Budget(nodes=2_000))
    assert_proved(dual, report)


def test_caps_hold_what_lies_in_them():
    """Ends from caps and cones bound samples of both; those of a cap alone are attained."""
    rng = np.random.default_rng(11)
    for trial in range(60):
        r = int(rng.integers(2, 7))
        e = rng.standard_normal(r)
        e /= np.linalg.norm(e)
        cosine = float(rng.uniform(-0.9, 0.999)) if trial % 5 else 1.0 - 10.0 ** -int(trial / 5)
        sine = float(np.sqrt((1.0 - cosine) * (1.0 + cosine)))
        v = rng.standard_normal(r) if trial % 3 else e * rng.choice([-1.0, 1.0])
        directions = rng.standard_normal((4_000, r))
        directions -= np.outer(directions @ e, e)
        norms = np.linalg.norm(directions, axis=1)
        directions = directions[norms > 1e-8] / norms[norms > 1e-8, None]
        # Uniform between the axis and the rim, and at the rim in the direction that counts.
        height = rng.uniform(cosine, 1.0, size=len(directions))
        points = height[:, None] * e + np.sqrt(1 - height**2)[:, None] * directions
        across = v - (v @ e) * e
        if np.linalg.norm(across) > 1e-8:
            across /= np.linalg.norm(across)
            inside = v @ e >= cosine * np.linalg.norm(v)
            extreme = v / np.linalg.norm(v) if inside else cosine * e + sine * across
            points = np.vstack([points, extreme])
        column, room, tops = v[:, None].copy(), np.empty((4, 1)), np.empty(1)
        caps.tops_over_cap(column, np.zeros(1), 1, e, cosine, sine, room[0], room[1], tops)
        top = float(tops[0])
        assert np.all(points @ v <= top + 1e-15 * np.abs(v).sum())
        if r > 1 and np.linalg.norm(v - (v @ e) * e) > 1e-8:
            assert float((points @ v).max()) >= top - 1e-12 * np.linalg.norm(v)
        count = int(rng.integers(1, 6))
        rays = rng.standard_normal((count, r))
        rays /= 2.0 * np.linalg.norm(rays, axis=1)[:, None]
        squares = np.sum(rays**2, axis=1)
        shares = np.abs(rng.standard_normal((count, 1))) * (trial % 2)
        caps.tops_over_cone(
            column, np.array([np.linalg.norm(v)]), 1, rays, squares, count, e, cosine, sine, shares,
            np.empty((r, 1)), room[0], room[1], room[2], tops,
        )  # fmt: skip
        better = float(tops[0])
        within = points[np.all(points @ rays.T >= 0.0, axis=1)]
        assert np.all(within @ v <= better + 1e-15 * np.abs(v).sum())


def test_it_is_an_oracle_and_solves():
    oracle = SignOracle()
    assert isinstance(oracle, Oracle)
    assert oracle.name == "signs"
    rng = np.random.default_rng(21)
    X = rng.standard_normal((24, 7))
    y = np.maximum(X @ rng.standard_normal(7), 0.0) - np.maximum(X @ rng.standard_normal(7), 0.0)
    free = mlp.MeasureProblem(X, y, lam=1.0, bias="none")
    problem = mlp.MeasureProblem(X, y, lam=0.1 * mlp.lam_max(free, oracle=oracle), bias="none")
    solution = mlp.solve(problem, oracle=oracle, tol_gap=1e-7)
    assert solution.certificate.verdict.name == "OPTIMAL"


@pytest.mark.parametrize("seed", [16, 54, 87])
def test_signs_that_tightening_fixed_bound_the_leaves(seed):
    """On grids, a leaf's linear function may exceed the level outside the signs that it implies."""
    rng = np.random.default_rng(seed)
    X, y = rng.integers(0, 3, (24, 4)) / 2.0, rng.standard_normal(24)
    problem = mlp.MeasureProblem(X, y, lam=1.0, skip="constant")
    problem = problem.with_lam(0.03 * mlp.lam_max(problem))
    solution = mlp.solve(problem, oracle="cones")
    assert solution.certificate.is_optimal
    dual = DualFunction(problem, row_space(problem), solution.dual)
    report = SignOracle().maximise(dual, level=problem.lam * (1.0 + 1e-9), tolerance=1e-9)
    assert report.termination is Termination.CONVERGED
    assert report.upper <= problem.lam * (1.0 + 1e-7)
