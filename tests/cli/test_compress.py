"""``measurelp compress``: files in, a smaller file out, figures on the way."""

import numpy as np
import pytest

import measurelp as mlp
from measurelp.network import load_chain


@pytest.fixture
def files(tmp_path):
    """A chain whose neurons come twice, its inputs and the number of its larger output."""
    pytest.importorskip("safetensors", reason="safetensors is optional")
    rng = np.random.default_rng(0)
    W = rng.standard_normal((3, 2))
    chain = mlp.ReluChain(
        [np.vstack([W, W]), rng.standard_normal((2, 6))], [np.zeros(6), np.zeros(2)]
    )
    mlp.safetensors_from_network(chain, tmp_path / "model.safetensors")
    X = rng.standard_normal((40, 2)).round(6)
    label = chain.predict(X).argmax(axis=1)
    lines = ["a,b,right", *(f"{a},{b},{c}" for (a, b), c in zip(X, label, strict=True))]
    (tmp_path / "data.csv").write_text("\n".join(lines) + "\n")
    return tmp_path, chain, X


def test_figures_and_file(files, run_json):
    folder, chain, X = files
    code, facts = run_json(
        "compress", folder / "model.safetensors", folder / "data.csv", "--label", "right", "--tol",
        "1e-6", "--out", folder / "small.safetensors",
    )  # fmt: skip
    assert code == 0 and facts["exit_code"] == 0
    (layer,) = facts["layers"]
    assert (layer["width_before"], layer["width_after"]) == (6, 3)
    assert layer["output_error"] <= 1e-6 and layer["relative_gap"] <= 1e-6
    assert facts["accuracy_before"] == facts["accuracy_after"] == 1.0
    assert facts["rows"] == 40 and facts["changed"] == 0
    small = load_chain(folder / "small.safetensors")
    np.testing.assert_allclose(small.predict(X), chain.predict(X), atol=1e-4)


def test_words_for_people(files, run):
    folder, _, _ = files
    result = run("compress", folder / "model.safetensors", folder / "data.csv", "--features", "a,b")
    assert result.exit_code == 0
    text = " ".join(result.stdout.split())
    assert "6 -> " in text and "decided otherwise" in text and "accuracy" not in text


def test_bad_requests(files, run):
    folder, _, _ = files
    model, data = folder / "model.safetensors", folder / "data.csv"
    (folder / "words.safetensors").write_text("words")
    for arguments, word in (
        ((folder / "nothing.onnx", data), "does not exist"),
        ((folder / "words.safetensors", data), "cannot be read"),
        ((model, folder / "nothing.csv"), "does not exist"),
        ((model, data), "expected 2 columns"),
        ((model, data, "--features", "a,c"), "no column 'c'"),
        ((model, data, "--label", "c"), "no column 'c'"),
        ((model, data, "--label", "right", "--tol", "-1"), "--tol: expected"),
        ((model, data, "--label", "a"), "--label: expected classes, integers from 0 to 1"),
        ((model, data, "--label", "right", "--gap", "0"), "--gap: expected"),
        ((model, data, "--out", folder / "small.txt"), "ending"),
        ((model, data, "--out", model), "exists already"),
    ):
        result = run("compress", *arguments)
        assert result.exit_code == 2, result.output
        assert word in " ".join(result.stderr.split())
    assert not (folder / "small.txt").exists()


def test_a_regression_decides_nothing(run, run_json, tmp_path):
    rng = np.random.default_rng(1)
    network = mlp.ReluNetwork(rng.standard_normal((5, 2)), output_weights=rng.standard_normal(5))
    network.save(tmp_path / "net")
    rows = "\n".join(f"{a},{b}" for a, b in rng.standard_normal((30, 2)))
    (tmp_path / "data.csv").write_text(f"a,b\n{rows}\n")
    asked = ("compress", tmp_path / "net", tmp_path / "data.csv", "--tol", "0.5")
    assert "decisions" not in run(*asked).stdout
    code, facts = run_json(*asked)
    assert code == 0 and facts["changed"] is None
