"""The network's function, its norms, and the two normal forms."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from measurelp.errors import InvalidProblem
from measurelp.measure import Skip
from measurelp.network import ReluNetwork


def random_network(rng, *, k=5, d=3, bias="penalized", skip=False):
    return ReluNetwork(
        rng.normal(size=(k, d)),
        np.zeros(k) if bias == "none" else rng.normal(size=k),
        output_weights=rng.normal(size=k),
        output_bias=rng.normal(),
        skip=Skip(rng.normal(size=d)) if skip else None,
        bias=bias,
    )


def predict_by_loop(net, X):
    values = []
    for x in X:
        total = net.output_bias + (0.0 if net.skip is None else float(net.skip.linear @ x))
        for w, b, v in zip(net.hidden_weights, net.hidden_bias, net.output_weights, strict=True):
            total += v * max(float(w @ x) + b, 0.0)
        values.append(total)
    return np.array(values)


def test_predict_agrees_with_a_loop():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(7, 3))
    for bias in ("none", "penalized", "free"):
        net = random_network(rng, bias=bias, skip=True)
        np.testing.assert_allclose(net.predict(X), predict_by_loop(net, X), rtol=0, atol=1e-13)


def test_norms_by_hand():
    # One neuron w = (3, 4), b = 12, v = -2: |w| is 5 without the bias and 13 with it.
    with_bias = ReluNetwork([[3.0, 4.0]], [12.0], output_weights=[-2.0])
    free = ReluNetwork([[3.0, 4.0]], [12.0], output_weights=[-2.0], bias="free")
    assert with_bias.path_norm == pytest.approx(26.0, abs=1e-14)
    assert with_bias.weight_decay == pytest.approx((4 + 169) / 2, abs=1e-12)
    assert free.path_norm == pytest.approx(10.0, abs=1e-14)
    assert free.weight_decay == pytest.approx((4 + 25) / 2, abs=1e-13)
    assert with_bias.width == 1 and with_bias.d == 2


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from(["none", "penalized", "free"]),
    st.integers(-120, 120),
)
def test_normal_forms_keep_the_function_and_the_path_norm(seed, bias, power):
    rng = np.random.default_rng(seed)
    net = random_network(rng, bias=bias, skip=True)
    net = ReluNetwork(
        net.hidden_weights * 2.0**power, net.hidden_bias * 2.0**power,
        output_weights=net.output_weights * 2.0**-power, output_bias=net.output_bias,
        skip=net.skip, bias=bias,
    )  # fmt: skip
    X = rng.normal(size=(6, 3))
    balanced, unit = net.balanced(), net.unit_neurons()
    for other in (balanced, unit):
        np.testing.assert_allclose(other.predict(X), net.predict(X), rtol=1e-12, atol=1e-12)
        assert other.path_norm == pytest.approx(net.path_norm, rel=1e-13)
    np.testing.assert_allclose(np.abs(balanced.output_weights), balanced.neuron_norms, rtol=1e-14)
    np.testing.assert_allclose(unit.neuron_norms, 1.0, rtol=1e-14)
    assert balanced.weight_decay == pytest.approx(net.path_norm, rel=1e-13)
    assert net.weight_decay >= net.path_norm * (1 - 1e-14)


def test_dead_neurons_become_zero_or_are_dropped():
    net = ReluNetwork(
        [[1.0, 0.0], [0.0, 0.0], [2.0, 0.0]], [0.0, 0.0, 0.0], output_weights=[0.0, 3.0, 1.0]
    )
    assert net.balanced().width == 3
    assert not net.balanced().hidden_weights[:2].any()
    assert not net.balanced().output_weights[:2].any()
    assert net.unit_neurons().width == 1


def test_a_constant_neuron_under_a_free_bias_moves_to_the_output_bias():
    net = ReluNetwork(
        [[0.0], [0.0], [1.0]], [2.0, -2.0, 0.5], output_weights=[3.0, 5.0, 1.0], bias="free"
    )
    X = np.array([[-3.0], [1.0]])
    for other in (net.balanced(), net.unit_neurons()):
        assert other.output_bias == 6.0
        assert other.width == 1
        np.testing.assert_allclose(other.predict(X), net.predict(X))


def test_a_constant_in_the_skip_is_moved_to_the_output_bias():
    net = ReluNetwork([[1.0]], output_weights=[1.0], output_bias=1.0, skip=Skip(np.ones(1), 2.0))
    assert net.output_bias == 3.0 and net.skip.constant == 0.0
    assert net.predict([[2.0]])[0] == 2.0 + 3.0 + 2.0


def test_a_network_without_neurons_is_its_affine_part():
    net = ReluNetwork(np.zeros((0, 2)), output_weights=[], output_bias=1.5)
    assert net.width == 0 and net.path_norm == 0.0 and net.weight_decay == 0.0
    np.testing.assert_array_equal(net.predict(np.ones((3, 2))), 1.5)
    assert net.balanced().width == net.unit_neurons().width == 0


def test_arrays_are_copies_and_read_only():
    weights = np.ones((1, 2))
    net = ReluNetwork(weights, output_weights=[1.0])
    weights[0, 0] = 7.0
    assert net.hidden_weights[0, 0] == 1.0
    with pytest.raises(ValueError, match="read-only"):
        net.hidden_weights[0, 0] = 2.0


def test_repr_says_what_it_is():
    net = ReluNetwork([[3.0, 4.0]], output_weights=[2.0], skip=Skip(np.ones(2)), bias="none")
    assert (
        repr(net) == "ReluNetwork(2 inputs, 1 neurons, bias=none, with affine skip, path norm 10)"
    )


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"hidden_weights": [1.0, 2.0]}, "hidden_weights"),
        ({"hidden_weights": [["a", "b"]]}, "hidden_weights"),
        ({"hidden_weights": [[np.nan, 1.0]]}, "hidden_weights"),
        ({"hidden_weights": np.zeros((1, 0))}, "hidden_weights"),
        ({"hidden_bias": [1.0, 2.0]}, "hidden_bias"),
        ({"hidden_bias": [np.inf]}, "hidden_bias"),
        ({"hidden_bias": [1.0], "bias": "none"}, "hidden_bias"),
        ({"output_weights": [[[1.0]]]}, "output_weights"),
        ({"output_weights": np.zeros((1, 0))}, "output_weights"),
        ({"output_weights": [[1.0, 2.0]], "output_bias": [1.0, 2.0, 3.0]}, "output_bias"),
        ({"output_weights": [[1.0, 2.0]], "skip": Skip(np.ones(2))}, "skip.linear"),
        ({"output_weights": [1.0, 2.0]}, "output_weights"),
        ({"output_bias": [1.0]}, "output_bias"),
        ({"output_bias": np.nan}, "output_bias"),
        ({"skip": Skip(np.ones(3))}, "skip.linear"),
        ({"bias": "sometimes"}, "bias"),
    ],
)
def test_bad_weights_are_refused_by_name(change, word):
    good = {"hidden_weights": [[1.0, 2.0]], "hidden_bias": [0.0], "output_weights": [1.0]}
    with pytest.raises(InvalidProblem, match=rf"^{word}:"):
        ReluNetwork(**(good | change))


@pytest.mark.parametrize("X", [[[1.0]], [1.0, 2.0], [[np.nan, 1.0]], [["a", "b"]]])
def test_bad_inputs_are_refused_by_name(X):
    with pytest.raises(InvalidProblem, match=r"^X:"):
        ReluNetwork([[1.0, 2.0]], output_weights=[1.0]).predict(X)
