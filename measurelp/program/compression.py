"""Smaller systems with the same solutions: orthogonal compression of least squares and equalities.

Both use orthogonal factorisations of the system itself and never its Gram matrix, which
would square the condition number.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
_BLOCK_ROWS = 16384


def triangle_of(matrix: Matrix) -> Matrix:
    """R of the reduced QR factorisation."""
    return np.asarray(np.linalg.qr(matrix, mode="r"), dtype=np.float64)


def triangular_least_squares(
    n_rows: int, n_columns: int, block: Callable[[slice], Matrix]
) -> tuple[Matrix, NDArray[np.float64], float]:
    r"""R, r and rho with :math:`|Mx - y|^2 = |Rx - r|^2 + \rho^2` for all x.

    Parameters
    ----------
    n_rows, n_columns
        Shape (n, N) of M, n > N.
    block
        ``block(rows)`` returns the rows of [M | y], shape (len, N + 1), for a slice.

    Notes
    -----
    Householder QR of [M | y], a block of rows at a time (the triangle of the rows so far is
    stacked on the next block), so that memory does not grow with n: 2 n N^2 operations.
    """
    step = max(_BLOCK_ROWS, 4 * n_columns)
    triangle = np.zeros((0, n_columns + 1))
    for start in range(0, n_rows, step):
        piece = block(slice(start, min(start + step, n_rows)))
        stacked = np.vstack([triangle, piece]) if len(triangle) else piece
        triangle = triangle_of(stacked)
    rho = float(triangle[n_columns, n_columns]) if len(triangle) > n_columns else 0.0
    square = triangle[:n_columns]
    return np.ascontiguousarray(square[:, :-1]), square[:, -1].copy(), abs(rho)


class Equalities(NamedTuple):
    r"""The system :math:`Mx = y` in an orthonormal basis U of the rows that matter.

    Attributes
    ----------
    matrix : (m, N) array
        :math:`U^\top M`; a last row of zeros if the system is inconsistent.
    target : (m,) array
        :math:`U^\top y`.
    basis : (n, m) array
        U.  A multiplier q of the small system is the multiplier Uq of the large one.
    """

    matrix: Matrix
    target: NDArray[np.float64]
    basis: Matrix


def independent_equalities(
    matrix: Matrix, y: NDArray[np.float64], *, inconsistent: float = 1e-10
) -> Equalities | None:
    r"""Drop redundant equalities of :math:`Mx = y`; None where all rows are independent.

    Repeated and zero rows of the data, and more data than columns, make rows of M dependent.
    Interior-point solvers lose accuracy on them or fail.  With the singular vectors
    :math:`U_1` of the range of M the system is equivalent to :math:`U_1^\top Mx = U_1^\top y`
    if the rest of y, :math:`y - U_1U_1^\top y`, vanishes.  Where it does not, its direction
    is kept as one more row, ``0 x = |rest|``, on which a solver finds its proof of
    infeasibility.

    Parameters
    ----------
    matrix : (n, N) array
    y : (n,) array
    inconsistent
        The rest counts as nonzero above this multiple of \|y\|.

    Notes
    -----
    QR to a square of side min(n, N), then its singular values; the rank is decided at
    ``max(n, N) * eps`` times the largest of them.
    """
    n_rows, n_columns = matrix.shape
    wide = n_rows <= n_columns
    if wide:
        square = triangle_of(matrix.T).T
        left = np.eye(n_rows)
    else:
        left, square = np.linalg.qr(matrix)
    vectors, values, _ = np.linalg.svd(square)
    cut = max(n_rows, n_columns) * np.finfo(np.float64).eps * (values[0] if len(values) else 0.0)
    rank = int(np.count_nonzero(values > cut))
    if rank == n_rows:
        return None
    basis = left @ vectors[:, :rank]
    rest = y - basis @ (basis.T @ y)
    rest -= basis @ (basis.T @ rest)
    size = float(np.linalg.norm(rest))
    if size <= inconsistent * float(np.linalg.norm(y)):
        return Equalities(basis.T @ matrix, basis.T @ y, basis)
    return Equalities(
        np.vstack([basis.T @ matrix, np.zeros((1, n_columns))]),
        np.append(basis.T @ y, size),
        np.column_stack([basis, rest / size]),
    )
