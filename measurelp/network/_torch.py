"""torch modules from and to networks.  torch is imported inside the functions."""

from __future__ import annotations

import copy
import operator
import os
import sys
import zipfile
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from measurelp.errors import InvalidFile, InvalidProblem
from measurelp.network import _graph
from measurelp.network._graph import Dense, Traced
from measurelp.network._optional import require
from measurelp.network.chain import ReluChain, real_array
from measurelp.network.files import MAX_BYTES, check_file_size
from measurelp.network.named_weights import network_from_named_weights
from measurelp.network.relu_network import Form, ReluNetwork
from measurelp.problem.measure_problem import Bias

Matrix = NDArray[np.float64]


def is_torch_module(candidate: object) -> bool:
    """Whether an object is a torch module; torch is not imported to find out."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(candidate, torch.nn.Module)


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
    kind = getattr(torch, dtype, None) if isinstance(dtype, str) else dtype
    if not isinstance(kind, torch.dtype) or not kind.is_floating_point:
        raise InvalidProblem(
            f"dtype: expected the name of a floating-point type such as 'float64', found {dtype!r}."
        )
    if skip == "neurons":
        network = network.skip_as_neurons()
    elif skip != "module":
        raise InvalidProblem(f"skip: expected 'module' or 'neurons', found {skip!r}.")
    network = network.in_form(form)

    def linear(weight: Matrix, constant: Matrix | None) -> Any:
        # Made empty and filled: no random numbers are drawn.
        layer = torch.nn.Linear(1, 1, bias=constant is not None, device="meta")
        layer.out_features, layer.in_features = weight.shape
        layer.weight = torch.nn.Parameter(torch.tensor(weight, dtype=kind))
        if constant is not None:
            layer.bias = torch.nn.Parameter(torch.tensor(constant, dtype=kind))
        return layer

    out = network.output_weights.reshape(network.width, network.outputs).T
    constant = np.atleast_1d(network.output_bias)
    hidden = linear(network.hidden_weights, None if network.bias == "none" else network.hidden_bias)
    output = linear(out, constant if constant.any() else None)
    if network.skip is not None:
        from measurelp.network._torch_modules import SkipNetwork

        matrix = network.skip.linear.reshape(network.d, -1).T
        return SkipNetwork(hidden, output, linear(matrix, None))
    return torch.nn.Sequential(OrderedDict(hidden=hidden, relu=torch.nn.ReLU(), output=output))


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


def put_weights(torch: Any, layer: Any, weight: Matrix, constant: Matrix) -> None:
    """Give a Linear new weights, in its own type and on its device; a missing bias stays missing."""
    layer.out_features, layer.in_features = weight.shape

    def renewed(parameter: Any, array: Matrix) -> Any:
        tensor = torch.tensor(array, dtype=parameter.dtype, device=parameter.device)
        if tensor.shape != parameter.shape:
            return torch.nn.Parameter(tensor, requires_grad=parameter.requires_grad)
        with torch.no_grad():
            return parameter.copy_(tensor)  # the same object, which an optimiser may know

    layer.weight = renewed(layer.weight, weight)
    if layer.bias is not None:
        layer.bias = renewed(layer.bias, constant)


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
    name = "state dict"
    if isinstance(state, (str, os.PathLike)):
        name = str(state)
        state = _read_state_dict(state, max_bytes)
    arrays = {str(key): tensor_array(f"{name}: {key}", value) for key, value in state.items()}
    return network_from_named_weights(arrays, name=name, layers=layers, bias=bias)


def tensor_array(name: str, value: Any) -> NDArray[Any]:
    """A tensor's entries as a NumPy array, in float64 where they are floating-point numbers."""
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(value, torch.Tensor):
        return np.asarray(value)
    if value.is_quantized or value.layout is not torch.strided or value.device.type == "meta":
        raise InvalidProblem(
            f"{name}: expected an ordinary dense tensor, found {value.layout}, {value.dtype} on "
            f"{value.device}."
        )
    value = value.detach().cpu()
    array = value.double().numpy() if value.is_floating_point() else value.numpy()
    return np.array(array)


def traced_torch(module: Any) -> Traced:
    """The layers of a module, read from its graph and compared with its outputs.

    Raises
    ------
    InvalidProblem
        If it is not a chain of Linear and ReLU with at most a linear skip.
    """
    torch = require("torch", extra="torch")
    if not isinstance(module, torch.nn.Module):
        raise InvalidProblem(f"module: expected a torch.nn.Module, found {type(module).__name__}.")
    from torch import fx

    try:
        graph = fx.Tracer().trace(module)
    except InvalidProblem:
        raise
    except Exception as error:  # noqa: BLE001  whatever the module's own code raises
        raise InvalidProblem(
            "module: its graph cannot be traced, so it is not known to be Linear, ReLU, Linear "
            f"({type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''})."
        ) from None
    values: dict[Any, Traced] = {}
    shapes: set[Any] = set()
    traced = None
    for node in graph.nodes:
        if node.op == "placeholder":
            if values:
                raise InvalidProblem("module: expected one input, found several.")
            values[node] = _graph.graph_input()
        elif node.op == "output":
            (result,) = node.args
            if not isinstance(result, fx.Node) or result not in values:
                raise InvalidProblem("module: expected one tensor as output.")
            traced = values[result]
        elif _is_shape(node, values):
            shapes.add(node)
        elif node.users:
            values[node] = _read_node(module, node, values, shapes)
    if traced is None:
        raise InvalidProblem("module: it has no output.")
    _check_outputs(module, traced)
    return traced


def _is_shape(node: Any, values: Mapping[Any, Traced]) -> bool:
    """Whether a node gives a tensor's shape, or an entry of one."""
    if node.target == "size" or (node.target is getattr and node.args[1] == "shape"):
        return True
    return node.target is operator.getitem and node.args[0] not in values


def _read_node(module: Any, node: Any, values: Mapping[Any, Traced], shapes: set[Any]) -> Traced:
    """What one node of the graph makes of tensors that were read before."""
    torch = sys.modules["torch"]
    nn, functional = torch.nn, torch.nn.functional
    nodes = [a for a in _arguments(node) if isinstance(a, torch.fx.Node) and a not in shapes]
    inputs = [values[a] for a in nodes if a in values]
    if len(inputs) < len(nodes) or not inputs:
        raise _unknown(str(node.target))
    tensor = inputs[0]
    if node.op == "call_module":
        layer = module.get_submodule(node.target)
        if type(layer) is nn.Linear:
            return _graph.apply_dense(tensor, _dense(layer, str(node.target)))
        if type(layer) is nn.ReLU:
            return _graph.apply_relu(tensor)
        if type(layer) is nn.Identity:
            return tensor
        if type(layer) is nn.Flatten:
            return _flattened(tensor)
        if type(layer) is nn.Dropout:
            if layer.training and layer.p > 0.0:
                raise InvalidProblem(
                    f"module: the dropout {node.target!r} is in training mode, so the module is no "
                    "fixed function; call module.eval() first."
                )
            return tensor
        raise _unknown(f"{type(layer).__name__} ({node.target})")
    if node.target in ("relu", "relu_", torch.relu, torch.relu_, functional.relu):
        return _graph.apply_relu(tensor)
    if node.target in ("add", "add_", operator.add, operator.iadd, torch.add):
        if len(inputs) == 2 and len(_arguments(node)) == 2:
            return _graph.add_tensors(*inputs)
    if node.target in ("flatten", "view", "reshape", torch.flatten, torch.reshape):
        return _flattened(tensor)
    if node.target in ("squeeze", torch.squeeze):
        if tensor.last is not None and tensor.hidden and len(tensor.last.weight) == 1:
            return tensor
    raise _unknown(getattr(node.target, "__name__", str(node.target)))


def _arguments(node: Any) -> list[Any]:
    return [*node.args, *node.kwargs.values()]


def _flattened(tensor: Traced) -> Traced:
    """Flattening changes nothing for inputs that are rows; elsewhere it is refused."""
    if tensor.hidden or tensor.last is not None:
        raise InvalidProblem("module: only the input may be flattened or reshaped.")
    return tensor


def _unknown(word: str) -> InvalidProblem:
    return InvalidProblem(
        f"module: expected a chain of Linear and ReLU, found {word}; other layers and activations "
        "are not two-layer ReLU networks."
    )


def _dense(layer: Any, name: str) -> Dense:
    weight = real_array(f"{name}.weight", tensor_array(f"{name}.weight", layer.weight), ndim=2)
    if layer.bias is None:
        return Dense(weight, None, name)
    bias = real_array(f"{name}.bias", tensor_array(f"{name}.bias", layer.bias), ndim=1)
    return Dense(weight, bias, name)


def _check_outputs(module: Any, traced: Traced) -> None:
    """Compare the module's own outputs, in double precision, with the layers that were read."""
    torch = sys.modules["torch"]
    inputs = _check_points(traced.dense[0].weight.shape[1])
    state = {
        name: tensor.detach().cpu().double() if tensor.is_floating_point() else tensor.cpu()
        for name, tensor in _tensors(module)
    }
    try:
        with torch.no_grad():
            outputs = torch.func.functional_call(module, state, (torch.from_numpy(inputs),))
        found = outputs.reshape(len(inputs), -1).numpy()
    except Exception as error:  # noqa: BLE001  whatever the module's own code raises
        raise InvalidProblem(
            f"module: it could not be run on rows of {inputs.shape[1]} numbers to check the layers "
            f"that were read ({type(error).__name__}: {error})."
        ) from None
    expected, size = evaluate_traced(traced, inputs)
    if found.shape != expected.shape or not np.all(np.abs(found - expected) <= 1e-10 * size):
        raise InvalidProblem(
            "module: at random inputs its outputs are not those of the Linear and ReLU layers that "
            "were found in it; it does something else besides (a hook, a branch)."
        )


def _tensors(module: Any) -> Iterable[tuple[str, Any]]:
    yield from module.named_parameters()
    yield from module.named_buffers()


def _check_points(d: int) -> Matrix:
    rng = np.random.default_rng(20240)
    return np.asarray(rng.standard_normal((24, d)) * np.repeat([1e-2, 1.0, 1e2], 8)[:, None])


def evaluate_traced(traced: Traced, inputs: Matrix) -> tuple[Matrix, Matrix]:
    """Outputs of the layers, and the sum of the moduli of what was added up for each."""
    values, size = inputs, np.abs(inputs)
    for i, layer in enumerate(traced.dense):
        constant = np.zeros(len(layer.weight)) if layer.bias is None else layer.bias
        values = (np.maximum(values, 0.0) if i else values) @ layer.weight.T + constant
        size = size @ np.abs(layer.weight).T + np.abs(constant)
    if traced.skip is not None:
        constant = np.zeros(1) if traced.skip.bias is None else traced.skip.bias
        values = values + inputs @ traced.skip.weight.T + constant
        size = size + np.abs(inputs) @ np.abs(traced.skip.weight).T + np.abs(constant)
    return values, size


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
