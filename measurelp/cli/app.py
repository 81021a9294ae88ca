"""The group of commands; a command's file is imported when it is asked for."""

from __future__ import annotations

import importlib
from typing import Any

import click

from measurelp._version import __version__
from measurelp.interrupts import interrupts_come_back

_COMMANDS = {
    "solve": "Solve the infinite-width problem on a CSV file and prove the answer.",
    "certify": "Prove or refute that a network is globally optimal.",
    "unique": "Decide whether a saved solution is the only optimum.",
    "path": "Solve on a CSV file at many lams, or find the breakpoints of the path.",
    "stability": "Follow a saved solution's problem as lam and label noise tend to 0.",
    "compare": "Train by gradients and compare with the proved optimum.",
    "check": "Verify a proof of optimality in exact arithmetic.",
    "compress": "Compress a network's layers on a CSV file.",
    "enumerate": "Enumerate the cells of the data's hyperplane arrangement.",
    "plot": "Draw a saved solution or a proof.",
    "report": "Write a page that explains a saved solution.",
    "info": "Show versions, the machine and the state of the compile cache.",
    "completion": "Print a shell's completion script.",
}


class LazyGroup(click.Group):
    """A group that knows its commands by name and help line, and imports one at a time."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        home = importlib.import_module(f"measurelp.cli.{cmd_name}")
        command = home.command
        assert isinstance(command, click.Command)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            with interrupts_come_back():
                return super().invoke(ctx)
        except KeyboardInterrupt:  # while a command is imported; click would end with code 1
            click.echo("Error: interrupted before the command began.", err=True)
            raise SystemExit(4) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 certified; 1 solved but not certified, or refuted; 2 usage or bad "
    "input, nothing written; 3 infeasible; 4 a limit, an interruption or a numerical failure.",
)
@click.version_option(__version__, prog_name="measurelp")
def app() -> None:
    """Train infinitely wide two-layer ReLU networks exactly, and prove it."""
