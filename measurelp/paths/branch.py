r"""One smooth branch of the solution path: fixed atoms, each on a fixed face of a fixed cell.

For least squares, atoms :math:`w_k` with signs :math:`s_k` whose active rows and walls are held
fixed solve, with face bases :math:`Z_k`, :math:`w_k = Z_k t_k` and columns
:math:`B_k = s_k D_k X Z_k`,

.. math:: \alpha = y - \sum_k c_k B_k t_k - S b,\qquad B_k^\top\alpha = \lambda t_k,\qquad
          |t_k| = 1,\qquad S^\top\alpha = 0 .

The unknowns are analytic functions of lam where the Jacobian is regular; on rays (faces of
dimension one) :math:`t_k` is constant, and where all faces are rays the masses and alpha are
affine in lam.  Masses may become negative here: that is how an event is seen.  With a free bias an
atom on no wall has a bias that floats: its product with the mass is one more free coefficient,
whose column, the atom's active rows, joins S.  What ends a
branch are its own *conditions*, each a number that is at least 0 while it holds:

* a mass :math:`c_k`;
* for a line (hyperplane of data) that is no wall of an atom, the distance of the atom from it;
* for an atom on walls, minus the one-sided slope of :math:`s_k\eta` along every ray of the
  arrangement of its walls.

An atom never passes straight through a hyperplane: where the kink of :math:`s\eta` is concave it
comes to rest, and a convex kink cannot be met, because :math:`s\eta` would exceed lam behind it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from measurelp.certificate import orthonormal_span
from measurelp.certificate.peaks import face_of_walls, wall_rays
from measurelp.masters.neurons import Training
from measurelp.measure import AtomicMeasure
from measurelp.problem import MeasureProblem, RowSpace, row_space
from measurelp.program.formulate import skip_from_coefficients

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]
Sides = NDArray[np.int8]

ON_WALL = 1e-8  # relative distance at which an atom of a solution is taken to lie on a wall
_SAME_LINE = 1e-12
_STEPS = 12
_EXACT = 1e-15
_GOOD = 1e-11  # relative residual at which Newton's method has converged


class Condition(Enum):
    """What can end a branch."""

    MASS = "a mass vanishes"
    DISTANCE = "an atom meets a wall"
    SLOPE = "the dual function rises from an atom along a ray of its walls"
    PEAK = "a peak of the dual function elsewhere reaches lam"


@dataclass(frozen=True, eq=False)
class Lines:
    """The data as a branch sees them: hyperplanes, and on which side of its own a row is active.

    Attributes
    ----------
    problem : MeasureProblem
    space : RowSpace
    training : Training
        Rows and targets in units in which all samples weigh the same.
    normals : (L, r) array
        Unit normals of the distinct hyperplanes.
    line : (n,) integer array
        The hyperplane of each data row, -1 for rows that are zero or have no weight.
    orientation : (n,) array
        +-1: the row is this multiple of the normal, times its length; 0 where there is none.
    basis : (n, p) array
        Spans the skip orthonormally.
    """

    problem: MeasureProblem
    space: RowSpace
    training: Training
    normals: Matrix
    line: NDArray[np.intp]
    orientation: NDArray[np.int8]
    basis: Matrix

    @classmethod
    def of(cls, problem: MeasureProblem) -> Lines:
        """The lines of a problem's data, up to rounding."""
        space = row_space(problem)
        training = Training.of(problem, space)
        sizes = np.linalg.norm(training.rows, axis=1)
        line = np.full(len(sizes), -1)
        orientation = np.zeros(len(sizes), dtype=np.int8)
        normals: list[Vector] = []
        for i in np.flatnonzero(sizes):
            unit = training.rows[i] / sizes[i]
            if normals:
                inner = np.array(normals) @ unit
                near = int(np.argmax(np.abs(inner)))
                flipped = float(np.copysign(1.0, inner[near]))
                if np.linalg.norm(unit - flipped * normals[near]) <= _SAME_LINE:
                    line[i], orientation[i] = near, int(flipped)
                    continue
            line[i], orientation[i] = len(normals), 1
            normals.append(unit)
        return cls(
            problem, space, training, np.array(normals).reshape(-1, space.rank), line, orientation,
            orthonormal_span(training.skip_columns),
        )  # fmt: skip

    def canonical(self, weights: Matrix, signs: Vector) -> tuple[Matrix, Vector]:
        """Neurons (k, r), |c| w, in one of several ways to write the same functions up to the skip.

        With an affine skip (t)_+ and (-t)_+ are the same; with a free bias a unit that is
        active on all rows is the same with its kink at the nearest of them.  Then parallel neurons of
        one closed cell and sign are added up.
        """
        weights, p = np.array(weights), self.space.n_penalized
        if self.problem.skip == "affine":
            for w in weights:
                large = np.abs(w[:p]) > 1e-6 * np.abs(w[:p]).max()
                w *= np.sign(w[np.argmax(large)])
        if self.space.has_free_bias:
            least = (weights @ self.space.rows.T).min(axis=1)
            weights[:, -1] -= np.maximum(least, 0.0) / self.space.bias_scale
        units = weights / self.space.norms(weights)[:, None]
        sides = self.sides(weights)
        heads: list[int] = []
        for k in range(len(weights)):
            for j in heads:
                parallel = np.linalg.norm(units[k, :p] - units[j, :p]) <= ON_WALL
                if parallel and signs[k] == signs[j] and not np.any(sides[k] * sides[j] < 0):
                    weights[j] += weights[k]
                    break
            else:
                heads.append(k)
        return weights[heads], signs[heads]

    def sides(self, points: Matrix, tolerance: float = ON_WALL) -> Sides:
        """On which side of each line points (k, r) lie, (k, L) in {-1, 0, 1}."""
        distance = points @ self.normals.T / np.linalg.norm(points, axis=1)[:, None]
        return np.where(np.abs(distance) <= tolerance, 0, np.sign(distance)).astype(np.int8)

    def active(self, sides: Sides) -> NDArray[np.bool_]:
        """Which rows (n, k) are active at atoms with these sides."""
        at_rows = np.where(self.line >= 0, sides[:, self.line], 0) * self.orientation
        return np.asarray(at_rows > 0).T

    def kinks(self, alpha: Vector) -> Vector:
        """The coefficient (L,) of each line's kink in the dual function."""
        used = self.line >= 0
        sizes = np.linalg.norm(self.training.rows, axis=1)
        total = np.bincount(
            self.line[used], weights=(alpha * sizes)[used], minlength=len(self.normals)
        )
        return np.asarray(total, dtype=np.float64)

    def first_row(self, line: int) -> int:
        """The first data row on a line."""
        return int(np.flatnonzero(self.line == line)[0])


@dataclass(frozen=True, eq=False)
class BranchPoint:
    """The branch at one lam.

    Attributes
    ----------
    lam : float
    points : tuple of arrays
        t_k, face coordinates of the atoms.
    masses : (K,) array
        c_k, positive while the branch is valid.
    skip : (p,) array
        Coefficients in the orthonormal basis of the skip, then those of floating biases.
    alpha : (n,) array
    """

    lam: float
    points: tuple[Vector, ...]
    masses: Vector
    skip: Vector
    alpha: Vector
    slope: Vector = field(repr=False)


@dataclass(eq=False)
class Branch:
    """Atoms on fixed faces, as functions of lam.

    Parameters
    ----------
    lines : Lines
    signs : (K,) array of +-1
    sides : (K, L) array
        Of each atom with respect to each line; 0 for its walls.
    """

    lines: Lines
    signs: Vector
    sides: Sides

    def __post_init__(self) -> None:
        lines, rows = self.lines, self.lines.training.rows
        p = lines.space.n_penalized
        active = lines.active(self.sides)
        faces, blocks = [], []
        floating: list[Vector] = []
        self.floats = np.full(len(self.signs), -1)  # which free coefficient is an atom's
        for k, sign in enumerate(self.signs):
            walls = lines.normals[self.sides[k] == 0]
            face = np.eye(rows.shape[1])[:, :p] if not len(walls) else face_of_walls(walls, p)
            if face is None:
                self.is_regular = False
                return
            faces.append(face)
            blocks.append(sign * (active[:, k, None] * (rows @ face)))
            if p < rows.shape[1] and not len(walls):
                self.floats[k] = lines.basis.shape[1] + len(floating)
                floating.append(sign * active[:, k] * rows[:, -1])
        self.is_regular = True
        self.faces, self.active = faces, active
        self.columns = np.hstack([*blocks, lines.basis, *(one[:, None] for one in floating)])
        self.ends = np.concatenate([[0], np.cumsum([face.shape[1] for face in faces])]).astype(int)
        self.gram = self.columns.T @ self.columns
        self.walls = [np.flatnonzero(side == 0) for side in self.sides]
        self.rays = [np.zeros((0, rows.shape[1]))] * len(self.signs)
        # Antiparallel rows of a wall count as active in the slope at it.
        self.counted = active | (
            (lines.orientation < 0)[:, None] & (self.sides[:, lines.line].T == 0)
        )
        for k, walls in enumerate(self.walls):
            if len(walls):
                across = np.linalg.svd(faces[k])[0][:, faces[k].shape[1] :]
                normals = lines.normals[walls] @ across
                rays = wall_rays(normals / np.linalg.norm(normals, axis=1)[:, None])
                if rays is None:
                    self.is_regular = False
                    return
                self.rays[k] = rays @ across.T

    def __len__(self) -> int:
        """Number of atoms."""
        return len(self.signs)

    @property
    def is_linear(self) -> bool:
        """Whether all directions are fixed, so that masses, fit and alpha are affine in lam."""
        return all(face.shape[1] == 1 for face in self.faces)

    @cached_property
    def atoms_on_faces(self) -> frozenset[tuple[float, bytes]]:
        """Sign and sides of each atom: equal for branches with the same atoms on the same faces."""
        return frozenset(
            (float(sign), side.tobytes()) for sign, side in zip(self.signs, self.sides, strict=True)
        )

    # -- the branch as a function of lam ---------------------------------------------------

    def near(self, lam: float, weights: Matrix, masses: Vector) -> BranchPoint | None:
        """Converge at lam from row-space directions (K, r) and masses."""
        points = []
        for k, face in enumerate(self.faces):
            t = np.linalg.lstsq(face, weights[k], rcond=None)[0]
            points.append(t / float(np.linalg.norm(t)))
        f = int(self.ends[-1])
        known = self.columns[:, :f] @ np.concatenate([
            np.zeros(0), *(mass * t for mass, t in zip(masses, points, strict=True))
        ])  # fmt: skip
        rest = self.lines.training.y - known
        skip = np.linalg.lstsq(self.columns[:, f:], rest, rcond=None)[0]
        return self._converge(lam, self._vector(points, masses, skip))

    def at(self, lam: float, known: BranchPoint) -> BranchPoint | None:
        """Predict along the tangent from a known point, and correct by Newton's method."""
        x = self._vector(known.points, known.masses, known.skip)
        return self._converge(lam, x + (lam - known.lam) * known.slope)

    def _vector(
        self, points: list[Vector] | tuple[Vector, ...], masses: Vector, skip: Vector
    ) -> Vector:
        return np.concatenate([*points, masses, skip])

    def _converge(self, lam: float, x: Vector) -> BranchPoint | None:
        f, count = int(self.ends[-1]), len(self)
        y = self.lines.training.y
        size = float(np.linalg.norm(y)) or 1.0
        scale = float(np.sqrt(np.diagonal(self.gram).max(initial=0.0))) * size or 1.0
        best = np.inf
        for _ in range(_STEPS):
            t, masses, skip = x[:f], x[f : f + count], x[f + count :]
            per_atom = np.repeat(masses, np.diff(self.ends))
            alpha = y - self.columns @ np.append(per_atom * t, skip)
            slope = self.columns.T @ alpha
            unit = np.array([
                float(t[a:b] @ t[a:b]) for a, b in zip(self.ends[:-1], self.ends[1:], strict=True)
            ])  # fmt: skip
            residual = np.concatenate([slope[:f] - lam * t, 0.5 * lam * (unit - 1.0), slope[f:]])
            error = float(np.linalg.norm(residual)) / scale
            if not np.isfinite(error):
                return None
            spread = np.zeros((f, count))
            for k in range(count):
                spread[self.ends[k] : self.ends[k + 1], k] = t[self.ends[k] : self.ends[k + 1]]
            bent, couple, corner = self.gram[:f, :f], self.gram[:f, f:], self.gram[f:, f:]
            jacobian = np.block([
                [-bent * per_atom - lam * np.eye(f), -bent @ spread, -couple],
                [lam * spread.T, np.zeros((count, count + len(skip)))],
                [-couple.T * per_atom, -couple.T @ spread, -corner],
            ])  # fmt: skip
            along = np.concatenate([t, np.zeros(count + len(skip))])
            try:
                step, tangent = np.linalg.solve(jacobian, np.column_stack([residual, along])).T
            except np.linalg.LinAlgError:
                return None
            if error <= _EXACT or (error <= _GOOD and error >= 0.25 * best):
                points = tuple(t[a:b] for a, b in zip(self.ends[:-1], self.ends[1:], strict=True))
                return BranchPoint(lam, points, masses, skip, alpha, tangent)
            best = min(best, error)
            x = x - step
        return None

    # -- what the branch means -------------------------------------------------------------

    def directions(self, point: BranchPoint) -> Matrix:
        """The atoms in row-space coordinates, (K, r)."""
        rank = self.lines.space.rank
        found = np.zeros((len(self), rank))
        for k, (face, t) in enumerate(zip(self.faces, point.points, strict=True)):
            found[k] = face @ t
            if self.floats[k] >= 0:
                mass = point.masses[k]
                found[k, -1] = point.skip[self.floats[k]] / (mass if mass != 0.0 else 1e-300)
        return found

    def measure(self, point: BranchPoint) -> AtomicMeasure:
        """The measure with its skip."""
        problem, space = self.lines.problem, self.lines.space
        weights = space.weights(self.directions(point))
        norms = problem.weight_norm(weights)
        columns = self.lines.training.skip_columns
        fitted = self.lines.basis @ point.skip[: self.lines.basis.shape[1]]
        coefficients = np.asarray(np.linalg.lstsq(columns, fitted, rcond=None)[0])
        return AtomicMeasure(
            weights / norms[:, None], self.signs * point.masses * norms,
            skip_from_coefficients(problem, coefficients),
        )  # fmt: skip

    def margins(self, point: BranchPoint, rival: Branch) -> dict[Condition, Matrix]:
        """The slack of every condition, a row for each atom, inf where there is none.

        Masses count relative to their sum, distances as angles, slopes and peaks relative to
        lam.  PEAK has a row for each atom of ``rival``: the dual function where, on the face of
        that atom, it would have its peak.
        """
        lines = self.lines
        rows, lam, p = lines.training.rows, point.lam, lines.space.n_penalized
        total = float(np.abs(point.masses).sum()) or 1.0
        directions = self.directions(point)
        lengths = np.linalg.norm(directions, axis=1)[:, None]
        distance = np.asarray(self.sides * (directions @ lines.normals.T) / lengths)
        distance[self.sides == 0] = np.inf
        slope = np.full((len(self), max((len(rays) for rays in self.rays), default=0)), np.inf)
        kinks = lines.kinks(point.alpha)
        for k, (sign, walls, rays) in enumerate(
            zip(self.signs, self.walls, self.rays, strict=True)
        ):
            if len(walls):
                pull = sign * (point.alpha[self.counted[:, k]] @ rows[self.counted[:, k]])
                pull[:p] -= lam * directions[k, :p]
                bent = np.maximum(rays @ lines.normals[walls].T, 0.0) @ kinks[walls]
                slope[k, : len(rays)] = -(rays @ pull + sign * bent) / lam
        return {
            Condition.MASS: point.masses[:, None] / total,
            Condition.DISTANCE: distance,
            Condition.SLOPE: slope,
            Condition.PEAK: 1.0 - rival.heights(point.alpha, besides=self)[:, None] / lam,
        }

    def heights(self, alpha: Vector, *, besides: Branch) -> Vector:
        """s eta of any alpha at its peak on the face of each atom that another has not, or -inf."""
        known, heights = besides.atoms_on_faces, np.full(len(self), -np.inf)
        for k, (sign, face) in enumerate(zip(self.signs, self.faces, strict=True)):
            if (float(sign), self.sides[k].tobytes()) in known:
                continue
            t = self.columns[:, self.ends[k] : self.ends[k + 1]].T @ alpha
            length = float(np.linalg.norm(t))
            if length > 0.0:
                # A floating bias: eta is greatest with the kink at some row.
                inner = self.lines.space.rows @ (face @ (t / length))
                kinks = inner if self.floats[k] >= 0 else np.zeros(1)
                values = self.lines.training.to_problem(alpha) @ np.maximum(
                    inner[:, None] - kinks, 0.0
                )
                heights[k] = float(np.max(sign * values))
        return heights
