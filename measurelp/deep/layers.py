"""Layer-wise certificates: what a global minimum of a deep network must satisfy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from measurelp.deep.models import chain_of, targets_of
from measurelp.network import (
    CompressedLayer,
    CountedBias,
    ReluChain,
    compress_layer,
    incoming_norms,
)
from measurelp.problem import finite_matrix, positive_number
from measurelp.status import Verdict

Matrix = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LayerCertificate:
    r"""One hidden layer against its own convex problem.

    Attributes
    ----------
    layer : int
        Number of the hidden layer, from 0.
    verdict : Verdict
        REFUTED: ``minimiser`` gives the same outputs on the data for less (with targets: a lower
        objective), so the network is no global minimum.  OPTIMAL: proved that no output weights
        on this layer's features do better, up to the gap.  BRACKETED: neither.  OPTIMAL is
        about this layer given the others; it does not prove the network.
    current, achieved, bound : float
        The layer's share of the objective as it is, with ``minimiser`` and rebalanced, and a
        proved lower bound on it for every choice of output weights.
    saving, largest_saving : float
        ``current - achieved``, at least 0, and ``current - bound``: what replacing the output
        weights of this layer saves, and what it can save at most.
    imbalance_cost : float
        The part of ``current`` that rescaling neurons alone saves.
    relative_gap : float
        ``largest_saving`` over ``current``; 0 when both are.
    minimiser : CompressedLayer
        The weights that achieve it, the features they need, and their proof.
    """

    layer: int
    verdict: Verdict
    current: float
    achieved: float
    bound: float
    saving: float
    largest_saving: float
    imbalance_cost: float
    relative_gap: float
    minimiser: CompressedLayer

    def __repr__(self) -> str:
        return (
            f"LayerCertificate(layer {self.layer}: {self.verdict.name}, {self.current:.6g}, "
            f"achieved {self.achieved:.6g}, at least {self.bound:.6g})"
        )


@dataclass(frozen=True, eq=False)
class LayerCertificates:
    """What :func:`certify_layers` returns.

    Attributes
    ----------
    layers : tuple of LayerCertificate
    weight_decay : float
        lam times half the sum of the squares of all weights that count.
    verdict : Verdict
        REFUTED if a layer is; else BRACKETED: layers alone cannot prove a network.
    improved : ReluChain or None
        If refuted, the network with the layer of the largest saving replaced.
    """

    layers: tuple[LayerCertificate, ...]
    weight_decay: float
    verdict: Verdict
    improved: ReluChain | None

    @property
    def saving(self) -> float:
        """The largest saving of one layer: a network this much better is at hand."""
        return max((layer.saving for layer in self.layers), default=0.0)


def certify_layers(
    model: Any,
    data: ArrayLike,
    lam: float,
    *,
    targets: ArrayLike | None = None,
    bias: CountedBias = "penalized",
    tol_gap: float = 1e-6,
) -> LayerCertificates:
    r"""Hold every hidden layer of a network against the minimum of its own convex problem.

    The objective is any loss of the outputs on the data plus weight decay
    :math:`\tfrac\lambda2\sum_l|W_l|_F^2`.  Let a hidden layer hand on features
    :math:`\phi_k` from neurons with incoming weights :math:`w_k`, to outputs
    :math:`\Psi = \sum_k v_k\phi_k^\top`.  Other output weights :math:`v'` with the same
    :math:`\Psi` change nothing but weight decay, and rescaling the neurons makes that

    .. math:: \tfrac\lambda2\sum_k (|w_k|^2 + |v_k|^2) \ \ge\ \lambda\sum_k |w_k||v_k|
              \ \ge\ \lambda \min_{V'\Phi = \Psi} \sum_k |w_k||v'_k| .

    At a global minimum all three are equal, in every layer.  Where they differ the network is
    refuted, and the minimiser is the better network.

    Parameters
    ----------
    model : torch.nn.Module, ReluChain or ReluNetwork
        Linear, ReLU, ..., Linear.  It is not changed.
    data : (N, d) array_like
    lam : float
        Positive, for the loss summed over samples.  A training with loss averaged over N
        samples and ``weight_decay=a`` (that is, a/2 times the squares) has lam = N a.
    targets : (N, c) array_like, optional
        With these the loss is taken to be half the sum of squares, and the last layer is held
        against the minimum of :math:`\tfrac12|Y - b - V\Phi|_F^2 + \lambda\sum_k|w_k||v_k|`.
    bias : {"penalized", "free"}
        Whether biases are decayed too.
    tol_gap : float
        Relative difference from which a layer counts as refuted, and up to which as optimal.

    Returns
    -------
    LayerCertificates

    Notes
    -----
    Necessary conditions only: a network that passes may still be far from the minimum, since
    better features are not looked for.  For one hidden layer :func:`measurelp.certify` decides.

    Weights that do better keep the outputs up to rounding (``minimiser.residual``).

    Examples
    --------
    >>> chain = ReluChain([np.array([[1.0], [2.0]]), np.ones((1, 2))], [np.zeros(2), np.zeros(1)])
    >>> certify_layers(chain, [[1.0], [2.0]], 0.5).layers
    (LayerCertificate(layer 0: REFUTED, 1.75, achieved 1.5, at least 1.5),)
    """
    lam = positive_number("lam", lam)
    chain = chain_of(model)
    X = finite_matrix("data", data)
    handed_on = chain.layers(X)
    Y = None if targets is None else targets_of(targets, handed_on[-1].shape)
    certificates = tuple(
        _certify_layer(
            chain, layer, handed_on[layer].T, lam,
            Y if layer == chain.depth - 2 else None, bias, tol_gap,
        )
        for layer in range(chain.depth - 1)
    )  # fmt: skip
    decay = sum(float(np.vdot(w, w)) for w in chain.weights)
    if bias == "penalized":
        decay += sum(float(b @ b) for b in chain.biases)
    refuted = [c for c in certificates if c.verdict is Verdict.REFUTED]
    improved = None
    if refuted:
        improved = _with_layer(chain, max(refuted, key=lambda c: c.saving), bias)
    return LayerCertificates(
        certificates, 0.5 * lam * decay, Verdict.REFUTED if refuted else Verdict.BRACKETED, improved
    )


def _certify_layer(
    chain: ReluChain,
    layer: int,
    Phi: Matrix,
    lam: float,
    Y: Matrix | None,
    bias: CountedBias,
    tol_gap: float,
) -> LayerCertificate:
    size = incoming_norms(chain, layer, bias)
    V = chain.weights[layer + 1]
    length = np.linalg.norm(V, axis=0)
    decay = 0.5 * lam * float(size @ size + length @ length)
    path = lam * float(size @ length)
    # A neuron at no cost is a constant (free bias) or silent; what it adds stays.
    free = size == 0.0
    kept_part = V[:, free] @ Phi[free]
    features, costs = np.where(free[:, None], 0.0, Phi), np.where(free, 1.0, size)
    if Y is None:
        outputs = V @ features
        done = compress_layer(
            features, outputs, costs=costs, tol_gap=0.1 * tol_gap, range_tolerance=1e-6
        )
        loss, factor = 0.0, lam
    else:
        outputs = Y.T - chain.biases[-1][:, None] - kept_part
        done = compress_layer(features, outputs, lam, costs=costs, tol_gap=0.1 * tol_gap)
        loss, factor = 0.5 * float(np.sum((outputs - V @ features) ** 2)), 1.0
    current = loss + decay
    achieved, bound = factor * done.primal_value, factor * done.dual_value
    slack = factor * (done.gap - max(0.0, done.primal_value - done.dual_value))
    saving = max(0.0, current - achieved)
    largest = max(0.0, current - bound + slack)
    relative_gap = largest / current if current else 0.0
    verdict = Verdict.BRACKETED
    if saving > tol_gap * current:
        verdict = Verdict.REFUTED
    elif relative_gap <= 2.0 * tol_gap:
        verdict = Verdict.OPTIMAL
    return LayerCertificate(
        layer=layer, verdict=verdict, current=current, achieved=achieved, bound=bound,
        saving=saving, largest_saving=largest, imbalance_cost=max(0.0, decay - path),
        relative_gap=relative_gap, minimiser=done,
    )  # fmt: skip


def _with_layer(chain: ReluChain, better: LayerCertificate, bias: CountedBias) -> ReluChain:
    """The chain with one layer's output weights replaced, its neurons balanced."""
    layer, done = better.layer, better.minimiser
    size = incoming_norms(chain, layer, bias)
    free = np.flatnonzero((size == 0.0) & chain.weights[layer + 1].any(axis=0))
    keep = np.union1d(done.kept, free).astype(np.intp)
    V = np.zeros_like(chain.weights[layer + 1])
    V[:, done.kept] = done.output_weights
    V[:, free] = chain.weights[layer + 1][:, free]
    length = np.linalg.norm(V, axis=0)
    both = (length > 0.0) & (size > 0.0)
    factor = np.where(both, np.sqrt(length / np.where(both, size, 1.0)), 1.0)
    weights, biases = list(chain.weights), list(chain.biases)
    weights[layer] = (weights[layer] * factor[:, None])[keep]
    biases[layer] = (biases[layer] * factor)[keep]
    weights[layer + 1] = (V / factor)[:, keep]
    return ReluChain(weights, biases)
