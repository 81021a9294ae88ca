"""``--config``, completion and narrow terminals."""

import json
import os
import subprocess
import sys

import pytest


def test_what_is_in_the_file_is_as_if_typed(run_json, table_file, tmp_path):
    config = tmp_path / "run.toml"
    config.write_text(
        'target = "y"\n[solve]\nfeatures = ["a", "b"]\nlam = 0.05\nskip = "constant"\n[report]\nunique = true\n'
    )
    code, facts = run_json("solve", table_file, "--config", config)
    assert code == 0 and facts["problem"]["lam"] == 0.05 and facts["problem"]["skip"] == "constant"
    typed = ("--target", "y", "--features", "a,b", "--lam", "0.05", "--skip", "constant")
    assert run_json("solve", table_file, *typed)[1]["primal_value"] == facts["primal_value"]
    code, facts = run_json("solve", table_file, "--config", config, "--lam", "0.2")
    assert code == 0 and facts["problem"]["lam"] == 0.2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('lamb = 1\ntarget = "y"', "'lamb'"), ("lam = ", "not TOML"), ("[sove]\nlam = 1", "[sove]"),
        ('lam = "much"', "lam"), ("config = 'x'", "'config'"), ('bias = "maybe"', "bias"),
        ("lam = true", "'true' is not a valid float"), ("max-rounds = 1.5", "'1.5' is not a valid"),
        ('target = "y"\nlam = 1\ntol = false', "'--tol'"), ('file = "x"', "'file'"),
    ],
)  # fmt: skip
def test_mistakes_in_the_file_are_named(run, table_file, tmp_path, text, words):
    (tmp_path / "run.toml").write_text(text)
    result = run("solve", table_file, "--config", tmp_path / "run.toml", "--features", "a")
    assert result.exit_code == 2 and words in " ".join(result.stderr.split())
    assert run("solve", table_file, "--config", tmp_path / "none.toml").exit_code == 2


def test_what_is_typed_displaces_what_it_excludes(run, run_json, table_file, tmp_path):
    config = tmp_path / "run.toml"
    asked = (table_file, "--config", config, "--target", "y", "--features", "a,b")
    config.write_text("lam = 0.3")
    code, facts = run_json("solve", *asked, "--lam-ratio", "0.1")
    assert code == 0 and facts["problem"]["lam_ratio"] == pytest.approx(0.1)
    config.write_text("lam = 0.3\nlam-ratio = 0.1")
    assert run_json("solve", *asked, "--lam", "0.2")[1]["problem"]["lam"] == 0.2
    assert "exclude each other" in run("solve", *asked).stderr
    config.write_text("n-lams = 4\nlam-min-ratio = 0.1")
    code, facts = run_json("path", *asked, "--lams", "0.5,0.3")
    assert code == 0 and [row["lam"] for row in facts["path"]] == [0.5, 0.3]
    config.write_text("lams = [0.5, 0.3]")
    code, facts = run_json("path", *asked, "--n-lams", "3", "--lam-min-ratio", "0.1")
    assert code == 0 and len(facts["path"]) == 3


def test_the_options_are_listed_as_they_are_typed(run, table_file, tmp_path):
    (tmp_path / "run.toml").write_text("lamb = 1")
    told = " ".join(run("solve", table_file, "--config", tmp_path / "run.toml").stderr.split())
    options = told.partition("its options are ")[2].rstrip(".").split(", ")
    assert "out" in options and "json" in options
    assert not {"o", "file", "config"} & set(options)


def complete(*words):
    environment = dict(
        os.environ, _MEASURELP_COMPLETE="bash_complete", COMP_WORDS=" ".join(words),
        COMP_CWORD=str(len(words) - 1),
    )  # fmt: skip
    code = "from measurelp.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment
    )
    return {line.partition(",")[2] for line in done.stdout.splitlines()}


def test_shells_complete_commands_options_and_choices(run):
    assert {"solve", "stability"} <= complete("measurelp", "s")
    assert "--lam-ratio" in complete("measurelp", "solve", "--la")
    assert complete("measurelp", "plot", "--what", "c") == {"certificate", "cells", "cover"}
    for shell in ("bash", "zsh", "fish"):
        result = run("completion", shell)
        assert result.exit_code == 0 and "_MEASURELP_COMPLETE" in result.stdout


def test_forty_columns_are_enough(run, table_file, monkeypatch, tmp_path):
    monkeypatch.setenv("COLUMNS", "40")
    result = run("solve", table_file, "--target", "y", "--features", "a,b", "--lam", "0.05")
    assert result.exit_code == 0
    assert max(map(len, result.stdout.splitlines())) <= 40
    result = run("solve", table_file, "--target", "z", "--lam", "0.05")
    text = [line for line in result.stderr.splitlines() if "/" not in line]  # but paths are whole
    assert result.exit_code == 2 and max(map(len, text)) <= 40
    code = run("solve", table_file, "--target", "y", "--features", "a,b", "--lam", "1", "--json")
    assert json.loads(code.stdout)["exit_code"] == 0
