"""The one way in which work is shared: joblib, when it was asked for and pays."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

from measurelp.errors import InvalidProblem


def checked_jobs(n_jobs: int) -> int:
    """The number of workers, refused when it is none or when joblib is missing."""
    if isinstance(n_jobs, bool) or not isinstance(n_jobs, int) or n_jobs < 1:
        raise InvalidProblem(f"n_jobs: expected an integer >= 1, found {n_jobs!r}.")
    if n_jobs > 1 and importlib.util.find_spec("joblib") is None:
        raise InvalidProblem(
            f"n_jobs: {n_jobs} workers need joblib; install it (pip install joblib, or "
            "measurelp[distributed] for Dask as well) or use n_jobs=1."
        )
    return n_jobs


class Workers:
    """Calls a function for many tasks, on joblib's workers if there is more than one.

    Threads are the default, since kernels hold no lock; ``joblib.parallel_config`` around the
    call chooses another backend (loky, dask).  Results come in the order of the tasks.  The
    function must depend on its arguments only: whatever goes wrong with the workers (one is
    killed, a connection breaks), tasks without a result are done here, where an error of the
    function itself would show.
    """

    def __init__(self, n_jobs: int) -> None:
        self.n_jobs = n_jobs
        self._pool: Any = None

    def __enter__(self) -> Workers:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._pool is not None:
            self._pool.__exit__(kind, error, trace)

    def map(
        self, function: Callable[..., Any], tasks: Sequence[tuple[Any, ...]], heavy: bool
    ) -> list[Any]:
        """The results of all tasks; only ``heavy`` ones are shared."""
        if self.n_jobs == 1 or len(tasks) == 1 or not heavy:
            return [function(*task) for task in tasks]
        from joblib import Parallel, delayed

        if self._pool is None:
            self._pool = Parallel(
                n_jobs=self.n_jobs, prefer="threads", return_as="generator_unordered",
                batch_size=1, pre_dispatch="all",
            ).__enter__()  # fmt: skip
        results: dict[int, Any] = {}
        try:
            calls = [delayed(_numbered)(k, function, *task) for k, task in enumerate(tasks)]
            for k, result in self._pool(calls):
                results[k] = result  # noqa: PERF403 - some may come before one fails
        except Exception:  # noqa: BLE001 - what failed there is done here, or fails here
            self.n_jobs = 1
        return [results[k] if k in results else function(*task) for k, task in enumerate(tasks)]


def _numbered(k: int, function: Callable[..., Any], *task: Any) -> tuple[int, Any]:
    return k, function(*task)
