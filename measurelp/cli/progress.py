"""The live line on stderr while a solve runs."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any

import click

from measurelp.cli.machine import kernel_cache

if TYPE_CHECKING:
    from rich.live import Live
    from rich.text import Text

COMPILING = "compiling kernels (first run on this machine; later runs skip this)"


class ProgressLine:
    """A context whose ``update`` is the callback of a solve.

    On a terminal one line is redrawn, also while nothing is reported, so that a long first
    compilation is seen to be alive.  Elsewhere only the notice that kernels are being compiled
    is written, once.
    """

    def __init__(self, *, quiet: bool) -> None:
        self._begin = time.perf_counter()
        self._last: Any = None
        self._note = COMPILING if kernel_cache()["state"] == "empty" else "starting"
        self._live: Live | None = None
        if quiet:
            return
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.live import Live

            self._live = Live(
                get_renderable=self._render, console=Console(stderr=True), transient=True,
                refresh_per_second=8,
            )  # fmt: skip
        elif self._note == COMPILING:
            click.echo(f"measurelp: {COMPILING}", err=True)

    def __enter__(self) -> ProgressLine:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def update(self, progress: Any) -> None:
        """Keep the newest report; the line redraws itself."""
        self._last = progress

    def line(self) -> str:
        """The text of the line now."""
        seconds = time.perf_counter() - self._begin
        if self._last is None:
            return f"{self._note} | {seconds:.1f} s"
        p = self._last
        words = [
            f"round {p.round}", f"{p.n_cells} cells", f"primal {p.primal:.8g}",
            f"dual {p.dual:.8g}", f"gap {p.gap:.2e}", f"{seconds:.1f} s",
        ]  # fmt: skip
        if p.message:
            words.append(str(p.message))
        return " | ".join(words)

    def _render(self) -> Text:
        from rich.text import Text

        return Text(self.line(), no_wrap=True, overflow="ellipsis")
