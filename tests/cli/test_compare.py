"""``measurelp compare`` with the losses and outputs that ``solve`` takes."""

import csv
import io

import numpy as np
import pytest

import measurelp as mlp

pytest.importorskip("torch")

SHORT = ("--methods", "adam,conic", "--widths", "6", "--seeds", "2", "--steps", "40", "--quiet")


@pytest.fixture
def table(tmp_path):
    """Two inputs, two numbers, two classes, three classes and a count of 9 samples."""
    rng = np.random.default_rng(3)
    X, Y = rng.standard_normal((9, 2)).round(3), rng.standard_normal((9, 2)).round(3)
    columns = np.column_stack([X, Y, np.arange(9) % 2, np.arange(9) % 3, rng.poisson(2.0, 9)])
    file = tmp_path / "table.csv"
    lines = [",".join(repr(float(v)) for v in row) for row in columns]
    file.write_text("a,b,y,z,two,three,count\n" + "\n".join(lines) + "\n")
    return file, X, columns


CASES = {
    "quantile": (["--target", "y", "--loss", "quantile", "--tau", "0.8"], mlp.Quantile(0.8), [2]),
    "hinge": (["--target", "two", "--loss", "hinge"], mlp.Hinge(), [4]),
    "poisson": (["--target", "count", "--loss", "poisson"], mlp.Poisson(), [6]),
    "classes": (
        ["--target", "three", "--loss", "multinomial_logistic"], mlp.MultinomialLogistic(), [5]
    ),
    "outputs": (
        ["--target", "y", "--target", "z", "--outputs", "joint", "--skip", "constant"], mlp.Squared(), [2, 3]
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_runs_are_held_against_the_optimum_of_the_same_problem(run_json, table, tmp_path, case):
    file, X, columns = table
    words, loss, at = CASES[case]
    options = [file, *words, "--features", "a,b", "--lam", "0.3", *SHORT]
    kept, out = tmp_path / "kept", tmp_path / "out.csv"
    code, found = run_json("compare", *options, "--resume", kept, "--csv", out)
    assert code == 0 and found["optimum"]["verdict"] == "OPTIMAL"
    y = columns[:, at[0]] if len(at) == 1 else columns[:, at]
    skip = "constant" if "--skip" in words else "none"
    problem = mlp.MeasureProblem(X, y, lam=0.3, loss=loss, skip=skip)
    best = mlp.solve(problem).certificate
    assert found["optimum"]["primal_value"] == pytest.approx(best.primal_value, rel=3e-6)
    assert found["problem"]["loss"] == loss.name and len(found["runs"]) == 4
    zero = problem.loss_value(np.zeros(problem.y.shape))
    for run in found["runs"]:
        assert best.dual_value * (1 - 1e-9) <= run["objective"]
        if run["method"] == "adam":
            assert run["objective"] < zero
        if run["improvement"] is not None:
            assert run["verdict"] == "REFUTED"
            assert np.shape(run["improvement"]["mass"]) == problem.y.shape[1:]
            assert run["improvement"]["objective"] < run["objective"]
    rows = list(csv.DictReader(io.StringIO(out.read_text())))
    assert [float(row["objective"]) for row in rows] == [run["objective"] for run in found["runs"]]
    code, again = run_json("compare", *options, "--resume", kept)
    assert code == 0 and again["runs"] == found["runs"]


def test_files_and_pictures_are_replaced_when_asked_for(run, table, tmp_path):
    pytest.importorskip("matplotlib")
    options = ["compare", table[0], "--target", "y", "--features", "a,b", "--lam", "0.3", *SHORT]
    drawn, out = tmp_path / "drawn", tmp_path / "out.csv"
    assert run(*options, "--pictures", drawn, "--csv", out).exit_code == 0
    names = sorted(path.name for path in drawn.iterdir())
    for words in (["--pictures", drawn], ["--csv", out]):
        result = run(*options, *words)
        assert result.exit_code == 2 and "--force" in " ".join(result.stderr.split())
    out.write_text("before")
    (drawn / names[0]).write_text("before")
    assert run(*options, "--pictures", drawn, "--csv", out, "--force").exit_code == 0
    assert out.read_text() != "before" and (drawn / names[0]).read_bytes() != b"before"
    assert sorted(path.name for path in drawn.iterdir()) == names
    (drawn / "mine.txt").write_text("mine")
    result = run(*options, "--pictures", drawn, "--force")
    assert result.exit_code == 2 and "mine.txt" in result.stderr
    assert (drawn / "mine.txt").read_text() == "mine"
    assert run(*options, "--force").exit_code == 2


def test_what_cannot_be_trained_is_refused_and_named(run, table):
    file, _, _ = table
    for words, said in (
        (["--target", "y", "--loss", "interpolation"], "no gradient"),
        (["--target", "y", "--target", "z", "--outputs", "separate", "--lam", "1"], "problem.column"),
        (["--target", "two", "--loss", "logistic", "--lam", "1", "--methods", "label_noise"], "label_noise"),
        (["--target", "y", "--loss", "logistic", "--lam", "1"], "labels"),
    ):  # fmt: skip
        done = run("compare", file, *words, "--features", "a,b", "--steps", "5", "--quiet")
        assert done.exit_code == 2 and said in " ".join(done.output.split()), words


def test_a_file_of_another_loss_is_refused_and_left_alone(run, table, tmp_path):
    file, _, _ = table
    kept = tmp_path / "kept"
    common = ["compare", file, "--target", "y", "--features", "a,b", "--lam", "0.3", *SHORT]
    common += ["--resume", kept]
    assert run(*common, "--loss", "huber", "--delta", "0.5").exit_code == 0
    before = kept.read_bytes()
    for words in (["--loss", "huber", "--delta", "0.6"], ["--loss", "absolute"], []):
        done = run(*common, *words)
        assert done.exit_code == 2 and "of another" in done.output
    assert kept.read_bytes() == before
