"""The supremum for separate outputs: the largest of those of the outputs alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from measurelp.oracle.base import Budget, Oracle, OracleReport
from measurelp.oracle.dual_function import DualFunction
from measurelp.status import Scope, Termination


@dataclass(frozen=True)
class SeparateOracle:
    r"""Ask an oracle for one output about each column of a dual vector (n, c).

    :math:`\sup_w\max_j|\eta_j(w)| = \max_j\sup_w|\eta_j(w)|`, so what it proves is what the given
    oracle proves.

    Parameters
    ----------
    oracle : Oracle
        For one output.
    """

    oracle: Oracle

    @property
    def name(self) -> str:
        """That of the oracle asked."""
        return self.oracle.name

    def maximise(
        self,
        dual: DualFunction,
        *,
        level: float = 0.0,
        tolerance: float = 1e-9,
        starts: NDArray[np.float64] | None = None,
        budget: Budget | None = None,
    ) -> OracleReport:
        reports = [
            self.oracle.maximise(
                replace(dual, problem=dual.problem.column(j), alpha=np.ascontiguousarray(column)),
                level=level, tolerance=tolerance, starts=starts, budget=budget,
            )
            for j, column in enumerate(dual.alpha.T)
        ]  # fmt: skip
        best = max(reports, key=lambda report: report.lower)
        early = [one for one in reports if one.termination is not Termination.CONVERGED]
        values = np.zeros((sum(len(one.peaks) for one in reports), dual.alpha.shape[1]))
        row = 0
        for j, one in enumerate(reports):
            values[row : row + len(one.peaks), j] = one.peak_values
            row += len(one.peaks)
        order = np.argsort(-np.abs(values).max(axis=1, initial=0.0), kind="stable")
        complete = all(one.scope is Scope.COMPLETE for one in reports)
        stats: dict[str, Any] = {"nodes": sum(one.stats.get("nodes", 0) for one in reports)}
        return OracleReport(
            lower=best.lower, upper=max(one.upper for one in reports), witness=best.witness,
            peaks=np.vstack([one.peaks for one in reports])[order], peak_values=values[order],
            scope=Scope.COMPLETE if complete else Scope.SAMPLED,
            termination=early[0].termination if early else Termination.CONVERGED, stats=stats,
        )  # fmt: skip
