"""Fully connected ReLU networks of any depth as plain arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from measurelp.errors import InvalidProblem
from measurelp.measure import Skip
from measurelp.network.relu_network import ReluNetwork
from measurelp.problem import finite_matrix
from measurelp.problem.combinations import Bias

Matrix = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ReluChain:
    r"""The network :math:`f = A_L \circ \sigma \circ A_{L-1} \circ \dots \circ \sigma \circ A_1`.

    :math:`A_l(z) = W_l z + b_l` and :math:`\sigma(t) = \max(t, 0)` entry by entry.

    Parameters
    ----------
    weights : sequence of (n_l, n_{l-1}) arrays
        :math:`W_1, \dots, W_L`, at least one: a row for each unit of the layer, as in torch.
    biases : sequence of (n_l,) arrays
        :math:`b_1, \dots, b_L`.

    Raises
    ------
    InvalidProblem
        If shapes do not fit together or an entry is not finite.

    Examples
    --------
    >>> chain = ReluChain([[[1.0], [-1.0]], [[1.0, 1.0]]], [[0.0, 0.0], [0.5]])
    >>> chain.predict([[-2.0]])
    array([[2.5]])
    >>> chain.widths
    (2,)
    """

    weights: tuple[Matrix, ...]
    biases: tuple[Matrix, ...]

    def __init__(self, weights: Sequence[ArrayLike], biases: Sequence[ArrayLike]) -> None:
        if not weights or len(weights) != len(biases):
            raise InvalidProblem(
                "weights, biases: expected as many of one as of the other and at least one, found "
                f"{len(weights)} and {len(biases)}."
            )
        W = tuple(real_array(f"weights[{i}]", w, ndim=2) for i, w in enumerate(weights))
        b = tuple(real_array(f"biases[{i}]", v, ndim=1) for i, v in enumerate(biases))
        for i, (w, v) in enumerate(zip(W, b, strict=True)):
            if v.shape != w.shape[:1]:
                raise InvalidProblem(
                    f"biases[{i}]: expected shape {w.shape[:1]}, one number a row of weights[{i}], "
                    f"found {v.shape}."
                )
            if i and w.shape[1] != len(W[i - 1]):
                raise InvalidProblem(
                    f"weights[{i}]: expected {len(W[i - 1])} columns, as many as the layer before "
                    f"has units, found {w.shape[1]}."
                )
        if W[0].shape[1] == 0 or len(W[-1]) == 0:
            raise InvalidProblem("weights: a network has at least one input and one output.")
        object.__setattr__(self, "weights", W)
        object.__setattr__(self, "biases", b)

    @property
    def depth(self) -> int:
        """Number of layers of weights; hidden layers are one less."""
        return len(self.weights)

    @property
    def widths(self) -> tuple[int, ...]:
        """Numbers of units of the hidden layers."""
        return tuple(len(w) for w in self.weights[:-1])

    def predict(self, X: ArrayLike) -> Matrix:
        """The outputs at the rows of ``X``, (m, d) to (m, c)."""
        return self.layers(X)[-1]

    def layers(self, X: ArrayLike) -> list[Matrix]:
        r"""What the layers hand on at the rows of ``X``: :math:`\sigma(A_1 x), \dots, f(x)`."""
        values = finite_matrix("X", X)
        if values.shape[1] != self.weights[0].shape[1]:
            raise InvalidProblem(
                f"X: expected {self.weights[0].shape[1]} columns, as many as the network has "
                f"inputs, found {values.shape[1]}."
            )
        handed_on = []
        for layer, (w, v) in enumerate(zip(self.weights, self.biases, strict=True)):
            values = values @ w.T + v
            if layer + 1 < self.depth:
                values = np.maximum(values, 0.0)
            handed_on.append(values)
        return handed_on

    def __repr__(self) -> str:
        sizes = " -> ".join(str(n) for n in (self.weights[0].shape[1], *map(len, self.weights)))
        return f"ReluChain({sizes})"


def network_from_chain(
    chain: ReluChain, *, skip: Matrix | None = None, bias: Bias = "penalized"
) -> ReluNetwork:
    """The two-layer network of a chain with one hidden layer.

    One output gives output weights (k,), several give (k, c).  ``skip`` is a matrix (c, d).

    Raises
    ------
    InvalidProblem
        If there is not exactly one hidden layer.
    """
    if chain.depth != 2:
        raise InvalidProblem(
            f"model: expected one hidden layer (Linear, ReLU, Linear), found {chain.depth - 1}; "
            "measurelp.ReluChain and the functions on layers take deeper networks."
        )
    (hidden, output), (hidden_bias, output_bias) = chain.weights, chain.biases
    if len(output) == 1:
        return ReluNetwork(
            hidden, hidden_bias, output_weights=output[0], output_bias=output_bias[0],
            skip=None if skip is None else Skip(skip[0]), bias=bias,
        )  # fmt: skip
    return ReluNetwork(
        hidden, hidden_bias, output_weights=output.T, output_bias=output_bias,
        skip=None if skip is None else Skip(skip.T), bias=bias,
    )  # fmt: skip


def chain_from_network(network: ReluNetwork) -> ReluChain:
    """The chain with one hidden layer of a two-layer network; a skip must be made neurons first."""
    network.require_relu("a chain of layers")
    if network.skip is not None:
        raise InvalidProblem(
            "network: it has a linear skip, which a chain of layers cannot hold; "
            "network.skip_as_neurons() makes ReLU neurons of it, at the price it states."
        )
    output = network.output_weights.reshape(network.width, network.outputs)
    return ReluChain(
        [network.hidden_weights, output.T],
        [network.hidden_bias, np.atleast_1d(network.output_bias)],
    )


def real_array(name: str, value: Any, *, ndim: int) -> Matrix:
    """A read-only finite float64 copy of weights; quantised and complex ones are refused."""
    array = np.asarray(value)
    if array.size == 0 and array.ndim == ndim:
        array = array.astype(np.float64)
    if array.dtype.kind != "f":
        raise InvalidProblem(
            f"{name}: expected real floating-point weights, found dtype {array.dtype}; quantised "
            "or integer weights must be converted by whoever knows their scale."
        )
    if array.ndim != ndim:
        raise InvalidProblem(f"{name}: expected {ndim} dimensions, found shape {array.shape}.")
    array = np.array(array, dtype=np.float64, order="C")
    if not np.isfinite(array).all():
        raise InvalidProblem(f"{name}: entries must be finite; NaN or inf was found.")
    array.setflags(write=False)
    return array
