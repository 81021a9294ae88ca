"""Balance: the function stays, weight decay falls to its least, the model given is not touched."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.optimize import minimize

import measurelp as mlp
from measurelp.errors import InvalidProblem

from .families import assert_same_function, inputs_of, random_network


def random_chain(rng, widths, *, spread=2.0):
    weights = [
        rng.standard_normal((m, n)) * np.exp(spread * rng.standard_normal((m, 1)))
        for n, m in pairwise(widths)
    ]
    return mlp.ReluChain(weights, [rng.standard_normal(m) for m in widths[1:]])


def least_decay_by_descent(chain, bias):
    """The weight decay minimised over the logarithms of all scalings, which is convex."""
    counts = bias == "penalized"

    def decay(logs):
        total, inward = 0.0, np.ones(chain.weights[0].shape[1])
        position = 0
        for i, (w, b) in enumerate(zip(chain.weights, chain.biases, strict=True)):
            if i + 1 < chain.depth:
                g = np.exp(logs[position : position + len(w)])
                position += len(w)
            else:
                g = np.ones(len(w))
            total += np.sum((g[:, None] * w / inward) ** 2) + counts * np.sum((g * b) ** 2)
            inward = g
        return 0.5 * total

    start = np.zeros(sum(chain.widths))
    return minimize(decay, start, method="L-BFGS-B", options={"maxiter": 5000, "ftol": 1e-15}).fun


@pytest.mark.parametrize("bias", ["penalized", "free"])
@pytest.mark.parametrize("widths", [(3, 5, 2), (2, 4, 4, 1), (3, 6, 5, 4, 2)])
def test_the_least_decay_is_reached(widths, bias):
    for seed in range(5):
        rng = np.random.default_rng(seed)
        chain = random_chain(rng, widths)
        X = rng.standard_normal((9, widths[0]))
        done = mlp.rebalance(chain, bias=bias)
        expected = chain.predict(X)
        np.testing.assert_allclose(
            done.model.predict(X), expected, rtol=1e-11, atol=1e-11 * np.abs(expected).max()
        )
        assert done.after.weight_decay <= done.before.weight_decay * (1 + 1e-13)
        assert done.after.imbalance <= 1e-10
        assert done.after.weight_decay == pytest.approx(
            least_decay_by_descent(chain, bias), rel=1e-6
        )
        assert done.saved == done.before.weight_decay - done.after.weight_decay


@pytest.mark.parametrize("seed", range(84))
def test_two_layers_reach_the_path_norm(seed):
    network = random_network(seed)
    done = mlp.rebalance(network)
    assert_same_function(
        done.model.predict(inputs_of(network, seed)), network, inputs_of(network, seed)
    )
    assert done.after.weight_decay == pytest.approx(network.path_norm, rel=1e-12, abs=1e-300)
    assert done.after.weight_decay <= done.before.weight_decay * (1 + 1e-14)
    assert done.after.imbalance <= 1e-12


def test_dead_neurons_end_at_zero():
    chain = mlp.ReluChain(
        [[[1.0], [0.0], [2.0], [1.0]], [[1.0, 5.0, 0.0, -1.0]]], [[0.0, -3.0, 1.0, 0.0], [0.5]]
    )
    done = mlp.rebalance(chain)
    assert done.before.imbalance == np.inf  # the third neuron has no output weight
    np.testing.assert_array_equal(done.model.weights[0], [[1.0], [0.0], [0.0], [1.0]])
    np.testing.assert_array_equal(done.model.biases[0], np.zeros(4))
    np.testing.assert_array_equal(done.model.weights[1], [[1.0, 0.0, 0.0, -1.0]])
    X = np.linspace(-2, 2, 9)[:, None]
    np.testing.assert_array_equal(done.model.predict(X), chain.predict(X))


def test_a_torch_module_is_copied_or_changed_as_asked():
    torch = pytest.importorskip("torch", reason="torch is optional")
    nn = torch.nn
    torch_state = torch.random.get_rng_state()
    for dtype, close in ((torch.float64, 1e-12), (torch.float32, 1e-4)):
        torch.manual_seed(0)
        module = nn.Sequential(
            nn.Linear(3, 6), nn.ReLU(), nn.Linear(6, 5, bias=False), nn.ReLU(), nn.Linear(5, 2)
        ).to(dtype)
        before = {name: value.clone() for name, value in module.state_dict().items()}
        X = torch.linspace(-1, 1, 12, dtype=dtype).reshape(4, 3)
        with torch.no_grad():
            expected = module(X)
        done = mlp.rebalance(module)
        assert done.model is not module
        for name, value in module.state_dict().items():
            assert torch.equal(value, before[name])
        assert next(done.model.parameters()).dtype == dtype
        decay = 0.5 * sum(float((p.detach().double() ** 2).sum()) for p in done.model.parameters())
        assert done.after.weight_decay == pytest.approx(decay, rel=1e-12)
        assert done.after.weight_decay < done.before.weight_decay
        with torch.no_grad():
            assert torch.allclose(done.model(X), expected, rtol=close, atol=close)
            parameters = list(module.parameters())
            changed = mlp.rebalance(module, in_place=True)
            assert changed.model is module
            assert all(a is b for a, b in zip(parameters, module.parameters(), strict=True))
            assert torch.allclose(module(X), expected, rtol=close, atol=close)
    torch.random.set_rng_state(torch_state)


def test_what_cannot_be_balanced_is_refused():
    torch = pytest.importorskip("torch", reason="torch is optional")
    nn = torch.nn
    shared = nn.Linear(3, 3)
    for module, word in (
        (nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 3)), "Tanh"),
        (nn.Sequential(shared, nn.ReLU(), shared), "share"),
    ):
        with pytest.raises(InvalidProblem, match=word):
            mlp.rebalance(module)
    with pytest.raises(InvalidProblem, match="in_place"):
        mlp.rebalance(random_network(0), in_place=True)
    with pytest.raises(InvalidProblem, match="bias"):
        mlp.balance_report(random_chain(np.random.default_rng(0), (2, 2, 1)), bias="none")
    with pytest.raises(InvalidProblem):
        mlp.balance_report("a word")


@pytest.mark.parametrize(
    ("weights", "biases", "word"),
    [
        ([], [], "at least one"),
        ([np.ones((2, 2))], [], "as many"),
        ([np.ones((2, 2)), np.ones((1, 3))], [np.ones(2), np.ones(1)], "columns"),
        ([np.ones((2, 2)), np.ones((1, 2))], [np.ones(3), np.ones(1)], "biases"),
        ([np.ones((2, 2), dtype=int)], [np.ones(2)], "integer"),
        ([np.full((2, 2), np.inf)], [np.ones(2)], "finite"),
        ([np.ones((2, 0))], [np.ones(2)], "input"),
    ],
)
def test_chains_that_are_none_are_refused(weights, biases, word):
    with pytest.raises(InvalidProblem, match=word):
        mlp.ReluChain(weights, biases)


def test_a_chain_says_what_it_is():
    chain = random_chain(np.random.default_rng(0), (3, 4, 2))
    assert repr(chain) == "ReluChain(3 -> 4 -> 2)"
    with pytest.raises(InvalidProblem, match="columns"):
        chain.predict(np.ones((2, 5)))
    assert [h.shape for h in chain.layers(np.ones((7, 3)))] == [(7, 4), (7, 2)]
