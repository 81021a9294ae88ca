"""What solve returns: a measure, its certificate, and the way to a network and to disk."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from measurelp.certificate import Certificate
from measurelp.measure import AtomicMeasure, Skip
from measurelp.network import ReluNetwork, network_from_measure
from measurelp.problem import MeasureProblem
from measurelp.status import Termination, Verdict


@dataclass(frozen=True, eq=False)
class Solution:
    """A measure with its certificate.

    Attributes
    ----------
    problem : MeasureProblem
    measure : AtomicMeasure
        Merged, pruned to an extreme point; unit atoms, signed masses, the skip.
    dual : (n,) array
        The dual vector of the certificate.
    certificate : Certificate
        Minted for ``measure`` after everything else was done.
    termination : Termination
        Why the algorithm stopped.
    stats : dict
        Rounds, cells, oracle and why it was chosen, seconds.
    """

    problem: MeasureProblem
    measure: AtomicMeasure
    dual: NDArray[np.float64]
    certificate: Certificate
    termination: Termination
    stats: dict[str, Any] = field(default_factory=dict)

    @property
    def skip(self) -> Skip:
        """The unpenalised affine part, zero where the problem has none."""
        if self.measure.skip is not None:
            return self.measure.skip
        return Skip(np.zeros(self.problem.d), 0.0)

    def predict(self, X: ArrayLike) -> NDArray[np.float64]:
        """The network's outputs at new inputs, (n,)."""
        return self.network().predict(X)

    def network(self) -> ReluNetwork:
        """The finite network, balanced, one neuron an atom."""
        return network_from_measure(self.measure, bias=self.problem.bias)

    def __repr__(self) -> str:
        certificate = self.certificate
        if certificate.verdict is Verdict.INFEASIBLE:
            return f"Solution(INFEASIBLE: {certificate.message})"
        return (
            f"Solution({certificate.verdict.name}, objective={certificate.primal_value:.9g}, "
            f"relative_gap={certificate.relative_gap:.2g}, {len(self.measure)} atoms, "
            f"{self.termination.name}, {self.stats.get('seconds', float('nan')):.3g} s)"
        )


