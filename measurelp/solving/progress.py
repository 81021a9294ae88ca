"""What a callback sees while a problem is being solved."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """The state after one round.

    Attributes
    ----------
    round : int
        Number of restricted programs solved so far.
    n_cells : int
        Cells in the restricted program.
    primal, dual : float
        Best objective of a measure, best proved lower bound (-inf before the first proof).
    gap : float
        Their relative gap, inf while the bracket is open.
    seconds : float
        Since the beginning.
    message : str
        What is being done.
    nodes : int
        Nodes of the branch and bound that is under way; 0 where there is none.
    """

    round: int
    n_cells: int
    primal: float
    dual: float
    gap: float
    seconds: float
    message: str
    nodes: int = 0


Callback = Callable[[Progress], None]
