"""What this installation runs on; everything is read without importing the packages."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
from pathlib import Path
from typing import Any

from measurelp._version import __version__

_PACKAGES = (
    "numpy", "scipy", "numba", "clarabel", "scs", "highspy", "cvxpy", "threadpoolctl", "click",
    "rich", "scikit-learn", "torch", "onnx", "onnxruntime", "safetensors", "matplotlib", "plotly", "jinja2",
    "pandas", "pyarrow", "joblib", "dask", "python-flint",
)  # fmt: skip


def info() -> dict[str, Any]:
    """Versions, machine and compile cache, as plain data.

    Returns
    -------
    dict
        ``measurelp``, ``python``, ``platform``, ``cpu_count``, ``packages`` (name to version,
        None where not installed) and ``kernel_cache`` (see :func:`kernel_cache`).

    Examples
    --------
    >>> sorted(info())
    ['cpu_count', 'kernel_cache', 'measurelp', 'packages', 'platform', 'python']
    """
    return {
        "measurelp": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu_count": _cpu_count(),
        "packages": {name: _version(name) for name in _PACKAGES},
        "kernel_cache": kernel_cache(),
    }


def kernel_cache() -> dict[str, Any]:
    """Whether numba has compiled measurelp's kernels on this machine before.

    Returns
    -------
    dict
        ``state`` ("warm": at least one compiled kernel is stored, "empty", or "off" when
        NUMBA_DISABLE_JIT is set), ``folders`` (those that hold compiled kernels) and ``files``
        (how many).
    """
    if os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0"):
        return {"state": "off", "folders": [], "files": 0}
    folders, files = [], 0
    for folder in _cache_folders():
        found = len(list(folder.glob("_*kernels.*.nbc")))
        if found:
            folders.append(str(folder))
            files += found
    return {"state": "warm" if files else "empty", "folders": folders, "files": files}


def _cache_folders() -> list[Path]:
    """Where numba may have stored compiled kernels: NUMBA_CACHE_DIR or beside the sources."""
    package = Path(__file__).resolve().parent.parent
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    if chosen:
        return sorted({file.parent for file in Path(chosen).rglob("_*kernels.*.nbc")})
    homes = sorted({file.parent for file in package.rglob("_*kernels.py")})
    user_wide = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "numba"
    elsewhere = {file.parent for file in user_wide.rglob("_*kernels.*.nbc")}
    return [home / "__pycache__" for home in homes] + sorted(elsewhere)


def _cpu_count() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
