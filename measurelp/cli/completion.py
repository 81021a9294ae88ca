"""``measurelp completion``: the script that completes commands in a shell."""

from __future__ import annotations

import click

from measurelp.cli.errors import reports_errors


@click.command("completion", short_help="Print a shell's completion script.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@reports_errors
def command(*, shell: str) -> None:
    """Print the script that completes measurelp in SHELL.

    \b
    Examples:
      measurelp completion bash >> ~/.bashrc
      measurelp completion zsh >> ~/.zshrc
      measurelp completion fish > ~/.config/fish/completions/measurelp.fish
    """
    from click.shell_completion import get_completion_class

    from measurelp.cli.app import app

    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(app, {}, "measurelp", "_MEASURELP_COMPLETE").source())
