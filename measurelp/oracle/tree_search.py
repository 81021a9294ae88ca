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
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from measurelp.oracle.ascent import climbed
from measurelp.oracle.base import Budget, OracleReport, report_from_points
from measurelp.oracle.dual_function import DualFunction, Slice
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
_HEAD_START = 40_000_000  # work that the first forest has before another one begins
_SHARE = 0.1  # and what another one then has for each further unit of the first one's
_STUCK = 1e-7  # relative excess from which on a closed forest is not taken for done
_BETWEEN_REPORTS = 0.2  # seconds
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
    spent : int
        Work that was done.
    """

    def __init__(self, index: int, bound: float) -> None:
        self.index, self.bound = index, bound
        self.best = 0.0
        self.nodes = self.depth = self.work = self.spent = 0
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


TreeType = Callable[[int, float], Tree]


def maximise_by_trees(
    forests: Mapping[str, Iterable[TreeType]],
    dual: DualFunction,
    *,
    level: float,
    tolerance: float,
    starts: NDArray[np.float64] | None,
    budget: Budget | None,
    n_jobs: int,
) -> OracleReport:
    """Climb to an incumbent, bound every slice by trees, and report.

    Each of the ``forests``, types of trees that cover a slice together, proves alone.  The first has
    a start; if it is not done then, the others work too, a share of its work each.
    """
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
        woods = {name: _Forest(types, search.goal) for name, types in forests.items()}
        search.run(list(woods.values()))
    above = int(np.count_nonzero(search.sizes > level))
    most = min(steps, max(_LEAST_POLISHED, above))
    points = climbed(dual, _highest(search.points, search.sizes, most), steps=steps)
    tree = min(woods, key=lambda name: woods[name].upper)
    upper = min(max(woods[tree].upper, search.best), 2.0 * dual.magnitude)
    return report_from_points(
        dual, upper, points, dual.values(points), level,
        termination=search.termination, nodes=search.nodes, depth=woods[tree].depth, tree=tree,
    )  # fmt: skip


class _Forest:
    """Trees that cover all slices: alone they prove a bound of the supremum."""

    def __init__(self, tree_types: Iterable[TreeType], goal: Goal) -> None:
        self.tree_types, self.goal = tuple(tree_types), goal
        self.spent = self.depth = 0
        self.closed = 0.0
        # Heaps of (-bound, number, tree); the number makes ties deterministic.
        self.untouched: list[tuple[float, int, Tree]] = []
        self.opened: list[tuple[float, int, Tree]] = []
        self.numbers = 0
        self.bytes = 0

    def plant(self, bounds: NDArray[np.float64], best: float) -> None:
        """A tree of each type for every slice."""
        for tree_type in self.tree_types:
            for index, bound in enumerate(bounds):
                self.push(tree_type(index, float(bound)), best)

    @property
    def is_open(self) -> bool:
        """Whether anything is left to do."""
        return bool(self.untouched or self.opened)

    def is_done(self, best: float) -> bool:
        """Whether all is bounded about as far as was asked; a leaf whose bound is stuck may prevent it."""
        return not self.is_open and self.closed <= self.goal.threshold(best) * (1.0 + _STUCK)

    @property
    def upper(self) -> float:
        """The bound of everything."""
        tops = [-heap[0][0] for heap in (self.untouched, self.opened) if heap]
        return max(self.closed, *tops) if tops else self.closed

    def push(self, tree: Tree, best: float) -> None:
        """Let a tree wait, unless it is done."""
        if not tree.is_open or tree.bound <= self.goal.threshold(best):
            self.closed = max(self.closed, tree.bound)
            return
        heap = self.opened if tree.work else self.untouched
        heapq.heappush(heap, (-tree.bound, self.numbers, tree))
        self.numbers += 1
        self.bytes += tree.nbytes

    def chosen(self) -> list[Tree]:
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

    def spread(self, best: float) -> None:
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
                self.push(piece, best)


class _Search:
    """State of one call."""

    def __init__(self, dual: DualFunction, goal: Goal, budget: Budget, workers: Workers) -> None:
        self.dual, self.goal, self.budget, self.workers = dual, goal, budget, workers
        self.best = 0.0
        self.nodes = 0
        self.next_report = time.perf_counter() + _BETWEEN_REPORTS
        self.termination = Termination.CONVERGED
        self.points, self.sizes = np.zeros((0, dual.space.rank)), np.zeros(0)

    def run(self, forests: list[_Forest]) -> None:
        """Turn after turn, until one of the forests is done, nothing is open, or the budget is used up."""
        bounds = self.dual.slice_bounds
        for forest in forests:
            forest.plant(bounds, self.best)
        while self.termination is Termination.CONVERGED:
            if any(one.is_done(self.best) for one in forests):
                return
            waiting = [one for one in forests if one.is_open]
            if not waiting:
                return
            self._turn(self._next(waiting))
            self._report(forests)

    @staticmethod
    def _next(waiting: list[_Forest]) -> _Forest:
        """The first forest, or one that has not had its share of what that one did."""
        first = waiting[0]
        late = [one for one in waiting[1:] if one.spent < _SHARE * (first.spent - _HEAD_START)]
        return late[0] if late else first

    def _report(self, forests: list[_Forest]) -> None:
        """Say how far it is, now and then."""
        told, now = self.budget.report, time.perf_counter()
        if told is not None and now >= self.next_report:
            self.next_report = now + _BETWEEN_REPORTS
            upper = min(one.upper for one in forests)
            told(self.nodes, self.dual.bound_over_ball(max(upper, self.best)))

    def remember(self, points: NDArray[np.float64], sizes: NDArray[np.float64]) -> None:
        """Keep points with their |eta|, the highest if there are many, and the best value."""
        self.points, self.sizes = np.vstack([self.points, points]), np.append(self.sizes, sizes)
        if len(self.sizes) > _KEPT:
            self.points = _highest(self.points, self.sizes, MAX_PEAKS)
            self.sizes = _highest(self.sizes, self.sizes, MAX_PEAKS)
        self.best = max(self.best, float(sizes.max(initial=0.0)))

    def _turn(self, forest: _Forest) -> None:
        """Give every tree its share, as far as the budget goes."""
        waiting, best = forest.chosen(), self.best
        least = _FIRST_NODES * (len(self.dual.alpha) + NODE_WORK)
        for tree in waiting:
            tree.work = max(least, min(_GROWTH * tree.work, _MOST_WORK))
        while waiting:
            left = math.inf if self.budget.nodes is None else self.budget.nodes - self.nodes
            if left <= 0:
                self.termination = Termination.NODE_LIMIT
            elif self.budget.time_is_up:
                self.termination = Termination.TIME_LIMIT
            if self.termination is not Termination.CONVERGED:
                for tree in waiting:
                    forest.push(tree, self.best)
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
            before = [(tree.nodes, tree.spent) for tree in waiting[:n_now]]
            heavy = sum(tree.work for tree in waiting[:n_now]) >= _WORTH_SHARING
            visited = self.workers.map(visit, tasks, heavy)
            for (nodes, spent), tree in zip(before, visited, strict=True):
                self.nodes += tree.nodes - nodes
                forest.spent += tree.spent - spent
                self._collect(forest, tree)
            waiting = waiting[n_now:]

        forest.spread(self.best)

    def _collect(self, forest: _Forest, tree: Tree) -> None:
        """Take in what one visit brought."""
        forest.depth = max(forest.depth, tree.depth)
        self.best = max(self.best, tree.best)
        if tree.found is not None:
            self.remember(tree.found[0], np.abs(tree.found[1]))
            tree.found = None
        forest.push(tree, self.best)


def _highest(
    points: NDArray[np.float64], sizes: NDArray[np.float64], most: int
) -> NDArray[np.float64]:
    """The points with the largest sizes."""
    return np.asarray(points[np.argsort(-sizes, kind="stable")[:most]])
