"""`measurelp.solve` and its oracle against going through all cells.

    python benchmarks/enumerated.py [--small]

Two questions, same instances (see `_case.py`), one core.

* One proof: the oracle that is chosen for the problem against `CellOracle`, which enumerates all cells, both asked to prove
  sup |eta| <= lam (1 + 1e-7) for the dual vector of the optimum.
* The whole problem: `solve` against the full cone program over all cells by CVXPY with Clarabel (enumeration not counted), for
  as long as that ends.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from _case import measured
from _record import RESULTS, command, machine, write

PROOFS = [
    (100, 3), (300, 3), (1_000, 3), (3_000, 3), (60, 4), (150, 4), (300, 4), (40, 5), (80, 5),
    (30, 6), (45, 6), (25, 8),
]  # fmt: skip
PROGRAMS = [(25, 3), (50, 3), (70, 3), (15, 4), (25, 4), (12, 5)]


def proofs(instances: list[tuple[int, int]], limit: float) -> list[dict[str, Any]]:
    print("\none proof at the optimum\ninstance        cells  enumerated, s    chosen, s     ratio")
    results = []
    for n, d in instances:
        case = {"kind": "oracle", "data": {"n": n, "d": d}, "lam_ratio": 0.01, "time_limit": limit}
        found = measured(case)
        results.append(found)
        if "failed" in found:
            print(f"{n:6} x {d}: {found['failed']}")
            continue
        a, b = found["cells_seconds"], found["chosen_seconds"]
        late = "" if found["cells_termination"] == "CONVERGED" else " (out of time)"
        print(
            f"{n:6} x {d} {found['cells_stats']['cells']:12,d} {a:14.4f} {b:12.5f} {a / b:9.0f} "
            f"{found['chosen']}{late}",
            flush=True,
        )
    return results


def programs(instances: list[tuple[int, int]], limit: float) -> list[dict[str, Any]]:
    print("\nthe whole problem\ninstance    cells    CVXPY, s   solve, s     ratio  difference")
    results = []
    for n, d in instances:
        case = {"data": {"n": n, "d": d}, "lam_ratio": 0.01, "time_limit": limit}
        ours = measured({**case, "tol": 1e-9, "repeats": 5})
        theirs = measured({**case, "kind": "cvxpy"})
        results.append({"measurelp": ours, "cvxpy": theirs})
        if "failed" in ours or "failed" in theirs:
            print(f"{n:6} x {d}: {ours.get('failed')}, {theirs.get('failed')}")
            continue
        difference = theirs["objective"] / ours["objective"] - 1.0
        print(
            f"{n:6} x {d} {theirs['cells']:8d} {theirs['seconds']:11.2f} {ours['seconds']:10.4f} "
            f"{theirs['seconds'] / ours['seconds']:9.0f}  {difference:10.1e}",
            flush=True,
        )
    return results


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--limit", type=float, default=30.0, help="seconds for one oracle or solve")
    parser.add_argument("--output", type=Path, default=RESULTS / "enumerated.json")
    options = parser.parse_args(arguments)
    some = 2 if options.small else None
    given = sys.argv[1:] if arguments is None else arguments
    report = {
        "command": command("enumerated.py", given),
        "machine": machine(),
        "proofs": proofs(PROOFS[:some], options.limit),
        "programs": programs(PROGRAMS[:some], options.limit),
    }
    write(report, options.output)


if __name__ == "__main__":
    main()
