"""What a network must weigh at least to send inputs to outputs exactly."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from measurelp.errors import InvalidProblem
from measurelp.network import ReluChain, chain_from_network
from measurelp.problem import Interpolation, MeasureProblem
from measurelp.problem.combinations import Bias
from measurelp.solving import solve
from measurelp.status import Verdict

Matrix = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class RepresentationCost:
    """What :func:`representation_cost` returns.

    Attributes
    ----------
    lower, upper : float
        Proved bracket of half the sum of squares of all weights.  Both are inf if no network
        has these outputs, ``upper`` alone if none was found in time.  The squared norm of all
        weights is twice that.
    network : ReluChain or None
        With these outputs, at the cost ``upper``; None if that is inf.
    """

    lower: float
    upper: float
    network: ReluChain | None

    def __repr__(self) -> str:
        return f"RepresentationCost(from {self.lower:.9g} to {self.upper:.9g})"


def representation_cost(
    X: ArrayLike,
    Y: ArrayLike,
    *,
    depth: int = 2,
    bias: Bias = "penalized",
    tol_gap: float = 1e-6,
    time_limit: float | None = None,
) -> RepresentationCost:
    r"""The least weight decay of ReLU networks of any width with :math:`f(x_i) = y_i`.

    .. math:: R(X, Y) = \min\Bigl\{\tfrac12\sum_{l=1}^L|W_l|_F^2 : \ f_W(x_i) = y_i\Bigr\}

    Parameters
    ----------
    X : (n, d) array_like
    Y : (n,) or (n, c) array_like
    depth : int
        L, layers of weights.  With 2 this is :func:`measurelp.solve` with interpolation, and
        the bracket is as narrow as ``tol_gap``.
    bias : {"penalized", "none"}
        Whether the first layer has a bias, which counts; deeper ones have none.  With more
        layers than 2 only "none".
    tol_gap, time_limit
        As for :func:`measurelp.solve`.

    Returns
    -------
    RepresentationCost

    Notes
    -----
    For L > 2 the bracket need not be narrow.  From below, ReLU does not lengthen, so
    :math:`|Y|_F \le |X|_{op}\prod_l|W_l|_F` and :math:`R \ge \tfrac L2 (|Y|_F/|X|_{op})^{2/L}`.
    From above, the neurons of the cheapest shallow network, of path norms :math:`p_k`, are carried
    through the other layers one by one at :math:`\tfrac L2\sum_k p_k^{2/L}`.  Both meet where one
    neuron suffices and the inputs look one way.

    Examples
    --------
    >>> representation_cost(np.eye(2), [3.0, 4.0], bias="none")
    RepresentationCost(from 5 to 5)
    >>> representation_cost(np.eye(2), [3.0, 4.0], depth=4, bias="none").upper  # 2 sqrt(5)
    4.47213...
    """
    if isinstance(depth, bool) or not isinstance(depth, (int, np.integer)) or depth < 2:
        raise InvalidProblem(f"depth: expected an integer >= 2, found {depth!r}.")
    if bias not in ("penalized", "none") or (depth > 2 and bias != "none"):
        raise InvalidProblem(
            f'bias: expected "penalized" or "none", and "none" for depths above 2, found {bias!r} '
            f"at depth {depth}."
        )
    problem = MeasureProblem(X, Y, loss=Interpolation(), bias=bias)
    solution = solve(problem, tol_gap=tol_gap, time_limit=time_limit)
    certificate = solution.certificate
    if certificate.verdict is Verdict.INFEASIBLE:
        return RepresentationCost(math.inf, math.inf, None)
    lower, size = certificate.dual_value, float(np.linalg.norm(problem.y))
    if depth > 2 and size > 0.0:
        # The bound in the notes, less its rounding.
        stretch = size / float(np.linalg.norm(problem.X, ord=2))
        lower = 0.5 * depth * stretch ** (2.0 / depth) * (1.0 - 1e-12 * problem.n)
    if math.isinf(certificate.primal_value):
        return RepresentationCost(lower, math.inf, None)
    chain = chain_from_network(solution.network())
    if depth == 2:
        return RepresentationCost(lower, certificate.primal_value, chain)
    deeper = _deepened(chain, depth)
    upper = 0.5 * sum(float(np.vdot(w, w)) for w in deeper.weights)
    return RepresentationCost(lower, upper, deeper)


def _deepened(chain: ReluChain, depth: int) -> ReluChain:
    """The same function with every neuron carried through more layers, all equally long."""
    first, last = chain.weights
    w, v = np.linalg.norm(first, axis=1), np.linalg.norm(last, axis=0)
    used = (w > 0.0) & (v > 0.0)
    first, last, w, v = first[used], last[:, used], w[used], v[used]
    each = (w * v) ** (1.0 / depth)
    weights = [first * (each / w)[:, None], *[np.diag(each)] * (depth - 2), last * (each / v)]
    return ReluChain(weights, [np.zeros(len(m)) for m in weights])
