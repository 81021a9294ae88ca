"""How time, nodes and memory of `measurelp.solve` grow with rows, dimension, lam and accuracy.

    python benchmarks/growth.py --part rows          # 10^3 to 10^6 points in three dimensions
    python benchmarks/growth.py --part dimension     # 100 points in two to ten dimensions
    python benchmarks/growth.py --part lam
    python benchmarks/growth.py --part tolerance
    python benchmarks/growth.py --small              # a little of each

One thing is varied at a time; the instances are those of `_case.py`, at lam = 0.01 lam_max and a proved gap of 1e-6 where
nothing else is said.  Each case has a process of its own, whose peak memory is recorded (it includes the interpreter, numba and
the data: about 180 MB).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from _case import measured
from _record import RESULTS, command, machine, update

Case = dict[str, Any]


def case(n: int, d: int, limit: float, *, ratio: float = 0.01, tol: float = 1e-6) -> Case:
    return {"data": {"n": n, "d": d}, "lam_ratio": ratio, "tol": tol, "time_limit": limit}


PARTS: dict[str, list[Case]] = {
    "rows": [
        case(n, 3, limit)
        for n, limit in (
            (1_000, 10.0), (3_000, 10.0), (10_000, 15.0), (30_000, 20.0), (100_000, 40.0),
            (300_000, 80.0), (1_000_000, 180.0),
        )
    ],
    "dimension": [case(100, d, 5.0 if d < 7 else 30.0) for d in (2, 3, 4, 5, 6, 7, 8)]
    + [case(50, d, 20.0) for d in (4, 6, 8, 10, 12)],
    "lam": [
        case(n, d, 20.0, ratio=ratio)
        for n, d in ((1_000, 3), (300, 4), (100, 5)) for ratio in (0.3, 0.1, 0.03, 0.01, 3e-3, 1e-3, 1e-4)
    ],
    "tolerance": [
        case(n, d, 20.0, tol=tol)
        for n, d in ((1_000, 3), (300, 4), (100, 5)) for tol in (1e-1, 1e-2, 1e-3, 1e-4, 1e-6, 1e-8, 1e-10)
    ],
}  # fmt: skip


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--part", choices=list(PARTS), action="append", default=[])
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--output", type=Path, default=RESULTS / "growth.json")
    options = parser.parse_args(arguments)
    if not (options.part or options.small):
        parser.error("choose --small or some --part")
    given = sys.argv[1:] if arguments is None else arguments
    for part in options.part or list(PARTS):
        print(f"\n{part}\n{'n':>9} {'d':>3} {'lam ratio':>9} {'tol':>7} {'seconds':>9} {'nodes':>9} "
              f"{'calls':>5} {'atoms':>5} {'gap':>8} {'MB':>6}")  # fmt: skip
        results = []
        for asked in PARTS[part][:2] if options.small else PARTS[part]:
            found = measured({"repeats": options.repeats, **asked})
            results.append(found)
            data = asked["data"]
            words = f"{data['n']:9d} {data['d']:3d} {asked['lam_ratio']:9g} {asked['tol']:7.0e} "
            if "failed" in found:
                print(words + found["failed"], flush=True)
                continue
            gap = found["relative_gap"]
            print(
                f"{words}{found['seconds']:9.4f} {found['nodes']:9d} "
                f"{found['stats']['oracle_calls']:5d} {found['neurons']:5d} "
                f"{-1.0 if gap is None else gap:8.1e} {found['peak_megabytes']:6.0f}",
                flush=True,
            )
        asked_for = command("growth.py", given)
        update(options.output, part, {"command": asked_for, "machine": machine(), "cases": results})


if __name__ == "__main__":
    main()
