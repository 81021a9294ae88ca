"""Suprema of |F| for several outputs: brackets against all stationary points, sampling and one output."""

from __future__ import annotations

import numpy as np
import pytest
from oracles import families, vector
from oracles.brute import lifted

import measurelp as mlp
from measurelp.oracle import AngleOracle, Budget, ConeOracle, DualFunction, vector_cones
from measurelp.problem import row_space
from measurelp.status import Termination

FAMILIES = (
    "gaussian", "grid", "copies", "low_rank", "clustered", "uneven", "mirrored", "last_places",
    "extreme",
)  # fmt: skip


def dual_function(X, A, bias="none"):
    skip = "constant" if bias == "free" else "none"
    problem = mlp.MeasureProblem(X, np.zeros(len(X)), lam=1.0, bias=bias, skip=skip)
    return DualFunction(problem, row_space(problem), np.asarray(A, dtype=float))


def draw(rng, family, n, d, c):
    X = getattr(families, family)(rng, n, d)
    A = rng.standard_normal((n, c))
    kind = rng.integers(5)
    if kind == 1:
        A = rng.integers(-1, 2, (n, c)).astype(float)
    elif kind == 2:
        A = np.abs(A) * rng.choice([-1.0, 1.0])
    elif kind == 3:
        A = A * 10.0 ** rng.uniform(-8, 8, (n, 1))
    elif kind == 4:  # one direction of outputs
        A = np.outer(A[:, 0], rng.standard_normal(c))
    return X, A


def check(report, exact, dual, *, level=0.0, tolerance=0.0):
    """The bracket holds the supremum, and is as narrow as was asked for up to rounding."""
    assert report.lower <= exact * (1.0 + 1e-12)
    assert exact <= report.upper * (1.0 + 1e-15)
    assert report.termination is Termination.CONVERGED
    reached = max(level, report.lower * (1.0 + tolerance))
    assert report.upper <= reached * (1.0 + 1e-10) + 1e-9 * dual.magnitude


@pytest.mark.parametrize("family", FAMILIES)
def test_small_cases_of_every_kind(family):
    rng = np.random.default_rng(FAMILIES.index(family))
    for _ in range(25):
        d, c = int(rng.integers(1, 4)), int(rng.integers(1, 5))
        X, A = draw(rng, family, int(rng.integers(1, 7)), d, c)
        dual, exact = dual_function(X, A), vector.supremum(X, A)
        tolerance, level = 10.0 ** -rng.integers(1, 8), rng.choice([0.0, 0.5, 1.0, 1.01]) * exact
        for oracle in (ConeOracle(), AngleOracle())[: 2 if d <= 2 else 1]:
            report = oracle.maximise(dual, tolerance=tolerance, level=level)
            check(report, exact, dual, level=level, tolerance=tolerance)


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_four_coordinates_of_every_kind(family):
    rng = np.random.default_rng(FAMILIES.index(family))
    for _ in range(15):
        X, A = draw(rng, family, int(rng.integers(3, 7)), 4, int(rng.integers(1, 4)))
        dual, exact = dual_function(X, A), vector.supremum(X, A)
        report = ConeOracle().maximise(dual, tolerance=1e-6)
        check(report, exact, dual, tolerance=1e-6)


@pytest.mark.parametrize("bias", ["penalized", "free"])
def test_biases(bias):
    rng = np.random.default_rng(5)
    for d in (1, 2, 2, 3 if bias == "free" else 2):
        X, A = rng.standard_normal((5, d)), rng.standard_normal((5, 3))
        if bias == "free":
            A -= A.mean(axis=0)
        dual, exact = dual_function(X, A, bias), vector.supremum(X, A, bias)
        report = ConeOracle().maximise(dual, tolerance=1e-7)
        check(report, exact, dual, tolerance=1e-7)
        if dual.space.n_penalized <= 2:
            check(AngleOracle().maximise(dual), exact, dual)


def test_one_output_is_the_scalar_problem():
    rng = np.random.default_rng(6)
    for d in (2, 3, 4):
        X, alpha = rng.standard_normal((25, d)), rng.standard_normal(25)
        one = ConeOracle().maximise(dual_function(X, alpha), tolerance=1e-8)
        column = ConeOracle().maximise(dual_function(X, alpha[:, None]), tolerance=1e-8)
        assert column.lower == pytest.approx(one.lower, rel=1e-7)
        assert column.upper == pytest.approx(one.upper, rel=1e-7)


def test_turning_the_outputs_changes_nothing():
    rng = np.random.default_rng(7)
    X, A = rng.standard_normal((20, 3)), rng.standard_normal((20, 4))
    turn = np.linalg.qr(rng.standard_normal((4, 4)))[0]
    plain, turned = (
        ConeOracle().maximise(dual_function(X, B), tolerance=1e-8) for B in (A, A @ turn)
    )
    assert turned.upper == pytest.approx(plain.upper, rel=1e-7)


def test_many_rows_against_sampling_and_the_circle():
    rng = np.random.default_rng(8)
    for n, d, c in ((300, 2, 3), (150, 3, 6), (40, 4, 2)):
        X, A = rng.standard_normal((n, d)), rng.standard_normal((n, c))
        report = ConeOracle().maximise(dual_function(X, A), tolerance=1e-6)
        w = rng.standard_normal((20_000, d))
        w /= np.linalg.norm(w, axis=1)[:, None]
        sampled = float(np.linalg.norm(vector.outputs(X, A, w), axis=1).max())
        assert sampled <= report.upper
        at = np.linalg.norm(vector.outputs(lifted(X, "none"), A, report.witness), axis=1)[0]
        assert report.lower == pytest.approx(at, rel=1e-12)
        if d == 2:
            circle = AngleOracle().maximise(dual_function(X, A))
            assert circle.upper == pytest.approx(report.lower, rel=2e-6)


def test_peaks_are_above_the_level_and_distinct():
    rng = np.random.default_rng(9)
    X, A = rng.standard_normal((40, 3)), rng.standard_normal((40, 3))
    dual = dual_function(X, A)
    top = ConeOracle().maximise(dual, tolerance=1e-6)
    report = ConeOracle().maximise(dual, tolerance=1e-2, level=0.8 * top.upper)
    sizes = np.linalg.norm(report.peak_values, axis=1)
    assert len(sizes) and np.all(sizes > 0.8 * top.upper) and np.all(np.diff(sizes) <= 0.0)
    assert np.allclose(report.peak_values, dual.values(report.peaks))


def test_budgets_leave_a_valid_bracket():
    rng = np.random.default_rng(10)
    X, A = rng.standard_normal((40, 5)), rng.standard_normal((40, 3))
    dual = dual_function(X, A)
    exact = ConeOracle().maximise(dual, tolerance=1e-7)
    last = np.inf
    for nodes in (0, 10, 100, 1000):
        report = ConeOracle().maximise(dual, tolerance=1e-7, budget=Budget(nodes=nodes))
        assert report.termination is Termination.NODE_LIMIT
        assert report.lower <= exact.upper and exact.lower <= report.upper <= last
        last = report.upper


def test_workers_change_nothing():
    pytest.importorskip("joblib")
    rng = np.random.default_rng(11)
    dual = dual_function(rng.standard_normal((60, 4)), rng.standard_normal((60, 3)))
    one, two = (ConeOracle(n_jobs=k).maximise(dual, tolerance=1e-6) for k in (1, 2))
    assert (one.lower, one.upper) == (two.lower, two.upper)


def test_a_forgotten_orthant_shows(monkeypatch):
    """The checks above notice a tree that leaves out the last orthant."""
    whole = vector_cones.VectorConeTree._open

    def without_the_last(self, part):
        orthants, columns = whole(self, part)
        return orthants - 1, columns

    monkeypatch.setattr(vector_cones.VectorConeTree, "_open", without_the_last)
    X = np.array([[-1.0, -1.0, -0.5], [-0.9, -1.1, -0.6], [1.0, 0.2, 0.1]])
    A = np.array([[1.0, 0.0], [1.0, 0.1], [0.1, 0.0]])
    monkeypatch.setattr("measurelp.oracle.tree_search.climbed", lambda _, points, **__: points)
    dual, exact = dual_function(X, A), vector.supremum(X, A)
    report = ConeOracle().maximise(dual, tolerance=1e-9)
    with pytest.raises(AssertionError):
        check(report, exact, dual, tolerance=1e-9)


def test_parallel_rows_become_one():
    """Rows on a line merge, and the function stays the same."""
    rng = np.random.default_rng(12)
    base = rng.integers(-3, 4, (4, 3)).astype(float)
    factors = np.array([1.0, -1.0, 2.0, -0.5, 3.0, -4.0, 1.0, 1.0])
    rows = factors[:, None] * np.vstack([base, base])
    alpha = rng.standard_normal((8, 2))
    lines, weights, linear, lost = vector_cones.merged_lines(rows, alpha)
    assert len(lines) <= 4 and lost <= 1e-13
    w = rng.standard_normal((30, 3))
    merged = np.maximum(w @ lines.T, 0.0) @ weights + w @ linear.T
    assert np.allclose(merged, vector.outputs(rows, alpha, w), atol=1e-12)
