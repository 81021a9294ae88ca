"""The package as a whole: what importing loads, which names exist, who may import what."""

import ast
import importlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import measurelp

ROOT = Path(__file__).resolve().parent.parent
SOURCES = sorted((ROOT / "measurelp").rglob("*.py"))

PUBLIC = {
    "MeasureProblem", "Squared", "Interpolation", "L2Ball", "ReLU", "solve", "certify", "lam_max",
    "Solution", "Certificate", "load_solution", "Arrangement", "Cells", "enumerate_cells",
    "count_cells", "iter_cells", "AtomicMeasure", "ReluNetwork", "network_from_measure",
    "measure_from_network", "cvxpy_from_problem", "Dictionary", "Verdict", "Termination", "Scope",
    "PointKind", "InvalidProblem", "InvalidFile", "BudgetExceeded", "MeasurelpError",
    "BackendError", "MissingDependency", "info", "__version__",
}  # fmt: skip


def python(code, *arguments, **variables):
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    environment |= {"PYTHONPATH": str(ROOT)} | variables
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        check=True, capture_output=True, text=True, env=environment, timeout=120,
    ).stdout  # fmt: skip


def test_importing_loads_nothing_heavy_and_changes_nothing():
    code = """
import json, logging, os, signal, sys, threading, warnings
before = (dict(os.environ), list(warnings.filters), list(logging.root.handlers), threading.active_count(),
          signal.getsignal(signal.SIGINT))
import measurelp
after = (dict(os.environ), list(warnings.filters), list(logging.root.handlers), threading.active_count(),
         signal.getsignal(signal.SIGINT))
print(json.dumps([before == after, sorted(sys.modules)]))
"""
    unchanged, loaded = json.loads(python(code))
    assert unchanged
    heavy = {
        "cvxpy", "sklearn", "torch", "matplotlib", "numba", "scipy", "numpy", "rich", "click",
        "clarabel", "scs", "highspy",
    }  # fmt: skip
    assert heavy.isdisjoint(loaded)


def test_stating_and_certifying_a_problem_needs_no_optional_package():
    code = """
import json, sys, measurelp as mlp
for name in mlp.__all__:
    if mlp._HOME.get(name) != "measurelp.estimators":
        getattr(mlp, name)
print(json.dumps(sorted(sys.modules)))
"""
    assert {"sklearn", "torch", "matplotlib", "rich", "click", "cvxpy"}.isdisjoint(
        json.loads(python(code))
    )


def test_the_public_names_are_there():
    assert set(measurelp.__all__) >= PUBLIC
    for name in measurelp.__all__:
        assert getattr(measurelp, name) is not None
        assert name in dir(measurelp)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        measurelp.nothing
    assert not hasattr(measurelp, "_nothing")


def test_version_is_one():
    assert re.fullmatch(r"\d+\.\d+\.\d+", measurelp.__version__)
    assert f"version: {measurelp.__version__}" in (ROOT / "CITATION.cff").read_text()
    assert f"[{measurelp.__version__}]" in (ROOT / "CHANGELOG.md").read_text()


def imported(file):
    """The absolute names of all modules that a file imports, wherever in it."""
    package = file.relative_to(ROOT).with_suffix("").parts[:-1]
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else ()
            yield ".".join((*base, *([node.module] if node.module else [])))


def test_imported_resolves_relative_imports():
    assert "sys" in set(imported(Path(__file__)))
    assert "measurelp._version" in set(imported(ROOT / "measurelp" / "__init__.py"))


ALLOWED = {
    "numba": lambda file: re.fullmatch(r"_\w*kernels\.py", file.name),
    "llvmlite": lambda file: re.fullmatch(r"_\w*kernels\.py", file.name),
    **{
        solver: lambda file: "backends" in file.parts
        for solver in ("clarabel", "cvxpy", "highspy", "scs")
    },
    "sklearn": lambda file: file.name == "_sklearn.py" or "estimators" in file.parts,
    "torch": lambda file: file.name.startswith("_torch"),
    "matplotlib": lambda file: "plotting" in file.parts,
    "plotly": lambda file: "report" in file.parts,
    "jinja2": lambda file: "report" in file.parts,
    "onnx": lambda file: file.name == "_onnx.py",
    "safetensors": lambda file: file.name == "_safetensors.py",
    "click": lambda file: "cli" in file.parts,
    "rich": lambda file: "cli" in file.parts,
}


@pytest.mark.parametrize("library", ALLOWED)
def test_a_library_is_imported_only_where_it_belongs(library):
    for file in SOURCES:
        if not ALLOWED[library](file):
            roots = {name.partition(".")[0] for name in imported(file)}
            assert library not in roots, f"{file} imports {library}"


def test_the_library_does_not_print():
    for file in SOURCES:
        if "cli" in file.parts:
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            called = isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
            assert not (called and node.func.id == "print"), f"{file} prints"


def test_every_module_says_what_it_is():
    for file in SOURCES:
        assert ast.get_docstring(ast.parse(file.read_text())), f"{file} has no docstring"


@pytest.mark.parametrize(
    "file", [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md"], ids=str
)
def test_links_in_the_documentation_lead_somewhere(file):
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", file.read_text()):
        if "://" not in target:
            assert (file.parent / target).exists(), f"{file.name} links to {target}"


def test_modules_named_in_the_architecture_exist():
    text = (ROOT / "docs" / "architecture.md").read_text()
    for name in sorted(set(re.findall(r"`(measurelp(?:\.\w+)+)`", text))):
        home, _, last = name.rpartition(".")
        try:
            importlib.import_module(name)
        except ModuleNotFoundError:
            assert hasattr(importlib.import_module(home), last), name


def test_the_readme_says_how_to_install_run_and_test():
    text = (ROOT / "README.md").read_text()
    commands = re.findall(r"```sh\n(.*?)\n```", text, flags=re.DOTALL)
    assert len(commands) == 2 and all("\n" not in command for command in commands)
    script = (ROOT / ".ci" / "run").read_text()
    install, test = commands[1].split(" && ")
    assert f"{install.replace('install', 'install --quiet')} && {test}\n" in script
    assert commands[0].split(" && ")[1] in script
