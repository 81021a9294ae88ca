"""What must hold between solutions: determinism, symmetries, monotonicity, scaling, warm starts."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.families import SETTINGS
from scipy.stats import ortho_group

import measurelp as mlp
from solving import checks


def data(seed, n=9, d=3):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, d)), rng.standard_normal(n)


def value(X, y, **options):
    solution = mlp.solve(mlp.MeasureProblem(X, y, **options), tol_gap=1e-10)
    assert solution.certificate.relative_gap <= 1e-9, solution
    return solution.certificate.primal_value


LOSSES = [{"lam": 0.05}, {"loss": mlp.Interpolation()}]


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize(("bias", "skip"), SETTINGS)
def test_two_solves_are_bitwise_equal(bias, skip, loss):
    X, y = data(0)
    first, second = (
        mlp.solve(mlp.MeasureProblem(X, y, bias=bias, skip=skip, **loss)) for _ in range(2)
    )
    np.testing.assert_array_equal(first.measure.atoms, second.measure.atoms)
    np.testing.assert_array_equal(first.measure.masses, second.measure.masses)
    np.testing.assert_array_equal(first.dual, second.dual)
    assert repr(first.certificate) == repr(second.certificate)
    assert first.stats["rounds"] == second.stats["rounds"]


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize(("bias", "skip"), SETTINGS)
def test_order_of_rows_and_rotations_do_not_matter(bias, skip, loss):
    X, y = data(1)
    options = {"bias": bias, "skip": skip} | loss
    expected = value(X, y, **options)
    order = np.random.default_rng(2).permutation(len(y))
    assert value(X[order], y[order], **options) == pytest.approx(expected, rel=1e-9)
    rotation = ortho_group.rvs(3, random_state=3)
    assert value(X @ rotation, y, **options) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("loss", LOSSES)
def test_repeated_rows_with_a_free_column_of_zeros(loss):
    """A column of zeros changes nothing."""
    X, y = data(2)
    padded = np.column_stack([X, np.zeros(len(y))])
    for bias, skip in SETTINGS:
        options = {"bias": bias, "skip": skip} | loss
        assert value(padded, y, **options) == pytest.approx(value(X, y, **options), rel=1e-8)


@pytest.mark.parametrize("columns", ["repeated", "zero", "constant"])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("bias", ["none", "penalized", "free"])
def test_skip_columns_that_depend_on_each_other(bias, loss, columns):
    """An affine skip over collinear inputs is solved like any other."""
    x = np.array([-2.0, -1.0, 0.0, 1.0, 2.0, 3.0])
    extra = {"repeated": x, "zero": 0.0 * x, "constant": 0.0 * x + 1.0}[columns]
    y = np.array([1.0, -1.0, 2.0, 0.0, 1.0, -2.0])
    problem = mlp.MeasureProblem(np.column_stack([x, extra]), y, bias=bias, skip="affine", **loss)
    solution = mlp.solve(problem)
    feasible = bias != "none" or columns == "constant" or "lam" in loss
    wanted = mlp.Verdict.OPTIMAL if feasible else mlp.Verdict.INFEASIBLE
    assert solution.certificate.verdict is wanted, solution
    if feasible:
        checks.assert_sound(solution)


@pytest.mark.parametrize(("bias", "skip"), SETTINGS)
def test_a_shift_of_inputs_does_not_matter_with_a_free_bias(bias, skip):
    if bias != "free":
        pytest.skip("the norm sees the bias")
    X, y = data(3)
    for loss in LOSSES:
        options = {"bias": bias, "skip": skip} | loss
        assert value(X + 5.0, y, **options) == pytest.approx(value(X, y, **options), rel=1e-7)


@pytest.mark.parametrize(("bias", "skip"), SETTINGS)
def test_the_objective_grows_with_lam(bias, skip):
    X, y = data(4)
    problem = mlp.MeasureProblem(X, y, lam=1.0, bias=bias, skip=skip)
    top = mlp.lam_max(problem)
    values, variations = [], []
    for factor in (1e-3, 1e-2, 0.1, 0.5, 0.99, 1.0, 1.5):
        solution = mlp.solve(problem.with_lam(factor * top), tol_gap=1e-9)
        assert solution.certificate.verdict is mlp.Verdict.OPTIMAL, (factor, solution)
        values.append(solution.certificate.primal_value)
        variations.append(solution.measure.total_variation)
        if factor >= 1.0:
            assert solution.measure.total_variation <= 1e-7 * np.abs(y).max()
    assert np.all(np.diff(values) >= -1e-9 * values[-1])
    assert np.all(np.diff(variations) <= 1e-5 * variations[0])
    # Concave in lam, as a minimum of affine functions.
    slopes = np.diff(values) / np.diff(np.array([1e-3, 1e-2, 0.1, 0.5, 0.99, 1.0, 1.5]) * top)
    assert np.all(np.diff(slopes) <= 1e-5 * slopes[0])


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 100), factor=st.sampled_from([1e-6, 1e-3, 0.7, 30.0, 1e6]),
       setting=st.sampled_from(SETTINGS))  # fmt: skip
def test_units_of_targets(seed, factor, setting):
    """y -> s y and lam -> s lam multiplies the objective by s^2; a gauge by s."""
    X, y = data(seed, n=6, d=2)
    options = {"bias": setting[0], "skip": setting[1]}
    assert value(X, factor * y, lam=factor * 0.1, **options) == pytest.approx(
        factor**2 * value(X, y, lam=0.1, **options), rel=1e-8
    )


@pytest.mark.parametrize("factor", [1e-6, 1e-3, 0.7, 30.0, 1e6])
def test_units_of_targets_that_are_interpolated(factor):
    X, y = data(5, n=6, d=2)
    options = {"loss": mlp.Interpolation(), "bias": "penalized"}
    one = mlp.solve(mlp.MeasureProblem(X, y, **options)).certificate
    other = mlp.solve(mlp.MeasureProblem(X, factor * y, **options)).certificate
    # Misfits count from 1e-8 on in units of max(1, |y|), so tiny targets leave a wider bracket.
    if factor >= 1e-3:
        assert other.verdict is mlp.Verdict.OPTIMAL
    rel = max(1e-5, 1e-8 / factor)
    assert other.primal_value == pytest.approx(factor * one.primal_value, rel=rel)
    assert other.dual_value <= factor * one.primal_value * (1 + 1e-6)


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 100), setting=st.sampled_from(SETTINGS), neurons=st.integers(0, 5))
def test_a_start_does_no_harm(seed, setting, neurons):
    X, y = data(seed, n=8, d=2)
    problem = mlp.MeasureProblem(X, y, lam=0.05, bias=setting[0], skip=setting[1])
    cold = mlp.solve(problem)
    rng = np.random.default_rng(seed)
    atoms = rng.standard_normal((neurons, problem.lifted.shape[1]))
    for start in (
        cold.measure,
        cold.network(),
        mlp.AtomicMeasure(atoms, rng.standard_normal(neurons)),
    ):
        warm = mlp.solve(problem, start=start)
        assert warm.certificate.verdict is mlp.Verdict.OPTIMAL
        assert warm.certificate.primal_value <= cold.certificate.primal_value * (1 + 1e-6)
    stopped = mlp.solve(problem, start=cold.measure, max_rounds=1)
    assert stopped.certificate.primal_value <= cold.certificate.primal_value * (1 + 1e-9)


@pytest.mark.parametrize("loss", LOSSES)
def test_more_columns_never_cost_more(loss):
    """A part that costs nothing, added, never raises the optimum."""
    X, y = data(7)
    for bias in ("none", "penalized", "free"):
        skips = ["none", "constant", "affine"][bias == "free" :]
        values = [value(X, y, bias=bias, skip=skip, **loss) for skip in skips]
        assert np.all(np.diff(values) <= 1e-8 * values[0])


def test_small_lam_tends_to_interpolation():
    """lam |mu_lam| + loss = lam R - O(lam^2), R the minimal variation of an interpolant."""
    X, y = data(8, n=6, d=2)
    variation = value(X, y, loss=mlp.Interpolation())
    for lam in (1e-4, 1e-6):
        found = value(X, y, lam=lam)
        assert found <= lam * variation * (1 + 1e-9)
        assert found == pytest.approx(lam * variation, rel=1e4 * lam)


@pytest.mark.parametrize("backend", ["clarabel", "scs", "cvxpy"])
def test_backends_agree(backend):
    X, y = data(9, n=8, d=2)
    solution = mlp.solve(mlp.MeasureProblem(X, y, lam=0.1), backend=backend)
    checks.assert_sound(solution)
    assert solution.certificate.verdict is mlp.Verdict.OPTIMAL
    assert solution.certificate.primal_value == pytest.approx(value(X, y, lam=0.1), rel=1e-6)
