"""A two-layer network from arrays that have names, as in state dicts and safetensors files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from measurelp.errors import InvalidProblem
from measurelp.network.chain import ReluChain, network_from_chain, real_array
from measurelp.network.relu_network import ReluNetwork
from measurelp.problem.measure_problem import Bias


def network_from_named_weights(
    arrays: Mapping[str, NDArray[Any]],
    *,
    name: str,
    layers: tuple[str, str] | None = None,
    bias: Bias | None = None,
) -> ReluNetwork:
    """The network with the arrays ``*.weight`` and ``*.bias`` of two layers.

    Parameters
    ----------
    arrays
        ``hidden.weight`` (k, d), ``hidden.bias`` (k,), ``output.weight`` (c, k),
        ``output.bias`` (c,), by whatever names the layers have; biases may be missing.
        ``skip.weight`` (c, d) is a linear skip.
    name
        What stands in error messages.
    layers
        Names of the hidden and the output layer; left out, found by their shapes, and where
        these leave a choice in the natural order of the names ("fc2" before "fc10").
    bias
        As in :func:`measurelp.network_from_torch`.

    Raises
    ------
    InvalidProblem
        If there are not two such layers, or something else is there too.
    """
    weights = [key for key in arrays if key.rpartition(".")[2] == "weight"]
    strangers = [key for key in arrays if key.rpartition(".")[2] not in ("weight", "bias")]
    prefixes = sorted((key.rpartition(".")[0] for key in weights), key=_natural)
    skip = None
    if layers is None:
        if "skip" in prefixes and len(prefixes) == 3:
            prefixes.remove("skip")
            skip = real_array(f"{name}: skip.weight", arrays["skip.weight"], ndim=2)
        if len(prefixes) != 2 or strangers:
            raise InvalidProblem(
                f"{name}: expected the weights of two linear layers (names ending in .weight and "
                f".bias), found {', '.join(sorted(arrays, key=_natural)[:8]) or 'nothing'}; "
                "layers=(hidden, output) picks two."
            )
        first, second = prefixes
        if not _follow(arrays, first, second) and _follow(arrays, second, first):
            first, second = second, first
    else:
        first, second = layers
        missing = [layer for layer in layers if _key(layer, "weight") not in arrays]
        if missing:
            raise InvalidProblem(
                f"{name}: has no layer {missing[0]!r}; it has {', '.join(prefixes) or 'none'}."
            )
    found = []
    for layer in (first, second):
        key = _key(layer, "weight")
        weight = real_array(f"{name}: {key}", arrays[key], ndim=2)
        key = _key(layer, "bias")
        constant = None
        if key in arrays:
            constant = real_array(f"{name}: {key}", arrays[key], ndim=1)
        found.append((weight, constant))
    (hidden, hidden_bias), (output, output_bias) = found
    if bias is None:
        bias = "none" if hidden_bias is None else "penalized"
    try:
        chain = ReluChain(
            [hidden, output],
            [np.zeros(len(w)) if b is None else b for w, b in
             ((hidden, hidden_bias), (output, output_bias))],
        )  # fmt: skip
    except InvalidProblem as error:
        raise InvalidProblem(
            f"{name}: the layers {first!r} and {second!r} do not follow each other ({error})"
        ) from None
    return network_from_chain(chain, skip=skip, bias=bias)


def named_weights_from_network(network: ReluNetwork) -> dict[str, NDArray[np.float64]]:
    """The arrays that :func:`network_from_named_weights` reads, named as in torch.

    The hidden bias is left out where ``network.bias`` is "none", the output bias where it is 0.
    """
    arrays = {
        "hidden.weight": network.hidden_weights,
        "output.weight": network.output_weights.reshape(network.width, network.outputs).T,
    }
    if network.bias != "none":
        arrays["hidden.bias"] = network.hidden_bias
    if np.any(network.output_bias):
        arrays["output.bias"] = np.atleast_1d(network.output_bias)
    if network.skip is not None:
        arrays["skip.weight"] = network.skip.linear.reshape(network.d, -1).T
    return {key: np.ascontiguousarray(array) for key, array in arrays.items()}


def _key(layer: str, part: str) -> str:
    return f"{layer}.{part}" if layer else part


def _follow(arrays: Mapping[str, NDArray[Any]], first: str, second: str) -> bool:
    one, two = arrays[_key(first, "weight")], arrays[_key(second, "weight")]
    return one.ndim == two.ndim == 2 and two.shape[1] == one.shape[0]


def _natural(name: str) -> list[tuple[int, str]]:
    """Sort key under which numbers in names count as numbers."""
    return [(int(p), "") if p.isdigit() else (-1, p) for p in re.split(r"(\d+)", name)]
