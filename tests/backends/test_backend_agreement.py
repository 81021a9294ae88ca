"""The backends solve the same programs to the same vectors, duals included."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from measurelp.backends import (
    Backend,
    ClarabelBackend,
    CvxpyBackend,
    HighsBackend,
    ScsBackend,
    backend_from_name,
)  # fmt: skip
from measurelp.errors import InvalidProblem, MissingDependency
from measurelp.program import ConeProgram
from measurelp.status import PointKind, Termination

CONIC = [ClarabelBackend(), ScsBackend(), CvxpyBackend("CLARABEL"), CvxpyBackend("SCS")]
LINEAR = [*CONIC, HighsBackend(), CvxpyBackend("HIGHS")]


def _symmetric(program):
    if program.P is None:
        return np.zeros((program.n_variables,) * 2)
    upper = program.P.toarray()
    return upper + upper.T - np.diag(np.diag(upper))


def _check_kkt(program, report, atol):
    """Feasibility, stationarity, dual cones and equal values, from the data alone."""
    x, z = report.x, report.z
    full = _symmetric(program)
    slack = program.b - program.A @ x
    np.testing.assert_allclose(slack[: program.zero], 0, atol=atol)
    end = program.zero + program.nonneg
    assert slack[program.zero : end].min(initial=0.0) >= -atol
    assert z[program.zero : end].min(initial=0.0) >= -atol
    for size in program.soc:
        for v in (slack[end : end + size], z[end : end + size]):
            assert np.linalg.norm(v[1:]) <= v[0] + atol
        end += size
    np.testing.assert_allclose(full @ x + program.q + program.A.T @ z, 0, atol=atol)
    primal = 0.5 * x @ full @ x + program.q @ x
    assert primal == pytest.approx(-0.5 * x @ full @ x - program.b @ z, abs=10 * atol)
    assert report.objective == pytest.approx(primal, abs=10 * atol)
    assert program.objective(x) == pytest.approx(primal, abs=1e-10)


def _random(seed, soc, quadratic):
    """Feasible with an interior point, and bounded by construction of q."""
    rng = np.random.default_rng(seed)
    n, zero, nonneg = 6, 2, 8
    rows = zero + nonneg + sum(soc)
    A = rng.standard_normal((rows, n))
    inside = np.concatenate(
        [np.zeros(zero), np.ones(nonneg), *[np.r_[2.0, np.zeros(k - 1)] for k in soc]]
    )
    b = A @ rng.standard_normal(n) + inside
    z = np.concatenate([rng.standard_normal(zero), inside[zero:]])
    P = None
    if quadratic:
        root = rng.standard_normal((n, n))
        P = sparse.csc_array(np.triu(root @ root.T))
    return ConeProgram(P, -A.T @ z, sparse.csc_array(A), b, zero, nonneg, tuple(soc))


def _id(backend):
    return backend.name + ("" if backend.name != "cvxpy" else backend.solver)


@pytest.mark.parametrize("backend", CONIC, ids=_id)
@pytest.mark.parametrize("soc", [(3, 3, 4), (1, 2, 5)], ids=str)
@pytest.mark.parametrize("quadratic", [False, True])
def test_cone_programs(backend, soc, quadratic):
    program = _random(3, soc, quadratic)
    report = backend.solve(program, tolerance=1e-9)
    assert report.kind is PointKind.OPTIMAL and report.termination is Termination.CONVERGED
    _check_kkt(program, report, 1e-6)
    assert report.backend == backend.name and report.seconds > 0 and report.iterations > 0


@pytest.mark.parametrize("backend", LINEAR, ids=_id)
@pytest.mark.parametrize("quadratic", [False, True])
def test_linear_and_quadratic_programs(backend, quadratic):
    program = _random(4, (), quadratic)
    report = backend.solve(program, tolerance=1e-9)
    assert report.kind is PointKind.OPTIMAL
    _check_kkt(program, report, 1e-6)


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 10_000), quadratic=st.booleans())
def test_highs_agrees_with_clarabel(seed, quadratic):
    program = _random(seed, (), quadratic)
    report = HighsBackend().solve(program)
    if quadratic and report.kind is not PointKind.OPTIMAL:
        assert report.termination is not Termination.CONVERGED
        return
    _check_kkt(program, report, 1e-4)
    peer = ClarabelBackend().solve(program)
    assert report.objective == pytest.approx(peer.objective, abs=1e-5)


def test_a_false_optimum_of_highs_is_not_passed_on():
    """Quadratic programs on which HiGHS 1.15 states an optimum that is none, or fails."""
    for seed in (116, 121, 155, 162, 386, 558, 958, 1453, 2794):
        program = _random(seed, (), True)
        report = HighsBackend().solve(program)
        if report.kind is PointKind.OPTIMAL:  # a later version may solve it
            _check_kkt(program, report, 1e-4)
        else:
            assert report.termination in (
                Termination.NUMERICAL, Termination.STALLED, Termination.ROUND_LIMIT
            )  # fmt: skip


def test_bounds_on_one_variable_keep_their_duals():
    """min -x - y with x <= 1, 2y <= 6, -x <= 0, x + y <= 3: rows of one entry become bounds."""
    A = np.array([[1.0, 0.0], [0.0, 2.0], [-1.0, 0.0], [1.0, 1.0], [1.0, 0.0]])
    b = np.array([1.0, 6.0, 0.0, 3.0, 5.0])
    program = ConeProgram(None, np.array([-2.0, -1.0]), sparse.csc_array(A), b, nonneg=5)
    report = HighsBackend().solve(program)
    np.testing.assert_allclose(report.x, [1.0, 2.0])
    _check_kkt(program, report, 1e-10)


@pytest.mark.parametrize("backend", [*LINEAR], ids=_id)
def test_infeasible_programs_come_with_a_direction(backend):
    """x >= 2 and x + y <= 1 with y >= 0."""
    A = np.array([[-1.0, 0.0], [1.0, 1.0], [0.0, -1.0]])
    b = np.array([-2.0, 1.0, 0.0])
    program = ConeProgram(None, np.ones(2), sparse.csc_array(A), b, nonneg=3)
    report = backend.solve(program)
    assert report.termination is Termination.INFEASIBLE
    assert report.x is None and np.isnan(report.objective)
    if isinstance(backend, CvxpyBackend):
        return  # CVXPY keeps no direction for some of its solvers
    assert report.kind is PointKind.INFEASIBILITY_PROOF
    z = report.z
    assert b @ z < 0 and z.min() >= -1e-9
    np.testing.assert_allclose(A.T @ z, 0, atol=1e-7 * np.abs(z).max())


@pytest.mark.parametrize("backend", LINEAR, ids=_id)
def test_unbounded_programs(backend):
    program = ConeProgram(
        None, np.array([-1.0, 0.0]), sparse.csc_array([[-1.0, 1.0]]), np.zeros(1), nonneg=1
    )
    report = backend.solve(program)
    assert report.termination in (Termination.UNBOUNDED, Termination.NUMERICAL)
    assert report.kind is not PointKind.OPTIMAL and report.z is None
    if report.kind is PointKind.UNBOUNDEDNESS_PROOF:
        assert program.q @ report.x < 0


def test_limits_are_outcomes_and_not_errors():
    program = _random(5, (4, 4), True)
    report = ClarabelBackend(max_iterations=2).solve(program)
    assert report.termination is Termination.ROUND_LIMIT and report.kind is PointKind.APPROXIMATE
    report = ScsBackend(max_iterations=3).solve(program)
    assert report.termination is Termination.ROUND_LIMIT
    assert report.kind is not PointKind.OPTIMAL


def test_time_limits_are_taken_by_all():
    program = _random(6, (), True)
    for backend in (ClarabelBackend(), ScsBackend(), HighsBackend(), CvxpyBackend("SCS")):
        assert backend.solve(program, time_limit=30.0, tolerance=1e-8).kind is PointKind.OPTIMAL


def test_highs_says_what_to_use_for_cones():
    program = _random(0, (3,), False)
    assert not HighsBackend().supports(program)
    assert not CvxpyBackend("HIGHS").supports(program)
    for backend in (HighsBackend(), CvxpyBackend("HIGHS")):
        with pytest.raises(InvalidProblem, match="clarabel"):
            backend.solve(program)


def test_cvxpy_solvers_that_are_not_there():
    program = _random(0, (3,), False)
    with pytest.raises(MissingDependency, match="NOSUCH"):
        CvxpyBackend("NOSUCH").solve(program)


def test_names():
    for name, kind in (
        ("clarabel", ClarabelBackend), ("scs", ScsBackend), ("highs", HighsBackend),
        ("cvxpy", CvxpyBackend),
    ):  # fmt: skip
        backend = backend_from_name(name)
        assert isinstance(backend, kind) and isinstance(backend, Backend)
    assert backend_from_name("cvxpy:mosek").name == "cvxpy:MOSEK"
    ours = ScsBackend(max_iterations=7)
    assert backend_from_name(ours) is ours
    for wrong in ("gurobi", "cvxpy:", "scs:x", 3, None, ScsBackend):
        with pytest.raises(InvalidProblem, match="backend"):
            backend_from_name(wrong)


def test_importing_backends_loads_neither_cvxpy_nor_scs_nor_highs():
    code = (
        "import sys, measurelp.backends; "
        "print([m for m in ('cvxpy', 'scs', 'highspy', 'sklearn', 'torch') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_no_solver_prints():
    """In a process of its own: HiGHS prints a banner once a process, past Python's stdout."""
    code = (
        "import numpy as np; from scipy import sparse\n"
        "from measurelp.backends import HighsBackend, ClarabelBackend, ScsBackend\n"
        "from measurelp.program import ConeProgram\n"
        "box = ConeProgram(None, np.ones(2), sparse.csc_array(-np.eye(2)), np.ones(2), nonneg=2)\n"
        "for one in (HighsBackend(), ClarabelBackend(), ScsBackend()):\n"
        "    assert one.solve(box).x is not None\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert (ran.stdout, ran.stderr) == (b"", b"")
