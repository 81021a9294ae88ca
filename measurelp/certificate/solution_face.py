r"""The optimal measures over a finite saturation set, as a polytope of masses.

All optimal measures of a loss with a unique fit have that fit, and their atoms are where
:math:`|\eta|` is at its limit.  Over atoms :math:`w_k` with signs :math:`s_k` they are

.. math:: \{c\ge0 :\ \Phi S c + Q\kappa = \mathrm{fit}\}
          = \{c^0 + Nt\ge0\},

with N the null vectors of :math:`\Phi S` modulo the skip: no equation is left to be violated by
rounding.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from measurelp.backends import HighsBackend
from measurelp.errors import BackendError
from measurelp.measure import AtomicMeasure, Skip
from measurelp.problem import MeasureProblem
from measurelp.program import ConeProgram
from measurelp.status import PointKind

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

DEPENDENT = 1e-9
_ZERO = 1e-13


@dataclass(frozen=True, eq=False)
class MassPolytope:
    """The masses c = start + null t >= 0.

    Attributes
    ----------
    start : (k,) array
        Masses of one optimal measure, not signed.
    null : (k, q) array
        Orthonormal; q = 0 when the features are independent.
    singular_values : (k,) array
        Of the features in units of their lengths, the skip projected out; descending.
    """

    start: Vector
    null: Matrix
    singular_values: Vector

    @property
    def dimension(self) -> int:
        """Number of independent null vectors."""
        return int(self.null.shape[1])

    def extreme(self, cost: Vector) -> Vector:
        """The masses at a minimum of <cost, c>, a vertex."""
        if self.dimension == 0:
            return self.start
        scale = float(np.abs(self.start).max(initial=0.0)) or 1.0
        program = ConeProgram(
            None, self.null.T @ cost, sparse.csc_array(-self.null), self.start / scale,
            nonneg=len(self.start),
        )  # fmt: skip
        report = HighsBackend().solve(program)
        if report.x is None or report.kind is not PointKind.OPTIMAL:
            raise BackendError(f"highs: no range of a mass was found ({report.status}).")
        masses = self.start + scale * (self.null @ report.x)
        masses[masses <= 1e-9 * scale] = 0.0
        return np.asarray(masses)

    def nearest(self, target: Vector) -> Vector:
        """The masses closest to given ones in the Euclidean norm."""
        if self.dimension == 0:
            return self.start
        scale = float(np.abs(self.start).max(initial=0.0)) or 1.0
        program = ConeProgram(
            sparse.csc_array(sparse.eye_array(self.dimension)),
            self.null.T @ (self.start - target) / scale, sparse.csc_array(-self.null),
            self.start / scale, nonneg=len(self.start),
        )  # fmt: skip
        report = HighsBackend().solve(program)
        if report.x is None or report.kind is not PointKind.OPTIMAL:
            raise BackendError(f"highs: no nearest masses were found ({report.status}).")
        return np.asarray(np.maximum(self.start + scale * (self.null @ report.x), 0.0))

    def ranges(self) -> tuple[Matrix, list[tuple[Vector, Vector]]]:
        """The least and greatest value of each mass, (k, 2), and masses at which they are reached."""
        k = len(self.start)
        if self.dimension == 0:
            return np.column_stack([self.start, self.start]), [(self.start, self.start)] * k
        reached = [(self.extreme(axis), self.extreme(-axis)) for axis in np.eye(k)]
        bounds = np.array([[low[j], high[j]] for j, (low, high) in enumerate(reached)])
        return bounds, reached


def mass_polytope(features: Matrix, basis: Matrix, start: Vector) -> MassPolytope:
    """The polytope of given signed features (n, k) modulo the span of ``basis`` (n, p)."""
    k = features.shape[1]
    if k == 0:
        return MassPolytope(start, np.zeros((0, 0)), np.zeros(0))
    reduced = features - basis @ (basis.T @ features)
    lengths = np.linalg.norm(features, axis=0)
    lengths[lengths == 0.0] = 1.0
    _, found, right = np.linalg.svd(reduced / lengths, full_matrices=True)
    singular = np.zeros(k)
    singular[: len(found)] = found
    null = right[singular <= DEPENDENT].T / lengths[:, None]
    if null.shape[1]:
        null = np.linalg.qr(null)[0]
        null[np.abs(null) < _ZERO] = 0.0
    return MassPolytope(start, np.ascontiguousarray(null), singular)


def measure_with_masses(
    problem: MeasureProblem, atoms: Matrix, masses: Vector, fit: Vector
) -> AtomicMeasure:
    """The measure of given unit atoms and signed masses, its skip chosen to meet ``fit``."""
    kept = masses != 0.0
    atoms, masses = atoms[kept], masses[kept]
    atoms = atoms / problem.weight_norm(atoms)[:, None]
    skip = None
    columns = problem.skip_columns
    if columns.shape[1]:
        rest = fit - problem.features(atoms) @ masses
        found = np.linalg.lstsq(columns, rest, rcond=None)[0]
        linear = found[:-1] if problem.skip == "affine" else np.zeros(problem.d)
        skip = Skip(np.asarray(linear), float(found[-1]))
    return AtomicMeasure(atoms, masses, skip)
