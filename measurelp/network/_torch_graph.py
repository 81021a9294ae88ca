"""Reading a torch module's graph as layers, and trying them.  torch is imported when asked for."""

from __future__ import annotations

import operator
import sys
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from measurelp._optional import require
from measurelp.errors import InvalidProblem
from measurelp.network import _graph
from measurelp.network._graph import Dense, Traced
from measurelp.network.chain import real_array

Matrix = NDArray[np.float64]


def is_torch_module(candidate: object) -> bool:
    """Whether an object is a torch module; torch is not imported to find out."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(candidate, torch.nn.Module)


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
