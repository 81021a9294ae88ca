"""Merging atoms that point the same way."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from measurelp.errors import InvalidProblem
from measurelp.measure.atomic import AtomicMeasure

Norm = Callable[[NDArray[np.float64]], NDArray[np.float64]]


def _euclidean(atoms: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.linalg.norm(atoms, axis=1))


def merge_atoms(
    measure: AtomicMeasure, *, angle: float = 1e-6, norm: Norm | None = None
) -> AtomicMeasure:
    r"""Merge atoms of one sign whose directions agree.

    Atoms :math:`w_1, w_2, \dots` of one sign become the one atom u/|u| of mass
    :math:`\pm|u|` with :math:`u = \sum_k |c_k| w_k`.  On data for which they lie in one
    closed cell the fit does not change at all; elsewhere each changes it by at most
    :math:`|c_k|\,|x_i|` times the angle between them.  The total variation never grows, by
    the triangle inequality.

    Parameters
    ----------
    measure : AtomicMeasure
    angle : float
        In radians, at most 1: an atom joins the heaviest atom of its sign within this angle.
    norm : callable, optional
        The ball's norm, (k, d') to (k,): ``problem.weight_norm``.  By default Euclidean.

    Returns
    -------
    AtomicMeasure
        Atoms by decreasing modulus of their mass; atoms of mass 0 are gone.

    Notes
    -----
    Greedy from the heaviest atom down; k times (number of atoms left) operations and no
    k x k matrix.

    Examples
    --------
    >>> import numpy as np
    >>> mu = AtomicMeasure(np.array([[1.0, 0.0]] * 3), np.array([1.0, 2.0, -1.0]))
    >>> merge_atoms(mu).masses
    array([ 3., -1.])
    """
    if not 0.0 <= angle <= 1.0:
        raise InvalidProblem(f"angle: expected 0 to 1 (radians), found {angle}.")
    size = _euclidean if norm is None else norm
    order = np.argsort(-np.abs(measure.masses), kind="stable")
    order = order[measure.masses[order] != 0.0]
    atoms, masses = measure.atoms[order], measure.masses[order]
    lengths = np.linalg.norm(atoms, axis=1)
    lengths[lengths == 0.0] = 1.0
    directions = atoms / lengths[:, None]
    chord = 2.0 * np.sin(0.5 * angle) + 4.0 * np.finfo(np.float64).eps
    cluster = np.full(len(masses), -1)
    heads: list[int] = []
    for k in range(len(masses)):
        if cluster[k] >= 0:
            continue
        left = np.flatnonzero((cluster < 0) & ((masses > 0.0) == (masses[k] > 0.0)))
        distance = np.linalg.norm(directions[left] - directions[k], axis=1)
        cluster[left[distance <= chord]] = len(heads)
        heads.append(k)
    sums = np.zeros((len(heads), atoms.shape[1]))
    np.add.at(sums, cluster, np.abs(masses)[:, None] * atoms)
    mass = size(sums)
    merged_sign = np.sign(masses[heads])
    keep = mass > 0.0
    sums, mass, merged_sign = sums[keep], mass[keep], merged_sign[keep]
    again = np.argsort(-mass, kind="stable")
    return AtomicMeasure(
        sums[again] / mass[again, None], merged_sign[again] * mass[again], measure.skip
    )
