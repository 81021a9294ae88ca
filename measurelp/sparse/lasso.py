r"""The lasso of sparse coding and its duality gap.

.. math:: \min_z\ \tfrac12|x - Wz|_2^2 + \lambda|z|_1
          \;=\; \max_{|W^\top a|_\infty\le\lambda}\ \langle x, a\rangle - \tfrac12|a|_2^2

for a dictionary W (d, m), one target x (d,) or several in rows (N, d), codes z (m,) or (N, m).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from measurelp.errors import InvalidProblem
from measurelp.problem import finite_matrix, float_array, positive_number

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LassoGap:
    r"""Values of a code and of the best multiple of its residual as a dual vector.

    Attributes
    ----------
    primal_value : (N,) array
        :math:`\tfrac12|x - Wz|^2 + \lambda|z|_1`.
    gap : (N,) array
        Primal minus dual value, at least 0: no code of that target is better by more.
    scale : (N,) array
        The dual vector is ``scale`` times the residual.
    """

    primal_value: Vector
    gap: Vector
    scale: Vector

    @property
    def dual_value(self) -> Vector:
        """No code has a smaller objective."""
        return self.primal_value - self.gap

    @property
    def relative_gap(self) -> Vector:
        """The gap over the larger of both values' moduli; 0 where both are 0."""
        size = np.maximum(np.abs(self.primal_value), np.abs(self.dual_value))
        return np.divide(self.gap, size, out=np.zeros_like(size), where=size > 0.0)


def soft_threshold(u: ArrayLike, t: ArrayLike) -> Matrix:
    r""":math:`\mathrm{soft}(u, t) = (u - t)_+ - (-u - t)_+` entry by entry, for t >= 0.

    Examples
    --------
    >>> soft_threshold([3.0, -0.4, -1.0], 0.5)
    array([ 2.5,  0. , -0.5])
    """
    u, t = np.asarray(u, dtype=np.float64), np.asarray(t, dtype=np.float64)
    return np.maximum(u - t, 0.0) - np.maximum(-u - t, 0.0)


def lasso_gap(W: ArrayLike, x: ArrayLike, codes: ArrayLike, lam: float) -> LassoGap:
    r"""The duality gap of codes, from the data and the codes alone.

    With r = x - Wz and :math:`c = W^\top r`, the dual vector is s r with the best
    s in :math:`[0, \lambda/|c|_\infty]`, and

    .. math:: \text{gap} = \tfrac12(1-s)^2|r|^2 + \sum_j(\lambda|z_j| - s\,z_j c_j),

    a sum of terms that are not negative: nothing cancels.  Rounding of r and c is charged in
    the bound on s, not in the sum, whose relative error is that of a sum of products.

    Parameters
    ----------
    W : (d, m) array_like
    x : (d,) or (N, d) array_like
    codes : (m,) or (N, m) array_like
    lam : float
        Larger than 0.  With the objective :math:`|x - Wz|^2 + \lambda'|z|_1`, which has no 1/2,
        lam is half of lam'.

    Raises
    ------
    InvalidProblem
        For shapes that do not fit, entries that are not finite, or lam <= 0.

    Examples
    --------
    >>> import numpy as np
    >>> bool(lasso_gap(np.eye(2), [3.0, 0.1], [2.5, 0.0], 0.5).gap[0] < 1e-14)
    True
    >>> float(lasso_gap(np.eye(2), [3.0, 0.1], [0.0, 0.0], 0.5).gap[0]) > 1.0
    True
    """
    W, X = dictionary_and_rows(W, x)
    return gap_of_rows(W, X, code_rows(codes, X, W), positive_number("lam", lam))


def gap_of_rows(W: Matrix, X: Matrix, Z: Matrix, lam: float) -> LassoGap:
    """:func:`lasso_gap` of arrays that are known to fit."""
    residual = X - Z @ W.T
    correlation = residual @ W
    rounding = 2.0 * len(W) * np.finfo(np.float64).eps * (np.abs(residual) @ np.abs(W))
    most = (np.abs(correlation) + rounding).max(axis=1)
    square = np.einsum("ij,ij->i", residual, residual)
    wanted = np.divide(
        np.einsum("ij,ij->i", X, residual), square, out=np.zeros_like(square), where=square > 0.0
    )
    scale = np.clip(wanted, 0.0, np.divide(lam, most, out=np.ones_like(most), where=most > 0.0))
    size = lam * np.abs(Z)
    terms = np.maximum(size - scale[:, None] * Z * correlation, 0.0)
    gap = 0.5 * (1.0 - scale) ** 2 * square + terms.sum(axis=1)
    return LassoGap(0.5 * square + size.sum(axis=1), gap, scale)


def dictionary_and_rows(W: ArrayLike, x: ArrayLike) -> tuple[Matrix, Matrix]:
    """The dictionary and the targets in rows, or InvalidProblem."""
    W = finite_matrix("W", W)
    x = float_array("x", x, "numbers")
    X = finite_matrix("x", x[None, :] if x.ndim == 1 else x)
    if X.shape[1] != len(W):
        raise InvalidProblem(
            f"x: expected {len(W)} numbers a target, as many as W has rows, found {X.shape[1]}."
        )
    return W, X


def code_rows(codes: ArrayLike, X: Matrix, W: Matrix) -> Matrix:
    """Codes in rows that go with targets and dictionary, or InvalidProblem."""
    z = float_array("codes", codes, "numbers")
    Z = finite_matrix("codes", z[None, :] if z.ndim == 1 else z)
    if Z.shape != (len(X), W.shape[1]):
        raise InvalidProblem(
            f"codes: expected shape {(len(X), W.shape[1])}, a number for each target and column of "
            f"W, found {Z.shape}."
        )
    return Z
