"""The dual function of an optimal measure, examined where it is at its limit.

Uniqueness and non-degeneracy rest on the same three facts: how far the dual vector at hand is
from an exact one, where :math:`|\\eta|` reaches its limit and what it looks like there, and
whether these are all such points.  :func:`examine` establishes them; its callers draw conclusions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np

from measurelp.certificate.bounds import without_skip
from measurelp.certificate.peaks import Landscape, Matrix, Peak, Vector, peak_near
from measurelp.certificate.saturated_set import (
    SAME_DIRECTION,
    View,
    covered,
    on_same_face,
    peaks_above,
    peaks_of_atoms,
)
from measurelp.certificate.saturation import Cover
from measurelp.certificate.solution_face import MassPolytope, mass_polytope
from measurelp.certificate.stationary import StationaryPoint, stationary_point

_ROUNDOFF = 2.0**-53
_DUST = 1e-6  # relative to the total variation: atoms that a solver may have left over
_SHIFT = 1e-9  # relative to the targets
MAX_RANK = 10


@dataclass(frozen=True, eq=False)
class Examination:
    r"""What is known of a dual function and its limit.

    Attributes
    ----------
    view : View
    landscape : Landscape
        Of the dual vector that was examined.
    support : list of Peak
        The measure's atoms, with ``masses`` (not signed).
    masses : array
    loose : list of int
        Indices of atoms that are no peaks.
    peaks : list of Peak
        The support, then further points at which \|eta\| is at its limit or above.
    lower : list of float
        Heights of lower peaks that were met.
    alpha_error, error : float
        Bounds on the distance to an exact dual vector (nan: none known), and on what that and
        rounding change in eta over the ball.
    point : StationaryPoint or None
    proof : str
        Where ``alpha_error`` comes from: "stationary point" or "duality gap".
    cover : Cover or None
        The search of weight space; None if something stood in its way.
    """

    view: View
    landscape: Landscape
    support: list[Peak]
    masses: Vector
    loose: list[int]
    peaks: list[Peak]
    lower: list[float]
    alpha_error: float
    error: float
    point: StationaryPoint | None
    proof: str
    cover: Cover | None = None

    @property
    def alpha(self) -> Vector:
        """The dual vector (n,)."""
        return self.view.dual_vector(self.landscape)

    @property
    def is_error_known(self) -> bool:
        """Whether the distance to an exact dual vector is bounded."""
        return math.isfinite(self.alpha_error)

    @property
    def is_complete(self) -> bool:
        """Whether ``peaks`` has every point at which the exact eta reaches its limit."""
        return self.cover is not None and self.cover.is_complete

    @property
    def margin(self) -> float:
        """The least strict complementarity of all peaks; nan if one is not decided."""
        if any(math.isnan(peak.margin) for peak in self.peaks):
            return math.nan
        return min((peak.margin for peak in self.peaks), default=math.inf)

    @property
    def idle(self) -> list[Peak]:
        """Points without mass that may be at the limit or above."""
        floor = self.view.problem.lam - self.error
        return [peak for peak in self.peaks[len(self.support) :] if peak.height >= floor]

    @property
    def next_height(self) -> float:
        """The highest peak below the limit that was met; nan if none was."""
        floor = self.view.problem.lam - self.error
        return max((height for height in self.lower if height < floor), default=math.nan)

    @cached_property
    def atoms(self) -> tuple[Matrix, Vector]:
        """Saturated points (k, r) and signs: peaks, loose atoms, centres of flat pieces."""
        view = self.view
        points = [peak.point for peak in self.peaks]
        signs = [peak.sign for peak in self.peaks]
        norms = view.problem.weight_norm(view.measure.atoms)
        for k in self.loose:
            points.append(view.space.coordinates(view.measure.atoms[k : k + 1] / norms[k])[0])
            signs.append(float(np.sign(view.measure.masses[k])))
        for i, j in self._flat_pieces():
            # At the centre of both masses one atom can take the place of two.
            first, second = self._carried[i], self._carried[j]
            share = first / (first + second) if first > 0.0 and second > 0.0 else 0.5
            centre = share * self.peaks[i].point + (1.0 - share) * self.peaks[j].point
            known = [
                sign == self.peaks[i].sign and np.linalg.norm(point - centre) <= SAME_DIRECTION
                for point, sign in zip(points, signs, strict=True)
            ]
            if not any(known):
                points.append(centre)
                signs.append(self.peaks[i].sign)
        r = self.landscape.rows.shape[1]
        return np.array(points).reshape(-1, r), np.array(signs)

    def _flat_pieces(self) -> list[tuple[int, int]]:
        """Pairs of peaks of a free bias between which eta is at its limit all along."""
        if not self.view.space.has_free_bias:
            return []
        pieces = []
        for i, first in enumerate(self.peaks):
            for j, second in enumerate(self.peaks[:i]):
                aligned = np.linalg.norm(first.point[:-1] - second.point[:-1]) <= SAME_DIRECTION
                if not aligned or first.sign != second.sign:
                    continue
                middle = 0.5 * (first.point + second.point)
                value = first.sign * float(self.landscape.values(middle[None, :])[0])
                if value >= self.view.problem.lam * (1.0 - 1e-10):
                    pieces.append((i, j))
        return pieces

    @cached_property
    def _carried(self) -> Vector:
        """Masses of the peaks when each atom inside a flat piece is split over the piece's ends.

        Between neighbouring kinks features are linear in the bias, so fit and total variation
        stay.  With an affine skip, opposite neurons can stand in for each other: both have the
        sum of their masses here.
        """
        carried = np.zeros(len(self.peaks))
        carried[: len(self.masses)] = self.masses
        measure, space = self.view.measure, self.view.space
        for k in self.loose:
            atom = measure.atoms[k : k + 1]
            norm = float(self.view.problem.weight_norm(atom)[0])
            point, mass = space.coordinates(atom / norm)[0], float(measure.masses[k])
            ends = [
                (float(peak.point[-1] - point[-1]), i)
                for i, peak in enumerate(self.peaks)
                if peak.sign == np.sign(mass)
                and np.linalg.norm(peak.point[:-1] - point[:-1]) <= SAME_DIRECTION
            ]
            above = min((end for end in ends if end[0] >= 0.0), default=None)
            below = max((end for end in ends if end[0] < 0.0), default=None)
            if above is None or below is None:
                continue
            share = -below[0] / (above[0] - below[0])
            carried[above[1]] += share * abs(mass) * norm
            carried[below[1]] += (1.0 - share) * abs(mass) * norm
        if self.view.problem.skip != "affine":
            return carried
        opposite = np.array([
            [np.linalg.norm(one.point + other.point) <= SAME_DIRECTION for other in self.peaks]
            for one in self.peaks
        ]).reshape(len(carried), len(carried))  # fmt: skip
        return np.asarray(carried + opposite @ carried)

    @cached_property
    def polytope(self) -> MassPolytope:
        """The optimal masses over the saturated points."""
        points, signs = self.atoms
        features = self.view.features(points) * signs
        start = np.zeros(len(points))
        start[: len(self.masses)] = self.masses
        for j, k in enumerate(self.loose):
            start[len(self.peaks) + j] = abs(float(self.view.measure.masses[k]))
        return mass_polytope(features, self.view.basis, start)

    @property
    def smallest_singular_value(self) -> float:
        """Of the saturated features in units of their lengths, modulo the skip."""
        return float(self.polytope.singular_values.min(initial=math.inf))

    @property
    def target_shift(self) -> float:
        """The proof is about targets at most this far from the given ones."""
        return 0.0 if self.point is None else self.point.target_shift

    def obstacle(self, max_work: float) -> str:
        """Why it is not proved that exactly the peaks saturate and are independent; or empty."""
        lam, error, margin = self.view.problem.lam, self.error, self.margin
        if self.loose:
            return (
                f"{len(self.loose)} atoms of the solution are no strict peaks of the dual function; "
                "solve again with a smaller tol_gap"
            )
        if not self.is_error_known:
            return (
                "no exact stationary point could be proved near the solution: its features "
                "depend on each other, or targets and data are degenerate"
            )
        if self.landscape.rows.shape[1] > MAX_RANK:
            return f"the rank {self.landscape.rows.shape[1]} is too large for the search"
        if not margin > error:
            return (
                "a peak on a wall is not strictly complementary by more than the dual error "
                f"(margin {margin / lam:.2g}, error {error / lam:.2g}, relative)"
            )
        if self.cover is None or not self.cover.is_complete:
            return f"the search was not completed within max_work = {max_work:.3g}: " + (
                "it was not begun"
                if self.cover is None
                else f"{len(self.cover.cones)} cones are open"
            )
        moved = 4.0 * error / lam + 2e-13
        moved *= self.view.reach * math.sqrt(max(1, len(self.peaks)))
        lengths = np.linalg.norm(self.view.features(self.atoms[0]), axis=0)
        smallest = self.smallest_singular_value
        if len(lengths) and not smallest * float(lengths.min()) > moved + 1e-12 * lengths.max():
            return (
                f"the saturated features are nearly dependent (smallest singular value "
                f"{smallest:.2g})"
            )
        return ""


def examine(
    view: View,
    alpha: Vector,
    max_work: float,
    *,
    gap: float = math.nan,
    nearest_to: Vector | None = None,
) -> Examination:
    """Examine the dual function of ``alpha``, or of an exact dual vector near it.

    Parameters
    ----------
    view : View
    alpha : (n,) array
        Orthogonal to the skip.
    max_work : float
        Rows times cones that the search may look at.
    gap : float
        If known, a proved gap of least squares, in place of an exact stationary point.
    nearest_to : (n,) array, optional
        For interpolation: of all dual vectors that are stationary at the atoms, examine the one
        nearest to this (0: of least norm), and not one near ``alpha``.
    """
    lam = view.problem.lam
    by_gap = not math.isnan(gap)
    at = locate(view, alpha, nearest_to=nearest_to, exactly=not by_gap)
    alpha_error = math.sqrt(2.0 * max(gap, 0.0)) if by_gap else at.alpha_error
    known = math.isfinite(alpha_error)
    error = view.error(view.dual_vector(at.landscape), alpha_error if known else 0.0)
    floor = lam - (2.0 * error if known else 1e-9 * lam)
    peaks, lower = peaks_above(view, at.landscape, at.support, floor)
    result = Examination(
        view, at.landscape, at.support, at.masses, at.loose, peaks, lower, alpha_error, error,
        at.point, "duality gap" if by_gap else "stationary point",
    )  # fmt: skip
    if (
        not known or at.loose or at.landscape.rows.shape[1] > MAX_RANK
        or any(peak.height > lam + error for peak in result.idle)
        or not all(peak.margin > error for peak in peaks) or result.polytope.dimension
    ):  # fmt: skip
        return result
    return replace(result, cover=covered(view, at.landscape, peaks, lower, error, max_work))


class Located(NamedTuple):
    """A measure's atoms as peaks of a dual function, and the exact stationary point near them.

    Attributes
    ----------
    landscape : Landscape
        Of the exact point's dual vector, or of the given one.
    support, masses, loose
        As in :class:`Examination`.
    alpha : (n,) array
    alpha_error : float
        Its distance to an exact dual vector is at most this; nan where that is not known.
    point : StationaryPoint or None
    """

    landscape: Landscape
    support: list[Peak]
    masses: Vector
    loose: list[int]
    alpha: Vector
    alpha_error: float
    point: StationaryPoint | None


def locate(
    view: View, alpha: Vector, *, nearest_to: Vector | None = None, exactly: bool = True
) -> Located:
    """Find the peaks at the atoms, and unless told otherwise an exact stationary point on their faces.

    Atoms of less than a millionth of the total variation are dropped if there is an exact point
    without them only.
    """
    problem = view.problem
    landscape = view.landscape(alpha)
    support, masses, loose = peaks_of_atoms(view, landscape)
    hard = problem.loss.is_hard_constraint
    if not exactly or loose:
        return Located(landscape, support, masses, loose, alpha, math.nan, None)
    start = alpha if nearest_to is None else nearest_to
    if not support and (nearest_to is not None or not hard):
        # The zero measure: its dual vector is y, or any feasible one, without the skip.
        alpha = without_skip(start, view.basis)
        size = float(np.linalg.norm(start)) + (0.0 if hard else float(np.linalg.norm(problem.y)))
        rounding = 16.0 * (problem.n + 8) * _ROUNDOFF * size
        return Located(view.landscape(alpha), support, masses, loose, alpha, rounding, None)
    found = _exact(view, support, masses, start)
    kept = masses > _DUST * masses.sum()
    if found is None and not kept.all():
        heavy = [peak for peak, keep in zip(support, kept, strict=True) if keep]
        found = _exact(view, heavy, masses[kept], start)
        if found is not None and found[0].target_shift > _SHIFT * np.linalg.norm(problem.y):
            found = None
    if found is None:
        return Located(landscape, support, masses, loose, alpha, math.nan, None)
    point, landscape, support = found
    return Located(landscape, support, point.masses, loose, point.alpha, point.alpha_error, point)


def _exact(
    view: View, support: list[Peak], masses: Vector, alpha: Vector
) -> tuple[StationaryPoint, Landscape, list[Peak]] | None:
    """An exact stationary point on the faces of ``support``, and these peaks with its dual vector."""
    skip, problem = view.skip_matrix(), view.problem
    if skip is None or not support:
        return None
    point = stationary_point(
        view.space.rows, skip, problem.y, problem.lam, support, view.active(support), masses, alpha,
        hard=problem.loss.is_hard_constraint, row_error=view.row_error,
    )  # fmt: skip
    if point is None:
        return None
    landscape = view.landscape(point.alpha)
    again = [peak_near(landscape, peak.point) for peak in support]
    kept = [new for new, old in zip(again, support, strict=True) if on_same_face(new, old)]
    # With fewer, the point is about other faces.
    return (point, landscape, kept) if len(kept) == len(support) else None
