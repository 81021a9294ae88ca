"""Clarabel: an interior-point solver for cones, the default."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import clarabel
import numpy as np
from scipy import sparse

from measurelp.backends.report import (
    BackendReport,
    StatusTable,
    outcome_from_status,
    report_from_vectors,
)  # fmt: skip
from measurelp.interrupts import interruptible
from measurelp.program.cone_program import ConeProgram
from measurelp.status import PointKind, Termination

CLARABEL_STATUS: StatusTable = {
    "Solved": (Termination.CONVERGED, PointKind.OPTIMAL),
    "AlmostSolved": (Termination.STALLED, PointKind.APPROXIMATE),
    "InsufficientProgress": (Termination.STALLED, PointKind.APPROXIMATE),
    "MaxIterations": (Termination.ROUND_LIMIT, PointKind.APPROXIMATE),
    "MaxTime": (Termination.TIME_LIMIT, PointKind.APPROXIMATE),
    "NumericalError": (Termination.NUMERICAL, PointKind.APPROXIMATE),
    "CallbackTerminated": (Termination.INTERRUPTED, PointKind.APPROXIMATE),
    "PrimalInfeasible": (Termination.INFEASIBLE, PointKind.INFEASIBILITY_PROOF),
    "AlmostPrimalInfeasible": (Termination.STALLED, PointKind.INFEASIBILITY_PROOF),
    "DualInfeasible": (Termination.UNBOUNDED, PointKind.UNBOUNDEDNESS_PROOF),
    "AlmostDualInfeasible": (Termination.STALLED, PointKind.UNBOUNDEDNESS_PROOF),
    "Unsolved": (Termination.NUMERICAL, PointKind.NOTHING),
}


@dataclass(frozen=True)
class ClarabelBackend:
    """Clarabel through its own interface; linear, quadratic, second-order and exponential cones.

    Gaps and residuals are asked for at ``tolerance``; one thread; no presolve, so that every
    row keeps its dual.  There is no warm start.  Ctrl-C ends it after the iteration under way.

    Parameters
    ----------
    max_iterations : int
    """

    max_iterations: int = 200
    name: str = field(default="clarabel", init=False)

    def supports(self, program: ConeProgram) -> bool:
        """All of them."""
        return True

    def solve(
        self,
        program: ConeProgram,
        *,
        tolerance: float = 1e-10,
        time_limit: float | None = None,
        verbose: bool = False,
    ) -> BackendReport:
        """Solve; see :class:`~measurelp.backends.Backend`."""
        start = time.perf_counter()
        settings = clarabel.DefaultSettings()
        settings.verbose = verbose
        settings.max_iter = self.max_iterations
        settings.max_threads = 1
        settings.presolve_enable = False
        settings.equilibrate_enable = True
        settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = tolerance
        if time_limit is not None:
            settings.time_limit = time_limit
        cones: list[object] = []
        if program.zero:
            cones.append(clarabel.ZeroConeT(program.zero))
        if program.nonneg:
            cones.append(clarabel.NonnegativeConeT(program.nonneg))
        cones.extend(clarabel.SecondOrderConeT(k) for k in program.soc)
        cones.extend(clarabel.ExponentialConeT() for _ in range(program.exponential))
        quadratic = program.P
        if quadratic is None:
            quadratic = sparse.csc_array((program.n_variables, program.n_variables))
        solver = clarabel.DefaultSolver(quadratic, program.q, program.A, program.b, cones, settings)
        with interruptible() as interrupts:
            solver.set_termination_callback(lambda _info: interrupts())
            solution = solver.solve()
        status = str(solution.status)
        return report_from_vectors(
            backend=self.name,
            status=status,
            outcome=outcome_from_status(CLARABEL_STATUS, status, self.name),
            x=np.array(solution.x),
            z=np.array(solution.z),
            objective=float(solution.obj_val),
            iterations=int(solution.iterations),
            seconds=time.perf_counter() - start,
        )
