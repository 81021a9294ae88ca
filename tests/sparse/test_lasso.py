"""ISTA, FISTA and the gap against exact lasso solvers and laws."""

import numpy as np
import pytest
from sklearn.linear_model import lars_path

import measurelp as mlp
from measurelp.errors import InvalidProblem
from measurelp.sparse import fista, ista, lasso_gap


def data(seed=0, d=8, m=15, targets=3):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((d, m)), rng.standard_normal((targets, d))


def exact(W, x, lam):
    """The lasso's solution by least angles, whose alpha has the factor 1/d of its objective."""
    _, _, path = lars_path(W, x, method="lasso", alpha_min=lam / len(W))
    return path[:, -1]


def objective(W, x, z, lam):
    return 0.5 * np.sum((x - W @ z) ** 2) + lam * np.abs(z).sum()


@pytest.mark.parametrize("method", [ista, fista])
@pytest.mark.parametrize("lam", [0.05, 0.5, 3.0])
def test_codes_are_those_of_least_angles(method, lam):
    W, X = data()
    found = method(W, X, lam, tol_gap=1e-10, max_iterations=200_000)
    assert found.termination is mlp.Termination.CONVERGED
    for x, code in zip(X, found.codes, strict=True):
        np.testing.assert_allclose(code, exact(W, x, lam), atol=2e-5)
    one = method(W, X[0], lam, tol_gap=1e-10, max_iterations=200_000)
    assert one.codes.shape == (15,)
    np.testing.assert_allclose(one.codes, found.codes[0], atol=2e-5)


def test_the_gap_bounds_what_is_missing_at_any_code():
    W, X = data(1)
    rng = np.random.default_rng(2)
    for lam in (1e-3, 0.3, 10.0):
        for scale in (0.0, 1e-3, 1.0, 100.0):
            codes = rng.standard_normal((3, 15)) * scale
            gap = lasso_gap(W, X, codes, lam)
            for i, x in enumerate(X):
                best = objective(W, x, exact(W, x, lam), lam)
                value = objective(W, x, codes[i], lam)
                assert gap.primal_value[i] == pytest.approx(value, rel=1e-12)
                assert gap.dual_value[i] <= best * (1 + 1e-9) + 1e-12 * value
                # The dual vector is feasible, and its value is the one that is stated.
                dual = gap.scale[i] * (x - W @ codes[i])
                assert np.abs(W.T @ dual).max() <= lam
                assert gap.dual_value[i] == pytest.approx(
                    x @ dual - 0.5 * dual @ dual, rel=1e-9, abs=1e-12 * max(value, 1.0)
                )


def test_a_perturbed_code_has_a_gap():
    W, X = data(3)
    code = fista(W, X[0], 0.3, tol_gap=1e-12, max_iterations=100_000).codes
    assert lasso_gap(W, X[0], code, 0.3).relative_gap[0] <= 1e-12
    assert lasso_gap(W, X[0], code + 1e-3, 0.3).relative_gap[0] > 1e-6


def test_ista_never_rises_and_keeps_its_rate():
    W, X = data(4)
    lam, L = 0.2, np.linalg.norm(W, 2) ** 2
    best = [objective(W, x, exact(W, x, lam), lam) for x in X]
    radius = sum(np.sum(exact(W, x, lam) ** 2) for x in X)
    seen = ista(W, X, lam, tol_gap=1e-9, max_iterations=500, check_every=1).history
    values = np.array([one.objective for one in seen])
    assert np.all(np.diff(values) <= 1e-12 * values[0])
    k = np.arange(1, len(values))
    assert np.all(values[1:] - sum(best) <= L * radius / (2 * k) + 1e-12)
    fast = fista(W, X, lam, tol_gap=1e-9, max_iterations=500, check_every=1).history
    assert len(fast) < len(seen)


def test_the_normalisation_without_a_half_is_lam_over_two():
    found = ista(np.eye(3), [3.0, -0.4, 1.0], 1.0 / 2.0)
    np.testing.assert_allclose(found.codes, [2.5, 0.0, 0.5], atol=1e-12)


def test_zero_is_the_code_from_lam_max_on():
    W, X = data(5, targets=1)
    largest = np.abs(W.T @ X[0]).max()
    assert not ista(W, X[0], largest * (1 + 1e-12)).codes.any()
    assert fista(W, X[0], largest * 0.99, tol_gap=1e-9).codes.any()


def test_limits_monitors_starts_and_interruptions():
    W, X = data(6)
    short = ista(W, X, 0.1, max_iterations=7, check_every=3)
    assert short.termination is mlp.Termination.ROUND_LIMIT
    assert [one.iteration for one in short.history] == [0, 3, 6, 7]
    again = lasso_gap(W, X, short.codes, 0.1)
    np.testing.assert_array_equal(short.gap.gap, again.gap)
    onwards = ista(W, X, 0.1, start=short.codes, max_iterations=5)
    whole = ista(W, X, 0.1, max_iterations=12)
    np.testing.assert_allclose(onwards.codes, whole.codes, atol=1e-13)
    told = ista(W, X, 0.1, monitor=lambda progress: progress.iteration >= 20)
    assert (told.termination, told.iterations) == (mlp.Termination.INTERRUPTED, 20)

    def interrupt(progress):
        if progress.iteration == 10:
            raise KeyboardInterrupt

    stopped = fista(W, X, 0.1, monitor=interrupt)
    assert (stopped.termination, stopped.iterations) == (mlp.Termination.INTERRUPTED, 10)
    np.testing.assert_array_equal(stopped.gap.gap, lasso_gap(W, X, stopped.codes, 0.1).gap)


def test_zero_targets_and_zero_dictionaries():
    assert ista(np.eye(2), [0.0, 0.0], 1.0).gap.relative_gap[0] == 0.0
    found = fista(np.zeros((2, 3)), [1.0, 2.0], 1.0)
    assert not found.codes.any() and found.gap.gap[0] == 0.0


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"lam": 0.0}, "lam"), ({"lam": -1.0}, "lam"), ({"lam": float("nan")}, "lam"),
        ({"x": [1.0, 2.0]}, "x: expected 8"), ({"W": np.ones(8)}, "W"),
        ({"x": np.full(8, np.inf)}, "x"), ({"tol_gap": 0.0}, "tol_gap"),
        ({"max_iterations": -1}, "max_iterations"), ({"check_every": 0}, "check_every"),
        ({"start": np.zeros(3)}, "codes"), ({"max_iterations": 2.5}, "max_iterations"),
    ],
)  # fmt: skip
def test_mistakes_are_named(change, word):
    W, X = data()
    arguments = {"W": W, "x": X[0], "lam": 0.1} | change
    with pytest.raises(InvalidProblem, match=word):
        ista(**arguments)
