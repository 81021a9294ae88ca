"""Train a network with weight decay on scikit-learn's digits and compress its last hidden layer.

    python examples/compress_digits.py [--tol 0.03] [--seed 0]

The network is 64 -> 128 -> 512 -> 10, trained here in some seconds.  The features of its last
hidden layer are compressed on the training digits; the held-out digits say what that changes.
Needs torch and scikit-learn; the data come with scikit-learn.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn

import measurelp as mlp


def split_digits() -> tuple[Any, ...]:
    """Training and held-out digits, pixels in [0, 1]."""
    X, y = load_digits(return_X_y=True)
    X = (X / 16.0).astype(np.float32)
    return tuple(train_test_split(X, y, test_size=0.3, random_state=0, stratify=y))


def train(X: Any, y: Any, *, seed: int = 0, weight_decay: float = 1e-3, epochs: int = 150) -> Any:
    """A network trained by stochastic gradient descent with weight decay."""
    torch.manual_seed(seed)
    inputs, labels = torch.tensor(X), torch.tensor(y)
    module = nn.Sequential(
        nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 512), nn.ReLU(), nn.Linear(512, 10)
    )
    optimiser = torch.optim.SGD(
        module.parameters(), lr=0.1, momentum=0.9, weight_decay=weight_decay
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs)
    for _ in range(epochs):
        for batch in torch.randperm(len(inputs)).split(64):
            optimiser.zero_grad()
            nn.functional.cross_entropy(module(inputs[batch]), labels[batch]).backward()
            optimiser.step()
        schedule.step()
    return module.eval()


def decisions(module: Any, X: Any) -> Any:
    """The digit that the module sees in each row."""
    with torch.no_grad():
        return module(torch.tensor(X)).argmax(1).numpy()


def main(tol: float = 0.03, seed: int = 0, *, epochs: int = 150) -> dict[str, Any]:
    """Train, compress, compare; the figures that are printed."""
    X, X_held, y, y_held = split_digits()
    module = train(X, y, seed=seed, epochs=epochs)
    done = mlp.compress(module, X, tol, labels=y, layers=[("2", "4")])
    (layer,) = done.layers
    before, after = decisions(module, X_held), decisions(done.model, X_held)
    return {
        "width before": layer.width_before,
        "width after": layer.width_after,
        "width bound": layer.bound,
        "proved relative gap": layer.selection.relative_gap,
        "outputs changed by": layer.output_error,
        "sum of |v_k| before": layer.norm_before,
        "sum of |v_k| after": layer.norm_after,
        "training accuracy before": done.accuracy_before,
        "training accuracy after": done.accuracy_after,
        "held-out digits": len(y_held),
        "held-out accuracy before": float(np.mean(before == y_held)),
        "held-out accuracy after": float(np.mean(after == y_held)),
        "held-out digits decided otherwise": int(np.count_nonzero(before != after)),
        "seconds to compress": done.seconds,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tol", type=float, default=0.03, help="relative error of the outputs")
    parser.add_argument("--seed", type=int, default=0, help="of the training")
    options = parser.parse_args()
    for name, value in main(options.tol, options.seed).items():
        print(f"{name:<36}{value:.4g}" if isinstance(value, float) else f"{name:<36}{value}")
