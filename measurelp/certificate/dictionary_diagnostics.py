"""What compressed sensing asks of a dictionary, answered for ReLU dictionaries in one table."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from measurelp.arrangement import Cells
from measurelp.certificate.bounds import evaluate, skip_basis
from measurelp.certificate.least_dual import LeastDual, least_dual
from measurelp.certificate.null_space import NullSpaceConstant, null_space_constants
from measurelp.certificate.uniqueness import Solved
from measurelp.dictionary import Dictionary
from measurelp.dictionary.coherence import (
    RestrictedIsometry,
    coherence,
    restricted_isometry,
    unit_columns,
    welch_bound,
)
from measurelp.errors import InvalidProblem
from measurelp.problem import finite_matrix

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class DictionaryDiagnostics:
    r"""Coherence, restricted isometry, null-space property and least dual vector of a matrix.

    Attributes
    ----------
    matrix : (n, m) array
        What was looked at, without columns that are zero; a solution's skip is projected out.
    zero_columns : int
        How many were left out: cells in which no unit is active.
    rank : int
        Numerical.
    coherence : float
        Mutual coherence of the columns scaled to unit length; nan without two columns.
    pair : tuple of int or None
        Columns of ``matrix`` at which it is attained.
    welch : float
        Its least possible value for so many columns in ``rank`` dimensions.
    isometry : tuple of RestrictedIsometry
        One an order, of the columns scaled to unit length.
    null_space : tuple of NullSpaceConstant
        One an order, of the columns as they are.
    method : str
        How the null-space constants were found.
    dual : LeastDual or None
        For a target: least l1 norm and the dual vector of least norm.  None without a target, or
        if the columns do not span it.
    """

    matrix: NDArray[np.float64]
    zero_columns: int
    rank: int
    coherence: float
    pair: tuple[int, int] | None
    welch: float
    isometry: tuple[RestrictedIsometry, ...]
    null_space: tuple[NullSpaceConstant, ...]
    method: str
    dual: LeastDual | None

    @property
    def coherence_sparsity(self) -> int:
        r"""The largest s with :math:`s < (1 + 1/\mu)/2`.

        Vectors with so many entries are the sparsest and the shortest in l1 norm (columns of unit
        length) with their image.  All columns if the coherence is 0.
        """
        if not self.coherence > 0.0:
            return int(self.matrix.shape[1])
        # A bound that is an integer up to rounding counts as one, to the safe side.
        return math.ceil(0.5 * (1.0 + 1.0 / self.coherence) - 1e-9) - 1

    @property
    def recovered_sparsity(self) -> int:
        """The largest of the orders for which the null-space property is proved; 0 if none."""
        return max((one.order for one in self.null_space if one.holds), default=0)

    def table(self) -> str:
        """Everything, one a line."""
        n, m = self.matrix.shape
        zero = f", {self.zero_columns} zero columns left out" if self.zero_columns else ""
        rows = [
            ("columns", f"{m} in {n} dimensions, rank {self.rank}{zero}"),
            ("mutual coherence", f"{self.coherence:.6g} (columns {self.pair})"),
            ("Welch bound", f"{self.welch:.6g}"),
            ("l0 = l1 by coherence", f"up to {self.coherence_sparsity} entries"),
        ]
        for one in self.isometry:
            value = f"{one.lower:.6g}" if one.is_exact else f"in [{one.lower:.6g}, {one.upper:.6g}]"
            rows.append((f"isometry, order {one.order}", value))
        for constant in self.null_space:
            word = {True: "holds", False: "fails", None: "undecided"}[constant.holds]
            same = constant.lower == constant.upper
            value = f"{constant.lower:.6g}" if same else (
                f"in [{constant.lower:.6g}, {constant.upper:.6g}]"
            )  # fmt: skip
            rows.append((f"null space, order {constant.order}", f"{word}: constant {value}"))
        if self.dual is not None:
            rows += [
                ("least l1 norm", f"{self.dual.value:.9g}, {np.count_nonzero(self.dual.masses)} entries"),
                ("least dual vector", f"norm {self.dual.norm:.6g}, slack {self.dual.slack:.3g}"),
            ]  # fmt: skip
        width = max(len(name) for name, _ in rows) + 2
        return "\n".join(f"{name:<{width}}{text}" for name, text in rows)

    def __repr__(self) -> str:
        n, m = self.matrix.shape
        return (
            f"DictionaryDiagnostics({n} x {m}, rank {self.rank}, coherence {self.coherence:.4g}, "
            f"null-space property proved up to order {self.recovered_sparsity})"
        )


def dictionary_diagnostics(
    source: ArrayLike | Dictionary | Cells | Solved | Any,
    target: ArrayLike | None = None,
    *,
    orders: tuple[int, ...] = (1, 2, 3),
    max_supports: int = 100_000,
    max_programs: int = 400,
) -> DictionaryDiagnostics:
    r"""Diagnose a dictionary A: can its sparse combinations be told from each other, and by l1?

    Parameters
    ----------
    source : (n, m) array_like, Dictionary, Cells or Solution
        A matrix; a :class:`~measurelp.Dictionary`; cells with ``witness=True``, for which A has
        the units at their interior points; or a solution, for which A has its atoms' features,
        modulo its skip.
    target : (n,) array_like, optional
        y of :math:`\min|z|_1, Az = y`.  A solution's own fit (one output) if left out.
    orders : tuple of int
        s, at least 1; those above the number of columns are left out.
    max_supports : int
        Exact constants are found by enumeration up to so many supports.
    max_programs : int
        Linear programs for null-space constants that are not enumerated, one a column.

    Returns
    -------
    DictionaryDiagnostics
        Numbers that are exact are so up to rounding; others are brackets, and ``holds`` of a
        null-space constant is None where its bracket contains 1.

    Raises
    ------
    InvalidProblem
        For sources without finite columns, and orders that are no counts.

    Notes
    -----
    ReLU dictionaries over cells are highly coherent: neighbouring cells have nearly parallel
    columns.  So coherence and isometry say little about them, and the null-space constant or the
    slack of a dual vector must decide.

    Examples
    --------
    >>> import numpy as np, measurelp as mlp
    >>> angles = np.pi * np.arange(3) / 3
    >>> found = mlp.dictionary_diagnostics(np.array([np.cos(angles), np.sin(angles)]))
    >>> round(found.coherence, 12), round(found.welch, 12)
    (0.5, 0.5)
    >>> [one.holds for one in found.null_space]
    [True, False, False]
    """
    if not isinstance(orders, tuple) or not orders or any(
        isinstance(s, bool) or not isinstance(s, (int, np.integer)) or s < 1 for s in orders
    ):  # fmt: skip
        raise InvalidProblem(f"orders: expected a tuple of integers >= 1, found {orders!r}.")
    for name, count in (("max_supports", max_supports), ("max_programs", max_programs)):
        if isinstance(count, bool) or not isinstance(count, (int, np.integer)) or count < 0:
            raise InvalidProblem(f"{name}: expected an integer >= 0, found {count!r}.")
    matrix, own = _matrix_and_target(source)
    y = own if target is None else np.asarray(target, dtype=np.float64)
    if y is not None and (y.shape != (len(matrix),) or not np.isfinite(y).all()):
        raise InvalidProblem(
            f"target: expected {len(matrix)} finite numbers, one a row, found shape {y.shape}."
        )
    used = np.any(matrix != 0.0, axis=0)
    columns = np.ascontiguousarray(matrix[:, used])
    m = columns.shape[1]
    chosen = tuple(int(s) for s in orders if s <= m)
    if m == 0:
        return DictionaryDiagnostics(
            columns, len(used), 0, math.nan, None, 0.0, (), (), "no columns",
            None if y is None else least_dual(columns, y),
        )  # fmt: skip
    near_one = columns / np.abs(columns).max()  # so that no product over- or underflows
    rank = int(np.linalg.matrix_rank(near_one))
    unit = unit_columns(columns)
    inner = coherence(unit)
    null_space, method = null_space_constants(
        near_one, chosen, max_supports=max_supports, max_programs=max_programs
    )
    return DictionaryDiagnostics(
        matrix=columns, zero_columns=int(np.sum(~used)), rank=rank,
        coherence=inner.value if m > 1 else math.nan, pair=inner.pair, welch=welch_bound(rank, m),
        isometry=restricted_isometry(unit, chosen, max_supports=max_supports),
        null_space=null_space, method=method,
        dual=None if y is None else least_dual(columns, y),
    )  # fmt: skip


def _matrix_and_target(source: Any) -> tuple[Matrix, Vector | None]:
    if isinstance(source, Dictionary):
        return source.to_dense(), None
    if isinstance(source, Cells):
        points = source.witnesses
        if points is None:
            raise InvalidProblem(
                "source: these cells have no interior points; enumerate them with witness=True."
            )
        points = points[np.isfinite(points).all(axis=1)]
        points = points / np.linalg.norm(points, axis=1)[:, None]
        return Dictionary(
            np.asarray(source.arrangement.data, dtype=np.float64), points
        ).to_dense(), None
    if isinstance(source, Solved):
        problem, basis = source.problem, skip_basis(source.problem)
        features = problem.features(source.measure.atoms)
        features -= basis @ (basis.T @ features)
        fit = evaluate(problem, source.measure).fit
        return features, None if problem.is_vector else fit - basis @ (basis.T @ fit)
    return finite_matrix("source", source), None
