"""The torch modules that measurelp adds."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


class SkipNetwork(nn.Module):  # type: ignore[misc]
    """``output(relu(hidden(x))) + skip(x)``.

    Parameters
    ----------
    hidden, output, skip : nn.Linear
        ``skip`` maps the inputs to the outputs and has no bias of its own.
    """

    def __init__(self, hidden: nn.Linear, output: nn.Linear, skip: nn.Linear) -> None:
        super().__init__()
        self.hidden = hidden
        self.output = output
        self.skip = skip

    def forward(self, x: Any) -> Any:
        """The network's value, (m, d) to (m, c)."""
        return self.output(torch.relu(self.hidden(x))) + self.skip(x)


class PickedLinear(nn.Module):  # type: ignore[misc]
    """A Linear that reads some of its input's entries: ``linear(x[..., kept])``.

    Parameters
    ----------
    kept : (m,) integer tensor
    linear : nn.Linear
        With m inputs.
    """

    def __init__(self, kept: Any, linear: nn.Linear) -> None:
        super().__init__()
        self.register_buffer("kept", kept)
        self.linear = linear

    def forward(self, x: Any) -> Any:
        """(..., K) to (..., D)."""
        return self.linear(x.index_select(-1, self.kept))
