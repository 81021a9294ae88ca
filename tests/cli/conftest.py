"""Small files and a runner for the tests of the command line."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from measurelp.cli.app import app


@pytest.fixture
def run():
    """Run the command line in this process: ``run("solve", ...)`` gives exit code and streams."""

    def invoke(*arguments):
        return CliRunner().invoke(app, [str(a) for a in arguments], prog_name="measurelp")

    return invoke


@pytest.fixture
def run_json(run):
    """The same with ``--json``: exit code and the parsed object; stdout holds nothing else."""

    def invoke(*arguments):
        result = run(*arguments, "--json")
        return result.exit_code, json.loads(result.stdout)

    return invoke


@pytest.fixture
def table_file(tmp_path):
    """A CSV of 12 people with inputs a and b, a target y and a column of words."""
    rng = np.random.default_rng(4)
    X = rng.normal(size=(12, 2)).round(3)
    y = np.maximum(X @ [1.0, -0.5] + 0.3, 0.0).round(3)
    file = tmp_path / "table.csv"
    lines = ["a,b,y,word"]
    lines += [f"{a},{b},{t},w{i}" for i, ((a, b), t) in enumerate(zip(X, y, strict=True))]
    file.write_text("\n".join(lines) + "\n")
    return file
