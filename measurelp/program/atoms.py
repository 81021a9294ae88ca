"""The program over given atoms: a linear program for interpolation, a lasso for least squares."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from measurelp.errors import InvalidProblem
from measurelp.measure import AtomicMeasure
from measurelp.problem import MeasureProblem
from measurelp.program.compression import independent_equalities, triangular_least_squares
from measurelp.program.cone_program import ConeProgram
from measurelp.program.formulate import skip_from_coefficients
from measurelp.program.restricted import SolvedPoint

Vector = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class AtomLift:
    """The way back from the program over atoms.

    Attributes
    ----------
    problem : MeasureProblem
    atoms : (k, d') array
    features : (n, k) array
        Their dictionary columns.
    mass_scale : (k,) array
    skip_scale : (p,) array
    dual_scale : float
    basis : (n, m) array or None
    objective_scale, objective_offset : float
    """

    problem: MeasureProblem
    atoms: NDArray[np.float64]
    features: NDArray[np.float64]
    mass_scale: float
    skip_scale: Vector
    dual_scale: float
    n_equalities: int
    basis: NDArray[np.float64] | None
    objective_scale: float
    objective_offset: float

    def masses(self, x: Vector) -> Vector:
        """The signed masses, shape (k,)."""
        k = len(self.atoms)
        return (x[:k] - x[k : 2 * k]) * self.mass_scale

    def skip(self, x: Vector) -> Vector:
        """The coefficients of the skip columns, shape (p,)."""
        start = 2 * len(self.atoms)
        return x[start : start + len(self.skip_scale)] * self.skip_scale

    def fit(self, x: Vector) -> Vector:
        """The network's values at the data, shape (n,)."""
        return self.features @ self.masses(x) + self.problem.skip_columns @ self.skip(x)

    def measure(self, x: Vector, *, drop: float = 1e-9) -> AtomicMeasure:
        """The measure, atoms of at most ``drop`` times the largest mass left out."""
        masses = self.masses(x)
        keep = np.abs(masses) > drop * np.abs(masses).max(initial=0.0)
        return AtomicMeasure(
            self.atoms[keep], masses[keep], skip_from_coefficients(self.problem, self.skip(x))
        )

    def dual(self, report: SolvedPoint) -> Vector | None:
        """The dual vector, (n,), with the signs of :meth:`CellLift.dual`."""
        if not self.problem.loss.is_hard_constraint:
            return None if report.x is None else self.problem.y - self.fit(report.x)
        if report.z is None:
            return None
        small = report.z[: self.n_equalities] * -self.dual_scale
        return small if self.basis is None else np.asarray(self.basis @ small)

    def objective(self, value: float) -> float:
        """The problem's objective from that of the cone program."""
        return self.objective_scale * value + self.objective_offset


def formulate_atoms(
    problem: MeasureProblem, atoms: NDArray[np.float64]
) -> tuple[ConeProgram, AtomLift]:
    r"""The program over measures that live on given atoms.

    .. math:: \min_z\; |z|_1 \text{ s.t. } Az + Sc = y
              \qquad\text{or}\qquad
              \min_z\; \tfrac12 |Az + Sc - y|^2 + \lambda |z|_1,
              \qquad A_{ik} = \langle x_i, w_k\rangle_+ .

    Its value is an upper bound on the problem's; they agree where the atoms contain a
    solution's.  Scaled as in :mod:`measurelp.program.restricted`, with z = p - m, p, m >= 0.

    Parameters
    ----------
    problem : MeasureProblem
    atoms : (k, d') array
        Of unit norm.

    Returns
    -------
    ConeProgram, AtomLift
        The program has no second-order cones: a linear program for interpolation, whose
        simplex solutions have at most n atoms, and a quadratic program otherwise.

    Raises
    ------
    InvalidProblem
        When atoms are not of unit norm, of another dimension or none.
    """
    atoms = np.asarray(atoms, dtype=np.float64)
    width = problem.lifted.shape[1]
    if atoms.ndim != 2 or atoms.shape[1] != width:
        raise InvalidProblem(f"atoms: expected shape (k, {width}), found {atoms.shape}.")
    loss = problem.loss
    if not (loss.is_hard_constraint or loss.name == "squared"):
        raise InvalidProblem(f"loss: {loss.name!r} has no cone form; use Squared or Interpolation.")
    norms = problem.weight_norm(atoms)
    if np.any(np.abs(norms - 1.0) > 1e-6):
        worst = int(np.argmax(np.abs(norms - 1.0)))
        raise InvalidProblem(
            f"atoms: expected unit norm, atom {worst} has norm {norms[worst]:.9g}."
        )
    features = problem.features(atoms)
    skip_columns = problem.skip_columns
    n, k, p = problem.n, len(atoms), skip_columns.shape[1]
    if k + p == 0:
        raise InvalidProblem("atoms: expected at least one atom or one skip column, found none.")

    lengths = np.linalg.norm(features, axis=0)
    column_scale = float(lengths.max(initial=0.0)) or 1.0
    y_scale = float(np.linalg.norm(problem.y)) or 1.0
    skip_norms = np.linalg.norm(skip_columns, axis=0)
    skip_norms[skip_norms == 0.0] = 1.0
    matrix = np.hstack([features / column_scale, skip_columns / skip_norms])
    target = problem.y / y_scale
    strength = 0.0 if loss.is_hard_constraint else problem.lam / (column_scale * y_scale)
    basis, rest = None, 0.0
    if loss.is_hard_constraint:
        compressed = independent_equalities(matrix, target)
        if compressed is not None:
            matrix, target, basis = compressed
    elif n > k + p:
        whole = np.column_stack([matrix, target])
        matrix, target, rest = triangular_least_squares(n, k + p, lambda part: whole[part])

    m = len(target)
    residuals = m if strength > 0.0 else 0
    matrix[np.abs(matrix) < 1e-16] = 0.0
    fit = [sparse.csc_array(matrix[:, :k]), sparse.csc_array(-matrix[:, :k])]
    fit.append(sparse.csc_array(matrix[:, k:]))
    fit.append(sparse.csc_array(-strength * sparse.eye_array(m, residuals)))
    positive = -sparse.eye_array(2 * k, 2 * k + p + residuals)
    q = np.zeros(2 * k + p + residuals)
    q[: 2 * k] = 1.0
    quadratic = None
    if residuals:
        diagonal = np.zeros(len(q))
        diagonal[2 * k + p :] = strength
        quadratic = sparse.csc_array(sparse.diags_array(diagonal))
        quadratic.eliminate_zeros()
    program = ConeProgram(
        quadratic, q, sparse.csc_array(sparse.vstack([sparse.hstack(fit), positive])),
        np.concatenate([target, np.zeros(2 * k)]), zero=m, nonneg=2 * k,
    )  # fmt: skip
    return program, AtomLift(
        problem=problem, atoms=atoms, features=features, mass_scale=y_scale / column_scale,
        skip_scale=y_scale / skip_norms, dual_scale=1.0 / column_scale, n_equalities=m,
        basis=basis,
        objective_scale=y_scale / column_scale * (1.0 if loss.is_hard_constraint else problem.lam),
        objective_offset=0.5 * (y_scale * rest) ** 2,
    )  # fmt: skip
