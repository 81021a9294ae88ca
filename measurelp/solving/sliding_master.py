"""The sliding master: new directions get masses, then all neurons slide."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from measurelp.solving._sliding_kernels import nonnegative_masses
from measurelp.solving.master import Solved
from measurelp.solving.neurons import Matrix, Neurons, Training, Vector
from measurelp.solving.sliding import Slider

_LOOSE, _LOOSE_STEPS = 1e-3, 60
_TIGHT, _TIGHT_STEPS = 1e-12, 200
STATIONARY = 1e-8
_SWEEPS = 200


@dataclass
class SlidingMaster:
    """Keeps merged neurons instead of cells.

    Directions that were added enter with masses from a small nonnegative lasso, which throws
    out useless ones, and all neurons slide: loosely while directions keep coming, to rounding
    when none came.

    ``is_stuck`` says that the neurons do not become stationary (near interpolation, kinks
    change sides within a step).
    """

    training: Training
    basis: Matrix
    neurons: Neurons = field(init=False)
    candidates: list[tuple[Vector, float]] = field(default_factory=list)
    is_stuck: bool = False

    def __post_init__(self) -> None:
        training = self.training
        self.neurons = Neurons(
            np.zeros((0, training.rows.shape[1])), np.zeros(0),
            np.zeros(training.skip_columns.shape[1]),
        )  # fmt: skip
        self._size = np.linalg.norm(training.rows, axis=1)
        self._slider = Slider(training, self.basis)

    @property
    def n_cells(self) -> int:
        """Number of neurons and directions in play."""
        return len(self.neurons) + len(self.candidates)

    def holds(self, point: Vector, sign: float) -> bool:
        """Whether a point lies in the closed cell of a neuron of this sign."""
        neurons = self.neurons
        of_sign = neurons.weights[neurons.signs == sign]
        if not len(of_sign):
            return False
        inner = self.training.rows @ np.vstack([of_sign, point]).T
        scale = self._size[:, None] * np.linalg.norm(np.vstack([of_sign, point]), axis=1)
        side = np.where(np.abs(inner) > 1e-9 * scale, np.sign(inner), 0.0)
        return bool(np.any(np.all(side[:, :-1] * side[:, -1:] >= 0.0, axis=0)))

    def add(self, point: Vector, sign: float) -> bool:
        """Let a direction enter at the next solve."""
        self.candidates.append((point, sign))
        return True

    def solve(self, target: Vector, lam: float, time_limit: float | None) -> Solved | None:
        """Slide; ``time_limit`` is not looked at, a call being short."""
        is_new = bool(self.candidates)
        if is_new:
            self._insert(target, lam)
        slid = self._slider.slide(
            self.neurons, y=target, lam=lam,
            tolerance=_LOOSE if is_new else _TIGHT,
            max_steps=_LOOSE_STEPS if is_new else _TIGHT_STEPS,
        )  # fmt: skip
        self.neurons = self.training.without_far_kinks(slid.neurons)
        if not is_new:
            self.is_stuck = slid.error > STATIONARY
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
