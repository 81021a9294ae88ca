r"""The convex program over a few given cells, built fast because it is solved in a loop.

For cells k with sign :math:`s_k` and active rows :math:`D_k` (0/1 diagonal) the network
restricted to them is linear in the weights :math:`u_k`,

.. math:: \mathrm{fit} = \sum_k s_k D_k X u_k + S c , \qquad
          \sigma_{ki} \langle x_i, u_k \rangle \ge 0 \text{ on the imposed walls,}

and the program is :math:`\min \tfrac12|\mathrm{fit} - y|^2 + \lambda \sum_k |u_k|_2` or
:math:`\min \sum_k |u_k|_2` subject to fit = y (Pilanci and Ergen 2020).

What the solver sees
--------------------
Let m be the root mean square norm of the columns of X and :math:`\tau = |y|`.  With
:math:`u = (\tau/m) v`, :math:`\lambda' = \lambda/(m\tau)` and the residual
:math:`z = (\mathrm{fit} - y)/(\tau\lambda')`, in units of the solver, both programs
become

.. math:: \min\; \tfrac{\lambda'}{2}|z|^2 + \sum_k t_k \quad\text{s.t.}\quad
          \tfrac1m M v + S' c' - \lambda' z = y/\tau,\; |v_k| \le t_k,\; \text{walls,}

where interpolation is the case :math:`\lambda' = 0` without z.  All numbers are O(1), and so
is the dual, for which the sup of its function over the ball is 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from measurelp.errors import InvalidProblem
from measurelp.problem.losses import Loss
from measurelp.program.compression import independent_equalities, triangular_least_squares
from measurelp.program.cone_program import ConeProgram, csc_from_triplets

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]
Triplets = tuple[NDArray[np.intp], NDArray[np.intp], Vector]


class SolvedPoint(Protocol):
    """What a lift reads of a backend's report."""

    @property
    def x(self) -> Vector | None:
        """Primal vector, (n_variables,)."""
        ...

    @property
    def z(self) -> Vector | None:
        """Dual vector, (n_rows,)."""
        ...


@dataclass(frozen=True, eq=False)
class CellLift:
    r"""The way back from a solver's vectors to weights, skip coefficients and dual.

    Attributes
    ----------
    rows, patterns, signs, skip_columns, y
        The data of :func:`restricted_program`, by reference.
    is_hard_constraint : bool
        Whether the loss is interpolation.
    weight_scale : float
        :math:`\tau/m`: weights are this multiple of the solver's.
    skip_scale : (p,) array
        The same for the skip coefficients, one factor a column.
    dual_scale : float
        :math:`1/m`: multipliers of fit = y are minus this multiple of the solver's.
    basis : (n, m) array or None
        Orthonormal basis in which the equalities were written, None for the rows themselves.
    objective_scale, objective_offset : float
        The objective is ``objective_scale * (solver's objective) + objective_offset``.
    """

    rows: Matrix
    patterns: NDArray[np.bool_]
    signs: NDArray[np.float64]
    skip_columns: Matrix
    y: Vector
    is_hard_constraint: bool
    weight_scale: float
    skip_scale: Vector
    dual_scale: float
    n_equalities: int
    basis: Matrix | None
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
        inner *= self.patterns.T
        return inner.sum(axis=1) + self.skip_columns @ self.skip(x)

    def objective(self, value: float) -> float:
        """The objective of the program over cells from that of the cone program."""
        return self.objective_scale * value + self.objective_offset

    def dual(self, report: SolvedPoint) -> Vector | None:
        r"""The dual vector alpha, shape (n,), or None where the report has no vector.

        For the squared loss, minus the gradient at the fit, y - fit, computed anew from the
        data.  For interpolation, the multiplier q of fit = y with the sign of
        :math:`\max \langle q, y\rangle` subject to
        :math:`|\sum_i q_i \langle x_i, w\rangle_+| \le |w|`.  From a proof of infeasibility
        the same formula makes a direction with <q, y> > 0 along which no cell of the program
        has a positive value of its signed function: price new cells with it.
        """
        if not self.is_hard_constraint:
            return None if report.x is None else self.y - self.fit(report.x)
        if report.z is None:
            return None
        small = report.z[: self.n_equalities] * -self.dual_scale
        return small if self.basis is None else np.asarray(self.basis @ small)


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
        Squared or interpolation.
    skip_columns : (n, p) array
        Unpenalised columns, p may be 0.
    n_penalized : int
        How many leading entries of u_k count in its norm, 1 to r.

    Returns
    -------
    ConeProgram, CellLift

    Raises
    ------
    InvalidProblem
        For a loss without a cone form here, and when there is nothing to optimise.

    Notes
    -----
    The squared loss with more rows than columns (n > Kr + p) is compressed by a QR of
    [columns | y], so the program's size does not depend on n; a residual variable z with
    Rx - r = z keeps the accuracy of R, which its Gram matrix would halve.  Equalities that
    depend on each other are replaced by an orthonormal basis, see
    :func:`~measurelp.program.compression.independent_equalities`.  Order of the variables:
    u, skip, t, z; of the rows: fit, walls (and |u| <= t where the norm is an absolute
    value), second-order cones.
    """
    n, width = rows.shape
    n_cells, n_skip = len(patterns), skip_columns.shape[1]
    n_linear = n_cells * width + n_skip
    if n_linear == 0:
        raise InvalidProblem("patterns: expected at least one cell or one skip column, found none.")
    if not (loss.is_hard_constraint or loss.name == "squared"):
        raise InvalidProblem(f"loss: {loss.name!r} has no cone form; use Squared or Interpolation.")
    signs = np.asarray(signs, dtype=np.float64)

    column_scale = float(np.linalg.norm(rows)) / np.sqrt(width) or 1.0
    y_scale = float(np.linalg.norm(y)) or 1.0
    skip_norms = np.linalg.norm(skip_columns, axis=0)
    skip_norms[skip_norms == 0.0] = 1.0
    scaled_skip = skip_columns / skip_norms
    target = y / y_scale
    strength = 0.0 if loss.is_hard_constraint else lam / (column_scale * y_scale)

    def dense(part: slice, *, with_target: bool) -> Matrix:
        here = rows[part] / column_scale
        signed = patterns[:, part].T * signs
        out = np.empty((len(here), n_linear + with_target))
        np.multiply(
            signed[:, :, None], here[:, None, :],
            out=out[:, : n_cells * width].reshape(len(here), n_cells, width),
        )  # fmt: skip
        out[:, n_cells * width : n_linear] = scaled_skip[part]
        if with_target:
            out[:, n_linear] = target[part]
        return out

    basis: Matrix | None = None
    rest = 0.0
    if loss.is_hard_constraint:
        compressed = independent_equalities(dense(slice(0, n), with_target=False), target)
        if compressed is None:
            fit_rows = _cell_triplets(rows / column_scale, patterns, signs, scaled_skip)
        else:
            fit_rows = _dense_triplets(compressed.matrix)
            target, basis = compressed.target, compressed.basis
    elif n > n_linear:
        triangle, target, rest = triangular_least_squares(
            n, n_linear, lambda part: dense(part, with_target=True)
        )
        fit_rows = _dense_triplets(triangle)
    else:
        fit_rows = _cell_triplets(rows / column_scale, patterns, signs, scaled_skip)

    program = _assemble(
        fit_rows, target, strength, n_linear,
        _wall_triplets(rows, patterns, walls), n_cells, width, n_penalized,
    )  # fmt: skip
    value_scale = y_scale / column_scale * (1.0 if loss.is_hard_constraint else lam)
    return program, CellLift(
        rows=rows, patterns=patterns, signs=signs, skip_columns=skip_columns, y=y,
        is_hard_constraint=loss.is_hard_constraint,
        weight_scale=y_scale / column_scale, skip_scale=y_scale / skip_norms,
        dual_scale=1.0 / column_scale, n_equalities=len(target), basis=basis,
        objective_scale=value_scale, objective_offset=0.5 * (y_scale * rest) ** 2,
    )  # fmt: skip


def _dense_triplets(matrix: Matrix) -> Triplets:
    """Entries of a dense matrix, rounding dust left out."""
    row, column = np.nonzero(np.abs(matrix) > 1e-16 * np.abs(matrix).max(initial=0.0))
    return row, column, matrix[row, column]


def _cell_triplets(
    rows: Matrix, patterns: NDArray[np.bool_], signs: Vector, skip: Matrix
) -> Triplets:
    """Entries of [s_1 D_1 X, ..., s_K D_K X, S], cell by cell."""
    width = rows.shape[1]
    cell, row = np.nonzero(patterns)
    entry = np.arange(width)
    value = (rows[row] * signs[cell, None]).ravel()
    skip_row, skip_column, skip_value = _dense_triplets(skip)
    return (
        np.concatenate([np.repeat(row, width), skip_row]),
        np.concatenate([(cell[:, None] * width + entry).ravel(),
                        skip_column + len(patterns) * width]),
        np.concatenate([value, skip_value]),
    )  # fmt: skip


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
    fit_rows: Triplets, target: Vector, strength: float, n_linear: int,
    walls: tuple[Triplets, int], n_cells: int, width: int, n_penalized: int,
) -> ConeProgram:  # fmt: skip
    """Put fit rows, walls and cones together; variables u, skip, t, z."""
    (wall_row, wall_column, wall_value), n_walls = walls
    n_fit = len(target)
    n_residuals = n_fit if strength > 0.0 else 0
    n_variables = n_linear + n_cells + n_residuals
    cells = np.arange(n_cells)
    first_row = n_fit + n_walls
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
    residual = np.arange(n_residuals)
    matrix = csc_from_triplets(
        np.concatenate([fit_rows[0], residual, n_fit + wall_row, cone_row]),
        np.concatenate([fit_rows[1], n_linear + n_cells + residual, wall_column, cone_column]),
        np.concatenate([fit_rows[2], np.full(n_residuals, -strength), wall_value, cone_value]),
        (n_rows, n_variables),
    )
    q = np.zeros(n_variables)
    q[n_linear : n_linear + n_cells] = 1.0
    quadratic = None
    if n_residuals:
        pointers = np.zeros(n_variables + 1, dtype=np.int32)
        pointers[n_linear + n_cells + 1 :] = 1 + residual
        quadratic = sparse.csc_array(
            (np.full(n_residuals, strength),
             (n_linear + n_cells + residual).astype(np.int32), pointers),
            shape=(n_variables, n_variables),
        )  # fmt: skip
    b = np.zeros(n_rows)
    b[:n_fit] = target
    return ConeProgram(quadratic, q, matrix, b, zero=n_fit, nonneg=nonneg, soc=soc)
