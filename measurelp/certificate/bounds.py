"""Primal and dual values with their rounding, and the neuron that lowers an objective."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from measurelp.certificate.certificate import Improvement
from measurelp.measure import AtomicMeasure, Skip
from measurelp.problem import MeasureProblem

_ROUNDOFF = 2.0**-53


@dataclass(frozen=True, eq=False)
class Evaluation:
    """A candidate measured on the data: unit atoms, fit, objective."""

    measure: AtomicMeasure
    features: NDArray[np.float64]
    fit: NDArray[np.float64]
    objective: float


def evaluate(problem: MeasureProblem, measure: AtomicMeasure) -> Evaluation:
    """Recompute everything about a measure from the data."""
    features = problem.features(measure.atoms)
    fit = features @ measure.masses
    size = np.abs(problem.lifted) @ (np.abs(measure.masses) @ np.abs(measure.atoms))
    if measure.skip is not None:
        fit = fit + measure.skip.predict(problem.X)
        size = size + np.abs(problem.X) @ np.abs(measure.skip.linear) + abs(measure.skip.constant)
    # What differs from its target by less than the rounding of its own sum, equals it.
    rounding = 8.0 * (len(measure) + problem.d + 4) * _ROUNDOFF * (size + np.abs(problem.y))
    fit = np.where(np.abs(fit - problem.y) <= rounding, problem.y, fit)
    tv = float(math.fsum(np.abs(measure.masses) * problem.weight_norm(measure.atoms)))
    objective = problem.loss.value(fit, problem.y) + problem.lam * tv
    return Evaluation(measure, features, fit, objective)


def skip_basis(problem: MeasureProblem) -> NDArray[np.float64]:
    """Orthonormal columns spanning what the unpenalised part can fit, (n, p)."""
    columns = problem.skip_columns
    if columns.shape[1] == 0:
        return columns
    scale = np.linalg.norm(columns, axis=0)
    left, singular, _ = np.linalg.svd(
        columns / np.where(scale > 0.0, scale, 1.0), full_matrices=False
    )
    return np.ascontiguousarray(left[:, singular > 1e-13 * singular[0]])


def without_skip(alpha: NDArray[np.float64], basis: NDArray[np.float64]) -> NDArray[np.float64]:
    """The part of a dual vector that is orthogonal to the skip, as the dual problem demands."""
    for _ in range(2):
        alpha = alpha - basis @ (basis.T @ alpha)
    return alpha


def dual_bound(
    problem: MeasureProblem, alpha: NDArray[np.float64], sup_upper: float, primal: float
) -> tuple[float, float]:
    r"""A proved lower bound on the optimal value from alpha and a bound on sup\|eta\|.

    Returns (bound, scale): alpha times ``scale`` is what enters the dual objective.  Two
    things are taken off that objective: rounding of its sum, and what a skip could gain
    because alpha is orthogonal to it only up to rounding.  For the latter, any measure that
    is at least as good as the best known objective P has \|fit - y\| <= sqrt(2 P) and total
    variation at most P / lam, so its skip part is bounded.
    """
    limit = problem.lam
    largest = limit / sup_upper if sup_upper > 0.0 else float("inf")
    scale = problem.loss.best_scale(alpha, problem.y, min(largest, 1e300))
    if scale == 0.0 or not math.isfinite(scale):
        return 0.0, 0.0
    scaled = alpha * (scale * (1.0 - 4.0 * _ROUNDOFF))
    value = problem.loss.dual_value(scaled, problem.y)
    size = float(np.abs(scaled) @ (np.abs(problem.y) + 0.5 * np.abs(scaled)))
    value -= (len(scaled) + 8) * _ROUNDOFF * size
    columns = problem.skip_columns
    if columns.shape[1]:
        reached = problem.loss.value(np.zeros(problem.n), problem.y)
        best = min(primal, reached)
        # Largest features of a unit weight; a free bias is at most the largest input.
        reach = np.linalg.norm(problem.lifted, axis=1)
        if problem.bias == "free":
            reach = np.full(problem.n, 2.0 * float(np.linalg.norm(problem.X, axis=1).max()))
        basis = skip_basis(problem)
        rounding = (problem.n + 4) * _ROUNDOFF * float(np.linalg.norm(scaled))
        leak = float(np.linalg.norm(basis.T @ scaled)) + rounding
        y_norm = float(np.linalg.norm(problem.y))
        if problem.loss.is_hard_constraint:
            # best(1 + leak F / lam) >= <alpha, y> - leak |y|, with F = |reach|.
            value = (value - leak * y_norm) / (1.0 + leak * float(np.linalg.norm(reach)) / limit)
        else:
            fit = y_norm + math.sqrt(2.0 * best) + best / limit * float(np.linalg.norm(reach))
            value -= leak * fit
    # No loss and no total variation is negative.
    return max(value, 0.0), scale


def best_improvement(
    problem: MeasureProblem, candidate: Evaluation, witnesses: NDArray[np.float64]
) -> Improvement | None:
    r"""The single neuron whose addition lowers a smooth objective most.

    Tried are the given unit weights (witnesses of \|eta\|, (q, d')) and every atom of the candidate.  Along w the squared
    loss is a parabola with slope -eta(w) and curvature \|phi(w)\|^2, so the best mass is
    known; the objective is recomputed with it, and only a true decrease counts.
    """
    residual = problem.loss.dual_from_fit(candidate.fit, problem.y)
    if residual is None:
        return None
    atoms = candidate.measure.atoms
    masses = candidate.measure.masses
    atoms = np.vstack([atoms, witnesses])
    masses = np.append(masses, np.zeros(len(witnesses)))
    features = problem.features(atoms)
    curvature = np.einsum("ij,ij->j", features, features)
    usable = curvature > 0.0
    atoms, masses, features, curvature = (
        atoms[usable], masses[usable], features[:, usable], curvature[usable],
    )  # fmt: skip
    if not len(atoms):
        return None
    # Exact minimiser over the mass at each atom, the others held: a soft threshold.
    target = masses + (residual @ features) / curvature
    best = np.sign(target) * np.maximum(np.abs(target) - problem.lam / curvature, 0.0)
    step = best - masses
    gain = (
        step * (residual @ features)
        - 0.5 * curvature * step**2
        - problem.lam * (np.abs(best) - np.abs(masses))
    )
    k = int(np.argmax(gain))
    if not gain[k] > 0.0:
        return None
    improved = AtomicMeasure(
        np.vstack([candidate.measure.atoms, atoms[k : k + 1]]),
        np.append(candidate.measure.masses, step[k]),
        candidate.measure.skip,
    )
    merged = merge_repeated(improved)
    objective = evaluate(problem, merged).objective
    return Improvement(atoms[k], float(step[k]), objective)


def merge_repeated(measure: AtomicMeasure) -> AtomicMeasure:
    """Add up the masses of bitwise equal atoms and drop zero masses."""
    if not len(measure):
        return measure
    atoms, index = np.unique(measure.atoms, axis=0, return_inverse=True)
    masses = np.bincount(index.ravel(), weights=measure.masses, minlength=len(atoms))
    return AtomicMeasure(atoms[masses != 0.0], masses[masses != 0.0], measure.skip)


def unit_atoms(problem: MeasureProblem, measure: AtomicMeasure) -> AtomicMeasure:
    """The same function with atoms of unit norm; atoms of norm zero go where they belong.

    With a free bias an atom whose penalised part is zero is a constant: it joins the skip.
    """
    norms = problem.weight_norm(measure.atoms)
    keep = (norms > 0.0) & (measure.masses != 0.0)
    skip = measure.skip
    if problem.bias == "free":
        constant = float(
            np.sum(measure.masses[norms == 0.0] * np.maximum(measure.atoms[norms == 0.0, -1], 0.0))
        )
        if constant != 0.0:
            linear = np.zeros(problem.d) if skip is None else skip.linear
            skip = Skip(linear, constant + (0.0 if skip is None else skip.constant))
    return AtomicMeasure(
        measure.atoms[keep] / norms[keep, None], measure.masses[keep] * norms[keep], skip
    )
