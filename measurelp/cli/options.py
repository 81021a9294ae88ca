"""The options that state a problem, shared by the commands that are about one."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any, TypeVar

import click

from measurelp.cli.config import long_name
from measurelp.errors import InvalidProblem

Command = TypeVar("Command", bound=Callable[..., Any])

LOSS_NAMES = (
    "squared", "interpolation", "absolute", "quantile", "huber", "hinge", "squared_hinge",
    "logistic", "poisson", "multinomial_logistic",
)  # fmt: skip
_DATA_OPTIONS = (
    click.option(
        "--target", metavar="COL", multiple=True,
        help="The column to predict; given several times, several outputs.",
    ),
    click.option(
        "--outputs", type=click.Choice(["joint", "separate"]),
        help="Whether several outputs share neurons (joint, the default).",
    ),
    click.option("--features", metavar="A,B,...", help="Input columns; all but the targets if left out."),
)  # fmt: skip
_LAM_OPTIONS = (
    click.option("--lam", type=float, help="Factor of the total variation (a sum over rows, no mean)."),
    click.option("--lam-ratio", type=float, metavar="R", help="lam as a multiple of lam_max."),
)  # fmt: skip
_MODEL_OPTIONS = (
    click.option(
        "--standardize", is_flag=True, help="Give each input column mean 0 and mean square 1."
    ),
    click.option(
        "--bias", type=click.Choice(["penalized", "none", "free"]),
        help="Hidden bias: inside the norm (default), absent, or outside it.",
    ),
    click.option(
        "--skip", type=click.Choice(["none", "constant", "affine"]),
        help="Unpenalised part of the output; none by default.",
    ),
    click.option(
        "--loss", type=click.Choice(LOSS_NAMES),
        help="Half the sum of squares by default; interpolation fits every row exactly.",
    ),
    click.option("--tau", type=float, help="The quantile of --loss quantile, in (0, 1); 0.5 by default."),
    click.option("--delta", type=float, help="Where --loss huber becomes linear; 1 by default."),
    click.option(
        "--ball", type=click.Choice(["l2", "l1", "linf"]),
        help="The norm of hidden weights that is penalised; l2 by default.",
    ),
    click.option(
        "--activation",
        type=click.Choice(["relu", "leaky_relu", "absolute_value", "threshold", "gated_relu"]),
        help="What hidden units do; relu by default. Only solve takes gated_relu, another model.",
    ),
    click.option("--slope", type=float, help="That of --activation leaky_relu; 0.01 by default."),
    click.option(
        "--gates", metavar="FILE",
        help="A table of the gate vectors of --activation gated_relu, the bias last; all cells' by default.",
    ),
    click.option("--sample-weight", metavar="COL", help="A column of weights >= 0 of the rows."),
    click.option(
        "--header/--no-header", default=None,
        help="Whether line 1 names the columns; by default yes unless it is all numbers.",
    ),
    click.option("--delimiter", default=",", show_default=True, help="What separates columns; or tab."),
)  # fmt: skip


def problem_options(command: Command) -> Command:
    """Add the options that :class:`Request` holds."""
    return _with(command, *_DATA_OPTIONS, *_LAM_OPTIONS, *_MODEL_OPTIONS)


def many_lams_options(command: Command) -> Command:
    """The same for a command that takes many lams in its own words."""
    return _with(command, *_DATA_OPTIONS, *_MODEL_OPTIONS)


_DECAY_OPTIONS = (
    click.option(
        "--weight-decay", type=float, metavar="A",
        help="In place of --lam: what the training's weight decay was.",
    ),
    click.option(
        "--trained-loss", default="mean", show_default=True,
        type=click.Choice(["mean", "sum", "half_mean", "half_sum", "mean_loss", "sum_loss"]),
        help="For --weight-decay: the squared errors' mean or sum, or half of it; or of any --loss.",
    ),
    click.option(
        "--trained-penalty", default="half_squares", show_default=True,
        type=click.Choice(["half_squares", "squares", "path_norm", "half_mean_squares"]),
        help="For --weight-decay: what it multiplied; torch's optimisers: half_squares.",
    ),
)  # fmt: skip


def decay_options(command: Command) -> Command:
    """Add the options that say lam in the words of a training."""
    return _with(command, *_DECAY_OPTIONS)


def _with(command: Command, *options: Callable[[Command], Command]) -> Command:
    for option in reversed(options):
        command = option(command)
    return command


# Where Python has another name:
_SAME = {"tol_gap": "tol", "n_jobs": "jobs", "labels": "label", "y": "target"}


def names_options(command: Command) -> Command:
    """Let errors about arguments, ``tol: ...`` and ``skip="none"``, name options as they are typed."""

    @functools.wraps(command)
    def named(**options: Any) -> Any:
        try:
            return command(**options)
        except InvalidProblem as error:
            raise InvalidProblem(_typed(str(error))) from error

    return named  # type: ignore[return-value]


def _typed(text: str) -> str:
    """The text with options for the arguments that stand at its beginning or have a value."""
    parameters = click.get_current_context().command.params
    known = {p.name: long_name(p) for p in parameters if isinstance(p, click.Option)}

    def option(found: re.Match[str]) -> str:
        name, value = found.group(1) or found.group(2), found.group(3)
        word = known.get(name) or known.get(_SAME.get(name, ""))
        return found.group() if word is None else f"{word} {value}" if value else word

    return re.sub(r'^(\w+)(?=: )|\b(\w+)="(\w+)"', option, text)
