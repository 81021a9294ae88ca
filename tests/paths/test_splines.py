"""One input, a free bias and an affine part: linear splines, against their closed forms."""

import itertools

import cvxpy as cp
import numpy as np
import pytest
from oracles import brute

import measurelp as mlp
from measurelp.backends import backend_from_name
from measurelp.errors import InvalidProblem
from measurelp.program import formulate_atoms


def spline(x, y, **options):
    options = options or {"loss": mlp.Interpolation()}
    problem = mlp.MeasureProblem(
        np.array(x, float)[:, None], y, bias="free", skip="affine", **options
    )
    solution = mlp.solve(problem, tol_gap=1e-8)
    assert solution.certificate.verdict is mlp.Verdict.OPTIMAL, solution
    return solution


def runs(x, y):
    """Sum over maximal runs of equal nonzero curvature sign of ceil(length / 2)."""
    slopes = np.diff(y) / np.diff(x)
    signs = np.sign(np.round(np.diff(slopes), 9))
    return sum(-(-len(list(run)) // 2) for sign, run in itertools.groupby(signs) if sign)


KNOTS = [
    ([0, 1, 2, 3], [0, 0, 1, 3], 1), ([0, 1, 2, 3, 4], [0, 0, 1, 3, 6], 2),
    ([0, 1, 2, 3, 4, 5], [0, 0, 1, 3, 6, 10], 2), ([0, 1, 2, 3], [0, 1, 1, 2], 2),
    ([0, 1], [2, 5], 0), ([0, 1, 2, 3], [1, 3, 5, 7], 0),
]  # fmt: skip


@pytest.mark.parametrize(("x", "y", "expected"), KNOTS)
def test_fewest_knots_of_interpolants(x, y, expected):
    solution = spline(x, y)
    sparsest = mlp.fewest_knots(solution)
    assert len(sparsest.measure) == expected
    assert sparsest.certificate.verdict is mlp.Verdict.OPTIMAL
    np.testing.assert_allclose(sparsest.predict(np.array(x, float)[:, None]), y, atol=1e-9)
    variation = float(np.abs(np.diff(np.diff(y) / np.diff(x))).sum())
    assert sparsest.measure.total_variation == pytest.approx(variation, rel=1e-8, abs=1e-12)


@pytest.mark.parametrize("seed", range(6))
def test_fewest_knots_of_random_data(seed):
    rng = np.random.default_rng(seed)
    x = np.sort(rng.choice(np.arange(-20, 20), size=9, replace=False)).astype(float)
    y = np.cumsum(rng.integers(-2, 3, size=9)) * 1.0 + 0.3 * x**2 * (seed % 2)
    sparsest = mlp.fewest_knots(spline(x, y))
    assert len(sparsest.measure) == runs(x, y)
    np.testing.assert_allclose(sparsest.predict(x[:, None]), y, atol=1e-7 * np.abs(y).max())
    assert sparsest.certificate.verdict is mlp.Verdict.OPTIMAL


@pytest.mark.parametrize("seed", range(4))
def test_fewest_knots_of_fits(seed):
    """For least squares the count is that of the fit, whose curvature is known from the solution."""
    rng = np.random.default_rng(seed)
    x = np.sort(rng.uniform(-3.0, 3.0, 15))
    x[4] = x[5]  # a repeated input
    y = np.abs(x) + x**2 + 0.05 * rng.standard_normal(15)
    solution = spline(x, y, lam=0.05)
    sparsest = mlp.fewest_knots(solution)
    points = np.unique(x)
    fit = solution.predict(points[:, None])
    curvature = np.diff(np.diff(fit) / np.diff(points))
    curvature[np.abs(curvature) < 1e-7] = 0.0
    signs = np.sign(curvature)
    expected = sum(-(-len(list(run)) // 2) for sign, run in itertools.groupby(signs) if sign)
    assert len(sparsest.measure) == expected <= len(solution.measure)
    np.testing.assert_allclose(sparsest.predict(points[:, None]), fit, atol=1e-10)
    assert sparsest.certificate.primal_value == pytest.approx(
        solution.certificate.primal_value, rel=1e-10
    )
    assert sparsest.certificate.verdict is mlp.Verdict.OPTIMAL


@pytest.mark.parametrize("seed", range(4))
def test_least_squares_is_l1_trend_filtering(seed):
    """min 1/2 |f - y|^2 + lam sum |s_{i+1} - s_i| over the values f at the distinct inputs."""
    rng = np.random.default_rng(seed)
    x = np.sort(rng.uniform(0.0, 5.0, 12))
    if seed % 2:
        x[3] = x[4]
    y = np.sin(2.0 * x) + 0.2 * rng.standard_normal(12)
    points, where = np.unique(x, return_inverse=True)
    lam = 0.05 * (1 + seed)
    f = cp.Variable(len(points))
    slopes = cp.multiply(1.0 / np.diff(points), cp.diff(f))
    program = cp.Problem(
        cp.Minimize(0.5 * cp.sum_squares(f[where] - y) + lam * cp.norm1(cp.diff(slopes)))
    )
    program.solve(solver="CLARABEL", tol_gap_abs=1e-12, tol_gap_rel=1e-12, tol_feas=1e-12)
    solution = spline(x, y, lam=lam)
    brute.assert_close(solution.certificate.primal_value, program.value, rel=1e-8)
    np.testing.assert_allclose(solution.predict(points[:, None]), f.value, atol=1e-6)


# ---- cost of explicit functions -------------------------------------------------------------------


@pytest.mark.parametrize(("knots", "weights", "linear", "expected"), [
    ([0.0], [1.0], 0.0, 1.0),  # relu
    ([0.0], [2.0], -1.0, 2.0),  # |x|
    ([0.0], [0.0], 1.0, 2.0),  # x
    ([-1.0, 0.0, 1.0], [1.0, -2.0, 1.0], 0.0, 4.0),  # a hat
    ([0.0], [1.0], 0.5, 2.0),  # x + |x| / 2 = 3/2 x_+ - 1/2 (-x)_+
])  # fmt: skip
def test_cost_of_explicit_functions(knots, weights, linear, expected):
    """max(|f''|_TV, |f'(-inf) + f'(inf)|): hinges at the function's own knots, by a linear program."""
    x = np.array([-3.0, -2.0, *knots, 2.0, 3.0])
    y = linear * x + sum(w * np.maximum(x - t, 0.0) for t, w in zip(knots, weights, strict=True))
    problem = mlp.MeasureProblem(
        x[:, None], y, loss=mlp.Interpolation(), bias="free", skip="constant"
    )
    atoms = np.array([[s, -s * t] for t in knots for s in (1.0, -1.0)])
    program, lift = formulate_atoms(problem, atoms)
    report = backend_from_name("highs").solve(program)
    slopes = (linear, linear + sum(weights))
    assert expected == max(sum(np.abs(weights)), abs(slopes[0] + slopes[1]))
    assert lift.objective(report.objective) == pytest.approx(expected, rel=1e-9)


def test_an_infimum_that_is_not_attained():
    """((x + h)_+ + (1 - x)_+) / (h + 1) is 1 on [0, 1] and costs 2 / (h + 1)."""
    x, y = np.array([[0.0], [1.0]]), np.array([1.0, 1.0])
    for h, expected in ((1.0, 1.0), (10.0, 0.18181818181818182), (1000.0, 0.001998001998001998)):
        atoms, masses = np.array([[1.0, h], [-1.0, 1.0]]), np.full(2, 1.0 / (h + 1.0))
        misfit, variation = brute.objective(x, y, atoms, masses, bias="free", interpolate=True)
        assert misfit <= 1e-12
        assert variation == pytest.approx(expected, rel=1e-12)
    # The cone program without a price for the bias returns the limit, by the atom (0, 1).
    closure = brute.cone_program(x, y, bias="free", skip="none", interpolate=True)
    assert closure == pytest.approx(0.0, abs=1e-8)
    with pytest.raises(InvalidProblem, match="not attained"):
        mlp.MeasureProblem(x, y, loss=mlp.Interpolation(), bias="free")


# ---- refusals ----------------------------------------------------------------------------------------


def test_knots_of_other_problems():
    X = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 2.0]])
    for options in (
        {"bias": "free", "skip": "affine"}, {"bias": "penalized"},
        {"bias": "free", "skip": "constant"},
    ):  # fmt: skip
        inputs = X if options.get("skip") == "affine" else X[:, :1]
        solution = mlp.solve(mlp.MeasureProblem(inputs, [0.0, 1.0, 3.0], lam=0.1, **options))
        with pytest.raises(InvalidProblem, match="knots"):
            mlp.fewest_knots(solution)


def test_knots_of_what_cannot_be_interpolated():
    problem = mlp.MeasureProblem(
        [[0.0], [0.0], [1.0]], [0.0, 1.0, 2.0], loss=mlp.Interpolation(), bias="free", skip="affine"
    )
    with pytest.raises(InvalidProblem, match="INFEASIBLE"):
        mlp.fewest_knots(mlp.solve(problem))
