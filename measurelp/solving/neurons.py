"""What the master works on: neurons in row-space coordinates, merged and pruned."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from measurelp.measure import prune_to_extreme_point
from measurelp.problem import Loss

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Neurons:
    """Weights u_k = |c_k| w_k in row-space coordinates with the signs of c_k, and a skip.

    Attributes
    ----------
    weights : (k, r) array
    signs : (k,) array of +-1
    skip : (p,) array
        Coefficients of the skip columns.
    """

    weights: Matrix
    signs: Vector
    skip: Vector

    def __len__(self) -> int:
        """Number of neurons."""
        return len(self.signs)

    @property
    def is_finite(self) -> bool:
        """Whether all numbers are finite."""
        return bool(np.isfinite(self.weights).all() and np.isfinite(self.skip).all())


@dataclass(frozen=True, eq=False)
class Training:
    """The numbers of a problem that the master works with, in row-space coordinates."""

    rows: Matrix
    y: Vector
    lam: float
    loss: Loss
    skip_columns: Matrix
    n_penalized: int

    def norms(self, weights: Matrix) -> Vector:
        """The ball's norm of each weight."""
        return np.asarray(np.linalg.norm(weights[:, : self.n_penalized], axis=1))

    def fit(self, neurons: Neurons) -> Vector:
        """The network's outputs on the data."""
        active = np.maximum(self.rows @ neurons.weights.T, 0.0)
        return np.asarray(active @ neurons.signs + self.skip_columns @ neurons.skip)

    def without_far_kinks(self, neurons: Neurons) -> Neurons:
        """With a free bias, move kinks that lie beyond all data to their edge, at no cost.

        Rows end in the scale R of the largest input, so a unit with bias above |w| is active
        everywhere and its excess is a constant, which joins the skip.
        """
        p = self.n_penalized
        if p == self.rows.shape[1] or not len(neurons):
            return neurons
        weights, skip = np.array(neurons.weights), np.array(neurons.skip)
        reach = np.linalg.norm(weights[:, :p], axis=1)
        excess = np.maximum(weights[:, p] - reach, 0.0)
        skip[-1] += float(neurons.signs @ excess) * float(self.rows[0, p])
        weights[:, p] = np.clip(weights[:, p], -reach, reach)
        return Neurons(weights, neurons.signs, skip)

    def objective(self, neurons: Neurons) -> float:
        """Loss plus lam times the total variation."""
        value = self.loss.value(self.fit(neurons), self.y)
        return value + self.lam * float(self.norms(neurons.weights).sum())


def merged(training: Training, neurons: Neurons, *, cosine: float, slack: float) -> Neurons:
    """Add up neurons of one sign whose directions nearly agree, while that costs nothing.

    A pair is replaced by its sum when the objective, by a difference formula, grows by at
    most ``slack``; neurons of one closed cell always qualify.
    """
    weights = [np.array(w) for w in neurons.weights]
    signs = list(neurons.signs)
    residual = training.fit(neurons) - training.y
    smooth = not training.loss.is_hard_constraint
    k = 0
    while k < len(weights):
        other = k + 1
        while other < len(weights):
            a, b = weights[k], weights[other]
            p = training.n_penalized
            length_a, length_b = float(np.linalg.norm(a[:p])), float(np.linalg.norm(b[:p]))
            close = float(a[:p] @ b[:p]) >= cosine * length_a * length_b
            if signs[k] != signs[other] or not close:
                other += 1
                continue
            together = a + b
            inner = training.rows @ np.stack([together, a, b]).T
            active = np.maximum(inner, 0.0)
            change = signs[k] * (active[:, 0] - active[:, 1] - active[:, 2])
            saved = length_a + length_b - float(np.linalg.norm(together[:p]))
            growth = float(np.max(np.abs(change))) - slack
            if smooth:
                growth = float(change @ (residual + 0.5 * change)) - training.lam * saved - slack
            if growth > 0.0:
                other += 1
                continue
            residual = residual + change
            weights[k] = together
            del weights[other], signs[other]
        k += 1
    if not weights:
        return neurons
    return Neurons(np.array(weights), np.array(signs), neurons.skip)


def pruned(training: Training, neurons: Neurons) -> Neurons:
    """An extreme point: independent features only, same fit, no more total variation."""
    norms = training.norms(neurons.weights)
    weights, signs = neurons.weights[norms > 0.0], neurons.signs[norms > 0.0]
    norms = norms[norms > 0.0]
    if not len(weights):
        return neurons
    features = np.maximum(training.rows @ (weights / norms[:, None]).T, 0.0)
    fewer = prune_to_extreme_point(features, signs * norms, free_columns=training.skip_columns)
    kept = fewer.kept
    factor = np.abs(fewer.masses[kept]) / norms[kept]
    found = Neurons(weights[kept] * factor[:, None], signs[kept], neurons.skip + fewer.free_shift)
    before, after = training.objective(neurons), training.objective(found)
    return found if after <= before * (1.0 + 1e-9) else neurons
