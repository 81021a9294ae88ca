"""Hidden representations under weight decay: the plateau in width, the instance that needs N^2/4 neurons, the two forces.

After Jacot, Golikov, Hongler and Gabriel (2022), "Feature learning in L2-regularized DNNs: attraction/repulsion and sparsity".

    python benchmarks/reproductions/representations.py             # about 5 min
    python benchmarks/reproductions/representations.py --full      # about half an hour
"""

from __future__ import annotations

from typing import Any

import numpy as np
from _study import EXPERIMENT, SILENT, THEOREM, Claim, Facts, Study, table

import measurelp as mlp
from measurelp.deep import complete_bipartite, complete_bipartite_by_samples, narrow_local_minimum

NEAR = 0.01  # a value within this share of the plateau counts as on it where the eye would say so
SMALL: Facts = {
    "digits": [2], "samples": 8, "teachers": [2], "restarts": 1, "bipartite": [2], "onehot": [[2, 3]], "line": 5,
    "pixels": None, "width": 8, "steps": 3000, "time_limit": 20,
}  # fmt: skip
DEFAULT: Facts = {
    "digits": [2, 3, 4, 5, 6], "samples": 10, "teachers": [1, 2, 3, 4], "restarts": 3, "bipartite": [2, 3], "onehot": [[4, 9], [3, 3, 3], [2, 2, 3, 3, 4]],
    "line": 10, "pixels": 15, "width": 30, "steps": 15_000, "time_limit": 20,
}  # fmt: skip
FULL: Facts = DEFAULT | {"samples": 20, "restarts": 20, "bipartite": [2, 3, 4], "pixels": 30, "steps": 100_000, "time_limit": 120}  # fmt: skip


def digits(classes: int, samples: int, components: int | None) -> tuple[Any, Any]:
    """scikit-learn's digits of the first classes, on principal components of unit variance, and one-hot targets."""
    from sklearn.datasets import load_digits

    X, labels = load_digits(return_X_y=True)
    chosen = np.concatenate([np.flatnonzero(labels == k)[:samples] for k in range(classes)])
    X, labels = X[chosen] / 16.0, labels[chosen]
    X = X - X.mean(axis=0)
    if components is not None:
        left, singular, _ = np.linalg.svd(X, full_matrices=False)
        X = (left * singular)[:, :components]
        X /= X.std(axis=0)
    return X, np.eye(classes)[labels]


def with_share(X: Any, Y: Any, share: float, time_limit: float, **settings: Any) -> mlp.MeasureProblem:  # fmt: skip
    top = mlp.lam_max(mlp.MeasureProblem(X, Y, lam=1.0, **settings), time_limit=time_limit)
    return mlp.MeasureProblem(X, Y, lam=share * top, **settings)


def curve(name: str, problem: mlp.MeasureProblem, widths: Any, size: Facts, **known: Any) -> Facts:
    """A plateau: where values are first within NEAR of the best, and where they are first at the proved floor."""
    solution = mlp.solve(problem, tol_gap=1e-8, time_limit=size["time_limit"])
    found = mlp.plateau_curve(problem, widths, restarts=size["restarts"], solution=solution)
    proved = solution.certificate.is_optimal
    least = found.floor if proved else min(found.values)
    return {
        "name": name, "n": problem.n, "widths": list(found.widths), "values": list(found.values), "floor": found.floor, "verdict": solution.certificate.verdict.name,
        "near": next((m for m, v in zip(found.widths, found.values, strict=True) if v <= (1.0 + NEAR) * least), None),
        "starts_by": found.starts_by if proved else None, "atoms": len(solution.measure), "bound": found.bounds.least, **known,
    }  # fmt: skip


def measure_curves(size: Facts) -> list[Facts]:
    rows = []
    for classes in size["digits"]:
        problem = with_share(*digits(classes, size["samples"], 3), 0.1, size["time_limit"])
        rows.append(curve(f"digits, {classes} classes, 3 components", problem, range(1, 2 * classes + 3), size, classes=classes))  # fmt: skip
    for k in size["teachers"]:
        rng = np.random.default_rng(k)
        X, W, V = rng.standard_normal((30, 3)), rng.standard_normal((k, 3)), rng.standard_normal((k, 2))  # fmt: skip
        problem = with_share(X, np.maximum(X @ W.T, 0.0) @ V, 0.01, size["time_limit"], bias="none")
        rows.append(curve(f"teacher of {k}", problem, range(1, 2 * k + 4), size, teacher=k))
    for m in size["bipartite"]:
        instance = complete_bipartite(m)
        problem = mlp.MeasureProblem(instance.X, instance.Y, lam=0.05, bias="none")
        rows.append(curve(f"complete bipartite, m = {m}", problem, range(1, m * m + 3), size, needed=m * m))  # fmt: skip
    for sizes in size["onehot"]:
        Y = np.repeat(np.eye(len(sizes)), sizes, axis=0)
        problem = mlp.MeasureProblem(np.eye(len(Y)), Y, lam=0.05, bias="none")
        rows.append(curve(f"one-hot, X = I, classes of {', '.join(map(str, sizes))}", problem, range(1, len(sizes) + 3), size, classes=len(sizes), orthonormal=True))  # fmt: skip
    x = np.linspace(-1.0, 1.0, size["line"])
    line = mlp.MeasureProblem(x[:, None], np.sin(6.0 * x), lam=0.003)
    rows.append(curve("one input, one output", line, range(1, size["line"] + 1), size, line=True))
    if size["pixels"] is not None:
        problem = mlp.MeasureProblem(*digits(10, size["pixels"], None), lam=0.3)
        rows.append(curve("digits, 10 classes, all pixels", problem, [1, 2, 4, 6, 7, 8, 9, 10, 11, 12, 14, 16, 20, 30], size | {"restarts": 2}, classes=10, unproved=True))  # fmt: skip
    return rows


def measure_instances(size: Facts) -> list[Facts]:
    rows = []
    for m in size["bipartite"]:
        instance = complete_bipartite(m)
        cost = mlp.representation_cost(instance.X, instance.Y, bias="none")
        rank = mlp.covariance_rank(instance.X @ instance.network.weights[0].T)
        by_samples = mlp.balance_report(complete_bipartite_by_samples(m)).weight_decay
        rows.append({
            "m": m, "N": 2 * m, "cost": cost.upper, "lower": cost.lower, "neurons": [rank.lower, rank.upper],
            "by_samples": by_samples / instance.cost, "predicted": float(np.sqrt(1.0 + 1.0 / m)),
        })  # fmt: skip
    return rows


def measure_forces(size: Facts) -> Facts:
    """A network of three layers trained to a stationary point, seen through its representations."""
    import torch

    X, Y = digits(3, 10, 3)
    torch.manual_seed(0)
    width, lam = size["width"], 0.1
    weights = [torch.randn(a, b, dtype=torch.float64) / b**0.5 for a, b in ((width, 3), (width, width), (3, width))]  # fmt: skip
    inputs, targets = torch.tensor(X), torch.tensor(Y)
    for w in weights:
        w.requires_grad_()

    def objective() -> Any:
        values = inputs
        for layer, w in enumerate(weights):
            values = (torch.relu(values) if layer else values) @ w.T
        return 0.5 * (values - targets).square().sum() + 0.5 * lam * sum(w.square().sum() for w in weights)  # fmt: skip

    # As in the paper: Adam, then full-batch gradient descent, which settles where neurons are at kinks.
    for optimiser in (torch.optim.Adam(weights, lr=1e-2), torch.optim.SGD(weights, lr=2e-2)):
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(
            optimiser, size["steps"], eta_min=1e-5
        )
        for _ in range(size["steps"]):
            optimiser.zero_grad()
            objective().backward()
            optimiser.step()
            schedule.step()
    trained = objective().item()
    chain = mlp.ReluChain([w.detach().numpy() for w in weights], [np.zeros(len(w)) for w in weights])  # fmt: skip
    Z = mlp.representations(chain, X, constant=0.0)
    labels, layers = Y.argmax(axis=1), []
    for layer in range(2):
        z, forces = Z.preactivations[layer], Z.forces(layer, lam=lam)
        size_of = np.linalg.norm(np.maximum(z, 0.0), axis=0)
        used = size_of > 1e-3 * size_of.max()
        unit = np.maximum(z, 0.0)[:, used] / size_of[used]
        rays: list[Any] = []
        for u in unit.T:
            if all(u @ r < np.cos(0.03) for r in rays):
                rays.append(u)
        # At rest along every neuron: towards the origin and away from it, |w_k| = |v_k| in weights.
        along = np.sum(z * forces.net, axis=0)
        scale = np.linalg.norm(np.sum(z * forces.attraction, axis=0))
        h = np.maximum(z, 0.0)
        within = np.mean([np.linalg.norm(h[labels == k] - h[labels == k].mean(axis=0), axis=1).mean() for k in range(3)])  # fmt: skip
        means = np.array([h[labels == k].mean(axis=0) for k in range(3)])
        between = np.mean([np.linalg.norm(means[i] - means[j]) for i in range(3) for j in range(i)])
        layers.append({
            "width": width, "used": int(used.sum()), "rays": len(rays), "imbalance": float(np.linalg.norm(along) / scale),
            "attraction_inwards": float(np.mean(np.sum(forces.attraction * z, axis=0) <= 1e-12)), "spread": float(within / between),
            "z": z.tolist(), "attraction": forces.attraction.tolist(), "repulsion": forces.repulsion.tolist(),
        })  # fmt: skip
    means = np.array([X[labels == k].mean(axis=0) for k in range(3)])
    return {
        "lam": lam, "trained": trained, "from_representations": Z.objective(Y, lam), "layers": layers, "labels": labels.tolist(),
        "spread_of_inputs": float(np.mean([np.linalg.norm(X[labels == k] - means[k], axis=1).mean() for k in range(3)])
                                  / np.mean([np.linalg.norm(means[i] - means[j]) for i in range(3) for j in range(i)])),
    }  # fmt: skip


def measure_stuck() -> Facts:
    """The local minimum in weights that covariances do not have."""
    stuck = narrow_local_minimum(0.2)
    problem = mlp.MeasureProblem(stuck.X, stuck.y, lam=0.2, bias="none")
    W, v = stuck.network.weights
    rng = np.random.default_rng(0)

    def objective(W: Any, v: Any) -> float:
        error = np.maximum(stuck.X @ W.T, 0.0) @ v.T - stuck.y[:, None]
        return float(0.5 * np.sum(error**2) + 0.1 * (np.sum(W**2) + np.sum(v**2)))

    around = [objective(W + 1e-3 * rng.standard_normal(W.shape), v + 1e-3 * rng.standard_normal(v.shape)) for _ in range(1000)]  # fmt: skip
    return {
        "value": objective(W, v), "least_around": min(around), "global": mlp.solve(problem).certificate.primal_value,
        "global_stated": stuck.global_value, "local_stated": stuck.local_value,
    }  # fmt: skip


def after_the_fall(curve: Facts) -> int:
    """The first width at which all but NEAR of the fall from the first width to the plateau is done."""
    values = np.array(curve["values"])
    least = curve["floor"] if curve["verdict"] == "OPTIMAL" else values.min()
    return int(curve["widths"][int(np.argmax(values - least <= NEAR * (values[0] - least)))])


def tables(found: Facts) -> list[str]:
    curves = [[r["name"], r["n"], r.get("classes", r.get("teacher")), after_the_fall(r), r["near"], r["starts_by"], r["atoms"], r["bound"], r["n"] * (r["n"] + 1), r["verdict"]] for r in found["curves"]]  # fmt: skip
    instances = [[r["m"], r["N"], r["lower"], r["cost"], f"{r['neurons'][0]} to {r['neurons'][1]}", r["by_samples"], r["predicted"]] for r in found["instances"]]  # fmt: skip
    layers = [[k + 1, r["width"], r["used"], r["rays"], f"{r['imbalance']:.0e}", r["spread"]] for k, r in enumerate(found["forces"]["layers"])]  # fmt: skip
    return [
        "## The plateau",
        ("Least squares with one-hot targets or a teacher's outputs, two layers. *99 % of the fall*: the first width by which so much of the fall from one neuron to the plateau is done, which is what a plot shows; *within 1 %*: the first width whose best network found is within 1 % of the plateau; *proved by*: the first whose value is the "
        "proved floor of all widths up to 1e-6, so the plateau begins there or before. Values are upper bounds, found by descent; where the floor is not proved the plateau is the best value found."),
        table(["data", "N", "classes or teacher", "99 % of the fall", "within 1 %", "proved by", "atoms of the optimum", "smallest proved bound", "N (N + 1)", "verdict"], curves),
        "## The instance that needs N^2/4 neurons", "X = I, outputs from the complete bipartite graph; half of the sum of squares of the weights.",
        table(["m", "N", "proved lower cost", "cost found", "neurons needed", "cost of N neurons / least", "sqrt(1 + 2/N)"], instances),
        "## Attraction and repulsion",
        ("Three layers without biases, trained by Adam and then gradient descent on three classes of digits (3 components) with weight decay. *Rays*: directions of neurons' activations further apart than 0.03. "
        "*Net force*: of all neurons along their own activations, over the attraction there. *Spread*: mean distance to the class mean over that between class means, of the inputs "
        f"{found['forces']['spread_of_inputs']:.3g}."),
        table(["hidden layer", "neurons", "used", "rays", "net force", "spread"], layers),
    ]  # fmt: skip


def claims(found: Facts) -> list[Claim]:
    curves, f, s = found["curves"], found["forces"], found["stuck"]
    proved = [
        r for r in curves if "classes" in r and "orthonormal" not in r and "unproved" not in r
    ]
    teachers, onehot = (
        [r for r in curves if "teacher" in r],
        [r for r in curves if "orthonormal" in r],
    )
    bipartite, (line,) = [r for r in curves if "needed" in r], [r for r in curves if "line" in r]
    pixels = [r for r in curves if "unproved" in r]

    def starts(rows: list[Facts], key: str) -> str:
        return "; ".join(
            f"{after_the_fall(r)}, {show_width(r['near'])}, {show_width(r['starts_by'])} for {r[key]}" for r in rows
        )  # fmt: skip

    close = all(0.5 * r["classes"] <= after_the_fall(r) <= 1.5 * r["classes"] for r in proved)
    by_teacher = all(r["near"] is not None and r["near"] <= r["teacher"] + 1 for r in teachers)
    falling = all(a + 1e-9 * abs(a) >= b for r in curves for a, b in zip(r["values"], r["values"][1:], strict=False))  # fmt: skip
    return [
        Claim(about="least loss against width", standing=THEOREM, says="falls, then a plateau from N (N + 1) at the latest",
              measured=f"falls in all {len(curves)}; the proved floor is reached by at most {max((r['starts_by'] or 0) / r['n'] for r in curves):.2f} N neurons where it was reached",
              agrees=falling and all((r["starts_by"] or 0) <= r["n"] * (r["n"] + 1) for r in curves)),
        Claim(about="start of the plateau, digits", standing=EXPERIMENT, says="MNIST, cross entropy, deep: about 10, the number of classes",
              measured="99 % of the fall, within 1 %, proved by: " + starts(proved, "classes") + " classes", agrees=close,
              why="least squares, two layers and three principal components, so that the floor can be proved; after the fall more neurons go on improving a little, so the exact plateau starts later than the eye says."),
        *(Claim(about="the same, all pixels and 10 classes", standing=EXPERIMENT, says="about 10", measured=f"99 % of the fall by {after_the_fall(r)}, within 1 % by {show_width(r['near'])}",
                agrees=5 <= after_the_fall(r) <= 15, why="the floor is not proved in so many dimensions: the plateau is the best value that descent found, as in the paper. It is read as the end of the fall; taken as 1 % of the objective it is later.") for r in pixels),
        Claim(about="start of the plateau, teacher", standing=EXPERIMENT, says="a plateau much earlier than N (N + 1)",
              measured="99 % of the fall, within 1 %, proved by: " + starts(teachers, "teacher") + " neurons of the teacher", agrees=all(r["near"] is not None and r["near"] < r["n"] for r in teachers),
              why="" if by_teacher else "with weight decay the least objective of the teacher's own width is not within 1 % of the optimum: more neurons than the teacher's cost less."),
        Claim(about="one-hot labels on orthonormal inputs", standing=THEOREM, says="one neuron a class",
              measured="; ".join(f"{r['classes']} classes: {show_width(r['starts_by'])}" for r in onehot), agrees=all(r["starts_by"] == r["classes"] for r in onehot)),
        Claim(about="an instance with a late plateau", standing=THEOREM, says="at least N^2/4 neurons, for small lam",
              measured="; ".join(f"N = {r['n']}: proved by {show_width(r['starts_by'])}, {r['needed']} needed" for r in bipartite), agrees=all(r["starts_by"] is None or r["starts_by"] >= r["needed"] for r in bipartite),
              why="" if all(r["starts_by"] == r["needed"] for r in bipartite) else "so many are known to suffice, but descent did not find the optimum at that width to 1e-6."),
        Claim(about="its cost and neurons", standing=THEOREM, says="cost N^2 (ours: half), rank N^2/4",
              measured="; ".join(f"N = {r['N']}: {r['cost']:.6g}, {r['neurons'][0]} to {r['neurons'][1]} neurons" for r in found["instances"]),
              agrees=all(abs(r["cost"] / (r["N"] ** 2 / 2) - 1.0) < 1e-5 and r["neurons"] == [r["m"] ** 2] * 2 for r in found["instances"])),
        Claim(about="almost optimal with N neurons", standing=THEOREM, says="by the identity and Y, a factor sqrt(1 + 2/N) more",
              measured="; ".join(f"{r['by_samples']:.4f}" for r in found["instances"]), agrees=all(abs(r["by_samples"] / r["predicted"] - 1.0) < 1e-9 for r in found["instances"])),
        Claim(about="one input and one output", standing=THEOREM, says="plateau from 4 N on", measured=f"proved by {show_width(line['starts_by'])} for N = {line['n']}",
              agrees=line["starts_by"] is not None and line["starts_by"] <= 4 * line["n"]),
        Claim(about="loss in representations", standing=THEOREM, says="the same infimum and local minima as in weights",
              measured=f"trained {f['trained']:.8g}, from representations {f['from_representations']:.8g}", agrees=abs(f["from_representations"] / f["trained"] - 1.0) < 1e-4 and f["from_representations"] <= f["trained"] * (1 + 1e-9)),
        Claim(about="forces at the end of training", standing=THEOREM, says="attraction and repulsion balance", measured="net " + ", ".join(f"{r['imbalance']:.0e}" for r in f["layers"]),
              agrees=all(r["imbalance"] < 0.01 for r in f["layers"]), why="" if all(r["imbalance"] < 0.01 for r in f["layers"]) else "training has not reached a stationary point at this size."),
        Claim(about="neurons", standing=EXPERIMENT, says="align along rays", measured=", ".join(f"{r['used']} used neurons on {r['rays']} rays" for r in f["layers"]),
              agrees=all(r["rays"] < r["used"] for r in f["layers"])),
        Claim(about="classes", standing=EXPERIMENT, says="are pushed apart (clusters)", measured="spread " + ", ".join(f"{v:.3g}" for v in [f["spread_of_inputs"], *[r["spread"] for r in f["layers"]]]) + " from the inputs on", agrees=f["layers"][-1]["spread"] < f["spread_of_inputs"]),
        Claim(about="a local minimum that covariances do not have", standing=THEOREM, says="exists (widths 1, 2, 1)",
              measured=f"{s['value']:.6g}, nowhere less around it in 1,000 random places; global {s['global']:.6g}", agrees=s["least_around"] >= s["value"] and abs(s["global"] - s["global_stated"]) < 1e-6 < s["value"] - s["global"]),
        Claim(about="atoms of the optimum against the start", standing=SILENT, says="-", measured=f"the optimum handed back has up to {max(r['atoms'] for r in proved)} neurons on digits", agrees=None),
    ]  # fmt: skip


def show_width(value: int | None) -> str:
    return "not reached" if value is None else str(value)


def draw(found: Facts, figure: Any) -> None:
    axes = figure.subplots(1, 3)
    digits_curves = [r for r in found["curves"] if "classes" in r and "orthonormal" not in r]
    for r in digits_curves:
        least = r["floor"] if r["verdict"] == "OPTIMAL" else min(r["values"])
        word = f"{r['classes']} classes" + (", all pixels" if "unproved" in r else "")
        axes[0].semilogy(r["widths"], np.maximum(np.array(r["values"]) / least - 1.0, 1e-8), "o-", ms=3, lw=1, label=word)  # fmt: skip
    axes[0].axhline(NEAR, color="k", lw=0.8, ls=":")
    axes[0].set(xlabel="width (neurons)", ylabel="above the plateau, relative")
    axes[0].legend(fontsize=6)
    bipartite = next(r for r in reversed(found["curves"]) if "needed" in r)
    mlp.plotting.plot_widths(bipartite["widths"], bipartite["values"], floor=bipartite["floor"], ax=axes[1])  # fmt: skip
    axes[1].legend(fontsize=6)
    axes[1].set_title(bipartite["name"], fontsize=8)
    layer = found["forces"]["layers"][-1]
    Z = np.array(layer["z"])
    centred = Z - Z.mean(axis=0)
    basis = np.linalg.svd(centred, full_matrices=False)[2][:2].T
    at, labels = centred @ basis, np.array(found["forces"]["labels"])
    for name, colour in (("attraction", "#0072B2"), ("repulsion", "#D55E00")):
        push = np.array(layer[name]) @ basis
        push /= np.linalg.norm(push, axis=1)[
            :, None
        ]  # directions: lengths differ by orders of magnitude
        axes[2].quiver(*at.T, *push.T, color=colour, width=0.004, scale=12.0, label=name)
    for k, marker in enumerate("os^"):
        axes[2].plot(*at[labels == k].T, marker, color="#222222", ms=3)
    axes[2].set(xlabel="first component of the samples", ylabel="second")
    axes[2].margins(0.25)
    axes[2].legend(fontsize=6)
    for axis in axes[[0, 2]]:
        axis.grid(alpha=0.3)


STUDY = Study(
    "representations", "Representations: plateau, width, attraction and repulsion",
    "After A. Jacot, E. Golikov, C. Hongler and F. Gabriel, \"Feature learning in L2-regularized DNNs: attraction/repulsion and sparsity\" (2022).",
    "Weight decay on a network depends on what its layers hand on only; as a function of the width the least loss falls to a plateau. The paper's costs are sums of squares, twice ours.",
    {"small": SMALL, "default": DEFAULT, "full": FULL},
    {"curves": measure_curves, "instances": measure_instances, "forces": measure_forces, "stuck": lambda _: measure_stuck()},
    tables, claims, draw,
    "Values against width on digits; the bipartite instance above its proved floor; directions of the forces on the samples of the last hidden layer, on two principal components (markers: classes)",
)  # fmt: skip

if __name__ == "__main__":
    STUDY.main()
