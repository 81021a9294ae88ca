"""Unrolled networks against the iterations they unroll."""

import importlib.util

import numpy as np
import pytest

from measurelp.errors import InvalidProblem, MissingDependency
from measurelp.sparse import UnrolledNetwork, fista, ista, lasso_gap, learn_ista, unroll_ista

torch_is_there = importlib.util.find_spec("torch") is not None


def relu(t):
    return np.maximum(t, 0.0)


@pytest.mark.parametrize("steps", [1, 2, 30])
@pytest.mark.parametrize(("d", "m"), [(5, 9), (6, 4)])
def test_ista_is_a_tied_network_is_a_relu_chain(steps, d, m):
    rng = np.random.default_rng(2)
    W, X, lam = rng.standard_normal((d, m)), rng.standard_normal((7, d)), 0.3
    network = unroll_ista(W, lam, steps)
    chain = network.relu_chain()
    reached = ista(W, X, lam, tol_gap=1e-300, max_iterations=steps, check_every=10**6).codes
    # Independently, with 2m ReLUs a layer that see x.
    L = np.linalg.norm(W, 2) ** 2
    z = np.zeros((7, m))
    for _ in range(steps):
        u = z - (z @ W.T - X) @ W / L
        z = relu(u - lam / L) - relu(-u - lam / L)
    for codes in (network.predict(X), chain.predict(X), reached):
        np.testing.assert_allclose(codes, z, rtol=0, atol=1e-12)
    assert chain.widths == (*[2 * m + 2 * d] * (steps - 1), 2 * m)
    assert z.any()


def test_untied_networks_and_chains_agree():
    rng = np.random.default_rng(3)
    network = UnrolledNetwork(
        rng.standard_normal((3, 4, 4)), rng.standard_normal((3, 4, 2)), rng.random((3, 4))
    )
    X = rng.standard_normal((20, 2)) * 3
    codes = network.predict(X)
    np.testing.assert_allclose(
        network.relu_chain().predict(X), codes, rtol=0, atol=1e-12 * np.abs(codes).max()
    )


@pytest.mark.parametrize(
    ("parts", "word"),
    [
        (([], [], []), "at least one"),
        (([np.eye(2)], [np.ones((2, 3))], [[-1.0, 0.0]]), "thresholds"),
        (([np.eye(3)], [np.ones((2, 3))], [[1.0, 0.0]]), "layer 0"),
        (([np.eye(2)], [np.ones((2, 3))], [[np.nan, 0.0]]), "thresholds"),
    ],
)
def test_layers_that_do_not_fit_are_refused(parts, word):
    with pytest.raises(InvalidProblem, match=word):
        UnrolledNetwork(*parts)
    with pytest.raises(InvalidProblem, match="X"):
        unroll_ista(np.eye(2), 0.1, 1).predict(np.ones((1, 3)))
    with pytest.raises(InvalidProblem, match="steps"):
        unroll_ista(np.eye(2), 0.1, 0)


@pytest.mark.skipif(not torch_is_there, reason="needs torch")
def test_learned_layers_are_nearer_the_lasso_on_other_targets_too():
    rng = np.random.default_rng(4)
    W, lam, steps = rng.standard_normal((6, 10)) / 2.5, 0.1, 3
    learn, other = rng.standard_normal((2, 100, 10)) * (rng.random((2, 100, 10)) < 0.2)
    learned = learn_ista(W, learn @ W.T, lam, steps=steps, epochs=60, learning_rate=5e-3)
    again = learn_ista(W, learn @ W.T, lam, steps=steps, epochs=60, learning_rate=5e-3)
    np.testing.assert_array_equal(learned.objectives, again.objectives)

    def mean(network, X):
        return lasso_gap(W, X, network.predict(X), lam).primal_value.mean()

    plain = unroll_ista(W, lam, steps)
    assert learned.objectives[0] == pytest.approx(mean(plain, learn @ W.T), rel=1e-12)
    assert np.min(learned.objectives) == pytest.approx(
        mean(learned.network, learn @ W.T), rel=1e-12
    )
    X = other @ W.T
    best = fista(W, X, lam, tol_gap=1e-9).gap.primal_value.mean()
    assert mean(learned.network, X) - best < 0.5 * (mean(plain, X) - best)
    np.testing.assert_allclose(
        learned.network.relu_chain().predict(X), learned.network.predict(X), atol=1e-12
    )


@pytest.mark.skipif(not torch_is_there, reason="needs torch")
def test_a_diverging_rate_is_reported_and_returns_what_was_best():
    W, X = np.eye(3), np.ones((2, 3))
    learned = learn_ista(W, X, 0.1, steps=3, epochs=50, learning_rate=1e200)
    assert learned.diverged
    start = unroll_ista(W, 0.1, 3)
    assert (
        lasso_gap(W, X, learned.network.predict(X), 0.1).primal_value.mean()
        <= lasso_gap(W, X, start.predict(X), 0.1).primal_value.mean()
    )


def test_without_torch_the_extra_is_named(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingDependency, match="torch"):
        learn_ista(np.eye(2), np.ones((1, 2)), 0.1, steps=1)
