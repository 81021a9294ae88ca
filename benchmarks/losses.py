"""`measurelp.solve` for losses but the squared one, against the program over all cells in CVXPY.

    python benchmarks/losses.py [--repeats 5] [--small] [--output benchmarks/results/losses.json]

Inputs are Gaussian, targets come from five neurons and noise, there is a free constant, lam is a hundredth of
lam_max.  Three times for each problem, in one run: a whole solve to a proved relative gap of 1e-6, the same with
cone programs throughout (`backend="clarabel"`), and, where all cells are few enough, CVXPY with Clarabel on the
program over all cells that `measurelp.enumerate_cells` lists, building included and enumeration not.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import cvxpy as cp
import numpy as np
from _record import RESULTS, command, machine, summary, timed, write

import measurelp as mlp

LOSSES = {
    "logistic": mlp.Logistic(), "hinge": mlp.Hinge(), "squared_hinge": mlp.SquaredHinge(),
    "huber": mlp.Huber(0.2), "absolute": mlp.Absolute(), "quantile": mlp.Quantile(0.8),
    "poisson": mlp.Poisson(),
}  # fmt: skip
SIZES = ((50, 2), (300, 3), (2000, 3))
MOST_CELLS = 3000


def problem_of(name: str, n: int, d: int) -> mlp.MeasureProblem:
    rng = np.random.default_rng(1)
    X = rng.standard_normal((n, d))
    W, b = rng.standard_normal((5, d)), 0.3 * rng.standard_normal(5)
    f = np.maximum(X @ W.T + b, 0.0) @ np.array([1.0, -1.0, 0.7, -0.4, 1.0])
    noise = rng.standard_normal(n)
    if name in ("logistic", "hinge", "squared_hinge"):
        y = np.where(f - np.median(f) + 0.3 * noise > 0.0, 1.0, -1.0)
    elif name == "poisson":
        y = rng.poisson(np.exp(np.clip(f, -3.0, 2.0))).astype(float)
    else:
        y = f + 0.1 * noise
    problem = mlp.MeasureProblem(X, y, lam=1.0, loss=LOSSES[name], skip="constant")
    return problem.with_lam(0.01 * mlp.lam_max(problem))


def facts(solution: mlp.Solution, seconds: list[float]) -> dict[str, Any]:
    certificate = solution.certificate
    return summary(seconds) | {
        "verdict": certificate.verdict.name, "objective": certificate.primal_value,
        "relative_gap": certificate.relative_gap, "atoms": len(solution.measure),
        "master": solution.stats["master"], "rounds": solution.stats["rounds"],
    }  # fmt: skip


def rival(problem: mlp.MeasureProblem) -> float | None:
    """The value that CVXPY finds; None where its solver gives up."""
    program = mlp.cvxpy_from_problem(problem, mlp.enumerate_cells(problem.lifted))
    try:
        return float(program.solve(solver=cp.CLARABEL))
    except cp.SolverError:
        return None


def measured(name: str, n: int, d: int, repeats: int) -> dict[str, Any]:
    problem = problem_of(name, n, d)
    mlp.solve(problem)  # compiles
    ours = facts(*timed(lambda: mlp.solve(problem), repeats))
    row: dict[str, Any] = {"loss": name, "n": n, "d": d, "lam": problem.lam, "solve": ours}
    if n < 1000:
        row["cone_programs"] = facts(*timed(lambda: mlp.solve(problem, backend="clarabel"), 1))
    cells = mlp.count_cells(problem.lifted)
    if cells <= MOST_CELLS:
        value, seconds = timed(lambda: rival(problem), 1)
        row["cvxpy_all_cells"] = summary(seconds) | {"objective": value, "cells": cells}
        row["ratio_to_cvxpy"] = seconds[0] / ours["seconds_median"]
    print(
        f"{name:14} {n:5} x {d}  {ours['seconds_median']:8.3f} s  gap {ours['relative_gap']:.1e}  "
        f"{ours['atoms']:3} atoms  "
        + "  ".join(
            f"{key} {row[key]['seconds_median']:.3f} s"
            for key in ("cone_programs", "cvxpy_all_cells")
            if key in row
        ),
        flush=True,
    )
    return row


def main(given: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--small", action="store_true", help="only the smallest problems")
    parser.add_argument("--output", type=Path, default=RESULTS / "losses.json")
    options = parser.parse_args(given)
    sizes = SIZES[:1] if options.small else SIZES
    rows = [measured(name, n, d, options.repeats) for n, d in sizes for name in LOSSES]
    write(
        {"command": command("losses.py", given), "machine": machine(), "rows": rows}, options.output
    )


if __name__ == "__main__":
    main(sys.argv[1:])
