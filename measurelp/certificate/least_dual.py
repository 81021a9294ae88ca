r"""The dual vector of least norm of :math:`\min|z|_1,\ Az = y` over a finite dictionary."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import nnls

from measurelp.backends import HighsBackend
from measurelp.errors import BackendError
from measurelp.program import ConeProgram
from measurelp.status import PointKind

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]

_RANK = 1e-11
_FIT = 1e-9
_DUST = 1e-9
_FEASIBLE = 1e-7
_ROOM = 1e-12  # for rounding of products that are 1 exactly


@dataclass(frozen=True, eq=False)
class LeastDual:
    r"""A solution of the linear program and its dual vector of least norm.

    Attributes
    ----------
    value : float
        The least l1 norm; by the linear program, and <dual, y> up to ``gap``.
    masses : (m,) array
        z, a vertex.
    dual : (n,) array
        q of least norm with :math:`\|A^\top q\|_\infty\le1` and <q, y> = value.
    norm : float
    gap : float
        (value - <q, y> / max(1, max\|A'q\|)) / value: how well both prove each other.
    slack : float
        1 minus the largest \|A'q\| off the support of z; 0 where a further column saturates.
    """

    value: float
    masses: Vector
    dual: Vector
    norm: float
    gap: float
    slack: float


def least_dual(matrix: Matrix, target: Vector) -> LeastDual | None:
    """Solve both programs; None if the target is not spanned or the solver fails.

    The dual vectors are those with A'q = sign(z) on the support of one solution z and at most 1 in
    modulus elsewhere.  The one of least norm is the shortest on the first part, if it meets the
    second; else a least-distance program, which is a nonnegative least-squares problem (Lawson
    and Hanson 1974).
    """
    n, m = matrix.shape
    if not np.any(target):
        return LeastDual(0.0, np.zeros(m), np.zeros(n), 0.0, 0.0, 1.0)
    large, tall = float(np.abs(matrix).max(initial=0.0)), float(np.abs(target).max())
    if not large > 0.0:
        return None
    try:
        found = _scaled(matrix / large, target / tall)
    except BackendError:
        return None
    if found is None:
        return None
    return replace(
        found, value=found.value * tall / large, masses=found.masses * (tall / large),
        dual=found.dual / large, norm=found.norm / large,
    )  # fmt: skip


def _scaled(matrix: Matrix, target: Vector) -> LeastDual | None:
    """The same for entries of at most 1."""
    m = matrix.shape[1]
    size = float(np.linalg.norm(target))
    left, singular, _ = np.linalg.svd(matrix, full_matrices=False)
    rank = int(np.sum(singular > _RANK * singular.max(initial=0.0))) if m else 0
    basis = left[:, :rank]
    columns, wanted = basis.T @ matrix, basis.T @ target
    if np.linalg.norm(target - basis @ wanted) > _FIT * size:
        return None
    scale = float(np.abs(wanted).max())
    program = ConeProgram(
        None, np.ones(2 * m),
        sparse.csc_array(np.vstack([np.hstack([columns, -columns]), -np.eye(2 * m)])),
        np.concatenate([wanted / scale, np.zeros(2 * m)]), zero=rank, nonneg=2 * m,
    )  # fmt: skip
    report = HighsBackend().solve(program)
    if report.x is None or report.kind is not PointKind.OPTIMAL:
        return None
    masses = scale * (report.x[:m] - report.x[m:])
    masses[np.abs(masses) <= _DUST * np.abs(masses).max()] = 0.0
    support = np.flatnonzero(masses)
    held = columns[:, support]
    q = np.linalg.lstsq(held.T, np.sign(masses[support]), rcond=None)[0]
    others = np.setdiff1d(np.arange(m), support)
    reached = columns[:, others].T @ q
    if np.abs(reached).max(initial=0.0) > 1.0 + _ROOM:
        _, found, vectors = np.linalg.svd(held.T, full_matrices=True)
        free = vectors[int(np.sum(found > _RANK * found[0])) :].T
        slopes = columns[:, others].T @ free
        step = _least_distance(
            np.vstack([slopes, -slopes]), np.concatenate([-1.0 - reached, -1.0 + reached]) - _ROOM
        )
        if step is None:
            return None
        q = q + free @ step
        reached = columns[:, others].T @ q
    highest = float(np.abs(columns.T @ q).max())
    if highest > 1.0 + _FEASIBLE:
        return None
    value = float(np.abs(masses).sum())
    return LeastDual(
        value=value, masses=masses, dual=basis @ q, norm=float(np.linalg.norm(q)),
        gap=(value - float(q @ wanted) / max(1.0, highest)) / value,
        slack=max(0.0, 1.0 - float(np.abs(reached).max(initial=0.0))),
    )  # fmt: skip


def _least_distance(G: Matrix, h: Vector) -> Vector | None:
    """The shortest t with G t >= h; None if there is none."""
    stacked = np.vstack([G.T, h[None, :]])
    goal = np.append(np.zeros(G.shape[1]), 1.0)
    u, miss = nnls(stacked, goal)
    if miss <= 1e-12:
        return None
    rest = stacked @ u - goal
    return np.asarray(-rest[:-1] / rest[-1])
