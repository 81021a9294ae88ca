"""The arrangement of the data's hyperplanes and its cells, in the plane and on the sphere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from measurelp.arrangement import Arrangement, count_cells
from measurelp.errors import InvalidProblem
from measurelp.plotting._canvas import COUNT_MAP, DARK, axes_or_new, colour_bar, plane
from measurelp.plotting._globe import draw_axes_marks, draw_walls, globe
from measurelp.plotting.weight_space import sphere_grid

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap, Normalize


def plot_cells(data: Arrangement | ArrayLike, *, ax: Axes | None = None) -> Axes:
    r"""The hyperplanes :math:`\{w : \langle x_i, w\rangle = 0\}` and the cells between them.

    A cell is coloured by its number of active rows, those with :math:`\langle x_i, w\rangle > 0`.

    Parameters
    ----------
    data : Arrangement or (n, d) array_like
        Rows of rank 2 (sectors of the plane) or 3 (the sphere in Mollweide's projection).
        Append a column of ones for a bias.
    ax : matplotlib Axes, optional
        Rank 2: ordinary axes; rank 3: ``projection="mollweide"``.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    InvalidProblem
        If the rank is another one.

    Examples
    --------
    >>> import measurelp as mlp
    >>> ax = mlp.plotting.plot_cells([[1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    >>> ax.get_title()
    '3 hyperplanes, 6 cells'
    >>> import matplotlib.pyplot as plt
    >>> plt.close(ax.figure)
    """
    arrangement = data if isinstance(data, Arrangement) else Arrangement.from_data(data)
    if arrangement.rank not in (2, 3):
        raise InvalidProblem(
            f"data: cells are drawn for rank 2 and 3, but the rows have rank {arrangement.rank}; "
            "choose two or three columns."
        )
    rows = np.asarray(arrangement.data, dtype=np.float64)
    names = tuple(f"w{j + 1}" for j in range(rows.shape[1]))
    if rows.shape[1] != arrangement.rank:
        _, _, right = np.linalg.svd(rows, full_matrices=False)
        rows = rows @ right[: arrangement.rank].T
        names = tuple(f"u{j + 1}" for j in range(arrangement.rank))
    first = [
        int(np.flatnonzero(arrangement.line_of_row == line)[0])
        for line in range(arrangement.n_lines)
    ]
    normals = rows[first] / np.linalg.norm(rows[first], axis=1)[:, None]
    used = rows[arrangement.line_of_row >= 0]
    if arrangement.rank == 2:
        ax = _plane(used, normals, names, axes_or_new(ax, size=(4.4, 3.6)))
    else:
        ax = _sphere(used, normals, names, axes_or_new(ax, projection="mollweide", size=(6.0, 4.0)))
    lines = arrangement.n_lines
    ax.set_title(
        f"{lines} hyperplane{'s' if lines > 1 else ''}, {count_cells(arrangement):,} cells", pad=10
    )
    return ax


def _plane(
    rows: NDArray[np.float64], normals: NDArray[np.float64], names: tuple[str, ...], ax: Axes
) -> Axes:
    from matplotlib.colors import Normalize
    from matplotlib.patches import Wedge

    walls = np.sort((np.arctan2(normals[:, 1], normals[:, 0]) + np.pi / 2.0) % np.pi)
    walls = np.concatenate([walls, walls + np.pi])
    scale = Normalize(0, len(rows))
    colours = _palette()
    for low, high in zip(walls, np.append(walls[1:], walls[0] + 2.0 * np.pi), strict=True):
        middle = 0.5 * (low + high)
        active = int(np.sum(rows @ [np.cos(middle), np.sin(middle)] > 0.0))
        ax.add_patch(
            Wedge(
                (0.0, 0.0), 1.0, np.degrees(low), np.degrees(high), facecolor=colours(scale(active)),
                edgecolor="white", linewidth=min(0.8, 30.0 / len(walls)), label=f"_{active}",
            )
        )  # fmt: skip
    for angle in walls[: len(walls) // 2]:
        along = 1.18 * np.array([np.cos(angle), np.sin(angle)])
        ax.plot(
            [-along[0], along[0]], [-along[1], along[1]], color=DARK,
            linewidth=min(0.9, 40.0 / len(walls)), label="_wall",
        )  # fmt: skip
    plane(ax, names, reach=1.25)
    _active_bar(ax, scale)
    return ax


def _sphere(
    rows: NDArray[np.float64], normals: NDArray[np.float64], names: tuple[str, ...], ax: Axes
) -> Axes:
    from matplotlib.colors import Normalize

    longitude, latitude, directions = sphere_grid(361, 721)
    points = directions.reshape(-1, 3)
    active = np.zeros(len(points), dtype=np.int64)
    for row in rows:
        active += points @ row > 0.0
    scale = Normalize(0, len(rows))
    ax.pcolormesh(
        longitude, latitude, active.reshape(longitude.shape), shading="nearest", cmap=_palette(),
        norm=scale, rasterized=True,
    )  # fmt: skip
    globe(ax)
    draw_walls(ax, normals)
    draw_axes_marks(ax, names)
    _active_bar(ax, scale)
    return ax


def _palette() -> Colormap:
    from matplotlib import colormaps

    return colormaps[COUNT_MAP]


def _active_bar(ax: Axes, scale: Normalize) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.ticker import MaxNLocator

    colour_bar(
        ax,
        ScalarMappable(scale, COUNT_MAP),
        "active rows",
        ticks=MaxNLocator(5, integer=True, min_n_ticks=1),
    )
