"""Reading a computational graph as affine layers with ReLUs between them.

Whoever walks a graph (of torch or of ONNX) starts with :func:`graph_input` and applies the
functions below in the order of the graph.  Anything that is not a chain of affine layers and
ReLUs, with at most one affine map of the input added to its output, is refused.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from measurelp.errors import InvalidProblem
from measurelp.network.chain import ReluChain, network_from_chain
from measurelp.network.relu_network import ReluNetwork
from measurelp.problem.combinations import Bias

Matrix = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Dense:
    """An affine layer: weight (n_out, n_in), bias (n_out,) or None, and where it was found."""

    weight: Matrix
    bias: Matrix | None = None
    name: str = ""


@dataclass(frozen=True, eq=False)
class Traced:
    """A tensor of the graph: hidden layers, each with its ReLU, then perhaps an affine one.

    ``skip`` is an affine map of the input that was added.
    """

    hidden: tuple[Dense, ...] = ()
    last: Dense | None = None
    skip: Dense | None = None

    @property
    def dense(self) -> tuple[Dense, ...]:
        """The affine layers of the finished chain; refused if it ends otherwise."""
        if self.last is None or not self.hidden:
            raise InvalidProblem(
                "model: expected Linear, ReLU, ..., Linear; found "
                + ("a ReLU at the end." if self.hidden else "no ReLU.")
            )
        return (*self.hidden, self.last)

    def chain(self) -> ReluChain:
        """The layers as a chain; refused if there is a skip."""
        if self.skip is not None:
            raise InvalidProblem(
                "model: it adds a linear map of its input to its output, which a chain of layers "
                "has not; measurelp.network_from_torch reads such a network with one hidden layer."
            )
        return self._chain()

    def network(self, bias: Bias | None) -> ReluNetwork:
        """The two-layer network; ``bias=None`` means "none" without hidden bias, else penalised."""
        chain = self._chain()
        if bias is None:
            bias = "none" if self.dense[0].bias is None else "penalized"
        constant = chain.biases[-1]
        if self.skip is not None and self.skip.bias is not None:
            constant = constant + self.skip.bias
        chain = ReluChain(chain.weights, [*chain.biases[:-1], constant])
        skip = None if self.skip is None else self.skip.weight
        return network_from_chain(chain, skip=skip, bias=bias)

    def _chain(self) -> ReluChain:
        dense = self.dense
        return ReluChain(
            [layer.weight for layer in dense],
            [np.zeros(len(d.weight)) if d.bias is None else d.bias for d in dense],
        )


def graph_input() -> Traced:
    """The input of the graph."""
    return Traced()


def apply_dense(tensor: Traced, layer: Dense) -> Traced:
    """An affine layer after the input or after a ReLU."""
    if tensor.last is not None:
        raise InvalidProblem(
            f"model: two affine layers follow each other without a ReLU ({tensor.last.name!r}, "
            f"{layer.name!r}); multiply them first."
        )
    return replace(tensor, last=layer)


def apply_relu(tensor: Traced) -> Traced:
    """A ReLU after an affine layer."""
    if tensor.last is None or tensor.skip is not None:
        raise InvalidProblem("model: a ReLU stands where no affine layer precedes it.")
    return Traced((*tensor.hidden, tensor.last))


def add_constant(tensor: Traced, constant: Matrix) -> Traced:
    """A bias added to an affine layer."""
    if tensor.last is None:
        raise InvalidProblem("model: a constant is added where no affine layer precedes it.")
    shape = (len(tensor.last.weight),)
    if constant.size not in (1, shape[0]):
        raise InvalidProblem(
            f"model: a constant of shape {constant.shape} is added to a layer of {shape[0]} units."
        )
    value = np.broadcast_to(np.ravel(constant), shape)
    bias = value if tensor.last.bias is None else tensor.last.bias + value
    return replace(tensor, last=replace(tensor.last, bias=bias))


def add_tensors(first: Traced, second: Traced) -> Traced:
    """A chain with hidden layers plus an affine map of the input."""
    if not first.hidden:
        first, second = second, first
    fits = first.hidden and first.last is not None and first.skip is None
    if not fits or second.hidden or second.last is None or second.skip is not None:
        raise InvalidProblem(
            "model: it adds two tensors; only a linear map of the input may be added to the output."
        )
    return replace(first, skip=second.last)
