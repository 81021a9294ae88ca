"""Uniqueness: closed forms, an independent reference over all cells, and no wrong UNIQUE."""

import dataclasses
import functools

import numpy as np
import pytest
from oracles.families import TAME
from scipy.optimize import linprog, nnls

import measurelp as mlp
from measurelp.certificate.peaks import exact_rank, peak_near
from measurelp.certificate.saturated_set import View
from measurelp.certificate.saturation import refine, whole_space
from measurelp.errors import InvalidProblem


def solved(X, y, **options):
    return mlp.solve(mlp.MeasureProblem(X, y, **options), tol_gap=1e-9)


def verdict(X, y, **options):
    return mlp.uniqueness(solved(X, y, **options))


def test_one_interior_atom_is_the_only_solution():
    # Orthonormal data: w = y / |y| with mass |y| - lam.
    u = verdict(np.eye(2), [3.3, 3.6], lam=0.5, bias="none")
    assert u.verdict.name == "UNIQUE" and u.is_unique
    size = np.hypot(3.3, 3.6)
    np.testing.assert_allclose(u.saturated, [[3.3 / size, 3.6 / size]], atol=1e-9)
    np.testing.assert_allclose(u.ranges, [[size - 0.5] * 2], atol=1e-8)
    assert u.dual_error < 1e-9 and u.alternatives == ()


@pytest.mark.parametrize("lam", [1.0, 4.9, 6.0, 12.9, 14.0])
def test_orthonormal_data_have_one_solution_along_the_path(lam):
    # One atom for the positive part of y (norm 5), one for the negative part (norm 13).
    y = np.array([3.0, 4.0, -5.0, -12.0])
    u = verdict(np.eye(4), y, lam=lam, bias="none")
    assert u.verdict.name == "UNIQUE"
    expected = sorted(size - lam for size in (5.0, 13.0) if size > lam)
    np.testing.assert_allclose(sorted(np.abs(u.ranges[:, 0])), expected, atol=1e-7)
    np.testing.assert_array_equal(u.ranges[:, 0], u.ranges[:, 1])


@pytest.mark.parametrize("lam", [5.0, 13.0])
def test_at_a_breakpoint_a_saturated_point_without_mass_does_no_harm(lam):
    u = verdict(np.eye(4), [3.0, 4.0, -5.0, -12.0], lam=lam, bias="none")
    assert u.verdict.name == "UNIQUE"
    assert u.proof == "duality gap"
    assert np.abs(u.ranges).min() <= 1e-7


def test_a_region_may_hold_a_peak_of_either_sign():
    # eta of alpha = (1, -1, 1, -1) is +1 at e1 and -1 at e2, which have the same active rows.
    X = np.array([[-1.0, 0.0], [0.0, -1.0], [2.0, 1.0], [1.0, 2.0]])
    alpha = np.array([1.0, -1.0, 1.0, -1.0])
    problem = mlp.MeasureProblem(X, alpha, lam=1.0, bias="none")
    landscape = View(problem, mlp.AtomicMeasure(np.zeros((0, 2)), np.zeros(0))).landscape(alpha)
    peaks = [peak_near(landscape, w) for w in np.eye(2)]
    assert [peak.sign for peak in peaks] == [1.0, -1.0]
    np.testing.assert_allclose([peak.height for peak in peaks], 1.0)
    np.testing.assert_array_equal(peaks[0].active & peaks[1].active, [0, 0, 1, 1])
    peaks += [peak_near(landscape, -w) for w in np.eye(2)]
    assert refine(landscape, whole_space(landscape), peaks, 1.0 - 1e-6, 1e6).is_complete
    open_ = refine(landscape, whole_space(landscape), peaks[::2], 1.0 - 1e-6, 1e5)
    assert not open_.is_complete and np.all(open_.signs == -1.0)


@pytest.mark.parametrize("skip", ["constant", "affine"])
def test_consecutive_curvatures_of_one_sign_leave_a_choice(skip):
    # Slopes 0, 1, 2: one knot anywhere between or two at the data fit as well.
    u = verdict(
        [[0.0], [1.0], [2.0], [3.0]], [0.0, 0.0, 1.0, 3.0], loss=mlp.Interpolation(),
        bias="free", skip=skip,
    )  # fmt: skip
    assert u.verdict.name == "NOT_UNIQUE"
    assert_two_solutions(u)
    apart = np.linalg.norm(u.saturated[:, None] - u.saturated[None], axis=-1)
    assert apart[~np.eye(len(apart), dtype=bool)].min() > 1e-6  # no point is listed twice


def assert_two_solutions(u):
    first, second = u.alternatives
    assert [c.verdict.name for c in u.certificates] == ["OPTIMAL", "OPTIMAL"]
    assert first.total_variation == pytest.approx(second.total_variation, rel=1e-8)
    table = {tuple(np.round(w, 6)): m for w, m in zip(first.atoms, first.masses, strict=True)}
    other = {tuple(np.round(w, 6)): m for w, m in zip(second.atoms, second.masses, strict=True)}
    difference = max(abs(table.get(w, 0.0) - other.get(w, 0.0)) for w in table | other)
    assert difference > 1e-6 * first.total_variation


def test_the_helper_sees_equal_measures():
    mu = mlp.AtomicMeasure(np.eye(2), np.ones(2))
    u = verdict(
        [[0.0], [1.0], [2.0]], [0.0, 0.0, 1.0], loss=mlp.Interpolation(), bias="free", skip="affine"
    )
    with pytest.raises(AssertionError):
        assert_two_solutions(dataclasses.replace(u, alternatives=(mu, mu)))


def test_opposite_neurons_and_a_skip_leave_a_choice():
    # (t)_+ and (-t)_+ differ by t, which the skip gives for nothing.
    u = verdict(
        [[-1.0], [0.0], [1.0]], [1.0, 0.0, 1.0], lam=0.1, bias="none", skip="affine"
    )  # fmt: skip
    assert u.verdict.name == "NOT_UNIQUE"
    assert_two_solutions(u)
    np.testing.assert_allclose(u.ranges[:, 0], 0.0, atol=1e-8)


def test_masses_that_are_fixed_among_masses_that_are_not():
    u = verdict(
        [[0.0], [2.0], [3.0], [5.0], [6.0], [7.0]], [0.0, 2.0, 1.0, -1.0, -1.0, -2.0],
        loss=mlp.Interpolation(), bias="free", skip="affine",
    )  # fmt: skip
    assert u.verdict.name == "NOT_UNIQUE"
    assert_two_solutions(u)


def test_copies_of_a_row_change_nothing():
    u = verdict([[3.0, 4.0], [3.0, 4.0], [0.0, 0.0]], [2.0, 2.0, 0.0], lam=0.5, bias="none")
    assert u.verdict.name == "UNIQUE" and len(u.saturated) == 1


@functools.cache
def reference(seed, family, bias, loss):
    """(solution, widest range of a mass, smallest singular value, next height), over all cells."""
    rng = np.random.default_rng(seed)
    n, d = int(rng.integers(3, 8)), int(rng.integers(1, 3))
    X, y = TAME[family](rng, n, d), rng.standard_normal(n)
    if family in ("grid", "mirrored"):
        y = rng.integers(-2, 3, size=len(X)).astype(float)
        y[0] += 1.0
    if loss == "interpolation":
        problem = mlp.MeasureProblem(X, y[: len(X)], loss=mlp.Interpolation(), bias=bias)
    else:
        problem = mlp.MeasureProblem(X, y[: len(X)], lam=1.0, bias=bias)
        top = mlp.lam_max(problem)
        if top < 1e-9:
            return None
        problem = problem.with_lam(0.2 * top)
    solution = mlp.solve(problem, tol_gap=1e-9)
    if not solution.certificate.is_optimal:
        return None
    rows, alpha = problem.lifted, solution.dual
    points, heights, signs = [], [], []
    for cell in mlp.enumerate_cells(rows).signs:
        gradient = alpha @ (rows * (cell > 0)[:, None])
        for sign in (1.0, -1.0):
            cone = (cell[:, None] * rows).T  # project sign * gradient on {s_i <x_i, w> >= 0}
            multipliers, _ = nnls(cone, -sign * gradient)
            top = sign * gradient + cone @ multipliers
            height = float(np.linalg.norm(top))
            if height > 1e-9:
                points.append(top / height)
                heights.append(height)
                signs.append(sign)
    order = np.argsort(heights)[::-1]
    chosen, following = [], 0.0
    for k in order:
        if heights[k] < problem.lam * (1.0 - 1e-9):
            following = max(following, heights[k] / problem.lam)
        elif all(
            signs[k] != signs[j] or np.linalg.norm(points[k] - points[j]) > 1e-5 for j in chosen
        ):
            chosen.append(k)
    features = problem.features(np.array([points[k] for k in chosen]).reshape(-1, rows.shape[1]))
    features = features * np.array([signs[k] for k in chosen])
    fit = problem.features(solution.measure.atoms) @ solution.measure.masses
    widest = 0.0
    for j in range(len(chosen)):
        cost = np.eye(len(chosen))[j]
        ends = [
            linprog(s * cost, A_eq=features, b_eq=fit, bounds=(0, None), options={"primal_feasibility_tolerance": 1e-7})
            for s in (1.0, -1.0)
        ]  # fmt: skip
        if all(end.status == 0 for end in ends):
            widest = max(widest, -ends[1].fun - ends[0].fun)
    least = np.linalg.svd(features, compute_uv=False)[-1] if len(chosen) <= len(fit) else 0.0
    if not chosen:
        least = 1.0
    return solution, widest / max(1e-300, solution.measure.total_variation), least, following


@pytest.mark.parametrize("loss", ["squared", "interpolation"])
@pytest.mark.parametrize("bias", ["none", "penalized"])
@pytest.mark.parametrize("family", sorted(TAME))
def test_agrees_with_linear_programs_over_all_cells(family, bias, loss):
    for seed in range(3):
        known = reference(seed, family, bias, loss)
        if known is None:
            continue
        solution, widest, least, following = known
        u = mlp.uniqueness(solution)
        if widest > 1e-3:
            assert u.verdict.name != "UNIQUE"
        if least > 1e-3 and following < 1.0 - 1e-3:
            assert u.verdict.name != "NOT_UNIQUE"
            if loss == "squared":
                assert u.verdict.name == "UNIQUE"
        if u.verdict.name == "NOT_UNIQUE":
            assert_two_solutions(u)


def test_data_that_are_all_zero():
    u = verdict(np.zeros((3, 1)), [1.0, 2.0, 3.0], lam=1.0, bias="none")
    assert u.verdict.name == "UNIQUE" and len(u.saturated) == 0


def test_listed_points_are_all_points():
    # With one of the peaks withheld the search must not end well.
    rng = np.random.default_rng(0)
    problem = mlp.MeasureProblem(rng.standard_normal((8, 2)), rng.standard_normal(8), lam=0.5)
    solution = mlp.solve(problem, tol_gap=1e-9)
    view = View(problem, solution.measure)
    landscape = view.landscape(solution.dual)
    points = view.space.coordinates(solution.measure.atoms)
    peaks = [peak_near(landscape, point) for point in points]
    assert len(peaks) > 1
    level = problem.lam * (1.0 - 1e-8)
    assert refine(landscape, whole_space(landscape), peaks, level, 1e7).is_complete
    for k in range(len(peaks)):
        rest = peaks[:k] + peaks[k + 1 :]
        assert not refine(landscape, whole_space(landscape), rest, level, 1e6).is_complete


def test_little_work_leaves_it_undecided():
    rng = np.random.default_rng(0)
    solution = solved(rng.standard_normal((8, 2)), rng.standard_normal(8), lam=0.5)
    assert mlp.uniqueness(solution).verdict.name == "UNIQUE"
    u = mlp.uniqueness(solution, max_work=100)
    assert u.verdict.name == "UNDECIDED" and "max_work" in u.message


def test_a_poor_gap_proves_nothing():
    rng = np.random.default_rng(0)
    problem = mlp.MeasureProblem(rng.standard_normal((8, 2)), rng.standard_normal(8), lam=0.5)
    good = mlp.solve(problem, tol_gap=1e-9)
    measure = mlp.AtomicMeasure(good.measure.atoms, good.measure.masses * 1.001)
    # Newton's method repairs masses; a direction that is off by 1e-3 is refused.
    turned = good.measure.atoms + 2e-3 * np.roll(good.measure.atoms, 1, axis=1)
    turned /= np.linalg.norm(turned, axis=1)[:, None]
    for poor in (measure, mlp.AtomicMeasure(turned, good.measure.masses)):
        certificate = mlp.certify(problem, poor, dual=good.dual, tol_gap=0.1)
        solution = mlp.Solution(problem, poor, good.dual, certificate, good.termination)
        u = mlp.uniqueness(solution)
        assert u.verdict.name != "NOT_UNIQUE"
        if u.verdict.name == "UNIQUE":
            np.testing.assert_allclose(
                np.sort(u.ranges[:, 0]), np.sort(good.measure.masses), atol=1e-7
            )


def test_refusals():
    solution = solved(np.eye(2), [3.0, 4.0], lam=0.5, bias="none")
    for wrong in (solution.measure, solution.network(), None):
        with pytest.raises(InvalidProblem, match=r"mlp\.solve"):
            mlp.uniqueness(wrong)
    with pytest.raises(InvalidProblem, match="max_work"):
        mlp.uniqueness(solution, max_work=0)
    infeasible = solved([[1.0], [1.0]], [0.0, 1.0], loss=mlp.Interpolation(), bias="none")
    with pytest.raises(InvalidProblem, match="INFEASIBLE"):
        mlp.uniqueness(infeasible)


def test_exact_rank_reads_decimals():
    assert exact_rank(np.array([[0.1, 0.2], [0.3, 0.6]])) == 1
    assert exact_rank(np.array([[0.1, 0.2], [0.3, 0.6000000000000001]])) == 2
