"""The library's losses as functions of tensors, for gradients.  Importing this file imports torch.

Each takes a loss with its parameters, fits (..., n, c) and targets of the same shape or (n, c), and
gives what every fit costs, without weights; one column for a loss that couples the outputs.
Where a loss has a kink, autograd's derivative is one of its subgradients.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from measurelp.errors import InvalidProblem
from measurelp.problem.losses import (
    Absolute,
    Hinge,
    Huber,
    Logistic,
    Loss,
    MultinomialLogistic,
    Poisson,
    Quantile,
    Squared,
    SquaredHinge,
)

Costs = Callable[[Any, Any, Any], Any]


def _huber(loss: Any, z: Any, y: Any) -> Any:
    inner = (z - y).clamp(-loss.delta, loss.delta)
    return inner * (z - y - 0.5 * inner)


_COSTS: dict[type[Loss], Costs] = {
    Squared: lambda _, z, y: 0.5 * (z - y).square(),
    Absolute: lambda _, z, y: (z - y).abs(),
    Quantile: lambda loss, z, y: torch.maximum(loss.tau * (y - z), (1.0 - loss.tau) * (z - y)),
    Huber: _huber,
    Hinge: lambda _, z, y: torch.relu(1.0 - y * z),
    SquaredHinge: lambda _, z, y: torch.relu(1.0 - y * z).square(),
    Logistic: lambda _, z, y: -torch.nn.functional.logsigmoid(y * z),
    Poisson: lambda _, z, y: z.exp() - y * z,
    MultinomialLogistic: lambda _, z, y: (
        torch.logsumexp(z, dim=-1, keepdim=True) - (y * z).sum(dim=-1, keepdim=True)
    ),
}


def costs_of(loss: Loss) -> Callable[[Any, Any], Any]:
    """The function (fits, targets) to costs of a loss; InvalidProblem for one that torch has not."""
    costs = _COSTS.get(type(loss))
    if costs is None:
        known = ", ".join(kind.name for kind in _COSTS)
        raise InvalidProblem(f"loss: training knows {known}; found {loss.name}, {loss!r}.")
    return lambda fit, targets: costs(loss, fit, targets)
