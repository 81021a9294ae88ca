"""The trees of the branch and bound over cones for several outputs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from measurelp.oracle import _vector_kernels as kernels
from measurelp.oracle.cone_tree import ConeTree
from measurelp.oracle.dual_function import ROUNDOFF, row_sizes
from measurelp.oracle.row_store import PlainRows
from measurelp.oracle.tree_search import Goal, Points

Matrix = NDArray[np.float64]
_PARALLEL = 8.0 * ROUNDOFF  # relative distance of a row from a line up to which it joins it


class VectorConeTree(ConeTree):
    r"""All orthants: :math:`\sup|F|`, F(w) = sum_i alpha_i <x_i, w>_+ with alpha_i in R^c.

    Rows on one line are one cut: x = k u with k < 0 has <x, w>_+ = |k| (<u, w>_+ - <u, w>), so F is
    a linear function plus one term a line.  What that loses is charged.
    """

    rows_type = PlainRows

    def _open(self, part: PlainRows) -> tuple[int, int]:
        n, r = part.rows.shape
        c = part.alpha.shape[1]
        self.lines, self.weights, self.linear, lost = merged_lines(part.rows, part.alpha)
        self.sizes = row_sizes(self.weights) * (1.0 + (c + 8) * ROUNDOFF)
        size = row_sizes(part.alpha)
        self.reach = 2.0 * float(size @ np.max(np.abs(part.rows), axis=1, initial=0.0))
        # Sums over the rows of a line, each off by 2 u of the terms it adds up.
        whole = float(size @ np.linalg.norm(part.rows, axis=1))
        self.lost = lost + 8.0 * (n - len(self.lines) + 4) * ROUNDOFF * whole
        self.frames = (
            np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0),
            np.zeros((0, r, r)), np.zeros((0, r, r)), np.zeros((0, r, c)), np.zeros((0, c)),
        )  # fmt: skip
        return 1 << r, r + 1

    def _sweep(self, part: PlainRows, goal: Goal, nodes: int, work: int, peaks: Points) -> int:
        return int(kernels.sweep(
            self.lines, self.weights, self.sizes, self.linear, self.reach, self.top, self.frames,
            self.arena_row, self.arena_v, self.chunks, self.frontier, self.most_live,
            self.most_open, self.ints, self.floats, goal.level, goal.tolerance, nodes, work, *peaks,
        ))  # fmt: skip

    def _slack(self) -> float:
        return super()._slack() + self.lost


def merged_lines(rows: Matrix, alpha: Matrix) -> tuple[Matrix, Matrix, Matrix, float]:
    r"""One row a line, its coefficients, a linear part (c, r), and a bound of what that loses.

    .. math:: \sum_i \alpha_i\langle x_i, w\rangle_+ = L w + \sum_l A_l\langle u_l, w\rangle_+
    """
    r = rows.shape[1]
    lengths = np.linalg.norm(rows, axis=1)
    used = np.flatnonzero(lengths > 0.0)
    first = np.argmax(np.abs(rows[used]) > 0.5 / np.sqrt(r) * lengths[used, None], axis=1)
    side = np.sign(rows[used, first])
    key = np.round(rows[used] / (side * lengths[used])[:, None], 11) + 0.0
    order = np.lexsort(key.T[::-1])
    is_new = np.ones(len(order), dtype=bool)
    is_new[1:] = np.any(key[order[1:]] != key[order[:-1]], axis=1)
    head = used[order][np.maximum.accumulate(np.where(is_new, np.arange(len(order)), 0))]
    member = used[order]
    factor = np.einsum("ij,ij->i", rows[member], rows[head]) / lengths[head] ** 2
    factor[member == head] = 1.0
    gap = np.linalg.norm(rows[member] - factor[:, None] * rows[head], axis=1)
    apart = gap > _PARALLEL * lengths[member]
    head, factor, gap = (
        np.where(apart, member, head),
        np.where(apart, 1.0, factor),
        np.where(apart, 0.0, gap),
    )
    lines, index = np.unique(head, return_inverse=True)
    weights = np.zeros((len(lines), alpha.shape[1]))
    np.add.at(weights, index, np.abs(factor)[:, None] * alpha[member])
    back = factor < 0.0
    linear = (alpha[member[back]] * factor[back, None]).T @ rows[head[back]]
    merged = member != head
    size = row_sizes(alpha[member[merged]])
    lost = float(size @ (gap[merged] + 4.0 * ROUNDOFF * lengths[member[merged]]))
    kept = row_sizes(weights) > 0.0
    return (
        np.ascontiguousarray(rows[lines[kept]]),
        weights[kept],
        np.ascontiguousarray(linear),
        lost,
    )
