"""Unit balls of the hidden weights: which norm the total variation is weighted with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from measurelp.problem.polyhedral_balls import Fan, L1Ball, LInfBall


@runtime_checkable
class Ball(Protocol):
    """The smallest interface of a ball."""

    @property
    def name(self) -> str:
        """The word by which files and the command line know the ball."""
        ...

    def norm(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """The norm of each row of ``weights``, shape (k, d) to (k,)."""
        ...

    def dual_norm(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """The largest inner product of each row with a weight in the ball, (n, d) to (n,)."""
        ...

    @property
    def fan(self) -> Fan | None:
        """The cones on which the norm is linear, None where there are none."""
        ...


@dataclass(frozen=True)
class L2Ball:
    r"""The Euclidean ball: :math:`|v|\,|w|_2`, the path norm, half of balanced weight decay.

    Examples
    --------
    >>> import numpy as np
    >>> L2Ball().norm(np.array([[3.0, 4.0]]))
    array([5.])
    """

    name: str = field(default="l2", init=False, repr=False)

    def norm(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(np.linalg.norm(weights, axis=1))

    def dual_norm(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        return self.norm(rows)

    @property
    def fan(self) -> None:
        """A sphere has no flat parts."""
        return


@dataclass(frozen=True)
class UnitCount:
    """No norm: every hidden weight counts 1, as for units that do not depend on its length."""

    name: str = field(default="count", init=False, repr=False)

    def norm(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.ones(len(weights))

    def dual_norm(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """What a threshold unit makes of a row at most: 1."""
        return np.ones(len(rows))

    @property
    def fan(self) -> None:
        """There is no norm."""
        return


BALLS: dict[str, type[L1Ball | L2Ball | LInfBall]] = {
    "l2": L2Ball,
    "l1": L1Ball,
    "linf": LInfBall,
}
