"""All cells of an arrangement: `enumerate_cells`, `count_cells`, `iter_cells`.

The work is done by the search of `_search_kernels`; here it is cut into ranges of first elements, handed to threads,
given one buffer of the proved size and put together again.  Long because listing, counting and iterating share that preparation.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate
from math import comb
from typing import NamedTuple, TypeVar

import numpy as np

from measurelp.errors import BudgetExceeded, InvalidProblem, MeasurelpError
from measurelp.status import Scope

from ._levels import begin, lowered, new_work, work_bytes
from ._search_kernels import last_cell, search
from ._search_state import BASES, COUNT, DONE, NOT_GENERIC, PAUSED, SIGNS, Level
from .arrangement import Arrangement
from .cells import Cells
from .witness import interior_points

_SEEDS = 8
_FEW_CELLS = (
    1 << 16
)  # so few are enumerated without residues first: they are rarely needed and take as long to prepare
_TASKS_PER_JOB = 8
_TURN = 1 << 16  # cells between two moments at which Ctrl-C is heard
_Result = TypeVar("_Result")


class _NotGeneric(Exception):
    """The flags drawn were not generic for these data, or residues were needed: draw others, prepare residues."""


class _Task(NamedTuple):
    """First elements ``first <= s < stop`` at one level; at most ``bound`` cells of the half."""

    level: int
    first: int
    stop: int
    bound: int


def enumerate_cells(
    X, *, numbers: str = "decimal", witness: bool = False, max_cells: int | None = None,
    max_memory: float | None = None, n_jobs: int = 1,
) -> Cells:  # fmt: skip
    """All cells of the arrangement of the rows of X, each exactly once.

    Parameters
    ----------
    X : array-like of shape (n, d), or Arrangement
        One hyperplane normal a row, used as given; append a column of ones for a bias.
    numbers : {"decimal", "binary"}
        How doubles are read, see `Arrangement.from_data` (ignored for an Arrangement).
    witness : bool
        Also compute a point inside every cell.
    max_cells : int, optional
        Refuse when the arrangement might have more cells than this.
    max_memory : float, optional
        Bytes that the result and the scratch may take (half of the machine's memory by default).
    n_jobs : int
        Threads; -1 for one per core.

    Returns
    -------
    Cells
        With ``scope`` COMPLETE.

    Raises
    ------
    InvalidProblem
        An argument is not acceptable.
    BudgetExceeded
        `Arrangement.bound_cells` exceeds a budget; raised before the work.

    Notes
    -----
    No-broken-circuit search, no linear programs and no tables of visited cells.  Time
    O(n / 64 word operations) per cell in general position plus O(n d) per flat visited; memory is the packed result.
    What it proves: every sign is certified by a floating-point error bound or decided in exact arithmetic, so the
    list is complete and free of duplicates for the numbers as read.

    Examples
    --------
    >>> cells = enumerate_cells([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    >>> len(cells), sorted(map(tuple, cells.signs.tolist()))[0]
    (6, (-1, -1, -1))
    """
    arrangement = _arrangement(X, numbers)
    jobs = _checked_jobs(n_jobs)
    _check_budget(arrangement, max_cells, max_memory, witness, jobs)
    if arrangement.rank == 0:
        return _single_cell(arrangement, witness)
    return _redrawn(
        arrangement, lambda seed, residues: _complete(arrangement, seed, witness, jobs, residues)
    )


def count_cells(
    X, *, numbers: str = "decimal", max_cells: int | None = None, n_jobs: int = 1
) -> int:
    """Number of cells of the arrangement of the rows of X; nothing is stored.

    Parameters and errors as in `enumerate_cells`; ``max_cells`` bounds `Arrangement.bound_cells`.

    Examples
    --------
    >>> count_cells([[0, 0, 1], [0, 1, 1], [1, 0, 1], [1, 1, 1]])
    14
    """
    arrangement = _arrangement(X, numbers)
    jobs = _checked_jobs(n_jobs)
    _check_budget(arrangement, max_cells, np.inf, False, jobs)
    if arrangement.rank == 0:
        return 1
    return _redrawn(arrangement, lambda seed, residues: _counted(arrangement, seed, jobs, residues))


def iter_cells(
    X, *, block_size: int = 1 << 16, numbers: str = "decimal", witness: bool = False, max_cells: int | None = None,
) -> Iterator[Cells]:  # fmt: skip
    """All cells in blocks of at most ``block_size`` cells; memory is that of one block.

    Parameters as in `enumerate_cells`; ``block_size`` (at least 2) counts both members of every opposite pair, and every
    block holds both members of its pairs.  The arguments are checked at the call, not at the first block.

    Yields
    ------
    Cells
        Blocks with ``scope`` COMPLETE: together they are all cells, each exactly once.

    Examples
    --------
    >>> [len(block) for block in iter_cells([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], block_size=4)]
    [4, 2]
    """
    arrangement = _arrangement(X, numbers)
    block = _checked_integer(block_size, "block_size", 2)
    _check_budget(arrangement, max_cells, np.inf, False, 1)
    return _blocks(arrangement, block // 2, witness)


# ---- arguments --------------------------------------------------------------------------------------


def _arrangement(X, numbers) -> Arrangement:
    return X if isinstance(X, Arrangement) else Arrangement.from_data(X, numbers=numbers)


def _checked_integer(value, name: str, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise InvalidProblem(f"{name} must be an integer of at least {least}, but it is {value!r}")
    return int(value)


def _checked_jobs(n_jobs) -> int:
    if n_jobs == -1:
        return os.cpu_count() or 1
    return _checked_integer(n_jobs, "n_jobs (or -1)", 1)


def _physical_memory() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # a system without sysconf
        return 8 << 30


def _check_budget(arrangement, max_cells, max_memory, witness, jobs) -> None:
    """Refuse before the work when the proved bound exceeds a budget."""
    bound = arrangement.bound_cells()
    found = f"{arrangement.n_lines} distinct hyperplanes of rank {arrangement.rank} can have {bound} cells"
    advice = (
        "use iter_cells (one block in memory at a time) or count_cells, sample, or raise the budget"
    )
    if max_cells is not None and bound > _checked_integer(max_cells, "max_cells", 1):
        raise BudgetExceeded(f"{found}, more than max_cells = {max_cells}; {advice}")
    if max_memory is None:
        max_memory = _physical_memory() // 2
    elif (
        isinstance(max_memory, bool)
        or not isinstance(max_memory, (int, float, np.number))
        or not max_memory > 0
    ):
        raise InvalidProblem(
            f"max_memory must be a positive number of bytes, but it is {max_memory!r}"
        )
    row = 8 * ((arrangement.n_lines + 63) // 64)
    if witness:
        row += 8 * arrangement.data.shape[1] + 4 * arrangement.rank
    need = (bound + 1) // 2 * row + jobs * work_bytes(arrangement.n_lines, max(arrangement.rank, 1))
    if need > max_memory:
        raise BudgetExceeded(
            f"{found}, which may take {need} bytes, more than max_memory = {int(max_memory)}; {advice}"
        )


# ---- running the search -----------------------------------------------------------------------------


def _single_cell(arrangement, witness) -> Cells:
    points = np.zeros((1, arrangement.data.shape[1])) if witness else None
    return Cells(arrangement, np.zeros((1, 0), dtype=np.uint64), Scope.COMPLETE, points)


def _tasks(levels: list[Level], jobs: int) -> list[_Task]:
    """Ranges of first elements; one task a level for a single job, else pieces of nearly equal bounds."""
    tasks = []
    for at, level in enumerate(levels):
        n, dim = level.n, level.dim
        if dim <= 2:
            tasks.append(_Task(at, 0, n, n - 1 if dim == 2 else 1))
            continue
        total = comb(n - 1, dim - 1)
        if jobs == 1:
            tasks.append(_Task(at, 1, n, total))
            continue
        piece = max(1, total // (_TASKS_PER_JOB * jobs))
        first, size = 1, 0
        for s in range(1, n):
            size += comb(s - 1, dim - 2)
            if size >= piece or s == n - 1:
                tasks.append(_Task(at, first, s + 1, size))
                first, size = s + 1, 0
    return tasks


def _mapped(function, tasks, jobs):
    """Results of ``function`` over the tasks in their order; the largest tasks are started first."""
    if jobs == 1:
        return [function(task) for task in tasks]
    order = sorted(range(len(tasks)), key=lambda i: -tasks[i].bound)
    results: list = [None] * len(tasks)
    with ThreadPoolExecutor(jobs) as pool:
        for i, result in zip(order, pool.map(function, [tasks[i] for i in order]), strict=True):
            results[i] = result
    return results


def _run_into(levels, table, work, task, mode, packed, bases) -> int:
    """Run one task into its own stretch of the buffers; returns how many rows it filled."""
    level = levels[task.level]
    if level.dim == 1:
        return _run_last(level, table, work, mode, packed, bases)
    begin(level, work, task.first, task.stop)
    is_done, count = _searched(level, table, work, mode, packed, bases)
    if not is_done:
        raise MeasurelpError(
            "an arrangement has more cells than the proved bound: please report it"
        )
    return count


def _searched(level, table, work, mode, packed, bases, start=0) -> tuple[bool, int]:
    """Go on with a search until it is done or its buffer is full; whether it is done, and rows in all."""
    status = PAUSED
    while status == PAUSED:
        status, start = search(level, table, work, mode, packed, bases, start, start + _TURN)
    if status == NOT_GENERIC:
        raise _NotGeneric
    return status == DONE, int(start)


def _run_last(level, table, work, mode, packed, bases) -> int:
    if not last_cell(level, table, work, packed[0]):
        raise _NotGeneric
    if mode == BASES:
        bases[0, 0] = 0
        bases[0, 1:] = [level.n + j - 1 for j in range(level.rank, 1, -1)]
    return 1


def _redrawn(arrangement: Arrangement, run: Callable[[int, bool], _Result]) -> _Result:
    """``run(seed, with_residues)`` for the first seed whose flags are generic; few cells are tried without residues."""
    attempts = [(seed, True) for seed in range(_SEEDS)]
    if arrangement.bound_cells() <= _FEW_CELLS:
        attempts.insert(0, (0, False))
    for seed, with_residues in attempts:
        try:
            return run(seed, with_residues)
        except _NotGeneric:
            continue
    raise MeasurelpError(f"no generic flags in {_SEEDS} draws: please report these data")


def _counted(arrangement: Arrangement, seed: int, jobs: int, residues: bool) -> int:
    levels, table = lowered(arrangement, seed, residues)
    return 2 * sum(_counts(levels, table, _tasks(levels, jobs), jobs))


def _counts(levels, table, tasks, jobs) -> list[int]:
    """Cells of the half by task."""
    nothing = np.empty((0, 1), dtype=np.uint64)
    no_bases = np.empty((0, 1), dtype=np.int32)

    def run(task: _Task) -> int:
        level = levels[task.level]
        if level.dim == 1:
            return 1
        work = new_work(level, table)
        begin(level, work, task.first, task.stop)
        return _searched(level, table, work, COUNT, nothing, no_bases)[1]

    return _mapped(run, tasks, jobs)


def _buffers(rows: int, n_words: int, n_bases: int) -> tuple[np.ndarray, np.ndarray]:
    """Room for packed signs and bases; pages that are never written are never committed."""
    packed = np.empty((rows, n_words), dtype=np.uint64)
    return packed, np.empty((rows if n_bases else 0, max(n_bases, 1)), dtype=np.int32)


def _complete(
    arrangement: Arrangement, seed: int, witness: bool, jobs: int, residues: bool = True
) -> Cells:
    levels, table = lowered(arrangement, seed, residues)
    tasks = _tasks(levels, jobs)
    mode, n_bases = (BASES, arrangement.rank) if witness else (SIGNS, 0)
    n_words = levels[0].n_words
    try:
        packed, bases = _buffers(sum(task.bound for task in tasks), n_words, n_bases)
    except MemoryError:  # the bound is too much even uncommitted: a first pass finds the true sizes
        counts = _counts(levels, table, tasks, jobs)
        tasks = [task._replace(bound=count) for task, count in zip(tasks, counts, strict=True)]
        packed, bases = _buffers(sum(counts), n_words, n_bases)
    offsets = [0, *accumulate(task.bound for task in tasks)]
    end = 0
    if jobs == 1:
        work = new_work(levels[0], table)
        for task in tasks:
            end += _run_into(levels, table, work, task, mode, packed[end:], bases[end:])
    else:
        spans = {task: slice(at, at + task.bound) for task, at in zip(tasks, offsets, strict=False)}

        def run(task: _Task) -> int:
            work, span = new_work(levels[task.level], table), spans[task]
            return _run_into(levels, table, work, task, mode, packed[span], bases[span])

        for at, count in zip(offsets, _mapped(run, tasks, jobs), strict=False):
            _move_rows(packed, at, end, count)
            if witness:
                _move_rows(bases, at, end, count)
            end += count
    packed.resize((end, n_words), refcheck=False)
    points = None
    if witness:
        bases.resize((end, n_bases), refcheck=False)
        points = interior_points(arrangement, seed, packed, bases, jobs)
    packed.setflags(write=False)
    return Cells(arrangement, packed, Scope.COMPLETE, points)


def _move_rows(array: np.ndarray, source: int, target: int, count: int) -> None:
    """Move rows within a C-contiguous array (stretches may overlap)."""
    if source != target and count:
        base, row = array.ctypes.data, array.strides[0]
        ctypes.memmove(base + target * row, base + source * row, count * row)


def _blocks(arrangement: Arrangement, half: int, witness: bool) -> Iterator[Cells]:
    if arrangement.rank == 0:
        yield _single_cell(arrangement, witness)
        return
    given = False
    for seed in range(_SEEDS):
        try:
            for cells in _blocks_of_draw(arrangement, seed, half, witness):
                yield cells
                given = True
            return
        except _NotGeneric:
            if given:
                break
    raise MeasurelpError("the flags were not generic for these data; enumerate_cells draws others")


def _blocks_of_draw(arrangement, seed, half, witness) -> Iterator[Cells]:
    levels, table = lowered(arrangement, seed)
    mode, n_bases = (BASES, arrangement.rank) if witness else (SIGNS, 0)
    half = min(half, max(1, arrangement.bound_cells() // 2))

    def finished(packed, bases, count):
        packed.resize((count, packed.shape[1]), refcheck=False)
        points = interior_points(arrangement, seed, packed, bases[:count]) if witness else None
        packed.setflags(write=False)
        return Cells(arrangement, packed, Scope.COMPLETE, points)

    packed, bases = _buffers(half, levels[0].n_words, n_bases)
    count = 0
    for task in _tasks(levels, 1):
        level = levels[task.level]
        work = new_work(level, table)
        if level.dim == 1:
            if count == half:
                yield finished(packed, bases, count)
                packed, bases = _buffers(half, levels[0].n_words, n_bases)
                count = 0
            count += _run_last(level, table, work, mode, packed[count:], bases[count:])
            continue
        begin(level, work, task.first, task.stop)
        while True:
            is_done, count = _searched(level, table, work, mode, packed, bases, count)
            if is_done:
                break
            yield finished(packed, bases, count)
            packed, bases = _buffers(half, levels[0].n_words, n_bases)
            count = 0
    if count:
        yield finished(packed, bases, count)
