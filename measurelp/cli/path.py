"""``measurelp path``: certified solutions of a CSV file along lam, or the breakpoints of their path."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import replace
from typing import Any

import click

from measurelp._version import __version__
from measurelp.cli.config import one_of
from measurelp.cli.errors import Exit, exit_from_outcome, reports_errors
from measurelp.cli.options import many_lams_options, names_options
from measurelp.cli.request import (
    Request,
    Stated,
    check_positive,
    numbers,
    state_problem,
)
from measurelp.status import Termination, Verdict

_SHOWN = (
    "lam",
    "neurons",
    "total_variation",
    "loss",
    "primal_value",
    "relative_gap",
    "gap_to_next",
)
_SHOWN_EVENTS = (
    "lam",
    "event",
    "neuron",
    "sign",
    "row",
    "side",
    "crosses",
    "gap_below",
    "gap_above",
)
_GAPS = ("relative_gap", "gap_to_next", "gap_below", "gap_above")


@click.command("path", short_help="Solve on a CSV file at many lams, or find the breakpoints.")
@click.argument("file", type=click.Path())
@many_lams_options
@click.option("--lams", metavar="A,B,...", help="The lams to solve at.")
@click.option("--n-lams", type=click.IntRange(min=2), show_default="50",
              help="Without --lams: how many, geometric from lam_max down.")  # fmt: skip
@click.option("--lam-min-ratio", type=float, metavar="R",
              help="Without --lams: the last one over lam_max; 0.001, for breakpoints 0.01.")  # fmt: skip
@click.option("--breakpoints", is_flag=True,
              help="List where neurons enter, leave, meet walls and leave them (squared loss).")  # fmt: skip
@click.option("--tol", type=float, default=1e-6, show_default=True, help="Relative gap to prove.")
@click.option("--time-limit", type=float, metavar="S",
              help="Seconds for the whole path; what was reached is returned.")  # fmt: skip
@click.option("--oracle", help="How the dual function is maximised; chosen by size if left out.")
@click.option("--jobs", type=click.IntRange(min=1), default=1, help="Workers for the oracle.")
@click.option("--csv", "csv_file", metavar="FILE", help="Write the table to this new file.")
@click.option("--force", is_flag=True, help="Let --csv replace a file.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
@click.option("--quiet", is_flag=True, help="No progress line.")
@reports_errors
@names_options
def command(
    *,
    file: str,
    tol: float,
    time_limit: float | None,
    oracle: str | None,
    jobs: int,
    csv_file: str | None,
    force: bool,
    as_json: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Solve FILE, a CSV, at many lams, each begun where the one before ended and each proved.

    \b
    Examples:
      measurelp path examples/diabetes.csv --target progression \\
          --features bmi,bp,s5 --standardize --n-lams 20 --csv path.csv
      measurelp path examples/diabetes.csv --target progression \\
          --features bmi --standardize --breakpoints --lam-min-ratio 0.2
    """
    from measurelp.cli.progress import ProgressLine

    options = one_of(options, "lams", "n_lams", "breakpoints")
    options = one_of(options, "lams", "lam_min_ratio")
    lams, n_lams, lam_min_ratio, breakpoints = (
        options.pop(name) for name in ("lams", "n_lams", "lam_min_ratio", "breakpoints")
    )
    request = _request(options)
    for option, value in (
        ("--tol", tol), ("--time-limit", time_limit), ("--lam-min-ratio", lam_min_ratio)
    ):  # fmt: skip
        check_positive(option, value)
    given = None if lams is None else numbers("--lams", lams)
    if force and csv_file is None:
        raise click.UsageError("--force belongs to --csv, which is missing.")
    if csv_file is not None:
        from measurelp.network import check_new_file

        check_new_file(csv_file, overwrite=force, option="--csv")
    with ProgressLine(quiet=quiet, tol_gap=tol) as line:
        stated = state_problem(file, request, time_limit=time_limit)
        if breakpoints:
            facts, columns, code = _breakpoints(stated, lam_min_ratio or 0.01, time_limit, oracle)
        else:
            from measurelp.paths import solve_path

            path = solve_path(
                stated.problem, given, n_lams=n_lams or 50, lam_min_ratio=lam_min_ratio or 1e-3,
                tol_gap=tol, time_limit=time_limit, oracle=oracle, n_jobs=jobs,
                callback=line.update,
            )  # fmt: skip
            columns, code = (
                path.columns(),
                _exit(path.termination, [s.certificate.verdict for s in path]),
            )
            facts = {"lam_max": path.lam_max, "termination": path.termination}
    if csv_file is not None:
        from measurelp.network.files import write_file

        write_file(csv_file, _csv(columns).encode(), overwrite=force)
    if as_json:
        answer = {
            "measurelp": __version__, "command": "path", "exit_code": int(code),
            "problem": stated.facts() | {"lam": None, "lam_max": _plain(facts["lam_max"])},
            "termination": facts["termination"].name,
            **{key: _plain(value) for key, value in facts.items()
               if key not in ("lam_max", "termination")},
            "breakpoints" if breakpoints else "path": _rows(columns), "saved": csv_file,
        }  # fmt: skip
        click.echo(json.dumps(answer, indent=1, allow_nan=False))
    else:
        click.echo(_text(stated, facts, columns, csv_file, bool(breakpoints)))
    raise SystemExit(int(code))


def _request(options: dict[str, Any]) -> Request:
    """The request without a lam, of which a path takes many."""
    request = Request.from_options(**options)
    if request.loss == "interpolation":
        raise click.UsageError("lam does not enter --loss interpolation, so there is no path.")
    return replace(request, lam=1.0)


def _breakpoints(
    stated: Stated, ratio: float, time_limit: float | None, oracle: str | None
) -> tuple[dict[str, Any], dict[str, list[Any]], Exit]:
    from measurelp.paths import path_breakpoints

    found = path_breakpoints(
        stated.problem, lam_min_ratio=ratio, time_limit=time_limit, oracle=oracle
    )
    verdict = Verdict.OPTIMAL if found.termination is Termination.CONVERGED else Verdict.BRACKETED
    facts = {
        "lam_max": found.lam_max, "termination": found.termination, "lam_least": found.lam_least,
        "segments": len(found.segments), "gap_everywhere": found.relative_gap,
    }  # fmt: skip
    return facts, found.columns(), exit_from_outcome(verdict, found.termination)


def _exit(termination: Termination, verdicts: list[Verdict]) -> Exit:
    worst = next((v for v in verdicts if v is not Verdict.OPTIMAL), Verdict.OPTIMAL)
    if termination is not Termination.CONVERGED and worst is Verdict.OPTIMAL:
        worst = Verdict.BRACKETED
    return exit_from_outcome(worst, termination)


def _plain(value: Any) -> Any:
    """A value for JSON: numbers that are not finite become None."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _rows(columns: dict[str, list[Any]]) -> list[dict[str, Any]]:
    return [
        {name: _plain(value) for name, value in zip(columns, row, strict=True)}
        for row in zip(*columns.values(), strict=True)
    ]


def _csv(columns: dict[str, list[Any]]) -> str:
    """The columns with every digit; unknown values are empty."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(columns)
    for row in zip(*columns.values(), strict=True):
        writer.writerow(["" if _plain(value) is None else value for value in row])
    return stream.getvalue()


def _text(
    stated: Stated, facts: dict[str, Any], columns: dict[str, list[Any]], saved: str | None,
    breakpoints: bool,
) -> str:  # fmt: skip
    from measurelp.cli.answers import problem_lines, table

    rows = [row for row in problem_lines(stated) if row[0] != "lam"]
    if math.isfinite(facts["lam_max"]):
        rows.append(("lam_max", f"{facts['lam_max']:.9g}"))
    if breakpoints:
        rows.append(("followed", f"down to lam = {facts['lam_least']:.9g}"))
        rows.append((
            "proved",
            (f"a relative gap of at most {facts['gap_everywhere']:.2g} at every lam, by measures "
             "between those certified at the events; the supports are computed"),
        ))  # fmt: skip
    rows.append(("stopped", facts["termination"].value))
    if saved is not None:
        rows.append(("saved", saved))
    shown = _SHOWN_EVENTS if breakpoints else _SHOWN
    cells = [[name.replace("_", " ") for name in shown]]
    cells += [
        [_word(name, value) for name, value in zip(shown, row, strict=True)]
        for row in zip(*(columns[name] for name in shown), strict=True)
    ]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        for row in cells
    ]
    return table(rows) + "\n\n" + "\n".join(lines)


def _word(name: str, value: Any) -> str:
    if _plain(value) is None:
        return "-"
    if isinstance(value, float):
        return (
            f"{value:.1e}"
            if name in _GAPS
            else f"{value:+.0f}"
            if name == "sign"
            else f"{value:.8g}"
        )
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
