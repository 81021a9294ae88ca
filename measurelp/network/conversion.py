"""Networks from measures and measures from networks; predictions and costs are kept."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from measurelp.errors import InvalidProblem
from measurelp.measure import AtomicMeasure, Skip
from measurelp.network.relu_network import ReluNetwork
from measurelp.problem import Activation, MeasureProblem, ReLU
from measurelp.problem.combinations import Bias


def network_from_measure(
    measure: AtomicMeasure,
    *,
    bias: Bias = "penalized",
    balanced: bool = True,
    activation: Activation | None = None,
) -> ReluNetwork:
    r"""The finite network of a finitely supported measure, one neuron an atom.

    Parameters
    ----------
    measure : AtomicMeasure
        Atoms (k, d + 1) with the bias last, or (k, d) with ``bias="none"``.
    bias : {"penalized", "none", "free"}
        What the last entry of an atom is.
    balanced : bool
        With True (default) :math:`|v_k| = |w_k|`, so that half the sum of squared weights is
        the total variation; with False neurons keep the atoms' unit norm.
    activation : Activation, optional
        What neurons do; the ReLU if left out.

    Returns
    -------
    ReluNetwork
        With the measure's predictions, and its total variation as path norm.

    Examples
    --------
    >>> mu = AtomicMeasure(np.array([[0.6, 0.8]]), np.array([-4.0]))
    >>> network_from_measure(mu, bias="none").output_weights
    array([-2.])
    """
    atoms = measure.atoms
    skip = measure.skip
    if bias == "none":
        weights, hidden_bias = atoms, np.zeros(len(atoms))
    elif atoms.shape[1] < 2:
        raise InvalidProblem(
            f"measure: with bias={bias!r} atoms end with the bias and have at least 2 entries, "
            f'found {atoms.shape[1]}; for a network without hidden bias pass bias="none".'
        )
    else:
        weights, hidden_bias = atoms[:, :-1], atoms[:, -1]
    network = ReluNetwork(
        weights, hidden_bias, output_weights=measure.masses, skip=skip, bias=bias,
        activation=ReLU() if activation is None else activation,
    )  # fmt: skip
    return network.balanced() if balanced else network


def measure_from_network(
    network: ReluNetwork, problem: MeasureProblem | Bias | None = None
) -> AtomicMeasure:
    r"""The measure :math:`\sum_k v_k |w_k|\,\delta_{w_k/|w_k|}` of a network.

    Neurons whose output is identically zero are dropped.  Under a free bias, a neuron without
    input weights is a constant that costs nothing and goes into the skip's constant.

    Parameters
    ----------
    network : ReluNetwork
        Any two-layer network; with output weights (k, 1) it counts as one with one output.
    problem : MeasureProblem or {"penalized", "none", "free"}, optional
        What the hidden bias and the norm mean.  With a problem, the network must also fit it:
        as many inputs, and no output bias or linear part that the problem's skip has not.
        Left out, the network's own ``bias`` holds.

    Returns
    -------
    AtomicMeasure
        Unit atoms and signed masses, (k,) or (k, c), with the output bias and the linear part as ``skip``
        (None when the network has neither).

    Raises
    ------
    InvalidProblem
        If the network is not a candidate of the problem.
    """
    wanted = problem.n_outputs if isinstance(problem, MeasureProblem) else network.outputs
    if network.outputs != wanted:
        raise InvalidProblem(
            f"network: it has {network.outputs} outputs, but the problem has {wanted}; state the problem "
            "with the targets of all outputs, or certify the outputs one by one."
        )
    if network.output_weights.ndim == 2 and network.outputs == 1:
        skip = None if network.skip is None else Skip(network.skip.linear[:, 0])
        network = replace(
            network, output_weights=network.output_weights[:, 0],
            output_bias=np.ravel(network.output_bias)[0], skip=skip,
        )  # fmt: skip
    if isinstance(problem, MeasureProblem):
        _check_fits(network, problem)
        bias: Bias = problem.bias
    else:
        bias = network.bias if problem is None else problem
    unit = replace(network, bias=bias).unit_neurons()
    atoms = unit.hidden_weights
    if bias != "none":
        atoms = np.column_stack([atoms, unit.hidden_bias])
    masses = unit.output_weights
    if isinstance(problem, MeasureProblem) and problem.ball.name != "l2":
        norms = problem.weight_norm(atoms)
        atoms, masses = atoms / norms[:, None], (masses.T * norms).T
    skip = None
    if unit.skip is not None or np.any(unit.output_bias):
        outputs = unit.output_weights.shape[1:]
        linear = np.zeros((unit.d, *outputs)) if unit.skip is None else unit.skip.linear
        constant = unit.output_bias
        skip = Skip(linear, constant if outputs else float(constant))
    return AtomicMeasure(atoms, masses, skip)


def _check_fits(network: ReluNetwork, problem: MeasureProblem) -> None:
    """Raise InvalidProblem unless the network is a candidate of the problem."""
    if network.d != problem.d:
        raise InvalidProblem(
            f"network: expected {problem.d} inputs, as many as the problem has features, "
            f"found {network.d}."
        )
    if network.activation.slopes != problem.activation.slopes:
        raise InvalidProblem(
            f"network: its neurons have the activation {network.activation!r}, those of the "
            f"problem {problem.activation!r}."
        )
    if problem.bias == "none" and np.any(network.hidden_bias):
        raise InvalidProblem(
            'network: it has hidden biases, but the problem has bias="none"; '
            'state the problem with bias="penalized" or bias="free".'
        )
    if problem.skip == "none" and np.any(network.output_bias):
        raise InvalidProblem(
            f"network: it has the output bias {network.output_bias}, but the problem has "
            'skip="none"; state the problem with skip="constant" or train without output bias.'
        )
    if problem.skip != "affine" and network.skip is not None and np.any(network.skip.linear):
        raise InvalidProblem(
            f"network: it has a linear skip, but the problem has skip={problem.skip!r}; "
            'state the problem with skip="affine".'
        )
