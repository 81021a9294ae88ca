"""Starting: help, version, info; and what is not imported on the way."""

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import measurelp

ROOT = Path(__file__).resolve().parent.parent.parent


def test_help_names_every_command(run):
    result = run("--help")
    assert result.exit_code == 0
    for name in ("solve", "certify", "check", "enumerate", "info", "Exit codes"):
        assert name in result.stdout


@pytest.mark.parametrize("name", ["solve", "certify", "check", "enumerate", "info"])
def test_each_command_has_help(run, name):
    result = run(name, "--help")
    assert result.exit_code == 0 and "--json" in result.stdout


def test_version(run):
    assert measurelp.__version__ in run("--version").stdout


def test_unknown_commands_are_usage_errors(run):
    assert run("train").exit_code == 2
    assert run().exit_code == 2


def test_an_interruption_before_the_command_ends_with_4(run, monkeypatch):
    def interrupted(_name):
        raise KeyboardInterrupt

    monkeypatch.setattr("importlib.import_module", interrupted)
    result = run("solve")
    assert result.exit_code == 4 and "interrupted" in result.stderr


class PressedWhenDropped:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)


def press_in_a_callback():
    ctypes.CFUNCTYPE(None)(lambda: signal.raise_signal(signal.SIGINT))()


@pytest.mark.parametrize("press", [PressedWhenDropped, press_in_a_callback])
def test_ctrl_c_is_heard_where_its_exception_cannot_leave(run, monkeypatch, press):
    def slow_facts():
        press()
        for _ in range(50):
            time.sleep(0.1)
        return {}

    monkeypatch.setattr("measurelp.cli.info.info", slow_facts)
    before = sys.unraisablehook
    result = run("info", "--json")
    assert result.exit_code == 4 and "interrupted" in result.stderr
    assert sys.unraisablehook is before


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_other_exceptions_in_destructors_are_told_as_usual(run, monkeypatch):
    class Broken:
        def __del__(self):
            raise ValueError("told")

    told = []
    monkeypatch.setattr("sys.unraisablehook", lambda lost: told.append(str(lost.exc_value)))
    monkeypatch.setattr("measurelp.cli.info.info", lambda: Broken() and {})
    run("info", "--json")
    assert told == ["told"]


@pytest.mark.parametrize("arguments", [["--help"], ["solve", "--help"], ["info"]])
def test_help_and_info_import_nothing_heavy(arguments):
    code = (
        "import json, sys\n"
        "from measurelp.cli.app import app\n"
        "try:\n    app(sys.argv[1:])\nexcept SystemExit:\n    pass\n"
        "print(json.dumps(sorted(sys.modules)), file=sys.stderr)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True, text=True, check=True, env=os.environ | {"PYTHONPATH": str(ROOT)},
        timeout=120,
    )  # fmt: skip
    loaded = json.loads(result.stderr.splitlines()[-1])
    assert {"numpy", "numba", "scipy", "cvxpy", "rich"}.isdisjoint(loaded)


def test_info_as_text_and_as_json(run, run_json):
    text = run("info")
    assert text.exit_code == 0
    assert measurelp.__version__ in text.stdout and "compile cache" in text.stdout
    code, facts = run_json("info")
    assert code == 0
    assert facts == measurelp.info()
    assert facts["packages"]["numpy"] and facts["kernel_cache"]["state"] in ("warm", "empty", "off")


def test_the_cache_state_is_read_from_numba_cache_dir(tmp_path, monkeypatch):
    monkeypatch.delenv("NUMBA_DISABLE_JIT", raising=False)
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    assert measurelp.info()["kernel_cache"]["state"] == "empty"
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "_some_kernels.f-1.py311.1.nbc").write_bytes(b"")
    assert measurelp.info()["kernel_cache"]["state"] == "warm"
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")
    assert measurelp.info()["kernel_cache"]["state"] == "off"
