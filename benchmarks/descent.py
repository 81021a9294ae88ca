"""Adam and L-BFGS in torch against the proved optimum: how often and how soon they come near it.

    python benchmarks/descent.py --problem demo
    python benchmarks/descent.py --problem "1000 x 3"
    python benchmarks/descent.py --problem "100 x 5"
    python benchmarks/descent.py --problem "1000 x 4"

Networks f(x) = sum_k v_k <w_k, x>_+ in double precision, initialised as torch does, all data in every step, one thread.  They
minimise 1/2 sum (f(x_i) - y_i)^2 + lam/2 sum (v_k^2 + |w_k|^2), whose infimum over all widths is the optimum over measures
(|v||w| <= (v^2 + |w|^2)/2, with equality for balanced neurons).  What counts is the path-norm objective, in which every iterate
is at least as good.  A run ends when that is within 1e-4 of the optimum that `measurelp.solve` proved, or when its time is up.

Adam: the learning rate is the best of three on the first seed, constant for half of the time and then falling to a hundredth
of itself.  L-BFGS: history 20, strong Wolfe line search.  Times leave out building and
evaluating.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from _case import measured, problem_of
from _record import RESULTS, command, installed, machine, update

PROBLEMS: dict[str, dict[str, Any]] = {
    "demo": {"data": {"kind": "demo"}, "lam": 0.5},
    "1000 x 3": {"data": {"n": 1000, "d": 3}, "lam_ratio": 0.01},
    "100 x 5": {"data": {"n": 100, "d": 5}, "lam_ratio": 0.01},
    "1000 x 4": {"data": {"n": 1000, "d": 4}, "lam_ratio": 0.01},
}
RATES = (3e-3, 1e-2, 3e-2)
NEAR = (1e-3, 1e-4)


def run(
    X: Any, y: Any, lam: float, optimum: float, *, width: int, seed: int, cap: float,
    rate: float | None,
) -> dict[str, Any]:  # fmt: skip
    """One run; Adam with a rate, L-BFGS without."""
    import torch

    torch.manual_seed(seed)
    d = X.shape[1]
    hidden = torch.nn.Linear(d, width, bias=False, dtype=torch.float64)
    output = torch.nn.Linear(width, 1, bias=False, dtype=torch.float64)
    W, v = hidden.weight, output.weight

    def objective() -> Any:
        residual = torch.relu(X @ W.T) @ v[0] - y
        return 0.5 * residual @ residual + 0.5 * lam * ((v * v).sum() + (W * W).sum())

    def excess() -> float:
        with torch.no_grad():
            residual = torch.relu(X @ W.T) @ v[0] - y
            value = 0.5 * residual @ residual + lam * (v[0].abs() @ W.norm(dim=1))
            return float(value) / optimum - 1.0

    def closure() -> Any:
        optimizer.zero_grad()
        loss = objective()
        loss.backward()
        return loss

    optimizer: Any
    if rate is None:
        optimizer = torch.optim.LBFGS(
            [W, v], lr=1.0, max_iter=20, history_size=20, line_search_fn="strong_wolfe",
            tolerance_grad=1e-12, tolerance_change=1e-15,
        )  # fmt: skip
    else:
        optimizer = torch.optim.Adam([W, v], lr=rate)
    reached: dict[str, float | None] = {f"{near:g}": None for near in NEAR}
    spent, best, steps, stalled = 0.0, float("inf"), 0, 0
    while spent < cap and stalled < 20:
        start = time.perf_counter()
        for _ in range(1 if rate is None else 20):
            if rate is not None:
                late = max(0.0, 2.0 * spent / cap - 1.0)
                optimizer.param_groups[0]["lr"] = rate * 0.01**late
            optimizer.step(closure)
            steps += 1
        spent += time.perf_counter() - start
        now = excess()
        if rate is None:
            stalled = stalled + 1 if now >= best else 0
        if not np.isfinite(now):
            break
        best = min(best, now)
        for near in NEAR:
            if best <= near and reached[f"{near:g}"] is None:
                reached[f"{near:g}"] = spent
        if best <= min(NEAR):
            break
    return {
        "width": width, "seed": seed, "rate": rate, "excess": best, "seconds": spent,
        "steps": steps, "seconds_to": reached,
    }  # fmt: skip


def summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Shares of seeds that came near, and the median time of those that did."""
    found: dict[str, Any] = {"seeds": len(runs)}
    for near in NEAR:
        times = [r["seconds_to"][f"{near:g}"] for r in runs]
        times = sorted(t for t in times if t is not None)
        found[f"{near:g}"] = {
            "share": len(times) / len(runs),
            "median_seconds": times[len(times) // 2] if times else None,
        }
    excesses = sorted(r["excess"] for r in runs)
    found["excess_median"], found["excess_best"] = excesses[len(excesses) // 2], excesses[0]
    return found


def compare(name: str, *, widths: list[int], seeds: int, cap: float) -> dict[str, Any]:
    import torch

    torch.set_num_threads(1)
    spec = PROBLEMS[name]
    ours = measured({**spec, "tol": 1e-9, "time_limit": 60.0, "repeats": 5})
    if ours.get("verdict") != "OPTIMAL":
        raise SystemExit(f"{name}: no proved optimum ({ours})")
    problem, optimum = problem_of(spec), ours["objective"]
    X, y = torch.tensor(problem.X), torch.tensor(problem.y)
    print(
        f"\n{name}: proved optimum {optimum:.8f}, {ours['neurons']} neurons, {ours['seconds']:.3f} s"
    )
    print(f"{'method':26} {'to 1e-3':>22} {'to 1e-4':>22} {'excess, median':>15}")
    methods = []
    for width in widths:
        options: dict[str, Any] = {"width": width, "cap": cap}
        first = [run(X, y, problem.lam, optimum, seed=0, rate=rate, **options) for rate in RATES]
        best = min(first, key=lambda r: (r["seconds_to"]["0.0001"] or np.inf, r["excess"]))
        adam = [best] + [
            run(X, y, problem.lam, optimum, seed=seed, rate=best["rate"], **options)
            for seed in range(1, seeds)
        ]
        lbfgs = [
            run(X, y, problem.lam, optimum, seed=seed, rate=None, **options)
            for seed in range(seeds)
        ]
        for method, runs in (("Adam", adam), ("L-BFGS", lbfgs)):
            facts = summary(runs)
            extra = {"rate": best["rate"], "rates_tried": first} if method == "Adam" else {}
            methods.append({"method": method, "width": width, **facts, "runs": runs, **extra})
            cells = []
            for near in NEAR:
                part = facts[f"{near:g}"]
                took = part["median_seconds"]
                words = f"{part['share']:.0%} of seeds"
                cells.append(words if took is None else f"{words}, {took:.2f} s")
            print(
                f"{method + f', width {width}':26} {cells[0]:>22} {cells[1]:>22} "
                f"{facts['excess_median']:15.1e}", flush=True,
            )  # fmt: skip
    return {
        "measurelp": ours, "cap_seconds": cap, "threads": 1, "torch": installed("torch"),
        "methods": methods,
    }  # fmt: skip


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--problem", choices=list(PROBLEMS), action="append", default=[])
    parser.add_argument("--widths", default="20,500")
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--cap", type=float, default=10.0, help="seconds for one run")
    parser.add_argument("--output", type=Path, default=RESULTS / "descent.json")
    options = parser.parse_args(arguments)
    if installed("torch") is None:
        raise SystemExit("torch is not installed")
    widths = [int(width) for width in options.widths.split(",")]
    given = sys.argv[1:] if arguments is None else arguments
    for name in options.problem or list(PROBLEMS):
        found = compare(name, widths=widths, seeds=options.seeds, cap=options.cap)
        asked_for = command("descent.py", given)
        update(options.output, name, {"command": asked_for, "machine": machine(), **found})


if __name__ == "__main__":
    main()
