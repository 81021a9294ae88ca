"""Branch and bound over signs of rows and over cones, taking turns."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from measurelp.oracle.base import Budget, OracleReport, in_units_of_alpha
from measurelp.oracle.cone_tree import MAX_RANK
from measurelp.oracle.cones import PlainConeTree
from measurelp.oracle.dual_function import DualFunction
from measurelp.oracle.signs import SIGN_TREES
from measurelp.oracle.tree_search import maximise_by_trees
from measurelp.oracle.workers import checked_jobs


class BranchAndBoundOracle:
    r"""Bound :math:`\sup|\eta|` by two searches side by side, whichever ends first.

    The trees of :class:`~measurelp.oracle.signs.SignOracle` and of
    :class:`~measurelp.oracle.cones.ConeOracle` prove the same, and which of them is small depends on
    more than rank and number of rows: on Gaussian data with 5 coordinates signs win up to 150 rows, on
    a grid of 81 rows cones win by a factor of more than a hundred.  One begins; if it is not done
    after some thousand nodes the other gets a share.  Peaks that one meets help both.

    Parameters
    ----------
    first : {"signs", "cones"}
        Which one begins.
    n_jobs : int
        Workers.  Without a time limit the bracket does not depend on it.
    """

    name = "branch_and_bound"

    def __init__(self, first: str, *, n_jobs: int = 1) -> None:
        self.first, self.n_jobs = first, checked_jobs(n_jobs)

    @in_units_of_alpha
    def maximise(
        self,
        dual: DualFunction,
        *,
        level: float = 0.0,
        tolerance: float = 1e-9,
        starts: NDArray[np.float64] | None = None,
        budget: Budget | None = None,
    ) -> OracleReport:
        forests = {"signs": SIGN_TREES, "cones": (PlainConeTree,)}
        if dual.space.n_penalized > MAX_RANK:
            forests.pop("cones")
        elif self.first == "cones":
            forests = dict(reversed(forests.items()))
        return maximise_by_trees(
            forests, dual, level=level, tolerance=tolerance, starts=starts, budget=budget,
            n_jobs=self.n_jobs,
        )  # fmt: skip
