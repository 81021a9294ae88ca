"""``measurelp path``: tables, JSON, CSV and exit codes."""

import csv

import numpy as np
import pytest

import measurelp as mlp


def problem(table_file):
    with open(table_file) as stream:
        rows = list(csv.DictReader(stream))
    X = np.array([[float(row["a"]), float(row["b"])] for row in rows])
    return mlp.MeasureProblem(X, [float(row["y"]) for row in rows], lam=1.0)


@pytest.fixture
def asked(table_file):
    return ("path", table_file, "--target", "y", "--features", "a,b", "--quiet")


def test_a_path(run, run_json, asked, table_file, tmp_path):
    saved = tmp_path / "path.csv"
    code, facts = run_json(*asked, "--n-lams", 5, "--lam-min-ratio", 0.05, "--csv", saved)
    assert code == facts["exit_code"] == 0
    expected = mlp.solve_path(problem(table_file), n_lams=5, lam_min_ratio=0.05)
    rows = facts["path"]
    assert [row["lam"] for row in rows] == expected.lams.tolist()
    assert facts["problem"]["lam_max"] == expected.lam_max and facts["problem"]["lam"] is None
    assert [row["neurons"] for row in rows] == expected.n_atoms.tolist()
    assert rows[-1]["gap_to_next"] is None
    assert {row["verdict"] for row in rows} == {"OPTIMAL"}
    with open(saved) as stream:
        written = list(csv.DictReader(stream))
    assert [float(row["primal_value"]) for row in written] == [row["primal_value"] for row in rows]
    result = run(*asked, "--lams", "0.5,2")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert [line.split()[0] for line in lines[-2:]] == ["2", "0.5"]


def test_breakpoints(run, run_json, asked, table_file, tmp_path):
    saved = tmp_path / "events.csv"
    code, facts = run_json(*asked, "--breakpoints", "--lam-min-ratio", 0.05, "--csv", saved)
    assert code == 0
    expected = mlp.path_breakpoints(problem(table_file), lam_min_ratio=0.05)
    assert [row["lam"] for row in facts["breakpoints"]] == expected.lams.tolist()
    assert facts["breakpoints"][0]["event"] == "ENTERS"
    assert facts["segments"] == len(expected.segments)
    assert facts["gap_everywhere"] == expected.relative_gap
    assert len(saved.read_text().splitlines()) == 1 + len(expected.events)
    result = run(*asked, "--breakpoints", "--lam-min-ratio", 0.5)
    assert result.exit_code == 0 and "ENTERS" in result.stdout


def test_a_neuron_that_crosses_a_wall(run_json, tmp_path):
    """Five points whose path has one: whether it crosses is true or false in JSON."""
    file = tmp_path / "t.csv"
    file.write_text("a,b,y\n1,0.4,1\n-0.6,1.1,-0.7\n-1.2,-0.5,0.4\n0.7,-1.3,0.9\n0.1,0.2,-1.2\n")
    code, facts = run_json("path", file, "--target", "y", "--breakpoints")
    assert code == 0
    assert True in [row["crosses"] for row in facts["breakpoints"]]


def test_a_limit_is_code_4(run_json, asked):
    code, facts = run_json(*asked, "--n-lams", 4000, "--time-limit", 0.5)
    assert code == 4 and facts["termination"] == "TIME_LIMIT"
    assert len(facts["path"]) < 4000


@pytest.mark.parametrize(("options", "words"), [
    (["--lam", 1], "--lams"), (["--lam-ratio", 0.1], "--lam-min-ratio"), (["--lams", "1,x"], "--lams"),
    (["--lams", "1,-1"], "lams"), (["--n-lams", 1], "--n-lams"), (["--tol", 0], "--tol"),
    (["--lam-min-ratio", 0], "--lam-min-ratio"), (["--lam-min-ratio", 2], "--lam-min-ratio"),
    (["--breakpoints", "--lams", "1"], "--breakpoints"), (["--force"], "--csv"),
    (["--loss", "interpolation"], "interpolation"), (["--csv", "nowhere/x.csv"], "folder"),
    (["--breakpoints", "--loss", "absolute"], "squared"),
    (["--lams", "1", "--n-lams", 3], "exclude each other"),
    (["--breakpoints", "--n-lams", 3], "exclude each other"),
    (["--lams", "1", "--lam-min-ratio", 0.1], "exclude each other"),
])  # fmt: skip
def test_bad_input(run, asked, options, words):
    result = run(*asked, *options)
    assert result.exit_code == 2 and words in result.stderr


def test_help_offers_no_single_lam(run):
    told = run("path", "--help").stdout
    assert "--lams" in told and "--lam " not in told and "--lam-ratio" not in told


def test_a_file_is_not_replaced(run, asked, tmp_path):
    saved = tmp_path / "path.csv"
    saved.write_text("mine")
    assert run(*asked, "--csv", saved).exit_code == 2
    assert saved.read_text() == "mine"
    assert run(*asked, "--n-lams", 2, "--csv", saved, "--force").exit_code == 0
    assert saved.read_text().startswith("lam,")
