"""A disk without room and a folder without rights: one paragraph, and no half-written file."""

import os
import subprocess
import sys
from contextlib import contextmanager

import pytest

resource = pytest.importorskip("resource", reason="limits of a process are known on Unix only")

DATA = ("--target", "y", "--features", "a,b")
LAM = ("--lam-ratio", "0.1")


@contextmanager
def no_room(size):
    """Let no file of this process grow beyond so many bytes; writing on is an OSError."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture
def commands(run, table_file, tmp_path):
    """For each command that writes: its words, without the option that names the file, and an ending."""
    saved = tmp_path / "saved"
    result = run("solve", table_file, *DATA, *LAM, "--out", saved)
    assert result.exit_code == 0, result.stderr
    return {
        "solve": (["solve", table_file, *DATA, *LAM, "--out"], ""),
        "path": (["path", table_file, *DATA, "--n-lams", "3", "--csv"], ".csv"),
        "certify": (["certify", saved, table_file, *DATA, *LAM, "--proof"], ".json"),
        "plot": (["plot", saved, "--what", "weights", "--out"], ".png"),
        "report": (["report", saved, "--out"], ".html"),
    }


@pytest.mark.parametrize("name", ["solve", "path", "certify", "plot", "report"])
def test_a_full_disk_leaves_nothing_and_says_so(run, run_json, commands, tmp_path, name):
    pytest.importorskip({"plot": "matplotlib", "report": "plotly"}.get(name, "numpy"))
    words, ending = commands[name]
    folder = tmp_path / "target"
    folder.mkdir()
    assert run(*words, folder / f"first{ending}").exit_code == 0  # and all kernels are compiled
    before = sorted(folder.iterdir())
    with no_room(64):
        result = run(*words, folder / f"second{ending}")
    assert result.exit_code == 2, result.output
    assert "second" in result.stderr and "Traceback" not in result.stderr
    assert sorted(folder.iterdir()) == before
    if name == "solve":  # what was found is not lost with the file
        assert "OPTIMAL" in result.stdout
        assert "saved no" in " ".join(result.stdout.split())
        with no_room(64):
            code, facts = run_json(*words, folder / f"second{ending}")
        assert code == facts["exit_code"] == 2 and facts["saved"] is None
    assert run(*words, folder / f"second{ending}").exit_code == 0


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to the administrator")
@pytest.mark.parametrize("name", ["solve", "path", "certify", "plot", "report"])
def test_a_folder_without_rights_is_found_before_any_work(run, commands, tmp_path, name):
    words, ending = commands[name]
    folder = tmp_path / "target"
    folder.mkdir(mode=0o555)
    result = run(*words, folder / f"file{ending}")
    assert result.exit_code == 2
    assert "Traceback" not in result.stderr


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="there is no folder without writing")
@pytest.mark.parametrize("name", ["solve", "path", "certify", "plot", "report"])
def test_a_place_where_nothing_can_be_made_is_found_before_any_work(run, commands, name):
    words, ending = commands[name]
    result = run(*words, f"/proc/file{ending}")  # the administrator has the right, not the means
    assert result.exit_code == 2 and result.stdout == ""
    assert "nothing can be written to the folder /proc" in " ".join(result.stderr.split())


@pytest.mark.parametrize("name", ["solve", "path", "certify"])
def test_an_empty_name_and_a_file_in_the_way_are_told_in_words_of_the_command(
    run, commands, tmp_path, name
):
    words, _ = commands[name]
    result = run(*words, "")
    assert result.exit_code == 2 and result.stdout == ""
    assert f"{words[-1]}: the name" in " ".join(result.stderr.split())
    (tmp_path / "there").write_text("mine")
    told = " ".join(run(*words, tmp_path / "there").stderr.split())
    assert "(--force)" in told and "overwrite=" not in told


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
def test_an_answer_that_cannot_be_printed_is_no_bug():
    with open("/dev/full", "w") as full:
        result = subprocess.run(
            [sys.executable, "-m", "measurelp.cli", "info", "--json"], stdout=full,
            stderr=subprocess.PIPE, text=True, timeout=120,
        )  # fmt: skip
    assert result.returncode == 2, result.stderr
    assert result.stderr.startswith("Error: output: No space left") and "bug" not in result.stderr
