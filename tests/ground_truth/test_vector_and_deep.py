"""Closed forms for several outputs and for representations."""

import math

import numpy as np
import pytest

import measurelp as mlp
from measurelp.deep import complete_bipartite
from measurelp.status import Verdict


def cost(X, Y, **options):
    """The proved least path norm of an interpolant without biases."""
    found = mlp.representation_cost(X, Y, bias="none", **options)
    assert found.upper - found.lower <= 2e-6 * found.upper
    np.testing.assert_allclose(found.network.predict(X), Y, atol=1e-6 * np.abs(Y).max())
    return found.upper


def test_one_point_with_two_outputs():
    """|y|_2 / |x|."""
    assert cost([[2.0, 0.0]], [[3.0, 4.0]]) == pytest.approx(2.5, rel=1e-6)


def test_joint_and_separate_outputs():
    """One neuron may serve both outputs: |y|_2 against |y|_1."""
    values = {}
    for outputs in ("joint", "separate"):
        problem = mlp.MeasureProblem(
            [[1.0]], [[3.0, 4.0]], loss=mlp.Interpolation(), bias="none", outputs=outputs
        )
        solution = mlp.solve(problem)
        assert solution.certificate.verdict is Verdict.OPTIMAL
        values[outputs] = solution.certificate.primal_value
    assert values["joint"] == pytest.approx(5.0, rel=1e-6)
    assert values["separate"] == pytest.approx(7.0, rel=1e-6)


def test_two_orthonormal_inputs_cost_the_nuclear_norm():
    """X = I and columns y_1, y_2 with a nonnegative product: here the square root of 5."""
    Y = np.array([[1.0, 1.0], [0.0, 1.0]]).T
    assert np.linalg.svd(Y, compute_uv=False).sum() == pytest.approx(math.sqrt(5.0))
    assert cost(np.eye(2), Y) == pytest.approx(math.sqrt(5.0), rel=1e-6)


def test_opposed_outputs_cost_their_lengths():
    """With a negative product no neuron helps both: |y_1| + |y_2|."""
    Y = np.array([[2.0, 0.0], [-1.0, 1.0]])
    assert cost(np.eye(2), Y) == pytest.approx(2.0 + math.sqrt(2.0), rel=1e-6)


def test_a_completely_positive_root_costs_the_nuclear_norm():
    """(Y Y^T)^{1/2} completely positive: 5, and 10 for the squared norm of all weights."""
    assert cost(np.eye(2), [[2.0, 1.0], [1.0, 3.0]]) == pytest.approx(5.0, rel=1e-6)


def test_one_neuron_a_class():
    """One-hot labels, classes of 4 and 9 orthonormal inputs: the sum of their roots."""
    labels = np.repeat(np.eye(2), [4, 9], axis=0)
    problem = mlp.MeasureProblem(np.eye(13), labels, lam=0.1, bias="none")
    solution = mlp.solve(problem)
    assert solution.certificate.verdict is Verdict.OPTIMAL
    # Each class by itself: lam sqrt(n) - lam^2 / 2.
    assert solution.certificate.primal_value == pytest.approx(0.1 * 5.0 - 0.01, rel=1e-6)
    assert len(solution.measure) == 2


@pytest.mark.parametrize("m", [2, 3])
@pytest.mark.parametrize("lam", [0.1, 0.01])
def test_the_complete_bipartite_graph(m, lam):
    """Singular values of E E^T are 2m once, m often and 0 once; each but the last loses lam:
    2 m^2 lam - (m - 1/2) lam^2.  Any minimiser has at least m^2 neurons when lam is small."""
    instance = complete_bipartite(m)
    problem = mlp.MeasureProblem(instance.X, instance.Y, lam=lam, bias="none")
    solution = mlp.solve(problem)
    assert solution.certificate.verdict is Verdict.OPTIMAL
    expected = 2.0 * m * m * lam - (m - 0.5) * lam**2
    assert solution.certificate.primal_value == pytest.approx(expected, rel=2e-6)
    assert len(solution.measure) >= m * m
    pair = mlp.minimise_covariances(problem)
    assert pair.certificate.verdict is Verdict.OPTIMAL
    assert pair.value == pytest.approx(expected, rel=2e-6)
    assert pair.preactivations.shape[1] >= m * m
    # The network whose neurons are the edges, shrunk as a whole, is above but near.
    certificate = mlp.certify(problem, mlp.network_from_chain(instance.network))
    assert certificate.primal_value == pytest.approx(2.0 * m * m * lam, rel=1e-12)


def test_doubly_nonnegative_is_not_enough_for_five_samples():
    """The nuclear norm 10 is a strict bound; the best factorisation known costs 10.047606."""
    Y = np.array(
        [[1, 1, 0, 0, 1], [1, 2, 1, 0, 0], [0, 1, 2, 1, 0], [0, 0, 1, 2, 1], [1, 0, 0, 1, 3]], float
    )
    assert np.linalg.svd(Y, compute_uv=False).sum() == pytest.approx(10.0, rel=1e-12)
    found = mlp.representation_cost(np.eye(5), Y, bias="none")
    assert found.lower > 10.001
    assert found.upper <= 10.0477


@pytest.mark.parametrize("seed", range(3))
def test_covariances_and_measures_of_several_outputs_agree(seed):
    rng = np.random.default_rng(seed)
    X, Y = rng.standard_normal((10, 2)), rng.standard_normal((10, 3))
    problem = mlp.MeasureProblem(X, Y, lam=0.5)
    measure, pair = mlp.solve(problem), mlp.minimise_covariances(problem)
    assert pair.certificate.verdict is Verdict.OPTIMAL
    assert pair.value == pytest.approx(measure.certificate.primal_value, rel=2e-6)
    assert mlp.covariance_objective(problem, pair.pair) == pytest.approx(pair.value, rel=1e-8)
    np.testing.assert_allclose(pair.outputs, measure.predict(X), atol=2e-3)
    curve = mlp.plateau_curve(problem, [1, 2, len(measure.measure)], restarts=2, solution=measure)
    assert curve.starts_by is not None
    assert curve.floor <= min(curve.values)
    assert curve.bounds == (110, 30, None)


def test_the_plateau_of_the_smallest_bipartite_graph_begins_at_four():
    """8 lam - 3/2 lam^2 from 4 neurons on; with 3 about 8.1556 lam, the best that is known."""
    instance, lam = complete_bipartite(2), 0.01
    problem = mlp.MeasureProblem(instance.X, instance.Y, lam=lam, bias="none")
    curve = mlp.plateau_curve(problem, [1, 2, 3, 4, 5], restarts=12)
    assert curve.starts_by == 4
    assert curve.values[3] == pytest.approx(8.0 * lam - 1.5 * lam**2, rel=2e-6)
    assert 8.10 * lam < curve.values[2] < 8.2 * lam
