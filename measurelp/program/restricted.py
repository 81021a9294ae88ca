r"""The convex program over a few given cells, built fast because it is solved in a loop.

For cells k with sign :math:`s_k` and slopes :math:`D_k` (a diagonal: what the activation does on
the cell, 0 or 1 for the ReLU) the network restricted to them is linear in the weights
:math:`u_k`,

.. math:: \mathrm{fit} = \sum_k s_k D_k X u_k + S c , \qquad
          \sigma_{ki} \langle x_i, u_k \rangle \ge 0 \text{ on the imposed walls,}

and the program is :math:`\min L(\mathrm{fit}) + \lambda \sum_k |u_k|_2`, or
:math:`\min \sum_k |u_k|_2` subject to fit = y (Pilanci and Ergen 2020).

What the solver sees
--------------------
Let m be the root mean square norm of the columns of X and :math:`\tau` the size of the targets.
With :math:`u = (\tau/m) v` and :math:`\lambda' = \lambda/(m\tau)` all numbers are O(1), and so
is the dual, for which the sup of its function over the ball is 1.  For the squared loss, with
the residual :math:`z = (\mathrm{fit} - y)/(\tau\lambda')` in units of the solver,

.. math:: \min\; \tfrac{\lambda'}{2}|z|^2 + \sum_k t_k \quad\text{s.t.}\quad
          \tfrac1m M v + S' c' - \lambda' z = y/\tau,\; |v_k| \le t_k,\; \text{walls;}

interpolation is the case :math:`\lambda' = 0` without z, and other losses put their own cone form
(:class:`~measurelp.problem.ConeForm`) in the place of the equalities.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from measurelp.errors import InvalidProblem
from measurelp.problem.losses import Loss
from measurelp.program.cone_program import ConeProgram, csc_from_triplets
from measurelp.program.loss_block import (
    Columns,
    LossBlock,
    Multiplier,
    SolvedPoint,
    Triplets,
    dense_triplets,
    joined,
    loss_block,
)

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class CellLift:
    r"""The way back from a solver's vectors to weights, skip coefficients and dual.

    Attributes
    ----------
    rows, slopes, signs, skip_columns
        The data of :func:`restricted_program`; ``slopes`` (K, n) is D.
    weight_scale : float
        :math:`\tau/m`: weights are this multiple of the solver's.
    skip_scale : (p,) array
        The same for the skip coefficients, one factor a column.
    multiplier : Multiplier
        How the dual vector is read.
    n_equalities : int
        The first rows of the program, if they are fit = target and nothing else is in them.
    objective_scale, objective_offset : float
        The objective is ``objective_scale * (solver's objective) + objective_offset``.
    """

    rows: Matrix
    slopes: Matrix
    signs: NDArray[np.float64]
    skip_columns: Matrix
    weight_scale: float
    skip_scale: Vector
    multiplier: Multiplier
    n_equalities: int
    objective_scale: float
    objective_offset: float

    def weights(self, x: Vector) -> Matrix:
        """The weights u_k of the cells, shape (K, r)."""
        n_cells, width = len(self.signs), self.rows.shape[1]
        return x[: n_cells * width].reshape(n_cells, width) * self.weight_scale

    def skip(self, x: Vector) -> Vector:
        """The coefficients of the skip columns, shape (p,)."""
        start = len(self.signs) * self.rows.shape[1]
        return x[start : start + len(self.skip_scale)] * self.skip_scale

    def fit(self, x: Vector) -> Vector:
        r"""The cells' linear function :math:`\sum_k s_k D_k X u_k + Sc` on the data, (n,)."""
        inner = self.rows @ (self.weights(x) * self.signs[:, None]).T
        inner *= self.slopes.T
        return inner.sum(axis=1) + self.skip_columns @ self.skip(x)

    def objective(self, value: float) -> float:
        """The objective of the program over cells from that of the cone program."""
        return self.objective_scale * value + self.objective_offset

    def dual(self, report: SolvedPoint) -> Vector | None:
        r"""The dual vector alpha, (n,); None where the report has none.

        For the squared loss, minus the gradient at the fit, y - fit, computed anew from the
        data.  For interpolation, the multiplier q of fit = y with the sign of
        :math:`\max \langle q, y\rangle` subject to
        :math:`|\sum_i q_i \langle x_i, w\rangle_+| \le |w|`.  From a proof of infeasibility
        the same formula makes a direction with <q, y> > 0 along which no cell of the program
        has a positive value of its signed function: price new cells with it.  For other
        losses, minus the gradient at the fit where there is one, else the multiplier, clipped
        to the domain of the dual objective.
        """
        return self.multiplier(report, self.fit)


def restricted_program(
    rows: Matrix,
    patterns: NDArray[np.bool_],
    signs: NDArray[np.float64],
    walls: Sequence[NDArray[np.intp]],
    *,
    y: Vector,
    lam: float,
    loss: Loss,
    skip_columns: Matrix,
    n_penalized: int,
    weight: Vector | None = None,
    activation: tuple[float, float] = (1.0, 0.0),
) -> tuple[ConeProgram, CellLift]:
    r"""The cone program over K cells, and the way back.

    Parameters
    ----------
    rows : (n, r) array
        The data as hidden units see them.
    patterns : (K, n) bool array
        The active rows of each cell.
    signs : (K,) array of +-1
        The sign of the output weight on each cell.
    walls : K integer arrays
        For each cell the rows whose inequality is imposed:
        ``+<rows_i, u_k> >= 0`` where row i is active and ``-<rows_i, u_k> >= 0`` elsewhere.
    y : (n,) array
    lam : float
        Factor of the total variation; not used by a hard constraint.
    loss : Loss
    skip_columns : (n, p) array
        Unpenalised columns, p may be 0.
    n_penalized : int
        How many leading entries of u_k count in its norm, 1 to r.
    weight : (n,) array, optional
        Sample weights >= 0 for losses but the squared one, whose rows are scaled instead.
    activation : (float, float)
        p and q of the activation :math:`p\,t_+ + q\,(-t)_+`.

    Returns
    -------
    ConeProgram, CellLift

    Raises
    ------
    InvalidProblem
        When there is nothing to optimise.

    Notes
    -----
    The squared loss with more rows than columns (n > Kr + p) is compressed by a QR of
    [columns | y], so the program's size does not depend on n; a residual variable z with
    Rx - r = z keeps the accuracy of R, which its Gram matrix would halve.  Equalities that
    depend on each other are replaced by an orthonormal basis, see
    :func:`~measurelp.program.compression.independent_equalities`.  Order of the
    variables: u, skip, t, those of the loss; of the rows: the loss, walls (and |u| <= t where
    the norm is an absolute value), second-order cones, exponential cones.
    """
    width = rows.shape[1]
    n_cells, n_skip = len(patterns), skip_columns.shape[1]
    n_linear = n_cells * width + n_skip
    if n_linear == 0:
        raise InvalidProblem("patterns: expected at least one cell or one skip column, found none.")
    signs = np.asarray(signs, dtype=np.float64)

    slopes = np.where(patterns, activation[0], -activation[1])
    column_scale = float(np.linalg.norm(rows)) / np.sqrt(width) or 1.0
    skip_norms = np.linalg.norm(skip_columns, axis=0)
    skip_norms[skip_norms == 0.0] = 1.0
    columns = _columns(rows / column_scale, slopes, signs, skip_columns / skip_norms)
    block = loss_block(columns, y=y, lam=lam, loss=loss, weight=weight, column_scale=column_scale)
    program = _assemble(
        block, _wall_triplets(rows, patterns, walls), n_cells, width, n_linear, n_penalized
    )
    return program, CellLift(
        rows=rows, slopes=slopes, signs=signs, skip_columns=skip_columns,
        weight_scale=block.y_scale / column_scale, skip_scale=block.y_scale / skip_norms,
        multiplier=block.multiplier, n_equalities=block.n_equalities,
        objective_scale=block.value_scale, objective_offset=block.offset,
    )  # fmt: skip


def _columns(rows: Matrix, slopes: Matrix, signs: Vector, skip: Matrix) -> Columns:
    """The columns [s_1 D_1 X, ..., s_K D_K X, S]."""
    n_cells, width = len(slopes), rows.shape[1]
    n_columns = n_cells * width + skip.shape[1]

    def dense(part: slice) -> Matrix:
        here = rows[part]
        signed = slopes[:, part].T * signs
        out = np.empty((len(here), n_columns))
        np.multiply(
            signed[:, :, None], here[:, None, :],
            out=out[:, : n_cells * width].reshape(len(here), n_cells, width),
        )  # fmt: skip
        out[:, n_cells * width :] = skip[part]
        return out

    def triplets() -> Triplets:
        cell, row = np.nonzero(slopes)
        factor = slopes[cell, row] * signs[cell]
        skip_row, skip_column, skip_value = dense_triplets(skip)
        return (
            np.concatenate([np.repeat(row, width), skip_row]),
            np.concatenate([(cell[:, None] * width + np.arange(width)).ravel(),
                            skip_column + n_cells * width]),
            np.concatenate([(rows[row] * factor[:, None]).ravel(), skip_value]),
        )  # fmt: skip

    return Columns(len(rows), n_columns, dense, triplets)


def _wall_triplets(
    rows: Matrix, patterns: NDArray[np.bool_], walls: Sequence[NDArray[np.intp]]
) -> tuple[Triplets, int]:
    """Entries of -sigma_i <rows_i, u_k> / |rows_i| <= 0, and how many walls there are."""
    width = rows.shape[1]
    counts = np.fromiter((len(w) for w in walls), dtype=np.intp, count=len(walls))
    total = int(counts.sum())
    if total == 0:
        empty = np.zeros(0, dtype=np.intp)
        return (empty, empty, np.zeros(0)), 0
    index = np.concatenate([np.asarray(w, dtype=np.intp) for w in walls])
    cell = np.repeat(np.arange(len(walls)), counts)
    normal = rows[index]
    length = np.linalg.norm(normal, axis=1)
    length[length == 0.0] = 1.0
    factor = np.where(patterns[cell, index], -1.0, 1.0) / length
    return (
        np.repeat(np.arange(total), width),
        (cell[:, None] * width + np.arange(width)).ravel(),
        (normal * factor[:, None]).ravel(),
    ), total


def _assemble(
    block: LossBlock, walls: tuple[Triplets, int], n_cells: int, width: int, n_linear: int,
    n_penalized: int,
) -> ConeProgram:  # fmt: skip
    """Put loss, walls and cones together; variables u, skip, t, those of the loss."""
    (wall_row, wall_column, wall_value), n_walls = walls
    n_first = len(block.first_rhs)
    n_auxiliary = len(block.linear)
    n_variables = n_linear + n_cells + n_auxiliary
    cells = np.arange(n_cells)
    first_row = n_first + n_walls
    if n_penalized == 1:
        # |u| <= t is two inequalities: the program stays linear.
        n_cone_rows = 2 * n_cells
        soc: tuple[int, ...] = ()
        cone_row = first_row + np.concatenate([2 * cells, 2 * cells, 2 * cells + 1, 2 * cells + 1])
        cone_column = np.concatenate([cells * width, n_linear + cells] * 2)
        cone_value = np.repeat([1.0, -1.0, -1.0, -1.0], n_cells)
        nonneg = n_walls + n_cone_rows
    else:
        size = n_penalized + 1
        n_cone_rows, soc = n_cells * size, (size,) * n_cells
        cone_row = first_row + np.arange(n_cone_rows)
        entry = np.arange(n_penalized)
        column = np.empty((n_cells, size), dtype=np.intp)
        column[:, 0] = n_linear + cells
        column[:, 1:] = cells[:, None] * width + entry
        cone_column = column.ravel()
        cone_value = np.full(n_cone_rows, -1.0)
        nonneg = n_walls
    n_rows = first_row + n_cone_rows

    def moved(entries: Triplets, row: int) -> Triplets:
        """Rows further down, and auxiliary variables behind the t."""
        past = entries[1] >= n_linear
        return entries[0] + row, entries[1] + n_cells * past, entries[2]

    matrix = csc_from_triplets(
        *joined(
            moved(block.first, 0), (n_first + wall_row, wall_column, wall_value),
            (cone_row, cone_column, cone_value), moved(block.last, n_rows),
        ),
        (n_rows + len(block.last_rhs), n_variables),
    )  # fmt: skip
    q = np.zeros(n_variables)
    if block.cost is not None:
        q[:n_linear] = block.cost
    q[n_linear : n_linear + n_cells] = 1.0
    q[n_linear + n_cells :] = block.linear
    quadratic = None
    bent = np.flatnonzero(block.quadratic)
    if len(bent):
        pointers = np.zeros(n_variables + 1, dtype=np.int32)
        pointers[n_linear + n_cells + 1 :] = np.cumsum(block.quadratic != 0.0)
        quadratic = sparse.csc_array(
            (block.quadratic[bent], (n_linear + n_cells + bent).astype(np.int32), pointers),
            shape=(n_variables, n_variables),
        )
    b = np.concatenate([block.first_rhs, np.zeros(n_walls + n_cone_rows), block.last_rhs])
    return ConeProgram(
        quadratic, q, matrix, b, zero=block.zero, nonneg=block.nonneg + nonneg, soc=soc,
        exponential=len(block.last_rhs) // 3,
    )  # fmt: skip
