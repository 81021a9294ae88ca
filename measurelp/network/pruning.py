"""Fewer neurons with the same outputs on the data and no more norm: the width bounds."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from measurelp.errors import InvalidProblem
from measurelp.measure import prune_to_extreme_point
from measurelp.network.relu_network import ReluNetwork
from measurelp.problem import finite_matrix

Matrix = NDArray[np.float64]


class PrunedLayer(NamedTuple):
    """What :func:`prune_layer` returns.

    Attributes
    ----------
    kept : integer array
        Indices of the features that stay.
    output_weights : (D, len(kept)) array
    """

    kept: NDArray[np.intp]
    output_weights: Matrix


def prune_layer(features: Matrix, output_weights: Matrix) -> PrunedLayer:
    r"""Keep at most rank(Phi) rank(V Phi) features with the same outputs.

    The matrices :math:`\frac{v_k}{|v_k|}\phi_k^\top`, after the projection of the
    :math:`v_k` on the range of :math:`V\Phi`, lie in a space of that dimension.  While they
    depend on each other, moving the lengths :math:`|v_k|` along a null vector, in the direction
    that does not raise their sum, keeps :math:`V\Phi` until one vanishes (the proof of the
    layer-width theorem of Shenouda, Parhi, Lee and Nowak 2024, as an algorithm).

    Parameters
    ----------
    features : (K, N) array
        :math:`\Phi`, or any (K, r) factor of it with the same inner products.
    output_weights : (D, K) array
        V.

    Returns
    -------
    PrunedLayer
        With the same :math:`V\Phi` up to rounding and no larger :math:`\sum_k |v_k|_2`.
    """
    length = np.linalg.norm(features, axis=1)
    V = output_weights * (length > 0.0)
    outputs = V @ features
    left, values, _ = np.linalg.svd(outputs, full_matrices=False)
    rank = int(np.count_nonzero(values > 1e-12 * values.max(initial=0.0)))
    if rank == 0:
        return PrunedLayer(np.zeros(0, dtype=np.intp), V[:, :0])
    basis = left[:, :rank]
    inner = basis.T @ V
    sizes = np.linalg.norm(inner, axis=0)
    alive = np.flatnonzero(sizes)
    reduced = _short(features[alive].T)
    directions = inner[:, alive] / sizes[alive]
    columns = np.einsum("rk,dk->rdk", reduced, directions).reshape(-1, len(alive))
    pruned = prune_to_extreme_point(columns, sizes[alive])
    kept = alive[pruned.kept]
    return PrunedLayer(kept, basis @ (directions[:, pruned.kept] * pruned.masses[pruned.kept]))


def prune_network(network: ReluNetwork, X: ArrayLike) -> ReluNetwork:
    r"""Drop neurons without changing the outputs on the data or raising the path norm.

    Neurons that are never active on the data go first; then an extreme point is taken of the
    masses with the same fit.  For one output at most n neurons stay (n minus the rank of what
    the skip spans), for c outputs at most rank(Phi) rank(f(X)) with the hidden activations Phi,
    so at most min(n, c) n.

    Parameters
    ----------
    network : ReluNetwork
    X : (n, d) array_like
        The data on which outputs stay.  Elsewhere the function may change.  A linear skip may
        take over from neurons, one that is zero stays zero.

    Returns
    -------
    ReluNetwork
        In unit-neuron form; :meth:`ReluNetwork.balanced` gives the other.

    Examples
    --------
    >>> net = ReluNetwork([[1.0], [2.0], [-1.0]], output_weights=[1.0, 1.0, 5.0])
    >>> small = prune_network(net, [[1.0], [2.0]])
    >>> small.width, small.predict([[1.0], [2.0]])
    (1, array([3., 6.]))
    """
    unit = network.unit_neurons()
    inputs = finite_matrix("X", X)
    if inputs.shape[1] != network.d:
        raise InvalidProblem(f"X: expected {network.d} columns, found {inputs.shape[1]}.")
    active = unit.activation.values(inputs @ unit.hidden_weights.T + unit.hidden_bias)
    if network.outputs > 1 or unit.output_weights.ndim == 2:
        kept, output = prune_layer(active.T, unit.output_weights.T)
        return _with(unit, kept, output.T)
    free = None
    if unit.skip is not None and not unit.skip.is_zero:
        free = np.column_stack([inputs, np.ones(len(inputs))])
    pruned = prune_to_extreme_point(active, unit.output_weights, free_columns=free)
    result = _with(unit, pruned.kept, pruned.masses[pruned.kept])
    if result.skip is None or free is None:
        return result
    skip = replace(result.skip, linear=result.skip.linear + pruned.free_shift[:-1])
    return replace(result, skip=skip, output_bias=result.output_bias + pruned.free_shift[-1])


def _with(network: ReluNetwork, kept: NDArray[np.intp], output: Matrix) -> ReluNetwork:
    return replace(
        network, hidden_weights=network.hidden_weights[kept],
        hidden_bias=network.hidden_bias[kept], output_weights=output,
    )  # fmt: skip


def _short(columns: Matrix) -> Matrix:
    """A matrix with the same inner products of columns and no more rows than columns."""
    if len(columns) <= columns.shape[1]:
        return columns
    return np.asarray(np.linalg.qr(columns, mode="r"))
