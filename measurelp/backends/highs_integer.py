"""Mixed-integer linear programs by HiGHS, as SciPy carries it."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp

from measurelp.errors import BackendError


class IntegerReport(NamedTuple):
    """What :func:`minimise_integer` returns; claims of the solver.

    Attributes
    ----------
    x : (n,) array
    objective : float
    bound : float
        No feasible point has a smaller objective.
    """

    x: NDArray[np.float64]
    objective: float
    bound: float


def minimise_integer(
    cost: NDArray[np.float64],
    matrix: Any,
    upper: NDArray[np.float64],
    *,
    lowest: NDArray[np.float64],
    highest: NDArray[np.float64],
    integer: NDArray[np.bool_],
    time_limit: float = 60.0,
) -> IntegerReport:
    """Minimise <cost, x> over matrix x <= upper, lowest <= x <= highest, some entries integer.

    Raises
    ------
    BackendError
        If no feasible point was found.
    """
    result = milp(
        cost, integrality=integer.astype(int), bounds=Bounds(lowest, highest),
        constraints=LinearConstraint(matrix, -np.inf, upper), options={"time_limit": time_limit},
    )  # fmt: skip
    if result.x is None:
        raise BackendError(f"highs: the integer program has no solution ({result.message}).")
    bound = float(result.mip_dual_bound) if result.mip_dual_bound is not None else -math.inf
    return IntegerReport(np.asarray(result.x), float(result.fun), bound)
