"""Vector-valued networks and their path norm: how many neurons, which are shared, balance, compression.

After Parhi's talk "The role of sparsity in learning with overparameterized deep neural networks" and Shenouda, Parhi, Lee and
Nowak (2024), "Variation spaces for multi-output neural networks".

    python benchmarks/reproductions/path_norm.py             # about 5 min
    python benchmarks/reproductions/path_norm.py --full      # about half an hour
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from _study import EXPERIMENT, SILENT, THEOREM, Claim, Facts, Study, table

import measurelp as mlp
from measurelp.deep import complete_bipartite

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SMALL: Facts = {
    "widths": [[6, 2, 2]], "seeds": 1, "bipartite": [2], "time_limit": 20, "trials": 20, "layers": [[30, 20, 2, 3]],
    "balance_steps": 400, "digits_epochs": 3,
}  # fmt: skip
DEFAULT: Facts = {
    "widths": [[10, 2, 2], [10, 2, 5], [20, 3, 2], [20, 3, 5], [20, 3, 10], [10, 5, 3]], "seeds": 3, "bipartite": [2, 3, 4],
    "time_limit": 30, "trials": 500, "layers": [[100, 50, 5, 5], [200, 50, 10, 10], [500, 100, 10, 10], [500, 100, 50, 10], [500, 40, 40, 3]],
    "balance_steps": 20_000, "digits_epochs": 150,
}  # fmt: skip
FULL: Facts = DEFAULT | {"seeds": 20, "trials": 10_000, "time_limit": 120, "balance_steps": 100_000, "bipartite": [2, 3, 4, 5]}  # fmt: skip


def teacher(n: int, d: int, outputs: int, seed: int) -> tuple[Any, Any]:
    """Gaussian inputs, outputs of five random neurons and noise."""
    rng = np.random.default_rng(seed)
    X, W = rng.standard_normal((n, d)), rng.standard_normal((5, d))
    Y = np.maximum(X @ W.T, 0.0) @ rng.standard_normal((5, outputs))
    return X, Y + 0.3 * rng.standard_normal(Y.shape)


def rank(values: Any) -> int:
    return int(np.linalg.matrix_rank(values, tol=1e-8 * max(1e-300, np.linalg.norm(values, 2))))


def counted(name: str, problem: mlp.MeasureProblem, time_limit: float, **known: Any) -> Facts:
    """A solved problem's neurons beside the bounds."""
    found = mlp.solve(problem, time_limit=time_limit)
    N, D = problem.y.shape
    features = problem.features(found.measure.atoms)
    return {
        "name": name, "N": N, "D": D, "verdict": found.certificate.verdict.name, "gap": found.certificate.relative_gap,
        "neurons": len(found.measure), "objective": found.certificate.primal_value,
        "rank_bound": rank(features) * rank(features @ found.measure.masses) if len(found.measure) else 0, **known,
    }  # fmt: skip


def measure_widths(size: Facts) -> list[Facts]:
    rows = []
    for N, d, D in size["widths"]:
        for seed in range(size["seeds"]):
            X, Y = teacher(N, d, D, seed)
            first = mlp.MeasureProblem(X, Y, lam=1.0)
            problem = mlp.MeasureProblem(X, Y, lam=0.02 * mlp.lam_max(first, time_limit=size["time_limit"]))  # fmt: skip
            alone = [
                mlp.solve(mlp.MeasureProblem(X, Y[:, k], lam=problem.lam), time_limit=size["time_limit"])
                for k in range(D)
            ]  # fmt: skip
            rows.append(counted(
                f"{N} x {d}, {D} outputs", problem, size["time_limit"],
                alone=sum(len(s.measure) for s in alone), alone_objective=sum(s.certificate.primal_value for s in alone),
            ))  # fmt: skip
    for m in size["bipartite"]:
        X, Y, _, cost, neurons = complete_bipartite(m)
        problem = mlp.MeasureProblem(X, Y, lam=1.0, loss=mlp.Interpolation(), bias="none")
        rows.append(counted(f"complete bipartite, m = {m}", problem, size["time_limit"], cost=cost, needed=neurons))  # fmt: skip
    one = mlp.MeasureProblem([[2.0, 0.0]], [[3.0, 4.0]], lam=0.1, bias="none")
    rows.append(counted("one sample", one, size["time_limit"], needed=1))
    return rows


def measure_sharing(size: Facts) -> Facts:
    """Two neurons at a small angle, merged as in the theorem: inside the radius the objective must fall."""
    rng = np.random.default_rng(0)
    inside = fell = 0
    furthest = []
    for _ in range(size["trials"]):
        d, D, N, k = (int(v) for v in rng.integers([2, 2, 5, 2], [6, 5, 20, 6]))
        X, Y, lam = rng.standard_normal((N, d)), rng.standard_normal((N, D)), 10.0 ** rng.uniform(-2, 1)  # fmt: skip
        W, V = rng.standard_normal((k, d)), rng.standard_normal((k, D))
        W /= np.linalg.norm(W, axis=1)[:, None]
        aside = rng.standard_normal(d)
        aside -= (aside @ W[0]) * W[0]
        aside /= np.linalg.norm(aside)

        def objective(W: Any, V: Any, X: Any = X, Y: Any = Y, lam: float = lam) -> float:
            path = np.linalg.norm(W, axis=1) @ np.linalg.norm(V, axis=1)
            return float(0.5 * np.sum((np.maximum(X @ W.T, 0.0) @ V - Y) ** 2) + lam * path)

        falls, radius = [], 0.0
        for angle in 10.0 ** np.arange(0.0, -6.1, -0.25):
            W[1] = np.cos(angle) * W[0] + np.sin(angle) * aside
            network = mlp.ReluNetwork(W, output_weights=V, bias="none")
            limit = float(mlp.sharing_radius(network, X, Y, lam=lam)[0, 1])
            moved = V.copy()
            moved[1], moved[0] = V[0] + V[1], 0.0
            fall = objective(W, moved) < objective(W, V)
            falls.append((angle, fall))
            if np.linalg.norm(W[0] - W[1]) < limit:
                inside, fell, radius = inside + 1, fell + fall, max(radius, float(angle))
        holds_from = min((a for a, fall in falls if not fall), default=np.inf)
        reached = max((a for a, fall in falls if fall and a < holds_from), default=0.0)
        furthest.append(reached / radius if radius else np.nan)
    ratio = np.array(furthest)
    return {
        "trials": size["trials"], "with_radius": int(np.isfinite(ratio).sum()), "inside": inside, "fell": int(fell),
        "median_slack": float(np.nanmedian(ratio)) if np.isfinite(ratio).any() else None,
    }  # fmt: skip


def measure_balance(size: Facts) -> list[Facts]:
    """Gradient descent from unbalanced weights with and without weight decay."""
    X, Y = teacher(20, 3, 1, 0)
    problem = mlp.MeasureProblem(X, Y[:, 0], lam=0.5)
    rate = 0.02 / float(np.linalg.norm(problem.lifted, 2) ** 2)
    rows = []
    for penalty in ("weight_decay", "none"):
        run = mlp.train(problem, mlp.TrainingSettings(
            method="gd", width=30, steps=size["balance_steps"], learning_rate=rate, penalty=penalty, record_every=max(1, size["balance_steps"] // 20),
        ))  # fmt: skip
        step, imbalance = run.record.step, run.record.imbalance[:, 0]
        early = slice(0, 1 + len(step) // 4)
        rows.append({
            "penalty": penalty, "lam": problem.lam, "rate": rate, "step": step.tolist(), "imbalance": imbalance.tolist(),
            "decay_per_step": float(np.polyfit(step[early], np.log(imbalance[early]), 1)[0]), "flow": -2.0 * rate * problem.lam if penalty != "none" else 0.0,
            "decay_above_path": run.record.weight_decay[-1, 0] / run.record.path_norm[-1, 0] - 1.0,
        })  # fmt: skip
    return rows


def measure_layers(size: Facts) -> list[Facts]:
    rows = []
    for K, N, features, outputs in size["layers"]:
        rng = np.random.default_rng(0)
        Phi = np.maximum(rng.standard_normal((K, features)), 0.0) @ rng.random((features, N))
        Psi = rng.standard_normal((outputs, K)) @ Phi
        done = mlp.compress_layer(Phi, Psi)
        rows.append({
            "K": K, "N": N, "rank_features": rank(Phi), "rank_outputs": rank(Psi), "bound": done.bound, "kept": len(done.kept),
            "residual": done.residual, "gap": done.relative_gap,
        })  # fmt: skip
    return rows


def measure_digits(size: Facts) -> Facts:
    """The example of the project, from its own file."""
    sys.path.insert(0, str(EXAMPLES))
    import compress_digits

    return {name.replace(" ", "_"): value for name, value in compress_digits.main(epochs=size["digits_epochs"]).items()}  # fmt: skip


def tables(found: Facts) -> list[str]:
    widths = [[
        r["name"], r["neurons"], r["N"] ** 2, r["N"] * r["D"] + 1, r["rank_bound"], r.get("needed"), r.get("alone"), r["objective"], r.get("alone_objective"), r["verdict"],
    ] for r in found["widths"]]  # fmt: skip
    layers = [[f"{r['K']} neurons, {r['N']} samples", r["rank_features"], r["rank_outputs"], r["bound"], r["N"] * (r["N"] + 1), r["kept"], f"{r['residual']:.0e}", f"{r['gap']:.0e}"] for r in found["layers"]]  # fmt: skip
    balance = [[r["penalty"].replace("_", " "), r["imbalance"][0], r["imbalance"][-1], r["decay_per_step"], r["flow"], r["decay_above_path"]] for r in found["balance"]]  # fmt: skip
    d = found["digits"]
    return [
        "## Neurons", ("Squared loss with lam = 0.02 lam_max and a penalised bias, targets of five neurons with noise; the bipartite instances by interpolation, without bias. "
        "*Alone*: one network an output at the same lam, neurons and objectives added up."),
        table(["problem", "neurons K", "N^2", "N D + 1", "rank x rank", "known to be needed", "alone", "objective", "alone", "verdict"], widths),
        "## Balance", ("Gradient descent from unbalanced weights; the imbalance is the largest difference of v^2 and |w|^2. For gradient flow it decays at the rate 2 lam exactly, and is conserved without "
        "weight decay."),
        table(["trained with", "imbalance at first", "at the end", "log decay a step", "of the flow", "weight decay above the path norm"], balance),
        "## Width of a layer", "Random features of low rank and outputs on them; the exact convex program, pruned.",
        table(["layer", "rank of features", "rank of outputs", "bound", "N (N + 1)", "kept", "residual", "proved gap"], layers),
        "## Compression of a trained network",
        "The last hidden layer of a 64-128-512-10 network trained on scikit-learn's digits with weight decay (`examples/compress_digits.py`).",
        table(["", "original", "compressed"], [
            ["neurons of the layer", d["width_before"], d["width_after"]],
            ["training accuracy", f"{d['training_accuracy_before']:.4f}", f"{d['training_accuracy_after']:.4f}"],
            [f"accuracy on {d['held-out_digits']} held-out digits", f"{d['held-out_accuracy_before']:.4f}", f"{d['held-out_accuracy_after']:.4f}"],
            ["held-out digits decided otherwise", None, d["held-out_digits_decided_otherwise"]],
            ["sum of |v_k|", d["sum_of_|v_k|_before"], d["sum_of_|v_k|_after"]],
        ]),
    ]  # fmt: skip


def claims(found: Facts) -> list[Claim]:
    widths, s, d = found["widths"], found["sharing"], found["digits"]
    several = [r for r in widths if r["N"] > 1]
    bipartite = [r for r in widths if "cost" in r]
    random = [r for r in widths if "alone" in r]
    (one,) = [r for r in widths if r["N"] == 1]
    decay, none = found["balance"]
    layers = found["layers"]
    fewer = [r["neurons"] / r["alone"] for r in random]
    saved = [r["objective"] / r["alone_objective"] for r in random]
    drift = abs(none["imbalance"][-1] / none["imbalance"][0] - 1.0)
    loss = d["held-out_accuracy_before"] - d["held-out_accuracy_after"]
    return [
        Claim(about="neurons of some minimiser", standing=THEOREM, says="K < N^2, whatever the dimensions",
              measured=f"at most {max(r['neurons'] / r['N'] ** 2 for r in several):.2f} N^2 in {len(several)} problems", agrees=all(r["neurons"] < r["N"] ** 2 for r in several)),
        Claim(about="the same for one sample", standing=THEOREM, says="K < N^2 = 1", measured=f"K = {one['neurons']}", agrees=one["neurons"] < 1,
              why="the boxed inequality cannot be strict for N = 1, where any network that is not zero has a neuron; K <= N^2 is what holds."),
        Claim(about="Caratheodory's bound", standing=THEOREM, says="N D + 1", measured=f"at most {max(r['neurons'] / (r['N'] * r['D'] + 1) for r in widths):.2f} of it",
              agrees=all(r["neurons"] <= r["N"] * r["D"] + 1 for r in widths)),
        Claim(about="is the order N^2 needed?", standing=SILENT, says="- (Jacot et al. 2022 show that it is)",
              measured="; ".join(f"N = {r['N']}: {r['neurons']} neurons, N^2/4 = {r['needed']} needed, {r['verdict']}" for r in bipartite),
              agrees=None),
        Claim(about="outputs share neurons", standing=THEOREM, says="weight decay favours it",
              measured=f"objective {min(saved):.2f} to {max(saved):.2f} of that of one network an output", agrees=max(saved) < 1.0),
        Claim(about="and their number", standing=SILENT, says="-", measured=f"{min(fewer):.2f} to {max(fewer):.2f} of the neurons of one network an output", agrees=None,
              why="sharing lowers the norm; the number of neurons usually falls with it, but need not."),
        Claim(about="neuron sharing", standing=THEOREM, says="below some angle, merging two neurons strictly lowers the objective",
              measured=f"it fell in {s['fell']:,} of {s['inside']:,} cases within the explicit radius; the largest angle that still works is a median of {(s['median_slack'] or float('nan')):.3g} times that",
              agrees=s["fell"] == s["inside"] and s["inside"] > 0,
              why="the talk's formula lacks the positive parts, and the theorem needs output weights that do not point the same way."),
        Claim(about="balance under weight decay", standing=THEOREM, says="|w| = |v| at a minimum",
              measured=f"imbalance {decay['imbalance'][0]:.3g} to {decay['imbalance'][-1]:.1e}; log decay a step {decay['decay_per_step']:.3g}, of the flow {decay['flow']:.3g}",
              agrees=decay["imbalance"][-1] < decay["imbalance"][0] and abs(decay["decay_per_step"] / decay["flow"] - 1.0) < 0.05),
        Claim(about="balance without it", standing=SILENT, says="-", measured=f"changed by {100 * drift:.2g} %, where gradient flow conserves it", agrees=None),
        Claim(about="width of a layer", standing=THEOREM, says="at most rank(Phi) rank(Psi), found by a multitask lasso",
              measured="; ".join(f"{r['kept']} of {r['bound']}" for r in layers), agrees=all(r["kept"] <= r["bound"] and r["residual"] < 1e-6 for r in layers)),
        Claim(about="earlier bound", standing=THEOREM, says="N (N + 1) of Jacot et al. is larger", measured=f"at least {min(r['N'] * (r['N'] + 1) / r['bound'] for r in layers):.1f} times",
              agrees=all(r["bound"] <= r["N"] * (r["N"] + 1) for r in layers)),
        Claim(about="compression", standing=EXPERIMENT, says="VGG-19 on CIFAR-10: 512 to 47 neurons, about 100 allowed",
              measured=f"digits: {d['width_before']} to {d['width_after']}, {d['width_bound']} allowed", agrees=d["width_after"] <= d["width_bound"],
              why="another network and other data: what can agree is that the bound holds and that the layer shrinks by a like factor. The talk's ranks are approximate ones; here they are counted up to rounding, so the bound is far larger."),
        Claim(about="accuracy after compression", standing=EXPERIMENT, says="93.92 % to 93.88 %", measured=f"{100 * d['held-out_accuracy_before']:.2f} % to {100 * d['held-out_accuracy_after']:.2f} %",
              agrees=loss <= 0.005, why="" if loss <= 0.005 else "the network is hardly trained at this size."),
    ]  # fmt: skip


def draw(found: Facts, figure: Any) -> None:
    axes = figure.subplots(1, 3)
    for r in found["widths"]:
        colour = "#D55E00" if "cost" in r else "#0072B2"
        axes[0].loglog(r["N"], r["neurons"], "o", ms=4, color=colour)
    n = np.arange(1.0, 21.0)
    for values, word in ((n**2, "N^2"), (n**2 / 4.0, "N^2 / 4")):
        axes[0].loglog(n, values, "k--" if word == "N^2" else "k:", lw=1, label=word)
    axes[0].set(xlabel="samples N", ylabel="neurons K", ylim=(0.5, None))
    for r in found["balance"]:
        axes[1].semilogy(r["step"], r["imbalance"], label=r["penalty"].replace("_", " "))
    axes[1].set(xlabel="step of gradient descent", ylabel="largest |v^2 - |w|^2|")
    for r in found["layers"]:
        axes[2].loglog(r["bound"], r["kept"], "o", ms=5, color="#0072B2")
    top = max(r["bound"] for r in found["layers"])
    axes[2].loglog([1, top], [1, top], "k--", lw=1, label="bound")
    axes[2].set(xlabel="rank(Phi) rank(Psi)", ylabel="neurons kept")
    for axis in axes:
        axis.legend(fontsize=6)
        axis.grid(alpha=0.3)


STUDY = Study(
    "path_norm", "Path norm, shared neurons and width of layers",
    "After R. Parhi, \"The role of sparsity in learning with overparameterized deep neural networks\" (talk, 2024), and J. Shenouda, R. Parhi, K. Lee and R. D. Nowak, "
    "\"Variation spaces for multi-output neural networks\" (2024).",
    "The path norm sum |v_k|_2 |w_k|_2 is the total variation of a vector-valued measure, and half of the balanced weight decay.",
    {"small": SMALL, "default": DEFAULT, "full": FULL},
    {"widths": measure_widths, "sharing": measure_sharing, "balance": measure_balance, "layers": measure_layers, "digits": measure_digits},
    tables, claims, draw,
    "Neurons against samples (bipartite instances in vermilion); imbalance along training; neurons kept against the bound",
)  # fmt: skip

if __name__ == "__main__":
    STUDY.main()
