"""Primal and dual values with their rounding."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from measurelp.measure import AtomicMeasure, Skip, mass_sizes
from measurelp.problem import MeasureProblem

_ROUNDOFF = 2.0**-53
_INDEPENDENT = 1e-8
_TURNS = 100


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
    size = np.abs(problem.lifted) @ (np.abs(measure.atoms).T @ np.abs(measure.masses))
    if not problem.activation.is_homogeneous:
        size = np.abs(features) @ np.abs(measure.masses)
    if measure.skip is not None:
        fit = fit + measure.skip.predict(problem.X)
        size = size + np.abs(problem.X) @ np.abs(measure.skip.linear)
        size = size + np.abs(measure.skip.constant)
    # What differs from its target by less than the rounding of its own sum, equals it.
    rounding = 8.0 * (len(measure) + problem.d + 4) * _ROUNDOFF * (size + np.abs(problem.y))
    fit = np.where(np.abs(fit - problem.y) <= rounding, problem.y, fit)
    tv = math.fsum(problem.mass_norm(measure.masses) * problem.weight_norm(measure.atoms))
    objective = problem.loss_value(fit) + problem.lam * tv
    return Evaluation(measure, features, fit, objective)


def skip_basis(problem: MeasureProblem) -> NDArray[np.float64]:
    """Orthonormal columns spanning what the unpenalised part can fit, (n, p)."""
    return orthonormal_span(problem.skip_columns)


def orthonormal_span(columns: NDArray[np.float64]) -> NDArray[np.float64]:
    """Orthonormal columns with the same span, up to a relative 1e-13."""
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


def admissible_dual(
    problem: MeasureProblem, alpha: NDArray[np.float64], basis: NDArray[np.float64]
) -> NDArray[np.float64]:
    """A dual vector near alpha in the domain of the dual objective and orthogonal to the skip.

    ``basis`` is ``skip_basis(problem)``.  Orthogonal up to rounding, where the domain leaves
    room for it; samples at an end of the domain stay there.
    """
    low, high = problem.loss.dual_limits(problem.y, problem.sample_weight)
    if not (np.isfinite(low).any() or np.isfinite(high).any()):
        return without_skip(alpha, basis)
    if _splits(problem, alpha):
        columns = zip(alpha.T, low.T, high.T, strict=True)
        return np.column_stack([_admissible(*column, basis) for column in columns])
    if problem.loss.couples_outputs:
        return _admissible_rows(problem, alpha, basis)
    return _admissible(alpha, low, high, basis)


def _admissible_rows(
    problem: MeasureProblem, alpha: NDArray[np.float64], basis: NDArray[np.float64]
) -> NDArray[np.float64]:
    """In the domain, to which whole rows belong, and nearly orthogonal: projections in turn."""
    for _ in range(_TURNS if basis.shape[1] else 0):
        alpha = without_skip(
            problem.loss.into_domain(alpha, problem.y, problem.sample_weight), basis
        )
    return problem.loss.into_domain(alpha, problem.y, problem.sample_weight)


def _splits(problem: MeasureProblem, alpha: NDArray[np.float64]) -> bool:
    """Whether domain and orthogonality ask something of each output alone."""
    return alpha.ndim == 2 and not problem.loss.couples_outputs


def _admissible(
    alpha: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64],
    basis: NDArray[np.float64],
) -> NDArray[np.float64]:  # fmt: skip
    alpha = np.clip(alpha, low, high)
    for _ in range(4 if basis.shape[1] else 0):
        inside = (alpha > low) & (alpha < high)
        free = inside if alpha.ndim == 1 else inside.all(axis=1)
        step = np.linalg.lstsq(basis[free].T, basis.T @ alpha, rcond=1e-10)[0]
        moved = np.array(alpha)
        moved[free] -= step
        alpha = np.clip(moved, low, high)
    return alpha


def dual_bound(
    problem: MeasureProblem, alpha: NDArray[np.float64], sup_upper: float
) -> tuple[float, float]:
    r"""A proved lower bound on the optimal value from alpha and a bound on sup\|eta\|.

    Returns (bound, scale): alpha times ``scale`` is what enters the dual objective.  A skip
    asks for an alpha that is orthogonal to its columns, which floating point reaches up to
    rounding only.  So the bound is that of an alpha' within a radius r of the scaled alpha,
    exactly orthogonal and inside the domain of the dual objective, from which a sample's alpha
    may be off by ``Loss.domain_error`` too; it exists (see :func:`orthogonal_nearby`), and need not be known: \|eta\| grows by at most r times the
    largest features, and every term of the concave dual objective is at least its smaller
    value at alpha_i - r and alpha_i + r.  The rounding of the sum is taken off too.
    """
    limit, loss, weight = problem.lam, problem.loss, problem.sample_weight
    least = float(np.sum(loss.least_values(problem.y) * _like(weight, alpha)))
    least -= 8.0 * problem.y.size * _ROUNDOFF * abs(least)
    if math.isnan(sup_upper):
        return least, 0.0
    largest = limit / sup_upper if sup_upper > 0.0 else float("inf")
    scale = problem.best_scale(alpha, min(largest, 1e300))
    if scale == 0.0 or not math.isfinite(scale):
        return least, 0.0
    scaled = alpha * (scale * (1.0 - 4.0 * _ROUNDOFF))
    off = loss.domain_errors(scaled, problem.y, weight)
    nearby = orthogonal_nearby(problem, scaled, leak=float(np.linalg.norm(off)))
    if nearby is None:
        return least, scale
    radius, free = nearby
    if radius > 0.0 or off.any():
        reach = feature_bounds(problem)
        touched = free if free.ndim == 1 else free.any(axis=1)
        moved = radius * float(np.linalg.norm(reach[touched])) + float(off @ reach)
        reached = sup_upper * scale + moved  # 0 where all features are
        shrink = (min(1.0, limit / reached) if reached > 0.0 else 1.0) * (1.0 - 4.0 * _ROUNDOFF)
        scaled, radius, off = scaled * shrink, radius * shrink, off * shrink
    shift = _like(np.where(free, radius, 0.0), alpha) + _like(off, alpha)
    terms = np.minimum(
        loss.dual_terms(scaled - shift, problem.y, weight),
        loss.dual_terms(scaled + shift, problem.y, weight),
    )
    rounding = (scaled.size + 8) * _ROUNDOFF * loss.dual_rounding(scaled, problem.y, weight)
    value = float(np.sum(terms)) - rounding
    return (max(value, least) if math.isfinite(value) else least), scale


def _like(flags: NDArray[Any], alpha: NDArray[np.float64]) -> NDArray[Any]:
    """One entry a sample, for every output of it; what has one an output stays."""
    return flags if flags.ndim == alpha.ndim else flags[:, None]


def feature_bounds(problem: MeasureProblem) -> NDArray[np.float64]:
    """Bounds of what a unit weight can make of each sample, (n,).

    A free bias that matters is at most the largest input.
    """
    if not problem.activation.is_homogeneous:
        return problem.ball.dual_norm(problem.lifted)
    if problem.bias == "free":
        reach = np.full(problem.n, 2.0 * float(problem.ball.dual_norm(problem.X).max()))
    else:
        reach = problem.ball.dual_norm(problem.lifted)
    return reach * max(abs(slope) for slope in problem.activation.slopes)


def orthogonal_nearby(
    problem: MeasureProblem, alpha: NDArray[np.float64], *, leak: float = 0.0
) -> tuple[float, NDArray[np.bool_]] | None:
    r"""(r, free): an alpha' orthogonal to the skip exists that differs in free samples, by at most r.

    With B the skip's columns scaled to unit norm and :math:`B_F` their free rows, moving alpha
    there by a combination of the columns of :math:`B_F` makes it orthogonal, and moves it (all outputs together) by at
    most :math:`|B^\top\alpha| / \sigma_{\min}(B_F)`.  Free are the samples whose alpha_i has room
    for that inside the domain of the dual objective.  None where too few have.  Columns that
    depend on each other nearly are replaced by an orthonormal basis of what they span.  ``leak``
    is how far alpha itself may move first.  Outputs that the loss does not couple have free
    samples each of their own, (n, c).
    """
    everywhere = np.ones(problem.n, dtype=bool)
    columns = problem.skip_columns
    if columns.shape[1] == 0:
        return 0.0, everywhere
    basis = columns / np.maximum(np.linalg.norm(columns, axis=0), 1e-300)
    if np.linalg.svd(basis, compute_uv=False)[-1] < _INDEPENDENT:
        basis = skip_basis(problem)
    low, high = problem.loss.dual_limits(problem.y, problem.sample_weight)
    if not _splits(problem, alpha):
        return _orthogonal_nearby(problem, alpha, low, high, basis, leak)
    parts = [
        _orthogonal_nearby(problem, a, lowest, highest, basis, leak)
        for a, lowest, highest in zip(alpha.T, low.T, high.T, strict=True)
    ]
    if any(part is None for part in parts):
        return None
    found = [part for part in parts if part is not None]
    radius = math.hypot(*(radius for radius, _ in found)) * (1.0 + 1e-15 * len(found))
    return radius, np.column_stack([free for _, free in found])


def _orthogonal_nearby(
    problem: MeasureProblem, alpha: NDArray[np.float64], low: NDArray[np.float64],
    high: NDArray[np.float64], basis: NDArray[np.float64], leak: float,
) -> tuple[float, NDArray[np.bool_]] | None:  # fmt: skip
    room = np.minimum(alpha - low, high - alpha)
    room = room if alpha.ndim == 1 else room.min(axis=1)
    rounding = (problem.n + 8) * _ROUNDOFF * float(np.linalg.norm(alpha)) * basis.shape[1]
    leak = float(np.linalg.norm(basis.T @ alpha)) + rounding + leak * basis.shape[1]
    size = float(np.abs(alpha).max(initial=0.0))
    for wanted in (np.inf, 1e-2, 1e-4, 1e-6, 1e-8, 1e-10):
        free = room >= (wanted if math.isinf(wanted) else wanted * size)
        if np.count_nonzero(free) < basis.shape[1]:
            continue
        smallest = float(np.linalg.svd(basis[free], compute_uv=False)[-1]) - 1e-14 * problem.n
        if smallest <= 0.1 * _INDEPENDENT:
            continue
        radius = leak / smallest * (1.0 + 1e-9)
        if math.isinf(wanted) or radius <= 0.5 * wanted * size:
            return radius, free
    exact = leak <= rounding and _is_exactly_orthogonal(problem, alpha)
    return (0.0, np.ones(problem.n, dtype=bool)) if exact else None


def _is_exactly_orthogonal(problem: MeasureProblem, alpha: NDArray[np.float64]) -> bool:
    """Whether alpha is orthogonal to the skip's columns in exact arithmetic."""
    for column in problem.skip_columns.T:
        for part in alpha.reshape(problem.n, -1).T:
            used = np.flatnonzero((column != 0.0) & (part != 0.0))
            if sum(Fraction(float(column[i])) * Fraction(float(part[i])) for i in used):
                return False
    return True


def merge_repeated(measure: AtomicMeasure) -> AtomicMeasure:
    """Add up the masses of bitwise equal atoms and drop zero masses."""
    if not len(measure):
        return measure
    atoms, index = np.unique(measure.atoms, axis=0, return_inverse=True)
    masses = np.zeros((len(atoms), *measure.masses.shape[1:]))
    np.add.at(masses, index.ravel(), measure.masses)
    kept = mass_sizes(masses) > 0.0
    return AtomicMeasure(atoms[kept], masses[kept], measure.skip)


def unit_atoms(problem: MeasureProblem, measure: AtomicMeasure) -> AtomicMeasure:
    """The same function with atoms of unit norm; atoms of norm zero go where they belong.

    With a free bias an atom whose penalised part is zero is a constant: it joins the skip.
    """
    norms = problem.weight_norm(measure.atoms)
    keep = (norms > 0.0) & (mass_sizes(measure.masses) > 0.0)
    skip = measure.skip
    masses = measure.masses
    if problem.bias == "free":
        flat = norms == 0.0
        constant = np.maximum(measure.atoms[flat, -1], 0.0) @ masses[flat]
        if np.any(constant):
            linear = np.zeros((problem.d, *masses.shape[1:])) if skip is None else skip.linear
            constant = constant + (0.0 if skip is None else skip.constant)
            skip = Skip(linear, float(constant) if masses.ndim == 1 else constant)
    scaled = (masses[keep].T * norms[keep]).T
    return AtomicMeasure(measure.atoms[keep] / norms[keep, None], scaled, skip)
