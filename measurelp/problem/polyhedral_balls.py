r"""Balls with flat faces: the l1 and the linf norm of hidden weights.

Their norms are linear on the cones of a *fan*, whose walls are the coordinate hyperplanes for l1 and
:math:`\{w_j = \pm w_k\}` for linf.  The dual function is linear on the cells of the data's
hyperplanes, so on the cells of both together its supremum over the ball is taken at a ray: the
rays, scaled to norm 1, are a finite dictionary that loses nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from itertools import combinations, permutations, product
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]


class Fan(Protocol):
    """The cones on which a norm is linear."""

    @property
    def most_coordinates(self) -> int:
        """In how many coordinates the cones are still few enough to be listed."""
        ...

    def walls(self, p: int) -> Matrix:
        """Normals (F, p) of the hyperplanes of p-space on which the norm has kinks."""
        ...

    def cones(self, p: int) -> Matrix:
        """Simplicial cones (K, p, p) on which the norm is linear, with generators of norm 1 as
        rows; with their opposites they cover p-space."""
        ...


@dataclass(frozen=True)
class L1Ball:
    r"""The l1 ball: :math:`|v|\,|w|_1`, which lets hidden weights have zeros.

    Examples
    --------
    >>> L1Ball().norm(np.array([[3.0, -4.0]]))
    array([7.])
    """

    name: str = field(default="l1", init=False, repr=False)
    most_coordinates: int = field(default=14, init=False, repr=False)

    @property
    def fan(self) -> Fan:
        """The cones on which this norm is linear."""
        return self

    def norm(self, weights: Matrix) -> NDArray[np.float64]:
        return np.asarray(np.abs(weights).sum(axis=1))

    def dual_norm(self, rows: Matrix) -> NDArray[np.float64]:
        """The largest value of each row (n, p) over the ball."""
        return np.asarray(np.abs(rows).max(axis=1, initial=0.0))

    def walls(self, p: int) -> Matrix:
        """The coordinate hyperplanes."""
        return np.eye(p)

    def cones(self, p: int) -> Matrix:
        """The orthants with a positive first entry."""
        return _orthants(p)


@dataclass(frozen=True)
class LInfBall:
    r"""The linf ball: :math:`|v|\,|w|_\infty`, the largest entry of a hidden weight.

    Examples
    --------
    >>> LInfBall().norm(np.array([[3.0, -4.0]]))
    array([4.])
    """

    name: str = field(default="linf", init=False, repr=False)
    most_coordinates: int = field(default=8, init=False, repr=False)

    @property
    def fan(self) -> Fan:
        """The cones on which this norm is linear."""
        return self

    def norm(self, weights: Matrix) -> NDArray[np.float64]:
        return np.asarray(np.abs(weights).max(axis=1, initial=0.0))

    def dual_norm(self, rows: Matrix) -> NDArray[np.float64]:
        """The largest value of each row (n, p) over the ball."""
        return np.asarray(np.abs(rows).sum(axis=1))

    def walls(self, p: int) -> Matrix:
        r"""The hyperplanes :math:`w_j = \pm w_k`."""
        unit = np.eye(p)
        pairs = [unit[j] + sign * unit[k] for j, k in combinations(range(p), 2) for sign in (-1, 1)]
        return np.array(pairs).reshape(len(pairs), p)

    def cones(self, p: int) -> Matrix:
        """Each facet w_k = 1 of the cube cut into simplices by the order in which the other
        coordinates rise from -1 to 1, p! cones in all.
        """
        return _cube_cones(p)


@lru_cache(maxsize=8)
def _orthants(p: int) -> Matrix:
    signs = np.array([(1.0, *rest) for rest in product((1.0, -1.0), repeat=p - 1)])
    return _frozen(signs[:, None, :] * np.eye(p))


@lru_cache(maxsize=8)
def _cube_cones(p: int) -> Matrix:
    cones = []
    for facet in range(p):
        others = [j for j in range(p) if j != facet]
        for order in permutations(others):
            corner = np.full(p, -1.0)
            corner[facet] = 1.0
            corners = [corner.copy()]
            for j in order:
                corner[j] = 1.0
                corners.append(corner.copy())
            cones.append(corners)
    return _frozen(np.array(cones))


def _frozen(array: Matrix) -> Matrix:
    array.setflags(write=False)
    return array
