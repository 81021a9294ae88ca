"""What every backend takes and gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from measurelp.errors import BackendError
from measurelp.program.cone_program import ConeProgram
from measurelp.status import PointKind, Termination

StatusTable = Mapping[str, tuple[Termination, PointKind]]


@dataclass(frozen=True, eq=False)
class BackendReport:
    r"""What a solver says about a :class:`~measurelp.program.ConeProgram`: a claim, not a proof.

    Attributes
    ----------
    x : (n_variables,) array or None
        Primal vector, or the direction of a proof of unboundedness.
    z : (n_rows,) array or None
        Dual vector with :math:`Px + q + A^\top z = 0`, or the direction of a proof of
        infeasibility: :math:`A^\top z = 0`, :math:`\langle b, z\rangle < 0`.
    status : str
        The solver's own word.
    termination : Termination
    kind : PointKind
    objective : float
        The objective at x as the solver states it, nan if unknown.
    iterations : int or None
    seconds : float
        Wall time of the call.
    backend : str
        Name of the backend.
    """

    x: NDArray[np.float64] | None
    z: NDArray[np.float64] | None
    status: str
    termination: Termination
    kind: PointKind
    objective: float
    iterations: int | None
    seconds: float
    backend: str


@runtime_checkable
class Backend(Protocol):
    """The smallest interface of a solver of cone programs."""

    @property
    def name(self) -> str:
        """The word by which :func:`backend_from_name` knows the backend."""
        ...

    def supports(self, program: ConeProgram) -> bool:
        """Whether the solver handles programs of this kind."""
        ...

    def solve(
        self,
        program: ConeProgram,
        *,
        tolerance: float = 1e-10,
        time_limit: float | None = None,
        verbose: bool = False,
    ) -> BackendReport:
        """Solve; the outcome is returned and never raised."""
        ...


def outcome_from_status(
    table: StatusTable, status: str, backend: str
) -> tuple[Termination, PointKind]:
    """Look a solver's status up; BackendError with its name where the table lacks it."""
    try:
        return table[status]
    except KeyError:
        raise BackendError(
            f"{backend}: the solver returned the status {status!r}, which this version of "
            "measurelp does not know; please report it with the solver's version."
        ) from None


def report_from_vectors(
    *,
    backend: str,
    status: str,
    outcome: tuple[Termination, PointKind],
    x: NDArray[np.float64] | None,
    z: NDArray[np.float64] | None,
    objective: float,
    iterations: int | None,
    seconds: float,
) -> BackendReport:
    """A report that keeps only the vectors that its kind gives a meaning to.

    Vectors with NaN or inf are dropped; where nothing remains the kind is NOTHING.
    """
    termination, kind = outcome
    x = x if x is not None and len(x) and np.isfinite(x).all() else None
    z = z if z is not None and np.isfinite(z).all() else None
    if kind is PointKind.INFEASIBILITY_PROOF:
        x = None
    elif kind is PointKind.UNBOUNDEDNESS_PROOF:
        z = None
    elif kind is PointKind.NOTHING:
        x = z = None
    is_point = kind in (PointKind.OPTIMAL, PointKind.APPROXIMATE)
    if x is None and (is_point or z is None):
        kind, x, z = PointKind.NOTHING, None, None
        is_point = False
    return BackendReport(
        x=x, z=z, status=status, termination=termination, kind=kind,
        objective=float(objective) if is_point else float("nan"),
        iterations=iterations, seconds=seconds, backend=backend,
    )  # fmt: skip
