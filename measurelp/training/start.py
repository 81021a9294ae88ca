"""Weights to start from: a function of settings and seed alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from measurelp.errors import InvalidProblem
from measurelp.network import ReluNetwork
from measurelp.problem import MeasureProblem
from measurelp.training.settings import TrainingSettings

Matrix = NDArray[np.float64]


def starting_weights(problem: MeasureProblem, settings: TrainingSettings) -> tuple[Matrix, Matrix]:
    """Hidden weights (seeds, k, d') and output weights (seeds, k)."""
    k, inputs = settings.width, problem.lifted.shape[1]
    hidden, output = [], []
    for seed in settings.seeds:
        rng = np.random.default_rng([seed, 0])
        w, v = rng.standard_normal((k, inputs)), rng.standard_normal(k)
        if settings.start == "standard":
            w, v = settings.scale * w / np.sqrt(inputs), settings.scale * v / np.sqrt(k)
        else:
            half = np.sqrt(settings.scale / k)
            w, v = half * w / np.linalg.norm(w, axis=1, keepdims=True), half * np.sign(v)
        hidden.append(w)
        output.append(v)
    return _as_particles(settings, np.array(hidden), np.array(output))


def weights_of_network(
    problem: MeasureProblem, settings: TrainingSettings, network: ReluNetwork
) -> tuple[Matrix, Matrix]:
    """The same weights for every seed, from a network."""
    network.require_relu("training")
    if network.skip is not None or np.any(network.output_bias) or network.output_weights.ndim != 1:
        raise InvalidProblem(
            "start: expected a network with one output and neither skip nor output bias."
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
    runs = len(settings.seeds)
    return _as_particles(
        settings, np.repeat(w[None], runs, axis=0), np.repeat(network.output_weights[None], runs, axis=0)
    )  # fmt: skip


def _as_particles(
    settings: TrainingSettings, hidden: Matrix, output: Matrix
) -> tuple[Matrix, Matrix]:
    """Unit directions and masses for the conic method, else the weights as they are."""
    if settings.method != "conic":
        return hidden, output
    length = np.linalg.norm(hidden, axis=2)
    if not length.all():
        raise InvalidProblem("start: a neuron has weight 0 and no direction to move from.")
    return hidden / length[:, :, None], output * length
