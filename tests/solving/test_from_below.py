"""Interpolants found from least squares with a small lam."""

import math

import numpy as np
import pytest

import measurelp as mlp
from measurelp.solving.from_below import interpolant_from_below


def from_below(problem, *, tol_gap=1e-9, deadline=math.inf):
    """What is made of a solution that was stopped after one round."""
    early = mlp.solve(problem, tol_gap=tol_gap, max_rounds=1)
    assert not early.certificate.is_optimal
    return early, interpolant_from_below(early, mlp.solve, tol_gap=tol_gap, deadline=deadline)


@pytest.mark.parametrize(("bias", "skip"), [
    ("none", "none"), ("penalized", "none"), ("penalized", "constant"), ("free", "constant"),
])  # fmt: skip
@pytest.mark.parametrize("seed", [1, 2])
def test_it_is_the_solution(bias, skip, seed):
    rng = np.random.default_rng(seed)
    problem = mlp.MeasureProblem(
        rng.standard_normal((7, 3)), rng.standard_normal(7), loss=mlp.Interpolation(), bias=bias,
        skip=skip,
    )  # fmt: skip
    _, found = from_below(problem)
    assert found.certificate.is_optimal and found.termination is mlp.Termination.CONVERGED
    best = mlp.solve(problem, tol_gap=1e-9).certificate.primal_value
    assert found.certificate.primal_value == pytest.approx(best, rel=1e-9)
    np.testing.assert_allclose(found.predict(problem.X), problem.y, atol=1e-8)
    assert mlp.certify(problem, found.measure, dual=found.dual, tol_gap=1e-9).is_optimal


def teacher(n, d, seed, noise):
    rng = np.random.default_rng(seed)
    X, W = rng.standard_normal((n, d)), rng.standard_normal((3, d + 1))
    W /= np.linalg.norm(W, axis=1)[:, None]
    y = np.maximum(np.hstack([X, np.ones((n, 1))]) @ W.T, 0.0) @ rng.choice([-1.0, 1.0], 3)
    return X, y + noise * rng.standard_normal(n)


@pytest.mark.parametrize("case", [(20, 2, 2, 1e-3), (30, 3, 0, 0.0)])
def test_teachers_on_which_cone_programs_stall(case):
    problem = mlp.MeasureProblem(*teacher(*case), loss=mlp.Interpolation())
    solution = mlp.solve(problem, tol_gap=1e-9)
    assert solution.certificate.is_optimal and len(solution.measure) <= problem.n


def test_without_time_the_solution_stays_what_it_was():
    rng = np.random.default_rng(1)
    problem = mlp.MeasureProblem(
        rng.standard_normal((7, 3)), rng.standard_normal(7), loss=mlp.Interpolation()
    )
    early, found = from_below(problem, deadline=0.0)
    assert found is early
