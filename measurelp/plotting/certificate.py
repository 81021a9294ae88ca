"""The proof as a picture: the dual function on the unit weights, and the level it must respect."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from measurelp.errors import InvalidProblem
from measurelp.measure import AtomicMeasure, mass_sizes
from measurelp.plotting._canvas import (
    DARK,
    MUTED,
    PALE,
    SIGNED_MAP,
    areas,
    axes_or_new,
    colour_bar,
    quiet,
    sign_colours,
    symbol,
)
from measurelp.plotting._globe import draw_atoms, draw_axes_marks, draw_walls, globe
from measurelp.plotting.weight_space import (
    WeightSection,
    sphere_grid,
    weight_section,
)
from measurelp.problem import MeasureProblem

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from measurelp.solving import Solution


def plot_certificate(solution: Solution, *, ax: Axes | None = None) -> Axes:
    r"""The dual certificate of a solution.

    Global optimality means :math:`|\eta|\le\lambda` on all unit weights, with the atoms where
    the level is reached.  The picture shows this; the certificate proves it.  See :func:`plot_dual_function`.

    Parameters
    ----------
    solution : Solution
        Of :func:`measurelp.solve`.
    ax : matplotlib Axes, optional
        Rank 2: ordinary axes; rank 3 and more: ``projection="mollweide"``.  A new figure if left
        out.

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> import measurelp as mlp
    >>> solution = mlp.solve(mlp.MeasureProblem([[-1.0], [0.5], [1.0]], [1.0, 0.0, 1.0], lam=0.1))
    >>> ax = mlp.plotting.plot_certificate(solution)
    >>> ax.get_ylabel()
    'dual function $\\eta(w)$'
    >>> import matplotlib.pyplot as plt
    >>> plt.close(ax.figure)
    """
    return plot_dual_function(solution.problem, solution.dual, measure=solution.measure, ax=ax)


def plot_dual_function(
    problem: MeasureProblem,
    dual: ArrayLike,
    *,
    measure: AtomicMeasure | None = None,
    ax: Axes | None = None,
) -> Axes:
    r"""The dual function :math:`\eta(w)=\sum_i\alpha_i\langle\tilde x_i,w\rangle_+` on unit weights.

    Rank 2: a curve over the angle of w, whose kinks are the walls of the cells.  Rank 3: the
    sphere in Mollweide's equal-area projection, with the great circles of the data.  For larger
    ranks the sphere is the section of weight space through the three heaviest atoms, and only
    atoms in it are drawn.  Where :math:`|\eta|` exceeds :math:`\lambda` a black line surrounds it.

    Parameters
    ----------
    problem : MeasureProblem
    dual : (n,) or (n, c) array_like
        With several outputs the norm of eta is drawn.
    measure : AtomicMeasure, optional
        Whose atoms to mark, by sign (vectors have none) and size of their masses.
    ax : matplotlib Axes, optional
        As for :func:`plot_certificate`.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    InvalidProblem
        If the data have rank 1 (there are two unit weights), or axes of another projection are
        given.
    """
    alpha = np.asarray(dual, dtype=np.float64)
    if alpha.shape[:1] != (problem.n,):
        raise InvalidProblem(
            f"dual: expected {problem.n} numbers, one a data point, found shape {alpha.shape}."
        )
    section = weight_section(problem, measure)
    if section.q == 1:
        raise InvalidProblem(
            "problem: its data have rank 1, so there are only two unit weights and nothing to draw."
        )
    if section.q == 2:
        return _circle(section, alpha, measure, axes_or_new(ax))
    return _sphere(
        section, alpha, measure, axes_or_new(ax, projection="mollweide", size=(6.0, 4.0))
    )


def _circle(
    section: WeightSection, alpha: NDArray[np.float64], measure: AtomicMeasure | None, ax: Axes
) -> Axes:
    lam = section.problem.lam
    normals = section.walls
    kinks = np.arctan2(normals[:, 1], normals[:, 0])
    kinks = np.concatenate([kinks + np.pi / 2.0, kinks - np.pi / 2.0])
    kinks = (kinks + np.pi) % (2.0 * np.pi) - np.pi
    angles = np.sort(np.concatenate([np.linspace(-np.pi, np.pi, 721), kinks]))
    ax.vlines(
        kinks, 0.0, 1.0, transform=ax.get_xaxis_transform(), color=PALE,
        linewidth=min(0.8, 40.0 / max(1, len(kinks))), zorder=0, label="_walls",
    )  # fmt: skip
    values = section.values(alpha, _on_circle(angles))
    ax.plot(angles, values, color=DARK, linewidth=1.4, label=r"$\eta$")
    top, several = r"$\pm\lambda$", alpha.ndim == 2
    for level in (lam,) if several else (lam, -lam):
        ax.axhline(level, color=MUTED, linewidth=1.0, linestyle="--", label=top)
        top = "_lower"
    if measure is not None and len(measure):
        found, inside = section.directions(measure.atoms)
        at = np.arctan2(found[inside, 1], found[inside, 0])
        sizes = mass_sizes(measure.masses)[inside]
        signs = _signs(measure)[inside]
        ax.scatter(
            at, section.values(alpha, found[inside]), s=areas(sizes), c=sign_colours(signs),
            edgecolors="white", linewidths=0.8, zorder=3, label="atoms",
        )  # fmt: skip
    quiet(ax)
    ax.set_xlim(-np.pi, np.pi)
    ax.margins(y=0.15)
    ax.set_xticks(np.linspace(-np.pi, np.pi, 5), ["−π", "−π/2", "0", "π/2", "π"])
    one, two = (symbol(name) for name in section.names)
    ax.set_xlabel(rf"angle $\varphi$ of $({one}, {two}) = (\cos\varphi, \sin\varphi)$")
    ax.set_ylabel(r"$|\eta(w)|$" if several else r"dual function $\eta(w)$")
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, 1.14), ncols=3, frameon=False)
    return ax


def _sphere(
    section: WeightSection, alpha: NDArray[np.float64], measure: AtomicMeasure | None, ax: Axes
) -> Axes:
    lam = section.problem.lam
    longitude, latitude, directions = sphere_grid(181, 361)
    values = section.values(alpha, directions.reshape(-1, 3)).reshape(longitude.shape) / lam
    several = alpha.ndim == 2
    top = max(1.0, float(np.nanmax(np.abs(values))))
    exceeds = top > 1.0 + 1e-6
    image = ax.pcolormesh(
        longitude, latitude, values, shading="gouraud", rasterized=True,
        cmap="cividis" if several else SIGNED_MAP, vmin=0.0 if several else -top, vmax=top,
    )  # fmt: skip
    globe(ax)
    draw_walls(ax, section.walls)
    if exceeds:
        ax.contour(longitude, latitude, np.abs(values), levels=[1.0], colors=DARK, linewidths=1.5)
    atoms = np.zeros((0, 3))
    if measure is not None and len(measure):
        found, inside = section.directions(measure.atoms)
        atoms = found[inside]
        draw_atoms(ax, atoms, mass_sizes(measure.masses)[inside], _signs(measure)[inside])
    draw_axes_marks(ax, section.names, beside=atoms)
    bar = colour_bar(ax, image, r"$|\eta(w)|\,/\,\lambda$" if several else r"$\eta(w)\,/\,\lambda$")
    for level in (1.0,) if several else (-1.0, 1.0):
        bar.ax.axvline(level, color=DARK, linewidth=1.5)
    if top < 2.5:
        bar.set_ticks([0.0, 0.5, 1.0] if several else [-1.0, -0.5, 0.0, 0.5, 1.0])
    where = "unit weights" if section.is_whole else "unit weights in the span of three atoms"
    what = "Dual function" if exceeds else "Dual certificate"
    ax.set_title(f"{what} on the {where}", pad=12)
    return ax


def _on_circle(angles: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.column_stack([np.cos(angles), np.sin(angles)])


def _signs(measure: AtomicMeasure) -> NDArray[np.float64]:
    """Signs of the masses, 0 where masses are vectors."""
    masses = measure.masses
    return np.sign(masses) if masses.ndim == 1 else np.zeros(len(masses))
