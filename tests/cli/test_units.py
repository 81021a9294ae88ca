"""Norms and activations on the command line."""

import json

import numpy as np
import pytest

import measurelp as mlp


@pytest.fixture
def table(tmp_path):
    """Two inputs and a target of eight rows."""
    rng = np.random.default_rng(5)
    X, y = rng.normal(size=(8, 2)).round(2), rng.normal(size=8).round(2)
    file = tmp_path / "table.csv"
    file.write_text(
        "\n".join(["a,b,y", *(f"{a},{b},{t}" for (a, b), t in zip(X, y, strict=True)), ""])
    )
    return file, X, y


@pytest.mark.parametrize(
    ("options", "ball", "activation"),
    [
        (("--ball", "l1"), mlp.L1Ball(), mlp.ReLU()),
        (("--ball", "linf", "--activation", "absolute_value"), mlp.LInfBall(), mlp.AbsoluteValue()),
        (("--activation", "leaky_relu", "--slope", "0.2"), mlp.L2Ball(), mlp.LeakyReLU(0.2)),
        (("--activation", "threshold"), None, mlp.Threshold()),
    ],
)
def test_solved_as_in_python_saved_and_certified(
    run_json, table, tmp_path, options, ball, activation
):
    file, X, y = table
    folder = tmp_path / "run"
    code, answer = run_json(
        "solve", file, "--target", "y", "--lam", "0.2", *options, "--out", folder
    )
    assert code == 0
    expected = mlp.solve(mlp.MeasureProblem(X, y, lam=0.2, ball=ball, activation=activation))
    assert answer["primal_value"] == pytest.approx(expected.certificate.primal_value, rel=1e-6)
    assert answer["problem"]["activation"] == activation.name
    assert answer["problem"]["ball"] == (None if ball is None else ball.name)
    assert mlp.load_solution(str(folder)).problem.activation == activation
    if activation.is_homogeneous:
        code, answer = run_json("certify", folder, file)
        assert code == 0
        assert answer["verdict"] == "OPTIMAL"
    json.dumps(answer)


def test_options_that_do_not_go_together(run, table):
    file, _, _ = table
    base = ("solve", file, "--target", "y", "--lam", "0.2")
    for options in (
        ("--slope", "0.2"), ("--ball", "l3"), ("--activation", "tanh"),
        ("--ball", "l1", "--activation", "threshold"),
        ("--activation", "leaky_relu", "--slope", "2"),
    ):  # fmt: skip
        assert run(*base, *options).exit_code == 2


def test_the_next_step_where_patterns_have_no_weight(run, tmp_path):
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 6, (30, 2)).astype(float), rng.standard_normal(30).round(3)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    file = tmp_path / "divided.csv"
    rows = [f"{a!r},{b!r},{v!r}" for (a, b), v in zip(X.tolist(), y.tolist(), strict=True)]
    file.write_text("a,b,y\n" + "\n".join(rows) + "\n")
    words = ["solve", file, "--target", "y", "--activation", "threshold", "--lam-ratio", "0.02"]
    result = run(*words)
    assert result.exit_code == 1 and "inputs of fewer digits" in " ".join(result.stdout.split())
    assert run(*words, "--standardize").exit_code == 0
