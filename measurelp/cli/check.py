"""``measurelp check``: verify a proof file in exact arithmetic."""

from __future__ import annotations

import json
from typing import Any

import click

import measurelp.check_proof as checker
from measurelp._version import __version__
from measurelp.cli.errors import Exit, reports_errors
from measurelp.errors import InvalidFile


@click.command("check", short_help="Verify a proof of optimality in exact arithmetic.")
@click.argument("file", type=click.Path())
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
@reports_errors
def command(*, file: str, as_json: bool) -> None:
    """Verify FILE, a proof written by certify --proof.

    Only integers are used and nothing is taken on trust but the data, whose digest is printed.
    The checker is one file without dependencies, measurelp/check_proof.py.

    \b
    Example:
      measurelp check proof.json
    """
    try:
        document = checker.read(file)
    except checker.Unreadable as error:
        raise InvalidFile(f"{file}: {error}.") from None
    proved, reason = None, None
    try:
        proved = checker.check(document)
    except checker.Rejected as error:
        reason = str(error)
    code = Exit.NOT_CERTIFIED if proved is None else Exit.CERTIFIED
    if as_json:
        facts = {"measurelp": __version__, "command": "check", "exit_code": int(code)}
        click.echo(json.dumps(facts | _facts(proved, reason), indent=1, allow_nan=False))
    elif proved is None:
        click.echo(f"NOT PROVED: {reason}")
    else:
        click.echo("\n".join(["PROVED", *checker.sentences(proved)]))
    raise SystemExit(int(code))


def _facts(proved: dict[str, Any] | None, reason: str | None) -> dict[str, Any]:
    """The fields of the JSON; bounds are doubles on the safe side."""
    if proved is None:
        return {"proved": False, "reason": reason}
    problem = proved["problem"]
    return {
        "proved": True,
        "reason": None,
        "problem": {
            "n": len(problem["X"][1]),
            "d": len(problem["X"][1][0]),
            "loss": problem["loss"],
            "parameter": checker.above(checker.fraction(problem["parameter"])),
            "bias": problem["bias"],
            "skip": problem["skip"],
            "lam": checker.above(checker.fraction(problem["lam"])),
        },
        "neurons": proved["neurons"],
        "primal_value": checker.above(proved["primal"]),
        "dual_value": -checker.above(-proved["dual"]),
        "gap": checker.above(proved["gap"]),
        "misfit": checker.above(proved["misfit"]),
        "data_sha256": proved["data_sha256"],
        "statement_sha256": proved["statement_sha256"],
        "records": proved["records"],
    }
