"""The conic master: a cone program over a growing set of cells, walls added lazily."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from measurelp.backends import Backend
from measurelp.masters.master import Solved
from measurelp.masters.neurons import Neurons, Training, Vector
from measurelp.problem import Loss, Squared
from measurelp.program import restricted_program
from measurelp.status import PointKind

_WALL_SLACK = 1e-10
_IDLE_ROUNDS = 3
_BUSY = 1e-7


@dataclass
class _WorkingCell:
    pattern: NDArray[np.bool_]
    sign: float
    walls: set[int]
    idle: int = 0


@dataclass
class ConicMaster:
    """Cells in play, and the cone program over them.

    A cell is a pattern of active rows with a sign of the output weight.  Of the wall
    inequalities only those nearest to where a cell was entered are imposed at first, and
    later whatever its weight violates; each row can be imposed once, so this ends.
    """

    training: Training
    backend: Backend
    tolerance: float = 1e-10
    cells: list[_WorkingCell] = field(default_factory=list)

    name = "conic"
    most_new = 15
    is_proximal = True

    def __post_init__(self) -> None:
        self._size = np.linalg.norm(self.training.rows, axis=1)

    @property
    def n_cells(self) -> int:
        """Number of cells in play."""
        return len(self.cells)

    def begin(self, neurons: Neurons) -> None:
        """Put the neurons' cells in play."""
        for weight, sign in zip(neurons.weights, neurons.signs, strict=True):
            self.add(weight, float(sign))

    def add(self, point: Vector, sign: float) -> bool:
        """Put the cell of a point in play; False if the point is in a closed cell that is."""
        inner = self.training.rows @ point
        pattern = inner > 0.0
        clear = np.abs(inner) > 1e-9 * self._size * float(np.linalg.norm(point))
        for cell in self.cells:
            if cell.sign == sign and not np.any((cell.pattern != pattern) & clear):
                return False
        distance = np.abs(inner) / np.where(self._size > 0.0, self._size, np.inf)
        distance[self._size == 0.0] = np.inf
        near = np.argsort(distance, kind="stable")[: 3 * self.training.rows.shape[1]]
        walls = {int(i) for i in near if self._size[i] > 0.0}
        self.cells.append(_WorkingCell(pattern, sign, walls))
        return True

    def solve(self, target: Vector, lam: float, time_limit: float | None) -> Solved | None:
        """Solve the cone program; walls that its solution violates are added for the next.

        Interpolation is approached through the squared loss, whose targets move.
        """
        training = self.training
        loss = Squared() if training.loss.is_hard_constraint else training.loss
        solved = self._restricted(training, loss, target, lam, time_limit)
        if solved is None:
            return None
        neurons, dual = solved
        added = self._impose_violated_walls(neurons)
        if added == 0 and loss.is_smooth and not loss.is_quadratic:
            neurons, dual = self._refined(neurons, dual, lam, time_limit)
        neurons = training.without_far_kinks(neurons)
        norms = training.norms(neurons.weights)
        busy = norms > _BUSY * float(norms.max(initial=0.0))
        self._drop_idle(busy)
        kept = Neurons(neurons.weights[busy], neurons.signs[busy], neurons.skip)
        return Solved(kept, dual, is_settled=added == 0, is_stationary=False)

    def _restricted(
        self, training: Training, loss: Loss, target: Vector, lam: float, time_limit: float | None
    ) -> tuple[Neurons, Vector] | None:
        """Neurons, one a cell, and dual vector of the cone program; None where it fails."""
        patterns = np.array([cell.pattern for cell in self.cells], dtype=bool)
        signs = np.array([cell.sign for cell in self.cells])
        walls = [np.array(sorted(cell.walls), dtype=np.intp) for cell in self.cells]
        program, lift = restricted_program(
            training.rows, patterns.reshape(len(self.cells), len(training.rows)), signs, walls,
            y=target, lam=lam, loss=loss, weight=training.weight,
            activation=training.activation.slopes, skip_columns=training.skip_columns,
            n_penalized=training.n_penalized,
        )  # fmt: skip
        report = self.backend.solve(program, tolerance=self.tolerance, time_limit=time_limit)
        dual = lift.dual(report)
        usable = report.kind in (PointKind.OPTIMAL, PointKind.APPROXIMATE)
        if not usable or report.x is None or dual is None:
            return None
        neurons = Neurons(lift.weights(report.x), signs, lift.skip(report.x))
        if not (neurons.is_finite and np.isfinite(dual).all()):
            return None
        return neurons, dual

    def _refined(
        self, neurons: Neurons, dual: Vector, lam: float, time_limit: float | None
    ) -> tuple[Neurons, Vector]:
        """A Newton step: the program of the quadratic model, which solvers solve far better.

        Exponential cones end near 1e-6.  What is not better is not taken.
        """
        training = self.training
        model = training.quadratic_model(neurons)
        solved = self._restricted(model, model.loss, model.y, lam, time_limit)
        if solved is None:
            return neurons, dual
        before, after = training.objective(neurons), training.objective(solved[0])
        if after > before + 1e-9 * abs(before):
            return neurons, dual
        return solved[0], training.dual(solved[0])

    def _impose_violated_walls(self, neurons: Neurons) -> int:
        """Add, for each cell, the rows that its weight violates most; how many were added."""
        norms = np.linalg.norm(neurons.weights, axis=1)
        largest = float(norms.max(initial=0.0))
        most = 2 * self.training.rows.shape[1]
        added = 0
        for cell, weight, norm in zip(self.cells, neurons.weights, norms, strict=True):
            if norm <= 1e-9 * largest:
                continue
            inner = self.training.rows @ weight
            violation = np.where(cell.pattern, -inner, inner)
            bad = np.flatnonzero(violation > _WALL_SLACK * self._size * largest)
            bad = bad[[int(i) not in cell.walls for i in bad]] if len(bad) else bad
            if len(bad) == 0:
                continue
            worst = bad[np.argsort(-violation[bad] / self._size[bad], kind="stable")[:most]]
            cell.walls.update(int(i) for i in worst)
            added += len(worst)
        return added

    def _drop_idle(self, busy: NDArray[np.bool_]) -> None:
        """Take cells out of play that stayed empty for several rounds, if there are many."""
        for cell, is_busy in zip(self.cells, busy, strict=True):
            cell.idle = 0 if is_busy else cell.idle + 1
        if len(self.cells) > 2 * int(busy.sum()) + 10:
            self.cells = [cell for cell in self.cells if cell.idle < _IDLE_ROUNDS]
