"""The command line: one file a command, no mathematics."""

from __future__ import annotations


def main() -> None:
    """The installed command ``measurelp``."""
    try:
        from measurelp.cli.app import app
    except KeyboardInterrupt:
        raise SystemExit(4) from None
    app(prog_name="measurelp")
