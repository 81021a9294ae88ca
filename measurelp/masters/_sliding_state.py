"""What the kernels of the sliding Newton method work on."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

COUNT, STEPS, FAILED = 0, 1, 2  # slots of counts


class Data(NamedTuple):
    """The problem: rows (r, n), their lengths (n,), the skip's orthonormal columns (q, n), y (n,)."""

    rows: NDArray[np.float64]
    sizes: NDArray[np.float64]
    skip_columns: NDArray[np.float64]
    y: NDArray[np.float64]
    lam: float
    n_penalized: int


class State(NamedTuple):
    """Neurons, with room for more than ``counts[COUNT]``.

    Of ``walls`` (k, r), row indices, the first ``n_walls`` (k,) count.  ``basis`` (k, r, r) is
    orthogonal: its first columns span the normals of the walls, the others the face; the unit
    normals are basis @ upper.
    """

    weights: NDArray[np.float64]
    signs: NDArray[np.float64]
    skip: NDArray[np.float64]
    walls: NDArray[np.int64]
    n_walls: NDArray[np.int64]
    basis: NDArray[np.float64]
    upper: NDArray[np.float64]
    counts: NDArray[np.int64]


class Work(NamedTuple):
    """What a step needs; ``active`` (k, n) are the sides that ``gram`` and ``cross`` were made of."""

    inner: NDArray[np.float64]
    change: NDArray[np.float64]
    active: NDArray[np.uint8]
    gram: NDArray[np.float64]
    cross: NDArray[np.float64]
    residual: NDArray[np.float64]
    rate: NDArray[np.float64]
    base: NDArray[np.float64]
    gradients: NDArray[np.float64]
    moves: NDArray[np.float64]
    skip_move: NDArray[np.float64]
    slopes: NDArray[np.float64]
    lengths: NDArray[np.float64]
    hits: NDArray[np.int64]
    times: NDArray[np.float64]
    kinks: NDArray[np.int64]
