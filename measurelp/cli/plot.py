"""``measurelp plot``: one picture of a saved solution or a proof."""

from __future__ import annotations

import io
import json
import os
from typing import TYPE_CHECKING, Any

import click

from measurelp._version import __version__
from measurelp.cli.errors import reports_errors
from measurelp.errors import InvalidProblem

if TYPE_CHECKING:
    from measurelp.solving import Solution

_FORMATS = ("png", "svg", "pdf")


@click.command("plot", short_help="Draw a saved solution or a proof.")
@click.argument("saved", type=click.Path())
@click.option("-o", "--out", metavar="FILE", required=True, help="The picture: .png, .svg or .pdf.")
@click.option(
    "--what", default="certificate", show_default=True,
    type=click.Choice(
        ["certificate", "fit", "cells", "weights", "balance", "singular-values", "cover"]
    ),
    help="What to draw; cover is about a proof file.",
)  # fmt: skip
@click.option("--dpi", type=click.IntRange(30, 1200), default=200, show_default=True)
@click.option("--force", is_flag=True, help="Replace an existing file.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
@reports_errors
def command(*, saved: str, out: str, what: str, dpi: int, force: bool, as_json: bool) -> None:
    """Draw SAVED, a folder written by solve, or for cover a proof written by certify --proof.

    \b
    Examples:
      measurelp plot run -o certificate.png
      measurelp plot run --what fit -o fit.svg
      measurelp plot proof.json --what cover -o cover.png
    """
    from measurelp.cli.answers import table
    from measurelp.network import check_new_file
    from measurelp.network.files import write_file

    ending = os.path.splitext(out)[1].lstrip(".").lower()
    if ending not in _FORMATS:
        raise InvalidProblem(
            f"--out: expected a name ending in .{', .'.join(_FORMATS)}, found {out}."
        )
    check_new_file(out, overwrite=force, option="--out")
    os.environ.setdefault("MPLBACKEND", "agg")  # this process draws to files only
    ax = _drawn(saved, what)
    stream = io.BytesIO()
    ax.figure.savefig(stream, format=ending, dpi=dpi)
    write_file(out, stream.getvalue(), overwrite=force)
    if as_json:
        facts = {
            "measurelp": __version__, "command": "plot", "exit_code": 0, "what": what,
            "saved": out, "bytes": len(stream.getvalue()),
        }  # fmt: skip
        click.echo(json.dumps(facts, indent=1))
    else:
        click.echo(table([("drawn", f"{what} of {saved}"), ("saved", out)]))


def _drawn(saved: str, what: str) -> Any:
    from measurelp import plotting

    if what == "cover":
        return plotting.plot_cover(saved)
    from measurelp.solving import load_solution

    # The other pictures show the network or the data, and nothing of a proof.
    solution: Solution = load_solution(saved, time_limit=None if what == "certificate" else 0.0)
    if what == "certificate":
        return plotting.plot_certificate(solution)
    if what == "fit":
        return plotting.plot_fit(solution)
    if what == "cells":
        return plotting.plot_cells(solution.problem.lifted)
    network = solution.network()
    draw: dict[str, Any] = {
        "weights": plotting.plot_weights, "balance": plotting.plot_balance,
        "singular-values": plotting.plot_singular_values,
    }  # fmt: skip
    return draw[what](network)
