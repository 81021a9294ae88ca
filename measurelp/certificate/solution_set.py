"""All optimal measures at once: a polytope of masses over the saturated points."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from measurelp.backends import minimise_integer
from measurelp.certificate.bounds import evaluate
from measurelp.certificate.certify import candidate_measure
from measurelp.certificate.solution_face import measure_with_masses
from measurelp.certificate.uniqueness import (
    DEFAULT_WORK,
    Solved,
    Uniqueness,
    check_optimal,
    uniqueness,
)
from measurelp.errors import BudgetExceeded, InvalidProblem
from measurelp.measure import AtomicMeasure
from measurelp.problem import MeasureProblem

Vector = NDArray[np.float64]
_DUST = 1e-9  # relative to the largest mass
_SMALL = 1e-6


class Sparsest(NamedTuple):
    """An optimal measure with few atoms.

    Attributes
    ----------
    measure : AtomicMeasure
    lower_bound : int
        No measure of the set has fewer atoms, by the bound of the integer program.
    """

    measure: AtomicMeasure
    lower_bound: int

    @property
    def is_minimal(self) -> bool:
        """Whether the bound is met."""
        return len(self.measure) <= self.lower_bound


@dataclass(frozen=True, eq=False)
class SolutionSet:
    r"""The optimal measures over given saturated points: :math:`\{c^0 + Nt \ge 0\}`.

    Attributes
    ----------
    problem : MeasureProblem
    fit : (n,) array
        The fit of all optimal measures.
    uniqueness : Uniqueness
        The saturated points, and what is proved of them: ``uniqueness.search_complete`` says
        whether there are no others.
    """

    problem: MeasureProblem
    fit: NDArray[np.float64]
    uniqueness: Uniqueness

    @property
    def atoms(self) -> NDArray[np.float64]:
        """The saturated points (k, d')."""
        return self.uniqueness.saturated

    @property
    def dimension(self) -> int:
        """Dimension of the set: null vectors among masses that can be positive.

        A mass that is zero in every optimal measure takes away what depends on it.
        """
        polytope = self.uniqueness.polytope
        if polytope.dimension == 0:
            return 0
        bounds, _ = polytope.ranges()
        fixed = bounds[:, 1] - bounds[:, 0] <= _DUST * float(bounds[:, 1].max())
        rank = int(np.linalg.matrix_rank(polytope.null[fixed], tol=1e-9)) if fixed.any() else 0
        return polytope.dimension - rank

    def vertices(self, *, max_bases: int = 20_000) -> list[AtomicMeasure]:
        """The extreme points, by trying every choice of vanishing masses.

        Raises
        ------
        BudgetExceeded
            When there are more than ``max_bases`` choices.
        """
        polytope = self.uniqueness.polytope
        k, q = polytope.null.shape
        count = math.comb(k, q)
        if count > max_bases:
            raise BudgetExceeded(
                f"vertices: {count} choices of {q} vanishing masses among {k}, and max_bases is "
                f"{max_bases}; ask for sparsest() or widest() instead, or raise max_bases."
            )
        size = float(polytope.start.max(initial=0.0))
        found: list[Vector] = []
        for chosen in combinations(range(k), q):
            block = polytope.null[list(chosen)]
            if q and np.linalg.svd(block, compute_uv=False)[-1] < 1e-9:
                continue
            step = np.linalg.solve(block, -polytope.start[list(chosen)]) if q else np.zeros(0)
            masses = polytope.start + polytope.null @ step
            if masses.min(initial=0.0) < -_DUST * size:
                continue
            masses[masses <= _DUST * size] = 0.0
            if all(np.abs(masses - other).max() > 1e-7 * size for other in found):
                found.append(masses)
        return [self._measure(masses) for masses in found]

    def contains(self, measure: AtomicMeasure, *, tolerance: float = 1e-7) -> bool:
        """Whether a measure has the fit and the total variation of all optimal ones.

        That is what optimality means; ``tolerance`` is relative, for both.
        """
        unit = candidate_measure(self.problem, measure)
        total = float(self.uniqueness.polytope.start.sum())
        off = float(np.abs(evaluate(self.problem, unit).fit - self.fit).max())
        size = float(np.abs(self.fit).max()) or float(np.abs(self.problem.y).max())
        return off <= tolerance * size and abs(unit.total_variation - total) <= tolerance * total

    def sparsest(self, *, time_limit: float = 60.0) -> Sparsest:
        r"""A measure with the fewest atoms, and a bound that proves it.

        .. math:: \min \sum_k z_k \text{ s.t. } 0 \le c^0 + Nt \le M z,\ z\in\{0,1\}^k,

        M the greatest value of each mass.  The bound is the integer program's: exact
        up to the solver's tolerances, and about atoms at the saturated points only.
        """
        polytope = self.uniqueness.polytope
        k, q = polytope.null.shape
        size = float(polytope.start.max(initial=0.0))
        if q == 0 or size == 0.0:
            measure = self._measure(polytope.start)
            return Sparsest(measure, len(measure))
        bounds, _ = polytope.ranges()
        # Masses that are zero up to rounding in every solution are not counted.
        counted = bounds[:, 1] > _SMALL * size
        largest = np.maximum(bounds[:, 1] / size, _SMALL) * (1.0 + 1e-6)
        start = polytope.start / size
        matrix = np.block([
            [-polytope.null, np.zeros((k, k))], [polytope.null, -np.diag(largest)]
        ])  # fmt: skip
        report = minimise_integer(
            np.append(np.zeros(q), counted), matrix, np.append(start, -start),
            lowest=np.append(np.full(q, -np.inf), np.zeros(k)),
            highest=np.append(np.full(q, np.inf), np.ones(k)),
            integer=np.arange(q + k) >= q, time_limit=time_limit,
        )  # fmt: skip
        kept = counted & (report.x[q:] > 0.5)
        masses = np.zeros(k)
        if kept.any():
            features = self.problem.features(self.atoms[kept]) * self.uniqueness.signs[kept]
            columns = np.hstack([features, self.problem.skip_columns])
            refitted = np.linalg.lstsq(columns, self.fit, rcond=None)[0]
            masses[kept] = np.maximum(refitted[: int(kept.sum())], 0.0)
        measure = self._measure(masses)
        if not self.contains(measure):
            measure = self._measure(size * np.maximum(start + polytope.null @ report.x[:q], 0.0))
        return Sparsest(measure, math.ceil(report.bound - 1e-4))

    def widest(self) -> AtomicMeasure:
        """A measure with the most atoms: every point that can have mass has some."""
        polytope = self.uniqueness.polytope
        if len(polytope.start) == 0:
            return self._measure(polytope.start)
        _, reached = polytope.ranges()
        return self._measure(np.mean([high for _, high in reached], axis=0))

    def closest_to(self, weights: ArrayLike) -> AtomicMeasure:
        """The measure whose signed masses on ``atoms`` are closest to given ones, (k,)."""
        target = np.asarray(weights, dtype=np.float64)
        if target.shape != (len(self.atoms),) or not np.isfinite(target).all():
            raise InvalidProblem(
                f"weights: expected {len(self.atoms)} finite masses, one for each of `atoms`, "
                f"found shape {target.shape}."
            )
        return self._measure(self.uniqueness.polytope.nearest(self.uniqueness.signs * target))

    def _measure(self, masses: Vector) -> AtomicMeasure:
        return measure_with_masses(
            self.problem, self.atoms, self.uniqueness.signs * masses, self.fit
        )

    def __repr__(self) -> str:
        return f"SolutionSet(dimension={self.dimension}, {len(self.atoms)} saturated points)"


def solution_set(solution: Solved, *, max_work: float = DEFAULT_WORK) -> SolutionSet:
    r"""The polytope of optimal measures of a loss with a unique fit.

    Parameters
    ----------
    solution : Solution
        With the verdict OPTIMAL.
    max_work : float
        As for :func:`uniqueness`.

    Returns
    -------
    SolutionSet
        Over the saturated points that were found; whether these are proved to be all is
        ``solution_set(...).uniqueness.search_complete``.  With a free bias, flat pieces between
        two saturated knots hold further optimal atoms; of these the one that can replace both
        ends is listed.

    Raises
    ------
    InvalidProblem
        As :func:`uniqueness`.

    Notes
    -----
    Source: Mishkin and Pilanci 2023.  What it does not prove: the masses are computed in
    floating point; certify a measure of the set to have its gap.

    Examples
    --------
    >>> import measurelp as mlp
    >>> problem = mlp.MeasureProblem([[-1.0], [0.0], [1.0]], [1.0, 0.0, 1.0], lam=0.1, bias="none", skip="affine")
    >>> optimal = mlp.solution_set(mlp.solve(problem, tol_gap=1e-9))
    >>> optimal.dimension, len(optimal.vertices()), len(optimal.sparsest().measure)
    (1, 2, 1)
    """
    check_optimal(solution, "solution_set")
    return SolutionSet(
        solution.problem, evaluate(solution.problem, solution.measure).fit,
        uniqueness(solution, max_work=max_work),
    )  # fmt: skip
