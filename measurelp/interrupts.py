"""Ctrl-C, remembered instead of raised."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any


@dataclass
class Interrupts:
    """Whether Ctrl-C was pressed; calling it asks."""

    requested: bool = False

    def __call__(self) -> bool:
        return self.requested

    def remember(self, _number: int, _frame: Any) -> None:
        """The signal's handler: remembers once, then raises."""
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True


@contextmanager
def remembered_interrupts() -> Iterator[Interrupts]:
    """Remember the first Ctrl-C, to be looked at where work can be left off.

    An exception out of nowhere could strike between any two steps, or be lost where compiled
    code calls back.  A second Ctrl-C raises KeyboardInterrupt as usual.  One context inside
    another shares its memory.  Outside the main thread, and where the caller handles the signal,
    nothing is changed.
    """
    outer = _holder()
    if threading.current_thread() is not threading.main_thread():
        yield Interrupts()
    elif isinstance(outer, Interrupts):
        yield outer
    elif signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield Interrupts()
    else:
        interrupts = Interrupts()
        signal.signal(signal.SIGINT, interrupts.remember)
        try:
            yield interrupts
        finally:
            signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def interruptible() -> Iterator[Interrupts]:
    """A context for one call into compiled code that asks, now and then, whether to stop.

    Ctrl-C is remembered while the call lasts.  Where nobody outside remembers it, it is raised
    afterwards.
    """
    is_inside = isinstance(_holder(), Interrupts)
    with remembered_interrupts() as interrupts:
        yield interrupts
    if interrupts.requested and not is_inside:
        raise KeyboardInterrupt


def _holder() -> Any:
    """The object whose method handles SIGINT; None for a function."""
    return getattr(signal.getsignal(signal.SIGINT), "__self__", None)
