"""Networks whose cost, width or place in the landscape is known exactly (Jacot et al. 2022)."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from measurelp.errors import InvalidProblem
from measurelp.network import ReluChain

Matrix = NDArray[np.float64]


class WideInstance(NamedTuple):
    """Data whose cheapest interpolating network is known, and how wide it must be.

    Attributes
    ----------
    X, Y : (N, N) arrays
    network : ReluChain
        Cheapest, without biases.
    cost : float
        Its path norm, half the sum of squares of its weights.
    neurons : int
        What every network of this cost has at least.
    """

    X: Matrix
    Y: Matrix
    network: ReluChain
    cost: float
    neurons: int


def complete_bipartite(m: int) -> WideInstance:
    r"""N = 2m samples for which the cheapest network needs :math:`m^2 = N^2/4` neurons.

    X = I and :math:`Y = EE^\top` with the vertex-edge incidence matrix E of the complete
    bipartite graph on m and m vertices.  Hidden neurons are edges, incoming and outgoing weights
    their columns of E.  The cost is :math:`\|Y\|_* = 2m^2` (the squared norm of all weights twice
    that), and :math:`K^\sigma = Y` has the completely positive rank :math:`m^2`, because in a graph
    without triangles no neuron can serve two edges (Propositions 13 and 14).

    Examples
    --------
    >>> instance = complete_bipartite(2)
    >>> instance.cost, instance.neurons, instance.network
    (8.0, 4, ReluChain(4 -> 4 -> 4))
    """
    _check_size("m", m)
    edges = [(i, m + j) for i in range(m) for j in range(m)]
    E = np.zeros((2 * m, m * m))
    for k, ends in enumerate(edges):
        E[ends, k] = 1.0
    network = ReluChain([E.T, E], [np.zeros(m * m), np.zeros(2 * m)])
    return WideInstance(np.eye(2 * m), E @ E.T, network, 2.0 * m * m, m * m)


def complete_bipartite_by_samples(m: int) -> ReluChain:
    r"""The same outputs with N = 2m neurons, at :math:`\sqrt{1 + 2/N}` times the cost (Remark 23).

    Hidden weights are a multiple of I, output weights one of Y, balanced as wholes.

    Examples
    --------
    >>> chain = complete_bipartite_by_samples(2)
    >>> round(0.5 * sum(float((w**2).sum()) for w in chain.weights) / 8.0, 6)  # sqrt(1 + 2/4)
    1.224745
    """
    X, Y, *_ = complete_bipartite(m)
    scale = math.sqrt(float(np.linalg.norm(Y)) / float(np.linalg.norm(X)))
    return ReluChain([scale * X, Y / scale], [np.zeros(2 * m)] * 2)


class StuckInstance(NamedTuple):
    """A local minimum in weights that is none in covariances.

    Attributes
    ----------
    X, y : (2, 1) and (2,) arrays
    network : ReluChain
        The local minimum for half the squared error plus ``lam`` times half the sum of squares.
    local_value, global_value : float
        Its objective, and the least one of any width.
    """

    X: Matrix
    y: Matrix
    network: ReluChain
    local_value: float
    global_value: float


def narrow_local_minimum(lam: float, *, angle: float = math.pi / 4) -> StuckInstance:
    r"""Two neurons that both look right while the data ask for one each way (Proposition 19).

    Inputs 1 and -1, both targets 1, no biases, hidden weights and equal output weights
    :math:`\sqrt{1-\lambda}(\cos t, \sin t)`.  All angles t strictly between 0 and
    :math:`\pi/2` are local minima with the same covariances; at the ends one neuron is silent and
    can be turned around, so the covariances are no local minimum.  Local and global value are
    :math:`\tfrac12 + \lambda - \tfrac12\lambda^2` and :math:`2\lambda - \lambda^2`.

    Parameters
    ----------
    lam : float
        Between 0 and 1.
    angle : float
        t, from 0 to pi/2.

    Examples
    --------
    >>> stuck = narrow_local_minimum(0.2)
    >>> round(stuck.local_value, 6), round(stuck.global_value, 6)
    (0.68, 0.36)
    """
    if not 0.0 < lam < 1.0:
        raise InvalidProblem(f"lam: expected a number between 0 and 1, found {lam!r}.")
    if not 0.0 <= angle <= 0.5 * math.pi:
        raise InvalidProblem(f"angle: expected a number from 0 to pi/2, found {angle!r}.")
    w = math.sqrt(1.0 - lam) * np.array([math.cos(angle), math.sin(angle)])
    chain = ReluChain([w[:, None], w[None, :]], [np.zeros(2), np.zeros(1)])
    return StuckInstance(
        np.array([[1.0], [-1.0]]), np.ones(2), chain,
        0.5 + lam - 0.5 * lam**2, 2.0 * lam - lam**2,
    )  # fmt: skip


def _check_size(name: str, value: int) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise InvalidProblem(f"{name}: expected an integer >= 1, found {value!r}.")
