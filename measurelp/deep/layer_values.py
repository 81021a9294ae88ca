r"""A deep network with weight decay, written in what its layers hand on (Jacot et al. 2022).

Rows are samples.  :math:`Z_0^\sigma = [X, \beta 1]`, :math:`Z_l = Z_{l-1}^\sigma W_l^\top` and
:math:`Z_l^\sigma = [\sigma(Z_l), \beta 1]`; the last column of :math:`W_l` is the bias over beta.
Of :math:`W_l` the data see only :math:`(Z_{l-1}^{\sigma+} Z_l)^\top`; the rest, the residual, is
orthogonal to it and costs weight decay for nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from measurelp.deep.covariances import CovariancePair, covariance_pair, covariance_rank
from measurelp.deep.models import chain_of, targets_of
from measurelp.errors import InvalidProblem
from measurelp.network import ReluChain
from measurelp.problem import finite_matrix, positive_number

Matrix = NDArray[np.float64]
_EPS = float(np.finfo(np.float64).eps)


class SplitWeights(NamedTuple):
    """One layer's weights as what the data need and what they do not see.

    Attributes
    ----------
    needed, residual : (n_l, n_{l-1} + 1) arrays
        Their sum is the layer's weights, the last column being bias / constant; one column
        less without a constant.  The squares add up too, and the residual maps everything
        that the data hand on to 0.
    """

    needed: Matrix
    residual: Matrix


class Forces(NamedTuple):
    """Minus the gradient of weight decay with respect to one hidden representation.

    Attributes
    ----------
    attraction : (N, n_l) array
        From the layer before: towards the origin, most where its features are weak.
    repulsion : (N, n_l) array
        From the layer after, which needs differences to build its own from.
    """

    attraction: Matrix
    repulsion: Matrix

    @property
    def net(self) -> Matrix:
        """Their sum; :meth:`Representations.forces` says where it is 0."""
        return self.attraction + self.repulsion


@dataclass(frozen=True, eq=False)
class Representations:
    r"""What the layers of a ReLU network hand on at N samples, in the place of its weights.

    Parameters
    ----------
    inputs : (N, d) array
        X.
    preactivations : sequence of (N, n_l) arrays
        :math:`Z_1, \dots, Z_L`; the last are the outputs.
    constant : float
        :math:`\beta`, what biases multiply; 0 for a network without biases.

    Notes
    -----
    Weights with these representations exist if :math:`Z_l` lies in the range of
    :math:`Z_{l-1}^\sigma` for all l (:attr:`distances`); the least weight decay then is
    :attr:`weight_decay`, which tends to infinity where that is about to fail.  The infimum of
    loss plus weight decay over representations is the one over weights (Proposition 1).

    The pseudo-inverses drop singular values below max(N, n) eps times the largest, and weights
    also directions in which :math:`Z_l` is nothing but rounding.  Nearly dependent features that
    the next layer needs make everything here unstable, as the mathematics says.

    Examples
    --------
    >>> Z = Representations(np.eye(2), [[[2.0, 0.0], [0.0, 3.0]], [[4.0], [9.0]]], constant=0.0)
    >>> Z.weight_decay  # 1/2 (4 + 9) in the first layer, 1/2 (4 + 9) in the second
    13.0
    >>> Z.forces(0).net
    array([[0., 0.],
           [0., 0.]])
    """

    inputs: Matrix
    preactivations: tuple[Matrix, ...]
    constant: float

    def __init__(self, inputs: ArrayLike, preactivations: Any, *, constant: float = 1.0) -> None:
        X = finite_matrix("inputs", inputs)
        Z = tuple(finite_matrix(f"preactivations[{l}]", z) for l, z in enumerate(preactivations))
        if not Z:
            raise InvalidProblem("preactivations: expected at least those of the outputs.")
        for layer, z in enumerate(Z):
            if len(z) != len(X):
                raise InvalidProblem(
                    f"preactivations[{layer}]: expected {len(X)} rows, one a sample, found {len(z)}."
                )
        _check_constant(constant)
        object.__setattr__(self, "inputs", X)
        object.__setattr__(self, "preactivations", Z)
        object.__setattr__(self, "constant", float(constant))

    @property
    def depth(self) -> int:
        """Number of layers of weights, L."""
        return len(self.preactivations)

    @property
    def widths(self) -> tuple[int, ...]:
        """Numbers of neurons of the hidden layers."""
        return tuple(z.shape[1] for z in self.preactivations[:-1])

    @property
    def outputs(self) -> Matrix:
        r""":math:`Z_L`, (N, n_L)."""
        return self.preactivations[-1]

    @cached_property
    def activations(self) -> tuple[Matrix, ...]:
        r""":math:`Z_0^\sigma, \dots, Z_{L-1}^\sigma`: what each layer of weights sees."""
        hidden = [np.maximum(z, 0.0) for z in self.preactivations[:-1]]
        return tuple(_with_constant(z, self.constant) for z in (self.inputs, *hidden))

    @cached_property
    def weights(self) -> tuple[Matrix, ...]:
        r"""The least weights, :math:`(Z_{l-1}^{\sigma+} Z_l)^\top`."""
        seen = zip(self.activations, self.preactivations, strict=True)
        return tuple(_least_weights(a, z) for a, z in seen)

    @property
    def distances(self) -> tuple[float, ...]:
        """How far each layer is from what the layer before can give, relative to its size."""
        found = []
        for a, w, z in zip(self.activations, self.weights, self.preactivations, strict=True):
            size = float(np.linalg.norm(z))
            found.append(float(np.linalg.norm(z - a @ w.T)) / size if size else 0.0)
        return tuple(found)

    @property
    def layer_decays(self) -> tuple[float, ...]:
        r""":math:`\tfrac12|Z_{l-1}^{\sigma+}Z_l|_F^2`, a multiplicative distance of layers."""
        return tuple(0.5 * float(np.vdot(w, w)) for w in self.weights)

    @property
    def weight_decay(self) -> float:
        """Half the sum of squares of the least weights, biases over the constant included."""
        return math.fsum(self.layer_decays)

    def objective(self, targets: ArrayLike, lam: float) -> float:
        r""":math:`\tfrac12|Z_L - Y|_F^2 + \lambda\,` :attr:`weight_decay`."""
        positive_number("lam", lam)
        Y = targets_of(targets, self.outputs.shape)
        return 0.5 * float(np.sum((self.outputs - Y) ** 2)) + lam * self.weight_decay

    @property
    def covariances(self) -> tuple[CovariancePair, ...]:
        """Covariance pairs of the hidden layers; with the outputs they decide the objective."""
        return tuple(covariance_pair(z) for z in self.preactivations[:-1])

    def forces(self, layer: int, *, lam: float = 1.0) -> Forces:
        r"""The two forces on hidden layer ``layer`` (from 0), minus lam times the gradients of

        .. math:: \tfrac12|Z_{l-1}^{\sigma+}Z_l|_F^2 \ \ (\text{attraction}), \qquad
                  \tfrac12|Z_l^{\sigma+}Z_{l+1}|_F^2 \ \ (\text{repulsion}).

        With :math:`K_l^\sigma = Z_l^\sigma Z_l^{\sigma\top}` and :math:`K_l = Z_lZ_l^\top` they are
        :math:`-\lambda (K_{l-1}^\sigma)^+ Z_l` and
        :math:`\lambda\,\sigma'(Z_l)\odot(K_l^{\sigma})^+K_{l+1}(K_l^\sigma)^+ Z_l^\sigma`, the
        constant's column left out; sigma' is 0 at 0.  They are gradients along movements that
        keep ranges, ranks and the signs of preactivations.  At a stationary point where the next layer
        needs all of this one's range and no preactivation of a sample is 0, there is no force within
        that range, ``preactivations[layer].T @ net = 0``; at a kink a force against it may remain.
        """
        positive_number("lam", lam)
        if not 0 <= layer < self.depth - 1:
            raise InvalidProblem(
                f"layer: expected one of the {self.depth - 1} hidden layers, from 0, found {layer}."
            )
        z = self.preactivations[layer]
        # (K^s)^+ Z = (Z^s+)^T Z^s+ Z, without squaring singular values before they are cut.
        before = _pseudo_inverse(self.activations[layer])
        attraction = -lam * (before.T @ self.weights[layer].T)
        # (K^s)^+ K_next (K^s)^+ Z^s = P^T (P Z_next) (P Z_next)^T with P = Z^s+.
        after, built = _pseudo_inverse(self.activations[layer + 1]), self.weights[layer + 1].T
        push = (after.T @ built) @ built.T
        repulsion = lam * push[:, : z.shape[1]] * (z > 0.0)
        return Forces(attraction, repulsion)

    def chain(self) -> ReluChain:
        """The network with the least weights.

        Raises
        ------
        InvalidProblem
            If a layer is no combination of what the layer before hands on.
        """
        layer = int(np.argmax(self.distances))
        if self.distances[layer] > 1e-6:
            raise InvalidProblem(
                f"preactivations[{layer}]: not in the range of the layer before, by "
                f"{self.distances[layer]:.2g} of their size; no weights give them."
            )
        weights, biases = [], []
        for w in self.weights:
            weights.append(w if self.constant == 0.0 else w[:, :-1])
            biases.append(np.zeros(len(w)) if self.constant == 0.0 else self.constant * w[:, -1])
        return ReluChain(weights, biases)

    def narrowed(self) -> Representations:
        """Fewer neurons with the same covariances, outputs, and hence weight decay.

        Every hidden layer is replaced by the neurons of :func:`covariance_rank`, at most
        N (N + 1) of them.
        """
        hidden = [covariance_rank(z).preactivations for z in self.preactivations[:-1]]
        return Representations(self.inputs, [*hidden, self.outputs], constant=self.constant)

    def __repr__(self) -> str:
        sizes = " -> ".join(str(z.shape[1]) for z in (self.inputs, *self.preactivations))
        return f"Representations({len(self.inputs)} samples, {sizes})"


def representations(model: Any, data: ArrayLike, *, constant: float = 1.0) -> Representations:
    r"""The representations of a network at data.

    Parameters
    ----------
    model : torch.nn.Module, ReluChain or ReluNetwork
        Linear, ReLU, ..., Linear.
    data : (N, d) array_like
    constant : float
        :math:`\beta`.  A bias b counts :math:`(b/\beta)^2` in weight decay; 1 is ordinary
        weight decay of biases.  With 0 the model must have no biases.

    Returns
    -------
    Representations

    Examples
    --------
    >>> chain = ReluChain([[[1.0, 0.0]], [[2.0]]], [[0.0], [0.0]])
    >>> representations(chain, [[3.0, 0.0], [1.0, 0.0]], constant=0.0).outputs
    array([[6.],
           [2.]])
    """
    chain, values = _biased_chain(model, constant), finite_matrix("data", data)
    found = []
    for w, b in zip(chain.weights, chain.biases, strict=True):
        if values.shape[1] != w.shape[1]:
            raise InvalidProblem(
                f"data: expected {w.shape[1]} columns, as many as the network has inputs, found "
                f"{values.shape[1]}."
            )
        found.append(values @ w.T + b)
        values = np.maximum(found[-1], 0.0)
    return Representations(data, found, constant=constant)


def split_weights(
    model: Any, data: ArrayLike, *, constant: float = 1.0
) -> tuple[SplitWeights, ...]:
    r"""Every layer's weights as :math:`W_l = (Z_{l-1}^{\sigma+}Z_l)^\top + \tilde W_l`.

    Setting all residuals :math:`\tilde W_l` to 0 changes nothing on the data and saves
    :math:`\tfrac12\sum_l|\tilde W_l|_F^2` of weight decay.  Parameters as for
    :func:`representations`.

    Examples
    --------
    >>> chain = ReluChain([[[1.0, 5.0]], [[2.0]]], [[0.0], [0.0]])
    >>> first, second = split_weights(chain, [[3.0, 0.0], [1.0, 0.0]], constant=0.0)
    >>> np.abs(first.needed.round(12)), np.abs(first.residual.round(12))
    (array([[1., 0.]]), array([[0., 5.]]))
    """
    chain = _biased_chain(model, constant)
    found = representations(chain, data, constant=constant)
    split = []
    for w, b, needed in zip(chain.weights, chain.biases, found.weights, strict=True):
        whole = w if constant == 0.0 else np.column_stack([w, b / constant])
        split.append(SplitWeights(needed, whole - needed))
    return tuple(split)


def _biased_chain(model: Any, constant: float) -> ReluChain:
    chain = chain_of(model)
    _check_constant(constant)
    if constant == 0.0 and any(b.any() for b in chain.biases):
        raise InvalidProblem(
            "constant: 0 means no biases, but the model has some; 1 counts them like weights."
        )
    return chain


def _check_constant(constant: float) -> None:
    if constant != 0.0:
        positive_number("constant", constant)


def _with_constant(values: Matrix, constant: float) -> Matrix:
    if constant == 0.0:
        return values
    return np.column_stack([values, np.full(len(values), constant)])


def _pseudo_inverse(values: Matrix) -> Matrix:
    return np.asarray(np.linalg.pinv(values, rcond=max(values.shape) * _EPS))


def _least_weights(seen: Matrix, wanted: Matrix) -> Matrix:
    """The least weights W with ``seen @ W.T = wanted`` up to rounding; zero where that is all there is."""
    left, singular, right = np.linalg.svd(seen, full_matrices=False)
    rounding = max(seen.shape) * _EPS
    kept = singular > rounding * singular.max(initial=0.0)
    along = left[:, kept].T @ wanted
    along[np.abs(along) <= rounding * np.linalg.norm(wanted, axis=0)] = 0.0
    return np.asarray((along / singular[kept, None]).T @ right[kept])
