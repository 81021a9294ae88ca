"""The command line: one file a command, no mathematics."""

from __future__ import annotations


def main() -> None:
    """The installed command ``measurelp``."""
    from measurelp.cli.app import app

    app(prog_name="measurelp")
