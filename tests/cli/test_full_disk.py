"""A disk without room and a folder without rights: one paragraph, and no half-written file."""

import os
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
def test_a_full_disk_leaves_nothing_and_says_so(run, commands, tmp_path, name):
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
