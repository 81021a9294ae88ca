"""The phase transition of sparse recovery: measured rates, and what coherence proves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from measurelp.errors import InvalidProblem
from measurelp.plotting._canvas import ACCENT, COUNT_MAP, DARK, axes_or_new, colour_bar

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from measurelp.sparse import RecoveryRates


def plot_recovery(
    rates: Sequence[RecoveryRates], *, against: Literal["measurements", "coherence"] = "measurements",
    ax: Axes | None = None,
) -> Axes:  # fmt: skip
    r"""How often the least l1 norm finds a sparse vector, a column for each dictionary.

    Parameters
    ----------
    rates : sequence of RecoveryRates
        Of dictionaries (d, m).
    against : {"measurements", "coherence"}
        The horizontal axis: d/m, or the coherence :math:`\mu`.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes
        Squares at s/d, coloured by the measured rate; the line of one half (linear between
        squares), where rates fall through it; and, where columns are of one length, a line below
        which every vector is recovered, by :math:`s < (1 + 1/\mu)/2`, which is proved.

    Examples
    --------
    >>> import measurelp as mlp
    >>> wide = [mlp.coherent_dictionary(d, 8, seed=0) for d in (4, 6)]
    >>> ax = mlp.plotting.plot_recovery([mlp.recovery_rates(W, [1, 3], trials=3) for W in wide])
    >>> ax.get_xlabel()
    'measurements d / m'
    >>> import matplotlib.pyplot as plt
    >>> plt.close(ax.figure)
    """
    if against not in ("measurements", "coherence"):
        raise InvalidProblem(f'against: expected "measurements" or "coherence", found {against!r}.')
    if not rates:
        raise InvalidProblem("rates: expected at least one RecoveryRates, found none.")
    where = [
        one.shape[0] / one.shape[1] if against == "measurements" else one.coherence for one in rates
    ]
    order = np.argsort(where, kind="stable")
    columns = [rates[i] for i in order]
    at = np.array(where)[order]
    ax = axes_or_new(ax)
    points = np.array([
        (x, s / one.shape[0], rate)
        for x, one in zip(at, columns, strict=True)
        for s, rate in zip(one.sparsities, one.rates, strict=True)
    ])  # fmt: skip
    shown = ax.scatter(
        points[:, 0], points[:, 1], c=points[:, 2], cmap=COUNT_MAP, vmin=0.0, vmax=1.0, marker="s",
        s=26, label="_rates",
    )  # fmt: skip
    half = np.array([_crossing(one) for one in columns])
    proved = np.array([one.proved_sparsity / one.shape[0] for one in columns])
    proved = np.minimum(proved, 1.0)
    for line, colour, label in (
        (half, DARK, "half of them found"),
        (proved, ACCENT, "all of them below, by coherence"),
    ):
        if np.isfinite(line).any():
            ax.plot(at, line, color=colour, linewidth=1.5, marker=".", label=label)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    ax.set_ylim(0.0, 1.05 * np.nanmax([*points[:, 1], *proved]) or 1.0)
    ax.set_xlabel("measurements d / m" if against == "measurements" else r"coherence $\mu$")
    ax.set_ylabel("entries s / d")
    if ax.lines:
        ax.legend(frameon=False, loc="lower left", bbox_to_anchor=(0.0, 1.0))
    colour_bar(ax, shown, "share recovered")
    return ax


def _crossing(one: RecoveryRates) -> float:
    """The s/d at which the rate falls through one half for the first time; nan if it does not."""
    s, rate = one.sparsities / one.shape[0], one.rates
    for i in range(1, len(s)):
        if rate[i - 1] >= 0.5 > rate[i]:
            return float(
                s[i - 1] + (s[i] - s[i - 1]) * (rate[i - 1] - 0.5) / (rate[i - 1] - rate[i])
            )
    return float("nan")
