"""torch modules from and to networks.  torch is imported inside the functions."""

from __future__ import annotations

import copy
import os
import sys
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from measurelp._optional import require
from measurelp.errors import InvalidFile, InvalidProblem
from measurelp.network._torch_graph import tensor_array, traced_torch
from measurelp.network.chain import ReluChain
from measurelp.network.files import MAX_BYTES, check_file_size
from measurelp.network.named_weights import chain_from_named_weights, network_from_named_weights
from measurelp.network.relu_network import Form, ReluNetwork
from measurelp.problem import Activation, LeakyReLU, ReLU
from measurelp.problem.combinations import Bias

Matrix = NDArray[np.float64]


def network_from_torch(module: Any, *, bias: Bias | None = None) -> ReluNetwork:
    r"""The network of a torch module that is Linear, ReLU, Linear.

    The module's graph is traced with torch.fx and must consist of these layers, in whatever
    classes they are wrapped; ``Linear(x) +`` in front is read as a linear skip, and dropout in
    evaluation mode, identities and flattening are passed over.  Then, as a check, the outputs
    are compared in double precision at random inputs.

    Parameters
    ----------
    module : torch.nn.Module
        On any device and of any floating-point type; it is not changed.  Its weights become
        the network's to the last bit, so weight decay is the module's; call
        :meth:`ReluNetwork.balanced` for the form of least weight decay.
    bias : {"penalized", "none", "free"}, optional
        What the hidden bias is; left out, "none" where the module has none, else "penalized".

    Returns
    -------
    ReluNetwork
        One output gives output weights (k,), several give (k, c).

    Raises
    ------
    InvalidProblem
        If the module is not provably of this form; the message says what was found.
    MissingDependency
        Without torch.
    """
    return traced_torch(module).network(bias)


def chain_from_torch(module: Any) -> ReluChain:
    """The layers of a torch module that is Linear, ReLU, ..., Linear, of any depth.

    As :func:`network_from_torch`, for any number of hidden layers and without a skip.
    """
    return traced_torch(module).chain()


def torch_from_network(
    network: ReluNetwork,
    *,
    form: Form = "balanced",
    skip: Literal["module", "neurons"] = "module",
    dtype: str = "float64",
) -> Any:
    """The network as a torch module: layers called hidden, relu and output.

    Parameters
    ----------
    network : ReluNetwork
    form : {"balanced", "unit", "as is"}
        Balanced (default): each neuron's output weights as long as its hidden weight, which has
        the least weight decay.  Unit: hidden weights of length 1, dead neurons dropped.
    skip : {"module", "neurons"}
        A linear skip becomes a layer called skip in a small module of its own, or ReLU neurons,
        which then cost twice its nuclear norm (:meth:`ReluNetwork.skip_as_neurons`).
    dtype : str
        Name of a torch floating-point type; anything but float64 rounds the weights.

    Returns
    -------
    torch.nn.Module
        A ``Sequential``, or with a skip a ``SkipNetwork``; outputs have shape (m, c), also for
        c = 1.  The hidden layer has a bias unless ``network.bias`` is "none", the output layer
        if the network's output bias is not zero.
    """
    torch = require("torch", extra="torch")
    kind = _floating_type(dtype)
    if skip == "neurons":
        network = network.skip_as_neurons()
    elif skip != "module":
        raise InvalidProblem(f"skip: expected 'module' or 'neurons', found {skip!r}.")
    network = network.in_form(form)
    if network.skip is not None:
        network.require_relu("a module with a skip")
    activation = _module_of(torch, network.activation)

    out = network.output_weights.reshape(network.width, network.outputs).T
    constant = np.atleast_1d(network.output_bias)
    hidden = _linear(
        kind, network.hidden_weights, None if network.bias == "none" else network.hidden_bias
    )
    output = _linear(kind, out, constant if constant.any() else None)
    if network.skip is not None:
        from measurelp.network._torch_modules import SkipNetwork

        matrix = network.skip.linear.reshape(network.d, -1).T
        return SkipNetwork(hidden, output, _linear(kind, matrix, None))
    return torch.nn.Sequential(OrderedDict(hidden=hidden, relu=activation, output=output))


def _module_of(torch: Any, activation: Activation) -> Any:
    """The torch module of an activation."""
    if isinstance(activation, LeakyReLU):
        return torch.nn.LeakyReLU(float(activation.slope))
    if not isinstance(activation, ReLU):
        raise InvalidProblem(f"network: torch has no module for the activation {activation!r}.")
    return torch.nn.ReLU()


def torch_with_chain(module: Any, chain: ReluChain, *, in_place: bool = False) -> Any:
    """A copy of a module, or the module itself, with the weights of ``chain`` in its layers.

    Widths may be smaller than the module's.  Types and devices of the layers stay.

    Raises
    ------
    InvalidProblem
        If the module is not Linear, ReLU, ..., Linear, or two of its layers share weights.
    """
    torch = require("torch", extra="torch")
    names = [layer.name for layer in traced_torch(module).dense]
    weights = {id(module.get_submodule(name).weight) for name in names}
    if len(weights) < len(names):
        raise InvalidProblem("module: two of its layers share their weights; untie them first.")
    result = module if in_place else copy.deepcopy(module)
    for name, weight, constant in zip(names, chain.weights, chain.biases, strict=True):
        put_weights(torch, result.get_submodule(name), weight, constant)
    return result


def put_weights(torch: Any, layer: Any, weight: Matrix, constant: Matrix | None) -> None:
    """Give a Linear new weights, in its own type and on its device; a missing bias stays missing."""
    layer.out_features, layer.in_features = weight.shape

    def renewed(parameter: Any, array: Matrix) -> Any:
        tensor = torch.tensor(array, dtype=parameter.dtype, device=parameter.device)
        if tensor.shape != parameter.shape:
            return torch.nn.Parameter(tensor, requires_grad=parameter.requires_grad)
        with torch.no_grad():
            return parameter.copy_(tensor)  # the same object, which an optimiser may know

    layer.weight = renewed(layer.weight, weight)
    if layer.bias is not None and constant is not None:
        layer.bias = renewed(layer.bias, constant)


def torch_from_chain(chain: ReluChain, *, dtype: str = "float64") -> Any:
    """A chain as a ``Sequential`` of Linear and ReLU in turn."""
    torch, kind = require("torch", extra="torch"), _floating_type(dtype)
    modules: list[Any] = []
    for weight, constant in zip(chain.weights, chain.biases, strict=True):
        modules += [_linear(kind, weight, constant), torch.nn.ReLU()]
    return torch.nn.Sequential(*modules[:-1])


def _floating_type(name: str) -> Any:
    torch = require("torch", extra="torch")
    kind = getattr(torch, name, None) if isinstance(name, str) else name
    if not isinstance(kind, torch.dtype) or not kind.is_floating_point:
        raise InvalidProblem(
            f"dtype: expected the name of a floating-point type such as 'float64', found {name!r}."
        )
    return kind


def _linear(kind: Any, weight: Matrix, constant: Matrix | None) -> Any:
    """A Linear with given weights, made empty and filled: no random numbers are drawn."""
    torch = sys.modules["torch"]
    layer = torch.nn.Linear(1, 1, bias=constant is not None, device="meta")
    layer.out_features, layer.in_features = weight.shape
    layer.weight = torch.nn.Parameter(torch.tensor(weight, dtype=kind))
    if constant is not None:
        layer.bias = torch.nn.Parameter(torch.tensor(constant, dtype=kind))
    return layer


def network_from_state_dict(
    state: Mapping[str, Any] | str | os.PathLike[str],
    *,
    layers: tuple[str, str] | None = None,
    bias: Bias | None = None,
    max_bytes: int = MAX_BYTES,
) -> ReluNetwork:
    """The network whose weights a torch state dict, or a file with one, holds.

    A state dict does not say what happens between layers: it is taken on trust that there is
    one ReLU between two linear layers.

    Parameters
    ----------
    state : mapping or path
        Names to tensors or arrays.  A file is read with ``weights_only=True``: nothing in it
        is executed, and a pickled module is refused.
    layers : (str, str), optional
        Names of the hidden and the output layer, "hidden" for "hidden.weight"; left out, they
        are found by their shapes, and where these leave a choice in the order of the names.
    bias : {"penalized", "none", "free"}, optional
        As in :func:`network_from_torch`.
    max_bytes : int
        Larger files are refused before they are read.

    Raises
    ------
    InvalidFile, InvalidProblem
        If the file cannot be read as weights, or the weights are not those of two layers.
    """
    name, arrays = _arrays_of_state(state, max_bytes)
    return network_from_named_weights(arrays, name=name, layers=layers, bias=bias)


def chain_from_state_dict(
    state: Mapping[str, Any] | str | os.PathLike[str], *, max_bytes: int = MAX_BYTES
) -> ReluChain:
    """The layers of a state dict, in the natural order of their names, as a chain.

    As :func:`network_from_state_dict`; that a ReLU is between any two is taken on trust.
    """
    name, arrays = _arrays_of_state(state, max_bytes)
    return chain_from_named_weights(arrays, name=name)


def _arrays_of_state(
    state: Mapping[str, Any] | str | os.PathLike[str], max_bytes: int
) -> tuple[str, dict[str, NDArray[Any]]]:
    name = "state dict"
    if isinstance(state, (str, os.PathLike)):
        name = str(state)
        state = _read_state_dict(state, max_bytes)
    return name, {str(key): tensor_array(f"{name}: {key}", value) for key, value in state.items()}


def _read_state_dict(path: str | os.PathLike[str], max_bytes: int) -> Mapping[str, Any]:
    """The tensors in a file written by ``torch.save(module.state_dict(), path)``."""
    torch = require("torch", extra="torch")
    check_file_size(path, max_bytes)
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                unpacked = sum(entry.file_size for entry in archive.infolist())
            if unpacked > max_bytes:
                raise InvalidFile(
                    f"{path}: unpacks to {unpacked:,} bytes, more than the {max_bytes:,} allowed."
                )
        state = torch.load(path, map_location="cpu", weights_only=True)
    except InvalidFile:
        raise
    except Exception as error:  # noqa: BLE001  torch raises many kinds
        raise InvalidFile(
            f"{path}: cannot be read as a state dict ({type(error).__name__}); only tensors are "
            "read and no code is run, so save torch.save(module.state_dict(), path)."
        ) from None
    if isinstance(state, Mapping) and isinstance(state.get("state_dict"), Mapping):
        state = state["state_dict"]
    if not isinstance(state, Mapping):
        raise InvalidFile(
            f"{path}: holds a {type(state).__name__}; expected a state dict, names to tensors."
        )
    return state
