"""``measurelp stability``: words, fields and exit codes."""

import signal

import numpy as np
import pytest

import measurelp as mlp
from measurelp.paths import stability_paths


@pytest.fixture
def folder(tmp_path):
    def save(problem):
        mlp.solve(problem).save(tmp_path / "run")
        return tmp_path / "run"

    return save


def test_a_stable_limit(run, run_json, folder):
    saved = folder(mlp.MeasureProblem(np.eye(2), [3.0, 4.0], lam=0.5, bias="none"))
    code, facts = run_json(
        "stability", saved, "--lams", "0.1,0.01,0.001", "--noises", "0,0.5", "--quiet"
    )
    assert code == facts["exit_code"] == 0 and facts["verdict"] == "STABLE"
    assert facts["limit"]["verdict"] == "OPTIMAL"
    assert facts["limit"]["primal_value"] == pytest.approx(5.0, rel=1e-8)
    plain, noisy = facts["paths"]
    assert plain["holds"] is noisy["holds"] is plain["atoms_stay"] is True
    assert plain["dual"] == pytest.approx([0.6, 0.8]) and plain["margins"] == [None]
    assert plain["mass_derivatives"] == pytest.approx([-1.0])
    assert plain["rates"]["mass_error"] == pytest.approx(1.0)
    assert plain["rates"]["location_error"] is None
    assert noisy["rates"]["location_error"] == pytest.approx(1.0, abs=0.02)
    assert [step["lam"] for step in plain["steps"]] == [0.1, 0.01, 0.001]
    assert all(step["verdict"] == "OPTIMAL" and step["same_atoms"] for step in noisy["steps"])
    result = run("stability", saved, "--lams", "0.1,0.01,0.001", "--quiet")
    assert result.exit_code == 0
    assert "STABLE" in result.stdout and "rate" in result.stdout and "inside cells" in result.stdout


def test_a_degenerate_and_an_infeasible_limit(run_json, folder, tmp_path):
    saved = folder(
        mlp.MeasureProblem(
            [[-1.0], [0.0], [1.0]], [1.0, 0.0, 1.0], lam=0.1, bias="none", skip="affine"
        )
    )
    code, facts = run_json("stability", saved, "--lams", "0.1", "--quiet")
    assert code == 0 and facts["verdict"] == "DEGENERATE" and "not unique" in facts["message"]
    problem = mlp.MeasureProblem([[1.0], [1.0]], [0.0, 1.0], lam=0.1, bias="none")
    mlp.solve(problem).save(tmp_path / "other")
    code, facts = run_json("stability", tmp_path / "other", "--lams", "0.1", "--quiet")
    assert code == facts["exit_code"] == 3
    assert facts["verdict"] == "INFEASIBLE" and facts["paths"] == []


def test_undecided_and_nonsense(run, run_json, folder, tmp_path):
    rng = np.random.default_rng(0)
    problem = mlp.MeasureProblem(rng.standard_normal((8, 2)), rng.standard_normal(8), lam=0.5)
    saved = folder(problem)
    code, facts = run_json("stability", saved, "--lams", "0.1", "--max-work", "1", "--quiet")
    assert code == 1 and facts["verdict"] == "UNDECIDED" and "max_work" in facts["message"]
    code, facts = run_json(
        "stability", saved, "--lams", "0.1", "--time-limit", "1e-9", "--quiet"
    )  # fmt: skip
    assert code == 4 and facts["paths"] == []
    for wrong in (["--lams", "a"], ["--lams", "0"], ["--lams", ""], ["--noises", "-1"],
                  ["--tol", "0"], ["--max-work", "nan"], ["--time-limit", "-1"]):  # fmt: skip
        assert run("stability", saved, *wrong).exit_code == 2, wrong
    assert run("stability", tmp_path / "nothing").exit_code == 2


def test_ctrl_c_ends_with_4_and_tells_what_was_followed(run, run_json, folder, monkeypatch):
    def pressed(*arguments, **options):
        signal.raise_signal(signal.SIGINT)
        return solve(*arguments, **options)

    saved = folder(mlp.MeasureProblem(np.eye(2), [3.0, 4.0], lam=0.5, bias="none"))
    solve = stability_paths.solve
    monkeypatch.setattr(stability_paths, "solve", pressed)
    code, facts = run_json("stability", saved, "--lams", "0.1,0.01", "--quiet")
    assert code == facts["exit_code"] == 4 and facts["termination"] == "INTERRUPTED"
    assert "interrupted" in run("stability", saved, "--lams", "0.1", "--quiet").stdout
    report = saved.parent / "report.html"
    result = run("report", saved, "-o", report, "--stability")
    assert result.exit_code == 4 and "interrupted" in result.stderr and not report.exists()
