"""Two-layer ReLU networks with one output, their norms and their two normal forms."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import cast, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from measurelp.errors import InvalidProblem
from measurelp.measure import Skip
from measurelp.problem import finite_matrix
from measurelp.problem.measure_problem import Bias


@dataclass(frozen=True, eq=False)
class ReluNetwork:
    r"""The network :math:`f(x) = \sum_k v_k\,(\langle w_k, x\rangle + b_k)_+ + b + \langle c, x\rangle`.

    Parameters
    ----------
    hidden_weights : (k, d) array
        :math:`w_k`, one neuron a row; k may be 0.
    hidden_bias : (k,) array, optional
        :math:`b_k`; zero when left out.
    output_weights : (k,) array
        :math:`v_k`, signed.
    output_bias : float
        :math:`b`, not penalised.
    skip : Skip, optional
        :math:`c`, not penalised.  A constant in it is moved to ``output_bias``, so that
        ``skip.constant`` of a network is always 0.
    bias : {"penalized", "none", "free"}
        Whether :math:`b_k` counts in the norm :math:`|w_k|` of a neuron ("penalized"), is
        absent ("none": every :math:`b_k` must be 0), or does not count ("free").

    Raises
    ------
    InvalidProblem
        If shapes do not fit together or an entry is not finite.

    Examples
    --------
    >>> net = ReluNetwork([[3.0, 4.0]], output_weights=[2.0])
    >>> net.predict([[1.0, 1.0], [-1.0, 0.0]])
    array([14.,  0.])
    >>> net.path_norm
    10.0
    >>> round(net.balanced().weight_decay, 12)
    10.0
    """

    hidden_weights: NDArray[np.float64]
    hidden_bias: NDArray[np.float64] = field(default=cast("NDArray[np.float64]", None))
    output_weights: NDArray[np.float64] = field(kw_only=True)
    output_bias: float = field(default=0.0, kw_only=True)
    skip: Skip | None = field(default=None, kw_only=True)
    bias: Bias = field(default="penalized", kw_only=True)

    def __post_init__(self) -> None:
        hidden = _finite("hidden_weights", self.hidden_weights, ndim=2)
        k, d = hidden.shape
        if d == 0:
            raise InvalidProblem("hidden_weights: expected at least one input, found shape (k, 0).")
        given = np.zeros(k) if self.hidden_bias is None else self.hidden_bias
        hidden_bias = _finite("hidden_bias", given, ndim=1)
        output = _finite("output_weights", self.output_weights, ndim=1)
        output_bias = float(_finite("output_bias", self.output_bias, ndim=0))
        for name, vector in (("hidden_bias", hidden_bias), ("output_weights", output)):
            if vector.shape != (k,):
                raise InvalidProblem(
                    f"{name}: expected shape ({k},), one number a row of hidden_weights, "
                    f"found {vector.shape}."
                )
        if self.bias not in get_args(Bias):
            raise InvalidProblem(
                f"bias: expected one of {', '.join(get_args(Bias))}, found {self.bias!r}."
            )
        if self.bias == "none" and np.any(hidden_bias):
            raise InvalidProblem(
                'hidden_bias: entries are not zero, but bias="none" says that there is no hidden '
                'bias; choose bias="penalized" or bias="free".'
            )
        skip = self.skip
        if skip is not None:
            linear = _finite("skip.linear", skip.linear, ndim=1)
            if linear.shape != (d,):
                raise InvalidProblem(f"skip.linear: expected shape ({d},), found {linear.shape}.")
            output_bias += float(_finite("skip.constant", skip.constant, ndim=0))
            skip = Skip(linear, 0.0)
        for name, value in (
            ("hidden_weights", hidden), ("hidden_bias", hidden_bias), ("output_weights", output),
            ("output_bias", output_bias), ("skip", skip),
        ):  # fmt: skip
            object.__setattr__(self, name, value)

    @property
    def width(self) -> int:
        """Number of hidden neurons."""
        return len(self.output_weights)

    @property
    def d(self) -> int:
        """Number of inputs."""
        return int(self.hidden_weights.shape[1])

    @property
    def neuron_norms(self) -> NDArray[np.float64]:
        """The Euclidean norm of each hidden weight, its bias included when it is penalised."""
        weights = self.hidden_weights
        if self.bias == "penalized":
            weights = np.column_stack([weights, self.hidden_bias])
        largest = np.abs(weights).max(axis=1, initial=0.0)
        scale = np.where(largest > 0.0, largest, 1.0)
        return np.asarray(scale * np.linalg.norm(weights / scale[:, None], axis=1))

    @property
    def path_norm(self) -> float:
        r""":math:`\sum_k |v_k|\,|w_k|`, the total variation of the network's measure."""
        return float(np.abs(self.output_weights) @ self.neuron_norms)

    @property
    def weight_decay(self) -> float:
        r""":math:`\tfrac12\sum_k (v_k^2 + |w_k|^2)`, at least the path norm and equal if balanced."""
        norms = self.neuron_norms
        return float(0.5 * (self.output_weights @ self.output_weights + norms @ norms))

    def predict(self, X: ArrayLike) -> NDArray[np.float64]:
        """The network's value at each row of ``X``, (m, d) to (m,)."""
        inputs = finite_matrix("X", X)
        if inputs.shape[1] != self.d:
            raise InvalidProblem(
                f"X: expected {self.d} columns, as many as the network has inputs (no column of "
                f"ones), found {inputs.shape[1]}."
            )
        inner = inputs @ self.hidden_weights.T + self.hidden_bias
        values = np.maximum(inner, 0.0) @ self.output_weights + self.output_bias
        return np.asarray(values if self.skip is None else values + self.skip.predict(inputs))

    def balanced(self) -> ReluNetwork:
        r"""The same function with :math:`|v_k| = |w_k|`, which has the least weight decay.

        Neurons whose output is identically zero become zero.  Under ``bias="free"`` a neuron
        without input weights is a constant that costs nothing; it is moved to ``output_bias``.
        """
        network = self._without_constants()
        norms = network.neuron_norms
        size = np.abs(network.output_weights)
        alive = (size > 0.0) & (norms > 0.0)
        root = np.sqrt(np.where(alive, size, 0.0)) * np.sqrt(np.where(alive, norms, 0.0))
        return network._rescaled(norms, root, np.sign(network.output_weights) * root)

    def unit_neurons(self) -> ReluNetwork:
        r"""The same function with :math:`|w_k| = 1`: output weights are the measure's masses.

        Neurons whose output is identically zero are dropped.  Under ``bias="free"`` a neuron
        without input weights is a constant that costs nothing; it is moved to ``output_bias``.
        """
        network = self._without_constants()
        norms = network.neuron_norms
        alive = (norms > 0.0) & (network.output_weights != 0.0)
        network = replace(
            network, hidden_weights=network.hidden_weights[alive],
            hidden_bias=network.hidden_bias[alive], output_weights=network.output_weights[alive],
        )  # fmt: skip
        norms = norms[alive]
        return network._rescaled(norms, np.ones(len(norms)), network.output_weights * norms)

    def save(self, folder: str, *, overwrite: bool = False) -> None:
        """Write the network to a new folder; :func:`measurelp.load_network` reads it back."""
        from measurelp.network.files import write_folder
        from measurelp.network.weight_files import parts_from_network

        document, arrays = parts_from_network(self)
        write_folder(folder, document, arrays, kind="network", overwrite=overwrite)

    def _without_constants(self) -> ReluNetwork:
        """Under a free bias, neurons without input weights moved into the output bias."""
        flat = ~self.hidden_weights.any(axis=1) & (self.hidden_bias != 0.0)
        if self.bias != "free" or not flat.any():
            return self
        constant = self.output_weights[flat] @ np.maximum(self.hidden_bias[flat], 0.0)
        return replace(
            self, hidden_weights=self.hidden_weights[~flat], hidden_bias=self.hidden_bias[~flat],
            output_weights=self.output_weights[~flat], output_bias=self.output_bias + constant,
        )  # fmt: skip

    def _rescaled(
        self, old: NDArray[np.float64], new: NDArray[np.float64], output: NDArray[np.float64]
    ) -> ReluNetwork:
        """Neurons brought from norms ``old`` to norms ``new``, with new output weights."""
        divisor = np.where(old > 0.0, old, 1.0)
        return replace(
            self, hidden_weights=(self.hidden_weights / divisor[:, None]) * new[:, None],
            hidden_bias=(self.hidden_bias / divisor) * new, output_weights=output,
        )  # fmt: skip

    def __repr__(self) -> str:
        skip = "" if self.skip is None else ", with affine skip"
        return (
            f"ReluNetwork({self.d} inputs, {self.width} neurons, bias={self.bias}{skip}, "
            f"path norm {self.path_norm:.6g})"
        )


def _finite(name: str, value: object, *, ndim: int) -> NDArray[np.float64]:
    """A read-only finite copy with ``ndim`` dimensions, or InvalidProblem."""
    try:
        array = np.array(value, dtype=np.float64, order="C")
    except (TypeError, ValueError):
        raise InvalidProblem(f"{name}: expected numbers, found {type(value).__name__}.") from None
    if array.ndim != ndim:
        shape = {0: "a single number", 1: "shape (k,)", 2: "shape (k, d)"}[ndim]
        raise InvalidProblem(f"{name}: expected {shape}, found shape {array.shape}.")
    if not np.isfinite(array).all():
        raise InvalidProblem(f"{name}: entries must be finite; NaN or inf was found.")
    array.setflags(write=False)
    return array
