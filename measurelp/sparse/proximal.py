r"""ISTA and FISTA: proximal gradient methods for the lasso, stopped by their duality gap.

With L the largest eigenvalue of :math:`W^\top W`, ISTA is

.. math:: z \leftarrow \mathrm{soft}\bigl(z + W^\top(x - Wz)/L,\ \lambda/L\bigr),

and FISTA takes the same step at an extrapolated point.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from measurelp.problem import positive_number, whole_number
from measurelp.sparse.lasso import (
    LassoGap,
    code_rows,
    dictionary_and_rows,
    gap_of_rows,
    soft_threshold,
)
from measurelp.status import Termination

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Progress:
    """What a monitor is given.

    Attributes
    ----------
    iteration : int
    objective : float
        Sum over targets.
    gap, relative_gap : float
        The largest over targets.
    """

    iteration: int
    objective: float
    gap: float
    relative_gap: float


@dataclass(frozen=True, eq=False)
class SparseCodes:
    """Codes, the gap recomputed from them, and how they were reached.

    Attributes
    ----------
    codes : (m,) or (N, m) array
        As ``x`` was given.
    gap : LassoGap
        Of these codes; one entry a target.
    iterations : int
    termination : Termination
        CONVERGED, ROUND_LIMIT or INTERRUPTED (Ctrl-C, or the monitor said so).
    history : tuple of Progress
        Each gap that was computed.
    """

    codes: NDArray[np.float64]
    gap: LassoGap
    iterations: int
    termination: Termination
    history: tuple[Progress, ...]

    def __repr__(self) -> str:
        return (
            f"SparseCodes({np.count_nonzero(self.codes)} of {self.codes.size} entries, relative gap "
            f"{self.gap.relative_gap.max():.3g}, {self.iterations} iterations, {self.termination.name})"
        )


Monitor = Callable[[Progress], bool | None]


def ista(
    W: ArrayLike, x: ArrayLike, lam: float, *, tol_gap: float = 1e-6, max_iterations: int = 10_000,
    start: ArrayLike | None = None, check_every: int = 10, monitor: Monitor | None = None,
) -> SparseCodes:  # fmt: skip
    r"""Sparse codes by iterative soft thresholding.

    Parameters
    ----------
    W : (d, m) array_like
        The dictionary; columns need not be of unit length.
    x : (d,) or (N, d) array_like
        A target, or several in rows, whose iterations are one array program.
    lam : float
        Larger than 0; the objective is :math:`\tfrac12|x - Wz|^2 + \lambda|z|_1`.
    tol_gap : float
        Stop when the relative duality gap of every target is at most this.
    max_iterations : int
        0 evaluates the start only.
    start : array_like like the codes, optional
        0 if left out.
    check_every : int
        Iterations between gaps; one is computed at the start and at the end as well.
    monitor : callable, optional
        Called with each :class:`Progress`; a true answer ends the run.

    Returns
    -------
    SparseCodes
        Ctrl-C returns what has been reached.

    Raises
    ------
    InvalidProblem
        For arguments out of range or shapes that do not fit.

    Notes
    -----
    An iteration costs O(N d m).  The objective never rises, and is within
    :math:`L|z_0 - z^*|^2/(2k)` of the optimum after k iterations.  The gap proves how near the
    optimum is; it says nothing on how near the code is, which may not be unique.

    References
    ----------
    Daubechies, Defrise and De Mol (2004); Beck and Teboulle (2009).

    Examples
    --------
    >>> import numpy as np
    >>> found = ista(np.eye(3), [3.0, -0.4, 1.0], 0.5)
    >>> found.codes
    array([2.5, 0. , 0.5])
    >>> found.termination.name, found.iterations
    ('CONVERGED', 10)
    """
    return _iterate(W, x, lam, False, tol_gap, max_iterations, start, check_every, monitor)


def fista(
    W: ArrayLike, x: ArrayLike, lam: float, *, tol_gap: float = 1e-6, max_iterations: int = 10_000,
    start: ArrayLike | None = None, check_every: int = 10, monitor: Monitor | None = None,
) -> SparseCodes:  # fmt: skip
    """Sparse codes by accelerated soft thresholding; arguments and result are those of :func:`ista`.

    The momentum of a target starts anew when it points uphill (O'Donoghue and Candes 2015).  The
    objective may rise on the way.

    References
    ----------
    Beck and Teboulle (2009), "A fast iterative shrinkage-thresholding algorithm".

    Examples
    --------
    >>> import numpy as np
    >>> W = np.random.default_rng(0).standard_normal((10, 20))
    >>> x = W[:, 3] - W[:, 7]
    >>> slow, fast = (method(W, x, 0.1, tol_gap=1e-8) for method in (ista, fista))
    >>> fast.iterations < slow.iterations
    True
    """
    return _iterate(W, x, lam, True, tol_gap, max_iterations, start, check_every, monitor)


def step_bound(W: Matrix) -> float:
    """The largest eigenvalue of W^T W, up to rounding; 1 for a dictionary of zeros."""
    return float(np.linalg.norm(W, 2)) ** 2 or 1.0


def _iterate(
    W: ArrayLike, x: ArrayLike, lam: float, accelerate: bool, tol_gap: float,
    max_iterations: int, start: ArrayLike | None, check_every: int, monitor: Monitor | None,
) -> SparseCodes:  # fmt: skip
    single = np.ndim(x) == 1
    W, X = dictionary_and_rows(W, x)
    lam, tol_gap = positive_number("lam", lam), positive_number("tol_gap", tol_gap)
    whole_number("max_iterations", max_iterations, least=0)
    whole_number("check_every", check_every, least=1)
    Z = np.zeros((len(X), W.shape[1])) if start is None else code_rows(start, X, W)
    L = step_bound(W)
    point, momentum = Z, np.ones((len(X), 1))
    history: list[Progress] = []
    termination, iteration = Termination.ROUND_LIMIT, 0
    gap = gap_of_rows(W, X, Z, lam)
    try:
        while True:
            if iteration % check_every == 0 or iteration == max_iterations:
                gap = gap_of_rows(W, X, Z, lam)
                history.append(_progress(iteration, gap))
                if history[-1].relative_gap <= tol_gap:
                    termination = Termination.CONVERGED
                    break
                if monitor is not None and monitor(history[-1]):
                    termination = Termination.INTERRUPTED
                    break
            if iteration == max_iterations:
                break
            after = soft_threshold(point + (X - point @ W.T) @ W / L, lam / L)
            if accelerate:
                uphill = np.sum((point - after) * (after - Z), axis=1, keepdims=True) > 0.0
                momentum = np.where(uphill, 1.0, momentum)
                following = 0.5 * (1.0 + np.sqrt(1.0 + 4.0 * momentum**2))
                point = after + np.where(uphill, 0.0, (momentum - 1.0) / following) * (after - Z)
                momentum = following
            else:
                point = after
            Z, iteration = after, iteration + 1
    except KeyboardInterrupt:
        termination, gap = Termination.INTERRUPTED, gap_of_rows(W, X, Z, lam)
    return SparseCodes(Z[0] if single else Z, gap, iteration, termination, tuple(history))


def _progress(iteration: int, gap: LassoGap) -> Progress:
    return Progress(
        iteration,
        float(gap.primal_value.sum()),
        float(gap.gap.max()),
        float(gap.relative_gap.max()),
    )
