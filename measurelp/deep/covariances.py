r"""Covariance pairs of hidden layers, and how many neurons they need.

N samples and neurons with preactivations :math:`z_k \in R^N` give
:math:`K = \sum_k z_k z_k^\top` and :math:`K^\sigma = \sum_k \sigma(z_k)\sigma(z_k)^\top`.  Weight
decay and loss depend on a hidden layer through this pair only, and the pairs of all widths form
the cone of :math:`(zz^\top, \sigma(z)\sigma(z)^\top)`, of dimension N (N + 1) at most.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from measurelp.measure import prune_to_extreme_point
from measurelp.problem import finite_matrix

Matrix = NDArray[np.float64]
_BLOCK = 8192


class CovariancePair(NamedTuple):
    r"""One hidden layer's covariances, without the constant's part.

    Attributes
    ----------
    preactivation, activation : (N, N) arrays
        :math:`K = ZZ^\top` and :math:`K^\sigma = \sigma(Z)\sigma(Z)^\top`.
    """

    preactivation: Matrix
    activation: Matrix


class CovarianceRank(NamedTuple):
    r"""How many neurons a covariance pair needs, bracketed.

    Attributes
    ----------
    lower : int
        No layer with fewer neurons has this pair.  The largest of rank(K),
        :math:`\operatorname{rank}(K^\sigma)` and ``incompatible``.
    upper : int
        The width of ``preactivations``; at most the dimension N (N + 1).
    incompatible : int
        Pairs of samples with :math:`K^\sigma_{ij} > 0` of which no neuron can see two, because
        :math:`K^\sigma` vanishes among their samples; samples that share no neuron count too.
        On graphs without triangles these are all edges (Proposition 13).
    preactivations : (N, upper) array
        Neurons with the same pair.
    """

    lower: int
    upper: int
    incompatible: int
    preactivations: Matrix

    @property
    def is_exact(self) -> bool:
        """Whether the bracket is one number."""
        return self.lower == self.upper


def covariance_pair(preactivations: ArrayLike) -> CovariancePair:
    """The pair of a layer's preactivations (N, k).

    Examples
    --------
    >>> covariance_pair([[1.0], [-2.0]]).activation
    array([[1., 0.],
           [0., 0.]])
    """
    z = finite_matrix("preactivations", preactivations)
    active = np.maximum(z, 0.0)
    return CovariancePair(z @ z.T, active @ active.T)


def covariance_rank(preactivations: ArrayLike) -> CovarianceRank:
    r"""Bracket the least number of neurons with a layer's covariance pair.

    The number itself contains the rank of completely positive matrices, for which no efficient
    algorithm is known.  From above, neurons are removed along null vectors of the matrices
    :math:`(z_kz_k^\top, \sigma(z_k)\sigma(z_k)^\top)` until these are independent
    (Caratheodory), which keeps the pair up to rounding.  From below, linear ranks, decided at
    max(N, k) eps, and a clique argument: the samples that one neuron is active on have positive
    covariances among each other, so pairs of samples that are in no common clique need neurons
    of their own.

    Parameters
    ----------
    preactivations : (N, k) array_like

    Returns
    -------
    CovarianceRank

    Examples
    --------
    >>> rank = covariance_rank([[1.0, 2.0, 0.0], [1.0, 2.0, -1.0]])
    >>> rank.lower, rank.upper
    (2, 2)
    """
    z = finite_matrix("preactivations", preactivations)
    active = np.maximum(z, 0.0)
    fewer = _without_dependent(z, active)
    ranks = [int(np.linalg.matrix_rank(m)) if m.size else 0 for m in (z, active)]
    incompatible = _incompatible_pairs(active > 0.0)
    return CovarianceRank(max(*ranks, incompatible), fewer.shape[1], incompatible, fewer)


def _without_dependent(z: Matrix, active: Matrix) -> Matrix:
    """Neurons with independent outer products and the same sum of them."""
    sizes = np.linalg.norm(z, axis=0)
    z, active = z[:, sizes > 0.0], active[:, sizes > 0.0]
    sizes = sizes[sizes > 0.0]
    unit = z / sizes
    pruned = prune_to_extreme_point(_triangle_of_products(unit, active / sizes), sizes**2)
    return np.asarray(unit[:, pruned.kept] * np.sqrt(pruned.masses[pruned.kept]))


def _triangle_of_products(z: Matrix, active: Matrix) -> Matrix:
    """A matrix with the Gram matrix, hence the null vectors, of the pairs of outer products.

    The N (N + 1) rows of these are met a block at a time.
    """
    n, k = z.shape
    triangle = np.zeros((0, k))
    block: list[Matrix] = []
    for i in range(n):
        # Each entry off the diagonal stands twice in a symmetric matrix.
        weight = np.where(np.arange(i, n) == i, 1.0, np.sqrt(2.0))[:, None]
        block += [weight * (m[i] * m[i:]) for m in (z, active)]
        if i + 1 == n or sum(map(len, block)) > _BLOCK:
            triangle = np.asarray(np.linalg.qr(np.vstack([triangle, *block]), mode="r"))
            block = []
    return triangle


def _incompatible_pairs(lit: NDArray[np.bool_]) -> int:
    """Size of a set of edges and lone samples of which no neuron can serve two, greedily."""
    seen = lit.astype(np.float64)
    joined = (seen @ seen.T) > 0.0
    lone = int(np.count_nonzero(joined.diagonal() & (joined.sum(axis=1) == 1)))
    chosen: list[tuple[int, int]] = []
    rows, columns = np.nonzero(np.triu(joined, 1))
    # Edges with few common neighbours are in few cliques, so they come first.
    common = (joined.astype(np.float64) @ joined)[rows, columns]
    for edge in np.argsort(common, kind="stable"):
        i, j = int(rows[edge]), int(columns[edge])
        # In a common clique with (a, b): all four joined to each other.
        if not any(joined[i, [a, b]].all() and joined[j, [a, b]].all() for a, b in chosen):
            chosen.append((i, j))
    return lone + len(chosen)
