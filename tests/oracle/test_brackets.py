"""Oracles agree with one another and with suprema found by candidates; budgets leave valid brackets."""

import itertools
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import brute
from oracles.families import EVERY, TAME

import measurelp as mlp
from measurelp.errors import InvalidProblem
from measurelp.oracle import (
    AngleOracle,
    Budget,
    CellOracle,
    ConeOracle,
    DualFunction,
    choose_oracle,
)
from measurelp.problem import row_space
from measurelp.status import Termination

BIASES = ("none", "penalized", "free")


def dual_function(X, alpha, bias):
    """The dual function of alpha; a free bias gets the part of alpha that sums to zero."""
    alpha = np.array(alpha, dtype=float)
    if bias == "free":
        alpha = alpha - alpha.mean()
        alpha[-1] -= alpha.sum()
    problem = mlp.MeasureProblem(
        X, np.zeros(len(X)), lam=1.0, bias=bias, skip="constant" if bias == "free" else "none"
    )
    return DualFunction(problem, row_space(problem), alpha)


def able(dual, *, cells=True):
    """Every oracle that can do this function."""
    found = [ConeOracle()]
    if cells:
        found.append(CellOracle())
    if dual.space.n_penalized <= 2:
        found.append(AngleOracle())
    return found


def assert_valid(dual, report, *, exact=None, tight=None) -> None:
    """The bracket is proved: exact arithmetic finds nothing above it, and the witness reaches below it.

    ``exact`` is the supremum from candidates; ``tight`` the relative width that is allowed.
    """
    problem, alpha = dual.problem, dual.alpha
    rows, p = problem.lifted, problem.n_penalized
    scale = float(np.abs(alpha) @ np.linalg.norm(rows, axis=1))
    if not 0.0 <= report.lower <= report.upper:
        raise AssertionError(f"empty bracket [{report.lower}, {report.upper}]")
    for weight in brute.maximisers(problem.X, alpha, problem.bias, most=4):
        w = weight.copy()
        if brute.exceeds_exactly(rows, alpha, w, p, report.upper):
            # With a free bias alpha sums to zero up to rounding only; b is at most the largest input.
            leak = abs(float(alpha.sum())) * 2 * scale if problem.bias == "free" else 0.0
            if leak == 0.0 or brute.exceeds_exactly(rows, alpha, w, p, report.upper + leak):
                raise AssertionError(f"eta exceeds the proved bound {report.upper!r} at {w!r}")
    if report.lower > 0.0 and not brute.exceeds_exactly(
        rows, alpha, report.witness, p, report.lower * (1 - 1e-15)
    ):
        raise AssertionError(f"the witness does not reach {report.lower!r}")
    if exact is not None:
        brute.assert_brackets((report.lower, report.upper), exact, rel=1e-8, floor=1e-12 * scale)
    if (
        tight is not None
        and not report.upper - report.lower <= tight * report.upper + 1e-11 * scale
    ):
        raise AssertionError(f"wide bracket [{report.lower!r}, {report.upper!r}]")


def draw(family, seed):
    rng = np.random.default_rng(seed)
    n, d = int(rng.integers(1, 7)), int(rng.integers(1, 4))
    X = EVERY[family](rng, n, d)
    alpha = rng.standard_normal(n) if seed % 2 else rng.integers(-2, 3, size=n).astype(float)
    return X, alpha


@pytest.mark.parametrize("bias", BIASES)
@pytest.mark.parametrize("family", EVERY)
def test_brackets_of_small_functions(family, bias):
    """16 functions for each of 21 kinds, each by two or three oracles."""
    for seed in range(16):
        X, alpha = draw(family, seed)
        dual = dual_function(X, alpha, bias)
        exact = brute.supremum(X, dual.alpha, bias)
        tame = family in TAME
        for oracle in able(dual, cells=tame or bias != "free"):
            report = oracle.maximise(dual, tolerance=1e-10, budget=Budget(nodes=20_000))
            try:
                assert_valid(dual, report, exact=exact, tight=1e-7 if tame else None)
            except AssertionError as error:
                raise AssertionError(f"{oracle.name}, seed {seed}: {error}") from error


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_brackets_of_grids(data):
    """Rows of small integers, with zero coefficients, in every setting."""
    n, d = data.draw(st.integers(1, 6)), data.draw(st.integers(1, 3))
    entries = st.integers(-2, 2).map(float)
    X = np.array(
        data.draw(st.lists(st.lists(entries, min_size=d, max_size=d), min_size=n, max_size=n))
    )
    alpha = np.array(data.draw(st.lists(entries, min_size=n, max_size=n)))
    dual = dual_function(X, alpha, data.draw(st.sampled_from(BIASES)))
    exact = brute.supremum(X, dual.alpha, dual.problem.bias)
    for oracle in able(dual):
        assert_valid(dual, oracle.maximise(dual, tolerance=1e-10), exact=exact, tight=1e-8)


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_brackets_of_magnitudes(data):
    """Entries +-10^k with k from -12 to 12, and coefficients as uneven."""
    n, d = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 3))
    entry = st.tuples(st.sampled_from([-1.0, 0.0, 1.0, 3.0]), st.integers(-12, 12)).map(
        lambda t: t[0] * 10.0 ** t[1]
    )
    X = np.array(
        data.draw(st.lists(st.lists(entry, min_size=d, max_size=d), min_size=n, max_size=n))
    )
    alpha = np.array(data.draw(st.lists(entry, min_size=n, max_size=n)))
    dual = dual_function(X, alpha, data.draw(st.sampled_from(("none", "penalized"))))
    for oracle in able(dual):
        assert_valid(dual, oracle.maximise(dual, tolerance=1e-9, budget=Budget(nodes=5_000)))


@pytest.mark.parametrize("bias", BIASES)
def test_a_dense_circle_finds_nothing_higher(bias):
    for seed in range(5):
        rng = np.random.default_rng(seed)
        X, alpha = rng.standard_normal((12, 2 - (bias == "penalized"))), rng.standard_normal(12)
        dual = dual_function(X, alpha, bias)
        if bias == "free":
            grid = max(brute.supremum_on_circle(X - c, dual.alpha, count=20_000) for c in X)
        else:
            grid = brute.supremum_on_circle(dual.problem.lifted, alpha)
        for oracle in able(dual):
            report = oracle.maximise(dual, tolerance=1e-10)
            assert grid <= report.upper * (1 + 1e-14)
            # At a kink the grid misses the peak by its step times the slope.
            assert report.upper <= grid + 1e-3 * dual.magnitude


@pytest.mark.parametrize("bias", BIASES)
@pytest.mark.parametrize(("n", "d"), [(40, 2), (25, 3), (14, 4)])
def test_oracles_agree_on_larger_functions(n, d, bias):
    rng = np.random.default_rng(n + d)
    dual = dual_function(rng.standard_normal((n, d)), rng.standard_normal(n), bias)
    reports = [oracle.maximise(dual, tolerance=1e-10) for oracle in able(dual)]
    for report in reports:
        assert report.lower <= report.upper <= report.lower * (1 + 1e-8)
        assert report.lower <= min(r.upper for r in reports)
        assert report.scope is mlp.Scope.COMPLETE


@pytest.mark.parametrize("bias", BIASES)
@pytest.mark.parametrize("nodes", [1, 2, 10, 100])
def test_a_budget_of_nodes_gives_a_valid_bracket(nodes, bias):
    for seed in range(6):
        rng = np.random.default_rng(seed)
        X, alpha = rng.standard_normal((6, 3)), rng.standard_normal(6)
        dual = dual_function(X, alpha, bias)
        exact = brute.supremum(X, dual.alpha, bias)
        report = ConeOracle().maximise(dual, tolerance=1e-12, budget=Budget(nodes=nodes))
        assert_valid(dual, report, exact=exact)
        if report.termination is mlp.Termination.CONVERGED:
            assert report.upper <= report.lower * (1 + 1e-6)
        else:
            assert report.termination is mlp.Termination.NODE_LIMIT


@pytest.mark.parametrize("bias", BIASES)
def test_a_deadline_in_the_past_gives_a_valid_bracket(bias):
    rng = np.random.default_rng(3)
    X, alpha = rng.standard_normal((6, 2)), rng.standard_normal(6)
    dual = dual_function(X, alpha, bias)
    exact = brute.supremum(X, dual.alpha, bias)
    for oracle in able(dual):
        report = oracle.maximise(dual, budget=Budget(deadline=time.perf_counter() - 1.0))
        assert_valid(dual, report, exact=exact)


@pytest.mark.parametrize("bias", BIASES)
def test_a_level_only_shortens_the_work(bias):
    """Whatever the level: the bracket is valid, and above the level it is tight."""
    rng = np.random.default_rng(5)
    X, alpha = rng.standard_normal((6, 3)), rng.standard_normal(6)
    dual = dual_function(X, alpha, bias)
    exact = brute.supremum(X, dual.alpha, bias)
    for factor in (0.5, 0.999, 1.0, 1.001, 2.0):
        for oracle in able(dual):
            report = oracle.maximise(dual, level=factor * exact, tolerance=1e-9)
            assert_valid(dual, report, exact=exact)
            assert report.upper <= max(factor * exact, report.lower) * (1 + 1e-8)


@pytest.mark.parametrize("alpha", [[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [1e-100, 0.0, -1e-100]])
@pytest.mark.parametrize("bias", BIASES)
def test_functions_that_vanish_nearly_everywhere(alpha, bias):
    X = np.array([[1.0, 2.0], [0.0, 0.0], [-3.0, 1.0]])
    dual = dual_function(X, alpha, bias)
    exact = brute.supremum(X, dual.alpha, bias)
    for oracle in able(dual):
        report = oracle.maximise(dual)
        scale = float(np.abs(dual.alpha).sum())
        brute.assert_brackets((report.lower, report.upper), exact, floor=1e-12 * scale)


@pytest.mark.parametrize("bias", BIASES)
def test_data_that_are_all_zero(bias):
    dual = dual_function(np.zeros((3, 2)), [1.0, -2.0, 0.5], bias)
    for oracle in able(dual):
        report = oracle.maximise(dual)
        exact = 0.5 if bias == "penalized" else 0.0
        brute.assert_brackets((report.lower, report.upper), exact, floor=1e-12)


def test_peaks_are_local_maxima_above_the_level():
    rng = np.random.default_rng(8)
    X, alpha = rng.standard_normal((9, 2)), rng.standard_normal(9)
    dual = dual_function(X, alpha, "none")
    exact = brute.supremum(X, alpha)
    for oracle in able(dual):
        report = oracle.maximise(dual, level=0.3 * exact)
        assert len(report.peaks) == len(report.peak_values) > 0
        np.testing.assert_allclose(dual.values(report.peaks), report.peak_values, rtol=1e-12)
        assert np.all(np.abs(report.peak_values) > 0.3 * exact)
        assert np.all(np.diff(np.abs(report.peak_values)) <= 1e-15)
        np.testing.assert_allclose(np.linalg.norm(report.peaks, axis=1), 1.0, rtol=1e-12)
        assert abs(report.peak_values[0]) == pytest.approx(exact, rel=1e-9)


def test_cells_that_are_a_sample_prove_nothing():
    from measurelp.arrangement.sampling import sample_cells

    rng = np.random.default_rng(0)
    X, alpha = rng.standard_normal((6, 2)), rng.standard_normal(6)
    dual = dual_function(X, alpha, "none")
    every = sample_cells(X, rng.standard_normal((5000, 2)))
    assert len(every) == mlp.count_cells(X)
    report = CellOracle(every).maximise(dual)
    assert report.scope is mlp.Scope.SAMPLED
    assert report.upper == float("inf")
    assert report.lower == pytest.approx(brute.supremum(X, alpha), rel=1e-9)


def test_angles_refuse_three_coordinates():
    with pytest.raises(InvalidProblem, match="angles"):
        AngleOracle().maximise(dual_function(np.eye(3), np.ones(3), "none"))


@pytest.mark.parametrize("name", ["angle", "", 3, object()])
def test_unknown_oracles_are_refused(name):
    space = dual_function(np.eye(2), np.ones(2), "none").space
    with pytest.raises(InvalidProblem, match="oracle"):
        choose_oracle(name, space)


def test_the_check_of_brackets_fails_when_it_should():
    from dataclasses import replace

    dual = dual_function(np.eye(2), np.ones(2), "none")
    report = AngleOracle().maximise(dual)
    assert_valid(dual, report)
    low = replace(report, lower=0.0, upper=report.upper * (1 - 1e-12))
    with pytest.raises(AssertionError, match="exceeds"):
        assert_valid(dual, low)
    with pytest.raises(AssertionError, match="witness"):
        assert_valid(dual, replace(report, lower=1.5, upper=1.6))
    with pytest.raises(AssertionError, match="empty"):
        assert_valid(dual, replace(report, lower=1.7, upper=1.6))
    with pytest.raises(AssertionError, match="wide"):
        assert_valid(dual, replace(report, upper=1.6), tight=1e-3)


def test_branch_and_bound_by_name_takes_the_tree_that_suits():
    """It never sorts angles, and where it is soon done its bracket is that of the first tree."""
    from measurelp.oracle import ConeOracle, SignOracle, choose_oracle

    rng = np.random.default_rng(0)
    for d, expected in ((2, ConeOracle), (3, ConeOracle), (8, SignOracle)):
        dual = dual_function(rng.standard_normal((12, d)), rng.standard_normal(12), "none")
        chosen, why = choose_oracle("branch_and_bound", dual.space)
        assert "tree over" in why
        report = chosen.maximise(dual, tolerance=1e-9)
        own = expected().maximise(dual, tolerance=1e-9)
        assert (report.lower, report.upper) == (own.lower, own.upper)
        assert report.stats["tree"] == own.stats["tree"] == expected.name


@pytest.mark.parametrize("first", ["signs", "cones"])
def test_taking_turns_changes_no_supremum(first, monkeypatch):
    """With hardly any head start the two trees alternate; brackets contain what all cells say."""
    from measurelp.oracle import BranchAndBoundOracle, tree_search

    monkeypatch.setattr(tree_search, "_HEAD_START", 3)
    rng = np.random.default_rng(7)
    for bias in BIASES:
        for points in (rng.standard_normal((14, 4)), rng.integers(-1, 2, (14, 4)).astype(float)):
            dual = dual_function(points, rng.standard_normal(14), bias)
            whole = CellOracle().maximise(dual)
            report = BranchAndBoundOracle(first).maximise(dual, tolerance=1e-9)
            assert report.termination is Termination.CONVERGED
            assert report.lower <= whole.upper
            assert whole.lower <= report.upper
            assert report.upper <= whole.upper * (1.0 + 1e-8)


def test_the_second_tree_joins_in_where_the_first_one_is_large():
    """On a grid, signs of rows need many more nodes than cones, and the other way round above."""
    from measurelp.oracle import BranchAndBoundOracle, ConeOracle, SignOracle

    grid = np.array(list(itertools.product([0.0, 0.5, 1.0], repeat=4)))
    y = np.random.default_rng(0).uniform(-1.0, 1.0, len(grid))
    problem = mlp.MeasureProblem(grid, y, lam=0.243)
    solution = mlp.solve(problem, oracle="cones")
    dual = DualFunction(problem, row_space(problem), solution.dual)
    asked = {"level": problem.lam * (1.0 + 1e-9), "tolerance": 1e-9}
    few = Budget(nodes=150_000)
    assert SignOracle().maximise(dual, budget=few, **asked).termination is Termination.NODE_LIMIT
    for first in ("signs", "cones"):
        report = BranchAndBoundOracle(first).maximise(dual, budget=few, **asked)
        assert report.termination is Termination.CONVERGED
        assert report.stats["tree"] == "cones"
        cones = ConeOracle().maximise(dual, budget=few, **asked)
        assert report.lower <= cones.upper
        assert cones.lower <= report.upper
        assert report.upper <= problem.lam * (1.0 + 1e-6)
    uppers = [
        BranchAndBoundOracle("signs").maximise(dual, budget=Budget(nodes=nodes), **asked).upper
        for nodes in (1, 1_000, 80_000, 90_000, 150_000)
    ]
    assert uppers == sorted(uppers, reverse=True)
