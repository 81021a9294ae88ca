"""An oracle that gives up after a number of nodes, so that no fit hangs and all are repeatable."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from measurelp.oracle import Budget, DualFunction, OracleReport, choose_oracle


class PatientOracle:
    """The oracle that fits the problem, with at most ``nodes`` nodes a call.

    Its bracket is proved all the same, only wider.
    """

    name = "auto"

    def __init__(self, nodes: int, n_jobs: int) -> None:
        self.nodes, self.n_jobs = nodes, n_jobs

    def maximise(
        self, dual: DualFunction, *, budget: Budget | None = None, **options: Any
    ) -> OracleReport:
        chosen, _ = choose_oracle(None, dual.space, n_jobs=self.n_jobs, problem=dual.problem)
        budget = budget or Budget()
        nodes = self.nodes if budget.nodes is None else min(self.nodes, budget.nodes)
        return chosen.maximise(dual, budget=replace(budget, nodes=nodes), **options)
