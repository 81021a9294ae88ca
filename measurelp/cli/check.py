"""``measurelp check``: verify a proof file in exact arithmetic."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import click

import measurelp.check_proof as checker
from measurelp._version import __version__
from measurelp.cli.errors import Exit, reports_errors
from measurelp.errors import InvalidFile
from measurelp.network.files import not_a_file

_MAX_SECONDS = 1800
_EXPECTED = "expected a file that certify --proof wrote"
_PROBLEM = ("n", "d", "loss", "parameter", "bias", "skip", "lam")


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
    proved, reason = None, None
    try:
        proved = _checked(file)
    except checker.Rejected as error:
        reason = str(error)
    code = Exit.NOT_CERTIFIED if proved is None else Exit.CERTIFIED
    if as_json:
        facts = {"measurelp": __version__, "command": "check", "exit_code": int(code)}
        facts |= {"proved": proved is not None, "reason": reason}
        click.echo(json.dumps(facts | _grouped(proved or {}), indent=1, allow_nan=False))
    elif proved is None:
        click.echo(f"NOT PROVED: {reason}")
    else:
        click.echo("\n".join(["PROVED", *_sentences(proved)]))
    raise SystemExit(int(code))


def _checked(file: str) -> dict[str, Any]:
    """What the checker, in a process of its own and with the time it has, says is proved."""
    if not os.path.isfile(file):
        raise InvalidFile(f"{file}: {not_a_file(file)}; {_EXPECTED}.")
    program = [sys.executable, "-I", "-X", "utf8", checker.__file__, file]
    try:
        done = subprocess.run(
            program, capture_output=True, encoding="utf-8", timeout=_MAX_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise checker.Rejected(f"checking takes more than {_MAX_SECONDS} seconds") from None
    except ValueError as error:  # no name of a file
        raise InvalidFile(f"{file!r}: cannot be read as a proof: {error}.") from None
    words, _, facts = done.stdout.partition("\n")
    if done.returncode == 0:
        return dict(json.loads(facts))
    if done.returncode == 2:
        with open(file, "rb") as stream:
            begins = stream.read(64).lstrip()[:1]
        if begins != b"{":
            raise InvalidFile(f"{file}: is no proof, since it does not begin with {{; {_EXPECTED}.")
        raise InvalidFile(f"{file}: cannot be read as a proof: {words.partition(': ')[2]}.")
    raise checker.Rejected(words.partition(": ")[2] or "the checker was ended by the system")


def _grouped(proved: dict[str, Any]) -> dict[str, Any]:
    """What was proved, with what the problem is in an object of its own."""
    problem = {key: proved[key] for key in _PROBLEM if key in proved}
    rest = {key: value for key, value in proved.items() if key not in _PROBLEM}
    return ({"problem": problem} if problem else {}) | rest


def _sentences(proved: dict[str, Any]) -> list[str]:
    """What was proved, for people; the checker has rounded every bound to the safe side."""
    through = proved["loss"] == "interpolation"
    parts = [f"{proved['n']} points", f"{proved['d']} inputs", f"{proved['neurons']} neurons"]
    parts += [f"{key} {proved[key]}" for key in ("loss", "bias", "skip", "parameter", "lam")]
    lines = ["problem: " + ", ".join(parts)]
    lines += [f"{key}: {proved[key]}" for key in ("data_sha256", "statement_sha256")]
    which = "network through the data" if through else "network"
    least, most, gap = (repr(proved[key]) for key in ("dual_value", "primal_value", "gap"))
    lines += [f"every {which}, of any width, has an objective of at least {least}"]
    if through:
        misfit, near = (repr(proved[key]) for key in ("misfit", "near"))
        lines += [f"that in the file misses no target by more than {misfit}; every network"]
        lines += [f"that misses none by more than that has an objective of at least {near}"]
    lines += [f"that in the file has at most {most}, so it is optimal up to {gap}"]
    return lines
