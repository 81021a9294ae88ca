"""Small random and degenerate problems against the full program over all cells in CVXPY."""

import math

import cvxpy as cp
import numpy as np
import pytest
from oracles import brute
from oracles.families import SETTINGS, TAME

import measurelp as mlp
from solving import checks

SHAPES = [(6, 2), (5, 3), (2, 3), (5, 1), (1, 2)]


def draw(family, seed, *, n=None, d=None):
    """Inputs and targets."""
    rng = np.random.default_rng(seed)
    if n is None:
        n, d = SHAPES[seed % len(SHAPES)]
    X = TAME[family](rng, n, d)
    y = rng.standard_normal(n) if seed % 2 else rng.integers(-4, 5, size=n).astype(float)
    if not np.any(y):
        y[0] = 1.0
    return X, y


@pytest.fixture(scope="module")
def patterns():
    """Sign patterns by linear programs, computed once for each data set."""
    known = {}

    def of(rows):
        key = rows.tobytes(), rows.shape
        if key not in known:
            known[key] = brute.sign_patterns(rows)
        return known[key]

    return of


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("bias", "skip"), SETTINGS)
@pytest.mark.parametrize("family", TAME)
def test_squared_loss(family, bias, skip, seed, patterns):
    X, y = draw(family, seed)
    problem = mlp.MeasureProblem(X, y, lam=1.0, bias=bias, skip=skip)
    top = mlp.lam_max(problem)
    if top <= 1e-9 * np.abs(y).max() * np.linalg.norm(problem.lifted):
        pytest.skip("the skip explains everything that a network can")
    lam = (0.3, 0.03, 0.003)[seed % 3] * top
    problem = problem.with_lam(lam)
    expected = brute.cone_program(
        X, y, lam=lam, bias=bias, skip=skip, patterns=patterns(problem.lifted)
    )
    solution = mlp.solve(problem)
    assert solution.certificate.verdict is mlp.Verdict.OPTIMAL, solution
    checks.assert_sound(solution)
    checks.assert_merged(solution)
    checks.assert_sup(solution)
    checks.assert_optimum(solution, expected, floor=1e-9 * float(y @ y))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("bias", "skip"), SETTINGS)
@pytest.mark.parametrize("family", TAME)
def test_interpolation(family, bias, skip, seed, patterns):
    X, y = draw(family, seed)
    problem = mlp.MeasureProblem(X, y, loss=mlp.Interpolation(), bias=bias, skip=skip)
    expected = brute.cone_program(
        X, y, bias=bias, skip=skip, interpolate=True, patterns=patterns(problem.lifted)
    )
    solution = mlp.solve(problem)
    if math.isinf(expected):
        assert solution.certificate.verdict is mlp.Verdict.INFEASIBLE, solution
        assert solution.termination is mlp.Termination.INFEASIBLE
        q = solution.certificate.witness
        assert float(q @ y) > 0.0
        size = float(np.abs(q) @ np.linalg.norm(problem.lifted, axis=1))
        assert brute.supremum_by_sampling(X, q, bias, count=2000) <= 1e-9 * size
        np.testing.assert_allclose(q @ problem.skip_columns, 0.0, atol=1e-9 * max(size, 1.0))
        return
    assert solution.certificate.verdict is mlp.Verdict.OPTIMAL, solution
    checks.assert_sound(solution)
    checks.assert_merged(solution)
    checks.assert_sup(solution)
    checks.assert_optimum(solution, expected, floor=1e-7 * float(np.abs(y).max()))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5, 40))
@pytest.mark.parametrize("family", TAME)
def test_more_of_both(family, seed, patterns):
    rng = np.random.default_rng(1000 + seed)
    X, y = draw(family, seed, n=int(rng.integers(1, 8)), d=int(rng.integers(1, 4)))
    for bias, skip in SETTINGS:
        known = patterns(brute.lifted(X, bias))
        problem = mlp.MeasureProblem(X, y, lam=1.0, bias=bias, skip=skip)
        lam = mlp.lam_max(problem) * 10.0 ** rng.uniform(-3, 0)
        if lam > 1e-9 * np.abs(y).max() * np.linalg.norm(problem.lifted):
            expected = brute.cone_program(X, y, lam=lam, bias=bias, skip=skip, patterns=known)
            solution = mlp.solve(problem.with_lam(lam))
            assert solution.certificate.verdict is mlp.Verdict.OPTIMAL, (bias, skip, solution)
            checks.assert_sound(solution)
            checks.assert_merged(solution)
            checks.assert_sup(solution)
            checks.assert_optimum(solution, expected, floor=1e-9 * float(y @ y))
        try:
            expected = brute.cone_program(
                X, y, bias=bias, skip=skip, interpolate=True, patterns=known
            )
        except cp.SolverError:
            continue  # the reference itself gives up
        problem = mlp.MeasureProblem(X, y, loss=mlp.Interpolation(), bias=bias, skip=skip)
        solution = mlp.solve(problem)
        wanted = mlp.Verdict.INFEASIBLE if math.isinf(expected) else mlp.Verdict.OPTIMAL
        assert solution.certificate.verdict is wanted, (bias, skip, expected, solution)
        if wanted is mlp.Verdict.OPTIMAL:
            checks.assert_sound(solution)
            checks.assert_merged(solution)
            checks.assert_sup(solution)
            checks.assert_optimum(solution, expected, floor=1e-7 * float(np.abs(y).max()))


@pytest.mark.parametrize("exponent", [-6, -3, 3, 6])
@pytest.mark.parametrize("loss", ["squared", "interpolation"])
def test_units_of_inputs_do_not_matter(loss, exponent):
    """Without bias, X -> s X and lam -> s lam leaves the optimum of the squared loss; a gauge falls by 1/s."""
    X, y = draw("gaussian", 1, n=6, d=2)
    s = 10.0**exponent
    if loss == "squared":
        one = mlp.solve(mlp.MeasureProblem(X, y, lam=0.1, bias="none"))
        other = mlp.solve(mlp.MeasureProblem(s * X, y, lam=s * 0.1, bias="none"))
        expected = one.certificate.primal_value
    else:
        one = mlp.solve(mlp.MeasureProblem(X, y, loss=mlp.Interpolation(), bias="none"))
        other = mlp.solve(mlp.MeasureProblem(s * X, y, loss=mlp.Interpolation(), bias="none"))
        expected = one.certificate.primal_value / s
    assert other.certificate.verdict is mlp.Verdict.OPTIMAL
    checks.assert_sound(other)
    brute.assert_close(other.certificate.primal_value, expected, rel=1e-7, floor=0.0)


@pytest.mark.parametrize("exponent", [-6, -3, 3, 6])
def test_lengths_of_rows_do_not_change_a_gauge(exponent):
    """Rows x_i and targets y_i scaled by one s_i > 0 each: the same interpolants, the same cost."""
    X, y = draw("gaussian", 3, n=5, d=2)
    s = np.array([1.0, 10.0**exponent, 1.0, 10.0 ** (exponent / 2), 3.0])
    one = mlp.solve(mlp.MeasureProblem(X, y, loss=mlp.Interpolation(), bias="none"))
    other = mlp.solve(
        mlp.MeasureProblem(s[:, None] * X, s * y, loss=mlp.Interpolation(), bias="none")
    )
    checks.assert_sound(other)
    c = other.certificate
    brute.assert_brackets((c.dual_value, c.primal_value), one.certificate.primal_value, rel=1e-5)


def test_the_checks_fail_when_they_should():
    X, y = draw("gaussian", 1, n=5, d=2)
    solution = mlp.solve(mlp.MeasureProblem(X, y, lam=0.1))
    checks.assert_sound(solution)
    with pytest.raises(AssertionError, match="objective"):
        checks.assert_optimum(solution, 1.001 * solution.certificate.primal_value)
    measure = solution.measure
    doubled = mlp.AtomicMeasure(
        np.vstack([measure.atoms, measure.atoms]), np.append(measure.masses, measure.masses) / 2
    )
    twice = mlp.Solution(
        solution.problem, doubled, solution.dual, solution.certificate, solution.termination
    )
    with pytest.raises(AssertionError, match="one direction"):
        checks.assert_merged(twice)
    wrong = mlp.AtomicMeasure(measure.atoms, 1.01 * measure.masses)
    with pytest.raises(AssertionError, match="measure"):
        checks.assert_sound(
            mlp.Solution(solution.problem, wrong, solution.dual, solution.certificate,
                         solution.termination)
        )  # fmt: skip
