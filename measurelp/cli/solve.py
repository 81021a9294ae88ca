"""``measurelp solve``: from a CSV file to a certified network."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from measurelp._version import __version__
from measurelp.cli.errors import Exit, exit_from_outcome, reports_errors
from measurelp.cli.options import names_options, problem_options
from measurelp.cli.request import Request, Stated, check_positive, state_problem
from measurelp.errors import InvalidFile

if TYPE_CHECKING:
    from measurelp.solving import LabelNoiseOptimum, Solution

    Answer = Solution | LabelNoiseOptimum


@click.command("solve", short_help="Solve on a CSV file and prove the answer.")
@click.argument("file", type=click.Path())
@problem_options
@click.option(
    "--penalty",
    type=click.Choice(["total_variation", "label_noise"]),
    default="total_variation",
    show_default=True,
    help="What lam multiplies; label_noise: what gradient descent with label noise makes small.",
)
@click.option("--tol", type=float, default=1e-6, show_default=True, help="Relative gap to prove.")
@click.option(
    "--time-limit", type=float, metavar="S", help="Seconds after which the best is returned."
)
@click.option("--max-rounds", type=click.IntRange(min=1), help="Limit on restricted programs.")
@click.option("--oracle", help="How the dual function is maximised; chosen by size if left out.")
@click.option(
    "--backend", help="Let this solver do cone programs over cells; neurons slide if left out."
)
@click.option("--jobs", type=click.IntRange(min=1), default=1, help="Workers for the oracle.")
@click.option("-o", "--out", metavar="DIR", help="Save the solution to this new folder.")
@click.option("--force", is_flag=True, help="Let --out replace a solution saved earlier.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
@click.option("--quiet", is_flag=True, help="No progress line.")
@reports_errors
@names_options
def command(
    *,
    file: str,
    penalty: str,
    tol: float,
    time_limit: float | None,
    max_rounds: int | None,
    oracle: str | None,
    backend: str | None,
    jobs: int,
    out: str | None,
    force: bool,
    as_json: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Train the infinitely wide network on FILE, a CSV, and prove the answer.

    One of --lam and --lam-ratio is needed, except with --loss interpolation.

    \b
    Example:
      measurelp solve examples/diabetes.csv --target progression \\
          --features bmi,bp,s5 --standardize --lam-ratio 0.1 --out run
    """
    from measurelp.cli.progress import ProgressLine

    request = Request.from_options(**options)
    check_positive("--tol", tol)
    check_positive("--time-limit", time_limit)
    is_label_noise = penalty == "label_noise"
    if is_label_noise and request.lam_ratio is not None:
        raise click.UsageError(
            "--lam-ratio: lam_max is about the total variation, not --penalty label_noise; pass --lam."
        )
    for option, value in (("--oracle", oracle), ("--backend", backend)):
        if is_label_noise and value is not None:
            raise click.UsageError(f"{option} is for --penalty total_variation; leave it out.")
    if out is not None and request.activation == "gated_relu":
        raise click.UsageError(
            "--out: a folder holds a network or a measure, and units behind fixed gates are neither; "
            "leave it out (--json prints the bound)."
        )
    if out is not None:
        from measurelp.network import check_new_folder

        check_new_folder(out, overwrite=force, option="--out")
    elif force:
        raise click.UsageError("--force belongs to --out, which is missing.")
    with ProgressLine(quiet=quiet, tol_gap=tol) as line:
        stated = state_problem(file, request, time_limit=time_limit)
        from measurelp.solving import label_noise_optimum, solve

        given = {
            "time_limit": time_limit, "max_rounds": max_rounds, "backend": backend,
            "oracle": oracle,
        }  # fmt: skip
        chosen: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
        if is_label_noise:
            answer: Answer = label_noise_optimum(
                stated.problem, tol_gap=tol, callback=line.update, **chosen
            )
        else:
            answer = solve(stated.problem, tol_gap=tol, callback=line.update, n_jobs=jobs, **chosen)
    code = exit_from_outcome(answer.certificate.verdict, answer.termination)
    saved, unsaved = None, None
    if out is not None and code is not Exit.INFEASIBLE:
        try:
            answer.save(out, overwrite=force, request=stated.stored())
            saved = out
        except InvalidFile as error:  # the answer is shown all the same
            unsaved, code = error, Exit.BAD_INPUT
    if as_json:
        click.echo(
            json.dumps(_facts(answer, stated, penalty, saved, code), indent=1, allow_nan=False)
        )
    else:
        click.echo(_text(answer, stated, penalty, saved, code, file))
    if unsaved is not None:
        raise unsaved
    raise SystemExit(int(code))


def _facts(
    answer: Answer, stated: Stated, penalty: str, saved: str | None, code: Exit
) -> dict[str, Any]:
    from measurelp.cli.answers import certificate_facts, number

    stats = answer.stats
    return {
        "measurelp": __version__,
        "command": "solve",
        "exit_code": int(code),
        "problem": stated.facts() | {"penalty": penalty},
        **certificate_facts(answer.certificate),
        "verdict_words": answer.verdict_words,
        "bounds_relu": getattr(answer, "bounds_relu", None),
        "termination": answer.termination.name,
        "neurons": len(answer.measure),
        "total_variation": number(answer.total_variation),
        "regulariser": number(getattr(answer, "regulariser", None)),
        "rounds": stats.get("rounds"),
        "cells": stats.get("cells"),
        "oracle": stats.get("oracle"),
        "oracle_why": stats.get("oracle_why"),
        "master": stats.get("master"),
        "backend": stats.get("backend"),
        "seconds": number(stats.get("seconds")),
        "saved": saved,
    }


def _text(
    answer: Answer, stated: Stated, penalty: str, saved: str | None, code: Exit, file: str
) -> str:
    from measurelp.cli.answers import certificate_lines, problem_lines, table

    stats = answer.stats
    effort = [f"{stats['seconds']:.2f} s"] if stats.get("seconds") is not None else []
    effort += [f"{stats[key]} {key}" for key in ("rounds", "cells") if stats.get(key) is not None]
    size = f"{len(answer.measure)}, total variation {answer.total_variation:.8g}"
    regulariser = getattr(answer, "regulariser", None)
    if regulariser is not None:
        size += f", sum of squared gradients {regulariser:.8g}"
    rows = [
        *problem_lines(stated),
        *([("penalty", "that of label noise")] if penalty == "label_noise" else []),
        *certificate_lines(answer.certificate, answer.verdict_words),
        (answer.units, size),
        ("time", ", ".join(effort)),
        ("oracle", _oracle_words(stats)),
        ("stopped", answer.termination.value),
    ]
    if saved is not None:
        rows.append(("saved", saved))
    elif code is Exit.BAD_INPUT:
        rows.append(("saved", "no; the error is below"))
        return table(rows)
    step = _next_step(code, saved, file, stats.get("patterns_without_weight"))
    if code is Exit.CERTIFIED and penalty == "label_noise" and saved is not None:
        step = f"measurelp certify {saved} {file} asks how far it is from the least total variation"
    elif code is Exit.CERTIFIED and getattr(answer, "bounds_relu", False):
        step = "--activation relu solves the problem that this bounds"
    rows.append(("next", step))
    return table(rows)


def _oracle_words(stats: dict[str, Any]) -> str:
    name, why = stats.get("oracle"), stats.get("oracle_why")
    return f"{name} ({why})" if why else f"{name}"


def _next_step(code: Exit, saved: str | None, file: str, unreachable: int | None) -> str:
    if code is Exit.INFEASIBLE:
        return (
            "use --loss squared, or --bias penalized if a bias can tell the points apart; two "
            "targets on one point cannot both be fitted"
        )
    if code is Exit.LIMIT:
        return (
            "the optimum lies between dual and primal; allow more with --time-limit or "
            "--max-rounds, or ask for less with --tol"
        )
    if code is Exit.NOT_CERTIFIED and unreachable:
        return (
            f"{unreachable} patterns of threshold units are had by no weight in double precision, so "
            "that they bound the optimum but cannot be used; inputs of fewer digits, 10 say, leave few"
        )
    if code is Exit.NOT_CERTIFIED:
        return (
            "the answer is a candidate without the proof that was asked for; try a larger --tol "
            "or another --oracle"
        )
    if saved is None:
        return "add --out DIR to keep the network"
    return f"measurelp certify {saved} {file} checks the saved network from the data again"
