"""``measurelp enumerate``: the cells of the data's hyperplane arrangement."""

from __future__ import annotations

import json
import time

import click

from measurelp._version import __version__
from measurelp.cli.errors import reports_errors
from measurelp.cli.options import names_options
from measurelp.errors import BudgetExceeded


@click.command("enumerate", short_help="Enumerate the cells of the data's hyperplane arrangement.")
@click.argument("file", type=click.Path())
@click.option("--features", metavar="A,B,...", help="Columns to use; all if left out.")
@click.option("--bias", is_flag=True, help="Append a column of ones.")
@click.option("--count-only", is_flag=True, help="Count without storing cells.")
@click.option(
    "--max-cells",
    type=click.IntRange(min=1),
    default=1_000_000_000,
    show_default=True,
    help="Refuse, before the work, if there may be more.",
)
@click.option(
    "--numbers",
    type=click.Choice(["decimal", "binary"]),
    default="decimal",
    show_default=True,
    help="Read 0.1 as one tenth, or as the double nearest to it.",
)
@click.option(
    "--header/--no-header",
    default=None,
    help="Whether line 1 names the columns; by default yes unless it is all numbers.",
)
@click.option("--delimiter", default=",", show_default=True, help="What separates columns; or tab.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
@reports_errors
@names_options
def command(
    *,
    file: str,
    features: str | None,
    bias: bool,
    count_only: bool,
    max_cells: int,
    numbers: str,
    header: bool | None,
    delimiter: str,
    as_json: bool,
) -> None:
    """Enumerate the cells that the rows of FILE, a CSV, cut weight space into.

    A cell is a set of hidden weights that are active on the same rows; both members of an
    opposite pair count.

    \b
    Example:
      measurelp enumerate examples/diabetes.csv --features bmi,bp,s5 --bias --count-only
    """
    import numpy as np

    from measurelp.cli.answers import table as as_table
    from measurelp.cli.data import split_names
    from measurelp.cli.sources import read_source

    table = read_source(file, header=header, delimiter=delimiter)
    names = table.names if features is None else tuple(split_names("--features", features))
    for name in names:
        table.position(name, option="--features")
    X = table.numbers(names)
    if bias:
        X = np.hstack([X, np.ones((len(X), 1))])

    from measurelp.arrangement import Arrangement, count_cells, enumerate_cells

    arrangement = Arrangement.from_data(X, numbers=numbers)
    bound = arrangement.bound_cells()
    if bound > max_cells:
        raise BudgetExceeded(
            f"--max-cells: {max_cells:,} are allowed, and {arrangement.n_lines} distinct hyperplanes of rank "
            f"{arrangement.rank} can have {bound:,} cells; allow more, or use fewer rows or columns."
        )
    begin = time.perf_counter()
    if count_only:
        n_cells = count_cells(arrangement)
        stored = None
    else:
        try:
            cells = enumerate_cells(arrangement)
        except BudgetExceeded as error:
            found = str(error).partition("; ")[0].replace("max_memory =", "the limit of")
            raise BudgetExceeded(f"{found}; --count-only stores none of them.") from None
        n_cells = len(cells)
        stored = cells.nbytes
    seconds = time.perf_counter() - begin
    if as_json:
        facts = {
            "measurelp": __version__,
            "command": "enumerate",
            "exit_code": 0,
            "rows": len(X),
            "columns": list(names),
            "bias": bias,
            "header": table.has_header,
            "numbers": numbers,
            "hyperplanes": arrangement.n_lines,
            "rank": arrangement.rank,
            "cells": int(n_cells),
            "bound": int(bound),
            "bytes": stored,
            "seconds": seconds,
        }
        click.echo(json.dumps(facts, indent=1))
        return
    header_words = (
        "" if table.has_header else "; the first line is all numbers and was read as data"
    )
    rows = [
        (
            "data",
            f"{len(X)} rows, {len(names)} columns{' and a bias' if bias else ''}{header_words}",
        ),
        ("arrangement", f"{arrangement.n_lines} distinct hyperplanes of rank {arrangement.rank}"),
        ("cells", f"{n_cells:,}"),
        ("bound", f"{bound:,}" + (" (attained: general position)" if bound == n_cells else "")),
        ("time", f"{seconds:.3g} s" + ("" if stored is None else f", {stored:,} bytes of signs")),
    ]
    click.echo(as_table(rows))
