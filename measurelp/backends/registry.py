"""Backends by name."""

from __future__ import annotations

from measurelp.backends.clarabel_backend import ClarabelBackend
from measurelp.backends.cvxpy_backend import CvxpyBackend
from measurelp.backends.highs_backend import HighsBackend
from measurelp.backends.report import Backend
from measurelp.backends.scs_backend import ScsBackend
from measurelp.errors import InvalidProblem

BACKENDS: dict[str, type[ClarabelBackend | ScsBackend | HighsBackend | CvxpyBackend]] = {
    "clarabel": ClarabelBackend,
    "scs": ScsBackend,
    "highs": HighsBackend,
    "cvxpy": CvxpyBackend,
}


def backend_from_name(backend: str | Backend) -> Backend:
    """The backend of a name, or the argument itself where it is one already.

    Parameters
    ----------
    backend : str or Backend
        "clarabel", "scs", "highs", "cvxpy" or "cvxpy:SOLVER" with CVXPY's name of a solver.

    Raises
    ------
    InvalidProblem
        For any other name or object.

    Examples
    --------
    >>> backend_from_name("clarabel").name
    'clarabel'
    >>> backend_from_name("cvxpy:MOSEK").name
    'cvxpy:MOSEK'
    """
    if isinstance(backend, str):
        head, colon, solver = backend.partition(":")
        if head == "cvxpy" and colon and solver:
            return CvxpyBackend(solver=solver.upper())
        if not colon and head in BACKENDS:
            return BACKENDS[head]()
    elif isinstance(backend, Backend) and not isinstance(backend, type):
        return backend
    raise InvalidProblem(
        f'backend: expected one of {", ".join(BACKENDS)}, "cvxpy:SOLVER" or an object with '
        f"name, supports and solve; found {backend!r}."
    )
