"""Rescaling neurons so that weight decay is least, without changing the function."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from measurelp.errors import InvalidProblem
from measurelp.network._torch import chain_from_torch, torch_with_chain
from measurelp.network._torch_graph import is_torch_module
from measurelp.network.chain import ReluChain, chain_from_network
from measurelp.network.relu_network import ReluNetwork, row_norms

Vector = NDArray[np.float64]
CountedBias = Literal["penalized", "free"]
_SWEEPS = 10_000


@dataclass(frozen=True, eq=False)
class BalanceReport:
    r"""How well the two sides of each hidden neuron balance.

    Attributes
    ----------
    incoming, outgoing : tuple of (n_l,) arrays
        For each hidden layer :math:`|w_k|` and :math:`|v_k|` of its neurons.
    weight_decay : float
        Half the sum of squares of all weights, and of the biases that count.
    imbalance : float
        The largest :math:`|\log(|v_k|/|w_k|)|` of a neuron that has both; inf if a neuron has
        one side only, which costs and does nothing.
    """

    incoming: tuple[Vector, ...]
    outgoing: tuple[Vector, ...]
    weight_decay: float

    @property
    def imbalance(self) -> float:
        worst = 0.0
        for w, v in zip(self.incoming, self.outgoing, strict=True):
            both = (w > 0.0) & (v > 0.0)
            if np.any(both != ((w > 0.0) | (v > 0.0))):
                return float("inf")
            worst = max(worst, float(np.abs(np.log(v[both] / w[both])).max(initial=0.0)))
        return worst

    @property
    def path_norms(self) -> tuple[float, ...]:
        r""":math:`\sum_k |v_k||w_k|` of each hidden layer."""
        return tuple(float(w @ v) for w, v in zip(self.incoming, self.outgoing, strict=True))


@dataclass(frozen=True, eq=False)
class Rebalanced:
    """What :func:`rebalance` returns: the model, and how it was balanced before and after."""

    model: Any
    before: BalanceReport
    after: BalanceReport

    @property
    def saved(self) -> float:
        """By how much weight decay fell, at least 0."""
        return max(0.0, self.before.weight_decay - self.after.weight_decay)


def balance_report(model: Any, *, bias: CountedBias = "penalized") -> BalanceReport:
    """The norms on both sides of every hidden neuron, and the weight decay.

    Parameters
    ----------
    model : torch.nn.Module, ReluChain or ReluNetwork
        Linear, ReLU, ..., Linear.
    bias : {"penalized", "free"}
        Whether biases count in norms and weight decay, as they do where an optimiser decays
        every parameter.  A network says so itself, and its output bias never counts.

    Examples
    --------
    >>> balance_report(ReluNetwork([[3.0, 4.0]], output_weights=[2.0])).weight_decay
    14.5
    """
    if isinstance(model, ReluNetwork):
        return BalanceReport((model.neuron_norms,), (model.output_norms,), model.weight_decay)
    return _report(_chain_of(model), bias)


def rebalance(model: Any, *, bias: CountedBias = "penalized", in_place: bool = False) -> Rebalanced:
    r"""The same function with the least weight decay that rescaling of neurons can reach.

    A ReLU is positively homogeneous, so :math:`(w_k, b_k) \to g_k (w_k, b_k)`,
    :math:`v_k \to v_k / g_k` with :math:`g_k > 0` changes nothing, and

    .. math:: \min_{g} \tfrac12\left(g^2 |w_k|^2 + |v_k|^2 / g^2\right) = |w_k|\,|v_k|,
              \qquad g^2 = |v_k| / |w_k| .

    Neurons whose output vanishes identically become zero.  In deep chains a neuron's incoming
    weights are outgoing ones of others; the sum is a convex function of the log g, and layers
    are balanced in turn until every neuron is.

    Parameters
    ----------
    model : torch.nn.Module, ReluChain or ReluNetwork
        Linear, ReLU, ..., Linear, of any depth.
    bias : {"penalized", "free"}
        As in :func:`balance_report`.  Under "free" a neuron with a bias and no weights is a
        constant at no cost and stays as it is.
    in_place : bool
        Write the weights into the torch module given.  Otherwise a copy is made.

    Returns
    -------
    Rebalanced
        Of the same kind as the model.  A torch module keeps its types and devices, so in
        single precision weights are rounded to that.

    Raises
    ------
    InvalidProblem
        If the model is not such a chain, or two layers share their weights.

    Examples
    --------
    >>> done = rebalance(ReluNetwork([[3.0, 4.0]], output_weights=[2.0]))
    >>> done.before.weight_decay, round(done.after.weight_decay, 12)
    (14.5, 10.0)
    """
    if in_place and not is_torch_module(model):
        raise InvalidProblem("in_place: only a torch module can be changed; networks are values.")
    if isinstance(model, ReluNetwork):
        network = model.balanced()
        return Rebalanced(network, balance_report(model), balance_report(network))
    chain = _chain_of(model)
    balanced = _balanced_chain(chain, bias)
    result: Any = balanced
    if is_torch_module(model):
        result = torch_with_chain(model, balanced, in_place=in_place)
        balanced = _chain_of(result)
    return Rebalanced(result, _report(chain, bias), _report(balanced, bias))


def _chain_of(model: Any) -> ReluChain:
    if isinstance(model, ReluChain):
        return model
    if isinstance(model, ReluNetwork):
        return chain_from_network(model)
    return chain_from_torch(model)


def incoming_norms(chain: ReluChain, layer: int, bias: CountedBias) -> Vector:
    r""":math:`|w_k|` of the neurons of hidden layer ``layer`` (from 0), biases included or not."""
    weight = chain.weights[layer]
    if bias == "penalized":
        weight = np.column_stack([weight, chain.biases[layer]])
    elif bias != "free":
        raise InvalidProblem(f"bias: expected 'penalized' or 'free', found {bias!r}.")
    return row_norms(weight)


def _report(chain: ReluChain, bias: CountedBias) -> BalanceReport:
    hidden = range(chain.depth - 1)
    decay = sum(float(np.vdot(w, w)) for w in chain.weights)
    if bias == "penalized":
        decay += sum(float(b @ b) for b in chain.biases)
    return BalanceReport(
        tuple(incoming_norms(chain, layer, bias) for layer in hidden),
        tuple(row_norms(chain.weights[layer + 1].T) for layer in hidden),
        0.5 * decay,
    )


def _balanced_chain(chain: ReluChain, bias: CountedBias) -> ReluChain:
    weights = [w.copy() for w in chain.weights]
    biases = [b.copy() for b in chain.biases]
    for layer in range(chain.depth - 1):
        # Never active: no weights, and a bias that is not positive.
        silent = ~weights[layer].any(axis=1) & (biases[layer] <= 0.0)
        weights[layer + 1][:, silent] = 0.0
    for layer in reversed(range(chain.depth - 1)):
        unused = ~weights[layer + 1].any(axis=0)
        weights[layer][unused] = 0.0
        biases[layer][unused] = 0.0
    for _ in range(_SWEEPS):
        worst = 0.0
        for layer in range(chain.depth - 1):
            now = ReluChain(weights, biases)
            inward = incoming_norms(now, layer, bias)
            outward = row_norms(weights[layer + 1].T)
            both = (inward > 0.0) & (outward > 0.0)
            factor = np.ones(len(inward))
            factor[both] = np.sqrt(outward[both]) / np.sqrt(inward[both])
            worst = max(worst, float(np.abs(np.log(factor)).max(initial=0.0)))
            weights[layer] = weights[layer] * factor[:, None]
            biases[layer] = biases[layer] * factor
            weights[layer + 1] = weights[layer + 1] / factor
        if worst <= 1e-14 or chain.depth <= 2:
            break
    return ReluChain(weights, biases)
