"""The master over atoms: a linear, quadratic or cone program over a growing set of directions."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from measurelp.backends import Backend, ClarabelBackend, HighsBackend
from measurelp.errors import InvalidProblem
from measurelp.problem import Absolute, Loss
from measurelp.program import ConeProgram, FeatureLift, feature_program
from measurelp.solving.master import Solved
from measurelp.solving.neurons import Matrix, Neurons, Training, Vector
from measurelp.status import PointKind

_SAME = 1e-9
_BUSY = 1e-9
_IDLE_ROUNDS = 8
_FIRST_PRICE, _MORE, _HIGHEST_PRICE = 10.0, 10.0, 1e9
_MISSED = 1e-9
# Masses above one of these, relative to the largest, are the support of a Newton iteration.
_SUPPORTS = (1e-8, 1e-6, 1e-5, 1e-4)
_NEWTON_STEPS, _NEWTON_TOLERANCE = 30, 1e-10


@dataclass
class AtomMaster:
    r"""Directions in play, each with a mass of either sign.

    With a ball of flat faces the rays of a finite arrangement suffice as atoms, so the whole
    problem is one program whose columns are generated: for piecewise linear losses and interpolation a
    linear program, whose simplex solutions have at most n atoms.  Columns that stay without mass for
    several rounds leave, unless the objective has not fallen since, so this ends.

    Interpolation is the absolute loss at a price :math:`\kappa` a unit of misfit, which
    changes nothing once :math:`\kappa` exceeds every :math:`|\alpha_i|` of a solution; it is raised
    where a misfit remains and no new column was found.
    """

    training: Training
    backend: Backend | None
    tolerance: float = 1e-10
    points: list[Vector] = field(default_factory=list)
    idle: list[int] = field(default_factory=list)
    price: float = 0.0
    best: float = math.inf
    solved_points: int = 0
    misses: bool = False

    name = "atoms"
    is_proximal = False

    @property
    def n_cells(self) -> int:
        """Number of directions in play."""
        return len(self.points)

    def begin(self, neurons: Neurons) -> None:
        """Put the neurons' directions in play."""
        for weight, sign in zip(neurons.weights, neurons.signs, strict=True):
            self.add(weight, float(sign))

    def add(self, point: Vector, sign: float) -> bool:
        """Put a direction in play; False if it was already."""
        norm = float(self.training.norms(point[None, :])[0])
        if not norm > 0.0:
            return False
        unit = point / norm
        if self.points and np.min(np.abs(np.array(self.points) - unit).max(axis=1)) <= _SAME:
            return False
        self.points.append(unit)
        self.idle.append(0)
        return True

    def solve(self, target: Vector, lam: float, time_limit: float | None) -> Solved | None:
        """The best masses at ``target``; columns without one grow idle."""
        training = self.training
        points = np.array(self.points).reshape(-1, training.rows.shape[1])
        features = training.features(points)
        if not training.loss.is_hard_constraint:
            solved = self._masses(features, target, lam, training.weight, time_limit)
        else:
            solved = self._interpolating_masses(features, target, time_limit)
        if solved is None:
            return None
        masses, skip, dual = solved
        if not all(np.isfinite(part).all() for part in solved):
            return None
        busy = np.abs(masses) > _BUSY * float(np.abs(masses).max(initial=0.0))
        neurons = Neurons(points[busy] * np.abs(masses[busy])[:, None], np.sign(masses[busy]), skip)
        self._drop_idle(busy, training.objective(neurons))
        return Solved(neurons, dual, is_settled=not self.misses, is_stationary=True)

    def _interpolating_masses(
        self, features: Matrix, target: Vector, time_limit: float | None
    ) -> tuple[Vector, Vector, Vector] | None:
        """The absolute loss at a price, which rises while targets are missed."""
        training = self.training
        if self.price == 0.0:
            self.price = _FIRST_PRICE / (float(np.abs(features).max(initial=0.0)) or 1.0)
        elif self.misses and len(self.points) == self.solved_points and self.price < _HIGHEST_PRICE:
            self.price *= _MORE
        self.solved_points = len(self.points)
        weight = np.full(len(target), self.price)
        solved = self._masses(features, target, 1.0, weight, time_limit, absolute=True)
        if solved is not None:
            missed = features @ solved[0] + training.skip_columns @ solved[1] - target
            size = float(np.abs(target).max(initial=0.0))
            self.misses = (
                bool(np.abs(missed).max() > _MISSED * size) and self.price < _HIGHEST_PRICE
            )
        return solved

    def _masses(
        self,
        features: Matrix,
        target: Vector,
        lam: float,
        weight: Vector | None,
        time_limit: float | None,
        *,
        absolute: bool = False,
    ) -> tuple[Vector, Vector, Vector] | None:
        """Masses, skip coefficients and dual vector over given features."""
        training = self.training
        program, lift = feature_program(
            features, training.skip_columns, y=target, lam=lam,
            loss=Absolute() if absolute else training.loss, weight=weight,
        )  # fmt: skip
        report = self._backend_for(program).solve(
            program, tolerance=self.tolerance, time_limit=time_limit
        )
        dual = lift.dual(report)
        usable = report.kind in (PointKind.OPTIMAL, PointKind.APPROXIMATE)
        if not usable or report.x is None or dual is None:
            return None
        masses, skip = lift.masses(report.x), lift.skip(report.x)
        refined = None
        if training.loss.is_smooth and not absolute:
            refined = _refined(lift, training.loss, target, lam, weight, masses, skip)
        return (masses, skip, dual) if refined is None else refined

    def _backend_for(self, program: ConeProgram) -> Backend:
        """The simplex method for linear programs, whose vertices are sparse."""
        if self.backend is not None:
            if not self.backend.supports(program):
                raise InvalidProblem(
                    f"backend: {self.backend.name} does not take the cones of the "
                    f'{self.training.loss.name} loss; use "clarabel" or leave it out.'
                )
            return self.backend
        return HighsBackend() if program.is_linear else ClarabelBackend()

    def _drop_idle(self, busy: NDArray[np.bool_], objective: float) -> None:
        """Take directions out of play that had no mass for rounds in which the objective fell."""
        if math.isinf(self.best) or objective < self.best - 1e-12 * abs(self.best):
            self.best = objective
            self.idle = [0 if b else i + 1 for i, b in zip(self.idle, busy, strict=True)]
        keep = [i < _IDLE_ROUNDS for i in self.idle]
        if len(self.points) > 3 * int(busy.sum()) + 20 and not all(keep):
            self.points = [p for p, k in zip(self.points, keep, strict=True) if k]
            self.idle = [i for i, k in zip(self.idle, keep, strict=True) if k]


def _refined(
    lift: FeatureLift,
    loss: Loss,
    target: Vector,
    lam: float,
    weight: Vector | None,
    masses: Vector,
    skip: Vector,
) -> tuple[Vector, Vector, Vector] | None:
    """Newton's method on the support of an interior point, to rounding; None where signs change.

    With the signs of the masses known the objective is smooth in them.  What is found must
    satisfy the conditions of a minimum over all the features.
    """
    largest = float(np.abs(masses).max(initial=0.0))
    for drop in _SUPPORTS:
        support = np.flatnonzero(np.abs(masses) > drop * largest)
        signs = np.sign(masses[support])
        matrix = np.hstack([lift.features[:, support], lift.skip_columns])
        cost = np.append(lam * signs, np.zeros(len(skip)))
        found = np.append(masses[support], skip)
        converged, dual = False, np.zeros(len(target))
        for _ in range(_NEWTON_STEPS):
            fit = matrix @ found
            gradient = loss.dual_from_fit(fit, target, weight)
            assert gradient is not None
            dual = gradient
            curvature = loss.curvatures(fit, target)
            curvature = curvature if weight is None else weight * curvature
            slope = matrix.T @ dual - cost
            size = np.abs(matrix.T) @ np.abs(dual) + np.abs(cost)
            if converged or not np.isfinite(curvature).all():
                break
            half = matrix * np.sqrt(curvature)[:, None]
            step = np.linalg.lstsq(half.T @ half, slope, rcond=1e-14)[0]
            found = found + step
            converged = bool(np.all(np.abs(slope) <= _NEWTON_TOLERANCE * size))
        exact = np.zeros(len(masses))
        exact[support] = found[: len(support)]
        excess = np.abs(dual @ lift.features).max(initial=0.0) - lam
        same_signs = np.all(np.sign(exact[support]) == signs)
        if converged and same_signs and excess <= _NEWTON_TOLERANCE * lam:
            return exact, found[len(support) :], dual
    return None
