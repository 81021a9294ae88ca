"""Bad input: exit code 2, one paragraph on stderr, nothing on stdout, nothing written."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from measurelp.cli.progress import COMPILING
from measurelp.network import ReluNetwork

ROOT = Path(__file__).resolve().parent.parent.parent


def assert_refused(result, words, folder):
    assert result.exit_code == 2, result.output
    assert words in " ".join(result.stderr.split()), result.stderr
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    assert not (folder / "out").exists()
    assert not [name for name in os.listdir(folder) if name.startswith(".")]


def test_assert_refused_can_fail(run, tmp_path):
    with pytest.raises(AssertionError):
        assert_refused(run("info"), "", tmp_path)


GOOD = {"--target": "y", "--features": "a,b", "--lam": "0.5"}

SOLVE = [
    ({"--target": "z"}, "--target: "),
    ({"--target": None}, "table.csv to predict: a, b, y, word."),
    ({"--features": "a,z"}, "no column 'z'"),
    ({"--features": "a,y"}, "'y' is the target"),
    ({"--features": "a,a"}, "named twice"),
    ({"--features": ""}, "separated by commas"),
    ({"--features": None}, "column 'word': 'w0' is not a number"),
    ({"--features": "a,word"}, "line 2, column 'word'"),
    ({"--target": "word"}, "line 2, column 'word'"),
    ({"--lam": "0"}, "--lam: expected a finite number > 0"),
    ({"--lam": "-1"}, "--lam: expected a finite number > 0"),
    ({"--lam": "nan"}, "--lam: expected a finite number > 0"),
    ({"--lam": "inf"}, "--lam: expected a finite number > 0"),
    ({"--lam": "much"}, "'much' is not a valid float"),
    ({"--lam": None}, "--lam: missing"),
    ({"--lam": None, "--lam-ratio": "0"}, "--lam-ratio: expected"),
    ({"--lam": None, "--lam-ratio": "nan"}, "--lam-ratio: expected"),
    ({"--lam-ratio": "0.1"}, "exclude each other"),
    ({"--loss": "interpolation"}, "lam does not enter"),
    ({"--loss": "cubic"}, "'cubic' is not one of"),
    ({"--bias": "free"}, "--bias free with --skip none: the infimum is not attained"),
    ({"--bias": "free"}, "Choose --skip constant or --skip affine, or --bias penalized."),
    ({"--loss": "hinge"}, "--target: the hinge loss needs labels"),
    ({"--oracle": "guess"}, "--oracle: "),
    ({"--backend": "guess"}, "--backend: "),
    ({"--bias": "often"}, "'often' is not one of"),
    ({"--tol": "0"}, "--tol: expected"),
    ({"--tol": "nan"}, "--tol: expected"),
    ({"--time-limit": "-3"}, "--time-limit: expected"),
    ({"--max-rounds": "0"}, "max-rounds"),
    ({"--delimiter": "ab"}, "--delimiter: expected one character"),
    ({"--unknown": "1"}, "No such option"),
]


@pytest.mark.parametrize(("change", "words"), SOLVE, ids=str)
def test_solve_refuses(run, table_file, tmp_path, change, words):
    options = GOOD | change
    arguments = [x for key, value in options.items() if value is not None for x in (key, value)]
    result = run("solve", table_file, *arguments, "--out", tmp_path / "out")
    assert_refused(result, words, tmp_path)


FILES = [
    ("", "is empty"),
    ("a,b,y\n1,2,3\n4,5\n", "line 3: expected 3 values"),
    ("a,b,y\n1,2,nan\n", "'nan' is not a finite number"),
    ("a,b,y\n1,,3\n", "the value is missing"),
    ("a,b,b,y\n1,2,3,4\n", "two columns are named 'b'"),
    ("y\n1\n2\n", "no column 'a'"),
]


@pytest.mark.parametrize(("content", "words"), FILES)
@pytest.mark.parametrize("name", ["solve", "certify", "enumerate"])
def test_bad_tables_are_refused(run, tmp_path, name, content, words):
    file = tmp_path / "bad.csv"
    file.write_text(content)
    if name == "enumerate":
        names = "a,b,y" if content != "y\n1\n2\n" else "a"
        result = run("enumerate", file, "--features", names)
    elif name == "certify":
        ReluNetwork([[1.0, 2.0]], output_weights=[1.0]).save(tmp_path / "net")
        result = run("certify", tmp_path / "net", file, *[x for kv in GOOD.items() for x in kv])
    else:
        options = [x for pair in GOOD.items() for x in pair]
        result = run("solve", file, *options, "--out", tmp_path / "out")
    assert_refused(result, words, tmp_path)


def test_a_target_alone_is_no_problem_to_solve(run, tmp_path):
    file = tmp_path / "one.csv"
    file.write_text("y\n1\n2\n")
    assert_refused(run("solve", file, "--target", "y", "--lam", 1), "no column besides", tmp_path)


def test_a_constant_column_cannot_be_standardised(run, tmp_path):
    file = tmp_path / "t.csv"
    file.write_text("a,b,y\n1,7,3\n2,7,4\n")
    result = run("solve", file, "--target", "y", "--lam", 1, "--standardize")
    assert_refused(result, "column 'b' is constant", tmp_path)


@pytest.mark.parametrize("force", [False, True])
def test_the_folder_to_write_is_checked_before_the_work(
    run, table_file, tmp_path, monkeypatch, force
):
    def never(*arguments, **options):
        raise AssertionError("the data was read before --out was checked")

    monkeypatch.setattr("measurelp.cli.solve.state_problem", never)
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "diary.txt").write_text("mine")
    options = [x for pair in GOOD.items() for x in pair] + (["--force"] if force else [])
    result = run("solve", table_file, *options, "--out", taken)
    assert_refused(result, "diary.txt" if force else "exists already", tmp_path)
    assert os.listdir(taken) == ["diary.txt"]
    result = run("solve", table_file, *options, "--out", tmp_path / "no" / "where")
    assert_refused(result, "does not exist", tmp_path)


def test_force_needs_a_folder(run, table_file, tmp_path):
    options = [x for pair in GOOD.items() for x in pair]
    assert_refused(run("solve", table_file, *options, "--force"), "--force", tmp_path)


def network_folder(folder):
    ReluNetwork([[1.0, 2.0]], output_weights=[1.0]).save(folder / "net")
    return folder / "net"


def damage(name, change):
    def apply(folder):
        net = network_folder(folder)
        file = net / name
        file.write_bytes(change(file.read_bytes()))
        return net

    return apply


def bare_npz(**arrays):
    def apply(folder):
        np.savez(folder / "net.npz", **arrays)
        return folder / "net.npz"

    return apply


NETWORKS = [
    (lambda folder: folder / "missing", "does not exist"),
    (lambda folder: folder, "measurelp.json: missing"),
    (lambda folder: folder / "table.csv", "holds no network; expected a folder saved by measurelp"),
    (damage("arrays.npz", lambda b: b[:-40]), "SHA-256"),
    (damage("measurelp.json", lambda b: b[:-40]), "not valid JSON"),
    (damage("measurelp.json", lambda b: b.replace(b"penalized", b"free")), "SHA-256"),
    (bare_npz(weights=np.ones(3)), "'hidden_weights' is missing"),
    (bare_npz(hidden_weights=np.ones((2, 2)), output_weights=np.ones(3)), "output_weights"),
    (bare_npz(hidden_weights=np.ones((2, 3)), output_weights=np.ones(2)), "expected 2 inputs"),
    (
        bare_npz(hidden_weights=np.ones((1, 2)), output_weights=np.ones(1), output_bias=np.ones(1)),
        "output bias",
    ),
    (
        bare_npz(hidden_weights=np.array([{}, None]), output_weights=np.ones(1)),
        "not a readable npz",
    ),
]


@pytest.mark.parametrize(("make", "words"), NETWORKS)
def test_certify_refuses_networks(run, table_file, tmp_path, make, words):
    net = make(tmp_path)
    result = run("certify", net, table_file, *[x for pair in GOOD.items() for x in pair])
    assert_refused(result, words, tmp_path)


def test_a_network_without_its_problem_is_refused(run, table_file, tmp_path):
    net = network_folder(tmp_path)
    assert_refused(run("certify", net, table_file), "--target: missing", tmp_path)
    result = run("certify", net, table_file, "--target", "y", "--features", "a,b")
    assert_refused(result, "--lam: missing", tmp_path)


@pytest.mark.parametrize(("content", "words"), [
    (None, "is a folder, not a file; expected a file that certify --proof wrote"),
    ("a,b\n1,2\n", "is no proof, since it does not begin with {; expected a file that certify"),
    ("1,2\n", "is no proof"), ("", "is no proof"), ("{}", "no measurelp proof"),
])  # fmt: skip
def test_check_says_what_it_found(run, tmp_path, content, words):
    file = tmp_path / "file"
    if content is None:
        file.mkdir()
    else:
        file.write_text(content)
    result = run("check", file)
    assert_refused(result, words, tmp_path)
    assert "Expecting" not in result.stderr


def test_too_many_cells_are_refused_in_words_of_the_command(run, table_file):
    for more in ((), ("--count-only",)):
        result = run("enumerate", table_file, "--features", "a,b", "--max-cells", "10", *more)
        told = " ".join(result.stderr.split())
        assert result.exit_code == 4 and "--max-cells: 10 are allowed" in told
        assert "iter_cells" not in told and "_" not in told


def test_too_much_memory_is_refused_in_words_of_the_command(run, table_file, monkeypatch):
    monkeypatch.setattr("measurelp.arrangement.enumeration._physical_memory", lambda: 8)
    result = run("enumerate", table_file, "--features", "a,b")
    told = " ".join(result.stderr.split())
    assert result.exit_code == 4 and "--count-only stores none" in told
    assert "iter_cells" not in told and "max_" not in told


ENUMERATE = [
    (("--features", "z"), "no column 'z'"),
    (("--features", "a,word"), "column 'word'"),
    (("--max-cells", "0"), "max-cells"),
    (("--numbers", "roman"), "'roman' is not one of"),
]


@pytest.mark.parametrize(("arguments", "words"), ENUMERATE)
def test_enumerate_refuses(run, table_file, tmp_path, arguments, words):
    assert_refused(run("enumerate", table_file, *arguments), words, tmp_path)


def test_debug_shows_the_traceback(run, tmp_path):
    result = run("enumerate", tmp_path / "missing.csv", "--debug")
    assert result.exit_code != 0
    assert type(result.exception).__name__ == "InvalidFile"


def test_the_installed_way_of_running_gives_code_2_and_no_traceback(tmp_path):
    result = subprocess.run(
        [sys.executable, "-m", "measurelp.cli", "solve", str(tmp_path / "no.csv"), "--target", "y",
         "--lam", "1"],
        capture_output=True, text=True, cwd=tmp_path, check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT)}, timeout=120,
    )  # fmt: skip
    assert result.returncode == 2
    assert result.stdout == ""
    told = result.stderr.removeprefix(f"measurelp: {COMPILING}\n")  # where nothing ran before
    assert told.startswith("Error: ") and "Traceback" not in told
    assert os.listdir(tmp_path) == []
