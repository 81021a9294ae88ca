"""Directions, weights and walls of the part of weight space that is drawn."""

import numpy as np
import pytest

import measurelp as mlp
from measurelp.plotting.weight_space import (
    great_circle,
    longitude_latitude,
    sphere_grid,
    sphere_points,
    weight_section,
)


def eta(problem, dual, w):
    """The definition, row by row."""
    lifted = (
        np.hstack([problem.X, np.ones((problem.n, 1))]) if problem.bias != "none" else problem.X
    )
    return sum(a * max(float(x @ w), 0.0) for a, x in zip(dual, lifted, strict=True))


@pytest.mark.parametrize("name", ["line", "plane", "rank_four"])
def test_values_are_the_dual_function_at_unit_weights(name, request):
    solution = request.getfixturevalue(name)
    section = weight_section(solution.problem, solution.measure)
    assert section.q == min(3, solution.problem.lifted.shape[1])
    assert section.is_whole == (name != "rank_four")
    u = np.random.default_rng(0).standard_normal((40, section.q))
    weights = section.weights(u)
    np.testing.assert_allclose(np.linalg.norm(weights, axis=1), 1.0, rtol=1e-12)
    expected = [eta(solution.problem, solution.dual, w) for w in weights]
    np.testing.assert_allclose(section.values(solution.dual, u), expected, atol=1e-12)
    back, inside = section.directions(weights)
    assert inside.all()
    np.testing.assert_allclose(back, u / np.linalg.norm(u, axis=1)[:, None], atol=1e-9)


def test_a_section_goes_through_the_three_heaviest_atoms(rank_four):
    section = weight_section(rank_four.problem, rank_four.measure)
    heaviest = np.argsort(-np.abs(rank_four.measure.masses))[:3]
    directions, inside = section.directions(rank_four.measure.atoms)
    assert inside[heaviest].all()
    values = section.values(rank_four.dual, directions[inside])
    signs = np.sign(rank_four.measure.masses[inside])
    np.testing.assert_allclose(values * signs, rank_four.problem.lam, rtol=1e-4)
    if len(rank_four.measure) > 3:
        assert not inside.all()


def test_walls_are_where_a_row_changes_sides(plane):
    section = weight_section(plane.problem)
    assert len(section.walls) == plane.problem.n
    for normal in section.walls:
        weights = section.weights(great_circle(normal, 7))
        inner = plane.problem.lifted @ weights.T
        assert np.abs(inner).max(axis=1).min() < 1e-12


def test_equal_and_opposite_rows_share_a_wall():
    X = np.array([[1.0, 2.0], [-1.0, -2.0], [2.0, 4.0], [0.0, 1.0], [0.0, 0.0]])
    section = weight_section(mlp.MeasureProblem(X, np.ones(5), lam=1.0, bias="none"))
    assert len(section.walls) == 2


def test_a_free_bias_has_no_norm():
    problem = mlp.MeasureProblem(
        [[0.0], [1.0], [3.0]], [0.0, 1.0, 0.0], lam=0.1, bias="free", skip="constant"
    )
    section = weight_section(problem)
    weights = section.weights(np.array([[0.0, 1.0], [0.0, -1.0], [1.0, 1.0], [-2.0, 0.5]]))
    assert np.isnan(weights[:2]).all()
    np.testing.assert_allclose(np.abs(weights[2:, 0]), 1.0)
    values = section.values(np.array([1.0, -2.0, 1.0]), np.array([[0.0, 1.0], [1.0, 0.1]]))
    assert np.isnan(values[0]) and np.isfinite(values[1])


@pytest.mark.parametrize("outputs", ["joint", "separate"])
def test_several_outputs_show_what_the_certificate_bounds(outputs):
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((12, 2)), rng.standard_normal((12, 3))
    problem = mlp.MeasureProblem(X, Y, lam=1.0, bias="none", outputs=outputs)
    solution = mlp.solve(problem)
    section = weight_section(problem, solution.measure)
    u = rng.standard_normal((500, 2))
    values = section.values(solution.dual, u)
    single = np.abs([section.values(column, u) for column in solution.dual.T])
    expected = np.sqrt((single**2).sum(axis=0)) if outputs == "joint" else single.max(axis=0)
    np.testing.assert_allclose(values, expected)
    assert values.max() <= solution.certificate.sup[1] * (1 + 1e-12)
    assert len(mlp.plotting.plot_certificate(solution).lines) >= 2


def test_the_map_is_the_sphere():
    longitude, _latitude, points = sphere_grid(19, 37)
    np.testing.assert_allclose(np.linalg.norm(points, axis=-1), 1.0)
    inner = points[1:-1, 1:-1].reshape(-1, 3)
    back = longitude_latitude(inner)
    np.testing.assert_allclose(sphere_points(*back), inner, atol=1e-12)
    np.testing.assert_allclose(back[0], longitude[1:-1, 1:-1].ravel(), atol=1e-12)
