"""What the command line makes of each outcome of a solve, with a solver that plays it."""

import os
from types import SimpleNamespace

import numpy as np
import pytest

from measurelp import solving
from measurelp.cli import progress
from measurelp.cli.errors import Exit, exit_from_outcome
from measurelp.errors import BackendError, BudgetExceeded
from measurelp.measure import AtomicMeasure
from measurelp.network import load_scaler, network_from_measure, parts_from_network, read_folder
from measurelp.network import write_folder as write
from measurelp.solving import Progress
from measurelp.status import Scope, Termination, Verdict


class PlayedSolution:
    def __init__(self, problem, verdict, termination):
        d = problem.lifted.shape[1]
        atoms = np.eye(d)[:1]
        self.problem, self.termination = problem, termination
        self.measure = AtomicMeasure(atoms, np.array([2.0]))
        refuted = verdict is Verdict.REFUTED
        self.certificate = SimpleNamespace(
            verdict=verdict, primal_value=3.0, dual_value=-np.inf, gap=np.inf, relative_gap=np.inf,
            sup=(0.5, np.inf), limit=problem.lam, scope=Scope.COMPLETE, witness=atoms[0],
            improvement=SimpleNamespace(weight=atoms[0], mass=0.25, objective=2.5) if refuted else None,
            tol_gap=1e-6, message="played",
        )  # fmt: skip
        self.total_variation, self.verdict_words, self.units = 2.0, verdict.value, "neurons"
        self.stats = {"rounds": 4, "cells": 7, "oracle": "angles", "seconds": 0.25}

    def save(self, folder, *, request, **options):
        document, arrays = parts_from_network(network_from_measure(self.measure))
        document["request"] = request
        write(folder, document, arrays | {"dual": self.problem.y}, kind="solution", **options)


@pytest.fixture
def play(monkeypatch):
    """Put something in place of the solver that returns, or raises, what is asked."""

    def put(outcome, *, lam_max=8.0):
        calls = []

        def solve(problem, **options):
            calls.append((problem, options))
            if isinstance(outcome, BaseException):
                raise outcome
            return PlayedSolution(problem, *outcome)

        monkeypatch.setattr(solving, "solve", solve)
        monkeypatch.setattr(solving, "lam_max", lambda _, **__: lam_max)
        return calls

    return put


OUTCOMES = [
    (Verdict.OPTIMAL, Termination.CONVERGED, 0),
    (Verdict.OPTIMAL, Termination.TIME_LIMIT, 0),
    (Verdict.BRACKETED, Termination.CONVERGED, 1),
    (Verdict.REFUTED, Termination.CONVERGED, 1),
    (Verdict.UNVERIFIED, Termination.CONVERGED, 1),
    (Verdict.INFEASIBLE, Termination.INFEASIBLE, 3),
    (Verdict.BRACKETED, Termination.TIME_LIMIT, 4),
    (Verdict.BRACKETED, Termination.ROUND_LIMIT, 4),
    (Verdict.BRACKETED, Termination.NODE_LIMIT, 4),
    (Verdict.BRACKETED, Termination.INTERRUPTED, 4),
    (Verdict.UNVERIFIED, Termination.INTERRUPTED, 4),
    (Verdict.BRACKETED, Termination.STALLED, 1),
    (Verdict.BRACKETED, Termination.NUMERICAL, 4),
]
OPTIONS = ("--target", "y", "--features", "a,b", "--lam", "0.5")


@pytest.mark.parametrize(("verdict", "termination", "code"), OUTCOMES, ids=str)
def test_exit_codes(run, run_json, play, table_file, tmp_path, verdict, termination, code):
    play((verdict, termination))
    result = run("solve", table_file, *OPTIONS, "--out", tmp_path / "out")
    assert result.exit_code == code == exit_from_outcome(verdict, termination)
    assert verdict.name in result.stdout and "Error" not in result.stderr
    assert (tmp_path / "out").exists() == (code != 3)
    found, facts = run_json("solve", table_file, *OPTIONS)
    assert found == facts["exit_code"] == code
    assert facts["verdict"] == verdict.name and facts["termination"] == termination.name
    assert facts["dual_value"] is None and facts["sup"] == [0.5, None]
    assert (facts["improvement"] is None) == (verdict is not Verdict.REFUTED)


def test_every_verdict_and_termination_has_an_exit_code():
    for verdict in Verdict:
        for termination in (*Termination, None):
            assert isinstance(exit_from_outcome(verdict, termination), Exit)
    assert exit_from_outcome(Verdict.OPTIMAL) == 0


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (BudgetExceeded("too many cells"), 4, "too many cells"),
        (BackendError("the solver gave up."), 4, "--backend"),
        (MemoryError("8 GiB"), 4, "out of memory"),
        (KeyboardInterrupt(), 4, "interrupted"),
        (ZeroDivisionError("no"), 4, "internal error, ZeroDivisionError: no"),
    ],
)
def test_exceptions_become_a_paragraph(run, play, table_file, tmp_path, error, code, words):
    play(error)
    result = run("solve", table_file, *OPTIONS, "--out", tmp_path / "out", "--json")
    assert result.exit_code == code
    assert words in " ".join(result.stderr.split()) and "Traceback" not in result.stderr
    assert result.stdout == "" and not (tmp_path / "out").exists()


def test_options_reach_the_solver(run, play, table_file):
    calls = play((Verdict.OPTIMAL, Termination.CONVERGED))
    run(
        "solve", table_file, *OPTIONS, "--tol", "1e-8", "--time-limit", "3", "--max-rounds", "9",
        "--oracle", "cells", "--backend", "scs", "--bias", "free", "--skip", "affine",
        "--jobs", "2",
    )  # fmt: skip
    ((problem, options),) = calls
    assert problem.bias == "free" and problem.skip == "affine" and problem.lam == 0.5
    assert callable(options.pop("callback"))
    assert options == {
        "tol_gap": 1e-8, "time_limit": 3.0, "max_rounds": 9, "oracle": "cells", "backend": "scs",
        "n_jobs": 2,
    }  # fmt: skip
    run("solve", table_file, *OPTIONS)
    assert calls[1][1].keys() == {"tol_gap", "callback", "n_jobs"}


def test_lam_ratio_multiplies_lam_max(run_json, play, table_file):
    calls = play((Verdict.OPTIMAL, Termination.CONVERGED), lam_max=8.0)
    _, facts = run_json("solve", table_file, *OPTIONS[:4], "--lam-ratio", "0.25")
    assert calls[0][0].lam == 2.0
    assert facts["problem"]["lam"] == 2.0
    assert facts["problem"]["lam_max"] == 8.0 and facts["problem"]["lam_ratio"] == 0.25


def test_lam_ratio_of_nothing_is_refused(run, play, table_file):
    play((Verdict.OPTIMAL, Termination.CONVERGED), lam_max=0.0)
    result = run("solve", table_file, *OPTIONS[:4], "--lam-ratio", "0.25")
    assert result.exit_code == 2 and "lam_max is 0" in result.stderr


def test_what_is_saved_keeps_the_request_and_the_scaler(run, play, table_file, tmp_path):
    calls = play((Verdict.OPTIMAL, Termination.CONVERGED))
    out = tmp_path / "out"
    assert run("solve", table_file, *OPTIONS, "--standardize", "--out", out).exit_code == 0
    document, arrays = read_folder(out, kind="solution")
    assert document["request"]["features"] == ["a", "b"]
    assert document["request"]["target"] == "y" and document["request"]["lam"] == 0.5
    assert "dual" in arrays
    raw = np.loadtxt(table_file, delimiter=",", skiprows=1, usecols=(0, 1))
    np.testing.assert_array_equal(load_scaler(out).apply(raw), calls[0][0].X)
    again = run("solve", table_file, *OPTIONS, "--out", out)
    assert again.exit_code == 2 and load_scaler(out) is not None
    assert run("solve", table_file, *OPTIONS, "--out", out, "--force").exit_code == 0
    assert load_scaler(out) is None
    assert sorted(os.listdir(tmp_path)) == ["out", "table.csv"]


def test_the_line_says_what_happens(monkeypatch):
    monkeypatch.setattr(progress, "kernel_cache", lambda: {"state": "empty"})
    line = progress.ProgressLine(quiet=True)
    assert "compiling" in line.line()
    line.update(
        SimpleNamespace(
            round=3, n_cells=12, primal=1.25, dual=1.0, gap=0.2, seconds=0.1, message="polishing",
            nodes=0,
        )
    )  # fmt: skip
    for word in ("round 3", "12 cells", "primal 1.25", "dual 1", "gap 2.00e-01", "polishing"):
        assert word in line.line()


def test_the_line_guesses_how_long_a_proof_will_take(monkeypatch):
    """A gap that falls tenfold a second from 1e-1 to 1e-4 needs two more seconds to 1e-6."""
    line = progress.ProgressLine(quiet=True, tol_gap=1e-6)
    for second in range(4):
        assert "left" not in line.line()
        line.update(
            Progress(
                3, 12, 1.25, 1.0, 10.0 ** (-1 - second), float(second), "proving", 1000 * second
            )
        )
    line.update(Progress(3, 12, 1.25, 1.0, 1e-5, 4.0, "proving", 12345))
    assert line.seconds_left() == pytest.approx(1.0)
    assert "12,345 boxes" in line.line()
    assert "about 1 s left" in line.line()
    line.update(Progress(4, 12, 1.25, 1.0, 1e-5, 5.0, "generating cells"))
    assert line.seconds_left() is None


def test_compiling_is_said_without_a_terminal_too(run, play, table_file, monkeypatch):
    play((Verdict.OPTIMAL, Termination.CONVERGED))
    for state, said in (("empty", True), ("warm", False)):
        monkeypatch.setattr(progress, "kernel_cache", lambda state=state: {"state": state})
        result = run("solve", table_file, *OPTIONS)
        assert ("compiling" in result.stderr) == said
        assert "compiling" not in run("solve", table_file, *OPTIONS, "--quiet").stderr
