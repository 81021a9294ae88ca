"""Networks from anywhere: verdict and gap agree with solve, and a REFUTED step is a step down."""

import functools

import numpy as np
import pytest
from certificate.test_never_wrong import assert_improves, plain, unit
from oracles import brute
from oracles.families import SETTINGS, TAME

import measurelp as mlp
from measurelp import certificate as proofs
from measurelp.certificate import candidate_measure
from measurelp.errors import InvalidProblem
from measurelp.oracle import Budget

from . import faults
from .training import data, trained

TOL = 1e-6
# A relative excess is known to about this much.
BLUR = 2e-9


@functools.cache
def stated(seed, n, d, ratio=0.1, bias="penalized", skip="none", family="gaussian"):
    """A problem with its optimum to a tenth of a billionth."""
    X, y = data(seed, n, d)
    if family != "gaussian":
        X = TAME[family](np.random.default_rng(seed), n, d)
    problem = mlp.MeasureProblem(X, y, lam=1.0, bias=bias, skip=skip)
    top = mlp.lam_max(problem)
    problem = problem.with_lam(ratio * top if top > 1e-9 else 1.0)
    solution = mlp.solve(problem, tol_gap=1e-9)
    assert solution.certificate.is_optimal
    return problem, solution


def check_against_solve(problem, solution, candidate, certificate):
    """Verdict, value and bracket of a candidate against an optimum that is known."""
    best = solution.certificate
    measure = candidate_measure(problem, candidate)
    value = plain(problem, measure)
    brute.assert_close(certificate.primal_value, value, rel=1e-9)
    assert certificate.dual_value <= best.primal_value * (1 + 1e-11) + 1e-14
    excess = (value - best.dual_value) / value if value > 0.0 else 0.0
    if excess > TOL + BLUR:
        assert certificate.verdict in (mlp.Verdict.REFUTED, mlp.Verdict.BRACKETED), excess
    if certificate.verdict is mlp.Verdict.REFUTED:
        assert_improves(problem, measure, certificate)
    return excess


def check_gap(certificate, excess):
    """The search left nothing open: the proved gap is the true one, or small enough."""
    assert certificate.relative_gap <= max(TOL, excess + 0.2 * TOL)
    if excess <= 0.8 * TOL:
        assert certificate.verdict is mlp.Verdict.OPTIMAL, (excess, certificate)


FAST = [("lbfgs", 2, 200), ("lbfgs", 20, 300), ("adam", 8, 300), ("adam", 60, 100), ("sgd", 8, 300)]


@pytest.mark.parametrize(("how", "width", "steps"), FAST)
def test_trained_networks_agree_with_solve(how, width, steps):
    torch = pytest.importorskip("torch")
    problem, solution = stated(1, 10, 2)
    module = trained(torch, problem.X, problem.y, problem.lam, width=width, how=how, steps=steps,
                     seed=width)  # fmt: skip
    certificate = mlp.certify(problem, module)
    excess = check_against_solve(problem, solution, module, certificate)
    check_gap(certificate, excess)
    assert excess > TOL, "no network of this training is optimal to six digits"
    assert certificate.verdict is mlp.Verdict.REFUTED


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("how", ["lbfgs", "adam", "sgd"])
@pytest.mark.parametrize("width", [2, 5, 20, 200])
def test_many_trained_networks_agree_with_solve(how, width, seed):
    torch = pytest.importorskip("torch")
    for skip, (n, d), steps in (("none", (12, 2), 20), ("none", (30, 4), 1000),
                                ("constant", (20, 3), 1000)):  # fmt: skip
        problem, solution = stated(seed, n, d, ratio=0.05, skip=skip)
        module = trained(
            torch, problem.X, problem.y, problem.lam, width=width, how=how, steps=steps,
            seed=seed, output_bias=skip == "constant",
        )  # fmt: skip
        certificate = mlp.certify(problem, module)
        check_gap(certificate, check_against_solve(problem, solution, module, certificate))


@pytest.mark.slow
@pytest.mark.parametrize("how", ["lbfgs", "adam", "sgd"])
def test_a_thousand_neurons(how):
    torch = pytest.importorskip("torch")
    problem, solution = stated(1, 50, 5)
    module = trained(
        torch, problem.X, problem.y, problem.lam, width=1000, how=how, steps=200, seed=0
    )
    certificate = mlp.certify(problem, module)
    check_gap(certificate, check_against_solve(problem, solution, module, certificate))


def nearly_optimal(problem, solution, rng):
    """A network about a relative 1e-7 to 1e-3 away from the optimum, in one of several ways."""
    size, measure = 10.0 ** rng.uniform(-7, -3), solution.measure
    atoms, masses, skip = measure.atoms, measure.masses, measure.skip
    kind = rng.integers(5)
    if kind == 0:
        masses = masses * (1 + size * rng.standard_normal(len(masses)))
    elif kind == 1:
        atoms = unit(problem, atoms + size * rng.standard_normal(atoms.shape))
    elif kind == 2:
        extra = unit(problem, rng.standard_normal((3, atoms.shape[1])))
        atoms = np.vstack([atoms, extra])
        masses = np.append(masses, size * rng.standard_normal(3) * np.abs(masses).sum())
    elif kind == 3:
        atoms, masses = np.vstack([atoms, atoms]), np.append(0.3 * masses, 0.7 * masses)
        atoms = unit(problem, atoms + size * rng.standard_normal(atoms.shape))
    else:
        masses = np.float32(masses * (1 + size)).astype(float)
    if not len(masses):
        return measure
    near = mlp.AtomicMeasure(atoms, masses, skip)
    return mlp.network_from_measure(near, bias=problem.bias) if rng.integers(2) else near


def check_near(seed, cases):
    """Verdicts near optima; how many were OPTIMAL and how many not."""
    bias, skip = SETTINGS[seed % len(SETTINGS)]
    family = list(TAME)[seed % 3] if seed % 2 else "gaussian"
    problem, solution = stated(seed, 8, 2 + seed % 2, bias=bias, skip=skip, family=family)
    rng, said = np.random.default_rng(seed), []
    for _ in range(cases):
        network = nearly_optimal(problem, solution, rng)
        certificate = mlp.certify(problem, network)
        excess = check_against_solve(problem, solution, network, certificate)
        check_gap(certificate, excess)
        said.append(certificate.verdict is mlp.Verdict.OPTIMAL)
    return said


def test_nearly_optimal_networks_are_told_from_optimal_ones():
    said = [verdict for seed in range(16) for verdict in check_near(seed, 7)]
    assert len(said) > 100 and 0.1 < np.mean(said) < 0.9


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(16, 66))
def test_many_nearly_optimal_networks_are_told_from_optimal_ones(seed):
    assert len(check_near(seed, 24)) == 24


def test_a_search_turns_a_poor_bracket_into_a_proof():
    """Off by a relative 1e-5 in its masses, by 1e-10 in its objective."""
    problem, solution = stated(3, 10, 2)
    rng = np.random.default_rng(0)
    near = mlp.AtomicMeasure(
        solution.measure.atoms,
        solution.measure.masses * (1 + 1e-5 * rng.standard_normal(len(solution.measure))),
    )
    without = mlp.certify(problem, near, rounds=0)
    assert without.verdict is not mlp.Verdict.OPTIMAL
    assert mlp.certify(problem, near).verdict is mlp.Verdict.OPTIMAL
    low = proofs.certify(problem, near)
    assert (low.verdict, low.dual_value) == (without.verdict, without.dual_value)


def test_no_search_where_a_dual_is_given_or_time_is_over():
    problem, solution = stated(3, 10, 2)
    zero = mlp.AtomicMeasure(solution.measure.atoms[:0], solution.measure.masses[:0])
    low = proofs.certify(problem, zero)
    same = mlp.certify(problem, zero, dual=np.zeros(problem.n))
    assert (same.dual_value, same.relative_gap) == (low.dual_value, low.relative_gap)
    late = mlp.certify(problem, zero, budget=Budget(deadline=0.0))
    searched = mlp.certify(problem, zero)
    assert late.relative_gap >= low.relative_gap > searched.relative_gap


@pytest.mark.parametrize("at", [1, 2, 3])
@pytest.mark.parametrize("before", [True, False])
def test_ctrl_c_leaves_a_bracket(at, before):
    problem, solution = stated(3, 10, 2)
    near = mlp.AtomicMeasure(solution.measure.atoms, solution.measure.masses * (1 + 1e-5))
    oracle = faults.InterruptedOracle("branch_and_bound", problem, at=at, before=before)
    certificate = mlp.certify(problem, near, oracle=oracle)
    assert oracle.calls >= min(at, 2)
    check_against_solve(problem, solution, near, certificate)
    stopped = certificate.message.startswith("interrupted")
    assert stopped == (certificate.verdict is mlp.Verdict.BRACKETED)
    assert oracle.calls == 1 or at > 1


def test_interpolation_is_searched_too():
    X, y = data(5, 8, 2)
    problem = mlp.MeasureProblem(X, y, loss=mlp.Interpolation())
    solution = mlp.solve(problem)
    assert solution.certificate.is_optimal
    extra = unit(problem, np.random.default_rng(0).standard_normal((1, 3)))
    padded = mlp.AtomicMeasure(
        np.vstack([solution.measure.atoms, extra, extra]),
        np.append(solution.measure.masses, [0.1, -0.1]),
    )
    certificate = mlp.certify(problem, padded)
    best = solution.certificate.primal_value
    assert certificate.verdict is mlp.Verdict.BRACKETED
    assert certificate.primal_value == pytest.approx(best + 0.2, rel=1e-9)
    assert certificate.dual_value == pytest.approx(best, rel=2e-6)
    assert certificate.dual_value <= best * (1 + 1e-9)


@pytest.mark.parametrize("rounds", [-1, 1.5, True, "many", None])
def test_rounds_that_are_no_count_are_refused(rounds):
    problem, solution = stated(3, 10, 2)
    with pytest.raises(InvalidProblem, match="rounds"):
        mlp.certify(problem, solution.measure, rounds=rounds)
