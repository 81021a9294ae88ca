"""The exact oracle of threshold units: all patterns of the data."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from measurelp.dictionary.patterns import Patterns, all_patterns
from measurelp.errors import InvalidProblem
from measurelp.oracle.base import Budget, OracleReport, in_units_of_alpha
from measurelp.oracle.dual_function import ROUNDOFF, DualFunction
from measurelp.problem import MeasureProblem
from measurelp.status import Scope, Termination

_BLOCK = 1 << 22
_MOST_PEAKS = 64


class PatternOracle:
    r"""Supremum of :math:`|\sum_i \alpha_i 1\{\langle\tilde x_i, w\rangle \ge 0\}|`, pattern by pattern.

    There are finitely many patterns; all are evaluated, with the rounding of a sum of n terms
    charged.  They do not depend on alpha and are kept.  K n operations.
    """

    name = "patterns"

    def __init__(self) -> None:
        self._problem: MeasureProblem | None = None
        self._patterns: Patterns | None = None

    def patterns(self, problem: MeasureProblem) -> Patterns:
        """All patterns of a problem's data, enumerated once."""
        if self._patterns is None or self._problem is not problem:
            self._problem, self._patterns = problem, all_patterns(problem)
        return self._patterns

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
        if dual.problem.activation.is_homogeneous:
            raise InvalidProblem(
                f"oracle: patterns are for Threshold(), found {dual.problem.activation!r}."
            )
        known = self.patterns(dual.problem)
        values = self.values(dual)
        size = float(np.abs(dual.alpha).sum())
        rounding = 2.0 * (dual.problem.n + 4) * ROUNDOFF * size
        order = np.argsort(-np.abs(values), kind="stable")
        reachable = order[known.has_weight[order]]
        witness, lower = np.zeros(dual.problem.lifted.shape[1]), 0.0
        if len(reachable):
            witness = known.weights[reachable[0]]
            lower = max(0.0, float(np.abs(values[reachable[0]])) - rounding)
        peaks = reachable[:_MOST_PEAKS]
        peaks = peaks[np.abs(values[peaks]) > level]
        return OracleReport(
            lower=lower, upper=max(float(np.abs(values).max(initial=0.0)) + rounding, lower),
            witness=witness, peaks=known.weights[peaks], peak_values=values[peaks],
            scope=Scope.COMPLETE, termination=Termination.CONVERGED,
            stats={"patterns": len(values)},
        )  # fmt: skip

    def values(self, dual: DualFunction) -> NDArray[np.float64]:
        """The dual function at every pattern, (K,)."""
        active = self.patterns(dual.problem).active
        step = max(1, _BLOCK // dual.problem.n)
        return np.concatenate(
            [active[at : at + step] @ dual.alpha for at in range(0, len(active), step)]
        )
