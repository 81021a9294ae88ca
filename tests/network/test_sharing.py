"""Merging neurons and pruning to the width bounds."""

import math

import numpy as np
import pytest

import measurelp as mlp
from measurelp.errors import InvalidProblem
from measurelp.measure import Skip
from measurelp.network import ReluNetwork, prune_layer

from .families import inputs_of, random_network


def objective(network, X, y, lam):
    residual = network.predict(X) - y
    return 0.5 * float(np.sum(residual**2)) + lam * network.path_norm


# ---- sharing --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(84))
def test_merging_in_cells_keeps_the_outputs_on_the_data(seed):
    network = random_network(seed)
    X = inputs_of(network, seed)
    done = mlp.share_neurons(network, X)
    scale = 1.0 + network.path_norm
    np.testing.assert_allclose(done.network.predict(X), network.predict(X), atol=1e-11 * scale)
    assert done.path_norm_after <= done.path_norm_before * (1 + 1e-13)
    assert done.network.width == network.unit_neurons().width - done.merged_in_cells
    assert done.merged_in_radius == 0


def test_neurons_of_one_line_become_one():
    """Six neurons that look the same way, in different lengths, are one; the opposite sign stays."""
    w = np.array([0.6, 0.8])
    network = ReluNetwork(
        np.outer([1, 2, 3, 1, 2, 3], w), np.arange(6.0) * 0, output_weights=[1, 1, 1, -1, -1, -1]
    )
    X = np.random.default_rng(0).standard_normal((20, 2))
    done = mlp.share_neurons(network, X)
    assert done.network.width == 2 and done.merged_in_cells == 4
    np.testing.assert_allclose(sorted(done.network.output_weights), [-6.0, 6.0])


def test_two_directions_seen_by_one_point_share_on_the_bisector():
    """w = (cos a, +-sin a), data (1, 0), equal outputs: the cost falls from 2 to 2 cos a."""
    a = math.radians(10.0)
    W = [[math.cos(a), math.sin(a)], [math.cos(a), -math.sin(a)]]
    done = mlp.share_neurons(ReluNetwork(W, output_weights=[1.0, 1.0], bias="none"), [[1.0, 0.0]])
    assert done.network.width == 1
    assert done.path_norm_after == pytest.approx(2 * math.cos(a), rel=1e-14)


def test_output_weights_at_a_right_angle_share_by_the_radius():
    """v_1 and v_2 orthogonal: moving one neuron onto the other costs |v_1 + v_2| = sqrt 2 for 2."""
    a = math.radians(10.0)
    W = [[math.cos(a), math.sin(a)], [math.cos(a), -math.sin(a)]]
    network = ReluNetwork(W, output_weights=np.eye(2), bias="none")
    X = np.array([[1.0, 0.0]])
    y = network.predict(X)
    assert mlp.share_neurons(network, X).network.width == 2
    done = mlp.share_neurons(network, X, y, lam=1.0)
    assert done.merged_in_radius == 1 and done.network.width == 1
    assert done.path_norm_after == pytest.approx(math.sqrt(2.0), rel=1e-14)
    np.testing.assert_allclose(done.network.predict(X), y, atol=1e-14)


@pytest.mark.parametrize("seed", range(40))
def test_every_merger_within_the_radius_lowers_the_objective(seed):
    """The law behind the radius, at 0.999 of it, for one output and for several."""
    rng = np.random.default_rng(seed)
    c = (None, 2, 3)[seed % 3]
    shape = () if c is None else (c,)
    bias = ("none", "penalized")[seed % 2]
    X, y = rng.standard_normal((15, 3)), rng.standard_normal((15, *shape))
    W = rng.standard_normal((2, 3 + (bias == "penalized")))
    W /= np.linalg.norm(W, axis=1)[:, None]
    V = rng.standard_normal((2, *shape))
    if c is None:
        V = np.array([1.0, -0.7])
    lam = float(rng.uniform(0.1, 20.0))

    def network(first):
        rows = np.vstack([first, W[1]])
        constants = rows[:, 3] if bias == "penalized" else np.zeros(2)
        return ReluNetwork(rows[:, :3], constants, output_weights=V, bias=bias)

    towards = W[0] - (W[0] @ W[1]) * W[1]
    towards /= np.linalg.norm(towards)

    def at(angle):
        return network(math.cos(angle) * W[1] + math.sin(angle) * towards)

    angle = 0.5
    for _ in range(200):  # the radius depends on where the neuron stands, through the residual
        r = mlp.sharing_radius(at(angle), X, y, lam=lam)[0, 1]
        if 2 * math.sin(angle / 2) < 0.999 * r:
            break
        angle *= 0.9
    before = at(angle)
    assert r > 0 and 2 * math.sin(angle / 2) < r
    output = np.array(V)
    output[1] += output[0]
    merged = ReluNetwork(
        before.hidden_weights[1:], before.hidden_bias[1:], output_weights=output[1:], bias=bias
    )
    assert objective(merged, X, y, lam) < objective(before, X, y, lam)
    done = mlp.share_neurons(before, X, y, lam=lam)
    assert done.network.width == 1
    assert objective(done.network, X, y, lam) < objective(before, X, y, lam)


def test_the_radius_is_zero_where_nothing_is_saved():
    network = ReluNetwork(np.eye(2), output_weights=[[1.0, 2.0], [2.0, 4.0]], bias="none")
    radius = mlp.sharing_radius(network, np.eye(2), np.zeros((2, 2)), lam=1.0)
    np.testing.assert_array_equal(radius, np.zeros((2, 2)))
    same = mlp.sharing_radius(network, np.eye(2), np.zeros((2, 2)), lam=0.0)
    np.testing.assert_array_equal(same, np.zeros((2, 2)))


def test_arguments_of_sharing_are_checked():
    network = random_network(0)
    X = inputs_of(network, 0)
    for arguments, word in (
        ((np.ones((3, network.d + 1)),), "X"),
        ((X, np.ones(len(X))), "both or neither"),
    ):
        with pytest.raises(InvalidProblem, match=word):
            mlp.share_neurons(network, *arguments)
    with pytest.raises(InvalidProblem, match="y"):
        mlp.sharing_radius(network, X, np.ones(3), lam=1.0)
    with pytest.raises(InvalidProblem, match="lam"):
        mlp.sharing_radius(network, X, np.ones(len(X)), lam=-1.0)


# ---- pruning --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(126))
def test_pruning_keeps_outputs_and_the_bounds(seed):
    """Wide networks on little data: at most n neurons, at most rank times rank with outputs."""
    base = random_network(seed)
    if base.width == 0:
        return
    rng = np.random.default_rng([seed, 2])
    k, n = 40, int(rng.integers(2, 6))
    shape = base.output_weights.shape[1:]
    network = ReluNetwork(
        rng.standard_normal((k, base.d)),
        np.zeros(k) if base.bias == "none" else rng.standard_normal(k),
        output_weights=rng.standard_normal((k, *shape)), output_bias=base.output_bias,
        skip=base.skip, bias=base.bias,
    )  # fmt: skip
    X = rng.standard_normal((n, base.d))
    small = mlp.prune_network(network, X)
    scale = 1.0 + network.path_norm
    np.testing.assert_allclose(small.predict(X), network.predict(X), atol=1e-11 * scale)
    assert small.path_norm <= network.path_norm * (1 + 1e-12)
    active = np.maximum(X @ network.hidden_weights.T + network.hidden_bias, 0.0)
    rank = np.linalg.matrix_rank(active)
    if network.outputs == 1:
        bound = rank
    else:
        bound = rank * np.linalg.matrix_rank(active @ network.output_weights)
    assert small.width <= bound <= max(n, n * min(n, network.outputs))


def test_neurons_that_never_see_the_data_go():
    network = ReluNetwork([[1.0], [-1.0], [-2.0]], output_weights=[[1.0, 1.0]] * 3, bias="none")
    small = mlp.prune_network(network, [[1.0], [3.0]])
    np.testing.assert_array_equal(small.hidden_weights, [[1.0]])
    with pytest.raises(InvalidProblem, match="X"):
        mlp.prune_network(network, [[1.0, 2.0]])


def test_nothing_is_pruned_from_nothing():
    network = ReluNetwork(np.zeros((0, 2)), output_weights=np.zeros((0, 3)), output_bias=1.0)
    assert mlp.prune_network(network, np.eye(2)).width == 0
    zero = ReluNetwork(np.zeros((2, 2)), output_weights=np.zeros(2), skip=Skip(np.ones(2)))
    assert mlp.prune_network(zero, np.eye(2)).predict([[1.0, 1.0]])[0] == pytest.approx(2.0)


def test_a_layer_is_pruned_to_the_product_of_the_ranks():
    rng = np.random.default_rng(3)
    for rank, c in ((2, 1), (3, 2), (4, 3)):
        Phi = rng.standard_normal((60, rank)) @ rng.standard_normal((rank, 30))
        V = rng.standard_normal((5, c)) @ rng.standard_normal((c, 60))
        done = prune_layer(Phi, V)
        assert len(done.kept) <= rank * c
        np.testing.assert_allclose(done.output_weights @ Phi[done.kept], V @ Phi, atol=1e-10)
        before, after = (np.linalg.norm(m, axis=0).sum() for m in (V, done.output_weights))
        assert after <= before * (1 + 1e-12)


def test_pruning_keeps_a_skip_that_is_zero():
    """So that what comes back is a candidate of the same problem, whose skip may have no linear part."""
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((9, 2)), rng.standard_normal(9)
    problem = mlp.MeasureProblem(X, y, lam=0.3, bias="none", skip="constant")
    solution = mlp.solve(problem)
    twice = mlp.AtomicMeasure(
        np.vstack([solution.measure.atoms] * 2), np.tile(0.5 * solution.measure.masses, 2),
        solution.measure.skip,
    )  # fmt: skip
    small = mlp.prune_network(mlp.network_from_measure(twice, bias="none"), X)
    assert small.width <= len(solution.measure)
    assert mlp.certify(problem, small).is_optimal
