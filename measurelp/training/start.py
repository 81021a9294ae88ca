"""Weights to start from: a function of settings and seed alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from measurelp.errors import InvalidProblem
from measurelp.measure import mass_sizes
from measurelp.network import ReluNetwork
from measurelp.problem import MeasureProblem
from measurelp.training.settings import TrainingSettings

Matrix = NDArray[np.float64]


def starting_weights(problem: MeasureProblem, settings: TrainingSettings) -> tuple[Matrix, Matrix]:
    """Hidden weights (seeds, k, d') and output weights (seeds, k), or (seeds, k, c) for c outputs."""
    k, inputs = settings.width, problem.lifted.shape[1]
    drawn = []
    for seed in settings.seeds:
        rng = np.random.default_rng([seed, 0])
        w, v = rng.standard_normal((k, inputs)), rng.standard_normal((k, *problem.y.shape[1:]))
        if settings.start == "standard":
            w, v = settings.scale * w / np.sqrt(inputs), settings.scale * v / np.sqrt(k)
        else:
            half = np.sqrt(settings.scale / k)
            w = half * w / np.linalg.norm(w, axis=1, keepdims=True)
            v = half * (v.T / mass_sizes(v)).T
        drawn.append(_as_particles(settings, w, v))
    return np.array([w for w, _ in drawn]), np.array([v for _, v in drawn])


def weights_of_network(
    problem: MeasureProblem, settings: TrainingSettings, network: ReluNetwork
) -> tuple[Matrix, Matrix]:
    """The same weights for every seed, from a network."""
    network.require_relu("training")
    if network.skip is not None or np.any(network.output_bias):
        raise InvalidProblem("start: expected a network with neither skip nor output bias.")
    if network.output_weights.shape[1:] != problem.y.shape[1:]:
        raise InvalidProblem(
            f"start: expected {problem.n_outputs} outputs, found output weights of shape "
            f"{network.output_weights.shape}."
        )
    if network.d != problem.d or network.width != settings.width:
        raise InvalidProblem(
            f"start: expected {problem.d} inputs and width {settings.width}, found {network.d} and "
            f"{network.width}."
        )
    if np.any(network.hidden_bias) and not problem.has_bias:
        raise InvalidProblem('start: the network has hidden biases, the problem has bias="none".')
    w = network.hidden_weights
    if problem.has_bias:
        w = np.column_stack([w, network.hidden_bias])
    w, v = _as_particles(settings, w, network.output_weights)
    runs = len(settings.seeds)
    return np.repeat(w[None], runs, axis=0), np.repeat(v[None], runs, axis=0)


def _as_particles(
    settings: TrainingSettings, hidden: Matrix, output: Matrix
) -> tuple[Matrix, Matrix]:
    """Unit directions and masses for the conic method, else the weights as they are."""
    if settings.method != "conic":
        return hidden, output
    length = np.linalg.norm(hidden, axis=1)
    if not length.all():
        raise InvalidProblem("start: a neuron has weight 0 and no direction to move from.")
    return hidden / length[:, None], (output.T * length).T
