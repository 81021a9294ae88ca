"""The page's pictures, for plotly: the certificate landscape, the network, the fit."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from measurelp._optional import require
from measurelp.measure import mass_sizes
from measurelp.plotting.weight_space import (
    WeightSection,
    great_circle,
    sphere_grid,
    weight_section,
)
from measurelp.problem.losses import MarginLoss
from measurelp.solving import Solution

POSITIVE, NEGATIVE, DARK, MUTED = "#D55E00", "#0072B2", "#222222", "#767676"
_OUTPUTS = (NEGATIVE, POSITIVE, "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
_SIGNED = [
    [0.0, "#053061"],
    [0.25, "#4393c3"],
    [0.5, "#f7f7f7"],
    [0.75, "#d6604d"],
    [1.0, "#67001f"],
]
_RELIEF = 0.22  # by how much of the radius the sphere is raised where eta = lam
_MOST_WALLS = 250
_FONT = {"family": "system-ui, sans-serif", "size": 13, "color": DARK}


def landscape(solution: Solution, names: Sequence[str]) -> tuple[Any, str]:
    """The dual function over the unit weights, and a sentence on what is drawn.

    Rank 3 and more: a sphere (of the section through the three heaviest atoms) raised where
    eta is positive and lowered where it is negative.  Less: a graph.
    """
    section = weight_section(solution.problem, solution.measure)
    axes = _axis_names(section, names)
    if section.q < 3:
        return _graph(section, solution, axes)
    return _sphere(section, solution, axes)


def _sphere(section: WeightSection, solution: Solution, axes: list[str]) -> tuple[Any, str]:
    go = require("plotly.graph_objects", extra="report")
    lam = solution.problem.lam
    several = solution.dual.ndim == 2

    def raised(directions: NDArray[np.float64], more: float = 0.0) -> tuple[Any, Any]:
        values = section.values(solution.dual, directions) / lam
        radius = 1.0 + more + _RELIEF * np.clip(np.nan_to_num(values), -2.0, 2.0)
        return values, (directions * radius[:, None]).astype(np.float32)

    longitude, _, directions = sphere_grid(121, 241)
    values, points = raised(directions.reshape(-1, 3))
    shape = longitude.shape
    figure = go.Figure()
    figure.add_surface(
        x=points[:, 0].reshape(shape), y=points[:, 1].reshape(shape), z=points[:, 2].reshape(shape),
        surfacecolor=values.reshape(shape).astype(np.float32), cmin=0.0 if several else -1.0,
        cmax=1.0, colorscale="Cividis" if several else _SIGNED, name="eta", hoverinfo="skip",
        lighting={"ambient": 0.75, "diffuse": 0.45, "specular": 0.05, "roughness": 0.9},
        colorbar={
            "title": {"text": "|η|/λ" if several else "η/λ", "side": "top"}, "orientation": "h",
            "y": 0.0, "yanchor": "top", "len": 0.6, "thickness": 12,
            "tickvals": [0, 0.5, 1] if several else [-1, -0.5, 0, 0.5, 1],
        },
    )  # fmt: skip
    walls = section.walls
    if len(walls) <= _MOST_WALLS:
        curves = [raised(great_circle(normal, 121), 0.006)[1] for normal in walls]
        broken = [np.vstack([curve, np.full((1, 3), np.nan, np.float32)]) for curve in curves]
        lines = np.concatenate(broken) if broken else np.zeros((0, 3))
        figure.add_scatter3d(
            x=lines[:, 0], y=lines[:, 1], z=lines[:, 2], mode="lines", name="walls of cells",
            line={"color": f"rgba(20,20,20,{max(0.15, 0.7 - len(walls) / 150):.2f})", "width": 1.5},
            hoverinfo="skip",
        )  # fmt: skip
    drawn, found, text = _atoms(section, solution, axes)
    if len(drawn):
        heights, at = raised(found, 0.03)
        sizes = mass_sizes(solution.measure.masses)[drawn]
        figure.add_scatter3d(
            x=at[:, 0], y=at[:, 1], z=at[:, 2], mode="markers", name="atoms", text=text,
            hovertemplate="%{text}<extra></extra>",
            marker={
                "size": 7.0 + 9.0 * np.sqrt(sizes / sizes.max()), "opacity": 1.0,
                "color": [POSITIVE if several or h > 0 else NEGATIVE for h in heights],
                "line": {"color": "white", "width": 2},
            },
        )  # fmt: skip
    ends = 1.34 * np.vstack([np.eye(3), -np.eye(3)])
    figure.add_scatter3d(
        x=ends[:, 0], y=ends[:, 1], z=ends[:, 2], mode="text", hoverinfo="skip", name="directions",
        text=[f"+{name}" for name in axes] + [f"−{name}" for name in axes],
        textfont={"size": 12, "color": MUTED}, showlegend=False,
    )  # fmt: skip
    nothing = {"visible": False, "range": [-1.4, 1.4]}
    figure.update_layout(
        scene={
            "xaxis": nothing, "yaxis": nothing, "zaxis": nothing, "aspectmode": "cube",
            "camera": {"eye": _eye(found)}, "dragmode": "orbit",
        },
        height=500, margin={"l": 0, "r": 0, "t": 0, "b": 64}, font=_FONT, showlegend=False,
        paper_bgcolor="rgba(0,0,0,0)",
        modebar={"bgcolor": "rgba(0,0,0,0)", "color": MUTED, "activecolor": DARK},
    )  # fmt: skip
    words = (
        "All unit weights, as a sphere"
        if section.is_whole
        else f"A section of the unit weights of a {section.space.rank}-dimensional weight space: the "
        "sphere in the span of the three heaviest atoms, on which η is exact"
    )
    left_out = len(solution.measure) - len(drawn)
    words += (
        ", raised by the length of η. "
        if several
        else ", raised where η is positive and lowered where it is negative. "
    )
    words += (
        "Lines are the walls between cells"
        if len(walls) <= _MOST_WALLS
        else f"The {len(walls)} walls between cells are left out"
    )
    words += (
        f"; dots are atoms ({left_out} lie outside the section)."
        if left_out
        else "; dots are atoms."
    )
    return figure, words


def _graph(section: WeightSection, solution: Solution, axes: list[str]) -> tuple[Any, str]:
    go = require("plotly.graph_objects", extra="report")
    lam, several = solution.problem.lam, solution.dual.ndim == 2
    figure = go.Figure()
    drawn, found, text = _atoms(section, solution, axes)
    if section.q == 2:
        normals = section.walls
        kinks = np.arctan2(normals[:, 1], normals[:, 0])
        kinks = np.concatenate([kinks - np.pi / 2.0, kinks + np.pi / 2.0])
        kinks = (kinks + np.pi) % (2.0 * np.pi) - np.pi
        angles = np.sort(np.concatenate([np.linspace(-np.pi, np.pi, 721), kinks]))
        directions = np.column_stack([np.cos(angles), np.sin(angles)])
        at = np.arctan2(found[:, 1], found[:, 0]) if len(found) else np.zeros(0)
        title = f"angle of ({axes[0]}, {axes[1]}), in units of π"
        mode, unit = "lines", np.pi
    else:
        directions = np.array([[-1.0], [1.0]])
        angles, at, unit = directions[:, 0], found[:, 0] if len(found) else np.zeros(0), 1.0
        title, mode = f"unit weight {axes[0]}", "markers"
    figure.add_scatter(
        x=angles / unit, y=section.values(solution.dual, directions), mode=mode, name="η",
        line={"color": DARK, "width": 2},
    )  # fmt: skip
    for level in (lam,) if several else (lam, -lam):
        figure.add_hline(y=level, line={"color": MUTED, "width": 1, "dash": "dash"})
    if len(drawn):
        heights = section.values(solution.dual, found)
        sizes = mass_sizes(solution.measure.masses)[drawn]
        figure.add_scatter(
            x=at / unit, y=heights, mode="markers", name="atoms", text=text,
            hovertemplate="%{text}<extra></extra>",
            marker={
                "size": 9.0 + 9.0 * np.sqrt(sizes / sizes.max()), "opacity": 1.0,
                "color": [POSITIVE if several or h > 0 else NEGATIVE for h in heights],
                "line": {"color": "white", "width": 1.5},
            },
        )  # fmt: skip
    _flat(figure, title, "|η|" if several else "η", height=380)
    words = (
        "The dual function on all unit weights, with the level ±λ dashed; dots are atoms. Kinks are the "
        "walls between cells."
    )
    return figure, words


def fit(solution: Solution, axis: str, target: str) -> tuple[Any, str]:
    """One input: function and data.  More: targets against the network's values."""
    go = require("plotly.graph_objects", extra="report")
    problem, network = solution.problem, solution.network()
    figure = go.Figure()
    y = problem.y.reshape(problem.n, -1)
    if problem.d == 1:
        x = problem.X[:, 0]
        margin = 0.08 * float(np.ptp(x)) or 1.0
        slopes = network.hidden_weights[:, 0]
        knots = -network.hidden_bias[slopes != 0.0] / slopes[slopes != 0.0]
        ends = [float(x.min()) - margin, float(x.max()) + margin]
        knots = knots[(knots > ends[0]) & (knots < ends[1])]
        at = np.sort(np.concatenate([knots, ends]))
        drawn = network.predict(at[:, None]).reshape(len(at), -1)
        for j in range(y.shape[1]):
            dots = {"color": _OUTPUTS[j % 6], "size": 6, "opacity": 0.7}
            line = {"color": DARK if y.shape[1] == 1 else _OUTPUTS[j % 6], "width": 2}
            figure.add_scatter(x=x, y=y[:, j], mode="markers", name="data", marker=dots)
            figure.add_scatter(x=at, y=drawn[:, j], mode="lines", name="network", line=line)
        _flat(figure, _plain(axis), _plain(target), height=340)
        return figure, "The network's function through its knots, and the data."
    values = network.predict(problem.X).reshape(problem.n, -1)
    low, high = float(min(y.min(), values.min())), float(max(y.max(), values.max()))
    dash = {"color": MUTED, "width": 1, "dash": "dash"}
    is_scored = isinstance(problem.loss, MarginLoss)
    across = [0.0, 0.0] if is_scored else [low, high]
    words = "no decision" if is_scored else "equal"
    figure.add_scatter(x=across, y=[low, high], mode="lines", name=words, line=dash)
    for j in range(y.shape[1]):
        dots = {"color": _OUTPUTS[j % 6], "size": 6, "opacity": 0.7}
        figure.add_scatter(x=values[:, j], y=y[:, j], mode="markers", name="data", marker=dots)
    _flat(figure, "network", _plain(target), height=340)
    words = "Targets against the network's values; on the dashed line both are equal."
    if is_scored:
        words = (
            "Classes, read as −1 and 1, against the network's scores, which decide by their sign."
        )
    return figure, words if y.shape[1] == 1 else words + " One colour an output."


def weights(solution: Solution, names: Sequence[str], *, most: int = 40) -> Any:
    """The balanced weights, a row a neuron, heaviest first."""
    go = require("plotly.graph_objects", extra="report")
    network = solution.network()
    order = np.argsort(-(network.output_norms * network.neuron_norms), kind="stable")[:most]
    columns = [network.hidden_weights]
    labels = [_plain(name) for name in names]
    if network.bias != "none":
        columns.append(network.hidden_bias[:, None])
        labels.append("bias")
    outputs = network.output_weights.reshape(network.width, -1)
    columns.append(outputs)
    labels += (
        ["output"]
        if outputs.shape[1] == 1
        else [f"output {j + 1}" for j in range(outputs.shape[1])]
    )
    table = np.hstack(columns)[order]
    top = float(np.abs(table).max()) or 1.0
    figure = go.Figure()
    figure.add_heatmap(
        z=table, x=list(range(len(labels))), y=list(range(1, len(order) + 1)), zmin=-top, zmax=top,
        colorscale=_SIGNED, xgap=1, ygap=1, hovertemplate="neuron %{y}: %{z:.4g}<extra></extra>",
        colorbar={"thickness": 12, "title": {"text": "weight"}},
    )  # fmt: skip
    step = max(1, -(-len(labels) // 20))
    figure.update_xaxes(tickvals=list(range(0, len(labels), step)), ticktext=labels[::step])
    _flat(figure, "", "neuron", height=150 + 22 * len(order))
    figure.update_yaxes(autorange="reversed", dtick=max(1, len(order) // 10))
    return figure


def _atoms(
    section: WeightSection, solution: Solution, axes: list[str]
) -> tuple[NDArray[np.intp], NDArray[np.float64], list[str]]:
    """Which atoms lie in what is drawn, their directions, and a line of text on each."""
    measure = solution.measure
    if not len(measure):
        return np.zeros(0, dtype=np.intp), np.zeros((0, section.q)), []
    directions, inside = section.directions(measure.atoms)
    drawn = np.flatnonzero(inside)
    text = []
    for k in drawn:
        mass = ", ".join(f"{c:.5g}" for c in np.atleast_1d(measure.masses[k]))
        where = ", ".join(f"{axis} {u:.4f}" for axis, u in zip(axes, directions[k], strict=True))
        text.append(f"mass {mass}<br>{where}")
    return drawn, directions[drawn], text


def _axis_names(section: WeightSection, names: Sequence[str]) -> list[str]:
    """Coordinates by the names of the inputs, where they are entries of the weight."""
    return [
        _plain(names[int(axis[1:]) - 1])
        if axis.startswith("w")
        else ("bias" if axis == "b" else axis)
        for axis in section.names
    ]


def _eye(atoms: NDArray[np.float64]) -> dict[str, float]:
    """A view from the side of the heaviest atoms."""
    towards = atoms[:3].sum(axis=0) if len(atoms) else np.zeros(3)
    length = float(np.linalg.norm(towards))
    towards = towards / length if length > 0.2 else np.array([0.77, 0.54, 0.35])
    x, y, z = (1.6 * towards).tolist()
    return {"x": x, "y": y, "z": z}


def _flat(figure: Any, x: str, y: str, *, height: int) -> None:
    axis = {"showline": True, "linecolor": MUTED, "gridcolor": "#e6e6e6", "zeroline": False}
    figure.update_layout(
        height=height, margin={"l": 60, "r": 10, "t": 10, "b": 50}, font=_FONT, showlegend=False,
        paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)", dragmode="zoom",
    )  # fmt: skip
    figure.update_xaxes(title=x, **axis)
    figure.update_yaxes(title=y, **axis)


def _plain(name: str) -> str:
    """A name that plotly does not read as markup."""
    return html.escape(name if len(name) <= 24 else name[:23] + "…")
