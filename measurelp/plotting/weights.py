"""The weights of networks: balance, singular values, matrices sorted by norm."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from measurelp.errors import InvalidProblem
from measurelp.network import ReluChain, ReluNetwork, balance_report
from measurelp.plotting._canvas import (
    ACCENT,
    DARK,
    MUTED,
    NEGATIVE,
    POSITIVE,
    SIGNED_MAP,
    axes_or_new,
    colour_bar,
    quiet,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LAYERS = (NEGATIVE, POSITIVE, ACCENT, "#CC79A7", "#56B4E9", "#E69F00")
_MARKERS = "osD^vP"


def plot_balance(model: Any, *, ax: Axes | None = None) -> Axes:
    r"""Incoming against outgoing norm of every hidden neuron; balanced ones lie on the diagonal.

    At every stationary point of a training with weight decay :math:`|v_k| = |w_k|`.

    Parameters
    ----------
    model : ReluNetwork, ReluChain or torch.nn.Module
        As for :func:`measurelp.balance_report`.  Neurons with a side that is zero cost and do
        nothing; they are counted in the title and have no place on logarithmic axes.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> import measurelp as mlp
    >>> ax = mlp.plotting.plot_balance(mlp.ReluNetwork([[3.0, 4.0]], output_weights=[2.0]))
    >>> ax.collections[0].get_offsets().tolist()
    [[5.0, 2.0]]
    >>> import matplotlib.pyplot as plt
    >>> plt.close(ax.figure)
    """
    report = balance_report(model)
    ax = axes_or_new(ax, size=(4.0, 3.8))
    seen: list[float] = []
    dead = 0
    for layer, (w, v) in enumerate(zip(report.incoming, report.outgoing, strict=True)):
        alive = (w > 0.0) & (v > 0.0)
        dead += int(np.sum(((w > 0.0) | (v > 0.0)) & ~alive))
        seen += [*w[alive].tolist(), *v[alive].tolist()]
        ax.scatter(
            w[alive], v[alive], s=26, color=_LAYERS[layer % 6], marker=_MARKERS[layer % 6],
            edgecolors="white", linewidths=0.6, zorder=3, label=f"layer {layer + 1}",
        )  # fmt: skip
    low, high = (min(seen), max(seen)) if seen else (0.1, 10.0)
    low, high = low / 1.6, high * 1.6
    ax.plot([low, high], [low, high], color=MUTED, linewidth=1.0, linestyle="--", label="balanced")
    quiet(ax)
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlim(low, high)
    ax.set_ylim(low, high)
    ax.set_aspect("equal")
    ax.set_xlabel(r"incoming norm $|w_k|$")
    ax.set_ylabel(r"outgoing norm $|v_k|$")
    words = "" if not dead else f"; {dead} with one side zero"
    count = len(seen) // 2
    ax.set_title(f"{count} neuron{'' if count == 1 else 's'}{words}", fontsize="medium")
    ax.legend(frameon=False, loc="upper left")
    return ax


def plot_singular_values(model: ReluNetwork | ReluChain, *, ax: Axes | None = None) -> Axes:
    """The singular values of each layer's weight matrix (without biases and skip), largest first.

    Parameters
    ----------
    model : ReluNetwork or ReluChain
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> import measurelp as mlp
    >>> chain = mlp.ReluChain([[[3.0, 0.0], [0.0, 2.0]], [[1.0, 0.0]]], [[0.0, 0.0], [0.0]])
    >>> ax = mlp.plotting.plot_singular_values(chain)
    >>> [line.get_ydata().round(9).tolist() for line in ax.lines]
    [[3.0, 2.0], [1.0]]
    >>> import matplotlib.pyplot as plt
    >>> plt.close(ax.figure)
    """
    if isinstance(model, ReluNetwork):
        outputs = model.output_weights.reshape(model.width, model.outputs)
        matrices: tuple[np.ndarray, ...] = (model.hidden_weights, outputs.T)
    elif isinstance(model, ReluChain):
        matrices = model.weights
    else:
        raise InvalidProblem(
            f"model: expected a ReluNetwork or a ReluChain, found {type(model).__name__}; "
            "mlp.chain_from_torch reads a module."
        )
    ax = axes_or_new(ax)
    largest, lowest, highest = 1, np.inf, 0.0
    for layer, matrix in enumerate(matrices):
        values = np.linalg.svd(matrix, compute_uv=False) if matrix.size else np.zeros(0)
        values = values[values > 0.0]
        largest = max(largest, len(values))
        lowest = min(lowest, float(values.min(initial=np.inf)))
        highest = max(highest, float(values.max(initial=0.0)))
        ax.plot(
            np.arange(1, len(values) + 1), values, color=_LAYERS[layer % 6], linewidth=1.2,
            marker=_MARKERS[layer % 6], markersize=4.5,
            label=f"layer {layer + 1}: {matrix.shape[0]} × {matrix.shape[1]}",
        )  # fmt: skip
    from matplotlib.ticker import MaxNLocator

    quiet(ax)
    if lowest < 0.03 * highest:
        ax.set_yscale("log")
    else:
        ax.set_ylim(0.0, 1.08 * highest or 1.0)
    ax.set_xlim(0.5, largest + 0.5)
    ax.xaxis.set_major_locator(MaxNLocator(8, integer=True, min_n_ticks=1))
    ax.set_xlabel("index")
    ax.set_ylabel(r"singular value $\sigma$")
    ax.legend(frameon=False)
    return ax


def plot_weights(network: ReluNetwork, *, most: int = 60, ax: Axes | None = None) -> Axes:
    r"""The weights of each neuron, a row a neuron, sorted by :math:`|v_k||w_k|`.

    Columns are the inputs, the hidden bias if there is one, and, after the line, the outputs.
    Rows are scaled to the balanced form, in which :math:`|v_k| = |w_k|`.

    Parameters
    ----------
    network : ReluNetwork
    most : int
        Neurons to show, heaviest first.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> import measurelp as mlp
    >>> network = mlp.ReluNetwork([[1.0], [2.0]], output_weights=[1.0, 2.0], bias="none")
    >>> ax = mlp.plotting.plot_weights(network)
    >>> ax.images[0].get_array().round(9).tolist()
    [[2.0, 2.0], [1.0, 1.0]]
    >>> import matplotlib.pyplot as plt
    >>> plt.close(ax.figure)
    """
    if network.width == 0:
        raise InvalidProblem("network: it has no neuron, so there is nothing to draw.")
    if most < 1:
        raise InvalidProblem(f"most: expected an integer >= 1, found {most!r}.")
    balanced = network.balanced()
    order = np.argsort(-(network.output_norms * network.neuron_norms), kind="stable")[:most]
    parts = [balanced.hidden_weights]
    names = [f"$w_{{{j + 1}}}$" for j in range(network.d)]
    if network.bias != "none":
        parts.append(balanced.hidden_bias[:, None])
        names.append("$b$")
    outputs = balanced.output_weights.reshape(network.width, -1)
    names += (
        ["$v$"] if outputs.shape[1] == 1 else [f"$v_{{{j + 1}}}$" for j in range(outputs.shape[1])]
    )
    table = np.hstack([*parts, outputs])[order]
    columns = table.shape[1]
    height = max(2.4, 1.4 + 0.22 * min(len(table), 24))
    ax = axes_or_new(ax, size=(1.8 + 0.34 * min(columns, 24), height))
    top = float(np.abs(table).max()) or 1.0
    image = ax.imshow(
        table, cmap=SIGNED_MAP, vmin=-top, vmax=top, aspect="auto", interpolation="nearest"
    )
    ax.axvline(columns - outputs.shape[1] - 0.5, color=DARK, linewidth=1.2)
    step = max(1, -(-columns // 16))
    ax.set_xticks(range(0, columns, step), names[::step])
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    ax.yaxis.set_major_locator(MaxNLocator(8, integer=True, min_n_ticks=1))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{int(value) + 1}"))
    ax.set_ylabel("neuron, heaviest first")
    colour_bar(ax, image, "balanced weight")
    if len(order) < network.width:
        ax.set_title(f"{len(order)} of {network.width} neurons", fontsize="medium")
    return ax
