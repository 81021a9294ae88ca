"""What a master promises: a solution of the problem restricted to what is in play.

Three exist.  The conic one solves a cone program over cells, which is convex and so finds the
optimum over them whatever the data; the sliding one moves a few neurons freely over cells,
which takes fewer rounds and far less time, and may get stuck; where finitely many atoms
suffice, the one over atoms solves a linear or quadratic program.  What either finds is a
candidate: the oracle proves, nothing else does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from measurelp.masters.neurons import Neurons, Vector


@dataclass(frozen=True, eq=False)
class Solved:
    """What one call of a master found.

    Attributes
    ----------
    neurons : Neurons
    dual : (n,) or (n, c) array
        The dual vector, in the units of the training: target minus fit for the squared loss.
    is_settled : bool
        Whether calling again, with nothing new in play, would change nothing.
    is_stationary : bool
        Whether the neurons lie on their faces, converged to rounding.
    """

    neurons: Neurons
    dual: Vector
    is_settled: bool
    is_stationary: bool


class Master(Protocol):
    """A problem over what was put in play: the squared loss at a target, or the loss itself."""

    @property
    def name(self) -> str:
        """The word for statistics."""
        ...

    @property
    def is_proximal(self) -> bool:
        """Whether interpolation is put to it as squared losses at moving targets."""
        ...

    @property
    def most_new(self) -> int:
        """How many new cells or directions a round are worth what they cost."""
        ...

    @property
    def n_cells(self) -> int:
        """How many cells, or neurons and directions, are in play."""
        ...

    def begin(self, neurons: Neurons) -> None:
        """Start from neurons that are known."""
        ...

    def add(self, point: Vector, sign: Any) -> bool:
        """Put a direction, or its cell, in play; False if it was already.

        ``sign`` is +-1, or for several outputs the unit vector of eta.
        """
        ...

    def solve(self, target: Vector, lam: float, time_limit: float | None) -> Solved | None:
        """Neurons and dual at ``target``; None where the master fails."""
        ...
