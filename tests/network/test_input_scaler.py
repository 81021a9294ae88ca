"""Scaled inputs, and the network of raw inputs."""

import numpy as np
import pytest

from measurelp.errors import InvalidProblem
from measurelp.measure import Skip
from measurelp.network import InputScaler, ReluNetwork


def test_columns_get_mean_zero_and_mean_square_one():
    X = np.random.default_rng(0).normal(3.0, 20.0, size=(50, 3))
    Z = InputScaler.from_data(X).apply(X)
    np.testing.assert_allclose(Z.mean(axis=0), 0.0, atol=1e-11)
    np.testing.assert_allclose((Z * Z).mean(axis=0), 1.0, rtol=1e-11)
    assert (np.round(Z, 11) == Z).all()


@pytest.mark.parametrize("bias", ["none", "penalized", "free"])
def test_the_raw_network_is_the_network_of_scaled_inputs(bias):
    rng = np.random.default_rng(2)
    X = rng.normal(5.0, 3.0, size=(20, 3))
    scaler = InputScaler.from_data(X)
    net = ReluNetwork(
        rng.normal(size=(4, 3)), np.zeros(4) if bias == "none" else rng.normal(size=4),
        output_weights=rng.normal(size=4), output_bias=0.3, skip=Skip(rng.normal(size=3)),
        bias=bias,
    )  # fmt: skip
    raw = scaler.raw_network(net)
    np.testing.assert_allclose(raw.predict(X), net.predict(scaler.apply(X)), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    ("X", "words"),
    [
        ([[1.0, 2.0], [1.0, 3.0]], "'a' is constant"),
        ([[1.0, 2.0], [2.0, 2.0]], "'b' is constant"),
        ([[1e308, 2.0], [-1e308, 3.0]], "'a' has a standard deviation"),
        ([[1.0, 5e-324], [2.0, 0.0]], "'b' has a standard deviation"),
    ],
)
def test_columns_that_cannot_be_scaled_are_named(X, words):
    with pytest.raises(InvalidProblem, match=words):
        InputScaler.from_data(X, names=["a", "b"])
    with pytest.raises(InvalidProblem, match=r"column [01]"):
        InputScaler.from_data(X)


def test_shapes_are_checked():
    scaler = InputScaler(np.zeros(2), np.ones(2))
    with pytest.raises(InvalidProblem, match="X"):
        scaler.apply([[1.0]])
    with pytest.raises(InvalidProblem, match="network"):
        scaler.raw_network(ReluNetwork([[1.0]], output_weights=[1.0]))
    for centre, scale in (([0.0], [0.0]), ([0.0], [1.0, 2.0]), ([np.nan], [1.0])):
        with pytest.raises(InvalidProblem, match="centre, scale"):
            InputScaler(np.array(centre), np.array(scale))
