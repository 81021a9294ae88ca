"""Newton's method for smooth losses: agrees with cone programs, and hands over where it fails."""

import numpy as np
import pytest

import measurelp as mlp
from measurelp.masters import newton_master

LOSSES = [mlp.Logistic(), mlp.Huber(0.2), mlp.SquaredHinge(), mlp.Poisson()]


def draw(loss, seed, n=60, d=2):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d)) if seed % 2 else rng.integers(-3, 4, size=(n, d)).astype(float)
    f = np.maximum(X @ [1.0, 0.5], 0.0) - np.maximum(X @ [-0.3, 1.0] + 0.4, 0.0)
    if loss.name == "poisson":
        y = rng.poisson(np.exp(np.clip(f, -3.0, 2.0))).astype(float)
    elif loss.name == "huber":
        y = f + 0.3 * rng.standard_normal(n)
    else:
        y = np.where(f + 0.5 * rng.standard_normal(n) > 0.0, 1.0, -1.0)
    weight = rng.integers(0, 3, size=n).astype(float)
    weight[:2] = 1.0
    return X, y, weight


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_it_agrees_with_cone_programs(loss, seed):
    X, y, weight = draw(loss, seed)
    problem = mlp.MeasureProblem(
        X, y, lam=1.0, loss=loss, sample_weight=weight, skip=("none", "constant")[seed // 2]
    )
    problem = problem.with_lam(0.03 * mlp.lam_max(problem))
    slid, conic = mlp.solve(problem), mlp.solve(problem, backend="clarabel")
    assert slid.certificate.is_optimal, slid
    assert conic.certificate.is_optimal, conic
    assert conic.stats["master"] == "conic"
    assert slid.certificate.primal_value == pytest.approx(conic.certificate.primal_value, rel=2e-6)


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_a_master_that_never_settles_is_replaced(loss, monkeypatch):
    """With one model a call nothing settles; the cone programs then go on."""
    monkeypatch.setattr(newton_master, "_TIGHT_MODELS", 1)
    monkeypatch.setattr(newton_master, "_SETTLED", -1.0)
    X, y, weight = draw(loss, 1)
    solution = mlp.solve(mlp.MeasureProblem(X, y, lam=0.5, loss=loss, sample_weight=weight))
    assert solution.stats["master"] == "conic"
    assert solution.certificate.is_optimal, solution


def test_a_loss_that_is_flat_at_the_start_is_solved():
    """All targets are further from 0 than Huber's delta: no curvature anywhere."""
    rng = np.random.default_rng(3)
    X = rng.standard_normal((20, 2))
    y = 5.0 + np.maximum(X @ [1.0, 0.5], 0.0)
    problem = mlp.MeasureProblem(X, y, lam=0.5, loss=mlp.Huber(0.1), skip="constant")
    solution = mlp.solve(problem)
    assert solution.certificate.is_optimal, solution
    conic = mlp.solve(problem, backend="clarabel")
    assert solution.certificate.primal_value == pytest.approx(
        conic.certificate.primal_value, rel=2e-6
    )
