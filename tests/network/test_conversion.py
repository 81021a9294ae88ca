"""Measure to network to measure: predictions and total variation stay."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from measurelp.errors import InvalidProblem
from measurelp.measure import AtomicMeasure, Skip
from measurelp.network import ReluNetwork, measure_from_network, network_from_measure
from measurelp.problem import MeasureProblem


def random_measure(rng, *, k, d, bias, skip):
    atoms = rng.normal(size=(k, d + (bias != "none")))
    counted = atoms[:, :d] if bias == "free" else atoms
    atoms /= np.linalg.norm(counted, axis=1)[:, None]
    return AtomicMeasure(
        atoms, rng.normal(size=k), Skip(rng.normal(size=d), 0.25) if skip else None
    )


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from(["none", "penalized", "free"]),
    st.booleans(),
    st.booleans(),
    st.integers(0, 6),
)
def test_round_trip(seed, bias, skip, balanced, k):
    rng = np.random.default_rng(seed)
    mu = random_measure(rng, k=k, d=3, bias=bias, skip=skip)
    problem = MeasureProblem(
        rng.normal(size=(8, 3)), rng.normal(size=8), lam=1.0, bias=bias,
        skip="affine" if skip or bias == "free" else "none",
    )  # fmt: skip
    net = network_from_measure(mu, bias=bias, balanced=balanced)
    assert net.width == k
    expected = problem.features(mu.atoms) @ mu.masses
    if mu.skip is not None:
        expected = expected + mu.skip.predict(problem.X)
    np.testing.assert_allclose(net.predict(problem.X), expected, rtol=0, atol=1e-12)
    assert net.path_norm == pytest.approx(mu.total_variation, rel=1e-12, abs=1e-12)
    if balanced:
        assert net.weight_decay == pytest.approx(mu.total_variation, rel=1e-12, abs=1e-12)
    for about in (problem, bias, None):
        back = measure_from_network(net, about)
        np.testing.assert_allclose(back.atoms, mu.atoms, rtol=0, atol=1e-12)
        np.testing.assert_allclose(back.masses, mu.masses, rtol=1e-12, atol=1e-12)
        assert (back.skip is None) == (not skip)
        if skip:
            np.testing.assert_array_equal(back.skip.linear, mu.skip.linear)
            assert back.skip.constant == mu.skip.constant


def test_a_measure_whose_atoms_are_not_unit_still_keeps_its_function():
    mu = AtomicMeasure(np.array([[3.0, 4.0]]), np.array([2.0]))
    net = network_from_measure(mu, bias="none")
    assert net.path_norm == pytest.approx(10.0, rel=1e-14)
    assert net.predict([[1.0, 1.0]])[0] == pytest.approx(14.0, rel=1e-14)


def test_zero_neurons_are_dropped():
    net = ReluNetwork([[1.0], [0.0], [2.0]], output_weights=[0.0, 1.0, -1.0])
    mu = measure_from_network(net)
    assert len(mu) == 1 and mu.masses[0] == -2.0 and mu.skip is None


def test_a_penalised_constant_neuron_is_the_atom_at_the_pole():
    mu = measure_from_network(ReluNetwork([[0.0, 0.0]], [2.0], output_weights=[3.0]))
    np.testing.assert_array_equal(mu.atoms, [[0.0, 0.0, 1.0]])
    assert mu.masses[0] == 6.0


def test_a_free_constant_neuron_goes_into_the_skip():
    net = ReluNetwork([[0.0]], [2.0], output_weights=[3.0])
    mu = measure_from_network(net, "free")
    assert len(mu) == 0 and mu.atoms.shape == (0, 2)
    assert mu.skip.constant == 6.0


def test_the_meaning_of_the_bias_is_the_callers():
    net = ReluNetwork([[3.0, 4.0]], [12.0], output_weights=[1.0])
    assert measure_from_network(net, "penalized").total_variation == pytest.approx(13.0)
    assert measure_from_network(net, "free").total_variation == pytest.approx(5.0)


@pytest.mark.parametrize(
    ("weights", "options", "word"),
    [
        ({"output_bias": 1.0}, {}, "output bias"),
        ({"skip": Skip(np.ones(2))}, {}, "linear skip"),
        ({"skip": Skip(np.ones(2))}, {"skip": "constant"}, "linear skip"),
        ({"hidden_bias": [1.0]}, {"bias": "none"}, "hidden bias"),
        ({"hidden_weights": [[1.0, 2.0, 3.0]]}, {}, "inputs"),
    ],
)
def test_a_network_that_is_no_candidate_is_refused(weights, options, word):
    net = ReluNetwork(**({"hidden_weights": [[1.0, 2.0]], "output_weights": [1.0]} | weights))
    problem = MeasureProblem([[1.0, 2.0]], [1.0], lam=1.0, **options)
    with pytest.raises(InvalidProblem, match=word):
        measure_from_network(net, problem)


def test_atoms_too_short_for_a_bias_are_refused():
    mu = AtomicMeasure(np.ones((1, 1)), np.ones(1))
    with pytest.raises(InvalidProblem, match="bias"):
        network_from_measure(mu)
    assert network_from_measure(mu, bias="none").d == 1
