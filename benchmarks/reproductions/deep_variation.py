"""Sparsity of deep ReLU networks trained with the variation-norm penalty, weight decay or nothing.

After Parhi, Wolf and Nowak (2022), "On the sparsity of deep neural networks in the overparameterized
regime": 81 inputs on the grid {0, 1/2, 1}^4, targets uniform on [-1, 1], Adam at 1e-3 on all points,
mean squared error plus lam times the penalty, all parameters uniform on [-1, 1] at first.

    density   two layers of width 16, each penalty and lam: share of weights above 1e-3 while training
    rank      lam = 1e-3: weights between ReLUs, against the same network with that matrix in full
    shallow   one layer, penalised bias, no skip: what training reaches against the proved optimum

What the paper leaves open is chosen here: the full network has the skips that the factored one has, and
a matrix's rank counts singular values above 1e-3 of the largest.

    python benchmarks/reproductions/deep_variation.py                # about 12 min
    python benchmarks/reproductions/deep_variation.py --small        # seconds; for tests
    python benchmarks/reproductions/deep_variation.py --paper-size   # hours: 1296 neurons, 200,000 epochs
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _study import DOCS, EXPERIMENT, SILENT, THEOREM, Claim, Facts, Study, _record, table
from torch import nn

import measurelp as mlp

PARTS = ("density", "rank", "shallow")
LAMS = (1e-1, 1e-3, 1e-5)
WIDTH = 16


class FullNetwork(nn.Module):
    """Two layers of ReLUs with the matrix A between them in full, and skips around both."""

    def __init__(self, neurons: int, seed: int) -> None:
        super().__init__()
        self.first = nn.Linear(4, neurons, dtype=torch.float64)
        self.between = nn.Linear(neurons, neurons, dtype=torch.float64)
        self.around = nn.Linear(4, neurons, bias=False, dtype=torch.float64)
        self.last = nn.Linear(neurons, 1, dtype=torch.float64)
        self.skip = nn.Linear(neurons + 4, 1, bias=False, dtype=torch.float64)
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.uniform_(-1.0, 1.0, generator=generator)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = torch.relu(self.first(x))
        after = torch.relu(self.between(h) + self.around(x))
        return self.last(after) + self.skip(torch.hstack([h, x]))

    def squared_norm(self) -> torch.Tensor:
        return sum(p.square().sum() for p in self.parameters())

    def matrices_between(self) -> list[torch.Tensor]:
        return [self.between.weight]


def study_data(seed: int) -> tuple[np.ndarray, np.ndarray]:
    X = np.array(list(itertools.product([0.0, 0.5, 1.0], repeat=4)))
    return X, np.random.default_rng(seed).uniform(-1.0, 1.0, size=len(X))


def penalty_of(module: nn.Module, penalty: str) -> torch.Tensor | float:
    return {
        "variation": lambda: module.penalty(),
        "weight decay": module.squared_norm,
        "none": float,
    }[penalty]()


def density(module: nn.Module) -> float:
    """Mean over the weight matrices of the share of entries above 1e-3."""
    matrices = [p.detach() for p in module.parameters() if p.ndim == 2]
    return float(np.mean([(m.abs() > 1e-3).double().mean().item() for m in matrices]))


def train(
    module: nn.Module, X: np.ndarray, y: np.ndarray, penalty: str, lam: float, epochs: int,
    looks: int = 20,
) -> dict:  # fmt: skip
    """Adam on all points; the objective, the error and the density on the way."""
    inputs, targets = torch.tensor(X), torch.tensor(y)[:, None]
    optimiser = torch.optim.Adam(module.parameters(), lr=1e-3)
    begin, curve = time.perf_counter(), []
    for epoch in range(epochs + 1):
        error = (module(inputs) - targets).square().mean()
        objective = error + lam * penalty_of(module, penalty)
        if epoch % max(1, epochs // looks) == 0:
            curve.append([epoch, objective.item(), error.item(), density(module)])
        if epoch < epochs:
            optimiser.zero_grad()
            objective.backward()
            optimiser.step()
    return {
        "penalty": penalty, "lam": lam, "epochs": epochs, "objective": curve[-1][1],
        "mse": curve[-1][2], "density": curve[-1][3], "seconds": time.perf_counter() - begin,
        "curve_epoch_objective_mse_density": curve,
    }  # fmt: skip


def factored(neurons: int, seed: int) -> nn.Module:
    return mlp.variation_network(4, [WIDTH, 1], neurons=neurons, start=1.0, seed=seed)


def density_part(X, y, neurons, epochs, seed):
    rows = []
    for lam in LAMS:
        for penalty in ("variation", "weight decay", "none"):
            if penalty == "none" and lam != LAMS[0]:
                continue  # lam multiplies nothing
            row = train(factored(neurons, seed), X, y, penalty, lam, epochs)
            rows.append(row)
            print(f"{penalty:14s} lam {lam:7g}  mse {row['mse']:.2e}  density {row['density']:.4f}  "
                  f"{row['seconds']:.0f} s", flush=True)  # fmt: skip
    return rows


def rank_part(X, y, neurons, epochs, seed):
    rows = []
    for form, penalty in (
        ("factored", "variation"), ("factored", "weight decay"), ("full", "weight decay"),
        ("full", "none"),
    ):  # fmt: skip
        module = factored(neurons, seed) if form == "factored" else FullNetwork(neurons, seed)
        row = train(module, X, y, penalty, 1e-3, epochs)
        report = mlp.matrix_report(module.matrices_between()[0].detach().numpy())
        row |= {
            "form": form, "between_density": report.density, "between_rank": report.rank,
            "between_singular_values": report.singular_values[:40].tolist(),
        }  # fmt: skip
        rows.append(row)
        print(f"{form:9s} {penalty:14s} mse {row['mse']:.2e}  between: density {report.density:.4f}, rank "
              f"{report.rank}, singular values {np.round(report.singular_values[:4], 3).tolist()}  "
              f"{row['seconds']:.0f} s", flush=True)  # fmt: skip
    return rows


def shallow_part(X, y, neurons, epochs, seed, factors, time_limit):
    """Mean squared error + a (sum v^2 + |w|^2), biases in w: the problem with lam = n a, times 2/n."""
    rows = []
    for a in factors:
        module = mlp.variation_network(
            4, [1], neurons=neurons, bias="penalized", skip=False, start=1.0, seed=seed
        )
        row = train(module, X, y, "variation", a, epochs)
        module.rebalance()
        lam = mlp.lam_from_weight_decay(a, n=len(y), loss="mean", penalty="squares")
        problem = mlp.MeasureProblem(X, y, lam=lam)
        solution = mlp.solve(problem, time_limit=time_limit)
        reached = mlp.certify(problem, module, dual=solution.dual, rounds=0)
        W = module.layers[0].hidden.weight.detach().numpy()
        v = module.layers[0].output.weight.detach().numpy()[0]
        alive = int(np.count_nonzero(np.abs(v) * np.linalg.norm(W, axis=1) > 1e-3))
        certificate, scale = solution.certificate, 2.0 / len(y)
        row |= {
            "trained": scale * reached.primal_value, "optimum": scale * certificate.primal_value,
            "floor": scale * certificate.dual_value, "verdict": certificate.verdict.name,
            "relative_gap": certificate.relative_gap, "atoms": len(solution.measure),
            "trained_above_floor": reached.primal_value / certificate.dual_value - 1.0,
            "trained_neurons_above_1e-3": alive,
        }  # fmt: skip
        rows.append(row)
        print(f"a {a:g}: trained {row['trained']:.6f} with {alive} neurons, solved {row['optimum']:.6f} with "
              f"{row['atoms']} atoms, floor {row['floor']:.6f} ({row['verdict']}, gap "
              f"{row['relative_gap']:.1e}): training is {100 * row['trained_above_floor']:.2f} % above the "
              "floor", flush=True)  # fmt: skip
    return rows


# ---- the page --------------------------------------------------------------------------------------------


def read_parts(output: Path) -> Facts:
    """The parts, each recorded for itself, as one record; of several sizes the one with most neurons."""
    parts: dict[str, Facts] = {}
    for name, part in json.loads(output.read_text()).items():
        word = name.split(",")[0]
        if word not in parts or part["neurons"] > parts[word]["neurons"]:
            parts[word] = part
    last = parts[PARTS[-1]]
    seconds = sum(p.get("seconds", sum(r["seconds"] for r in p["rows"])) for p in parts.values())
    return {
        "command": last["command"], "machine": last["machine"], "seconds": seconds,
        "size": f"{last['neurons']} neurons, {last['epochs']:,} epochs", "found": {k: parts[k] for k in PARTS},
    }  # fmt: skip


def tables(found: Facts) -> list[str]:
    square = float(np.mean(study_data(0)[1] ** 2))
    density_rows = [[r["penalty"], None if r["penalty"] == "none" else r["lam"], r["mse"], r["density"]] for r in found["density"]["rows"]]  # fmt: skip
    rank_rows = [[
        f"{r['form']}, {r['penalty']}", r["mse"], r["between_density"], r["between_rank"], ", ".join(f"{v:.1f}" for v in r["between_singular_values"][:6]),
    ] for r in found["rank"]["rows"]]  # fmt: skip
    shallow = [[
        r["lam"], f"{r['trained']:.6f}", r["trained_neurons_above_1e-3"], f"{r['optimum']:.6f}", r["atoms"], f"{r['verdict']}, {r['relative_gap']:.1e}", f"{100 * r['trained_above_floor']:.2f} %",
    ] for r in found["shallow"]["rows"]]  # fmt: skip
    return [
        (
            f"Two hidden layers of {found['density']['neurons']} neurons and functional width {WIDTH}, {found['density']['epochs']:,} epochs of Adam; the paper has 1,296 neurons and up to 200,000 epochs. "
            f"*Density* is the share of weights above 1e-3, which the paper calls sparsity. The mean square of the targets is {square:.3f}."
        ),
        "## Density", table(["penalty", "lam", "mean squared error", "density, mean over matrices"], density_rows),
        "## Rank of the weights between ReLUs, lam = 0.001",
        table(["network, penalty", "mean squared error", "density", "rank", "largest singular values"], rank_rows),
        "## One layer, against the proved optimum",
        "Penalised biases and no skip: mean squared error plus a times the sum of squares, the problem that `solve` solves with lam = 81 a.",
        table(["a", "trained", "neurons above 1e-3", "optimum", "atoms", "verdict, gap", "trained above the proved floor"], shallow),
    ]  # fmt: skip


def claims(found: Facts) -> list[Claim]:
    square = float(np.mean(study_data(0)[1] ** 2))
    by = {(r["penalty"], r["lam"]): r for r in found["density"]["rows"]}
    none = next(r for r in found["density"]["rows"] if r["penalty"] == "none")
    decayed, rank, shallow = [r for r in by.values() if r is not none], found["rank"]["rows"], found["shallow"]["rows"]  # fmt: skip
    ours, theirs, full, free = rank
    neurons = found["rank"]["neurons"]
    fit = [r for r in by.values() if r is none or r["lam"] < 0.1]
    fell = [
        1.0
        - r["curve_epoch_objective_mse_density"][-1][1]
        / r["curve_epoch_objective_mse_density"][-3][1]
        for r in rank
        if r["penalty"] != "none"
    ]
    short = (
        f"the networks have {neurons} neurons and not 1296, and training is shorter than in the paper; in its last tenth objectives still fell, by "
        f"{100 * min(fell):.1f} % to {100 * max(fell):.1f} %."
    )
    sparser = [
        lam for lam in LAMS if by["variation", lam]["density"] < by["weight decay", lam]["density"]
    ]
    near_one = ours["between_singular_values"][1] <= 0.1 * ours["between_singular_values"][0]
    return [
        Claim(about="penalties against none", standing=EXPERIMENT, says="both make weights sparser",
              measured=f"density {min(r['density'] for r in decayed):.2g} to {max(r['density'] for r in decayed):.2g}, without {none['density']:.3f}",
              agrees=all(r["density"] < none["density"] for r in decayed)),
        Claim(about="variation norm against weight decay", standing=EXPERIMENT, says="sparser",
              measured="; ".join(f"lam {lam:g}: {by['variation', lam]['density']:.2g} against {by['weight decay', lam]['density']:.2g}" for lam in LAMS),
              agrees=len(sparser) == len(LAMS),
              why="" if len(sparser) == len(LAMS) else "at lam = 0.1 both give up and predict about the mean, and what is left above 1e-3 are a few weights; " + short),
        Claim(about="no penalty", standing=EXPERIMENT, says="not sparse", measured=f"density {none['density']:.3f}", agrees=none["density"] > 0.95),
        Claim(about="fit", standing=EXPERIMENT, says="interpolate, except at lam = 0.1",
              measured=f"mean squared error at most {100 * max(r['mse'] for r in fit) / square:.2g} % of the targets' square", agrees=all(r["mse"] < 0.01 * square for r in fit),
              why="" if all(r["mse"] < 0.01 * square for r in fit) else short),
        Claim(about="rank with the variation norm", standing=EXPERIMENT, says="almost one",
              measured=f"rank {ours['between_rank']}, second singular value {ours['between_singular_values'][1] / ours['between_singular_values'][0]:.2f} of the first",
              agrees=near_one, why="" if near_one else short),
        Claim(about="rank with weight decay, factored", standing=EXPERIMENT, says="very low", measured=f"{theirs['between_rank']} of {neurons}",
              agrees=None, why=f"the factors allow {WIDTH} at most, so this says nothing."),
        Claim(about="which is lower?", standing=EXPERIMENT, says="the variation norm", measured=f"{ours['between_rank']} against {theirs['between_rank']}", agrees=ours["between_rank"] < theirs["between_rank"]),
        Claim(about="rank with weight decay, in full", standing=EXPERIMENT, says="about 750 of 1296 (58 %)", measured=f"{full['between_rank']} of {neurons} ({100 * full['between_rank'] / neurons:.0f} %)",
              agrees=0.3 < full["between_rank"] / neurons < 0.85),
        Claim(about="rank without a penalty", standing=EXPERIMENT, says="full", measured=f"{free['between_rank']} of {neurons}", agrees=free["between_rank"] >= 0.98 * neurons),
        Claim(about="one layer: neurons of some optimum", standing=THEOREM, says="at most as many as data", measured=", ".join(f"{r['atoms']} ({r['verdict']})" for r in shallow) + " of 81",
              agrees=all(r["atoms"] <= 81 for r in shallow)),
        Claim(about="one layer: neurons after training", standing=EXPERIMENT, says="about as many as data, whatever the width (earlier experiments)",
              measured=", ".join(f"{r['trained_neurons_above_1e-3']} at a = {r['lam']:g}" for r in shallow) + f", of {found['shallow']['neurons']}",
              agrees=all(r["trained_neurons_above_1e-3"] <= 81 for r in shallow), why="fewer, the more so the larger the penalty; training had not ended."),
        Claim(about="one layer: objective after training", standing=SILENT, says="-", measured=", ".join(f"{100 * r['trained_above_floor']:.2f} %" for r in shallow) + " above the proved floor", agrees=None,
              why="where the verdict is BRACKETED the true distance is smaller, by the gap."),
    ]  # fmt: skip


def draw(found: Facts, figure: Any) -> None:
    axes = figure.subplots(1, 3)
    for r in found["density"]["rows"]:
        curve = np.array(r["curve_epoch_objective_mse_density"])
        style = {"variation": "-", "weight decay": "--", "none": ":"}[r["penalty"]]
        colour = "k" if r["penalty"] == "none" else dict(zip(LAMS, ("#D55E00", "#0072B2", "#009E73"), strict=True))[r["lam"]]  # fmt: skip
        word = r["penalty"] + ("" if r["penalty"] == "none" else f", {r['lam']:g}")
        axes[0].plot(curve[:, 0], curve[:, 3], style, color=colour, lw=1, label=word)
    axes[0].set(xlabel="epoch", ylabel="density", ylim=(0, 1.02))
    for r in found["rank"]["rows"]:
        values = np.array(r["between_singular_values"])
        axes[1].semilogy(1 + np.arange(len(values)), values / values[0], label=f"{r['form']}, {r['penalty']}")  # fmt: skip
    axes[1].set(xlabel="singular value", ylabel="over the largest", ylim=(1e-4, 2))
    rows = found["shallow"]["rows"]
    a = [r["lam"] for r in rows]
    for name, marker in (("trained", "o-"), ("optimum", "s-"), ("floor", "k--")):
        axes[2].semilogx(a, [r[name] for r in rows], marker, ms=4, lw=1, label=name)
    axes[2].set(xlabel="a", ylabel="objective, one layer")
    for axis in axes:
        axis.legend(fontsize=6)
        axis.grid(alpha=0.3)


STUDY = Study(
    "deep_variation", "Sparsity of deep networks",
    "After R. Parhi, J. H. Wolf and R. D. Nowak, \"On the sparsity of deep neural networks in the overparameterized regime: an empirical study\" (2022).",
    "81 inputs on the grid {0, 1/2, 1}^4, random targets, three penalties: the variation norm, weight decay, none. Full size (`--paper-size`) was not run.",
    {}, {}, tables, claims, draw, "Density along training; singular values of the weights between ReLUs; one layer against its proved optimum", read_parts,
)  # fmt: skip


def main(arguments: list[str] | None = None) -> None:
    given = sys.argv[1:] if arguments is None else arguments
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--part", choices=PARTS, action="append", help="all by default")
    parser.add_argument("--paper-size", "--full", action="store_true", help="1296 neurons; hours")
    parser.add_argument("--small", action="store_true", help="16 neurons, 200 epochs; for tests")
    parser.add_argument("--page-only", action="store_true", help="write the page again from the record")  # fmt: skip
    parser.add_argument("--docs", type=Path, default=DOCS, help="folder of the page")
    parser.add_argument("--neurons", type=int)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--factors", type=float, nargs="+", default=[1e-2, 3e-3, 1e-3],
                        help="of the penalty, shallow part")  # fmt: skip
    parser.add_argument("--time-limit", type=float, default=300.0, help="of each solve")
    parser.add_argument("--output", type=Path, default=_record.RESULTS / "deep_variation.json")
    options = parser.parse_args(given)
    if not options.page_only:
        measure_parts(options, given)
    STUDY.write_page(options.output, options.docs)


def measure_parts(options: argparse.Namespace, given: list[str]) -> None:
    """Each part that is asked for, recorded as soon as it is there."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)  # weights that decay to nothing would cost most of the time
    neurons = options.neurons or (1296 if options.paper_size else 16 if options.small else 128)
    lengths = {"density": 200_000, "rank": 50_000, "shallow": 200_000}
    if not options.paper_size:
        lengths = dict.fromkeys(PARTS, 200 if options.small else 20_000)
    X, y = study_data(options.seed)
    for part in options.part or PARTS:
        epochs, begin = options.epochs or lengths[part], time.perf_counter()
        print(
            f"{part}: {neurons} neurons, {epochs} epochs, mean square of targets {np.mean(y**2):.3f}"
        )
        if part == "shallow":
            rows = shallow_part(
                X,
                y,
                neurons,
                epochs,
                options.seed,
                options.factors[: 1 if options.small else None],
                options.time_limit,
            )
        else:
            rows = {"density": density_part, "rank": rank_part}[part](
                X, y, neurons, epochs, options.seed
            )
        _record.update(options.output, f"{part}, {neurons} neurons", {
            "command": _record.command("reproductions/deep_variation.py", given, private=("--output", "--docs")),
            "machine": _record.machine(), "seconds": time.perf_counter() - begin, "neurons": neurons, "epochs": epochs, "rows": rows,
        })  # fmt: skip


if __name__ == "__main__":
    main()
