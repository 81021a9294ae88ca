"""The master over atoms: a linear, quadratic or cone program over a growing set of directions."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from measurelp.backends import Backend, ClarabelBackend, HighsBackend
from measurelp.errors import InvalidProblem
from measurelp.masters.master import Solved
from measurelp.masters.neurons import Matrix, Neurons, Training, Vector
from measurelp.problem import Absolute, Loss
from measurelp.program import ConeProgram, FeatureLift, feature_program
from measurelp.status import PointKind

_SAME = 1e-9
_DUST, _BUSY = 1e-10, 1e-7  # relative masses: left out, and taken for none
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
    most_new = 60
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
        again = len(points) == self.solved_points
        loss, weight, is_hard = training.loss, training.weight, training.loss.is_hard_constraint
        if is_hard:
            self._set_price(features, again)
            loss, weight = Absolute(), np.full(len(target), self.price)
        program, lift = feature_program(
            features, training.skip_columns, y=target, lam=1.0 if is_hard else lam, loss=loss,
            weight=weight,
        )  # fmt: skip
        dual = None
        if self.backend is None and program.is_linear:
            # Dual vectors of an interior point are central and so worth pricing; vertices are sparse.
            report = ClarabelBackend().solve(
                program, tolerance=self.tolerance, time_limit=time_limit
            )
            dual = lift.dual(report)
            if again or dual is None or not np.isfinite(dual).all() or report.x is None:
                report = HighsBackend().solve(
                    program, tolerance=self.tolerance, time_limit=time_limit
                )
        else:
            report = self._checked_backend(program).solve(
                program, tolerance=self.tolerance, time_limit=time_limit
            )
        dual = lift.dual(report) if dual is None else dual
        usable = report.kind in (PointKind.OPTIMAL, PointKind.APPROXIMATE)
        if not usable or report.x is None or dual is None:
            return None
        masses, skip = lift.masses(report.x), lift.skip(report.x)
        if loss.is_smooth:
            masses, skip, dual = _refined(lift, loss, target, lam, weight, masses, skip) or (
                masses, skip, dual
            )  # fmt: skip
        if not all(np.isfinite(part).all() for part in (masses, skip, dual)):
            return None
        largest = float(np.abs(masses).max(initial=0.0))
        used = np.abs(masses) > _DUST * largest
        neurons = Neurons(points[used] * np.abs(masses[used])[:, None], np.sign(masses[used]), skip)
        if is_hard:
            missed = np.abs(training.fit(neurons) - target).max()
            size = float(np.abs(target).max(initial=0.0))
            self.misses = bool(missed > _MISSED * size) and self.price < _HIGHEST_PRICE
        self._drop_idle(np.abs(masses) > _BUSY * largest, training.objective(neurons))
        self.solved_points = len(self.points)
        is_settled = not self.misses and (again or not program.is_linear)
        return Solved(neurons, dual, is_settled=is_settled, is_stationary=True)

    def _set_price(self, features: Matrix, again: bool) -> None:
        """The price of a misfit, which rises where targets stay missed."""
        if self.price == 0.0:
            self.price = _FIRST_PRICE / (float(np.abs(features).max(initial=0.0)) or 1.0)
        elif self.misses and again and self.price < _HIGHEST_PRICE:
            self.price *= _MORE

    def _checked_backend(self, program: ConeProgram) -> Backend:
        """The backend that was named, or the one for quadratic and cone programs."""
        if self.backend is None:
            return ClarabelBackend()
        if not self.backend.supports(program):
            raise InvalidProblem(
                f"backend: {self.backend.name} does not take the cones of the "
                f'{self.training.loss.name} loss; use "clarabel" or leave it out.'
            )
        return self.backend

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
