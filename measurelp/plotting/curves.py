"""Curves of a computation: masses along lam, the bracket closing, width against the floor."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from measurelp.errors import InvalidProblem
from measurelp.plotting._canvas import ACCENT, DARK, MUTED, NEGATIVE, POSITIVE, axes_or_new, quiet
from measurelp.plotting.tracks import tracked_masses

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from measurelp.solving import Progress, Solution


def plot_path(path: Iterable[Solution], *, ax: Axes | None = None) -> Axes:
    r"""The masses of the neurons along lam.

    Each line is one neuron, followed from one lam to the next by its direction; where it appears
    or vanishes, the line ends at mass 0.  At every lam the masses are exactly those of the
    solution.

    Parameters
    ----------
    path : iterable of Solution
        Solutions of one problem (with one output) at different lam.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes
    """
    solutions = sorted(path, key=lambda solution: -solution.problem.lam)
    if not solutions:
        raise InvalidProblem("path: expected at least one solution, found none.")
    if any(solution.measure.masses.ndim != 1 for solution in solutions):
        raise InvalidProblem("path: masses along lam are drawn for one output, found several.")
    lams = np.array([solution.problem.lam for solution in solutions])
    ax = axes_or_new(ax)
    ax.axhline(0.0, color=MUTED, linewidth=0.8)
    named = {1.0: r"$c_k > 0$", -1.0: r"$c_k < 0$"}
    for track in tracked_masses([solution.measure for solution in solutions]):
        sign = float(np.sign(track.masses[np.argmax(np.abs(track.masses))]))
        ax.plot(
            lams[track.steps], track.masses, color=POSITIVE if sign > 0.0 else NEGATIVE,
            linestyle="-" if sign > 0.0 else "--", linewidth=1.3, label=named.pop(sign, "_neuron"),
        )  # fmt: skip
    quiet(ax)
    ax.set_xscale("log")
    if len(lams) > 1:
        ax.set_xlim(lams[0], lams[-1])
    ax.set_xlabel(r"$\lambda$  (falls to the right)")
    ax.set_ylabel(r"mass $c_k$")
    if len(named) < 2:
        ax.legend(loc="upper left", frameon=False)
    return ax


def plot_gap(history: Sequence[Progress], solution: Solution, *, ax: Axes | None = None) -> Axes:
    """The relative gap of the bracket against time, and how the objective fell.

    The second line is known in hindsight only: by how much each objective exceeded the bound
    that was proved in the end.

    Parameters
    ----------
    history : sequence of Progress
        What the callback was given:
        ``history = []; solution = mlp.solve(problem, callback=history.append)``.  While no lower
        bound is proved the gap is infinite, and there is no line.
    solution : Solution
        What came out of it: the last point, and the gap that was asked for.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> import measurelp as mlp
    >>> history = []
    >>> problem = mlp.MeasureProblem([[1.0], [2.0], [4.0]], [1.0, 0.0, 2.0], lam=0.1)
    >>> solution = mlp.solve(problem, callback=history.append)
    >>> ax = mlp.plotting.plot_gap(history, solution)
    >>> ax.get_yscale()
    'log'
    >>> import matplotlib.pyplot as plt
    >>> plt.close(ax.figure)
    """
    certificate = solution.certificate
    bound = certificate.dual_value
    end = float(solution.stats.get("seconds", np.nan))
    reports = [(report.seconds, report.primal, report.gap) for report in history]
    reports.append((end, certificate.primal_value, certificate.relative_gap))
    seconds, primal, gaps = np.array(reports).T
    if not np.isfinite(seconds[-1]):
        raise InvalidProblem(
            "solution: it does not know its seconds; pass what mlp.solve returned."
        )
    ax = axes_or_new(ax)
    if np.isfinite(bound):
        largest = np.maximum(np.abs(primal), abs(bound))
        excess = (primal - bound) / np.where(largest > 0.0, largest, 1.0)
        _steps(
            ax,
            seconds,
            excess,
            color=NEGATIVE,
            linewidth=1.3,
            label="objective above the final bound",
        )
    _steps(
        ax, seconds, gaps, color=DARK, linewidth=1.5, marker="o", markersize=4.5, label="proved gap"
    )
    ax.axhline(certificate.tol_gap, color=ACCENT, linewidth=1.2, linestyle="--", label="asked for")
    quiet(ax)
    ax.set_yscale("log")
    ax.set_xlim(0.0, 1.05 * float(np.max(seconds)) or 1.0)
    ax.set_xlabel("time (s)")
    ax.set_ylabel("relative gap")
    ax.legend(frameon=False)
    return ax


def _steps(
    ax: Axes, seconds: NDArray[np.float64], values: NDArray[np.float64], **style: Any
) -> None:
    """Steps through the values that have a logarithm."""
    shown = np.isfinite(values) & (values > 0.0)
    ax.step(seconds[shown], values[shown], where="post", **style)


def plot_widths(
    widths: ArrayLike, objectives: ArrayLike, *, floor: float, ax: Axes | None = None
) -> Axes:
    """The objective that training reached at each width, above the proved floor.

    Parameters
    ----------
    widths : (m,) array_like
        Numbers of neurons, > 0.
    objectives : (m,) or (m, runs) array_like
        Final objectives; one column a run.  nan where a run has none.
    floor : float
        ``certificate.dual_value``: no network of any width is below.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> import measurelp as mlp
    >>> ax = mlp.plotting.plot_widths([4, 16], [[1.3, 1.2], [1.1, 1.05]], floor=1.0)
    >>> ax.get_xlabel()
    'width (neurons)'
    >>> import matplotlib.pyplot as plt
    >>> plt.close(ax.figure)
    """
    at = np.asarray(widths, dtype=np.float64)
    values = np.asarray(objectives, dtype=np.float64)
    values = values[:, None] if values.ndim == 1 else values
    if at.ndim != 1 or values.ndim != 2 or len(values) != len(at) or not len(at):
        raise InvalidProblem(
            f"widths, objectives: expected (m,) and (m,) or (m, runs), found {np.shape(widths)} and "
            f"{np.shape(objectives)}."
        )
    if not np.all(at > 0.0):
        raise InvalidProblem("widths: expected numbers of neurons > 0.")
    if not np.isfinite(floor):
        raise InvalidProblem(f"floor: expected a proved finite bound, found {floor!r}.")
    ax = axes_or_new(ax)
    order = np.argsort(at, kind="stable")
    at, values = at[order], values[order]
    ax.plot(at, _medians(values), color=DARK, linewidth=1.3, zorder=2, label="median of the runs")
    ax.scatter(
        np.repeat(at, values.shape[1]), values.ravel(), s=20, color=NEGATIVE, alpha=0.75,
        edgecolors="white", linewidths=0.5, zorder=3, label="trained networks",
    )  # fmt: skip
    ax.axhline(floor, color=ACCENT, linewidth=1.6, label="proved floor, every width")
    low = min(float(floor), float(np.nanmin(values)))
    high = max(float(floor), float(np.nanmax(values)))
    room = 0.12 * (high - low) or 0.1 * abs(high) or 1.0
    ax.axhspan(low - 2.0 * room, floor, color=ACCENT, alpha=0.12, linewidth=0.0)
    ax.set_ylim(low - room, high + room)
    quiet(ax)
    ax.set_xscale("log", base=2)
    ax.set_xticks(np.unique(at), [f"{width:g}" for width in np.unique(at)])
    ax.minorticks_off()
    ax.set_xlabel("width (neurons)")
    ax.set_ylabel("objective")
    ax.legend(frameon=False, loc="upper right")
    return ax


def _medians(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Row medians without nan; nan for rows without numbers."""
    known = np.isfinite(values)
    return np.array(
        [
            np.median(row[use]) if use.any() else np.nan
            for row, use in zip(values, known, strict=True)
        ]
    )
