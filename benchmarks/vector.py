"""Several outputs: proved solves against the project's aims, and one joint network against one network an output.

    python benchmarks/vector.py                # the table of aims and the comparison
    python benchmarks/vector.py --small        # a few small cases

Squared loss, no bias, lam = 0.01 lam_max, a proved relative gap of 1e-6; Gaussian inputs, targets of five neurons plus
0.1 noise.  Each case is solved once, after a small one that compiles the kernels; lam_max is not counted.  ``cpu_seconds`` is the
processor time of the solve, which other programs on the machine disturb less than ``seconds``.

The rival of joint outputs is one network an output ("one against all"): every column alone at the same lam, all of them
proved.  Its objective is that of the separate problem; what its networks cost as one joint network is less than that and given
too.  Both run on the same data in the same process.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from _record import RESULTS, command, machine, update

import measurelp as mlp

# (n, d, c): the aim in seconds
AIMS = {
    (50, 3, 3): 0.2, (1000, 3, 3): 2.0, (50, 5, 3): 1.0, (100, 4, 5): 1.0, (100, 5, 10): 10.0,
    (10_000, 3, 3): 20.0, (100, 6, 3): 20.0,
}  # fmt: skip
SMALL = {(20, 2, 2): None, (50, 3, 3): 0.2}
PAIRS = ((50, 3, 5), (50, 3, 3), (200, 3, 3))


def data(n: int, d: int, c: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and targets."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    W, V = rng.standard_normal((5, d)), rng.standard_normal((5, c))
    return X, np.maximum(X @ W.T, 0.0) @ V + 0.1 * rng.standard_normal((n, c))


def stated(n: int, d: int, c: int, outputs: str = "joint", ratio: float = 0.01) -> Any:
    """The problem at ``ratio`` times lam_max of joint outputs."""
    X, Y = data(n, d, c)
    lam = ratio * mlp.lam_max(mlp.MeasureProblem(X, Y, lam=1.0, bias="none"))
    return mlp.MeasureProblem(X, Y, lam=lam, bias="none", outputs=outputs)


def timed(problem: Any, limit: float) -> tuple[Any, dict[str, Any]]:
    """A solution with what it took."""
    began, cpu = time.perf_counter(), time.process_time()
    solution = mlp.solve(problem, time_limit=limit)
    facts = {
        "seconds": round(time.perf_counter() - began, 3),
        "cpu_seconds": round(time.process_time() - cpu, 3),
        "verdict": solution.certificate.verdict.name,
        "objective": solution.certificate.primal_value,
        "relative_gap": solution.certificate.relative_gap,
        "neurons": len(solution.measure),
        "rounds": solution.stats["rounds"],
        "oracle_calls": solution.stats["oracle_calls"],
        "seconds_oracle": round(solution.stats["seconds_oracle"], 3),
    }
    return solution, facts


def compared(n: int, d: int, c: int, limit: float) -> dict[str, Any]:
    """Joint outputs against one network an output."""
    joint = stated(n, d, c)
    _, facts = timed(joint, limit)
    separate, alone = timed(stated(n, d, c, "separate"), limit)
    as_joint = mlp.certify(joint, separate.measure, rounds=0).primal_value
    return {
        "n": n, "d": d, "c": c, "joint": facts, "one_against_all": alone,
        "one_against_all_as_a_joint_network": as_joint,
        "objective_ratio": alone["objective"] / facts["objective"],
        "neuron_ratio": alone["neurons"] / facts["neurons"],
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="a few small cases, not recorded")
    parser.add_argument("--limit", type=float, default=120.0, help="seconds for each case")
    parser.add_argument("--output", type=Path, default=RESULTS / "vector.json")
    options = parser.parse_args()
    mlp.solve(stated(20, 3, 3, ratio=0.1))
    mlp.solve(stated(20, 3, 3, "separate", ratio=0.1))
    given = command("vector.py", sys.argv[1:])
    record: dict[str, Any] = {"command": given, "machine": machine(), "aims": [], "pairs": []}
    for (n, d, c), aim in (SMALL if options.small else AIMS).items():
        _, facts = timed(stated(n, d, c), options.limit)
        record["aims"].append({"n": n, "d": d, "c": c, "aim": aim, **facts})
        print(f"({n}, {d}, {c}) aim {aim}: {facts}", flush=True)
    for n, d, c in PAIRS[:1] if options.small else PAIRS:
        pair = compared(n, d, c, options.limit)
        record["pairs"].append(pair)
        print(
            f"({n}, {d}, {c}) one against all costs {pair['objective_ratio']:.4f} times the objective with "
            f"{pair['one_against_all']['neurons']} neurons against {pair['joint']['neurons']}",
            flush=True,
        )
    if not options.small:
        update(options.output, "several outputs", record)


if __name__ == "__main__":
    main()
