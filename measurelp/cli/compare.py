"""``measurelp compare``: gradient training against the proved optimum."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from measurelp._version import __version__
from measurelp.cli.errors import Exit, exit_from_outcome, reports_errors
from measurelp.cli.options import names_options, problem_options
from measurelp.cli.request import Request, check_positive, state_problem
from measurelp.status import Termination

if TYPE_CHECKING:
    from measurelp.training import Comparison

_PICTURES: dict[str, tuple[str, dict[str, str]]] = {
    "gaps-steps": ("plot_training_gaps", {"against": "steps"}),
    "gaps-seconds": ("plot_training_gaps", {"against": "seconds"}),
    "final-gaps": ("plot_final_gaps", {}),
    "success": ("plot_success", {}),
    "neurons": ("plot_neurons_found", {}),
}


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
@click.option("--pictures", metavar="FOLDER", help="Draw five pictures into this new folder.")
@click.option(
    "--resume",
    metavar="FILE",
    help="Keep what is done in this file, and go on from it if it is there.",
)
@click.option("--force", is_flag=True, help="Let --csv and --pictures replace their own.")
@click.option("--quiet", is_flag=True, help="No progress bar.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
@reports_errors
@names_options
def command(
    *,
    file: str,
    methods: str,
    widths: str,
    seeds: int,
    steps: int,
    tol: float,
    csv_file: str | None,
    pictures: str | None,
    resume: str | None,
    force: bool,
    quiet: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Train networks on FILE, a CSV, by several methods, and certify or refute where each run ends.

    The rates of the methods fit the size of the data and are not tuned. Code 0 says that the optimum they
    are compared with is proved, whatever they reached. Ctrl-C shows what there is; with --resume the same
    command goes on from there. Needs torch.

    \b
    Example:
      measurelp compare examples/diabetes.csv --target progression \\
          --features bmi,s5 --standardize --lam-ratio 0.1 --pictures compared
    """
    from measurelp.cli.answers import certificate_facts, problem_lines, table
    from measurelp.cli.progress import ProgressLine
    from measurelp.training import compare

    check_positive("--tol", tol)
    if force and pictures is None and csv_file is None:
        raise click.UsageError("--force belongs to --csv and --pictures, which are missing.")
    if pictures is not None:
        from measurelp._optional import require
        from measurelp.network import check_new_folder

        names = [f"{name}.png" for name in _PICTURES]
        check_new_folder(pictures, overwrite=force, ours=names, option="--pictures")
        os.environ.setdefault("MPLBACKEND", "agg")  # this process draws to files only
        require("matplotlib", extra="plot")
    if csv_file is not None:
        from measurelp.network import check_new_file

        check_new_file(csv_file, overwrite=force, option="--csv")
    sizes = [_whole(part) for part in widths.split(",")]
    with ProgressLine(quiet=quiet) as line:
        stated = state_problem(file, Request.from_options(**options))
        found = compare(
            stated.problem, [name.strip() for name in methods.split(",")], sizes, range(seeds),
            steps=steps, tol_gap=tol, resume=resume, callback=line.update,
        )  # fmt: skip
    certificate = found.solution.certificate
    code = exit_from_outcome(certificate.verdict, found.solution.termination)
    if found.termination is Termination.INTERRUPTED:
        code = Exit.LIMIT
    if csv_file is not None:
        from measurelp.network.files import write_file

        write_file(csv_file, found.csv().encode(), overwrite=force)
    if not found.runs:
        pictures = None  # there is nothing to draw
    if pictures is not None:
        _draw(found, pictures)
    if as_json:
        facts = {
            "measurelp": __version__, "command": "compare", "exit_code": int(code),
            "problem": stated.facts(), "termination": found.termination.name,
            "optimum": certificate_facts(certificate),
            "optimum_neurons": len(found.solution.measure), "runs": found.facts(), "saved": csv_file,
            "pictures": pictures, "resume": resume,
        }  # fmt: skip
        click.echo(json.dumps(facts, indent=1, allow_nan=False))
    else:
        click.echo(table(problem_lines(stated)) + "\n\n" + found.table())
        if found.termination is Termination.INTERRUPTED and resume is not None:
            click.echo(f"interrupted; the same command goes on from {resume}")
    raise SystemExit(int(code))


def _draw(found: Comparison, folder: str) -> None:
    """The pictures of a comparison in a folder of their own, all of them or none."""
    from measurelp import plotting

    target = Path(os.path.abspath(folder))
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as scratch:
        made = Path(scratch, "pictures")
        made.mkdir()
        for name, (function, how) in _PICTURES.items():
            ax = getattr(plotting, function)(found, **how)
            ax.figure.savefig(made / f"{name}.png", dpi=200)
        if target.exists():
            target.rename(Path(scratch, "before"))
        made.rename(target)


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is not an integer.", param_hint="--widths") from None
