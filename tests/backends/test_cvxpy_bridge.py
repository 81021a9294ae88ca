"""The CVXPY face of a problem has the value of our own program and can be extended."""

from dataclasses import dataclass

import cvxpy as cp
import numpy as np
import pytest

from measurelp.backends import ClarabelBackend, cvxpy_from_problem
from measurelp.errors import InvalidProblem
from measurelp.problem import Interpolation, MeasureProblem
from measurelp.program import formulate


@dataclass(frozen=True)
class _Cells:
    signs: np.ndarray


def _some_cells(problem, k=12, seed=0):
    witnesses = np.random.default_rng(seed).standard_normal((k, problem.lifted.shape[1]))
    return _Cells(np.sign(witnesses @ problem.lifted.T).astype(np.int8))


@pytest.mark.parametrize("loss", ["squared", "interpolation"])
@pytest.mark.parametrize(
    ("bias", "skip"), [("none", "none"), ("penalized", "constant"), ("free", "affine")]
)
def test_value_and_weights(bias, skip, loss):
    rng = np.random.default_rng(1)
    n = 8 if loss == "squared" else 3
    X, y = rng.standard_normal((n, 2)), rng.standard_normal(n)
    options = {"lam": 0.3} if loss == "squared" else {"loss": Interpolation()}
    problem = MeasureProblem(X, y, bias=bias, skip=skip, **options)
    cells = _some_cells(problem)
    bridge = cvxpy_from_problem(problem, cells)
    program, lift = formulate(problem, cells)
    report = ClarabelBackend().solve(program)
    value = bridge.solve(solver="CLARABEL", tol_gap_abs=1e-10, tol_gap_rel=1e-10, tol_feas=1e-10)
    assert value == pytest.approx(lift.objective(report.objective), rel=1e-6, abs=1e-8)
    variables = bridge.var_dict
    assert set(variables) == {"positive", "negative"} | ({"skip"} if skip != "none" else set())
    positive, negative = variables["positive"].value, variables["negative"].value
    outputs = [np.maximum(problem.lifted @ w, 0).sum(axis=1) for w in (positive, negative)]
    fit = outputs[0] - outputs[1]
    if skip != "none":
        fit = fit + problem.skip_columns @ variables["skip"].value
    np.testing.assert_allclose(problem.y - fit, problem.y - lift.cells.fit(report.x), atol=1e-5)


def test_a_constraint_of_the_user_is_obeyed():
    rng = np.random.default_rng(2)
    problem = MeasureProblem(rng.standard_normal((6, 2)), rng.standard_normal(6), lam=0.1)
    bridge = cvxpy_from_problem(problem, _some_cells(problem))
    free = bridge.solve(solver="CLARABEL")
    negative = bridge.var_dict["negative"]
    bound = cp.Problem(bridge.objective, [*bridge.constraints, negative == 0])
    assert bound.solve(solver="CLARABEL") >= free - 1e-8
    np.testing.assert_allclose(negative.value, 0.0, atol=1e-8)


def test_no_cells_are_refused():
    problem = MeasureProblem(np.eye(2), np.ones(2), lam=1.0)
    with pytest.raises(InvalidProblem, match="cells"):
        cvxpy_from_problem(problem, _Cells(np.zeros((0, 2))))
