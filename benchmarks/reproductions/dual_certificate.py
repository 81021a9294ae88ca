"""The dual certificate: linear pieces, extreme values cell by cell, uniqueness, and small lam and noise.

After Del Grande, Brune and Carioni (2026), "A dual certificate approach to sparsity in infinite-width shallow neural networks".

    python benchmarks/reproductions/dual_certificate.py             # about 5 min
    python benchmarks/reproductions/dual_certificate.py --full      # about half an hour
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from _study import SILENT, THEOREM, Claim, Facts, Study, table
from scipy.optimize import nnls

import measurelp as mlp

LEVEL = 1e-8  # a supremum within this share of the limit counts as reaching it; at a distance d from an atom it is 1 - d^2 / 2 of it
SMALL: Facts = {
    "extremes": [[6, 3]], "seeds": 1, "unique": [[6, 3, "none"]], "unique_seeds": 2, "stable": [[5, 3]], "stable_seeds": 1,
    "lams": [1e-2, 1e-3, 1e-4], "noises": [0.0], "samples": 2000,
}  # fmt: skip
DEFAULT: Facts = {
    "extremes": [[8, 2], [20, 3], [12, 4], [8, 6]], "seeds": 5, "samples": 20_000,
    "unique": [[6, 3, "none"], [8, 2, "none"], [6, 5, "none"], [20, 3, "none"], [6, 2, "penalized"], [20, 2, "penalized"]],
    "unique_seeds": 12, "stable": [[5, 3], [8, 2], [6, 5]], "stable_seeds": 5,
    "lams": [1e-1, 3e-2, 1e-2, 3e-3, 1e-3, 3e-4, 1e-4], "noises": [0.0, 0.3],
}  # fmt: skip
FULL: Facts = DEFAULT | {
    "seeds": 20, "unique_seeds": 100, "stable_seeds": 30, "extremes": [[8, 2], [40, 3], [20, 4], [12, 6]], "noises": [0.0, 0.3, 1.0],
}  # fmt: skip


def gaussian(n: int, d: int, seed: int, bias: str = "none", lam_share: float = 0.1) -> mlp.MeasureProblem:  # fmt: skip
    rng = np.random.default_rng(seed)
    problem = mlp.MeasureProblem(rng.standard_normal((n, d)), rng.standard_normal(n), lam=1.0, bias=bias)  # fmt: skip
    return with_loss(problem, mlp.lam_max(problem) * lam_share, mlp.Squared())


def with_loss(problem: mlp.MeasureProblem, lam: float, loss: mlp.Loss) -> mlp.MeasureProblem:
    return mlp.MeasureProblem(problem.X, problem.y, lam=lam, loss=loss, bias=problem.bias)


def bends(problem: mlp.MeasureProblem, dual: Any, samples: int) -> Facts:
    """|eta(a + b) - eta(a) - eta(b)| for random pairs: eta is linear on a cell's cone if it is 0 for pairs in one cell."""
    rng = np.random.default_rng(0)
    points = rng.standard_normal((samples, problem.lifted.shape[1]))
    points /= np.linalg.norm(points, axis=1)[:, None]
    _, cell = np.unique(points @ problem.lifted.T > 0.0, axis=0, return_inverse=True)
    order = np.argsort(cell.ravel(), kind="stable")
    a, b = order[:-1], order[1:]
    same = cell.ravel()[a] == cell.ravel()[b]

    def eta(w: Any) -> Any:
        return dual @ problem.features(w)

    bent = np.abs(eta(points[a] + points[b]) - eta(points[a]) - eta(points[b])) / problem.lam
    return {
        "pairs_in_one_cell": int(same.sum()), "bend_in_one_cell": float(bent[same].max(initial=0.0)),
        "bend_across_cells": float(np.median(bent[~same])), "cells_met": int(cell.max()) + 1,
    }  # fmt: skip


def extremes(solution: mlp.Solution) -> Facts:
    """Extreme values of eta in every closed cell, by the proved list of all saturated weights and by one NNLS a cell and sign."""
    problem, dual = solution.problem, solution.dual
    all_saturated = mlp.uniqueness(solution)
    signs = np.asarray(mlp.enumerate_cells(problem.lifted).signs, dtype=np.float64)
    inner = all_saturated.saturated @ problem.lifted.T
    side = np.where(
        np.abs(inner) <= 1e-8 * np.linalg.norm(problem.lifted, axis=1), 0.0, np.sign(inner)
    )
    within = np.all(signs[:, None] * side[None] >= 0.0, axis=2)
    counts = np.stack(
        [within[:, all_saturated.signs == s].sum(axis=1) for s in (1.0, -1.0)], axis=1
    )
    reached = np.zeros_like(counts)
    for k, cell in enumerate(signs):
        walls = (cell[:, None] * problem.lifted).T
        gradient = (dual * (cell > 0.0)) @ problem.lifted
        for j, s in enumerate((1.0, -1.0)):
            # max <s g, w> over the cell and the ball = min over rho >= 0 of |s g + sum rho_i s_i x_i|
            reached[k, j] = nnls(walls, -s * gradient)[1] >= problem.lam * (1.0 - LEVEL)
    return {
        "cells": len(signs), "saturated": len(all_saturated.saturated), "complete": all_saturated.search_complete,
        "most_in_a_cell_and_sign": int(counts.max()), "cells_with_one": int(np.count_nonzero(counts.sum(axis=1) == 1)),
        "cells_with_both_signs": int(np.count_nonzero(np.all(counts > 0, axis=1))), "disagreements": int(np.count_nonzero((counts > 0) != reached)),
        "atoms": len(solution.measure), "bound": 2 * len(signs),
    }  # fmt: skip


def measure_extremes(size: Facts) -> list[Facts]:
    rows = []
    for n, d in size["extremes"]:
        for seed in range(size["seeds"]):
            solution = mlp.solve(gaussian(n, d, seed), tol_gap=1e-9)
            rows.append(
                {"n": n, "d": d, "seed": seed, "verdict": solution.certificate.verdict.name}
            )
            if solution.certificate.is_optimal:
                rows[-1] |= extremes(solution) | bends(solution.problem, solution.dual, size["samples"])  # fmt: skip
    return rows


def both_signs() -> Facts:
    """The dual function with alpha = (1, -1, 1, -1) on four points: +1 and -1 in one region."""
    X = np.array([[-1.0, 0.0], [0.0, -1.0], [2.0, 1.0], [1.0, 2.0]])
    alpha, e = np.array([1.0, -1.0, 1.0, -1.0]), np.eye(2)
    active = X @ e.T > 0.0
    return {
        "values": (alpha @ np.maximum(X @ e.T, 0.0)).tolist(),
        "same_region": bool(np.array_equal(active[:, 0], active[:, 1])),
    }


def measure_unique(size: Facts) -> list[Facts]:
    rows = []
    for n, d, bias in size["unique"]:
        for word in ("squared, 0.1 lam_max", "interpolation"):
            verdicts, points = [], []
            for seed in range(size["unique_seeds"]):
                problem = gaussian(n, d, seed, bias)
                if word == "interpolation":
                    problem = with_loss(problem, 1.0, mlp.Interpolation())
                solution = mlp.solve(problem, tol_gap=1e-9, time_limit=20)
                if not solution.certificate.is_optimal:
                    verdicts.append("NOT SOLVED")
                    continue
                found = mlp.uniqueness(solution, max_work=1e7)
                verdicts.append(found.verdict.name)
                points.append(len(found.saturated))
            rows.append({
                "n": n, "d": d, "bias": bias, "problem": word, "seeds": len(verdicts),
                **{v: verdicts.count(v) for v in ("UNIQUE", "NOT_UNIQUE", "UNDECIDED", "NOT SOLVED")},
                "fewest_points": min(points, default=None), "most_points": max(points, default=None),
            })  # fmt: skip
    return rows


def known(value: float) -> float | None:
    return value if math.isfinite(value) else None


def measure_stable(size: Facts) -> list[Facts]:
    rows = []
    for n, d in size["stable"]:
        for seed in range(size["stable_seeds"]):
            rng = np.random.default_rng(seed)
            problem = mlp.MeasureProblem(rng.standard_normal((n, d)), rng.standard_normal(n), lam=1.0, bias="none")  # fmt: skip
            found = mlp.stability(problem, size["lams"], noises=size["noises"], max_work=1e7, time_limit=60)  # fmt: skip
            for path in found.paths:
                limit = path.limit
                rows.append({
                    "n": n, "d": d, "seed": seed, "noise": float(np.linalg.norm(path.noise)), "holds": limit.holds, "atoms": len(limit.masses),
                    "on_walls": int(np.count_nonzero(limit.walls)), "fixed": int(np.count_nonzero(limit.freedom == 0)),
                    "atoms_stay": path.atoms_stay, "settled": len(path.settled), "lams": [s.lam for s in path.settled],
                    "mass_errors": [known(s.mass_error) for s in path.settled], "location_errors": [known(s.location_error) for s in path.settled],
                    "mass_rate": known(path.mass_rate.slope), "location_rate": known(path.location_rate.slope),
                    "dual_rate": known(path.dual_rate.slope), "remainder_rate": known(path.remainder_rate.slope),
                })  # fmt: skip
    return rows


def rates(found: Facts, name: str, *, holds: bool = True) -> list[float]:
    return [r[name] for r in found["stable"] if r[name] is not None and (r["holds"] is True or not holds)]  # fmt: skip


def middle(values: list[float]) -> str:
    if not values:
        return "-"
    return f"{np.median(values):.3f} ({min(values):.3f} to {max(values):.3f}, {len(values)} paths)"


def tables(found: Facts) -> list[str]:
    done = [r for r in found["extremes"] if "cells" in r]
    per_cell = [[
        f"{r['n']} x {r['d']}", r["cells"], r["saturated"], r["atoms"], r["most_in_a_cell_and_sign"], r["cells_with_one"],
        r["cells_with_both_signs"], r["disagreements"], r["bend_in_one_cell"], r["bend_across_cells"],
    ] for r in done]  # fmt: skip
    unique = [[
        f"{r['n']} x {r['d']}, bias {r['bias']}", r["problem"], r["seeds"], r["UNIQUE"], r["NOT_UNIQUE"], r["UNDECIDED"], r["NOT SOLVED"],
        f"{r['fewest_points']} to {r['most_points']}",
    ] for r in found["unique"]]  # fmt: skip
    stable = [[
        f"{r['n']} x {r['d']}, {r['seed']}", r["noise"], {True: "yes", False: "no", None: "undecided"}[r["holds"]], r["atoms"], r["on_walls"], r["fixed"],
        {True: "yes", False: "no", None: "?"}[r["atoms_stay"]], r["mass_rate"], r["location_rate"], r["dual_rate"], r["remainder_rate"],
    ] for r in found["stable"]]  # fmt: skip
    return [
        "## Linear pieces and extreme values, cell by cell",
        ("Gaussian data, lam = 0.1 lam_max. *Saturated* are all weights with |eta| = lam, found with proof. The columns *one extreme* and *both signs* count closed cells "
        "that hold such a weight. Independently, the supremum of s eta on each closed cell is computed by nonnegative least squares; *disagreements* "
        "counts pairs (cell, sign) where one says the limit is reached and the other not. A *bend* is |eta(a + b) - eta(a) - eta(b)| / lam: the largest of pairs in one cell, "
        "and the median of pairs in two."),
        table(["n x d", "cells", "saturated", "atoms", "most in a cell and sign", "cells with one extreme", "cells with both signs", "disagreements", "bend in a cell", "bend across"], per_cell),
        "## Uniqueness on random data", "Gaussian inputs and labels; every verdict is proved, and UNDECIDED says that it is not.",
        table(["data", "problem", "instances", "UNIQUE", "NOT_UNIQUE", "UNDECIDED", "not solved", "saturated weights"], unique),
        "## Small lam and noise",
        ("Targets y + lam nu, lam to 0. *Regular*: the limit is proved to satisfy the conditions of stability; *walls*: atoms on hyperplanes of data; *fixed*: "
        "atoms on rays, which cannot move. Slopes of log error against log lam over the steps that have the limit's atoms, where at least three of them are clear of rounding."),
        table(["n x d, seed", "|nu|", "regular", "atoms", "on walls", "fixed", "atoms stay", "masses", "locations", "dual", "masses less first order"], stable),
    ]  # fmt: skip


def claims(found: Facts) -> list[Claim]:
    done = [r for r in found["extremes"] if "cells" in r]
    stable, regular = found["stable"], [r for r in found["stable"] if r["holds"] is True]
    counts = {
        v: sum(r[v] for r in found["unique"])
        for v in ("UNIQUE", "NOT_UNIQUE", "UNDECIDED", "NOT SOLVED")
    }
    total = sum(r["seeds"] for r in found["unique"])
    instance = found["both_signs"]
    mass, place, first = (
        rates(found, "mass_rate"),
        rates(found, "location_rate"),
        rates(found, "remainder_rate"),
    )
    on_walls, atoms = sum(r["on_walls"] for r in stable), sum(r["atoms"] for r in stable)
    kept = [r for r in regular if r["settled"] >= 1]
    return [
        Claim(about="the dual certificate", standing=THEOREM, says="piecewise linear on the sphere, pieces set by the data",
              measured=f"largest bend in one cell {max(r['bend_in_one_cell'] for r in done):.0e} of lam, median across cells {np.median([r['bend_across_cells'] for r in done]):.1g}; "
              f"{sum(r['pairs_in_one_cell'] for r in done):,} pairs", agrees=all(r["bend_in_one_cell"] < 1e-9 < r["bend_across_cells"] for r in done)),
        Claim(about="extreme values per cell and sign", standing=THEOREM, says="at most one",
              measured=f"at most {max(r['most_in_a_cell_and_sign'] for r in done)}, over all {sum(r['cells'] for r in done):,} cells of {len(done)} instances; "
              f"{sum(r['disagreements'] for r in done)} disagreements with least squares",
              agrees=all(r["most_in_a_cell_and_sign"] <= 1 for r in done),
              why="" if not any(r["disagreements"] for r in done) else
              f"least squares counts a cell as reaching the limit within {LEVEL:g} of it, and a cell beside an atom that is nearer than {(2.0 * LEVEL) ** 0.5:.1e} to its wall does so without holding an extreme value."),
        Claim(about="the sign has to be counted", standing=SILENT, says="-",
              measured=f"{sum(r['cells_with_both_signs'] for r in done)} cells hold +lam and -lam; in a known example one region has the values {instance['values'][0]:+g} and {instance['values'][1]:+g}",
              agrees=None),
        Claim(about="atoms of every minimiser", standing=THEOREM, says="finitely many, bounded by n and d only",
              measured=f"at most {max(r['saturated'] for r in done)} weights are saturated at all, at most {max(r['saturated'] / r['bound'] for r in done):.2g} of twice the cells; "
              f"the search was complete in {sum(r['complete'] for r in done)} of {len(done)}",
              agrees=all(r["saturated"] <= r["bound"] for r in done)),
        Claim(about="uniqueness", standing=THEOREM, says="if saturated weights are finitely many and their features independent",
              measured=f"proved for {counts['UNIQUE']} of {total} random instances", agrees=counts["UNIQUE"] > 0),
        Claim(about="how often it fails", standing=SILENT, says="conditions \"may not be sharp\"",
              measured=f"two optimal measures, both certified, for {counts['NOT_UNIQUE']}; undecided {counts['UNDECIDED']}, not solved {counts['NOT SOLVED']}",
              agrees=None, why="it fails where points are many against the dimension: saturated weights and their opposites give linear functions in more than one way."),
        Claim(about="number of atoms for small lam and noise", standing=THEOREM, says="that of the limit, if the limit is regular",
              measured=f"from some lam on in {len(kept)} of {len(regular)} paths with a regular limit", agrees=len(kept) == len(regular) if regular else None,
              why="" if len(kept) == len(regular) else "the theorem says from some lam on; the smallest lam here is still too large for these."),
        Claim(about="masses, as (lam, noise) to 0", standing=THEOREM, says="linear", measured=f"slope {middle(mass)}",
              agrees=all(abs(m - 1.0) <= 0.1 for m in mass) if mass else None,
              why="" if all(abs(m - 1.0) <= 0.1 for m in mass) else "the larger lam are not in the linear range yet."),
        Claim(about="locations", standing=THEOREM, says="linear (inside cells)", measured=f"slope {middle(place)}",
              agrees=all(abs(m - 1.0) <= 0.1 for m in place) if place else None,
              why="atoms on walls move along their faces, linearly as well; on rays they do not move."
              + ("" if all(abs(m - 1.0) <= 0.1 for m in place) else " The larger lam are not in the linear range yet.")),
        Claim(about="what the first order leaves of the masses", standing=SILENT, says="-", measured=f"slope {middle(first)}", agrees=None,
              why="2 is what the implicit function theorem says where the prediction is right."),
        Claim(about="are atoms inside cells typical?", standing=SILENT, says="the linear rate of locations is stated for these",
              measured=f"{on_walls} of {atoms} atoms lie on walls", agrees=None),
        Claim(about="regular limits on random data", standing=SILENT, says="-",
              measured=f"{len(regular)} of {len(stable)} paths proved regular, {sum(r['holds'] is False for r in stable)} proved not to be", agrees=None),
    ]  # fmt: skip


def draw(found: Facts, figure: Any) -> None:
    rng = np.random.default_rng(0)
    flat = mlp.solve(gaussian(8, 2, 0), tol_gap=1e-9)
    mlp.plotting.plot_certificate(flat, ax=figure.add_subplot(1, 3, 1))
    X = rng.standard_normal((6, 2))
    space = mlp.solve(mlp.MeasureProblem(X, rng.standard_normal(6), lam=0.1), tol_gap=1e-9)
    mlp.plotting.plot_certificate(space, ax=figure.add_subplot(1, 3, 2, projection="mollweide"))
    axis = figure.add_subplot(1, 3, 3)
    for r in found["stable"]:
        if r["holds"] is True and len(r["lams"]) > 1:
            axis.loglog(r["lams"], r["mass_errors"], "-", color="#D55E00", lw=0.8)
            axis.loglog(r["lams"], [v or np.nan for v in r["location_errors"]], "-", color="#0072B2", lw=0.8)  # fmt: skip
    axis.plot([], [], color="#D55E00", label="masses")
    axis.plot([], [], color="#0072B2", label="locations")
    axis.plot([1e-3, 1e-1], [1e-3, 1e-1], "k--", lw=1, label="slope 1")
    axis.set(xlabel="lam", ylabel="change against the limit")
    axis.legend(fontsize=6)
    axis.grid(alpha=0.3)


STUDY = Study(
    "dual_certificate", "The dual certificate",
    "After L. Del Grande, C. Brune and M. Carioni, \"A dual certificate approach to sparsity in infinite-width shallow neural networks\" (2026), "
    "as summarised in the project's sources.",
    "The certificate is eta(w) = sum alpha_i max(<w, x_i>, 0) with |eta| at most lam on unit weights and equal to it at the atoms. The paper's loss is a mean over n samples, so its "
    "lam is ours over n.",
    {"small": SMALL, "default": DEFAULT, "full": FULL},
    {"extremes": measure_extremes, "both_signs": lambda _: both_signs(), "unique": measure_unique, "stable": measure_stable},
    tables, claims, draw,
    "A certificate over the circle and over the sphere of unit weights, with its linear pieces; how far atoms are from their limits",
)  # fmt: skip

if __name__ == "__main__":
    STUDY.main()
