"""What the two branch and bounds share: turns of work over trees, the budget, the report.

A supremum is bounded by trees, one or two for each Euclidean slice.  Work goes in *turns*: of
the trees that are open, those with the highest bounds are worked for a share of work each,
knowing what was the best value when the turn began.  Nothing in this depends on how many
workers there are or on how fast they are, so neither does the bracket, unless time runs out;
and a smaller budget of nodes ends the same sequence of steps earlier, so more nodes never
give a worse bound.
"""

from __future__ import annotations

import heapq
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from measurelp.oracle.ascent import climbed
from measurelp.oracle.base import (
    Budget,
    DualFunction,
    OracleReport,
    Slice,
    report_from_points,
)
from measurelp.oracle.workers import Workers
from measurelp.status import Termination

_STEPS = 63  # before and after a search this many points are climbed so many steps at most,
_CLIMBING = 3e6  # fewer when their number times that of the rows is larger than this
_LEAST_POLISHED = 4  # and as many after a search that met nothing above the level
_KEPT = 8192  # and as many are remembered at most
MAX_PEAKS = 1024  # that one share of work may hand over
_WIDTH = 32  # trees in a turn, and as many does a large one become
NODE_WORK = 50  # what a node costs beside its rows, in rows
_FIRST_NODES = 16  # about as many nodes at the root does the first share pay for
_MOST_WORK = 500_000  # the largest share; a few hundredths of a second
_GROWTH = 4
_WORTH_SHARING = 2_000_000  # work of a turn from which on workers are asked to help
_ROOM = 256e6  # bytes of open trees from which on no further one is opened

Points = tuple[NDArray[np.float64], NDArray[np.float64]]


@dataclass(frozen=True)
class Goal:
    """Where a branch and bound may stop: at max(level, best (1 + tolerance))."""

    level: float
    tolerance: float

    def threshold(self, best: float) -> float:
        """Bounds up to this need not be lowered."""
        return max(self.level, best * (1.0 + self.tolerance))


@dataclass(frozen=True)
class Share:
    """What one visit of a tree may do: so many nodes, so much work, before such a time."""

    nodes: int
    work: int
    until: float  # time.time(), which means the same in all processes


class Tree(ABC):
    """The open nodes of one branch and bound over one slice.

    Attributes
    ----------
    index : int
        The slice.
    bound : float
        A proved bound of all that the tree covers, open or not; never rises.
    best : float
        The largest value it knows of.
    nodes, depth : int
    found : Points
        What the last visit met above the level.
    work : int
        The next share of work; 0 before the first visit.
    """

    def __init__(self, index: int, bound: float) -> None:
        self.index, self.bound = index, bound
        self.best = 0.0
        self.nodes = self.depth = self.work = 0
        self.is_open = True
        self.found: Points | None = None

    @abstractmethod
    def advance(self, part: Slice, goal: Goal, share: Share) -> Points:
        """Work on: lowers ``bound``, raises ``best`` and ``nodes``; returns points met."""

    @abstractmethod
    def split(self, pieces: int) -> list[Tree]:
        """The same open nodes dealt out to at most so many trees."""

    @property
    @abstractmethod
    def nbytes(self) -> int:
        """Memory in use."""


def visit(tree: Tree, part: Slice, goal: Goal, share: Share, best: float) -> Tree:
    """Give a tree its share of work; what a worker does."""
    tree.found = None
    if time.time() < share.until:
        tree.best = max(tree.best, best)
        points, values = tree.advance(part, goal, share)
        tree.found = part.to_space(points), values
    return tree


def maximise_by_trees(
    tree_types: Iterable[Callable[[int, float], Tree]],
    dual: DualFunction,
    *,
    level: float,
    tolerance: float,
    starts: NDArray[np.float64] | None,
    budget: Budget | None,
    n_jobs: int,
) -> OracleReport:
    """Climb to an incumbent, bound every slice by trees, and report."""
    axes = np.vstack([np.eye(dual.space.rank), -np.eye(dual.space.rank)])
    points = axes if starts is None else np.vstack([axes, starts])
    norms = dual.space.norms(points)
    points = points[norms > 0.0] / norms[norms > 0.0, None]
    # Steps times points times rows are limited: the tree finds peaks as well.
    steps = 1 + min(_STEPS, int(_CLIMBING / (1 + len(dual.alpha))))
    points = climbed(dual, _highest(points, dual.sizes(dual.values(points)), steps), steps=steps)
    sizes = dual.sizes(dual.values(points))
    with Workers(n_jobs) as workers:
        search = _Search(dual, Goal(level, tolerance), budget or Budget(), workers)
        search.remember(points, sizes)
        search.run(tree_types)
    above = int(np.count_nonzero(search.sizes > level))
    most = min(steps, max(_LEAST_POLISHED, above))
    points = climbed(dual, _highest(search.points, search.sizes, most), steps=steps)
    upper = min(max(search.upper, search.best), 2.0 * dual.magnitude)
    return report_from_points(
        dual, upper, points, dual.values(points), level,
        termination=search.termination, nodes=search.nodes, depth=search.depth,
    )  # fmt: skip


class _Search:
    """State of one call."""

    def __init__(self, dual: DualFunction, goal: Goal, budget: Budget, workers: Workers) -> None:
        self.dual, self.goal, self.budget, self.workers = dual, goal, budget, workers
        self.best = self.closed = 0.0
        self.nodes = self.depth = self.splits = 0
        self.termination = Termination.CONVERGED
        self.points, self.sizes = np.zeros((0, dual.space.rank)), np.zeros(0)
        # Heaps of (-bound, number, tree); the number makes ties deterministic.
        self.untouched: list[tuple[float, int, Tree]] = []
        self.opened: list[tuple[float, int, Tree]] = []
        self.numbers = 0
        self.bytes = 0

    @property
    def upper(self) -> float:
        """The bound of everything."""
        tops = [-heap[0][0] for heap in (self.untouched, self.opened) if heap]
        return max(self.closed, *tops) if tops else self.closed

    def run(self, tree_types: Iterable[Callable[[int, float], Tree]]) -> None:
        """Turn after turn, until nothing is open or the budget is used up."""
        bounds = self.dual.slice_bounds
        for tree_type in tree_types:
            for index, bound in enumerate(bounds):
                self._push(tree_type(index, float(bound)))
        while (self.untouched or self.opened) and self.termination is Termination.CONVERGED:
            self._turn(self._chosen())

    def remember(self, points: NDArray[np.float64], sizes: NDArray[np.float64]) -> None:
        """Keep points with their |eta|, the highest if there are many, and the best value."""
        self.points, self.sizes = np.vstack([self.points, points]), np.append(self.sizes, sizes)
        if len(self.sizes) > _KEPT:
            self.points = _highest(self.points, self.sizes, MAX_PEAKS)
            self.sizes = _highest(self.sizes, self.sizes, MAX_PEAKS)
        self.best = max(self.best, float(sizes.max(initial=0.0)))

    def _push(self, tree: Tree) -> None:
        if not tree.is_open or tree.bound <= self.goal.threshold(self.best):
            self.closed = max(self.closed, tree.bound)
            return
        heap = self.opened if tree.work else self.untouched
        heapq.heappush(heap, (-tree.bound, self.numbers, tree))
        self.numbers += 1
        self.bytes += tree.nbytes

    def _chosen(self) -> list[Tree]:
        """The trees of the next turn, highest bound first."""
        chosen: list[Tree] = []
        while len(chosen) < _WIDTH and (self.opened or self.untouched):
            heap = self.opened or self.untouched
            if self.opened and self.untouched and self.bytes < _ROOM:
                heap = min(self.opened, self.untouched, key=lambda one: one[0][:2])
            _, _, tree = heapq.heappop(heap)
            self.bytes -= tree.nbytes
            chosen.append(tree)
        return chosen

    def _turn(self, trees: list[Tree]) -> None:
        """Give every tree its share, as far as the budget goes."""
        best, waiting = self.best, trees
        least = _FIRST_NODES * (len(self.dual.alpha) + NODE_WORK)
        for tree in trees:
            tree.work = max(least, min(_GROWTH * tree.work, _MOST_WORK))
        while waiting:
            left = math.inf if self.budget.nodes is None else self.budget.nodes - self.nodes
            if left <= 0:
                self.termination = Termination.NODE_LIMIT
            elif self.budget.time_is_up:
                self.termination = Termination.TIME_LIMIT
            if self.termination is not Termination.CONVERGED:
                for tree in waiting:
                    self._push(tree)
                return
            # One tree, or for several workers as many as cannot exceed the nodes that are left.
            n_now, promised = 0, 0.0
            most = 1 if self.workers.n_jobs == 1 else len(waiting)
            while n_now < most and promised < left:
                promised += waiting[n_now].work / NODE_WORK + 1
                n_now += 1
            n_now -= n_now > 1 and promised > left
            until = time.time() + self.budget.seconds_left
            tasks = [
                (tree, self.dual.slice(tree.index), self.goal,
                 Share(int(min(left, 2**62)), tree.work, until), best)
                for tree in waiting[:n_now]
            ]  # fmt: skip
            before = [tree.nodes for tree in waiting[:n_now]]
            heavy = sum(tree.work for tree in waiting[:n_now]) >= _WORTH_SHARING
            for nodes, tree in zip(before, self.workers.map(visit, tasks, heavy), strict=True):
                self._collect(tree, tree.nodes - nodes)
            waiting = waiting[n_now:]

        self._spread()

    def _collect(self, tree: Tree, nodes: int) -> None:
        """Take in what one visit brought."""
        self.nodes += nodes
        self.depth = max(self.depth, tree.depth)
        self.best = max(self.best, tree.best)
        if tree.found is not None:
            self.remember(tree.found[0], np.abs(tree.found[1]))
            tree.found = None
        self._push(tree)

    def _spread(self) -> None:
        """Let few large trees become many, so that workers find enough of them."""
        count = len(self.opened)
        if self.untouched or not 0 < count <= _WIDTH // 2:
            return
        if any(tree.work < _MOST_WORK for _, _, tree in self.opened):
            return
        trees = [tree for _, _, tree in sorted(self.opened, key=lambda one: one[:2])]
        self.opened, self.bytes = [], 0
        for tree in trees:
            for piece in tree.split(_WIDTH // count):
                self._push(piece)


def _highest(
    points: NDArray[np.float64], sizes: NDArray[np.float64], most: int
) -> NDArray[np.float64]:
    """The points with the largest sizes."""
    return np.asarray(points[np.argsort(-sizes, kind="stable")[:most]])
