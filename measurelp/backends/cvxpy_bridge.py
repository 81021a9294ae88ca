"""The full convex program of a problem as a CVXPY Problem that a user can extend."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from measurelp.errors import InvalidProblem

if TYPE_CHECKING:
    import cvxpy as cp

    from measurelp.problem import MeasureProblem
    from measurelp.problem.losses import ConeRows


class SignedCells(Protocol):
    """What is read of cells: their sign vectors, (S, n) in {-1, 0, 1}."""

    @property
    def signs(self) -> NDArray[np.int8]:
        """One row a cell; row i of the data is active where the sign is +1."""
        ...


def cvxpy_from_problem(problem: MeasureProblem, cells: SignedCells) -> cp.Problem:
    r"""The convex program over given cells, vectorised, for CVXPY.

    .. math:: \min\; L\Bigl(\sum_s D_s \tilde X (u_s - w_s) + Sc\Bigr)
              + \lambda \sum_s (|u_s| + |w_s|)
              \quad\text{s.t.}\quad (2D_s - I)\tilde X u_s \ge 0,\; (2D_s - I)\tilde X w_s \ge 0

    Parameters
    ----------
    problem : MeasureProblem
        With any loss; losses but the squared one and interpolation enter by their cone form.
    cells : Cells
        Anything with ``signs``.

    Returns
    -------
    cvxpy.Problem
        With the variables, to be found in ``problem.var_dict`` by name,

        * ``positive`` (r, S): column s is u_s, the weight of a unit with positive output;
        * ``negative`` (r, S): column s is w_s, the same for negative output;
        * ``skip`` (p,): coefficients of the unpenalised columns, absent if there are none.

        The unit of cell s has the atom ``u_s / |u_s|`` and the mass ``|u_s|`` (minus
        ``|w_s|`` for the negative ones).  Add constraints or terms by making another
        ``cp.Problem(cp.Minimize(p.objective.expr + ...), p.constraints + [...])``, and solve
        with any solver, ``p.solve(solver="MOSEK")``.

    Notes
    -----
    One matrix variable a sign and not one variable a cell: at 2000 cells CVXPY's own time
    falls from seconds to a tenth of one.  All walls are imposed.
    """
    import cvxpy as cp

    loss = problem.loss
    rows = problem.lifted
    n, width = rows.shape
    signs = np.asarray(cells.signs)
    n_cells = len(signs)
    if n_cells == 0:
        raise InvalidProblem("cells: expected at least one cell, found none.")
    if problem.is_vector:
        raise InvalidProblem(
            f"problem: the program over cells is that of one output, found {problem.n_outputs}; pass "
            "problem.column(j), one for each."
        )
    if problem.ball.name != "l2" or problem.activation.slopes != (1.0, 0.0):
        raise InvalidProblem(
            "problem: the program over cells is stated here for L2Ball() and ReLU(), found "
            f"{problem.ball!r} and {problem.activation!r}."
        )
    positive = cp.Variable((width, n_cells), name="positive")
    negative = cp.Variable((width, n_cells), name="negative")
    side = np.where(signs > 0, 1.0, -1.0).T
    inside = rows @ positive, rows @ negative
    constraints: list[Any] = [cp.multiply(side, part) >= 0 for part in inside]

    # fit_i = sum over cells s with i active of <x_i, u_s - w_s>, as one sparse product with
    # the columns of u - w stacked.
    row, cell = np.nonzero(signs.T > 0)
    entries = sparse.csr_array(
        (rows[row].ravel(),
         (np.repeat(row, width), (cell[:, None] * width + np.arange(width)).ravel())),
        shape=(n, n_cells * width),
    )  # fmt: skip
    fit = entries @ cp.vec(positive - negative, order="F")
    columns = problem.skip_columns
    if columns.shape[1]:
        fit = fit + columns @ cp.Variable(columns.shape[1], name="skip")
    penalized = slice(0, problem.n_penalized)
    variation = cp.sum(cp.norm(positive[penalized], axis=0)) + cp.sum(
        cp.norm(negative[penalized], axis=0)
    )
    if loss.is_hard_constraint:
        return cp.Problem(cp.Minimize(variation), [*constraints, fit == problem.y])
    if loss.is_quadratic and not problem.is_weighted:
        value = 0.5 * cp.sum_squares(fit - problem.y)
    else:
        value, rows_of_loss = _loss_by_its_form(problem, fit)
        constraints += rows_of_loss
    return cp.Problem(cp.Minimize(value + problem.lam * variation), constraints)


def _loss_by_its_form(problem: MeasureProblem, fit: Any) -> tuple[Any, list[Any]]:
    """The loss as an expression and constraints, in auxiliary variables named ``loss``."""
    import cvxpy as cp

    used = np.flatnonzero(problem.sample_weight > 0.0)
    form = problem.loss.cone_form(problem.y[used], problem.sample_weight[used])
    fit, own = fit[used], cp.Variable(len(form.linear), name="loss")

    def slack(rows: ConeRows) -> Any:
        parts = [(rows.fit, fit, len(used)), (rows.auxiliary, own, len(form.linear))]
        value = rows.rhs
        for (row, column, entry), variable, count in parts:
            matrix = sparse.csr_array((entry, (row, column)), shape=(len(rows), count))
            value = value - matrix @ variable
        return value

    value = form.linear @ own + 0.5 * cp.sum_squares(cp.multiply(np.sqrt(form.quadratic), own))
    if form.fit_linear is not None:
        value = value + form.fit_linear @ fit
    constraints: list[Any] = []
    if len(form.zero):
        constraints.append(slack(form.zero) == 0)
    if len(form.nonneg):
        constraints.append(slack(form.nonneg) >= 0)
    if len(form.exponential):
        cone = slack(form.exponential)
        constraints.append(cp.ExpCone(cone[0::3], cone[1::3], cone[2::3]))
    return value, constraints
