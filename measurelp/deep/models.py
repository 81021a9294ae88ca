"""What the functions of this room accept as a network and as targets."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from measurelp.errors import InvalidProblem
from measurelp.network import ReluChain, ReluNetwork, chain_from_network, chain_from_torch

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
    Y = np.asarray(targets, dtype=np.float64)
    if Y.ndim == 1 and shape[1] == 1:
        Y = Y[:, None]
    if Y.shape != shape or not np.isfinite(Y).all():
        raise InvalidProblem(
            f"targets: expected finite numbers of shape {shape}, found shape {Y.shape}."
        )
    return Y
