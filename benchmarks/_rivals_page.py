"""The table of `rivals.py` for the page of benchmarks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Facts = dict[str, Any]


def rivals(
    report: Facts,
    table: Callable[[list[str], list[list[str]]], str],
    made_by: Callable[[Facts], str],
) -> list[str]:
    """Paragraphs: what was recorded before, and what was measured."""
    if not report:
        return ["Not recorded yet."]
    rows = []
    for entry in report["rivals"]:
        before = " / ".join(part for part in entry["before"] or ["not recorded"] if part)
        name = entry["name"] + (f" ({entry['version']})" if entry.get("version") else "")
        if "seconds" not in entry:
            rows.append([name, before, entry.get("failed") or entry["missing"]])
            continue
        neurons = "" if entry.get("neurons") is None else f" / {entry['neurons']}"
        rows.append([name, before, f"{entry['seconds']:.2f} / {entry['above']:.1e}{neurons}"])
    ours, layer = report["measurelp"], report["compress_layer"]
    off = abs(ours["objective"] / report["expected"] - 1.0)
    return [
        (
            f"`solve`: {ours['objective']:.8f} with {ours['neurons']} neurons, {ours['verdict']}, in {ours['seconds']:.3f} s; "
            f"the optimum known beforehand is {report['expected']:.8f} (apart by {off:.0e}). `compress_layer`: "
            f"{layer['kept']} features kept, gap {layer['relative_gap']:.0e}, in {layer['seconds']:.2f} s."
        ),
        "Seconds / above the optimum (for the multitask lassos: relative gap) / neurons:",
        table(["rival", "recorded before", "measured here"], rows),
        made_by(report),
    ]  # fmt: skip
