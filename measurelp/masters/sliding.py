r"""Sliding Newton: neurons move freely over walls until the objective is stationary.

The squared problem in the weights :math:`u_k` of a fixed number of neurons,

.. math:: \tfrac12\Bigl|\sum_k s_k (Zu_k)_+ + Sc - y\Bigr|^2 + \lambda\sum_k\|u_k\|,

is smooth inside cells and has kinks on their walls.  Where :math:`s_k r_i > 0` (r the
residual fit - y) the kink of row i is convex in :math:`u_k` and the neuron may come to rest
on it: the row becomes a *wall*, and the neuron stays in its face.  Elsewhere it is concave
and is crossed.  A step is Newton's on the faces, cut for each neuron where its own slope
turns; a wall is released when its multiplier leaves :math:`[0, s_k r_i]`.  The function is
not convex in the weights, so this finds stationary points; whether one is the optimum is for
the certificate to say.  Where more rows meet in a neuron than are independent (grids), the
multipliers of some of them may not show that it is stationary; it then says that it is not.

A step costs a few passes over n times k numbers and the solution of a linear system of at most
k r unknowns; a few dozen steps are usual from the peaks of a dual function, and about ten when
one neuron is added to a converged set.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field

import numpy as np

from measurelp.masters import _sliding_kernels as kernels
from measurelp.masters._sliding_state import COUNT, FAILED, STEPS, Data, State, Work
from measurelp.masters._wall_kernels import add_wall
from measurelp.masters.neurons import Matrix, Neurons, Training, Vector

_CHUNK = 1e8  # rows times neurons times steps between two looks at the clock
_MOST_NEAR = 16  # rows looked at, the nearest first, for the first walls of a neuron


@dataclass(frozen=True, eq=False)
class Slid:
    """Where neurons slid to.

    Attributes
    ----------
    neurons : Neurons
    error : float
        The largest projected gradient, over lam.
    steps : int
    stuck : bool
        Whether it ended because no step found descent.
    """

    neurons: Neurons
    error: float
    steps: int
    stuck: bool


@dataclass(eq=False)
class Slider:
    """Slides neurons of one problem with the squared loss.

    ``basis`` (n, p) spans the skip orthonormally: its columns, unlike the skip's, are independent.
    """

    training: Training
    basis: Matrix
    _transposed: Matrix = field(init=False)

    def __post_init__(self) -> None:
        training = self.training
        self._transposed = np.ascontiguousarray(training.rows.T)
        self._sizes = np.linalg.norm(training.rows, axis=1)
        self._basis_rows = np.ascontiguousarray(self.basis.T)
        self._to_skip = np.linalg.lstsq(training.skip_columns, self.basis, rcond=None)[0]

    def slide(
        self,
        neurons: Neurons,
        *,
        tolerance: float = 1e-12,
        max_steps: int = 120,
        wall_tolerance: float = 1e-11,
        y: Vector | None = None,
        lam: float | None = None,
        until: float = math.inf,
    ) -> Slid:
        """Slide until the projected gradient is ``tolerance`` times lam.

        Rows within ``wall_tolerance`` (relative) of a neuron are its walls at first.  Targets
        and lam are the problem's unless given.  Ends soon after ``until``, a value of
        ``time.perf_counter()``.
        """
        training = self.training
        data = Data(
            self._transposed, self._sizes, self._basis_rows,
            np.ascontiguousarray(training.y if y is None else y),
            float(training.lam if lam is None else lam), training.n_penalized,
        )  # fmt: skip
        kept = training.norms(neurons.weights) > 0.0
        skip = self.basis.T @ (training.skip_columns @ neurons.skip)
        state, work = _room(data, neurons.weights[kept], neurons.signs[kept], skip)
        lengths = np.linalg.norm(state.weights, axis=1)[:, None]
        distance = np.abs(state.weights @ self._transposed) / lengths
        close = (distance <= wall_tolerance * self._sizes) & (self._sizes > 0.0)
        for k in np.flatnonzero(close.any(axis=1)):
            near = np.flatnonzero(close[k])
            order = np.argsort(distance[k, near] / self._sizes[near], kind="stable")
            for row in near[order[:_MOST_NEAR]]:
                add_wall(data, state, k, row)
        chunk = max(2, int(_CHUNK / (len(training.y) * (len(state.signs) + 1))))
        error = np.inf
        while error > tolerance and not state.counts[FAILED]:
            steps = min(chunk, max_steps - int(state.counts[STEPS]))
            error = kernels.slide(data, state, work, tolerance, steps)
            if state.counts[STEPS] >= max_steps or time.perf_counter() >= until:
                break
        count = int(state.counts[COUNT])
        found = Neurons(
            state.weights[:count].copy(), state.signs[:count].copy(),
            neurons.skip + self._to_skip @ (state.skip - skip),
        )  # fmt: skip
        return Slid(
            found, float(error), int(state.counts[STEPS]),
            bool(state.counts[FAILED]),
        )  # fmt: skip


def _room(data: Data, weights: Matrix, signs: Vector, skip: Vector) -> tuple[State, Work]:
    """The kernels' arrays for given neurons."""
    r, n = data.rows.shape
    count, q = len(weights), len(skip)
    state = State(
        weights=np.ascontiguousarray(weights),
        signs=np.ascontiguousarray(signs),
        skip=skip.copy(),
        walls=np.zeros((count, r), np.int64),
        n_walls=np.zeros(count, np.int64),
        basis=np.tile(np.eye(r), (count, 1, 1)),
        upper=np.zeros((count, r, r)),
        counts=np.array([count, 0, 0]),
    )
    work = Work(
        inner=np.empty((count, n)),
        change=np.empty((count, n)),
        active=np.zeros((count, n), np.uint8),
        gram=np.zeros((count, count, r, r)),
        cross=np.zeros((count, r, q)),
        residual=np.empty(n),
        rate=np.empty(n),
        base=np.empty(n),
        gradients=np.zeros((count, r)),
        moves=np.zeros((count, r)),
        skip_move=np.zeros(q),
        slopes=np.zeros(count),
        lengths=np.zeros(count),
        hits=np.full(count, -1),
        times=np.empty(n),
        kinks=np.empty(n, np.int64),
    )
    return state, work
