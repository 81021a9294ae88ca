"""The store of open nodes as NumPy sees it: made, enlarged, read and refilled.

What its arrays are is said in ``_frontier_kernels``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from measurelp.oracle._frontier_kernels import N_FREE, N_HEAP, N_PILE

Frontier = tuple[NDArray[Any], ...]


def new_frontier(capacity: int) -> Frontier:
    """An empty frontier with ``capacity`` free slots."""
    return (
        np.zeros(capacity), np.zeros(capacity, np.int64), np.zeros(capacity, np.int64),
        np.zeros(capacity, np.int64), np.arange(capacity)[::-1].copy(),
        np.array([0, 0, capacity, 0]),
    )  # fmt: skip


def larger_frontier(frontier: Frontier, capacity: int) -> Frontier:
    """The same frontier with more slots."""
    key, age, heap, pile, free = (longer(part, capacity) for part in frontier[:5])
    counts = frontier[5].copy()
    old, n_free = len(frontier[0]), int(counts[N_FREE])
    free[n_free : n_free + capacity - old] = np.arange(old, capacity)[::-1]
    counts[N_FREE] += capacity - old
    return key, age, heap, pile, free, counts


def longer(array: NDArray[Any], length: int) -> NDArray[Any]:
    """The array with room appended, whose content is arbitrary."""
    new = np.empty((length, *array.shape[1:]), array.dtype)
    new[: len(array)] = array
    return new


def filled_frontier(key: NDArray[np.float64]) -> Frontier:
    """A frontier in whose slots nodes with falling bounds wait."""
    size = len(key)
    return (
        key.copy(), np.arange(size)[::-1].copy(), np.arange(size), np.zeros(size, np.int64),
        np.zeros(size, np.int64), np.array([size, 0, 0, size]),
    )  # fmt: skip


def open_slots(frontier: Frontier) -> NDArray[np.int64]:
    """All slots that are waiting, by falling bound, among equals the newest first."""
    key, age, heap, pile, _free, counts = frontier
    slots = np.concatenate([heap[: counts[N_HEAP]], pile[: counts[N_PILE]]])
    return np.asarray(slots[np.lexsort((-age[slots], -key[slots]))])
