r"""Weight space as it can be drawn: all of it up to rank 3, otherwise a section.

Only the component of a hidden weight in the row space of the data matters.  Up to rank 3 that
space is a line, a plane or the space we live in, and unit directions make up two points, the
circle or the sphere; of a larger row space the span of the three heaviest atoms is shown.
Values are those of the dual function at the weight of unit norm, in the ball's own norm, in a
direction; in the directions of a free bias, which have no norm, they are nan.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from measurelp.measure import AtomicMeasure, mass_sizes
from measurelp.problem import MeasureProblem, RowSpace, row_space

Matrix = NDArray[np.float64]
_IN_SECTION = 1e-6  # an atom this near to the section, relative to its length, is drawn


@dataclass(frozen=True, eq=False)
class WeightSection:
    """Directions u in R^q with the hidden weights that they stand for.

    Attributes
    ----------
    problem : MeasureProblem
    space : RowSpace
    basis : (r, q) array
        Orthonormal columns: coordinates in the row space are ``basis @ u``.
    names : tuple of str
        Of the q coordinates of u.
    is_whole : bool
        Whether this is all of the row space.
    """

    problem: MeasureProblem
    space: RowSpace
    basis: Matrix
    names: tuple[str, ...]
    is_whole: bool

    @property
    def q(self) -> int:
        """Number of coordinates, at most 3."""
        return int(self.basis.shape[1])

    def weights(self, directions: Matrix) -> Matrix:
        """Hidden weights (m, d') of unit norm in directions (m, q); nan where that has none."""
        weights = self.space.weights(directions @ self.basis.T)
        norms = self.problem.weight_norm(weights)
        size = np.linalg.norm(directions, axis=1)
        safe = np.where(norms > 1e-9 * size, norms, np.nan)
        return np.asarray(weights / safe[:, None])

    def values(self, dual: Matrix, directions: Matrix) -> NDArray[np.float64]:
        """The dual function, (m,); with several outputs its norm.  In blocks, n m numbers."""
        step = max(1, 4_000_000 // self.problem.n)
        pieces = []
        for start in range(0, len(directions), step):
            weights = self.weights(directions[start : start + step])
            known = np.isfinite(weights).all(axis=1)
            found = np.full(len(weights), np.nan)
            found[known] = _dual_values(self.problem, dual, weights[known])
            pieces.append(found)
        return np.concatenate(pieces) if pieces else np.zeros(0)

    def directions(self, weights: Matrix) -> tuple[Matrix, NDArray[np.bool_]]:
        """Unit directions (k, q) of hidden weights, and which of these lie in the section."""
        coordinates = self.space.coordinates(weights)
        inside = coordinates @ self.basis
        away = np.linalg.norm(coordinates - inside @ self.basis.T, axis=1)
        length = np.linalg.norm(inside, axis=1)
        near = away <= _IN_SECTION * np.linalg.norm(coordinates, axis=1)
        return inside / np.where(length > 0.0, length, 1.0)[:, None], near & (length > 0.0)

    @property
    def walls(self) -> Matrix:
        """Unit normals (m, q) of the distinct hyperplanes of the data, as the section cuts them."""
        rows = self.space.distinct @ self.basis
        size = np.linalg.norm(rows, axis=1)
        unit = rows[size > 0.0] / size[size > 0.0, None]
        first = np.argmax(np.abs(unit) > 1e-12, axis=1)
        unit = unit * np.sign(unit[np.arange(len(unit)), first])[:, None]
        _, kept = np.unique(np.round(unit, 12), axis=0, return_index=True)
        return unit[np.sort(kept)]


def weight_section(problem: MeasureProblem, measure: AtomicMeasure | None = None) -> WeightSection:
    """All of weight space up to rank 3, else the span of the heaviest atoms of ``measure``."""
    space = row_space(problem)
    r = space.rank
    if r <= 3:
        return WeightSection(problem, space, np.eye(r), _names(space, problem), True)
    candidates = np.eye(r)
    if measure is not None and len(measure):
        heaviest = np.argsort(-mass_sizes(measure.masses), kind="stable")
        candidates = np.vstack([space.coordinates(measure.atoms[heaviest]), candidates])
    chosen: list[NDArray[np.float64]] = []
    for vector in candidates:
        rest = vector / np.linalg.norm(vector)
        for _ in range(2):
            for one in chosen:
                rest = rest - (rest @ one) * one
        length = float(np.linalg.norm(rest))
        if length > 1e-6 and len(chosen) < 3:
            chosen.append(rest / length)
    return WeightSection(problem, space, np.column_stack(chosen), ("u1", "u2", "u3"), False)


def great_circle(normal: NDArray[np.float64], count: int = 181) -> Matrix:
    """Points (count, 3) of the circle of unit vectors orthogonal to ``normal``, closed."""
    _, _, right = np.linalg.svd(normal[None, :])
    turn = np.linspace(0.0, 2.0 * np.pi, count)
    return np.asarray(np.outer(np.cos(turn), right[1]) + np.outer(np.sin(turn), right[2]))


def sphere_grid(n_latitude: int, n_longitude: int) -> tuple[Matrix, Matrix, Matrix]:
    """Longitude and latitude of a grid, and its directions (n_latitude, n_longitude, 3)."""
    latitude = np.linspace(-np.pi / 2.0, np.pi / 2.0, n_latitude)
    longitude = np.linspace(-np.pi, np.pi, n_longitude)
    longitude, latitude = np.meshgrid(longitude, latitude)
    return longitude, latitude, sphere_points(longitude, latitude)


def sphere_points(longitude: Matrix, latitude: Matrix) -> Matrix:
    """Unit vectors, one more axis of length 3."""
    level = np.cos(latitude)
    return np.stack(
        [level * np.cos(longitude), level * np.sin(longitude), np.sin(latitude)], axis=-1
    )


def longitude_latitude(directions: Matrix) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where unit vectors (m, 3) are on the map."""
    x, y, z = directions.T
    return np.arctan2(y, x), np.arcsin(np.clip(z, -1.0, 1.0))


def _dual_values(problem: MeasureProblem, dual: Matrix, weights: Matrix) -> NDArray[np.float64]:
    values = problem.features(weights).T @ dual
    if values.ndim == 1:
        return np.asarray(values)
    order = 2 if problem.outputs == "joint" else np.inf
    return np.asarray(np.linalg.norm(values, order, axis=1))


def _names(space: RowSpace, problem: MeasureProblem) -> tuple[str, ...]:
    """w1, w2, ..., b, where coordinates are entries of the hidden weight; else u1, u2, ..."""
    d = problem.d
    if space.has_free_bias and space.rank == d + 1:
        return (*(f"w{j + 1}" for j in range(d)), "b")
    if not space.has_free_bias and space.basis.shape == (problem.lifted.shape[1],) * 2:
        return (*(f"w{j + 1}" for j in range(d)), *(("b",) if problem.has_bias else ()))
    return tuple(f"u{j + 1}" for j in range(space.rank))
