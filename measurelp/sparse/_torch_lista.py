"""The training of LISTA's weights.  Importing this file imports torch."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

Matrix = NDArray[np.float64]


def minimise(
    W: Matrix, X: Matrix, lam: float, start: Any, epochs: int, learning_rate: float
) -> tuple[tuple[list[Matrix], list[Matrix], list[Matrix]], Matrix]:
    """Adam from the weights of ``start``; the best weights seen and the objectives."""
    dictionary, targets = torch.tensor(W), torch.tensor(X)
    parts = [
        [torch.tensor(np.array(a), requires_grad=True) for a in group]
        for group in (start.inner, start.inputs, start.thresholds)
    ]
    optimiser = torch.optim.Adam([p for group in parts for p in group], lr=learning_rate)
    best, objectives = float("inf"), []
    kept = [[p.detach().clone() for p in group] for group in parts]
    for epoch in range(epochs + 1):
        codes = targets.new_zeros(len(X), W.shape[1])
        for inner, inputs, threshold in zip(*parts, strict=True):
            u = codes @ inner.T + targets @ inputs.T
            codes = torch.relu(u - threshold) - torch.relu(-u - threshold)
        misfit = 0.5 * (targets - codes @ dictionary.T).square().sum(dim=1)
        objective = (misfit + lam * codes.abs().sum(dim=1)).mean()
        objectives.append(float(objective.detach()))
        if not np.isfinite(objectives[-1]):
            break
        if objectives[-1] < best:
            best = objectives[-1]
            kept = [[p.detach().clone() for p in group] for group in parts]
        if epoch < epochs:
            optimiser.zero_grad()
            objective.backward()
            optimiser.step()
            with torch.no_grad():
                for threshold in parts[2]:
                    threshold.clamp_(min=0.0)
    inner, inputs, thresholds = ([p.numpy() for p in group] for group in kept)
    return (inner, inputs, thresholds), np.array(objectives)
