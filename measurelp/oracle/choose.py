"""Which oracle: by name, by instance, or chosen from the facts of a problem."""

from __future__ import annotations

from measurelp.arrangement import Cells
from measurelp.errors import InvalidProblem
from measurelp.oracle.angles import AngleOracle
from measurelp.oracle.base import Oracle
from measurelp.oracle.cells import CellOracle
from measurelp.oracle.cones import ConeOracle
from measurelp.oracle.signs import SignOracle
from measurelp.problem import RowSpace

ORACLE_NAMES = ("auto", "angles", "cells", "cones", "signs")
_MANY_CIRCLES = 1000  # data points, each with a circle of its own
# Where a tree over signs of rows beat one over cones in our measurements.
_MANY_ORTHANTS, _SOME_ORTHANTS, _FEW_ROWS = 7, 5, 200


def choose_oracle(
    oracle: str | Oracle | None, space: RowSpace, cells: Cells | None = None, n_jobs: int = 1
) -> tuple[Oracle, str]:
    """The oracle to use and, in words, why.

    ``None`` and "auto" take angles for at most 2 penalised coordinates; for more, branch and
    bound over cones, or over signs of rows where there are many coordinates and few rows.
    ``n_jobs`` is for those two.
    """
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
    if oracle == "angles":
        return AngleOracle(), "asked for by name"
    if oracle == "cells":
        return CellOracle(cells), "asked for by name"
    if oracle == "cones":
        return ConeOracle(n_jobs=n_jobs), "asked for by name"
    if oracle == "signs":
        return SignOracle(n_jobs=n_jobs), "asked for by name"
    rank, rows = space.rank, len(space.distinct)
    if space.n_penalized <= 2 and not (space.has_free_bias and rank > 2 and rows > _MANY_CIRCLES):
        return AngleOracle(), f"rank {rank}: the kinks are sorted around the circle"
    p = space.n_penalized
    if p >= _MANY_ORTHANTS or (p >= _SOME_ORTHANTS and rows <= _FEW_ROWS):
        return SignOracle(
            n_jobs=n_jobs
        ), f"rank {rank}, {rows} distinct rows: signs of rows are branched on"
    return ConeOracle(
        n_jobs=n_jobs
    ), f"rank {rank}, {rows} distinct rows: cones are refined where needed"
