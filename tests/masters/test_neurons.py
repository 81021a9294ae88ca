"""Neurons are merged where that costs nothing, and nowhere else."""

import numpy as np
import pytest

import measurelp as mlp
from measurelp.masters.neurons import Neurons, Training, merged
from measurelp.problem import row_space

LOSSES = {"squared": mlp.Squared(), "interpolation": mlp.Interpolation(), "huber": mlp.Huber(0.5)}


def two_of_one_cell(seed, loss):
    """A fit by three neurons, and the same with one of them cut in two that nearly agree."""
    rng = np.random.default_rng(seed)
    X, weights = rng.standard_normal((14, 3)), rng.standard_normal((3, 3))
    signs = np.array([1.0, -1.0, 1.0])
    y = np.maximum(X @ weights.T, 0.0) @ signs
    if loss.name != "interpolation":
        y = y + 0.1 * rng.standard_normal(14)
    problem = mlp.MeasureProblem(X, y, lam=0.3, loss=loss, bias="none")
    space = row_space(problem)
    inside = float(np.abs(X @ weights[0]).min()) / float(np.linalg.norm(X, axis=1).max())
    share = rng.uniform(1e-9, 0.5)
    move = rng.standard_normal(3)
    move *= min(1e-8, 0.3 * share * inside) / np.linalg.norm(move)
    parts = np.vstack(
        [share * weights[0] + share * move, (1.0 - share) * weights[0] - share * move]
    )
    cut = np.vstack([parts, weights[1:]])
    training = Training.of(problem, space)
    return training, space.coordinates(weights), space.coordinates(cut), signs


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("seed", range(20))
def test_neurons_of_one_cell_are_merged_whatever_the_rounding(name, seed):
    training, whole, cut, signs = two_of_one_cell(seed, LOSSES[name])
    before = Neurons(cut, np.append(signs[0], signs), np.zeros(0))
    after = merged(training, before, cosine=1.0 - 1e-12, slack=0.0)
    assert len(after) == 3
    np.testing.assert_allclose(np.sort(after.weights, axis=0), np.sort(whole, axis=0), rtol=1e-12)
    np.testing.assert_allclose(training.fit(after), training.fit(before), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", LOSSES)
def test_neurons_on_two_sides_of_a_wall_are_merged_only_where_that_gains(name):
    training, whole, _, signs = two_of_one_cell(0, LOSSES[name])
    wall = training.rows[0]
    on_it = whole[0] - (wall @ whole[0]) / (wall @ wall) * wall
    pair = np.vstack([on_it + 1e-7 * wall, on_it - 1e-7 * wall])
    before = Neurons(np.vstack([pair, whole[1:]]), np.append(signs[0], signs), np.zeros(0))
    after = merged(training, before, cosine=1.0 - 1e-12, slack=0.0)
    if training.loss.is_hard_constraint:
        assert len(after) == 4
    else:
        assert training.objective(after) <= training.objective(before) * (1.0 + 1e-12)
