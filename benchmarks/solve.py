"""`measurelp.solve` against the full convex program in CVXPY, and what the command costs beside solving.

    python benchmarks/solve.py [--repeats 7] [--skip-plain] [--output benchmarks/results/solve.json]

Three parts, all measured in this one run.

* Test problem: 50 points in R^3, labels of a network of four neurons, squared loss, lam = 0.5, no bias.  Warm solves to a
  proved relative gap of 1e-8.  Rivals: CVXPY with Clarabel on the full cone program over all cells that
  `measurelp.enumerate_cells` lists, once vectorised (`measurelp.cvxpy_from_problem`) and once written with one variable a
  cell and a sign, as in the literature.  Their times are those of building and solving; the enumeration is not counted.
  `measurelp.certify` bounds the gap of every answer in the same way.
* Demo: `examples/diabetes.csv`, three standardised inputs, penalised bias, at 0.1 and 0.01 of lam_max.
* Cold start: the command on the demo as a new process, first with an empty kernel cache, then with a warm one.

A rival that is not installed is reported as missing.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from _record import RESULTS, installed, machine, summary, timed, write

import measurelp as mlp

ROOT = Path(__file__).resolve().parent.parent
OPTIMUM = 1.64557360
TARGET, FEATURES = "progression", ("bmi", "bp", "s5")
DEMO = [
    "solve", "examples/diabetes.csv", "--target", TARGET, "--features", ",".join(FEATURES),
    "--standardize", "--lam-ratio", "0.1", "--json", "--quiet",
]  # fmt: skip


# ---- the test problem -------------------------------------------------------------------------------


def test_problem() -> mlp.MeasureProblem:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((50, 3))
    W = rng.standard_normal((4, 3))
    W /= np.linalg.norm(W, axis=1, keepdims=True)
    a = rng.choice([-1.0, 1.0], 4)
    return mlp.MeasureProblem(X, np.maximum(X @ W.T, 0.0) @ a, lam=0.5, bias="none")


def measure_of(positive: np.ndarray, negative: np.ndarray) -> mlp.AtomicMeasure:
    """Every cell's weight as an atom; what is below 1e-7 of the largest is left out."""
    weights = np.concatenate([positive.T, negative.T])
    signs = np.repeat([1.0, -1.0], [positive.shape[1], negative.shape[1]])
    sizes = np.linalg.norm(weights, axis=1)
    kept = sizes > 1e-7 * sizes.max()
    return mlp.AtomicMeasure(weights[kept] / sizes[kept, None], signs[kept] * sizes[kept])


def vectorised(problem: mlp.MeasureProblem, cells: mlp.Cells) -> mlp.AtomicMeasure:
    program = mlp.cvxpy_from_problem(problem, cells)
    program.solve(solver="CLARABEL")
    found = program.var_dict
    return measure_of(found["positive"].value, found["negative"].value)


def one_variable_a_cell(problem: mlp.MeasureProblem, cells: mlp.Cells) -> mlp.AtomicMeasure:
    import cvxpy as cp

    X, y = problem.X, problem.y
    fit, variation, constraints = 0, 0, []
    u, w = [], []
    for signs in cells.signs:
        active = (signs > 0).astype(float)
        u.append(cp.Variable(problem.d))
        w.append(cp.Variable(problem.d))
        side = (2 * active - 1)[:, None] * X
        fit = fit + (active[:, None] * X) @ (u[-1] - w[-1])
        variation = variation + cp.norm(u[-1]) + cp.norm(w[-1])
        constraints += [side @ u[-1] >= 0, side @ w[-1] >= 0]
    objective = 0.5 * cp.sum_squares(fit - y) + problem.lam * variation
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(100_000)  # sums of thousands of terms are deep trees for CVXPY
    try:
        cp.Problem(cp.Minimize(objective), constraints).solve(solver="CLARABEL")
    finally:
        sys.setrecursionlimit(limit)
    return measure_of(np.array([v.value for v in u]).T, np.array([v.value for v in w]).T)


def facts_of(problem: mlp.MeasureProblem, measure: mlp.AtomicMeasure, tol: float) -> dict[str, Any]:
    """Objective and gap as certified, for any solver's measure."""
    certificate = mlp.certify(problem, measure, tol_gap=tol)
    return {
        "objective": certificate.primal_value,
        "dual_bound": certificate.dual_value,
        "relative_gap": certificate.relative_gap,
        "verdict": certificate.verdict.name,
        "neurons": len(measure.masses),
    }


def row(name: str, facts: dict[str, Any], seconds: float, ratio: float) -> None:
    print(
        f"{name:44} {facts['objective']:15.8f} {facts['relative_gap']:10.1e} {facts['neurons']:8d} "
        f"{seconds:10.3f} {ratio:9.1f}"
    )


HEAD = f"{'':44} {'objective':>15} {'gap':>10} {'neurons':>8} {'seconds':>10} {'ratio':>9}"


def compare(repeats: int, skip_plain: bool) -> dict[str, Any]:
    problem = test_problem()
    mlp.solve(problem, tol_gap=1e-8)
    solution, seconds = timed(lambda: mlp.solve(problem, tol_gap=1e-8), repeats)
    ours = facts_of(problem, solution.measure, 1e-8) | summary(seconds)
    print(f"test problem, 50 x 3, lam 0.5\n{HEAD}")
    row("measurelp.solve", ours, ours["seconds_median"], 1.0)
    if abs(ours["objective"] - OPTIMUM) > 1e-7 or ours["relative_gap"] > 1e-8:
        raise SystemExit(f"expected the optimum {OPTIMUM} to 1e-8, found {ours}")
    cells, enumeration = timed(lambda: mlp.enumerate_cells(problem.lifted), 5)
    rivals: list[dict[str, Any]] = []
    choices = [("CVXPY + Clarabel, vectorised", vectorised)]
    if not skip_plain:
        choices.append(("CVXPY + Clarabel, one variable a cell", one_variable_a_cell))
    for name, solver in choices:
        if installed("cvxpy") is None or installed("clarabel") is None:
            rivals.append({"name": name, "missing": "cvxpy or clarabel"})
            print(f"{name:44} missing")
            continue
        measure, (elapsed,) = timed(lambda solver=solver: solver(problem, cells), 1)
        facts = facts_of(problem, measure, 1e-8)
        ratio = elapsed / ours["seconds_median"]
        rivals.append({"name": name, **facts, "seconds": elapsed, "ratio": ratio})
        row(name, facts, elapsed, ratio)
    return {
        "problem": "50 x 3 Gaussian, four-neuron labels, squared loss, lam 0.5, no bias, gap 1e-8",
        "expected_optimum": OPTIMUM,
        "cells_of_the_full_program": len(cells),
        "enumeration_seconds_best": min(enumeration),
        "measurelp": ours | {"stats": solution.stats},
        "rivals": rivals,
    }


# ---- the demo ---------------------------------------------------------------------------------------


def demo_problem(ratio: float) -> mlp.MeasureProblem:
    with open(ROOT / "examples" / "diabetes.csv", newline="", encoding="utf-8") as stream:
        table = list(csv.DictReader(stream))
    raw = np.array([[float(line[name]) for name in FEATURES] for line in table])
    y = np.array([float(line[TARGET]) for line in table])
    X = (raw - raw.mean(axis=0)) / raw.std(axis=0)
    largest = mlp.lam_max(mlp.MeasureProblem(X, y, lam=1.0))
    return mlp.MeasureProblem(X, y, lam=ratio * largest)


def demo(repeats: int) -> list[dict[str, Any]]:
    print(f"\ndemo, 442 x 3 and a penalised bias, gap 1e-6\n{HEAD}")
    results = []
    for ratio in (0.1, 0.01):
        problem = demo_problem(ratio)
        mlp.solve(problem)
        solution, seconds = timed(lambda problem=problem: mlp.solve(problem), repeats)
        facts = facts_of(problem, solution.measure, 1e-6) | summary(seconds)
        row(f"measurelp.solve at {ratio} lam_max", facts, facts["seconds_median"], 1.0)
        bound = mlp.Arrangement.from_data(problem.lifted).bound_cells()
        results.append(
            {"lam_ratio": ratio, "lam": problem.lam, "bound_cells": bound, **facts,
             "stats": solution.stats}
        )  # fmt: skip
    print("no rival: the full program has as many blocks as cells, up to", f"{bound:,}")
    return results


# ---- the command ------------------------------------------------------------------------------------


def command() -> list[str]:
    """The console script next to this interpreter, else the module."""
    script = shutil.which("measurelp", path=str(Path(sys.executable).parent))
    return [script] if script else [sys.executable, "-m", "measurelp.cli"]


def one_process(cache: str) -> tuple[float, float]:
    """Wall time of the whole process, and the seconds that it reports for solving."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {"NUMBA_CACHE_DIR": cache, "PYTHONPATH": os.pathsep.join(paths)}
    start = time.perf_counter()
    done = subprocess.run(
        [*command(), *DEMO], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    elapsed = time.perf_counter() - start
    return elapsed, float(json.loads(done.stdout)["seconds"])


def cold_start(repeats: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as cache:
        first, first_solve = one_process(cache)
        one_process(cache)
        later = [one_process(cache) for _ in range(repeats)]
    walls = [wall for wall, _ in later]
    rest = [wall - solve for wall, solve in later]
    bare = []
    for _ in range(repeats):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import numpy, scipy, numba, clarabel"], check=True)
        bare.append(time.perf_counter() - start)
    how = "console script" if len(command()) == 1 else "python -m measurelp.cli"
    print(f"\ncommand on the demo ({how})")
    print(f"first run, empty kernel cache: {first:6.2f} s")
    print(f"warm cache, whole process:     {summary(walls)['seconds_median']:6.2f} s")
    print(f"  of which not solving:        {summary(rest)['seconds_median']:6.2f} s")
    print(
        f"  importing numpy, scipy, numba, clarabel alone: {summary(bare)['seconds_median']:.2f} s"
    )
    return {
        "command": "measurelp " + " ".join(DEMO),
        "run_as": how,
        "first_run_empty_cache_seconds": first,
        "first_run_solve_seconds": first_solve,
        "warm_wall": summary(walls),
        "warm_not_solving": summary(rest),
        "imports_alone": summary(bare),
    }


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument(
        "--skip-plain", action="store_true", help="leave out the rival with one variable a cell"
    )
    parser.add_argument("--output", type=Path, default=RESULTS / "solve.json")
    options = parser.parse_args(arguments)
    given = sys.argv[1:] if arguments is None else arguments
    report = {
        "command": " ".join(["python", "benchmarks/solve.py", *given]),
        "machine": machine(),
        "test_problem": compare(options.repeats, options.skip_plain),
        "demo": demo(options.repeats),
        "cold_start": cold_start(options.repeats),
    }
    write(report, options.output)


if __name__ == "__main__":
    main()
