"""Gated units and the label-noise penalty on the command line: other models, in their own words."""

import os

import numpy as np
import pytest

import measurelp as mlp


@pytest.fixture
def orthonormal(tmp_path):
    """X = I_4, y = (3, 4, -5, -12): sqrt(194) behind gates, 18 in total variation, 48 by label noise."""
    file = tmp_path / "t.csv"
    rows = [
        ",".join(str(v) for v in [*row, y])
        for row, y in zip(np.eye(4, dtype=int), (3, 4, -5, -12), strict=True)
    ]
    file.write_text("\n".join(["a,b,c,d,y", *rows, ""]))
    return file


INTERPOLATES = ("--target", "y", "--loss", "interpolation", "--bias", "none")


def test_gated_units_speak_of_their_own_model(run, run_json, orthonormal):
    options = ("solve", orthonormal, *INTERPOLATES, "--activation", "gated_relu")
    code, answer = run_json(*options)
    assert code == 0
    assert answer["primal_value"] == pytest.approx(np.sqrt(194.0), rel=1e-6)
    assert answer["dual_value"] <= np.sqrt(194.0) * (1 + 1e-12)
    assert answer["problem"]["activation"] == "gated_relu"
    assert answer["problem"]["gates"] is None
    assert answer["bounds_relu"] is True
    for words in (answer["verdict_words"], answer["message"]):
        assert "gated model" in words
    text = run(*options).output
    assert "optimal for the gated model" in text
    assert "globally optimal" not in text


def test_gates_from_a_table(run, run_json, tmp_path):
    """E04: the gate of g = 0 lowers 2 to 1, and then nothing is said of the ReLU."""
    file, gates = tmp_path / "t.csv", tmp_path / "gates.csv"
    file.write_text("a,y\n1,1\n-1,-1\n")
    gates.write_text("g\n1\n-1\n0\n")
    options = ("solve", file, *INTERPOLATES, "--activation", "gated_relu", "--gates")
    code, answer = run_json(*options, gates)
    assert code == 0
    assert answer["primal_value"] == pytest.approx(1.0, rel=1e-6)
    assert answer["problem"]["gates"] == 3
    assert answer["bounds_relu"] is False
    gates.write_text("g,h\n1,1\n-1,0\n")
    refused = run(*options, gates)
    assert refused.exit_code == 2
    assert "gates: expected 1 columns" in " ".join(refused.output.split())


def test_label_noise_keeps_its_network(run, run_json, orthonormal, tmp_path):
    folder = tmp_path / "run"
    options = ("solve", orthonormal, *INTERPOLATES, "--penalty", "label_noise")
    code, answer = run_json(*options, "--out", folder)
    assert code == 0
    assert answer["problem"]["penalty"] == "label_noise"
    assert answer["primal_value"] == pytest.approx(48.0, rel=1e-6)
    assert answer["regulariser"] == pytest.approx(48.0, rel=1e-6)
    assert "label-noise" in answer["verdict_words"]
    network = mlp.load_network(folder)
    np.testing.assert_allclose(network.predict(np.eye(4)), [3.0, 4.0, -5.0, -12.0], atol=1e-6)
    assert "label-noise" in run(*options).output
    # what was saved is a network, and its total variation is another matter
    code, answer = run_json("certify", folder, orthonormal)
    assert answer["dual_value"] <= 18.0 * (1 + 1e-9)
    with pytest.raises(mlp.InvalidFile):
        mlp.load_solution(folder)


def test_limits_give_a_bracket(run_json, table_file):
    for options in (("--penalty", "label_noise"), ("--activation", "gated_relu")):
        code, answer = run_json(
            "solve", table_file, "--target", "y", "--features", "a,b", "--lam", "0.001",
            "--tol", "1e-14", "--max-rounds", "1", *options,
        )  # fmt: skip
        assert code in (1, 4)
        assert answer["verdict"] == "BRACKETED"
        assert answer["dual_value"] <= answer["primal_value"] < np.inf
        assert "wider than asked for" in answer["verdict_words"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--activation", "gated_relu", "--lam", "1", "--out", "run"), "units behind fixed gates"),
        (("--activation", "gated_relu", "--lam-ratio", "0.1"), "lam_max is about networks"),
        (("--activation", "gated_relu", "--lam", "1", "--ball", "l1"), "l2 norm"),
        (("--activation", "gated_relu", "--lam", "1", "--oracle", "cells"), "leave these out"),
        (("--gates", "gates.csv", "--lam", "1"), "--gates is for"),
        (("--activation", "gated_relu", "--gates", "no.csv", "--lam", "1"), "no.csv"),
        (("--penalty", "label_noise", "--lam-ratio", "0.1"), "about the total variation"),
        (("--penalty", "label_noise", "--lam", "1", "--ball", "l1"), "the ball differ"),
        (("--penalty", "label_noise", "--lam", "1", "--loss", "absolute"), "the loss differ"),
        (("--penalty", "label_noise", "--lam", "1", "--backend", "scs"), "--backend is for"),
        (("--penalty", "path_norm", "--lam", "1"), "is not one of"),
    ],
)
def test_what_does_not_go_together(run, table_file, tmp_path, monkeypatch, options, words):
    monkeypatch.chdir(tmp_path)
    before = set(os.listdir(tmp_path))
    result = run("solve", table_file, "--target", "y", "--features", "a,b", *options)
    assert result.exit_code == 2
    assert words in " ".join(result.output.split())
    assert set(os.listdir(tmp_path)) == before


@pytest.mark.parametrize("command", ["path", "certify"])
def test_other_commands_refuse_gated_units(run, table_file, tmp_path, command):
    options = ("--target", "y", "--features", "a,b", "--activation", "gated_relu")
    if command == "certify":
        mlp.ReluNetwork([[1.0, 2.0]], output_weights=[1.0]).save(tmp_path / "net")
        result = run(command, tmp_path / "net", table_file, *options, "--lam", "1")
    else:
        result = run(command, table_file, *options, "--n-lams", "3")
    assert result.exit_code == 2
    words = "fixed gates" if command == "path" else "those of the problem GatedReLU()"
    assert words in " ".join(result.output.split())


# Issue 4's bad input, column by column, each with a word of its refusal.
BAD = {
    "labels": ("y", ("--loss", "hinge"), "labels -1 and 1"),
    "one class": ("one", ("--loss", "logistic"), "class"),
    "counts": ("y", ("--loss", "poisson"), "poisson"),
    "classes": ("y", ("--loss", "multinomial_logistic"), "labels 0, 1"),
    "tau": ("y", ("--loss", "quantile", "--tau", "0"), "tau"),
    "delta": ("y", ("--loss", "huber", "--delta", "-1"), "delta"),
    "negative weights": ("y", ("--sample-weight", "minus"), "--sample-weight"),
    "all weights 0": ("y", ("--sample-weight", "zero"), "--sample-weight"),
    "slope": ("y", ("--activation", "leaky_relu", "--slope", "1"), "slope"),
    "separate and multinomial": (
        "y", ("--target", "zero", "--loss", "multinomial_logistic", "--outputs", "separate"), "class probabilities",
    ),
    "interpolation and a free bias": ("y", ("--bias", "free"), "infimum"),
}  # fmt: skip


@pytest.mark.parametrize(("target", "options", "words"), BAD.values(), ids=BAD)
@pytest.mark.parametrize("command", ["solve", "path"])
def test_bad_input_of_the_whole_family(run, tmp_path, command, target, options, words):
    file = tmp_path / "bad.csv"
    file.write_text("a,y,one,minus,zero\n1,0.5,1,1,0\n2,-1.5,1,-1,0\n4,2.5,1,1,0\n")
    arguments = ["--target", target, "--features", "a", *options]
    arguments += ["--lam", "1"] if command == "solve" else ["--n-lams", "3"]
    result = run(command, file, *arguments)
    assert result.exit_code == 2, result.output
    said = result.output.strip().splitlines()
    assert sum(line.startswith("Error: ") for line in said) == 1
    assert words.lower() in " ".join(said).lower()
    assert os.listdir(tmp_path) == ["bad.csv"]
