"""Optimal values that are known in closed form, each with its formula."""

import math

import numpy as np
import pytest
from oracles import brute

import measurelp as mlp
from measurelp.backends import backend_from_name
from measurelp.errors import InvalidProblem
from measurelp.program import formulate_atoms


def gauge(X, y, **options):
    """The solved minimal total variation of an interpolant, proved optimal."""
    solution = mlp.solve(mlp.MeasureProblem(X, y, loss=mlp.Interpolation(), **options))
    assert solution.certificate.verdict is mlp.Verdict.OPTIMAL, solution
    misfit, variation = brute.objective(
        X, y, solution.measure.atoms, solution.measure.masses, interpolate=True,
        bias=options.get("bias", "penalized"), linear=solution.skip.linear,
        constant=solution.skip.constant,
    )  # fmt: skip
    assert misfit <= 1e-8 * max(1.0, float(np.abs(y).max()))
    brute.assert_close(variation, solution.certificate.primal_value, rel=1e-9, floor=1e-8)
    assert len(solution.measure) <= len(y)
    return solution


def trained(X, y, lam, **options):
    """The solved penalised problem, proved optimal."""
    solution = mlp.solve(mlp.MeasureProblem(X, y, lam=lam, **options))
    assert solution.certificate.verdict is mlp.Verdict.OPTIMAL, solution
    assert len(solution.measure) <= len(y)
    return solution


def two_norms(y):
    """``|y_+| + |y_-|``."""
    y = np.asarray(y, dtype=float)
    return float(np.linalg.norm(np.maximum(y, 0.0)) + np.linalg.norm(np.maximum(-y, 0.0)))


# ---- minimal total variation of an interpolant ------------------------------------------------------


def test_one_point():
    """|y| / |x|: a single unit that looks at the point."""
    solution = gauge([[3.0, 4.0]], [2.0], bias="none")
    assert solution.certificate.primal_value == pytest.approx(2.0 / 5.0, rel=1e-8)
    np.testing.assert_allclose(solution.measure.atoms, [[0.6, 0.8]], atol=1e-7)


@pytest.mark.parametrize("y", [[3.0, 4.0, -5.0, -12.0], [1.0, 0.0, 0.0, 0.0], [2.0, 5.0, 1.0, 7.0]])
def test_orthonormal_rows(y):
    """|y_+| + |y_-|, for at most one atom of each sign."""
    solution = gauge(np.eye(4), y, bias="none")
    assert solution.certificate.primal_value == pytest.approx(two_norms(y), rel=1e-8)
    assert len(solution.measure) <= 2
    positive = np.maximum(y, 0.0)
    atom = solution.measure.atoms[solution.measure.masses > 0.0][0]
    np.testing.assert_allclose(atom, positive / np.linalg.norm(positive), atol=1e-6)


def test_orthogonal_rows_of_different_length():
    """|(y/s)_+| + |(y/s)_-| with s_i = |x_i|."""
    found = gauge(np.diag([2.0, 1.0, 4.0]), [2.0, -3.0, 8.0], bias="none")
    assert found.certificate.primal_value == pytest.approx(math.sqrt(5.0) + 3.0, rel=1e-8)


def test_a_repeated_row_counts_once():
    """Equal rows with equal targets act as one: here the two remaining rows give sqrt 2."""
    once = gauge([[1.0, 2.0], [-1.0, 1.0]], [1.0, 2.0], bias="none")
    twice = gauge([[1.0, 2.0], [1.0, 2.0], [-1.0, 1.0]], [1.0, 1.0, 2.0], bias="none")
    assert once.certificate.primal_value == pytest.approx(math.sqrt(2.0), rel=1e-8)
    assert twice.certificate.primal_value == pytest.approx(math.sqrt(2.0), rel=1e-8)


def test_one_input_with_two_targets_is_infeasible():
    problem = mlp.MeasureProblem(
        [[1.0, 2.0], [1.0, 2.0], [-1.0, 1.0]],
        [1.0, 1.5, 2.0],
        loss=mlp.Interpolation(),
        bias="none",
    )
    solution = mlp.solve(problem)
    assert solution.certificate.verdict is mlp.Verdict.INFEASIBLE
    assert solution.termination is mlp.Termination.INFEASIBLE
    q = solution.certificate.witness
    assert float(q @ problem.y) > 0.0
    directions = np.random.default_rng(0).standard_normal((100, 2))
    np.testing.assert_allclose(brute.eta(problem.X, q, directions), 0.0, atol=1e-12)


def test_antiparallel_points():
    """Opposite points in one dimension need one unit each: |y_1| + |y_2|."""
    found = gauge([[1.0], [-1.0]], [2.0, -7.0], bias="none")
    assert found.certificate.primal_value == pytest.approx(9.0, rel=1e-8)


@pytest.mark.parametrize("degrees", [20, 45, 60, 90, 120, 170])
def test_two_unit_points_with_opposite_targets(degrees):
    """2 / sin(min(angle, 90 degrees)): below a right angle both atoms lie on walls."""
    angle = math.radians(degrees)
    X = np.array([[1.0, 0.0], [math.cos(angle), math.sin(angle)]])
    found = gauge(X, [1.0, -1.0], bias="none")
    expected = 2.0 / math.sin(min(angle, math.pi / 2))
    assert found.certificate.primal_value == pytest.approx(expected, rel=1e-7)


def test_a_fixed_dictionary_of_centres_and_rays_is_not_exact():
    """On the identity with y = (3, 4) it costs 3 sqrt 2 + 1, the true minimum being |y| = 5."""
    problem = mlp.MeasureProblem(np.eye(2), [3.0, 4.0], loss=mlp.Interpolation(), bias="none")
    rays = np.vstack([np.eye(2), -np.eye(2)])
    centres = np.array([[s, t] for s in (1.0, -1.0) for t in (1.0, -1.0)]) / math.sqrt(2.0)
    program, lift = formulate_atoms(problem, np.vstack([rays, centres]))
    report = backend_from_name("highs").solve(program)
    measure = lift.measure(report.x)
    expected = 3.0 * math.sqrt(2.0) + 1.0
    assert measure.total_variation == pytest.approx(expected, rel=1e-8)
    assert lift.objective(report.objective) == pytest.approx(expected, rel=1e-8)
    certificate = mlp.certify(problem, measure)
    assert certificate.verdict is not mlp.Verdict.OPTIMAL
    assert certificate.dual_value <= 5.0 * (1 + 1e-9)
    assert mlp.solve(problem).certificate.primal_value == pytest.approx(5.0, rel=1e-8)


def test_two_atoms_of_one_cell_are_one():
    """3 e_1 and 4 e_2 do on the identity what 5 (0.6, 0.8) does, at 7 instead of 5."""
    problem = mlp.MeasureProblem(np.eye(2), [3.0, 4.0], loss=mlp.Interpolation(), bias="none")
    split = mlp.AtomicMeasure(np.eye(2), np.array([3.0, 4.0]))
    assert mlp.certify(problem, split).primal_value == pytest.approx(7.0)
    assert mlp.certify(problem, split).verdict is not mlp.Verdict.OPTIMAL
    solution = mlp.solve(problem, start=split)
    assert solution.certificate.primal_value == pytest.approx(5.0, rel=1e-8)
    assert len(solution.measure) == 1


@pytest.mark.parametrize("sizes", [
    (1, 4), (4, 4), pytest.param((4, 9), marks=pytest.mark.slow),
])  # fmt: skip
def test_two_classes_on_orthonormal_inputs(sizes):
    """Targets +1 and -1: sqrt(n_1) + sqrt(n_2), one neuron a class."""
    y = np.repeat([1.0, -1.0], sizes)
    solution = trained(np.eye(len(y)), y, 1e-3, bias="none")
    fit = sum(math.sqrt(s) for s in sizes)
    assert solution.certificate.primal_value == pytest.approx(1e-3 * fit - 1e-6, rel=1e-6)
    assert len(solution.measure) == 2


def test_a_kink_that_sees_both_signs():
    """X = (1, -1): |y_1| + |y_2| = 2, and no pattern with both rows active helps."""
    found = gauge([[1.0], [-1.0]], [1.0, -1.0], bias="none")
    assert found.certificate.primal_value == pytest.approx(2.0, rel=1e-8)


@pytest.mark.parametrize(("y", "expected"), [
    ([1.0, 1.0], 1.0), ([1.0, -1.0], math.sqrt(2.0)), ([3.0, 4.0], 5.0 / math.sqrt(2.0)),
])  # fmt: skip
def test_two_points_with_a_penalised_bias(y, expected):
    """(-1, 1) and (1, 1) are orthogonal of length sqrt 2: (|y_+| + |y_-|) / sqrt 2."""
    found = gauge([[-1.0], [1.0]], y)
    assert found.certificate.primal_value == pytest.approx(expected, rel=1e-8)


# ---- splines: a hidden bias outside the norm ---------------------------------------------------------

SPLINES = [
    ([0, 1], [0, 1]),
    ([0, 1, 2, 3], [0, 0, 1, 3]),
    ([0, 2, 6, 7], [0, 0, 3, 3]),
    ([-1, 0, 2, 3, 5], [1, 3, -2, 0, 4]),
    ([0, 1, 3], [0, 5, 14]),
]


def curvature(x, y):
    """Slopes s of the interpolating polygon and the sum of |s_{i+1} - s_i|."""
    slopes = np.diff(y) / np.diff(x)
    return slopes, float(np.abs(np.diff(slopes)).sum())


@pytest.mark.parametrize(("x", "y"), SPLINES)
def test_splines_with_a_constant(x, y):
    """max(TV, (TV + |s_1 + s_last|) / 2), TV the total variation of the slopes."""
    slopes, variation = curvature(np.array(x, float), np.array(y, float))
    expected = max(variation, 0.5 * (variation + abs(slopes[0] + slopes[-1])))
    found = gauge(np.array(x, float)[:, None], y, bias="free", skip="constant")
    assert found.certificate.primal_value == pytest.approx(expected, rel=1e-7, abs=1e-9)


@pytest.mark.parametrize(("x", "y"), SPLINES)
def test_splines_with_an_affine_part(x, y):
    """The total variation of the slopes; nothing for two points."""
    _, variation = curvature(np.array(x, float), np.array(y, float))
    found = gauge(np.array(x, float)[:, None], y, bias="free", skip="affine")
    assert found.certificate.primal_value == pytest.approx(variation, rel=1e-7, abs=1e-9)


def test_random_splines():
    rng = np.random.default_rng(4)
    for _ in range(5):
        x = np.sort(rng.choice(np.arange(-20, 20), size=7, replace=False)).astype(float)
        y = rng.integers(-9, 10, size=7).astype(float)
        slopes, variation = curvature(x, y)
        both = gauge(x[:, None], y, bias="free", skip="affine")
        assert both.certificate.primal_value == pytest.approx(variation, rel=1e-7)
        one = gauge(x[:, None], y, bias="free", skip="constant")
        expected = max(variation, 0.5 * (variation + abs(slopes[0] + slopes[-1])))
        assert one.certificate.primal_value == pytest.approx(expected, rel=1e-7)


def test_free_bias_without_a_skip_is_refused():
    """f = ((x+h)_+ + (1-x)_+) / (h+1) is 1 on x = 0, 1 and costs 2 / (h+1), which tends to 0."""
    with pytest.raises(InvalidProblem, match="skip"):
        mlp.MeasureProblem([[0.0], [1.0]], [1.0, 1.0], loss=mlp.Interpolation(), bias="free")


# ---- the penalised problem ------------------------------------------------------------------------------


def test_noise_moves_an_interior_atom_linearly():
    """One cell: w = y/|y|, mass |y| - lam, objective lam |y| - lam^2 / 2."""
    y = np.array([3.3, 3.6])
    size = float(np.linalg.norm(y))
    solution = trained(np.eye(2), y, 0.5, bias="none")
    assert solution.certificate.primal_value == pytest.approx(0.5 * size - 0.125, rel=1e-9)
    np.testing.assert_allclose(solution.measure.atoms, [y / size], atol=1e-8)
    np.testing.assert_allclose(solution.measure.masses, [size - 0.5], rtol=1e-7)
    assert abs(solution.measure.masses[0] - 5.0) <= 0.5 + 0.5


@pytest.mark.parametrize("lam", [1.0, 4.9, 6.0, 12.9, 14.0])
def test_path_on_orthonormal_data(lam):
    """Each sign: lam |y_s| - lam^2/2 below |y_s|, and |y_s|^2/2 above; it breaks at 5 and 13."""
    expected = sum(lam * s - lam**2 / 2 if s > lam else s**2 / 2 for s in (5.0, 13.0))
    solution = trained(np.eye(4), [3.0, 4.0, -5.0, -12.0], lam, bias="none")
    assert solution.certificate.primal_value == pytest.approx(expected, rel=1e-9)
    assert len(solution.measure) == sum(s > lam for s in (5.0, 13.0))


@pytest.mark.parametrize(("lam", "expected"), [
    (0.5, 2.5), (0.625, 3.125), (0.7, 3.469693845669907),
])  # fmt: skip
def test_the_absolute_loss_interpolates_below_a_threshold(lam, expected):
    """(1/n) sum |f - y| + lam |mu| on the identity: alpha = y / |y| is feasible while lam n max alpha <= 1.

    That is lam <= 5/8 for y = (3, 4), and then the value is 5 lam.
    """
    solution = mlp.solve(
        mlp.MeasureProblem(
            np.eye(2), [3.0, 4.0], lam=2.0 * lam, loss=mlp.Absolute(), bias="none"
        ),
        tol_gap=1e-8,
    )  # fmt: skip
    assert solution.certificate.verdict is mlp.Verdict.OPTIMAL
    assert solution.certificate.primal_value / 2.0 == pytest.approx(expected, rel=1e-7)
    fit = solution.predict(np.eye(2))
    # At the threshold itself the value hardly tells one fit from another.
    if lam != 0.625:
        assert (np.abs(fit - [3.0, 4.0]).max() < 1e-6) == (lam < 0.625)


def test_the_value_has_the_total_variation_as_derivative():
    """V(lam) = min loss + lam |mu| has V'(lam) = |mu_lam|, the envelope theorem."""
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((5, 3)), rng.standard_normal(5)
    at = {lam: trained(X, y, lam, bias="none") for lam in (0.0999, 0.1, 0.1001)}
    slope = (at[0.1001].certificate.primal_value - at[0.0999].certificate.primal_value) / 2e-4
    assert at[0.1].measure.total_variation == pytest.approx(slope, rel=1e-5)


def test_first_order_path_of_one_interior_atom():
    """On the identity: d mass / d lam = -1 and d atom / d lam = 0."""
    masses = [trained(np.eye(2), [3.0, 4.0], lam, bias="none").measure for lam in (0.2, 0.3)]
    assert masses[1].masses[0] - masses[0].masses[0] == pytest.approx(-0.1, rel=1e-6)
    np.testing.assert_allclose(masses[0].atoms, masses[1].atoms, atol=1e-8)


def test_the_problem_of_the_benchmarks():
    """50 Gaussian points in R^3 and a teacher of 4 neurons at lam = 0.5: 1.64557360 with 6 neurons."""
    rng = np.random.default_rng(0)
    X, W = rng.standard_normal((50, 3)), rng.standard_normal((4, 3))
    W /= np.linalg.norm(W, axis=1, keepdims=True)
    y = np.maximum(X @ W.T, 0.0) @ rng.choice([-1.0, 1.0], 4)
    solution = trained(X, y, 0.5, bias="none")
    assert solution.certificate.primal_value == pytest.approx(1.64557360, abs=1e-7)
    assert len(solution.measure) == 6


def test_a_stationary_network_that_is_not_optimal():
    """x = 1, -1 with y = 1, 1: one neuron of mass 1 - lam is a local minimum; two are optimal."""
    lam = 0.1
    problem = mlp.MeasureProblem([[1.0], [-1.0]], [1.0, 1.0], lam=lam, bias="none")
    local = mlp.AtomicMeasure(np.array([[1.0]]), np.array([1.0 - lam]))
    certificate = mlp.certify(problem, local)
    assert certificate.verdict is mlp.Verdict.REFUTED
    assert certificate.primal_value == pytest.approx(0.5 + lam - lam**2 / 2, rel=1e-12)
    optimum = 2.0 * lam - lam**2
    assert certificate.improvement.objective == pytest.approx(optimum, rel=1e-9)
    assert trained([[1.0], [-1.0]], [1.0, 1.0], lam, bias="none").certificate.primal_value == (
        pytest.approx(optimum, rel=1e-9)
    )


# ---- lam_max ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("X", "y", "options", "expected"), [
    ([[3.0, 4.0]], [2.0], {"bias": "none"}, 10.0),
    (np.eye(4), [3.0, 4.0, -5.0, -12.0], {"bias": "none"}, 13.0),
    ([[1.0], [-1.0]], [2.0, -7.0], {"bias": "none"}, 7.0),
    ([[-1.0], [1.0]], [3.0, 4.0], {}, 5.0 * math.sqrt(2.0)),
    # The constant takes the mean: alpha = (-1, 1) / 2, of which a kink at 0 sees 1/2.
    ([[0.0], [1.0]], [0.0, 1.0], {"bias": "free", "skip": "constant"}, 0.5),
    # Second differences (1, -2, 1) / 3 of the hat: kink in the middle.
    ([[0.0], [1.0], [2.0]], [0.0, 0.0, 1.0], {"bias": "free", "skip": "affine"}, 1.0 / 6.0),
])  # fmt: skip
def test_lam_max(X, y, options, expected):
    """sup |sum_i alpha_i <x_i, w>_+| with alpha = y less what the skip explains."""
    problem = mlp.MeasureProblem(X, y, lam=1.0, **options)
    found = mlp.lam_max(problem)
    assert found == pytest.approx(expected, rel=1e-9)
    at = mlp.solve(problem.with_lam(found))
    assert at.certificate.verdict is mlp.Verdict.OPTIMAL
    assert at.measure.total_variation <= 1e-6 * float(np.abs(y).max())
    below = mlp.solve(problem.with_lam(0.9 * expected))
    assert below.measure.total_variation > 1e-3


def test_lam_max_of_an_interpolation_is_refused():
    with pytest.raises(InvalidProblem, match="lam_max"):
        mlp.lam_max(mlp.MeasureProblem([[1.0]], [1.0], loss=mlp.Interpolation()))


# ---- counting cells ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "d", "expected"), [
    (5, 3, 22), (10, 2, 20), (4, 2, 8), (6, 4, 52), (3, 5, 8),
])  # fmt: skip
def test_cells_in_general_position(n, d, expected):
    """2 sum_{k<d} C(n-1, k)."""
    X = np.random.default_rng(n * d).standard_normal((n, d))
    assert mlp.count_cells(X) == expected == 2 * sum(math.comb(n - 1, k) for k in range(d))


@pytest.mark.parametrize(("X", "expected"), [
    ([[1, 2], [1, 2], [0, 1]], 4), ([[1, 2], [-1, -2], [0, 1]], 4),
    ([[0, 0], [1, 0], [0, 1]], 4), ([[1, 1], [2, 2], [-3, -3]], 2),
])  # fmt: skip
def test_cells_of_degenerate_data(X, expected):
    """Parallel and antiparallel rows are one hyperplane, zero rows none."""
    assert mlp.count_cells(np.array(X, float)) == expected
    assert len(brute.sign_patterns(X)) == expected
