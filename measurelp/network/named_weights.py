"""A two-layer network from arrays that have names, as in state dicts and safetensors files."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from measurelp.errors import InvalidProblem
from measurelp.network.chain import ReluChain, network_from_chain, real_array
from measurelp.network.relu_network import ReluNetwork
from measurelp.problem.combinations import Bias


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
    skip = None
    if layers is None:
        prefixes = _prefixes(arrays)
        if "skip" in prefixes and len(prefixes) == 3:
            prefixes.remove("skip")
            skip = real_array(f"{name}: skip.weight", arrays["skip.weight"], ndim=2)
        if len(prefixes) != 2 or _strangers(arrays):
            raise InvalidProblem(
                f"{name}: expected the weights of two linear layers (names ending in .weight and "
                f".bias), found {', '.join(sorted(arrays, key=_natural)[:8]) or 'nothing'}; "
                "layers=(hidden, output) picks two."
            )
        first, second = prefixes
        if not _follow(arrays, first, second) and _follow(arrays, second, first):
            first, second = second, first
        layers = (first, second)
    chain = _chain_of(arrays, layers, name)
    if bias is None:
        bias = "penalized" if _key(layers[0], "bias") in arrays else "none"
    return network_from_chain(chain, skip=skip, bias=bias)


def chain_from_named_weights(arrays: Mapping[str, NDArray[Any]], *, name: str) -> ReluChain:
    """The chain of all layers, in the natural order of their names; see above."""
    prefixes = _prefixes(arrays)
    if len(prefixes) == 2 and not _follow(arrays, *prefixes):
        prefixes.reverse()
    if not prefixes or _strangers(arrays):
        raise InvalidProblem(
            f"{name}: expected the weights of linear layers only (names ending in .weight and "
            f".bias), found {', '.join(sorted(arrays, key=_natural)[:8]) or 'nothing'}."
        )
    return _chain_of(arrays, prefixes, name)


def named_weights_from_chain(chain: ReluChain) -> dict[str, NDArray[np.float64]]:
    """The arrays that :func:`chain_from_named_weights` reads: ``layers.0.weight`` and so on."""
    arrays = {}
    for i, (weight, constant) in enumerate(zip(chain.weights, chain.biases, strict=True)):
        arrays[f"layers.{i}.weight"] = np.ascontiguousarray(weight)
        arrays[f"layers.{i}.bias"] = np.ascontiguousarray(constant)
    return arrays


def named_weights_from_network(network: ReluNetwork) -> dict[str, NDArray[np.float64]]:
    """The arrays that :func:`network_from_named_weights` reads, named as in torch.

    The hidden bias is left out where ``network.bias`` is "none", the output bias where it is 0.
    """
    network.require_relu("a file of weights")
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


def _prefixes(arrays: Mapping[str, NDArray[Any]]) -> list[str]:
    """Names of the layers that have a weight, in their natural order."""
    weights = [key for key in arrays if key.rpartition(".")[2] == "weight"]
    return sorted((key.rpartition(".")[0] for key in weights), key=_natural)


def _strangers(arrays: Mapping[str, NDArray[Any]]) -> bool:
    return any(key.rpartition(".")[2] not in ("weight", "bias") for key in arrays)


def _chain_of(arrays: Mapping[str, NDArray[Any]], layers: Sequence[str], name: str) -> ReluChain:
    weights, biases = [], []
    for layer in layers:
        key = _key(layer, "weight")
        if key not in arrays:
            has = ", ".join(_prefixes(arrays)) or "none"
            raise InvalidProblem(f"{name}: has no layer {layer!r}; it has {has}.")
        weights.append(real_array(f"{name}: {key}", arrays[key], ndim=2))
        key = _key(layer, "bias")
        constant = arrays.get(key, np.zeros(len(weights[-1])))
        biases.append(real_array(f"{name}: {key}", constant, ndim=1))
    try:
        return ReluChain(weights, biases)
    except InvalidProblem as error:
        shown = ", ".join(repr(layer) for layer in layers)
        raise InvalidProblem(
            f"{name}: the layers {shown} do not follow each other ({error})"
        ) from None


def _key(layer: str, part: str) -> str:
    return f"{layer}.{part}" if layer else part


def _follow(arrays: Mapping[str, NDArray[Any]], first: str, second: str) -> bool:
    one, two = arrays[_key(first, "weight")], arrays[_key(second, "weight")]
    return one.ndim == two.ndim == 2 and two.shape[1] == one.shape[0]


def _natural(name: str) -> list[tuple[int, str]]:
    """Sort key under which numbers in names count as numbers."""
    return [(int(p), "") if p.isdigit() else (-1, p) for p in re.split(r"(\d+)", name)]
