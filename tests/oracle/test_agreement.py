"""Every pair of oracles that can do a function agree within their brackets, and with all candidates."""

from dataclasses import replace

import numpy as np
import pytest
from oracles import brute
from oracles.families import NASTY, SETTINGS, TAME

import measurelp as mlp
from measurelp.oracle import AngleOracle, Budget, SignOracle
from oracle import functions

TIGHT = {**TAME, "mirrored": None}


def draw(family, seed):
    """Rows of a family, and coefficients of the kind that is the seed's turn; every fourth time one row."""
    rng = np.random.default_rng(seed)
    n, d = (1 if seed % 4 == 3 else int(rng.integers(2, 7))), int(rng.integers(1, 4))
    kind = functions.ALPHAS[seed % len(functions.ALPHAS)]
    return NASTY[family](rng, n, d), functions.draw_alpha(kind, rng, n)


def check(family, bias, skip, seed) -> None:
    """All oracles on one function."""
    X, alpha = draw(family, seed)
    dual = functions.dual_function(X, alpha, bias, skip)
    exact = brute.supremum(X, dual.alpha, bias)
    # Where the skip explains alpha only its rounding is left, see test_scales below.
    is_rounding = np.abs(dual.alpha).max() <= 1e-9 * np.abs(alpha).max()
    tight = 1e-7 if family in TIGHT and not is_rounding else None
    reports = {}
    for name, oracle in functions.able(dual).items():
        reports[name] = oracle.maximise(dual, tolerance=1e-10, budget=Budget(nodes=20_000))
        try:
            assert reports[name].scope is mlp.Scope.COMPLETE
            functions.assert_proved(dual, reports[name], exact=exact, tight=tight)
        except AssertionError as error:
            raise AssertionError(f"{name}, seed {seed}: {error}") from error
    functions.assert_agree(dual, reports)


@pytest.mark.parametrize(("bias", "skip"), SETTINGS)
@pytest.mark.parametrize("family", NASTY)
def test_small_functions(family, bias, skip):
    """8 functions, one of each kind of coefficients, for each of 80 kinds of data and settings."""
    for seed in range(len(functions.ALPHAS)):
        check(family, bias, skip, seed)


@pytest.mark.slow
@pytest.mark.parametrize(("bias", "skip"), SETTINGS)
@pytest.mark.parametrize("family", NASTY)
def test_more_small_functions(family, bias, skip):
    for seed in range(100, 150):
        check(family, bias, skip, seed)


@pytest.mark.parametrize("bias", ["none", "penalized", "free"])
@pytest.mark.parametrize(("n", "d"), [(30, 1), (30, 2), (20, 3), (14, 4), (12, 6)])
def test_larger_functions(n, d, bias):
    """Gaussian rows, and the same with repeated, opposite and zero rows, by every oracle."""
    rng = np.random.default_rng(10 * n + d)
    X = rng.standard_normal((n, d))
    degenerate = X.copy()
    degenerate[1], degenerate[3], degenerate[5] = X[0], -X[2], 0.0
    for data in (X, degenerate):
        dual = functions.dual_function(data, rng.standard_normal(n), bias)
        few = n * (bias == "free") * d <= 45
        reports = {
            name: oracle.maximise(dual, tolerance=1e-9)
            for name, oracle in functions.able(dual, cells=few).items()
        }
        functions.assert_agree(dual, reports)
        for report in reports.values():
            assert report.upper <= report.lower * (1 + 1e-8) + functions.leak_of(dual)


@pytest.mark.parametrize("bias", ["none", "penalized", "free"])
def test_rows_that_do_not_count(bias):
    """Zero coefficients, zero rows and rows that cancel change no oracle's answer."""
    rng = np.random.default_rng(4)
    X, alpha = rng.standard_normal((6, 2)), functions.without_sum(rng.standard_normal(6))
    plain = functions.dual_function(X, alpha, bias)
    copies, coefficients = (
        np.vstack([X, X[:3], X[:3]]),
        np.concatenate([alpha, [2, 1, -3], [-2, -1, 3]]),
    )
    padded = functions.dual_function(copies, coefficients, bias)
    silent = functions.dual_function(np.vstack([X, 5 * X[:2]]), np.append(alpha, [0, 0]), bias)
    for name, oracle in functions.able(plain).items():
        one = oracle.maximise(plain, tolerance=1e-10)
        for dual in (padded, silent):
            other = oracle.maximise(dual, tolerance=1e-10)
            functions.assert_agree(dual, {f"{name} plain": one, f"{name} padded": other})


@pytest.mark.parametrize("power", [-190, -60, 60, 190])
@pytest.mark.parametrize("name", ["angles", "signs", "cones", "cells"])
def test_scales(name, power):
    """A power of two in alpha scales a bracket and nothing else."""
    X, alpha = np.array([[-1.0, -1.0], [1.0, 1.0], [2.0, 0.0]]), np.array([-0.4, 0.0, 1.0])
    dual = functions.dual_function(X, np.ldexp(alpha, power))
    report = functions.able(dual)[name].maximise(dual, tolerance=1e-10)
    exact = np.ldexp(brute.supremum(X, alpha), power)
    functions.assert_proved(dual, report, exact=exact)
    assert report.upper <= report.lower * (1 + 1e-9)


def test_the_checks_fail_when_they_should():
    dual = functions.dual_function(np.eye(2), np.ones(2))
    report = AngleOracle().maximise(dual)
    other = SignOracle().maximise(dual)
    functions.assert_proved(dual, report, exact=np.sqrt(2.0), tight=1e-9)
    functions.assert_agree(dual, {"angles": report, "signs": other})
    low = replace(report, lower=0.0, upper=report.upper * (1 - 1e-9))
    with pytest.raises(AssertionError, match="exceeds"):
        functions.assert_proved(dual, low)
    with pytest.raises(AssertionError, match="signs reaches"):
        functions.assert_agree(dual, {"angles": low, "signs": other})
    with pytest.raises(AssertionError, match="no bracket"):
        functions.assert_proved(dual, replace(report, lower=2.0))
    with pytest.raises(AssertionError, match="witness"):
        functions.assert_proved(dual, replace(report, lower=1.5, upper=1.6))
    with pytest.raises(AssertionError, match="outside"):
        functions.assert_proved(dual, report, exact=1.5)
    with pytest.raises(AssertionError, match="wide"):
        functions.assert_proved(dual, replace(report, upper=1.6), tight=1e-3)


def test_sampled_ascent_finds_what_is_there():
    rng = np.random.default_rng(0)
    X, alpha = rng.standard_normal((6, 3)), rng.standard_normal(6)
    value, where = functions.sampled_ascent(X, alpha, rng)
    assert value <= brute.supremum(X, alpha) * (1 + 1e-12)
    assert value >= 0.98 * brute.supremum(X, alpha)
    assert value == pytest.approx(abs(brute.eta(X, alpha, where)[0]), rel=1e-12)
