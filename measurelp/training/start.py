"""Weights to start from: a function of settings and seed alone."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from measurelp.errors import InvalidProblem
from measurelp.measure import mass_sizes
from measurelp.network import ReluNetwork
from measurelp.problem import MeasureProblem
from measurelp.training.settings import TrainingSettings

Matrix = NDArray[np.float64]


class Weights(NamedTuple):
    """Hidden weights (seeds, k, d'), output weights (seeds, k) and skip coefficients (seeds, p).

    For c outputs the last two are (seeds, k, c) and (seeds, p, c).
    """

    hidden: Matrix
    output: Matrix
    skip: Matrix


def starting_weights(problem: MeasureProblem, settings: TrainingSettings) -> Weights:
    """What the settings draw; the skip begins at 0."""
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
    skip = np.zeros((len(drawn), problem.skip_columns.shape[1], *problem.y.shape[1:]))
    return Weights(np.array([w for w, _ in drawn]), np.array([v for _, v in drawn]), skip)


def weights_of_network(
    problem: MeasureProblem, settings: TrainingSettings, network: ReluNetwork
) -> Weights:
    """The same weights for every seed, from a network."""
    network.require_relu("training")
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
    parts = (w, v, _skip_coefficients(problem, network))
    return Weights(*(np.repeat(part[None], len(settings.seeds), axis=0) for part in parts))


def _skip_coefficients(problem: MeasureProblem, network: ReluNetwork) -> Matrix:
    """The network's affine part in the problem's skip columns; refused if it is not in their span."""
    outputs = problem.y.shape[1:]
    linear = np.zeros((problem.d, *outputs)) if network.skip is None else network.skip.linear
    constant = np.broadcast_to(network.output_bias, (1, *outputs))
    affine = np.concatenate([linear, constant])
    left_out, kept = np.split(affine, [len(affine) - problem.skip_columns.shape[1]])
    if np.any(left_out):
        raise InvalidProblem(
            f'start: the network has an output bias or a linear part that skip="{problem.skip}" does '
            "not have."
        )
    return kept


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
