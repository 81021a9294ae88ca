"""The same problem at many lams, from the largest down, each with its certificate."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from measurelp._display import compact, html_table
from measurelp.backends import Backend
from measurelp.errors import InvalidProblem
from measurelp.interrupts import remembered_interrupts
from measurelp.measure import AtomicMeasure
from measurelp.oracle import Oracle
from measurelp.paths.gaps import End, gap_between, interpolated
from measurelp.problem import MeasureProblem, check_measures
from measurelp.solving.entry import solve
from measurelp.solving.largest_lam import lam_max
from measurelp.solving.progress import Callback
from measurelp.solving.solution import Solution
from measurelp.solving.threads import one_thread
from measurelp.status import Termination, Verdict

Vector = NDArray[np.float64]
_ROUNDOFF = 2.0**-53
_ENDS = (Termination.TIME_LIMIT, Termination.INTERRUPTED)


@dataclass(frozen=True, eq=False)
class SolutionPath:
    r"""Certified solutions along lam, by decreasing lam.

    Attributes
    ----------
    problem : MeasureProblem
        Its own lam does not matter.
    lams : (m,) array
        Where there is a solution.
    solutions : tuple of Solution
    lam_max : float
        From where zero is optimal; nan where lams were given.
    termination : Termination
        CONVERGED when every lam asked for has a solution proved to the gap asked for.
    """

    problem: MeasureProblem
    lams: Vector
    solutions: tuple[Solution, ...]
    lam_max: float
    termination: Termination

    @property
    def primal_values(self) -> Vector:
        """The objectives, (m,)."""
        return np.array([s.certificate.primal_value for s in self.solutions])

    @property
    def dual_values(self) -> Vector:
        """The proved lower bounds, (m,)."""
        return np.array([s.certificate.dual_value for s in self.solutions])

    @property
    def relative_gaps(self) -> Vector:
        """The proved relative gaps, (m,)."""
        return np.array([s.certificate.relative_gap for s in self.solutions])

    @property
    def n_atoms(self) -> NDArray[np.intp]:
        """Numbers of neurons, (m,)."""
        return np.array([len(s.measure) for s in self.solutions], dtype=np.intp)

    @property
    def total_variations(self) -> Vector:
        """Path norms, (m,)."""
        return np.array([_variation(s) for s in self.solutions])

    @property
    def losses(self) -> Vector:
        """The losses alone, (m,)."""
        return self.primal_values - self.lams * self.total_variations

    @cached_property
    def _ends(self) -> list[End]:
        return [End.of(s.problem, s.measure, s.certificate) for s in self.solutions]

    @cached_property
    def gaps_between(self) -> Vector:
        """For every lam between neighbours, a proved relative gap of :meth:`measure`, (m - 1,).

        By convexity, without asking an oracle (:mod:`measurelp.paths.gaps`).
        """
        ends = self._ends
        return np.array([gap_between(a, b) for a, b in pairwise(ends)])

    def measure(self, lam: float) -> AtomicMeasure:
        """A measure for any lam of the path: between neighbours, their interpolation."""
        found = np.flatnonzero(self.lams == lam)
        if len(found):
            return self.solutions[int(found[0])].measure
        below = int(np.searchsorted(-self.lams, -lam))
        if not 0 < below < len(self):
            known = f"{self.lams[-1]:.9g} to {self.lams[0]:.9g}" if len(self) else "no lam at all"
            raise InvalidProblem(f"lam: the path goes over {known}, found {lam!r}.")
        return interpolated(self._ends[below - 1], self._ends[below], lam)

    def columns(self) -> dict[str, list[Any]]:
        """One row a lam as named columns, for tables and plots; unknown numbers are nan."""
        return {
            "lam": self.lams.tolist(),
            "verdict": [s.certificate.verdict.name for s in self.solutions],
            "neurons": self.n_atoms.tolist(),
            "total_variation": self.total_variations.tolist(),
            "loss": self.losses.tolist(),
            "primal_value": self.primal_values.tolist(),
            "dual_value": self.dual_values.tolist(),
            "relative_gap": self.relative_gaps.tolist(),
            "gap_to_next": [*self.gaps_between.tolist(), math.nan][: len(self)],
            "seconds": [s.stats.get("seconds", math.nan) for s in self.solutions],
        }

    def __len__(self) -> int:
        """Number of lams."""
        return len(self.solutions)

    def __iter__(self) -> Iterator[Solution]:
        return iter(self.solutions)

    @overload
    def __getitem__(self, index: int) -> Solution: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Solution, ...]: ...
    def __getitem__(self, index: int | slice) -> Solution | tuple[Solution, ...]:
        return self.solutions[index]

    def __repr__(self) -> str:
        if not len(self):
            return f"SolutionPath(no lam reached, {self.termination.name})"
        proved = sum(s.certificate.verdict is Verdict.OPTIMAL for s in self.solutions)
        return (
            f"SolutionPath({len(self)} lams from {self.lams[0]:.6g} down to {self.lams[-1]:.6g}, "
            f"{proved} proved OPTIMAL, largest relative gap {self.relative_gaps.max():.2g}, "
            f"{self.n_atoms.min()} to {self.n_atoms.max()} neurons, {self.termination.name})"
        )

    def _repr_html_(self) -> str:
        rows = [
            (
                f"lam = {s.problem.lam:.6g}",
                (
                    f"{s.certificate.verdict.name}, {len(s.measure)} neurons, objective "
                    f"{compact(s.certificate.primal_value)}, relative gap {s.certificate.relative_gap:.1e}"
                ),
            )
            for s in self.solutions
        ]
        return html_table(f"Path of {len(self)} solutions: {self.termination.value}", rows)


def _variation(solution: Solution) -> float:
    problem, measure = solution.problem, solution.measure
    return float(np.sum(problem.mass_norm(measure.masses) * problem.weight_norm(measure.atoms)))


def solve_path(
    problem: MeasureProblem,
    lams: ArrayLike | None = None,
    *,
    n_lams: int = 50,
    lam_min_ratio: float = 1e-3,
    tol_gap: float = 1e-6,
    time_limit: float | None = None,
    max_rounds: int = 500,
    backend: str | Backend | None = None,
    oracle: str | Oracle | None = None,
    callback: Callback | None = None,
    n_jobs: int = 1,
) -> SolutionPath:
    r"""Solve at many lams, from the largest down, each begun where the one before ended.

    Parameters
    ----------
    problem : MeasureProblem
        Its own lam does not matter.
    lams : array_like, optional
        Different numbers > 0 in any order; by default ``n_lams`` in geometric
        progression from lam_max, where zero is optimal, to ``lam_min_ratio`` times that.
    n_lams, lam_min_ratio
        See ``lams``.
    tol_gap, max_rounds, backend, oracle, callback, n_jobs
        As for :func:`~measurelp.solve`, for each lam.
    time_limit : float, optional
        Seconds for the whole path.  When they are over, or on Ctrl-C, the lams reached so far are
        returned, the last of them with whatever bracket it had.

    Returns
    -------
    SolutionPath
        Every solution has its own certificate; ``gaps_between`` says what they prove about
        the lams between them.

    Raises
    ------
    InvalidProblem
        For interpolation, where lam does not enter, and for unusable arguments.

    Examples
    --------
    >>> import numpy as np, measurelp as mlp
    >>> problem = mlp.MeasureProblem(np.eye(4), [3.0, 4.0, -5.0, -12.0], lam=1.0, bias="none")
    >>> path = mlp.solve_path(problem, [14.0, 6.0, 1.0])
    >>> path.n_atoms.tolist(), np.round(path.primal_values, 6).tolist()
    ([0, 1, 2], [97.0, 72.5, 17.0])
    """
    check_measures(problem)
    if problem.loss.is_hard_constraint:
        raise InvalidProblem("problem: lam does not enter interpolation, so there is no path.")
    given = None if lams is None else _checked_lams(lams)
    _check_grid(n_lams, lam_min_ratio, time_limit)
    deadline = math.inf if time_limit is None else time.perf_counter() + time_limit
    solutions: list[Solution] = []
    top, termination = math.nan, Termination.CONVERGED
    with remembered_interrupts() as interrupts, one_thread():
        try:
            if given is None:
                top = lam_max(problem, oracle=oracle, time_limit=time_limit)
                given = _grid(problem, top, n_lams, lam_min_ratio)
            for lam in given:
                left = None if math.isinf(deadline) else deadline - time.perf_counter()
                if left is not None and left <= 0.0:
                    termination = Termination.TIME_LIMIT
                    break
                solution = solve(
                    problem.with_lam(float(lam)), tol_gap=tol_gap, time_limit=left,
                    max_rounds=max_rounds, backend=backend, oracle=oracle, n_jobs=n_jobs,
                    start=solutions[-1].measure if solutions else None, callback=callback,
                )  # fmt: skip
                solutions.append(solution)
                if termination is Termination.CONVERGED:
                    termination = solution.termination
                if solution.termination in _ENDS:
                    break
                if interrupts.requested and len(solutions) < len(given):
                    termination = Termination.INTERRUPTED
                    break
        except KeyboardInterrupt:
            termination = Termination.INTERRUPTED
    reached = np.array([solution.problem.lam for solution in solutions])
    return SolutionPath(problem, reached, tuple(solutions), top, termination)


def _checked_lams(lams: ArrayLike) -> Vector:
    try:
        found = np.array(lams, dtype=np.float64)
    except (TypeError, ValueError):
        raise InvalidProblem(f"lams: expected numbers > 0, found {lams!r}.") from None
    if found.ndim != 1 or not len(found):
        raise InvalidProblem(f"lams: expected a list of numbers > 0, found shape {found.shape}.")
    bad = found[~(np.isfinite(found) & (found > 0.0))]
    if len(bad):
        raise InvalidProblem(f"lams: expected finite numbers > 0, found {float(bad[0])}.")
    found = np.sort(found)[::-1]
    twice = found[:-1][np.diff(found) == 0.0]
    if len(twice):
        raise InvalidProblem(f"lams: {float(twice[0])} is given more than once.")
    return np.ascontiguousarray(found)


def _check_grid(n_lams: int, lam_min_ratio: float, time_limit: float | None) -> None:
    if isinstance(n_lams, bool) or not isinstance(n_lams, (int, np.integer)) or n_lams < 2:
        raise InvalidProblem(f"n_lams: expected an integer >= 2, found {n_lams!r}.")
    for name, value, largest in (
        ("lam_min_ratio", lam_min_ratio, 1.0), ("time_limit", time_limit, math.inf)
    ):  # fmt: skip
        is_number = isinstance(value, (int, float, np.number)) and value is not True
        if value is not None and not (is_number and 0.0 < value < largest):
            raise InvalidProblem(f"{name}: expected a number in (0, {largest}), found {value!r}.")


def _grid(problem: MeasureProblem, top: float, n_lams: int, lam_min_ratio: float) -> Vector:
    """lams in geometric progression down from lam_max."""
    reach = np.linalg.norm(problem.lifted, axis=1)
    if not top > 16.0 * _ROUNDOFF * problem.n * float(np.sum(reach @ np.abs(problem.y))):
        raise InvalidProblem(
            "problem: lam_max is 0 up to rounding, because the skip alone (or zero) fits every "
            "target; there is no path."
        )
    lams = np.geomspace(top, lam_min_ratio * top, n_lams)
    lams[0] = top
    return lams
