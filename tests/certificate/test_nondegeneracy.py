"""Non-degeneracy of interpolants: the dual vector against a cone program, conditions against a grid."""

import cvxpy as cp
import numpy as np
import pytest
from oracles import brute

import measurelp as mlp
from measurelp.errors import InvalidProblem


def interpolant(X, y, **options):
    problem = mlp.MeasureProblem(X, y, loss=mlp.Interpolation(), **options)
    return mlp.solve(problem, tol_gap=1e-9)


def gaussian(seed, n, d, **options):
    rng = np.random.default_rng(seed)
    return interpolant(rng.standard_normal((n, d)), rng.standard_normal(n), **options)


def nearest_dual(problem, nu):
    """The dual vector of interpolation nearest to nu: all cells as second-order cones, in CVXPY.

    On a closed cell with signs s, max <g, w> = min over rho >= 0 of |g + sum rho_i s_i x_i|.
    """
    rows, skip = problem.lifted, problem.skip_columns
    q = cp.Variable(problem.n)
    walls = [skip.T @ q == 0] if skip.shape[1] else []
    for cell in brute.sign_patterns(rows):
        active = rows * (cell > 0)[:, None]
        for sign in (1.0, -1.0):
            rho = cp.Variable(problem.n, nonneg=True)
            walls.append(cp.norm(sign * (active.T @ q) + (cell[:, None] * rows).T @ rho) <= 1)
    options = {"solver": "CLARABEL", "tol_gap_abs": 1e-10, "tol_gap_rel": 1e-10, "tol_feas": 1e-10}
    best = cp.Problem(cp.Maximize(problem.y @ q), walls)
    best.solve(**options)
    slack = 1e-8 * abs(best.value)
    near = cp.Problem(
        cp.Minimize(cp.sum_squares(q - nu)), [*walls, problem.y @ q >= best.value - slack]
    )
    near.solve(**options)
    return q.value


@pytest.mark.parametrize(("seed", "n", "d", "bias", "skip"), [
    (0, 5, 3, "none", "none"), (1, 5, 3, "none", "none"), (0, 6, 2, "penalized", "none"),
    (3, 6, 2, "none", "constant"), (4, 6, 2, "penalized", "affine"),
])  # fmt: skip
@pytest.mark.filterwarnings("ignore:Solution may be inaccurate")
@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_the_limit_of_the_residuals_is_the_nearest_dual_vector(seed, n, d, bias, skip, noise):
    solution = gaussian(seed, n, d, bias=bias, skip=skip)
    nu = noise * np.random.default_rng(7).standard_normal(n) / np.sqrt(n)
    found = mlp.nondegeneracy(solution, noise=nu)
    expected = nearest_dual(solution.problem, nu)
    if found.holds:
        np.testing.assert_allclose(found.dual, expected, atol=2e-3)
        assert_conditions(solution.problem, found)
    else:  # then the nearest vector has a further point at its limit, or nothing was claimed
        assert found.holds is None or np.isnan(found.dual).all()
    assert found.holds is not None


def assert_conditions(problem, found):
    """On a dense sample, much of it near the atoms, |eta| is below 1 but at the atoms."""
    rng = np.random.default_rng(0)
    width = problem.lifted.shape[1]
    weights = rng.standard_normal((100_000, width))
    near = found.atoms[rng.integers(len(found.atoms), size=20_000)]
    weights = np.vstack([weights, near + 1e-2 * rng.standard_normal(near.shape)])
    weights /= problem.weight_norm(weights)[:, None]
    heights = np.abs(brute.eta(problem.lifted, found.dual, weights))
    away = np.linalg.norm(weights[:, None] - found.atoms[None], axis=2).min(axis=1)
    assert np.all(heights <= 1.0 + 1e-9)
    assert np.all(heights[away > 1e-2] < 1.0 - 1e-6)
    np.testing.assert_allclose(
        brute.eta(problem.lifted, found.dual, found.atoms), np.sign(found.masses), atol=1e-9
    )


def test_the_check_of_conditions_fails_for_another_dual_vector():
    from dataclasses import replace

    solution = gaussian(0, 5, 3, bias="none")
    found = mlp.nondegeneracy(solution)
    assert_conditions(solution.problem, found)
    with pytest.raises(AssertionError):
        assert_conditions(solution.problem, replace(found, dual=1.01 * found.dual))


def test_an_atom_inside_a_cell_and_one_on_a_ray():
    found = mlp.nondegeneracy(interpolant(np.eye(2), [3.0, 4.0], bias="none"))
    assert found.holds and found.margins.tolist() == [np.inf] and found.walls.tolist() == [0]
    np.testing.assert_allclose(found.dual, [0.6, 0.8], atol=1e-12)
    np.testing.assert_allclose(found.first_order.masses, [-1.0], atol=1e-12)
    np.testing.assert_allclose(found.first_order.atoms, 0.0, atol=1e-12)
    # Two unit points at 45 degrees, labels of opposite signs: atoms on the walls, which are rays.
    half = np.sqrt(0.5)
    found = mlp.nondegeneracy(interpolant([[1.0, 0.0], [half, half]], [1.0, -1.0], bias="none"))
    assert found.holds and found.walls.tolist() == [1, 1] and found.freedom.tolist() == [0, 0]
    assert found.margins.min() > 0.1
    np.testing.assert_allclose(found.first_order.atoms, 0.0, atol=1e-12)


@pytest.mark.parametrize(("second", "expected"), [(-0.5, True), (0.5, False), (0.0, None)])
def test_an_atom_on_a_wall_whose_multiplier_the_noise_decides(second, expected):
    """X = I, y = (1, 0): q = (1, min(nu_2, 0)), and the multiplier of the wall w_2 = 0 is -q_2."""
    solution = interpolant(np.eye(2), [1.0, 0.0], bias="none")
    found = mlp.nondegeneracy(solution, noise=[0.0, second])
    assert found.holds is expected
    if expected:
        np.testing.assert_allclose(found.dual, [1.0, second], atol=1e-12)
        np.testing.assert_allclose(found.margins, 0.5, atol=1e-9)
        np.testing.assert_allclose(found.first_order.masses, -1.0, atol=1e-12)


def test_a_limit_that_is_not_unique_is_degenerate():
    solution = interpolant([[-1.0], [0.0], [1.0]], [1.0, 0.0, 1.0], bias="none", skip="affine")
    found = mlp.nondegeneracy(solution)
    assert found.holds is False and "not unique" in found.message


def test_little_work_proves_nothing():
    solution = gaussian(0, 6, 2)
    assert mlp.nondegeneracy(solution).holds
    found = mlp.nondegeneracy(solution, max_work=10)
    assert found.holds is None and "max_work" in found.message and not found.search_complete


def test_no_targets_no_atoms():
    found = mlp.nondegeneracy(interpolant(np.eye(2), [0.0, 0.0], bias="none"))
    assert found.holds and len(found.masses) == 0
    assert mlp.nondegeneracy(
        interpolant(np.eye(2), [0.0, 0.0], bias="none"), noise=[2.0, 0.0]
    ).holds is not True  # fmt: skip


def test_copies_of_a_row_share_the_dual_vector():
    found = mlp.nondegeneracy(
        interpolant([[3.0, 4.0], [3.0, 4.0], [0.0, 0.0]], [2.0, 2.0, 0.0], bias="none")
    )
    assert found.holds
    np.testing.assert_allclose(found.dual, [0.1, 0.1, 0.0], atol=1e-9)


def test_refusals():
    squared = mlp.solve(mlp.MeasureProblem(np.eye(2), [3.0, 4.0], lam=0.5, bias="none"))
    with pytest.raises(InvalidProblem, match="interpolation"):
        mlp.nondegeneracy(squared)
    solution = interpolant(np.eye(2), [3.0, 4.0], bias="none")
    for noise in ([1.0], [np.nan, 0.0]):
        with pytest.raises(InvalidProblem, match="noise"):
            mlp.nondegeneracy(solution, noise=noise)
    with pytest.raises(InvalidProblem, match="max_work"):
        mlp.nondegeneracy(solution, max_work=0.0)
    with pytest.raises(InvalidProblem, match=r"mlp\.solve"):
        mlp.nondegeneracy(solution.measure)
