"""Loss against width: the curve that falls to the optimum of infinite width and stays there."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from measurelp.deep.models import check_plain
from measurelp.errors import InvalidProblem
from measurelp.interrupts import interruptible
from measurelp.network import ReluNetwork
from measurelp.problem import MeasureProblem, check_measures
from measurelp.solving import Solution, solve

Matrix = NDArray[np.float64]


class WidthBounds(NamedTuple):
    """Widths from which on the least objective no longer falls, each a theorem.

    Attributes
    ----------
    covariances : int
        n (n + 1), the dimension of covariance pairs (Proposition 7).
    outputs : int
        n c, from the dimension of the fit: an extreme point has no more atoms.  For one
        output this is n.
    one_dimensional : int or None
        4 n for one input with a bias and one output (Proposition 15): 2 n cells, two signs.
    """

    covariances: int
    outputs: int
    one_dimensional: int | None

    @property
    def least(self) -> int:
        """The smallest of them."""
        return min(b for b in self if b is not None)


@dataclass(frozen=True, eq=False)
class Plateau:
    """What :func:`plateau_curve` returns.

    Attributes
    ----------
    widths : tuple of int
        Increasing.
    values : tuple of float
        The best objective found at each width: an upper bound of the least one, which no
        algorithm is known to find; it never rises.
    floor : float
        Proved lower bound for every width.
    networks : tuple of ReluNetwork
        With these values.
    solution : Solution
        Of infinite width, with the certificate that proves the floor.
    bounds : WidthBounds
    starts_by : int or None
        The least width whose value is the floor up to ``tol_gap``: the plateau is proved to
        begin there or before.  None if no width got there.
    """

    widths: tuple[int, ...]
    values: tuple[float, ...]
    floor: float
    networks: tuple[ReluNetwork, ...]
    solution: Solution
    bounds: WidthBounds
    starts_by: int | None

    def __repr__(self) -> str:
        return (
            f"Plateau(widths {self.widths[0]} to {self.widths[-1]}, values {self.values[0]:.6g} to "
            f"{self.values[-1]:.6g}, floor {self.floor:.6g}, starts by {self.starts_by})"
        )


def width_bounds(problem: MeasureProblem) -> WidthBounds:
    """Widths that suffice for the optimum of infinite width, from the shape of the data.

    Examples
    --------
    >>> width_bounds(MeasureProblem([[0.0], [1.0], [2.0]], [1.0, 0.0, 1.0], lam=0.1))
    WidthBounds(covariances=12, outputs=3, one_dimensional=12)
    """
    check_measures(problem)
    n, outputs = problem.n, problem.y.size // problem.n
    flat = problem.d == 1 and problem.has_bias and outputs == 1
    return WidthBounds(n * (n + 1), n * outputs, 4 * n if flat else None)


def plateau_curve(
    problem: MeasureProblem,
    widths: Sequence[int],
    *,
    restarts: int = 10,
    seed: int = 0,
    solution: Solution | None = None,
    tol_gap: float = 1e-6,
) -> Plateau:
    r"""The least objective found at each width, above the proved one of infinite width.

    At width m, :math:`\tfrac12|f(X) - y|^2 + \tfrac\lambda2\sum_{k\le m}(|v_k|^2 + |w_k|^2)` is
    descended by L-BFGS from random weights, from the best network of the width before with
    neurons split, and from the solved network with its least neurons left out.

    Parameters
    ----------
    problem : MeasureProblem
        Squared loss, ReLU, l2 ball, no skip, bias "penalized" or "none".
    widths : sequence of int
    restarts : int
        Random starts for each width.
    seed : int
    solution : Solution, optional
        Of this problem, if it has been solved already.
    tol_gap : float
        Relative gap of the solution, and distance from the floor that counts as none.

    Returns
    -------
    Plateau

    Notes
    -----
    The floor is proved, and so is every value as an upper bound.  That a value is the least of
    its width is not: training narrow networks is hard, and these are local minima.

    Examples
    --------
    >>> curve = plateau_curve(
    ...     MeasureProblem(np.eye(2), [3.0, -4.0], lam=0.5, bias="none"), [1, 2, 3]
    ... )
    >>> np.round(curve.values, 4), curve.starts_by
    (array([6.375, 3.25 , 3.25 ]), 2)
    """
    check_plain(problem)
    ordered = sorted({_width(m) for m in widths})
    if not ordered:
        raise InvalidProblem("widths: expected at least one width.")
    if solution is None:
        with interruptible():
            solution = solve(problem, tol_gap=tol_gap)
    rng = np.random.default_rng(seed)
    solved = _unit(
        solution.measure.atoms, solution.measure.masses.reshape(len(solution.measure), -1)
    )
    before: tuple[Matrix, Matrix] | None = None
    values, networks = [], []
    for m in ordered:
        starts = [_random_start(problem, m, rng) for _ in range(restarts)]
        starts.append(_resized(*solved, m))
        if before is not None:
            starts.append(_resized(*before, m))
        ends = [_descend(problem, *start) for start in starts]
        # What is known already must not be lost by a step of L-BFGS.
        ends += [(_objective(problem, *s), *s) for s in starts[restarts:]]
        value, W, V = min(ends, key=lambda end: end[0])
        before = (W, V)
        values.append(value)
        networks.append(_network(problem, W, V))
    floor = solution.certificate.dual_value
    close = [m for m, v in zip(ordered, values, strict=True) if v - floor <= tol_gap * abs(v)]
    return Plateau(
        tuple(ordered), tuple(values), floor, tuple(networks), solution, width_bounds(problem),
        close[0] if close else None,
    )  # fmt: skip


def _width(m: int) -> int:
    if isinstance(m, bool) or not isinstance(m, (int, np.integer)) or m < 1:
        raise InvalidProblem(f"widths: expected integers >= 1, found {m!r}.")
    return int(m)


def _objective(problem: MeasureProblem, W: Matrix, V: Matrix) -> float:
    """Half the squared error plus lam times the path norm, which is the balanced decay."""
    error = problem.features(W) @ V - problem.y.reshape(problem.n, -1)
    path = float(np.linalg.norm(W, axis=1) @ np.linalg.norm(V, axis=1))
    return 0.5 * float(np.vdot(error, error)) + problem.lam * path


def _descend(problem: MeasureProblem, W: Matrix, V: Matrix) -> tuple[float, Matrix, Matrix]:
    """A local minimum in the weights (k, d') and (k, c), and its objective."""
    X, Y, lam = problem.lifted, problem.y.reshape(problem.n, -1), problem.lam
    cut = W.size

    def slope(weights: Matrix) -> tuple[float, Matrix]:
        w, v = weights[:cut].reshape(W.shape), weights[cut:].reshape(V.shape)
        inner = X @ w.T
        active = np.maximum(inner, 0.0)
        error = active @ v - Y
        back = (error @ v.T) * (inner > 0.0)
        value = 0.5 * float(np.vdot(error, error)) + 0.5 * lam * float(weights @ weights)
        gradient = np.concatenate([(back.T @ X).ravel(), (active.T @ error).ravel()])
        return value, gradient + lam * weights

    end = minimize(
        slope, np.concatenate([W.ravel(), V.ravel()]), jac=True, method="L-BFGS-B",
        options={"maxiter": 2000, "maxfun": 4000, "ftol": 1e-14, "gtol": 1e-10, "maxcor": 20},
    ).x  # fmt: skip
    W, V = end[:cut].reshape(W.shape), end[cut:].reshape(V.shape)
    return _objective(problem, W, V), W, V


def _random_start(
    problem: MeasureProblem, m: int, rng: np.random.Generator
) -> tuple[Matrix, Matrix]:
    """Balanced Gaussian weights whose outputs have about the size of the targets."""
    W = rng.standard_normal((m, problem.lifted.shape[1]))
    V = rng.standard_normal((m, problem.y.size // problem.n))
    size = float(np.linalg.norm(problem.features(W) @ V))
    scale = math.sqrt(float(np.linalg.norm(problem.y)) / size) if size else 1.0
    return _unit(scale * W, scale * V)


def _unit(W: Matrix, V: Matrix) -> tuple[Matrix, Matrix]:
    """The same neurons with both sides equally long."""
    w, v = np.linalg.norm(W, axis=1), np.linalg.norm(V, axis=1)
    both = (w > 0.0) & (v > 0.0)
    factor = np.where(both, np.sqrt(v / np.where(both, w, 1.0)), 1.0)[:, None]
    return W * factor, V / factor


def _resized(W: Matrix, V: Matrix, m: int) -> tuple[Matrix, Matrix]:
    """The m largest neurons, or all of them and silent ones."""
    order = np.argsort(-np.linalg.norm(W, axis=1) * np.linalg.norm(V, axis=1), kind="stable")[:m]
    added = m - len(order)
    return (
        np.vstack([W[order], np.zeros((added, W.shape[1]))]),
        np.vstack([V[order], np.zeros((added, V.shape[1]))]),
    )


def _network(problem: MeasureProblem, W: Matrix, V: Matrix) -> ReluNetwork:
    W, V = _unit(W, V)
    output = V[:, 0] if problem.y.ndim == 1 else V
    if problem.has_bias:
        return ReluNetwork(W[:, :-1], W[:, -1], output_weights=output)
    return ReluNetwork(W, output_weights=output, bias="none")
