"""Each reproduction at its small size: the page's table is complete, and the laws of its source hold."""

import importlib
import json
import sys
from pathlib import Path

import pytest

pytest.importorskip("matplotlib")
FOLDER = Path(__file__).resolve().parents[2] / "benchmarks" / "reproductions"


def study(name):
    if not FOLDER.is_dir():
        pytest.skip("the scripts are not beside the tests")
    for folder in (FOLDER, FOLDER.parent):
        if str(folder) not in sys.path:
            sys.path.insert(0, str(folder))
    return importlib.import_module(name)


def run(script, folder):
    """Facts of the small size, and the lines of the page by their subject."""
    script.STUDY.main(["--small", "--output", str(folder / "facts.json"), "--docs", str(folder)])
    page = (folder / "reproductions" / f"{script.STUDY.name}.md").read_text()
    lines = {c.about: c for c in script.STUDY.claims(json.loads((folder / "facts.json").read_text())["found"])}  # fmt: skip
    last = page.split("## Paper says / we measure")[1]
    for about, line in lines.items():
        assert f"| {about.replace('|', chr(92) + '|')} | {line.standing} |" in last
        assert line.measured and "nan" not in line.measured
    assert (folder / "figures" / f"{script.STUDY.name}.png").stat().st_size < 200_000
    assert script.STUDY.title in (folder / "reproductions.md").read_text()
    return json.loads((folder / "facts.json").read_text())["found"], lines


def test_memorisation(tmp_path):
    pytest.importorskip("torch")
    found, lines = run(study("memorisation"), tmp_path)
    assert all(r["verdict"] == "OPTIMAL" and 0 < r["atoms"] <= r["n"] for r in found["atoms"])
    assert all(r["most_in_a_cell"] == 1 and r["saved"] <= max(r["gap"], 1e-12) for r in found["atoms"])  # fmt: skip
    # Cover: 2 sum_{k<d} C(n - 1, k) in general position
    assert found["cells"][1]["cells"] == [2 * (1 + (n - 1) + (n - 1) * (n - 2) // 2) for n in found["cells"][1]["n"]]  # fmt: skip
    assert lines["label noise"].agrees and lines["coherence of A"].agrees
    assert min(map(min, found["training"]["rows"][2]["regulariser"])) > 0.0


def test_a_second_atom_in_a_cell_is_seen():
    import numpy as np

    import measurelp as mlp

    script = study("memorisation")
    rows = np.array([[1.0, 0.0], [0.0, 1.0]])
    atoms = np.array([[0.6, 0.8], [0.8, 0.6]])
    assert script.most_in_a_cell(rows, mlp.AtomicMeasure(atoms, [1.0, 2.0])) == 2
    assert script.most_in_a_cell(rows, mlp.AtomicMeasure(atoms, [1.0, -2.0])) == 1
    apart = np.array([[0.6, 0.8], [0.8, -0.6]])
    assert script.most_in_a_cell(rows, mlp.AtomicMeasure(apart, [1.0, 2.0])) == 1


def test_dual_certificate(tmp_path):
    found, lines = run(study("dual_certificate"), tmp_path)
    for r in found["extremes"]:
        assert r["complete"] and r["most_in_a_cell_and_sign"] == 1 and r["disagreements"] == 0
        assert r["bend_in_one_cell"] < 1e-9 < r["bend_across_cells"]
    assert found["both_signs"] == {"values": [1.0, -1.0], "same_region": True}
    assert lines["masses, as (lam, noise) to 0"].agrees
    assert lines["locations"].agrees


def test_path_norm(tmp_path):
    pytest.importorskip("torch")
    pytest.importorskip("sklearn")
    found, lines = run(study("path_norm"), tmp_path)
    for r in found["widths"]:
        assert 0 < r["neurons"] <= min(r["N"] ** 2, r["N"] * r["D"] + 1)
    wide = next(r for r in found["widths"] if "cost" in r)
    assert wide["neurons"] == wide["needed"] and wide["objective"] == pytest.approx(wide["cost"], rel=1e-6)  # fmt: skip
    assert found["sharing"]["inside"] == found["sharing"]["fell"] > 0
    assert all(0 < r["kept"] <= r["bound"] for r in found["layers"])
    assert lines["balance under weight decay"].agrees
    assert found["balance"][1]["imbalance"][-1] == pytest.approx(found["balance"][1]["imbalance"][0], rel=0.01)  # fmt: skip


def test_representations(tmp_path):
    pytest.importorskip("torch")
    pytest.importorskip("sklearn")
    found, lines = run(study("representations"), tmp_path)
    for r in found["curves"]:
        assert r["verdict"] == "OPTIMAL"
        assert min(r["values"]) >= r["floor"] * (1.0 - 1e-9)
        assert r["starts_by"] is None or r["starts_by"] <= r["bound"]
    (wide,) = [r for r in found["curves"] if "needed" in r]
    assert wide["starts_by"] == wide["needed"] == 4
    for about in (
        "one-hot labels on orthonormal inputs", "its cost and neurons", "almost optimal with N neurons",
        "forces at the end of training", "a local minimum that covariances do not have",
    ):  # fmt: skip
        assert lines[about].agrees, lines[about]


def test_deep_variation(tmp_path):
    pytest.importorskip("torch")
    script = study("deep_variation")
    output = tmp_path / "deep.json"
    script.main(["--small", "--output", str(output), "--docs", str(tmp_path)])
    found = script.STUDY.read(output)["found"]
    assert set(found) == set(script.PARTS)
    page = (tmp_path / "reproductions" / "deep_variation.md").read_text()
    for claim in script.STUDY.claims(found):
        assert (
            f"| {claim.about} | {claim.standing} |" in page.split("## Paper says / we measure")[1]
        )
    for r in found["density"]["rows"] + found["rank"]["rows"]:
        curve = r["curve_epoch_objective_mse_density"]
        assert curve[-1][1] < curve[0][1] and 0.0 <= r["density"] <= 1.0
    assert all(r["between_rank"] <= script.WIDTH for r in found["rank"]["rows"] if r["form"] == "factored")  # fmt: skip
    (shallow,) = found["shallow"]["rows"]
    assert shallow["trained"] > shallow["floor"] > 0.0 and shallow["atoms"] <= 81
