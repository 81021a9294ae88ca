"""Activations: what a hidden unit does with the inner product."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from measurelp.errors import InvalidProblem
from measurelp.problem.numbers import float_array


@runtime_checkable
class Activation(Protocol):
    r"""The smallest interface of an activation.

    Those that are positively homogeneous are :math:`\sigma(t) = p\,t_+ + q\,(-t)_+`.
    """

    is_homogeneous: ClassVar[bool]

    @property
    def name(self) -> str:
        """The word by which files and the command line know the activation."""
        ...

    @property
    def slopes(self) -> tuple[float, float]:
        """p and q, which say what the activation is on either side of 0; nan if it is not
        homogeneous."""
        ...

    def values(self, inner: NDArray[np.float64]) -> NDArray[np.float64]:
        """The activation, elementwise."""
        ...


@dataclass(frozen=True)
class ReLU:
    r"""The positive part :math:`t_+ = \max(t, 0)`; inactive at t = 0.

    Examples
    --------
    >>> import numpy as np
    >>> ReLU().values(np.array([-1.0, 2.0]))
    array([0., 2.])
    """

    is_homogeneous: ClassVar[bool] = True
    name: str = field(default="relu", init=False, repr=False)
    slopes: tuple[float, float] = field(default=(1.0, 0.0), init=False, repr=False)

    def values(self, inner: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.maximum(inner, 0.0)


@dataclass(frozen=True)
class LeakyReLU:
    r"""The leaky ReLU :math:`\max(t, s\,t)` with slope :math:`-1 \le s < 1` where t < 0.

    s = 0 is the ReLU and s = -1 the absolute value.  (With s = 1 a unit would be linear, and
    a larger s is a smaller one in other units: :math:`s\,(-t)_+` times -1/s.)

    Examples
    --------
    >>> import numpy as np
    >>> LeakyReLU(0.1).values(np.array([-1.0, 2.0]))
    array([-0.1,  2. ])
    """

    is_homogeneous: ClassVar[bool] = True
    slope: float = 0.01
    name: ClassVar[str] = "leaky_relu"

    def __post_init__(self) -> None:
        number = isinstance(self.slope, (int, float, np.integer, np.floating))
        if isinstance(self.slope, bool) or not number or not -1.0 <= self.slope < 1.0:
            raise InvalidProblem(f"slope: expected a number in [-1, 1), found {self.slope!r}.")

    @property
    def slopes(self) -> tuple[float, float]:
        """Those of t_+ and (-t)_+."""
        return 1.0, -float(self.slope)

    def values(self, inner: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.where(inner > 0.0, inner, self.slope * inner)


@dataclass(frozen=True)
class AbsoluteValue:
    r"""The absolute value :math:`|t|`.

    Examples
    --------
    >>> import numpy as np
    >>> AbsoluteValue().values(np.array([-1.0, 2.0]))
    array([1., 2.])
    """

    is_homogeneous: ClassVar[bool] = True
    name: str = field(default="absolute_value", init=False, repr=False)
    slopes: tuple[float, float] = field(default=(1.0, 1.0), init=False, repr=False)

    def values(self, inner: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.abs(inner)


@dataclass(frozen=True)
class Threshold:
    r"""The step :math:`1\{t \ge 0\}`, 1 at t = 0.

    The length of w does not matter, so a unit costs :math:`|v|` and no norm of w enters.  What
    a unit makes of the data is a vector of zeros and ones, of which there are finitely many: one
    for each cell of the data's arrangement, and where no bias lets a weight move off a hyperplane
    also for its lower-dimensional faces (w = 0 is active everywhere).

    Examples
    --------
    >>> import numpy as np
    >>> Threshold().values(np.array([-1.0, 0.0, 2.0]))
    array([0., 1., 1.])
    """

    is_homogeneous: ClassVar[bool] = False
    name: str = field(default="threshold", init=False, repr=False)
    slopes: tuple[float, float] = field(
        default=(float("nan"), float("nan")), init=False, repr=False, compare=False
    )

    def values(self, inner: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.where(inner >= 0.0, 1.0, 0.0)


@dataclass(frozen=True, eq=False)
class GatedReLU:
    r"""Linear units behind fixed gates, :math:`1\{\langle x, g\rangle\ge 0\}\,\langle x, w\rangle`.

    Not a function of :math:`\langle x, w\rangle`, so networks of such units are no measures on
    weights: :func:`measurelp.solve` answers a problem with them by the group lasso of
    :func:`measurelp.gated_relaxation`, and everything else refuses it.

    Parameters
    ----------
    gates : (k, d') array_like, optional
        Gate vectors, the bias last if there is one; those of all cells of the data if left out.

    Examples
    --------
    >>> GatedReLU()
    GatedReLU()
    >>> GatedReLU([[1.0, 0.0]])
    GatedReLU(1 gates)
    """

    is_homogeneous: ClassVar[bool] = True
    gates: NDArray[np.float64] | None = None
    name: str = field(default="gated_relu", init=False)
    slopes: tuple[float, float] = field(default=(float("nan"), float("nan")), init=False)

    def __post_init__(self) -> None:
        if self.gates is None:
            return
        gates = float_array("gates", self.gates, "vectors, one a row,")
        if gates.ndim != 2 or gates.size == 0 or not np.isfinite(gates).all():
            raise InvalidProblem(
                "gates: expected finite vectors, one a row, as an array of shape (k, d'), found shape "
                f"{gates.shape}" + ("." if np.isfinite(gates).all() else " with NaN or inf.")
            )
        gates.setflags(write=False)
        object.__setattr__(self, "gates", gates)

    def __repr__(self) -> str:
        return "GatedReLU()" if self.gates is None else f"GatedReLU({len(self.gates)} gates)"

    def values(self, inner: NDArray[np.float64]) -> NDArray[np.float64]:
        """Refused: what a gated unit does with an input is not told by :math:`\\langle x, w\\rangle`."""
        raise InvalidProblem(NO_MEASURE)


NO_MEASURE = (
    "problem: its units stand behind fixed gates, which no measure on weights can say; mlp.solve(problem) "
    "answers it, and for anything else state the problem with another activation, such as mlp.ReLU()."
)

ACTIVATIONS: dict[str, type[ReLU | LeakyReLU | AbsoluteValue | Threshold]] = {
    "relu": ReLU,
    "leaky_relu": LeakyReLU,
    "absolute_value": AbsoluteValue,
    "threshold": Threshold,
}


def activation_document(activation: Activation) -> dict[str, Any]:
    """Name and parameters, from which :func:`activation_from_document` makes it again."""
    options: dict[str, Any] = asdict(activation)  # type: ignore[call-overload]
    facts = ("name", "slopes")
    return {"name": activation.name, **{k: v for k, v in options.items() if k not in facts}}


def activation_from_document(document: Mapping[str, Any]) -> Activation:
    """The activation of a document; KeyError or TypeError where it is none of ours."""
    options = {key: value for key, value in document.items() if key != "name"}
    return ACTIVATIONS[document["name"]](**options)
