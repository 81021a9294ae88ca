"""Threshold units against CVXPY over patterns found by sign vectors and linear programs, and closed forms."""

import cvxpy as cp
import numpy as np
import pytest
from oracles import brute
from oracles.rays import program_over_atoms

import measurelp as mlp
from measurelp.dictionary.patterns import all_patterns

SETTINGS = [("none", "none"), ("penalized", "none"), ("penalized", "constant"), ("none", "affine")]


def draw(family, seed):
    rng = np.random.default_rng(seed)
    n, d = [(6, 2), (5, 3), (6, 1)][seed % 3]
    if family == "grid":
        return rng.integers(-1, 2, size=(n, d)).astype(float), rng.standard_normal(n)
    return rng.standard_normal((n, d)), rng.standard_normal(n)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("bias", ["none", "penalized"])
@pytest.mark.parametrize("family", ["gauss", "grid"])
def test_all_patterns_are_found(family, bias, seed):
    X, y = draw(family, seed)
    problem = mlp.MeasureProblem(X, y, lam=1.0, bias=bias, activation=mlp.Threshold())
    patterns = all_patterns(problem)
    expected = {tuple(map(int, row)) for row in brute.step_patterns(brute.lifted(X, bias))}
    assert {tuple(map(int, row)) for row in patterns.active} == expected
    assert len(patterns.active) == len(expected)
    usable = patterns.has_weight
    assert usable.all()
    seen = problem.lifted @ patterns.weights.T >= 0.0
    assert np.array_equal(seen.T, patterns.active)


@pytest.mark.parametrize("family", ["gauss", "grid"])
@pytest.mark.parametrize(("bias", "skip"), SETTINGS)
@pytest.mark.parametrize("name", ["squared", "absolute", "hinge", "logistic", "interpolation"])
def test_against_the_program_over_all_patterns(name, bias, skip, family):
    X, y = draw(family, 0)
    if name in ("hinge", "logistic"):
        y = np.where(y > np.median(y), 1.0, -1.0)
    if name == "logistic" and skip == "affine":
        pytest.skip("separable: no minimum is attained")
    loss = mlp.problem.LOSSES[name]()
    problem = mlp.MeasureProblem(
        X, y, lam=0.15, loss=loss, bias=bias, skip=skip, activation=mlp.Threshold()
    )
    features = brute.step_patterns(brute.lifted(X, bias)).T
    columns = brute.skip_columns(X, skip)
    solution = mlp.solve(problem)
    if name == "interpolation":
        everything = np.hstack([features, columns])
        rank = np.linalg.matrix_rank(everything)
        if np.linalg.matrix_rank(np.column_stack([everything, y])) > rank:
            assert solution.certificate.verdict is mlp.Verdict.INFEASIBLE
            return
        expected = program_over_atoms(features, columns, y=y)
    else:
        expected = program_over_atoms(
            features, columns, lam=0.15,
            loss=lambda fit: brute.loss_expression(name, fit, y, np.ones(len(y))),
        )  # fmt: skip
    certificate = solution.certificate
    assert certificate.verdict is mlp.Verdict.OPTIMAL, solution
    assert certificate.primal_value == pytest.approx(expected, rel=2e-6, abs=1e-6)
    assert len(solution.measure) <= problem.n
    fit = solution.predict(X)
    value = problem.loss_value(fit) if name != "interpolation" else 0.0
    total = value + problem.lam * np.abs(solution.measure.masses).sum()
    assert total == pytest.approx(certificate.primal_value, rel=1e-8, abs=1e-9)


def test_weights_of_samples_are_repetitions():
    rng = np.random.default_rng(2)
    X, y = rng.standard_normal((5, 2)), rng.standard_normal(5)
    weights = np.array([1.0, 2.0, 3.0, 1.0, 1.0])
    index = np.repeat(np.arange(5), weights.astype(int))
    options = {"lam": 0.2, "activation": mlp.Threshold()}
    for loss in (mlp.Squared(), mlp.Absolute()):
        one = mlp.solve(mlp.MeasureProblem(X, y, loss=loss, sample_weight=weights, **options))
        two = mlp.solve(mlp.MeasureProblem(X[index], y[index], loss=loss, **options))
        assert one.certificate.is_optimal
        assert one.certificate.primal_value == pytest.approx(two.certificate.primal_value, rel=1e-7)


@pytest.mark.parametrize("seed", range(5))
def test_interpolation_of_one_input_in_closed_form(seed):
    """max(TV, (TV + |y_1 + y_n|) / 2) with a bias, TV = sum |y_{i+1} - y_i| in the order of x."""
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal(7), rng.standard_normal(7) * rng.choice([1.0, 5.0])
    problem = mlp.MeasureProblem(
        x[:, None], y, loss=mlp.Interpolation(), activation=mlp.Threshold()
    )
    ordered = y[np.argsort(x)]
    variation = np.abs(np.diff(ordered)).sum()
    expected = max(variation, 0.5 * (variation + abs(ordered[0] + ordered[-1])))
    certificate = mlp.solve(problem).certificate
    assert certificate.verdict is mlp.Verdict.OPTIMAL
    assert certificate.primal_value == pytest.approx(expected, rel=1e-9)


def test_lower_dimensional_patterns_count():
    """Inputs 1 and -1 without a bias: w = 0 is active on both and interpolates (1, 1) at cost 1."""
    problem = mlp.MeasureProblem(
        [[1.0], [-1.0]], [1.0, 1.0], loss=mlp.Interpolation(), bias="none",
        activation=mlp.Threshold(),
    )  # fmt: skip
    solution = mlp.solve(problem)
    assert solution.certificate.verdict is mlp.Verdict.OPTIMAL
    assert solution.certificate.primal_value == pytest.approx(1.0, abs=1e-8)
    assert solution.predict([[1.0], [-1.0]]) == pytest.approx([1.0, 1.0], abs=1e-7)


def test_certify_and_folders(tmp_path):
    rng = np.random.default_rng(4)
    X, y = rng.standard_normal((12, 2)), rng.standard_normal(12)
    problem = mlp.MeasureProblem(X, y, lam=0.3, activation=mlp.Threshold())
    solution = mlp.solve(problem)
    assert mlp.certify(problem, solution.measure).verdict is mlp.Verdict.OPTIMAL
    doubled = mlp.AtomicMeasure(solution.measure.atoms * 1e9, solution.measure.masses)
    assert mlp.certify(problem, doubled).verdict is mlp.Verdict.OPTIMAL
    worse = mlp.AtomicMeasure(solution.measure.atoms, solution.measure.masses * 1.05)
    certificate = mlp.certify(problem, worse)
    assert certificate.verdict is mlp.Verdict.REFUTED
    assert certificate.dual_value <= solution.certificate.primal_value
    solution.save(str(tmp_path / "solution"))
    again = mlp.load_solution(str(tmp_path / "solution"))
    assert again.certificate.verdict is mlp.Verdict.OPTIMAL
    assert again.predict(X) == pytest.approx(solution.predict(X), abs=1e-12)


def test_a_pattern_of_rounding_is_no_candidate():
    """Three concurrent hyperplanes, read as decimals; in doubles a weight may seem to lie between."""
    X = np.array([[0.1, 0.3], [0.2, 0.6], [-0.3, -0.9]])
    problem = mlp.MeasureProblem(X, np.ones(3), lam=0.1, bias="none", activation=mlp.Threshold())
    known = {tuple(map(int, row)) for row in all_patterns(problem).active}
    assert known == {(1, 1, 0), (0, 0, 1), (1, 1, 1)}
    weight = np.array([3.0, -1.0])
    seen = tuple(int(v) for v in problem.lifted @ weight >= 0.0)
    if seen not in known:
        with pytest.raises(mlp.InvalidProblem, match="rounding"):
            mlp.certify(problem, mlp.AtomicMeasure(weight[None, :], np.ones(1)))


def test_refusals():
    X, y = np.random.default_rng(0).standard_normal((8, 2)), np.ones(8)
    with pytest.raises(mlp.InvalidProblem, match="ball"):
        mlp.MeasureProblem(X, y, lam=1.0, ball=mlp.L1Ball(), activation=mlp.Threshold())
    problem = mlp.MeasureProblem(X, y, lam=1.0, activation=mlp.Threshold())
    for oracle in ("cells", "cones", "fans"):
        with pytest.raises(mlp.InvalidProblem, match="oracle"):
            mlp.solve(problem, oracle=oracle)
    with pytest.raises(mlp.InvalidProblem, match="oracle"):
        mlp.solve(mlp.MeasureProblem(X, y, lam=1.0), oracle="patterns")
    with pytest.raises(mlp.InvalidProblem, match="cells"):
        mlp.solve(problem, cells=mlp.enumerate_cells(problem.lifted))
    with pytest.raises(mlp.InvalidProblem, match="threshold"):
        mlp.solve(problem).network()
    wide = np.random.default_rng(0).standard_normal((300, 6))
    with pytest.raises(mlp.InvalidProblem, match="X: threshold units"):
        mlp.solve(mlp.MeasureProblem(wide, np.ones(300), lam=1.0, activation=mlp.Threshold()))
    for ask in (mlp.uniqueness, lambda s: s.proof("never.json")):
        with pytest.raises(mlp.InvalidProblem):
            ask(mlp.solve(problem))


def test_lam_max_is_the_largest_sum_over_a_pattern():
    rng = np.random.default_rng(5)
    X, y = rng.standard_normal((7, 2)), rng.standard_normal(7)
    problem = mlp.MeasureProblem(X, y, lam=1.0, activation=mlp.Threshold())
    expected = np.abs(brute.step_patterns(brute.lifted(X, "penalized")) @ y).max()
    assert mlp.lam_max(problem) == pytest.approx(expected, rel=1e-9)


def test_cvxpy_is_the_reference():
    """The reference itself: one pattern (1, 1) only, min 1/2 sum (z - y_i)^2 + lam |z|."""
    y = np.array([1.0, 2.0])
    value = program_over_atoms(
        np.ones((2, 1)), np.zeros((2, 0)), lam=0.5,
        loss=lambda fit: 0.5 * cp.sum_squares(fit - y),
    )  # fmt: skip
    assert value == pytest.approx(0.5 * (0.25**2 + 0.75**2) + 0.5 * 1.25, abs=1e-7)


@pytest.mark.parametrize("seed", range(4))
def test_scaled_inputs_on_a_grid_are_solved(seed):
    """Divided to all their digits, a tenth of the patterns had no weight and gaps of a fifth stayed."""
    rng = np.random.default_rng(seed)
    raw, y = rng.integers(0, 6, (30, 2)).astype(float), rng.standard_normal(30).round(3)
    X = mlp.InputScaler.from_data(raw).apply(raw)
    problem = mlp.MeasureProblem(X, y, lam=1.0, activation=mlp.Threshold())
    solution = mlp.solve(problem.with_lam(0.02 * mlp.lam_max(problem)))
    assert solution.certificate.is_optimal
    assert solution.stats["patterns_without_weight"] == 0


def test_patterns_without_a_weight_are_counted():
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 6, (30, 2)).astype(float), rng.standard_normal(30).round(3)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    problem = mlp.MeasureProblem(X, y, lam=0.2, activation=mlp.Threshold())
    solution = mlp.solve(problem)
    without = int(np.sum(~all_patterns(problem).has_weight))
    assert solution.stats["patterns_without_weight"] == without > 0
