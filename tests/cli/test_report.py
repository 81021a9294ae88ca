"""``measurelp report``: the page, and that nothing is overwritten."""

import json
import os

import pytest

import measurelp as mlp

pytest.importorskip("plotly", reason="plotly is not installed")
OPTIONS = ("--target", "y", "--features", "a,b", "--lam", "0.05")


@pytest.fixture
def saved(run, table_file, tmp_path):
    folder = tmp_path / "run"
    assert run("solve", table_file, *OPTIONS, "--out", folder).exit_code == 0
    return folder


def test_a_saved_solution_becomes_a_page(run_json, saved, tmp_path):
    out = tmp_path / "report.html"
    code, facts = run_json("report", saved, "-o", out, "--unique")
    assert code == 0 and facts["verdict"] == "OPTIMAL" and facts["saved"] == str(out)
    assert facts["bytes"] == os.path.getsize(out)
    page = out.read_text(encoding="utf-8")
    told = json.loads(page[page.index('id="facts">') + 11 : page.rindex("</script>")])
    assert told["problem"]["features"] == ["a", "b"] and told["problem"]["target"] == "y"
    assert told["uniqueness"]["verdict"] == facts["uniqueness"]
    solution = mlp.load_solution(saved)
    assert told["primal_value"] == solution.certificate.primal_value


def test_a_file_is_not_overwritten(run, saved, tmp_path):
    out = tmp_path / "report.html"
    out.write_text("mine")
    result = run("report", saved, "-o", out)
    assert result.exit_code == 2 and out.read_text() == "mine" and "exists already" in result.stderr
    assert run("report", saved, "-o", out, "--force").exit_code == 0
    assert out.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_what_cannot_be_written_or_read_is_refused_before_the_work(run, saved, tmp_path):
    assert run("report", saved, "-o", tmp_path / "none" / "r.html").exit_code == 2
    assert run("report", tmp_path / "none", "-o", tmp_path / "r.html").exit_code == 2
    assert not (tmp_path / "r.html").exists()


def test_a_page_of_standardised_inputs_says_so(run, table_file, tmp_path):
    folder, out = tmp_path / "run", tmp_path / "r.html"
    assert run("solve", table_file, *OPTIONS, "--standardize", "--out", folder).exit_code == 0
    assert run("report", folder, "-o", out).exit_code == 0
    page = out.read_text(encoding="utf-8")
    scaler = mlp.load_scaler(folder)
    assert f'standardised: a less <data value="{float(scaler.centre[0])!r}"' in page
    assert "raw_network" in page
    row = mlp.load_solution(folder).problem.X[:1]
    raw = row * scaler.scale + scaler.centre
    network = mlp.load_solution(folder).network()
    assert scaler.raw_network(network).predict(raw) == pytest.approx(network.predict(row))


def test_what_is_not_worked_out_leaves_the_page(run, run_json, table_file, tmp_path):
    folder = tmp_path / "run"
    assert run("solve", table_file, *OPTIONS, "--loss", "absolute", "--out", folder).exit_code == 0
    asked = ("report", folder, "-o", tmp_path / "r.html", "--unique", "--stability")
    result = run(*asked)
    assert result.exit_code == 0 and result.stdout.count("not worked out") == 2
    assert "measurelp unique" not in (tmp_path / "r.html").read_text(encoding="utf-8")
    code, facts = run_json(*asked, "--force")
    assert code == 0 and facts["uniqueness"] is facts["stability"] is None


def test_a_page_ends_in_time(run, run_json, saved, tmp_path):
    out = tmp_path / "r.html"
    code, facts = run_json("report", saved, "-o", out, "--stability", "--time-limit", "1e-9")
    assert code == 0 and facts["stability"] == "UNDECIDED" and facts["verdict"] != "OPTIMAL"
    assert run("report", saved, "-o", out, "--force", "--time-limit", "0").exit_code == 2
