r"""ISTA as a network: k steps are k layers, with the weights of ISTA or with learned ones.

.. math:: z^{(l)} = \mathrm{soft}\bigl(S_l z^{(l-1)} + B_l x,\ t_l\bigr), \qquad z^{(0)} = 0;

ISTA has :math:`S = I - W^\top W/L`, :math:`B = W^\top/L`, :math:`t = \lambda/L` in every layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from measurelp._optional import require
from measurelp.errors import InvalidProblem
from measurelp.network import ReluChain
from measurelp.problem import finite_matrix, float_array, positive_number, whole_number
from measurelp.sparse.lasso import dictionary_and_rows, soft_threshold
from measurelp.sparse.proximal import step_bound

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class UnrolledNetwork:
    r"""Layers of soft thresholding, each of which sees the input x.

    Parameters
    ----------
    inner : sequence of (m, m) arrays
        :math:`S_1, \dots, S_k`; the first meets 0 and has no effect.
    inputs : sequence of (m, d) arrays
        :math:`B_1, \dots, B_k`.
    thresholds : sequence of (m,) arrays
        :math:`t_1, \dots, t_k`, not negative.

    Raises
    ------
    InvalidProblem
        If shapes do not fit together, an entry is not finite or a threshold is negative.
    """

    inner: tuple[Matrix, ...]
    inputs: tuple[Matrix, ...]
    thresholds: tuple[Vector, ...]

    def __init__(
        self,
        inner: Sequence[ArrayLike],
        inputs: Sequence[ArrayLike],
        thresholds: Sequence[ArrayLike],
    ) -> None:
        if not 0 < len(inner) == len(inputs) == len(thresholds):
            raise InvalidProblem(
                "inner, inputs, thresholds: expected as many of each and at least one, found "
                f"{len(inner)}, {len(inputs)} and {len(thresholds)}."
            )
        S = tuple(finite_matrix(f"inner[{i}]", a) for i, a in enumerate(inner))
        B = tuple(finite_matrix(f"inputs[{i}]", a) for i, a in enumerate(inputs))
        t = tuple(float_array(f"thresholds[{i}]", a, "numbers") for i, a in enumerate(thresholds))
        m, d = B[0].shape
        for i in range(len(S)):
            if (S[i].shape, B[i].shape, t[i].shape) != ((m, m), (m, d), (m,)):
                raise InvalidProblem(
                    f"layer {i}: expected shapes {(m, m)}, {(m, d)} and {(m,)}, found {S[i].shape}, "
                    f"{B[i].shape} and {t[i].shape}."
                )
            if not np.all((t[i] >= 0.0) & np.isfinite(t[i])):
                raise InvalidProblem(f"thresholds[{i}]: expected finite numbers >= 0.")
        for array in (*S, *B, *t):
            array.setflags(write=False)
        object.__setattr__(self, "inner", S)
        object.__setattr__(self, "inputs", B)
        object.__setattr__(self, "thresholds", t)

    @property
    def depth(self) -> int:
        """Number of layers k."""
        return len(self.inner)

    def predict(self, X: ArrayLike) -> Matrix:
        """The codes (N, m) of targets (N, d)."""
        X = finite_matrix("X", X)
        if X.shape[1] != self.inputs[0].shape[1]:
            raise InvalidProblem(
                f"X: expected {self.inputs[0].shape[1]} columns, found {X.shape[1]}."
            )
        Z = np.zeros((len(X), len(self.inner[0])))
        for S, B, t in zip(self.inner, self.inputs, self.thresholds, strict=True):
            Z = soft_threshold(Z @ S.T + X @ B.T, t)
        return Z

    def relu_chain(self) -> ReluChain:
        r"""The same function as a ReLU network without connections that skip a layer.

        Two ReLUs for each code, :math:`\mathrm{soft}(u,t) = (u-t)_+ - (-u-t)_+`; every hidden
        layer but the last has 2 d more, which hand x on as :math:`x = x_+ - (-x)_+`.  So widths
        are 2m + 2d, ..., 2m + 2d, 2m, and 2m for a single step.
        """
        m, d = self.inputs[0].shape
        both, carry = np.vstack([np.eye(m), -np.eye(m)]), np.vstack([np.eye(d), -np.eye(d)])
        weights, biases = [], []
        for layer, (S, B, t) in enumerate(
            zip(self.inner, self.inputs, self.thresholds, strict=True)
        ):
            # What this layer reads: x itself, or z and x as differences of ReLUs.
            row, x = (B, np.eye(d)) if layer == 0 else (
                np.hstack([S @ both.T, B @ carry.T]), np.hstack([np.zeros((d, 2 * m)), carry.T])
            )  # fmt: skip
            last = layer + 1 == self.depth
            weights.append(both @ row if last else np.vstack([both @ row, carry @ x]))
            biases.append(np.concatenate([-t, -t] if last else [-t, -t, np.zeros(2 * d)]))
        return ReluChain([*weights, both.T], [*biases, np.zeros(m)])

    def __repr__(self) -> str:
        m, d = self.inputs[0].shape
        return f"UnrolledNetwork({d} -> {m}, {self.depth} layers)"


def unroll_ista(W: ArrayLike, lam: float, steps: int) -> UnrolledNetwork:
    """The network that computes what :func:`ista` reaches from 0 in so many steps.

    Parameters
    ----------
    W : (d, m) array_like
    lam : float
    steps : int
        At least 1.

    Raises
    ------
    InvalidProblem
        For arguments out of range.

    Examples
    --------
    >>> import numpy as np
    >>> W = np.random.default_rng(0).standard_normal((3, 5))
    >>> network, x = unroll_ista(W, 0.5, 4), np.ones((1, 3))
    >>> network.relu_chain().widths
    (16, 16, 16, 10)
    >>> bool(np.allclose(network.predict(x), network.relu_chain().predict(x), atol=1e-12))
    True
    """
    W = finite_matrix("W", W)
    lam, steps = positive_number("lam", lam), whole_number("steps", steps, least=1)
    L, m = step_bound(W), W.shape[1]
    inner, inputs, threshold = np.eye(m) - W.T @ W / L, W.T / L, np.full(m, lam / L)
    return UnrolledNetwork([inner] * steps, [inputs] * steps, [threshold] * steps)


@dataclass(frozen=True, eq=False)
class LearnedNetwork:
    """A network with learned weights, and the objective that was minimised.

    Attributes
    ----------
    network : UnrolledNetwork
        The best weights that were seen: never worse on the targets than the start.
    objectives : (epochs + 1,) array
        The mean lasso objective of the network's codes, before each step and after the last.
        Ends early, with the last value inf or nan, where training diverged.
    """

    network: UnrolledNetwork
    objectives: Vector

    @property
    def diverged(self) -> bool:
        """Whether the objective stopped being a number."""
        return not bool(np.isfinite(self.objectives[-1]))


def learn_ista(
    W: ArrayLike, X: ArrayLike, lam: float, *, steps: int, epochs: int = 300,
    learning_rate: float = 1e-3,
) -> LearnedNetwork:  # fmt: skip
    r"""LISTA: weights of every layer learned so that few layers come close to the lasso.

    Adam on all targets at once minimises the mean of :math:`\tfrac12|x - Wz|^2 + \lambda|z|_1`
    over the targets, z the network's code, from the weights of ISTA.  Nothing is random.

    Parameters
    ----------
    W : (d, m) array_like
    X : (N, d) array_like
        Targets to learn on.
    lam, learning_rate : float
    steps : int
        Layers.
    epochs : int
        Steps of Adam.

    Returns
    -------
    LearnedNetwork

    Raises
    ------
    InvalidProblem
        For arguments out of range or shapes that do not fit.
    MissingDependency
        Without torch.

    References
    ----------
    Gregor and LeCun (2010), "Learning fast approximations of sparse coding".
    """
    W, X = dictionary_and_rows(W, X)
    start = unroll_ista(W, lam, steps)
    epochs = whole_number("epochs", epochs, least=0)
    rate = positive_number("learning_rate", learning_rate)
    require("torch", extra="torch")
    from measurelp.sparse._torch_lista import minimise

    parts, objectives = minimise(W, X, float(lam), start, epochs, rate)
    return LearnedNetwork(UnrolledNetwork(*parts), objectives)
