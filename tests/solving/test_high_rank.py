"""Where the rank is too large to prove anything tight: a bracket, a useful network, no wrong OPTIMAL."""

import json
import math
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from oracle import functions
from oracles import brute

import measurelp as mlp
from measurelp.cli.app import app
from solving import checks

ROOT = Path(mlp.__file__).parent.parent
HANG = 300.0  # seconds past a limit that nothing takes unless it hangs, compiling included


def orthogonal(d, seed, *, ratio=0.05):
    """Orthonormal rows, and the optimal value in closed form.

    A weight can be active on any set of rows, so a measure fits z at the cost |z_+| + |z_-|, and the problem falls
    apart into two of group soft thresholding.
    """
    rng = np.random.default_rng(seed)
    X = np.linalg.qr(rng.standard_normal((d, d)))[0]
    y = rng.standard_normal(d)
    parts = [float(np.linalg.norm(np.maximum(s * y, 0.0))) for s in (1.0, -1.0)]
    lam = ratio * max(parts)
    value = sum(lam * t - 0.5 * lam**2 if t > lam else 0.5 * t**2 for t in parts)
    return mlp.MeasureProblem(X, y, lam=lam, bias="none"), value, max(parts)


def teacher(n, d, seed, *, bias="none", ratio=0.01, limit=0.2):
    """Labels of five neurons with noise: the problem and the objective of the teacher."""
    rng = np.random.default_rng(seed)
    X, W = rng.standard_normal((n, d)), rng.standard_normal((5, d))
    W /= np.linalg.norm(W, axis=1, keepdims=True)
    a = rng.choice([-1.0, 1.0], 5)
    y = np.maximum(X @ W.T, 0.0) @ a + 0.1 * rng.standard_normal(n)
    problem = mlp.MeasureProblem(X, y, lam=1.0, bias=bias)
    problem = problem.with_lam(ratio * mlp.lam_max(problem, time_limit=limit))
    atoms = W if bias == "none" else np.hstack([W, np.zeros((5, 1))])
    return problem, brute.objective(X, y, atoms, a, lam=problem.lam, bias=bias)


def assert_honest(solution, rng, *, reached) -> None:
    """A bracket below what is known to be reached; a proved sup that ascent does not exceed."""
    problem, certificate = solution.problem, solution.certificate
    checks.assert_sound(solution)
    if not certificate.dual_value <= min(reached, certificate.primal_value) * (1 + 1e-9):
        raise AssertionError(f"dual {certificate.dual_value!r}, but {reached!r} is reached")
    if not certificate.dual_value >= 0.0:
        raise AssertionError("a dual value below that of the zero vector")
    _, where = functions.sampled_ascent(problem.lifted, certificate.dual, rng, starts=100)
    if brute.exceeds_exactly(
        problem.lifted, certificate.dual, where, problem.n_penalized, certificate.sup[1]
    ):
        raise AssertionError("ascent exceeds the proved supremum")
    if certificate.verdict is mlp.Verdict.OPTIMAL:
        assert certificate.primal_value <= reached * (1 + 2 * certificate.tol_gap)


@pytest.mark.parametrize("seconds", [0.01, 0.3])
@pytest.mark.parametrize("d", [8, 20, 50])
def test_orthogonal_data_of_any_rank(d, seconds):
    """The truth is known in closed form; the bracket holds it whatever the limit."""
    problem, value, _ = orthogonal(d, d)
    began = time.perf_counter()
    solution = mlp.solve(problem, time_limit=seconds)
    assert time.perf_counter() - began < HANG
    assert_honest(solution, np.random.default_rng(0), reached=value)
    certificate = solution.certificate
    brute.assert_brackets((certificate.dual_value, certificate.primal_value), value, rel=1e-9)


@pytest.mark.parametrize("d", [3, 6, 20])
def test_lam_max_under_a_limit_is_an_upper_bound(d):
    problem, _, top = orthogonal(d, 100 + d)
    for seconds in (1e-9, 0.01, 0.2):
        found = mlp.lam_max(problem, time_limit=seconds)
        assert top * (1 - 1e-12) <= found < np.inf
        assert mlp.solve(problem.with_lam(found), time_limit=5.0).certificate.is_optimal or d > 6


def check_too_large(n, d, bias, seconds) -> None:
    """Solve under a limit; at least zero is as good, and nothing is called optimal."""
    problem, reached = teacher(n, d, n + d, bias=bias)
    zero = 0.5 * float(problem.y @ problem.y)
    began = time.perf_counter()
    solution = mlp.solve(problem, time_limit=seconds)
    assert time.perf_counter() - began < seconds + HANG
    assert_honest(solution, np.random.default_rng(1), reached=min(reached, zero))
    assert solution.certificate.verdict is not mlp.Verdict.OPTIMAL
    assert solution.termination is mlp.Termination.TIME_LIMIT
    assert solution.certificate.primal_value <= zero
    if seconds > 5.0:  # useful: most of what zero leaves is explained
        assert solution.certificate.primal_value <= 0.5 * zero


@pytest.mark.parametrize("bias", ["none", "penalized"])
@pytest.mark.parametrize(("n", "d"), [(200, 20), (100, 50)])
def test_too_large_to_prove(n, d, bias):
    check_too_large(n, d, bias, 1.0)


@pytest.mark.slow
@pytest.mark.parametrize("bias", ["none", "penalized"])
@pytest.mark.parametrize(("n", "d"), [(200, 20), (100, 50)])
def test_too_large_to_prove_and_yet_useful(n, d, bias):
    check_too_large(n, d, bias, 10.0)


@pytest.mark.slow
@pytest.mark.parametrize("bias", ["none", "penalized", "free"])
@pytest.mark.parametrize(("n", "d"), [(200, 20), (100, 50), (400, 12)])
def test_more_time_gives_no_worse_a_bracket(n, d, bias):
    skip = "constant" if bias == "free" else "none"
    rng = np.random.default_rng(n * d)
    X, w = rng.standard_normal((n, d)), rng.standard_normal(d) / math.sqrt(d)
    y = np.maximum(X @ w, 0.0) + 0.1 * rng.standard_normal(n)
    problem = mlp.MeasureProblem(X, y, lam=1.0, bias=bias, skip=skip)
    problem = problem.with_lam(0.05 * mlp.lam_max(problem, time_limit=1.0))
    solutions = [mlp.solve(problem, time_limit=seconds) for seconds in (0.5, 4.0)]
    least = min(solution.certificate.primal_value for solution in solutions)
    for solution in solutions:
        checks.assert_sound(solution)
        assert solution.certificate.dual_value <= least * (1 + 1e-9)
        assert solution.certificate.verdict is not mlp.Verdict.OPTIMAL or (
            solution.certificate.primal_value <= least * (1 + 2e-6)
        )


@pytest.mark.parametrize(("n", "d"), [(3, 50), (9, 30), (12, 12)])
def test_few_rows_of_many_inputs_are_proved(n, d):
    """The rank is at most n; the proof is checked by going through all cells."""
    problem, _ = teacher(n, d, 5 * n + d, ratio=0.02, limit=10.0)
    solution = mlp.solve(problem, time_limit=30.0)
    assert solution.certificate.verdict is mlp.Verdict.OPTIMAL
    checks.assert_sound(solution)
    again = mlp.certify(problem, solution.measure, dual=solution.dual, oracle="cells")
    assert again.verdict is mlp.Verdict.OPTIMAL


def test_the_command_under_a_limit(tmp_path):
    """The time limit may be used up inside lam_max: there is an answer all the same."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((80, 15)).round(6)
    y = np.maximum(X @ rng.standard_normal(15), 0.0).round(6)
    file = tmp_path / "wide.csv"
    np.savetxt(file, np.column_stack([X, y]), delimiter=",", fmt="%.6f")
    result = CliRunner().invoke(
        app, ["solve", str(file), "--target", "c16", "--lam-ratio", "0.05", "--time-limit", "0.2",
              "--json", "--quiet"],
    )  # fmt: skip
    assert result.exit_code in (0, 4), result.output
    facts = json.loads(result.stdout)
    assert facts["exit_code"] == result.exit_code
    assert facts["verdict"] == "OPTIMAL" or facts["termination"] == "TIME_LIMIT"
    assert 0.0 <= facts["dual_value"] <= facts["primal_value"] <= 0.5 * float(y @ y)
    value, _ = functions.sampled_ascent(np.hstack([X, np.ones((80, 1))]), y, rng)
    assert value <= facts["problem"]["lam_max"] * (1 + 1e-12)


FIRST = """
import json
import numpy as np
import measurelp as mlp
rng = np.random.default_rng(1)
problem = mlp.MeasureProblem(rng.standard_normal((30, 3)), rng.standard_normal(30), lam=0.05)
s = mlp.solve(problem, time_limit=0.5)
print(json.dumps([s.certificate.dual_value, s.certificate.primal_value, s.termination.name]))
"""


@pytest.mark.slow
def test_a_limit_reached_while_kernels_are_compiled(tmp_path):
    """With an empty cache the limit passes before anything was done; the bracket is valid."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {
        "NUMBA_CACHE_DIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(paths)
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", FIRST], env=environment, capture_output=True, text=True, timeout=300,
        check=True,
    )  # fmt: skip
    dual, primal, termination = json.loads(done.stdout)
    rng = np.random.default_rng(1)
    problem = mlp.MeasureProblem(rng.standard_normal((30, 3)), rng.standard_normal(30), lam=0.05)
    certificate = mlp.solve(problem).certificate
    assert dual <= certificate.primal_value * (1 + 1e-9)
    assert primal >= certificate.dual_value * (1 - 1e-9)
    assert termination in ("TIME_LIMIT", "CONVERGED")


def test_the_checks_fail_when_they_should():
    problem, value, _ = orthogonal(4, 0)
    solution = mlp.solve(problem)
    rng = np.random.default_rng(0)
    assert_honest(solution, rng, reached=value * (1 + 1e-9))
    with pytest.raises(AssertionError, match="is reached"):
        assert_honest(solution, rng, reached=0.99 * value)
    from dataclasses import replace

    low = replace(solution.certificate, sup=(0.0, 0.9 * solution.certificate.sup[0]))
    claimed = mlp.Solution(problem, solution.measure, solution.dual, low, solution.termination)
    with pytest.raises(AssertionError, match="ascent exceeds"):
        assert_honest(claimed, rng, reached=value * (1 + 1e-9))
