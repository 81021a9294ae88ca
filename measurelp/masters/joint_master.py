"""The sliding master for several outputs: new directions get masses, then all neurons slide."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field

import numpy as np

from measurelp.backends import Backend
from measurelp.masters.joint_sliding import JointSlid, JointSlider
from measurelp.masters.master import Solved
from measurelp.masters.neurons import Matrix, Neurons, Training, Vector
from measurelp.program.group_lasso import group_lasso_program

_TIGHT, _STATIONARY = 1e-10, 1e-8
_STEPS = 6  # while directions keep coming; a missing neuron is found sooner than slid to
_MORE = 12  # times as many when none came
_ANGLES, _NOTHING = (0.05, 0.01, 1e-3), 1e-10
_MOST_CALLS = 3  # without new directions, until the masses alone are made optimal


@dataclass
class JointMaster:
    """Keeps neurons with masses in R^c, of the squared loss.

    Directions that were added enter with masses from a group lasso, which throws out useless
    ones, and all neurons slide.  Where sliding does not become stationary, the masses of the
    directions it ended with are made optimal by a cone program: what they leave as residual
    is a good dual vector, and its peaks bring new directions.
    """

    training: Training
    basis: Matrix
    backend: Backend
    neurons: Neurons = field(init=False)
    candidates: list[Vector] = field(default_factory=list)
    calls: int = 0

    name = "sliding"
    most_new = 15
    is_proximal = True

    def __post_init__(self) -> None:
        training = self.training
        c = training.y.shape[1]
        self.neurons = Neurons(
            np.zeros((0, training.rows.shape[1])), np.zeros((0, c)),
            np.zeros((training.skip_columns.shape[1], c)),
        )  # fmt: skip
        self._slider = JointSlider(training.rows, self.basis, training.n_penalized)

    @property
    def n_cells(self) -> int:
        """Number of neurons and directions in play."""
        return len(self.neurons) + len(self.candidates)

    def begin(self, neurons: Neurons) -> None:
        """Start from neurons that are known."""
        self.neurons = neurons

    def add(self, point: Vector, sign: float | Vector) -> bool:
        """Let a direction enter at the next solve."""
        self.candidates.append(point)
        return True

    def solve(self, target: Matrix, lam: float, time_limit: float | None) -> Solved | None:
        """Slide, for ``time_limit`` seconds at most."""
        until = math.inf if time_limit is None else time.perf_counter() + time_limit
        slider, old = self._slider, self.neurons
        sizes = slider.norms(old.weights)
        weights = np.vstack([old.weights / sizes[:, None], *self.candidates])
        masses = np.zeros((len(weights), target.shape[1]))
        masses[: len(old)] = old.signs * sizes[:, None]
        is_new = bool(self.candidates)
        if is_new:
            norms = slider.norms(weights)
            weights = weights[norms > 0.0] / norms[norms > 0.0, None]
            masses = slider.masses(weights, masses[norms > 0.0], target, lam)
        self.candidates = []
        self.calls = 0 if is_new else self.calls + 1
        steps = _STEPS if is_new else _MORE * _STEPS
        slid = slider.slide(
            weights, masses, target, lam, tolerance=_TIGHT, max_steps=steps, until=until
        )
        is_settled = slid.error <= _STATIONARY
        if not is_settled:
            # The masses at least are made optimal: what they leave is a better dual vector.
            slid = self._with_best_masses(slid, target, lam, until)
            is_settled = self.calls >= _MOST_CALLS
            self.calls = 0 if is_settled else self.calls
        elif not is_new:
            slid = self._with_fewer(slid, target, lam, until)
        if not (np.isfinite(slid.weights).all() and np.isfinite(slid.masses).all()):
            return None
        self.neurons = self._neurons(slid, target)
        return Solved(self.neurons, slid.residual, is_settled=is_settled, is_stationary=True)

    def _neurons(self, slid: JointSlid, target: Matrix) -> Neurons:
        """As the loop knows them, with the best skip."""
        training = self.training
        sizes = np.linalg.norm(slid.masses, axis=1)
        kept = sizes > 0.0
        weights = slid.weights[kept] * sizes[kept, None]
        outputs = slid.masses[kept] / sizes[kept, None]
        skip = self.neurons.skip
        if len(skip):
            fit = training.features(weights) @ outputs
            skip = np.asarray(np.linalg.lstsq(training.skip_columns, target - fit, rcond=None)[0])
        return training.without_far_kinks(Neurons(weights, outputs, skip))

    def _with_fewer(self, slid: JointSlid, target: Matrix, lam: float, until: float) -> JointSlid:
        """Neurons that nearly agree made one, where sliding on from there loses nothing.

        At a tolerance, a neuron may be split over directions that cost the same to ten digits.
        """
        best, before = slid, _objective(slid, lam)
        for angle in _ANGLES:
            weights, masses = _clustered(best.weights, best.masses, math.cos(angle))
            if len(weights) == len(best.weights):
                continue
            tried = self._slider.slide(
                weights, masses, target, lam, tolerance=_TIGHT, max_steps=_MORE * _STEPS,
                until=until,
            )  # fmt: skip
            after = _objective(tried, lam)
            if tried.error <= _STATIONARY and after <= before * (1.0 + _NOTHING):
                best, before = tried, min(before, after)
        return best

    def _with_best_masses(
        self, slid: JointSlid, target: Matrix, lam: float, until: float
    ) -> JointSlid:
        """The same directions with optimal masses."""
        slider = self._slider
        if not len(slid.weights):
            return slid
        features, rest = slider.features(slid.weights), slider.without_skip(target)
        orthogonal, triangle = np.linalg.qr(features)
        scale = float(np.linalg.norm(rest)) or 1.0
        size = float(np.linalg.norm(triangle)) or 1.0
        program = group_lasso_program(
            triangle / size, orthogonal.T @ rest / scale, lam / (size * scale)
        )
        seconds = None if math.isinf(until) else max(0.01, until - time.perf_counter())
        report = self.backend.solve(program, time_limit=seconds)
        if report.x is None:
            return slid
        masses = report.x[: slid.masses.size].reshape(slid.masses.shape) * (scale / size)
        lengths = np.linalg.norm(masses, axis=1)
        masses[lengths <= 1e-9 * lengths.max(initial=0.0)] = 0.0
        return JointSlid(
            slid.weights, masses, rest - features @ masses, slid.error, slid.steps, slid.stuck
        )


def _objective(slid: JointSlid, lam: float) -> float:
    return 0.5 * float(np.sum(slid.residual**2)) + lam * float(
        np.linalg.norm(slid.masses, axis=1).sum()
    )


def _clustered(weights: Matrix, masses: Matrix, cosine: float) -> tuple[Matrix, Matrix]:
    """Unit weights within an angle of a heavier one join it, with their masses."""
    sizes = np.linalg.norm(masses, axis=1)
    lengths = np.linalg.norm(weights, axis=1)
    heads: list[int] = []
    joined: list[list[int]] = []
    for k in np.argsort(-sizes, kind="stable"):
        near = [
            place for place, head in enumerate(heads)
            if weights[head] @ weights[k] >= cosine * lengths[head] * lengths[k]
        ]  # fmt: skip
        if near:
            joined[near[0]].append(int(k))
        else:
            heads.append(int(k))
            joined.append([int(k)])
    if len(heads) == len(weights):
        return weights, masses
    together = np.array([sizes[group] @ weights[group] / sizes[group].sum() for group in joined])
    return together, np.array([masses[group].sum(axis=0) for group in joined])
