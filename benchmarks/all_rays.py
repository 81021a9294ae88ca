"""The linear program with the l1 ball: rays as they are needed, against all rays in CVXPY with HiGHS.

    python benchmarks/all_rays.py [--limit SECONDS] [--output benchmarks/results/all_rays.json]

Absolute loss, standard normal inputs n x d without bias, labels of five neurons with noise (seed 1),
lam = 0.02 lam_max.  The rival is given the complete dictionary (``measurelp.dictionary.rays.all_rays``, whose time is stated
apart) and solves one linear program over all its columns.  Both run in this process, one after the other, on one thread;
the rival stops at the limit.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import cvxpy as cp
import numpy as np
from _case import data_of
from _record import command, machine, write

import measurelp as mlp
from measurelp.dictionary.rays import all_rays

SIZES = [(30, 3), (50, 3), (100, 3), (50, 4), (100, 4)]


def measured(n: int, d: int, limit: float) -> dict[str, object]:
    """Both times on one instance."""
    X, y, bias = data_of({"n": n, "d": d})
    options = {"loss": mlp.Absolute(), "ball": mlp.L1Ball(), "bias": bias}
    lam = 0.02 * mlp.lam_max(mlp.MeasureProblem(X, y, lam=1.0, **options))
    problem = mlp.MeasureProblem(X, y, lam=lam, **options)
    began = time.perf_counter()
    solution = mlp.solve(problem)
    ours = time.perf_counter() - began

    began = time.perf_counter()
    atoms = all_rays(problem)
    enumeration = time.perf_counter() - began
    began = time.perf_counter()
    features = problem.features(atoms)
    z = cp.Variable(len(atoms))
    program = cp.Problem(cp.Minimize(cp.norm1(features @ z - y) + lam * cp.norm1(z)))
    try:
        program.solve(solver=cp.HIGHS, time_limit=limit)
        value, status = program.value, program.status
    except cp.error.SolverError as error:
        value, status = None, str(error)
    rival = time.perf_counter() - began
    certificate = solution.certificate
    return {
        "n": n, "d": d, "lam": lam, "rays": len(atoms), "seconds": ours,
        "verdict": certificate.verdict.name, "objective": certificate.primal_value,
        "relative_gap": certificate.relative_gap, "atoms": len(solution.measure),
        "rounds": solution.stats["rounds"], "columns": solution.stats["cells"],
        "oracle": solution.stats["oracle"], "seconds_enumeration": enumeration,
        "rival_seconds": rival, "rival_status": status,
        "rival_objective": None if value is None else float(value), "ratio": ours / rival,
    }  # fmt: skip


def main() -> None:
    """Run and write the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limit", type=float, default=300.0)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/all_rays.json"))
    arguments = parser.parse_args()
    mlp.solve(
        mlp.MeasureProblem(np.eye(3), np.ones(3), lam=0.1, loss=mlp.Absolute(), ball=mlp.L1Ball())
    )
    rows = []
    for n, d in SIZES:
        rows.append(measured(n, d, arguments.limit))
        print(rows[-1], flush=True)
        record = {
            "command": command("all_rays.py", sys.argv[1:]), "machine": machine(),
            "limit_seconds": arguments.limit, "cases": rows,
        }  # fmt: skip
        write(record, arguments.output)


if __name__ == "__main__":
    main()
