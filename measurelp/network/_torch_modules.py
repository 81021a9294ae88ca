"""The one torch module that measurelp adds: a two-layer network with a linear skip."""

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
