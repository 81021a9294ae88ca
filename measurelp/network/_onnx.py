"""Networks as ONNX graphs.  onnx is imported inside the functions."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from measurelp._optional import require
from measurelp._version import __version__
from measurelp.errors import InvalidFile, InvalidProblem
from measurelp.network import _graph
from measurelp.network._graph import Dense, Traced
from measurelp.network.chain import ReluChain, real_array
from measurelp.network.files import MAX_BYTES, read_file, write_file
from measurelp.network.named_weights import named_weights_from_chain, named_weights_from_network
from measurelp.network.relu_network import Form, ReluNetwork
from measurelp.problem.combinations import Bias

_OPSET, _IR = 17, 8


def onnx_from_network(
    network: ReluNetwork | ReluChain,
    path: str | os.PathLike[str] | None = None,
    *,
    form: Form = "balanced",
    skip: Literal["module", "neurons"] = "module",
    overwrite: bool = False,
) -> Any:
    """The network as an ONNX model in float64: input "x" (m, d), output "y" (m, c).

    Parameters
    ----------
    network : ReluNetwork or ReluChain
        A chain is written as it is.
    path : path, optional
        Where to write it too.
    form : {"balanced", "unit", "as is"}
        As for :func:`measurelp.torch_from_network`.
    skip : {"module", "neurons"}
        A linear skip becomes a MatMul and an Add, or ReLU neurons, which then cost twice its
        nuclear norm.
    overwrite : bool
        Whether ``path`` may exist.

    Returns
    -------
    onnx.ModelProto
        Operator set 17 and IR version 8, which onnxruntime reads since 1.12: Gemm, Relu, Gemm.
        A network without neurons gets one dead neuron.
    """
    if isinstance(network, ReluChain):
        arrays = named_weights_from_chain(network)
        model = _model(arrays, [f"layers.{i}" for i in range(network.depth)])
    else:
        if skip not in ("module", "neurons"):
            raise InvalidProblem(f"skip: expected 'module' or 'neurons', found {skip!r}.")
        network = (network.skip_as_neurons() if skip == "neurons" else network).in_form(form)
        arrays = named_weights_from_network(network)
        if not network.width:
            arrays["hidden.weight"] = np.zeros((1, network.d))
            arrays["output.weight"] = np.zeros((network.outputs, 1))
            arrays.pop("hidden.bias", None)
        model = _model(arrays, ["hidden", "output"])
    if path is not None:
        write_file(path, model.SerializeToString(), overwrite=overwrite)
    return model


def _model(arrays: Mapping[str, NDArray[np.float64]], layers: list[str]) -> Any:
    """Gemm and Relu in turn over named weights, and a Gemm of the input for ``skip.weight``."""
    onnx = require("onnx", extra="onnx")
    helper, double = onnx.helper, onnx.TensorProto.DOUBLE
    n_in = arrays[f"{layers[0]}.weight"].shape[1]
    n_out = len(arrays[f"{layers[-1]}.weight"])

    def gemm(source: str, layer: str, target: str) -> Any:
        inputs = [source, f"{layer}.weight"]
        if f"{layer}.bias" in arrays:
            inputs.append(f"{layer}.bias")
        return helper.make_node("Gemm", inputs, [target], name=layer, transB=1)

    has_skip = "skip.weight" in arrays
    nodes, source = [], "x"
    for layer in layers[:-1]:
        nodes.append(gemm(source, layer, f"{layer}.inner"))
        source = f"{layer}.active"
        nodes.append(helper.make_node("Relu", [f"{layer}.inner"], [source], name=f"{layer}.relu"))
    nodes.append(gemm(source, layers[-1], "nonlinear" if has_skip else "y"))
    if has_skip:
        nodes.append(gemm("x", "skip", "linear"))
        nodes.append(helper.make_node("Add", ["nonlinear", "linear"], ["y"], name="sum"))
    graph = helper.make_graph(
        nodes, "measurelp",
        [helper.make_tensor_value_info("x", double, ["m", n_in])],
        [helper.make_tensor_value_info("y", double, ["m", n_out])],
        [onnx.numpy_helper.from_array(array, name) for name, array in arrays.items()],
    )  # fmt: skip
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR,
        producer_name="measurelp", producer_version=__version__,
    )  # fmt: skip
    onnx.checker.check_model(model)
    return model


def network_from_onnx(
    source: Any, *, bias: Bias | None = None, max_bytes: int = MAX_BYTES
) -> ReluNetwork:
    """The network of an ONNX model that is Gemm (or MatMul and Add), Relu, Gemm.

    Parameters
    ----------
    source : onnx.ModelProto, path or bytes
        A file must hold its weights itself: weights in other files are refused, and nothing
        but the file is read.
    bias : {"penalized", "none", "free"}, optional
        As in :func:`measurelp.network_from_torch`.
    max_bytes : int
        Larger files are refused before they are read.

    Raises
    ------
    InvalidFile
        If the file is not ONNX.
    InvalidProblem
        If the graph is something else than a two-layer ReLU network.
    """
    return _traced_onnx(_model_of(source, max_bytes)).network(bias)


def chain_from_onnx(source: Any, *, max_bytes: int = MAX_BYTES) -> ReluChain:
    """The layers of an ONNX model that is Gemm, Relu, ..., Gemm, of any depth, as a chain."""
    return _traced_onnx(_model_of(source, max_bytes)).chain()


def _model_of(source: Any, max_bytes: int) -> Any:
    onnx = require("onnx", extra="onnx")
    if isinstance(source, onnx.ModelProto):
        return source
    name = "onnx" if isinstance(source, bytes) else str(source)
    content = source if isinstance(source, bytes) else read_file(source, max_bytes=max_bytes)
    try:
        model = onnx.load_model_from_string(content)
        onnx.checker.check_model(model)
    except Exception as error:  # noqa: BLE001  protobuf and the checker raise their own kinds
        first = (str(error).splitlines() or [""])[0]
        raise InvalidFile(f"{name}: is not a valid ONNX model ({first}).") from None
    return model


def _traced_onnx(model: Any) -> Traced:
    onnx = require("onnx", extra="onnx")
    graph = model.graph
    constants: dict[str, NDArray[Any]] = {}
    for tensor in graph.initializer:
        constants[tensor.name] = _constant(onnx, tensor)
    inputs = [entry.name for entry in graph.input if entry.name not in constants]
    if len(inputs) != 1 or len(graph.output) != 1:
        raise InvalidProblem(
            f"model: expected one input and one output, found {len(inputs)} and "
            f"{len(graph.output)}."
        )
    values = {inputs[0]: _graph.graph_input()}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute and node.attribute[0].name == "value":
            constants[node.output[0]] = _constant(onnx, node.attribute[0].t)
        else:
            values[node.output[0]] = _read_node(onnx, node, values, constants)
    result = values.get(graph.output[0].name)
    if result is None:
        raise InvalidProblem("model: its output is a constant.")
    return result


def _constant(onnx: Any, tensor: Any) -> NDArray[Any]:
    if tensor.data_location == onnx.TensorProto.EXTERNAL:
        raise InvalidProblem(
            f"model: the weights {tensor.name!r} are in another file, which is not opened; save the "
            "model with its weights inside."
        )
    try:
        return np.asarray(onnx.numpy_helper.to_array(tensor))
    except Exception as error:  # noqa: BLE001  numpy_helper raises many kinds on damaged bytes
        raise InvalidProblem(f"model: the weights {tensor.name!r} are damaged ({error}).") from None


def _read_node(
    onnx: Any, node: Any, values: Mapping[str, Traced], constants: Mapping[str, NDArray[Any]]
) -> Traced:
    """What one node of the graph makes of tensors that were read before."""
    kind = node.op_type
    attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    tensors = [values[name] for name in node.input if name in values]
    others = [constants[name] for name in node.input if name in constants]
    known = len(tensors) + len(others) == len([name for name in node.input if name])
    if not known or not tensors or node.domain not in ("", "ai.onnx"):
        raise _unknown(kind)
    first = node.input[0] in values
    if kind == "Relu":
        return _graph.apply_relu(tensors[0])
    if kind == "Identity" or (kind == "Dropout" and len(node.input) <= 2):
        return tensors[0]
    if kind == "Flatten" and attributes.get("axis", 1) == 1:
        if tensors[0].hidden or tensors[0].last is not None:
            raise _unknown("Flatten after a layer")
        return tensors[0]
    if kind == "MatMul" and first and len(others) == 1:
        weight = real_array(f"model: {node.input[1]}", others[0], ndim=2)
        return _graph.apply_dense(tensors[0], Dense(weight.T, None, node.name))
    if kind == "Gemm" and first and len(others) == len(node.input) - 1:
        if attributes.get("transA", 0):
            raise _unknown("Gemm with transA")
        weight = real_array(f"model: {node.input[1]}", others[0], ndim=2)
        weight = weight if attributes.get("transB", 0) else weight.T
        factor = float(attributes.get("alpha", 1.0))
        result = _graph.apply_dense(tensors[0], Dense(factor * weight, None, node.name))
        if len(others) == 2:
            shift = float(attributes.get("beta", 1.0)) * _vector(node.input[2], others[1])
            result = _graph.add_constant(result, shift)
        return result
    if kind == "Add" and len(tensors) == 2:
        return _graph.add_tensors(*tensors)
    if kind == "Add" and len(others) == 1:
        name = next(name for name in node.input if name in constants)
        return _graph.add_constant(tensors[0], _vector(name, others[0]))
    raise _unknown(kind)


def _vector(name: str, array: NDArray[Any]) -> NDArray[np.float64]:
    if array.ndim > 2 or (array.ndim == 2 and array.shape[0] != 1):
        raise InvalidProblem(f"model: the constant {name!r} has shape {array.shape}, not a bias's.")
    return real_array(f"model: {name}", array.reshape(-1), ndim=1)


def _unknown(kind: str) -> InvalidProblem:
    return InvalidProblem(
        f"model: expected Gemm (or MatMul and Add), Relu, Gemm, found {kind}; other operators are "
        "not those of a two-layer ReLU network."
    )
