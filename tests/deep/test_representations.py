"""Representations in the place of weights: forces against autograd, weights split, closed forms."""

import numpy as np
import pytest

import measurelp as mlp
from deep.families import incidence, random_chain
from measurelp.errors import InvalidProblem


def cost_by_lstsq(X, Z, constant):
    """Half the squared least weights, layer by layer, from least-norm least squares."""
    seen, total = X, 0.0
    for z in Z:
        if constant:
            seen = np.column_stack([seen, np.full(len(seen), constant)])
        weights = np.linalg.lstsq(seen, z, rcond=None)[0]
        total += 0.5 * np.sum(weights**2)
        seen = np.maximum(z, 0.0)
    return total


# ---- the split of weights -------------------------------------------------------------------------------


@pytest.mark.parametrize("constant", [0.0, 1.0, 0.5])
@pytest.mark.parametrize("seed", range(5))
def test_weights_are_what_data_need_and_a_residual(seed, constant):
    """|W|^2 = |Z Z^+|^2 + |W~|^2 and W~ sees nothing, with fewer samples than neurons (F02)."""
    rng = np.random.default_rng(seed)
    chain = random_chain(rng, (4, 9, 7, 2), biased=constant > 0.0)
    X = rng.standard_normal((5, 4))
    found = mlp.representations(chain, X, constant=constant)
    saved = 0.0
    for layer, split in enumerate(mlp.split_weights(chain, X, constant=constant)):
        seen = found.activations[layer]
        whole = chain.weights[layer]
        if constant:
            whole = np.column_stack([whole, chain.biases[layer] / constant])
        np.testing.assert_allclose(split.needed + split.residual, whole, atol=1e-12)
        np.testing.assert_allclose(seen @ split.residual.T, 0.0, atol=1e-9)
        assert np.vdot(split.needed, split.residual) == pytest.approx(0.0, abs=1e-9)
        saved += 0.5 * np.sum(split.residual**2)
    assert saved > 0.1
    decay = 0.5 * sum(np.sum(w**2) for w in chain.weights)
    if constant:
        decay += 0.5 * sum(np.sum(b**2) for b in chain.biases) / constant**2
    assert found.weight_decay == pytest.approx(decay - saved, rel=1e-10)
    assert found.weight_decay == pytest.approx(
        cost_by_lstsq(X, found.preactivations, constant), rel=1e-9
    )
    smaller = found.chain()
    np.testing.assert_allclose(smaller.predict(X), chain.predict(X), rtol=1e-9, atol=1e-9)
    Y = rng.standard_normal((5, 2))
    assert found.objective(Y, 0.3) == pytest.approx(
        0.5 * np.sum((chain.predict(X) - Y) ** 2) + 0.3 * (decay - saved), rel=1e-9
    )


def test_rounding_along_weak_directions_costs_nothing():
    """Two neurons on one ray but for 1e-12, which the next layer treats alike: their difference is not needed."""
    rng = np.random.default_rng(3)
    first = rng.standard_normal((3, 4))
    first = np.vstack([first, first + 1e-12 * rng.standard_normal(first.shape)])
    second = np.tile(rng.standard_normal((40, 3)), 2)
    chain = mlp.ReluChain([first, second], [np.zeros(6), np.zeros(40)])
    found = mlp.representations(chain, rng.standard_normal((30, 4)), constant=0.0)
    decay = 0.5 * sum(np.sum(w**2) for w in chain.weights)
    assert found.weight_decay == pytest.approx(decay, rel=1e-10)
    assert max(found.distances) < 1e-13


def test_representations_out_of_range_have_no_weights():
    Z = mlp.Representations([[1.0], [1.0]], [[[1.0], [2.0]], [[1.0], [1.0]]], constant=0.0)
    assert Z.distances[0] == pytest.approx(np.sqrt(0.5 / 5.0))
    with pytest.raises(InvalidProblem, match=r"preactivations\[0\]"):
        Z.chain()


# ---- forces ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("constant", [0.0, 1.0])
@pytest.mark.parametrize(("n", "widths"), [(6, (3, 4, 5, 2)), (5, (6, 8, 7, 3)), (9, (4, 4, 1))])
def test_forces_are_the_gradients_that_autograd_finds(n, widths, constant):
    """F03, at networks whose representations are perturbed within what the layer before gives."""
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(n)
    chain = random_chain(rng, widths, biased=constant > 0.0)
    found = mlp.representations(chain, rng.standard_normal((n, widths[0])), constant=constant)
    Z = [torch.tensor(z, requires_grad=True) for z in found.preactivations]

    def seen_by(layer):
        values = torch.tensor(found.inputs) if layer == 0 else torch.relu(Z[layer - 1])
        if constant:
            values = torch.hstack([values, torch.full((n, 1), constant, dtype=torch.float64)])
        return values

    def distance(layer):
        return 0.5 * torch.sum((torch.linalg.pinv(seen_by(layer)) @ Z[layer]) ** 2)

    for layer in range(len(widths) - 2):
        forces = found.forces(layer, lam=0.7)
        (towards,) = torch.autograd.grad(0.7 * distance(layer), Z[layer])
        (away,) = torch.autograd.grad(0.7 * distance(layer + 1), Z[layer])
        np.testing.assert_allclose(forces.attraction, -towards.numpy(), rtol=1e-7, atol=1e-8)
        # Autograd differentiates in every direction; where rows of the activations are
        # dependent, only those that keep their range are meant.
        np.testing.assert_allclose(forces.repulsion, -away.numpy(), rtol=1e-6, atol=1e-6)
        assert np.abs(forces.net).max() > 1e-3


def test_aligned_neurons_feel_aligned_forces():
    rng = np.random.default_rng(3)
    chain = random_chain(rng, (3, 4, 2), biased=False)
    X = rng.standard_normal((6, 3))
    first = chain.weights[0].copy()
    first[1] = 2.5 * first[0]
    net = (
        mlp.representations(mlp.ReluChain([first, chain.weights[1]], chain.biases), X, constant=0.0)
        .forces(0)
        .net
    )
    np.testing.assert_allclose(net[:, 1], 2.5 * net[:, 0], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("depth", [2, 3, 4])
def test_a_rank_one_map_costs_L_roots(depth):
    """F04: sum of squares L s^{2/L}, at an equilibrium of the forces."""
    s = 8.0
    u, v = np.array([0.6, 0.8]), np.array([[5.0, 12.0]]) / 13.0
    weights = [v * s ** (1 / depth)] + [np.array([[s ** (1 / depth)]])] * (depth - 2)
    weights.append(s ** (1 / depth) * u[:, None])
    chain = mlp.ReluChain(weights, [np.zeros(len(w)) for w in weights])
    found = mlp.representations(chain, np.eye(2), constant=0.0)
    np.testing.assert_allclose(found.outputs, s * np.outer(v, u), atol=1e-12)
    assert 2.0 * found.weight_decay == pytest.approx(depth * s ** (2 / depth), rel=1e-12)
    assert 2.0 * found.weight_decay == pytest.approx(
        {2: 16.0, 3: 12.0, 4: 11.31370849898476}[depth], rel=1e-12
    )
    for layer in range(depth - 1):
        active = found.preactivations[layer] > 0.0
        np.testing.assert_allclose(found.forces(layer).net[active], 0.0, atol=1e-10)


def test_hidden_layers_of_linear_networks_interpolate_covariances():
    """K_l = X ((X^+ K_L X^+T)^{l/L}) X^T, on nonnegative maps, where ReLUs are linear."""
    Q = np.array([[1.0, 0.0, 0.0], [0.0, 0.8, 0.6]])
    singular = np.array([5.0, 2.0])
    root = np.diag(np.cbrt(singular))
    chain = mlp.ReluChain([root @ Q, root, root], [np.zeros(2)] * 3)
    X = np.abs(np.random.default_rng(0).standard_normal((4, 3)))
    found = mlp.representations(chain, X, constant=0.0)
    assert found.weight_decay == pytest.approx(1.5 * np.sum(singular ** (2 / 3)), rel=1e-10)
    inverse = np.linalg.pinv(X)
    inner = inverse @ (found.outputs @ found.outputs.T) @ inverse.T
    values, vectors = np.linalg.eigh(inner)
    for layer in (0, 1):
        power = (vectors * np.maximum(values, 0.0) ** ((layer + 1) / 3)) @ vectors.T
        np.testing.assert_allclose(
            found.covariances[layer].preactivation, X @ power @ X.T, atol=1e-4
        )
        # The next layer needs all of this one's range, so only movements within it are feasible.
        along = found.preactivations[layer].T @ found.forces(layer).net
        np.testing.assert_allclose(along, 0.0, atol=1e-8)


@pytest.mark.parametrize("m", [2, 3])
def test_the_bipartite_network_is_at_rest(m):
    E = incidence(m)
    chain = mlp.ReluChain([E.T, E], [np.zeros(m * m), np.zeros(2 * m)])
    found = mlp.representations(chain, np.eye(2 * m), constant=0.0)
    assert found.weight_decay == pytest.approx(2 * m * m, rel=1e-12)
    active = found.preactivations[0] > 0.0
    np.testing.assert_allclose(found.forces(0).net[active], 0.0, atol=1e-9)


# ---- what is refused ------------------------------------------------------------------------------------


def test_what_is_refused():
    biased = mlp.ReluChain([[[1.0]], [[1.0]]], [[1.0], [0.0]])
    with pytest.raises(InvalidProblem, match="constant"):
        mlp.representations(biased, [[1.0]], constant=0.0)
    with pytest.raises(InvalidProblem, match="constant"):
        mlp.representations(biased, [[1.0]], constant=float("nan"))
    with pytest.raises(InvalidProblem, match="columns"):
        mlp.representations(biased, [[1.0, 2.0]])
    found = mlp.representations(biased, [[1.0]])
    with pytest.raises(InvalidProblem, match="layer"):
        found.forces(1)
    with pytest.raises(InvalidProblem, match="lam"):
        found.forces(0, lam=0.0)
    with pytest.raises(InvalidProblem, match="targets"):
        found.objective([[1.0, 2.0]], 1.0)
    with pytest.raises(InvalidProblem, match="rows"):
        mlp.Representations([[1.0]], [[[1.0], [2.0]]])
