"""Newton on the faces: the last digits of a solution whose cells and walls are known.

Interior-point solvers end near the solution and never on a wall.  With the walls through
every atom and its active rows held fixed, the objective is smooth in coordinates of the
faces, and a few Newton steps give the fit, and with it the dual, to rounding.  The result
is a candidate like any other: the certificate alone decides whether it is better.
"""

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


def newton_on_faces(
    training: Training,
    neurons: Neurons,
    dual: Vector,
    *,
    wall_tolerance: float,
    max_corrections: int = 6,
) -> tuple[Neurons, Vector] | None:
    r"""Converge on the faces that the neurons lie on.

    A row is a wall of a neuron at first if it passes within ``wall_tolerance`` (relative).
    Where the converged neuron has crossed a row, that row becomes a wall too.  Returns the
    neurons and the dual vector, or None when the faces do not carry a solution.  For the
    squared loss the dual is y - fit.  The multipliers of fit = y need not be unique: those
    nearest to the given ``dual`` are returned.
    """
    rows = training.rows
    norms = training.norms(neurons.weights)
    if not len(neurons) or not np.all(norms > 0.0):
        return None
    weights = np.array(neurons.weights)
    scale = np.linalg.norm(rows, axis=1)[:, None] * np.linalg.norm(weights, axis=1)[None, :]
    inner = rows @ weights.T
    on_wall = np.abs(inner) <= wall_tolerance * scale
    positive = inner > 0.0
    for _ in range(max_corrections):
        converged = _converge(training, neurons, dual, positive & ~on_wall, on_wall)
        if converged is None:
            return None
        found, multipliers = converged
        inner = rows @ found.weights.T
        crossed = ~(np.where(positive, inner > 0.0, inner < 0.0) | on_wall)
        if not crossed.any():
            hard = training.loss.is_hard_constraint
            return found, multipliers if hard else training.y - training.fit(found)
        on_wall = on_wall | crossed
    return None


def _converge(
    training: Training,
    neurons: Neurons,
    dual: Vector,
    active: NDArray[np.bool_],
    on_wall: NDArray[np.bool_],
    max_steps: int = 40,
) -> tuple[Neurons, Vector] | None:
    """Newton's method for given active rows and walls, both (n, k)."""
    rows, p = training.rows, training.n_penalized
    weights = np.array(neurons.weights)
    faces: list[Matrix] = []
    for k in range(len(weights)):
        face = _face(rows[on_wall[:, k]], rows.shape[1])
        if face.shape[1] == 0:
            return None
        faces.append(face)
        weights[k] = face @ (face.T @ weights[k])
    columns = np.hstack(
        [s * (active[:, k, None] * (rows @ faces[k])) for k, s in enumerate(neurons.signs)]
        + [training.skip_columns]
    )
    starts = np.concatenate([[0], np.cumsum([face.shape[1] for face in faces])])
    skip = np.array(neurons.skip)
    hard = training.loss.is_hard_constraint
    gram = None if hard else columns.T @ columns
    previous = np.inf
    for _ in range(max_steps):
        coordinates = np.concatenate(
            [face.T @ w for face, w in zip(faces, weights, strict=True)] + [skip]
        )
        residual = training.y - columns @ coordinates
        norms = training.norms(weights)
        if not np.all(norms > 1e-14 * norms.max()):
            return None
        gradient = np.zeros(len(coordinates))
        hessian = np.zeros((len(coordinates), len(coordinates)))
        for k, face in enumerate(faces):
            block = slice(starts[k], starts[k + 1])
            along = face[:p].T @ (weights[k, :p] / norms[k])
            gradient[block] = training.lam * along
            hessian[block, block] = (training.lam / norms[k]) * (
                face[:p].T @ face[:p] - np.outer(along, along)
            )
        if gram is None:
            # In units of each neuron, so that small ones do not spoil the conditioning.
            unit = np.append(np.repeat(norms, np.diff(starts)), np.ones(len(skip)))
            scaled = columns * unit
            size, n = len(coordinates), len(residual)
            system = np.block(
                [[hessian * np.outer(unit, unit), scaled.T], [scaled, np.zeros((n, n))]]
            )
            right = np.concatenate([scaled.T @ dual - unit * gradient, residual])
            solution = np.linalg.lstsq(system, right, rcond=1e-11)[0]
            step, dual = unit * solution[:size], dual - solution[size:]
            error = float(np.max(np.abs(residual)))
        else:
            right = columns.T @ residual - gradient
            try:
                step = np.linalg.solve(gram + hessian, right)
            except np.linalg.LinAlgError:
                step = np.linalg.lstsq(gram + hessian, right, rcond=1e-14)[0]
            error = float(np.max(np.abs(right)))
        if not np.isfinite(step).all():
            return None
        moved = 0.0
        for k, face in enumerate(faces):
            change = face @ step[starts[k] : starts[k + 1]]
            moved = max(moved, float(np.linalg.norm(change[:p])) / float(norms[k]))
            weights[k] += change
        skip = skip + step[starts[-1] :]
        if moved > 0.5:
            return None
        if moved <= 1e-14 or (moved <= 1e-9 and error >= 0.5 * previous):
            break
        previous = error
    return Neurons(weights, neurons.signs, skip), dual


def _face(walls: Matrix, width: int) -> Matrix:
    """Orthonormal basis (r, f) of the weights on all the given walls."""
    if len(walls) == 0:
        return np.eye(width)
    unit = walls / np.linalg.norm(walls, axis=1, keepdims=True).clip(1e-300)
    _, singular, right = np.linalg.svd(unit, full_matrices=True)
    rank = int(np.sum(singular > 1e-8))
    return np.ascontiguousarray(right[rank:].T)
