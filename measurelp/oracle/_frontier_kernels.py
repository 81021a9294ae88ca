"""Compiled store of the open nodes of a tree: the highest bound first while there is room.

Nodes are slots of arrays that belong to the tree.  ``frontier`` is a tuple (key, age, heap,
pile, free, counts): bound and arrival of each slot, a binary heap of slots by falling bound
(among equals the newest), a pile of slots, the free slots, and how many each of them holds.
Work goes best first from the heap; a tree that has no room left puts children on the pile,
which is emptied before the heap is looked at again, so that it needs no more room than the
depth of a path.
"""

from __future__ import annotations

from measurelp._jit_kernels import inner

# Slots of ``counts``.
N_HEAP, N_PILE, N_FREE, CLOCK = 0, 1, 2, 3

# Why a sweep returned.
DONE = 0
PAUSED = 1  # the nodes or the work of this call are used up
GROW = 2  # the arrays are full

# Slots of the integer and float state of a tree.
NODES, WORK, N_PEAKS, MAX_DEPTH, NEXT_ROOT, END_ROOT = 0, 1, 2, 3, 4, 5
BEST, UPPER = 0, 1


@inner()
def put(frontier, slot, bound, on_pile):
    """Let a slot wait: on the pile, or in the heap."""
    key, age, heap, pile, _free, counts = frontier
    key[slot] = bound
    age[slot] = counts[CLOCK]
    counts[CLOCK] += 1
    if on_pile:
        pile[counts[N_PILE]] = slot
        counts[N_PILE] += 1
        return
    at = counts[N_HEAP]
    counts[N_HEAP] += 1
    while at > 0:
        above = (at - 1) // 2
        # The newcomer is the youngest, so it passes its equals.
        if key[heap[above]] > bound:
            break
        heap[at] = heap[above]
        at = above
    heap[at] = slot


@inner()
def peek(frontier):
    """The slot that comes next; -1 when none waits."""
    _key, _age, heap, pile, _free, counts = frontier
    if counts[N_PILE] > 0:
        return pile[counts[N_PILE] - 1]
    if counts[N_HEAP] > 0:
        return heap[0]
    return -1


@inner()
def take(frontier):
    """Remove the slot that comes next, which is neither waiting nor free afterwards."""
    key, age, heap, pile, _free, counts = frontier
    if counts[N_PILE] > 0:
        counts[N_PILE] -= 1
        return pile[counts[N_PILE]]
    first = heap[0]
    counts[N_HEAP] -= 1
    size = counts[N_HEAP]
    if size > 0:
        moved = heap[size]
        at = 0
        while True:
            below = 2 * at + 1
            if below >= size:
                break
            if below + 1 < size:
                a, b = heap[below], heap[below + 1]
                if key[b] > key[a] or (key[b] == key[a] and age[b] > age[a]):
                    below += 1
            a = heap[below]
            if not (key[a] > key[moved] or (key[a] == key[moved] and age[a] > age[moved])):
                break
            heap[at] = a
            at = below
        heap[at] = moved
    return first


@inner()
def reserve(frontier):
    """A free slot."""
    free, counts = frontier[4], frontier[5]
    counts[N_FREE] -= 1
    return free[counts[N_FREE]]


@inner()
def release(frontier, slot):
    """Give a slot back."""
    free, counts = frontier[4], frontier[5]
    free[counts[N_FREE]] = slot
    counts[N_FREE] += 1


@inner()
def record(peaks, peak_values, ints, w, value, better):
    """Keep a point with its signed value; when there is no room, only if it is the best so far."""
    slot = ints[N_PEAKS]
    if slot == peaks.shape[0]:
        if not better:
            return
        slot -= 1
    for c in range(w.shape[0]):
        peaks[slot, c] = w[c]
    peak_values[slot] = value
    ints[N_PEAKS] = slot + 1
