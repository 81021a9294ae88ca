"""A certified path of 50 lams against single solves.

    python benchmarks/path.py [--repeats 3] [--output benchmarks/results/path.json]

Instances: 200 points in R^3, labels of five neurons with noise (seed 1), without and with a penalised bias; lam from lam_max to
lam_max / 1000 in geometric progression, each point proved to a relative gap of 1e-6.  In one run, alternating:

* `solve_path`;
* one cold `solve` at the last lam of the path, which takes longest ("single");
* cold `solve` calls at all lams of the path.

The first ratio is the aim: at most 10.  Ratios are of processor time, which other work on the machine moves less; wall times are
recorded beside it.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from _case import data_of
from _record import RESULTS, command, machine, timed, write

import measurelp as mlp


def measured(bias_column: bool, repeats: int) -> dict[str, object]:
    """One instance."""
    X, y, bias = data_of({"n": 200, "d": 4 if bias_column else 3, "bias_column": bias_column})
    problem = mlp.MeasureProblem(X, y, lam=1.0, bias=bias)
    path = mlp.solve_path(problem)  # loads what is compiled
    seconds: dict[str, list[float]] = {"path": [], "single": [], "all": []}
    busy: dict[str, list[float]] = {"path": [], "single": [], "all": []}
    last, lams = path[-1].problem, path.lams
    calls: dict[str, Callable[[], Any]] = {
        "path": lambda: mlp.solve_path(problem),
        "single": lambda: mlp.solve(last),
        "all": lambda: [mlp.solve(problem.with_lam(lam)) for lam in lams],
    }
    for _ in range(repeats):
        for name, call in calls.items():
            start = time.process_time()
            _, spent = timed(call, 1)
            busy[name].append(time.process_time() - start)
            seconds[name] += spent
    middle = {name: statistics.median(values) for name, values in busy.items()}
    report = {
        "n": problem.n, "d": problem.d, "bias": bias, "lams": len(path), "lam_max": path.lam_max,
        "proved": sum(s.certificate.is_optimal for s in path),
        "neurons_at_the_end": int(path.n_atoms[-1]),
        "largest_gap": float(path.relative_gaps.max()),
        "largest_gap_between": float(path.gaps_between.max()),
        "seconds": seconds, "processor_seconds": busy,
        "path_over_single": middle["path"] / middle["single"],
        "path_over_all": middle["path"] / middle["all"],
    }  # fmt: skip
    print(f"{bias}: {report['path_over_single']:.2f} single solves, "
          f"{report['path_over_all']:.2f} of all cold solves")  # fmt: skip
    return report


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--output", type=Path, default=RESULTS / "path.json")
    given = parser.parse_args()
    cases = [measured(bias_column, given.repeats) for bias_column in (False, True)]
    words = [f"--repeats {given.repeats}"] if given.repeats != 3 else []
    write(
        {"machine": machine(), "command": command("path.py", words), "cases": cases}, given.output
    )
