"""The model without neurons: the best skip alone, and its dual vector."""

from __future__ import annotations

import numpy as np

from measurelp.backends import Backend
from measurelp.masters.conic_master import ConicMaster
from measurelp.masters.neurons import Neurons, Training, Vector

_EXACT = 1e-13  # of the loss at zero: what a skip that fits everything leaves
_MOST_STEPS = 200


def null_model(training: Training, backend: Backend) -> tuple[Neurons, Vector]:
    """No neurons and the best skip, with a dual vector in the units of ``training``.

    Least squares has a solution in closed form; interpolation takes its residual.  Where a
    loss has no best skip (its infimum is not attained), zero and its own dual.
    """
    columns = training.skip_columns
    outputs = training.y.shape[1:]
    zero = Neurons(
        np.zeros((0, training.rows.shape[1])), np.zeros((0, *outputs)),
        np.zeros((columns.shape[1], *outputs)),
    )  # fmt: skip
    if columns.shape[1] == 0:
        hard = training.loss.is_hard_constraint
        return zero, training.y if hard else training.dual(zero)
    if training.loss.is_hard_constraint or training.loss.is_quadratic:
        found = _least_squares(training, zero)
        return found, training.y - training.fit(found)
    exact = _least_squares(training, zero)
    least = training.loss.least_values(training.y)
    weight = np.ones(len(training.y)) if training.weight is None else training.weight
    least_loss = float(np.sum((least.T * weight).T))
    excess = training.objective(exact) - least_loss
    if excess <= _EXACT * (training.objective(zero) - least_loss):
        return exact, training.dual(exact)  # nothing is left to train, and no solver is as near
    if training.loss.is_smooth:
        return _newton(training, zero)
    solved = ConicMaster(training, backend).solve(training.y, training.lam, None)
    if solved is None:
        return zero, training.dual(zero)
    return solved.neurons, solved.dual


def _least_squares(training: Training, zero: Neurons) -> Neurons:
    """The skip of least squares, with two steps of refinement, to fit to rounding what can be."""
    skip = zero.skip
    for _ in range(3):
        rest = training.y - training.skip_columns @ skip
        skip = skip + np.linalg.lstsq(training.skip_columns, rest, rcond=None)[0]
    return Neurons(zero.weights, zero.signs, skip)


def _newton(training: Training, neurons: Neurons) -> tuple[Neurons, Vector]:
    """The best skip of a smooth loss by damped Newton steps on its quadratic models."""
    damping, value = 0.0, training.objective(neurons)
    for _ in range(_MOST_STEPS):
        model = training.quadratic_model(neurons, damping)
        skip = np.asarray(np.linalg.lstsq(model.skip_columns, model.y, rcond=None)[0])
        trial = Neurons(neurons.weights, neurons.signs, skip)
        after = training.objective(trial)
        if not after <= value:
            damping = max(4.0 * damping, 1e-2)
            if damping > 1e8:
                break
            continue
        fell, neurons, value, damping = value - after, trial, after, 0.25 * damping
        if fell <= 1e-15 * abs(value):
            break
    return neurons, training.dual(neurons)
