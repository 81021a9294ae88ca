"""Whatever ends the work, the bracket is valid; more nodes never make it worse."""

import time

import numpy as np
import pytest
from oracles import brute

from measurelp.oracle import (
    Budget,
    ConeOracle,
    SignOracle,
    cone_tree,
    open_tree,
    signs,
    tree_search,
)
from measurelp.status import Termination
from oracle.test_brackets import assert_valid, dual_function

BIASES = ("none", "penalized", "free")
ORACLES = (ConeOracle, SignOracle)


def gaussian(n, d, bias="none", seed=0):
    rng = np.random.default_rng(seed)
    return dual_function(rng.standard_normal((n, d)), rng.standard_normal(n), bias)


@pytest.mark.parametrize("bias", BIASES)
@pytest.mark.parametrize("oracle", ORACLES)
def test_more_nodes_never_widen_a_bracket(oracle, bias):
    dual = gaussian(20, 3, bias)
    whole = oracle().maximise(dual, tolerance=1e-9)
    last = None
    for nodes in [*range(1, 40), 60, 100, 180, 300, 700, 1500, 4000, 10_000]:
        report = oracle().maximise(dual, tolerance=1e-9, budget=Budget(nodes=nodes))
        assert report.stats["nodes"] <= nodes
        assert report.lower <= whole.upper
        assert report.upper >= whole.lower
        if last is not None:
            assert report.upper <= last.upper
            assert report.lower >= last.lower * (1.0 - 1e-14)  # a peak climbed from elsewhere
        last = report
        if report.termination is Termination.CONVERGED:
            assert (report.lower, report.upper) == (whole.lower, whole.upper)
    assert last is not None
    assert last.termination is Termination.CONVERGED


@pytest.mark.parametrize(
    ("oracle", "n", "d", "bias"),
    [
        (ConeOracle, 1000, 3, "none"), (ConeOracle, 100, 4, "penalized"),
        (ConeOracle, 100, 5, "none"), (SignOracle, 40, 7, "none"), (SignOracle, 60, 8, "none"),
    ],
)  # fmt: skip
def test_brackets_close_steadily(oracle, n, d, bias):
    """A tenth of the nodes goes about half of the way; depth first, it brought next to nothing."""
    dual = gaussian(n, d, bias)
    whole = oracle().maximise(dual, tolerance=1e-6)
    total = whole.stats["nodes"]
    first, tenth, half = (
        oracle().maximise(dual, tolerance=1e-6, budget=Budget(nodes=nodes))
        for nodes in (1, total // 10, total // 2)
    )
    assert first.termination is tenth.termination is half.termination is Termination.NODE_LIMIT
    assert tenth.upper - whole.upper <= 0.55 * (first.upper - whole.upper)
    assert half.upper - whole.upper <= 0.4 * (first.upper - whole.upper)


@pytest.mark.parametrize("bias", BIASES)
@pytest.mark.parametrize("oracle", ORACLES)
def test_hardly_any_time(oracle, bias):
    dual = gaussian(60, 5, bias)
    for seconds in (-1.0, 0.0, 0.01, 0.1):
        budget = Budget(deadline=time.perf_counter() + seconds)
        report = oracle().maximise(dual, tolerance=1e-9, budget=budget)
        assert 0.0 < report.lower <= report.upper < np.inf
        if seconds <= 0.0:
            assert report.termination is Termination.TIME_LIMIT
            assert report.stats["nodes"] == 0


@pytest.mark.parametrize("bias", BIASES)
@pytest.mark.parametrize("oracle", ORACLES)
def test_little_room(oracle, bias, monkeypatch):
    """Depth first nearly from the start, and no further tree while one is open."""
    monkeypatch.setattr(cone_tree, "_MOST_OPEN", 2)
    monkeypatch.setattr(cone_tree, "_MOST_BYTES", 0.0)
    monkeypatch.setattr(cone_tree.ConeTree, "first_room", 3)
    monkeypatch.setattr(signs, "_LEAST_OPEN", 1)
    monkeypatch.setattr(signs, "_MOST_OPEN", 1)
    monkeypatch.setattr(open_tree.OpenTree, "first_room", 1)
    monkeypatch.setattr(tree_search, "_ROOM", 0.0)
    for seed in range(5):
        small = gaussian(6, 3, bias, seed)
        exact = brute.supremum(small.problem.X, small.alpha, bias)
        report = oracle().maximise(small, tolerance=1e-10)
        assert_valid(small, report, exact=exact, tight=1e-7)
        for nodes in (1, 5, 20, 50):
            part = oracle().maximise(small, tolerance=1e-10, budget=Budget(nodes=nodes))
            assert_valid(small, part, exact=exact)


def test_slices_are_bounded_before_they_are_opened():
    """The bound of O(1) is a bound, and for one slice it is at most twice the trivial one."""
    for bias in BIASES:
        for seed in range(20):
            dual = gaussian(int(3 + seed), 3, bias, seed)
            bounds = dual.slice_bounds
            parts = list(dual.slices)
            assert len(bounds) == len(parts)
            for part, bound in zip(parts, bounds, strict=True):
                directions = np.random.default_rng(seed).standard_normal((200, part.rows.shape[1]))
                directions /= np.linalg.norm(directions, axis=1)[:, None]
                assert np.abs(part.values(directions)).max() <= bound
                assert bound <= np.abs(part.alpha) @ (
                    np.linalg.norm(part.rows, axis=1)
                    + (0.0 if part.centre is None else 2.0 * np.linalg.norm(part.centre))
                ) * (1.0 + 1e-12)


def test_ranks_that_are_too_high_for_cones():
    dual = gaussian(20, 16)
    report = ConeOracle().maximise(dual)
    assert report.termination is Termination.NODE_LIMIT
    assert 0.0 < report.lower < report.upper < np.inf
    # What is asked may still be known without any node.
    level = 2.0 * float(dual.slice_bounds.max())
    assert ConeOracle().maximise(dual, level=level).termination is Termination.CONVERGED
