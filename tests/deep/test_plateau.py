"""Loss against width, the width bounds, and the cost of a representation."""

import math
import signal

import numpy as np
import pytest

import measurelp as mlp
from measurelp.deep import complete_bipartite, complete_bipartite_by_samples, plateau
from measurelp.errors import InvalidProblem


def objective(problem, network):
    error = network.predict(problem.X) - problem.y
    return 0.5 * np.sum(error**2) + problem.lam * network.weight_decay


# ---- the curve -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("bias", ["penalized", "none"])
def test_the_curve_falls_to_the_proved_floor(bias):
    rng = np.random.default_rng(1)
    X = rng.standard_normal((12, 2))
    y = np.sin(2.0 * X[:, 0]) + 0.3 * X[:, 1]
    problem = mlp.MeasureProblem(X, y, lam=0.1, bias=bias)
    curve = mlp.plateau_curve(problem, range(1, 13), restarts=3)
    assert list(curve.values) == sorted(curve.values, reverse=True)
    assert curve.floor <= min(curve.values)
    for width, value, network in zip(curve.widths, curve.values, curve.networks, strict=True):
        assert network.width <= width
        assert objective(problem, network) == pytest.approx(value, rel=1e-9)
    assert curve.values[0] > 1.001 * curve.floor
    assert curve.starts_by is not None
    assert curve.starts_by <= len(curve.solution.measure) <= curve.bounds.least
    assert curve.values[-1] <= curve.floor * (1 + 2e-6)


def test_one_neuron_against_a_grid():
    """Width 1 on inputs without bias in the plane: all angles, the best mass for each."""
    rng = np.random.default_rng(4)
    X, y, lam = rng.standard_normal((9, 2)), rng.standard_normal(9), 0.2
    curve = mlp.plateau_curve(mlp.MeasureProblem(X, y, lam=lam, bias="none"), [1], restarts=20)
    t = np.linspace(0.0, 2.0 * np.pi, 40001)
    features = np.maximum(X @ np.stack([np.cos(t), np.sin(t)]), 0.0)
    inner, square = y @ features, (features**2).sum(axis=0)
    gain = np.maximum(np.abs(inner) - lam, 0.0) ** 2 / np.where(square > 0, square, 1.0)
    best = 0.5 * (y @ y - gain.max())
    assert curve.values[0] == pytest.approx(best, rel=1e-6)


def test_width_bounds():
    X = np.arange(5.0)[:, None]
    assert mlp.width_bounds(mlp.MeasureProblem(X, X[:, 0], lam=1.0)) == (30, 5, 20)
    assert mlp.width_bounds(mlp.MeasureProblem(X, X[:, 0], lam=1.0, bias="none"))[2] is None


@pytest.mark.parametrize("seed", range(8))
def test_one_dimensional_networks_need_at_most_four_n_neurons(seed):
    """Proposition 15: neurons of one cell and sign add up, with the same outputs for less."""
    rng = np.random.default_rng(seed)
    n, k = int(rng.integers(1, 5)), 60
    X = rng.standard_normal((n, 1))
    wide = mlp.ReluNetwork(
        rng.standard_normal((k, 1)), rng.standard_normal(k), output_weights=rng.standard_normal(k)
    )
    narrow = mlp.share_neurons(wide, X).network
    assert narrow.width <= 4 * n < k
    np.testing.assert_allclose(narrow.predict(X), wide.predict(X), atol=1e-10)
    assert narrow.path_norm <= wide.path_norm * (1 + 1e-12)


def test_what_the_curve_refuses():
    problem = mlp.MeasureProblem([[1.0]], [1.0], lam=0.1)
    for widths in ([], [0], [1.5], [True]):
        with pytest.raises(InvalidProblem, match="widths"):
            mlp.plateau_curve(problem, widths)
    with pytest.raises(InvalidProblem, match="skip"):
        mlp.plateau_curve(mlp.MeasureProblem([[1.0]], [1.0], lam=0.1, skip="affine"), [1])


# ---- the cost of a representation ----------------------------------------------------------------------


def test_shallow_cost_is_the_gauge():
    y = np.array([3.0, -4.0, 12.0])
    cost = mlp.representation_cost(np.eye(3), y, bias="none")
    closed = math.hypot(3.0, 12.0) + 4.0
    assert cost.lower <= closed * (1 + 1e-9)
    assert cost.upper == pytest.approx(closed, rel=1e-6)
    assert cost.network.predict(np.eye(3))[:, 0] == pytest.approx(y, rel=1e-6)
    assert 0.5 * sum(np.sum(w**2) for w in cost.network.weights) == pytest.approx(
        cost.upper, rel=1e-6
    )


@pytest.mark.parametrize("depth", [3, 4, 5])
def test_deep_costs_are_bracketed(depth):
    rng = np.random.default_rng(depth)
    X, y = rng.standard_normal((4, 3)), rng.standard_normal(4)
    cost = mlp.representation_cost(X, y, depth=depth, bias="none")
    assert 0.0 < cost.lower <= cost.upper
    assert cost.network.depth == depth
    np.testing.assert_allclose(cost.network.predict(X)[:, 0], y, atol=1e-6)
    decay = 0.5 * sum(np.sum(w**2) for w in cost.network.weights)
    assert decay == pytest.approx(cost.upper, rel=1e-12)
    found = mlp.representations(cost.network, X, constant=0.0)
    assert cost.lower <= found.weight_decay <= cost.upper * (1 + 1e-9)


@pytest.mark.parametrize("depth", [2, 3, 4])
def test_one_direction_closes_the_bracket(depth):
    """F04: L s^{2/L} for the squared norm of all weights."""
    cost = mlp.representation_cost([[2.0, 0.0]], [16.0], depth=depth, bias="none")
    expected = 0.5 * depth * 8.0 ** (2.0 / depth)
    assert cost.lower == pytest.approx(expected, rel=2e-6)
    assert cost.upper == pytest.approx(expected, rel=2e-6)


def test_contradictory_targets_cost_infinity():
    cost = mlp.representation_cost([[1.0], [1.0]], [0.0, 1.0], bias="none")
    assert cost.lower == cost.upper == math.inf
    assert cost.network is None


@pytest.mark.parametrize("depth", [2, 3])
def test_nothing_costs_nothing(depth):
    cost = mlp.representation_cost([[0.0, 0.0], [1.0, 2.0]], [0.0, 0.0], depth=depth, bias="none")
    assert cost.lower == cost.upper == 0.0
    np.testing.assert_array_equal(cost.network.predict([[3.0, -1.0]]), [[0.0]])
    impossible = mlp.representation_cost([[0.0]], [1.0], depth=depth, bias="none")
    assert impossible.lower == math.inf


def test_what_the_cost_refuses():
    with pytest.raises(InvalidProblem, match="depth"):
        mlp.representation_cost([[1.0]], [1.0], depth=1)
    with pytest.raises(InvalidProblem, match="bias"):
        mlp.representation_cost([[1.0]], [1.0], bias="free")
    with pytest.raises(InvalidProblem, match="bias"):
        mlp.representation_cost([[1.0]], [1.0], depth=3)


# ---- the complete bipartite graph -----------------------------------------------------------------------


@pytest.mark.parametrize("m", [1, 2, 3, 4])
def test_the_bipartite_instance_is_what_it_says(m):
    """C05, F06: cost 2 m^2 = |Y|_*, m^2 neurons, and sqrt(1 + 2/N) more for N of them."""
    instance = complete_bipartite(m)
    weights = instance.network.weights
    np.testing.assert_allclose(instance.network.predict(instance.X), instance.Y.T, atol=1e-12)
    decay = 0.5 * sum(np.sum(w**2) for w in weights)
    nuclear = np.linalg.svd(instance.Y, compute_uv=False).sum()
    assert decay == pytest.approx(instance.cost, rel=1e-12)
    assert nuclear == pytest.approx(2.0 * m * m, rel=1e-12)
    rank = mlp.covariance_rank(weights[0].T)
    assert rank.lower == rank.upper == instance.neurons == m * m
    simple = complete_bipartite_by_samples(m)
    assert simple.widths == (2 * m,)
    np.testing.assert_allclose(simple.predict(instance.X), instance.Y, atol=1e-12)
    more = 0.5 * sum(np.sum(w**2) for w in simple.weights)
    assert more == pytest.approx(instance.cost * math.sqrt(1.0 + 1.0 / m), rel=1e-12)


def test_ctrl_c_in_the_solve_is_raised(monkeypatch):
    def pressed(*arguments, **options):
        signal.raise_signal(signal.SIGINT)
        return solve(*arguments, **options)

    solve = plateau.solve
    monkeypatch.setattr(plateau, "solve", pressed)
    problem = mlp.MeasureProblem(np.eye(2), [3.0, -4.0], lam=0.5, bias="none")
    with pytest.raises(KeyboardInterrupt):
        mlp.plateau_curve(problem, [1, 2])
