"""Activations: what a hidden unit does with the inner product."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray


@runtime_checkable
class Activation(Protocol):
    r"""The smallest interface of an activation that is positively homogeneous.

    That is, :math:`\sigma(t) = p\,t_+ + q\,(-t)_+`.
    """

    @property
    def name(self) -> str:
        """The word by which files and the command line know the activation."""
        ...

    @property
    def slopes(self) -> tuple[float, float]:
        """p and q, which say what the activation is on either side of 0."""
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
    slopes: tuple[float, float] = (1.0, 0.0)

    def values(self, inner: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.maximum(inner, 0.0)
