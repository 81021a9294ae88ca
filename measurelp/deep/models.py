"""What the functions of this room accept as a network, as targets and as a problem."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from measurelp.errors import InvalidProblem
from measurelp.network import ReluChain, ReluNetwork, chain_from_network, chain_from_torch
from measurelp.problem import MeasureProblem, ReLU, Squared, float_array

Matrix = NDArray[np.float64]


def chain_of(model: Any) -> ReluChain:
    """The chain of layers of a ReluChain, a ReluNetwork or a torch module."""
    if isinstance(model, ReluChain):
        return model
    if isinstance(model, ReluNetwork):
        return chain_from_network(model)
    return chain_from_torch(model)


def targets_of(targets: ArrayLike, shape: tuple[int, ...]) -> Matrix:
    """Finite targets (N, c); (N,) is taken as one column."""
    Y = float_array("targets", targets)
    if Y.ndim == 1 and shape[1] == 1:
        Y = Y[:, None]
    if Y.shape != shape or not np.isfinite(Y).all():
        raise InvalidProblem(
            f"targets: expected finite numbers of shape {shape}, found shape {Y.shape}."
        )
    return Y


def check_plain(problem: MeasureProblem) -> None:
    """Refuse problems for which one hidden layer's covariances do not tell everything."""
    facts = {
        "loss": isinstance(problem.loss, Squared), "activation": isinstance(problem.activation, ReLU),
        "ball": problem.ball.name == "l2", "skip": problem.skip == "none",
        "bias": problem.bias in ("penalized", "none"),
        "sample_weight": not problem.is_weighted,
        "outputs": problem.outputs == "joint" or not problem.is_vector,
    }  # fmt: skip
    wrong = [name for name, fits in facts.items() if not fits]
    if wrong:
        raise InvalidProblem(
            "problem: expected the squared loss, ReLU, the l2 ball, no skip, no sample weights, joint outputs "
            f'and bias="penalized" or "none"; of this problem the {" and the ".join(wrong)} differ.'
        )
