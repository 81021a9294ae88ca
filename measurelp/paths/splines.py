"""Linear splines: among the optimal ones of a problem in one dimension, one with fewest knots."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from measurelp.certificate.certify import certify
from measurelp.errors import InvalidProblem
from measurelp.measure import AtomicMeasure, Skip
from measurelp.solving.solution import Solution
from measurelp.status import Verdict

Vector = NDArray[np.float64]
_AT_POINT = 1e-9  # of an interval: so near to its end a knot lies on the data point
_DUST = 1e-12  # of the total variation


def fewest_knots(solution: Solution, *, tol_gap: float | None = None) -> Solution:
    r"""The optimal linear spline with fewest knots that has the fit of a solution.

    In one dimension with ``bias="free"`` and ``skip="affine"`` the penalty is the second-order
    total variation :math:`|f''|_{TV}` of a linear spline, and many splines have one fit and one
    penalty: where curvature has one sign at consecutive data points, knots may lie between
    them.  On a maximal run of L such points ceil(L / 2) knots are needed and suffice: two
    neighbouring knots become one where the lines outside them meet.

    Parameters
    ----------
    solution : Solution
        Of a problem with one input, ``bias="free"`` and ``skip="affine"``.
    tol_gap : float, optional
        For the new certificate; by default that of the solution's.

    Returns
    -------
    Solution
        With a certificate of its own.  The number of knots is the least among all splines
        with this fit and this penalty.  For least squares the fit is the same for all optimal
        splines, for interpolation it is given, so it is the least among all optimal ones.

    Raises
    ------
    InvalidProblem
        For other problems, and where there is no solution to start from.

    References
    ----------
    Debarre, Denoyelle, Unser and Fageot (2022); Hanin (2021) for the set of all optimal splines.

    Examples
    --------
    Connecting the dots takes two knots, at 1 and 2; one at 3/2 has the same penalty.

    >>> import measurelp as mlp
    >>> problem = mlp.MeasureProblem(
    ...     [[0.0], [1.0], [2.0], [3.0]], [0.0, 0.0, 1.0, 3.0],
    ...     loss=mlp.Interpolation(), bias="free", skip="affine",
    ... )
    >>> sparsest = mlp.fewest_knots(mlp.solve(problem))
    >>> len(sparsest.measure), sparsest.certificate.verdict.name
    (1, 'OPTIMAL')
    """
    problem = solution.problem
    if (problem.d, problem.bias, problem.skip) != (1, "free", "affine") or problem.is_vector:
        raise InvalidProblem(
            "solution: knots are counted for one input and one output with bias='free' and "
            f"skip='affine', where networks are linear splines; found {problem!r}."
        )
    if problem.activation.slopes != (1.0, 0.0):
        raise InvalidProblem(
            f"solution: knots are counted for ReLU(), found {problem.activation!r}."
        )
    if solution.certificate.verdict is Verdict.INFEASIBLE:
        raise InvalidProblem("solution: it is INFEASIBLE, so there is no spline.")
    knots, masses, skip = _fewest(problem.X[:, 0], solution.measure, solution.skip)
    measure = AtomicMeasure(np.column_stack([np.ones(len(knots)), -knots]), masses, skip)
    certificate = certify(
        problem, measure, dual=solution.dual,
        tol_gap=solution.certificate.tol_gap if tol_gap is None else tol_gap,
    )  # fmt: skip
    return replace(solution, measure=measure, certificate=certificate, dual=certificate.dual)


def _fewest(x: Vector, measure: AtomicMeasure, skip: Skip) -> tuple[Vector, Vector, Skip]:
    """Knots, masses and the affine part: curvature at the data points, paired within runs."""
    points = np.unique(x)
    slope, constant = float(skip.linear[0]), skip.constant
    curvature = np.zeros(len(points))
    for (w, b), mass in zip(measure.atoms, measure.masses, strict=True):
        knot = -b / w
        if w < 0.0:  # (knot - x)_+ = (x - knot)_+ - (x - knot)
            slope, constant = slope - mass, constant + mass * knot
        if knot <= points[0]:
            slope, constant = slope + mass, constant - mass * knot
        elif knot < points[-1]:
            # On the data a knot between two points is one on each of them.
            right = int(np.searchsorted(points, knot))
            width = points[right] - points[right - 1]
            share = (knot - points[right - 1]) / width
            share = 1.0 if share > 1.0 - _AT_POINT else 0.0 if share < _AT_POINT else share
            curvature[right - 1] += (1.0 - share) * mass
            curvature[right] += share * mass
    # The line before the first data point, seen from it.
    slope, constant = slope + curvature[0], constant - curvature[0] * points[0]
    curvature[[0, -1]] = 0.0
    curvature[np.abs(curvature) <= _DUST * float(np.abs(curvature).sum())] = 0.0
    knots: list[float] = []
    masses: list[float] = []
    for sign, run in groupby(range(len(points)), key=lambda i: np.sign(curvature[i])):
        if sign == 0.0:
            continue
        members = list(run)
        for pair in (members[k : k + 2] for k in range(0, len(members), 2)):
            mass = curvature[pair]
            # Where the lines before and after meet: the masses' centre.
            knots.append(float(mass @ points[pair] / mass.sum()))
            masses.append(float(mass.sum()))
    return np.array(knots), np.array(masses), Skip(np.array([slope]), constant)
