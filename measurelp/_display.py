"""Small tables of results for notebooks."""

from __future__ import annotations

import html
from collections.abc import Iterable

_STYLE = "text-align:left;vertical-align:top;padding:0.1em 0.8em 0.1em 0"


def html_table(title: str, rows: Iterable[tuple[str, object]]) -> str:
    """A table of names and values under a title; everything is escaped."""
    lines = [
        f'<tr><th scope="row" style="{_STYLE};font-weight:normal;opacity:0.7">{html.escape(name)}</th>'
        f'<td style="{_STYLE}">{html.escape(str(value))}</td></tr>'
        for name, value in rows
    ]
    return (
        f'<table style="border-collapse:collapse"><caption style="{_STYLE};font-weight:bold;'
        f'white-space:nowrap">{html.escape(title)}</caption>{"".join(lines)}</table>'
    )


def compact(value: float, digits: int = 9) -> str:
    """A number for reading."""
    return f"{value:.{digits}g}"
