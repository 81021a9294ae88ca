"""Sparse recovery by the least l1 norm: where it works, against what coherence proves.

    python benchmarks/phase_transition.py       # about 3 min; also draws docs/figures/recovery.svg
    python benchmarks/phase_transition.py --small

First Gaussian dictionaries (d, m), d/m from 0.1 to 0.9; then dictionaries of one shape whose columns share a direction, so that their
coherence grows.  Every vector is looked for by an exact linear program (`measurelp.recovery_rates`).  The last table has the rates by the lasso, by FISTA to
a duality gap of 1e-10 at a small lam: a code counts as found where its support is.
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

FIGURES = Path(__file__).resolve().parent.parent / "docs" / "figures"


def facts(one: mlp.RecoveryRates) -> dict[str, Any]:
    return {
        "shape": list(one.shape), "sparsities": one.sparsities.tolist(), "rates": one.rates.tolist(),
        "trials": one.trials, "coherence": one.coherence, "proved_sparsity": one.proved_sparsity,
    }  # fmt: skip


def steps(d: int, most: int) -> list[int]:
    """Sparsities from 1 to d, at most so many."""
    return sorted({int(s) for s in np.linspace(1, d, min(d, most)).round()})


def lasso_rates(W: Any, sparsities: list[int], trials: int, lam: float) -> list[float]:
    """Shares of vectors with entries +-1 whose support the lasso finds."""
    rng, rates = np.random.default_rng(1), []
    for s in sparsities:
        codes = np.zeros((trials, W.shape[1]))
        for code in codes:
            code[rng.choice(W.shape[1], s, replace=False)] = rng.choice([-1.0, 1.0], s)
        found = mlp.fista(W, codes @ W.T, lam, tol_gap=1e-10, max_iterations=20_000, check_every=50)
        large = np.abs(found.codes) > 0.5
        rates.append(float(np.mean(np.all(large == (codes != 0.0), axis=1))))
    return rates


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--small", action="store_true", help="a coarse picture; nothing is drawn")
    parser.add_argument("--output", type=Path, default=RESULTS / "phase_transition.json")
    options = parser.parse_args(arguments)
    m, trials, most = (16, 5, 5) if options.small else (60, 20, 14)
    start = time.perf_counter()
    wide, coherent = [], []
    print(f"{'d / m':>6} {'coherence':>10} {'proved':>7} {'half found at s / d':>20}")
    for share in np.linspace(0.1, 0.9, 3 if options.small else 9):
        d = max(2, round(share * m))
        W = mlp.coherent_dictionary(d, m, seed=0)
        wide.append(mlp.recovery_rates(W, steps(d, most), trials=trials))
        show(wide[-1], d / m)
    print("common")
    d = m // 2
    for common in (0.0, 1.0, 4.0) if options.small else (0.0, 0.3, 0.6, 1.0, 1.5, 2.5, 4.0, 7.0):
        W = mlp.coherent_dictionary(d, m, common=common, seed=0)
        coherent.append(mlp.recovery_rates(W, steps(d, most), trials=trials))
        show(coherent[-1], common)
    W = mlp.coherent_dictionary(d, m, seed=0)
    sparsities = steps(d // 2, 6)
    lasso = {
        "shape": [d, m], "lam": 1e-3, "sparsities": sparsities,
        "lasso": lasso_rates(W, sparsities, trials, 1e-3),
        "least_norm": mlp.recovery_rates(W, sparsities, trials=trials).rates.tolist(),
    }  # fmt: skip
    print("lasso against least norm:", lasso["sparsities"], lasso["lasso"], lasso["least_norm"])
    given = sys.argv[1:] if arguments is None else arguments
    write(
        {"command": command("phase_transition.py", given), "machine": machine(),
         "seconds": time.perf_counter() - start, "measurements": [facts(one) for one in wide],
         "coherence": [facts(one) for one in coherent], "lasso": lasso}, options.output,
    )  # fmt: skip
    if not options.small:
        draw(wide, coherent)


def show(one: mlp.RecoveryRates, x: float) -> None:
    below = np.flatnonzero(one.rates < 0.5)
    half = one.sparsities[below[0]] / one.shape[0] if len(below) else float("nan")
    print(f"{x:6.2f} {one.coherence:10.3f} {one.proved_sparsity:7.2f} {half:20.2f}", flush=True)


def draw(wide: list[mlp.RecoveryRates], coherent: list[mlp.RecoveryRates]) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    mpl.rcParams.update({"svg.hashsalt": "measurelp", "font.size": 9})
    figure, axes = plt.subplots(1, 2, figsize=(9.6, 3.8), layout="constrained")
    mlp.plotting.plot_recovery(wide, ax=axes[0])
    mlp.plotting.plot_recovery(coherent, against="coherence", ax=axes[1])
    figure.savefig(FIGURES / "recovery.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
