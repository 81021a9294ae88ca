"""Is an optimal measure the only one?  Proved, refuted by two of them, or left open."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from measurelp.certificate.bounds import evaluate, skip_basis, without_skip
from measurelp.certificate.certificate import Certificate
from measurelp.certificate.certify import certify
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
from measurelp.certificate.solution_face import MassPolytope, mass_polytope, measure_with_masses
from measurelp.certificate.stationary import StationaryPoint, stationary_point
from measurelp.errors import InvalidProblem
from measurelp.measure import AtomicMeasure
from measurelp.problem import MeasureProblem
from measurelp.status import Verdict

_ROUNDOFF = 2.0**-53
_WIDE = 1e-6  # relative to the total variation: a mass with this range has more than one value
_ALTERNATIVE_GAP = 1e-9  # relative gap to which the two measures of NOT_UNIQUE must be optimal
_MAX_RANK = 10
DEFAULT_WORK = 1e8


@runtime_checkable
class Solved(Protocol):
    """What is asked about: a :class:`~measurelp.Solution`."""

    @property
    def problem(self) -> MeasureProblem: ...

    @property
    def measure(self) -> AtomicMeasure: ...

    @property
    def dual(self) -> NDArray[np.float64]: ...

    @property
    def certificate(self) -> Certificate: ...


class UniquenessVerdict(Enum):
    """What is known about the number of optimal measures."""

    UNIQUE = "the optimal measure is the only one, proved"
    NOT_UNIQUE = "two optimal measures are known, each with its certificate"
    UNDECIDED = "neither was shown; the message says why"


@dataclass(frozen=True, eq=False)
class Uniqueness:
    r"""Whether an optimal measure is the only one, and by what margins.

    Attributes
    ----------
    verdict : UniquenessVerdict
    message : str
        The verdict, or what stands in its way, in a sentence.
    saturated : (k, d') array
        Unit weights at which \|eta\| is or may be at its limit.  For UNIQUE it is proved that
        there are no others; otherwise these were found.
    ranges : (k, 2) array
        Least and greatest signed mass of each over the optimal measures that live on
        ``saturated`` (by linear programs).
    alternatives : tuple of AtomicMeasure
        For NOT_UNIQUE two measures that are both optimal; else empty.
    certificates : tuple of Certificate
        Theirs.
    smallest_singular_value : float
        Of the saturated features in units of their lengths, the skip projected out; inf where
        there are none.
    margin : float
        The least strict complementarity of the saturated peaks on their walls, relative to
        the limit (:mod:`measurelp.certificate.peaks`); inf where no peak lies on a wall.
    gap_to_next : float
        (limit - height of the highest other peak that was met) / limit; nan if none was met.
    dual_error : float
        Proved bound on the error of eta over the ball, relative to the limit.  UNIQUE is said
        only if the margins exceed what follows from it.
    target_shift : float
        For interpolation with fewer unknowns than data: the proof is about targets at most
        this far (2-norm) from the given ones.  0 otherwise.
    proof : str
        "stationary point" or "duality gap": where ``dual_error`` comes from; "" without.
    nodes : int
        Cones that the search of weight space looked at.
    polytope : MassPolytope
        The optimal masses over ``saturated``, without their ``signs`` (k,).
    search_complete : bool
        Whether all of weight space was covered, so that ``saturated`` has every point at which
        \|eta\| comes within ``dual_error`` of the limit.
    """

    verdict: UniquenessVerdict
    message: str
    saturated: NDArray[np.float64]
    ranges: NDArray[np.float64]
    alternatives: tuple[AtomicMeasure, ...]
    certificates: tuple[Certificate, ...]
    smallest_singular_value: float
    margin: float
    gap_to_next: float
    dual_error: float
    target_shift: float
    proof: str
    nodes: int
    polytope: MassPolytope
    signs: NDArray[np.float64]
    search_complete: bool

    @property
    def is_unique(self) -> bool:
        """Whether uniqueness was proved."""
        return self.verdict is UniquenessVerdict.UNIQUE

    def __repr__(self) -> str:
        return f"Uniqueness({self.verdict.name}, {len(self.saturated)} saturated: {self.message})"


def uniqueness(solution: Solved, *, max_work: float = DEFAULT_WORK) -> Uniqueness:
    r"""Decide whether a solution is the only optimal measure.

    Every optimal measure lives on the saturation set :math:`\{|\eta| = \lambda\}` of the dual
    function, with the sign of eta, and has the same fit.  If the set is finite and its
    features :math:`\phi(w_k)` are linearly independent modulo the skip, there is only one.

    The proof has three parts.  (1) A bound on the distance from the dual vector at hand to an
    exact one: an exact stationary point close to the numerical one (Newton and Kantorovich),
    or, for least squares, :math:`|\alpha-\alpha^*|\le\sqrt{2\,\mathrm{gap}}`.  (2) A search of
    all of weight space by simplicial cones, which proves that eta stays below the limit by
    more than that error except in the cones around the listed peaks, and there a peak is alone
    because complementarity is strict by more than the error.  (3) The features'
    smallest singular value exceeds what the error can change.

    Parameters
    ----------
    solution : Solution
        With the verdict OPTIMAL; the better its gap, the more can be decided.
    max_work : float
        Rows times cones that the search may look at.

    Returns
    -------
    Uniqueness
        UNIQUE: proved, rounding included.  NOT_UNIQUE: two measures that differ in a mass by
        more than 1e-6 of the total variation have the same fit and are each certified optimal
        to a relative gap of 1e-9; that a change of the data by rounding makes one of them
        slightly better is not excluded.  UNDECIDED: the message says what is missing.

    Raises
    ------
    InvalidProblem
        If ``solution`` is not a solution (a bare measure or network: solve first) or is not
        OPTIMAL.

    Notes
    -----
    The search grows sevenfold or more with each dimension of the row space; above rank 10 the
    answer is UNDECIDED unless two optimal measures are met.  Sources: Del Grande, Brune and Carioni 2026
    (localisation and independence suffice); Mishkin and Pilanci 2023 (the optimal set is
    polyhedral).

    Examples
    --------
    >>> import measurelp as mlp
    >>> solution = mlp.solve(mlp.MeasureProblem([[3.0, 4.0]], [2.0], lam=0.5, bias="none"))
    >>> mlp.uniqueness(solution).verdict.name
    'UNIQUE'
    """
    check_optimal(solution, "uniqueness")
    if not max_work > 0.0:
        raise InvalidProblem(f"max_work: expected a number > 0, found {max_work!r}.")
    view = View(solution.problem, solution.measure)
    found = _attempt(view, _first_dual(solution), max_work, by_gap=False)
    squared = not solution.problem.loss.is_hard_constraint
    if found.verdict is UniquenessVerdict.UNDECIDED and squared:
        own = solution.problem.loss.dual_from_fit(view.fit, solution.problem.y)
        gap = certify(solution.problem, solution.measure, dual=solution.dual, tol_gap=1e-12).gap
        if own is not None and math.isfinite(gap):
            again = _attempt(
                view, without_skip(own, view.basis), max_work, by_gap=True, gap=gap
            )  # fmt: skip
            if again.verdict is not UniquenessVerdict.UNDECIDED:
                return again
    return found


def check_optimal(solution: object, name: str) -> None:
    """Refuse what is not an optimal solution."""
    if not isinstance(solution, Solved):
        raise InvalidProblem(
            f"solution: {name} asks about what mlp.solve returns, found "
            f"{type(solution).__name__}; solve the problem first."
        )
    if solution.certificate.verdict is not Verdict.OPTIMAL:
        raise InvalidProblem(
            f"solution: its verdict is {solution.certificate.verdict.name}, but {name} asks about "
            "a proved optimum; solve with a larger tol_gap or more time."
        )


def _first_dual(solution: Solved) -> Vector:
    """A dual vector to start from."""
    problem = solution.problem
    own = problem.loss.dual_from_fit(evaluate(problem, solution.measure).fit, problem.y)
    if own is None:
        reached = solution.certificate.sup[0]
        own = np.asarray(solution.dual) * (problem.lam / reached if reached > 0.0 else 1.0)
    return without_skip(own, skip_basis(problem))


def _attempt(
    view: View, alpha: Vector, max_work: float, *, by_gap: bool, gap: float = math.nan
) -> Uniqueness:
    """One way to bound the dual error, and all that follows."""
    problem, lam = view.problem, view.problem.lam
    landscape = view.landscape(alpha)
    support, masses, loose = peaks_of_atoms(view, landscape)
    point: StationaryPoint | None = None
    skip = view.skip_matrix()
    if not by_gap and not loose and skip is not None and support:
        point = stationary_point(
            view.space.rows, skip, problem.y, lam, support, view.active(support), masses, alpha,
            hard=problem.loss.is_hard_constraint, row_error=view.row_error,
        )  # fmt: skip
        if point is not None:
            alpha, masses = point.alpha, point.masses
            landscape = view.landscape(alpha)
            again = [peak_near(landscape, peak.point) for peak in support]
            kept = [new for new, old in zip(again, support, strict=True) if on_same_face(new, old)]
            if len(kept) < len(support):
                point = None  # it is about other faces
            else:
                support = kept
    alpha_error = math.sqrt(2.0 * max(gap, 0.0)) if by_gap else math.nan
    if point is not None:
        alpha_error = point.alpha_error
    elif not by_gap and not support and not loose and not problem.loss.is_hard_constraint:
        # The zero measure: its dual vector is y without the skip.
        alpha_error = 16.0 * (problem.n + 8) * _ROUNDOFF * float(np.linalg.norm(problem.y))
    known = math.isfinite(alpha_error)
    error = view.error(alpha, alpha_error if known else 0.0)

    floor = lam - (2.0 * error if known else 1e-9 * lam)
    peaks, lower = peaks_above(view, landscape, support, floor)
    cover: Cover | None = None
    state = _State(view, landscape, support, masses, loose, peaks, lower, alpha_error, error, point)
    if (
        known and not loose and landscape.rows.shape[1] <= _MAX_RANK
        and all(peak.margin > error for peak in peaks) and state.polytope.dimension == 0
    ):  # fmt: skip
        cover = covered(view, landscape, peaks, lower, error, max_work)
    return state.answer(cover, "duality gap" if by_gap else "stationary point", max_work)


class _State:
    """What is known in one attempt."""

    def __init__(
        self, view: View, landscape: Landscape, support: list[Peak], masses: Vector,
        loose: list[int], peaks: list[Peak], lower: list[float], alpha_error: float, error: float,
        point: StationaryPoint | None,
    ) -> None:  # fmt: skip
        self.view, self.landscape = view, landscape
        self.support, self.masses, self.loose = support, masses, loose
        self.peaks, self.lower = peaks, lower
        self.alpha_error, self.error, self.point = alpha_error, error, point

    @property
    def atoms(self) -> tuple[Matrix, Vector]:
        """Saturated points (k, r) and signs: peaks, loose atoms, middles of flat pieces."""
        view = self.view
        points = [peak.point for peak in self.peaks]
        signs = [peak.sign for peak in self.peaks]
        norms = view.problem.weight_norm(view.measure.atoms)
        for k in self.loose:
            points.append(view.space.coordinates(view.measure.atoms[k : k + 1] / norms[k])[0])
            signs.append(float(np.sign(view.measure.masses[k])))
        if view.space.has_free_bias:
            for a, first in enumerate(self.peaks):
                for second in self.peaks[:a]:
                    aligned = np.linalg.norm(first.point[:-1] - second.point[:-1]) <= SAME_DIRECTION
                    middle = 0.5 * (first.point + second.point)
                    value = first.sign * float(self.landscape.values(middle[None, :])[0])
                    if (
                        aligned and first.sign == second.sign
                        and value >= view.problem.lam * (1.0 - 1e-10)
                    ):  # fmt: skip
                        points.append(middle)
                        signs.append(first.sign)
        r = self.landscape.rows.shape[1]
        return np.array(points).reshape(-1, r), np.array(signs)

    @property
    def polytope(self) -> MassPolytope:
        """The optimal masses over the saturated points."""
        points, signs = self.atoms
        features = self.view.features(points) * signs
        start = np.zeros(len(points))
        start[: len(self.masses)] = self.masses
        for j, k in enumerate(self.loose):
            start[len(self.peaks) + j] = abs(float(self.view.measure.masses[k]))
        return mass_polytope(features, self.view.basis, start)

    def answer(self, cover: Cover | None, proof: str, max_work: float) -> Uniqueness:
        view, lam, error = self.view, self.view.problem.lam, self.error
        points, signs = self.atoms
        polytope = self.polytope
        ranges, reached = polytope.ranges()
        known = math.isfinite(self.alpha_error)
        pair: tuple[AtomicMeasure, ...] = ()
        certificates: tuple[Certificate, ...] = ()
        width = ranges[:, 1] - ranges[:, 0]
        total = float(polytope.start.sum())
        wide = len(width) > 0 and float(width.max()) > _WIDE * total
        reason = ""
        if wide:
            low, high = reached[int(np.argmax(width))]
            pair = tuple(
                measure_with_masses(
                    view.problem, view.space.weights(points), signs * masses, view.fit
                )
                for masses in (low, high)
            )
            certificates = tuple(
                certify(view.problem, one, dual=self.alpha, tol_gap=_ALTERNATIVE_GAP)
                for one in pair
            )
            if all(one.is_optimal for one in certificates):
                verdict = UniquenessVerdict.NOT_UNIQUE
                worst = max(one.relative_gap for one in certificates)
                message = (
                    f"two measures that differ in a mass by {float(width.max()):.3g} have the same "
                    f"fit and are both optimal to a relative gap of {max(worst, 0.0):.2g}"
                )
            else:
                pair, certificates = (), ()
                reason = (
                    "the saturated features depend on each other, but another optimal measure "
                    "could not be certified"
                )
        smallest = float(polytope.singular_values.min(initial=math.inf))
        margin = min((peak.margin for peak in self.peaks), default=math.inf)
        if any(math.isnan(peak.margin) for peak in self.peaks):
            margin = math.nan
        if not pair:
            reason = reason or self._obstacle(cover, margin, smallest, proof, max_work)
            verdict = UniquenessVerdict.UNDECIDED if reason else UniquenessVerdict.UNIQUE
            message = reason or self._proved(proof)
        signed = np.where(signs[:, None] > 0.0, ranges, -ranges[:, ::-1])
        below = max((height for height in self.lower if height < lam - error), default=math.nan)
        return Uniqueness(
            verdict=verdict, message=message, saturated=view.space.weights(points),
            ranges=signed, alternatives=pair, certificates=certificates,
            smallest_singular_value=smallest, margin=margin / lam,
            gap_to_next=(lam - below) / lam, dual_error=error / lam if known else math.nan,
            target_shift=0.0 if self.point is None else self.point.target_shift,
            proof=proof if known else "", nodes=0 if cover is None else cover.nodes,
            polytope=polytope, signs=signs,
            search_complete=cover is not None and cover.is_complete,
        )  # fmt: skip

    @property
    def alpha(self) -> Vector:
        return self.view.dual_vector(self.landscape)

    def _obstacle(
        self, cover: Cover | None, margin: float, smallest: float, proof: str, max_work: float
    ) -> str:
        """Why uniqueness is not proved; empty if it is."""
        view, lam, error = self.view, self.view.problem.lam, self.error
        if self.loose:
            return (
                f"{len(self.loose)} atoms of the solution are no strict peaks of the dual function; "
                "solve again with a smaller tol_gap"
            )
        if not math.isfinite(self.alpha_error):
            return (
                "no exact stationary point could be proved near the solution: its features "
                "depend on each other, or targets and data are degenerate"
            )
        if self.landscape.rows.shape[1] > _MAX_RANK:
            return f"the rank {self.landscape.rows.shape[1]} is too large for the search"
        if not margin > error:
            return (
                "a peak on a wall is not strictly complementary by more than the dual error "
                f"(margin {margin / lam:.2g}, error {error / lam:.2g}, relative)"
            )
        idle = [peak for peak in self.peaks[len(self.support) :] if peak.height >= lam - error]
        if idle and proof == "stationary point":
            return (
                f"at {len(idle)} further points |eta| equals the limit up to rounding "
                f"(relative error {error / lam:.2g}) without any mass there"
            )
        if cover is None or not cover.is_complete:
            return f"the search was not completed within max_work = {max_work:.3g}: " + (
                "it was not begun" if cover is None else f"{len(cover.cones)} cones are open"
            )
        moved = 4.0 * error / lam + 2e-13
        moved *= view.reach * math.sqrt(max(1, len(self.peaks)))
        points, _ = self.atoms
        lengths = np.linalg.norm(view.features(points), axis=0)
        if len(lengths) and not smallest * float(lengths.min()) > moved + 1e-12 * lengths.max():
            return (
                f"the saturated features are nearly dependent (smallest singular value "
                f"{smallest:.2g})"
            )
        return ""

    def _proved(self, proof: str) -> str:
        count = len(self.peaks)
        shift = 0.0 if self.point is None else self.point.target_shift
        targets = f", for targets within {shift:.2g} of the given ones" if shift > 0.0 else ""
        return (
            f"|eta| reaches its limit at most at {count} points, whose features are independent; "
            f"dual error {self.error / self.view.problem.lam:.2g} (relative, by the {proof})"
            f"{targets}"
        )
