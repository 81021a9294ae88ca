"""Layer-wise certificates: optimal layers pass, others are refuted with a better network."""

from itertools import pairwise

import numpy as np
import pytest

import measurelp as mlp
from deep.families import incidence, random_chain
from measurelp.errors import InvalidProblem
from measurelp.status import Verdict

# ---- closed forms ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("m", [2, 3, 4])
def test_the_bipartite_network_is_optimal_in_its_layer(m):
    """X = I, Y = E E^T, weights E^T and E: path norm 2 m^2, which no network beats."""
    E = incidence(m)
    chain = mlp.ReluChain([E.T, E], [np.zeros(m * m), np.zeros(2 * m)])
    done = mlp.certify_layers(chain, np.eye(2 * m), 1.0)
    (layer,) = done.layers
    assert layer.verdict is Verdict.OPTIMAL
    assert layer.current == pytest.approx(2 * m * m, rel=1e-12)
    assert layer.bound == pytest.approx(2 * m * m, rel=1e-6)
    assert layer.saving <= 1e-5 and done.improved is None
    assert done.verdict is Verdict.BRACKETED  # layers alone do not prove a network


def test_a_necessary_condition_is_not_sufficient():
    """X = I, Y = [[2, 1], [1, 3]]: a layer with features Y has no other weights, and costs more
    than the optimum Tr Y = 5."""
    Y = np.array([[2.0, 1.0], [1.0, 3.0]])
    scale = np.sqrt(np.linalg.norm(Y, axis=1))
    chain = mlp.ReluChain([Y / scale[:, None], np.diag(scale)], [np.zeros(2), np.zeros(2)])
    (layer,) = mlp.certify_layers(chain, np.eye(2), 1.0).layers
    assert layer.verdict is Verdict.OPTIMAL
    assert layer.current == pytest.approx(np.linalg.norm(Y, axis=1).sum(), rel=1e-9)
    assert layer.current > 5.0
    # Y = B B^T with B >= 0 costs Tr Y.
    B = np.array([[np.sqrt(2.0), 0.0], [np.sqrt(0.5), np.sqrt(2.5)]])
    np.testing.assert_allclose(B @ B.T, Y)
    chain = mlp.ReluChain([B.T, B], [np.zeros(2), np.zeros(2)])
    (layer,) = mlp.certify_layers(chain, np.eye(2), 1.0).layers
    assert layer.current == pytest.approx(5.0) and layer.verdict is Verdict.OPTIMAL


@pytest.mark.parametrize("depth", [2, 3, 4])
def test_a_chain_of_numbers_costs_l_s_to_the_two_over_l(depth):
    """x -> 8 x on x >= 0 in depth L: the least sum of squares is L 8^(2/L), when balanced."""
    weights = [np.array([[8.0 if i == 0 else 1.0]]) for i in range(depth)]
    chain = mlp.ReluChain(weights, [np.zeros(1)] * depth)
    balanced = mlp.rebalance(chain).model
    squares = sum(float(w[0, 0] ** 2) for w in balanced.weights)
    assert squares == pytest.approx(depth * 8.0 ** (2.0 / depth), rel=1e-9)
    X = [[1.0], [2.0]]
    assert mlp.certify_layers(chain, X, 1.0).verdict is Verdict.REFUTED
    assert all(c.verdict is Verdict.OPTIMAL for c in mlp.certify_layers(balanced, X, 1.0).layers)


def test_a_solved_problem_passes():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((30, 2))
    y = np.maximum(X[:, 0], 0.0) + 0.3 * rng.standard_normal(30)
    solution = mlp.solve(mlp.MeasureProblem(X, y, lam=0.5), tol_gap=1e-9)
    network = solution.network()
    for targets in (None, y):
        done = mlp.certify_layers(network, X, 0.5, targets=targets)
        assert [c.verdict for c in done.layers] == [Verdict.OPTIMAL]
    assert done.layers[0].current == pytest.approx(solution.certificate.primal_value, rel=1e-9)
    assert done.weight_decay == pytest.approx(0.5 * solution.measure.total_variation, rel=1e-9)
    # At another lam the same network is not optimal, and with targets the layer shows it.
    other = mlp.certify_layers(network, X, 5.0, targets=y)
    assert other.layers[0].verdict is Verdict.REFUTED


# ---- laws -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bias", ["penalized", "free"])
@pytest.mark.parametrize("widths", [(3, 20, 2), (3, 15, 15, 2), (2, 12, 10, 12, 1)])
def test_a_refuted_network_comes_with_a_better_one(widths, bias):
    for seed in range(3):
        rng = np.random.default_rng(seed)
        chain = random_chain(rng, widths)
        X = rng.standard_normal((25, widths[0]))
        lam = 0.7
        done = mlp.certify_layers(chain, X, lam, bias=bias)
        assert done.verdict is Verdict.REFUTED and len(done.layers) == len(widths) - 2
        before = lam * mlp.balance_report(chain, bias=bias).weight_decay
        after = lam * mlp.balance_report(done.improved, bias=bias).weight_decay
        assert done.weight_decay == pytest.approx(before, rel=1e-12)
        assert after == pytest.approx(before - done.saving, rel=1e-9)
        expected = chain.predict(X)
        np.testing.assert_allclose(
            done.improved.predict(X), expected, atol=1e-7 * np.abs(expected).max()
        )
        for layer in done.layers:
            assert layer.bound <= layer.achieved * (1 + 1e-12) <= layer.current * (1 + 1e-9)
            assert layer.saving <= layer.largest_saving + 1e-9
            assert layer.imbalance_cost <= layer.saving + 1e-9


def test_repeated_improvement_ends_where_every_layer_passes():
    rng = np.random.default_rng(1)
    chain = random_chain(rng, (3, 12, 10, 2))
    X = rng.standard_normal((20, 3))
    expected, values = chain.predict(X), []
    for _ in range(60):
        done = mlp.certify_layers(chain, X, 1.0, tol_gap=1e-4)
        values.append(done.weight_decay)
        if done.verdict is not Verdict.REFUTED:
            break
        chain = mlp.rebalance(done.improved).model
    assert done.improved is None
    assert all(a > b for a, b in pairwise(values))
    np.testing.assert_allclose(chain.predict(X), expected, atol=1e-4 * np.abs(expected).max())


def test_balance_is_part_of_it():
    """Optimal weights, unbalanced: refuted by exactly what balancing saves."""
    E = incidence(2)
    chain = mlp.ReluChain([3.0 * E.T, E / 3.0], [np.zeros(4), np.zeros(4)])
    (layer,) = mlp.certify_layers(chain, np.eye(4), 2.0).layers
    assert layer.verdict is Verdict.REFUTED
    saved = 2.0 * mlp.rebalance(chain).saved
    assert layer.imbalance_cost == pytest.approx(saved, rel=1e-12)
    assert layer.saving == pytest.approx(saved, rel=1e-5)


def test_constants_at_no_cost_stay():
    """Under a free bias a neuron without weights is a constant; it is kept as it is."""
    rng = np.random.default_rng(2)
    chain = mlp.ReluChain(
        [np.vstack([rng.standard_normal((6, 2)), np.zeros((1, 2))]), rng.standard_normal((1, 7))],
        [np.append(rng.standard_normal(6), 2.0), np.zeros(1)],
    )
    X = rng.standard_normal((4, 2))
    done = mlp.certify_layers(chain, X, 1.0, bias="free")
    assert done.verdict is Verdict.REFUTED
    np.testing.assert_allclose(done.improved.predict(X), chain.predict(X), atol=1e-8)
    with_targets = mlp.certify_layers(chain, X, 1.0, bias="free", targets=np.zeros((4, 1)))
    assert with_targets.layers[0].current > 0


def test_dead_layers_cost_only_what_they_weigh():
    chain = mlp.ReluChain([-np.ones((3, 2)), np.ones((1, 3))], [-np.ones(3), np.zeros(1)])
    (layer,) = mlp.certify_layers(chain, np.ones((4, 2)), 1.0).layers
    assert layer.verdict is Verdict.REFUTED and layer.achieved == layer.bound == 0.0
    nothing = mlp.ReluChain([np.zeros((3, 2)), np.zeros((1, 3))], [np.zeros(3), np.zeros(1)])
    (layer,) = mlp.certify_layers(nothing, np.ones((4, 2)), 1.0).layers
    assert layer.verdict is Verdict.OPTIMAL and layer.relative_gap == 0.0


def test_torch_modules_and_bad_arguments():
    rng = np.random.default_rng(3)
    chain, X = random_chain(rng, (3, 8, 6, 2)), rng.standard_normal((12, 3))
    with pytest.raises(InvalidProblem, match="lam"):
        mlp.certify_layers(chain, X, 0.0)
    with pytest.raises(InvalidProblem, match="targets"):
        mlp.certify_layers(chain, X, 1.0, targets=np.ones(12))
    with pytest.raises(InvalidProblem, match="bias"):
        mlp.certify_layers(chain, X, 1.0, bias="none")
    with pytest.raises(InvalidProblem, match="X"):
        mlp.certify_layers(chain, np.ones((3, 4)), 1.0)
    pytest.importorskip("torch", reason="torch is optional")
    module = mlp.torch_from_chain(chain)
    done = mlp.certify_layers(module, X, 1.0)
    plain = mlp.certify_layers(chain, X, 1.0)
    assert [c.saving for c in done.layers] == [c.saving for c in plain.layers]
    with pytest.raises(InvalidProblem):
        mlp.certify_layers(object(), X, 1.0)
