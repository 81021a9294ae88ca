"""How large must a shallow network's norm be to come near a deep one?  The best shallow network of each norm, with proof.

    python benchmarks/shallow_and_deep.py       # about 3 min
    python benchmarks/shallow_and_deep.py --small

A deep network gives the targets on a grid.  Along `solve_path`, the solution f_lam of 1/2 sum (f - y)^2 + lam |mu| has norm R = |mu|, and no
shallow network of any width with norm at most R has a smaller error than dual_value(lam) - lam R: weak duality, with the
dual value that is proved at lam.  So every point carries a bracket on the least error of its norm.

Targets.  `tent`: the tent map of [0, 1] composed k times, 3 k ReLUs deep (one input, free bias, affine skip): the shallow norm that interpolates is
the total variation of the slope, (2^k - 1) 2^(k+1), which the interpolating solution must reproduce.  `ista`: the first code of k steps of ISTA
for a random dictionary of 2 x 4, a chain of ReLUs (two inputs, penalised bias).
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from _record import RESULTS, command, machine, write

import measurelp as mlp

ERRORS = (0.3, 0.1, 0.03, 0.01)


def tent_chain(k: int) -> mlp.ReluChain:
    """t(x) = 2 x_+ - 4 (x - 1/2)_+ + 2 (x - 1)_+, k times."""
    read, shift = np.ones((3, 1)), np.array([0.0, -0.5, -1.0])
    tent = np.array([[2.0, -4.0, 2.0]])
    weights = [read, *[read @ tent] * (k - 1), tent]
    return mlp.ReluChain(weights, [*[shift] * k, np.zeros(1)])


def path_norm(chain: mlp.ReluChain) -> float:
    """Sum over all paths, also from biases, of the products of moduli: the l1 path norm of a deep network."""
    size = np.abs(chain.weights[0]).sum(axis=1) + np.abs(chain.biases[0])
    for W, b in zip(chain.weights[1:], chain.biases[1:], strict=True):
        size = np.abs(W) @ size + np.abs(b)
    return float(size[0])


def targets(small: bool) -> list[dict[str, Any]]:
    found = []
    x = np.linspace(0.0, 1.0, 33 if small else 65)[:, None]
    for k in (1, 2, 3) if small else (1, 2, 3, 4, 5):
        chain = tent_chain(k)
        found.append({
            "name": "tent", "depth": k, "chain": chain, "X": x, "y": chain.predict(x)[:, 0],
            "options": {"bias": "free", "skip": "affine"}, "norm": float((2**k - 1) * 2 ** (k + 1)),
        })  # fmt: skip
    line = np.linspace(-2.0, 2.0, 9 if small else 15)
    grid = np.array([(a, b) for a in line for b in line])
    W = mlp.coherent_dictionary(2, 4, seed=1)
    for k in (1, 4) if small else (1, 2, 4, 8, 16):
        full = mlp.unroll_ista(W, 0.2, k).relu_chain()
        chain = mlp.ReluChain(
            [*full.weights[:-1], full.weights[-1][:1]], [*full.biases[:-1], full.biases[-1][:1]]
        )
        found.append({
            "name": "ista", "depth": k, "chain": chain, "X": grid, "y": chain.predict(grid)[:, 0],
            "options": {"bias": "penalized"}, "norm": None,
        })  # fmt: skip
    return found


def measured(target: dict[str, Any], limit: float) -> dict[str, Any]:
    X, y, chain = target["X"], target["y"], target["chain"]
    start = time.perf_counter()
    problem = mlp.MeasureProblem(X, y, lam=1.0, **target["options"])
    path = mlp.solve_path(problem, n_lams=30, lam_min_ratio=2e-4, tol_gap=1e-6, time_limit=limit)
    if target["options"].get("skip") == "affine":  # what costs nothing
        free = np.column_stack([X, np.ones(len(X))])
        rest = y - free @ np.linalg.lstsq(free, y, rcond=None)[0]
    else:
        rest = y
    zero = float(rest @ rest)
    points = []
    for solution in path:
        lam, certificate = solution.problem.lam, solution.certificate
        R = solution.total_variation
        loss = certificate.primal_value - lam * R
        least = max(0.0, certificate.dual_value - lam * R)
        points.append({
            "lam": lam, "norm": R, "neurons": len(solution.measure), "verdict": certificate.verdict.name,
            "relative_gap": certificate.relative_gap,
            "error": (2.0 * max(loss, 0.0) / zero) ** 0.5, "error_at_least": (2.0 * least / zero) ** 0.5,
        })  # fmt: skip
    needed = []
    for error in ERRORS:
        near = [p for p in points if p["error"] <= error]
        # No norm below R reaches the error: weak duality at each lam, the best of them.
        bounds = [(s.certificate.dual_value - 0.5 * error**2 * zero) / s.problem.lam for s in path]
        needed.append({
            "error": error, "norm_at_least": max(0.0, *bounds),
            "norm": near[0]["norm"] if near else None,
            "neurons": near[0]["neurons"] if near else None,
        })  # fmt: skip
    exact = None
    if target["norm"] is not None:
        exact = mlp.solve(
            mlp.MeasureProblem(X, y, lam=1.0, loss=mlp.Interpolation(), **target["options"]),
            time_limit=limit,
        ).certificate.primal_value
    return {
        "name": target["name"], "depth": target["depth"], "points": len(X),
        "deep_relus": sum(chain.widths), "deep_path_norm": path_norm(chain),
        "interpolation": exact, "interpolation_expected": target["norm"], "path": points,
        "needed": needed, "termination": path.termination.name,
        "seconds": time.perf_counter() - start,
    }  # fmt: skip


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--small", action="store_true", help="few depths, coarse grids")
    parser.add_argument("--limit", type=float, default=60.0, help="seconds for one target")
    parser.add_argument("--output", type=Path, default=RESULTS / "shallow_and_deep.json")
    options = parser.parse_args(arguments)
    results = []
    print(f"{'target':6} {'depth':>5} {'ReLUs':>5} {'path norm':>10} | shallow norm (proved at least) and neurons, to an error of "
          + ", ".join(f"{error:g}" for error in ERRORS))  # fmt: skip
    for target in targets(options.small):
        found = measured(target, options.limit)
        results.append(found)
        cells = [
            f"{'-' if n['norm'] is None else format(n['norm'], '.3g')} ({n['norm_at_least']:.3g})"
            f" {n['neurons'] or ''}"
            for n in found["needed"]
        ]
        proved = sum(p["verdict"] == "OPTIMAL" for p in found["path"])
        print(f"{found['name']:6} {found['depth']:5} {found['deep_relus']:5} {found['deep_path_norm']:10.3g} | "
              + " | ".join(cells) + f" | {proved} of {len(found['path'])} proved, "
              f"{found['seconds']:.1f} s"
              + ("" if found["interpolation"] is None else
                 f", interpolation {found['interpolation']:.8g} ({found['interpolation_expected']:.8g})"),
              flush=True)  # fmt: skip
    given = sys.argv[1:] if arguments is None else arguments
    write({"command": command("shallow_and_deep.py", given), "machine": machine(), "targets": results},
          options.output)  # fmt: skip


if __name__ == "__main__":
    main()
