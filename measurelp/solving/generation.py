"""The ten-line story: generate columns until the bracket closes.

A problem over infinitely many units, or more than fit into a program, is solved over few of them;
the dual vector of that solution says which others are missing, and, looked at over all of them, how far
the optimum can be.  :meth:`Generation._rounds` is that loop, the only one there is.  What the
units are (cells of weights, patterns of threshold units, gates, active sets of label noise) is a
subclass of :class:`Columns`; the best candidate, the best proof, limits, Ctrl-C, progress and
statistics are kept here for all of them.
"""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from measurelp.certificate.bounds import dual_bound
from measurelp.certificate.certificate import relative
from measurelp.problem import MeasureProblem
from measurelp.solving.limits import Limits
from measurelp.solving.progress import Progress
from measurelp.status import Termination


@dataclass(frozen=True, eq=False)
class Found:
    """A candidate with a dual vector, as the restricted program gives them.

    Attributes
    ----------
    point : object
        The candidate in the words of its columns; they alone look into it.
    objective : float
        Its objective in the whole problem, recomputed from the data; inf where it is no candidate.
    dual : (n,) or (n, c) array
    is_settled : bool
        Whether the restricted program, solved again, would change nothing.
    is_stationary : bool
        Whether the candidate is converged to rounding.
    """

    point: Any
    objective: float
    dual: NDArray[np.float64]
    is_settled: bool = True
    is_stationary: bool = True


@dataclass(frozen=True, eq=False)
class Bound:
    """What a dual vector proves when it is looked at over all columns.

    Attributes
    ----------
    value : float
        A proved lower bound on the optimum, -inf where nothing is proved.
    dual : (n,) or (n, c) array
        The dual vector that was looked at.
    report : object
        Where it comes from and which columns are missing, for :meth:`Columns.add` and certificates.
    termination : Termination
        CONVERGED where the look was complete.
    """

    value: float
    dual: NDArray[np.float64]
    report: Any
    termination: Termination = Termination.CONVERGED


class Columns(ABC):
    """What is generated.  Five members are needed; the other three help a search."""

    problem: MeasureProblem

    @property
    @abstractmethod
    def n_cells(self) -> int:
        """How many columns are in play."""

    @abstractmethod
    def begin(self) -> list[Found]:
        """What is known without a restricted program; the last one is gone on from."""

    @abstractmethod
    def solve(self, time_limit: float | None) -> list[Found]:
        """Solve the program over the columns in play; nothing where that fails."""

    @abstractmethod
    def bound(self, dual: NDArray[np.float64], run: Generation) -> Bound:
        """Look at a dual vector over all columns."""

    @abstractmethod
    def add(self, bound: Bound) -> int:
        """Put columns in play that the dual vector misses, and say how many."""

    def grow(self, found: Found, run: Generation) -> bool:
        """Whether to solve again before anything is proved, because columns were found cheaply."""
        return False

    def refined(self, found: list[Found], run: Generation) -> list[Found]:
        """What to prove in their place; candidates among them are to be offered."""
        return found

    def persists(self, found: Found, run: Generation) -> bool:
        """Whether to solve again though the proof asks for no other column."""
        return False


@dataclass
class Generation:
    """One run of the loop: the best candidate and the best bound so far."""

    columns: Columns
    limits: Limits
    best: Found | None = None
    bound: float = -math.inf
    proof: Bound | None = None
    last: Found | None = None
    rounds: int = 0
    proofs: int = 0
    began: float = field(default_factory=time.perf_counter)
    seconds: dict[str, float] = field(
        default_factory=lambda: {"oracle": 0.0, "master": 0.0, "pricing": 0.0}
    )

    def run(self) -> Termination:
        """Go on until the bracket is as narrow as was asked for, or something ends it."""
        try:
            return self._rounds()
        except KeyboardInterrupt:
            if self.best is None:
                raise
            return Termination.INTERRUPTED

    def _rounds(self) -> Termination:
        found = self.columns.begin()
        while found:
            for one in found:
                self.offer(one)
            self.last = found[-1]
            self.report("generating cells")
            ended = None if self._grows(found[-1]) else self._prove(found)
            ended = ended or self.limits.reached(self.rounds)
            if ended is not None:
                return ended
            self.rounds += 1
            with self._clock("master"):
                found = self.columns.solve(self.limits.seconds_left)
        over = self.limits.seconds_to_go <= 0.0
        return Termination.TIME_LIMIT if over else Termination.NUMERICAL

    def _grows(self, found: Found) -> bool:
        with self._clock("pricing"):
            return self.columns.grow(found, self)

    def _prove(self, found: list[Found]) -> Termination | None:
        """Look at all columns; None when some are put in play, or the program is solved again."""
        refined = self.columns.refined(found, self)
        self.report("proving")
        bounds = []
        for one in refined:
            with self._clock("oracle"):
                bounds.append(self.columns.bound(one.dual, self))
            self.proofs += 1
            if bounds[-1].value > self.bound:
                self.bound, self.proof = bounds[-1].value, bounds[-1]
        if self.gap <= self.limits.tol_gap:
            return Termination.CONVERGED
        best = max(bounds, key=lambda bound: bound.value)
        if self.columns.add(best):
            return None
        if self.limits.interrupts.requested:
            return Termination.INTERRUPTED
        if best.termination is not Termination.CONVERGED:
            return best.termination
        return None if self.columns.persists(found[-1], self) else Termination.STALLED

    # -- what columns may ask and say -------------------------------------------------------

    @property
    def best_value(self) -> float:
        """The best objective, inf before there is one."""
        return math.inf if self.best is None else self.best.objective

    @property
    def gap(self) -> float:
        """The relative gap of the bracket so far."""
        return relative(self.best_value - self.bound, self.best_value, self.bound)

    def offer(self, found: Found, slack: float = 0.0) -> None:
        """Keep a candidate if it is better than, or with slack as good as, the best."""
        finite = math.isfinite(found.objective)
        worse = found.objective - self.best_value if finite else math.inf
        if self.best is None or worse <= slack * abs(self.best_value) or worse <= 0.0:
            self.best = found

    def report(self, message: str, bound: float = -math.inf, nodes: int = 0) -> None:
        """Tell the callback how far the work is."""
        if self.limits.callback is not None:
            best, bound = self.best_value, max(bound, self.bound)
            gap = relative(best - bound, best, bound)
            seconds = time.perf_counter() - self.began
            self.limits.callback(
                Progress(
                    self.rounds, self.columns.n_cells, best, bound, gap, seconds, message, nodes
                )
            )

    def report_of_proof(self, dual: NDArray[np.float64]) -> Any:
        """What an oracle calls while it works on a dual vector, with its nodes and its bound."""
        return None if self.limits.callback is None else partial(self._report_proof, dual)

    def _report_proof(self, dual: NDArray[np.float64], nodes: int, upper: float) -> None:
        self.report("proving", dual_bound(self.columns.problem, dual, upper)[0], nodes)

    @contextmanager
    def _clock(self, name: str) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] += time.perf_counter() - began

    def stats(self, **facts: Any) -> dict[str, Any]:
        """What a solution tells of the work, together with what the columns add."""
        return {
            "rounds": self.rounds, "cells": self.columns.n_cells, "oracle_calls": self.proofs, **facts,
            "seconds": time.perf_counter() - self.began,
            **{f"seconds_{name}": seconds for name, seconds in self.seconds.items()},
        }  # fmt: skip
