"""The modules behind :func:`measurelp.variation_network`.  Importing this file imports torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn


class VariationLayer(nn.Module):  # type: ignore[misc]
    """``output(relu(hidden(x))) + skip(x)``, or without the skip.

    Parameters
    ----------
    inputs, outputs, neurons : int
    bias, skip : bool
        Whether the neurons have a bias, and whether there is an affine skip.
    penalized_bias : bool
        Whether the bias counts in a neuron's incoming weights.
    """

    def __init__(
        self, inputs: int, outputs: int, neurons: int, *, bias: bool, penalized_bias: bool,
        skip: bool, **options: Any,
    ) -> None:  # fmt: skip
        super().__init__()
        self.hidden = nn.Linear(inputs, neurons, bias=bias, **options)
        self.output = nn.Linear(neurons, outputs, bias=False, **options)
        self.skip = nn.Linear(inputs, outputs, **options) if skip else None
        self.penalized_bias = penalized_bias

    def forward(self, x: Any) -> Any:
        """(m, inputs) to (m, outputs)."""
        value = self.output(torch.relu(self.hidden(x)))
        return value if self.skip is None else value + self.skip(x)

    def penalty(self) -> Any:
        """Squares of incoming weights and of outgoing 1-norms, and the skip's 1-norm."""
        incoming = self.hidden.weight.square().sum()
        if self.penalized_bias:
            incoming = incoming + self.hidden.bias.square().sum()
        total = incoming + self.output.weight.abs().sum(dim=0).square().sum()
        return total if self.skip is None else total + self.skip.weight.abs().sum()

    def path_cost(self) -> Any:
        """What :meth:`penalty` is after rebalancing, 2 sum |v|_1 |w|_2 and the skip."""
        incoming = self.hidden.weight.square().sum(dim=1)
        if self.penalized_bias:
            incoming = incoming + self.hidden.bias.square()
        total = 2.0 * (self.output.weight.abs().sum(dim=0) * incoming.sqrt()).sum()
        return total if self.skip is None else total + self.skip.weight.abs().sum()


class VariationNetwork(nn.Module):  # type: ignore[misc]
    """Layers of functions of bounded variation, one after the other.

    Parameters
    ----------
    sizes : sequence of int
        Inputs, functional widths, outputs.
    neurons : sequence of int
        ReLUs of each layer.
    bias, penalized_bias, skip : bool
        As for :class:`VariationLayer`.
    """

    def __init__(self, sizes: Sequence[int], neurons: Sequence[int], **options: Any) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *(
                VariationLayer(a, b, k, **options)
                for a, b, k in zip(sizes[:-1], sizes[1:], neurons, strict=True)
            )
        )

    def forward(self, x: Any) -> Any:
        """(m, d_0) to (m, d_L)."""
        return self.layers(x)

    def penalty(self) -> Any:
        """The sum over layers of |C|_1 + sum_k (|v_k|_1^2 + |w_k|_2^2)."""
        return sum(layer.penalty() for layer in self.layers)

    def path_cost(self) -> Any:
        """The least penalty of networks that differ by the scales of neurons only."""
        return sum(layer.path_cost() for layer in self.layers)

    def squared_norm(self) -> Any:
        """The sum of squares of all parameters: ordinary weight decay, biases included."""
        return sum(p.square().sum() for p in self.parameters())

    def matrices_between(self) -> list[Any]:
        """Weights from the ReLUs of each layer to those of the next, W V, of rank d_l."""
        pairs = zip(self.layers[:-1], self.layers[1:], strict=True)
        return [after.hidden.weight @ before.output.weight for before, after in pairs]

    @torch.no_grad()
    def rebalance(self) -> None:
        """Make |v_k|_1 = |w_k|_2 for every neuron; the function stays, the penalty falls."""
        for layer in self.layers:
            square = layer.hidden.weight.square().sum(dim=1)
            if layer.penalized_bias:
                square = square + layer.hidden.bias.square()
            length, size = square.sqrt(), layer.output.weight.abs().sum(dim=0)
            both = (length > 0.0) & (size > 0.0)
            factor = torch.where(both, (size / length).sqrt(), torch.ones_like(size))
            layer.hidden.weight *= factor[:, None]
            if layer.hidden.bias is not None:
                layer.hidden.bias *= factor
            layer.output.weight /= factor
