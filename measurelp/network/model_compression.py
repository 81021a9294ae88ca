"""Whole networks with fewer neurons: every layer's outputs on the data kept within a tolerance."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import linalg
from threadpoolctl import threadpool_limits

from measurelp.errors import InvalidProblem
from measurelp.network._torch_graph import is_torch_module
from measurelp.network.chain import ReluChain, chain_from_network, network_from_chain
from measurelp.network.layer_compression import CompressedLayer, certified_layer, layer_point
from measurelp.network.layer_lasso import LayerPoint, ReducedLayer, reduce_layer
from measurelp.network.relu_network import ReluNetwork
from measurelp.problem import float_array

Matrix = NDArray[np.float64]
Pair = tuple[str | None, str]
_SMALLEST, _FALL, _HALVINGS = 1e-9, 4.0, 7


@dataclass(frozen=True, eq=False)
class LayerReport:
    """One hidden layer before and after.

    Attributes
    ----------
    name : str
        The layer that reads the features.
    width_before, width_after : int
    bound : int
        rank(Phi) rank(Psi), which the theorem allows at most for the same outputs.
    selection : CompressedLayer
        The minimiser that chose the features, with its proved gap.
    output_error : float
        By how much the layer's outputs on the data changed, relative to their norm.
    norm_before, norm_after : float
        The sum of the lengths of output weights.
    """

    name: str
    width_before: int
    width_after: int
    bound: int
    selection: CompressedLayer
    output_error: float
    norm_before: float
    norm_after: float


@dataclass(frozen=True, eq=False)
class CompressedModel:
    """What :func:`compress` returns.

    Attributes
    ----------
    model
        Of the kind that was given.
    layers : tuple of LayerReport
        From the input to the output.
    output_error : float
        By how much the network's outputs on the data changed, relative to their norm.
    changed : int or None
        On how many samples the largest output (for one output with labels: its sign) is another one;
        None for one output without labels, which decides nothing.
    accuracy_before, accuracy_after : float
        The share of samples whose largest output is at their label; nan without labels.
    samples : int
    seconds : float
    """

    model: Any
    layers: tuple[LayerReport, ...]
    output_error: float
    changed: int | None
    accuracy_before: float
    accuracy_after: float
    samples: int
    seconds: float


class Layers(Protocol):
    """What :func:`compress` needs of a model: its own copy, changed layer by layer."""

    pairs: list[Pair]

    def features(self, consumer: str) -> Matrix: ...
    def weight(self, consumer: str) -> Matrix: ...
    def shrink(
        self, producer: str | None, consumer: str, kept: NDArray[np.intp], weight: Matrix
    ) -> None: ...
    def outputs(self) -> Matrix: ...
    def result(self) -> Any: ...


def compress(
    model: Any,
    data: Any,
    tol: float = 0.05,
    *,
    labels: ArrayLike | None = None,
    layers: Sequence[str | tuple[str, str]] | None = None,
    refit: bool = True,
    tol_gap: float = 1e-6,
) -> CompressedModel:
    r"""A smaller network whose layers give nearly the same outputs on the data.

    Each hidden layer's features :math:`\Phi` and the outputs :math:`\Psi = V\Phi` of the layer
    that reads them are taken on the data; the largest lam whose minimiser
    (:func:`compress_layer`) keeps :math:`|\Psi - V'\Phi|_F \le \text{tol}\,|\Psi|_F` chooses
    the features.  Layers are walked from the last one back, so that a layer need not provide
    for neurons that are gone.  Biases stay as they are.

    Parameters
    ----------
    model : torch.nn.Module, ReluChain or ReluNetwork
        It is not changed.  Modules must be Linear, ReLU, ..., Linear unless ``layers`` says
        which layers to compress.
    data : (N, ...) array_like or torch.Tensor
        Inputs, in the shape that the module takes.
    tol : float
        Relative error of each layer's outputs, at least 0; with 0 they are kept exactly.
    labels : (N,) array_like of int, optional
        For accuracies: the index of the right output (0 or 1 for one output's sign), refused if it is none.
    layers : sequence of str or (str, str), optional
        For any torch module, such as the last layers of a convolutional network: names of
        ``Linear`` layers whose inputs are to be reduced, from the input to the output.  A pair
        names the ``Linear`` before too, which then loses the neurons; a ReLU must be all that
        is between them, which is checked on the data.  For a single name the features that are
        kept are picked in front of the layer.
    refit : bool
        Fit output weights of the chosen features once more by least squares (default), which
        is nearer to the old outputs; otherwise they are the minimiser's, of least norm.
    tol_gap : float
        Relative gap to which each minimiser is proved.

    Returns
    -------
    CompressedModel

    Raises
    ------
    InvalidProblem
        If the model or the data is not of such a form.

    Notes
    -----
    Each layer keeps its outputs for the features of the given network; errors of several layers
    add up, and ``output_error`` says to what.  The data should be what the network was trained
    on, and many: where features are many and data few, other inputs suffer.
    """
    begin = time.perf_counter()
    if not (math.isfinite(tol) and tol >= 0.0):
        raise InvalidProblem(f"tol: expected a number >= 0, found {tol!r}.")
    work = _layers_of(model, data, layers)
    before = work.outputs()
    right = None if labels is None else _checked_labels(labels, before)
    reports = []
    for producer, consumer in reversed(work.pairs):
        Phi, V = work.features(consumer), work.weight(consumer)
        selection, output, error = layer_within(Phi, V @ Phi, tol, refit=refit, tol_gap=tol_gap)
        work.shrink(producer, consumer, selection.kept, output)
        report = LayerReport(
            name=consumer, width_before=len(Phi), width_after=len(selection.kept),
            bound=selection.bound, selection=selection, output_error=error,
            norm_before=float(np.linalg.norm(V, axis=0).sum()),
            norm_after=float(np.linalg.norm(output, axis=0).sum()),
        )  # fmt: skip
        reports.append(report)
    after = work.outputs()
    scale = float(np.linalg.norm(before)) or 1.0
    return CompressedModel(
        model=work.result(), layers=tuple(reversed(reports)),
        output_error=float(np.linalg.norm(after - before)) / scale,
        changed=None if before.shape[1] == 1 and right is None
        else int(np.count_nonzero(_classes(after) != _classes(before))),
        accuracy_before=_accuracy(before, right), accuracy_after=_accuracy(after, right),
        samples=len(before), seconds=time.perf_counter() - begin,
    )  # fmt: skip


def layer_within(
    Phi: Matrix, Psi: Matrix, tol: float, *, refit: bool, tol_gap: float
) -> tuple[CompressedLayer, Matrix, float]:
    """The minimiser at the largest lam that keeps outputs within ``tol``, weights and error."""
    begin = time.perf_counter()
    with threadpool_limits(1, user_api="blas"):
        layer = reduce_layer(Phi, Psi)
        whole = float(np.linalg.norm(Psi))
        lam, top = None, 0.0
        if tol > 0.0 and layer.output_rank:
            top = _lam_max(layer)
            lam = _largest_lam(layer, top, tol * whole, refit)
        while True:
            point = layer_point(layer, lam, tol=tol_gap)
            done = certified_layer(
                Phi, Psi, layer, point, lam=lam, costs=np.ones(len(Phi)), begin=begin
            )
            output = _fitted(layer, done.kept) if refit else done.output_weights
            error = float(np.linalg.norm(Psi - output @ Phi[done.kept])) / (whole or 1.0)
            if error <= tol or lam is None:
                return done, output, error
            # Found at a coarse gap: a little less lam does it.
            lam = 0.8 * lam if lam > _SMALLEST * top else None


def _lam_max(layer: ReducedLayer) -> float:
    """The least lam for which no feature is used, in the units of the data."""
    unit = layer.penalised(1.0)
    assert unit.lam is not None
    return unit.lam_max / unit.lam


def _largest_lam(layer: ReducedLayer, top: float, allowed: float, refit: bool) -> float | None:
    """The largest lam whose minimiser misses the outputs by at most ``allowed``; None: exact.

    Down from lam_max by a factor of 4 a step until it fits, then bisection of that step in the
    logarithm, each solve from the one before.
    """
    if layer.outside > allowed:
        return None
    point: LayerPoint | None = None

    def fits(lam: float) -> bool:
        nonlocal point
        point = layer_point(layer, lam, tol=1e-4, start=point)
        kept = np.flatnonzero(point.weights.any(axis=0))
        V = point.weights[:, kept]
        if refit:
            V = _fitted(layer, kept)
        misfit = float(np.linalg.norm(layer.outputs - V @ layer.features[kept]))
        return math.hypot(misfit, layer.outside) <= allowed

    high, low = top, top / _FALL
    while not fits(low):
        high, low = low, low / _FALL
        if low < _SMALLEST * top:
            return None
    for _ in range(_HALVINGS):
        middle = math.sqrt(low * high)
        if fits(middle):
            low = middle
        else:
            high = middle
    return low


def _fitted(layer: ReducedLayer, kept: NDArray[np.intp]) -> Matrix:
    """The output weights on some features that come nearest to the outputs."""
    if not len(kept):
        return np.zeros((len(layer.outputs), 0))
    solution = linalg.lstsq(
        layer.features[kept].T, layer.outputs.T, lapack_driver="gelsy", check_finite=False
    )[0]
    return np.asarray(solution.T)


class _ChainLayers:
    """The layers of a chain; features are those of the chain that was given."""

    def __init__(self, chain: ReluChain, data: ArrayLike) -> None:
        self._given = chain.layers(data)
        self._data = data
        self._weights, self._biases = list(chain.weights), list(chain.biases)
        names = [str(i) for i in range(chain.depth)]
        self.pairs: list[Pair] = list(pairwise(names))

    def features(self, consumer: str) -> Matrix:
        return self._given[int(consumer) - 1].T

    def weight(self, consumer: str) -> Matrix:
        return self._weights[int(consumer)]

    def shrink(
        self, producer: str | None, consumer: str, kept: NDArray[np.intp], weight: Matrix
    ) -> None:
        layer = int(consumer)
        self._weights[layer] = weight
        self._weights[layer - 1] = self._weights[layer - 1][kept]
        self._biases[layer - 1] = self._biases[layer - 1][kept]

    def outputs(self) -> Matrix:
        return self.result().predict(self._data)

    def result(self) -> ReluChain:
        return ReluChain(self._weights, self._biases)


class _NetworkLayers(_ChainLayers):
    """A two-layer network, whose skip and kind of bias stay."""

    def __init__(self, network: ReluNetwork, data: ArrayLike) -> None:
        super().__init__(chain_from_network(replace(network, skip=None)), data)
        self._network = network

    def outputs(self) -> Matrix:
        values = self.result().predict(self._data)
        return values.reshape(len(values), -1)

    def result(self) -> ReluNetwork:  # type: ignore[override]
        small = network_from_chain(super().result(), bias=self._network.bias)
        given = self._network
        output = small.output_weights.reshape(small.width, *given.output_weights.shape[1:])
        return replace(
            given, hidden_weights=small.hidden_weights, hidden_bias=small.hidden_bias,
            output_weights=output,
        )  # fmt: skip


def _layers_of(model: Any, data: Any, layers: Sequence[str | tuple[str, str]] | None) -> Layers:
    if is_torch_module(model):
        from measurelp.network._torch_layers import TorchLayers

        return TorchLayers(model, data, layers)
    if layers is not None:
        raise InvalidProblem("layers: names of layers are for torch modules.")
    if isinstance(model, ReluNetwork):
        return _NetworkLayers(model, data)
    if isinstance(model, ReluChain):
        return _ChainLayers(model, data)
    raise InvalidProblem(
        "model: expected a torch.nn.Module, a ReluChain or a ReluNetwork, found "
        f"{type(model).__name__}."
    )


def _classes(outputs: Matrix) -> NDArray[np.intp]:
    if outputs.shape[1] == 1:
        return (outputs[:, 0] > 0.0).astype(np.intp)
    return np.argmax(outputs, axis=1)


def _checked_labels(labels: ArrayLike, outputs: Matrix) -> NDArray[np.float64]:
    """Indices of outputs, one a sample."""
    right = float_array("labels", labels)
    if right.shape != (len(outputs),):
        raise InvalidProblem(
            f"labels: expected {len(outputs)} numbers, one a sample, found shape {right.shape}."
        )
    last = max(1, outputs.shape[1] - 1)
    wrong = np.flatnonzero(~np.isin(right, np.arange(last + 1)))
    if len(wrong):
        raise InvalidProblem(
            f"labels: expected classes, integers from 0 to {last}, found {right[wrong[0]]:g} for sample "
            f"{wrong[0]}; leave them out for a network that does not classify."
        )
    return right


def _accuracy(outputs: Matrix, right: NDArray[np.float64] | None) -> float:
    return math.nan if right is None else float(np.mean(_classes(outputs) == right))
