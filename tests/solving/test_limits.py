"""Stopping early returns a solution with a bracket that holds the optimum; bad arguments are refused by name."""

import itertools
import math
import signal
import time

import numpy as np
import pytest
from oracles import brute
from oracles.families import SETTINGS

import measurelp as mlp
from measurelp.arrangement.sampling import sample_cells
from measurelp.errors import InvalidProblem
from solving import checks, faults


def problem_of(seed=0, n=14, d=3, *, loss="squared", bias="penalized", skip="none", lam=0.02):
    rng = np.random.default_rng(seed)
    X, y = rng.standard_normal((n, d)), rng.standard_normal(n)
    if loss == "interpolation":
        return mlp.MeasureProblem(X, y, loss=mlp.Interpolation(), bias=bias, skip=skip)
    return mlp.MeasureProblem(X, y, lam=lam, bias=bias, skip=skip)


def assert_holds(solution, optimum) -> None:
    """A valid bracket, and OPTIMAL only if it is."""
    certificate = solution.certificate
    slack = 1e-8 * optimum
    assert certificate.dual_value <= optimum + slack
    assert certificate.primal_value >= optimum - slack
    if certificate.verdict is mlp.Verdict.OPTIMAL:
        assert certificate.primal_value <= optimum * (1 + 2 * certificate.tol_gap)
    checks.assert_sound(solution)


class StopAt:
    """Ctrl-C at the k-th call."""

    def __init__(self, k):
        self.k, self.calls = k, 0

    def __call__(self, progress):
        self.calls += 1
        if self.calls == self.k:
            raise KeyboardInterrupt


@pytest.mark.parametrize(("bias", "skip"), SETTINGS)
def test_an_interpolant_is_known_after_one_round(bias, skip):
    problem = problem_of(seed=3, n=40, loss="interpolation", bias=bias, skip=skip)
    optimum = mlp.solve(problem).certificate.primal_value
    early = mlp.solve(problem, max_rounds=1)
    assert early.termination is mlp.Termination.ROUND_LIMIT
    assert math.isfinite(early.certificate.relative_gap)
    assert_holds(early, optimum)


@pytest.mark.parametrize("loss", ["squared", "interpolation"])
@pytest.mark.parametrize(("bias", "skip"), SETTINGS[:1] + SETTINGS[3:5] + SETTINGS[7:])
def test_ctrl_c_at_any_round(loss, bias, skip):
    problem = problem_of(loss=loss, bias=bias, skip=skip)
    counter = StopAt(0)
    optimum = mlp.solve(problem, callback=counter).certificate.primal_value
    for k in range(1, counter.calls + 1):
        solution = mlp.solve(problem, callback=StopAt(k))
        assert_holds(solution, optimum)
        expected = {mlp.Termination.INTERRUPTED}
        if solution.certificate.verdict is mlp.Verdict.OPTIMAL:
            expected = {mlp.Termination.CONVERGED, mlp.Termination.INTERRUPTED}
        assert solution.termination in expected


class PressedInTheLastProof(faults.StarvedOracle):
    """One node a question; at the second, of the answer's own dual vector, Ctrl-C is pressed."""

    calls = 0

    def maximise(self, dual, *, budget=None, **options):
        self.calls += 1
        if self.calls == 2:
            assert not budget.time_is_up
            signal.raise_signal(signal.SIGINT)
            assert budget.time_is_up
        return super().maximise(dual, budget=budget, **options)


def test_ctrl_c_is_heard_in_the_proof_of_what_is_returned():
    problem = problem_of(seed=2, n=30, d=4)
    oracle = PressedInTheLastProof("branch_and_bound", problem, nodes=1)
    stopped = mlp.solve(problem, oracle=oracle)
    assert oracle.calls == 2 and stopped.termination is mlp.Termination.INTERRUPTED
    assert_holds(stopped, mlp.solve(problem).certificate.primal_value)


@pytest.mark.parametrize("loss", ["squared", "interpolation"])
@pytest.mark.parametrize("rounds", [1, 2, 3])
def test_a_limit_of_rounds(rounds, loss):
    problem = problem_of(loss=loss)
    optimum = mlp.solve(problem).certificate.primal_value
    solution = mlp.solve(problem, max_rounds=rounds)
    assert_holds(solution, optimum)
    assert solution.stats["rounds"] <= rounds
    if solution.certificate.verdict is not mlp.Verdict.OPTIMAL:
        assert solution.termination is mlp.Termination.ROUND_LIMIT


@pytest.mark.parametrize("loss", ["squared", "interpolation"])
@pytest.mark.parametrize("limit", [1e-9, 1e-3, 0.05])
def test_a_limit_of_time(limit, loss):
    problem = problem_of(1, n=40, d=4, loss=loss, lam=1e-3)
    mlp.solve(problem_of(loss=loss), time_limit=30.0)  # compile what is compiled
    began = time.perf_counter()
    solution = mlp.solve(problem, time_limit=limit)
    assert time.perf_counter() - began < 5.0  # a guard against hanging, not a measurement
    certificate = solution.certificate
    assert certificate.dual_value <= certificate.primal_value
    if certificate.verdict is not mlp.Verdict.OPTIMAL:
        assert solution.termination is mlp.Termination.TIME_LIMIT
    checks.assert_sound(solution)


def test_a_limit_of_time_in_a_high_rank():
    """Where the oracle goes through cells, it too looks at the clock."""
    problem = mlp.MeasureProblem(np.eye(13), np.arange(-6.0, 7.0), lam=0.01, bias="none")
    mlp.solve(problem_of(), time_limit=30.0)
    began = time.perf_counter()
    solution = mlp.solve(problem, time_limit=0.2)
    assert time.perf_counter() - began < 3.0
    assert solution.certificate.dual_value <= solution.certificate.primal_value


def test_the_bracket_closes_monotonically():
    seen = []
    mlp.solve(problem_of(n=20), callback=seen.append)
    primal, dual = [p.primal for p in seen], [p.dual for p in seen]
    assert all(b <= a * (1 + 1e-9) for a, b in itertools.pairwise(primal))
    assert all(b >= a for a, b in itertools.pairwise(dual))
    assert [p.round for p in seen] == sorted(p.round for p in seen)
    assert all(p.dual <= p.primal * (1 + 1e-9) for p in seen)


def test_an_error_of_the_callback_is_the_callers():
    def broken(progress):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        mlp.solve(problem_of(), callback=broken)


@pytest.mark.parametrize(("name", "value"), [
    ("tol_gap", 0.0), ("tol_gap", -1e-6), ("tol_gap", math.nan), ("tol_gap", math.inf),
    ("tol_gap", "1e-6"), ("tol_gap", True), ("time_limit", 0.0), ("time_limit", -1.0),
    ("time_limit", math.nan), ("time_limit", math.inf), ("time_limit", "1"), ("max_rounds", 0),
    ("tol_gap", None), ("tol_gap", 10**400),
    ("max_rounds", 1.5), ("max_rounds", "3"), ("max_rounds", True), ("n_jobs", 0),
    ("n_jobs", 2.0), ("backend", "simplex"), ("backend", 7), ("backend", "highs"),
    ("oracle", "angle"), ("oracle", 7),
])  # fmt: skip
def test_bad_arguments_are_named(name, value):
    with pytest.raises(InvalidProblem, match=name):
        mlp.solve(problem_of(n=4, d=1), **{name: value})


@pytest.mark.parametrize("cells", [7, "all", np.ones((2, 4)), [1]])
def test_cells_that_are_none_are_refused(cells):
    with pytest.raises(InvalidProblem, match="cells"):
        mlp.solve(problem_of(n=4, d=1), cells=cells)


def test_cells_of_other_data_are_refused():
    other = mlp.enumerate_cells(np.random.default_rng(9).standard_normal((6, 2)))
    with pytest.raises(InvalidProblem, match="cells"):
        mlp.solve(problem_of(n=6, d=2, bias="none"), cells=other)


@pytest.mark.parametrize("start", [7, "zero", np.zeros((1, 4))])
def test_starts_that_are_none_are_refused(start):
    with pytest.raises(InvalidProblem):
        mlp.solve(problem_of(n=4, d=3), start=start)


def test_angles_where_they_cannot_be_are_refused():
    with pytest.raises(InvalidProblem, match="angles"):
        mlp.solve(problem_of(d=4), oracle="angles")


def test_the_check_of_brackets_fails_when_it_should():
    solution = mlp.solve(problem_of(n=5, d=1))
    optimum = solution.certificate.primal_value
    assert_holds(solution, optimum)
    with pytest.raises(AssertionError):
        assert_holds(solution, 1.01 * optimum)
    with pytest.raises(AssertionError):
        assert_holds(solution, 0.99 * optimum)
    with pytest.raises(AssertionError):
        brute.assert_brackets((1.0, 2.0), 3.0)


@pytest.mark.parametrize("max_rounds", [1, 2, 500])
def test_a_sample_of_cells_brackets_nothing(max_rounds):
    """However early it ends: without all of weight space there is no bracket, only a network."""
    for seed in range(4):
        problem = problem_of(seed)
        directions = np.random.default_rng(seed).standard_normal((5, problem.lifted.shape[1]))
        sample = sample_cells(problem.lifted, directions)
        solution = mlp.solve(problem, cells=sample, max_rounds=max_rounds)
        certificate = solution.certificate
        assert certificate.verdict is mlp.Verdict.UNVERIFIED
        assert certificate.dual_value == -math.inf
        assert certificate.sup[1] == math.inf


@pytest.mark.parametrize("ask", [
    mlp.solve, mlp.lam_max, mlp.lam_max_bracket, mlp.solve_path, mlp.path_breakpoints,
    mlp.label_noise_optimum, mlp.gated_relaxation, lambda it: mlp.certify(it, it),
    lambda it: mlp.diagnose(it, it),
])  # fmt: skip
@pytest.mark.parametrize("it", [3, None, "table.csv"])
def test_what_is_no_problem_is_refused_at_every_door(ask, it):
    with pytest.raises(InvalidProblem, match=r"^problem: expected a MeasureProblem, found"):
        ask(it)
