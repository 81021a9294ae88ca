"""scnn and adelie on the demo problem, each in an environment of its own.

    python benchmarks/convex_rivals.py --scnn PYTHON --adelie PYTHON

Both need NumPy 1 and other pins, so PYTHON is the interpreter of a virtual environment that has the rival:

    pip install pyscnn ecos "numpy<2"     (it brings torch)
    pip install adelie "numpy<2"

A rival whose interpreter is not given is recorded as missing.  They get the problem and, where they take them, all cells
that `measurelp.enumerate_cells` lists (not counted), and hand back weights; objective and proved gap of those are computed here,
by `measurelp.certify`, as for our own answer.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from _case import ONE_THREAD, data_of, measured
from _record import RESULTS, command, machine, write

import measurelp as mlp

HERE = Path(__file__).resolve().parent
CASES: dict[str, dict[str, Any]] = {
    "50 x 3, lam 0.5": {"data": {"kind": "demo"}, "lam": 0.5},
    "100 x 3, 0.01": {"data": {"n": 100, "d": 3}, "lam_ratio": 0.01},
}


def network_of(found: Any) -> mlp.ReluNetwork:
    """The network of a rival's weights, cells that it left empty dropped."""
    if "hidden" in found:
        hidden, output = found["hidden"].reshape(-1, found["hidden"].shape[-1]), found["output"]
        output = output.ravel()
    else:
        hidden = np.vstack([found["positive"], found["negative"]])
        output = np.repeat([1.0, -1.0], len(found["positive"]))
    size = np.abs(output) * np.linalg.norm(hidden, axis=1)
    kept = size > 1e-7 * size.max()
    return mlp.ReluNetwork(hidden[kept], np.zeros(int(kept.sum())), output_weights=output[kept])


def in_its_environment(
    python: str, script: str, words: list[str], given: dict[str, Any], limit: float
) -> dict[str, Any]:
    """What a script of `rivals/` writes about the arrays given to it, or how it failed."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "in.npz"), Path(folder, "out.npz")
        np.savez(source, **given)
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | ONE_THREAD
        try:
            done = subprocess.run(
                [python, str(HERE / "rivals" / script), str(source), str(target), *words],
                env=environment, capture_output=True, text=True, timeout=limit, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return {"failed": f"did not end in {limit:g} s"}
        if done.returncode:
            return {"failed": (done.stderr.strip().splitlines() or ["no words"])[-1]}
        with np.load(target) as found:
            return {name: found[name][()] for name in found.files}


def asked(
    python: str | None, script: str, words: list[str], problem: mlp.MeasureProblem, limit: float
) -> dict[str, Any]:
    """What a rival makes of a problem."""
    if python is None:
        return {"missing": "no interpreter was given"}
    cells = mlp.enumerate_cells(problem.lifted)
    given = {
        "X": problem.X, "y": problem.y, "lam": problem.lam, "gates": np.asarray(cells.signs).T > 0,
        "weights": cell_points(cells),
    }  # fmt: skip
    found = in_its_environment(python, script, words, given, limit)
    if "failed" in found:
        return found | {"cells": len(cells)}
    network, seconds, number = network_of(found), float(found["seconds"]), str(found["version"])
    certificate = mlp.certify(problem, network)
    return {
        "seconds": seconds, "objective": certificate.primal_value,
        "dual_value": certificate.dual_value, "relative_gap": certificate.relative_gap,
        "verdict": certificate.verdict.name, "neurons": network.width, "version": number,
        "cells": len(cells),
    }  # fmt: skip


def cell_points(cells: mlp.Cells) -> np.ndarray:
    """A weight inside every cell: the mean of unit vectors along a linear program's answer."""
    from scipy.optimize import linprog

    X = cells.arrangement.data
    points = []
    for signs in np.asarray(cells.signs):
        walls = -(np.where(signs > 0, 1.0, -1.0)[:, None] * X)
        size = np.linalg.norm(walls, axis=1)
        d = X.shape[1]
        answer = linprog(
            np.append(np.zeros(d), -1.0), A_ub=np.column_stack([walls, size]),
            b_ub=np.zeros(len(X)), bounds=[(-1.0, 1.0)] * d + [(0.0, None)],
        )  # fmt: skip
        points.append(answer.x[:d])
    return np.array(points)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--scnn", metavar="PYTHON")
    parser.add_argument("--adelie", metavar="PYTHON")
    parser.add_argument("--limit", type=float, default=300.0, help="seconds for one run of a rival")
    parser.add_argument("--output", type=Path, default=RESULTS / "convex_rivals.json")
    options = parser.parse_args(arguments)
    results = []
    for name, spec in CASES.items():
        ours = measured({**spec, "tol": 1e-9, "repeats": 7})
        X, y, bias = data_of(spec["data"])
        problem = mlp.MeasureProblem(X, y, lam=ours["lam"], bias=bias)
        print(
            f"\n{name}: {ours['objective']:.8f}, {ours['neurons']} neurons, {ours['seconds']:.4f} s"
        )
        runs = {
            "scnn, defaults": (options.scnn, "scnn_solve.py", ["defaults"]),
            "scnn, data not scaled": (options.scnn, "scnn_solve.py", ["unscaled"]),
            "scnn, all cells given": (options.scnn, "scnn_solve.py", ["all"]),
            "adelie to 1e-10, all cells given": (options.adelie, "adelie_solve.py", ["1e-10"]),
            "adelie to 1e-12, all cells given": (options.adelie, "adelie_solve.py", ["1e-12"]),
        }
        rivals = []
        for rival, (python, script, words) in runs.items():
            found = asked(python, script, words, problem, options.limit)
            rivals.append({"name": rival, **found})
            if "seconds" in found:
                above = found["objective"] / ours["objective"] - 1.0
                print(f"{rival:34} {found['seconds']:9.2f} s, {above:9.1e} above, "
                      f"{found['neurons']} neurons", flush=True)  # fmt: skip
            else:
                print(f"{rival:34} {found.get('failed') or found.get('missing')}", flush=True)
        results.append({"name": name, "measurelp": ours, "rivals": rivals})
    given = sys.argv[1:] if arguments is None else arguments
    private = ("--output", "--scnn", "--adelie")
    asked_for = command("convex_rivals.py", given, private=private)
    write({"command": asked_for, "machine": machine(), "cases": results}, options.output)


if __name__ == "__main__":
    main()
