"""Sparsity of deep ReLU networks trained with the variation-norm penalty, weight decay or nothing.

After Parhi, Wolf and Nowak (2022), "On the sparsity of deep neural networks in the overparameterized
regime": 81 inputs on the grid {0, 1/2, 1}^4, targets uniform on [-1, 1], Adam at 1e-3 on all points,
mean squared error plus lam times the penalty, all parameters uniform on [-1, 1] at first.

    density   two layers of width 16, each penalty and lam: share of weights above 1e-3 while training
    rank      lam = 1e-3: weights between ReLUs, against the same network with that matrix in full
    shallow   one layer, penalised bias, no skip: what training reaches against the proved optimum

What the paper leaves open is chosen here: the full network has the skips that the factored one has, and
a matrix's rank counts singular values above 1e-3 of the largest.

    python benchmarks/reproductions/deep_variation.py                # minutes
    python benchmarks/reproductions/deep_variation.py --paper-size   # hours: 1296 neurons, 200,000 epochs
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import _record

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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--part", choices=PARTS, action="append", help="all by default")
    parser.add_argument("--paper-size", action="store_true", help="1296 neurons; hours")
    parser.add_argument("--neurons", type=int)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--factors", type=float, nargs="+", default=[1e-2, 3e-3, 1e-3],
                        help="of the penalty, shallow part")  # fmt: skip
    parser.add_argument("--time-limit", type=float, default=300.0, help="of each solve")
    parser.add_argument("--output", type=Path, default=_record.RESULTS / "deep_variation.json")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)  # weights that decay to nothing would cost most of the time
    neurons = options.neurons or (1296 if options.paper_size else 128)
    lengths = {"density": 200_000, "rank": 50_000, "shallow": 200_000}
    if not options.paper_size:
        lengths = dict.fromkeys(PARTS, 20_000)
    X, y = study_data(options.seed)
    for part in options.part or PARTS:
        epochs = options.epochs or lengths[part]
        print(
            f"{part}: {neurons} neurons, {epochs} epochs, mean square of targets {np.mean(y**2):.3f}"
        )
        if part == "shallow":
            rows = shallow_part(
                X, y, neurons, epochs, options.seed, options.factors, options.time_limit
            )
        else:
            rows = {"density": density_part, "rank": rank_part}[part](
                X, y, neurons, epochs, options.seed
            )
        _record.update(options.output, f"{part}, {neurons} neurons", {
            "command": _record.command("reproductions/deep_variation.py", sys.argv[1:]),
            "machine": _record.machine(), "neurons": neurons, "epochs": epochs, "rows": rows,
        })  # fmt: skip


if __name__ == "__main__":
    main()
