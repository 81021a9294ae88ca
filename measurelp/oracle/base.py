r"""What an oracle is asked and what it answers.

The dual function of a dual vector alpha is
:math:`\eta(w) = \sum_i \alpha_i \langle\tilde x_i, w\rangle_+`.  An oracle brackets the
supremum of :math:`|\eta|` over the unit ball of hidden weights.  The upper end is a proof,
rounding included; the lower end is the value at a point that is handed over.

With c outputs alpha is (n, c) and eta has values in R^c.  Its size :math:`|\eta|` is the dual of
the norm of masses: the Euclidean norm for joint outputs, the largest modulus for separate ones.

Another activation :math:`p\,t_+ + q\,(-t)_+` is, as :math:`(-t)_+ = t_+ - t`, a ReLU and a linear
function, :math:`(p + q)\,t_+ - q\,t`, and a linear function :math:`\langle l, w\rangle` of the
weight is :math:`\langle l, w\rangle_+ - \langle -l, w\rangle_+`: two more rows.  So oracles over
rows serve all activations of this kind.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property, wraps
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from measurelp._jit_kernels import compile_seconds
from measurelp.problem import MeasureProblem, RowSpace
from measurelp.status import Scope, Termination

ROUNDOFF = 2.0**-53


def row_sizes(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Moduli of numbers (k,), Euclidean norms of rows (k, c)."""
    return np.asarray(np.abs(values) if values.ndim == 1 else np.linalg.norm(values, axis=1))


def as_columns(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """(k,) as (k, 1); (k, c) as it is."""
    return values[:, None] if values.ndim == 1 else values


@dataclass(frozen=True, eq=False)
class Slice:
    """A part of the problem whose ball is Euclidean: maximise |eta| over unit vectors w.

    Without a free bias there is one slice, everything.  With one, a maximum over the bias of
    a piecewise linear function is taken at a kink, that is at b = -<w, x_i> for a data point
    i: one slice a distinct row, with rows x_j - x_i and one coordinate less.

    Attributes
    ----------
    rows : (m, p) array
        Those of the data, and those that stand for a linear part of eta.
    alpha : (m,) or (m, c) array
        Without zeros.
    centre : (p,) array or None
        x_i, and ``bias_scale`` the last entry of the space's rows.
    """

    rows: NDArray[np.float64]
    alpha: NDArray[np.float64]
    centre: NDArray[np.float64] | None = None
    bias_scale: float = 1.0

    def values(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Eta at points (k, p): (k,) or (k, c)."""
        return np.asarray(np.maximum(points @ self.rows.T, 0.0) @ self.alpha)

    def to_space(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Row-space coordinates (k, r) of points (k, p)."""
        if self.centre is None:
            return points
        return np.column_stack([points, -(points @ self.centre) / self.bias_scale])


@dataclass(frozen=True, eq=False)
class DualFunction:
    r"""The function :math:`\eta_\alpha` of one problem, in row-space coordinates.

    Attributes
    ----------
    problem : MeasureProblem
    space : RowSpace
        Its coordinates (``measurelp.problem.row_space(problem)``).
    alpha : (n,) or (n, c) array
        One number, or one for each output, a data point.
    """

    problem: MeasureProblem
    space: RowSpace
    alpha: NDArray[np.float64]

    @cached_property
    def merged(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The distinct rows (m, r) and their coefficients (m,) or (m, c), zeros left out."""
        size = len(self.space.distinct)
        totals: list[NDArray[Any]] = [
            np.bincount(self.space.group, weights=column, minlength=size)
            for column in as_columns(self.alpha).T
        ]
        total: NDArray[np.float64] = (
            np.stack(totals, axis=1).astype(np.float64).reshape(size, *self.alpha.shape[1:])
        )
        used = row_sizes(total) != 0.0
        factor = sum(self.problem.activation.slopes)
        return np.ascontiguousarray(self.space.distinct[used]), total[used] * factor

    @cached_property
    def linear(self) -> NDArray[np.float64] | None:
        r"""l (r,) or (r, c): eta(w) is a sum over rows and the linear function :math:`l^\top w`."""
        negative = self.problem.activation.slopes[1]
        return None if negative == 0.0 else -negative * (self.space.rows.T @ self.alpha)

    @cached_property
    def magnitude(self) -> float:
        r""":math:`\sum_i |\alpha_i| |z_i|_*` times the slopes, the scale of all rounding errors.

        With a free bias, weights with |b| <= R |w| suffice (see :class:`Slice`), and the last
        entry of every row is R.
        """
        rows, p = self.space.rows, self.space.n_penalized
        sizes = self.space.ball.dual_norm(rows[:, :p])
        if self.space.has_free_bias:
            sizes = sizes + self.space.bias_scale
        positive, negative = self.problem.activation.slopes
        return float(row_sizes(self.alpha) @ sizes) * (abs(positive + negative) + abs(negative))

    def sizes(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """|eta| of values (k,) or (k, c)."""
        if values.ndim == 2 and self.problem.outputs == "separate":
            return np.asarray(np.abs(values).max(axis=1, initial=0.0))
        return row_sizes(values)

    @property
    def slices(self) -> Iterator[Slice]:
        """The Euclidean problems whose suprema make up this one's."""
        return (self.slice(index) for index in range(len(self.slice_bounds)))

    def slice(self, index: int) -> Slice:
        """One of them, made anew."""
        rows, alpha = self.merged
        scale, linear = self.space.bias_scale, self.linear
        if not self.space.has_free_bias:
            return Slice(*with_linear_part(rows, alpha, linear))
        inputs = np.ascontiguousarray(rows[:, :-1])
        shifted = inputs - inputs[index]
        away = np.any(shifted != 0.0, axis=1)
        if linear is not None:
            linear = linear[:-1] - np.multiply.outer(inputs[index], linear[-1] / scale)
        return Slice(*with_linear_part(shifted[away], alpha[away], linear), inputs[index], scale)

    @cached_property
    def slice_bounds(self) -> NDArray[np.float64]:
        r"""A bound of :math:`|\eta|` on each slice, O(1) for each.

        With P and M the sums of :math:`|\alpha_i||x_i|` over positive and negative alpha,
        :math:`|\eta|\le\max(P, M)` and, as :math:`t_+ = (t + |t|) / 2`, also
        :math:`|\eta|\le(|\sum\alpha_i x_i| + \max(P, M)) / 2`.  On the slice of a centre c,
        :math:`|x_i - c|\le|x_i| + |c|`.  With several outputs the sum over all takes the place
        of the larger one.
        """
        rows, alpha = self.merged
        inputs = rows[:, :-1] if self.space.has_free_bias else rows
        dual_norm = self.space.ball.dual_norm
        lengths = dual_norm(inputs)
        centres = inputs if self.space.has_free_bias else np.zeros((1, rows.shape[1]))
        away = dual_norm(centres)
        signed = alpha if alpha.ndim == 1 else row_sizes(alpha)
        plus, minus = (
            float((abs(signed) * lengths)[part].sum()) + away * float(abs(signed)[part].sum())
            for part in (signed > 0.0, signed < 0.0)
        )
        columns = as_columns(alpha).T
        moved = columns @ inputs - columns.sum(axis=1)[:, None] * centres[:, None, :]
        linear = np.linalg.norm([dual_norm(part) for part in np.swapaxes(moved, 0, 1)], axis=0)
        # Sums of at most n terms, norms of r, few products: all within this much of P + M.
        rounding = 4.0 * (len(alpha) + rows.shape[1] + 16) * ROUNDOFF * (plus + minus)
        either = np.maximum(plus, minus)
        bound = np.minimum(either, 0.5 * (linear + either)) + rounding
        if self.linear is not None:
            bound = bound + self.magnitude
        return np.asarray(bound)

    def values(self, coordinates: NDArray[np.float64]) -> NDArray[np.float64]:
        """Eta at row-space coordinates (k, r): (k,) or (k, c)."""
        rows, alpha = self.merged
        values = np.maximum(coordinates @ rows.T, 0.0) @ alpha
        return np.asarray(values if self.linear is None else values + coordinates @ self.linear)

    def value_at_weights(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Eta at hidden weights (k, d') of the problem, from the original data."""
        return np.asarray(self.problem.features(weights).T @ self.alpha)

    def proved_value(self, weight: NDArray[np.float64]) -> float:
        r"""A number that :math:`|\eta|` at one unit weight is proved to reach."""
        features = self.problem.features(weight[None, :])[:, 0]
        lengths = np.linalg.norm(self.problem.lifted, axis=1) * float(np.linalg.norm(weight))
        columns = as_columns(self.alpha)
        rounding = 2.0 * (len(weight) + 4) * ROUNDOFF * (lengths @ np.abs(columns))
        sums = np.abs([math.fsum(column) for column in features * columns.T])
        sums = np.maximum(sums - rounding, 0.0)
        if self.alpha.ndim == 1:
            return float(sums[0])
        return float(self.sizes(sums[None])[0]) * (1.0 - (len(sums) + 4) * ROUNDOFF)

    def bound_over_ball(self, upper: float) -> float:
        """A bound over the problem's ball from one over all slices.

        Charged are the reduction to the row space, the merging of equal rows, a linear part
        and, for a free bias, the rounding of x_j - x_i.
        """
        space = self.space
        lost = float(row_sizes(self.alpha) @ space.residual)
        merged = len(self.alpha) - len(space.distinct) + 2 * space.has_free_bias
        if self.problem.activation.slopes != (1.0, 0.0):
            merged += len(self.alpha) + 8
        return (
            upper * space.inflation * (1.0 + 4.0 * ROUNDOFF)
            + lost
            + (4.0 * merged * ROUNDOFF * self.magnitude)
        )


def with_linear_part(
    rows: NDArray[np.float64], alpha: NDArray[np.float64], linear: NDArray[np.float64] | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rows and coefficients with those that stand for a linear function added.

    Two for one output; with several, two for each coordinate.
    """
    if linear is None or not np.any(linear):
        return np.ascontiguousarray(rows), alpha
    if linear.ndim == 1:
        return np.vstack([rows, linear, -linear]), np.append(alpha, [1.0, -1.0])
    axes = np.eye(len(linear))
    return np.vstack([rows, axes, -axes]), np.vstack([alpha, linear, -linear])


@dataclass(frozen=True, eq=False)
class OracleReport:
    r"""A bracket on :math:`\sup_{\|w\|\le1} |\eta(w)|` and the peaks that were met.

    Attributes
    ----------
    lower, upper : float
        The bracket.  ``upper`` is proved when ``scope`` is COMPLETE, and inf otherwise.
    witness : (d',) array
        Unit hidden weight with :math:`|\eta| =` ``lower``.
    peaks : (p, r) array
        Distinct local maxima of :math:`|\eta|` above the level, in row-space coordinates of
        unit norm, highest first; ``peak_values`` (p,) or (p, c) holds eta there.
    scope : Scope
        COMPLETE when all of weight space was covered.
    termination : Termination
        Why it stopped.
    stats : dict
        Counts of the method.
    """

    lower: float
    upper: float
    witness: NDArray[np.float64]
    peaks: NDArray[np.float64]
    peak_values: NDArray[np.float64]
    scope: Scope
    termination: Termination
    stats: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Budget:
    r"""How long an oracle may work.

    Attributes
    ----------
    deadline : float
        ``time.perf_counter()`` value at which to stop; inf for none.  What is compiled after the
        budget was made moves it: a first call does not spend its time on that.
    nodes : int or None
        Branch-and-bound nodes.
    interrupted : callable or None
        Asked whether to stop at once.
    report : callable or None
        Told, a few times a second, how many nodes there were and the bound so far on :math:`|\eta|`.
    """

    deadline: float = float("inf")
    nodes: int | None = None
    interrupted: Callable[[], bool] | None = None
    report: Callable[[int, float], None] | None = None
    compiled: float = field(default_factory=compile_seconds, repr=False)

    def in_units(self, unit: float) -> Budget:
        """For a dual vector divided by a power of two: bounds are reported times it."""
        told = self.report
        if told is None:
            return self
        return replace(self, report=lambda nodes, upper: told(nodes, upper * unit))

    @property
    def seconds_left(self) -> float:
        """Until the deadline."""
        return self.deadline + (compile_seconds() - self.compiled) - time.perf_counter()

    @property
    def time_is_up(self) -> bool:
        """Whether the deadline has passed, or the caller wants to stop."""
        if self.interrupted is not None and self.interrupted():
            return True
        return self.seconds_left <= 0.0


@runtime_checkable
class Oracle(Protocol):
    """The smallest interface of an oracle."""

    @property
    def name(self) -> str:
        """The word by which statistics and the command line know the oracle."""
        ...

    def maximise(
        self,
        dual: DualFunction,
        *,
        level: float = 0.0,
        tolerance: float = 1e-9,
        starts: NDArray[np.float64] | None = None,
        budget: Budget | None = None,
    ) -> OracleReport:
        r"""Bracket the supremum and collect peaks.

        On return ``upper`` is at most max(level, lower (1 + tolerance)) plus rounding,
        unless the budget ended the work: parts of weight space where :math:`|\eta|` is
        proved to stay below ``level`` need not be resolved further.  ``starts`` (k, r) are
        coordinates that are worth trying first; they affect speed only.
        """
        ...


Maximise = Callable[..., OracleReport]


def in_units_of_alpha(maximise: Maximise) -> Maximise:
    """Let an oracle's ``maximise`` see dual vectors of size about 1.

    Products of tiny numbers underflow, and no error term covers that.  Scaling alpha by a
    power of two is exact, and so is scaling the report back, up to the last place of
    subnormal numbers, which are rounded outwards.
    """

    @wraps(maximise)
    def scaled(
        self: Oracle,
        dual: DualFunction,
        *,
        level: float = 0.0,
        budget: Budget | None = None,
        **options: Any,
    ) -> OracleReport:
        size = float(np.abs(dual.alpha).max(initial=0.0))
        if size == 0.0 or 0.25 < size < 4.0:
            return maximise(self, dual, level=level, budget=budget, **options)
        unit = 2.0 ** max(-1000, min(1000, math.frexp(size)[1]))
        budget = None if budget is None else budget.in_units(unit)
        report = maximise(
            self,
            replace(dual, alpha=dual.alpha / unit),
            level=level / unit,
            budget=budget,
            **options,
        )
        return replace(
            report,
            lower=max(0.0, math.nextafter(report.lower * unit, 0.0)),
            upper=math.nextafter(report.upper * unit, math.inf) if report.upper > 0.0 else 0.0,
            peak_values=report.peak_values * unit,
        )

    return scaled


def distinct_peaks(
    points: NDArray[np.float64],
    values: NDArray[np.float64],
    sizes: NDArray[np.float64],
    level: float,
    *,
    cosine: float = 1.0 - 1e-9,
    most: int = 1024,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Points with ``sizes`` above ``level``, highest first, without repeated directions.

    Points of one direction count as repeated when their ``values`` (k,) or (k, c) have a positive
    inner product.  Only the ``most`` highest points are looked at.
    """
    keep = np.flatnonzero(sizes > level)
    keep = keep[np.argsort(-sizes[keep], kind="stable")][:most]
    directions = points[keep] / np.linalg.norm(points[keep], axis=1)[:, None]
    outputs = as_columns(values[keep])
    new = np.ones(len(keep), dtype=bool)
    for k in range(1, len(keep)):
        rivals = new[:k] & (outputs[:k] @ outputs[k] > 0.0)
        new[k] = not np.any(directions[:k][rivals] @ directions[k] >= cosine)
    return points[keep[new]], values[keep[new]]


def report_from_points(
    dual: DualFunction,
    upper: float,
    points: NDArray[np.float64],
    values: NDArray[np.float64],
    level: float,
    *,
    scope: Scope = Scope.COMPLETE,
    termination: Termination = Termination.CONVERGED,
    **stats: Any,
) -> OracleReport:
    """Assemble a report from points in row-space coordinates and eta there.

    Coordinates without a penalised part are dropped, the others scaled to unit norm; the
    witness is evaluated on the original data, in the problem's ball.
    """
    norms = dual.space.norms(points)
    usable = norms > 0.0
    points, values = points[usable] / norms[usable, None], (values[usable].T / norms[usable]).T
    sizes = dual.sizes(values)
    peaks, peak_values = distinct_peaks(points, values, sizes, level)
    lower = 0.0
    witness = np.zeros(dual.problem.lifted.shape[1])
    if len(points):
        weights = dual.space.weights(points[np.argsort(-sizes, kind="stable")[:8]])
        norms = dual.problem.weight_norm(weights)
        weights = weights[norms > 0.0] / norms[norms > 0.0, None]
        if len(weights):
            witness = weights[int(np.argmax(dual.sizes(dual.value_at_weights(weights))))]
            lower = dual.proved_value(witness)
    if scope is Scope.COMPLETE:
        upper = max(dual.bound_over_ball(upper), lower)
    else:
        upper = float("inf")
    return OracleReport(
        lower=lower, upper=upper, witness=witness, peaks=peaks, peak_values=peak_values,
        scope=scope, termination=termination, stats=stats,
    )  # fmt: skip
