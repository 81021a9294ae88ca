"""Ctrl-C, remembered instead of raised."""

from __future__ import annotations

import _thread
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

_A_MOMENT = 0.02  # seconds


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


@contextmanager
def interrupts_come_back() -> Iterator[None]:
    """Press Ctrl-C again where its exception was lost; for programs, which end when it is pressed.

    A KeyboardInterrupt that strikes in a destructor or in a callback of compiled code cannot go
    further: the interpreter prints it as ignored and the work goes on.  Here it is raised again
    a moment later, when such a call has returned.
    """
    report = sys.unraisablehook
    presses: list[threading.Timer] = []

    def press_again(lost: sys.UnraisableHookArgs) -> None:
        if not issubclass(lost.exc_type, KeyboardInterrupt):
            report(lost)
            return
        press = threading.Timer(_A_MOMENT, _thread.interrupt_main)
        press.daemon = True
        presses.append(press)
        press.start()

    sys.unraisablehook = press_again
    try:
        yield
    finally:
        sys.unraisablehook = report
        for press in presses:
            press.cancel()


def _holder() -> Any:
    """The object whose method handles SIGINT; None for a function."""
    return getattr(signal.getsignal(signal.SIGINT), "__self__", None)
