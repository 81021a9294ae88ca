"""Write `docs/benchmarks.md` and its figures from the recorded results.

    python benchmarks/report.py

Nothing is measured here: whatever `results/*.json` holds is shown, each table with the command, machine and date that made it, and
what was not run is left out and named.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from _record import RESULTS
from _rivals_page import rivals

DOCS = Path(__file__).resolve().parent.parent / "docs"
Facts = dict[str, Any]
GROUPS = {
    "planes": "Three and four coordinates",
    "million": "A million points",
    "middle": "Five and six coordinates",
    "high": "Seven to ten coordinates",
    "weak": "lam = 0.001 lam_max",
    "diabetes": "Real data: diabetes, n = 442, standardised, penalised bias",
    "limits": "Ranks too large to prove",
    "small": "A quick look at each",
}

# ---- words --------------------------------------------------------------------------------------------


def load(name: str) -> Facts:
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else {}


def made_by(report: Facts) -> str:
    m = report["machine"]
    versions = ", ".join(
        f"{name} {m[name]}"
        for name in ("numpy", "numba", "clarabel", "cvxpy", "torch")
        if m.get(name)
    )
    load_words = "" if m.get("load_average") is None else f", load {m['load_average']}"
    return (
        f"`{report['command']}`: {m['date']}, {m['processor']}, {m['cores']} cores{load_words}, "
        f"Python {m['python']}, {versions}."
    )


def table(head: list[str], rows: list[list[str]]) -> str:
    left = "|".join(["---"] + ["--:"] * (len(head) - 1))
    lines = [" | ".join(head), left, *(" | ".join(row) for row in rows)]
    return "\n".join(f"| {line} |" if line is not left else f"|{line}|" for line in lines)


def seconds(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" if value < 1.0 else f"{value:.2f}" if value < 10.0 else f"{value:.0f}"


def gap(value: float | None) -> str:
    return "open" if value is None else f"{value:.1e}"


# ---- certified ---------------------------------------------------------------------------------------------


def certified(report: Facts) -> list[str]:
    head = [
        "instance", "seconds", "aim", "of the yardstick", "gap", "neurons", "oracle calls", "nodes",
        "oracle / master / pricing, s", "oracle", "verdict",
    ]  # fmt: skip
    parts = []
    for key, title in GROUPS.items():
        if key not in report or key == "limits" or (key == "small" and len(report) > 1):
            continue
        found = report[key]
        scale = found["yardstick"].get("seconds")
        rows, met, aims = [], 0, 0
        for entry in found["cases"]:
            case = entry["case"]
            aim = case.get("aim")
            if "failed" in entry:
                rows.append([case["name"], entry["failed"], seconds(aim), *[""] * 8])
                continue
            stats = entry["stats"]
            done = entry["verdict"] == "OPTIMAL"
            if aim is not None:
                aims += 1
                met += done and entry["seconds"] <= aim
            rows.append([
                case["name"], seconds(entry["seconds"]) if done else f"({seconds(entry['seconds'])})",
                seconds(aim), "-" if scale is None else f"{entry['seconds'] / scale:.4f}",
                gap(entry["relative_gap"]), str(entry["neurons"]), str(stats["oracle_calls"]),
                f"{entry['nodes']:,}",
                " / ".join(seconds(stats[f"seconds_{p}"]) for p in ("oracle", "master", "pricing")),
                stats["oracle"], entry["verdict"],
            ])  # fmt: skip
        yard = "not measured" if scale is None else f"{scale:.1f} s"
        parts += [
            f"### {title}", table(head, rows),
            f"Yardstick in this run: {yard}. Aims met: {met} of {aims}. {made_by(found)}",
        ]  # fmt: skip
    return parts


def limits(report: Facts) -> list[str]:
    if "limits" not in report:
        return ["Not recorded yet."]
    found = report["limits"]
    rows = []
    for entry in found["cases"]:
        case = entry["case"]
        if "failed" in entry:
            rows.append([case["name"], f"{case['time_limit']:g}", entry["failed"], *[""] * 5])
            continue
        rows.append([
            case["name"], f"{case['time_limit']:g}", seconds(entry["seconds_over_limit"]),
            entry["verdict"], gap(entry["relative_gap"]),
            "-" if entry["objective"] is None else f"{entry['objective'] / entry['zero_objective']:.3f}",
            "-" if entry["dual_value"] is None else f"{entry['dual_value'] / entry['zero_objective']:.3f}",
            str(entry["neurons"]),
        ])  # fmt: skip
    head = [
        "instance", "time limit, s", "s over it", "verdict", "gap", "objective", "proved bound",
        "neurons",
    ]  # fmt: skip
    return [
        table(head, rows),
        "Objective and bound are in units of the zero network's objective. " + made_by(found),
    ]


# ---- the others ------------------------------------------------------------------------------------------------


def enumerated(report: Facts) -> list[str]:
    if not report:
        return ["Not recorded yet."]
    rows = []
    for entry in report["proofs"]:
        data = entry["case"]["data"]
        name = f"{data['n']:,} x {data['d']}"
        if "failed" in entry:
            rows.append([name, entry["failed"], *[""] * 5])
            continue
        done = entry["cells_termination"] == "CONVERGED"
        ratio = entry["cells_seconds"] / entry["chosen_seconds"]
        rows.append([
            name, f"{entry['cells_stats']['cells']:,}" if done else "more than "
            f"{entry['cells_stats']['cells']:,}", seconds(entry["cells_seconds"]),
            entry["chosen"], f"{entry['chosen_stats'].get('nodes', 0):,}",
            f"{entry['chosen_seconds']:.4f}", f"{ratio:.0f}" if done else f"> {ratio:.0f}",
        ])  # fmt: skip
    first = table(
        ["instance", "cells", "all cells, s", "chosen", "nodes", "s", "times faster"], rows
    )
    rows = []
    for entry in report["programs"]:
        ours, theirs = entry["measurelp"], entry["cvxpy"]
        data = ours["case"]["data"]
        name = f"{data['n']} x {data['d']}"
        if "failed" in ours or "failed" in theirs:
            rows.append([name, *[""] * 3, ours.get("failed", "") + theirs.get("failed", ""), ""])
            continue
        rows.append([
            name, f"{theirs['cells']:,}", f"{theirs['seconds']:.1f}", f"{ours['seconds']:.4f}",
            f"{theirs['seconds'] / ours['seconds']:.0f}",
            f"{theirs['objective'] / ours['objective'] - 1.0:.0e}",
        ])  # fmt: skip
    second = table(
        ["instance", "cells", "CVXPY + Clarabel, s", "solve to 1e-9, s", "times faster", "objectives differ by"],
        rows,
    )  # fmt: skip
    return ["One proof of sup |eta| <= lam (1 + 1e-7) at the optimum, lam = 0.01 lam_max:", first,
            "The whole problem, against the cone program over all cells:", second, made_by(report)]  # fmt: skip


def descent(report: Facts) -> list[str]:
    if not report:
        return ["Not recorded yet."]
    parts = []
    for name, found in report.items():
        ours, rows = found["measurelp"], []
        for entry in found["methods"]:
            cells = []
            for near in ("0.001", "0.0001"):
                took = entry[near]["median_seconds"]
                share = f"{entry[near]['share']:.0%}"
                cells.append(share if took is None else f"{share}, {seconds(took)} s")
            rate = "" if entry.get("rate") is None else f", rate {entry['rate']:g}"
            rows.append([
                f"{entry['method']}, width {entry['width']}{rate}", *cells,
                f"{entry['excess_median']:.1e}", f"{entry['excess_best']:.1e}",
            ])  # fmt: skip
        parts += [
            (
                f"**{name}**: `solve` proves {ours['objective']:.8f} to {ours['relative_gap']:.0e} "
                f"with {ours['neurons']} neurons in {seconds(ours['seconds'])} s; each run below "
                f"has {found['cap_seconds']:g} s, each method {found['methods'][0]['seeds']} seeds."
            ),
            table(["method", "seeds within 1e-3", "within 1e-4", "excess, median", "best"], rows),
        ]  # fmt: skip
    return [*parts, made_by(next(iter(report.values())))]


def convex(report: Facts) -> list[str]:
    if not report:
        return ["Not recorded yet."]
    parts = []
    for found in report["cases"]:
        ours = found["measurelp"]
        rows = [["measurelp.solve to 1e-9", f"{ours['seconds']:.4f}", "0", gap(ours["relative_gap"]),
                 str(ours["neurons"])]]  # fmt: skip
        for entry in found["rivals"]:
            name = entry["name"] + (f" ({entry['version']})" if entry.get("version") else "")
            if "seconds" not in entry:
                rows.append([name, entry.get("failed") or entry["missing"], "", "", ""])
                continue
            above = entry["objective"] / ours["objective"] - 1.0
            rows.append([
                name, f"{entry['seconds']:.2f}", f"{above:.1e}", gap(entry["relative_gap"]),
                str(entry["neurons"]),
            ])  # fmt: skip
        parts += [f"**{found['name']}**", table(
            ["solver", "seconds", "above the optimum", "gap that its answer proves", "neurons"], rows
        )]  # fmt: skip
    return [*parts, made_by(report)]


def growth(report: Facts) -> list[str]:
    if not report:
        return ["Not recorded yet."]
    parts = []
    titles = {
        "rows": "Rows, d = 3", "dimension": "Dimension", "lam": "lam", "tolerance": "Accuracy"
    }  # fmt: skip
    for part, title in titles.items():
        if part not in report:
            parts.append(f"{title}: not recorded yet.")
            continue
        rows = []
        for entry in report[part]["cases"]:
            case = entry["case"]
            words = [
                f"{case['data']['n']:,} x {case['data']['d']}",
                f"{case['lam_ratio']:g}",
                f"{case['tol']:g}",
            ]
            if "failed" in entry:
                rows.append([*words, entry["failed"], *[""] * 5])
                continue
            shown = seconds(entry["seconds"])
            rows.append([
                *words, shown if entry["verdict"] == "OPTIMAL" else f"({shown})",
                f"{entry['nodes']:,}", str(entry["stats"]["oracle_calls"]), str(entry["neurons"]),
                gap(entry["relative_gap"]), f"{entry['peak_megabytes']:.0f}",
            ])  # fmt: skip
        head = [
            "instance",
            "lam / lam_max",
            "tol",
            "seconds",
            "nodes",
            "calls",
            "neurons",
            "gap",
            "MB",
        ]
        parts += [f"### {title}", table(head, rows), made_by(report[part])]
    return parts


# ---- figures -----------------------------------------------------------------------------------------------------


def figures(folder: Path) -> list[str]:
    """Names of the figures that the results allow."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    mpl.rcParams.update({"svg.hashsalt": "measurelp", "font.size": 9, "axes.grid": True,
                         "grid.alpha": 0.3, "figure.constrained_layout.use": True})  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    found = load("growth")
    proved = {
        part: [e for e in report["cases"] if e.get("verdict") == "OPTIMAL"]
        for part, report in found.items()
    }
    if any(proved.values()):
        figure, axes = plt.subplots(1, 4, figsize=(11.0, 2.8))
        for axis, (part, label) in zip(
            axes,
            {"rows": "points (d = 3)", "dimension": "dimension", "lam": "lam / lam_max",
             "tolerance": "proved relative gap"}.items(),
            strict=True,
        ):  # fmt: skip
            series: dict[str, list[tuple[float, float]]] = {}
            for entry in proved.get(part, []):
                case = entry["case"]
                n, d = case["data"]["n"], case["data"]["d"]
                x = {"rows": n, "dimension": d, "lam": case["lam_ratio"], "tolerance": case["tol"]}[
                    part
                ]
                name = {"rows": "d = 3", "dimension": f"n = {n}"}.get(part, f"{n} x {d}")
                series.setdefault(name, []).append((x, entry["seconds"]))
            for name, points in series.items():
                axis.plot(*zip(*points, strict=True), "o-", ms=3, lw=1, label=name)
            axis.set_yscale("log")
            if part != "dimension":
                axis.set_xscale("log")
            if part in ("lam", "tolerance"):
                axis.invert_xaxis()
            axis.set_xlabel(label)
            if series:
                axis.legend(fontsize=7)
        axes[0].set_ylabel("seconds of a whole solve")
        figure.savefig(folder / "growth.svg", metadata={"Date": None})
        plt.close(figure)
        made.append("growth")
    found = load("descent")
    if found:
        figure, axes = plt.subplots(1, len(found), figsize=(2.8 * len(found), 2.8), squeeze=False)
        for axis, (name, report) in zip(axes[0], found.items(), strict=True):
            for entry in report["methods"]:
                runs = entry["runs"]
                marker = "o" if entry["method"] == "Adam" else "s"
                axis.plot([r["seconds"] for r in runs], [max(r["excess"], 1e-6) for r in runs], marker,
                          ms=4, alpha=0.7, label=f"{entry['method']}, {entry['width']}")  # fmt: skip
            ours = report["measurelp"]
            axis.plot(
                [ours["seconds"]],
                [max(ours["relative_gap"], 1e-9)],
                "k*",
                ms=9,
                label="solve, proved",
            )
            axis.set_xscale("log")
            axis.set_yscale("log")
            axis.set_xlabel("seconds")
            axis.set_title(name, fontsize=9)
        axes[0][0].set_ylabel("above the optimum, relative")
        axes[0][-1].legend(fontsize=6)
        figure.savefig(folder / "descent.svg", metadata={"Date": None})
        plt.close(figure)
        made.append("descent")
    return made


PAGE = """# Benchmarks

This page is written by `python benchmarks/report.py` from the files in `benchmarks/results`; do not edit it. How to measure
again: [benchmarks/README.md](../benchmarks/README.md). Enumeration of cells and the command line are reported there.

Every time is that of a whole call of `measurelp.solve` on one core with compiled kernels: generating cells, proving, merging,
pruning and the final certificate; the median of three where three fit. Numbers in parentheses are times after which the gap that was
asked for was *not* proved. The yardstick is the full cone program over the 2,452 cells of a 50 x 3 problem by CVXPY with Clarabel in the
same run: seconds differ between machines and with what else they do, ratios to the yardstick do so less.

## Time to a proved gap of 1e-6

Gaussian inputs, labels of five neurons with noise, lam = 0.01 lam_max (0.001 where said); "+ bias": the last coordinate is the
constant 1. Aims are those that the project set itself; a time above its aim is a shortfall, and is left standing here.

{certified}

## Ranks too large to prove

Where branch and bound cannot end, `solve` returns at its time limit with the best network and a proved bracket, and does not
say OPTIMAL. The network is useful and the bound is weak: a cap on sup |eta| that is k times too large costs the dual bound about that factor.

{limits}

## Against going through all cells

{enumerated}

## Against gradient methods

Adam and L-BFGS in torch, double precision, one thread, all data in every step, weight decay on both layers with the factor for which the
infimum over widths is the optimum that `solve` proves (see the script). They return no bound, so without the proved optimum nobody
would know how far they are. The rate of Adam is the best of three on the first seed.

{descent}

## Against convex rivals

{convex}

## Every rival on one small problem

50 x 3 Gaussian inputs, labels of four neurons, lam = 0.5, no bias; a multitask lasso of 1000 samples, 400 features and 10 outputs. What was
recorded before is of an earlier machine of two cores; accuracies should be found again, seconds only roughly. The MLP of
scikit-learn has biases that are not penalised and is held against the proved optimum of that problem.

{rivals}

## Growth

{growth}
"""


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, default=DOCS / "benchmarks.md")
    options = parser.parse_args(arguments)
    made = figures(options.output.parent / "figures")

    def shown(name: str, words: str) -> list[str]:
        return [f"![{words}](figures/{name}.svg)"] if name in made else []

    report = load("certified")
    page = PAGE.format(
        certified="\n\n".join(certified(report) or ["Not recorded yet."]),
        limits="\n\n".join(limits(report)),
        enumerated="\n\n".join(enumerated(load("enumerated"))),
        descent="\n\n".join(
            [*shown("descent", "Excess against seconds"), *descent(load("descent"))]
        ),
        convex="\n\n".join(convex(load("convex_rivals"))),
        rivals="\n\n".join(rivals(load("rivals"), table, made_by)),
        growth="\n\n".join([*shown("growth", "Seconds against size"), *growth(load("growth"))]),
    )
    options.output.write_text(page, encoding="utf-8")
    print(f"written to {options.output.name}, figures: {', '.join(made) or 'none'}")


if __name__ == "__main__":
    main()
