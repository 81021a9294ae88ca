"""What maps of the sphere of unit weights have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from measurelp.plotting._canvas import DARK, areas, sign_colours
from measurelp.plotting.weight_space import great_circle, longitude_latitude

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def globe(ax: Axes) -> None:
    """No degrees on the map: directions are named by :func:`draw_axes_marks`."""
    ax.set_xticks([])
    ax.set_yticks([])
    ax.grid(False)


def draw_walls(ax: Axes, normals: NDArray[np.float64]) -> None:
    """The great circle of every hyperplane, fainter where there are many."""
    strength = float(np.clip(12.0 / max(1, len(normals)), 0.12, 0.8))
    for normal in normals:
        draw_arc(ax, great_circle(normal), color=DARK, linewidth=0.7, alpha=strength, label="_wall")


def draw_arc(ax: Axes, points: NDArray[np.float64], **style: object) -> None:
    """A curve of unit vectors (m, 3), broken at the map's edge where it goes on at the other."""
    longitude, latitude = longitude_latitude(points)
    after = np.flatnonzero(np.abs(np.diff(longitude)) > np.pi) + 1
    edge, nothing = np.copysign(np.pi, longitude), np.full(len(after), np.nan)
    middle = 0.5 * (latitude[after - 1] + latitude[after])
    gaps = np.column_stack([edge[after - 1], nothing, edge[after]])
    levels = np.column_stack([middle, nothing, middle])
    at = np.repeat(after, 3)
    longitude = np.insert(longitude, at, gaps.ravel())
    ax.plot(longitude, np.insert(latitude, at, levels.ravel()), **style)  # type: ignore[arg-type]


def draw_atoms(
    ax: Axes,
    directions: NDArray[np.float64],
    sizes: NDArray[np.float64],
    signs: NDArray[np.float64],
) -> None:
    """Atoms as dots, coloured by sign, their area proportional to the size of their mass."""
    longitude, latitude = longitude_latitude(directions)
    ax.scatter(
        longitude, latitude, s=areas(sizes), c=sign_colours(signs), edgecolors="white",
        linewidths=1.2, zorder=4, label="atoms",
    )  # fmt: skip


def draw_axes_marks(
    ax: Axes, names: Sequence[str], *, beside: NDArray[np.float64] | None = None
) -> None:
    """Small crosses with the names of the coordinates, at both ends of each axis.

    Names stand above or below, where they are farther from the atoms ``beside`` them.
    """
    atoms = np.column_stack(longitude_latitude(np.zeros((0, 3)) if beside is None else beside))
    for k, name in enumerate(names):
        for sign, mark in ((1.0, "+"), (-1.0, "−")):
            point = np.zeros((1, 3))
            point[0, k] = sign
            longitude, latitude = longitude_latitude(point)
            # The direction at the edge of the map is drawn a little inside of it.
            at = min(float(longitude[0]), 0.97 * np.pi), float(latitude[0])
            above, below = (
                np.hypot(*(atoms - [at[0], at[1] + shift]).T).min(initial=np.pi)
                for shift in (0.25, -0.25)
            )
            side = -1 if at[1] > 1.0 or (at[1] > -1.0 and below > above) else 1
            ax.plot([at[0]], [at[1]], marker="+", color=DARK, markersize=5, label="_axis")
            ax.annotate(
                f"{mark}{name}", at, xytext=(0, 9 * side), textcoords="offset points",
                va="bottom" if side > 0 else "top", ha="right" if at[0] > 3.0 else "center",
                fontsize="small", color=DARK, label="_axis",
                bbox={"facecolor": "white", "alpha": 0.65, "edgecolor": "none", "pad": 0.8},
            )  # fmt: skip
