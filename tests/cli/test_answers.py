"""From a CSV file to a proved answer, a saved folder and back, with nothing played."""

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import measurelp as mlp
from measurelp.cli import progress

ROOT = Path(__file__).resolve().parent.parent.parent
DIABETES = ROOT / "examples" / "diabetes.csv"
DEMO = ("--target", "progression", "--features", "bmi,bp,s5", "--standardize", "--lam-ratio", "0.1")
OPTIONS = ("--target", "y", "--features", "a,b", "--lam", "0.05")


def write_table(file, header, rows):
    lines = [",".join(header)] + [",".join(repr(float(v)) for v in row) for row in rows]
    file.write_text("\n".join(lines) + "\n")
    return file


def test_the_demo_is_certified(run, run_json, tmp_path):
    out = tmp_path / "run"
    code, facts = run_json("solve", DIABETES, *DEMO, "--out", out)
    assert code == 0 and facts["verdict"] == "OPTIMAL" and facts["scope"] == "COMPLETE"
    assert facts["problem"]["n"] == 442 and facts["problem"]["features"] == ["bmi", "bp", "s5"]
    assert 0 <= facts["relative_gap"] <= 1e-6
    assert facts["problem"]["lam"] == pytest.approx(0.1 * facts["problem"]["lam_max"], rel=1e-15)

    # The objective, recomputed by hand from the saved weights and the raw table.
    table = np.loadtxt(DIABETES, delimiter=",", skiprows=1)
    X, y = table[:, [2, 3, 8]], table[:, 10]
    net = mlp.load_network(out)
    hidden = (X - X.mean(axis=0)) / X.std(axis=0) @ net.hidden_weights.T + net.hidden_bias
    fit = np.maximum(hidden, 0.0) @ net.output_weights
    norms = np.sqrt((net.hidden_weights**2).sum(axis=1) + net.hidden_bias**2)
    cost = np.abs(net.output_weights) @ norms
    objective = 0.5 * np.sum((fit - y) ** 2) + facts["problem"]["lam"] * cost
    assert objective == pytest.approx(facts["primal_value"], rel=1e-10)
    assert net.width == facts["neurons"] <= 442
    raw = mlp.load_scaler(out).raw_network(net)
    np.testing.assert_allclose(raw.predict(X), fit, rtol=1e-9)

    again, checked = run_json("certify", out, DIABETES)
    assert again == 0 and checked["verdict"] == "OPTIMAL"
    assert checked["problem"]["standardized"]
    assert checked["primal_value"] == pytest.approx(facts["primal_value"], rel=1e-12)
    words = run("certify", out, DIABETES).stdout
    assert "OPTIMAL" in words and "standardised" in words


def test_the_saved_folder_is_a_solution(run, table_file, tmp_path):
    out = tmp_path / "run"
    result = run("solve", table_file, *OPTIONS, "--out", out)
    assert result.exit_code == 0, result.output
    assert str(out) in result.stdout.replace("\n", "")
    solution = mlp.load_solution(out)
    assert solution.certificate.verdict is mlp.Verdict.OPTIMAL
    X = np.random.default_rng(0).normal(size=(5, 2))
    np.testing.assert_allclose(solution.predict(X), mlp.load_network(out).predict(X), atol=1e-12)


def test_a_network_from_elsewhere_is_certified_or_refuted(run_json, table_file, tmp_path):
    out = tmp_path / "run"
    assert run_json("solve", table_file, *OPTIONS, "--out", out)[0] == 0
    net = mlp.load_network(out)
    arrays = {
        "hidden_weights": net.hidden_weights, "hidden_bias": net.hidden_bias,
        "output_weights": net.output_weights, "output_bias": 0.0,
    }  # fmt: skip
    np.savez(tmp_path / "good.npz", **arrays)
    code, facts = run_json("certify", tmp_path / "good.npz", table_file, *OPTIONS)
    assert code == 0 and facts["verdict"] == "OPTIMAL"
    np.savez(tmp_path / "bad.npz", **(arrays | {"output_weights": 1.1 * net.output_weights}))
    code, facts = run_json("certify", tmp_path / "bad.npz", table_file, *OPTIONS)
    assert code == 1 and facts["verdict"] == "REFUTED"
    assert facts["improvement"]["objective"] < facts["primal_value"]
    # At another lam the optimum is another one.
    assert run_json("certify", out, table_file, "--lam", "0.2")[0] == 1


def test_a_folder_saved_from_python_knows_its_model(run, run_json, table_file, tmp_path):
    table = np.loadtxt(table_file, delimiter=",", skiprows=1, usecols=(0, 1, 2))
    problem = mlp.MeasureProblem(table[:, :2], table[:, 2], lam=0.05, skip="affine")
    mlp.solve(problem).save(tmp_path / "run")
    names = ("--target", "y", "--features", "a,b")
    code, facts = run_json("certify", tmp_path / "run", table_file, *names)
    assert code == 0 and facts["problem"]["skip"] == "affine" and facts["problem"]["lam"] == 0.05
    assert run("certify", tmp_path / "run", table_file).exit_code == 2


def test_lam_at_lam_max_needs_no_neuron(run_json, table_file):
    code, facts = run_json("solve", table_file, *OPTIONS[:4], "--lam-ratio", "1")
    assert code == 0 and facts["neurons"] == 0 and facts["total_variation"] == 0.0


def test_two_targets_on_one_point_are_infeasible(run, run_json, tmp_path):
    file = write_table(tmp_path / "t.csv", ["a", "y"], [(1, 1), (1, 2), (3, 0)])
    options = ("--target", "y", "--loss", "interpolation", "--out", tmp_path / "out")
    code, facts = run_json("solve", file, *options)
    assert code == 3 and facts["verdict"] == "INFEASIBLE" and facts["witness"] is not None
    result = run("solve", file, *options)
    assert result.exit_code == 3 and "INFEASIBLE" in result.stdout
    assert os.listdir(tmp_path) == ["t.csv"]


def test_interpolation(run_json, tmp_path):
    # Without bias, x = 1 and x = -1 are fitted by one unit each: the cost is |3| + |-2|.
    file = write_table(tmp_path / "t.csv", ["a", "y"], [(1, 3), (-1, -2)])
    code, facts = run_json(
        "solve", file, "--target", "y", "--loss", "interpolation", "--bias", "none"
    )
    assert code == 0 and facts["primal_value"] == pytest.approx(5.0, abs=1e-6)
    assert facts["limit"] == 1.0 and facts["problem"]["lam"] is None


@pytest.mark.parametrize("bias", ["none", "penalized", "free"])
@pytest.mark.parametrize("skip", ["constant", "affine"])
def test_models_are_saved_and_certified_again(run_json, table_file, tmp_path, bias, skip):
    out = tmp_path / "run"
    options = (*OPTIONS, "--bias", bias, "--skip", skip)
    code, facts = run_json("solve", table_file, *options, "--out", out)
    assert code == 0, facts
    code, checked = run_json("certify", out, table_file)
    assert code == 0
    assert checked["problem"]["bias"] == bias and checked["problem"]["skip"] == skip


def test_a_limit_gives_the_best_so_far(run, run_json, tmp_path):
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(60, 4)).round(4)
    file = write_table(tmp_path / "t.csv", ["a", "b", "c", "y"], rows)
    options = ("--target", "y", "--lam", "0.05", "--max-rounds", "1", "--tol", "1e-9")
    code, facts = run_json("solve", file, *options, "--out", tmp_path / "out")
    assert code == 4 and facts["termination"] == "ROUND_LIMIT"
    assert facts["dual_value"] is None or facts["dual_value"] <= facts["primal_value"]
    assert mlp.load_network(tmp_path / "out").width == facts["neurons"]
    assert "--max-rounds" in run("solve", file, *options).stdout


def test_an_interruption_gives_the_best_so_far(run, table_file, tmp_path, monkeypatch):
    def interrupt(self, report):
        if report.round >= 2 or report.message == "proving":
            raise KeyboardInterrupt

    monkeypatch.setattr(progress.ProgressLine, "update", interrupt)
    result = run(
        "solve", table_file, *OPTIONS, "--tol", "1e-12", "--out", tmp_path / "out", "--json"
    )
    facts = json.loads(result.stdout)
    assert facts["termination"] in ("INTERRUPTED", "CONVERGED")
    assert result.exit_code == (4 if facts["termination"] == "INTERRUPTED" else 0)
    assert (tmp_path / "out").is_dir()


def grid(k, steps):
    return itertools.product(*[[i / steps for i in range(steps + 1)]] * k)


def test_cells_are_counted_as_theory_says(run, run_json, tmp_path):
    cube = write_table(tmp_path / "cube.csv", ["a", "b", "c"], grid(3, 1))
    for extra in ((), ("--count-only",)):
        code, facts = run_json("enumerate", cube, "--bias", *extra)
        assert code == 0 and facts["cells"] == 104 and facts["rank"] == 4
        assert (facts["bytes"] is None) == bool(extra)
    tenths = write_table(tmp_path / "tenths.csv", ["a", "b"], grid(2, 10))
    assert run_json("enumerate", tenths, "--bias")[1]["cells"] == 8986
    assert run_json("enumerate", tenths, "--bias", "--numbers", "binary")[1]["cells"] == 11892
    assert "8,986" in run("enumerate", tenths, "--bias", "--count-only").stdout


def test_a_table_without_names_is_read_whole(run_json, tmp_path):
    file = tmp_path / "t.csv"
    file.write_text("1,0\n0,1\n1,1\n")
    _, facts = run_json("enumerate", file)
    assert facts["rows"] == 3 and facts["header"] is False and facts["cells"] == 6


def test_too_many_cells_are_refused_before_the_work(run, tmp_path):
    rows = np.random.default_rng(0).normal(size=(300, 8)).round(6)
    file = write_table(tmp_path / "t.csv", [f"x{j}" for j in range(8)], rows)
    result = run("enumerate", file, "--max-cells", "1000")
    assert (
        result.exit_code == 4 and result.stdout == "" and "1000" in result.stderr.replace(",", "")
    )


@pytest.mark.skipif(os.name != "posix", reason="needs a pseudo-terminal")
def test_on_a_terminal_the_line_lives_on_stderr(table_file):
    import pty

    master, slave = pty.openpty()
    process = subprocess.run(
        [sys.executable, "-m", "measurelp.cli", "solve", str(table_file), *OPTIONS, "--json"],
        stdout=subprocess.PIPE, stderr=slave, check=False, timeout=300,
        env=os.environ | {"PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "120"},
    )  # fmt: skip
    os.close(slave)
    shown = b""
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:
            break
        if not part:
            break
        shown += part
    os.close(master)
    assert process.returncode == 0
    assert json.loads(process.stdout)["verdict"] == "OPTIMAL"
    text = shown.decode()
    assert "starting" in text or "compiling" in text or "round" in text
