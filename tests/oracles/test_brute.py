"""The references are checked on cases with known answers, and the assertions fail when they should."""

import math

import numpy as np
import pytest

from oracles import brute


@pytest.mark.parametrize(("n", "d"), [(5, 3), (7, 2), (4, 2), (3, 5)])
def test_patterns_follow_covers_count(n, d):
    rows = np.random.default_rng(n).standard_normal((n, d))
    assert len(brute.sign_patterns(rows)) == 2 * sum(math.comb(n - 1, k) for k in range(d))


def test_cone_program_of_one_point():
    assert brute.cone_program([[3.0, 4.0]], [2.0], bias="none", interpolate=True) == pytest.approx(
        0.4
    )
    assert (
        brute.cone_program([[1.0, 2.0]] * 2, [1.0, 2.0], bias="none", interpolate=True) == math.inf
    )


@pytest.mark.parametrize("d", [1, 2, 3, 4])
def test_supremum_of_ones_on_the_identity(d):
    assert brute.supremum(np.eye(d), np.ones(d)) == pytest.approx(math.sqrt(d), rel=1e-12)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("bias", ["none", "penalized", "free"])
def test_suprema_agree_with_sampling(seed, bias):
    rng = np.random.default_rng(seed)
    X, alpha = rng.standard_normal((6, 2)), rng.standard_normal(6)
    alpha -= alpha.mean()
    exact, sampled = brute.supremum(X, alpha, bias), brute.supremum_by_sampling(X, alpha, bias)
    assert 0.97 * exact <= sampled <= exact * (1 + 1e-12)


def test_the_assertions_fail():
    with pytest.raises(AssertionError, match="outside"):
        brute.assert_brackets((0.0, 1.0), 1.1)
    with pytest.raises(AssertionError, match="empty"):
        brute.assert_brackets((1.0, 0.5), 0.7)
    with pytest.raises(AssertionError, match="empty"):
        brute.assert_brackets((math.nan, 0.5), 0.7)
    with pytest.raises(AssertionError, match="outside"):
        brute.assert_brackets((0.0, 1.0), math.nan)
    with pytest.raises(AssertionError, match="expected"):
        brute.assert_close(1.0, 1.0 + 1e-5)
    with pytest.raises(AssertionError, match="expected"):
        brute.assert_close(math.nan, 1.0)
    assert brute.exceeds_exactly([[1.0]], [1.0], [1.0], 1, 1.0 - 1e-15)
    assert not brute.exceeds_exactly([[1.0]], [1.0], [1.0], 1, 1.0)
