"""Paths: every point certified, bounds between the points, limits."""

import os
import signal

import numpy as np
import pytest
from oracles import brute
from oracles.families import SETTINGS
from solving import checks

import measurelp as mlp
from measurelp.errors import InvalidProblem


def data(seed, n=7, d=2):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, d)), rng.standard_normal(n)


def objective(problem, measure, lam):
    """Recomputed from plain arrays."""
    skip = measure.skip or mlp.Skip(np.zeros(problem.d))
    return brute.objective(
        problem.X, problem.y, measure.atoms, measure.masses, lam=lam, bias=problem.bias,
        linear=skip.linear, constant=skip.constant,
    )  # fmt: skip


@pytest.mark.parametrize(("bias", "skip"), SETTINGS)
def test_every_point_is_the_optimum(bias, skip):
    X, y = data(0)
    problem = mlp.MeasureProblem(X, y, lam=1.0, bias=bias, skip=skip)
    path = mlp.solve_path(problem, n_lams=6, lam_min_ratio=1e-2)
    assert path.termination is mlp.Termination.CONVERGED
    assert path.lam_max == path.lams[0] == mlp.lam_max(problem)
    np.testing.assert_allclose(path.lams[-1], 1e-2 * path.lam_max)
    assert len(path[0].measure) == 0
    patterns = brute.sign_patterns(problem.lifted)
    for lam, solution in zip(path.lams, path, strict=True):
        assert solution.problem.lam == lam
        assert solution.certificate.verdict is mlp.Verdict.OPTIMAL
        checks.assert_sound(solution)
        expected = brute.cone_program(X, y, lam=lam, bias=bias, skip=skip, patterns=patterns)
        checks.assert_optimum(solution, expected)


def test_given_lams_are_followed_from_the_largest():
    """Orthonormal rows: each sign s costs lam |y_s| - lam^2/2 below |y_s|, else |y_s|^2/2."""
    problem = mlp.MeasureProblem(np.eye(4), [3.0, 4.0, -5.0, -12.0], lam=7.0, bias="none")
    path = mlp.solve_path(problem, [4.9, 14.0, 1.0, 12.9, 6.0])
    assert path.lams.tolist() == [14.0, 12.9, 6.0, 4.9, 1.0]
    assert np.isnan(path.lam_max)
    expected = [
        sum(lam * s - lam**2 / 2 if s > lam else s**2 / 2 for s in (5.0, 13.0)) for lam in path.lams
    ]
    np.testing.assert_allclose(path.primal_values, expected, rtol=1e-9)
    assert path.n_atoms.tolist() == [0, 1, 1, 2, 2]
    np.testing.assert_allclose(
        path.losses + path.lams * path.total_variations, path.primal_values, rtol=1e-12
    )
    columns = path.columns()
    assert {len(column) for column in columns.values()} == {5}
    assert columns["neurons"] == path.n_atoms.tolist()
    assert "5 lams from 14 down to 1" in repr(path)


@pytest.mark.parametrize(("bias", "skip"), SETTINGS)
def test_the_gap_between_neighbours_holds_everywhere(bias, skip):
    """The interpolated measure against the optimum at random lams; the bound is not slack for ever."""
    X, y = data(1)
    problem = mlp.MeasureProblem(X, y, lam=1.0, bias=bias, skip=skip)
    path = mlp.solve_path(problem, n_lams=8, lam_min_ratio=1e-2, tol_gap=1e-9)
    rng = np.random.default_rng(2)
    used = 0.0
    for i, bound in enumerate(path.gaps_between):
        for t in (0.5, rng.uniform()):
            lam = (1.0 - t) * path.lams[i] + t * path.lams[i + 1]
            measure = path.measure(lam)
            solution = mlp.solve(problem.with_lam(lam), tol_gap=1e-9)
            value = objective(problem, measure, lam)
            assert value >= solution.certificate.dual_value * (1.0 - 1e-9)
            gap = value / solution.certificate.dual_value - 1.0
            assert gap <= bound
            used = max(used, gap / bound)
    assert used > 0.05  # half of it would be refuted, or nearly


def test_between_breakpoints_of_a_linear_path_nothing_is_lost():
    """On one ray per sign the path is linear, so two points prove all between them."""
    problem = mlp.MeasureProblem(np.eye(4), [3.0, 4.0, -5.0, -12.0], lam=1.0, bias="none")
    path = mlp.solve_path(problem, [12.0, 6.0, 4.0, 0.5], tol_gap=1e-10)
    assert path.gaps_between[0] <= 1e-9
    assert path.gaps_between[1] >= 1e-3  # the second neuron enters in between
    assert path.gaps_between[2] <= 1e-9
    assert path.measure(9.0).total_variation == pytest.approx(4.0, rel=1e-8)
    assert path.measure(6.0) is path[1].measure


def test_the_path_agrees_with_single_solves():
    X, y = data(3, n=12, d=3)
    path = mlp.solve_path(mlp.MeasureProblem(X, y, lam=1.0), n_lams=12)
    for solution in path:
        single = mlp.solve(solution.problem)
        assert solution.certificate.primal_value == pytest.approx(
            single.certificate.primal_value, rel=2e-6
        )


def test_a_time_limit_returns_what_was_reached():
    X, y = data(4, n=40, d=3)
    problem = mlp.MeasureProblem(X, y, lam=1.0)
    path = mlp.solve_path(problem, n_lams=400, lam_min_ratio=1e-4, time_limit=0.5)
    assert path.termination is mlp.Termination.TIME_LIMIT
    assert 0 < len(path) < 400
    for solution in path[:-1]:
        assert solution.certificate.verdict is mlp.Verdict.OPTIMAL
    assert np.all(path.dual_values <= path.primal_values)


def test_ctrl_c_returns_what_was_reached():
    X, y = data(5, n=20, d=2)
    seen = []

    def press(progress):
        seen.append(progress)
        if len(seen) == 12:
            os.kill(os.getpid(), signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    path = mlp.solve_path(mlp.MeasureProblem(X, y, lam=1.0), n_lams=30, callback=press)
    assert signal.getsignal(signal.SIGINT) is before
    assert path.termination is mlp.Termination.INTERRUPTED
    assert 0 < len(path) < 30
    assert all(s.certificate.verdict is mlp.Verdict.OPTIMAL for s in path[:-1])


@pytest.mark.parametrize(("options", "name"), [
    ({"lams": []}, "lams"), ({"lams": [1.0, 0.0]}, "lams"), ({"lams": [1.0, np.nan]}, "lams"),
    ({"lams": [2.0, 1.0, 2.0]}, "more than once"), ({"lams": [[1.0]]}, "lams"),
    ({"lams": "many"}, "lams"), ({"n_lams": 1}, "n_lams"), ({"n_lams": 2.5}, "n_lams"),
    ({"lam_min_ratio": 0.0}, "lam_min_ratio"), ({"lam_min_ratio": 1.0}, "lam_min_ratio"),
    ({"time_limit": -1.0}, "time_limit"), ({"tol_gap": 0.0}, "tol_gap"),
])  # fmt: skip
def test_unusable_arguments(options, name):
    X, y = data(6)
    with pytest.raises(InvalidProblem, match=name):
        mlp.solve_path(mlp.MeasureProblem(X, y, lam=1.0), **options)


def test_problems_without_a_path():
    X, y = data(7)
    with pytest.raises(InvalidProblem, match="interpolation"):
        mlp.solve_path(mlp.MeasureProblem(X, y, loss=mlp.Interpolation()))
    with pytest.raises(InvalidProblem, match="lam_max is 0"):
        mlp.solve_path(mlp.MeasureProblem([[1.0], [2.0]], [3.0, 3.0], lam=1.0, skip="constant"))


def test_a_lam_outside_the_path():
    path = mlp.solve_path(mlp.MeasureProblem([[1.0], [2.0]], [3.0, 1.0], lam=1.0), [1.0, 0.5])
    for lam in (1.1, 0.4):
        with pytest.raises(InvalidProblem, match="lam"):
            path.measure(lam)


@pytest.mark.parametrize("options", [
    {"loss": "Huber"}, {"loss": "Absolute", "skip": "constant"}, {"loss": "Logistic"},
    {"ball": "L1Ball"}, {"ball": "LInfBall", "loss": "Absolute"},
    {"outputs": "joint"}, {"outputs": "separate"}, {"weights": True},
], ids=str)  # fmt: skip
def test_every_kind_of_problem_has_a_path(options):
    """Each point agrees with a single solve, and the bound between points holds."""
    rng = np.random.default_rng(8)
    X, y = rng.standard_normal((9, 2)), rng.standard_normal(9)
    given = {"lam": 1.0, "skip": options.get("skip", "none")}
    for name in ("loss", "ball"):
        if name in options:
            given[name] = getattr(mlp, options[name])()
    if options.get("loss") == "Logistic":
        y = np.where(rng.standard_normal(9) > 0.0, 1.0, -1.0)
    if "outputs" in options:
        y, given["outputs"] = rng.standard_normal((9, 2)), options["outputs"]
    if "weights" in options:
        given["sample_weight"] = rng.integers(0, 3, size=9) * 1.0
    problem = mlp.MeasureProblem(X, y, **given)
    path = mlp.solve_path(problem, n_lams=5, lam_min_ratio=0.1, tol_gap=1e-7)
    assert path.termination is mlp.Termination.CONVERGED, path.columns()
    for solution in path:
        single = mlp.solve(solution.problem, tol_gap=1e-7)
        brute.assert_close(
            solution.certificate.primal_value, single.certificate.primal_value, rel=1e-6
        )
    for i, bound in enumerate(path.gaps_between):
        lam = float(np.sqrt(path.lams[i] * path.lams[i + 1]))
        between = mlp.certify(problem.with_lam(lam), path.measure(lam)).primal_value
        optimum = mlp.solve(problem.with_lam(lam), tol_gap=1e-7).certificate.dual_value
        assert between <= optimum * (1.0 + bound) * (1.0 + 1e-6)
