"""Newton on the faces: the last digits of a solution whose cells and walls are known.

Interior-point solvers end near the solution and never on a wall.  With the walls through
every atom and its active rows held fixed, the objective is smooth in coordinates of the
faces, and a few Newton steps give the fit, and with it the dual, to rounding.  The result
is a candidate like any other: the certificate alone decides whether it is better.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from measurelp.backends import HighsBackend
from measurelp.certificate import without_skip
from measurelp.oracle import DualFunction
from measurelp.oracle.ascent import climbed
from measurelp.oracle.base import distinct_peaks
from measurelp.program import formulate_atoms
from measurelp.solving.neurons import Matrix, Neurons, Training, Vector, merged, pruned
from measurelp.solving.sliding import Slider
from measurelp.status import PointKind

_WALL_TOLERANCES = (1e-6, 1e-8, 1e-4)
_MERGE_COSINE = 1.0 - 1e-4
_STATIONARY = 1e-9
_SEED = 20260102


def polished(
    training: Training, neurons: Neurons, dual: DualFunction, basis: Matrix
) -> Iterator[tuple[Neurons, Vector]]:
    """Converged neurons with their dual vectors, the most likely ones first.

    Two guesses of the faces are made: the merged neurons of the cone program, and the peaks
    of the dual function, which lie on their walls exactly however the program split its
    atoms.  ``basis`` (n, p) spans the skip orthonormally.
    """
    for guess in _guesses(training, neurons, dual, basis):
        independent = pruned(training, guess)
        if not training.loss.is_hard_constraint:
            slid = Slider(training, basis).slide(independent, wall_tolerance=_WALL_TOLERANCES[0])
            if slid.error <= _STATIONARY:
                yield slid.neurons, training.y - training.fit(slid.neurons)
        for wall_tolerance in _WALL_TOLERANCES:
            found = newton_on_faces(
                training, independent, dual.alpha, wall_tolerance=wall_tolerance
            )
            if found is not None:
                yield found
    if training.loss.is_hard_constraint:
        vertex = interpolant(training, neurons, dual)
        if vertex is not None:
            better = newton_on_faces(training, vertex, dual.alpha, wall_tolerance=1e-6)
            if better is not None:
                yield better
            yield vertex, dual.alpha


def interpolant(training: Training, neurons: Neurons, dual: DualFunction) -> Neurons | None:
    """A cheap vertex of the interpolation polytope near the given neurons.

    A linear program over their directions, the peaks of the dual function and, so that it
    has a solution, random directions with kinks at data points.
    """
    space, rng = dual.space, np.random.default_rng(_SEED)
    extra = rng.standard_normal((3 * len(training.y), space.rank))
    through = np.tile(training.rows, (3, 1))
    if space.has_free_bias:
        linear = np.einsum("ij,ij->i", extra[:, :-1], through[:, :-1])
        extra[:, -1] = -linear / space.bias_scale
    else:
        length = np.einsum("ij,ij->i", through, through).clip(1e-300)
        extra -= (np.einsum("ij,ij->i", extra, through) / length)[:, None] * through
    points = np.vstack([neurons.weights, climbed(dual, neurons.weights, neurons.signs), extra])
    norms = training.norms(points)
    points = points[norms > 0.0] / norms[norms > 0.0, None]
    program, lift = formulate_atoms(dual.problem, space.weights(points))
    report = HighsBackend().solve(program)
    if report.x is None or report.kind not in (PointKind.OPTIMAL, PointKind.APPROXIMATE):
        return None
    masses = lift.masses(report.x)
    kept = masses != 0.0
    return Neurons(
        points[kept] * np.abs(masses[kept])[:, None], np.sign(masses[kept]), lift.skip(report.x)
    )


def _guesses(
    training: Training, neurons: Neurons, dual: DualFunction, basis: Matrix
) -> Iterator[Neurons]:
    size = float(np.linalg.norm(training.y))
    slack = 1e-7 * size
    if not training.loss.is_hard_constraint:
        slack = 1e-7 * min(training.objective(neurons), size**2)
    yield merged(training, neurons, cosine=_MERGE_COSINE, slack=slack)
    yield _neurons_at_peaks(training, neurons, dual, basis)


def _neurons_at_peaks(
    training: Training, neurons: Neurons, dual: DualFunction, basis: Matrix
) -> Neurons:
    """Neurons at the peaks of |eta| near lam, with masses fitted to the dual's own fit."""
    points = climbed(dual, neurons.weights, neurons.signs)
    level = training.lam * (1.0 - 1e-5)
    points, values = distinct_peaks(points, dual.values(points), level, cosine=1.0 - 1e-12)
    if not len(points):  # nnls of SciPy 1.17 corrupts memory on an empty matrix
        return neurons
    signs = np.sign(values)
    target = training.y
    if not training.loss.is_hard_constraint:
        target = training.y - dual.alpha
    columns = np.maximum(training.rows @ points.T, 0.0) * signs
    try:
        masses = nnls(columns - basis @ (basis.T @ columns), without_skip(target, basis))[0]
    except RuntimeError:
        return neurons
    skip = neurons.skip
    if len(skip):
        rest = target - columns @ masses
        skip = np.asarray(np.linalg.lstsq(training.skip_columns, rest, rcond=None)[0])
    kept = masses > 0.0
    return Neurons(points[kept] * masses[kept, None], signs[kept], skip)


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
            # In units of each neuron, so that small ones do not spoil the conditioning, and
            # of their mean in the dual part, so that the units of the inputs do not.
            unit = np.append(np.repeat(norms, np.diff(starts)), np.ones(len(skip)))
            mean = training.lam * float(norms.mean())
            scaled = columns * unit
            size, n = len(coordinates), len(residual)
            bent = hessian * np.outer(unit, unit) / mean
            system = np.block([[bent, scaled.T], [scaled, np.zeros((n, n))]])
            slope = (scaled.T @ dual - unit * gradient) / mean
            solution = np.linalg.lstsq(system, np.append(slope, residual), rcond=1e-11)[0]
            step, dual = unit * solution[:size], dual - mean * solution[size:]
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
