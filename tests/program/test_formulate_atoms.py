r"""The program over given atoms: a linear program, a lasso, and their duals."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from measurelp.backends import ClarabelBackend, HighsBackend
from measurelp.errors import InvalidProblem
from measurelp.problem import Interpolation, MeasureProblem
from measurelp.program import formulate_atoms


def _atoms(rng, k, d):
    w = rng.standard_normal((k, d))
    return w / np.linalg.norm(w, axis=1, keepdims=True)


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 10_000), n=st.sampled_from([4, 30]))
def test_interpolation_is_a_linear_program_with_a_vertex(seed, n):
    rng = np.random.default_rng(seed)
    X, atoms = rng.standard_normal((n, 3)), _atoms(rng, 12, 3)
    features = np.maximum(X @ atoms.T, 0)
    y = features @ (rng.standard_normal(12) * (rng.random(12) < 0.4))
    problem = MeasureProblem(X, y, loss=Interpolation(), bias="none")
    program, lift = formulate_atoms(problem, atoms)
    assert program.is_linear
    report = HighsBackend().solve(program)
    both = np.hstack([features, -features])
    peer = linprog(np.ones(24), A_eq=both, b_eq=y, method="highs")
    value = lift.objective(report.objective)
    assert value == pytest.approx(peer.fun, rel=1e-7, abs=1e-9)
    measure = lift.measure(report.x)
    assert len(measure) <= n
    np.testing.assert_allclose(problem.features(measure.atoms) @ measure.masses, y, atol=1e-7)
    q = lift.dual(report)
    assert q @ y == pytest.approx(value, rel=1e-7, abs=1e-9)
    assert np.abs(features.T @ q).max() <= 1 + 1e-7


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 10_000), n=st.sampled_from([6, 40]), lam=st.floats(0.05, 3.0))
def test_squared_is_a_lasso(seed, n, lam):
    """The optimality conditions: |A' alpha| <= lam, with equality and sign on the support."""
    rng = np.random.default_rng(seed)
    X, atoms = rng.standard_normal((n, 3)), _atoms(rng, 12, 3)
    problem = MeasureProblem(X, rng.standard_normal(n), lam=lam, bias="none", skip="constant")
    program, lift = formulate_atoms(problem, atoms)
    for backend in (ClarabelBackend(), HighsBackend()):
        report = backend.solve(program)
        alpha, masses = lift.dual(report), lift.masses(report.x)
        correlation = problem.features(atoms).T @ alpha
        assert np.abs(correlation).max() <= lam * (1 + 1e-6)
        heavy = np.abs(masses) > 1e-5
        np.testing.assert_allclose(correlation[heavy], lam * np.sign(masses[heavy]), rtol=1e-5)
        assert abs(alpha.sum()) < 1e-6 * max(1.0, np.abs(alpha).max())
        primal = 0.5 * alpha @ alpha + lam * np.abs(masses).sum()
        assert lift.objective(report.objective) == pytest.approx(primal, rel=1e-6)


def test_skip_of_the_measure_is_in_the_order_of_the_columns():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((30, 2))
    y = X @ np.array([2.0, -1.0]) + 0.5
    problem = MeasureProblem(X, y, lam=0.5, skip="affine")
    program, lift = formulate_atoms(problem, _atoms(rng, 4, 3))
    measure = lift.measure(ClarabelBackend().solve(program).x, drop=1e-5)
    np.testing.assert_allclose(measure.skip.linear, [2.0, -1.0], atol=1e-6)
    assert measure.skip.constant == pytest.approx(0.5, abs=1e-6)


def test_atoms_that_do_not_fit_are_refused():
    problem = MeasureProblem(np.eye(2), np.ones(2), lam=1.0, bias="none")
    with pytest.raises(InvalidProblem, match="unit norm"):
        formulate_atoms(problem, np.array([[2.0, 0.0]]))
    with pytest.raises(InvalidProblem, match="shape"):
        formulate_atoms(problem, np.eye(3))
    with pytest.raises(InvalidProblem, match="at least one"):
        formulate_atoms(problem, np.zeros((0, 2)))
