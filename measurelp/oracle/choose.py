"""Which oracle: by name, by instance, or chosen from the facts of a problem."""

from __future__ import annotations

from measurelp.arrangement import Cells
from measurelp.errors import InvalidProblem
from measurelp.oracle.angles import AngleOracle
from measurelp.oracle.base import Oracle
from measurelp.oracle.branch_and_bound import BranchAndBoundOracle
from measurelp.oracle.cells import CellOracle
from measurelp.oracle.cones import ConeOracle
from measurelp.oracle.fans import FanOracle
from measurelp.oracle.patterns import PatternOracle
from measurelp.oracle.rays import RayOracle, n_slice_rays
from measurelp.oracle.separate import SeparateOracle
from measurelp.oracle.signs import SignOracle
from measurelp.problem import MeasureProblem, RowSpace

ORACLE_NAMES = (
    "auto", "angles", "cells", "branch_and_bound", "cones", "signs", "fans", "rays", "patterns"
)  # fmt: skip
_MOST_RAY_WORK = 5e7  # rays times rows up to which evaluating all of them is quick
_OF_ONE_OUTPUT = ("cells", "signs", "fans", "rays")
_OF_FLAT_FACES = ("auto", "branch_and_bound", "fans", "rays")
_MANY_CIRCLES = 1000  # data points, each with a circle of its own
# Up to so many distinct rows a tree over signs of rows beat one over cones, at optima with lam
# from 1e-3 to 1e-2 lam_max (docs/oracle.md), by the number of penalised coordinates.
_MOST_ROWS_FOR_SIGNS = {5: 150, 6: 300}
_SIGNS_FROM = 7


def choose_oracle(
    oracle: str | Oracle | None,
    space: RowSpace,
    cells: Cells | None = None,
    n_jobs: int = 1,
    *,
    problem: MeasureProblem | None = None,
) -> tuple[Oracle, str]:
    """The oracle to use and, in words, why.

    ``None`` and "auto" take angles for at most 2 penalised coordinates; for more, branch and bound:
    over cones up to 4, from then on over cones and over signs of rows in turns, where
    the latter begins if there are many coordinates and few rows.  "branch_and_bound" asks for these
    by name; ``n_jobs`` is for them.  For the l1
    and linf ball, "auto" takes "rays" where they are few, and "branch_and_bound" means "fans".

    A ``problem`` with several joint outputs needs "angles" or "cones"; separate outputs are asked
    about one by one.
    """
    if problem is None or not problem.is_vector:
        return _for_one_output(oracle, space, cells, n_jobs)
    if problem.outputs == "separate":
        chosen, why = _for_one_output(oracle, space, cells, n_jobs)
        return SeparateOracle(chosen), why
    if oracle in (None, "auto", "branch_and_bound"):
        if oracle != "branch_and_bound" and space.n_penalized <= 2:
            return AngleOracle(), "the kinks are sorted around the circle"
        return ConeOracle(n_jobs=n_jobs), "several outputs: the tree over cones"
    chosen, why = _for_one_output(oracle, space, cells, n_jobs)
    if chosen.name in _OF_ONE_OUTPUT:
        raise InvalidProblem(
            f'oracle: "{chosen.name}" knows one output, and the problem has {problem.n_outputs} joint '
            'ones; use "auto", "angles" or "cones".'
        )
    return chosen, why


def _for_one_output(
    oracle: str | Oracle | None, space: RowSpace, cells: Cells | None, n_jobs: int
) -> tuple[Oracle, str]:
    if oracle is not None and not isinstance(oracle, str):
        if not isinstance(oracle, Oracle):
            raise InvalidProblem(
                f"oracle: expected one of {', '.join(ORACLE_NAMES)} or an Oracle, found {oracle!r}."
            )
        return oracle, "given by the caller"
    if oracle not in (None, *ORACLE_NAMES):
        raise InvalidProblem(
            f"oracle: expected one of {', '.join(ORACLE_NAMES)}, found {oracle!r}."
        )
    if space.ball.name == "count":
        if oracle not in (None, "auto", "patterns"):
            raise InvalidProblem(
                f'oracle: "{oracle}" is for units that grow with their weights; threshold units have '
                "finitely many patterns, and all are evaluated."
            )
        return PatternOracle(), "threshold units: all their patterns are evaluated"
    if oracle == "patterns":
        raise InvalidProblem('oracle: "patterns" is for Threshold().')
    if space.ball.fan is not None:
        return _of_flat_faces(oracle, space, n_jobs)
    if oracle in ("fans", "rays"):
        raise InvalidProblem(
            f'oracle: "{oracle}" is for the l1 and linf ball; the {space.ball.name} ball has no rays.'
        )
    if oracle == "angles":
        return AngleOracle(), "asked for by name"
    if oracle == "cells":
        return CellOracle(cells), "asked for by name"
    if oracle == "cones":
        return ConeOracle(n_jobs=n_jobs), "asked for by name"
    if oracle == "signs":
        return SignOracle(n_jobs=n_jobs), "asked for by name"
    rank, rows = space.rank, len(space.distinct)
    few_circles = not (space.has_free_bias and rank > 2 and rows > _MANY_CIRCLES)
    if oracle != "branch_and_bound" and space.n_penalized <= 2 and few_circles:
        return AngleOracle(), f"rank {rank}: the kinks are sorted around the circle"
    p = space.n_penalized
    what = f"{p} penalised coordinates, {rows} distinct rows: "
    if p < min(_MOST_ROWS_FOR_SIGNS):
        return ConeOracle(n_jobs=n_jobs), what + "the tree over cones"
    first, second = "cones", "signs of rows"
    if p >= _SIGNS_FROM or rows <= _MOST_ROWS_FOR_SIGNS[p]:
        first, second = "signs", "cones"
    begins = "signs of rows" if first == "signs" else first
    why = f"the tree over {begins} begins, which often wins there, and that over {second} joins in"
    return BranchAndBoundOracle(first, n_jobs=n_jobs), what + why


def _of_flat_faces(oracle: str | None, space: RowSpace, n_jobs: int) -> tuple[Oracle, str]:
    if oracle is not None and oracle not in _OF_FLAT_FACES:
        raise InvalidProblem(
            f'oracle: "{oracle}" bounds the dual function over the Euclidean ball, and the problem '
            f"has the {space.ball.name} ball; use one of {', '.join(_OF_FLAT_FACES)}."
        )
    if oracle == "rays":
        return RayOracle(), "asked for by name"
    slices = len(space.distinct) if space.has_free_bias else 1
    work = n_slice_rays(space) * slices * len(space.distinct)
    if oracle is None or oracle == "auto":
        if work <= _MOST_RAY_WORK:
            return RayOracle(), f"{space.ball.name} ball: all rays are evaluated, they are few"
    why = f"{space.ball.name} ball: cones on which the norm is linear"
    return FanOracle(n_jobs=n_jobs), "asked for by name" if oracle == "fans" else why
