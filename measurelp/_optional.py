"""Optional packages: imported when they are needed, with a word on how to install them."""

from __future__ import annotations

import importlib
from typing import Any

from measurelp.errors import MissingDependency


def require(module: str, *, extra: str) -> Any:
    """The imported module.

    Raises
    ------
    MissingDependency
        If it is not installed, with the name of the extra that brings it.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise MissingDependency(
            f"this needs {module.partition('.')[0]}, which is not installed; "
            f"pip install 'measurelp[{extra}]' brings it."
        ) from error
