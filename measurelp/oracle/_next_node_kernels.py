"""Compiled choice of what a sweep over cones does next, whatever its nodes hold.

What is done by now is given up, the next root is opened or the next node is taken: best first,
or from the pile while there is no room for more open nodes.
"""

from __future__ import annotations

from measurelp._jit_kernels import inner
from measurelp.oracle._arena_kernels import BUMP, LIVE, free, size_class
from measurelp.oracle._frontier_kernels import (
    BEST,
    DONE,
    END_ROOT,
    GROW,
    N_FREE,
    N_PILE,
    NEXT_ROOT,
    PAUSED,
    UPPER,
    peek,
    release,
    reserve,
    take,
)

# What is to be done, beside the reasons for which a sweep returns.
NODE = 3
ROOT = 4


@inner()
def next_node(
    frontier, chunks, arena_row, begin, count, n, most_live, most_open, ints, floats, level,
    tolerance, is_used_up,
):  # fmt: skip
    """Why the sweep returns, NODE or ROOT; the slot; whether its children go on the pile.

    For ROOT the slot is a free one, for the root that ``ints`` says, which may cut all n rows.
    ``is_used_up``: nothing more may be done in this sweep, but giving up what is done.
    """
    counts = frontier[5]
    threshold = max(level, floats[BEST] * (1.0 + tolerance))
    while True:
        frame = peek(frontier)
        n_open = frontier[0].shape[0] - counts[N_FREE]
        on_pile = counts[N_PILE] > 0 or not (chunks[LIVE] < most_live and n_open < most_open)
        if frame >= 0 and frontier[0][frame] <= threshold:
            floats[UPPER] = max(floats[UPPER], frontier[0][frame])
            take(frontier)
            free(chunks, arena_row, begin[frame], count[frame])
            release(frontier, frame)
            continue
        opens = ints[NEXT_ROOT] < ints[END_ROOT] and (frame < 0 or not on_pile)
        if frame < 0 and not opens:
            return DONE, frame, on_pile
        if is_used_up:
            return PAUSED, frame, on_pile
        most = n if opens else count[frame]
        if counts[N_FREE] < 3 or chunks[BUMP] + (24 << size_class(most)) > arena_row.shape[0]:
            return GROW, frame, on_pile
        if opens:
            return ROOT, reserve(frontier), on_pile
        return NODE, take(frontier), on_pile
