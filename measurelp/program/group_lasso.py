"""The program over the masses of given directions for several outputs: a group lasso."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from measurelp.program.cone_program import ConeProgram

Matrix = NDArray[np.float64]


def group_lasso_program(triangle: Matrix, target: Matrix, lam: float) -> ConeProgram:
    r"""The cone program of :math:`\min_V \tfrac12|RV - T|^2 + \lambda\sum_k|V_k|_2`.

    Variables are V row by row, the bounds t of the norms, and the residuals, which enter the
    objective: the conditioning is that of R and not of its Gram matrix.

    Parameters
    ----------
    triangle : (m, k) array
        R, the features or the triangle of their QR factorisation.
    target : (m, c) array
        T, in the same coordinates.
    lam : float

    Returns
    -------
    ConeProgram
        The first k c variables are V.
    """
    (m, k), c = triangle.shape, target.shape[1]
    n_masses, n_residuals = k * c, m * c
    fit = sparse.kron(sparse.csc_array(triangle), sparse.eye_array(c))
    no_norms = sparse.csc_array((n_residuals, k))
    equalities = sparse.hstack([fit, no_norms, -sparse.eye_array(n_residuals)])
    # One cone a row of V: (t_k, V_k).
    size = c + 1
    row = np.arange(k * size)
    column = np.empty((k, size), dtype=np.intp)
    column[:, 0] = n_masses + np.arange(k)
    column[:, 1:] = np.arange(n_masses).reshape(k, c)
    cones = sparse.csc_array(
        (np.full(k * size, -1.0), (row, column.ravel())),
        shape=(k * size, n_masses + k + n_residuals),
    )
    linear = np.concatenate([np.zeros(n_masses), np.full(k, lam), np.zeros(n_residuals)])
    diagonal = np.concatenate([np.zeros(n_masses + k), np.ones(n_residuals)])
    quadratic = sparse.csc_array(sparse.diags_array(diagonal))
    quadratic.eliminate_zeros()
    return ConeProgram(
        quadratic, linear, sparse.csc_array(sparse.vstack([equalities, cones])),
        np.concatenate([target.ravel(), np.zeros(k * size)]), zero=n_residuals, soc=(size,) * k,
    )  # fmt: skip
