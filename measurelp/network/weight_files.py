"""Networks with one hidden layer in saved folders and in files from anywhere."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable, Mapping
from typing import Any, cast, get_args

import numpy as np
from numpy.typing import NDArray

from measurelp.errors import InvalidFile, InvalidProblem
from measurelp.measure import Skip
from measurelp.network._onnx import network_from_onnx
from measurelp.network._safetensors import network_from_safetensors
from measurelp.network._torch import network_from_state_dict
from measurelp.network.files import arrays_from_npz, read_file, read_folder
from measurelp.network.input_scaler import InputScaler
from measurelp.network.relu_network import ReluNetwork
from measurelp.problem import activation_document, activation_from_document
from measurelp.problem.combinations import Bias

_READERS: dict[str, Callable[[Any], ReluNetwork]] = {
    ".onnx": network_from_onnx,
    ".safetensors": network_from_safetensors,
    ".pt": network_from_state_dict,
    ".pth": network_from_state_dict,
}
_NEEDED = ("hidden_weights", "output_weights")


def parts_from_network(
    network: ReluNetwork,
) -> tuple[dict[str, Any], dict[str, NDArray[np.float64]]]:
    """The document entries and the arrays from which :func:`network_from_parts` restores it.

    The document is ``{"network": {"bias": ..., "activation": ...}}``; the arrays are hidden_weights,
    hidden_bias, output_weights, output_bias and, if there is a skip, skip_linear.  A folder
    that holds these among others can be read by :func:`load_network`.
    """
    arrays = {
        "hidden_weights": network.hidden_weights,
        "hidden_bias": network.hidden_bias,
        "output_weights": network.output_weights,
        "output_bias": np.asarray(network.output_bias),
    }
    if network.skip is not None:
        arrays["skip_linear"] = network.skip.linear
    entry = {"bias": network.bias, "activation": activation_document(network.activation)}
    return {"network": entry}, arrays


def network_from_parts(
    document: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], *, name: str = "network"
) -> ReluNetwork:
    """The network in a document and arrays; ``name`` stands in error messages.

    Raises
    ------
    InvalidFile
        If an array is missing, misshapen or not finite.
    """
    missing = [key for key in _NEEDED if key not in arrays]
    if missing:
        raise InvalidFile(
            f"{name}: the array {missing[0]!r} is missing; expected hidden_weights (k, d), "
            "hidden_bias (k,), output_weights (k,) or (k, c), output_bias () or (c,) and, optionally, "
            f"skip_linear (d,) or (d, c), found {', '.join(sorted(arrays)) or 'nothing'}."
        )
    entry = document.get("network", {})
    bias = entry.get("bias", "penalized") if isinstance(entry, Mapping) else None
    if bias not in get_args(Bias):
        raise InvalidFile(f"{name}: the entry network.bias is {bias!r}.")
    try:
        activation = activation_from_document(entry.get("activation", {"name": "relu"}))
    except (AttributeError, KeyError, TypeError, InvalidProblem):
        raise InvalidFile(
            f"{name}: the entry network.activation is {entry['activation']!r}."
        ) from None
    try:
        output_bias = np.asarray(arrays.get("output_bias", 0.0), dtype=np.float64)
        output = np.asarray(arrays["output_weights"], dtype=np.float64)
        skip = arrays.get("skip_linear", arrays.get("skip"))
        hidden = arrays["hidden_weights"]
        k = len(hidden)
        if output.shape in ((k,), (k, 1), (1, k)) and output_bias.size == 1:
            output, output_bias = output.reshape(-1), output_bias.reshape(())
            skip = None if skip is None else np.ravel(skip)
        hidden_bias = arrays.get("hidden_bias", np.zeros(hidden.shape[:1]))
        return ReluNetwork(
            hidden, hidden_bias, output_weights=output, output_bias=output_bias,
            skip=None if skip is None else Skip(np.asarray(skip, dtype=np.float64)),
            bias=cast("Bias", bias), activation=activation,
        )  # fmt: skip
    except (InvalidProblem, ValueError, TypeError) as error:
        raise InvalidFile(f"{name}: {error}") from None


def load_network(path: str | os.PathLike[str]) -> ReluNetwork:
    """Read a network with one hidden layer from a folder or a file, by its ending.

    Parameters
    ----------
    path
        A folder saved by :meth:`ReluNetwork.save` or :meth:`Solution.save`, or an ``.npz`` file
        with the arrays hidden_weights (k, d), hidden_bias (k,), output_weights (k,) or (k, c),
        output_bias () or (c,) and optionally skip_linear (d,) or (d, c); or ``.onnx``, or
        ``.safetensors``, ``.pt`` or ``.pth`` with the weights of two layers (that there is a ReLU
        between them is taken on trust).  No file is executed.  None of them but a folder says
        whether the hidden bias is penalised; the problem that the network is held against does.

    Raises
    ------
    InvalidFile, InvalidProblem
        If it cannot be read or is not such a network.
    """
    if os.path.isdir(path):
        document, arrays = read_folder(path, kind=("network", "solution"))
        if "network" not in document and "masses" in arrays:
            raise InvalidFile(
                f"{path}: holds a measure of threshold units, which is no network; "
                "mlp.load_solution reads and certifies it."
            )
        return network_from_parts(document, arrays, name=str(path))
    reader = _READERS.get(os.path.splitext(str(path))[1].lower())
    if reader is not None:
        return reader(path)
    packed = read_file(path)
    if not zipfile.is_zipfile(io.BytesIO(packed)):
        raise InvalidFile(
            f"{path}: holds no network; expected a folder saved by measurelp, or a file ending in "
            f"{', '.join(_READERS)} or .npz."
        )
    return network_from_parts({}, arrays_from_npz(packed, name=str(path)), name=str(path))


def load_scaler(path: str | os.PathLike[str]) -> InputScaler | None:
    """The scaler of inputs stored with a solution, or None if inputs were used as they are.

    Raises
    ------
    InvalidFile
        If the folder cannot be read or the stored scaler makes no sense.
    """
    document, _ = read_folder(path, kind=("network", "solution"))
    return scaler_from_document(document, name=str(path))


def scaler_from_document(document: Mapping[str, Any], *, name: str) -> InputScaler | None:
    """The scaler under the document's key "request", or None; see :func:`load_scaler`."""
    request = document.get("request")
    if not isinstance(request, Mapping) or request.get("centre") is None:
        return None
    try:
        return InputScaler(np.asarray(request["centre"]), np.asarray(request["scale"]))
    except (KeyError, ValueError, TypeError) as error:
        raise InvalidFile(f"{name}: the stored scaler of inputs is damaged ({error}).") from None
