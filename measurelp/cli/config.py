"""``--config FILE``: options of a command from a TOML file; what is typed goes before."""

from __future__ import annotations

from typing import Any

import click


def read_config(ctx: click.Context, _param: click.Parameter, path: str | None) -> None:
    """Make the file's entries the defaults of the command.

    Entries are options without their dashes, ``lam-ratio`` or ``lam_ratio``, at the top or in
    a table named after the command; lists stand for names separated by commas.  Tables of other
    commands are left alone, and every other entry must be an option.
    """
    if path is None:
        return
    import tomllib

    try:
        with open(path, "rb") as stream:
            document = tomllib.load(stream)
    except OSError as error:
        raise click.UsageError(f"--config: {path} cannot be read ({error.strerror}).") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise click.UsageError(f"--config: {path} is not TOML ({error}).") from None
    entries = {key: value for key, value in document.items() if not isinstance(value, dict)}
    for key, value in document.items():
        if isinstance(value, dict):
            _known_command(ctx, path, key)
            if key == ctx.info_name:
                entries |= value
    known: dict[str, click.Parameter | None] = {}
    for option in ctx.command.params:
        for word in (option.name, *option.opts):
            known[_plain(word or "")] = option
    defaults: dict[str, Any] = {}
    for key, value in entries.items():
        parameter = known.get(_plain(key))
        if parameter is None or parameter.name is None or parameter.name == "config":
            words = ", ".join(sorted({p.opts[0].lstrip("-") for p in ctx.command.params}))
            raise click.UsageError(
                f"--config: {path} has the entry {key!r}, which is no option of {ctx.info_name}; its "
                f"options are {words}."
            )
        defaults[parameter.name] = _as_typed(parameter, value)
    ctx.default_map = defaults


def _as_typed(parameter: click.Parameter, value: Any) -> Any:
    """A list as the option would get it: several times, or as names separated by commas."""
    if getattr(parameter, "multiple", False):
        return value if isinstance(value, list) else [value]
    return ",".join(map(str, value)) if isinstance(value, list) else value


def _known_command(ctx: click.Context, path: str, key: str) -> None:
    group = None if ctx.parent is None else ctx.parent.command
    if isinstance(group, click.Group) and key not in group.list_commands(ctx):
        raise click.UsageError(f"--config: {path} has a table [{key}], which is no command.")


def _plain(word: str) -> str:
    return word.lstrip("-").replace("-", "_")
