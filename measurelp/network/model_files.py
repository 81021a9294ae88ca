"""Networks of any depth from files of any of the kinds that are read."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from measurelp.errors import InvalidFile
from measurelp.network._onnx import chain_from_onnx, onnx_from_network
from measurelp.network._safetensors import chain_from_safetensors, safetensors_from_network
from measurelp.network._torch import chain_from_state_dict
from measurelp.network.chain import ReluChain, chain_from_network
from measurelp.network.files import check_new_file
from measurelp.network.weight_files import load_network

_READERS: dict[str, Callable[[Any], ReluChain]] = {
    ".onnx": chain_from_onnx,
    ".safetensors": chain_from_safetensors,
    ".pt": chain_from_state_dict,
    ".pth": chain_from_state_dict,
}
_WRITERS: dict[str, Callable[..., Any]] = {
    ".onnx": onnx_from_network,
    ".safetensors": safetensors_from_network,
}


def load_chain(path: str | os.PathLike[str]) -> ReluChain:
    """Read Linear, ReLU, ..., Linear from a file, by its ending.

    Parameters
    ----------
    path
        ``.onnx``; ``.safetensors``, ``.pt`` or ``.pth`` with the weights of the layers (that
        there is a ReLU between any two is taken on trust); a folder saved by measurelp or an
        ``.npz``, as :func:`measurelp.load_network` reads them.

    Raises
    ------
    InvalidFile, InvalidProblem
        If it cannot be read, or is no such network.
    """
    ending = os.path.splitext(str(path))[1].lower()
    reader = _READERS.get(ending)
    if reader is not None and not os.path.isdir(path):
        return reader(path)
    if os.path.isdir(path) or ending == ".npz":
        return chain_from_network(load_network(path))
    if not os.path.exists(path):
        raise InvalidFile(f"{path}: does not exist.")
    raise InvalidFile(
        f"{path}: expected a file ending in {', '.join(_READERS)} or .npz, or a folder saved by "
        "measurelp."
    )


def save_chain(chain: ReluChain, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """Write a chain as ``.onnx`` or ``.safetensors``, by the path's ending."""
    check_chain_path(path, overwrite=overwrite)
    _WRITERS[os.path.splitext(str(path))[1].lower()](chain, path, overwrite=overwrite)


def check_chain_path(
    path: str | os.PathLike[str], *, overwrite: bool = False, option: str | None = None
) -> None:
    """Check, before any work, that :func:`save_chain` may write to ``path``, or InvalidFile."""
    ending = os.path.splitext(str(path))[1].lower()
    if ending not in _WRITERS:
        raise InvalidFile(
            f"{option or 'path'}: expected a name ending in {' or '.join(_WRITERS)}, found "
            f"{str(path)!r}."
        )
    check_new_file(path, overwrite=overwrite, option=option)
