"""Losses and sample weights on the command line."""

import numpy as np
import pytest

import measurelp as mlp
from measurelp.cli.options import LOSS_NAMES
from measurelp.problem import LOSSES


@pytest.fixture
def classes_file(tmp_path):
    """Two inputs, a label, a count and a weight of 12 samples."""
    rng = np.random.default_rng(5)
    X = rng.normal(size=(12, 2)).round(3)
    label = np.where(X[:, 0] * X[:, 1] > 0, 1, 0)
    label[:2] = 0, 1
    count, weight = rng.poisson(2.0, size=12), rng.integers(0, 3, size=12)
    weight[:2] = 1
    file = tmp_path / "classes.csv"
    rows = zip(X, label, count, weight, strict=True)
    lines = [f"{a},{b},{t},{c},{s}" for (a, b), t, c, s in rows]
    file.write_text("\n".join(["a,b,label,count,w", *lines, ""]))
    return file


def test_every_loss_has_its_word():
    assert set(LOSS_NAMES) == set(LOSSES)


@pytest.mark.parametrize(
    ("loss", "target"), [("logistic", "label"), ("hinge", "label"), ("poisson", "count")]
)
def test_a_weighted_loss_is_solved_saved_and_certified(
    run_json, classes_file, tmp_path, loss, target
):
    folder = tmp_path / "run"
    options = ["--target", target, "--features", "a,b", "--loss", loss, "--sample-weight", "w"]
    code, answer = run_json("solve", classes_file, *options, "--lam", "0.1", "--out", folder)
    assert code == 0
    assert answer["problem"]["loss"] == loss
    assert answer["problem"]["sample_weight"] == "w"
    table = np.genfromtxt(classes_file, delimiter=",", names=True)
    problem = mlp.MeasureProblem(
        np.column_stack([table["a"], table["b"]]), table[target], lam=0.1, loss=LOSSES[loss](),
        sample_weight=table["w"],
    )  # fmt: skip
    expected = mlp.solve(problem).certificate.primal_value
    assert answer["primal_value"] == pytest.approx(expected, rel=2e-6)
    code, again = run_json("certify", folder, classes_file)
    assert code == 0, again
    assert again["problem"]["sample_weight"] == "w"


def test_parameters(run_json, table_file):
    options = ["--target", "y", "--features", "a,b", "--loss", "quantile", "--tau", "0.8"]
    code, answer = run_json("solve", table_file, *options, "--lam", "0.1")
    assert code == 0
    assert answer["problem"]["tau"] == 0.8


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--loss", "huber", "--tau", "0.5"], "--tau is for --loss quantile"),
        (["--loss", "quantile", "--tau", "1.5"], "tau"),
        (["--loss", "logistic"], "labels"),
        (["--sample-weight", "nothing"], "--sample-weight"),
        (["--sample-weight", "word"], "word"),
    ],
)
def test_bad_options_are_named(run, table_file, options, said):
    result = run(
        "solve", table_file, "--target", "y", "--features", "a,b", "--lam", "0.1", *options
    )
    assert result.exit_code == 2
    assert said in result.output
