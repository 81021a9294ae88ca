"""Proof files: records, bytes, and seconds to make and to check.

    python benchmarks/proofs.py [--small]

The instances of `_case.py` (Gaussian inputs, five neurons plus noise, no bias), each solved to a relative gap of 1e-6 and
written with the defaults.  Seconds are the process's own; to check includes reading the file.  Prints the table of
`docs/proof.md`.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

from _case import problem_of
from _record import RESULTS, command, machine, write

import measurelp as mlp
from measurelp import check_proof

CASES = (
    (50, 3, 0.01), (200, 3, 0.01), (1000, 3, 0.01), (50, 4, 0.01), (1000, 4, 0.01), (100, 5, 0.1),
    (100, 5, 0.01), (50, 6, 0.1), (100, 6, 0.1), (60, 8, 0.1), (40, 10, 0.1),
)  # fmt: skip


def measured(n: int, d: int, ratio: float, folder: Path) -> dict[str, Any]:
    """One proof."""
    solution = mlp.solve(problem_of({"data": {"n": n, "d": d}, "lam_ratio": ratio}))
    file = folder / f"{n}-{d}-{ratio}.json"
    start = time.process_time()
    proof = solution.proof(file)
    made = time.process_time()
    document = check_proof.read(file)
    check_proof.check(document)
    return {
        "n": n, "d": d, "lam_ratio": ratio, "verdict": solution.certificate.verdict.name,
        "kind": document["covers"][0]["kind"], "records": proof.records, "bytes": proof.size,
        "relative_gap": proof.gap / proof.primal_value, "seconds_to_make": made - start,
        "seconds_to_check": time.process_time() - made,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--small", action="store_true", help="the first instance only")
    parser.add_argument("--output", type=Path, default=RESULTS / "proofs.json")
    options = parser.parse_args()
    print(
        "| n, d, lam / lam_max | kind | records | bytes | seconds to make | to check |\n|---|---|---|---|---|---|"
    )
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for n, d, ratio in CASES[:1] if options.small else CASES:
            found = measured(n, d, ratio, Path(folder))
            results.append(found)
            print(
                f"| {n}, {d}, {ratio} | {found['kind']} | {found['records']} | {found['bytes']} | "
                f"{found['seconds_to_make']:.1f} | {found['seconds_to_check']:.2f} |", flush=True,
            )  # fmt: skip
    words = ["--small"] if options.small else []
    asked_for = command("proofs.py", words)
    write({"command": asked_for, "machine": machine(), "cases": results}, options.output)


if __name__ == "__main__":
    main()
