"""Axes to draw on, and the colours that all pictures share.

The colours are those of Okabe and Ito, told apart by everybody: positive masses are vermilion,
negative ones blue, on every picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from measurelp._optional import require
from measurelp.errors import InvalidProblem

if TYPE_CHECKING:
    from matplotlib.axes import Axes

POSITIVE, NEGATIVE = "#D55E00", "#0072B2"
ACCENT, DARK, MUTED, PALE = "#009E73", "#222222", "#767676", "#D9D9D9"
SERIES = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#222222", "#767676",
)  # fmt: skip
SIGNED_MAP, COUNT_MAP = "RdBu_r", "cividis"


def axes_or_new(
    ax: Axes | None, *, projection: str | None = None, size: tuple[float, float] = (4.8, 3.4)
) -> Axes:
    """``ax`` itself, or the axes of a new figure; InvalidProblem if it has another projection."""
    if ax is None:
        pyplot = require("matplotlib.pyplot", extra="plot")
        figure = pyplot.figure(figsize=size, layout="constrained")
        new: Axes = figure.add_subplot(projection=projection)
        return new
    expected = projection or "rectilinear"
    found = getattr(ax, "name", None)
    if found != expected:
        hint = f', for example figure.add_subplot(projection="{projection}")' if projection else ""
        raise InvalidProblem(
            f"ax: this picture needs axes with the projection {expected!r}{hint}; found "
            f"{type(ax).__name__} with {found!r}."
        )
    return ax


def sign_colours(values: NDArray[np.float64]) -> list[str]:
    """The colour of each sign; dark for 0, where there is none."""
    return [POSITIVE if value > 0.0 else NEGATIVE if value < 0.0 else DARK for value in values]


def areas(sizes: NDArray[np.float64], *, largest: float = 130.0) -> NDArray[np.float64]:
    """Marker areas proportional to sizes, none too small to be seen."""
    top = float(np.max(sizes, initial=0.0))
    return np.maximum(24.0, largest * sizes / (top if top > 0.0 else 1.0))


def quiet(ax: Axes) -> None:
    """Take away what carries no information."""
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    ax.grid(True, color=PALE, linewidth=0.6, alpha=0.6)
    ax.set_axisbelow(True)


def plane(ax: Axes, names: Sequence[str], *, reach: float) -> None:
    """Make ``ax`` the plane of two coordinates around the unit circle."""
    ax.set_aspect("equal")
    ax.set_xlim(-reach, reach)
    ax.set_ylim(-reach, reach)
    ax.set_xticks([-1, 0, 1])
    ax.set_yticks([-1, 0, 1])
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    ax.set_xlabel(f"${symbol(names[0])}$")
    ax.set_ylabel(f"${symbol(names[1])}$", rotation=0, labelpad=10)


def symbol(name: str) -> str:
    """w1 as mathematics."""
    return name if len(name) == 1 else f"{name[0]}_{{{name[1:]}}}"


def colour_bar(ax: Axes, mappable: Any, label: str, **options: Any) -> Any:
    """A colour bar beside ``ax``, or below it on a map of the sphere."""
    figure = ax.get_figure()
    assert figure is not None
    place: dict[str, Any] = {"location": "bottom", "shrink": 0.7, "pad": 0.04, "aspect": 30}
    if ax.name == "rectilinear":
        place = {"location": "right", "pad": 0.02, "aspect": 25}
    return figure.colorbar(mappable, ax=ax, label=label, **place, **options)
