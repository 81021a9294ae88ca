"""CVXPY as a bridge to any solver that it knows."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from measurelp.backends.report import (
    BackendReport,
    StatusTable,
    outcome_from_status,
    report_from_vectors,
)  # fmt: skip
from measurelp.errors import InvalidProblem, MissingDependency
from measurelp.program.cone_program import ConeProgram
from measurelp.status import PointKind, Termination

CVXPY_STATUS: StatusTable = {
    "optimal": (Termination.CONVERGED, PointKind.OPTIMAL),
    "optimal_inaccurate": (Termination.STALLED, PointKind.APPROXIMATE),
    "user_limit": (Termination.ROUND_LIMIT, PointKind.APPROXIMATE),
    "infeasible": (Termination.INFEASIBLE, PointKind.INFEASIBILITY_PROOF),
    "infeasible_inaccurate": (Termination.STALLED, PointKind.INFEASIBILITY_PROOF),
    "unbounded": (Termination.UNBOUNDED, PointKind.UNBOUNDEDNESS_PROOF),
    "unbounded_inaccurate": (Termination.STALLED, PointKind.UNBOUNDEDNESS_PROOF),
    "infeasible_or_unbounded": (Termination.NUMERICAL, PointKind.NOTHING),
    "solver_error": (Termination.NUMERICAL, PointKind.NOTHING),
}

_TOLERANCES: dict[str, tuple[str, ...]] = {
    "CLARABEL": ("tol_gap_abs", "tol_gap_rel", "tol_feas"),
    "SCS": ("eps_abs", "eps_rel"),
    "OSQP": ("eps_abs", "eps_rel"),
    "ECOS": ("abstol", "reltol", "feastol"),
    "HIGHS": ("primal_feasibility_tolerance", "dual_feasibility_tolerance"),
}
_TIME_LIMITS: dict[str, str] = {
    "CLARABEL": "time_limit", "SCS": "time_limit_secs", "OSQP": "time_limit",
    "HIGHS": "time_limit", "GUROBI": "TimeLimit",
}  # fmt: skip


@dataclass(frozen=True)
class CvxpyBackend:
    """Any solver installed in CVXPY.

    Parameters
    ----------
    solver : str
        CVXPY's name of it, for instance "CLARABEL", "SCS", "MOSEK", "GUROBI".
    options : mapping
        Options passed to the solver as they are; they win over what is derived from
        ``tolerance`` and ``time_limit``.  ``tolerance`` reaches the solvers CLARABEL, SCS,
        OSQP, ECOS and HIGHS; others keep their defaults unless told here.
    """

    solver: str = "CLARABEL"
    options: Mapping[str, object] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """``cvxpy:SOLVER``."""
        return f"cvxpy:{self.solver}"

    def supports(self, program: ConeProgram) -> bool:
        """All but second-order and exponential cones on solvers known to have none."""
        return not (program.has_cones and self.solver in ("OSQP", "HIGHS", "SCIPY", "PROXQP"))

    def solve(
        self,
        program: ConeProgram,
        *,
        tolerance: float = 1e-10,
        time_limit: float | None = None,
        verbose: bool = False,
    ) -> BackendReport:
        """Solve; see :class:`~measurelp.backends.Backend`.

        Raises
        ------
        MissingDependency
            When the solver is not installed.
        InvalidProblem
            For cones on a solver that has none, and for a time limit on a solver whose name
            of the option is not known here (put it into ``options``).
        """
        import cvxpy as cp

        start = time.perf_counter()
        if self.solver not in cp.installed_solvers():
            raise MissingDependency(
                f"backend: CVXPY finds no solver {self.solver!r}; installed: "
                f"{', '.join(cp.installed_solvers())}."
            )
        if not self.supports(program):
            raise InvalidProblem(
                f'backend: {self.name!r} has no such cones; use "clarabel" or "scs".'
            )
        options: dict[str, object] = {
            key: max(tolerance, 1e-10) if self.solver == "HIGHS" else tolerance
            for key in _TOLERANCES.get(self.solver, ())
        }
        if time_limit is not None:
            if self.solver not in _TIME_LIMITS:
                raise InvalidProblem(
                    f"time_limit: its name in {self.solver} is not known here; pass it as "
                    f'CvxpyBackend("{self.solver}", options={{...}}).'
                )
            options[_TIME_LIMITS[self.solver]] = time_limit
        options.update(self.options)

        x = cp.Variable(program.n_variables, name="x")
        constraints = _constraints(cp, program, x)
        objective = program.q @ x
        if program.is_quadratic:
            full = program.P + program.P.T
            full.setdiag(program.P.diagonal())
            objective = objective + 0.5 * cp.quad_form(x, full, assume_PSD=True)
        problem = cp.Problem(cp.Minimize(objective), [c for c, _ in constraints])
        try:
            problem.solve(solver=self.solver, verbose=verbose, **options)
            status = str(problem.status)
        except cp.SolverError:
            status = "solver_error"
        outcome = outcome_from_status(CVXPY_STATUS, status, self.name)
        stats = problem.solver_stats
        iterations = None if stats is None else stats.num_iters
        is_point = outcome[1] in (PointKind.OPTIMAL, PointKind.APPROXIMATE)
        return report_from_vectors(
            backend=self.name,
            status=status,
            outcome=outcome,
            x=None if x.value is None else np.asarray(x.value, dtype=np.float64),
            z=_dual(program, constraints) if outcome[1] is not PointKind.NOTHING else None,
            objective=float(problem.value) if is_point and problem.value is not None else np.nan,
            iterations=None if iterations is None else int(iterations),
            seconds=time.perf_counter() - start,
        )


def _constraints(cp: Any, program: ConeProgram, x: Any) -> list[tuple[Any, slice]]:
    """The constraints with the rows that each stands for; equal cones share one."""
    rows = program.A.tocsr()
    slack = program.b - rows @ x
    out: list[tuple[Any, slice]] = []
    if program.zero:
        part = slice(0, program.zero)
        out.append((rows[part] @ x == program.b[part], part))
    end = program.zero + program.nonneg
    if program.nonneg:
        part = slice(program.zero, end)
        out.append((rows[part] @ x <= program.b[part], part))
    for size, group in groupby(program.soc):
        count = len(list(group))
        part = slice(end, end + count * size)
        if size == 1:
            out.append((rows[part] @ x <= program.b[part], part))
        else:
            block = cp.reshape(slack[part], (size, count), order="F")
            out.append((cp.SOC(block[0, :], block[1:, :], axis=0), part))
        end += count * size
    if program.exponential:
        part = slice(end, end + 3 * program.exponential)
        u, v, w = (slack[end + k : part.stop : 3] for k in range(3))
        out.append((cp.ExpCone(u, v, w), part))
    return out


def _dual(program: ConeProgram, constraints: list[tuple[Any, slice]]) -> NDArray[np.float64] | None:
    """The dual vector in our signs, None where a constraint has none."""
    z = np.zeros(program.n_rows)
    for constraint, part in constraints:
        value = constraint.dual_value
        if value is None:
            return None
        if isinstance(value, (list, tuple)):
            if any(v is None for v in value):
                return None
            if len(value) == 3:  # an exponential cone's three entries
                z[part] = np.stack([np.ravel(v) for v in value], axis=1).ravel()
                continue
            top, below = (np.asarray(v, dtype=np.float64) for v in value)
            count = top.size
            value = np.vstack([top.reshape(1, count), below.reshape(-1, count)]).ravel(order="F")
        z[part] = np.asarray(value, dtype=np.float64).ravel()
    return z
