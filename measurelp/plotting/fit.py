"""The trained function with the data: knots on a line, creases in a plane."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from measurelp.errors import InvalidProblem
from measurelp.network import ReluNetwork
from measurelp.plotting._canvas import (
    COUNT_MAP,
    DARK,
    MUTED,
    areas,
    axes_or_new,
    colour_bar,
    quiet,
    sign_colours,
)
from measurelp.problem import finite_matrix

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from measurelp.solving import Solution

_MARGIN = 0.08  # of the data's range, on both sides


def plot_fit(
    fitted: Solution | ReluNetwork,
    X: ArrayLike | None = None,
    y: ArrayLike | None = None,
    *,
    ax: Axes | None = None,
) -> Axes:
    r"""The function of a network of one or two inputs and one output, over the data.

    One input: the graph, drawn through its knots :math:`-b_k/w_k`, so that it is exact.  Two
    inputs: the function as colours, and the creases :math:`\langle w_k, x\rangle + b_k = 0` as
    lines, the thicker the larger :math:`|v_k||w_k|`.

    Parameters
    ----------
    fitted : Solution or ReluNetwork
    X, y : array_like, optional
        Data to show, (n, 1) or (n, 2) and (n,); those of the problem for a solution.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    InvalidProblem
        If there are more than two inputs or several outputs, or data are missing.

    Examples
    --------
    >>> import measurelp as mlp
    >>> network = mlp.ReluNetwork([[1.0], [-1.0]], [-0.5, 0.5], output_weights=[1.0, 1.0])
    >>> ax = mlp.plotting.plot_fit(network, [[0.0], [1.0]], [0.4, 0.6])
    >>> knots = ax.collections[0].get_offsets()
    >>> knots.tolist()
    [[0.5, 0.0], [0.5, 0.0]]
    >>> import matplotlib.pyplot as plt
    >>> plt.close(ax.figure)
    """
    if isinstance(fitted, ReluNetwork):
        network = fitted
        if X is None or y is None:
            raise InvalidProblem("X, y: missing; a network does not know its data.")
    else:
        network = fitted.network()
        X = fitted.problem.X if X is None else X
        y = fitted.problem.y if y is None else y
    inputs, targets = finite_matrix("X", X), np.asarray(y, dtype=np.float64).reshape(-1)
    if network.d not in (1, 2) or network.output_weights.ndim != 1:
        raise InvalidProblem(
            f"fitted: functions of one or two inputs and one output are drawn, this one has "
            f"{network.d} inputs and {network.outputs} outputs."
        )
    if inputs.shape[1] != network.d or len(targets) != len(inputs):
        raise InvalidProblem(
            f"X, y: expected shapes (n, {network.d}) and (n,), found {inputs.shape} and "
            f"{np.shape(y)}."
        )
    draw = _graph if network.d == 1 else _plane
    return draw(network, inputs, targets, axes_or_new(ax))


def _graph(network: ReluNetwork, X: NDArray[np.float64], y: NDArray[np.float64], ax: Axes) -> Axes:
    low, high = _range(X[:, 0])
    slopes = network.hidden_weights[:, 0]
    bent = slopes != 0.0
    knots = -network.hidden_bias[bent] / slopes[bent]
    seen = (knots >= low) & (knots <= high)
    knots, masses = knots[seen], network.output_weights[bent][seen]
    at = np.concatenate([[low], np.sort(knots), [high]])
    ax.plot(at, network.predict(at[:, None]), color=DARK, linewidth=1.6, label="network", zorder=2)
    if len(knots):
        ax.scatter(
            knots, network.predict(knots[:, None]), marker="D", s=34, c=sign_colours(masses),
            edgecolors="white", linewidths=0.8, zorder=3, label="knots",
        )  # fmt: skip
    ax.scatter(
        X[:, 0], y, s=18, facecolors="none", edgecolors=MUTED, linewidths=1.0, zorder=1,
        label="data",
    )  # fmt: skip
    quiet(ax)
    ax.set_xlim(low, high)
    ax.set_xlabel("$x$")
    ax.set_ylabel("$y$,  $f(x)$")
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, 1.14), ncols=3, frameon=False)
    return ax


def _plane(network: ReluNetwork, X: NDArray[np.float64], y: NDArray[np.float64], ax: Axes) -> Axes:
    (left, right), (bottom, top) = _range(X[:, 0]), _range(X[:, 1])
    one, two = np.meshgrid(np.linspace(left, right, 201), np.linspace(bottom, top, 201))
    values = network.predict(np.column_stack([one.ravel(), two.ravel()])).reshape(one.shape)
    low, high = min(values.min(), y.min()), max(values.max(), y.max())
    image = ax.pcolormesh(
        one, two, values, cmap=COUNT_MAP, vmin=low, vmax=high, shading="gouraud", rasterized=True
    )
    widths = areas(network.output_norms * network.neuron_norms, largest=100.0) / 40.0
    for w, b, v, width in zip(
        network.hidden_weights, network.hidden_bias, network.output_weights, widths, strict=True
    ):
        length = float(w @ w)
        if length == 0.0:
            continue
        ax.axline(
            tuple(-b * w / length), tuple(-b * w / length + np.array([-w[1], w[0]])),
            color="white", linewidth=width, linestyle="-" if v > 0.0 else (0, (4, 2)),
            label="_crease",
        )  # fmt: skip
    ax.scatter(
        X[:, 0], X[:, 1], c=y, cmap=COUNT_MAP, vmin=low, vmax=high, s=24, edgecolors="white",
        linewidths=0.8, zorder=3, label="data",
    )  # fmt: skip
    ax.set_xlim(left, right)
    ax.set_ylim(bottom, top)
    ax.set_xlabel("$x_1$")
    ax.set_ylabel("$x_2$", rotation=0, labelpad=10)
    colour_bar(ax, image, "$f(x)$,  dots: $y$")
    ax.set_title("creases: — rising, – – falling slope", fontsize="medium")
    return ax


def _range(values: NDArray[np.float64]) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    margin = _MARGIN * (high - low) or 1.0
    return low - margin, high + margin
