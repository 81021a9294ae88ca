"""The program over given atoms: a linear program, a lasso, or a cone program, as the loss is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from measurelp.errors import InvalidProblem
from measurelp.measure import AtomicMeasure
from measurelp.problem import Loss, MeasureProblem
from measurelp.program.cone_program import ConeProgram
from measurelp.program.formulate import skip_from_coefficients
from measurelp.program.loss_block import (
    Columns,
    Multiplier,
    SolvedPoint,
    Triplets,
    dense_triplets,
    loss_block,
)

Vector = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FeatureLift:
    """The way back from the program over given features.

    Attributes
    ----------
    features : (n, k) array
    skip_columns : (n, p) array
    mass_scale : float
    skip_scale : (p,) array
    multiplier : Multiplier
        How the dual vector is read.
    objective_scale, objective_offset : float
    """

    features: NDArray[np.float64]
    skip_columns: NDArray[np.float64]
    mass_scale: float
    skip_scale: Vector
    multiplier: Multiplier
    objective_scale: float
    objective_offset: float

    def masses(self, x: Vector) -> Vector:
        """The signed masses, shape (k,)."""
        k = self.features.shape[1]
        return (x[:k] - x[k : 2 * k]) * self.mass_scale

    def skip(self, x: Vector) -> Vector:
        """The coefficients of the skip columns, shape (p,)."""
        start = 2 * self.features.shape[1]
        return x[start : start + len(self.skip_scale)] * self.skip_scale

    def fit(self, x: Vector) -> Vector:
        """The network's values at the data, shape (n,)."""
        return self.features @ self.masses(x) + self.skip_columns @ self.skip(x)

    def dual(self, report: SolvedPoint) -> Vector | None:
        """The dual vector, (n,), with the signs of :meth:`CellLift.dual`."""
        return self.multiplier(report, self.fit)

    def objective(self, value: float) -> float:
        """The problem's objective from that of the cone program."""
        return self.objective_scale * value + self.objective_offset


@dataclass(frozen=True, eq=False)
class AtomLift(FeatureLift):
    """The way back from the program over atoms (k, d') of a problem."""

    problem: MeasureProblem
    atoms: NDArray[np.float64]

    def measure(self, x: Vector, *, drop: float = 1e-9) -> AtomicMeasure:
        """The measure, atoms of at most ``drop`` times the largest mass left out."""
        masses = self.masses(x)
        keep = np.abs(masses) > drop * np.abs(masses).max(initial=0.0)
        return AtomicMeasure(
            self.atoms[keep], masses[keep], skip_from_coefficients(self.problem, self.skip(x))
        )


def formulate_atoms(
    problem: MeasureProblem, atoms: NDArray[np.float64]
) -> tuple[ConeProgram, AtomLift]:
    r"""The program over measures that live on given atoms.

    .. math:: \min_z\; |z|_1 \text{ s.t. } Az + Sc = y
              \qquad\text{or}\qquad
              \min_z\; L(Az + Sc) + \lambda |z|_1,
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
        The program has no second-order cones: a linear program for interpolation and for
        piecewise linear losses, whose simplex solutions have at most n atoms, a quadratic
        one for the squared and Huber's losses, exponential cones for the logistic and Poisson's.

    Raises
    ------
    InvalidProblem
        When atoms are not of unit norm, of another dimension or none.
    """
    atoms = np.asarray(atoms, dtype=np.float64)
    width = problem.lifted.shape[1]
    if atoms.ndim != 2 or atoms.shape[1] != width:
        raise InvalidProblem(f"atoms: expected shape (k, {width}), found {atoms.shape}.")
    norms = problem.weight_norm(atoms)
    if np.any(np.abs(norms - 1.0) > 1e-6):
        worst = int(np.argmax(np.abs(norms - 1.0)))
        raise InvalidProblem(
            f"atoms: expected unit norm, atom {worst} has norm {norms[worst]:.9g}."
        )
    if len(atoms) + problem.skip_columns.shape[1] == 0:
        raise InvalidProblem("atoms: expected at least one atom or one skip column, found none.")
    program, lift = feature_program(
        problem.features(atoms), problem.skip_columns, y=problem.y, lam=problem.lam,
        loss=problem.loss, weight=problem.sample_weight if problem.is_weighted else None,
    )  # fmt: skip
    return program, AtomLift(**vars(lift), problem=problem, atoms=atoms)


def feature_program(
    features: NDArray[np.float64],
    skip_columns: NDArray[np.float64],
    *,
    y: Vector,
    lam: float,
    loss: Loss,
    weight: Vector | None = None,
) -> tuple[ConeProgram, FeatureLift]:
    """The program of :func:`formulate_atoms` for features (n, k) and skip columns (n, p).

    ``weight`` (n,) are the sample weights, all ones if left out.
    """
    (n, k), p = features.shape, skip_columns.shape[1]
    lengths = np.linalg.norm(features, axis=0)
    column_scale = float(lengths.max(initial=0.0)) or 1.0
    skip_norms = np.linalg.norm(skip_columns, axis=0)
    skip_norms[skip_norms == 0.0] = 1.0
    matrix = np.hstack([features / column_scale, skip_columns / skip_norms])
    columns = Columns(n, k + p, lambda part: matrix[part], lambda: dense_triplets(matrix))
    block = loss_block(columns, y=y, lam=lam, loss=loss, weight=weight, column_scale=column_scale)
    n_auxiliary = len(block.linear)
    n_variables = 2 * k + p + n_auxiliary

    def split(entries: Triplets, n_rows: int) -> sparse.csr_array:
        """Rows over (z, skip, auxiliary) as rows over (p, m, skip, auxiliary), z = p - m."""
        row, column, value = entries
        positive = column < k
        return sparse.csr_array(
            (np.concatenate([value, -value[positive]]),
             (np.concatenate([row, row[positive]]),
              np.concatenate([column + k * (column >= k), column[positive] + k]))),
            shape=(n_rows, n_variables),
        )  # fmt: skip

    first = split(block.first, len(block.first_rhs))
    last = split(block.last, len(block.last_rhs))
    q = np.zeros(n_variables)
    if block.cost is not None:
        q[:k], q[k : 2 * k], q[2 * k : 2 * k + p] = block.cost[:k], -block.cost[:k], block.cost[k:]
    q[: 2 * k] += 1.0
    q[2 * k + p :] = block.linear
    quadratic = None
    if np.any(block.quadratic):
        diagonal = np.append(np.zeros(2 * k + p), block.quadratic)
        quadratic = sparse.csc_array(sparse.diags_array(diagonal))
        quadratic.eliminate_zeros()
    program = ConeProgram(
        quadratic, q,
        sparse.csc_array(sparse.vstack([first, -sparse.eye_array(2 * k, n_variables), last])),
        np.concatenate([block.first_rhs, np.zeros(2 * k), block.last_rhs]),
        zero=block.zero, nonneg=block.nonneg + 2 * k, exponential=len(block.last_rhs) // 3,
    )  # fmt: skip
    return program, FeatureLift(
        features=features, skip_columns=skip_columns, mass_scale=block.y_scale / column_scale, skip_scale=block.y_scale / skip_norms,
        multiplier=block.multiplier, objective_scale=block.value_scale,
        objective_offset=block.offset,
    )  # fmt: skip
