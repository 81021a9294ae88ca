"""The helpers of the documentation's build, loaded without Sphinx."""

import importlib.util
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
DOCS = ROOT / "docs"


def extension(name):
    """The module ``docs/_extensions/NAME.py``."""
    file = DOCS / "_extensions" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"docs_{name}", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
