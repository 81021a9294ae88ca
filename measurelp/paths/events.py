"""The path of supports and masses: events, and the branches between them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from measurelp.errors import InvalidProblem
from measurelp.measure import AtomicMeasure
from measurelp.paths.branch import Branch, BranchPoint
from measurelp.problem import MeasureProblem
from measurelp.status import Termination


class EventKind(Enum):
    """What happens at a breakpoint as lam decreases."""

    ENTERS = "an atom enters"
    LEAVES = "an atom's mass vanishes"
    MEETS_WALL = "an atom comes to rest on the hyperplane of a data row"
    LEAVES_WALL = "an atom leaves the hyperplane of a data row"
    UNRESOLVED = "events too close to each other to be taken apart"


@dataclass(frozen=True, eq=False)
class PathEvent:
    r"""One event of the path, as lam decreases.

    Attributes
    ----------
    lam : float
        Where, to about 1e-9 relative; computed from above and from below.
    kind : EventKind
    neuron : int
        Which one, counted in the order of entering; -1 for UNRESOLVED.
    sign : float
        The sign of its mass.
    weight : (d',) array
        Its unit weight there.
    row : int or None
        For walls, the data row whose hyperplane it is (the first of several).
    side : str or None
        For walls: the side of the row that the atom comes from (MEETS_WALL) or goes to
        (LEAVES_WALL), "active" or "inactive".
    crosses : bool or None
        For LEAVES_WALL, whether that is not the side it came from; None where it entered on
        the wall.
    bracket : (float, float)
        lam below and above at which the measures of the two branches were certified.
    gaps : (float, float)
        Their proved relative gaps.
    """

    lam: float
    kind: EventKind
    neuron: int
    sign: float
    weight: NDArray[np.float64]
    row: int | None
    side: str | None
    crosses: bool | None
    bracket: tuple[float, float]
    gaps: tuple[float, float]

    def __repr__(self) -> str:
        where = "" if self.row is None else f", row {self.row} ({self.side})"
        crossing = ", crosses" if self.crosses else ""
        return f"PathEvent(lam={self.lam:.9g}, {self.kind.name}, neuron {self.neuron}{where}{crossing})"


@dataclass(frozen=True, eq=False)
class PathSegment:
    """A stretch of the path on which the same atoms stay on the same faces.

    Attributes
    ----------
    lam_high, lam_low : float
    neurons : tuple of int
        The atoms, by the numbers that events use.
    is_linear : bool
        Whether all atoms lie on rays, so that masses, fit and dual vector are affine in lam.
    relative_gap : float
        Proved: between the lams at which its ends were certified, interpolating the certified
        measures gives an optimal one up to this gap (:mod:`measurelp.paths.gaps`).
    has_rivals : bool
        Whether the dual function was seen to stay at lam away from the atoms: then other
        measures are optimal too, and the path is one of several.
    """

    lam_high: float
    lam_low: float
    neurons: tuple[int, ...]
    is_linear: bool
    relative_gap: float
    has_rivals: bool
    branch: Branch
    points: tuple[BranchPoint, ...]

    def measure(self, lam: float) -> AtomicMeasure:
        """The measure of the branch at a lam of the segment, computed by Newton's method."""
        if not self.lam_low <= lam <= self.lam_high:
            raise InvalidProblem(
                f"lam: expected {self.lam_low:.9g} to {self.lam_high:.9g}, found {lam!r}."
            )
        nearest = min(self.points, key=lambda point: abs(point.lam - lam))
        point = self.branch.at(lam, nearest)
        if point is None:
            raise InvalidProblem(f"lam: Newton's method fails on the branch at {lam!r}.")
        return self.branch.measure(point)

    def __repr__(self) -> str:
        shape = "linear" if self.is_linear else "curved"
        return (
            f"PathSegment({self.lam_high:.9g} to {self.lam_low:.9g}, "
            f"{len(self.neurons)} neurons, {shape})"
        )


@dataclass(frozen=True, eq=False)
class Breakpoints:
    r"""The path of a least-squares problem between its events.

    *Proved*: at both ends of every event's ``bracket`` the branch's measure is optimal to the
    stated gap, by an oracle that covered all of weight space; on every segment the
    interpolated certified measures are optimal to its ``relative_gap``.  *Computed, not proved*: that
    the support is the listed one (for one lam, ``mlp.uniqueness`` can prove that), and that
    nothing enters and leaves again inside a curved segment.

    Attributes
    ----------
    problem : MeasureProblem
        Its own lam does not matter.
    lam_max : float
        Where the path begins.
    lam_least : float
        How far down it was followed.
    events : tuple of PathEvent
        By decreasing lam.
    segments : tuple of PathSegment
        By decreasing lam.
    relative_gap : float
        Proved for every lam of the path, events included, as that of a segment is.
    termination : Termination
        CONVERGED when it was followed as far as was asked.
    """

    problem: MeasureProblem
    lam_max: float
    lam_least: float
    events: tuple[PathEvent, ...]
    segments: tuple[PathSegment, ...]
    relative_gap: float
    termination: Termination

    @property
    def lams(self) -> NDArray[np.float64]:
        """The events' lams, (m,)."""
        return np.array([event.lam for event in self.events])

    def measure(self, lam: float) -> AtomicMeasure:
        """The path's measure at any lam between ``lam_least`` and ``lam_max``."""
        for segment in self.segments:
            if segment.lam_low <= lam <= segment.lam_high:
                return segment.measure(lam)
        raise InvalidProblem(
            f"lam: expected {self.lam_least:.9g} to {self.lam_max:.9g}, where the path is known, "
            f"found {lam!r}."
        )

    def columns(self) -> dict[str, list[Any]]:
        """The events as named columns, for tables."""
        return {
            "lam": [event.lam for event in self.events],
            "event": [event.kind.name for event in self.events],
            "neuron": [event.neuron for event in self.events],
            "sign": [event.sign for event in self.events],
            "row": [event.row for event in self.events],
            "side": [event.side for event in self.events],
            "crosses": [event.crosses for event in self.events],
            "lam_below": [event.bracket[0] for event in self.events],
            "lam_above": [event.bracket[1] for event in self.events],
            "gap_below": [event.gaps[0] for event in self.events],
            "gap_above": [event.gaps[1] for event in self.events],
        }

    def __repr__(self) -> str:
        return (
            f"Breakpoints({len(self.events)} events from lam = {self.lam_max:.6g} down to "
            f"{self.lam_least:.6g}, {self.termination.name})"
        )
