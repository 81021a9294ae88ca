"""Pruning a measure to an extreme point of the measures with the same fit."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from measurelp.errors import InvalidProblem

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]
_EPS = float(np.finfo(np.float64).eps)


class Pruned(NamedTuple):
    """What :func:`prune_to_extreme_point` returns.

    Attributes
    ----------
    masses : (k,) array
        The new masses, 0 for the columns that went.
    kept : integer array
        Indices of the columns that stay.
    free_shift : (p,) array
        What to add to the coefficients of the free columns.
    """

    masses: Vector
    kept: NDArray[np.intp]
    free_shift: Vector


def prune_to_extreme_point(
    features: Matrix,
    masses: Vector,
    *,
    free_columns: Matrix | None = None,
    tolerance: float = 1e-12,
) -> Pruned:
    r"""Keep independent columns only, with the same fit and no more total variation.

    While the columns of nonzero mass depend on each other,
    :math:`\Phi v + F w = 0` with :math:`v \ne 0`, moving c along v with the sign for which
    :math:`\sum_k \operatorname{sign}(c_k) v_k \le 0` keeps the fit and does not raise
    :math:`|c|_1`, until a mass vanishes (the pruning of Mishkin and Pilanci 2023).

    Parameters
    ----------
    features : (n, k) array
        :math:`\Phi`: the dictionary columns of the atoms on the data.
    masses : (k,) array
        c, signed.
    free_columns : (n, p) array, optional
        F: columns whose coefficients cost nothing (those of the skip).  Dependence is tested
        modulo their span.
    tolerance : float
        A column counts as dependent when, scaled to unit norm, its distance from the span of
        the others is at most this.

    Returns
    -------
    Pruned
        With at most rank([F, Phi]) - rank(F) columns kept.  The fit changes by rounding only
        (about 1e-12 of its size at the default tolerance); masses keep their signs.

    Notes
    -----
    A pivoted QR gives a basis of all null vectors at once; each step uses one of them and
    eliminates the vanished column from the others.  At the end the masses are fitted once
    more by least squares on the kept columns, and that fit is taken only if it is closer,
    keeps the signs and does not raise the total variation.  O(n k^2) operations in all.

    Examples
    --------
    >>> import numpy as np
    >>> columns = np.array([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]])
    >>> prune_to_extreme_point(columns, np.array([1.0, 1.0, 1.0])).masses
    array([0., 0., 2.])
    """
    features = np.asarray(features, dtype=np.float64)
    masses = np.array(masses, dtype=np.float64)
    n, k = features.shape
    if masses.shape != (k,):
        raise InvalidProblem(f"masses: expected shape ({k},), found {masses.shape}.")
    free = np.zeros((n, 0)) if free_columns is None else np.asarray(free_columns, np.float64)
    if free.ndim != 2 or len(free) != n:
        raise InvalidProblem(f"free_columns: expected {n} rows, found shape {free.shape}.")
    before = masses.copy()

    reduced = _modulo_span(features, free)
    lengths = np.linalg.norm(reduced, axis=0)
    sizes = np.linalg.norm(features, axis=0)
    # A column inside the span of the free ones costs something and does nothing.
    useless = lengths <= tolerance * sizes
    masses[useless] = 0.0
    scaled = reduced / np.where(useless, 1.0, lengths)
    changed = bool(np.any(before[useless] != 0.0))
    while True:
        support = np.flatnonzero(masses)
        null = _null_vectors(scaled[:, support], tolerance)
        if null.shape[1] == 0:
            break
        changed = True
        masses[support] = (
            _move_along(masses[support] * lengths[support], null, lengths[support])
            / lengths[support]
        )
    if not changed:
        return Pruned(masses, support, np.zeros(free.shape[1]))
    return _refit(features, free, before, masses, support)


def _modulo_span(features: Matrix, free: Matrix) -> Matrix:
    """The columns minus their projections on the span of the free ones, n reduced to <= k."""
    if free.shape[1]:
        vectors, values, _ = np.linalg.svd(free, full_matrices=False)
        basis = vectors[:, values > 1e-12 * values[0]]
        features = features - basis @ (basis.T @ features)
        features -= basis @ (basis.T @ features)
    if len(features) > 2 * features.shape[1]:
        return np.asarray(np.linalg.qr(features, mode="r"))
    return features


def _null_vectors(columns: Matrix, tolerance: float) -> Matrix:
    """A basis (k, q) of the null space of unit columns, by QR with column pivoting."""
    k = columns.shape[1]
    if k == 0:
        return np.zeros((0, 0))
    triangle, pivot = linalg.qr(columns, mode="r", pivoting=True, check_finite=False)
    diagonal = np.abs(np.diagonal(triangle))
    rank = int(np.count_nonzero(diagonal > tolerance))
    if rank == k:
        return np.zeros((k, 0))
    null = np.zeros((k, k - rank))
    head = linalg.solve_triangular(
        triangle[:rank, :rank], triangle[:rank, rank:], check_finite=False
    )
    null[pivot[:rank]] = -head
    null[pivot[rank:]] = np.eye(k - rank)
    return null


def _move_along(masses: Vector, null: Matrix, lengths: Vector) -> Vector:
    """Use up a basis of null vectors; each makes at least one mass vanish.

    ``masses`` and ``null`` are in coordinates of unit columns; the cost of coordinate k is
    its modulus over ``lengths[k]``.
    """
    masses, null = masses.copy(), null.copy()
    signs = np.sign(masses)
    while null.shape[1]:
        v = null[:, 0]
        slope = signs * v
        cost = slope / lengths
        if cost.sum() > 0.0 or not np.any(slope < 0.0):
            v, slope = -v, -slope
        falling = slope < 0.0
        if not np.any(falling):
            break
        ratio = np.full(len(masses), np.inf)
        ratio[falling] = np.abs(masses[falling]) / -slope[falling]
        first = int(np.argmin(ratio))
        step = ratio[first] * v
        dust = 64.0 * _EPS * np.abs(masses)
        masses += step
        # Masses that meet zero together do so up to rounding.
        masses[(masses * signs <= dust) & (step != 0.0)] = 0.0
        masses[first] = 0.0
        null = null[:, 1:] - np.outer(v, null[first, 1:] / v[first])
        null[first] = 0.0
        gone = (masses == 0.0) & (signs != 0.0)
        gone[first] = False
        signs[first] = 0.0
        if np.any(gone):
            # Two masses vanished at once: the rest of the basis still holds the second.
            break
        sizes = np.abs(null).max(axis=0, initial=0.0)
        null = null[:, sizes > 0.0] / sizes[sizes > 0.0]
    return masses


def _refit(
    features: Matrix, free: Matrix, before: Vector, masses: Vector, kept: NDArray[np.intp]
) -> Pruned:
    """Masses of the kept columns once more by least squares, where that does no harm."""
    target = features @ before
    columns = np.hstack([features[:, kept], free])

    def misfit(mass: Vector, shift: Vector) -> float:
        return float(np.linalg.norm(features[:, kept] @ mass + free @ shift - target))

    shift = np.zeros(free.shape[1])
    if len(shift):
        shift = linalg.lstsq(free, target - features @ masses, check_finite=False)[0]
    if len(kept):
        solution = linalg.lstsq(columns, target, check_finite=False)[0]
        fitted, fitted_shift = solution[: len(kept)], solution[len(kept) :]
        closer = misfit(fitted, fitted_shift) <= misfit(masses[kept], shift)
        same_signs = np.array_equal(np.sign(fitted), np.sign(masses[kept]))
        variation = float(np.abs(before).sum())
        if closer and same_signs and float(np.abs(fitted).sum()) <= variation:
            masses = np.zeros_like(masses)
            masses[kept] = fitted
            shift = fitted_shift
    return Pruned(masses, kept, shift)
