"""SCS: a first-order solver for cones; large programs at moderate accuracy."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np

from measurelp.backends.report import (
    BackendReport,
    StatusTable,
    outcome_from_status,
    report_from_vectors,
)  # fmt: skip
from measurelp.program.cone_program import ConeProgram
from measurelp.status import PointKind, Termination

SCS_STATUS: StatusTable = {
    "SOLVED": (Termination.CONVERGED, PointKind.OPTIMAL),
    "SOLVED_INACCURATE": (Termination.ROUND_LIMIT, PointKind.APPROXIMATE),
    "UNFINISHED": (Termination.ROUND_LIMIT, PointKind.APPROXIMATE),
    "INFEASIBLE": (Termination.INFEASIBLE, PointKind.INFEASIBILITY_PROOF),
    "INFEASIBLE_INACCURATE": (Termination.ROUND_LIMIT, PointKind.INFEASIBILITY_PROOF),
    "UNBOUNDED": (Termination.UNBOUNDED, PointKind.UNBOUNDEDNESS_PROOF),
    "UNBOUNDED_INACCURATE": (Termination.ROUND_LIMIT, PointKind.UNBOUNDEDNESS_PROOF),
    "INDETERMINATE": (Termination.NUMERICAL, PointKind.NOTHING),
    "FAILED": (Termination.NUMERICAL, PointKind.NOTHING),
    "SIGINT": (Termination.INTERRUPTED, PointKind.NOTHING),
}


@dataclass(frozen=True)
class ScsBackend:
    """SCS through its own interface; linear, quadratic, second-order and exponential cones.

    Residuals and gap are asked for at ``tolerance``, absolute and relative.  SCS reports the
    limits of time and of iterations by one status (``SOLVED_INACCURATE``); the report tells
    them apart by the iterations.

    Parameters
    ----------
    max_iterations : int
    """

    max_iterations: int = 100_000
    name: str = field(default="scs", init=False)

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
        import scs

        start = time.perf_counter()
        data = {"A": program.A, "b": program.b, "c": program.q}
        if program.is_quadratic:
            data["P"] = program.P
        cone = {
            "z": program.zero, "l": program.nonneg, "q": list(program.soc),
            "ep": program.exponential,
        }  # fmt: skip
        solver = scs.SCS(
            data, cone, linear_solver="qdldl", verbose=verbose, eps_abs=tolerance,
            eps_rel=tolerance, max_iters=self.max_iterations, time_limit_secs=time_limit or 0.0,
        )  # fmt: skip
        solution = solver.solve()
        info = solution["info"]
        status = scs_status_name(int(info["status_val"]))
        termination, kind = outcome_from_status(SCS_STATUS, status, self.name)
        if termination is Termination.ROUND_LIMIT and info["iter"] < self.max_iterations:
            termination = Termination.TIME_LIMIT
        return report_from_vectors(
            backend=self.name,
            status=str(info["status"]),
            outcome=(termination, kind),
            x=np.asarray(solution["x"]),
            z=np.asarray(solution["y"]),
            objective=float(info["pobj"]),
            iterations=int(info["iter"]),
            seconds=time.perf_counter() - start,
        )


def scs_status_codes() -> dict[int, str]:
    """The solver's own enumeration: every integer constant of the module, by value."""
    import scs

    return {v: k for k, v in vars(scs).items() if k.isupper() and type(v) is int}


def scs_status_name(code: int) -> str:
    """The name of a status code, or the code itself as text where the solver has none."""
    return scs_status_codes().get(code, str(code))
