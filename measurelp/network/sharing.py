"""Neurons that can be shared: merged exactly on the data, or with a provable gain."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from measurelp.errors import InvalidProblem
from measurelp.network.relu_network import ReluNetwork
from measurelp.problem import finite_matrix

Matrix = NDArray[np.float64]
_ON_WALL = 1e-12


@dataclass(frozen=True, eq=False)
class Shared:
    """What :func:`share_neurons` returns.

    Attributes
    ----------
    network : ReluNetwork
        In unit-neuron form.
    merged_in_cells : int
        Neurons that went into another one of their cell, at no change on the data.
    merged_in_radius : int
        Neurons that went into another one within the sharing radius.
    path_norm_before, path_norm_after : float
    """

    network: ReluNetwork
    merged_in_cells: int
    merged_in_radius: int
    path_norm_before: float
    path_norm_after: float


def share_neurons(
    network: ReluNetwork, X: ArrayLike, y: ArrayLike | None = None, *, lam: float | None = None
) -> Shared:
    r"""Merge neurons that one neuron can replace.

    In one closed cell of the data, neurons whose output weights point the same way (for one
    output: have one sign) add up to a single one with the same outputs on the data,

    .. math:: c\,\langle w, x\rangle_+ + c'\langle w', x\rangle_+
              = \langle cw + c'w', x\rangle_+ , \qquad |cw + c'w'| \le c + c'.

    With targets ``y`` and ``lam``, neurons nearer to each other than
    :func:`sharing_radius` are merged too: that changes outputs and strictly lowers
    :math:`\tfrac12|f(X) - y|^2 + \lambda\sum_k|v_k||w_k|`.

    Parameters
    ----------
    network : ReluNetwork
    X : (n, d) array_like
    y : (n,) or (n, c) array_like, optional
    lam : float, optional
        Given with ``y``.

    Returns
    -------
    Shared
        The path norm never grows.

    Notes
    -----
    Greedy, so a fixed point and not the least number of neurons.  O(k^2 n) operations.  Inner
    products below 1e-12 of their factors count as zero.

    Examples
    --------
    >>> net = ReluNetwork([[1.0, 0.0], [0.0, 1.0]], output_weights=[1.0, 1.0], bias="none")
    >>> done = share_neurons(net, [[1.0, 1.0]])
    >>> done.network.width, done.path_norm_before, round(done.path_norm_after, 6)
    (1, 2.0, 1.414214)
    """
    inputs = finite_matrix("X", X)
    _check_inputs(network, inputs)
    if (y is None) != (lam is None):
        raise InvalidProblem("y, lam: expected both or neither.")
    unit = network.unit_neurons()
    shared = _merge_in_cells(unit, inputs)
    in_cells = unit.width - shared.width
    in_radius = 0
    if y is not None and lam is not None:
        while True:
            smaller = _merge_nearest(shared, inputs, y, lam)
            if smaller is None:
                break
            in_radius += 1
            shared = smaller
        again = _merge_in_cells(shared, inputs)
        in_cells += shared.width - again.width
        shared = again
    return Shared(shared, in_cells, in_radius, network.path_norm, shared.path_norm)


def sharing_radius(network: ReluNetwork, X: ArrayLike, y: ArrayLike, *, lam: float) -> Matrix:
    r"""How near two neurons must be for a merger to be a gain, for the squared loss.

    Moving the output weights of unit neuron j to unit neuron k, at distance
    :math:`\delta = |w_j - w_k|` (biases included), changes the output at :math:`x_i` by at most
    :math:`|v_j|\,\delta\,|\tilde x_i|` and saves
    :math:`g = \lambda(|v_j| + |v_k| - |v_j + v_k|)`.  So

    .. math:: \delta < \frac{-A + \sqrt{A^2 + 4Bg}}{2B},\quad
              A = |v_j| \sum_i |r_i||\tilde x_i|,\quad B = \tfrac12 |v_j|^2 \sum_i |\tilde x_i|^2

    with the residuals :math:`r_i` strictly lowers
    :math:`\tfrac12\sum_i|r_i|^2 + \lambda\sum_k |v_k|`.

    Parameters
    ----------
    network : ReluNetwork
        Taken in unit-neuron form (:meth:`ReluNetwork.unit_neurons`).
    X : (n, d) array_like
    y : (n,) or (n, c) array_like
    lam : float
        At least 0.

    Returns
    -------
    (k, k) array
        The radius for merging neuron j (row) into neuron k (column); 0 where nothing is saved
        (output weights that point the same way) and on the diagonal.

    Notes
    -----
    Sufficient, not necessary.  It makes the neuron-sharing theorem of Shenouda, Parhi, Lee and
    Nowak 2024 explicit for the squared loss; there, some radius exists for any loss.
    """
    inputs = finite_matrix("X", X)
    _check_inputs(network, inputs)
    unit = network.unit_neurons()
    residuals = _residuals(unit, inputs, y)
    if not (np.isfinite(lam) and lam >= 0.0):
        raise InvalidProblem(f"lam: expected a finite number >= 0, found {lam!r}.")
    output = unit.output_weights.reshape(unit.width, unit.outputs)
    size = np.linalg.norm(output, axis=1)
    lengths = np.linalg.norm(_lifted(unit, inputs), axis=1)
    together = np.linalg.norm(output[:, None] + output[None], axis=2)
    gain = lam * np.maximum(size[:, None] + size - together, 0.0)
    # What rounding may pretend to save.
    gain[gain <= 1e-14 * lam * (size[:, None] + size)] = 0.0
    np.fill_diagonal(gain, 0.0)
    first = size * float(np.linalg.norm(residuals, axis=1) @ lengths)
    second = 0.5 * size**2 * float(lengths @ lengths)
    root = first[:, None] + np.sqrt(first[:, None] ** 2 + 4.0 * second[:, None] * gain)
    return np.asarray(2.0 * gain / np.where(root > 0.0, root, 1.0))


def _merge_nearest(
    network: ReluNetwork, inputs: Matrix, y: ArrayLike, lam: float
) -> ReluNetwork | None:
    """One merger within the sharing radius, the deepest one; None if there is none."""
    if network.width < 2:
        return None
    radius = sharing_radius(network, inputs, y, lam=lam)
    lifted = np.column_stack([network.hidden_weights, network.hidden_bias])
    distance = np.linalg.norm(lifted[:, None] - lifted[None], axis=2)
    inside = radius - distance
    inside[radius == 0.0] = -np.inf
    j, k = np.unravel_index(int(np.argmax(inside)), inside.shape)
    if not inside[j, k] > 0.0:
        return None
    output = network.output_weights.copy()
    output[k] += output[j]
    output[j] = 0.0
    return replace(network, output_weights=output).unit_neurons()


def _merge_in_cells(network: ReluNetwork, inputs: Matrix) -> ReluNetwork:
    """Neurons of one closed cell with output weights of one direction added up."""
    if network.width < 2:
        return network
    lifted = _lifted(network, inputs)
    wall = _ON_WALL * np.linalg.norm(lifted, axis=1)
    weights = np.column_stack([network.hidden_weights, network.hidden_bias])
    output = network.output_weights.reshape(network.width, network.outputs)
    size = np.linalg.norm(output, axis=1)
    merged: list[tuple[Matrix, Matrix, NDArray[np.int8]]] = []
    for k in np.argsort(-size, kind="stable"):
        w, direction = size[k] * weights[k], output[k] / size[k]
        signs = _signs(lifted, w, wall)
        for position, (other, towards, known) in enumerate(merged):
            same = np.linalg.norm(direction - towards) <= _ON_WALL
            if same and not np.any(signs * known < 0):
                total = other + w
                merged[position] = (total, towards, _signs(lifted, total, wall))
                break
        else:
            merged.append((w, direction, signs))
    hidden = np.array([w for w, _, _ in merged])
    directions = np.array([d for _, d, _ in merged])
    return replace(
        network, hidden_weights=hidden[:, :-1], hidden_bias=hidden[:, -1],
        output_weights=directions.reshape(-1, *network.output_weights.shape[1:]),
    ).unit_neurons()  # fmt: skip


def _signs(lifted: Matrix, w: Matrix, wall: Matrix) -> NDArray[np.int8]:
    inner = lifted @ w
    zero = np.abs(inner) <= wall * float(np.linalg.norm(w))
    return np.where(zero, 0, np.sign(inner)).astype(np.int8)


def _lifted(network: ReluNetwork, inputs: Matrix) -> Matrix:
    """Inputs with a last column of ones for the bias; of zeros where there is none."""
    last = np.zeros(len(inputs)) if network.bias == "none" else np.ones(len(inputs))
    return np.column_stack([inputs, last])


def _residuals(network: ReluNetwork, inputs: Matrix, y: ArrayLike) -> Matrix:
    targets = np.asarray(y, dtype=np.float64)
    fit = network.predict(inputs)
    if targets.size != fit.size or len(targets) != len(fit) or not np.isfinite(targets).all():
        raise InvalidProblem(
            f"y: expected finite numbers of shape {fit.shape}, found shape {targets.shape}."
        )
    return np.asarray(fit - targets.reshape(fit.shape)).reshape(len(fit), -1)


def _check_inputs(network: ReluNetwork, inputs: Matrix) -> None:
    network.require_relu("sharing of neurons")
    if inputs.shape[1] != network.d:
        raise InvalidProblem(
            f"X: expected {network.d} columns, as many as the network has inputs, found "
            f"{inputs.shape[1]}."
        )
