"""The one form in which every program reaches a solver."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from measurelp.errors import InvalidProblem


@dataclass(frozen=True, eq=False)
class ConeProgram:
    r"""A convex cone program with an optional quadratic objective.

    .. math:: \min_x\; \tfrac12 x^\top P x + q^\top x
              \quad\text{s.t.}\quad A x + s = b,\;
              s \in \{0\}^{z} \times \mathbb R_+^{m} \times Q_{k_1} \times Q_{k_2} \cdots
              \times E \times E \cdots

    with the second-order cones :math:`Q_k = \{(t, v) \in \mathbb R^k : |v|_2 \le t\}` and the
    exponential cone :math:`E = \overline{\{(u, v, w) : v e^{u/v} \le w, v > 0\}}`, the
    rows of A in this order.  A dual vector z of a solver satisfies
    :math:`Px + q + A^\top z = 0`, z in the dual cone, and its value is
    :math:`-\tfrac12 x^\top P x - b^\top z`.

    Attributes
    ----------
    P : (N, N) csc array, upper triangular, or None
        The quadratic part; None means linear.
    q : (N,) array
    A : (M, N) csc array
    b : (M,) array
    zero, nonneg : int
        How many rows are equalities, and how many are inequalities.
    soc : tuple of int
        Dimensions of the second-order cones, each at least 1.
    exponential : int
        How many exponential cones.

    Raises
    ------
    InvalidProblem
        When shapes do not fit together.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy import sparse
    >>> lp = ConeProgram(None, np.ones(1), sparse.csc_array([[-1.0]]), np.zeros(1), nonneg=1)
    >>> lp.n_variables, lp.n_rows, lp.is_linear, lp.has_cones
    (1, 1, True, False)
    """

    P: Any
    q: NDArray[np.float64]
    A: Any
    b: NDArray[np.float64]
    zero: int = 0
    nonneg: int = 0
    soc: tuple[int, ...] = ()
    exponential: int = 0

    def __post_init__(self) -> None:
        rows, columns = self.A.shape
        if self.A.format != "csc":
            raise InvalidProblem(f"A: expected a csc matrix, found format {self.A.format!r}.")
        if self.q.shape != (columns,) or self.b.shape != (rows,):
            raise InvalidProblem(
                f"q, b: expected shapes ({columns},) and ({rows},) to go with A {self.A.shape}, "
                f"found {self.q.shape} and {self.b.shape}."
            )
        if self.P is not None:
            if self.P.format != "csc" or self.P.shape != (columns, columns):
                raise InvalidProblem(
                    f"P: expected a csc matrix of shape ({columns}, {columns}), "
                    f"found {self.P.format!r} {self.P.shape}."
                )
            column_of_entry = np.repeat(np.arange(columns), np.diff(self.P.indptr))
            if np.any(self.P.indices > column_of_entry):
                raise InvalidProblem("P: expected the upper triangle only, found entries below it.")
        cone_rows = sum(self.soc) + 3 * self.exponential
        if min(self.zero, self.nonneg, self.exponential) < 0 or any(k < 1 for k in self.soc):
            raise InvalidProblem(
                f"zero, nonneg, soc, exponential: expected counts >= 0 and cones of dimension >= 1, "
                f"found {self.zero}, {self.nonneg}, {self.soc}, {self.exponential}."
            )
        if self.zero + self.nonneg + cone_rows != rows:
            raise InvalidProblem(
                f"zero, nonneg, soc, exponential: {self.zero} + {self.nonneg} + {cone_rows} rows of "
                f"cones do not make the {rows} rows of A."
            )

    @property
    def n_variables(self) -> int:
        """Number of variables."""
        return int(self.A.shape[1])

    @property
    def n_rows(self) -> int:
        """Number of rows of A."""
        return int(self.A.shape[0])

    @property
    def is_quadratic(self) -> bool:
        """Whether the objective has a quadratic part that is not zero."""
        return self.P is not None and self.P.nnz > 0

    @property
    def has_cones(self) -> bool:
        """Whether there are second-order or exponential cones."""
        return bool(self.soc) or self.exponential > 0

    @property
    def is_linear(self) -> bool:
        """Whether this is a linear program."""
        return not (self.is_quadratic or self.has_cones)

    def objective(self, x: NDArray[np.float64]) -> float:
        """The objective at ``x``, feasible or not."""
        linear = float(self.q @ x)
        if not self.is_quadratic:
            return linear
        diagonal = self.P.diagonal()
        return linear + float(x @ (self.P @ x)) - 0.5 * float(diagonal @ (x * x))


def csc_from_triplets(
    row: NDArray[np.intp],
    column: NDArray[np.intp],
    value: NDArray[np.float64],
    shape: tuple[int, int],
) -> Any:
    """A csc array from triplets without duplicates.

    One stable counting sort by column: entries of a column keep the order in which they are
    listed, so list rows in increasing order to get sorted indices.  Linear time.
    """
    keys = column.astype(np.uint16) if shape[1] <= 0xFFFF else column
    order = np.argsort(keys, kind="stable")
    pointers = np.zeros(shape[1] + 1, dtype=np.int32)
    np.cumsum(np.bincount(column, minlength=shape[1]), out=pointers[1:])
    return sparse.csc_array((value[order], row[order].astype(np.int32), pointers), shape=shape)
