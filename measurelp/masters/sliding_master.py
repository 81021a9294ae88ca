"""The sliding master: new directions get masses, then all neurons slide."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field

import numpy as np

from measurelp.masters._sliding_kernels import nonnegative_masses
from measurelp.masters.master import Solved
from measurelp.masters.neurons import Matrix, Neurons, Training, Vector
from measurelp.masters.sliding import Slider

_TIGHT = 1e-12
_LOOSE_STEPS, _TIGHT_STEPS = 40, 100  # a coordinate: walls are found a few at a time
_DEAR_STEPS = 13  # over very many rows, where further directions help more than the last digits
STATIONARY = 1e-8
_FAR = 0.1  # while directions keep coming; over very many rows the last digits take many steps
_FIRST_LOOSE, _WARM_LOOSE = 1e-3, 1e-10
_MANY_ROWS = 20_000  # from here on, digits are dear
_WEARY = 0.25  # of a failure: so many steps for the last digits without reaching them
_SWEEPS = 200


@dataclass
class SlidingMaster:
    """Keeps merged neurons instead of cells.

    Directions that were added enter with masses from a small nonnegative lasso, which throws
    out useless ones, and all neurons slide: loosely while directions keep coming (over very many rows
    also from where they begin), to rounding when none came.

    Near interpolation kinks change sides within a step and neurons may not become stationary:
    ``failures`` counts the calls after which they were not.
    """

    training: Training
    basis: Matrix
    neurons: Neurons = field(init=False)
    candidates: list[tuple[Vector, float]] = field(default_factory=list)
    loose: float = _FIRST_LOOSE
    failures: float = 0.0
    begins: bool = False

    name = "sliding"
    most_new = 15
    is_proximal = True

    def __post_init__(self) -> None:
        training = self.training
        self.neurons = Neurons(
            np.zeros((0, training.rows.shape[1])), np.zeros(0),
            np.zeros(training.skip_columns.shape[1]),
        )  # fmt: skip
        self._slider = Slider(training, self.basis)

    @property
    def n_cells(self) -> int:
        """Number of neurons and directions in play."""
        return len(self.neurons) + len(self.candidates)

    def begin(self, neurons: Neurons) -> None:
        """Start from neurons that are known: what comes in near a solution matters at once."""
        self.neurons = neurons
        self.begins = len(self.training.y) >= _MANY_ROWS
        if len(neurons) and not self.begins:
            self.loose = _WARM_LOOSE

    def add(self, point: Vector, sign: float) -> bool:
        """Let a direction enter at the next solve."""
        self.candidates.append((point, sign))
        return True

    def solve(self, target: Vector, lam: float, time_limit: float | None) -> Solved | None:
        """Slide, for ``time_limit`` seconds at most."""
        tolerance, max_steps = _TIGHT, _TIGHT_STEPS * self.training.rows.shape[1]
        begins, self.begins = self.begins, False
        many = len(self.training.y) >= _MANY_ROWS
        if self.candidates or begins:
            self._insert(target, lam)
            steps = _DEAR_STEPS if many else _LOOSE_STEPS
            tolerance, max_steps = self.loose, steps * self.training.rows.shape[1]
        slid = self._slider.slide(
            self.neurons, y=target, lam=lam, tolerance=tolerance, max_steps=max_steps,
            until=math.inf if time_limit is None else time.perf_counter() + time_limit,
        )  # fmt: skip
        if slid.steps == 0:  # new directions bring so little that it is within the tolerance
            self.loose = max(1e-3 * self.loose, _TIGHT)
        if slid.neurons.is_finite:
            self.neurons = self.training.without_far_kinks(slid.neurons)
        else:
            self.failures += 1
        far = STATIONARY if tolerance == _TIGHT else _FAR
        self.failures += slid.stuck or not slid.error <= far
        weary = tolerance < _FIRST_LOOSE and slid.error > tolerance and slid.steps >= max_steps
        if weary and not many:
            self.failures += _WEARY
        return Solved(
            self.neurons, target - self.training.fit(self.neurons),
            is_settled=slid.error <= STATIONARY, is_stationary=slid.error <= STATIONARY,
        )  # fmt: skip

    def _insert(self, target: Vector, lam: float) -> None:
        """Add the candidates, and set all masses by a nonnegative lasso."""
        training, old = self.training, self.neurons
        weights = np.vstack([old.weights, *(point for point, _ in self.candidates)])
        signs = np.concatenate([old.signs, [sign for _, sign in self.candidates]])
        self.candidates = []
        norms = training.norms(weights)
        usable = norms > 0.0
        units = weights[usable] / norms[usable, None]
        masses = np.concatenate([norms[: len(old)], np.zeros(len(norms) - len(old))])[usable]
        signs = signs[usable]
        features = np.maximum(training.rows @ units.T, 0.0) * signs
        outside = features - self.basis @ (self.basis.T @ features)
        rest = target - self.basis @ (self.basis.T @ target)
        nonnegative_masses(outside.T @ outside, outside.T @ rest, lam, masses, _SWEEPS)
        kept = masses > 0.0
        skip = old.skip
        if len(skip):
            unexplained = target - features[:, kept] @ masses[kept]
            skip = np.asarray(np.linalg.lstsq(training.skip_columns, unexplained, rcond=None)[0])
        self.neurons = Neurons(units[kept] * masses[kept, None], signs[kept], skip)
