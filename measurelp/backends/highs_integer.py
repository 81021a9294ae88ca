"""Mixed-integer linear programs by HiGHS."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from measurelp.backends.highs_backend import checked, let_stop, new_highs
from measurelp.errors import BackendError
from measurelp.interrupts import interruptible


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
    highs = new_highs(verbose=False)
    for option, value in (("time_limit", float(time_limit)), ("parallel", "off")):
        checked(highs.setOptionValue(option, value), f"setting {option}={value!r}")
    rows = sparse.csc_array(matrix)
    n_rows, n_columns = rows.shape
    none = np.zeros(0, dtype=np.int32)
    status = highs.passModel(
        n_columns, n_rows, rows.nnz, 0, 1, 1, 1, 0.0, cost, lowest, highest,
        np.full(n_rows, -np.inf), upper, rows.indptr.astype(np.int32),
        rows.indices.astype(np.int32), rows.data, none, none, np.zeros(0),
        integer.astype(np.int32),
    )  # fmt: skip
    checked(status, "passModel")
    with interruptible() as interrupts:
        let_stop(highs, interrupts)
        highs.run()
    solution, info = highs.getSolution(), highs.getInfo()
    x = np.array(solution.col_value)
    if not solution.value_valid or not np.isfinite(x).all():
        raise BackendError(
            "highs: no point of the integer program was found "
            f"({highs.modelStatusToString(highs.getModelStatus())})."
        )
    bound = float(info.mip_dual_bound)
    return IntegerReport(x, float(cost @ x), bound if math.isfinite(bound) else -math.inf)
