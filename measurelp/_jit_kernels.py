"""How kernels are compiled: cached, without the interpreter's lock, with NumPy's division.

Wrappers cost an eighth of the first compilation, so only what Python calls has one.
"""

from __future__ import annotations

import time
from functools import partial

from numba import njit
from numba.core import event

entry = partial(njit, cache=True, nogil=True, error_model="numpy", no_cfunc_wrapper=True)
inner = partial(entry, no_cpython_wrapper=True)


class _Stopwatch(event.Listener):
    """Adds up the time in which kernels are compiled; what compiles inside counts once."""

    def __init__(self) -> None:
        self.seconds, self._depth, self._began = 0.0, 0, 0.0

    def on_start(self, event: event.Event) -> None:
        del event
        self._began = time.perf_counter() if self._depth == 0 else self._began
        self._depth += 1

    def on_end(self, event: event.Event) -> None:
        del event
        self._depth -= 1
        self.seconds += time.perf_counter() - self._began if self._depth == 0 else 0.0


_STOPWATCH = _Stopwatch()
event.register("numba:compile", _STOPWATCH)


def compile_seconds() -> float:
    """How long this process has been compiling kernels so far, which no time limit counts."""
    return _STOPWATCH.seconds
