"""`measurelp.compress_layer` against the multitask lasso of scikit-learn and of skglm, to the same proved gap.

    python benchmarks/compress_layer.py [--skglm PYTHON] [--limit 120] [--output benchmarks/results/compress_layer.json]

Layers with 512 features and 10 outputs.

* `random`: 50,000 samples of 64 correlated Gaussian inputs through 512 random ReLUs; outputs of a sixth of them, with a tenth
  of their standard deviation as noise (none for the exact form).
* `digits`: the last hidden layer of the network that `examples/compress_digits.py` trains, 1257 samples.

Penalised at fractions of lam_max, the least lam for which zero is optimal, and the exact form, which has no rival here.  For
`measurelp` the whole call on the data counts, and beside it the part that solves the problem with the samples removed.  The rivals
are handed that smaller problem (512 rows that are equivalent), which favours them, and for the `random` layer the data as they are
too.  They run at tolerances from loose to tight; the first run whose weights are proved to a relative gap of 1e-6, by the
same bound, is the one that counts.  A run is ended after `--limit` seconds; then the best gap of the runs that ended is
reported.  Everything has one thread, and processor seconds decide, because the machine may be busy.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from _case import ONE_THREAD
from _record import RESULTS, command, machine, write
from threadpoolctl import threadpool_limits

import measurelp as mlp
from measurelp.network.layer_lasso import ReducedLayer, minimise_layer, reduce_layer
from measurelp.network.layer_working_set import minimise_on_working_sets

ROOT = Path(__file__).resolve().parent.parent
TARGET = 1e-6
RATIOS = (0.1, 0.01, 0.001)
TOLERANCES = (1e-4, 1e-6, 1e-8, 1e-10, 1e-12)


def random_layer(*, samples: int = 50_000, noise: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    inputs = rng.standard_normal((samples, 64)) * np.linspace(1.0, 0.05, 64)
    weights = rng.standard_normal((512, 64))
    features = np.maximum(inputs @ weights.T + rng.standard_normal(512), 0.0).T
    outputs = (rng.standard_normal((10, 512)) * (rng.random(512) < 1 / 6)) @ features
    return features, outputs + noise * outputs.std() * rng.standard_normal(outputs.shape)


def digits_layer() -> tuple[np.ndarray, np.ndarray]:
    spec = importlib.util.spec_from_file_location(
        "digits", ROOT / "examples" / "compress_digits.py"
    )
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    X, _, y, _ = example.split_digits()
    chain = mlp.chain_from_torch(example.train(X, y))
    features = chain.layers(X)[1].T
    return features, chain.weights[2] @ features


def proved_gap(layer: ReducedLayer, V: np.ndarray, lam: float) -> float:
    """The relative gap of some weights by their own residual, with what is outside the range."""
    residual = layer.outputs - V @ layer.features
    square = float(np.vdot(residual, residual)) + layer.outside**2
    whole = float(np.vdot(layer.outputs, residual)) + layer.outside**2
    primal = 0.5 * square + lam * float(np.linalg.norm(V, axis=0).sum())
    steepest = float(np.linalg.norm(residual @ layer.features.T, axis=0).max())
    length = min(whole / square, lam / steepest)
    return (primal - (length * whole - 0.5 * length**2 * square)) / primal


def rival(
    name: str,
    python: str,
    layer: ReducedLayer,
    lam: float,
    limit: float,
    *,
    data: tuple[np.ndarray, np.ndarray] | None = None,
    tolerances: tuple[float, ...] = TOLERANCES,
) -> dict[str, Any]:
    """The first run that reaches the gap, or the best gap of the runs that ended."""
    runs = []
    with tempfile.TemporaryDirectory() as folder:
        given, found = Path(folder) / "given.npz", Path(folder) / "found.npz"
        features, outputs = (layer.features, layer.outputs) if data is None else data
        np.savez(given, features=features, outputs=outputs, lam=lam)
        script = Path(__file__).parent / "rivals" / "multitask_lasso.py"
        for tol in tolerances:
            try:
                subprocess.run(
                    [python, str(script), str(given), str(found), name, str(tol)],
                    check=True, capture_output=True, timeout=limit + 30.0, env=ONE_THREAD,
                )  # fmt: skip
            except subprocess.TimeoutExpired:
                runs.append({"tol": tol, "ended": False})
                break
            result = np.load(found)
            run = {
                "tol": tol,
                "ended": True,
                "seconds": float(result["processor"]),
                "wall": float(result["wall"]),
                "gap": proved_gap(layer, result["weights"], lam),
                "version": str(result["version"]),
            }
            runs.append(run)
            if run["gap"] <= TARGET or run["seconds"] > limit:
                break
    ended = [run for run in runs if run["ended"]]
    best = min(ended, key=lambda run: run["gap"], default=None)
    return {"runs": runs, "best": best, "reached": best is not None and best["gap"] <= TARGET}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--skglm", help="interpreter of an environment with skglm")
    parser.add_argument("--limit", type=float, default=120.0, help="seconds for a run of a rival")
    parser.add_argument(
        "--removed-only", action="store_true", help="rivals only without the samples, as we have it"
    )
    parser.add_argument("--output", type=Path, default=RESULTS / "compress_layer.json")
    options = parser.parse_args()
    rows = []
    layers = {"random": random_layer, "digits": digits_layer}
    for name, make in layers.items():
        for ratio in (*RATIOS, None):
            exact = ratio is None
            features, outputs = make(noise=0.0) if exact and name == "random" else make()
            layer = reduce_layer(features, outputs)
            lam = None if exact else ratio * float(
                np.linalg.norm(layer.outputs @ layer.features.T, axis=0).max()
            )  # fmt: skip
            wall, processor = time.perf_counter(), time.process_time()
            done = mlp.compress_layer(features, outputs, lam)
            wall, processor = time.perf_counter() - wall, time.process_time() - processor
            form = layer.exact() if exact else layer.penalised(lam)
            solving = time.process_time()
            with threadpool_limits(1):
                (minimise_layer if exact else minimise_on_working_sets)(form, tol=0.5 * TARGET)
            solving = time.process_time() - solving
            row = {
                "layer": name,
                "samples": features.shape[1],
                "lam_ratio": ratio,
                "kept": len(done.kept),
                "bound": done.bound,
                "relative_gap": done.relative_gap,
                "residual": done.residual,
                "seconds": processor,
                "seconds_solving": solving,
                "wall": wall,
            }
            if not exact:
                for who, python in (("sklearn", sys.executable), ("skglm", options.skglm)):
                    if not python:
                        continue
                    row[who] = rival(who, python, layer, lam, options.limit)
                    if name == "random" and ratio in RATIOS[:2] and not options.removed_only:
                        tolerances = (row[who]["best"]["tol"],)
                        row[f"{who}_as_given"] = rival(
                            who, python, layer, lam, options.limit, data=(features, outputs),
                            tolerances=tolerances,
                        )  # fmt: skip
            rows.append(row)
            print(json.dumps(row), flush=True)
    write(
        {
            "command": command("compress_layer.py", sys.argv[1:], private=("--output", "--skglm")),
            "machine": machine(),
            "target_gap": TARGET,
            "rows": rows,
        },
        options.output,
    )


if __name__ == "__main__":
    main()
