"""Whatever goes wrong, solve returns a bracket that holds the truth, and never a wrong OPTIMAL.

The truth of small problems is the cone program over all sign vectors, by CVXPY.
"""

import ctypes
import functools
import json
import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from oracles import brute
from oracles.families import NASTY, SETTINGS, TAME

import measurelp as mlp
from measurelp.errors import BackendError
from solving import checks, faults

ROOT = Path(mlp.__file__).parent.parent
EXACT = [*TAME, "mirrored"]  # families for which a cone program in floating point is a reference
TREES = ("cones", "signs")


# ---- problems and their truth ------------------------------------------------------------------


def problem_of(family, seed, *, loss=None, n=None):
    """A small problem in a setting, and a random generator."""
    rng = np.random.default_rng(seed)
    n, d = int(rng.integers(1, 7)) if n is None else n, int(rng.integers(1, 3))
    X = NASTY[family](rng, n, d)
    y = rng.standard_normal(n) if rng.random() < 0.7 else rng.integers(-3, 4, size=n).astype(float)
    if not y.any():
        y[0] = 1.0
    bias, skip = SETTINGS[int(rng.integers(len(SETTINGS)))]
    if loss is None:
        loss = "interpolation" if rng.random() < 0.25 else "squared"
    if loss == "interpolation":
        return mlp.MeasureProblem(X, y, loss=mlp.Interpolation(), bias=bias, skip=skip), rng
    problem = mlp.MeasureProblem(X, y, lam=1.0, bias=bias, skip=skip)
    rest = y
    if problem.skip_columns.shape[1]:
        columns = problem.skip_columns
        for _ in range(2):
            rest = rest - columns @ np.linalg.lstsq(columns, rest, rcond=None)[0]
    top = brute.supremum(X, rest, bias)
    if not top > 1e-9 * float(np.abs(y) @ np.linalg.norm(problem.lifted, axis=1)):
        top = 1.0
    return problem.with_lam(top * 10.0 ** rng.uniform(-3, 0.1)), rng


@functools.cache
def patterns_of(key, shape):
    return brute.sign_patterns(np.frombuffer(key).reshape(shape))


def truth_of(problem) -> float:
    """The optimal value, independently; inf where nothing interpolates."""
    lifted = np.ascontiguousarray(problem.lifted)
    return brute.cone_program(
        problem.X, problem.y, lam=problem.lam, bias=problem.bias, skip=problem.skip,
        interpolate=problem.loss.is_hard_constraint,
        patterns=patterns_of(lifted.tobytes(), lifted.shape),
    )  # fmt: skip


def assert_true(solution, truth) -> None:
    """The bracket holds the truth, and the verdict says no more than is so."""
    problem, certificate = solution.problem, solution.certificate
    if np.isinf(truth):
        assert certificate.verdict is not mlp.Verdict.OPTIMAL
        assert np.isinf(certificate.primal_value)
        return
    assert certificate.verdict is not mlp.Verdict.INFEASIBLE
    size = float(np.abs(problem.y).max())
    slack = 1e-6 * abs(truth) + 1e-9  # CVXPY's accuracy, and an interpolant's tolerance
    slack += 1e-7 * size if problem.loss.is_hard_constraint else 1e-9 * size**2
    if not certificate.dual_value <= truth + slack:
        raise AssertionError(f"dual {certificate.dual_value!r} above the optimum {truth!r}")
    if not certificate.primal_value >= truth - slack:
        raise AssertionError(f"primal {certificate.primal_value!r} below the optimum {truth!r}")
    if certificate.verdict is mlp.Verdict.OPTIMAL:
        allowed = truth * (1 + 2 * certificate.tol_gap) + slack
        if not certificate.primal_value <= allowed:
            raise AssertionError(f"OPTIMAL at {certificate.primal_value!r}, optimum {truth!r}")
    checks.assert_sound(solution, rel=1e-8)


# ---- faults of every kind ------------------------------------------------------------------------


class PressAtReport:
    """A callback in which Ctrl-C is pressed at the k-th report."""

    def __init__(self, k):
        self.k, self.calls = k, 0

    def __call__(self, progress):
        self.calls += 1
        if self.calls == self.k:
            signal.raise_signal(signal.SIGINT)


def some_calls(rng):
    return None if rng.random() < 0.3 else set(rng.integers(1, 5, size=2).tolist())


def some_lie(rng):
    return faults.LIES[int(rng.integers(len(faults.LIES)))]


FAULTS = {
    "one round": lambda _p, _rng: {"max_rounds": 1},
    "few rounds": lambda _p, rng: {"max_rounds": int(rng.integers(2, 5))},
    "no time": lambda _p, _rng: {"time_limit": 1e-12},
    "little time": lambda _p, rng: {"time_limit": 10.0 ** rng.uniform(-4, -1.5)},
    "one node": lambda p, rng: {
        "oracle": faults.StarvedOracle(str(rng.choice(TREES)), p, nodes=1)
    },
    "few nodes": lambda p, rng: {
        "oracle": faults.StarvedOracle(
            str(rng.choice(TREES)), p, nodes=int(rng.integers(2, 20))
        )
    },
    "an oracle without time": lambda p, rng: {
        "oracle": faults.StarvedOracle(
            str(rng.choice(["auto", "cells", *TREES])), p, deadline=time.perf_counter()
        )
    },
    "Ctrl-C at a report": lambda _p, rng: {"callback": PressAtReport(int(rng.integers(1, 8)))},
    "Ctrl-C in an oracle": lambda p, rng: {
        "oracle": faults.InterruptedOracle(
            "auto", p, at=int(rng.integers(1, 4)), before=bool(rng.random() < 0.5)
        )
    },
    "a backend that lies": lambda _p, rng: {
        "backend": faults.FaultyBackend(
            some_lie(rng), at=some_calls(rng),
            seed=int(rng.integers(99)),
        ),
        # A dual vector of NaN keeps an oracle busy, so time ends it.
        "time_limit": 0.3,
    },
}  # fmt: skip


def faulty(problem, name, rng):
    """Solve with a fault; what is written to stderr by numpy on overflow is not looked at."""
    options = FAULTS[name](problem, rng)
    tol_gap = float(rng.choice([1e-6, 1e-9, 1e-3]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return mlp.solve(problem, tol_gap=tol_gap, **options)


def check_against_truth(family, seed, names) -> None:
    problem, rng = problem_of(family, seed)
    truth = truth_of(problem)
    for name in names:
        try:
            assert_true(faulty(problem, name, rng), truth)
        except AssertionError as error:
            raise AssertionError(f"{name}, seed {seed}, {problem}: {error}") from error


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("family", EXACT)
def test_small_problems(family, name):
    """4 problems for each of 50 kinds of data and faults."""
    for seed in range(4):
        check_against_truth(family, 10 * list(FAULTS).index(name) + seed, [name])


@pytest.mark.slow
@pytest.mark.parametrize("block", range(4))
@pytest.mark.parametrize("family", EXACT)
def test_more_small_problems(family, block):
    """1000 problems with three faults each."""
    names = np.array(list(FAULTS))
    for seed in range(1000 + 50 * block, 1050 + 50 * block):
        rng = np.random.default_rng(seed)
        check_against_truth(family, seed, rng.choice(names, size=3, replace=False).tolist())


# ---- data on which nothing but proofs is a reference -------------------------------------------------


def plain_objective(problem, solution):
    """The objective as it is defined, inf for what does not interpolate."""
    value = checks.recomputed(solution)
    if not problem.loss.is_hard_constraint:
        return value
    misfit, total = value
    return total if misfit <= 1e-8 * float(np.abs(problem.y).max()) else np.inf


def assert_dual_is_feasible(solution) -> None:
    """The dual value is what its vector gives, scaled by a supremum that candidates know."""
    problem, certificate = solution.problem, solution.certificate
    alpha, y = certificate.dual, problem.y
    size = float(np.abs(alpha) @ np.linalg.norm(problem.lifted, axis=1))
    top = brute.supremum(problem.X, alpha, problem.bias)
    largest = certificate.limit / top if top > 1e-12 * size else np.inf
    if problem.loss.is_hard_constraint:
        bound = largest * float(alpha @ y) if float(alpha @ y) > 0.0 else 0.0
    else:
        square = float(alpha @ alpha)
        scale = min(max(float(alpha @ y) / square, 0.0), largest) if square else 0.0
        bound = float((scale * alpha) @ (y - 0.5 * scale * alpha))
    slack = 1e-8 * abs(bound) + 1e-12 * float(y @ y)
    if not certificate.dual_value <= bound + slack:
        raise AssertionError(f"dual {certificate.dual_value!r}, but its vector gives {bound!r}")


def check_laws(family, seed, names) -> None:
    """Duals of all runs lie below primals of all runs, and each is what its vector gives."""
    problem, rng = problem_of(family, seed, loss="squared")
    solutions = {"nothing wrong": mlp.solve(problem, time_limit=20.0)}
    solutions |= {name: faulty(problem, name, rng) for name in names}
    primals = {name: plain_objective(problem, solution) for name, solution in solutions.items()}
    least = min(primals, key=primals.get)
    for name, solution in solutions.items():
        certificate = solution.certificate
        try:
            slack = 1e-8 * abs(primals[least]) + 1e-13 * float(problem.y @ problem.y)
            assert certificate.dual_value <= primals[least] + slack, (
                f"dual {certificate.dual_value!r} above what {least} reaches, {primals[least]!r}"
            )
            if certificate.verdict is mlp.Verdict.OPTIMAL:
                assert primals[name] <= primals[least] * (1 + 2 * certificate.tol_gap) + slack
            brute.assert_close(certificate.primal_value, primals[name], rel=1e-8, floor=slack)
            assert_dual_is_feasible(solution)
        except AssertionError as error:
            raise AssertionError(f"{name}, seed {seed}, {problem}: {error}") from error


@pytest.mark.parametrize("family", [f for f in NASTY if f not in EXACT])
def test_wild_data(family):
    names = list(FAULTS)
    for seed in range(4):
        check_laws(family, seed, [names[(3 * seed + k) % len(names)] for k in range(3)])


@pytest.mark.slow
@pytest.mark.parametrize("family", [f for f in NASTY if f not in EXACT])
def test_more_wild_data(family):
    for seed in range(100, 160):
        names = np.random.default_rng(seed).choice(list(FAULTS), size=4, replace=False).tolist()
        check_laws(family, seed, names)


# ---- one lie at a time -----------------------------------------------------------------------------


@pytest.mark.parametrize("lie", faults.LIES)
@pytest.mark.parametrize("loss", ["squared", "interpolation"])
def test_every_lie_of_a_backend(lie, loss):
    """At every call, at the first, later: the bracket holds what an honest run finds."""
    problem, _ = problem_of("gaussian", 2, loss=loss, n=6)
    truth = truth_of(problem)
    for at in (None, {1}, {2, 3}, {4}):
        backend = faults.FaultyBackend(lie, at=at, seed=1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            solution = mlp.solve(problem, backend=backend, time_limit=0.3)
        assert_true(solution, truth)


@pytest.mark.parametrize("lie", [faults.not_numbers, faults.one_not_a_number])
def test_no_nan_in_a_certificate(lie):
    """Where the skip fits everything the verdict is right, and its numbers are numbers."""
    problem = mlp.MeasureProblem(
        [[-3.0], [-2.0]], [0.43, -2.0], lam=0.076, bias="none", skip="affine"
    )
    solution = mlp.solve(problem, backend=faults.FaultyBackend(lie, seed=1), time_limit=0.3)
    assert solution.certificate.sup[0] <= solution.certificate.sup[1]
    assert np.isfinite(solution.dual).all()


def test_a_dual_of_nan_is_noticed():
    """Once a backend returned NaN, the time limit is not what ends the work."""
    rng = np.random.default_rng(0)
    problem = mlp.MeasureProblem(rng.standard_normal((6, 2)), rng.standard_normal(6), lam=0.1)
    backend = faults.FaultyBackend(faults.not_numbers, at={2, 3})
    solution = mlp.solve(problem, backend=backend, time_limit=1.0)
    assert solution.termination is not mlp.Termination.TIME_LIMIT


@pytest.mark.parametrize("at", [None, {1}, {2}])
def test_an_error_of_a_backend_is_an_outcome_or_the_librarys_own(at):
    """A solver's word that nobody knows raises the library's error, or ends the solve with a bracket."""
    problem, _ = problem_of("gaussian", 2, loss="squared", n=6)
    try:
        solution = mlp.solve(problem, backend=faults.RaisingBackend(None, at=at))
    except BackendError:
        return
    assert_true(solution, truth_of(problem))


# ---- Ctrl-C at any moment --------------------------------------------------------------------------


def pressed(problem, k, **options):
    tracer = faults.PressAt(k)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        try:
            return tracer.run(lambda: mlp.solve(problem, **options)), tracer
        except KeyboardInterrupt:  # which pytest takes for its own
            raise AssertionError(f"Ctrl-C in {tracer.where}: no solution") from None


def calls_of(problem):
    """How many functions a solve calls, and between which of them it reports."""
    tracer, reports = faults.PressAt(), []
    tracer.run(lambda: mlp.solve(problem, callback=lambda _: reports.append(tracer.calls)))
    return tracer.calls, reports[0], reports[-1]


@pytest.mark.parametrize("loss", ["squared", "interpolation"])
def test_ctrl_c_between_reports(loss):
    """At 120 random calls of functions between the first and the last report."""
    problem, rng = problem_of("gaussian", 6, loss=loss, n=6)
    truth = truth_of(problem)
    _, first, last = calls_of(problem)
    for k in rng.integers(first + 1, last + 1, size=120):
        solution, tracer = pressed(problem, int(k))
        assert tracer.where is not None
        assert_true(solution, truth)


def check_moments(loss, most) -> None:
    """At calls of functions from the reduction of the data on: some, or every one."""
    problem, rng = problem_of("gaussian", 6, loss=loss, n=6)
    truth = truth_of(problem)
    calls, _, _ = calls_of(problem)
    moments = np.arange(1, calls + 1)
    if most is not None:
        moments = np.sort(rng.permutation(moments)[:most])
    for k in moments:
        solution, _ = pressed(problem, int(k))
        assert_true(solution, truth)


@pytest.mark.parametrize("loss", ["squared", "interpolation"])
def test_ctrl_c_at_some_moment(loss):
    check_moments(loss, 100)


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["squared", "interpolation"])
def test_ctrl_c_at_any_moment(loss):
    check_moments(loss, None)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_ctrl_c_in_a_callback_from_c():
    """An exception cannot leave such a callback; a handler that remembers Ctrl-C would."""
    problem, _ = problem_of("gaussian", 6, loss="squared", n=6)
    press = ctypes.CFUNCTYPE(None)(lambda: signal.raise_signal(signal.SIGINT))
    reports = []

    def callback(progress):
        reports.append(progress)
        if len(reports) == 1:
            press()

    solution = mlp.solve(problem, callback=callback, tol_gap=1e-15)
    assert len(reports) <= 2
    assert solution.termination is mlp.Termination.INTERRUPTED


SOLVES = r"""
import json, signal, sys
import numpy as np
import measurelp as mlp

def under_way(frame):
    while frame is not None:
        if frame.f_code is mlp.solve.__code__:
            return True
        frame = frame.f_back
    return False

def press(number, frame):
    if under_way(frame):
        raise KeyboardInterrupt

rng = np.random.default_rng(3)
X, y = rng.standard_normal((40, 4)), rng.standard_normal(40)
problem = mlp.MeasureProblem(X, y, lam=0.05)
whole = mlp.solve(problem)
handler = signal.default_int_handler if sys.argv[1] == "default" else press
print(json.dumps([whole.certificate.dual_value, whole.certificate.primal_value]), flush=True)
for _ in range(int(sys.argv[2])):
    s = None
    try:
        signal.signal(signal.SIGINT, handler)
        print("started", flush=True)
        s = mlp.solve(problem)
    except KeyboardInterrupt:
        pass
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if s is None:
        print("null", flush=True)
        continue
    c = s.certificate
    print(json.dumps({"dual": c.dual_value, "primal": c.primal_value, "verdict": c.verdict.name,
                      "termination": s.termination.name, "gap": c.relative_gap}), flush=True)
"""


def environment():
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return os.environ | {"PYTHONPATH": os.pathsep.join(paths)}


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize("handler", ["default", "the caller's"])
def test_real_signals(handler):
    """SIGINT from outside at a random moment of each of 15 solves in a row."""
    rng, count, answers = np.random.default_rng(0), 15, []
    process = subprocess.Popen(
        [sys.executable, "-c", SOLVES, handler, str(count)], env=environment(), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        low, high = json.loads(process.stdout.readline())
        for _ in range(count):
            assert process.stdout.readline() == "started\n"
            time.sleep(float(rng.uniform(0.0, 0.1)))
            process.send_signal(signal.SIGINT)
            answers.append(json.loads(process.stdout.readline()))
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0, err
    # Before solve began, or where the caller's handler raises outside of the loop, there is none.
    answers = [answer for answer in answers if answer is not None]
    assert len(answers) >= count // 2
    for answer in answers:
        assert answer["dual"] <= high * (1 + 1e-9)
        assert answer["primal"] >= low * (1 - 1e-9)
        assert answer["termination"] == "INTERRUPTED" or answer["verdict"] == "OPTIMAL"
        if answer["verdict"] == "OPTIMAL":
            assert answer["gap"] <= 1e-6
            assert answer["primal"] <= high * (1 + 2e-6)


COMMAND = """
import sys
import measurelp.cli.app, measurelp.cli.solve, measurelp.cli.data, measurelp.cli.progress
import measurelp.solving
from measurelp.cli import main
print("ready", file=sys.stderr, flush=True)
main()
"""


def what_it_says(process):
    """Its output, once it has ended; Ctrl-C is pressed again where it was lost (see the test of that)."""
    while True:
        try:
            return process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize(
    "delay", [0.1, 0.7, *(pytest.param(t, marks=pytest.mark.slow) for t in (0.02, 0.05, 0.3, 1.5))]
)
def test_the_command_interrupted(delay, tmp_path):
    """Ctrl-C: code 4, no traceback; what is printed is whole, and what is saved can be loaded."""
    table = ROOT / "examples" / "diabetes.csv"
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, "solve", str(table), "--target", "progression",
         "--features", "bmi,bp,s5,s3", "--standardize", "--lam-ratio", "0.001", "--json",
         "--tol", "1e-9", "--out", str(tmp_path / "run")],
        env=environment(), text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        while "ready" not in process.stderr.readline():
            assert process.poll() is None
        time.sleep(delay)
        process.send_signal(signal.SIGINT)
        out, err = what_it_says(process)
    finally:
        process.kill()
    assert "Traceback" not in err or "Exception ignored" in err
    assert process.returncode in (0, 4), err
    if not out:
        assert "interrupted" in err
        assert not (tmp_path / "run").exists()
        return
    facts = json.loads(out)
    assert facts["exit_code"] == process.returncode
    assert facts["verdict"] == "OPTIMAL" or facts["termination"] == "INTERRUPTED"
    if facts["dual_value"] is not None:
        assert facts["dual_value"] <= facts["primal_value"] * (1 + 1e-9)
    assert mlp.load_network(tmp_path / "run").width == facts["neurons"]


# ---- the checks ------------------------------------------------------------------------------------


def test_the_checks_fail_when_they_should():
    problem, _ = problem_of("gaussian", 2, loss="squared", n=6)
    solution, truth = mlp.solve(problem), truth_of(problem)
    assert_true(solution, truth)
    assert_dual_is_feasible(solution)
    with pytest.raises(AssertionError, match="above the optimum"):
        assert_true(solution, 0.999 * truth)
    with pytest.raises(AssertionError, match="below the optimum"):
        assert_true(solution, 1.001 * truth)
    with pytest.raises(AssertionError):
        assert_true(solution, np.inf)
    from dataclasses import replace

    higher = replace(solution.certificate, dual_value=1.001 * solution.certificate.dual_value)
    claimed = mlp.Solution(problem, solution.measure, solution.dual, higher, solution.termination)
    with pytest.raises(AssertionError, match="its vector gives"):
        assert_dual_is_feasible(claimed)


def test_the_faults_are_faults():
    """Each lie changes a report, and the tracer presses Ctrl-C where it says."""
    problem, _ = problem_of("gaussian", 2, loss="squared", n=6)
    for lie in faults.LIES:
        backend = faults.FaultyBackend(lie)
        mlp.solve(problem, backend=backend, time_limit=0.1, max_rounds=2)
        assert backend.calls > 0

    def endless():
        while True:
            mlp.MeasureProblem(problem.X, problem.y, lam=1.0)
            mlp.lam_max(problem)

    tracer = faults.PressAt(25)
    with pytest.raises(KeyboardInterrupt):
        tracer.run(endless)
    assert tracer.where is not None
    assert sys.gettrace() is not tracer
