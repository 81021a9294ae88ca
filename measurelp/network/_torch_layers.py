"""Layers of torch modules, seen by hooks on the data and made smaller in a copy."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from measurelp.errors import InvalidProblem
from measurelp.network._torch import put_weights
from measurelp.network._torch_graph import tensor_array, traced_torch
from measurelp.network._torch_modules import PickedLinear
from measurelp.network.chain import real_array

Matrix = NDArray[np.float64]
_BATCH = 2048


class TorchLayers:
    """What :func:`measurelp.compress` needs of a torch module.

    Parameters
    ----------
    module : nn.Module
        Copied, so never changed.
    data : (N, ...) tensor or array
    layers : sequence of str or (str, str), or None
        See :func:`measurelp.compress`; None for a chain of Linear and ReLU.

    Raises
    ------
    InvalidProblem
        If a name is not that of a Linear, the module cannot be run on the data, or something
        else than a ReLU is between the layers of a pair.
    """

    def __init__(
        self, module: nn.Module, data: Any, layers: Sequence[str | tuple[str, str]] | None
    ) -> None:
        if layers is None:
            names = [layer.name for layer in traced_torch(module).dense]
            self.pairs: list[tuple[str | None, str]] = list(pairwise(names))
        else:
            self.pairs = [(None, p) if isinstance(p, str) else (p[0], p[1]) for p in layers]
        involved = [name for pair in self.pairs for name in pair if name is not None]
        for name in involved:
            _linear(module, name)
        consumers = [consumer for _, consumer in self.pairs]
        if not consumers or len(set(consumers)) < len(consumers):
            raise InvalidProblem("layers: expected at least one layer, and none of them twice.")
        tensors = {id(_linear(module, name).weight) for name in set(involved)}
        if len(tensors) < len(set(involved)) or any(a == b for a, b in self.pairs):
            raise InvalidProblem("module: two of its layers share their weights; untie them first.")
        self._module = copy.deepcopy(module)
        self._data = _as_tensor(self._module, data)
        self._features = self._captured()

    def features(self, consumer: str) -> Matrix:
        """The inputs of a layer on the data, (K, N)."""
        return self._features[consumer]

    def weight(self, consumer: str) -> Matrix:
        """The layer's weight (D, K), as far as its neurons are still there."""
        name = f"{consumer}.weight"
        layer = self._module.get_submodule(consumer)
        return real_array(name, tensor_array(name, layer.weight), ndim=2)

    def shrink(
        self, producer: str | None, consumer: str, kept: NDArray[np.intp], weight: Matrix
    ) -> None:
        """Keep some of a layer's inputs with new weights; drop the neurons that gave the others."""
        layer = self._module.get_submodule(consumer)
        bias = None if layer.bias is None else tensor_array("bias", layer.bias)
        put_weights(torch, layer, weight, bias)
        if producer is None:
            parent, _, name = consumer.rpartition(".")
            picked = PickedLinear(torch.as_tensor(kept, device=layer.weight.device), layer)
            setattr(self._module.get_submodule(parent), name, picked.train(layer.training))
            return
        source = self._module.get_submodule(producer)
        rows = tensor_array("weight", source.weight)[kept]
        bias = None if source.bias is None else tensor_array("bias", source.bias)[kept]
        put_weights(torch, source, rows, bias)

    def outputs(self) -> Matrix:
        """The module's outputs on the data, (N, c)."""
        with _evaluating(self._module):
            parts = [self._module(part) for part in self._data.split(_BATCH)]
        return np.asarray(torch.cat(parts).reshape(len(self._data), -1).double().cpu().numpy())

    def result(self) -> nn.Module:
        """The module as it is now."""
        return self._module

    def _captured(self) -> dict[str, Matrix]:
        seen: dict[str, list[Matrix]] = {}

        def keep(key: str, tensor: Any) -> None:
            if tensor.dim() != 2:
                raise InvalidProblem(
                    f"layers: {key.partition(' ')[0]!r} is given inputs of shape "
                    f"{tuple(tensor.shape)}; expected rows, (N, K)."
                )
            seen.setdefault(key, []).append(tensor.detach().double().cpu().numpy())

        hooks = []
        for producer, consumer in self.pairs:
            layer = self._module.get_submodule(consumer)
            hooks.append(
                layer.register_forward_pre_hook(
                    lambda _, inputs, key=consumer: keep(key, inputs[0])
                )
            )
            if producer is not None:
                source = self._module.get_submodule(producer)
                hooks.append(
                    source.register_forward_hook(
                        lambda _, __, output, key=f"{producer} {consumer}": keep(key, output)
                    )
                )
        try:
            self.outputs()
        except InvalidProblem:
            raise
        except Exception as error:  # noqa: BLE001  whatever the module's own code raises
            raise InvalidProblem(
                f"data: the module cannot be run on it ({type(error).__name__}: {error})."
            ) from None
        finally:
            for hook in hooks:
                hook.remove()
        features = {}
        for producer, consumer in self.pairs:
            inputs = _together(seen, consumer, len(self._data))
            if producer is not None:
                before = _together(seen, f"{producer} {consumer}", len(self._data))
                if before.shape != inputs.shape or not np.array_equal(
                    np.maximum(before, 0.0), inputs
                ):
                    raise InvalidProblem(
                        f"layers: between {producer!r} and {consumer!r} there is something else "
                        "than a ReLU, so neurons cannot be taken out of the first."
                    )
            features[consumer] = np.ascontiguousarray(inputs.T)
        return features


def _together(seen: dict[str, list[Matrix]], key: str, samples: int) -> Matrix:
    parts = seen.get(key, [])
    if sum(map(len, parts)) != samples:
        raise InvalidProblem(
            f"layers: {key.partition(' ')[0]!r} is not run exactly once for each sample."
        )
    whole = np.concatenate(parts)
    if not np.isfinite(whole).all():
        raise InvalidProblem(f"layers: the values at {key.partition(' ')[0]!r} are not finite.")
    return whole


def _linear(module: nn.Module, name: str) -> nn.Linear:
    try:
        layer = module.get_submodule(name)
    except AttributeError:
        raise InvalidProblem(f"layers: the module has no layer {name!r}.") from None
    if type(layer) is not nn.Linear:
        raise InvalidProblem(
            f"layers: {name!r} is a {type(layer).__name__}; expected a Linear without "
            "parametrisation."
        )
    return layer


def _as_tensor(module: nn.Module, data: Any) -> Any:
    like = next(iter(module.parameters()))
    try:
        tensor = torch.as_tensor(data)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InvalidProblem(f"data: expected numbers, found something else ({error}).") from None
    if tensor.dim() < 2 or len(tensor) == 0:
        raise InvalidProblem(f"data: expected samples in rows, found shape {tuple(tensor.shape)}.")
    tensor = tensor.to(device=like.device, dtype=like.dtype)
    if not torch.isfinite(tensor).all():
        raise InvalidProblem("data: entries must be finite; NaN or inf was found.")
    return tensor


@contextmanager
def _evaluating(module: nn.Module) -> Iterator[None]:
    """Evaluation mode without gradients; every part's own mode is put back."""
    modes = [(part, part.training) for part in module.modules()]
    try:
        module.eval()
        with torch.no_grad():
            yield
    finally:
        for part, mode in modes:
            part.training = mode
