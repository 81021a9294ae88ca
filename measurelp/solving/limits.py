"""What a solve may take, and who wants to hear of it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from measurelp._jit_kernels import compile_seconds
from measurelp.certificate.certify import DEFAULT_NODES
from measurelp.interrupts import Interrupts
from measurelp.oracle import Budget
from measurelp.solving.progress import Callback
from measurelp.status import Termination

_FINE = 1e-3  # of the gap asked for: how finely the oracle looks, which hardly costs more


@dataclass(frozen=True)
class Limits:
    """The accuracy asked for and where to stop without it.

    Attributes
    ----------
    tol_gap : float
    max_rounds : int
    deadline : float
        On the clock of ``time.perf_counter``; compiling kernels puts it off.
    interrupts : Interrupts
    callback : callable or None
    """

    tol_gap: float = 1e-6
    max_rounds: int = 500
    deadline: float = math.inf
    interrupts: Interrupts = field(default_factory=Interrupts)
    callback: Callback | None = None
    compiled: float = field(default_factory=compile_seconds)

    @property
    def fine(self) -> float:
        """The relative accuracy of proofs."""
        return _FINE * self.tol_gap

    @property
    def seconds_to_go(self) -> float:
        """Until the deadline."""
        return self.deadline + (compile_seconds() - self.compiled) - time.perf_counter()

    @property
    def seconds_left(self) -> float | None:
        """What a solver may take; None without a deadline."""
        return None if math.isinf(self.deadline) else max(0.01, self.seconds_to_go)

    def reached(self, rounds: int) -> Termination | None:
        """The limit that ends the work now, None if there is none."""
        if self.interrupts.requested:
            return Termination.INTERRUPTED
        if self.seconds_to_go <= 0.0:
            return Termination.TIME_LIMIT
        return Termination.ROUND_LIMIT if rounds >= self.max_rounds else None

    def budget(self, report: Callable[[int, float], None] | None = None) -> Budget:
        """What a proof may take within a round."""
        end = time.perf_counter() + self.seconds_to_go
        return Budget(end, DEFAULT_NODES, self.interrupts, report=report)

    def last_budget(self, termination: Termination) -> Budget:
        """What the proof of what is returned may take: a little even when time is over."""
        if termination is Termination.INTERRUPTED or self.interrupts.requested:
            return Budget(time.perf_counter() + 1.0, DEFAULT_NODES)
        end = time.perf_counter() + max(self.seconds_to_go, 0.2)
        return Budget(end, DEFAULT_NODES, self.interrupts)


def deadline_after(time_limit: float | None) -> float:
    """The deadline that a limit of seconds, or none, gives from now on."""
    return math.inf if time_limit is None else time.perf_counter() + time_limit
