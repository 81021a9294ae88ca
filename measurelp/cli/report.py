"""``measurelp report``: a saved solution as one page that explains itself."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import click

from measurelp._version import __version__
from measurelp.cli.errors import reports_errors
from measurelp.cli.request import check_positive

if TYPE_CHECKING:
    from measurelp.paths import Stability
    from measurelp.problem import MeasureProblem


@click.command("report", short_help="Write a page that explains a saved solution.")
@click.argument("folder", type=click.Path())
@click.option("-o", "--out", metavar="FILE", required=True, help="The page to write, .html.")
@click.option("--unique", is_flag=True, help="Decide first whether it is the only optimum.")
@click.option("--stability", is_flag=True, help="Follow it first as lam and label noise tend to 0.")
@click.option("--time-limit", type=float, metavar="SECONDS",
              help="For certifying the solution again (as long as it takes; a bracket as long as its "
              "solve took), and for --stability (120).")  # fmt: skip
@click.option("--force", is_flag=True, help="Replace an existing file.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
@reports_errors
def command(
    *, folder: str, out: str, unique: bool, stability: bool, time_limit: float | None, force: bool,
    as_json: bool,
) -> None:  # fmt: skip
    """Write a page about the solution in FOLDER, saved by solve.

    The page is one file that works without a network: what was asked, the answer in words, the
    bracket, the network, the certificate to rotate and zoom, and how to reproduce it.

    \b
    Example:
      measurelp report run -o report.html --unique
    """
    from measurelp.certificate.uniqueness import is_plain
    from measurelp.cli.answers import table
    from measurelp.cli.saved import stored_names
    from measurelp.network import check_new_file, read_folder, scaler_from_document
    from measurelp.report import write_report
    from measurelp.solving import load_solution

    if time_limit is not None:
        check_positive("--time-limit", time_limit)
    check_new_file(out, overwrite=force, option="--out")
    document, _ = read_folder(folder, kind="solution")
    solution = load_solution(folder, time_limit=time_limit)
    features, target = stored_names(document, solution.problem.d)
    scaler = scaler_from_document(document, name=folder)
    is_worked_out = is_plain(solution.problem)
    found = None
    if unique and is_worked_out:
        from measurelp.certificate import uniqueness

        found = uniqueness(solution)
    followed = None
    if stability and is_worked_out:
        followed = _followed(solution.problem, 120.0 if time_limit is None else time_limit)
    write_report(
        solution, out, features=features, target=target, source=folder, scaler=scaler,
        uniqueness=found, stability=followed, overwrite=force,
    )  # fmt: skip
    size = os.path.getsize(out)
    if as_json:
        facts = {
            "measurelp": __version__, "command": "report", "exit_code": 0,
            "verdict": solution.certificate.verdict.name,
            "uniqueness": None if found is None else found.verdict.name,
            "stability": None if followed is None else followed.verdict.name,
            "saved": out, "bytes": size,
        }  # fmt: skip
        click.echo(json.dumps(facts, indent=1))
        return
    rows = [
        ("solution", f"{folder}: {solution!r}"),
        ("saved", f"{out}, {size / 1e6:.1f} MB"),
        ("next", "open it in a browser; it needs no other file and no network"),
    ]
    not_worked_out = "not worked out for this loss, ball, activation or number of outputs"
    for word, asked, answer in (("stability", stability, followed), ("uniqueness", unique, found)):
        if asked:
            rows.insert(1, (word, not_worked_out if answer is None else answer.verdict.name))
    click.echo(table(rows))


def _followed(problem: MeasureProblem, time_limit: float) -> Stability:
    from measurelp.cli.progress import ProgressLine
    from measurelp.interrupts import interruptible
    from measurelp.paths import stability

    with ProgressLine(quiet=False) as line, interruptible():
        return stability(problem, time_limit=time_limit, callback=line.update)
