"""``measurelp report``: a saved solution as one page that explains itself."""

from __future__ import annotations

import json
import os

import click

from measurelp._version import __version__
from measurelp.cli.errors import reports_errors


@click.command("report", short_help="Write a page that explains a saved solution.")
@click.argument("folder", type=click.Path())
@click.option("-o", "--out", metavar="FILE", required=True, help="The page to write, .html.")
@click.option("--unique", is_flag=True, help="Decide first whether it is the only optimum.")
@click.option("--stability", is_flag=True, help="Follow it first as lam and label noise tend to 0.")
@click.option("--force", is_flag=True, help="Replace an existing file.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
@reports_errors
def command(
    *, folder: str, out: str, unique: bool, stability: bool, force: bool, as_json: bool
) -> None:
    """Write a page about the solution in FOLDER, saved by solve.

    The page is one file that works without a network: what was asked, the answer in words, the
    bracket, the network, the certificate to rotate and zoom, and how to reproduce it.

    \b
    Example:
      measurelp report run -o report.html --unique
    """
    from measurelp.cli.answers import table
    from measurelp.cli.saved import stored_names
    from measurelp.network import check_new_file, read_folder
    from measurelp.report import write_report
    from measurelp.solving import load_solution

    check_new_file(out, overwrite=force)
    solution = load_solution(folder)
    document, _ = read_folder(folder, kind="solution")
    features, target = stored_names(document, solution.problem.d)
    found = None
    if unique:
        from measurelp.certificate import uniqueness

        found = uniqueness(solution)
    followed = None
    if stability:
        from measurelp.interrupts import interruptible
        from measurelp.paths import stability as follow

        with interruptible():
            followed = follow(solution.problem)
    write_report(
        solution, out, features=features, target=target, source=folder, uniqueness=found,
        stability=followed, overwrite=force,
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
    if found is not None:
        rows.insert(1, ("uniqueness", found.verdict.name))
    if followed is not None:
        rows.insert(-2, ("stability", followed.verdict.name))
    click.echo(table(rows))
