"""The program over cells whose weights cost what they make of the data, not their length."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from measurelp.program.cone_program import ConeProgram

Matrix = NDArray[np.float64]


def seminorm_program(
    rows: Matrix,
    active: NDArray[np.bool_],
    signs: NDArray[np.float64],
    factors: NDArray[np.float64],
    y: NDArray[np.float64],
    lam: float,
) -> ConeProgram:
    r"""The cone program of cells A with the seminorms :math:`f_A|(Xv)_A|_2`.

    .. math:: \min_v\; \tfrac{1}{2\lambda}|z|^2 + \sum_k f_k|(Xv_k)_{A_k}|_2 \quad\text{s.t.}\quad
              \sum_k s_k D_k X v_k - z = y,\; (2D_k - I) X v_k \ge 0;

    with ``lam`` = 0 there is no z.  Rows: equalities, walls, cones; the first K r variables
    are v.  Cones hold the triangles of :math:`X_A = QR`, so their size does not depend on n.

    Parameters
    ----------
    rows : (n, r) array
    active : (K, n) bool array
    signs, factors : (K,) array
    y : (n,) array
    lam : float
    """
    (n, r), k = rows.shape, len(active)
    size = np.linalg.norm(rows, axis=1)
    walled = np.flatnonzero(size > 0.0)
    unit = rows[walled] / size[walled, None]
    fit = np.hstack([s * a[:, None] * rows for s, a in zip(signs, active, strict=True)])
    walls = [np.where(a[walled], -1.0, 1.0)[:, None] * unit for a in active]
    triangles = [f * _triangle(rows[a], r) for f, a in zip(factors, active, strict=True)]
    heads = sparse.csr_array(
        (np.full(k, -1.0), (np.arange(k) * (r + 1), np.arange(k))), shape=(k * (r + 1), k)
    )
    body = sparse.block_diag([np.vstack([np.zeros((1, r)), -t]) for t in triangles])
    n_residuals = n if lam > 0.0 else 0
    blocks: list[list[Any]] = [
        [sparse.csr_array(fit), None, -lam * sparse.eye_array(n, n_residuals)],
        [sparse.block_diag(walls), None, None],
        [body, heads, None],
    ]
    matrix = sparse.csc_array(sparse.block_array(blocks))
    q = np.concatenate([np.zeros(k * r), np.ones(k), np.zeros(n_residuals)])
    quadratic = None
    if n_residuals:
        diagonal = np.concatenate([np.zeros(k * (r + 1)), np.full(n, lam)])
        quadratic = sparse.csc_array(sparse.diags_array(diagonal))
        quadratic.eliminate_zeros()
    n_walls = k * len(walled)
    b = np.concatenate([y, np.zeros(n_walls + k * (r + 1))])
    return ConeProgram(quadratic, q, matrix, b, zero=n, nonneg=n_walls, soc=(r + 1,) * k)


def _triangle(rows: Matrix, r: int) -> Matrix:
    """R (r, r) with |R w| = |rows w|."""
    out = np.zeros((r, r))
    triangle = np.linalg.qr(rows, mode="r")
    out[: len(triangle)] = triangle
    return out
