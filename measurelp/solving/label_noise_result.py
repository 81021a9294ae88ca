"""The label-noise regulariser of a network, and its optimum: a measure, its costs, and a network."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from measurelp.certificate import Certificate
from measurelp.errors import InvalidProblem
from measurelp.measure import AtomicMeasure
from measurelp.network import ReluNetwork, parts_from_network, write_folder
from measurelp.problem import MeasureProblem, finite_matrix
from measurelp.solving.other_models import OtherModel
from measurelp.status import Termination


@dataclass(frozen=True, eq=False)
class LabelNoiseOptimum(OtherModel):
    r"""The least label-noise regulariser, as a proved bracket, with a network that has it.

    Attributes
    ----------
    problem : MeasureProblem
    measure : AtomicMeasure
        Unit weights and signed masses, at most one for each active set and sign.
    costs : (k,) array
        What each atom costs; they add up to the regulariser.
    certificate : Certificate
        About the label-noise objective, not about the total variation.
    dual : (n,) array
    termination : Termination
    stats : dict
        Rounds, cells in play, seconds.
    """

    problem: MeasureProblem
    measure: AtomicMeasure
    costs: NDArray[np.float64]
    certificate: Certificate
    dual: NDArray[np.float64]
    termination: Termination
    stats: dict[str, Any] = field(default_factory=dict)

    units = "neurons"
    model = "the label-noise objective"
    unlike = "the total variation"

    @property
    def regulariser(self) -> float:
        r"""The sum of the costs, :math:`\sum_i|\nabla_\theta f(x_i)|^2` of :meth:`network`."""
        return math.fsum(self.costs)

    @property
    def total_variation(self) -> float:
        """That of ``measure``, which is not what is minimised."""
        return self.measure.total_variation

    def network(self) -> ReluNetwork:
        r"""The network in the scaling of least gradients, :math:`c_k^2 S_A = |(Xw_k)_A|^2`."""
        atoms, masses = self.measure.atoms, self.measure.masses
        inner = np.maximum(self.problem.lifted @ atoms.T, 0.0)
        squares = np.sum(self.problem.lifted**2, axis=1) @ (inner > 0.0)
        output = np.sqrt(np.abs(masses) * np.linalg.norm(inner, axis=0) / np.sqrt(squares))
        weights = atoms * (np.abs(masses) / output)[:, None]
        hidden, bias = weights[:, : self.problem.d], np.zeros(len(weights))
        if self.problem.has_bias:
            bias = weights[:, -1]
        return ReluNetwork(
            hidden, bias, output_weights=np.sign(masses) * output, bias=self.problem.bias
        )

    def save(
        self,
        folder: str | os.PathLike[str],
        *,
        overwrite: bool = False,
        request: Mapping[str, Any] | None = None,
    ) -> None:
        """Write the network to a folder; saved solutions are minimisers of the total variation.

        ``request`` is what it was asked for, kept beside it as in :meth:`measurelp.Solution.save`.
        """
        document, arrays = parts_from_network(self.network())
        if request is not None:
            document["request"] = dict(request)
        write_folder(folder, document, arrays, kind="network", overwrite=overwrite)

    def predict(self, X: ArrayLike) -> NDArray[np.float64]:
        """The network's outputs at new inputs, (n,)."""
        return np.asarray(self.network().predict(finite_matrix("X", X)))

    def __repr__(self) -> str:
        return (
            f"LabelNoiseOptimum({self.certificate.verdict.name}, objective={self.value:.9g}, "
            f"relative_gap={self.relative_gap:.2g}, {len(self.measure)} atoms, {self.termination.name})"
        )


def label_noise_regulariser(network: ReluNetwork, X: ArrayLike) -> float:
    r"""What label noise penalises of a network as it is, :math:`\sum_i|\nabla_\theta f(x_i)|^2`.

    Over all hidden weights, output weights and, unless ``bias="none"``, hidden biases:
    :math:`\sum_k c_k^2S_{A_k} + |(\tilde Xw_k)_{A_k}|^2` in the words of :func:`label_noise_optimum`.

    Parameters
    ----------
    network : ReluNetwork
        With one output; its output bias and skip are taken as not trained.
    X : (n, d) array_like

    Returns
    -------
    float

    Examples
    --------
    >>> import measurelp as mlp
    >>> net = mlp.ReluNetwork([[3.0]], output_weights=[2.0], bias="none")
    >>> mlp.label_noise_regulariser(net, [[1.0], [-5.0]])  # 2^2 |1|^2 + |3 x 1|^2
    13.0
    """
    network.require_relu("the label-noise regulariser")
    rows = finite_matrix("X", X)
    if network.outputs > 1:
        raise InvalidProblem(f"network: expected one output, found {network.outputs}.")
    if rows.shape[1] != network.d:
        raise InvalidProblem(f"X: expected {network.d} columns, found {rows.shape[1]}.")
    inner = np.maximum(rows @ network.hidden_weights.T + network.hidden_bias, 0.0)
    squares = np.sum(rows**2, axis=1) + (0.0 if network.bias == "none" else 1.0)
    output = network.output_weights.reshape(network.width)
    return float(output**2 @ (squares @ (inner > 0.0)) + np.sum(inner**2))
