"""The coordinates that algorithms work in: row space, distinct rows.

For the l2 ball only the component of a hidden weight in the span of the data matters; for
other balls a projection may be longer than the weight, and all coordinates stay.  Equal rows
act as one.  :func:`row_space` makes both reductions and keeps the way back, with a proved
bound on everything that floating point lost on the way.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from measurelp.problem.balls import Ball
from measurelp.problem.measure_problem import MeasureProblem, check_measures

_ROUNDOFF = 2.0**-53
_RANK_TOLERANCE = 1e-11


@dataclass(frozen=True, eq=False)
class RowSpace:
    r"""Rows :math:`z_i` with :math:`\langle\tilde x_i, w\rangle \approx \langle z_i, u\rangle`.

    A hidden weight w of the problem and its coordinates u are tied by
    :meth:`weights` and :meth:`coordinates`.  For every dual vector alpha,

    .. math:: \sup_{\|w\|\le1} |\eta_\alpha(w)| \;\le\;
       \mathrm{inflation}\cdot\sup_{\|u\|\le1}\Bigl|\sum_i\alpha_i\langle z_i,u\rangle_+\Bigr|
       + \sum_i |\alpha_i|\,\mathrm{residual}_i .

    Attributes
    ----------
    rows : (n, r) array
        One row a data point.
    distinct : (m, r) array
        The distinct rows, and ``group`` (n,) the index of each point's row in it.
    basis : (d, r') array
        Orthonormal columns that span the penalised part of the data, or the identity.
    shift : (d',) array
        For a free bias, the centre m by which inputs were moved (0 otherwise).
    bias_scale : float
        For a free bias, the last entry of every row: the largest centred input, so that all
        coordinates have one scale; nan otherwise.
    n_penalized : int
        How many leading coordinates of u count in the norm (all but a free bias).
    residual : (n,) array
        See above.
    inflation : float
        See above.
    ball : Ball
        The norm of weights, the same in coordinates.
    """

    rows: NDArray[np.float64]
    distinct: NDArray[np.float64]
    group: NDArray[np.intp]
    basis: NDArray[np.float64]
    shift: NDArray[np.float64]
    bias_scale: float
    n_penalized: int
    residual: NDArray[np.float64]
    inflation: float
    ball: Ball

    @property
    def rank(self) -> int:
        """Number of coordinates r."""
        return int(self.rows.shape[1])

    @property
    def has_free_bias(self) -> bool:
        """Whether the last coordinate is an unpenalised bias."""
        return self.n_penalized < self.rank

    def norms(self, coordinates: NDArray[np.float64]) -> NDArray[np.float64]:
        """The ball's norm of each row of coordinates, the free bias left out."""
        return self.ball.norm(coordinates[:, : self.n_penalized])

    def weights(self, coordinates: NDArray[np.float64]) -> NDArray[np.float64]:
        """Hidden weights (k, d') of the problem from coordinates (k, r)."""
        linear = coordinates[:, : self.n_penalized] @ self.basis.T
        if not self.has_free_bias:
            return np.asarray(linear)
        bias = coordinates[:, -1] * self.bias_scale - linear @ self.shift
        return np.column_stack([linear, bias])

    def coordinates(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Coordinates (k, r) of hidden weights (k, d'); parts that no datum sees are dropped."""
        if not self.has_free_bias:
            return np.asarray(weights @ self.basis)
        linear = weights[:, :-1]
        bias = (weights[:, -1] + linear @ self.shift) / self.bias_scale
        return np.column_stack([linear @ self.basis, bias])


def row_space(problem: MeasureProblem) -> RowSpace:
    """Reduce a problem's inputs to coordinates of its row space, or of the whole space.

    Complexity O(n d^2).  The numerical rank may be taken too low: what that loses is in
    ``residual`` and therefore in every bound, never ignored.
    """
    check_measures(problem)
    free = problem.bias == "free"
    inputs = problem.X if free else problem.lifted
    shift = inputs.mean(axis=0) if free else np.zeros(inputs.shape[1])
    centred = inputs - shift if free else inputs
    ball, width = problem.ball, inputs.shape[1]
    if ball.fan is None:
        basis, rows = _orthonormal_coordinates(centred)
    else:
        basis, rows = np.eye(width), centred.copy()
    lost = ball.dual_norm(centred - rows @ basis.T)
    scale = ball.dual_norm(inputs) + float(ball.dual_norm(shift[None, :])[0])
    rounding = 8.0 * (width + 2) * _ROUNDOFF * scale
    exact = not free and basis.shape[0] == basis.shape[1]
    residual = np.zeros(len(rows)) if exact else lost + rounding
    inflation = 1.0 if exact else 1.0 + 64.0 * width * _ROUNDOFF
    n_penalized = rows.shape[1]
    bias_scale = float("nan")
    if free:
        bias_scale = float(np.max(ball.dual_norm(rows))) or 1.0
        rows = np.column_stack([rows, np.full(len(rows), bias_scale)])
    order = np.lexsort(rows.T[::-1])
    ordered = rows[order]
    is_new = np.ones(len(rows), dtype=bool)
    is_new[1:] = np.any(ordered[1:] != ordered[:-1], axis=1)
    group = np.empty(len(rows), dtype=np.intp)
    group[order] = np.cumsum(is_new) - 1
    return RowSpace(
        rows=np.ascontiguousarray(rows), distinct=np.ascontiguousarray(ordered[is_new]),
        group=group, basis=basis, shift=shift, bias_scale=bias_scale, n_penalized=n_penalized,
        residual=residual, inflation=inflation, ball=ball,
    )  # fmt: skip


def _orthonormal_coordinates(
    matrix: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(basis, rows) with matrix ~ rows @ basis.T; the identity when the rank is full."""
    d = matrix.shape[1]
    triangular = np.linalg.qr(matrix, mode="r") if matrix.shape[0] > d else matrix
    _, singular, right = np.linalg.svd(triangular, full_matrices=False)
    rank = int(np.sum(singular > _RANK_TOLERANCE * singular[0])) if singular[0] > 0.0 else 0
    if rank == d:
        return np.eye(d), matrix.copy()
    basis = np.ascontiguousarray(right[: max(rank, 1)].T)
    # einsum and not a BLAS product: equal rows must keep bitwise equal coordinates.
    return basis, np.einsum("ij,jk->ik", matrix, basis)
