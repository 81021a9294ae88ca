"""Networks in safetensors files.  safetensors is imported inside the functions."""

from __future__ import annotations

import os
from typing import Any

from numpy.typing import NDArray

from measurelp._optional import require
from measurelp.errors import InvalidFile
from measurelp.network.chain import ReluChain
from measurelp.network.files import MAX_BYTES, read_file, write_file
from measurelp.network.named_weights import (
    chain_from_named_weights,
    named_weights_from_chain,
    named_weights_from_network,
    network_from_named_weights,
)
from measurelp.network.relu_network import Form, ReluNetwork
from measurelp.problem.combinations import Bias


def network_from_safetensors(
    source: str | os.PathLike[str] | bytes,
    *,
    layers: tuple[str, str] | None = None,
    bias: Bias | None = None,
    max_bytes: int = MAX_BYTES,
) -> ReluNetwork:
    """The network whose weights a safetensors file holds; nothing in it is executed.

    Names and shapes are those of a torch state dict, see
    :func:`measurelp.network_from_state_dict`; that there is a ReLU between the two layers is
    taken on trust.

    Parameters
    ----------
    source : path or bytes
        A file, or its content.
    layers, bias
        As in :func:`measurelp.network_from_state_dict`.
    max_bytes : int
        Larger files are refused before they are read.

    Raises
    ------
    InvalidFile, InvalidProblem
        If the file is damaged, or does not hold the weights of two layers.
    """
    name, arrays = _arrays_of(source, max_bytes)
    return network_from_named_weights(arrays, name=name, layers=layers, bias=bias)


def chain_from_safetensors(
    source: str | os.PathLike[str] | bytes, *, max_bytes: int = MAX_BYTES
) -> ReluChain:
    """The layers of a safetensors file, in the natural order of their names, as a chain."""
    name, arrays = _arrays_of(source, max_bytes)
    return chain_from_named_weights(arrays, name=name)


def _arrays_of(
    source: str | os.PathLike[str] | bytes, max_bytes: int
) -> tuple[str, dict[str, NDArray[Any]]]:
    numpy_io = require("safetensors.numpy", extra="safetensors")
    name = "safetensors" if isinstance(source, bytes) else str(source)
    content = source if isinstance(source, bytes) else read_file(source, max_bytes=max_bytes)
    try:
        return name, numpy_io.load(content)
    except Exception as error:  # noqa: BLE001  the library raises its own kind and KeyError
        raise InvalidFile(
            f"{name}: cannot be read as safetensors ({type(error).__name__}: {error}); NumPy "
            "reads float16, float32 and float64."
        ) from None


def safetensors_from_network(
    network: ReluNetwork | ReluChain,
    path: str | os.PathLike[str] | None = None,
    *,
    form: Form = "balanced",
    overwrite: bool = False,
) -> bytes:
    """The network's weights in float64 as the content of a safetensors file.

    Parameters
    ----------
    network : ReluNetwork or ReluChain
    path : path, optional
        Where to write it too.
    form : {"balanced", "unit", "as is"}
        As for :func:`measurelp.torch_from_network`, whose module loads these names.  A chain
        is written as it is, with the names ``layers.0.weight`` and so on.
    overwrite : bool
        Whether ``path`` may exist.

    Returns
    -------
    bytes

    Raises
    ------
    InvalidFile
        If the file exists or cannot be written.
    """
    numpy_io = require("safetensors.numpy", extra="safetensors")
    # Arrays that are not C-contiguous would be written in a wrong order without an error.
    if isinstance(network, ReluChain):
        arrays = named_weights_from_chain(network)
    else:
        arrays = named_weights_from_network(network.in_form(form))
    content: bytes = numpy_io.save(arrays)
    if path is not None:
        write_file(path, content, overwrite=overwrite)
    return content
