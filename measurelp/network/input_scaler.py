"""Centring and scaling of inputs, and networks brought back to raw inputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from measurelp.errors import InvalidProblem
from measurelp.network.relu_network import ReluNetwork
from measurelp.problem import finite_matrix

_DECIMALS = 11


@dataclass(frozen=True, eq=False)
class InputScaler:
    r"""The map :math:`x \mapsto (x - \text{centre}) / \text{scale}`, entry by entry.

    Attributes
    ----------
    centre, scale : (d,) arrays
        The mean of each input and its standard deviation (the mean square, not n - 1).

    Examples
    --------
    >>> scaler = InputScaler.from_data([[1.0], [3.0]])
    >>> scaler.apply([[5.0]])
    array([[3.]])
    """

    centre: NDArray[np.float64]
    scale: NDArray[np.float64]

    def __post_init__(self) -> None:
        centre = np.array(self.centre, dtype=np.float64)
        scale = np.array(self.scale, dtype=np.float64)
        if centre.ndim != 1 or scale.shape != centre.shape:
            raise InvalidProblem(
                f"centre, scale: expected shapes (d,), found {centre.shape} and {scale.shape}."
            )
        if not (np.isfinite(centre).all() and np.isfinite(scale).all() and (scale > 0.0).all()):
            raise InvalidProblem("centre, scale: expected finite numbers and scales > 0.")
        centre.setflags(write=False)
        scale.setflags(write=False)
        object.__setattr__(self, "centre", centre)
        object.__setattr__(self, "scale", scale)

    @classmethod
    def from_data(cls, X: ArrayLike, *, names: Sequence[str] | None = None) -> InputScaler:
        """The scaler that gives each column of ``X`` mean 0 and mean square 1.

        Raises
        ------
        InvalidProblem
            If a column is constant (by its name in ``names``, or its number), or so large
            that its spread overflows.
        """
        inputs = finite_matrix("X", X)
        for j, column in enumerate(inputs.T):
            word = f"column {j}" if names is None else f"column {names[j]!r}"
            if column.min() == column.max():
                raise InvalidProblem(
                    f"{word} is constant (every entry is {column[0]:g}) and cannot be scaled to "
                    "unit variance; leave it out (a bias is already part of the network)."
                )
        with np.errstate(over="ignore", invalid="ignore"):
            centre, scale = inputs.mean(axis=0), inputs.std(axis=0)
        bad = np.flatnonzero(~(np.isfinite(scale) & (scale > 0.0)))
        if len(bad):
            word = f"column {bad[0]}" if names is None else f"column {names[bad[0]]!r}"
            raise InvalidProblem(
                f"{word} has a standard deviation of {scale[bad[0]]:g} in floating point; "
                "change its unit."
            )
        return cls(centre, scale)

    def apply(self, X: ArrayLike) -> NDArray[np.float64]:
        """Scaled inputs, (m, d) to (m, d), rounded to 11 decimals.

        Lines through common points of the raw inputs would otherwise miss each other by the last
        bits of a division, and leave cells between them too thin for weights in double precision.
        """
        inputs = finite_matrix("X", X)
        if inputs.shape[1] != len(self.scale):
            raise InvalidProblem(f"X: expected {len(self.scale)} columns, found {inputs.shape[1]}.")
        return np.asarray(np.round((inputs - self.centre) / self.scale, _DECIMALS))

    def raw_network(self, network: ReluNetwork) -> ReluNetwork:
        """The network of raw inputs whose value is ``network`` at the scaled ones.

        Its weights absorb the scaler, so its path norm is not the one that was penalised; a
        network without hidden biases comes back with ``bias="penalized"``.
        """
        if network.d != len(self.scale):
            raise InvalidProblem(f"network: expected {len(self.scale)} inputs, found {network.d}.")
        weights = network.hidden_weights / self.scale
        skip, output_bias = network.skip, network.output_bias
        if skip is not None:
            linear = (skip.linear.T / self.scale).T
            skip, output_bias = replace(skip, linear=linear), output_bias - self.centre @ linear
        return ReluNetwork(
            weights, network.hidden_bias - weights @ self.centre,
            output_weights=network.output_weights, output_bias=output_bias, skip=skip,
            bias="penalized" if network.bias == "none" else network.bias,
            activation=network.activation,
        )  # fmt: skip
