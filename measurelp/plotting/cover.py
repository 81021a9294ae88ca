"""The branch and bound of a proof: the cones into which it split weight space."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import measurelp.check_proof as checker
from measurelp.errors import InvalidProblem
from measurelp.plotting._canvas import (
    COUNT_MAP,
    areas,
    axes_or_new,
    colour_bar,
    plane,
    sign_colours,
)
from measurelp.plotting._globe import draw_arc, draw_atoms, draw_axes_marks, globe
from measurelp.plotting.weight_space import longitude_latitude

if TYPE_CHECKING:
    import os

    from matplotlib.axes import Axes


def plot_cover(path: str | os.PathLike[str], *, ax: Axes | None = None) -> Axes:
    r"""The cones of a proof file, coloured by how often they were split.

    On each cone of the cover :math:`\eta\le\lambda` is proved in exact arithmetic; cones are
    small where the level is nearly reached while many rows change sides.  The neurons' directions
    are drawn too.  (The cover by which :math:`-\eta\le\lambda` is proved is another one.)

    Parameters
    ----------
    path
        A proof written by ``solution.proof(path)``, about data of rank 2 or 3 and without a free
        bias.  It is read, not checked: ``measurelp check`` does that.
    ax : matplotlib Axes, optional
        Rank 2: ordinary axes; rank 3: ``projection="mollweide"``.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    InvalidProblem
        If the file is no proof, or its cover is not one of cones in two or three coordinates.
    """
    cover = cover_of_proof(path)
    if cover.cones.shape[1] == 2:
        ax = _circle(cover, axes_or_new(ax, size=(4.4, 3.6)))
    else:
        ax = _sphere(cover, axes_or_new(ax, projection="mollweide", size=(6.0, 4.0)))
    ax.set_title(f"Cover of weight space by {len(cover.cones):,} cones", pad=10)
    return ax


@dataclass(frozen=True, eq=False)
class ProofCover:
    """What a proof file says about weight space.

    Attributes
    ----------
    cones : (q, p, p) array
        Unit generators, one a row, of all cones; p is 2 or 3.
    depths : (q,) array of int
        How many splits each is away from its orthant.
    atoms : (k, p) array
        Unit directions of the network's neurons, and ``masses`` (k,) with their signs.
    names : tuple of str
        Of the p coordinates; u1, ... for a basis of the row space that the file names.
    """

    cones: NDArray[np.float64]
    depths: NDArray[np.int64]
    atoms: NDArray[np.float64]
    masses: NDArray[np.float64]
    names: tuple[str, ...]


def cover_of_proof(path: str | os.PathLike[str]) -> ProofCover:
    """The cones of a proof's cover by cones; see :func:`plot_cover` for what is refused."""
    try:
        document = checker.read(path)
        stated = checker.shaped(document, checker.SHAPE, "document", {})
        problem, covers = stated["problem"], stated["covers"]
        parts = (stated[key] for key in ("dual", "basis", "rows"))
        function = next(checker.functions_of(problem, *parts), None)
    except (OSError, ValueError, RecursionError) as error:
        raise InvalidProblem(f"{path}: is not a proof that can be read ({error}).") from None
    kinds = [cover["kind"] for cover in covers]
    if function is None or problem["bias"] == "free" or kinds[:1] != ["cones"]:
        raise InvalidProblem(
            f"{path}: its cover is not one of cones of all of weight space, so it cannot be drawn; "
            'covers by cones belong to few dimensions and bias "none" or "penalized".'
        )
    p = len(function.linear)
    if p not in (2, 3):
        raise InvalidProblem(f"{path}: covers are drawn for rank 2 and 3, this one has rank {p}.")
    tree = checker.Cones(*function)
    found: list[list[list[float]]] = []
    depths: list[int] = []
    records = iter(covers[0]["records"])
    stack = [(root, 0) for root in tree.roots()]
    try:
        while stack:
            cone, depth = stack.pop()
            children = tree.step(cone, *(next(records, None) or [-1]))
            stack += [(child, depth + 1) for child in children]
            if not children:
                found.append([_unit(generator) for generator in cone[0]])
                depths.append(depth)
    except checker.Rejected as error:
        raise InvalidProblem(f"{path}: its cover cannot be drawn ({error}).") from None
    basis = _doubles(stated["basis"])
    atoms, masses = _neurons(stated["network"], basis)
    given = np.array_equal(basis, basis[0, 0] * np.eye(*basis.shape))
    names = tuple(f"{'w' if given else 'u'}{j + 1}" for j in range(p))
    if given and problem["bias"] == "penalized":
        names = (*names[:-1], "b")
    return ProofCover(np.array(found), np.array(depths), atoms, masses, names)


def _neurons(
    network: dict[str, Any], basis: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Unit directions of the file's neurons in the cover's coordinates, and their masses."""
    weights, biases, output = (_doubles(network[key]) for key in ("weights", "biases", "output"))
    hidden = np.column_stack([weights.reshape(len(output), -1), biases])
    hidden = hidden[:, : len(basis)] @ (basis / np.abs(basis).max())
    length = np.linalg.norm(hidden, axis=1)
    alive = length > 0.0
    return hidden[alive] / length[alive, None], (output * length)[alive]


def _doubles(fractions: Any) -> NDArray[np.float64]:
    """Nested fractions as doubles."""
    return np.array(fractions, dtype=object).astype(np.float64)


def _unit(generator: list[int]) -> list[float]:
    """An integer vector of any size, scaled to length 1."""
    largest = max(map(abs, generator))
    short = np.array([c / largest for c in generator])
    return [float(c) for c in short / np.linalg.norm(short)]


def _circle(cover: ProofCover, ax: Axes) -> Axes:
    from matplotlib.collections import PatchCollection
    from matplotlib.patches import Wedge

    wedges = []
    for cone in cover.cones:
        first, second = np.arctan2(cone[:, 1], cone[:, 0])
        turn = (second - first + np.pi) % (2.0 * np.pi) - np.pi
        low = np.degrees(first if turn > 0.0 else second)
        wedges.append(Wedge((0.0, 0.0), 1.0, low, low + np.degrees(abs(turn))))
    patches = PatchCollection(wedges, cmap=COUNT_MAP, edgecolor="white", linewidth=0.4)
    patches.set_array(cover.depths)
    ax.add_collection(patches)
    ax.scatter(
        cover.atoms[:, 0], cover.atoms[:, 1], s=areas(np.abs(cover.masses)), c=sign_colours(cover.masses),
        edgecolors="white", linewidths=1.0, zorder=4, label="atoms",
    )  # fmt: skip
    plane(ax, cover.names, reach=1.1)
    _depth_bar(ax, patches)
    return ax


def _sphere(cover: ProofCover, ax: Axes) -> Axes:
    from matplotlib.collections import PolyCollection

    outlines, shades = [], []
    for cone, depth in zip(cover.cones, cover.depths, strict=True):
        for piece in _outlines(cone):
            outlines.append(piece)
            shades.append(depth)
    patches = PolyCollection(outlines, cmap=COUNT_MAP, edgecolor="face", linewidth=0.5)
    patches.set_array(np.array(shades))
    ax.add_collection(patches, autolim=False)
    gap = np.full((1, 3), np.nan)
    edges = np.concatenate([part for cone in cover.cones for part in (_arcs(cone), gap)])
    draw_arc(ax, edges, color="white", linewidth=0.5, label="_edges")
    globe(ax)
    draw_axes_marks(ax, cover.names, beside=cover.atoms)
    draw_atoms(ax, cover.atoms, np.abs(cover.masses), cover.masses)
    _depth_bar(ax, patches)
    return ax


def _outlines(cone: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """A cone on the map, cut into quarters of longitude: a pole is a corner, the edge a side."""
    outlines = []
    for east in (1.0, -1.0):
        for front in (1.0, -1.0):
            corners = _half(_half(cone, east, axis=1), front, axis=0)
            if len(corners) < 3 or min(np.ptp(corners[:, :2], axis=0)) < 1e-12:
                continue
            x, y, z = _arcs(corners).T
            sides = np.column_stack([front * np.abs(x), east * np.abs(y), z])
            outlines.append(np.column_stack(longitude_latitude(sides)))
    return outlines


def _half(corners: NDArray[np.float64], sign: float, *, axis: int) -> NDArray[np.float64]:
    """The corners of a convex cone's part in which a coordinate is 0 or has this sign."""
    kept = []
    for k, corner in enumerate(corners):
        here, before = sign * corner[axis], sign * corners[k - 1][axis]
        if min(here, before) < 0.0 < max(here, before):
            crossing = (here * corners[k - 1] - before * corner) / (here - before)
            crossing[axis] = 0.0
            kept.append(crossing / np.linalg.norm(crossing))
        if here >= 0.0:
            kept.append(corner)
    return np.array(kept).reshape(-1, 3)


def _arcs(corners: NDArray[np.float64], steps: int = 16) -> NDArray[np.float64]:
    """Unit vectors along the sides of a cone's polygon on the sphere, closed."""
    t = np.linspace(0.0, 1.0, steps, endpoint=False)[:, None]
    sides = [(1.0 - t) * corners[k - 1] + t * corners[k] for k in range(len(corners))]
    points = np.concatenate([*sides, corners[-1:]])
    return np.asarray(points / np.linalg.norm(points, axis=1)[:, None])


def _depth_bar(ax: Axes, patches: Any) -> None:
    from matplotlib.ticker import MaxNLocator

    colour_bar(ax, patches, "splits", ticks=MaxNLocator(5, integer=True, min_n_ticks=1))
