"""``measurelp unique``: is a saved solution the only optimal measure?"""

from __future__ import annotations

import json

import click

from measurelp._version import __version__
from measurelp.cli.errors import Exit, reports_errors
from measurelp.cli.options import names_options
from measurelp.cli.request import check_positive


@click.command("unique", short_help="Decide whether a saved solution is the only optimum.")
@click.argument("folder", type=click.Path())
@click.option("--max-work", type=float, default=1e8, show_default=True,
              help="Rows times cones that the search of weight space may look at.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
@reports_errors
@names_options
def command(*, folder: str, max_work: float, as_json: bool) -> None:
    """Decide whether the solution in FOLDER, saved by solve, is the only optimal measure.

    \b
    Example:
      measurelp unique run
    """
    from measurelp.certificate import UniquenessVerdict, solution_set
    from measurelp.cli.answers import number, table
    from measurelp.solving import load_solution

    check_positive("--max-work", max_work)
    optimal = solution_set(load_solution(folder), max_work=max_work)
    found = optimal.uniqueness
    code = Exit.NOT_CERTIFIED if found.verdict is UniquenessVerdict.UNDECIDED else Exit.CERTIFIED
    sparsest = optimal.sparsest()
    if as_json:
        facts = {
            "measurelp": __version__, "command": "unique", "exit_code": int(code),
            "verdict": found.verdict.name, "message": found.message,
            "saturated": found.saturated.tolist(), "ranges": found.ranges.tolist(),
            "dimension": optimal.dimension, "sparsest": len(sparsest.measure),
            "sparsest_bound": sparsest.lower_bound,
            "search_complete": found.search_complete,
            "smallest_singular_value": number(found.smallest_singular_value),
            "margin": number(found.margin), "gap_to_next": number(found.gap_to_next),
            "dual_error": number(found.dual_error), "target_shift": found.target_shift,
            "alternatives": [
                {"atoms": one.atoms.tolist(), "masses": one.masses.tolist()}
                for one in found.alternatives
            ],
        }  # fmt: skip
        click.echo(json.dumps(facts, indent=1, allow_nan=False))
    else:
        rows = [
            ("solution", folder),
            ("verdict", f"{found.verdict.name}: {found.verdict.value}"),
            ("reason", found.message),
            ("saturated", f"{len(found.saturated)} points"
             + (", proved to be all" if found.search_complete else "")),
            ("solutions", (f"dimension {optimal.dimension}; the sparsest has "
             f"{len(sparsest.measure)} atoms (at least {sparsest.lower_bound})")),
            ("margins", (f"smallest singular value {found.smallest_singular_value:.3g}, strict "
             f"complementarity {found.margin:.3g}, next peak {found.gap_to_next:.3g} below, "
             f"dual error {found.dual_error:.2g}")),
        ]  # fmt: skip
        click.echo(table(rows))
    raise SystemExit(int(code))
