"""Covers exist just above the supremum of the dual function and nowhere below it."""

import numpy as np
import pytest
from oracles import brute
from oracles.families import EVERY, TAME

import measurelp.check_proof as checker
from measurelp.errors import BudgetExceeded
from measurelp.proof.cover import record_cover
from measurelp.proof.exact import rationals
from measurelp.proof.signs import record_signs


def question(X, alpha, bias, limit):
    """Rows, centres, ball and radius for |eta_alpha| <= limit, from the checker itself."""
    stated = checker.problem_of({
        "loss": "squared", "bias": bias, "skip": "constant" if bias == "free" else "none",
        "lam": rationals(np.array(limit)), "X": rationals(X), "y": rationals(alpha),
    })  # fmt: skip
    unit, numerators = rationals(alpha)
    return checker.supremum_of(stated, unit << 80, tuple(a << 80 for a in numerators), None)


def covered(X, alpha, bias, limit, method, *, most=20_000):
    """Whether covers of all slices are found and accepted."""
    rows, centres, ball, radius = question(X, alpha, bias, limit)
    try:
        for centre in centres:
            part = checker.part_of(rows, centre)
            if method == "cones":
                entry = record_cover(part, ball, radius, most=most)
            else:
                plus = record_signs(*checker.signs_of(part, ball, 1), most=most)
                minus = record_signs(*checker.signs_of(part, ball, -1), most=most)
                entry = {"plus": plus, "minus": minus}
            checker.check_part(part, ball, entry)
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
    rows = [((2, 4), 3), ((-1, -2), 5), ((0, 0), 7), ((3, 0), 1), ((-1, 0), -3)]
    part = checker.part_of(rows, (0, 0))
    assert [line for _, line in part.lines] == [(1, 2)]  # (1, 0) has weight 3 - 3 = 0
    for u in ((1, 1), (-1, 1), (1, -3), (-2, 0)):
        eta = sum(a * max(0, checker.dot(row, u)) for row, a in rows)
        assert eta == checker.dot(part.linear, u) + sum(
            weight * max(0, checker.dot(line, u)) for weight, line in part.lines
        )
        opposite = sum(a * max(0, -checker.dot(row, u)) for row, a in rows)
        assert opposite == eta - checker.dot(part.k, u)
