"""Activations: what a hidden unit does with the inner product."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray


@runtime_checkable
class Activation(Protocol):
    """The smallest interface of an activation that is positively homogeneous."""

    @property
    def name(self) -> str:
        """The word by which files and the command line know the activation."""
        ...

    def values(self, inner: NDArray[np.float64]) -> NDArray[np.float64]:
        """The activation, elementwise."""
        ...


@dataclass(frozen=True)
class ReLU:
    r"""The positive part :math:`t_+ = \max(t, 0)`; inactive at t = 0.

    Examples
    --------
    >>> import numpy as np
    >>> ReLU().values(np.array([-1.0, 2.0]))
    array([0., 2.])
    """

    name: str = "relu"

    def values(self, inner: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.maximum(inner, 0.0)
