"""Which oracle: by name, by instance, or chosen from the facts of a problem."""

from __future__ import annotations

from measurelp.arrangement import Cells
from measurelp.errors import InvalidProblem
from measurelp.oracle.angles import AngleOracle
from measurelp.oracle.base import Oracle
from measurelp.oracle.cells import CellOracle
from measurelp.oracle.cones import ConeOracle
from measurelp.problem import RowSpace

ORACLE_NAMES = ("auto", "angles", "cells", "cones")
_MANY_CIRCLES = 1000  # data points, each with a circle of its own
_MANY_ORTHANTS = 9  # ranks from which half the orthants alone are a long tree


def choose_oracle(
    oracle: str | Oracle | None, space: RowSpace, cells: Cells | None = None
) -> tuple[Oracle, str]:
    """The oracle to use and, in words, why.

    ``None`` and "auto" take angles for at most 2 penalised coordinates and branch and bound over cones
    otherwise, unless the rank is so large against the number of rows that there are fewer
    cells than a tree over orthants would have.
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
        return ConeOracle(), "asked for by name"
    rank, rows = space.rank, len(space.distinct)
    if space.n_penalized <= 2 and not (space.has_free_bias and rank > 2 and rows > _MANY_CIRCLES):
        return AngleOracle(), f"rank {rank}: the kinks are sorted around the circle"
    if rank >= _MANY_ORTHANTS and rows <= rank + 8:
        return CellOracle(), f"rank {rank} with only {rows} distinct rows: few cells"
    return ConeOracle(), f"rank {rank}, {rows} distinct rows: cones are refined where needed"
