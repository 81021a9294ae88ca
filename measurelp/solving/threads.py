"""One thread for small dense steps, which several make slower."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from threadpoolctl import threadpool_limits

_LIMITED: ContextVar[bool] = ContextVar("limited", default=False)


@contextmanager
def one_thread() -> Iterator[None]:
    """Limit linear algebra to one thread; free of cost inside another such context.

    Finding the thread pools takes a millisecond, which a path of many solves would pay each time.
    """
    if _LIMITED.get():
        yield
        return
    token = _LIMITED.set(True)
    try:
        with threadpool_limits(limits=1):
            yield
    finally:
        _LIMITED.reset(token)
