"""From outcomes and exceptions to exit codes and one paragraph on stderr."""

from __future__ import annotations

import functools
import shutil
import textwrap
from collections.abc import Callable
from enum import IntEnum
from typing import Any, TypeVar

import click

from measurelp.cli.config import read_config
from measurelp.errors import BackendError, BudgetExceeded, MeasurelpError
from measurelp.status import Termination, Verdict

Command = TypeVar("Command", bound=Callable[..., Any])


class Exit(IntEnum):
    """The exit codes of every command."""

    CERTIFIED = 0
    NOT_CERTIFIED = 1
    BAD_INPUT = 2
    INFEASIBLE = 3
    LIMIT = 4


_LIMITS = {
    Termination.TIME_LIMIT, Termination.ROUND_LIMIT, Termination.NODE_LIMIT,
    Termination.INTERRUPTED, Termination.UNBOUNDED, Termination.NUMERICAL,
}  # fmt: skip


def exit_from_outcome(verdict: Verdict, termination: Termination | None = None) -> Exit:
    """The exit code of a verdict and, for a solve, of why it stopped."""
    if verdict is Verdict.OPTIMAL:
        return Exit.CERTIFIED
    if verdict is Verdict.INFEASIBLE or termination is Termination.INFEASIBLE:
        return Exit.INFEASIBLE
    return Exit.LIMIT if termination in _LIMITS else Exit.NOT_CERTIFIED


def reports_errors(command: Command) -> Command:
    """Give a command ``--config`` and ``--debug``; what it raises becomes a paragraph and a code."""

    @functools.wraps(command)
    def guarded(*args: Any, debug: bool, **options: Any) -> Any:
        try:
            return command(*args, **options)
        except (click.ClickException, click.exceptions.Exit, BrokenPipeError):
            raise
        except BaseException as error:
            if debug or not isinstance(error, (Exception, KeyboardInterrupt)):
                raise
            code, text = _explain(error)
            words = textwrap.fill(
                f"Error: {text}", terminal_width(), break_long_words=False, break_on_hyphens=False
            )
            click.echo(words, err=True)
            raise SystemExit(int(code)) from None

    debug = click.option("--debug", is_flag=True, help="Show the traceback of an error.")
    config = click.option(
        "--config", metavar="FILE", type=click.Path(), is_eager=True, expose_value=False,
        callback=read_config, help="Take options that are not typed from this TOML file.",
    )  # fmt: skip
    return config(debug(guarded))  # type: ignore[return-value]


def terminal_width() -> int:
    """Columns for text: 100, or fewer on a narrower terminal."""
    return max(24, min(100, shutil.get_terminal_size((100, 24)).columns))


def _explain(error: BaseException) -> tuple[Exit, str]:
    text = " ".join(str(error).split())
    if isinstance(error, KeyboardInterrupt):
        return Exit.LIMIT, "interrupted before there was an answer; nothing was written."
    if isinstance(error, BudgetExceeded):
        return Exit.LIMIT, text
    if isinstance(error, BackendError):
        return Exit.LIMIT, f"{text} Try another --backend, or --debug for the details."
    if isinstance(error, MeasurelpError):
        return Exit.BAD_INPUT, text
    if isinstance(error, OSError):
        return Exit.BAD_INPUT, f"{error.filename or 'output'}: {error.strerror or text}."
    if isinstance(error, MemoryError):
        return Exit.LIMIT, f"out of memory ({text}); use fewer rows or features."
    return Exit.LIMIT, (
        f"internal error, {type(error).__name__}: {text}. This is a bug of measurelp; please "
        "report it with the output of the same command with --debug."
    )
