"""What the two branch and bounds share: first points, the budget, the report."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray

from measurelp.oracle.ascent import climbed
from measurelp.oracle.base import Budget, DualFunction, OracleReport, Slice, report_from_points
from measurelp.status import Termination

_POLISHED = 64  # of the points that a search met, as many are climbed for the report

Points = tuple[NDArray[np.float64], NDArray[np.float64]]


class TreeSearch(ABC):
    """State of one call: incumbent, bound and counts, carried from tree to tree."""

    def __init__(self, level: float, tolerance: float, budget: Budget, best: float) -> None:
        self.level, self.tolerance, self.budget, self.best = level, tolerance, budget, best
        self.upper = 0.0
        self.nodes = self.depth = 0
        self.termination = Termination.CONVERGED

    @abstractmethod
    def bound(self, part: Slice) -> Points:
        """Bound one slice: raise ``upper`` and ``best``; return points above the level."""

    def room(self, most: int, used: int) -> int:
        """How many nodes the next call of a kernel may treat, ``used`` being not yet in nodes.

        Once the budget is used up, each further tree still gets the node that bounds it.
        """
        if self.termination is not Termination.CONVERGED:
            return 1
        if self.budget.nodes is None:
            return most
        return min(most, max(1, self.budget.nodes - self.nodes - used))

    def goes_on(self, used: int, *, paused: bool) -> bool:
        """Look at the clock and the nodes; whether a tree that paused is to be worked on."""
        if self.termination is Termination.CONVERGED:
            if self.budget.time_is_up:
                self.termination = Termination.TIME_LIMIT
            elif self.budget.nodes is not None and self.nodes + used >= self.budget.nodes:
                self.termination = Termination.NODE_LIMIT
            else:
                return paused
        return False


def maximise_by_trees(
    search_type: type[TreeSearch],
    dual: DualFunction,
    *,
    level: float,
    tolerance: float,
    starts: NDArray[np.float64] | None,
    budget: Budget | None,
) -> OracleReport:
    """Climb to an incumbent, bound every slice, and report."""
    axes = np.vstack([np.eye(dual.space.rank), -np.eye(dual.space.rank)])
    points = climbed(dual, axes if starts is None else np.vstack([axes, starts]))
    values = dual.values(points)
    best = float(np.abs(values).max(initial=0.0))
    search = search_type(level, tolerance, budget or Budget(), best)
    all_points, all_values = [points], [values]
    for part in dual.slices:
        peaks, peak_values = search.bound(part)
        all_points.append(part.to_space(peaks))
        all_values.append(peak_values)
    points, values = np.vstack(all_points), np.concatenate(all_values)
    highest = np.argsort(-np.abs(values), kind="stable")[:_POLISHED]
    points = climbed(dual, points[highest])
    upper = min(max(search.upper, search.best), 2.0 * dual.magnitude)
    return report_from_points(
        dual, upper, points, dual.values(points), level,
        termination=search.termination, nodes=search.nodes, depth=search.depth,
    )  # fmt: skip
