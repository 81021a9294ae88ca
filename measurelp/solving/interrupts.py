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


@contextmanager
def remembered_interrupts() -> Iterator[Interrupts]:
    """Remember the first Ctrl-C, to be looked at where work can be left off.

    An exception out of nowhere could strike between any two steps, or be lost where compiled
    code calls back.  A second Ctrl-C raises KeyboardInterrupt as usual.  Outside the main
    thread, and where the caller handles the signal, nothing is changed.
    """
    interrupts = Interrupts()
    in_main = threading.current_thread() is threading.main_thread()
    if not in_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield interrupts
        return

    def remember(_number: int, _frame: Any) -> None:
        if interrupts.requested:
            raise KeyboardInterrupt
        interrupts.requested = True

    signal.signal(signal.SIGINT, remember)
    try:
        yield interrupts
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
