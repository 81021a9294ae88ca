"""Comparisons that are cut off, by real signals, and go on from their file."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import measurelp as mlp
from measurelp.errors import InvalidFile, InvalidProblem
from measurelp.training import compare, comparing
from measurelp.training.comparison_file import ComparisonFile

pytest.importorskip("torch")

METHODS, WIDTHS, SEEDS, STEPS = ["gd", "adam"], [2, 5], (0, 1), 60


@pytest.fixture(scope="module")
def problem():
    X = np.random.default_rng(0).standard_normal((8, 2))
    return mlp.MeasureProblem(X, np.abs(X[:, 0]) - 0.5 * X[:, 1], lam=0.2)


@pytest.fixture(scope="module")
def whole(problem):
    return compare(problem, METHODS, WIDTHS, SEEDS, steps=STEPS)


def same(a, b):
    """Whether two comparisons say the same, bit for bit; seconds excepted."""
    runs = list(a.runs) == list(b.runs) and all(
        np.array_equal(x.hidden, y.hidden) and np.array_equal(x.output, y.output)
        and np.array_equal(x.record.step, y.record.step)
        and np.array_equal(x.record.objective, y.record.objective)
        for x, y in zip(a.runs.values(), b.runs.values(), strict=True)
    )  # fmt: skip
    return runs and a.facts() == b.facts()


@pytest.mark.parametrize("writes", ["always", "at ends only"])
def test_ctrl_c_loses_nothing(problem, whole, tmp_path, monkeypatch, writes):
    monkeypatch.setattr(comparing, "_PATIENCE", 0.0 if writes == "always" else 1e9)
    kept = tmp_path / "kept"
    sent, seen = [], []

    def press(progress):
        if (progress.task, progress.step) == ("adam, width 2", 30) and not sent:
            sent.append(progress)
            os.kill(os.getpid(), signal.SIGINT)

    cut = compare(problem, METHODS, WIDTHS, SEEDS, steps=STEPS, resume=kept, callback=press)
    assert sent and cut.termination is mlp.Termination.INTERRUPTED
    assert list(cut.runs) == [("gd", 2), ("gd", 5), ("adam", 2)]
    assert cut.runs["adam", 2].step == 30 and not same(cut, whole)
    rest = compare(problem, METHODS, WIDTHS, SEEDS, steps=STEPS, resume=kept, callback=seen.append)
    assert same(rest, whole)
    # What was done is not done again: no step of gd, and adam's only from the 30th on.
    assert {(p.task, p.step) for p in seen if p.task.startswith("gd")} == {
        ("gd, width 2", STEPS), ("gd, width 5", STEPS)
    }  # fmt: skip
    assert min(p.step for p in seen if p.task == "adam, width 2") == 30
    assert not any(p.task == "solving" for p in seen)
    assert same(compare(problem, METHODS, WIDTHS, SEEDS, steps=STEPS, resume=kept), whole)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_while_the_file_is_written_leaves_it_whole(problem, whole, tmp_path, monkeypatch):
    kept = tmp_path / "kept"
    write, sent = comparing.ComparisonFile.keep_run, []

    def interrupted(self, key, run):
        sent.append(key)
        if len(sent) == 2:
            os.kill(os.getpid(), signal.SIGINT)
        write(self, key, run)

    monkeypatch.setattr(comparing.ComparisonFile, "keep_run", interrupted)
    cut = compare(problem, METHODS, WIDTHS, SEEDS, steps=STEPS, resume=kept)
    assert cut.termination is mlp.Termination.INTERRUPTED and len(cut.runs) == 2
    assert sorted(ComparisonFile(kept, 1e-6).runs) == [("gd", 2), ("gd", 5)]
    monkeypatch.undo()
    assert same(compare(problem, METHODS, WIDTHS, SEEDS, steps=STEPS, resume=kept), whole)


def test_a_solve_that_is_interrupted_is_not_kept_for_the_optimum(problem, tmp_path):
    def press(progress):
        if progress.task == "solving":
            os.kill(os.getpid(), signal.SIGINT)

    kept = tmp_path / "kept"
    cut = compare(problem, METHODS, WIDTHS, SEEDS, steps=STEPS, resume=kept, callback=press)
    assert cut.termination is mlp.Termination.INTERRUPTED
    assert not cut.endpoints and not cut.runs and not kept.exists()
    assert "optimum" in cut.table()


def test_a_write_that_fails_leaves_the_file_before(problem, tmp_path, monkeypatch):
    kept = tmp_path / "kept"
    compare(problem, ["gd"], [2], SEEDS, steps=STEPS, resume=kept)
    before = kept.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(InvalidFile, match="No space"):
        compare(problem, ["gd"], [2, 5], SEEDS, steps=STEPS, resume=kept)
    monkeypatch.undo()
    assert kept.read_bytes() == before and os.listdir(tmp_path) == ["kept"]
    more = compare(problem, ["gd"], [2, 5], SEEDS, steps=STEPS, resume=kept)
    assert list(more.runs) == [("gd", 2), ("gd", 5)]  # a comparison may grow


def test_files_of_something_else_are_refused_and_left_alone(problem, tmp_path):
    kept, file = tmp_path / "kept", tmp_path / "other"
    common = {"steps": STEPS, "resume": kept}
    compare(problem, ["gd"], [2], SEEDS, **common)
    for arguments, change, word in (
        ((problem.with_lam(0.3), ["gd"], [2], SEEDS), {}, "another problem"),
        ((problem, ["gd"], [2], (0, 1, 2)), {}, "seeds"),
        ((problem, ["gd"], [2], SEEDS), {"steps": 40}, "record_every"),
        ((problem, ["gd"], [2], SEEDS), {"tol_gap": 1e-5}, "tol_gap"),
        ((problem, ["adam"], [2], SEEDS), {}, "gd, width 2"),
        ((problem, ["gd"], [5], SEEDS), {}, "gd, width 2"),
        ((problem, ["gd"], [2], SEEDS), {"resume": tmp_path / "no" / "kept"}, "folder"),
        ((problem, ["gd"], [2], SEEDS), {"resume": tmp_path}, "exists"),
    ):
        with pytest.raises((InvalidProblem, InvalidFile), match=word):
            compare(*arguments, **(common | change))
    raw = kept.read_bytes()
    flipped = bytearray(raw)
    flipped[len(raw) // 2] ^= 0xFF
    for content in (b"", b"a,b\n1,2\n", raw[:200], raw[: len(raw) // 2], raw[:-5], bytes(flipped)):
        file.write_bytes(content)
        with pytest.raises(InvalidFile, match="left as it is") as caught:
            compare(problem, ["gd"], [2], SEEDS, steps=STEPS, resume=file)
        assert file.read_bytes() == content
        assert str(file) in str(caught.value)
    assert kept.read_bytes() == raw


def test_progress_says_how_far_it_is(problem):
    seen = []
    compare(problem, ["gd"], [2, 5], [0], steps=STEPS, callback=seen.append)
    shares = [p.fraction for p in seen]
    assert shares == sorted(shares) and (shares[0], shares[-1]) == (0.0, 1.0)
    assert str(seen[0]).startswith("solving, round ")
    assert re.match(r"gd, width 5 \(2 of 2\) \| step 60 of 60 \| gap \d", str(seen[-1]))


@pytest.mark.slow
def test_the_command_goes_on_after_ctrl_c_and_after_being_killed(problem, tmp_path):
    file, kept = tmp_path / "table.csv", tmp_path / "kept"
    rows = np.column_stack([problem.X, problem.y]).tolist()
    file.write_text("a,b,y\n" + "".join(",".join(map(repr, row)) + "\n" for row in rows))

    def words(name):
        return [
            sys.executable, "-m", "measurelp.cli", "compare", str(file), "--target", "y", "--lam",
            "0.2", "--methods", "gd,adam", "--widths", "4,8", "--seeds", "2", "--steps", "6000",
            "--json", "--resume", str(tmp_path / name),
        ]  # fmt: skip

    for number in (signal.SIGINT, signal.SIGKILL):
        with subprocess.Popen(words("kept"), stdout=subprocess.PIPE, text=True) as process:
            begin = kept.stat().st_size if kept.exists() else 0
            while process.poll() is None and (
                not kept.exists() or kept.stat().st_size < max(begin, 10_000)
            ):
                time.sleep(0.05)
            process.send_signal(number)
            out, _ = process.communicate(timeout=120)
        if number is signal.SIGINT and process.returncode:
            assert process.returncode == 4 and '"INTERRUPTED"' in out
    whole, rest = (
        json.loads(subprocess.run(words(name), capture_output=True, check=True).stdout)
        for name in ("whole", "kept")
    )
    assert rest["termination"] == "ROUND_LIMIT" and len(rest["runs"]) == 8
    for a, b in zip(whole["runs"], rest["runs"], strict=True):
        assert [a[key] for key in ("method", "width", "seed", "steps", "objective", "verdict")] == [
            b[key] for key in ("method", "width", "seed", "steps", "objective", "verdict")
        ]
    # The optimum is certified anew from the file, so its last digit may differ.
    assert rest["optimum"]["primal_value"] == pytest.approx(whole["optimum"]["primal_value"])


def test_ctrl_c_while_torch_is_loaded_is_heard_after_it(problem, monkeypatch):
    """Modules that are left half imported fail later, and some importers swallow the exception."""

    def pressed(problem, settings, **options):
        signal.raise_signal(signal.SIGINT)
        steps.append(settings.steps)
        return train(problem, settings, **options)

    steps, train = [], comparing.train
    monkeypatch.setattr(comparing, "train", pressed)
    with pytest.raises(KeyboardInterrupt):
        compare(problem, METHODS[:1], WIDTHS, SEEDS, steps=STEPS)
    assert steps == [1]


def test_ctrl_c_at_the_end_of_the_solve_is_heard(problem, tmp_path, monkeypatch):
    def pressed(*arguments, **options):
        solution = solve(*arguments, **options)
        signal.raise_signal(signal.SIGINT)
        return solution

    solve = comparing.solve
    monkeypatch.setattr(comparing, "solve", pressed)
    kept = tmp_path / "kept"
    cut = compare(problem, METHODS, WIDTHS, SEEDS, steps=STEPS, resume=kept)
    assert cut.termination is mlp.Termination.INTERRUPTED and not cut.runs
    assert cut.solution.certificate.is_optimal and kept.exists()  # which is not done again
