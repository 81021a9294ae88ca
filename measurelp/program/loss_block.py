r"""How a loss enters a cone program whose fit is linear in its variables.

Programs over cells and over atoms have the fit :math:`z = \tau\,Cv` with scaled columns C, and
minimise :math:`L(z) + \kappa \sum_k t_k` where :math:`t_k` is the size of the k-th block of v.
:func:`loss_block` gives the rows, costs and auxiliary variables of :math:`L(z)/\kappa`, so that
all numbers are O(1), and the way to read alpha off a solution.

* Squared: a residual r in the solver's units, :math:`Cv - \lambda' r = y/\tau`, after a QR of
  [C | y] where there are more samples than columns.
* Interpolation: :math:`Cv = y/\tau`, in an orthonormal basis where rows depend on each other.
* Others: their own cone form (:class:`~measurelp.problem.ConeForm`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from measurelp.problem import ConeForm, Loss
from measurelp.problem.losses import ConeRows
from measurelp.program.compression import independent_equalities, triangular_least_squares

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
class Columns:
    """The scaled columns C, (n, N), as a dense matrix of some rows or as triplets of all."""

    n: int
    n_columns: int
    dense: Callable[[slice], Matrix]
    triplets: Callable[[], Triplets]


Multiplier = Callable[[SolvedPoint, Callable[[Vector], Vector]], Vector | None]
"""The dual vector alpha from a solver's report and the fit as a function of its vector x."""


@dataclass(frozen=True, eq=False)
class LossBlock:
    """Rows over [C's variables, auxiliary variables], in the order of a cone program.

    ``first`` holds the equalities and then the inequalities, of which there are ``zero`` and
    ``nonneg``; ``last`` the rows of exponential cones.  ``cost`` (N,) is a linear cost of v,
    ``linear`` and ``quadratic`` are those of the auxiliary variables.
    """

    first: Triplets
    first_rhs: Vector
    zero: int
    last: Triplets
    last_rhs: Vector
    cost: Vector | None
    linear: Vector
    quadratic: Vector
    y_scale: float
    value_scale: float
    offset: float
    multiplier: Multiplier

    @property
    def nonneg(self) -> int:
        """How many inequalities."""
        return len(self.first_rhs) - self.zero

    @property
    def n_equalities(self) -> int:
        """The rows that are fit = target and nothing else, 0 if there are other rows too."""
        return self.zero if self.nonneg == 0 and not len(self.last_rhs) else 0


def loss_block(
    columns: Columns,
    *,
    y: Vector,
    lam: float,
    loss: Loss,
    weight: Vector | None,
    column_scale: float,
) -> LossBlock:
    r"""The block of a loss; with :math:`v = (m/\tau) u`, m the ``column_scale``, :math:`\kappa=\lambda\tau/m`."""
    if loss.is_hard_constraint:
        return _equalities(columns, y, column_scale)
    if loss.is_quadratic and weight is None:
        return _least_squares(columns, y, lam, column_scale)
    weight = np.ones(len(y)) if weight is None else weight
    return _own_form(columns, y, lam, loss, weight, column_scale)


def dense_triplets(matrix: Matrix) -> Triplets:
    """Entries of a dense matrix, rounding dust left out."""
    row, column = np.nonzero(np.abs(matrix) > 1e-16 * np.abs(matrix).max(initial=0.0))
    return row, column, matrix[row, column]


def joined(*parts: Triplets) -> Triplets:
    """One list of triplets."""
    rows, columns, values = zip(*parts, strict=True)
    return np.concatenate(rows), np.concatenate(columns), np.concatenate(values)


def _nothing() -> Triplets:
    return np.zeros(0, np.intp), np.zeros(0, np.intp), np.zeros(0)


def _equalities(columns: Columns, y: Vector, column_scale: float) -> LossBlock:
    y_scale = float(np.linalg.norm(y)) or 1.0
    target, basis = y / y_scale, None
    compressed = independent_equalities(columns.dense(slice(0, columns.n)), target)
    if compressed is None:
        entries = columns.triplets()
    else:
        entries, target = dense_triplets(compressed.matrix), compressed.target
        basis = compressed.basis
    count = len(target)

    def multiplier(report: SolvedPoint, _: Callable[[Vector], Vector]) -> Vector | None:
        if report.z is None:
            return None
        small = report.z[:count] * (-1.0 / column_scale)
        return small if basis is None else np.asarray(basis @ small)

    return LossBlock(
        first=entries, first_rhs=target, zero=count, last=_nothing(), last_rhs=np.zeros(0),
        cost=None, linear=np.zeros(0), quadratic=np.zeros(0), y_scale=y_scale,
        value_scale=y_scale / column_scale, offset=0.0, multiplier=multiplier,
    )  # fmt: skip


def _least_squares(columns: Columns, y: Vector, lam: float, column_scale: float) -> LossBlock:
    y_scale = float(np.linalg.norm(y)) or 1.0
    target, rest = y / y_scale, 0.0
    strength = lam / (column_scale * y_scale)
    if columns.n > columns.n_columns:
        whole = target

        def part(rows: slice) -> Matrix:
            return np.column_stack([columns.dense(rows), whole[rows]])

        triangle, target, rest = triangular_least_squares(columns.n, columns.n_columns, part)
        entries = dense_triplets(triangle)
    else:
        entries = columns.triplets()
    m = len(target)
    residual = np.arange(m), columns.n_columns + np.arange(m), np.full(m, -strength)

    def multiplier(report: SolvedPoint, fit: Callable[[Vector], Vector]) -> Vector | None:
        return None if report.x is None else y - fit(report.x)

    return LossBlock(
        first=joined(residual, entries), first_rhs=target, zero=m, last=_nothing(),
        last_rhs=np.zeros(0), cost=None, linear=np.zeros(m), quadratic=np.full(m, strength),
        y_scale=y_scale, value_scale=lam * y_scale / column_scale,
        offset=0.5 * (y_scale * rest) ** 2, multiplier=multiplier,
    )  # fmt: skip


def _own_form(
    columns: Columns, y: Vector, lam: float, loss: Loss, weight: Vector, column_scale: float
) -> LossBlock:
    used = np.flatnonzero(weight > 0.0)
    form = loss.cone_form(y[used], weight[used])
    tau = form.scale
    kappa = lam * tau / column_scale
    entries = columns.triplets()
    fit = sparse.csr_array(
        (entries[2], (entries[0], entries[1])), shape=(columns.n, columns.n_columns)
    )[used]

    def rows(part: ConeRows, scale: float) -> Triplets:
        """Rows over [v, a / tau], divided so that those of the scaled fit are O(1)."""
        chosen = _matrix(part.fit, len(part), len(used)) @ fit
        block = chosen.tocoo()
        row, variable, value = part.auxiliary
        return joined(
            (block.row.astype(np.intp), block.col.astype(np.intp), block.data * scale),
            (row, columns.n_columns + variable, value * scale),
        )

    zero, nonneg = rows(form.zero, 1.0), rows(form.nonneg, 1.0)
    shifted = nonneg[0] + len(form.zero), nonneg[1], nonneg[2]
    cost = None
    if form.fit_linear is not None:
        cost = np.asarray(fit.T @ form.fit_linear) * (tau / kappa)
    return LossBlock(
        first=joined(zero, shifted),
        first_rhs=np.concatenate([form.zero.rhs, form.nonneg.rhs]) / tau, zero=len(form.zero),
        last=rows(form.exponential, tau), last_rhs=form.exponential.rhs, cost=cost,
        linear=form.linear * (tau / kappa), quadratic=form.quadratic * (tau * tau / kappa),
        y_scale=tau, value_scale=kappa, offset=0.0,
        multiplier=_LossMultiplier(loss, y, weight, used, form, kappa),
    )  # fmt: skip


def _matrix(entries: Triplets, n_rows: int, n_columns: int) -> sparse.csr_array:
    row, column, value = entries
    return sparse.csr_array((value, (row, column)), shape=(n_rows, n_columns))


@dataclass(frozen=True, eq=False)
class _LossMultiplier:
    """Minus the gradient at the fit, or, of a loss with kinks, minus the multiplier of the fit."""

    loss: Loss
    y: Vector
    weight: Vector
    used: NDArray[np.intp]
    form: ConeForm
    kappa: float

    def __call__(self, report: SolvedPoint, fit: Callable[[Vector], Vector]) -> Vector | None:
        if self.loss.is_smooth:
            if report.x is None:
                return None
            return self.loss.dual_from_fit(fit(report.x), self.y, self.weight)
        if report.z is None:
            return None
        form, n = self.form, len(self.used)
        slope = np.zeros(n) if form.fit_linear is None else form.fit_linear.copy()
        start = 0
        for part, scale in ((form.zero, form.scale), (form.nonneg, form.scale)):
            multipliers = report.z[start : start + len(part)]
            slope += _matrix(part.fit, len(part), n).T @ multipliers * (self.kappa / scale)
            start += len(part)
        if len(form.exponential):
            multipliers = report.z[len(report.z) - len(form.exponential) :]
            matrix = _matrix(form.exponential.fit, len(form.exponential), n)
            slope += matrix.T @ multipliers * self.kappa
        alpha = np.zeros(len(self.y))
        alpha[self.used] = -slope
        low, high = self.loss.dual_limits(self.y, self.weight)
        return np.clip(alpha, low, high)
