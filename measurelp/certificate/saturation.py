r"""Where :math:`|\eta|` can reach its limit: a search of all of weight space that is a proof.

An oracle's bracket on the supremum does not say where it is reached: a branch and bound
prunes whatever does not exceed the *best* value, so with several peaks of one height it may
never look at all of them.  Here simplicial cones are split until each is either *below*, that
is proved to stay under a given level, or *inside* the cone of a listed peak, on which the peak
alone can reach its height (:mod:`measurelp.certificate.peaks`).  When no cone is left, every
point with :math:`|\eta|` at or above the level is in the cone of a listed peak.

On a cone with generators :math:`r_j`, rows that do not cut it are linear; a cut row with a
positive coefficient lies below the chord through its values, one with a negative coefficient
below any tangent.  So :math:`\eta\le\sum_j t_j h_j` for :math:`w=\sum_j t_j r_j`, and with any
unit vector c, :math:`\langle c, r_j\rangle > 0`, that is at most
:math:`\max_j (h_j/\langle c, r_j\rangle)_+ |w|`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from measurelp.certificate.peaks import Landscape, Matrix, Peak, Vector

_ROUNDOFF = 2.0**-53
_BATCH = 2_000_000  # numbers that one batch of cones may hold
_MOST_CONES = 4096
_CLEAR = 1e-12  # by how much of its length a row must keep its sign to count as doing so
_SMALLEST = 1e-9  # cones with a longer edge are split


@dataclass(frozen=True, eq=False)
class Cover:
    """What is left of weight space: cones that are neither below nor inside.

    Attributes
    ----------
    cones : (q, r, r) array
        Generators in rows.
    signs : (q,) array
        Which of eta and -eta is not settled there.
    nodes : int
    """

    cones: NDArray[np.float64]
    signs: Vector
    nodes: int

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left."""
        return len(self.cones) == 0

    @property
    def centres(self) -> Matrix:
        """A point of each cone."""
        return np.asarray(self.cones.sum(axis=1))


def whole_space(landscape: Landscape) -> Cover:
    r"""The orthants, for both signs.

    With a free bias, prisms over the orthants of the penalised coordinates, |b| <= |w|_1 in
    coordinates in which all kinks have |b| <= |w|.  Beyond, eta does not depend on b because a
    dual vector of a problem with a constant sums to zero.
    """
    r, p = landscape.rows.shape[1], landscape.n_penalized
    orthants = 1.0 - 2.0 * ((np.arange(2**p)[:, None] >> np.arange(p)) & 1)
    cones = orthants[:, None, :] * np.eye(p)
    if p < r:
        low = np.concatenate([cones, -np.ones((len(cones), p, 1))], axis=2)
        high = np.concatenate([cones, np.ones((len(cones), p, 1))], axis=2)
        cones = np.concatenate(
            [np.concatenate([low[:, : k + 1], high[:, k:]], axis=1) for k in range(p)]
        )
        cones /= np.linalg.norm(cones, axis=2, keepdims=True)
    return Cover(
        np.concatenate([cones, cones]), np.repeat([1.0, -1.0], len(cones)), nodes=0
    )  # fmt: skip


def refine(
    landscape: Landscape, cover: Cover, peaks: list[Peak], level: float, max_work: float
) -> Cover:
    """Split cones until all are below ``level`` or inside, or so much work (rows) is done.

    ``level`` bounds what the landscape's own dual vector may reach; rounding is charged here.
    """
    cones, signs, nodes = cover.cones, cover.signs, cover.nodes
    m, r = landscape.rows.shape
    most = min(_MOST_CONES, max(64, _BATCH // max(1, m * r)))
    stuck: list[NDArray[np.float64]] = []
    stuck_signs: list[Vector] = []
    work = 0.0
    while len(cones) and work < max_work:
        # Depth first, so that what waits stays small.
        batch, batch_signs = cones[-most:], signs[-most:]
        cones, signs = cones[:-most], signs[:-most]
        nodes += len(batch)
        work += float(len(batch)) * m
        open_ = _open(landscape, batch, batch_signs, peaks, level)
        batch, batch_signs = batch[open_], batch_signs[open_]
        if not len(batch):
            continue
        children, child_signs, small = _children(batch, batch_signs)
        if len(small):
            stuck.append(batch[small])
            stuck_signs.append(batch_signs[small])
            break
        cones, signs = np.concatenate([cones, children]), np.append(signs, child_signs)
    return Cover(
        np.concatenate([cones, *stuck]), np.concatenate([signs, *stuck_signs]), nodes
    )  # fmt: skip


def _open(
    landscape: Landscape, cones: NDArray[np.float64], signs: Vector, peaks: list[Peak], level: float
) -> NDArray[np.bool_]:
    """Which cones are neither below nor inside."""
    rows, alpha, p = landscape.rows, landscape.alpha, landscape.n_penalized
    # Generators are off by a few units for each of the splits that make r (r - 1) / 2 edges small.
    depth = 32.0 * rows.shape[1] ** 2
    rounding = _ROUNDOFF * (8.0 * len(alpha) + 16.0 * depth + 100.0) * landscape.magnitude
    values = np.einsum("ngc,mc->nmg", cones, rows)
    positive = np.maximum(values, 0.0)
    lowest, highest = values.min(axis=2), values.max(axis=2)
    cut = (lowest < 0.0) & (highest > 0.0)
    tangent = values.sum(axis=2) > 0.0
    linear = np.where(cut[:, :, None], np.where(tangent[:, :, None], values, 0.0), positive)
    convex = np.einsum("nmg,m->ng", positive, np.maximum(alpha, 0.0))
    convex_minus = np.einsum("nmg,m->ng", positive, np.maximum(-alpha, 0.0))
    concave = np.einsum("nmg,m->ng", linear, np.maximum(-alpha, 0.0))
    concave_minus = np.einsum("nmg,m->ng", linear, np.maximum(alpha, 0.0))
    heights = np.where(signs[:, None] > 0.0, convex - concave, convex_minus - concave_minus)

    penalised = cones[:, :, :p]
    lengths = np.linalg.norm(penalised, axis=2)
    centre = (penalised / lengths[:, :, None]).sum(axis=1)
    centre /= np.linalg.norm(centre, axis=1)[:, None]
    along = np.einsum("nc,ngc->ng", centre, penalised) * (1.0 - 64.0 * _ROUNDOFF)
    usable = np.all(along > 1e-3 * lengths, axis=1)
    bound = np.max((heights + rounding) / np.where(usable[:, None], along, 1.0), axis=1)
    open_ = ~(usable & (bound < level))

    clear = _CLEAR * np.linalg.norm(rows, axis=1)
    for peak in peaks:
        todo = np.flatnonzero(open_ & (signs == peak.sign))
        if not len(todo):
            continue
        same = (
            peak.walls
            | (peak.active & (lowest[todo] > clear))
            | (~peak.active & (highest[todo] < -clear))
        )
        open_[todo[same.all(axis=1)]] = False
    return open_


def _children(
    cones: NDArray[np.float64], signs: Vector
) -> tuple[NDArray[np.float64], Vector, NDArray[np.intp]]:
    """Both halves of every cone, split along its longest edge; which cones are too small."""
    n, r, _ = cones.shape
    if r == 1:
        return cones[:0], signs[:0], np.arange(n)
    first, second = np.triu_indices(r, 1)
    edges = np.linalg.norm(cones[:, first] - cones[:, second], axis=2)
    longest = np.argmax(edges, axis=1)
    each = np.arange(n)
    small = np.flatnonzero(edges[each, longest] < _SMALLEST)
    i, j = first[longest], second[longest]
    middle = cones[each, i] + cones[each, j]
    middle /= np.linalg.norm(middle, axis=1)[:, None]
    left, right = cones.copy(), cones.copy()
    left[each, i], right[each, j] = middle, middle
    return np.concatenate([left, right]), np.append(signs, signs), small
