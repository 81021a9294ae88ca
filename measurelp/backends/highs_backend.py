"""HiGHS: simplex for linear programs, so that vertices come back; convex quadratic programs."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from measurelp.backends.report import (
    BackendReport,
    StatusTable,
    outcome_from_status,
    report_from_vectors,
)  # fmt: skip
from measurelp.errors import BackendError, InvalidProblem
from measurelp.interrupts import Interrupts, interruptible
from measurelp.program.cone_program import ConeProgram
from measurelp.status import PointKind, Termination

HIGHS_STATUS: StatusTable = {
    "kOptimal": (Termination.CONVERGED, PointKind.OPTIMAL),
    "kInfeasible": (Termination.INFEASIBLE, PointKind.INFEASIBILITY_PROOF),
    "kUnbounded": (Termination.UNBOUNDED, PointKind.UNBOUNDEDNESS_PROOF),
    "kUnboundedOrInfeasible": (Termination.NUMERICAL, PointKind.NOTHING),
    "kTimeLimit": (Termination.TIME_LIMIT, PointKind.APPROXIMATE),
    "kIterationLimit": (Termination.ROUND_LIMIT, PointKind.APPROXIMATE),
    "kSolutionLimit": (Termination.ROUND_LIMIT, PointKind.APPROXIMATE),
    "kObjectiveBound": (Termination.ROUND_LIMIT, PointKind.APPROXIMATE),
    "kObjectiveTarget": (Termination.ROUND_LIMIT, PointKind.APPROXIMATE),
    "kInterrupt": (Termination.INTERRUPTED, PointKind.APPROXIMATE),
    "kHighsInterrupt": (Termination.INTERRUPTED, PointKind.APPROXIMATE),
    "kMemoryLimit": (Termination.NUMERICAL, PointKind.NOTHING),
    "kUnknown": (Termination.STALLED, PointKind.APPROXIMATE),
    "kNotset": (Termination.NUMERICAL, PointKind.NOTHING),
    "kLoadError": (Termination.NUMERICAL, PointKind.NOTHING),
    "kModelError": (Termination.NUMERICAL, PointKind.NOTHING),
    "kPresolveError": (Termination.NUMERICAL, PointKind.NOTHING),
    "kSolveError": (Termination.NUMERICAL, PointKind.APPROXIMATE),
    "kPostsolveError": (Termination.NUMERICAL, PointKind.NOTHING),
    "kModelEmpty": (Termination.CONVERGED, PointKind.NOTHING),
}

_QP_REGULARISATION = 1e-7
_QP_FEASIBILITY = 1e-7
_QP_RECHECK = 1e-6


@dataclass(frozen=True)
class HighsBackend:
    """HiGHS through its array interface; no second-order cones.

    Linear programs by simplex: the point is a vertex, that is a sparse measure.  They are dense
    here, so that presolve reduces nothing and was seen to take three quarters of the time.  Quadratic
    programs by its active-set method, which needs a regularisation of 1e-7 (without it, it
    was seen to cycle); two proximal steps take its bias away, and the optimality conditions
    are checked anew, because its "Optimal" is not always one: a point that misses them is
    reported as APPROXIMATE.  Feasibility tolerances are
    ``max(tolerance, 1e-10)``, the least that HiGHS takes, and 1e-7 for quadratic programs,
    whose method reports an error where it misses them.  Entries of A up to 1e-12 in
    modulus are dropped by HiGHS.  Inequalities on one variable are passed as bounds.  Ctrl-C ends
    linear programs after the iteration under way; quadratic ones go on to their end.
    """

    name: str = field(default="highs", init=False)

    def supports(self, program: ConeProgram) -> bool:
        """Programs without second-order cones."""
        return not program.has_cones

    def solve(
        self,
        program: ConeProgram,
        *,
        tolerance: float = 1e-10,
        time_limit: float | None = None,
        verbose: bool = False,
    ) -> BackendReport:
        """Solve; see :class:`~measurelp.backends.Backend`."""

        if not self.supports(program):
            raise InvalidProblem(
                'backend: "highs" takes linear and quadratic programs, and this one has '
                f"{len(program.soc)} second-order and {program.exponential} exponential cones; "
                'use "clarabel" or "scs".'
            )
        start = time.perf_counter()
        highs = new_highs(verbose)
        least = _QP_FEASIBILITY if program.is_quadratic else 1e-10
        feasibility = min(max(tolerance, least), 1e-2)
        options: dict[str, object] = {
            "output_flag": verbose,
            "primal_feasibility_tolerance": feasibility,
            "dual_feasibility_tolerance": feasibility,
            "small_matrix_value": 1e-12,
            "qp_regularization_value": _QP_REGULARISATION,
            "solver": "choose" if program.is_quadratic else "simplex",
            "parallel": "off",
            "presolve": "choose" if program.is_quadratic else "off",
        }
        if time_limit is not None:
            options["time_limit"] = float(time_limit)
        for option, value in options.items():
            checked(highs.setOptionValue(option, value), f"setting {option}={value!r}")
        bounds = _Bounds(program)
        _pass_model(highs, program, bounds)
        with interruptible() as interrupts:
            let_stop(highs, interrupts)
            model_status = _run(highs, program)
        status = str(model_status.name)
        outcome = outcome_from_status(HIGHS_STATUS, status, self.name)
        x, z = _vectors(highs, program, bounds, outcome[1])
        if program.is_quadratic:
            outcome = _recheck(program, outcome, x, z)
        info = highs.getInfo()
        counts = (
            info.simplex_iteration_count, info.qp_iteration_count, info.ipm_iteration_count
        )  # fmt: skip
        return report_from_vectors(
            backend=self.name,
            status=status,
            outcome=outcome,
            x=x,
            z=z,
            objective=info.objective_function_value if x is None else program.objective(x),
            iterations=int(sum(c for c in counts if c > 0)),
            seconds=time.perf_counter() - start,
        )


def _run(highs: Any, program: ConeProgram) -> Any:
    """Solve what was passed; the model's status."""
    import highspy

    highs.run()
    status = highs.getModelStatus()
    if program.is_quadratic and status == highspy.HighsModelStatus.kOptimal:
        status = _proximal_steps(highs, program.q)
    undecided = (
        highspy.HighsModelStatus.kInfeasible, highspy.HighsModelStatus.kUnboundedOrInfeasible
    )  # fmt: skip
    if status in undecided and program.is_quadratic:
        # Presolve finds infeasibility without a ray; the simplex method has one.
        checked(highs.setOptionValue("presolve", "off"), "setting presolve=off")
        checked(highs.clearSolver(), "clearSolver")
        highs.run()
        status = highs.getModelStatus()
    return status


def let_stop(highs: Any, interrupts: Interrupts) -> None:
    """Let simplex, interior-point and branch-and-bound methods ask whether Ctrl-C was pressed."""

    def stop(event: Any) -> None:
        if interrupts():
            event.interrupt()

    for asks in (highs.cbSimplexInterrupt, highs.cbIpmInterrupt, highs.cbMipInterrupt):
        asks.subscribe(stop)


def new_highs(verbose: bool) -> Any:
    """An instance that is silent from the start unless it is to be verbose.

    HiGHS 1.16 prints its version when callbacks are enabled, which __init__ does, so that an
    option set afterwards comes too late.
    """
    import highspy

    class Silenced(highspy.Highs):  # type: ignore[misc]
        def enableCallbacks(self) -> None:
            checked(self.setOptionValue("output_flag", verbose), "setting output_flag")
            super().enableCallbacks()

    return Silenced()


class _Bounds:
    """Inequality rows with one entry, at most one a variable and direction, as bounds."""

    def __init__(self, program: ConeProgram) -> None:
        n_rows, n_columns = program.A.shape
        per_row = np.bincount(program.A.indices, minlength=n_rows)
        entry_column = np.repeat(np.arange(n_columns), np.diff(program.A.indptr))
        single = per_row == 1
        single[: program.zero] = False
        entry = single[program.A.indices] & (program.A.data != 0.0)
        row, column = program.A.indices[entry], entry_column[entry]
        value = program.A.data[entry]
        _, first = np.unique(2 * column + (value > 0.0), return_index=True)
        self.row, self.column, self.value = row[first], column[first], value[first]
        self.keep = np.ones(n_rows, dtype=bool)
        self.keep[self.row] = False
        self.lower = np.full(n_columns, -np.inf)
        self.upper = np.full(n_columns, np.inf)
        limit = program.b[self.row] / self.value
        is_upper = self.value > 0.0
        self.upper[self.column[is_upper]] = limit[is_upper]
        self.lower[self.column[~is_upper]] = limit[~is_upper]

    def multipliers(self, reduced_cost: NDArray[np.float64]) -> NDArray[np.float64]:
        """Duals of the bound rows: the part of the reduced cost that each direction takes."""
        cost = reduced_cost[self.column]
        part = np.where(self.value > 0.0, np.minimum(cost, 0.0), np.maximum(cost, 0.0))
        return -part / self.value


def _proximal_steps(highs: Any, q: NDArray[np.float64], steps: int = 2) -> Any:
    r"""Solve again with the regularisation centred at the last point.

    HiGHS minimises :math:`f(x) + \tfrac\delta2|x|^2`.  With :math:`q - \delta x_k` in the
    place of q that is :math:`f(x) + \tfrac\delta2|x - x_k|^2` up to a constant, the proximal
    point iteration, whose fixed points are the minimisers of f.
    """
    columns = np.arange(len(q), dtype=np.int32)
    for _ in range(steps):
        x = np.array(highs.getSolution().col_value)
        cost = q - _QP_REGULARISATION * x
        checked(highs.changeColsCost(len(q), columns, cost), "changeColsCost")
        highs.run()
        status = highs.getModelStatus()
        if status.name != "kOptimal":
            break
    return highs.getModelStatus()


def _recheck(
    program: ConeProgram,
    outcome: tuple[Termination, PointKind],
    x: NDArray[np.float64] | None,
    z: NDArray[np.float64] | None,
) -> tuple[Termination, PointKind]:
    """The outcome if the vectors bear it out, else a numerical failure.

    The quadratic solver of HiGHS 1.15 states "Optimal" for about two in a hundred small dense
    programs at points that miss the optimality conditions altogether.
    """
    if outcome[0] is not Termination.CONVERGED:
        decided = outcome[0] in (Termination.INFEASIBLE, Termination.UNBOUNDED)
        if decided and x is None and z is None:
            return Termination.NUMERICAL, PointKind.NOTHING
        return outcome
    if x is None or z is None:
        return Termination.NUMERICAL, PointKind.NOTHING
    gradient = program.P @ x + program.P.T @ x - program.P.diagonal() * x + program.q
    slack = program.b - program.A @ x
    free, tight = slice(0, program.zero), slice(program.zero, None)
    scale = max(1.0, *(float(np.abs(v).max(initial=0.0)) for v in (program.q, program.b)))
    misses = (
        np.abs(gradient + program.A.T @ z).max(initial=0.0),
        np.abs(slack[free]).max(initial=0.0),
        -slack[tight].min(initial=0.0),
        -z[tight].min(initial=0.0),
        np.abs(slack[tight] * z[tight]).max(initial=0.0),
    )
    if max(misses) <= _QP_RECHECK * scale:
        return outcome
    return Termination.NUMERICAL, PointKind.APPROXIMATE


def checked(status: Any, action: str) -> None:
    """Raise on kError, which highspy returns silently."""
    if status.name == "kError":
        raise BackendError(f"highs: {action} failed.")


def _pass_model(highs: Any, program: ConeProgram, bounds: _Bounds) -> None:
    matrix = program.A.tocsr()[np.flatnonzero(bounds.keep)].tocsc()
    n_rows, n_columns = matrix.shape
    upper = program.b[bounds.keep]
    lower = np.full(n_rows, -np.inf)
    lower[: program.zero] = upper[: program.zero]
    if program.is_quadratic:
        # HiGHS wants the lower triangle by columns.
        hessian = program.P.T.tocsc()
        start, index, value = hessian.indptr, hessian.indices, hessian.data
    else:
        start = index = np.zeros(0, dtype=np.int32)
        value = np.zeros(0)
    status = highs.passModel(
        n_columns, n_rows, matrix.nnz, len(value), 1, 1, 1, 0.0,
        program.q, bounds.lower, bounds.upper, lower, upper,
        matrix.indptr.astype(np.int32), matrix.indices.astype(np.int32), matrix.data,
        start.astype(np.int32), index.astype(np.int32), value, np.zeros(n_columns, dtype=np.int32),
    )  # fmt: skip
    checked(status, "passModel")


def _vectors(
    highs: Any, program: ConeProgram, bounds: _Bounds, kind: PointKind
) -> tuple[NDArray[np.float64] | None, NDArray[np.float64] | None]:
    """Primal and dual vectors in our signs: z of a row is minus HiGHS's row dual."""
    if kind is PointKind.UNBOUNDEDNESS_PROOF:
        _, exists, ray = highs.getPrimalRay()
        return (np.asarray(ray, dtype=np.float64) if exists else None), None
    z = np.zeros(program.n_rows)
    if kind is PointKind.INFEASIBILITY_PROOF:
        _, exists, ray = highs.getDualRay()
        if not exists:
            return None, None
        z[bounds.keep] = -np.asarray(ray, dtype=np.float64)
        z[bounds.row] = bounds.multipliers(program.A.T @ z)
        return None, z
    if kind is PointKind.NOTHING:
        return None, None
    solution = highs.getSolution()
    if not solution.value_valid:
        return None, None
    x = np.array(solution.col_value)
    if not np.isfinite(x).all():
        return None, None
    if not solution.dual_valid:
        return x, None
    z[bounds.keep] = -np.array(solution.row_dual)
    z[bounds.row] = bounds.multipliers(np.array(solution.col_dual))
    return x, z
