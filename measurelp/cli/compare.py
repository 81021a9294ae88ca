"""``measurelp compare``: gradient training against the proved optimum."""

from __future__ import annotations

import json
from typing import Any

import click

from measurelp._version import __version__
from measurelp.cli.errors import Exit, exit_from_outcome, reports_errors
from measurelp.cli.options import problem_options
from measurelp.cli.request import Request, check_positive, state_problem
from measurelp.status import Termination


@click.command("compare", short_help="Train by gradients and compare with the proved optimum.")
@click.argument("file", type=click.Path())
@problem_options
@click.option(
    "--methods",
    default="gd,adam,lbfgs,conic",
    show_default=True,
    metavar="A,B,...",
    help="Of gd, sgd, momentum, label_noise, adam, adamw, lbfgs, conic.",
)
@click.option("--widths", default="10,100", show_default=True, metavar="A,B,...", help="Neurons.")
@click.option("--seeds", type=click.IntRange(min=1), default=3, show_default=True, help="How many.")
@click.option("--steps", type=click.IntRange(min=1), default=2000, show_default=True)
@click.option("--tol", type=float, default=1e-6, show_default=True, help="Relative gap to prove.")
@click.option("--csv", "csv_file", metavar="FILE", help="Write the endpoints to this new file.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
@reports_errors
def command(
    *,
    file: str,
    methods: str,
    widths: str,
    seeds: int,
    steps: int,
    tol: float,
    csv_file: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Train networks on FILE, a CSV, by several methods, and certify or refute where each run ends.

    The rates of the methods fit the size of the data and are not tuned. Code 0 says that the optimum they
    are compared with is proved, whatever they reached. Needs torch.

    \b
    Example:
      measurelp compare examples/diabetes.csv --target progression --features bmi,s5 --standardize --lam-ratio 0.1
    """
    from measurelp.cli.answers import certificate_facts, problem_lines, table
    from measurelp.training import compare

    check_positive("--tol", tol)
    if csv_file is not None:
        from measurelp.proof import check_new_file

        check_new_file(csv_file)
    sizes = [_whole(part) for part in widths.split(",")]
    stated = state_problem(file, Request.from_options(**options))
    found = compare(
        stated.problem, [name.strip() for name in methods.split(",")], sizes, range(seeds),
        steps=steps, tol_gap=tol,
    )  # fmt: skip
    certificate = found.solution.certificate
    code = exit_from_outcome(certificate.verdict, found.solution.termination)
    if found.termination is Termination.INTERRUPTED:
        code = Exit.LIMIT
    if csv_file is not None:
        from measurelp.network.files import write_file

        write_file(csv_file, found.csv().encode())
    if as_json:
        facts = {
            "measurelp": __version__, "command": "compare", "exit_code": int(code),
            "problem": stated.facts(), "termination": found.termination.name,
            "optimum": certificate_facts(certificate),
            "optimum_neurons": len(found.solution.measure), "runs": found.facts(), "saved": csv_file,
        }  # fmt: skip
        click.echo(json.dumps(facts, indent=1, allow_nan=False))
    else:
        click.echo(table(problem_lines(stated)) + "\n\n" + found.table())
    raise SystemExit(int(code))


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is not an integer.", param_hint="--widths") from None
