"""Compiled store of the rows that cut the open cones of a tree.

``chunks`` says which rows of the arena are free: pieces of 8 * 2^k rows are handed out and come
back, and the first row of a free piece holds the start of the next one.
"""

from __future__ import annotations

from measurelp._jit_kernels import inner

# Slots of ``chunks``: rows of the arena ever used, rows in use, and for each size 8 * 2^k the
# first free chunk, whose first row holds the next one; -1 for none.
BUMP, LIVE, FIRST_FREE = 0, 1, 2


@inner()
def size_class(count):
    k = 0
    while (8 << k) < count:
        k += 1
    return k


@inner()
def allocate(chunks, arena_row, count):
    """Where ``count`` rows of the arena are free; they are the caller's from now on."""
    if count == 0:
        return 0
    k = size_class(count)
    chunks[LIVE] += 8 << k
    start = chunks[FIRST_FREE + k]
    if start >= 0:
        chunks[FIRST_FREE + k] = arena_row[start]
    else:
        start = chunks[BUMP]
        chunks[BUMP] += 8 << k
    return start


@inner()
def free(chunks, arena_row, start, count):
    """Give back what was allocated for ``count`` rows."""
    if count > 0:
        k = size_class(count)
        chunks[LIVE] -= 8 << k
        arena_row[start] = chunks[FIRST_FREE + k]
        chunks[FIRST_FREE + k] = start


@inner()
def add(total, carry, j, term):
    """Neumaier's compensated addition of ``term`` to total[j] + carry[j]."""
    new = total[j] + term
    if abs(total[j]) >= abs(term):
        carry[j] += (total[j] - new) + term
    else:
        carry[j] += (term - new) + total[j]
    total[j] = new
