"""One measurement in a process of its own: an instance, a solver, what came out.

    python benchmarks/_case.py '{"data": {"n": 1000, "d": 3}, "lam_ratio": 0.01}'

prints one JSON object.  The other scripts call :func:`measured`, which starts this file, so that memory and compiled kernels
of one case do not touch the next, and a case that does not end is ended.

Instances.  ``teacher``: X standard normal, labels of five neurons with unit weights and signs +-1, plus noise of a tenth of
the labels' standard deviation, seed 1.  With ``bias_column`` the last of the d coordinates that hidden units see is the
constant 1 and counts in the norm.  ``demo``: the 50 x 3 problem of `benchmarks/solve.py`.  ``diabetes``: columns of
`examples/diabetes.csv`, standardised, with a penalised bias.
"""

from __future__ import annotations

import contextlib
import csv
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
ONE_THREAD = {
    f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "NUMBA", "VECLIB_MAXIMUM")
}


# ---- instances ------------------------------------------------------------------------------------


def data_of(spec: dict[str, Any]) -> tuple[np.ndarray, np.ndarray, str]:
    """Inputs, targets and the kind of bias."""
    kind = spec.get("kind", "teacher")
    if kind == "demo":
        rng = np.random.default_rng(0)
        X, W = rng.standard_normal((50, 3)), rng.standard_normal((4, 3))
        W /= np.linalg.norm(W, axis=1, keepdims=True)
        return X, np.maximum(X @ W.T, 0.0) @ rng.choice([-1.0, 1.0], 4), "none"
    if kind == "diabetes":
        with open(ROOT / "examples" / "diabetes.csv", newline="", encoding="utf-8") as stream:
            table = list(csv.DictReader(stream))
        raw = np.array([[float(line[name]) for name in spec["features"]] for line in table])
        y = np.array([float(line["progression"]) for line in table])
        return (raw - raw.mean(axis=0)) / raw.std(axis=0), y, "penalized"
    rng = np.random.default_rng(spec.get("seed", 1))
    n, d = spec["n"], spec["d"]
    X, W = rng.standard_normal((n, d)), rng.standard_normal((5, d))
    if spec.get("bias_column"):
        X[:, -1] = 1.0
    W /= np.linalg.norm(W, axis=1, keepdims=True)
    clean = np.maximum(X @ W.T, 0.0) @ rng.choice([-1.0, 1.0], 5)
    y = clean + 0.1 * clean.std() * rng.standard_normal(n)
    return (X[:, :-1], y, "penalized") if spec.get("bias_column") else (X, y, "none")


def problem_of(case: dict[str, Any]) -> Any:
    import measurelp as mlp

    X, y, bias = data_of(case["data"])
    problem = mlp.MeasureProblem(X, y, lam=case.get("lam", 1.0), bias=bias)
    if "lam" in case:
        return problem
    limit = case.get("time_limit", 60.0)
    return problem.with_lam(case["lam_ratio"] * mlp.lam_max(problem, time_limit=limit))


# ---- solving -----------------------------------------------------------------------------------------


@contextlib.contextmanager
def counted_nodes() -> Iterator[list[int]]:
    """The nodes of all oracle calls, summed up in a list of one number."""
    from measurelp import oracle

    total = [0]
    kinds = [oracle.BranchAndBoundOracle, oracle.ConeOracle, oracle.SignOracle]
    originals = [kind.maximise for kind in kinds]

    def counting(original: Any) -> Any:
        def maximise(self: Any, dual: Any, **options: Any) -> Any:
            report = original(self, dual, **options)
            total[0] += int(report.stats.get("nodes", 0))
            return report

        return maximise

    for kind, original in zip(kinds, originals, strict=True):
        kind.maximise = counting(original)  # type: ignore[method-assign]
    try:
        yield total
    finally:
        for kind, original in zip(kinds, originals, strict=True):
            kind.maximise = original  # type: ignore[method-assign]


def warm_up(case: dict[str, Any]) -> None:
    """Load, or compile, what the case will use, on a small instance of the same shape."""
    import measurelp as mlp

    X, y, bias = data_of(case["data"])
    few = mlp.MeasureProblem(X[:30], y[:30], lam=1.0, bias=bias)
    for lam in (0.3, 0.03):
        lam *= mlp.lam_max(few, oracle=case.get("oracle"), time_limit=1.0)
        mlp.solve(few.with_lam(lam), oracle=case.get("oracle"), time_limit=2.0)


def solved(case: dict[str, Any]) -> dict[str, Any]:
    """Seconds of whole calls of solve, and what the last one proved."""
    import measurelp as mlp

    warm_up(case)
    problem = problem_of(case)
    seconds: list[float] = []
    processor: list[float] = []
    limit = case.get("time_limit", 60.0)
    while len(seconds) < case.get("repeats", 3) and sum(seconds) < 0.5 * limit:
        with counted_nodes() as nodes:
            start, busy = time.perf_counter(), time.process_time()
            solution = mlp.solve(
                problem, tol_gap=case.get("tol", 1e-6), time_limit=limit,
                oracle=case.get("oracle"), n_jobs=case.get("n_jobs", 1),
            )  # fmt: skip
            seconds.append(time.perf_counter() - start)
            processor.append(time.process_time() - busy)
    certificate, stats = solution.certificate, solution.stats
    return {
        "seconds": sorted(seconds)[len(seconds) // 2],
        "all_seconds": seconds,
        "processor_seconds": min(processor),
        "verdict": certificate.verdict.name,
        "termination": solution.termination.name,
        "relative_gap": number(certificate.relative_gap),
        "objective": number(certificate.primal_value),
        "dual_value": number(certificate.dual_value),
        "zero_objective": 0.5 * float(problem.y @ problem.y),
        "lam": problem.lam,
        "neurons": len(solution.measure),
        "nodes": nodes[0],
        "seconds_over_limit": max(0.0, max(seconds) - limit),
        "stats": {key: value for key, value in stats.items() if key != "seconds"},
    }


def number(value: float) -> float | None:
    """None for what is not finite."""
    return float(value) if np.isfinite(value) else None


def yardstick() -> dict[str, Any]:
    """Seconds of the full cone program over all cells of the demo by CVXPY with Clarabel."""
    import measurelp as mlp

    X, y, bias = data_of({"kind": "demo"})
    problem = mlp.MeasureProblem(X, y, lam=0.5, bias=bias)
    cells = mlp.enumerate_cells(problem.lifted)
    start, busy = time.perf_counter(), time.process_time()
    program = mlp.cvxpy_from_problem(problem, cells)
    program.solve(solver="CLARABEL")
    return {
        "seconds": time.perf_counter() - start,
        "processor_seconds": time.process_time() - busy,
        "objective": float(program.value),
    }


def cvxpy_over_all_cells(case: dict[str, Any]) -> dict[str, Any]:
    """The full cone program over all cells, by CVXPY with Clarabel."""
    import measurelp as mlp

    problem = problem_of(case)
    start = time.perf_counter()
    cells = mlp.enumerate_cells(problem.lifted)
    listed = time.perf_counter() - start
    start = time.perf_counter()
    program = mlp.cvxpy_from_problem(problem, cells)
    program.solve(solver="CLARABEL")
    return {
        "seconds": time.perf_counter() - start, "seconds_enumeration": listed,
        "cells": len(cells), "objective": float(program.value), "lam": problem.lam,
    }  # fmt: skip


def one_oracle_call(case: dict[str, Any]) -> dict[str, Any]:
    """Two oracles on the dual vector of the optimum: seconds of one proof to 1e-6."""
    import measurelp as mlp
    from measurelp.oracle import Budget, CellOracle, DualFunction, choose_oracle
    from measurelp.problem import row_space

    warm_up(case)
    problem = problem_of(case)
    limit = case.get("time_limit", 60.0)
    solution = mlp.solve(problem, tol_gap=1e-6, time_limit=limit)
    dual = DualFunction(problem, row_space(problem), solution.dual)
    chosen, _ = choose_oracle("auto", dual.space)
    found: dict[str, Any] = {"lam": problem.lam, "chosen": chosen.name}
    level = problem.lam * (1.0 + 1e-7)
    small = mlp.MeasureProblem(problem.X[:20], problem.y[:20], lam=1.0, bias=problem.bias)
    CellOracle().maximise(DualFunction(small, row_space(small), small.y))
    for name, oracle in (("chosen", chosen), ("cells", CellOracle())):
        start = time.perf_counter()
        budget = Budget(deadline=start + limit)
        report = oracle.maximise(dual, level=level, tolerance=1e-7, budget=budget)
        found[f"{name}_seconds"] = time.perf_counter() - start
        found[f"{name}_sup"] = [report.lower, number(report.upper)]
        found[f"{name}_termination"] = report.termination.name
        found[f"{name}_stats"] = report.stats
    return found


KINDS = {
    "solve": solved,
    "cvxpy": cvxpy_over_all_cells,
    "oracle": one_oracle_call,
    "yardstick": lambda _: yardstick(),
}


# ---- processes -----------------------------------------------------------------------------------------


def measured(case: dict[str, Any], *, patience: float = 120.0) -> dict[str, Any]:
    """Run a case in a process of its own; ``{"failed": why}`` when it does not end or breaks.

    ``patience`` are seconds beyond four times its time limit (lam_max, the repeats and the start of the process).
    """
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | ONE_THREAD | {"PYTHONPATH": os.pathsep.join(paths)}
    try:
        done = subprocess.run(
            [sys.executable, __file__, json.dumps(case)], env=environment, cwd=ROOT,
            capture_output=True, text=True, check=False,
            timeout=4.0 * case.get("time_limit", 60.0) + patience,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return {"case": case, "failed": "did not end"}
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
        return {"case": case, "failed": last[0]}
    return {"case": case, **json.loads(done.stdout.splitlines()[-1])}


def peak_megabytes() -> float | None:
    """Largest resident memory of this process so far."""
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (1024.0**2 if sys.platform == "darwin" else 1024.0), 1)


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    answer = KINDS[asked.get("kind", "solve")](asked)
    print(json.dumps(answer | {"peak_megabytes": peak_megabytes()}))
