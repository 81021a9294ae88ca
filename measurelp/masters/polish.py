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
from measurelp.certificate import orthonormal_span, without_skip
from measurelp.masters.neurons import Matrix, Neurons, Training, Vector, merged, pruned
from measurelp.masters.sliding import Slider
from measurelp.oracle import DualFunction
from measurelp.oracle.ascent import climbed
from measurelp.oracle.base import distinct_peaks
from measurelp.program import formulate_atoms
from measurelp.status import PointKind

_WALL_TOLERANCES = (1e-6, 1e-8, 1e-4)
_MERGE_COSINE = 1.0 - 1e-4
_STATIONARY = 1e-9
_MOST_MODELS = 40
_KINK_MARGIN = 1e-5  # of the interval of alpha: nearer to its end a sample is off its kink
_SEED = 20260102


def polished(
    training: Training,
    neurons: Neurons,
    dual: DualFunction,
    basis: Matrix,
    time_limit: float | None = None,
) -> Iterator[tuple[Neurons, Vector]]:
    """Converged neurons with their dual vectors, the most likely ones first.

    Two guesses of the faces are made: the merged neurons of the cone program, and the peaks
    of the dual function, which lie on their walls exactly however the program split its
    atoms.  ``basis`` (n, p) spans the skip orthonormally.  The time limit is that of one linear
    program, the only step that can be long.
    """
    alpha = training.from_problem(dual.alpha)
    for guess in _guesses(training, neurons, dual, basis):
        independent = pruned(training, guess)
        if training.loss.is_smooth and training.activation.slopes == (1.0, 0.0):
            slid = slid_to_rest(training, independent)
            if slid is not None:
                yield slid, training.dual(slid)
        for wall_tolerance in _WALL_TOLERANCES:
            found = newton_on_faces(training, independent, alpha, wall_tolerance=wall_tolerance)
            if found is not None:
                yield found
    if training.loss.is_hard_constraint:
        vertex = interpolant(training, neurons, dual, time_limit)
        if vertex is not None:
            better = newton_on_faces(training, vertex, dual.alpha, wall_tolerance=1e-6)
            if better is not None:
                yield better
            yield vertex, dual.alpha


def slid_to_rest(training: Training, neurons: Neurons) -> Neurons | None:
    """Slide to where a smooth objective is stationary; None where that is not reached.

    A proximal Newton method: the loss is replaced by its quadratic model at the fit, which is a
    squared loss with weights, and neurons slide on that.  One slide suffices where the loss is
    quadratic itself.
    """
    damping = 0.0
    for _ in range(_MOST_MODELS):
        model = training.quadratic_model(neurons, damping)
        slider = Slider(model, orthonormal_span(model.skip_columns))
        slid = slider.slide(neurons, wall_tolerance=_WALL_TOLERANCES[0])
        if not (slid.neurons.is_finite and slid.error <= _STATIONARY):
            return None
        before, after = training.objective(neurons), training.objective(slid.neurons)
        if after > before + 1e-13 * abs(before):
            damping = max(4.0 * damping, 1e-3)
            continue
        moved = training.dual(slid.neurons) - training.dual(neurons)
        neurons = slid.neurons
        settled = np.abs(moved).max() <= 1e-12 * np.abs(training.dual(neurons)).max()
        if training.loss.is_quadratic or settled:
            return neurons
        damping *= 0.25
    return None


def interpolant(
    training: Training, neurons: Neurons, dual: DualFunction, time_limit: float | None = None
) -> Neurons | None:
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
    if not len(points):
        return None
    program, lift = formulate_atoms(dual.problem, space.weights(points))
    report = HighsBackend().solve(program, time_limit=time_limit)
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
        slack = 1e-7 * min(abs(training.objective(neurons)), size**2)
    yield merged(training, neurons, cosine=_MERGE_COSINE, slack=slack)
    yield _neurons_at_peaks(training, neurons, dual, basis)


def _neurons_at_peaks(
    training: Training, neurons: Neurons, dual: DualFunction, basis: Matrix
) -> Neurons:
    """Neurons at the peaks of |eta| near lam, with masses fitted to the dual's own fit."""
    points = climbed(dual, neurons.weights, neurons.signs)
    level = training.lam * (1.0 - 1e-5)
    values = dual.values(points)
    points, values = distinct_peaks(points, values, dual.sizes(values), level, cosine=1.0 - 1e-12)
    if not len(points):  # nnls of SciPy 1.17 corrupts memory on an empty matrix
        return neurons
    signs = np.sign(values)
    target = training.y
    if training.loss.is_quadratic:
        target = training.y - training.from_problem(dual.alpha)
    elif not training.loss.is_hard_constraint:
        target = training.fit(neurons)
    columns = training.features(points) * signs
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
    neurons and the dual vector, or None when the faces do not carry a solution.  For a smooth
    loss the dual is minus its gradient.  For one with kinks, samples whose ``dual`` is inside
    its interval are held on them, fit = y, and the multipliers of that, which need not be
    unique, are those nearest to the given ``dual``; for interpolation these are all samples.
    """
    rows = training.rows
    norms = training.norms(neurons.weights)
    kinks = _at_kinks(training, dual)
    if not len(neurons) or not np.all(norms > 0.0):
        return None
    weights = np.array(neurons.weights)
    scale = np.linalg.norm(rows, axis=1)[:, None] * np.linalg.norm(weights, axis=1)[None, :]
    inner = rows @ weights.T
    on_wall = np.abs(inner) <= wall_tolerance * scale
    positive = inner > 0.0
    for _ in range(max_corrections):
        converged = _converge(training, neurons, dual, kinks, positive & ~on_wall, on_wall)
        if converged is None:
            return None
        found, multipliers = converged
        inner = rows @ found.weights.T
        crossed = ~(np.where(positive, inner > 0.0, inner < 0.0) | on_wall)
        if not crossed.any():
            return found, training.dual(found) if training.loss.is_smooth else multipliers
        on_wall = on_wall | crossed
    return None


def _at_kinks(training: Training, dual: Vector) -> NDArray[np.bool_]:
    """The samples that sit on a kink of the loss: their alpha is inside its interval."""
    if training.loss.is_smooth:
        return np.zeros(len(dual), dtype=bool)
    weight = np.ones(len(dual)) if training.weight is None else training.weight
    low, high = training.loss.dual_limits(training.y, weight)
    margin = _KINK_MARGIN * np.minimum(high - low, 1e300)
    margin[np.isinf(high - low)] = 0.0
    return (dual > low + margin) & (dual < high - margin)


def _converge(
    training: Training,
    neurons: Neurons,
    dual: Vector,
    kinks: NDArray[np.bool_],
    active: NDArray[np.bool_],
    on_wall: NDArray[np.bool_],
    max_steps: int = 40,
) -> tuple[Neurons, Vector] | None:
    """Newton's method for given active rows and walls, both (n, k)."""
    given = dual
    rows, p = training.rows, training.n_penalized
    weights = np.array(neurons.weights)
    faces: list[Matrix] = []
    for k in range(len(weights)):
        face = _face(rows[on_wall[:, k]], rows.shape[1])
        if face.shape[1] == 0:
            return None
        faces.append(face)
        weights[k] = face @ (face.T @ weights[k])
    p_slope, q_slope = training.activation.slopes
    slopes = np.where(active, p_slope, -q_slope * ~on_wall)
    columns = np.hstack(
        [s * (slopes[:, k, None] * (rows @ faces[k])) for k, s in enumerate(neurons.signs)]
        + [training.skip_columns]
    )
    starts = np.concatenate([[0], np.cumsum([face.shape[1] for face in faces])])
    skip = np.array(neurons.skip)
    loss = training.loss
    if not loss.is_smooth:
        # Off the kinks alpha is known and the loss is linear.
        dual, known = dual[kinks], columns[~kinks].T @ dual[~kinks]
        columns, targets = columns[kinks], training.y[kinks]
    gram = columns.T @ columns if loss.is_quadratic else None
    previous = np.inf
    for _ in range(max_steps):
        coordinates = np.concatenate(
            [face.T @ w for face, w in zip(faces, weights, strict=True)] + [skip]
        )
        fit = columns @ coordinates
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
        if not loss.is_smooth:
            residual = targets - fit
            # In units of each neuron, so that small ones do not spoil the conditioning, and
            # of their mean in the dual part, so that the units of the inputs do not.
            unit = np.append(np.repeat(norms, np.diff(starts)), np.ones(len(skip)))
            mean = training.lam * float(norms.mean())
            scaled = columns * unit
            size, n = len(coordinates), len(residual)
            bent = hessian * np.outer(unit, unit) / mean
            system = np.block([[bent, scaled.T], [scaled, np.zeros((n, n))]])
            slope = (scaled.T @ dual + unit * (known - gradient)) / mean
            solution = np.linalg.lstsq(system, np.append(slope, residual), rcond=1e-11)[0]
            step, dual = unit * solution[:size], dual - mean * solution[size:]
            error = float(np.max(np.abs(residual), initial=0.0))
        else:
            alpha = loss.dual_from_fit(fit, training.y, training.weight)
            assert alpha is not None
            right = columns.T @ alpha - gradient
            bent = hessian + (_curved_gram(training, columns, fit) if gram is None else gram)
            try:
                step = np.linalg.solve(bent, right)
            except np.linalg.LinAlgError:
                step = np.linalg.lstsq(bent, right, rcond=1e-14)[0]
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
    found = Neurons(weights, neurons.signs, skip)
    if loss.is_smooth:
        return found, training.dual(found)
    multipliers = np.array(given)
    multipliers[kinks] = dual
    return found, multipliers


def _curved_gram(training: Training, columns: Matrix, fit: Vector) -> Matrix:
    """The loss's part of the Hessian."""
    curvature = training.loss.curvatures(fit, training.y)
    if training.weight is not None:
        curvature = curvature * training.weight
    return np.asarray(columns.T @ (curvature[:, None] * columns))


def _face(walls: Matrix, width: int) -> Matrix:
    """Orthonormal basis (r, f) of the weights on all the given walls."""
    if len(walls) == 0:
        return np.eye(width)
    unit = walls / np.linalg.norm(walls, axis=1, keepdims=True).clip(1e-300)
    _, singular, right = np.linalg.svd(unit, full_matrices=True)
    rank = int(np.sum(singular > 1e-8))
    return np.ascontiguousarray(right[rank:].T)
