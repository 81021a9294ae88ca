"""Independent oracles: cells by linear programs over all sign vectors, one cone a cell in CVXPY."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import cvxpy as cp
import numpy as np
import pytest
from scipy.optimize import linprog


@dataclass(frozen=True)
class BruteCells:
    """Only what the programs read of cells."""

    signs: np.ndarray


def _cells(rows: np.ndarray) -> BruteCells:
    """All sign vectors of full-dimensional cells, by one feasibility program each."""
    rows = np.asarray(rows, dtype=float)
    nonzero = np.any(rows != 0.0, axis=1)
    found = []
    for signs in itertools.product((-1, 1), repeat=int(nonzero.sum())):
        walls = -np.array(signs)[:, None] * rows[nonzero]
        answer = linprog(
            np.zeros(rows.shape[1]), A_ub=walls, b_ub=-np.ones(len(walls)), bounds=(None, None)
        )
        if answer.status == 0:
            full = np.zeros(len(rows), dtype=np.int8)
            full[nonzero] = signs
            found.append(full)
    return BruteCells(np.array(found))


def _cvxpy_value(problem, cells) -> float:
    """The textbook program, one Variable a cell and sign, solved by CVXPY."""
    rows, n = problem.lifted, problem.n
    fit, variation, constraints = np.zeros(n), 0, []
    for signs in cells.signs:
        active = np.diag((signs > 0).astype(float))
        side = np.diag(np.where(signs > 0, 1.0, -1.0))
        for output in (1.0, -1.0):
            u = cp.Variable(rows.shape[1])
            constraints.append(side @ rows @ u >= 0)
            fit = fit + output * (active @ rows) @ u
            variation = variation + cp.norm(u[: problem.n_penalized])
    if problem.skip_columns.shape[1]:
        fit = fit + problem.skip_columns @ cp.Variable(problem.skip_columns.shape[1])
    if problem.loss.is_hard_constraint:
        program = cp.Problem(cp.Minimize(variation), [*constraints, fit == problem.y])
    else:
        objective = 0.5 * cp.sum_squares(fit - problem.y) + problem.lam * variation
        program = cp.Problem(cp.Minimize(objective), constraints)
    program.solve(solver="CLARABEL", tol_gap_abs=1e-10, tol_gap_rel=1e-10, tol_feas=1e-10)
    return float(program.value)


@pytest.fixture(scope="session")
def brute_cells():
    return _cells


@pytest.fixture(scope="session")
def cvxpy_value():
    return _cvxpy_value
