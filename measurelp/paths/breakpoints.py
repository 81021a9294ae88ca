r"""The breakpoints of the path of a least-squares problem, each located from both sides.

From lam_max down, a certified solution at a lower lam is joined to the branch that is known
above it (:mod:`measurelp.paths.branch`).  The upper branch is followed down to the first
lam at which one of its conditions ends or a peak of the lower solution reaches lam; the lower
branch is followed up in the same way.  Where the lower branch holds up to the end of the upper
one, that end is an event; if not, a solution between them is computed, and so on.

What is proved and what is computed is said in :class:`Breakpoints`.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from measurelp.certificate.certificate import relative
from measurelp.certificate.certify import DEFAULT_NODES, certify
from measurelp.errors import InvalidProblem
from measurelp.interrupts import Interrupts, remembered_interrupts
from measurelp.oracle import Budget, Oracle, choose_oracle
from measurelp.paths.branch import Branch, BranchPoint, Lines, Matrix, Vector
from measurelp.paths.branch_ends import follow, holds
from measurelp.paths.events import Breakpoints, EventKind, PathEvent, PathSegment
from measurelp.paths.gaps import End, gap_between
from measurelp.problem import MeasureProblem, check_problem
from measurelp.solving.entry import solve
from measurelp.solving.largest_lam import lam_max
from measurelp.solving.threads import one_thread
from measurelp.status import Termination

_CLUSTER = 1e-7  # a relative interval that is not taken apart any further
_SIDE = 1e-8  # relative distance from an event at which both sides are certified
_GAP = 1e-9
_LEVEL = 1e-10  # relative: so near to lam a peak counts as being there
_SAME_ATOM = 1e-4
_NUDGE = 3e-5
_TRIES = 4
_SIDE_WORDS = {1: "active", -1: "inactive"}


def path_breakpoints(
    problem: MeasureProblem,
    *,
    lam_least: float | None = None,
    lam_min_ratio: float = 0.01,
    oracle: str | Oracle | None = None,
    time_limit: float | None = None,
) -> Breakpoints:
    r"""Where, along lam, atoms enter, leave, meet walls and leave them.

    For least squares over the Euclidean ball, from lam_max down to ``lam_least``.  Between two
    events the same atoms stay on the same faces of the data's arrangement and move smoothly, on
    rays linearly; there the path is a branch of the KKT system, whose derivative is that of the
    implicit function theorem.

    Parameters
    ----------
    problem : MeasureProblem
        Its own lam does not matter.
    lam_least : float, optional
        How far down; by default ``lam_min_ratio`` times lam_max.
    lam_min_ratio : float
    oracle : str or Oracle, optional
        As for :func:`~measurelp.solve`.
    time_limit : float, optional
        Seconds; when they are over, or on Ctrl-C, the events found so far are returned, a
        beginning of the path without holes.

    Returns
    -------
    Breakpoints

    Raises
    ------
    InvalidProblem
        For other losses, balls and activations, several outputs, or a lam that is no lam.

    Notes
    -----
    About two solves and two proofs an event.  Where data are so degenerate that events coincide
    (grids), an event of the kind UNRESOLVED stands for a cluster of them.

    Examples
    --------
    Orthonormal data: each sign of y has one neuron, which enters at the norm of that part of y.

    >>> import numpy as np, measurelp as mlp
    >>> problem = mlp.MeasureProblem(np.eye(4), [3.0, 4.0, -5.0, -12.0], lam=1.0, bias="none")
    >>> [round(event.lam, 9) for event in mlp.path_breakpoints(problem).events]
    [13.0, 5.0]
    """
    _check(problem, lam_least, lam_min_ratio, time_limit)
    deadline = math.inf if time_limit is None else time.perf_counter() + time_limit
    with remembered_interrupts() as interrupts, one_thread():
        search = _Search(problem, oracle, deadline, interrupts)
        try:
            top = lam_max(problem, oracle=search.oracle, time_limit=time_limit)
        except KeyboardInterrupt:
            return Breakpoints(
                problem, math.nan, math.nan, (), (), math.inf, Termination.INTERRUPTED
            )
        return search.run(top, lam_min_ratio * top if lam_least is None else float(lam_least))


def _check(
    problem: MeasureProblem, lam_least: float | None, ratio: float, time_limit: float | None
) -> None:
    check_problem(problem)
    is_relu = problem.activation.slopes == (1.0, 0.0)
    if not (problem.loss.is_quadratic and problem.ball.name == "l2" and is_relu) or (
        problem.is_vector
    ):
        raise InvalidProblem(
            "problem: breakpoints are those of the squared loss, ReLU() and L2Ball() with one "
            f"output, found {problem!r}; solve_path follows every problem."
        )
    for name, value, largest in (
        ("lam_least", lam_least, math.inf), ("lam_min_ratio", ratio, 1.0),
        ("time_limit", time_limit, math.inf),
    ):  # fmt: skip
        if value is not None and not 0.0 < value < largest:
            raise InvalidProblem(f"{name}: expected a number in (0, {largest}), found {value!r}.")


@dataclass(eq=False)
class _Leg:
    """A segment that is being followed: its branch, points on it, and their certificates."""

    branch: Branch
    begin: float
    points: list[BranchPoint] = field(default_factory=list)
    ends: list[End] = field(default_factory=list)
    has_rivals: bool = False


@dataclass(eq=False)
class _Search:
    """One call of :func:`path_breakpoints`: the path down to ``leg``, and goals below it."""

    problem: MeasureProblem
    asked_oracle: str | Oracle | None
    deadline: float
    interrupts: Interrupts
    events: list[PathEvent] = field(default_factory=list)
    segments: list[PathSegment] = field(default_factory=list)
    neurons: list[int] = field(default_factory=list)
    count: int = 0
    came_from: dict[tuple[int, int], int] = field(default_factory=dict)
    worst_gap: float = 0.0

    def __post_init__(self) -> None:
        self.lines = Lines.of(self.problem)
        self.oracle, _ = choose_oracle(self.asked_oracle, self.lines.space)

    def run(self, top: float, least: float) -> Breakpoints:
        """Follow the path from lam_max down to ``least``."""
        termination, reached = Termination.CONVERGED, top
        if least < top:
            zero = Branch(self.lines, np.zeros(0), np.zeros((0, len(self.lines.normals)), np.int8))
            point = zero.near(top, np.zeros((0, self.lines.space.rank)), np.zeros(0))
            end = None if point is None else self._certified(zero, point)
            if point is None or end is None:
                termination = self._limit() or Termination.NUMERICAL
            else:
                self.leg = _Leg(zero, top, [point], [end])
                termination = self._descend(least)
                reached = self.leg.points[-1].lam
                self._close(reached)
        return Breakpoints(
            self.problem, top, reached, tuple(self.events), tuple(self.segments), self.worst_gap,
            termination,
        )  # fmt: skip

    def _descend(self, least: float) -> Termination:
        """Join goals from the top down; those that still have to be reached wait on a stack."""
        goals: list[tuple[Branch, BranchPoint]] = []
        while True:
            here = self.leg.points[-1]
            if here.lam <= least:
                return Termination.CONVERGED
            limit = self._limit()
            if limit is not None:
                return limit
            goal = self._goal(least) if not goals else None
            if goal is not None:
                goals.append(goal)
            if not goals:
                return self._limit() or Termination.NUMERICAL
            below = goals[-1][1].lam
            middle = self._join(*goals[-1])
            if middle is None:
                if self.leg.points[-1].lam <= below:
                    goals.pop()
                continue
            is_cluster = here.lam - below <= _CLUSTER * here.lam
            goal = None if is_cluster else self._goal(middle)
            if goal is not None and below < goal[1].lam < here.lam:
                goals.append(goal)
            elif self._limit() is None and not self._pass(*goals.pop()):
                return Termination.NUMERICAL

    def _limit(self) -> Termination | None:
        """What ends the search now, if anything."""
        if self.interrupts.requested:
            return Termination.INTERRUPTED
        return Termination.TIME_LIMIT if time.perf_counter() >= self.deadline else None

    def _join(self, branch: Branch, point: BranchPoint) -> float | None:
        """Go on to a solution below, or to the first event above it; else a lam to solve at."""
        leg, here = self.leg, self.leg.points[-1]
        above, ended = follow(leg.branch, here, point.lam, branch)
        leg.has_rivals |= self._is_at_limit(branch, here) and self._is_at_limit(branch, above)
        if not ended:
            end = self._certified(leg.branch, above)
            if end is None:
                return math.sqrt(here.lam * point.lam)
            leg.points.append(above)
            self._add(end)
            return None
        lam = above.lam
        if lam <= point.lam * (1.0 + 2.0 * _SIDE):
            return math.sqrt(here.lam * point.lam)
        below, ended = follow(branch, point, lam * (1.0 - _SIDE), leg.branch)
        if ended and below.lam < lam * (1.0 - 2.0 * _SIDE):
            return math.sqrt(lam * below.lam)
        before = leg.branch.at(min(lam * (1.0 + _SIDE), here.lam), above)
        if before is None:
            return math.sqrt(here.lam * lam)
        end = self._certified(leg.branch, before)
        if end is None:
            return math.sqrt(here.lam * lam)
        next_end = self._certified(branch, below)
        if next_end is None:
            return math.sqrt(lam * point.lam)
        leg.points.append(before)
        self._add(end)
        self._turn(lam, branch, before, below, next_end)
        return None

    def _turn(
        self, lam: float, branch: Branch, before: BranchPoint, below: BranchPoint, end: End
    ) -> None:
        """Name the events between two branches, and begin the next segment."""
        old, gaps = self.leg, (_gap(end), _gap(self.leg.ends[-1]))
        self._close(lam)
        bracket = (below.lam, before.lam)
        weights = [one.measure(at).atoms for one, at in ((old.branch, before), (branch, below))]
        first, second = old.branch.directions(before), branch.directions(below)
        partner = _matched(first, old.branch.signs, second, branch.signs)
        names: list[int] = []

        def event(kind: EventKind, name: int, sign: float, weight: Vector, line: int = -1,
                  side: int = 0, crosses: bool | None = None) -> None:  # fmt: skip
            row = None if line < 0 else self.lines.first_row(line)
            self.events.append(
                PathEvent(lam, kind, name, float(sign), weight, row, _SIDE_WORDS.get(side),
                          crosses, bracket, gaps)
            )  # fmt: skip

        for k in sorted(set(range(len(first))) - set(partner)):
            event(EventKind.LEAVES, self.neurons[k], old.branch.signs[k], weights[0][k])
        for j, k in enumerate(partner):
            if k < 0:
                names.append(self.count)
                event(EventKind.ENTERS, self.count, branch.signs[j], weights[1][j])
                self.count += 1
                continue
            name, sign = self.neurons[k], branch.signs[j]
            names.append(name)
            was, now = old.branch.sides[k], branch.sides[j]
            for line in np.flatnonzero((was == 0) & (now != 0)):
                origin = self.came_from.pop((name, int(line)), None)
                crosses = None if origin is None else bool(origin != now[line])
                event(EventKind.LEAVES_WALL, name, sign, weights[1][j], int(line), int(now[line]),
                      crosses)  # fmt: skip
            for line in np.flatnonzero((was != 0) & (now == 0)):
                self.came_from[name, int(line)] = int(was[line])
                event(EventKind.MEETS_WALL, name, sign, weights[1][j], int(line), int(was[line]))
        self.neurons = names
        self.leg = _Leg(branch, lam, [below])
        self._add(end, old.ends[-1])

    # -- pieces ----------------------------------------------------------------------------

    def _pass(self, branch: Branch, point: BranchPoint) -> bool:
        """Step over events that cannot be taken apart, to a solution below."""
        end = self._certified(branch, point)
        if end is None:
            return False
        before, last = self.leg.points[-1], self.leg.ends[-1]
        self._close(before.lam)
        nowhere = np.full(self.problem.lifted.shape[1], math.nan)
        self.events.append(
            PathEvent(before.lam, EventKind.UNRESOLVED, -1, math.nan, nowhere, None, None, None,
                      (point.lam, before.lam), (_gap(end), _gap(last)))
        )  # fmt: skip
        self.neurons = list(range(self.count, self.count + len(branch)))
        self.count += len(branch)
        self.leg = _Leg(branch, before.lam, [point])
        self._add(end, last)
        return True

    def _goal(self, lam: float) -> tuple[Branch, BranchPoint] | None:
        """A certified solution at lam, or a little below, on a branch that holds there."""
        lines, nearest = self.lines, self.leg.points[-1]
        start = self.leg.branch.measure(nearest)
        for _ in range(_TRIES):
            left = self.deadline - time.perf_counter()
            solution = solve(
                self.problem.with_lam(lam), tol_gap=_GAP, oracle=self.oracle,
                start=start if len(start) else None,
                time_limit=None if math.isinf(left) else max(0.05, left),
            )  # fmt: skip
            measure = solution.measure
            weights = lines.space.coordinates(measure.atoms * np.abs(measure.masses)[:, None])
            weights, signs = lines.canonical(weights, np.sign(measure.masses))
            branch = Branch(lines, signs, lines.sides(weights))
            if branch.is_regular:
                point = branch.near(lam, weights, lines.space.norms(weights))
                if point is not None and holds(branch, point):
                    return branch, point
            lam *= 1.0 - _NUDGE
        return None

    def _is_at_limit(self, rival: Branch, point: BranchPoint) -> bool:
        """Whether the dual function is at lam at an atom that only the rival has."""
        heights = rival.heights(point.alpha, besides=self.leg.branch)
        return bool(np.any(np.abs(heights - point.lam) <= _LEVEL * point.lam))

    def _certified(self, branch: Branch, point: BranchPoint) -> End | None:
        """The point with its proof, or None where it is not optimal."""
        problem, measure = self.problem.with_lam(point.lam), branch.measure(point)
        certificate = certify(
            problem, measure, tol_gap=_GAP, oracle=self.oracle, space=self.lines.space,
            budget=Budget(self.deadline, DEFAULT_NODES, self.interrupts),
        )  # fmt: skip
        return End.of(problem, measure, certificate) if certificate.is_optimal else None

    def _add(self, end: End, last: End | None = None) -> None:
        """Keep a certified point, and what it proves together with the one before it."""
        last = self.leg.ends[-1] if self.leg.ends else last
        if last is not None:
            self.worst_gap = max(self.worst_gap, gap_between(last, end))
        self.leg.ends.append(end)

    def _close(self, lam: float) -> None:
        leg = self.leg
        between = [gap_between(a, b) for a, b in pairwise(leg.ends)]
        self.segments.append(
            PathSegment(leg.begin, lam, tuple(self.neurons), leg.branch.is_linear,
                        max(between, default=0.0), leg.has_rivals, leg.branch, tuple(leg.points))
        )  # fmt: skip


def _gap(end: End) -> float:
    return relative(end.primal - end.dual, end.primal, end.dual)


def _matched(first: Matrix, signs: Vector, second: Matrix, other_signs: Vector) -> list[int]:
    """For each atom of the second set the atom of the first that it continues, -1 if none."""
    partner = [-1] * len(second)
    distance = np.linalg.norm(first[:, None, :] - second[None, :, :], axis=2)
    distance[signs[:, None] != other_signs[None, :]] = np.inf
    taken: set[int] = set()
    for flat in np.argsort(distance, axis=None, kind="stable"):
        k, j = (int(v) for v in np.unravel_index(int(flat), distance.shape))
        if distance[k, j] > _SAME_ATOM:
            break
        if k not in taken and partner[j] < 0:
            partner[j] = k
            taken.add(k)
    return partner
