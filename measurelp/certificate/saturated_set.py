"""The points at which the dual function of an optimal measure is at its limit."""

from __future__ import annotations

import math
from typing import TypeGuard

import numpy as np
from numpy.typing import NDArray

from measurelp.certificate.bounds import evaluate, skip_basis
from measurelp.certificate.peaks import Landscape, Matrix, Peak, Vector, exact_rank, peak_near
from measurelp.certificate.saturation import Cover, refine, whole_space
from measurelp.measure import AtomicMeasure
from measurelp.oracle import DualFunction
from measurelp.oracle.ascent import climbed
from measurelp.problem import MeasureProblem, RowSpace, row_space

_ROUNDOFF = 2.0**-53
_SEED = 20260301
SAME_DIRECTION = 1e-7


class View:
    """A problem and an optimal measure in coordinates of the row space."""

    def __init__(self, problem: MeasureProblem, measure: AtomicMeasure) -> None:
        self.problem, self.measure = problem, measure
        self.space: RowSpace = row_space(problem)
        evaluation = evaluate(problem, measure)
        self.fit = evaluation.fit
        self.basis = skip_basis(problem)
        distinct = self.space.distinct
        used = np.any(distinct != 0.0, axis=1)
        first = np.full(len(distinct), -1)
        first[self.space.group[::-1]] = np.arange(problem.n)[::-1]
        self.used, self.first = used, first[used]
        self.row_of = np.cumsum(used) - 1
        full = self.space.basis.shape[0] == self.space.basis.shape[1]
        exact = full and not self.space.has_free_bias
        self.row_error = 0.0 if exact else 256.0 * problem.lifted.shape[1] * _ROUNDOFF
        self.reach = float(np.linalg.norm(self.space.rows, 2)) * 1.01
        if self.space.has_free_bias:
            self.reach *= math.sqrt(2.0)

    def landscape(self, alpha: Vector) -> Landscape:
        total = np.asarray(
            np.bincount(self.space.group, weights=alpha, minlength=len(self.space.distinct)),
            dtype=np.float64,
        )
        return Landscape(
            np.ascontiguousarray(self.space.distinct[self.used]),
            self.problem.lifted[self.first], total[self.used], self.space.n_penalized,
        )  # fmt: skip

    def active(self, peaks: list[Peak]) -> NDArray[np.bool_]:
        """Which data points (n, k) are active at peaks."""
        group = self.space.group
        known = self.used[group]
        out = np.zeros((len(group), len(peaks)), dtype=bool)
        for k, peak in enumerate(peaks):
            out[known, k] = peak.active[self.row_of[group[known]]]
        return out

    def features(self, points: Matrix) -> Matrix:
        return self.problem.features(self.space.weights(points))

    def error(self, alpha: Vector, alpha_error: float) -> float:
        """By how much an exact eta may differ on the ball from the one of ``alpha``."""
        lam = self.problem.lam
        dual = DualFunction(self.problem, self.space, alpha)
        rounding = (2.0 * len(alpha) + 128.0) * 2.0**-51 * dual.magnitude
        return alpha_error * self.reach + dual.bound_over_ball(lam) - lam + rounding

    def skip_matrix(self) -> Matrix | None:
        """Independent columns that span the skip; None where independence is not decided."""
        columns = self.problem.skip_columns
        rank = self.basis.shape[1]
        if columns.shape[1] == rank:
            scale = np.linalg.norm(columns, axis=0)
            return columns / scale
        if exact_rank(columns) != rank:
            return None
        return self.basis

    def dual_vector(self, landscape: Landscape) -> Vector:
        """A dual vector (n,) with the landscape's totals on its distinct rows."""
        alpha = np.zeros(self.problem.n)
        alpha[self.first] = landscape.alpha
        return alpha


def peaks_of_atoms(view: View, landscape: Landscape) -> tuple[list[Peak], Vector, list[int]]:
    """The measure's atoms as peaks with their masses (not signed); indices of atoms that are none."""
    peaks: list[Peak] = []
    masses: list[float] = []
    loose: list[int] = []
    coordinates = view.space.coordinates(view.measure.atoms)
    for k, (point, mass) in enumerate(zip(coordinates, view.measure.masses, strict=True)):
        if mass == 0.0:
            continue
        peak = peak_near(landscape, point / view.space.norms(point[None, :])[0])
        if peak is None or peak.sign * mass < 0.0 or np.linalg.norm(peak.point - point) > 1e-4:
            loose.append(k)
            continue
        twin = next((j for j, other in enumerate(peaks) if same_peak(other, peak)), None)
        if twin is None:
            peaks.append(peak)
            masses.append(abs(float(mass)))
        else:
            masses[twin] += abs(float(mass))
    return peaks, np.array(masses), loose


def on_same_face(one: Peak | None, other: Peak) -> TypeGuard[Peak]:
    return (
        one is not None
        and one.sign == other.sign
        and np.array_equal(one.walls, other.walls)
        and np.array_equal(one.active, other.active)
    )


def same_peak(one: Peak, other: Peak) -> bool:
    return one.sign == other.sign and bool(
        np.linalg.norm(one.point - other.point) <= SAME_DIRECTION
    )


def peaks_above(
    view: View, landscape: Landscape, support: list[Peak], floor: float
) -> tuple[list[Peak], list[float]]:
    """The support's peaks and further ones at or above ``floor``; heights of lower ones."""
    dual = DualFunction(view.problem, view.space, view.dual_vector(landscape))
    r = landscape.rows.shape[1]
    size = np.linalg.norm(landscape.rows, axis=1)[:, None]
    random = np.random.default_rng(_SEED).standard_normal((64, r))
    starts = [np.eye(r), landscape.rows[:256] / size[:256], random]
    starts += [peak.point[None, :] for peak in support]
    points = np.vstack(starts)
    tops = climbed(dual, np.vstack([points, -points]))
    if landscape.n_penalized < r:
        tops = np.vstack([tops, _kinks(landscape, tops)])
    peaks, lower = list(support), []
    for top in np.unique(np.round(tops, 9), axis=0):
        peak = peak_near(landscape, top)
        if peak is None or any(same_peak(peak, other) for other in peaks):
            continue
        if peak.height >= floor:
            peaks.append(peak)
        elif peak.margin > 0.0:
            lower.append(peak.height)
    return peaks, lower


def _kinks(landscape: Landscape, points: Matrix) -> Matrix:
    """With a free bias, the kinks at all data along the highest points and their opposites."""
    heights = np.abs(landscape.values(points))
    best = points[heights >= (1.0 - 1e-6) * heights.max(initial=0.0)][:, :-1]
    directions = np.unique(np.round(np.vstack([best, -best]), 9), axis=0)[:64]
    rows = landscape.rows[:1024]
    biases = -(directions @ rows[:, :-1].T) / rows[:, -1]
    return np.column_stack([np.repeat(directions, len(rows), axis=0), biases.ravel()])


def covered(
    view: View, landscape: Landscape, peaks: list[Peak], lower: list[float], error: float,
    max_work: float,
) -> Cover:  # fmt: skip
    """Cover weight space down to ``error`` below the limit.

    Peaks that come up on the way join ``peaks``, and ``lower`` the heights of lower ones.
    """
    lam = view.problem.lam
    dual = DualFunction(view.problem, view.space, view.dual_vector(landscape))
    cover = whole_space(landscape)
    spent = 0.0
    while True:
        strict = [peak for peak in peaks if peak.margin > error]
        before = cover.nodes
        cover = refine(landscape, cover, strict, lam - error, max_work / 64.0)
        spent += float(cover.nodes - before) * len(landscape.rows)
        if cover.is_complete or spent >= max_work or len(strict) < len(peaks):
            return cover
        centres = cover.centres[-64:]
        tops = climbed(dual, centres, cover.signs[-64:])
        known = len(peaks)
        for top in np.unique(np.round(np.vstack([tops, centres]), 9), axis=0):
            peak = peak_near(landscape, top)
            if peak is None or any(same_peak(peak, other) for other in peaks):
                continue
            if peak.height >= lam - 2.0 * error:
                peaks.append(peak)
            elif peak.margin > 0.0:
                lower.append(peak.height)
        if len(peaks) == known and cover.nodes == before:
            return cover
