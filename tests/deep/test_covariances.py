"""Covariance pairs and how many neurons they need."""

from itertools import combinations

import numpy as np
import pytest

import measurelp as mlp
from deep.families import incidence, random_chain


def fewest_cliques(joined):
    """The least number of cliques that cover all edges and lone vertices, by trying all."""
    n = len(joined)
    cliques = [
        set(c)
        for size in range(1, n + 1)
        for c in combinations(range(n), size)
        if all(joined[i, j] for i, j in combinations(c, 2)) and all(joined[i, i] for i in c)
    ]
    wanted = {(i, j) for i, j in combinations(range(n), 2) if joined[i, j]}
    wanted |= {(i, i) for i in range(n) if joined[i, i] and joined[i].sum() == 1}
    covers = [{(i, j) for i, j in wanted if i in c and j in c} for c in cliques]
    covers = [c for c in covers if not any(c < other for other in covers)]
    for count in range(len(wanted) + 1):
        if any(set().union(*chosen) == wanted for chosen in combinations(covers, count)):
            return count
    raise AssertionError


@pytest.mark.parametrize("m", [2, 3, 4])
def test_the_bipartite_layer_needs_a_quarter_of_n_squared(m):
    """Proposition 13: the CP rank of E E^T is the number of edges, m^2 = N^2 / 4."""
    E = incidence(m)
    rank = mlp.covariance_rank(E)
    assert rank.is_exact
    assert rank.lower == m * m
    split = np.hstack([E * np.sqrt(0.3), E * np.sqrt(0.7)])
    again = mlp.covariance_rank(split)
    assert (again.lower, again.upper) == (m * m, m * m)
    np.testing.assert_allclose(again.preactivations @ again.preactivations.T, E @ E.T, atol=1e-12)


def test_one_hot_classes_need_a_neuron_each():
    labels = np.repeat([0, 1, 2], [4, 9, 1])
    rank = mlp.covariance_rank(np.eye(3)[labels])
    assert rank.is_exact
    assert rank.lower == 3


@pytest.mark.parametrize("seed", range(12))
def test_neurons_are_removed_and_the_pair_stays(seed):
    rng = np.random.default_rng(seed)
    n, k = int(rng.integers(1, 5)), int(rng.integers(1, 60))
    Z = rng.standard_normal((n, k)) * 10.0 ** rng.integers(-3, 4, size=k)
    Z[:, ::3] = np.maximum(Z[:, ::3], 0.0)
    rank = mlp.covariance_rank(Z)
    assert rank.lower <= rank.upper <= min(k, n * (n + 1))
    before, after = mlp.covariance_pair(Z), mlp.covariance_pair(rank.preactivations)
    size = np.abs(before.preactivation).max()
    np.testing.assert_allclose(after.preactivation, before.preactivation, atol=1e-10 * size)
    np.testing.assert_allclose(after.activation, before.activation, atol=1e-10 * size)


@pytest.mark.parametrize("seed", range(40))
def test_the_clique_bound_never_exceeds_the_clique_cover_number(seed):
    rng = np.random.default_rng(seed)
    n, k = int(rng.integers(2, 6)), int(rng.integers(1, 5))
    Z = rng.standard_normal((n, k)) * (rng.random((n, k)) < 0.5) - 0.01
    joined = (np.maximum(Z, 0.0) @ np.maximum(Z, 0.0).T) > 0.0
    rank = mlp.covariance_rank(Z)
    cover = fewest_cliques(joined)
    assert rank.incompatible <= cover <= k
    triangles = any(
        joined[i, j] and joined[j, l] and joined[i, l] for i, j, l in combinations(range(n), 3)
    )
    if not triangles:
        assert rank.incompatible == cover


def test_many_samples_are_met_in_blocks(monkeypatch):
    rng = np.random.default_rng(1)
    first = rng.standard_normal((40, 3))
    Z = np.hstack([first, 2.0 * first, -first])
    whole = mlp.covariance_rank(Z)
    monkeypatch.setattr("measurelp.deep.covariances._BLOCK", 50)
    again = mlp.covariance_rank(Z)
    assert whole.upper == again.upper == 6
    for found in (whole, again):
        for a, b in zip(
            mlp.covariance_pair(found.preactivations), mlp.covariance_pair(Z), strict=True
        ):
            np.testing.assert_allclose(a, b, atol=1e-11)


def test_silent_layers():
    rank = mlp.covariance_rank(np.zeros((3, 4)))
    assert (rank.lower, rank.upper) == (0, 0)
    dark = mlp.covariance_rank([[-1.0, -2.0], [-1.0, -2.0]])
    assert (dark.lower, dark.upper) == (1, 1)


@pytest.mark.parametrize("constant", [0.0, 1.0])
def test_a_narrowed_network_has_the_same_objective(constant):
    """Proposition 8: a layer of the rank's width has the same covariances and outputs."""
    rng = np.random.default_rng(5)
    chain = random_chain(rng, (2, 40, 30, 2), biased=constant > 0.0)
    X = rng.standard_normal((3, 2))
    found = mlp.representations(chain, X, constant=constant)
    narrow = found.narrowed()
    assert all(w <= 12 for w in narrow.widths)
    assert narrow.weight_decay == pytest.approx(found.weight_decay, rel=1e-8)
    assert max(narrow.distances) <= 1e-8
    np.testing.assert_allclose(narrow.chain().predict(X), chain.predict(X), atol=1e-7)
