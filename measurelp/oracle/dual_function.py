r"""The dual function of a dual vector, in row-space coordinates, and the Euclidean slices of its domain.

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
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from measurelp.problem import MeasureProblem, RowSpace

ROUNDOFF = 2.0**-53
_AT_ONCE = 2**17  # products of rows and points: what stays in the cache of a core


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
        values = np.zeros((len(coordinates), *alpha.shape[1:]))
        width = max(1, _AT_ONCE // max(1, len(coordinates)))
        for low in range(0, len(rows), width):
            products = coordinates @ rows[low : low + width].T
            values += np.maximum(products, 0.0, out=products) @ alpha[low : low + width]
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
