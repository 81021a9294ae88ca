"""``measurelp info``."""

from __future__ import annotations

import json

import click

from measurelp.cli.errors import reports_errors
from measurelp.cli.machine import info


@click.command("info")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@reports_errors
def command(*, as_json: bool) -> None:
    """Show versions, the machine and the state of the compile cache."""
    facts = info()
    if as_json:
        click.echo(json.dumps(facts, indent=1))
        return
    cache = facts["kernel_cache"]
    words = {
        "warm": f"warm, {cache['files']} compiled kernels stored",
        "empty": "empty: the first run compiles (about 20 s) and says so",
        "off": "off: NUMBA_DISABLE_JIT is set, kernels run as Python",
    }[cache["state"]]
    click.echo(f"measurelp      {facts['measurelp']}")
    click.echo(f"Python         {facts['python']}")
    click.echo(f"machine        {facts['platform']}, {facts['cpu_count']} cores")
    click.echo(f"compile cache  {words}")
    for name, version in facts["packages"].items():
        click.echo(f"{name:<14} {version or 'not installed'}")
