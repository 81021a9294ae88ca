"""Adapters of solvers, one a file.  They see a ConeProgram and nothing of networks."""

from measurelp.backends.clarabel_backend import ClarabelBackend
from measurelp.backends.cvxpy_backend import CvxpyBackend
from measurelp.backends.cvxpy_bridge import cvxpy_from_problem
from measurelp.backends.highs_backend import HighsBackend
from measurelp.backends.highs_integer import IntegerReport, minimise_integer
from measurelp.backends.registry import BACKENDS, backend_from_name
from measurelp.backends.report import Backend, BackendReport
from measurelp.backends.scs_backend import ScsBackend

__all__ = [
    "BACKENDS", "Backend", "BackendReport", "ClarabelBackend", "CvxpyBackend", "HighsBackend",
    "IntegerReport", "ScsBackend", "backend_from_name", "cvxpy_from_problem", "minimise_integer",
]  # fmt: skip
