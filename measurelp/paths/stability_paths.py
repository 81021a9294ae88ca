"""Following the solution as lam and label noise tend to zero, and what is proved about the limit."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from measurelp.certificate import Nondegeneracy, nondegeneracy
from measurelp.certificate.uniqueness import DEFAULT_WORK, check_plain
from measurelp.errors import InvalidProblem
from measurelp.interrupts import remembered_interrupts
from measurelp.paths.stability_steps import StabilityStep, compared
from measurelp.problem import Interpolation, MeasureProblem, Squared, positive_number
from measurelp.solving.entry import solve
from measurelp.solving.largest_lam import lam_max
from measurelp.solving.progress import Callback
from measurelp.solving.solution import Solution
from measurelp.status import Termination, Verdict

_DEFAULT_EXPONENTS = np.arange(-2, -13, -1) / 2  # lam_max times 10 to the power of these
_CLEAR = 10.0  # an error is fitted if it exceeds its own uncertainty by this factor
_FEWEST = 3  # points of a fitted rate


class StabilityVerdict(Enum):
    """What is proved about the limit of small lam and noise."""

    STABLE = "the limit is non-degenerate for every noise asked about, proved: from some lam on atoms keep number and signs, and move linearly"
    DEGENERATE = "for some noise a condition of non-degeneracy is violated"
    UNDECIDED = "non-degeneracy was neither proved nor refuted; the message says why"
    INFEASIBLE = "no measure fits the targets, so there is no interpolating limit"


class Rate(NamedTuple):
    """A fitted power of lam.

    Attributes
    ----------
    slope : float
        Least-squares slope of log error against log lam; nan with fewer than three points.
    n_points : int
        How many: of the settled steps whose error is clear of rounding, the half with the
        smaller lam, or three.
    """

    slope: float
    n_points: int


@dataclass(frozen=True, eq=False)
class StabilityPath:
    r"""Solutions for targets :math:`y + \lambda\nu` as lam tends to 0.

    Attributes
    ----------
    noise : (n,) array
        nu.
    limit : Nondegeneracy
        The limit, what is proved about it, and the first-order prediction.
    steps : tuple of StabilityStep
        In descending order of lam.
    """

    noise: NDArray[np.float64]
    limit: Nondegeneracy
    steps: tuple[StabilityStep, ...]

    @property
    def atoms_stay(self) -> bool | None:
        """Whether all steps have as many atoms, with the signs, of the limit; None if unknown.

        Unknown are steps that were not solved to the gap asked for.
        """
        said = [step.same_atoms for step in self.steps]
        if False in said:
            return False
        return True if said and None not in said else None

    @property
    def settled(self) -> tuple[StabilityStep, ...]:
        """The steps from which on number and signs are those of the limit.

        Steps of which that is unknown are left out.
        """
        kept: list[StabilityStep] = []
        for step in reversed(self.steps):
            if step.same_atoms is False:
                break
            if step.same_atoms:
                kept.insert(0, step)
        return tuple(kept)

    @property
    def settled_from(self) -> float:
        """The largest lam of ``settled``; nan if there is none."""
        return self.settled[0].lam if self.settled else math.nan

    def rate(self, name: str) -> Rate:
        """The fitted power of one of the errors of the settled steps, by name."""
        points = [
            (step.lam, getattr(step, name))
            for step in self.settled
            if getattr(step, name) > _CLEAR * step.uncertainty(name)
        ]
        if len(points) < _FEWEST:
            return Rate(math.nan, len(points))
        points = points[-max(_FEWEST, (len(points) + 1) // 2) :]
        lams, errors = np.log(np.array(points)).T
        return Rate(float(np.polyfit(lams, errors, 1)[0]), len(points))

    @property
    def mass_rate(self) -> Rate:
        """Of the largest change of a mass."""
        return self.rate("mass_error")

    @property
    def location_rate(self) -> Rate:
        """Of the largest change of a unit weight; nan where atoms do not move, as on rays."""
        return self.rate("location_error")

    @property
    def dual_rate(self) -> Rate:
        """Of the distance of residual / lam from its limit."""
        return self.rate("dual_error")

    @property
    def remainder_rate(self) -> Rate:
        """Of what the first-order prediction leaves of the masses; 2 where it is right."""
        return self.rate("mass_remainder")

    def __repr__(self) -> str:
        return (
            f"StabilityPath(|noise|={np.linalg.norm(self.noise):.3g} lam, {len(self.steps)} steps, "
            f"atoms stay: {self.atoms_stay}, mass rate {self.mass_rate.slope:.3g}, "
            f"location rate {self.location_rate.slope:.3g}; {self.limit!r})"
        )


@dataclass(frozen=True, eq=False)
class Stability:
    """Whether the minimal-norm interpolant is what small lam and small label noise lead to.

    Attributes
    ----------
    verdict : StabilityVerdict
        About the limit, from the paths' ``limit.holds``; the steps are not needed for it.
    message : str
    limit : Solution
        Of the interpolation problem, with its certificate.
    paths : tuple of StabilityPath
        One a noise.
    termination : Termination
        TIME_LIMIT or INTERRUPTED where steps or noises are missing for it, else CONVERGED; of the
        limit's solution where that was not proved.
    """

    verdict: StabilityVerdict
    message: str
    limit: Solution
    paths: tuple[StabilityPath, ...]
    termination: Termination = Termination.CONVERGED

    @property
    def atoms_stay(self) -> bool | None:
        """Whether they do on all paths; None if unknown."""
        said = [path.atoms_stay for path in self.paths]
        if False in said:
            return False
        return True if said and None not in said else None

    def table(self) -> str:
        """The steps of all paths, one a line, with the fitted rates."""
        head = (
            f"{'noise/lam':>9} {'lam':>9} {'verdict':>10} {'gap':>8} {'atoms':>5} {'same':>5} "
            f"{'masses':>9} {'places':>9} {'dual':>9} {'masses-1st':>10} {'places-1st':>10}"
        )
        lines = [head]
        for path in self.paths:
            size = float(np.linalg.norm(path.noise))
            for step in path.steps:
                same = {True: "yes", False: "no", None: "?"}[step.same_atoms]
                lines.append(
                    f"{size:9.3g} {step.lam:9.3g} {step.certificate.verdict.name:>10} "
                    f"{step.certificate.relative_gap:8.1e} {step.n_atoms:5d} {same:>5} "
                    f"{step.mass_error:9.2e} {step.location_error:9.2e} {step.dual_error:9.2e} "
                    f"{step.mass_remainder:10.2e} {step.location_remainder:10.2e}"
                )
            rates = [
                path.mass_rate, path.location_rate, path.dual_rate, path.remainder_rate,
                path.rate("location_remainder"),
            ]  # fmt: skip
            slopes = [f"{rate.slope:.3f}" if rate.slope == rate.slope else "-" for rate in rates]
            lines.append(
                f"{'':>19} {'rate':>10} {'':>20} {slopes[0]:>9} {slopes[1]:>9} {slopes[2]:>9} "
                f"{slopes[3]:>10} {slopes[4]:>10}"
            )
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"Stability({self.verdict.name}, {len(self.paths)} paths: {self.message})"


def stability(
    problem: MeasureProblem,
    lams: ArrayLike | None = None,
    *,
    noises: ArrayLike = (0.0,),
    seed: int = 0,
    tol_gap: float = 1e-9,
    max_work: float = DEFAULT_WORK,
    time_limit: float | None = None,
    callback: Callback | None = None,
) -> Stability:
    r"""Follow the least-squares solution to its limit as (lam, label noise) tends to 0.

    For every noise nu and every lam the problem with targets :math:`y + \lambda\nu` is solved
    and certified.  The limit is a measure of least total variation among those that
    interpolate y; its conditions of non-degeneracy are those of
    :func:`~measurelp.certificate.nondegeneracy`, and where they are proved the atoms move by

    .. math:: c_k(\lambda) = c_k + \lambda\dot c_k + O(\lambda^2),\qquad
              w_k(\lambda) = w_k + \lambda\dot w_k + O(\lambda^2)

    with derivatives from the bordered system of :mod:`measurelp.certificate.first_order`, to
    which the steps are compared.

    Parameters
    ----------
    problem : MeasureProblem
        With the squared loss or interpolation; its lam does not enter.
    lams : array_like, optional
        Factors of the total variation, any order; by default eleven from lam_max / 10 down to
        a millionth of lam_max.
    noises : (m,) or (m, n) array_like
        Label noise *in units of lam*: vectors nu, or their lengths in one random direction.
        Noise may not tend to 0 more slowly than lam: what of it no small move of the atoms can
        fit, enters the dual vector divided by lam.
    seed : int
        Of the random direction.
    tol_gap : float
        Relative gap to prove for the limit and for every step.
    max_work : float
        Limit on each search for saturated points, as for :func:`~measurelp.uniqueness`.
    time_limit : float, optional
        Seconds for everything; steps that do not fit are left out or bracketed.
    callback : callable, optional
        Handed to every :func:`~measurelp.solve`.

    Returns
    -------
    Stability
        With ``verdict``, ``paths`` and ``table()``.

    Raises
    ------
    InvalidProblem
        For another loss, or arguments that are no positive factors or fitting noises.

    Notes
    -----
    Proved: the certificates of limit and steps, ``limit.holds``, and with it that number, signs
    and faces of the atoms stay from *some* lam on.  Computed: errors and predictions.  Fitted:
    rates, from settled steps that are clear of rounding.  Source: Del Grande, Brune and Carioni
    2026.

    Examples
    --------
    >>> import measurelp as mlp
    >>> problem = mlp.MeasureProblem([[1.0, 0.0], [0.0, 1.0]], [3.0, 4.0], lam=1.0, bias="none")
    >>> found = mlp.stability(problem, lams=[0.4, 0.2, 0.1])
    >>> found.verdict.name, round(found.paths[0].mass_rate.slope, 6)
    ('STABLE', 1.0)
    """
    _check_problem(problem)
    nus = _noises(noises, problem.n, seed)
    positive_number("tol_gap", tol_gap)
    positive_number("max_work", max_work)
    if time_limit is not None:
        positive_number("time_limit", time_limit)
    deadline = math.inf if time_limit is None else time.perf_counter() + time_limit
    factors = _factors(problem, lams, _left(deadline))
    target = replace(problem, lam=1.0, loss=Interpolation())
    with remembered_interrupts() as asked:
        limit = solve(target, tol_gap=tol_gap, time_limit=_left(deadline), callback=callback)
    if limit.certificate.verdict is Verdict.INFEASIBLE:
        message = "no measure interpolates the targets"
        return Stability(StabilityVerdict.INFEASIBLE, message, limit, (), limit.termination)
    if not limit.certificate.is_optimal:
        message = (
            f"the limit was not solved to a relative gap of {tol_gap:g} (reached: "
            f"{limit.certificate.relative_gap:.2g}; {limit.termination.value})"
        )
        if limit.termination not in (Termination.TIME_LIMIT, Termination.INTERRUPTED):
            message += "; a larger tol_gap may do"
        return Stability(StabilityVerdict.UNDECIDED, message, limit, (), limit.termination)
    paths: list[StabilityPath] = []
    termination = Termination.INTERRUPTED if asked() else Termination.CONVERGED
    try:
        for nu in nus:
            if termination is not Termination.CONVERGED:
                break
            found = nondegeneracy(limit, noise=nu, max_work=max_work)
            steps, termination = _followed(problem, found, factors, tol_gap, deadline, callback)
            paths.append(StabilityPath(nu, found, steps))
    except KeyboardInterrupt:
        termination = Termination.INTERRUPTED
    verdict, message = _verdict(paths, len(nus), termination)
    return Stability(verdict, message, limit, tuple(paths), termination)


def _followed(
    problem: MeasureProblem, limit: Nondegeneracy, factors: NDArray[np.float64], tol_gap: float,
    deadline: float, callback: Callback | None,
) -> tuple[tuple[StabilityStep, ...], Termination]:  # fmt: skip
    """The steps of one path, and what ended it."""
    steps: list[StabilityStep] = []
    start = None
    for lam in factors:
        if time.perf_counter() >= deadline:
            return tuple(steps), Termination.TIME_LIMIT
        at = replace(problem, y=problem.y + lam * limit.noise, lam=float(lam), loss=Squared())
        with remembered_interrupts() as asked:
            solution = solve(
                at, tol_gap=tol_gap, time_limit=_left(deadline), start=start, callback=callback
            )
            steps.append(compared(solution, limit))
        start = solution.measure
        if asked():
            return tuple(steps), Termination.INTERRUPTED
    return tuple(steps), Termination.CONVERGED


def _verdict(
    paths: Sequence[StabilityPath], asked: int, termination: Termination
) -> tuple[StabilityVerdict, str]:
    for path in paths:
        if path.limit.holds is False:
            return StabilityVerdict.DEGENERATE, path.limit.message
    for path in paths:
        if path.limit.holds is None:
            return StabilityVerdict.UNDECIDED, path.limit.message
    if len(paths) < asked:
        missing = f"{asked - len(paths)} of {asked} noises were not looked at"
        return StabilityVerdict.UNDECIDED, f"{missing} ({termination.value})"
    return StabilityVerdict.STABLE, paths[0].limit.message


def _left(deadline: float) -> float | None:
    return None if math.isinf(deadline) else max(deadline - time.perf_counter(), 1e-3)


def _factors(
    problem: MeasureProblem, lams: ArrayLike | None, time_limit: float | None
) -> NDArray[np.float64]:
    """The factors in descending order."""
    if lams is None:
        top = lam_max(replace(problem, lam=1.0, loss=Squared()), time_limit=time_limit)
        size = float(np.linalg.norm(problem.y)) or 1.0
        return (top if top > 1e-12 * size else size) * 10.0**_DEFAULT_EXPONENTS
    factors = _numbers("lams", lams)
    if factors.ndim != 1 or not len(factors) or not np.all(factors > 0.0):
        raise InvalidProblem(f"lams: expected a list of numbers > 0, found {lams!r}.")
    return np.unique(factors)[::-1]


def _noises(noises: ArrayLike, n: int, seed: int) -> NDArray[np.float64]:
    """The noises as vectors (m, n)."""
    values = _numbers("noises", noises)
    if values.ndim == 2 and values.shape[1] == n and len(values):
        return values
    if values.ndim != 1 or not len(values) or not np.all(values >= 0.0):
        raise InvalidProblem(
            f"noises: expected lengths >= 0 or vectors, shape (m, {n}), in units of lam, found "
            f"shape {values.shape}."
        )
    direction = np.random.default_rng(seed).standard_normal(n)
    return np.asarray(np.outer(values, direction / np.linalg.norm(direction)))


def _numbers(name: str, value: ArrayLike) -> NDArray[np.float64]:
    try:
        numbers = np.array(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise InvalidProblem(f"{name}: expected numbers, found {value!r}.") from None
    if not np.isfinite(numbers).all():
        raise InvalidProblem(f"{name}: expected finite numbers, found {value!r}.")
    return numbers


def _check_problem(problem: object) -> None:
    if not isinstance(problem, MeasureProblem):
        raise InvalidProblem(f"problem: expected a MeasureProblem, found {type(problem).__name__}.")
    check_plain(problem, "problem", "stability")
