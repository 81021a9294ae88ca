"""Whatever a network comes as, as a ``ReluNetwork``."""

from __future__ import annotations

from measurelp.network._sklearn import is_sklearn_network, network_from_sklearn
from measurelp.network._torch import network_from_torch
from measurelp.network._torch_graph import is_torch_module
from measurelp.network.relu_network import ReluNetwork
from measurelp.problem.combinations import Bias


def network_from_candidate(candidate: object, *, bias: Bias | None = None) -> ReluNetwork | None:
    """The network of a torch module or a fitted scikit-learn MLP; None of anything else.

    Neither library is imported to find out.

    Parameters
    ----------
    candidate
        A network itself comes back as it is.
    bias : {"penalized", "none", "free"}, optional
        What the hidden bias is.

    Raises
    ------
    InvalidProblem
        If it is a module or an MLP but not Linear, ReLU, Linear.
    """
    if isinstance(candidate, ReluNetwork):
        return candidate
    if is_torch_module(candidate):
        return network_from_torch(candidate, bias=bias)
    if is_sklearn_network(candidate):
        return network_from_sklearn(candidate, bias=bias)
    return None
