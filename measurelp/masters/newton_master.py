"""The master of smooth losses: Newton's method, whose quadratic models slide."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from measurelp.backends import Backend
from measurelp.certificate import orthonormal_span
from measurelp.masters.joint_master import JointMaster
from measurelp.masters.master import Solved
from measurelp.masters.neurons import Neurons, Training, Vector
from measurelp.masters.sliding_master import SlidingMaster

_LOOSE_MODELS, _TIGHT_MODELS = 2, 25  # while directions keep coming, and when none came
_SETTLED = 1e-11  # relative change of the dual vector
_ROUNDING = 1e-13
_FIRST_DAMPING, _MOST_DAMPING = 1e-2, 1e8


@dataclass
class NewtonMaster:
    """Replaces the loss by its quadratic model at the fit, which is a weighted squared loss.

    Neurons slide on the model, with the directions that were added.  Where the objective does
    not fall, the model gets more curvature.  ``failures`` counts calls without directions that
    did not settle.
    """

    training: Training
    backend: Backend
    neurons: Neurons = field(init=False)
    candidates: list[tuple[Vector, Any]] = field(default_factory=list)
    before: Neurons | None = None
    damping: float = 0.0
    failures: float = 0.0

    name = "newton"
    is_proximal = False
    most_new = SlidingMaster.most_new

    def __post_init__(self) -> None:
        training = self.training
        outputs = training.y.shape[1:]
        self.neurons = Neurons(
            np.zeros((0, training.rows.shape[1])), np.zeros((0, *outputs)),
            np.zeros((training.skip_columns.shape[1], *outputs)),
        )  # fmt: skip

    @property
    def n_cells(self) -> int:
        """Number of neurons and directions in play."""
        return len(self.neurons) + len(self.candidates)

    def begin(self, neurons: Neurons) -> None:
        """Start from neurons that are known."""
        self.neurons = neurons

    def add(self, point: Vector, sign: Any) -> bool:
        """Let a direction enter at the next solve."""
        self.candidates.append((point, sign))
        return True

    def solve(self, target: Vector, lam: float, time_limit: float | None) -> Solved | None:
        """A few models with new directions, models to rounding without."""
        training, added = self.training, self.candidates
        self.candidates = []
        is_new = bool(added)
        dual, is_settled = training.dual(self.neurons), False
        for _ in range(_LOOSE_MODELS if is_new else _TIGHT_MODELS):
            before = training.objective(self.neurons)
            trial = self._slid(added, lam, time_limit)
            after = training.objective(trial) if trial.is_finite else math.inf
            if not after <= before + _ROUNDING * abs(before):
                self.damping, self.before = max(4.0 * self.damping, _FIRST_DAMPING), None
                if self.damping > _MOST_DAMPING:
                    break
                continue
            self.before, self.neurons = self.neurons, trial
            self.damping *= 0.25
            moved, dual = dual, training.dual(trial)
            is_settled = not added and bool(
                np.abs(dual - moved).max() <= _SETTLED * np.abs(dual).max()
            )
            if is_settled:
                break
            added = []
        self.damping = min(self.damping, 1.0)
        self.failures += not (is_settled or is_new)
        return Solved(self.neurons, dual, is_settled=is_settled, is_stationary=is_settled)

    def _slid(
        self, added: list[tuple[Vector, Any]], lam: float, time_limit: float | None
    ) -> Neurons:
        """Where the neurons and the added directions end on the model."""
        model = self.training.quadratic_model(self.neurons, self.damping, self.before)
        span = orthonormal_span(model.skip_columns)
        inner: SlidingMaster | JointMaster = (
            JointMaster(model, span, self.backend)
            if model.y.ndim == 2
            else SlidingMaster(model, span)
        )
        inner.begin(self.neurons)
        for point, sign in added:
            inner.add(point, sign)
        inner.solve(model.y, lam, time_limit)
        return inner.neurons
