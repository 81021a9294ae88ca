"""The linear program behind memorisation: atoms, cells, norms, coherence, and what training finds.

After Bruna's talk "On sparse linear programming and neural networks" and de Dios and Bruna (2020).

    python benchmarks/reproductions/memorisation.py             # about 5 min
    python benchmarks/reproductions/memorisation.py --full      # about half an hour
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from _study import EXPERIMENT, OPEN, SILENT, THEOREM, Claim, Facts, Study, show, slope, table

import measurelp as mlp
from measurelp.training.methods import method_settings

SMALL: Facts = {
    "atoms": [[8, 1], [8, 2]], "seeds": 1, "norm_seeds": 1, "cells": {"2": [10, 20, 40], "3": [10, 20, 40]},
    "norms": {"d = n": [[4, 4], [8, 8], [16, 16]], "d = 3": [[4, 3], [8, 3], [16, 3]]}, "time_limit": 20,
    "coherence": [[5, 2], [10, 2]], "steps": 600, "width": 20,
}  # fmt: skip
DEFAULT: Facts = {
    "atoms": [[10, 1], [20, 1], [20, 2], [40, 2], [30, 3], [30, 5]], "seeds": 5,
    "norm_seeds": 3,
    "cells": {"2": [50, 100, 200, 400, 800], "3": [50, 100, 200, 400, 800], "4": [25, 50, 100, 200], "5": [20, 40, 80],
              "6": [15, 30, 60]},
    "norms": {
        "d = n": [[4, 4], [8, 8], [16, 16], [32, 32]], "d = n/2": [[4, 2], [8, 4], [16, 8], [32, 16]],
        "d = sqrt n": [[9, 3], [16, 4], [25, 5], [36, 6], [49, 7]], "d = 3": [[8, 3], [16, 3], [32, 3], [64, 3]],
    },
    "time_limit": 20, "coherence": [[5, 2], [10, 2], [20, 2], [40, 2], [80, 2]], "steps": 40_000, "width": 60,
}  # fmt: skip
FULL: Facts = DEFAULT | {
    "seeds": 20, "norm_seeds": 10, "steps": 200_000, "width": 200, "time_limit": 120,
    "cells": {"2": [50, 100, 200, 400, 800, 1600], "3": [50, 100, 200, 400, 800, 1600], "4": [25, 50, 100, 200, 400],
              "5": [20, 40, 80, 160], "6": [15, 30, 60, 120]},
}  # fmt: skip


def sphere(n: int, d: int, seed: int) -> tuple[Any, Any]:
    """Points uniform on the sphere of R^d with random signs as labels."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    return X / np.linalg.norm(X, axis=1)[:, None], rng.choice([-1.0, 1.0], n)


def interpolation(X: Any, y: Any, **settings: Any) -> mlp.MeasureProblem:
    return mlp.MeasureProblem(X, y, lam=1.0, loss=mlp.Interpolation(), **settings)


def most_in_a_cell(rows: Any, measure: mlp.AtomicMeasure) -> int:
    """2 if some closed cell holds two atoms of one sign, walls up to 1e-9, else 1."""
    atoms = measure.atoms
    inner = atoms @ rows.T
    signs = np.where(np.abs(inner) <= 1e-9 * np.linalg.norm(rows, axis=1), 0.0, np.sign(inner))
    together = np.all(signs[:, None] * signs[None] >= 0.0, axis=2)
    same = np.sign(measure.masses)[:, None] == np.sign(measure.masses)[None]
    return 2 if np.any(np.triu(together & same, 1)) else min(1, len(atoms))


def measure_atoms(size: Facts) -> list[Facts]:
    rows = []
    for n, d in size["atoms"]:
        for seed in range(size["seeds"]):
            rng = np.random.default_rng(seed)
            X, y = rng.standard_normal((n, d)), rng.choice([-1.0, 1.0], n)
            found = mlp.solve(interpolation(X, y), time_limit=size["time_limit"])
            shared = mlp.share_neurons(found.network(), X)
            rows.append({
                "n": n, "d": d, "seed": seed, "verdict": found.certificate.verdict.name, "norm": found.certificate.primal_value,
                "gap": found.certificate.relative_gap, "atoms": len(found.measure), "merged": shared.merged_in_cells,
                "saved": 1.0 - shared.path_norm_after / shared.path_norm_before,
                "most_in_a_cell": most_in_a_cell(found.problem.lifted, mlp.measure_from_network(shared.network)),
                "cells": int(mlp.count_cells(found.problem.lifted)),
            })  # fmt: skip
    return rows


def measure_cells(size: Facts) -> list[Facts]:
    rows = []
    for d, ns in size["cells"].items():
        counts = [
            int(mlp.count_cells(np.random.default_rng(0).standard_normal((n, int(d))))) for n in ns
        ]
        rows.append({
            "d": int(d), "n": ns, "cells": counts, "exponent": slope(ns, counts), "last_exponent": slope(ns[-2:], counts[-2:]),
        })  # fmt: skip
    return rows


def measure_norms(size: Facts) -> dict[str, list[Facts]]:
    found: dict[str, list[Facts]] = {}
    for family, shapes in size["norms"].items():
        found[family] = []
        for n, d in shapes:
            done = [
                mlp.solve(interpolation(*sphere(n, d, seed), bias="none"), time_limit=size["time_limit"])
                for seed in range(size["norm_seeds"])
            ]  # fmt: skip
            lower = float(np.mean([s.certificate.dual_value for s in done]))
            found[family].append({
                "n": n, "d": d, "proved": sum(s.certificate.is_optimal for s in done), "instances": len(done),
                "upper": float(np.mean([s.certificate.primal_value for s in done])), "lower": lower if lower > 0.0 else None,
                "atoms": max(len(s.measure) for s in done),
            })  # fmt: skip
    return found


def measure_coherence(size: Facts) -> list[Facts]:
    rows = []
    for n, d in size["coherence"]:
        X = np.random.default_rng(0).standard_normal((n, d))
        found = mlp.dictionary_diagnostics(
            mlp.enumerate_cells(np.column_stack([X, np.ones(n)]), witness=True),
            orders=(1,),
            max_supports=0,
        )
        rows.append({"n": n, "d": d, "columns": found.matrix.shape[1], "coherence": found.coherence, "welch": found.welch})  # fmt: skip
    return rows


def measure_training(size: Facts) -> Facts:
    """Without a regulariser, with weight decay and with label noise, from the same start."""
    X, y = sphere(8, 4, 0)
    exact = interpolation(X, y, bias="none")
    least, quiet = mlp.solve(exact), mlp.label_noise_optimum(exact)
    problem = mlp.MeasureProblem(X, y, lam=0.01, bias="none")
    proved = mlp.solve(problem)
    base = replace(
        method_settings(problem)["gd"],
        width=size["width"],
        steps=size["steps"],
        record_every=max(1, size["steps"] // 20),
    )
    rows = []
    for name, change in {
        "nothing": {"penalty": "none"}, "weight decay, 0.01": {"penalty": "weight_decay"},
        "label noise, 0.3": {"penalty": "none", "label_noise": 0.3},
    }.items():  # fmt: skip
        regularisers: list[list[float]] = []

        def look(run: Any, seen: list[list[float]] = regularisers) -> None:
            seen.append([mlp.label_noise_regulariser(f, X) for f in run.networks()])

        run = mlp.train(problem, replace(base, seeds=(0, 1), **change), monitor=look)
        record = run.record
        rows.append({
            "name": name, "step": record.step[1:].tolist(), "loss": record.loss[1:].tolist(), "path_norm": record.path_norm[1:].tolist(),
            "objective": record.objective[1:].tolist(), "regulariser": regularisers, "neurons": record.neurons[-1].tolist(),
            "diverged": bool(np.any(run.diverged_at >= 0)),
        })  # fmt: skip
    return {
        "n": 8, "d": 4, "width": size["width"], "steps": size["steps"], "rows": rows,
        "least_norm": least.certificate.primal_value, "least_norm_gap": least.certificate.relative_gap, "least_norm_atoms": len(least.measure),
        "least_norm_regulariser": mlp.label_noise_regulariser(least.network().balanced(), X),
        "quiet": quiet.value, "quiet_gap": quiet.relative_gap, "quiet_atoms": len(quiet.measure), "quiet_norm": quiet.measure.total_variation,
        "decayed": proved.certificate.dual_value, "decayed_atoms": len(proved.measure),
    }  # fmt: skip


def exponents(found: Facts) -> dict[str, list[float | None]]:
    """Of the norm's proved lower ends, None where there is none, and of its upper ends against n, over the last three sizes."""

    def fitted(rows: list[Facts], end: str) -> float | None:
        values = [r[end] for r in rows]
        return None if None in values else slope([r["n"] for r in rows], values)

    return {family: [fitted(rows[-3:], end) for end in ("lower", "upper")] for family, rows in found["norms"].items()}  # fmt: skip


def at_end(row: Facts, name: str) -> float:
    """The mean over seeds of the last fifth of a record: noise moves it up and down."""
    values = np.array(row[name])
    return float(values[-max(1, len(values) // 5) :].mean())


def tables(found: Facts) -> list[str]:
    atoms = []
    for n, d in sorted({(r["n"], r["d"]) for r in found["atoms"]}):
        of = [r for r in found["atoms"] if (r["n"], r["d"]) == (n, d)]
        atoms.append([
            f"{n} x {d}", len(of), sum(r["verdict"] == "OPTIMAL" for r in of), min(r["atoms"] for r in of), max(r["atoms"] for r in of),
            sum(r["merged"] for r in of), f"{max(r['saved'] for r in of):.0e}", f"{max(r['gap'] for r in of):.0e}", max(r["most_in_a_cell"] for r in of), of[0]["cells"],
        ])  # fmt: skip
    cells = [[r["d"], ", ".join(map(str, r["n"])), r["cells"][-1], r["exponent"], r["last_exponent"], r["d"] - 1] for r in found["cells"]]  # fmt: skip
    ends = exponents(found)
    norms = []
    for family, rows in found["norms"].items():
        norms += [
            [family, r["n"], r["d"], r["lower"], r["upper"], f"{r['proved']} of {r['instances']}", r["upper"] / r["n"] ** 0.5, r["atoms"]]
            for r in rows
        ]  # fmt: skip
        norms.append([f"exponent, {family}", None, None, *ends[family], None, None, None])
    t = found["training"]
    training = [[
        r["name"], at_end(r, "loss"), at_end(r, "path_norm"), at_end(r, "regulariser"), ", ".join(f"{k:.0f}" for k in r["neurons"]),
    ] for r in t["rows"]] + [
        ["*least norm, proved*", 0.0, t["least_norm"], t["least_norm_regulariser"], t["least_norm_atoms"]],
        ["*least label-noise regulariser, proved*", 0.0, t["quiet_norm"], t["quiet"], t["quiet_atoms"]],
    ]  # fmt: skip
    return [
        "## Atoms of least-norm interpolants",
        ("Gaussian inputs, random signs as labels, penalised bias. Atoms of one cell and sign are merged, which an exact optimum would not "
        "allow: what that saves is at most the proved gap (both relative, the largest of the instances)."),
        table(["n x d", "instances", "proved optimal", "fewest atoms", "most atoms", "merged in cells", "saved by that", "proved gap", "then most in a cell and sign", "cells"], atoms),
        "## Number of cells", "Gaussian rows of dimension d (the bias counts as one); counted exactly, exponents fitted.",
        table(["d", "n", "cells at the last n", "exponent", "of the last two n", "d - 1"], cells),
        "## Least norm", ("Points uniform on the sphere, random signs, no bias; the norm is sum |c||w|; means over instances. Exponents over the last three n, of the "
        "proved lower bound and of the network found."),
        table(["family", "n", "d", "proved lower bound", "network found", "proved optimal", "over sqrt n", "atoms"], norms),
        "## Coherence of A", "Columns are the features of the cells' interior points.",
        table(["n x d", "columns", "coherence", "Welch bound"], [[f"{r['n']} x {r['d']}", r["columns"], f"{r['coherence']:.6f}", r["welch"]] for r in found["coherence"]]),
        "## What training finds",
        (f"{t['n']} points in R^{t['d']}, {t['width']} neurons, {t['steps']:,} steps of full-batch gradient descent from the same mean-field start, two seeds; means "
        "over the last fifth of the steps. The regulariser of label noise is the sum over samples of the squared gradient of the network."),
        table(["trained with", "loss", "norm", "regulariser of label noise", "distinct neurons"], training),
    ]  # fmt: skip


def claims(found: Facts) -> list[Claim]:
    a, t = found["atoms"], found["training"]
    rows = {r["name"].split(",")[0]: r for r in t["rows"]}
    cells, ends, seen = found["cells"], exponents(found), found["coherence"]
    near = [f for f in ("d = n", "d = n/2", "d = sqrt n") if f in ends]
    worst = max(abs(r["last_exponent"] / (r["d"] - 1) - 1.0) for r in cells)
    decay, noise, none = rows["weight decay"], rows["label noise"], rows["nothing"]
    gap = at_end(decay, "objective") / t["decayed"] - 1.0
    atoms_per_dimension = max(r["atoms"] * r["d"] / r["n"] for f in near for r in found["norms"][f])
    return [
        Claim(about="atoms of some least-norm interpolant", standing=THEOREM, says="at most n",
              measured=f"{max(r['atoms'] - r['n'] for r in a):+d} against n at most, in {len(a)} instances",
              agrees=all(r["atoms"] <= r["n"] for r in a)),
        Claim(about="atoms in one cell", standing=THEOREM, says="at most one (and sign: cells of the talk are in the space of (w, b, c))",
              measured=f"{max(r['most_in_a_cell'] for r in a)} at most, after {sum(r['merged'] for r in a)} mergers that saved {max(r['saved'] for r in a):.0e} of the norm at most",
              agrees=all(r["most_in_a_cell"] <= 1 and r["saved"] <= max(r["gap"], 1e-12) for r in a),
              why="what is measured is an optimum to a proved gap; a second atom in a cell, of tiny mass, lives in that gap."
              if any(r["merged"] for r in a) else ""),
        Claim(about="atoms of every minimiser", standing=THEOREM, says="O(n)^O(d), twice the cells",
              measured=f"at most {max(r['atoms'] / (2 * r['cells']) for r in a):.2g} of that", agrees=all(r["atoms"] <= 2 * r["cells"] for r in a)),
        Claim(about="number of cells", standing=THEOREM, says="O(n)^O(d); in general position of the order n^(d-1)",
              measured="exponents " + ", ".join(f"{r['last_exponent']:.2f}" for r in cells) + " for d = " + ", ".join(str(r["d"]) for r in cells),
              agrees=worst <= 0.1,
              why="" if worst <= 0.1 else "the count is a polynomial in n whose lower terms are still seen where n is small against d."),
        *(Claim(about=f"least norm against n, {family}", standing=THEOREM, says="O(sqrt n) up to logarithms suffices (Bubeck et al.), for points in general position in high dimension",
                measured=f"exponent {show(ends[family][0])} (proved lower ends) to {show(ends[family][1])} (networks)", agrees=ends[family][1] <= 0.6,
                why="" if ends[family][1] <= 0.6 else
                "few points in few dimensions: the exponent includes how the least angle between points shrinks as n grows, which the logarithms and constants of the theorem hide.")
          for family in near),
        *(Claim(about="least norm in fixed dimension", standing=SILENT, says="-",
                measured=f"exponent {show(ends['d = 3'][0])} to {show(ends['d = 3'][1])}", agrees=None,
                why="with n far above the dimension points with different labels come arbitrarily near, so the norm has to grow faster; the theorem is about other data.")
          for _ in range("d = 3" in ends)),
        Claim(about="neurons", standing=THEOREM, says="O(n/d) neurons can memorise, with a norm of O(sqrt n)",
              measured=f"the least norm itself takes up to {atoms_per_dimension:.1f} n/d", agrees=None,
              why="not the same network: the theorem trades norm against neurons, the least norm does not."),
        Claim(about="coherence of A", standing=EXPERIMENT, says="highly coherent, S >> n",
              measured=f"{seen[0]['coherence']:.4f} to {seen[-1]['coherence']:.6f}; {seen[-1]['columns']} columns for n = {seen[-1]['n']}",
              agrees=seen[-1]["coherence"] > 0.99 and seen[-1]["columns"] > seen[-1]["n"]),
        Claim(about="restricted isometry of A", standing=OPEN, says="at level poly(d, n)?",
              measured=f"no: two columns already have constant {seen[-1]['coherence']:.6f}", agrees=None,
              why="the isometry constant of order 2 is the coherence, for unit columns at these interior points; other points of the cells, or average cases, may differ."),
        Claim(about="weight decay", standing=THEOREM, says="its minimisers are the least-norm networks",
              measured=f"norm {at_end(decay, 'path_norm'):.4g} (proved least: {t['least_norm']:.4g}), objective {100 * gap:.2g} % above the proved optimum",
              agrees=gap <= 0.05,
              why="" if gap <= 0.05 else "not trained to the end at this size."),
        Claim(about="label noise", standing=EXPERIMENT, says="regularises like weight decay (\"similar geometry\"), with another cell norm",
              measured=f"its regulariser {at_end(noise, 'regulariser'):.4g} (nothing: {at_end(none, 'regulariser'):.4g}, proved least: {t['quiet']:.4g})",
              agrees=at_end(noise, "regulariser") < at_end(none, "regulariser"),
              why="with noise the loss stays above zero, so the last value is not that of an interpolant; it is no less than the proved least up to that."),
        Claim(about="no regulariser", standing=SILENT, says="-",
              measured=f"norm {at_end(none, 'path_norm'):.4g} with {max(none['neurons']):.0f} distinct neurons: {at_end(none, 'path_norm') / t['least_norm']:.3f} of the least norm",
              agrees=None),
        Claim(about="are the two regularisers the same?", standing=SILENT, says="\"similar geometry\"",
              measured=f"no: the least-norm network has {t['least_norm_regulariser']:.4g} where {t['quiet']:.4g} is the least, and that network has norm {t['quiet_norm']:.4g} where {t['least_norm']:.4g} is the least",
              agrees=None),
    ]  # fmt: skip


def draw(found: Facts, figure: Any) -> None:
    axes = figure.subplots(1, 3)
    for r in found["cells"]:
        axes[0].loglog(
            r["n"], r["cells"], "o-", ms=3, label=f"d = {r['d']}: {r['last_exponent']:.2f}"
        )
    axes[0].set(xlabel="n", ylabel="cells")
    for family, rows in found["norms"].items():
        axes[1].loglog([r["n"] for r in rows], [r["upper"] for r in rows], "o-", ms=3, label=family)
    n = np.array([4.0, 64.0])
    axes[1].loglog(n, np.sqrt(2.0 * n), "k--", lw=1, label="sqrt(2 n)")
    axes[1].set(xlabel="n", ylabel="least norm")
    t = found["training"]
    for r in t["rows"]:
        axes[2].plot(r["step"], np.mean(r["regulariser"], axis=1), label=r["name"])
    axes[2].axhline(t["quiet"], color="k", lw=1, ls="--", label="proved least")
    axes[2].set(xlabel="step", ylabel="regulariser of label noise", ylim=(0, None))
    for axis in axes:
        axis.legend(fontsize=6)
        axis.grid(alpha=0.3)


STUDY = Study(
    "memorisation", "Memorisation and its hidden linear program",
    "After J. Bruna, \"On sparse linear programming and neural networks\" (talk), and J. de Dios and J. Bruna, \"On sparsity for "
    "overparametrised ReLU networks\" (2020).",
    "A network that memorises n points with the least norm solves min |z|_1 subject to A z = y, where A has one column a cell of the data's hyperplane "
    "arrangement. Norms are sum |c||w|; the talk's mean of |theta|^2 is twice that.",
    {"small": SMALL, "default": DEFAULT, "full": FULL},
    {"atoms": measure_atoms, "cells": measure_cells, "norms": measure_norms, "coherence": measure_coherence, "training": measure_training},
    tables, claims, draw,
    "Cells against n; least norms against n; the regulariser of label noise along training",
)  # fmt: skip

if __name__ == "__main__":
    STUDY.main()
