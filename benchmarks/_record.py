"""What the benchmarks share: the machine they ran on, and how results are written."""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("numpy", "scipy", "numba", "highspy", "clarabel", "scs", "cvxpy", "torch")


def installed(name: str) -> str | None:
    """Version of a package, None when it is missing."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def machine() -> dict[str, Any]:
    """Processor, cores, system, date and versions."""
    name = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next(
            line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")
        )
    except (OSError, StopIteration):
        pass
    return {
        "processor": name,
        "cores": os.cpu_count(),
        "load_average": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "system": f"{platform.system()} {platform.machine()}",
        "date": time.strftime("%Y-%m-%d"),
        "python": platform.python_version(),
        **{package: installed(package) for package in PACKAGES},
    }


def timed(function: Callable[[], Any], repeats: int) -> tuple[Any, list[float]]:
    """Result of the last call, and the seconds of each."""
    seconds = []
    result = None
    for _ in range(repeats):
        result = None
        start = time.perf_counter()
        result = function()
        seconds.append(time.perf_counter() - start)
    return result, seconds


def summary(seconds: list[float]) -> dict[str, float | int]:
    """Median, best and number of repeats."""
    return {
        "seconds_median": statistics.median(seconds),
        "seconds_best": min(seconds),
        "repeats": len(seconds),
    }


def write(report: dict[str, Any], output: Path) -> None:
    """Write a report as JSON."""
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(report, indent=2) + "\n")
    print(f"written to {output.name}")


def command(script: str, given: list[str], *, private: tuple[str, ...] = ("--output",)) -> str:
    """The command line to record, without options (and their values) that name places on this machine."""
    words = ["python", f"benchmarks/{script}"]
    hidden = False
    for word in given:
        if not hidden and word not in private:
            words.append(word)
        hidden = word in private
    return " ".join(words)


def update(output: Path, part: str, report: dict[str, Any]) -> None:
    """Replace one part of a JSON file of several; the others, each with its own machine, stay."""
    parts = json.loads(output.read_text()) if output.exists() else {}
    write(parts | {part: report}, output)
