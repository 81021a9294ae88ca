"""``--config FILE``: options of a command from a TOML file; what is typed goes before."""

from __future__ import annotations

from typing import Any

import click
from click.core import ParameterSource


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
    options = [p for p in ctx.command.params if isinstance(p, click.Option) and p.name != "config"]
    known = {
        _plain(word): option for option in options for word in (option.name, *option.opts) if word
    }
    defaults: dict[str, Any] = {}
    for key, value in entries.items():
        option = known.get(_plain(key))
        if option is None or option.name is None:
            words = ", ".join(sorted(long_name(option).lstrip("-") for option in options))
            raise click.UsageError(
                f"--config: {path} has the entry {key!r}, which is no option of {ctx.info_name}; its "
                f"options are {words}."
            )
        defaults[option.name] = _as_typed(option, value)
    ctx.default_map = defaults


def long_name(option: click.Parameter) -> str:
    """An option as errors name it, ``--out`` and not ``-o``."""
    return max(option.opts, key=len)


def one_of(options: dict[str, Any], *names: str) -> dict[str, Any]:
    """The options with at most one of ``names``: what is typed goes before what --config says."""
    given = [name for name in names if options.get(name) not in (None, False)]
    ctx = click.get_current_context(silent=True)
    if ctx is not None and len(given) > 1:
        typed = [n for n in given if ctx.get_parameter_source(n) is not ParameterSource.DEFAULT_MAP]
        options = options | dict.fromkeys(set(given) - set(typed)) if typed else options
        given = typed or given
    if len(given) > 1:
        words = " and ".join(f"--{name.replace('_', '-')}" for name in given)
        raise click.UsageError(f"{words} exclude each other; pass one of them.")
    return options


def _as_typed(option: click.Option, value: Any) -> Any:
    """A value as the option would get it: as text, several times, or separated by commas."""
    if option.is_flag:
        return value
    if isinstance(value, list):
        words = [_text(entry) for entry in value]
        return words if option.multiple else ",".join(words)
    return [_text(value)] if option.multiple else _text(value)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _known_command(ctx: click.Context, path: str, key: str) -> None:
    group = None if ctx.parent is None else ctx.parent.command
    if isinstance(group, click.Group) and key not in group.list_commands(ctx):
        raise click.UsageError(f"--config: {path} has a table [{key}], which is no command.")


def _plain(word: str) -> str:
    return word.lstrip("-").replace("-", "_")
