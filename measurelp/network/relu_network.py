"""Two-layer networks of ReLUs and their kin, their norms and their two normal forms."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal, cast, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from measurelp._display import compact, html_table
from measurelp.errors import InvalidProblem
from measurelp.measure import Skip
from measurelp.problem import Activation, ReLU, finite_matrix
from measurelp.problem.combinations import Bias

Form = Literal["balanced", "unit", "as is"]


@dataclass(frozen=True, eq=False)
class ReluNetwork:
    r"""The network :math:`f(x) = \sum_k v_k\,(\langle w_k, x\rangle + b_k)_+ + b + \langle c, x\rangle`.

    Parameters
    ----------
    hidden_weights : (k, d) array
        :math:`w_k`, one neuron a row; k may be 0.
    hidden_bias : (k,) array, optional
        :math:`b_k`; zero when left out.
    output_weights : (k,) or (k, c) array
        :math:`v_k`: a signed number, or with c outputs a row of c.
    output_bias : float or (c,) array
        :math:`b`, not penalised.
    skip : Skip, optional
        :math:`c`, (d,) or (d, c), not penalised.  A constant in it is moved to ``output_bias``,
        so that ``skip.constant`` of a network is always 0.
    bias : {"penalized", "none", "free"}
        Whether :math:`b_k` counts in the norm :math:`|w_k|` of a neuron ("penalized"), is
        absent ("none": every :math:`b_k` must be 0), or does not count ("free").
    activation : Activation
        What hidden neurons do, by default the ReLU :math:`t_+`.  Norms and normal forms are the same
        for all positively homogeneous ones; conversions that cannot say another refuse it.

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
    output_bias: float | NDArray[np.float64] = field(default=0.0, kw_only=True)
    skip: Skip | None = field(default=None, kw_only=True)
    bias: Bias = field(default="penalized", kw_only=True)
    activation: Activation = field(default_factory=ReLU, kw_only=True)

    def __post_init__(self) -> None:
        hidden = _finite("hidden_weights", self.hidden_weights, ndim=2)
        k, d = hidden.shape
        if d == 0:
            raise InvalidProblem("hidden_weights: expected at least one input, found shape (k, 0).")
        given = np.zeros(k) if self.hidden_bias is None else self.hidden_bias
        hidden_bias = _finite("hidden_bias", given, ndim=1)
        output = _finite("output_weights", self.output_weights, ndim=(1, 2))
        outputs = output.shape[1:]
        if outputs == (0,):
            raise InvalidProblem(
                f"output_weights: expected at least one output, found shape {output.shape}."
            )
        output_bias = _output_constant("output_bias", self.output_bias, outputs)
        for name, array in (("hidden_bias", hidden_bias), ("output_weights", output)):
            if len(array) != k:
                raise InvalidProblem(
                    f"{name}: expected {k} entries, one a row of hidden_weights, found shape "
                    f"{array.shape}."
                )
        if self.bias not in get_args(Bias):
            raise InvalidProblem(
                f"bias: expected one of {', '.join(get_args(Bias))}, found {self.bias!r}."
            )
        if isinstance(self.activation, type) or not isinstance(self.activation, Activation):
            raise InvalidProblem(
                f"activation: expected an instance such as mlp.ReLU(), found {self.activation!r}."
            )
        if self.bias == "none" and np.any(hidden_bias):
            raise InvalidProblem(
                'hidden_bias: entries are not zero, but bias="none" says that there is no hidden '
                'bias; choose bias="penalized" or bias="free".'
            )
        skip = self.skip
        if skip is not None:
            linear = _finite("skip.linear", skip.linear, ndim=1 + len(outputs))
            if linear.shape != (d, *outputs):
                raise InvalidProblem(
                    f"skip.linear: expected shape {(d, *outputs)}, found {linear.shape}."
                )
            output_bias = output_bias + _output_constant("skip.constant", skip.constant, outputs)
            skip = Skip(linear, 0.0)
        for name, value in (
            ("hidden_weights", hidden), ("hidden_bias", hidden_bias), ("output_weights", output),
            ("output_bias", float(output_bias) if outputs == () else output_bias), ("skip", skip),
        ):  # fmt: skip
            object.__setattr__(self, name, value)

    @property
    def width(self) -> int:
        """Number of hidden neurons."""
        return len(self.output_weights)

    @property
    def outputs(self) -> int:
        """Number of outputs."""
        return 1 if self.output_weights.ndim == 1 else int(self.output_weights.shape[1])

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
        return row_norms(weights)

    @property
    def output_norms(self) -> NDArray[np.float64]:
        """The Euclidean norm of each neuron's output weights, (k,)."""
        return row_norms(self.output_weights.reshape(self.width, self.outputs))

    @property
    def path_norm(self) -> float:
        r""":math:`\sum_k |v_k|\,|w_k|`, the total variation of the network's measure."""
        return float(self.output_norms @ self.neuron_norms)

    @property
    def weight_decay(self) -> float:
        r""":math:`\tfrac12\sum_k (|v_k|^2 + |w_k|^2)`, at least the path norm; equal if balanced."""
        norms, size = self.neuron_norms, self.output_norms
        return float(0.5 * (size @ size + norms @ norms))

    def predict(self, X: ArrayLike) -> NDArray[np.float64]:
        """The network's value at each row of ``X``, (m, d) to (m,) or (m, c)."""
        inputs = finite_matrix("X", X)
        if inputs.shape[1] != self.d:
            raise InvalidProblem(
                f"X: expected {self.d} columns, as many as the network has inputs (no column of "
                f"ones), found {inputs.shape[1]}."
            )
        inner = inputs @ self.hidden_weights.T + self.hidden_bias
        values = self.activation.values(inner) @ self.output_weights + self.output_bias
        return np.asarray(values if self.skip is None else values + self.skip.predict(inputs))

    def balanced(self) -> ReluNetwork:
        r"""The same function with :math:`|v_k| = |w_k|`, which has the least weight decay.

        Neurons whose output is identically zero become zero.  Under ``bias="free"`` a neuron
        without input weights is a constant that costs nothing; it is moved to ``output_bias``.
        """
        network = self._without_constants()
        norms = network.neuron_norms
        size = network.output_norms
        alive = (size > 0.0) & (norms > 0.0)
        root = np.sqrt(np.where(alive, size, 0.0)) * np.sqrt(np.where(alive, norms, 0.0))
        divisor = np.where(size > 0.0, size, 1.0)
        output = _times(_times(network.output_weights, 1.0 / divisor), root)
        return network._rescaled(norms, root, output)

    def unit_neurons(self) -> ReluNetwork:
        r"""The same function with :math:`|w_k| = 1`: output weights are the measure's masses.

        Neurons whose output is identically zero are dropped.  Under ``bias="free"`` a neuron
        without input weights is a constant that costs nothing; it is moved to ``output_bias``.
        """
        network = self._without_constants()
        norms = network.neuron_norms
        alive = (norms > 0.0) & (network.output_norms > 0.0)
        network = replace(
            network, hidden_weights=network.hidden_weights[alive],
            hidden_bias=network.hidden_bias[alive], output_weights=network.output_weights[alive],
        )  # fmt: skip
        norms = norms[alive]
        return network._rescaled(norms, np.ones(len(norms)), _times(network.output_weights, norms))

    def in_form(self, form: Form) -> ReluNetwork:
        """:meth:`balanced`, :meth:`unit_neurons` or the network itself, by name."""
        if form not in get_args(Form):
            raise InvalidProblem(
                f"form: expected one of {', '.join(map(repr, get_args(Form)))}, found {form!r}."
            )
        if form == "as is":
            return self
        return self.balanced() if form == "balanced" else self.unit_neurons()

    def skip_as_neurons(self) -> ReluNetwork:
        r"""The same function without skip: its linear part as pairs of ReLU neurons.

        With the singular values :math:`C = \sum_j s_j u_j z_j^\top` of the skip (d, c),
        :math:`C^\top x = \sum_j s_j z_j\,[\langle u_j, x\rangle_+ - \langle -u_j, x\rangle_+]`:
        two neurons a singular value.  What was free now costs: the path norm grows by
        :math:`2\sum_j s_j`, for one output twice the length of c.  For an activation
        :math:`p\,t_+ + q\,(-t)_+` the difference of the two is :math:`(p - q)\,t`, which costs as much
        over p - q.
        """
        if self.skip is None:
            return self
        steepness = self.activation.slopes[0] - self.activation.slopes[1]
        if steepness == 0.0:
            raise InvalidProblem(
                f"activation: no pair of {self.activation.name} neurons is linear, so the skip "
                "cannot become neurons."
            )
        left, values, right = np.linalg.svd(
            self.skip.linear.reshape(self.d, -1), full_matrices=False
        )
        rank = int(np.count_nonzero(values > values[0] * np.finfo(np.float64).eps * self.d))
        inward = np.sqrt(values[:rank])[:, None] * left[:, :rank].T
        outward = np.sqrt(values[:rank])[:, None] * right[:rank]
        outward = np.vstack([outward, -outward]) / steepness
        return replace(
            self, skip=None,
            hidden_weights=np.vstack([self.hidden_weights, inward, -inward]),
            hidden_bias=np.concatenate([self.hidden_bias, np.zeros(2 * rank)]),
            output_weights=np.concatenate(
                [self.output_weights, outward.reshape(2 * rank, *self.output_weights.shape[1:])]
            ),
        )  # fmt: skip

    def save(self, folder: str, *, overwrite: bool = False) -> None:
        """Write the network to a new folder; :func:`measurelp.load_network` reads it back."""
        from measurelp.network.files import write_folder
        from measurelp.network.weight_files import parts_from_network

        document, arrays = parts_from_network(self)
        write_folder(folder, document, arrays, kind="network", overwrite=overwrite)

    def require_relu(self, purpose: str) -> None:
        """Raise InvalidProblem if the activation is another than the ReLU."""
        if self.activation.slopes != (1.0, 0.0):
            raise InvalidProblem(
                f"network: {purpose} is for ReLU networks, and its neurons have the activation "
                f"{self.activation!r}."
            )

    def _without_constants(self) -> ReluNetwork:
        """Under a free bias, neurons without input weights moved into the output bias."""
        flat = ~self.hidden_weights.any(axis=1) & (self.hidden_bias != 0.0)
        if self.bias != "free" or not flat.any():
            return self
        constant = self.activation.values(self.hidden_bias[flat]) @ self.output_weights[flat]
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
        kind = "" if self.activation.name == "relu" else f", {self.activation!r}"
        several = f", {self.outputs} outputs" if self.output_weights.ndim == 2 else ""
        return (
            f"ReluNetwork({self.d} inputs, {self.width} neurons{several}, bias={self.bias}{kind}{skip}, "
            f"path norm {self.path_norm:.6g})"
        )

    def _repr_html_(self) -> str:
        rows = [
            ("inputs, neurons, outputs", f"{self.d}, {self.width}, {self.outputs}"),
            ("hidden bias", self.bias),
            ("path norm", compact(self.path_norm)),
            ("weight decay", compact(self.weight_decay)),
        ]
        return html_table("Two-layer ReLU network", rows)


def row_norms(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """The Euclidean norm of each row, without overflow or underflow on the way."""
    largest = np.abs(rows).max(axis=1, initial=0.0)
    scale = np.where(largest > 0.0, largest, 1.0)
    return np.asarray(scale * np.linalg.norm(rows / scale[:, None], axis=1))


def _times(rows: NDArray[np.float64], factor: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each row, or number, times its factor."""
    return np.asarray(rows * factor.reshape(-1, *[1] * (rows.ndim - 1)))


def _output_constant(name: str, value: object, outputs: tuple[int, ...]) -> NDArray[np.float64]:
    """A number an output; one number counts for all outputs."""
    array = _finite(name, value, ndim=(0, 1))
    if array.shape not in ((), outputs):
        raise InvalidProblem(
            f"{name}: expected {'one number' if outputs == () else f'shape {outputs}'}, "
            f"found shape {array.shape}."
        )
    array = np.broadcast_to(array, outputs).copy()
    array.setflags(write=False)
    return array


def _finite(name: str, value: object, *, ndim: int | tuple[int, ...]) -> NDArray[np.float64]:
    """A read-only finite copy with ``ndim`` dimensions, or InvalidProblem."""
    try:
        array = np.array(value, dtype=np.float64, order="C")
    except (TypeError, ValueError):
        raise InvalidProblem(f"{name}: expected numbers, found {type(value).__name__}.") from None
    allowed = (ndim,) if isinstance(ndim, int) else ndim
    if array.ndim not in allowed:
        shapes = {0: "a single number", 1: "shape (k,)", 2: "shape (k, d)"}
        raise InvalidProblem(
            f"{name}: expected {' or '.join(shapes[n] for n in allowed)}, found shape "
            f"{array.shape}."
        )
    if not np.isfinite(array).all():
        raise InvalidProblem(f"{name}: entries must be finite; NaN or inf was found.")
    array.setflags(write=False)
    return array
