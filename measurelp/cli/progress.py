"""The live line on stderr while a solve runs."""

from __future__ import annotations

import math
import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any

import click

from measurelp.cli.machine import kernel_cache

if TYPE_CHECKING:
    from rich.live import Live
    from rich.text import Text

# Reports of a proof from which the time that is left is guessed, the least and the most of them,
_LEAST_REMEMBERED, _REMEMBERED = 4, 25
_LONGEST_GUESS = 86400.0  # and the longest guess, in seconds, that says anything.
_BAR = 24  # characters
COMPILING = "compiling kernels (first run on this machine; later runs skip this)"


class ProgressLine:
    """A context whose ``update`` is the callback of a solve or a comparison.

    What knows which ``fraction`` of the work is done gets a bar.
    On a terminal one line is redrawn, also while nothing is reported, so that a long first
    compilation is seen to be alive.  Elsewhere only the notice that kernels are being compiled
    is written, once.

    Parameters
    ----------
    quiet : bool
    tol_gap : float, optional
        The gap that is asked for; with it, how long a proof will take is estimated.
    """

    def __init__(self, *, quiet: bool, tol_gap: float | None = None) -> None:
        self._tol_gap = tol_gap
        self._closing: list[tuple[float, float]] = []
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
        """Keep the newest report, and the gaps of the proof under way; the line redraws itself."""
        self._last = progress
        if not getattr(progress, "nodes", 0):
            self._closing = []
        elif math.isfinite(progress.gap) and progress.gap > 0.0:
            self._closing = [*self._closing[-_REMEMBERED:], (progress.seconds, progress.gap)]

    def seconds_left(self) -> float | None:
        """Until the gap asked for, if the logarithm of the gap goes on to fall as it does."""
        if self._tol_gap is None or len(self._closing) < _LEAST_REMEMBERED:
            return None
        (then, first), (now, last) = self._closing[0], self._closing[-1]
        fallen = math.log(first / last)
        if now <= then or fallen <= 0.0:
            return None
        return max(0.0, math.log(last / self._tol_gap)) * (now - then) / fallen

    def line(self) -> str:
        """The text of the line now."""
        seconds = time.perf_counter() - self._begin
        if self._last is None:
            return f"{self._note} | {seconds:.1f} s"
        done = getattr(self._last, "fraction", None)
        if done is not None:
            bar = "#" * round(_BAR * done)
            return f"[{bar:-<{_BAR}}] {done:4.0%} | {self._last}"
        p, left = self._last, self.seconds_left()
        # What matters most comes first: terminals are narrow.
        words = [f"gap {p.gap:.2e}", f"{seconds:.1f} s"]
        if left is not None and left < _LONGEST_GUESS:
            words.append(f"about {left:.0f} s left")
        if p.message:
            words.append(f"{p.message}, {p.nodes:,} boxes" if p.nodes else str(p.message))
        words += [
            f"round {p.round}", f"{p.n_cells} cells", f"primal {p.primal:.8g}", f"dual {p.dual:.8g}",
        ]  # fmt: skip
        return " | ".join(words)

    def _render(self) -> Text:
        from rich.text import Text

        return Text(self.line(), no_wrap=True, overflow="ellipsis")
