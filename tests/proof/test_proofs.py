"""Proofs of many kinds of problems are made, accepted, and say what is true."""

import copy
import errno
import json
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import measurelp as mlp
import measurelp.check_proof as checker
from measurelp.errors import BudgetExceeded, InvalidFile, InvalidProblem
from measurelp.proof import write_proof

from . import problems
from .checks import assert_true, digest, exact
from .test_mutants import covers

SLOW = dict(problems.slow())


def solved(line):
    """A solution of the problem of one line; a solver that stalls is another test's business."""
    for seed in range(3):
        solution = mlp.solve(problems.problem(*line, seed=seed))
        if solution.certificate.is_optimal:
            return solution
    raise AssertionError("three problems were not solved")


def assert_proved(solution, path):
    """Prove and check; compare the statement with what was asked and found."""
    problem = solution.problem
    proof = solution.proof(path)
    document = checker.read(path)
    proved = checker.check(document)
    assert_true(document, proved)
    (x_unit, X), (y_unit, y) = document["problem"]["X"], document["problem"]["y"]
    assert [v for row in X for v in row] == [v * x_unit for v in exact(problem.X)]
    assert y == [v * y_unit for v in exact(problem.y)]
    stated = [proved[key] for key in ("n", "d", "loss", "bias", "skip", "lam")]
    assert stated == [
        problem.n, problem.d, problem.loss.name, problem.bias, problem.skip, problem.lam,
    ]  # fmt: skip
    assert proof.data_sha256 == proved["data_sha256"] == digest(problem.X, problem.y)
    certificate = solution.certificate
    assert proved["dual_value"] <= proved["primal_value"]
    assert proved["primal_value"] == pytest.approx(certificate.primal_value, rel=1e-12)
    lost = certificate.primal_value * (certificate.relative_gap + 1.1 * certificate.tol_gap)
    assert proof.gap <= lost + 1e-12 * np.abs(problem.y).max() ** 2
    assert proof.size == path.stat().st_size
    assert proof.records == sum(map(len, covers(document)))
    return document


@pytest.mark.parametrize("name", problems.FAST)
def test_proofs_are_accepted(name, tmp_path):
    assert_proved(solved(problems.FAST[name]), tmp_path / "proof.json")


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW)
def test_more_proofs_are_accepted(name, tmp_path):
    assert_proved(solved(SLOW[name]), tmp_path / "proof.json")


def test_there_are_fifty_problems():
    assert len(problems.FAST) + len(SLOW) >= 50


def test_assert_proved_can_fail(tmp_path):
    document = assert_proved(solved(problems.FAST["rank 2"]), tmp_path / "proof.json")
    false = copy.deepcopy(document)
    false["gap"] = [1, 0]
    with pytest.raises(AssertionError, match="gap"):
        assert_true(false)
    false = copy.deepcopy(document)
    false["dual"][1] = [2 * a for a in false["dual"][1]]
    with pytest.raises(AssertionError, match="eta"):
        assert_true(false)


def test_a_large_lam_has_a_proof_that_the_zero_network_is_optimal(tmp_path):
    X, y = np.eye(3), np.array([1.0, -2.0, 0.5])
    problem = mlp.MeasureProblem(X, y, lam=5.0, bias="none")
    solution = mlp.solve(problem)
    solution.proof(tmp_path / "proof.json")
    proved = checker.check(checker.read(tmp_path / "proof.json"))
    assert proved["neurons"] == proved["gap"] == 0
    assert proved["primal_value"] == proved["dual_value"] == 2.625


def test_the_zero_targets_have_a_proof(tmp_path):
    solution = mlp.solve(mlp.MeasureProblem(np.eye(2), [0.0, 0.0], lam=1.0))
    assert solution.proof(tmp_path / "proof.json").primal_value == 0.0


def test_the_checker_runs_alone(tmp_path):
    mlp.solve(problems.problem(*problems.FAST["rank 2"])).proof(tmp_path / "proof.json")
    program = tmp_path / "alone.py"
    program.write_text(Path(checker.__file__).read_text())
    command = [sys.executable, "-I", "-S", str(program), str(tmp_path / "proof.json")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and done.stdout.startswith("PROVED\n") and done.stderr == ""
    done = subprocess.run(command[:-1], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "usage" in done.stdout


def test_the_checker_imports_the_standard_library_only():
    code = f"""
import sys
sys.path.insert(0, {str(Path(checker.__file__).parent)!r})
import check_proof
roots = {{name.partition(".")[0] for name in sys.modules}}
print(sorted(roots - set(sys.stdlib_module_names) - {{"check_proof", "__main__"}}))
"""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "[]\n", done.stderr


def test_the_checker_stays_short():
    """It is there to be read by a sceptic, in one go."""
    lines = Path(checker.__file__).read_text().splitlines()
    assert len(lines) < 400 and max(map(len, lines)) <= 100


def test_bounds_are_rounded_to_the_safe_side():
    for value in (Fraction(1, 3), Fraction(-1, 3), Fraction(10) ** 300, Fraction(1, 10**400)):
        assert checker.above(value) >= value >= -checker.above(-value)
    assert checker.above(Fraction(1, 2)) == 0.5
    with pytest.raises(checker.Rejected, match="too large"):
        checker.above(Fraction(10) ** 400)
    for square in (0, 1, 2, 3, 4, 10**40 + 1, Fraction(2, 3), Fraction(1, 10**40)):
        root = checker.root_above(Fraction(square))
        assert root >= 0 and root * root >= square >= (root - Fraction(2, 2**80)) ** 2 * (root > 0)


def test_a_digest_can_be_computed_from_the_data(tmp_path):
    X, y = np.array([[1.0, -0.0], [2.5, 3.0]]), np.array([1.0, 2.0])
    solution = mlp.solve(mlp.MeasureProblem(X, y, lam=0.1))
    assert solution.proof(tmp_path / "proof.json").data_sha256 == digest(X, y)


def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    solution = mlp.solve(problems.problem(*problems.FAST["rank 2"]))
    path = tmp_path / "proof.json"
    with pytest.raises(BudgetExceeded, match="more than 3 records"):
        solution.proof(path, max_records=3)
    assert list(tmp_path.iterdir()) == []
    solution.proof(path)
    before = path.read_bytes()
    with pytest.raises(InvalidFile, match="exists already"):
        solution.proof(path)

    def broken(*arguments):
        raise OSError(errno.ENOSPC, "no space left")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", broken)
        with pytest.raises(InvalidFile, match="no space left"):
            solution.proof(path, overwrite=True)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
    solution.proof(path, overwrite=True)
    for wrong in ("", tmp_path / "missing" / "proof.json", tmp_path):
        with pytest.raises(InvalidFile):
            solution.proof(wrong)


def test_what_cannot_be_proved_is_refused(tmp_path):
    path = tmp_path / "proof.json"
    problem = mlp.MeasureProblem([[1.0], [1.0]], [0.0, 1.0], loss=mlp.Interpolation())
    with pytest.raises(InvalidProblem, match="INFEASIBLE"):
        mlp.solve(problem).proof(path)
    rng = np.random.default_rng(0)
    X = problems.nearly_of_rank_two(rng, 10, 4)
    problem = mlp.MeasureProblem(X, rng.standard_normal(10), lam=0.1, skip="affine")
    with pytest.raises(InvalidProblem, match="up to rounding only"):
        mlp.solve(problem).proof(path)
    y = np.arange(10) % 2
    for options in ({"loss": mlp.Logistic()}, {"loss": mlp.Poisson()}, {"sample_weight": y + 1.0}):
        problem = mlp.MeasureProblem(X[:, :2], y, lam=0.1, **options)
        with pytest.raises(InvalidProblem, match="exact proofs are for the losses squared"):
            mlp.solve(problem).proof(path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "options",
    [
        {"ball": mlp.L1Ball()}, {"ball": mlp.LInfBall()}, {"activation": mlp.LeakyReLU(0.1)},
        {"activation": mlp.AbsoluteValue()}, {"activation": mlp.Threshold()},
        {"sample_weight": np.arange(1.0, 13.0)}, {"loss": mlp.Logistic()},
    ],
    ids=lambda options: next(iter(map(str, options.values()))).split("(")[0],
)  # fmt: skip
def test_other_problems_are_refused_whatever_the_certificate(options, tmp_path):
    solution = mlp.solve(problems.problem(*problems.FAST["rank 2"]))
    X, y = solution.problem.X, solution.problem.y
    labels = y > 0.0 if "loss" in options else y
    other = mlp.MeasureProblem(X, labels, lam=0.1, bias="none", **options)
    with pytest.raises(InvalidProblem, match="exact proofs are for the losses squared"):
        write_proof(tmp_path / "p", other, solution.network(), solution.certificate)
    two = mlp.MeasureProblem(X, np.column_stack([y, y]), lam=0.1, bias="none")
    with pytest.raises(InvalidProblem, match="with one output"):
        write_proof(tmp_path / "p", two, solution.network(), solution.certificate)
    assert list(tmp_path.iterdir()) == []


def test_a_proof_is_plain_json(tmp_path):
    mlp.solve(problems.problem(*problems.FAST["interpolation"])).proof(tmp_path / "proof.json")
    document = json.loads((tmp_path / "proof.json").read_text())
    assert list(document) == [
        "format", "statement_sha256", "problem", "network", "gap", "dual", "basis", "rows", "covers",
    ]  # fmt: skip
