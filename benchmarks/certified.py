"""How long a whole `measurelp.solve` takes to a proved relative gap of 1e-6, against the aims of the project.

    python benchmarks/certified.py --group planes        # three and four coordinates
    python benchmarks/certified.py --group million       # a million points in three
    python benchmarks/certified.py --group middle        # five and six
    python benchmarks/certified.py --group high          # seven to ten
    python benchmarks/certified.py --group weak          # lam = 0.001 lam_max
    python benchmarks/certified.py --group diabetes
    python benchmarks/certified.py --group limits        # ranks too large to prove
    python benchmarks/certified.py --small               # some of each, with small limits

Squared loss, Gaussian inputs, labels of five neurons with noise (see `_case.py`), lam = 0.01 lam_max.  "+ bias" means that
the last coordinate is the constant 1.  Each case has a process, a time limit and one core; kernels are compiled beforehand.
lam_max is not counted.  The yardstick of a group is the full cone program over the 2,452 cells of a 50 x 3 problem by CVXPY
with Clarabel, in the same run: ratios to it can be compared between machines, seconds cannot.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from _case import measured
from _record import RESULTS, command, machine, update

Case = dict[str, Any]


def teacher(
    n: int, d: int, aim: float | None, limit: float, *, bias: bool = False, ratio: float = 0.01
) -> Case:
    name = f"{n:,} x {d}" + (" + bias" if bias else "") + (f", {ratio:g}" if ratio != 0.01 else "")
    data = {"n": n, "d": d, "bias_column": bias}
    return {"name": name, "data": data, "lam_ratio": ratio, "aim": aim, "time_limit": limit}


def diabetes(features: str, ratio: float, aim: float, limit: float) -> Case:
    data = {"kind": "diabetes", "features": features.split(",")}
    name = f"diabetes {features}, {ratio:g}"
    return {"name": name, "data": data, "lam_ratio": ratio, "aim": aim, "time_limit": limit}


def both(n: int, d: int, aim: float, limit: float) -> list[Case]:
    return [teacher(n, d, aim, limit), teacher(n, d, aim, limit, bias=True)]


DEMO = {
    "name": "50 x 3 demo, lam 0.5, to 1e-9", "data": {"kind": "demo"}, "lam": 0.5, "tol": 1e-9,
    "aim": 0.01, "time_limit": 10.0, "repeats": 9,
}  # fmt: skip
GROUPS: dict[str, list[Case]] = {
    "planes": [
        DEMO, *both(1_000, 3, 0.08, 10.0), *both(10_000, 3, 0.5, 15.0),
        *both(100_000, 3, 5.0, 30.0), *both(1_000, 4, 0.15, 10.0), *both(10_000, 4, 1.5, 20.0),
    ],
    "million": [teacher(1_000_000, 3, 60.0, 240.0)],
    "middle": [
        *both(100, 5, 0.1, 10.0), *both(300, 5, 1.5, 20.0), *both(1_000, 5, 3.0, 30.0),
        *both(100, 6, 0.3, 10.0), *both(300, 6, 8.0, 60.0),
    ],
    "high": [
        *both(100, 7, 3.0, 30.0), *both(60, 8, 0.5, 20.0), *both(100, 8, 4.0, 40.0),
        *both(50, 10, 0.5, 20.0),
    ],
    "weak": [
        teacher(1_000, 4, 1.5, 30.0, ratio=0.001), teacher(300, 5, 4.0, 60.0, ratio=0.001),
        teacher(100, 6, 4.0, 60.0, ratio=0.001),
    ],
    "diabetes": [
        diabetes("bmi,bp,s5", 0.1, 0.05, 10.0), diabetes("bmi,bp,s5", 0.01, 0.4, 20.0),
        diabetes("bmi,bp,s5,s3,age", 0.1, 1.5, 30.0), diabetes("bmi,bp,s5,s3,age", 0.01, 60.0, 150.0),
    ],
    "limits": [
        teacher(n, d, None, seconds, ratio=ratio)
        for n, d in ((200, 20), (100, 50)) for ratio in (0.1, 0.01) for seconds in (3.0, 15.0)
    ],
}  # fmt: skip
SMALL = [
    DEMO, teacher(1_000, 3, 0.08, 5.0), teacher(100, 5, 0.1, 5.0, bias=True),
    teacher(50, 10, 0.5, 5.0), diabetes("bmi,bp,s5", 0.1, 0.05, 5.0), teacher(60, 20, None, 2.0),
]  # fmt: skip
HEAD = (
    f"{'instance':38} {'seconds':>9} {'aim':>7} {'gap':>8} {'atoms':>5} {'calls':>5} "
    f"{'nodes':>9} {'oracle':>7} {'master':>7} {'pricing':>7}  verdict"
)


def row(found: Case) -> str:
    case = found["case"]
    aim = "" if case.get("aim") is None else f"{case['aim']:g}"
    if "failed" in found:
        return f"{case['name']:38} {'':>9} {aim:>7} {found['failed']}"
    stats, gap = found["stats"], found["relative_gap"]
    parts = " ".join(f"{stats[f'seconds_{part}']:7.2f}" for part in ("oracle", "master", "pricing"))
    return (
        f"{case['name']:38} {found['seconds']:9.3f} {aim:>7} {gap if gap is not None else -1:8.1e} "
        f"{found['neurons']:5d} {stats['oracle_calls']:5d} {found['nodes']:9d} {parts}  "
        f"{found['verdict']}"
    )


def run(cases: list[Case], repeats: int, limit: float | None) -> dict[str, Any]:
    """The yardstick and all cases, one after another."""
    scale = measured({"kind": "yardstick", "time_limit": 60.0})
    print(f"yardstick: {scale.get('seconds', float('nan')):.2f} s\n{HEAD}", flush=True)
    results = []
    for case in cases:
        asked = {"repeats": repeats, **case}
        if limit is not None:
            asked["time_limit"] = min(limit, asked["time_limit"])
        results.append(measured(asked))
        print(row(results[-1]), flush=True)
    return {"yardstick": scale, "cases": results}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--group", choices=list(GROUPS), action="append", default=[])
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--limit", type=float, help="no case gets more seconds than this")
    parser.add_argument("--output", type=Path, default=RESULTS / "certified.json")
    options = parser.parse_args(arguments)
    chosen = {"small": SMALL} if options.small else {}
    chosen |= {name: GROUPS[name] for name in options.group}
    if not chosen:
        parser.error("choose --small or some --group")
    given = sys.argv[1:] if arguments is None else arguments
    for name, cases in chosen.items():
        print(f"\n{name}")
        found = run(cases, options.repeats, options.limit)
        asked_for = command("certified.py", given)
        update(options.output, name, {"command": asked_for, "machine": machine(), **found})


if __name__ == "__main__":
    main()
