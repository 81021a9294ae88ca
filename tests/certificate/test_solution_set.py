"""The set of optimal measures: known polytopes, and fewest atoms against all supports."""

from itertools import combinations

import numpy as np
import pytest
from scipy.optimize import nnls

import measurelp as mlp
from measurelp.errors import BudgetExceeded, InvalidProblem

CORNER = mlp.MeasureProblem(
    [[-1.0], [0.0], [1.0]], [1.0, 0.0, 1.0], lam=0.1, bias="none", skip="affine"
)


def optimal_set(problem):
    return mlp.solution_set(mlp.solve(problem, tol_gap=1e-9))


def everything_is_optimal(problem, measures):
    dual = mlp.solve(problem, tol_gap=1e-9).dual
    for measure in measures:
        assert mlp.certify(problem, measure, dual=dual, tol_gap=1e-8).verdict.name == "OPTIMAL"


def fewest_by_brute_force(optimal):
    """The least size of a support that carries the fit, over all subsets of the points."""
    problem = optimal.problem
    features = problem.features(optimal.atoms) * optimal.uniqueness.signs
    skip = problem.skip_columns
    target = optimal.fit
    for size in range(len(optimal.atoms) + 1):
        for chosen in combinations(range(len(optimal.atoms)), size):
            columns = np.hstack([features[:, list(chosen)], skip, -skip])
            miss = nnls(columns, target)[1] if columns.shape[1] else np.linalg.norm(target)
            if miss <= 1e-7 * np.linalg.norm(target):
                return size
    return None


def test_an_absolute_value_is_shared_by_two_neurons():
    optimal = optimal_set(CORNER)
    assert optimal.dimension == 1
    vertices = optimal.vertices()
    assert sorted(len(v) for v in vertices) == [1, 1]
    everything_is_optimal(CORNER, vertices)
    assert len(optimal.widest()) == 2
    best = optimal.sparsest()
    assert best.is_minimal and best.lower_bound == 1
    total = vertices[0].total_variation
    half = optimal.closest_to([0.5 * total, 0.5 * total])
    np.testing.assert_allclose(half.masses, 0.5 * total, rtol=1e-5)
    everything_is_optimal(CORNER, [half, optimal.widest(), best.measure])
    assert all(optimal.contains(m) for m in (*vertices, half))
    assert not optimal.contains(mlp.AtomicMeasure(half.atoms, 1.001 * half.masses, half.skip))


@pytest.mark.parametrize("seed", range(6))
def test_sparsest_against_all_supports(seed):
    rng = np.random.default_rng(seed)
    n = 6
    X = np.arange(n, dtype=float)[:, None]
    y = np.cumsum(np.cumsum(rng.integers(-1, 3, size=n))).astype(float)
    problem = mlp.MeasureProblem(
        X, y, loss=mlp.Interpolation(), bias="free", skip=("constant", "affine")[seed % 2]
    )
    optimal = optimal_set(problem)
    best = optimal.sparsest()
    assert best.is_minimal
    assert len(best.measure) == fewest_by_brute_force(optimal)
    assert optimal.contains(best.measure)
    assert len(optimal.widest()) >= len(best.measure)
    everything_is_optimal(problem, [best.measure, optimal.widest()])


def test_a_run_of_one_curvature_needs_half_its_knots():
    # Curvatures 1, 1 at the inner points: one knot between them suffices.
    problem = mlp.MeasureProblem(
        [[0.0], [1.0], [2.0], [3.0]], [0.0, 0.0, 1.0, 3.0], loss=mlp.Interpolation(),
        bias="free", skip="affine",
    )  # fmt: skip
    assert len(optimal_set(problem).sparsest().measure) == 1


@pytest.mark.parametrize(("y", "knots"), [
    ([0, 0, 1, 3], 1), ([0, 0, 1, 3, 6], 2), ([0, 0, 1, 3, 6, 10], 2), ([0, 1, 1, 2], 2),
    ([0, 0, 1, 4], 1), ([0, 0, 1, 4, 9, 15.5], 2), ([0, 0, 1, 4, 9, 16, 30], 3),
])  # fmt: skip
def test_half_of_a_run_of_curvatures_suffices(y, knots):
    """Fewest knots: half of each maximal run of curvatures of one sign, rounded up."""
    problem = mlp.MeasureProblem(
        np.arange(len(y))[:, None], y, loss=mlp.Interpolation(), bias="free", skip="affine"
    )
    best = optimal_set(problem).sparsest()
    assert len(best.measure) == best.lower_bound == knots
    everything_is_optimal(problem, [best.measure])


@pytest.mark.parametrize("seed", range(6))
def test_sparsest_has_the_fewest_knots(seed):
    rng = np.random.default_rng(seed)
    x, y = np.sort(rng.uniform(0.0, 5.0, 6)), np.cumsum(np.cumsum(rng.uniform(-0.5, 1.0, 6)))
    options = {"lam": 0.05} if seed % 2 else {"loss": mlp.Interpolation()}
    problem = mlp.MeasureProblem(x[:, None], y, bias="free", skip="affine", **options)
    solution = mlp.solve(problem, tol_gap=1e-9)
    best = mlp.solution_set(solution).sparsest()
    assert len(best.measure) == len(mlp.fewest_knots(solution).measure)
    everything_is_optimal(problem, [best.measure])


def test_a_unique_solution_is_a_point():
    problem = mlp.MeasureProblem(np.eye(2), [3.0, 4.0], lam=0.5, bias="none")
    solution = mlp.solve(problem, tol_gap=1e-9)
    optimal = mlp.solution_set(solution)
    assert optimal.uniqueness.is_unique and optimal.uniqueness.search_complete
    assert optimal.dimension == 0 and len(optimal.vertices()) == 1
    for measure in (optimal.vertices()[0], optimal.sparsest().measure, optimal.widest()):
        np.testing.assert_allclose(measure.masses, solution.measure.masses, atol=1e-8)
    assert optimal.contains(solution.measure)


def test_refusals():
    optimal = optimal_set(CORNER)
    with pytest.raises(BudgetExceeded, match="max_bases"):
        optimal.vertices(max_bases=1)
    with pytest.raises(InvalidProblem, match="weights"):
        optimal.closest_to([1.0])
    with pytest.raises(InvalidProblem, match=r"mlp\.solve"):
        mlp.solution_set(CORNER)
