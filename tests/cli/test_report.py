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
