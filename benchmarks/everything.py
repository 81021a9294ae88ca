"""Measure again what the benchmark page shows, in one go, and write the page.

    python benchmarks/everything.py                                   # all of it; two to three hours
    python benchmarks/everything.py growth descent convex_rivals      # some scripts; about an hour

Each script is started as described in `README.md` here, one after the other, so leave the machine alone.  What fails is said at
the end and does not stop the rest; parts that were measured stay recorded.  The rivals of `convex_rivals.py` and
`compress_layer.py` get virtual environments of their own below `--environments` (made if they are missing).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import venv
from pathlib import Path

from _record import installed
from certified import GROUPS
from descent import PROBLEMS
from growth import PARTS

HERE = Path(__file__).resolve().parent
RIVALS = {
    "scnn": ["pyscnn", "ecos", "numpy<2"],
    "adelie": ["adelie", "numpy<2"],
    "skglm": ["skglm"],
    "globoptiml": ["globoptiml", "gurobipy", "packaging", "scipy"],
}


def interpreter(rival: str, environments: Path) -> str | None:
    """The Python of a rival's environment; None where it cannot be made."""
    home = environments / rival
    python = home / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    if not python.exists():
        venv.create(home, with_pip=True)
        wanted = [*RIVALS[rival]]
        if rival == "scnn" and installed("torch"):  # the same torch, not one with other libraries
            wanted.append(f"torch=={str(installed('torch')).split('+')[0]}")
        done = subprocess.run(
            [str(python), "-m", "pip", "install", "--quiet", *wanted], check=False
        )
        if done.returncode:
            return None
    probe = {"globoptiml": "optiml"}.get(rival, rival)
    if subprocess.run([str(python), "-c", f"import {probe}"], check=False).returncode:
        return None
    return str(python)


def commands(environments: Path, wanted: list[str]) -> list[list[str]]:
    """The scripts with their words, in order."""
    found: list[list[str]] = []
    if "enumeration" in wanted:
        found.append(["enumeration.py"])
    if "solve" in wanted:
        found.append(["solve.py"])
    if "certified" in wanted:
        found += [["certified.py", "--group", group] for group in GROUPS]
    if "enumerated" in wanted:
        found.append(["enumerated.py"])
    if "growth" in wanted:
        found += [["growth.py", "--part", part] for part in PARTS]
    if "descent" in wanted:
        found += [["descent.py", "--problem", problem] for problem in PROBLEMS]
    if "convex_rivals" in wanted:
        words = ["convex_rivals.py"]
        for rival in ("scnn", "adelie"):
            python = interpreter(rival, environments)
            words += [] if python is None else [f"--{rival}", python]
        found.append(words)
    if "compress_layer" in wanted:
        python = interpreter("skglm", environments)
        found.append(["compress_layer.py", *([] if python is None else ["--skglm", python])])
    if "rivals" in wanted:
        found.append(["rivals.py", "--environments", str(environments)])
    found += [[f"{name}.py"] for name in ("phase_transition", "shallow_and_deep") if name in wanted]
    return [*found, ["report.py"]]


SCRIPTS = (
    "enumeration", "solve", "certified", "enumerated", "growth", "descent", "convex_rivals",
    "compress_layer", "rivals", "phase_transition", "shallow_and_deep",
)  # fmt: skip


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("scripts", nargs="*", metavar="SCRIPT", help=", ".join(SCRIPTS))
    parser.add_argument(
        "--environments", type=Path, default=Path.home() / ".cache" / "measurelp-rivals"
    )
    options = parser.parse_args(arguments)
    wanted = options.scripts or list(SCRIPTS)
    unknown = sorted(set(wanted) - set(SCRIPTS))
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}; known: {', '.join(SCRIPTS)}")
    failed = []
    for words in commands(options.environments, wanted):
        print(f"\n== {' '.join(words)}", flush=True)
        done = subprocess.run([sys.executable, str(HERE / words[0]), *words[1:]], check=False)
        if done.returncode:
            failed.append(" ".join(words))
    if failed:
        raise SystemExit("failed:\n  " + "\n  ".join(failed))


if __name__ == "__main__":
    main()
