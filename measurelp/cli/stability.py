"""``measurelp stability``: where a saved solution's problem goes as lam and label noise tend to 0."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import click

from measurelp._version import __version__
from measurelp.cli.errors import Exit, exit_from_outcome, reports_errors
from measurelp.cli.request import check_positive, numbers
from measurelp.status import Termination, Verdict

if TYPE_CHECKING:
    from measurelp.paths import Stability, StabilityPath

_RATES = ("mass_error", "location_error", "dual_error", "mass_remainder", "location_remainder")


@click.command("stability", short_help="Follow the solution as lam and label noise tend to 0.")
@click.argument("folder", type=click.Path())
@click.option(
    "--lams", metavar="A,B,...", help="Factors to follow; by default eleven from lam_max / 10 down."
)
@click.option(
    "--noises",
    metavar="A,B,...",
    default="0",
    show_default=True,
    help="Lengths of the label noise in units of lam, in one random direction.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of the direction.")
@click.option("--tol", type=float, default=1e-9, show_default=True, help="Relative gap to prove.")
@click.option(
    "--max-work",
    type=float,
    default=1e8,
    show_default=True,
    help="Rows times cones that each search of weight space may look at.",
)
@click.option("--time-limit", type=float, metavar="S", help="Seconds for everything.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
@click.option("--quiet", is_flag=True, help="No progress line.")
@reports_errors
def command(
    *,
    folder: str,
    lams: str | None,
    noises: str,
    seed: int,
    tol: float,
    max_work: float,
    time_limit: float | None,
    as_json: bool,
    quiet: bool,
) -> None:  # fmt: skip
    """Follow the problem of the solution in FOLDER, saved by solve, to its interpolating limit.

    \b
    Example:
      measurelp stability run --noises 0,0.1
    """
    from measurelp.cli.answers import table
    from measurelp.cli.progress import ProgressLine
    from measurelp.paths import stability
    from measurelp.solving import load_solution

    for option, value in (("--tol", tol), ("--max-work", max_work), ("--time-limit", time_limit)):
        check_positive(option, value)
    problem = load_solution(folder, time_limit=0.0).problem
    with ProgressLine(quiet=quiet, tol_gap=tol) as line:
        found = stability(
            problem, None if lams is None else numbers("--lams", lams),
            noises=numbers("--noises", noises), seed=seed, tol_gap=tol, max_work=max_work,
            time_limit=time_limit, callback=line.update,
        )  # fmt: skip
    code = _exit(found)
    if as_json:
        click.echo(json.dumps(_facts(found, code), indent=1, allow_nan=False))
    else:
        rows = [
            ("solution", folder),
            ("verdict", f"{found.verdict.name}: {found.verdict.value}"),
            ("reason", found.message),
        ]  # fmt: skip
        if found.termination is not Termination.CONVERGED:
            rows.append(("ended early", found.termination.value))
        rows += [row for path in found.paths for row in _lines(path)]
        click.echo(table(rows))
        if found.paths:
            click.echo("\n" + found.table())
            click.echo(
                "\nmasses, places, dual: largest distance from the limit; -1st: less the "
                "first-order prediction; rate: fitted power of lam"
            )
    raise SystemExit(int(code))


def _exit(found: Stability) -> Exit:
    from measurelp.paths import StabilityVerdict

    is_decided = found.verdict in (StabilityVerdict.STABLE, StabilityVerdict.DEGENERATE)
    if is_decided and found.termination is Termination.CONVERGED:
        return Exit.CERTIFIED
    return exit_from_outcome(Verdict.BRACKETED, found.termination)


def _lines(path: StabilityPath) -> list[tuple[str, str]]:
    limit = path.limit
    inside = int((limit.walls == 0).sum())
    stay = {True: "at every step", False: "not at every step", None: "unknown"}[path.atoms_stay]
    if path.atoms_stay is False and path.settled:
        stay += f", but from lam = {path.settled_from:.3g} on"
    return [
        (f"noise {float((path.noise**2).sum() ** 0.5):.3g} lam", limit.message),
        ("", (f"{len(limit.masses)} atoms in the limit, {inside} inside cells; least strict "
              f"complementarity {limit.margins.min(initial=math.inf):.3g}, next peak "
              f"{limit.gap_to_next:.3g} below; number and signs as in the limit: {stay}")),
    ]  # fmt: skip


def _facts(found: Stability, code: Exit) -> dict[str, Any]:
    from measurelp.cli.answers import number

    certificate = found.limit.certificate
    return {
        "measurelp": __version__, "command": "stability", "exit_code": int(code),
        "verdict": found.verdict.name, "message": found.message,
        "termination": found.termination.name,
        "limit": {
            "verdict": certificate.verdict.name,
            "primal_value": number(certificate.primal_value),
            "dual_value": number(certificate.dual_value),
            "relative_gap": number(certificate.relative_gap),
        },
        "paths": [_path_facts(path) for path in found.paths],
    }  # fmt: skip


def _path_facts(path: StabilityPath) -> dict[str, Any]:
    from measurelp.cli.answers import number

    limit = path.limit
    first = limit.first_order
    return {
        "noise": path.noise.tolist(), "holds": limit.holds, "message": limit.message,
        "dual": [number(value) for value in limit.dual.tolist()],
        "atoms": limit.atoms.tolist(), "masses": limit.masses.tolist(),
        "walls": limit.walls.tolist(), "freedom": limit.freedom.tolist(),
        "margins": [number(value) for value in limit.margins.tolist()],
        "gap_to_next": number(limit.gap_to_next),
        "smallest_singular_value": number(limit.smallest_singular_value),
        "dual_error": number(limit.dual_error), "target_shift": limit.target_shift,
        "mass_derivatives": None if first is None else first.masses.tolist(),
        "atom_derivatives": None if first is None else first.atoms.tolist(),
        "atoms_stay": path.atoms_stay, "settled_from": number(path.settled_from),
        "rates": {name: number(path.rate(name).slope) for name in _RATES},
        "steps": [
            {
                "lam": step.lam, "verdict": step.certificate.verdict.name,
                "relative_gap": number(step.certificate.relative_gap), "n_atoms": step.n_atoms,
                "same_atoms": step.same_atoms,
                **{name: number(getattr(step, name)) for name in _RATES},
            }
            for step in path.steps
        ],
    }  # fmt: skip
