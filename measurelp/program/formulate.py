"""The full cone program of a problem over given cells, and the way back to a measure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from measurelp.errors import InvalidProblem
from measurelp.measure import AtomicMeasure, Skip
from measurelp.problem import MeasureProblem, check_measures
from measurelp.program.cone_program import ConeProgram
from measurelp.program.loss_block import SolvedPoint
from measurelp.program.restricted import CellLift, restricted_program

_SHARE_FROM = 6  # fit rows from which z = u - w saves entries


class SignedCells(Protocol):
    """What is read of :class:`measurelp.arrangement.Cells`."""

    @property
    def signs(self) -> NDArray[np.int8]:
        """(S, n) in {-1, 0, 1}; row i of the lifted data is active where the sign is +1."""
        ...


@dataclass(frozen=True, eq=False)
class Lift:
    """The way back from the full program's vectors to a measure and its dual.

    Attributes
    ----------
    problem : MeasureProblem
    cells : CellLift
        The lift of the program over signed cells: first all with sign +1, then all with -1.
    """

    problem: MeasureProblem
    cells: CellLift

    def measure(self, x: NDArray[np.float64], *, drop: float = 1e-9) -> AtomicMeasure:
        """The measure that a primal vector stands for; see :func:`measure_from_weights`."""
        return measure_from_weights(
            self.problem, self.cells.weights(x), self.cells.signs, self.cells.skip(x), drop=drop
        )

    def dual(self, report: SolvedPoint) -> NDArray[np.float64] | None:
        """The dual vector alpha, (n,); see :meth:`CellLift.dual`."""
        return self.cells.dual(report)

    def objective(self, value: float) -> float:
        """The problem's objective from that of the cone program."""
        return self.cells.objective(value)


def formulate(
    problem: MeasureProblem,
    cells: SignedCells,
    *,
    facets: Sequence[NDArray[np.intp]] | None = None,
) -> tuple[ConeProgram, Lift]:
    r"""The cone program of a problem over all the given cells, with both signs on each.

    .. math:: \min\; L\Bigl(\sum_s D_s \tilde X (u_s - w_s) + Sc\Bigr)
              + \lambda \sum_s (|u_s| + |w_s|)
              \quad\text{s.t. } u_s, w_s \text{ in the closed cell } s

    Over all cells of the data its value is that of the problem over measures (Pilanci and
    Ergen 2020); over some of them it is an upper bound.

    Parameters
    ----------
    problem : MeasureProblem
        With the Euclidean ball.
    cells : Cells
        Anything with ``signs`` over the rows of ``problem.lifted``, both members of an
        opposite pair listed.  A sign of 0 is an inactive row.
    facets : S integer arrays, optional
        The rows that bound each cell.  Only their walls are imposed; by default all.

    Returns
    -------
    ConeProgram, Lift

    Raises
    ------
    InvalidProblem
        When the cells are of other data, there are none, or the ball is not Euclidean.

    Notes
    -----
    The fit is written with z = u - w, which halves the entries of its dense rows, where
    there are enough rows to gain by it: about half the solver's time at 2452 cells of 50
    rows.  With the facets only, a third of what all walls take.
    """
    check_measures(problem)
    if problem.ball.name != "l2":
        raise InvalidProblem(f"ball: cones are made for L2Ball(), found {problem.ball!r}.")
    signs = np.asarray(cells.signs)
    if signs.ndim != 2 or signs.shape[1] != problem.n:
        raise InvalidProblem(
            f"cells: expected signs of shape (S, {problem.n}), one column a row of the data, "
            f"found {signs.shape}."
        )
    if len(signs) == 0:
        raise InvalidProblem("cells: expected at least one cell, found none.")
    rows = problem.lifted
    if facets is None:
        cuts = np.flatnonzero(np.any(rows != 0.0, axis=1))
        walls: list[NDArray[np.intp]] = [cuts] * len(signs)
    elif len(facets) != len(signs):
        raise InvalidProblem(f"facets: expected {len(signs)} of them, found {len(facets)}.")
    else:
        walls = list(facets)
    active = signs > 0
    program, lift = restricted_program(
        rows, np.concatenate([active, active]), np.repeat([1.0, -1.0], len(signs)), walls * 2,
        y=problem.y, lam=problem.lam, loss=problem.loss,
        weight=problem.sample_weight if problem.is_weighted else None,
        activation=problem.activation.slopes,
        skip_columns=problem.skip_columns, n_penalized=problem.n_penalized,
    )  # fmt: skip
    n_shared = len(signs) * rows.shape[1]
    if lift.n_equalities > _SHARE_FROM:
        program = _share_opposite_columns(program, lift.n_equalities, n_shared)
    return program, Lift(problem, lift)


def _share_opposite_columns(program: ConeProgram, n_fit: int, n_shared: int) -> ConeProgram:
    """Write the fit with z = u - w, where u and w are the first two runs of n_shared variables.

    Both run over the same cells with opposite signs, so the dense rows need their entries
    once instead of twice; z is appended to the variables and z - u + w = 0 follows the fit
    rows, so a lift reads the same vectors.
    """
    rows = program.A.tocsr()
    fit, others = rows[:n_fit].tocsc(), rows[n_fit:]
    one = sparse.eye_array(n_shared)
    matrix = sparse.block_array(
        [
            [sparse.csc_array((n_fit, n_shared)), None, fit[:, 2 * n_shared :], fit[:, :n_shared]],
            [-one, one, None, one],
            [others[:, :n_shared], others[:, n_shared : 2 * n_shared],
             others[:, 2 * n_shared :], None],
        ],
        format="csc",
    )  # fmt: skip
    quadratic = program.P
    if quadratic is not None:
        quadratic = sparse.block_diag(
            [quadratic, sparse.csc_array((n_shared, n_shared))], format="csc"
        )
    b = np.concatenate([program.b[:n_fit], np.zeros(n_shared), program.b[n_fit:]])
    return ConeProgram(
        quadratic, np.concatenate([program.q, np.zeros(n_shared)]), matrix, b,
        zero=n_fit + n_shared, nonneg=program.nonneg, soc=program.soc,
    )  # fmt: skip


def skip_from_coefficients(
    problem: MeasureProblem, coefficients: NDArray[np.float64], extra_constant: float = 0.0
) -> Skip | None:
    """The skip of coefficients in the order of ``problem.skip_columns``; None if there is none."""
    if problem.skip == "none":
        return None
    linear = np.zeros((problem.d, *coefficients.shape[1:]))
    if problem.skip == "affine":
        linear[:] = coefficients[: problem.d]
    constant = coefficients[-1] + extra_constant
    return Skip(linear, float(constant) if coefficients.ndim == 1 else constant)


def measure_from_weights(
    problem: MeasureProblem,
    weights: NDArray[np.float64],
    signs: NDArray[np.float64],
    skip: NDArray[np.float64],
    *,
    drop: float = 1e-9,
) -> AtomicMeasure:
    r"""The measure :math:`\sum_k s_k |u_k| \delta_{u_k/|u_k|}` with its skip.

    Parameters
    ----------
    problem : MeasureProblem
    weights : (K, r) array
        u_k.
    signs : (K,) array of +-1
    skip : (p,) array
        Coefficients of ``problem.skip_columns``.
    drop : float
        Weights of at most this fraction of the largest norm are left out (interior-point
        solvers never return exact zeros).  With a free bias, what such a unit adds at the
        origin goes into the constant.
    """
    norms = problem.weight_norm(weights)
    keep = norms > drop * norms.max(initial=0.0)
    constant = 0.0
    if problem.bias == "free":
        left_out = ~keep
        constant = float(signs[left_out] @ np.maximum(weights[left_out, -1], 0.0))
    return AtomicMeasure(
        weights[keep] / norms[keep, None],
        signs[keep] * norms[keep],
        skip_from_coefficients(problem, skip, constant),
    )
