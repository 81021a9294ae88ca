"""Gradient training against the proved optimum: gaps, successes and neurons of a comparison.

A method has one colour on all pictures, a width one line style.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from measurelp.errors import InvalidProblem
from measurelp.plotting._canvas import ACCENT, MUTED, SERIES, axes_or_new, quiet

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from measurelp.training import Comparison

_STYLES = ("-", "--", ":", "-.")
_MARKERS = ("o", "s", "^", "D")
_SIZE = (6.2, 3.4)
_FLOOR = 1e-16  # what a gap of 0 is drawn at


def plot_training_gaps(
    comparison: Comparison,
    *,
    against: Literal["seconds", "steps"] = "steps",
    ax: Axes | None = None,
) -> Axes:
    """Relative gaps to the proved bound along training: the seeds' median, and their range.

    Parameters
    ----------
    comparison : Comparison
    against : {"seconds", "steps"}
        Wall-clock seconds of the steps (all seeds of a training together), or their number.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes

    Notes
    -----
    Seeds that diverged are left out from there on.  The optimum's own gap is drawn as a line
    where it is above the lowest gap that training proved: below it nothing is known.
    """
    if against not in ("seconds", "steps"):
        raise InvalidProblem(f'against: expected "seconds" or "steps", found {against!r}.')
    colours, styles = _looks(comparison)
    bound = comparison.solution.certificate.dual_value
    ax = axes_or_new(ax, size=_SIZE)
    for (method, width), run in comparison.runs.items():
        gaps = run.suboptimality(bound)
        known = np.isfinite(gaps).any(axis=1)
        at = (run.record.seconds if against == "seconds" else run.record.step)[known]
        shown = np.maximum(gaps[known], _FLOOR)
        ax.plot(
            at, np.nanmedian(shown, axis=1), color=colours[method], linestyle=styles[width][0],
            linewidth=1.4, label=f"{method}, {width}",
        )  # fmt: skip
        ax.fill_between(
            at, np.nanmin(shown, axis=1), np.nanmax(shown, axis=1), color=colours[method],
            alpha=0.12, linewidth=0.0,
        )  # fmt: skip
    own = comparison.solution.certificate.relative_gap
    if own > 1e-8:
        ax.axhline(own, color=ACCENT, linewidth=1.2, linestyle="--", label="the optimum's own gap")
    quiet(ax)
    ax.set_yscale("log")
    ax.set_xlabel("time (s)" if against == "seconds" else "steps")
    ax.set_ylabel("relative gap, proved")
    _legend(ax, "method, width")
    return ax


def plot_final_gaps(comparison: Comparison, *, ax: Axes | None = None) -> Axes:
    """The relative gap at the end of every run against the width, and the median of the seeds.

    Parameters
    ----------
    comparison : Comparison
        Runs that diverged have no gap and are not drawn.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes
    """
    colours, styles = _looks(comparison)
    ax = axes_or_new(ax, size=_SIZE)
    for method, colour in colours.items():
        ends = [
            (end.width, max(end.relative_gap, _FLOOR))
            for end in comparison.endpoints if end.method == method and np.isfinite(end.relative_gap)
        ]  # fmt: skip
        if not ends:
            continue
        at, gaps = np.array(ends).T
        ax.scatter(at, gaps, s=16, color=colour, alpha=0.6, edgecolors="white", linewidths=0.4)
        widths = np.unique(at)
        middle = [float(np.median(gaps[at == width])) for width in widths]
        ax.plot(widths, middle, color=colour, linewidth=1.4, marker="_", label=method)
    quiet(ax)
    _widths(ax, list(styles))
    ax.set_yscale("log")
    ax.set_ylabel("final relative gap, proved")
    _legend(ax)
    return ax


def plot_success(comparison: Comparison, *, ax: Axes | None = None) -> Axes:
    """The shares of seeds whose proved relative gap is at most 1e-2, 1e-3 and 1e-4.

    Parameters
    ----------
    comparison : Comparison
        Runs that diverged count as not within.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes
        A group of three bars for each method and width.
    """
    _looks(comparison)
    keys = list(comparison.runs)
    shares = [comparison.fractions(*key) for key in keys]
    ax = axes_or_new(ax, size=(max(6.2, 0.5 * len(keys) + 2.4), 3.4))
    for i, (limit, shade) in enumerate(zip(shares[0], (0.35, 0.65, 1.0), strict=True)):
        ax.bar(
            np.arange(len(keys)) + 0.26 * (i - 1), [share[limit] for share in shares], width=0.24,
            color=ACCENT, alpha=shade, label=f"within {limit:g}",
        )  # fmt: skip
    quiet(ax)
    ax.set_ylim(0.0, 1.05)
    ax.set_xticks(
        range(len(keys)), [f"{method}, {width}" for method, width in keys], rotation=30, ha="right"
    )
    ax.set_xlabel("method, width")
    ax.set_ylabel("share of the seeds")
    _legend(ax)
    return ax


def plot_neurons_found(
    comparison: Comparison | Sequence[Comparison], *, ax: Axes | None = None
) -> Axes:
    """Distinct neurons at the end of every run against the neurons of the proved optimum.

    Parameters
    ----------
    comparison : Comparison, or several
        One has all its points above one number; several problems fill the plane.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes
        The diagonal is as many as the optimum has.  Points of one method stand beside those of
        the others; markers say the width.
    """
    several: Sequence[Comparison] = (
        [comparison] if not isinstance(comparison, Sequence) else comparison
    )
    colours, styles = _looks(*several)
    ax = axes_or_new(ax, size=_SIZE)
    optima = [len(one.solution.measure) for one in several]
    beside = {method: 1.0 + 0.03 * (i - (len(colours) - 1) / 2) for i, method in enumerate(colours)}
    for method, colour in colours.items():
        for width, (_, marker) in styles.items():
            points = [
                (optimum * beside[method], end.neurons)
                for optimum, one in zip(optima, several, strict=True)
                for end in one.endpoints
                if (end.method, end.width) == (method, width) and end.neurons is not None
            ]
            if points:
                at, found = np.array(points, dtype=np.float64).T
                ax.scatter(
                    at, found, s=20, color=colour, marker=marker,
                    alpha=0.75, edgecolors="white", linewidths=0.4, label=f"{method}, {width}",
                )  # fmt: skip
    ends = [end.neurons for one in several for end in one.endpoints if end.neurons is not None]
    line = np.array([max(0.7, 0.7 * min(optima)), 1.45 * max([*optima, *ends])])
    ax.plot(line, line, color=MUTED, linewidth=1.2, linestyle="--", label="as many as the optimum")
    quiet(ax)
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlim(0.7 * max(1, min(optima)), 1.45 * max([1, *optima]))
    ax.set_xticks(np.unique(optima), [str(number) for number in np.unique(optima)])
    ax.minorticks_off()
    ax.set_xlabel("neurons of the proved optimum")
    ax.set_ylabel("distinct neurons found")
    _legend(ax, "method, width")
    return ax


def _looks(
    *comparisons: Comparison,
) -> tuple[dict[str, str], dict[int, tuple[str, str]]]:
    """Colours of methods; line styles and markers of widths."""
    keys = [key for comparison in comparisons for key in comparison.runs]
    if not keys:
        raise InvalidProblem("comparison: it holds no run; there is nothing to draw.")
    methods = list(dict.fromkeys(method for method, _ in keys))
    widths = sorted({width for _, width in keys})
    return (
        {method: SERIES[i % len(SERIES)] for i, method in enumerate(methods)},
        {
            width: (_STYLES[i % len(_STYLES)], _MARKERS[i % len(_MARKERS)])
            for i, width in enumerate(widths)
        },
    )


def _legend(ax: Axes, title: str | None = None) -> None:
    """Beside the axes: there are too many lines for a free corner."""
    ax.legend(frameon=False, title=title, loc="upper left", bbox_to_anchor=(1.0, 1.0))


def _widths(ax: Axes, widths: Sequence[int] | NDArray[np.int64]) -> None:
    ax.set_xscale("log")
    ax.set_xticks(list(widths), [str(width) for width in widths])
    ax.minorticks_off()
    ax.set_xlabel("width (neurons)")
