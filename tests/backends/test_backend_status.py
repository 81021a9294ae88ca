"""The status tables know every status that the solvers have."""

import clarabel
import cvxpy.settings
import highspy
import pytest

from measurelp.backends.clarabel_backend import CLARABEL_STATUS
from measurelp.backends.cvxpy_backend import CVXPY_STATUS
from measurelp.backends.highs_backend import HIGHS_STATUS
from measurelp.backends.report import outcome_from_status
from measurelp.backends.scs_backend import SCS_STATUS, scs_status_codes, scs_status_name
from measurelp.errors import BackendError
from measurelp.status import PointKind, Termination

TABLES = {
    "clarabel": CLARABEL_STATUS, "scs": SCS_STATUS, "highs": HIGHS_STATUS, "cvxpy": CVXPY_STATUS,
}  # fmt: skip


def test_clarabel_table_is_the_enumeration():
    members = {str(v) for k, v in vars(clarabel.SolverStatus).items() if not k.startswith("_")}
    assert members == set(CLARABEL_STATUS)


def test_highs_table_is_the_enumeration():
    assert set(highspy.HighsModelStatus.__members__) == set(HIGHS_STATUS)


def test_scs_table_is_the_enumeration():
    codes = scs_status_codes()
    assert set(codes.values()) == set(SCS_STATUS)
    assert set(codes) >= set(range(-7, 3))
    assert scs_status_name(1) == "SOLVED"
    assert scs_status_name(99) == "99"


def test_cvxpy_table_is_its_settings():
    s = cvxpy.settings
    known = {*s.SOLUTION_PRESENT, *s.INF_OR_UNB, *s.ERROR}
    assert known == set(CVXPY_STATUS)


@pytest.mark.parametrize("name", TABLES)
def test_entries_are_an_outcome_each(name):
    for termination, kind in TABLES[name].values():
        assert isinstance(termination, Termination) and isinstance(kind, PointKind)
        assert (kind is PointKind.OPTIMAL) <= (termination is Termination.CONVERGED)


def test_an_unknown_status_is_named():
    with pytest.raises(BackendError, match="Perplexed"):
        outcome_from_status(CLARABEL_STATUS, "Perplexed", "clarabel")
