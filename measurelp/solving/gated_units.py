"""What solve returns for gated units: weights behind gates, and nothing that is a measure."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
from numpy.typing import ArrayLike, NDArray

from measurelp.errors import InvalidProblem
from measurelp.measure import Skip
from measurelp.problem import check_measures, finite_matrix
from measurelp.problem.activations import NO_MEASURE
from measurelp.solving.other_models import OtherModel
from measurelp.solving.solution import Solution


@dataclass(frozen=True, eq=False)
class GatedMeasure:
    """Weights behind gates; in the place of a measure, which it is not.

    Attributes
    ----------
    gates : (k, d') array
        Gate vectors of the gates in use; a row of NaN where the cell is too thin for one.
    active : (k, n) bool array
        The samples that each gate lets through.
    weights : (k, d') array
        What each gate multiplies.
    skip : Skip or None
    n_penalized : int
        How many leading entries of a weight count in its norm.
    """

    gates: NDArray[np.float64]
    active: NDArray[np.bool_]
    weights: NDArray[np.float64]
    skip: Skip | None
    n_penalized: int

    def __len__(self) -> int:
        """Number of gates in use."""
        return len(self.weights)

    @property
    def total_variation(self) -> float:
        """The sum of the weights' norms."""
        return float(np.linalg.norm(self.weights[:, : self.n_penalized], axis=1).sum())

    @property
    def atoms(self) -> NoReturn:
        """Refused: a gated unit is not told by a weight."""
        raise InvalidProblem(NO_MEASURE)

    @property
    def masses(self) -> NoReturn:
        """Refused: a gated unit is not told by a weight."""
        raise InvalidProblem(NO_MEASURE)


@dataclass(frozen=True, eq=False)
class GatedRelaxation(OtherModel, Solution):
    r"""The optimum of the gated model, as a proved bracket.

    A :class:`~measurelp.Solution` whose ``certificate`` speaks of the gated model: OPTIMAL says
    that no other weights behind the same gates are better, and nothing of ReLU networks.

    Attributes
    ----------
    measure : GatedMeasure
        The gates in use and the weights behind them.
    bounds_relu : bool
        Whether all gates of the data were used; then ``lower`` bounds the ReLU problem's optimum too.
        ``value`` never does.
    """

    measure: GatedMeasure  # type: ignore[assignment]
    bounds_relu: bool = False

    units = "gates in use"
    model = "the gated model"
    unlike = "ReLU networks but what the message says"

    @property
    def active(self) -> NDArray[np.bool_]:
        """The gates in use, (k, n)."""
        return self.measure.active

    @property
    def weights(self) -> NDArray[np.float64]:
        """What each gate multiplies, (k, d')."""
        return self.measure.weights

    @property
    def total_variation(self) -> float:
        """The sum of the weights' norms."""
        return self.measure.total_variation

    def predict(self, X: ArrayLike) -> NDArray[np.float64]:
        """The gated network's outputs at new inputs, (n,), each behind its gate vector."""
        inputs = finite_matrix("X", X)
        if inputs.shape[1] != self.problem.d:
            raise InvalidProblem(f"X: expected {self.problem.d} columns, found {inputs.shape[1]}.")
        gates = self.measure.gates
        thin = int(np.count_nonzero(np.isnan(gates).any(axis=1)))
        if thin:
            raise InvalidProblem(
                f"solution: {thin} of its gates are cells too thin to hold a gate vector in double "
                "precision, so new inputs cannot be told apart; pass gates of your own."
            )
        lifted = self.problem.lift(inputs)
        inner = np.where(lifted @ gates.T >= 0.0, lifted @ self.weights.T, 0.0)
        return np.asarray(inner.sum(axis=1) + self.skip.predict(inputs))

    def network(self) -> NoReturn:
        """Refused: a gated network is no ReLU network."""
        raise InvalidProblem(NO_MEASURE)

    def save(self, folder: str | os.PathLike[str], **options: Any) -> None:
        """Refused: files hold measures."""
        check_measures(self.problem)

    def proof(self, path: str | os.PathLike[str], **options: Any) -> NoReturn:
        """Refused: proofs in exact arithmetic are about ReLU networks."""
        raise InvalidProblem(NO_MEASURE)

    def __repr__(self) -> str:
        return (
            f"GatedRelaxation({self.certificate.verdict.name}, objective={self.value:.9g}, "
            f"relative_gap={self.relative_gap:.2g}, {len(self.measure)} gates, {self.termination.name})"
        )
