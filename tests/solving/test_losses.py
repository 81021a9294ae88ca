"""Every loss, bias and skip against the full program over all cells in CVXPY."""

import numpy as np
import pytest
from oracles import brute
from oracles.families import SETTINGS, TAME

import measurelp as mlp
from measurelp.problem import LOSSES

PARAMETER = {"quantile": 0.3, "huber": 0.5}
OPTIONS = {"quantile": {"tau": 0.3}, "huber": {"delta": 0.5}}
NAMES = sorted(set(LOSSES) - {"interpolation", "multinomial_logistic"})


def draw(name, family, seed):
    """Inputs, targets that suit the loss, and weights (none for even seeds)."""
    rng = np.random.default_rng(seed)
    n, d = [(6, 2), (7, 1), (5, 3)][seed % 3]
    X = TAME[family](rng, n, d)
    if name in ("hinge", "squared_hinge", "logistic"):
        y = rng.choice([-1.0, 1.0], size=n)
        y[:2] = -1.0, 1.0
    elif name == "poisson":
        y = rng.poisson(2.0, size=n).astype(float)
    else:
        y = rng.standard_normal(n)
    weight = rng.integers(0, 4, size=n).astype(float) if seed % 2 else np.ones(n)
    weight[:2] = np.maximum(weight[:2], 1.0)
    return X, y, weight


def solved_both_ways(name, family, bias, skip, seed):
    """Our solution and CVXPY's value of the program over all cells."""
    X, y, weight = draw(name, family, seed)
    lam = (0.3, 0.05)[seed % 2]
    problem = mlp.MeasureProblem(
        X, y, lam=lam, loss=LOSSES[name](**OPTIONS.get(name, {})), bias=bias, skip=skip,
        sample_weight=weight,
    )  # fmt: skip
    expected = brute.cone_program(
        X, y, lam=lam, bias=bias, skip=skip,
        loss=lambda fit: brute.loss_expression(name, fit, y, weight, PARAMETER.get(name)),
    )  # fmt: skip
    return mlp.solve(problem), expected, float(weight.sum())


def check(solution, expected, size):
    """The optimum is inside the bracket and, where it is proved, reached."""
    certificate = solution.certificate
    floor = 5e-7 * size  # the cone program comes no nearer to an infimum that is not attained
    assert certificate.dual_value <= expected + 1e-6 * abs(expected) + floor, (
        certificate,
        expected,
    )
    assert certificate.primal_value >= expected - 1e-6 * abs(expected) - floor, (
        certificate, expected,
    )  # fmt: skip
    recomputed = solution.problem.loss_value(
        solution.predict(solution.problem.X)
    ) + solution.problem.lam * float(np.abs(solution.measure.masses).sum())
    assert certificate.primal_value == pytest.approx(recomputed, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(("bias", "skip"), SETTINGS)
@pytest.mark.parametrize("name", NAMES)
def test_general_position(name, bias, skip, seed):
    solution, expected, size = solved_both_ways(name, "gaussian", bias, skip, seed)
    check(solution, expected, size)
    separable = name in ("logistic", "squared_hinge", "hinge", "poisson") and skip != "none"
    if not separable:
        assert solution.certificate.verdict is mlp.Verdict.OPTIMAL, solution
        assert len(solution.measure) <= solution.problem.n


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("bias", "skip"), SETTINGS)
@pytest.mark.parametrize("family", TAME)
@pytest.mark.parametrize("name", NAMES)
def test_degenerate_data(name, family, bias, skip, seed):
    check(*solved_both_ways(name, family, bias, skip, seed))


@pytest.mark.parametrize("name", NAMES)
def test_weights_are_repetitions(name):
    X, y, _ = draw(name, "gaussian", 0)
    weight = np.array([1, 2, 0, 3, 1, 1])
    index = np.repeat(np.arange(len(y)), weight)
    loss = LOSSES[name](**OPTIONS.get(name, {}))
    weighted = mlp.solve(mlp.MeasureProblem(X, y, lam=0.2, loss=loss, sample_weight=weight))
    repeated = mlp.solve(mlp.MeasureProblem(X[index], y[index], lam=0.2, loss=loss))
    assert weighted.certificate.is_optimal, weighted
    assert weighted.certificate.primal_value == pytest.approx(
        repeated.certificate.primal_value, rel=2e-6
    )


@pytest.mark.parametrize("name", NAMES)
def test_zero_is_optimal_from_lam_max_on(name):
    X, y, weight = draw(name, "gaussian", 1)
    loss = LOSSES[name](**OPTIONS.get(name, {}))
    problem = mlp.MeasureProblem(X, y, lam=1.0, loss=loss, sample_weight=weight)
    top = mlp.lam_max(problem)
    above = mlp.solve(problem.with_lam(1.001 * top))
    assert above.certificate.is_optimal
    assert len(above.measure) == 0
    below = mlp.solve(problem.with_lam(0.9 * top))
    assert below.certificate.is_optimal
    if loss.is_smooth:
        assert len(below.measure) > 0


@pytest.mark.parametrize("name", NAMES)
def test_solutions_are_certified_saved_and_improved(name, tmp_path):
    X, y, weight = draw(name, "gaussian", 3)
    loss = LOSSES[name](**OPTIONS.get(name, {}))
    problem = mlp.MeasureProblem(X, y, lam=0.1, loss=loss, sample_weight=weight)
    solution = mlp.solve(problem)
    assert mlp.certify(problem, solution.network()).is_optimal
    solution.save(tmp_path / "run")
    again = mlp.load_solution(tmp_path / "run")
    assert again.problem.loss == loss
    np.testing.assert_array_equal(again.problem.sample_weight, weight)
    assert again.certificate.is_optimal
    worse = mlp.AtomicMeasure(solution.measure.atoms, 0.5 * solution.measure.masses)
    refuted = mlp.certify(problem, worse)
    assert refuted.verdict is mlp.Verdict.REFUTED, refuted
    better = mlp.AtomicMeasure(
        np.vstack([worse.atoms, refuted.improvement.weight]),
        np.append(worse.masses, refuted.improvement.mass),
    )
    assert mlp.certify(problem, better).primal_value < refuted.primal_value
