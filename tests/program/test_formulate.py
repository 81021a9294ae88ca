r"""The full program against closed forms and against CVXPY, cell by cell."""

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from measurelp.arrangement import enumerate_cells
from measurelp.backends import ClarabelBackend, ScsBackend
from measurelp.errors import InvalidProblem
from measurelp.problem import Interpolation, MeasureProblem
from measurelp.program import formulate, formulate_atoms
from measurelp.status import Termination

SOLVE = ClarabelBackend().solve


def _value(problem, cells):
    program, lift = formulate(problem, cells)
    return lift.objective(SOLVE(program).objective)


def _interpolation(X, y, **options):
    return MeasureProblem(X, y, loss=Interpolation(), **{"bias": "none", **options})


@pytest.mark.parametrize(
    ("X", "y", "value"),
    [
        ([[3.0, 4.0]], [2.0], 2 / 5),  # |y| / |x|
        (np.eye(4), [3.0, 4.0, -5.0, -12.0], 18.0),  # |y_+| + |y_-| on orthonormal rows
        # the same of y_i / |x_i| on orthogonal rows
        (np.diag([2.0, 1.0, 4.0]), [2.0, -3.0, 8.0], np.sqrt(5) + 3),
        ([[1.0, 2.0], [1.0, 2.0], [-1.0, 1.0]], [1.0, 1.0, 2.0], np.sqrt(2)),  # a repeated row
        ([[1.0], [-1.0]], [2.0, -7.0], 9.0),  # antiparallel: |y_1| + |y_2|
    ],
)
def test_closed_forms_of_interpolation(X, y, value, brute_cells):
    problem = _interpolation(X, y)
    cells = brute_cells(problem.lifted)
    program, lift = formulate(problem, cells)
    report = SOLVE(program)
    assert lift.objective(report.objective) == pytest.approx(value, rel=1e-8)
    measure = lift.measure(report.x)
    assert measure.total_variation == pytest.approx(value, rel=1e-6)
    np.testing.assert_allclose(problem.features(measure.atoms) @ measure.masses, y, atol=1e-6)
    assert lift.dual(report) @ problem.y == pytest.approx(value, rel=1e-7)


@pytest.mark.parametrize("degrees", [20, 45, 60, 90, 120, 170])
def test_two_opposite_targets_at_an_angle(degrees, brute_cells):
    """Two unit points, targets 1 and -1: 2 / sin(min(angle, 90 degrees))."""
    angle = np.radians(degrees)
    problem = _interpolation([[1.0, 0.0], [np.cos(angle), np.sin(angle)]], [1.0, -1.0])
    value = 2.0 / np.sin(min(angle, np.pi / 2))
    assert _value(problem, brute_cells(problem.lifted)) == pytest.approx(value, rel=1e-8)


@pytest.mark.parametrize("lam", [1.0, 4.9, 6.0, 12.9, 14.0])
def test_ridge_path_on_orthonormal_rows(lam, brute_cells):
    """Each sign part of y shrinks on its own: lam |y| - lam^2/2, or |y|^2/2 where |y| <= lam."""
    y = np.array([3.0, 4.0, -5.0, -12.0])
    problem = MeasureProblem(np.eye(4), y, lam=lam, bias="none")
    parts = [np.linalg.norm(np.maximum(y, 0)), np.linalg.norm(np.maximum(-y, 0))]
    value = sum(lam * p - lam**2 / 2 if p > lam else p**2 / 2 for p in parts)
    program, lift = formulate(problem, brute_cells(problem.lifted))
    report = SOLVE(program)
    assert lift.objective(report.objective) == pytest.approx(value, rel=1e-8)
    shrink = [max(0.0, 1 - lam / p) for p in parts]
    fit = np.where(y > 0, shrink[0], shrink[1]) * y
    np.testing.assert_allclose(lift.dual(report), y - fit, atol=1e-5)


@pytest.mark.parametrize(
    ("x", "y", "value"),
    [
        ([0, 1], [0, 1], 0.0),
        ([0, 1, 2, 3], [0, 0, 1, 3], 2.0),
        ([-1, 0, 2, 3, 5], [1, 3, -2, 0, 4], 9.0),
        ([0, 1, 3], [0, 5, 14], 0.5),
    ],
)
def test_free_bias_and_affine_skip_in_one_dimension(x, y, value, brute_cells):
    """The total variation of the slopes of the linear spline through the points."""
    X = np.array(x, float)[:, None]
    problem = _interpolation(X, y, bias="free", skip="affine")
    slopes = np.diff(y) / np.diff(x)
    assert np.abs(np.diff(slopes)).sum() == pytest.approx(value)
    program, lift = formulate(problem, brute_cells(problem.lifted))
    report = SOLVE(program)
    assert lift.objective(report.objective) == pytest.approx(value, abs=1e-8)
    measure = lift.measure(report.x, drop=1e-6)
    fit = problem.features(measure.atoms) @ measure.masses + measure.skip.predict(X)
    np.testing.assert_allclose(fit, y, atol=1e-4)


def test_contradictory_repeated_rows_are_infeasible(brute_cells):
    problem = _interpolation([[1.0, 2.0], [1.0, 2.0]], [1.0, 2.0])
    program, lift = formulate(problem, brute_cells(problem.lifted))
    report = SOLVE(program)
    assert report.termination is Termination.INFEASIBLE
    q = lift.dual(report)
    assert q @ problem.y > 0
    assert abs(q.sum()) < 1e-8 * np.abs(q).max()


@pytest.mark.parametrize("loss", ["squared", "interpolation"])
@pytest.mark.parametrize(
    ("bias", "skip"),
    [("none", "none"), ("penalized", "none"), ("none", "affine"), ("free", "affine"),
     ("free", "constant"), ("penalized", "constant")],
)  # fmt: skip
def test_agrees_with_cvxpy_cell_by_cell(bias, skip, loss, brute_cells, cvxpy_value):
    rng = np.random.default_rng(7)
    d = 2 if bias == "none" else 1 if bias == "free" and skip == "constant" else 2
    X, y = rng.standard_normal((5, d)), rng.standard_normal(5)
    if loss == "interpolation":
        problem = MeasureProblem(X, y, loss=Interpolation(), bias=bias, skip=skip)
        if bias == "none":  # the weights alone need not reach any targets
            measure = rng.standard_normal((3, 2))
            y = problem.features(measure) @ np.array([1.0, -2.0, 0.5])
            problem = MeasureProblem(X, y, loss=Interpolation(), bias=bias, skip=skip)
    else:
        problem = MeasureProblem(X, y, lam=0.2, bias=bias, skip=skip)
    cells = brute_cells(problem.lifted)
    assert _value(problem, cells) == pytest.approx(cvxpy_value(problem, cells), rel=1e-6)


@settings(deadline=None, max_examples=8)
@given(seed=st.integers(0, 10_000), lam=st.floats(0.01, 2.0))
def test_random_problems_agree_with_cvxpy_and_scs(seed, lam, brute_cells, cvxpy_value):
    rng = np.random.default_rng(seed)
    problem = MeasureProblem(
        rng.standard_normal((5, 2)), rng.standard_normal(5), lam=lam, bias="none"
    )
    cells = brute_cells(problem.lifted)
    program, lift = formulate(problem, cells)
    clarabel = SOLVE(program)
    value = lift.objective(clarabel.objective)
    assert value == pytest.approx(cvxpy_value(problem, cells), rel=1e-6, abs=1e-8)
    scs = ScsBackend().solve(program, tolerance=1e-8)
    assert lift.objective(scs.objective) == pytest.approx(value, rel=1e-5, abs=1e-7)
    alpha = lift.dual(clarabel)
    assert alpha @ problem.y - 0.5 * alpha @ alpha == pytest.approx(value, rel=1e-6, abs=1e-8)


@settings(deadline=None, max_examples=10)
@given(seed=st.integers(0, 10_000))
def test_fewer_cells_never_lower_the_value(seed, brute_cells):
    rng = np.random.default_rng(seed)
    problem = MeasureProblem(
        rng.standard_normal((5, 2)), rng.standard_normal(5), lam=0.3, bias="none"
    )
    cells = brute_cells(problem.lifted)
    some = type(cells)(cells.signs[rng.permutation(len(cells.signs))[:3]])
    assert _value(problem, some) >= _value(problem, cells) - 1e-8


def test_the_walls_of_facets_are_enough(brute_cells):
    """In the plane the two walls next to a witness, sorted by angle, bound its cell."""
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((6, 2)), rng.standard_normal(6)
    problem = MeasureProblem(X, y, lam=0.2, bias="none")
    cells = brute_cells(X)
    facets = []
    for signs in cells.signs:
        # Row i bounds the cell if changing its sign gives another cell.
        flips = [signs * np.where(np.arange(6) == i, -1, 1) for i in range(6)]
        known = {tuple(s) for s in cells.signs}
        facets.append(np.array([i for i in range(6) if tuple(flips[i]) in known]))
    program, lift = formulate(problem, cells, facets=facets)
    full, _ = formulate(problem, cells)
    assert program.n_rows < full.n_rows
    value = lift.objective(SOLVE(program).objective)
    assert value == pytest.approx(_value(problem, cells), rel=1e-8)


@pytest.mark.parametrize("loss", ["squared", "interpolation"])
def test_sharing_columns_changes_neither_value_nor_dual(loss, monkeypatch):
    """All cells of 12 rows, with z = u - w and without."""
    rng = np.random.default_rng(11)
    X = rng.standard_normal((12, 2))
    options = {"lam": 0.3} if loss == "squared" else {"loss": Interpolation()}
    problem = MeasureProblem(X, rng.standard_normal(12), **options)
    cells = enumerate_cells(problem.lifted)
    found = []
    for least in (6, 10**9):
        # The package's function of the same name hides the module from a plain import.
        monkeypatch.setattr(sys.modules["measurelp.program.formulate"], "_SHARE_FROM", least)
        program, lift = formulate(problem, cells)
        report = SOLVE(program)
        measure = lift.measure(report.x)
        fit = problem.features(measure.atoms) @ measure.masses
        found.append((program.n_rows, lift.objective(report.objective), lift.dual(report), fit))
    assert found[0][0] == found[1][0] + 3 * len(cells)
    assert found[0][1] == pytest.approx(found[1][1], rel=1e-8)
    np.testing.assert_allclose(found[0][2] @ problem.y, found[1][2] @ problem.y, rtol=1e-6)
    np.testing.assert_allclose(found[0][3], found[1][3], atol=1e-5)
    sup = np.abs(problem.features(_sphere()).T @ found[0][2]).max()
    bound = 1.0 if loss == "interpolation" else 0.3
    assert 0.9 * bound < sup <= bound * (1 + 1e-7)


def _sphere(k=4000):
    directions = np.random.default_rng(0).standard_normal((k, 3))
    return directions / np.linalg.norm(directions, axis=1, keepdims=True)


def test_a_fixed_dictionary_of_centres_and_rays_is_not_enough(brute_cells):
    """X = I_2, y = (3, 4): 3 sqrt(2) + 1 over e1, e2 and the diagonal, 5 over the cells."""
    problem = _interpolation(np.eye(2), [3.0, 4.0])
    atoms = np.array([[1.0, 0.0], [0.0, 1.0], [np.sqrt(0.5), np.sqrt(0.5)]])
    program, lift = formulate_atoms(problem, atoms)
    assert lift.objective(SOLVE(program).objective) == pytest.approx(3 * np.sqrt(2) + 1, rel=1e-8)
    assert _value(problem, brute_cells(np.eye(2))) == pytest.approx(5.0, rel=1e-8)


def test_cells_of_other_data_are_refused(brute_cells):
    problem = _interpolation(np.eye(2), [3.0, 4.0])
    with pytest.raises(InvalidProblem, match="cells"):
        formulate(problem, brute_cells(np.eye(3)))
    with pytest.raises(InvalidProblem, match="facets"):
        formulate(problem, brute_cells(np.eye(2)), facets=[np.arange(2)])
    empty = type(brute_cells(np.eye(2)))(np.zeros((0, 2), dtype=np.int8))
    with pytest.raises(InvalidProblem, match="at least one"):
        formulate(problem, empty)
