"""Every rival on one small problem each, in an environment of its own, beside the figures that were recorded for it before.

    python benchmarks/rivals.py                          # makes the environments; about 10 min
    python benchmarks/rivals.py --environments FOLDER    # uses those that are there

The problem of networks: 50 x 3 Gaussian, labels of four neurons, 1/2 sum (f - y)^2 + 0.5 path norm, no bias (`demo` in `_case.py`).  Its optimum,
1.64557360 with 6 neurons, is proved by `measurelp.solve` in the same run; objective, gap and neurons of a rival's answer are
computed here by `measurelp.certify`.  scikit-learn's MLP has biases that are not penalised and cannot be switched off, so
it is held against the proved optimum of *that* problem, and so is globoptiml, whose biases are penalised.  The problem of layers: a multitask lasso with 1000 samples, 400
features and 10 outputs at a hundredth of its largest lam, against `measurelp.compress_layer`; the gap is computed here.

A rival that cannot be installed, or breaks, is recorded as missing or failed, with the reason.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from _case import data_of, measured
from _record import RESULTS, command, installed, machine, write
from convex_rivals import asked, in_its_environment
from descent import run as descend
from everything import interpreter

import measurelp as mlp

HERE = Path(__file__).resolve().parent
OPTIMUM = 1.64557360  # of the demo problem, known beforehand to all its digits
# What was recorded on another machine of two cores: seconds, above the optimum (or gap), neurons.
BEFORE = {
    "CVXPY + Clarabel, all cells given": ("3.4 to 9.7", "1e-7", "16 to 24"),
    "scnn, defaults": ("2.2", "0.31", "161"),
    "scnn, all cells given": ("74", "6e-3", "2074"),
    "scnn through ECOS, all cells given": ("29", "1e-7", "4904"),
    "adelie to 1e-10, all cells given": ("2.4", "5.5e-5", "14"),
    "globoptiml, exact": ("fails its size licence", "lists 2346 of 2452 cells", ""),
    "Adam in torch, width 500": ("2.8", "9e-4", "500"),
    "multitask lasso, sklearn": ("4.9", "1.4e-2", ""),
    "multitask lasso, skglm": ("18 to 23", "2e-9 to 1e-4", ""),
}


def clarabel() -> dict[str, Any]:
    found = measured({"kind": "cvxpy", "data": {"kind": "demo"}, "lam": 0.5})
    if "failed" in found:
        return {"failed": found["failed"]}
    return {
        "seconds": found["seconds"], "above": abs(found["objective"] / OPTIMUM - 1.0),
        "neurons": None, "version": f"{installed('cvxpy')}, Clarabel {installed('clarabel')}",
    }  # fmt: skip


def convex(
    python: str | None, script: str, word: str, problem: mlp.MeasureProblem, limit: float
) -> dict[str, Any]:
    found = asked(python, script, [word], problem, limit)
    if "objective" in found:
        found["above"] = found["objective"] / OPTIMUM - 1.0
    return found


def globoptiml(python: str | None, problem: mlp.MeasureProblem, limit: float) -> dict[str, Any]:
    """Its exact mode, on the problem that it solves: penalised biases, y without its mean."""
    if python is None:
        return {"missing": "its environment could not be made"}
    given = {"X": problem.X, "y": problem.y, "lam": problem.lam}
    found = in_its_environment(python, "globoptiml_solve.py", [], given, limit)
    if "failed" in found:
        return found
    listed = f"lists {int(found['listed'])} of {mlp.count_cells(problem.X)} cells"
    if "error" in found:
        return {"failed": f"{found['error']} ({listed})", "version": str(found["version"])}
    own = mlp.MeasureProblem(
        problem.X, problem.y - problem.y.mean(), lam=problem.lam, bias="penalized"
    )
    proved = mlp.solve(own, tol_gap=1e-6, time_limit=120.0).certificate
    answer = mlp.certify(own, mlp.AtomicMeasure(found["weights"], found["masses"]))
    return {
        "seconds": float(found["seconds"]), "above": float(answer.primal_value / proved.primal_value - 1.0),
        "neurons": len(found["masses"]), "version": str(found["version"]), "listed": listed,
    }  # fmt: skip


def torch_adam(problem: mlp.MeasureProblem) -> dict[str, Any]:
    if installed("torch") is None:
        return {"missing": "torch is not installed"}
    import torch

    torch.set_num_threads(1)
    X, y = torch.tensor(problem.X), torch.tensor(problem.y)
    found = descend(X, y, problem.lam, OPTIMUM, width=500, seed=0, cap=5.0, rate=0.01)
    return {
        "seconds": found["seconds"], "above": found["excess"], "neurons": 500,
        "version": installed("torch"),
    }  # fmt: skip


def sklearn_mlp(problem: mlp.MeasureProblem) -> dict[str, Any]:
    """Width 500 by L-BFGS, on the problem that it minimises: free biases."""
    if installed("scikit-learn") is None:
        return {"missing": "scikit-learn is not installed"}
    from sklearn.neural_network import MLPRegressor

    model = MLPRegressor(
        hidden_layer_sizes=(500,), solver="lbfgs", alpha=problem.lam, max_iter=5000, max_fun=10**6, tol=1e-9,
        random_state=0,
    )  # fmt: skip
    start = time.perf_counter()
    model.fit(problem.X, problem.y)
    seconds = time.perf_counter() - start
    own = mlp.MeasureProblem(problem.X, problem.y, lam=problem.lam, bias="free", skip="constant")
    proved = mlp.solve(own, tol_gap=1e-6, time_limit=120.0).certificate
    first, second = model.coefs_
    path_norm = float(np.linalg.norm(first, axis=0) @ np.abs(second[:, 0]))
    value = 0.5 * np.sum((model.predict(problem.X) - problem.y) ** 2) + problem.lam * path_norm
    return {
        "seconds": seconds, "above": float(value / proved.primal_value - 1.0), "neurons": 500,
        "own_optimum": proved.primal_value, "own_gap": proved.relative_gap,
        "version": installed("scikit-learn"),
    }  # fmt: skip


def lasso_gap(Phi: Any, Psi: Any, V: Any, lam: float) -> float:
    """Relative duality gap of 1/2 |Psi - V Phi|^2 + lam sum |v_k|, the residual scaled to be feasible."""
    R = Psi - V @ Phi
    primal = 0.5 * np.sum(R**2) + lam * np.linalg.norm(V, axis=0).sum()
    top = np.linalg.norm(R @ Phi.T, axis=0).max()
    scale = min(float(np.sum(Psi * R) / np.sum(R**2)), lam / top)
    return float(1.0 - (scale * np.sum(Psi * R) - 0.5 * scale**2 * np.sum(R**2)) / primal)


def layers(pythons: dict[str, str | None], limit: float) -> tuple[dict[str, Any], list[Any]]:
    """The multitask lasso by `compress_layer` and by others, with their default tolerance, 1e-4."""
    rng = np.random.default_rng(0)
    Phi = np.maximum(rng.standard_normal((400, 20)) @ rng.standard_normal((20, 1000)), 0.0)
    Psi = rng.standard_normal((10, 400)) @ Phi / 20.0
    lam = 0.01 * float(np.linalg.norm(Psi @ Phi.T, axis=0).max())
    mlp.compress_layer(Phi[:20, :50], Psi[:, :50], lam=lam)  # loads, or compiles
    start = time.perf_counter()
    ours = mlp.compress_layer(Phi, Psi, lam=lam)
    facts = {
        "seconds": time.perf_counter() - start, "relative_gap": ours.relative_gap,
        "kept": len(ours.kept),
    }  # fmt: skip
    rivals = []
    for name, python in pythons.items():
        entry: dict[str, Any] = {"name": f"multitask lasso, {name}"}
        rivals.append(entry)
        if python is None:
            entry["missing"] = "its environment could not be made"
            continue
        given = {"features": Phi, "outputs": Psi, "lam": lam}
        found = in_its_environment(python, "multitask_lasso.py", [name, "1e-4"], given, limit)
        if "failed" in found:
            entry |= found
            continue
        entry |= {
            "seconds": float(found["wall"]), "version": str(found["version"]),
            "above": lasso_gap(Phi, Psi, found["weights"], lam),
            "neurons": int(np.sum(np.linalg.norm(found["weights"], axis=0) > 1e-10)),
        }  # fmt: skip
    return facts, rivals


def line(entry: dict[str, Any]) -> str:
    if "seconds" not in entry:
        return f"{entry['name']:36} {entry.get('failed') or entry.get('missing')}"
    neurons = "" if entry.get("neurons") is None else f"{entry['neurons']} neurons"
    return f"{entry['name']:36} {entry['seconds']:9.2f} s {entry['above']:10.1e}  {neurons}"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--environments", type=Path, default=Path.home() / ".cache" / "measurelp-rivals"
    )
    parser.add_argument("--limit", type=float, default=300.0, help="seconds for one run of a rival")
    parser.add_argument("--output", type=Path, default=RESULTS / "rivals.json")
    options = parser.parse_args(arguments)
    options.environments.mkdir(parents=True, exist_ok=True)
    ours = measured({"data": {"kind": "demo"}, "lam": 0.5, "tol": 1e-9, "repeats": 7})
    print(f"measurelp.solve: {ours['objective']:.8f}, {ours['neurons']} neurons, {ours['verdict']}, "
          f"{ours['seconds']:.4f} s")  # fmt: skip
    X, y, bias = data_of({"kind": "demo"})
    problem = mlp.MeasureProblem(X, y, lam=0.5, bias=bias)
    scnn, adelie, skglm, exact = (
        interpreter(name, options.environments)
        for name in ("scnn", "adelie", "skglm", "globoptiml")
    )
    limit = options.limit
    works = {
        "CVXPY + Clarabel, all cells given": clarabel,
        "scnn, defaults": lambda: convex(scnn, "scnn_solve.py", "defaults", problem, limit),
        "scnn, data not scaled": lambda: convex(scnn, "scnn_solve.py", "unscaled", problem, limit),
        "scnn, all cells given": lambda: convex(scnn, "scnn_solve.py", "all", problem, limit),
        "scnn through ECOS, all cells given": lambda: convex(
            scnn, "scnn_solve.py", "ecos", problem, limit
        ),
        "adelie to 1e-10, all cells given": lambda: convex(
            adelie, "adelie_solve.py", "1e-10", problem, limit
        ),
        "globoptiml, exact": lambda: globoptiml(exact, problem, limit),
        "Adam in torch, width 500": lambda: torch_adam(problem),
        "MLP of scikit-learn, width 500": lambda: sklearn_mlp(problem),
    }
    rivals = []
    for name, work in works.items():
        try:
            found = work()
        except (ValueError, RuntimeError, TypeError, OSError) as error:  # it is a result, too
            found = {"failed": f"{type(error).__name__}: {error}".splitlines()[0]}
        rivals.append({"name": name, **found})
        print(line(rivals[-1]), flush=True)
    layer, others = layers({"sklearn": sys.executable, "skglm": skglm}, limit)
    print(f"measurelp.compress_layer: {layer['kept']} of 400 kept, gap {layer['relative_gap']:.1e}, "
          f"{layer['seconds']:.2f} s")  # fmt: skip
    for entry in others:
        print(line(entry), flush=True)
    for entry in rivals + others:
        entry["before"] = BEFORE.get(entry["name"])
    given = sys.argv[1:] if arguments is None else arguments
    write(
        {"command": command("rivals.py", given, private=("--output", "--environments")),
         "machine": machine(), "expected": OPTIMUM, "measurelp": ours, "compress_layer": layer,
         "rivals": rivals + others}, options.output,
    )  # fmt: skip


if __name__ == "__main__":
    main()
