"""Several target columns on the command line."""

from __future__ import annotations

import numpy as np
import pytest

import measurelp as mlp


@pytest.fixture
def two_targets(tmp_path):
    rng = np.random.default_rng(3)
    data = np.column_stack([rng.standard_normal((9, 2)), rng.standard_normal((9, 2))])
    path = tmp_path / "data.csv"
    lines = [",".join(repr(float(v)) for v in row) for row in data]
    path.write_text("a,b,y,z\n" + "\n".join(lines) + "\n")
    return path, data


@pytest.mark.parametrize("outputs", ["joint", "separate"])
def test_solved_saved_and_certified(run_json, two_targets, tmp_path, outputs):
    path, data = two_targets
    options = ("--target", "y", "--target", "z", "--outputs", outputs, "--lam", "0.4")
    code, answer = run_json("solve", path, *options, "--out", tmp_path / "run")
    assert code == 0 and answer["verdict"] == "OPTIMAL"
    assert answer["problem"]["target"] == ["y", "z"] and answer["problem"]["outputs"] == outputs
    problem = mlp.MeasureProblem(data[:, :2], data[:, 2:], lam=0.4, outputs=outputs)
    expected = mlp.solve(problem).certificate.primal_value
    assert answer["primal_value"] == pytest.approx(expected, rel=3e-6)
    code, again = run_json("certify", tmp_path / "run", path)
    assert code == 0 and again["verdict"] == "OPTIMAL"
    assert again["problem"]["target"] == ["y", "z"] and again["problem"]["outputs"] == outputs


def test_targets_are_named_once_and_are_no_features(run, two_targets):
    path, _ = two_targets
    twice = run("solve", path, "--target", "y", "--target", "y", "--lam", "1")
    assert twice.exit_code == 2 and "named twice" in twice.output
    both = run("solve", path, "--target", "y", "--target", "z", "--features", "a,z", "--lam", "1")
    assert both.exit_code != 0 and "'z' is the target" in both.output
