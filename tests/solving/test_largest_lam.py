"""lam_max of every kind of loss: a bracket, and what happens on both sides of it."""

import cvxpy as cp
import numpy as np
import pytest
from oracles import brute
from oracles.families import SETTINGS

import measurelp as mlp

KINKS = [mlp.Absolute(), mlp.Quantile(0.3), mlp.Hinge()]
SMOOTH = [mlp.Squared(), mlp.Huber(0.5), mlp.SquaredHinge(), mlp.Logistic()]


def draw(loss, seed, bias, skip, n=9, d=2):
    rng = np.random.default_rng(seed)
    X, y = rng.standard_normal((n, d)), rng.standard_normal(n)
    if isinstance(loss, (mlp.Hinge, mlp.SquaredHinge, mlp.Logistic)):
        y = np.where(rng.standard_normal(n) > 0.0, 1.0, -1.0)
    return mlp.MeasureProblem(X, y, lam=1.0, loss=loss, bias=bias, skip=skip)


def least_height(problem, low, high):
    """min over low <= alpha <= high, orthogonal to the skip, of the height at many weights: from below."""
    rng = np.random.default_rng(0)
    weights = rng.standard_normal((4000, problem.lifted.shape[1]))
    if problem.bias == "free":
        through = problem.X[rng.integers(problem.n, size=len(weights))]
        weights[:, -1] = -np.einsum("ij,ij->i", weights[:, :-1], through)
    weights /= np.linalg.norm(weights[:, : problem.n_penalized], axis=1)[:, None]
    features = np.maximum(problem.lifted @ weights.T, 0.0)
    alpha, height = cp.Variable(problem.n), cp.Variable()
    rules = [alpha >= low, alpha <= high, problem.skip_columns.T @ alpha == 0] if (
        problem.skip_columns.shape[1]
    ) else [alpha >= low, alpha <= high]  # fmt: skip
    program = cp.Problem(cp.Minimize(height), [*rules, cp.abs(features.T @ alpha) <= height])
    program.solve(solver="CLARABEL")
    return float(program.value)


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize(("bias", "skip"), SETTINGS)
def test_absolute_loss_against_a_linear_program(bias, skip, seed):
    """The subgradients at the best skip: signs of the residual, free where the fit meets a target."""
    problem = draw(mlp.Absolute(), seed, bias, skip)
    columns = problem.skip_columns
    residual = problem.y
    if columns.shape[1]:
        c = cp.Variable(columns.shape[1])
        cp.Problem(cp.Minimize(cp.norm1(columns @ c - problem.y))).solve(
            solver="CLARABEL", tol_gap_abs=1e-11, tol_gap_rel=1e-11, tol_feas=1e-11
        )
        residual = problem.y - columns @ c.value
    at = np.abs(residual) <= 1e-6
    low = np.where(at, -1.0, np.sign(residual))
    high = np.where(at, 1.0, np.sign(residual))
    below = least_height(problem, low, high)
    lower, upper = mlp.lam_max_bracket(problem)
    assert lower <= upper <= lower * (1.0 + 1e-8)
    assert below * (1.0 - 1e-6) <= upper <= below * 1.05


@pytest.mark.parametrize("loss", [*KINKS, *SMOOTH], ids=lambda loss: loss.name)
@pytest.mark.parametrize(("bias", "skip"), SETTINGS)
def test_both_sides(loss, bias, skip):
    """At the upper end the null model is optimal; below the lower end something is better."""
    problem = draw(loss, 3, bias, skip)
    lower, upper = mlp.lam_max_bracket(problem)
    assert upper == mlp.lam_max(problem)
    if upper <= 1e-6:
        pytest.skip("the skip fits everything")
    assert lower <= upper <= lower * (1.0 + 1e-8)
    # A value of the null model: far above lam_max zero is optimal.
    nothing = mlp.solve(problem.with_lam(10.0 * upper), tol_gap=1e-8)
    assert nothing.certificate.verdict is mlp.Verdict.OPTIMAL
    value = nothing.certificate.primal_value
    below = mlp.solve(problem.with_lam(0.97 * lower))
    assert below.certificate.verdict is mlp.Verdict.OPTIMAL
    assert below.certificate.primal_value < value * (1.0 - 1e-5)
    above = mlp.solve(problem.with_lam(1.001 * upper))
    brute.assert_close(above.certificate.primal_value, value, rel=2e-6)


def test_a_median_that_is_free():
    """Targets 0, 1, 4 at 0, 1, 2: alpha = (-1, a, 1) with a = 0, and the kinks see 1 and 2."""
    problem = mlp.MeasureProblem(
        [[0.0], [1.0], [2.0]], [0.0, 1.0, 4.0], lam=1.0, loss=mlp.Absolute(), bias="free",
        skip="constant",
    )  # fmt: skip
    np.testing.assert_allclose(mlp.lam_max_bracket(problem), 2.0, rtol=1e-9)


def test_separate_outputs_take_the_largest():
    rng = np.random.default_rng(5)
    X, Y = rng.standard_normal((10, 2)), rng.standard_normal((10, 3))
    for loss in (mlp.Squared(), mlp.Absolute()):
        options = {"lam": 1.0, "loss": loss, "skip": "constant"}
        ours = mlp.lam_max(mlp.MeasureProblem(X, Y, outputs="separate", **options))
        each = [mlp.lam_max(mlp.MeasureProblem(X, y, **options)) for y in Y.T]
        assert ours == pytest.approx(max(each), rel=1e-9)
