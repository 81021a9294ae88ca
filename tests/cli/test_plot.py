"""``measurelp plot``: every picture of a saved solution and of a proof."""

import os

import pytest

pytest.importorskip("matplotlib", reason="matplotlib is not installed")
OPTIONS = ("--target", "y", "--features", "a,b", "--lam", "0.05")
MAGIC = {"png": b"\x89PNG\r\n", "svg": b"<?xml", "pdf": b"%PDF"}


@pytest.fixture
def saved(run, table_file, tmp_path):
    folder = tmp_path / "run"
    assert run("solve", table_file, *OPTIONS, "--out", folder).exit_code == 0
    return folder


@pytest.mark.parametrize(
    ("what", "ending"),
    [
        ("certificate", "png"), ("fit", "svg"), ("cells", "png"), ("weights", "pdf"),
        ("balance", "png"), ("singular-values", "png"),
    ],
)  # fmt: skip
def test_solutions_are_drawn(run_json, saved, tmp_path, what, ending):
    out = tmp_path / f"picture.{ending}"
    code, facts = run_json("plot", saved, "--what", what, "-o", out, "--dpi", "50")
    assert code == 0 and facts["saved"] == str(out) and facts["bytes"] == os.path.getsize(out)
    assert out.read_bytes().startswith(MAGIC[ending])


def test_a_proof_is_drawn(run, saved, table_file, tmp_path):
    proof = tmp_path / "proof.json"
    assert run("certify", saved, table_file, "--proof", proof).exit_code == 0
    result = run("plot", proof, "--what", "cover", "-o", tmp_path / "cover.png")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "cover.png").read_bytes().startswith(MAGIC["png"])
    assert run("plot", saved, "--what", "cover", "-o", tmp_path / "c.png").exit_code == 2


def test_nothing_is_overwritten(run, saved, tmp_path):
    out = tmp_path / "p.png"
    out.write_text("mine")
    assert run("plot", saved, "-o", out).exit_code == 2 and out.read_text() == "mine"
    assert run("plot", saved, "-o", out, "--force").exit_code == 0
    assert run("plot", saved, "-o", tmp_path / "p.bmp").exit_code == 2
    assert run("plot", tmp_path / "none", "-o", tmp_path / "q.png").exit_code == 2
    assert run("plot", saved, "-o", tmp_path / "none" / "q.png").exit_code == 2
    assert sorted(os.listdir(tmp_path)) == ["p.png", "run", "table.csv"]
