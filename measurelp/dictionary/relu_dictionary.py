"""The finite ReLU dictionary of given atoms, never stored unless asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from measurelp.dictionary._kernels import relu_columns, relu_matvec, relu_rmatvec
from measurelp.errors import BudgetExceeded, InvalidProblem

if TYPE_CHECKING:
    from scipy.sparse.linalg import LinearOperator

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Dictionary:
    r"""The matrix :math:`A_{is} = \langle x_i, \theta_s\rangle_+`, implicit.

    Parameters
    ----------
    rows : (n, d') array_like
        The data as hidden units see them: ``problem.lifted``.
    atoms : (k, d') array_like
        :math:`\theta_s`: witnesses of cells, or the atoms of a measure.

    Notes
    -----
    A product costs n k d' operations and no memory beyond its result.  With the squared loss
    and a dual vector alpha, ``rmatvec(alpha)`` is the dual function at all atoms.

    Examples
    --------
    >>> A = Dictionary([[1.0, 2.0], [-1.0, 0.0]], [[1.0, 0.0], [0.0, 1.0]])
    >>> A.shape
    (2, 2)
    >>> A.matvec([1.0, -1.0])
    array([-1.,  0.])
    """

    rows: Matrix
    atoms: Matrix

    def __init__(self, rows: ArrayLike, atoms: ArrayLike) -> None:
        data = np.ascontiguousarray(rows, dtype=np.float64)
        units = np.ascontiguousarray(atoms, dtype=np.float64)
        if data.ndim != 2 or units.ndim != 2 or data.shape[1] != units.shape[1]:
            raise InvalidProblem(
                "rows, atoms: expected shapes (n, d) and (k, d) with one d, "
                f"found {data.shape} and {units.shape}."
            )
        object.__setattr__(self, "rows", data)
        object.__setattr__(self, "atoms", units)

    @property
    def shape(self) -> tuple[int, int]:
        """(n, k)."""
        return len(self.rows), len(self.atoms)

    def column(self, s: int) -> Vector:
        """Column s, shape (n,)."""
        return np.maximum(self.rows @ self.atoms[s], 0.0)

    def columns(self, indices: ArrayLike) -> Matrix:
        """The columns of the given indices, shape (n, len(indices))."""
        chosen = np.ascontiguousarray(self.atoms[np.asarray(indices, dtype=np.intp)])
        out = np.empty((len(self.rows), len(chosen)))
        relu_columns(self.rows, chosen, out)
        return out

    def matvec(self, masses: ArrayLike) -> Vector:
        """A z, shape (n,): the network's values at the data."""
        z = _vector("masses", masses, len(self.atoms))
        out = np.empty(len(self.rows))
        relu_matvec(self.rows, self.atoms, z, out)
        return out

    def rmatvec(self, alpha: ArrayLike) -> Vector:
        """A' alpha, shape (k,): the dual function at the atoms."""
        a = _vector("alpha", alpha, len(self.rows))
        out = np.empty(len(self.atoms))
        relu_rmatvec(self.rows, self.atoms, a, out)
        return out

    def to_dense(self, *, max_bytes: int = 2**30) -> Matrix:
        """The matrix itself.

        Raises
        ------
        BudgetExceeded
            When it would take more than ``max_bytes``.
        """
        n, k = self.shape
        if 8 * n * k > max_bytes:
            raise BudgetExceeded(
                f"to_dense: {n} x {k} numbers take {8 * n * k} bytes and max_bytes is "
                f"{max_bytes}; use matvec and rmatvec, or raise max_bytes."
            )
        return self.columns(np.arange(k))

    def as_linear_operator(self) -> LinearOperator:
        """The same as a :class:`scipy.sparse.linalg.LinearOperator`."""
        from scipy.sparse.linalg import LinearOperator

        return LinearOperator(
            self.shape, dtype=np.float64,
            matvec=lambda z: self.matvec(np.ravel(z)),
            rmatvec=lambda a: self.rmatvec(np.ravel(a)),
        )  # fmt: skip


def _vector(name: str, value: ArrayLike, size: int) -> Vector:
    vector = np.ascontiguousarray(value, dtype=np.float64)
    if vector.shape != (size,):
        raise InvalidProblem(f"{name}: expected shape ({size},), found {vector.shape}.")
    return vector
