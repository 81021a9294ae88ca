"""The gated relaxation against group lassos in CVXPY, closed forms, and the ReLU problem above it."""

import cvxpy as cp
import numpy as np
import pytest
from oracles import brute

import measurelp as mlp


def group_lasso(problem, active):
    """min loss + lam sum |w_g| over given gates, in CVXPY."""
    rows, fit, size = problem.lifted, 0, 0
    for gate in active:
        w = cp.Variable(rows.shape[1])
        fit = fit + cp.multiply(gate.astype(float), rows @ w)
        size = size + cp.norm2(w)
    columns = brute.skip_columns(problem.X, problem.skip)
    if columns.shape[1]:
        fit = fit + columns @ cp.Variable(columns.shape[1])
    if problem.loss.is_hard_constraint:
        program = cp.Problem(cp.Minimize(size), [fit == problem.y])
    else:
        loss = brute.loss_expression(problem.loss.name, fit, problem.y, problem.sample_weight)
        program = cp.Problem(cp.Minimize(loss + problem.lam * size))
    program.solve(solver=cp.CLARABEL)
    return float(program.value)


@pytest.mark.parametrize(
    ("bias", "skip"), [("none", "none"), ("penalized", "none"), ("penalized", "constant")]
)
@pytest.mark.parametrize("loss", [mlp.Squared(), mlp.Absolute(), mlp.Interpolation()])
def test_all_gates_and_the_relu_above(loss, bias, skip):
    rng = np.random.default_rng(4)
    X, y = rng.standard_normal((7, 2)), rng.standard_normal(7)
    problem = mlp.MeasureProblem(X, y, lam=0.2, loss=loss, bias=bias, skip=skip)
    found = mlp.gated_relaxation(problem)
    expected = group_lasso(problem, brute.sign_patterns(problem.lifted) > 0)
    assert found.value == pytest.approx(expected, rel=2e-6)
    assert found.relative_gap <= 1e-6
    assert found.lower <= found.value * (1 + 1e-9)
    assert found.bounds_relu
    assert "bounds both" in found.message
    relu = mlp.solve(problem).certificate
    assert found.lower <= relu.primal_value * (1 + 1e-9)


def test_weighted_samples():
    rng = np.random.default_rng(5)
    X, y = rng.standard_normal((6, 2)), rng.standard_normal(6)
    weight = np.array([1.0, 0.0, 2.0, 3.0, 1.0, 0.5])
    problem = mlp.MeasureProblem(X, y, lam=0.2, sample_weight=weight)
    expected = group_lasso(problem, brute.sign_patterns(problem.lifted) > 0)
    found = mlp.gated_relaxation(problem)
    assert found.value == pytest.approx(expected, rel=2e-6)
    assert found.relative_gap <= 1e-6


def test_strict_on_orthonormal_inputs():
    """X = I: |y| for gates, |y_+| + |y_-| for the ReLU."""
    y = np.array([3.0, 4.0, -5.0, -12.0])
    problem = mlp.MeasureProblem(np.eye(4), y, loss=mlp.Interpolation(), bias="none")
    found = mlp.gated_relaxation(problem)
    assert found.value == pytest.approx(np.sqrt(194.0), rel=1e-7)
    assert found.lower == pytest.approx(np.sqrt(194.0), rel=1e-6)
    assert mlp.solve(problem).certificate.primal_value == pytest.approx(18.0, rel=1e-6)


def test_a_gate_that_no_cell_has_enlarges_the_model():
    """Inputs 1 and -1: gates of cells give 2, the gate of g = 0, active on both, gives 1."""
    problem = mlp.MeasureProblem(
        [[1.0], [-1.0]], [1.0, -1.0], loss=mlp.Interpolation(), bias="none"
    )
    assert mlp.gated_relaxation(problem).value == pytest.approx(2.0, rel=1e-7)
    more = mlp.gated_relaxation(problem, [[1.0], [-1.0], [0.0]])
    assert more.value == pytest.approx(1.0, rel=1e-7)
    assert not more.bounds_relu
    assert "bounds no other model" in more.message


def test_many_gates_are_generated():
    rng = np.random.default_rng(6)
    X, y = rng.standard_normal((40, 3)), rng.standard_normal(40)
    problem = mlp.MeasureProblem(X, y, lam=1.0, bias="none")
    found = mlp.gated_relaxation(problem)
    assert found.relative_gap <= 1e-6
    relu = mlp.solve(problem).certificate
    assert found.value <= relu.primal_value * (1 + 1e-6)
    fit = np.sum(found.active.T * (X @ found.weights.T), axis=1)
    value = 0.5 * np.sum((fit - y) ** 2) + np.linalg.norm(found.weights, axis=1).sum()
    assert value == pytest.approx(found.value, rel=1e-8)


def test_refusals():
    X, y = np.eye(3), np.ones(3)
    for options in (
        {"ball": mlp.L1Ball()}, {"activation": mlp.AbsoluteValue()},
        {"bias": "free", "skip": "constant"},
    ):  # fmt: skip
        with pytest.raises(mlp.InvalidProblem, match="problem"):
            mlp.gated_relaxation(mlp.MeasureProblem(X, y, lam=1.0, **options))
    with pytest.raises(mlp.InvalidProblem, match="gates"):
        mlp.gated_relaxation(mlp.MeasureProblem(X, y, lam=1.0), np.eye(3))
    wide = np.random.default_rng(0).standard_normal((200, 6))
    with pytest.raises(mlp.InvalidProblem, match="X: up to"):
        mlp.gated_relaxation(mlp.MeasureProblem(wide, np.ones(200), lam=1.0))
