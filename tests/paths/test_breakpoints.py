"""Breakpoints of the path of least squares, against closed forms, LARS, cone programs and single solves."""

import os
import signal

import numpy as np
import pytest
from oracles import brute
from oracles.families import NASTY, SETTINGS
from sklearn.linear_model import lars_path

import measurelp as mlp
from measurelp import EventKind
from measurelp.errors import InvalidProblem


def data(seed, n=8, d=2):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, d)), rng.standard_normal(n)


def objective(problem, measure, lam):
    """Recomputed from plain arrays."""
    skip = measure.skip or mlp.Skip(np.zeros(problem.d))
    return brute.objective(
        problem.X, problem.y, measure.atoms, measure.masses, lam=lam, bias=problem.bias,
        linear=skip.linear, constant=skip.constant,
    )  # fmt: skip


def assert_on_the_path(path, lam, optimum, floor=1e-12):
    """The path's own measure at lam is optimal."""
    value = objective(path.problem, path.measure(lam), lam)
    if not value <= optimum * (1.0 + 1e-8) + floor:
        raise AssertionError(f"at {lam!r} the path has {value!r}, the optimum is {optimum!r}")


def between(path, count, seed=0):
    """Random lams of the path, away from clusters that were not resolved."""
    rng = np.random.default_rng(seed)
    lams = np.exp(rng.uniform(np.log(path.lam_least), np.log(path.lam_max), count))
    rough = [event.bracket for event in path.events if event.kind is EventKind.UNRESOLVED]
    return [lam for lam in lams if not any(low <= lam <= high for low, high in rough)]


def test_orthonormal_rows():
    """Each sign has one neuron y_s / |y_s| of mass |y_s| - lam, which enters at |y_s|."""
    problem = mlp.MeasureProblem(np.eye(4), [3.0, 4.0, -5.0, -12.0], lam=1.0, bias="none")
    path = mlp.path_breakpoints(problem)
    np.testing.assert_allclose(path.lams, [13.0, 5.0], rtol=1e-9)
    assert [event.kind for event in path.events] == [EventKind.ENTERS] * 2
    assert [event.sign for event in path.events] == [-1.0, 1.0]
    assert [segment.neurons for segment in path.segments] == [(), (0,), (0, 1)]
    measure = path.measure(2.0)
    order = np.argsort(measure.masses)
    np.testing.assert_allclose(measure.masses[order], [-11.0, 3.0], rtol=1e-9)
    np.testing.assert_allclose(
        measure.atoms[order], [[0, 0, 5 / 13, 12 / 13], [0.6, 0.8, 0, 0]], atol=1e-9
    )
    assert path.relative_gap <= 1e-8
    assert path.termination is mlp.Termination.CONVERGED
    assert "2 events" in repr(path)


@pytest.mark.parametrize("seed", range(4))
def test_splines_against_lars(seed):
    """With one input, a free bias and an affine part: the lasso over hinges, the affine part projected out."""
    rng = np.random.default_rng(seed)
    x = np.sort(rng.uniform(0.0, 4.0, 10))
    y = np.sin(3.0 * x) + 0.1 * rng.standard_normal(10)
    problem = mlp.MeasureProblem(x[:, None], y, lam=1.0, bias="free", skip="affine")
    path = mlp.path_breakpoints(problem, lam_min_ratio=1e-3)
    affine, _ = np.linalg.qr(np.column_stack([x, np.ones(10)]))
    outside = np.eye(10) - affine @ affine.T
    hinges = outside @ np.maximum(x[:, None] - x[None, 1:-1], 0.0)
    alphas, _, _ = lars_path(hinges, outside @ y, method="lasso")
    expected = 10 * alphas[(10 * alphas >= path.lam_least) & (alphas > 0.0)]
    np.testing.assert_allclose(np.unique(path.lams), np.unique(expected), rtol=1e-7)
    assert all(segment.is_linear for segment in path.segments)
    assert path.relative_gap <= 1e-7


@pytest.mark.parametrize(("bias", "skip"), SETTINGS)
def test_the_path_is_optimal_everywhere(bias, skip):
    X, y = data(1, n=6)
    problem = mlp.MeasureProblem(X, y, lam=1.0, bias=bias, skip=skip)
    path = mlp.path_breakpoints(problem, lam_min_ratio=3e-3)
    assert path.termination is mlp.Termination.CONVERGED
    patterns = brute.sign_patterns(problem.lifted)
    for lam in between(path, 4):
        expected = brute.cone_program(X, y, lam=lam, bias=bias, skip=skip, patterns=patterns)
        assert_on_the_path(path, lam, expected, floor=1e-9)
    # Ends of segments meet, and every event has a bracket of certified measures around it.
    lams = [path.lam_max, *(segment.lam_low for segment in path.segments)]
    assert [segment.lam_high for segment in path.segments] == lams[:-1]
    assert lams[-1] == path.lam_least == pytest.approx(3e-3 * path.lam_max)
    for event in path.events:
        assert event.bracket[0] <= event.lam <= event.bracket[1] * (1 + 1e-15)
        assert event.bracket[1] - event.bracket[0] <= 1e-7 * event.lam
        assert max(event.gaps) <= 1e-9


@pytest.mark.parametrize("family", ["grid", "copies", "low_rank", "mirrored"])
@pytest.mark.parametrize(("bias", "skip"), [("none", "none"), ("penalized", "constant")])
def test_degenerate_data(family, bias, skip):
    for seed in range(2):
        rng = np.random.default_rng(seed)
        X = NASTY[family](rng, 6, 2)
        y = rng.standard_normal(len(X)) if seed else rng.integers(-4, 5, size=len(X)) * 1.0
        problem = mlp.MeasureProblem(X, y, lam=1.0, bias=bias, skip=skip)
        if mlp.lam_max(problem) < 1e-9:
            continue
        path = mlp.path_breakpoints(problem)
        assert path.termination is mlp.Termination.CONVERGED
        for lam in between(path, 4):
            optimum = mlp.solve(problem.with_lam(lam), tol_gap=1e-9).certificate
            assert optimum.verdict is mlp.Verdict.OPTIMAL
            assert_on_the_path(path, lam, optimum.primal_value)


@pytest.mark.parametrize(
    "seed", [2, pytest.param(0, marks=pytest.mark.slow), pytest.param(1, marks=pytest.mark.slow)]
)
def test_what_the_events_say(seed):
    """Followed by the events alone, supports and walls are those of independent solves.

    Where they are not, the optimal measure is not unique: the features of both depend on each other.
    """
    X, y = data(10 + seed, n=14, d=3)
    problem = mlp.MeasureProblem(X, y, lam=1.0, bias="none")
    path = mlp.path_breakpoints(problem)
    assert len(path.events) >= 8
    walls: dict[int, set[int]] = {}
    events = list(path.events)
    agreed = 0
    for lam in np.geomspace(0.99 * path.lam_max, 1.01 * path.lam_least, 40):
        while events and events[0].lam > lam:
            event = events.pop(0)
            if event.kind is EventKind.ENTERS:
                on = np.flatnonzero(np.abs(X @ event.weight) <= 1e-7)
                walls[event.neuron] = {int(i) for i in on}
            elif event.kind is EventKind.LEAVES:
                del walls[event.neuron]
            elif event.kind is EventKind.MEETS_WALL:
                walls[event.neuron].add(event.row)
            else:
                walls[event.neuron].remove(event.row)
        measure = mlp.solve(problem.with_lam(lam), tol_gap=1e-12).measure
        found = sorted(sorted(np.flatnonzero(np.abs(X @ w) <= 1e-7)) for w in measure.atoms)
        ours = path.measure(lam)
        assert len(ours) == len(walls)
        if found == sorted(sorted(rows) for rows in walls.values()):
            agreed += 1
            continue
        union = np.unique(np.round(np.vstack([measure.atoms, ours.atoms]), 7), axis=0)
        assert np.linalg.matrix_rank(np.maximum(X @ union.T, 0.0), tol=1e-5) < len(union), lam
        assert any(segment.has_rivals for segment in path.segments)
    assert agreed >= 20


def test_sides_of_walls():
    X, y = data(20, n=14, d=3)
    path = mlp.path_breakpoints(mlp.MeasureProblem(X, y, lam=1.0, bias="none"))
    met = {}
    for event in path.events:
        if event.kind is EventKind.MEETS_WALL:
            above = path.measure(min(event.lam * 1.001, path.lam_max))
            nearest = above.atoms[np.argmax(above.atoms @ event.weight)]
            assert (X[event.row] @ nearest > 0.0) == (event.side == "active")
            assert abs(X[event.row] @ event.weight) <= 1e-7
            met[event.neuron, event.row] = event.side
        if event.kind is EventKind.LEAVES_WALL:
            came = met.pop((event.neuron, event.row), None)
            assert event.crosses == (None if came is None else came != event.side)
    columns = path.columns()
    assert {len(column) for column in columns.values()} == {len(path.events)}


def test_the_branch_has_the_derivative_of_the_path():
    """d u / d lam of the KKT system against differences of independent solves."""
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((5, 3)), rng.standard_normal(5)
    problem = mlp.MeasureProblem(X, y, lam=1.0, bias="none")
    path = mlp.path_breakpoints(problem, lam_min_ratio=1e-3)
    for segment in path.segments[1:]:
        lam = np.sqrt(segment.lam_low * segment.lam_high)
        step = 1e-4 * lam
        ours, theirs = [], []
        for shifted in (lam - step, lam + step):
            for values, measure in (
                (ours, segment.measure(shifted)),
                (theirs, mlp.solve(problem.with_lam(shifted), tol_gap=1e-12).measure),
            ):
                weights = measure.atoms * measure.masses[:, None]
                values.append(weights[np.lexsort(np.round(weights, 6).T)])
        np.testing.assert_allclose(ours, theirs, atol=1e-7)
        slope = (theirs[1] - theirs[0]) / (2.0 * step)
        np.testing.assert_allclose(
            (ours[1] - ours[0]) / (2.0 * step), slope, atol=1e-3 * np.abs(slope).max()
        )


def test_limits_return_a_beginning():
    X, y = data(30, n=30, d=3)
    problem = mlp.MeasureProblem(X, y, lam=1.0, bias="none")
    path = mlp.path_breakpoints(problem, time_limit=1.0)
    assert path.termination is mlp.Termination.TIME_LIMIT
    assert path.lam_least > 0.01 * path.lam_max
    assert path.segments[-1].lam_low == path.lam_least

    def press(*_):
        os.kill(os.getpid(), signal.SIGINT)

    signal.signal(signal.SIGALRM, press)
    signal.setitimer(signal.ITIMER_REAL, 1.0)
    path = mlp.path_breakpoints(problem, lam_min_ratio=1e-4)
    assert path.termination is mlp.Termination.INTERRUPTED
    assert 1e-4 * path.lam_max < path.lam_least <= path.lam_max


def test_above_lam_max_nothing_happens():
    X, y = data(31)
    problem = mlp.MeasureProblem(X, y, lam=1.0)
    path = mlp.path_breakpoints(problem, lam_least=2.0 * mlp.lam_max(problem))
    assert path.events == ()
    assert path.termination is mlp.Termination.CONVERGED


def test_refusals():
    X, y = data(32)
    with pytest.raises(InvalidProblem, match="squared"):
        mlp.path_breakpoints(mlp.MeasureProblem(X, y, loss=mlp.Interpolation()))
    problem = mlp.MeasureProblem(X, y, lam=1.0)
    for name in ("lam_least", "lam_min_ratio", "time_limit"):
        with pytest.raises(InvalidProblem, match=name):
            mlp.path_breakpoints(problem, **{name: -1.0})
    path = mlp.path_breakpoints(problem, lam_min_ratio=0.5)
    with pytest.raises(InvalidProblem, match="lam"):
        path.measure(0.4 * path.lam_max)


def test_the_check_fails_off_the_path():
    X, y = data(33)
    path = mlp.path_breakpoints(mlp.MeasureProblem(X, y, lam=1.0), lam_min_ratio=0.3)
    lam = 0.5 * path.lam_max
    optimum = mlp.solve(path.problem.with_lam(lam), tol_gap=1e-9).certificate.primal_value
    assert_on_the_path(path, lam, optimum)
    with pytest.raises(AssertionError, match="the optimum is"):
        assert_on_the_path(path, lam, 0.999 * optimum)
