"""Is an optimal measure the only one?  Proved, refuted by two of them, or left open."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from measurelp._display import compact, html_table
from measurelp.certificate.bounds import evaluate, skip_basis, without_skip
from measurelp.certificate.certificate import Certificate
from measurelp.certificate.certify import certify
from measurelp.certificate.examination import Examination, examine
from measurelp.certificate.saturated_set import View
from measurelp.certificate.solution_face import MassPolytope, measure_with_masses
from measurelp.errors import InvalidProblem
from measurelp.measure import AtomicMeasure
from measurelp.problem import MeasureProblem
from measurelp.status import Verdict

_WIDE = 1e-6  # relative to the total variation: a mass with this range has more than one value
_ALTERNATIVE_GAP = 1e-9  # relative gap to which the two measures of NOT_UNIQUE must be optimal
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

    def _repr_html_(self) -> str:
        rows = [
            ("reason", self.message),
            ("points at the level", len(self.saturated)),
            ("smallest singular value", compact(self.smallest_singular_value, 3)),
            ("strict complementarity", compact(self.margin, 3)),
            ("next peak below by", compact(self.gap_to_next, 3)),
        ]
        return html_table(f"{self.verdict.name}: {self.verdict.value}", rows)


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
    found = _verdict(examine(view, first_dual(solution), max_work), max_work)
    squared = not solution.problem.loss.is_hard_constraint
    if found.verdict is UniquenessVerdict.UNDECIDED and squared:
        own = solution.problem.loss.dual_from_fit(view.fit, solution.problem.y)
        gap = certify(solution.problem, solution.measure, dual=solution.dual, tol_gap=1e-12).gap
        if own is not None and math.isfinite(gap):
            own = without_skip(own, view.basis)
            again = _verdict(examine(view, own, max_work, gap=gap), max_work)
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
    check_plain(solution.problem, "solution", name)
    if solution.certificate.verdict is not Verdict.OPTIMAL:
        raise InvalidProblem(
            f"solution: its verdict is {solution.certificate.verdict.name}, but {name} asks about "
            "a proved optimum; solve with a larger tol_gap or more time."
        )


def is_plain(problem: MeasureProblem) -> bool:
    """Whether exact stationary points are worked out for a problem."""
    loss = problem.loss.is_quadratic or problem.loss.is_hard_constraint
    plain = problem.ball.name == "l2" and problem.activation.name == "relu"
    return loss and plain and not (problem.is_weighted or problem.is_vector)


def check_plain(problem: MeasureProblem, argument: str, name: str) -> None:
    """Refuse other problems."""
    if not is_plain(problem):
        raise InvalidProblem(
            f"{argument}: {name} is worked out for the squared loss without weights and for "
            f"interpolation, with one output, L2Ball() and ReLU(); found {problem!r}."
        )


def first_dual(solution: Solved) -> NDArray[np.float64]:
    """A dual vector to start from."""
    problem = solution.problem
    own = problem.loss.dual_from_fit(evaluate(problem, solution.measure).fit, problem.y)
    if own is None:
        reached = solution.certificate.sup[0]
        own = np.asarray(solution.dual) * (problem.lam / reached if reached > 0.0 else 1.0)
    return without_skip(own, skip_basis(problem))


def _verdict(found: Examination, max_work: float) -> Uniqueness:
    """What follows for the number of optimal measures."""
    view, lam, error = found.view, found.view.problem.lam, found.error
    points, signs = found.atoms
    polytope = found.polytope
    ranges, reached = polytope.ranges()
    width = ranges[:, 1] - ranges[:, 0]
    pair: tuple[AtomicMeasure, ...] = ()
    certificates: tuple[Certificate, ...] = ()
    reason = ""
    if len(width) and float(width.max()) > _WIDE * float(polytope.start.sum()):
        pair = tuple(
            measure_with_masses(view.problem, view.space.weights(points), signs * masses, view.fit)
            for masses in reached[int(np.argmax(width))]
        )
        certificates = tuple(
            certify(view.problem, one, dual=found.alpha, tol_gap=_ALTERNATIVE_GAP) for one in pair
        )
        if not all(one.is_optimal for one in certificates):
            pair, certificates = (), ()
            reason = (
                "the saturated features depend on each other, but another optimal measure "
                "could not be certified"
            )
    if pair:
        verdict = UniquenessVerdict.NOT_UNIQUE
        worst = max(one.relative_gap for one in certificates)
        message = (
            f"two measures that differ in a mass by {float(width.max()):.3g} have the same "
            f"fit and are both optimal to a relative gap of {max(worst, 0.0):.2g}"
        )
    else:
        if not reason and found.is_error_known and found.idle and found.proof == "stationary point":
            # Such a dual vector need not be feasible.
            reason = (
                f"at {len(found.idle)} further points |eta| equals the limit up to rounding "
                f"(relative error {error / lam:.2g}) without any mass there"
            )
        reason = reason or found.obstacle(max_work)
        verdict = UniquenessVerdict.UNDECIDED if reason else UniquenessVerdict.UNIQUE
        message = reason or _proved(found)
    return Uniqueness(
        verdict=verdict, message=message, saturated=view.space.weights(points),
        ranges=np.where(signs[:, None] > 0.0, ranges, -ranges[:, ::-1]),
        alternatives=pair, certificates=certificates,
        smallest_singular_value=found.smallest_singular_value, margin=found.margin / lam,
        gap_to_next=(lam - found.next_height) / lam,
        dual_error=error / lam if found.is_error_known else math.nan,
        target_shift=found.target_shift, proof=found.proof if found.is_error_known else "",
        nodes=0 if found.cover is None else found.cover.nodes,
        polytope=polytope, signs=signs, search_complete=found.is_complete,
    )  # fmt: skip


def _proved(found: Examination) -> str:
    shift = found.target_shift
    targets = f", for targets within {shift:.2g} of the given ones" if shift > 0.0 else ""
    return (
        f"|eta| reaches its limit at most at {len(found.peaks)} points, whose features are "
        f"independent; dual error {found.error / found.view.problem.lam:.2g} (relative, by the "
        f"{found.proof}){targets}"
    )
