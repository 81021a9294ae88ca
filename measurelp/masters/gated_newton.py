"""The last digits of gated units: Newton's method on the gates in use, for smooth losses.

Interior points solve programs with exponential cones to few digits of the dual.  Once the gates whose
weights vanish are known, the objective is smooth in the other weights and in the skip.
What is found is a candidate: the bracket alone decides whether it is better.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from measurelp.problem import MeasureProblem

Matrix = NDArray[np.float64]
_DROPS = (1e-6, 1e-4, 1e-2)  # of the largest weight: less counts as none
_STEPS = 30


def newton_on_gates(
    problem: MeasureProblem, active: NDArray[np.bool_], weights: Matrix, skip: Matrix
) -> Iterator[tuple[Matrix, Matrix, Matrix]]:
    """Weights (k, d'), skip coefficients and dual vectors where the objective is stationary.

    ``active`` (k, n) are the gates, ``problem`` one with a smooth loss and no free bias.
    """
    norms = problem.weight_norm(weights)
    for drop in _DROPS:
        used = np.flatnonzero(norms > drop * norms.max(initial=0.0))
        found = _stationary(problem, active[used], weights[used], skip)
        if found is not None:
            exact = np.zeros(weights.shape)
            exact[used] = found[0]
            yield exact, found[1], found[2]


def _stationary(
    problem: MeasureProblem, active: NDArray[np.bool_], weights: Matrix, skip: Matrix
) -> tuple[Matrix, Matrix, Matrix] | None:
    """Newton's method from the given weights, none of which is 0; None where it leaves them."""
    k, width = weights.shape
    columns = np.hstack(
        [gate[:, None] * problem.lifted for gate in active] + [problem.skip_columns]
    )
    now = np.append(weights.ravel(), skip)
    for _ in range(_STEPS):
        fit = columns @ now
        dual = problem.dual_from_fit(fit)
        assert dual is not None
        weights = now[: k * width].reshape(k, width)
        norms = np.linalg.norm(weights, axis=1)
        if not np.all(norms > 0.0):
            return None
        unit = weights / norms[:, None]
        curvature = problem.sample_weight * problem.loss.curvatures(fit, problem.y)
        bent = columns.T @ (curvature[:, None] * columns)
        for j in range(k):
            block = slice(j * width, (j + 1) * width)
            bent[block, block] += (
                problem.lam / norms[j] * (np.eye(width) - np.outer(unit[j], unit[j]))
            )
        slope = columns.T @ dual
        slope[: k * width] -= problem.lam * unit.ravel()
        step = np.linalg.lstsq(bent, slope, rcond=1e-13)[0]
        if not np.isfinite(step).all():
            return None
        now = now + step
        if np.abs(step).max(initial=0.0) <= 1e-14 * np.abs(now).max(initial=0.0):
            break
    dual = problem.dual_from_fit(columns @ now)
    assert dual is not None
    if not np.isfinite(now).all() or not np.isfinite(dual).all():
        return None
    return now[: k * width].reshape(k, width), now[k * width :], dual
