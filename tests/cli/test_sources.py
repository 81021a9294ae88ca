"""Parquet, npz and scikit-learn's data sets give what the CSV file gives."""

import os
from pathlib import Path

import numpy as np
import pytest

from measurelp.cli.data import read_table
from measurelp.cli.sources import read_source

ROOT = Path(__file__).resolve().parent.parent.parent
OPTIONS = ("--target", "y", "--features", "a,b", "--lam", "0.05")


@pytest.fixture
def columns(table_file):
    table = read_table(str(table_file))
    return {name: table.numbers([name])[:, 0] for name in ("a", "b", "y")}


def same(one, two):
    for key in ("primal_value", "dual_value", "neurons", "problem"):
        assert one[key] == two[key]


def test_npz_and_csv_agree(run_json, table_file, columns, tmp_path):
    np.savez(tmp_path / "t.npz", **columns)
    code, facts = run_json("solve", tmp_path / "t.npz", *OPTIONS)
    assert code == 0
    same(facts, run_json("solve", table_file, *OPTIONS)[1])


def test_a_matrix_in_an_npz_is_columns(run_json, columns, tmp_path):
    np.savez(tmp_path / "t.npz", X=np.column_stack([columns["a"], columns["b"]]), y=columns["y"])
    code, facts = run_json("solve", tmp_path / "t.npz", "--target", "y", "--lam", "0.05")
    assert code == 0 and facts["problem"]["features"] == ["X1", "X2"]


def test_parquet_and_csv_agree(run, run_json, table_file, columns, tmp_path):
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    parquet = pytest.importorskip("pyarrow.parquet")
    file = tmp_path / "t.parquet"
    words = [f"w{i}" for i in range(len(columns["y"]))]
    parquet.write_table(pyarrow.table({**columns, "word": words}), file)
    code, facts = run_json("solve", file, *OPTIONS)
    assert code == 0
    same(facts, run_json("solve", table_file, *OPTIONS)[1])
    result = run("solve", file, "--target", "y", "--lam", "1")
    assert result.exit_code == 2 and "'word'" in result.stderr and "not a number" in result.stderr


def test_the_diabetes_of_scikit_learn_is_the_example():
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    one = read_source("sklearn:diabetes")
    two = read_table(str(ROOT / "examples" / "diabetes.csv"))
    assert set(one.names) == set(two.names)
    np.testing.assert_allclose(one.numbers(two.names), two.numbers(two.names))


def test_enumerate_reads_all_sources(run_json, columns, tmp_path):
    np.savez(tmp_path / "t.npz", **columns)
    code, facts = run_json("enumerate", tmp_path / "t.npz", "--features", "a,b", "--count-only")
    assert code == 0 and facts["cells"] == 2 * facts["hyperplanes"]


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"a": [1.0, np.nan], "y": [1.0, 2.0]}, "row 2"),
        ({"a": [1.0], "y": [1.0, 2.0]}, "different lengths"),
        ({}, "no column"),
        ({"a": np.array(["x", "z"]), "y": [1.0, 2.0]}, "not a number"),
        ({"a": [1j, 2j], "y": [1.0, 2.0]}, "not a number"),
    ],
)
def test_bad_arrays_are_refused(run, tmp_path, arrays, words):
    np.savez(tmp_path / "t.npz", **arrays)
    result = run("solve", tmp_path / "t.npz", "--target", "y", "--features", "a", "--lam", "1")
    assert result.exit_code == 2 and words in " ".join(result.stderr.split())


def test_what_cannot_be_read_is_refused(run, tmp_path):
    np.savez(tmp_path / "o.npz", a=np.array([{}, 1], dtype=object))
    (tmp_path / "t.parquet").write_text("no")
    for name in ("o.npz", "t.parquet", "none.npz", "none.parquet", "sklearn:none"):
        path = name if ":" in name else tmp_path / name
        result = run("solve", path, "--target", "y", "--lam", "1")
        assert result.exit_code == 2 and "Traceback" not in result.output
    assert sorted(os.listdir(tmp_path)) == ["o.npz", "t.parquet"]
