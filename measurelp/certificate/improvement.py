"""The neuron whose addition lowers an objective most."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from measurelp.certificate.bounds import Evaluation, evaluate, merge_repeated
from measurelp.certificate.certificate import Improvement
from measurelp.measure import AtomicMeasure, mass_sizes
from measurelp.problem import MeasureProblem

_MOST_SEARCHED = 32


def best_improvement(
    problem: MeasureProblem, candidate: Evaluation, witnesses: NDArray[np.float64]
) -> Improvement | None:
    r"""The single neuron whose addition lowers the objective most.

    Tried are the given unit weights (witnesses of \|eta\|, (q, d')) and every atom of the
    candidate.  Along w the objective is convex in the mass.  For the squared loss it is a
    parabola with slope -eta(w), so the best mass is known; for others those that gain most to
    first order are searched.  The objective is recomputed with the neuron, and only a true
    decrease counts.
    """
    if problem.loss.is_hard_constraint:
        return None
    atoms = np.vstack([candidate.measure.atoms, witnesses])
    known = candidate.measure.masses
    masses = np.concatenate([known, np.zeros((len(witnesses), *known.shape[1:]))])
    features = problem.features(atoms)
    usable = np.any(features != 0.0, axis=0)
    atoms, masses, features = atoms[usable], masses[usable], features[:, usable]
    if not len(atoms):
        return None
    search = _quadratic_steps if problem.loss.is_quadratic else _searched_steps
    steps, gains = search(problem, candidate, masses, features)
    k = int(np.argmax(gains))
    if not gains[k] > 0.0:
        return None
    improved = AtomicMeasure(
        np.vstack([candidate.measure.atoms, atoms[k : k + 1]]),
        np.concatenate([known, steps[k : k + 1]]),
        candidate.measure.skip,
    )
    merged = merge_repeated(improved)
    objective = evaluate(problem, merged).objective
    mass = float(steps[k]) if steps.ndim == 1 else steps[k]
    return Improvement(atoms[k], mass, objective)


def _quadratic_steps(
    problem: MeasureProblem,
    candidate: Evaluation,
    masses: NDArray[np.float64],
    features: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Exact minimisers over the mass at each atom, the others held: soft thresholds."""
    alpha = problem.dual_from_fit(candidate.fit)
    assert alpha is not None
    curvature = np.einsum("i,ij,ij->j", problem.sample_weight, features, features)
    curvature = _beside(np.where(curvature > 0.0, curvature, np.inf), masses)
    slopes = features.T @ alpha
    target = masses + slopes / curvature
    size = _sizes(problem, target)
    kept = np.maximum(size - problem.lam / curvature, 0.0) / np.where(size > 0.0, size, 1.0)
    steps = kept * target - masses
    bent = np.where(np.isinf(curvature), 0.0, curvature)
    gains = steps * slopes - 0.5 * bent * steps**2
    gains = gains if masses.ndim == 1 else gains.sum(axis=1)
    dearer = problem.mass_norm(kept * target) - problem.mass_norm(masses)
    return steps, gains - problem.lam * dearer


def _searched_steps(
    problem: MeasureProblem,
    candidate: Evaluation,
    masses: NDArray[np.float64],
    features: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Minimisers along a line of masses, at the atoms that promise most."""
    low, high = problem.loss.dual_ends(candidate.fit, problem.y, problem.sample_weight)
    pull = _descent(problem, masses, features.T @ np.clip(0.0, low, high))
    promise = mass_sizes(pull)
    if masses.ndim == 1:
        lines = np.ones(len(masses))
    else:
        lines = pull / _beside(np.where(promise > 0.0, promise, 1.0), masses)
    steps, gains = np.zeros(masses.shape), np.zeros(len(masses))
    costs = problem.mass_norm(masses)
    reach = np.abs(features).max(axis=0)
    unit = max(1.0, float(np.abs(candidate.fit).max(initial=0.0)))
    for k in np.argsort(-promise, kind="stable")[:_MOST_SEARCHED]:
        change = np.multiply.outer(features[:, k], lines[k])

        def along(t: float, k: int = int(k), change: NDArray[np.float64] = change) -> float:
            dearer = problem.mass_norm(masses[k : k + 1] + t * lines[k : k + 1]) - costs[k]
            return problem.loss_value(candidate.fit + t * change) + problem.lam * float(dearer[0])

        base = along(0.0)
        if not math.isfinite(base) or not math.isfinite(candidate.objective):
            continue
        t, value = _line_minimum(along, unit / float(reach[k]))
        steps[k], gains[k] = t * lines[k], base - value
    return steps, gains


def _descent(
    problem: MeasureProblem, masses: NDArray[np.float64], slopes: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Minus the least subgradient in each mass of the objective, whose loss has minus these slopes."""
    size, steep = _sizes(problem, masses), _sizes(problem, slopes)
    there = slopes - problem.lam * masses / np.where(size > 0.0, size, 1.0)
    new = slopes * np.maximum(1.0 - problem.lam / np.where(steep > 0.0, steep, 1.0), 0.0)
    return np.where(size > 0.0, there, new)


def _sizes(problem: MeasureProblem, masses: NDArray[np.float64]) -> NDArray[np.float64]:
    """Norms of rows that couple outputs, (k, 1), otherwise moduli of entries."""
    if masses.ndim == 2 and problem.outputs == "joint":
        return np.linalg.norm(masses, axis=1, keepdims=True)
    return np.abs(masses)


def _beside(numbers: NDArray[np.float64], masses: NDArray[np.float64]) -> NDArray[np.float64]:
    """A number for each mass, so that it broadcasts with masses in R^c."""
    return numbers if masses.ndim == 1 else numbers[:, None]


def _line_minimum(function: Callable[[float], float], unit: float) -> tuple[float, float]:
    """A minimiser of a convex function of one variable near 0, by a golden section."""
    best, value = 0.0, function(0.0)
    for side in (1.0, -1.0):
        low, high = 0.0, side * 4.0 * unit
        for _ in range(40):
            left, right = high - 0.618 * (high - low), low + 0.618 * (high - low)
            if function(left) <= function(right):
                high = right
            else:
                low = left
        t = 0.5 * (low + high)
        if function(t) < value:
            best, value = t, function(t)
    return best, value
