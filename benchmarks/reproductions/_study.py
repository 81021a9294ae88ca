"""What the reproductions share: measuring at a size, the record, and the page that is made from the record.

A study measures facts (plain data, a number that is not known is None), and claims, tables and pictures are made from these
facts alone, so that ``--page-only`` writes the page again without measuring.  Nothing on a page is typed by hand: whether a
measurement agrees is decided from the facts, by the claim's own condition.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import _record

DOCS = Path(__file__).resolve().parents[2] / "docs"
Facts = dict[str, Any]

THEOREM, EXPERIMENT, OPEN, SILENT = "theorem", "experiment", "open question", "not stated"
_WORDS = {True: "yes", False: "**no**", None: "-"}


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One line of the table that ends a page.

    Attributes
    ----------
    about, says, measured : str
        The subject, what the source says of it, what was measured.
    standing : str
        THEOREM and EXPERIMENT of the source, an OPEN question there, or SILENT: not stated there.
    agrees : bool or None
        Decided from the measurement; None where there is nothing to agree with.
    why : str
        What is different here, or why it does not agree; a footnote.
    """

    about: str
    standing: str
    says: str
    measured: str
    agrees: bool | None
    why: str = ""


def read_record(output: Path) -> Facts:
    """A record as :meth:`Study.main` writes it."""
    record: Facts = json.loads(output.read_text())
    return record


@dataclass(frozen=True)
class Study:
    """One source reproduced: how it is measured, and how the record becomes a page."""

    name: str
    title: str
    source: str
    about: str
    sizes: dict[str, Facts]
    measure: dict[str, Callable[[Facts], Any]]
    tables: Callable[[Facts], list[str]]
    claims: Callable[[Facts], list[Claim]]
    draw: Callable[[Facts, Any], None]
    figure_words: str
    read: Callable[[Path], Facts] = read_record

    def main(self, arguments: Sequence[str] | None = None) -> None:
        """Measure at a size, write the record and the page."""
        given = list(sys.argv[1:] if arguments is None else arguments)
        parser = argparse.ArgumentParser(description=self.title)
        size = parser.add_mutually_exclusive_group()
        size.add_argument("--small", action="store_true", help="seconds; for tests")
        size.add_argument("--full", action="store_true", help="the largest size")
        parser.add_argument(
            "--part",
            choices=list(self.measure),
            help="measure this again in a record of the same size",
        )
        parser.add_argument(
            "--page-only", action="store_true", help="write the page again from the record"
        )
        parser.add_argument("--output", type=Path, default=_record.RESULTS / f"{self.name}.json")
        parser.add_argument("--docs", type=Path, default=DOCS, help="folder of the page")
        options = parser.parse_args(given)
        word = "small" if options.small else "full" if options.full else "default"
        if not options.page_only:
            wall, processor = time.perf_counter(), time.process_time()
            parts = [options.part] if options.part else list(self.measure)
            found = {part: self.measure[part](self.sizes[word]) for part in parts}
            made = {
                "command": _record.command(f"reproductions/{self.name}.py", given, private=("--output", "--docs")),
                "machine": _record.machine(), "size": word, "settings": self.sizes[word],
                "seconds": time.perf_counter() - wall, "processor_seconds": time.process_time() - processor,
            }  # fmt: skip
            if options.part:
                record = self.read(options.output)
                if record["size"] != word:
                    parser.error(
                        f"--part: the record has the {record['size']} size, asked for is the {word} one"
                    )
                record["found"] |= found
                record["renewed"] = record.get("renewed", {}) | {options.part: made}
            else:
                record = made | {"found": found}
            _record.write(record, options.output)
        self.write_page(options.output, options.docs)

    def write_page(self, output: Path, docs: Path) -> None:
        """The page and its picture from the record; its lines go beside the record, for the index."""
        record = self.read(output)
        claims = self.claims(record["found"])
        self._write_figure(record["found"], docs / "figures" / f"{self.name}.png")
        page = [
            f"# {self.title}", self.source, self.about,
            f"![{self.figure_words}](../figures/{self.name}.png)", f"*{self.figure_words}*",
            *self.tables(record["found"]), "## Paper says / we measure", claims_table(claims), made_by(record), *map(made_by, record.get("renewed", {}).values()),
            f"This page is written by `benchmarks/reproductions/{self.name}.py`; do not edit it.",
        ]  # fmt: skip
        folder = docs / "reproductions"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{self.name}.md").write_text("\n\n".join(page) + "\n", encoding="utf-8")
        print(claims_table(claims))
        print(f"written to {self.name}.md")
        lines = output.with_name("reproductions.json")
        _record.update(lines, self.name, {
            "title": self.title, "source": self.source, "size": record["size"],
            "minutes": round(record["seconds"] / 60.0, 1), "lines": [asdict(c) for c in claims],
        })  # fmt: skip
        write_index(json.loads(lines.read_text()), docs)

    def _write_figure(self, found: Facts, target: Path) -> None:
        import matplotlib as mpl
        import matplotlib.ticker

        mpl.use("Agg")
        import matplotlib.pyplot as plt

        target.parent.mkdir(parents=True, exist_ok=True)
        with mpl.rc_context({"font.size": 8, "figure.constrained_layout.use": True}):
            figure = plt.figure(figsize=(10.0, 3.2))
            self.draw(found, figure)
            for axis in figure.axes:  # names of minor ticks lie over each other
                if axis.name == "rectilinear" and axis.get_xscale() == "log":
                    axis.xaxis.set_minor_formatter(mpl.ticker.NullFormatter())
            figure.savefig(target, dpi=80, metadata={"Software": None})
            plt.close(figure)


def claims_table(claims: Sequence[Claim]) -> str:
    """The lines as Markdown, with the reasons below."""
    notes = [c.why for c in claims if c.why]
    rows = [
        [c.about, c.standing, c.says, c.measured, _WORDS[c.agrees] + (f" ({notes.index(c.why) + 1})" if c.why else "")]
        for c in claims
    ]  # fmt: skip
    lines = [
        table(["about", "standing", "paper says", "we measure", "agrees"], rows, numbers=False)
    ]
    lines += [f"({k + 1}) {note}" for k, note in enumerate(notes)]
    return "\n\n".join(lines)


def table(head: Sequence[str], rows: Sequence[Sequence[Any]], *, numbers: bool = True) -> str:
    """A table in Markdown; what stands in the first column is text."""
    under = ["---"] + ["--:" if numbers else "---"] * (len(head) - 1)
    shown = [[show(cell).replace("|", "\\|") for cell in row] for row in rows]
    return "\n".join(
        "| " + " | ".join(row) + " |"
        for row in [[h.replace("|", "\\|") for h in head], under, *shown]
    )


def show(value: Any) -> str:
    """A number as it stands on a page; None is a dash."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 1e4 else f"{value:.3e}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def made_by(record: Facts) -> str:
    """Command, time, machine and versions."""
    m = record["machine"]
    versions = ", ".join(
        f"{name} {m[name]}" for name in ("numpy", "numba", "clarabel", "torch") if m.get(name)
    )
    busy = "" if m.get("load_average") is None else f", load {m['load_average']}"
    took = record.get("processor_seconds")
    spent = "" if took is None else f", {took / 60.0:.1f} of a processor"
    return (
        f"`{record['command']}` ({record['size']} size): {record['seconds'] / 60.0:.1f} min{spent}; {m['date']}, {m['processor']}, {m['cores']} cores{busy}, Python {m['python']}, {versions}."
    )  # fmt: skip


def write_index(pages: Facts, docs: Path) -> None:
    """docs/reproductions.md: one line a page, and what does not agree."""
    rows, apart = [], []
    for name, page in sorted(pages.items()):
        said = [line["agrees"] for line in page["lines"]]
        rows.append([
            f"[{page['title']}](reproductions/{name}.md)", page["size"], page["minutes"], len(said), said.count(True), said.count(False),
        ])  # fmt: skip
        apart += [
            f"* {page['title']}: {line['about']}: {line['why']}"
            for line in page["lines"]
            if line["agrees"] is False
        ]
    text = [
        "# Reproductions",
        ("The papers and talks this project started from, measured again. One script and one page a source, each ending in a table "
        "\"paper says / we measure\" that says of every line whether the source proves it, saw it in an experiment, asks it or does not "
        "state it. How to run them: [benchmarks/README.md](../benchmarks/README.md)."),
        table(["page", "size", "minutes", "lines", "agree", "do not"], rows),
        *(["What does not agree, and why:", "\n".join(apart)] if apart else ["Nothing measured disagrees with its source."]),
        "```{toctree}\n:hidden:\n\n" + "\n".join(f"reproductions/{name}" for name in sorted(pages)) + "\n```",
        "This page is written by the scripts in `benchmarks/reproductions`; do not edit it.",
    ]  # fmt: skip
    (docs / "reproductions.md").write_text("\n\n".join(text) + "\n", encoding="utf-8")


def slope(x: Sequence[float], y: Sequence[float]) -> float:
    """The exponent of y against x: least squares on logarithms."""
    import numpy as np

    return float(np.polyfit(np.log(np.asarray(x, float)), np.log(np.asarray(y, float)), 1)[0])
