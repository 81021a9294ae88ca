"""A certificate never says more than is true: perturbed optima, tampered duals, oracles that cover a sample."""

import functools
import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import brute
from oracles.families import SETTINGS, TAME

import measurelp as mlp
from measurelp.arrangement.sampling import sample_cells
from measurelp.certificate.bounds import dual_bound
from measurelp.certificate.certificate import gap_between
from measurelp.errors import InvalidProblem
from measurelp.oracle import CellOracle, OracleReport


@functools.cache
def solved(seed, bias="penalized", skip="none", *, loss="squared", family="gaussian"):
    """A problem with its optimum."""
    rng = np.random.default_rng(seed)
    n, d = 7, int(rng.integers(1, 4))
    X, y = TAME[family](rng, n, d), rng.standard_normal(n)
    if loss == "interpolation":
        problem = mlp.MeasureProblem(X, y, loss=mlp.Interpolation(), bias=bias, skip=skip)
    else:
        problem = mlp.MeasureProblem(X, y, lam=1.0, bias=bias, skip=skip)
        top = mlp.lam_max(problem)
        problem = problem.with_lam((0.1 * top) if top > 1e-9 else 1.0)
    return mlp.solve(problem, tol_gap=1e-9)


def plain(problem, measure):
    """The objective by the definition."""
    skip = measure.skip
    return brute.objective(
        problem.X, problem.y, measure.atoms, measure.masses, lam=problem.lam, bias=problem.bias,
        linear=None if skip is None else skip.linear,
        constant=0.0 if skip is None else skip.constant,
    )  # fmt: skip


def unit(problem, atoms):
    return atoms / problem.weight_norm(atoms)[:, None]


def perturbations(problem, measure, rng):
    """Measures near an optimum, named."""
    atoms, masses, skip = measure.atoms, measure.masses, measure.skip
    for size in (1e-1, 1e-2, 1e-3, 1e-4, 1e-5):
        yield (
            f"masses {size:g}",
            mlp.AtomicMeasure(atoms, masses * (1 + size * rng.standard_normal(len(masses))), skip),
        )
        moved = unit(problem, atoms + size * rng.standard_normal(atoms.shape))
        yield f"atoms {size:g}", mlp.AtomicMeasure(moved, masses, skip)
        extra = unit(problem, rng.standard_normal((1, atoms.shape[1])))
        total = float(np.abs(masses).sum()) or 1.0
        yield (
            f"added {size:g}",
            mlp.AtomicMeasure(np.vstack([atoms, extra]), np.append(masses, size * total), skip),
        )
    if atoms.shape[1] > 1 and len(atoms):
        c, s = math.cos(0.05), math.sin(0.05)
        rotated = atoms.copy()
        rotated[:, :2] = atoms[:, :2] @ np.array([[c, -s], [s, c]])
        yield "rotated", mlp.AtomicMeasure(unit(problem, rotated), masses, skip)
    for k in range(len(masses)):
        keep = np.arange(len(masses)) != k
        yield f"without {k}", mlp.AtomicMeasure(atoms[keep], masses[keep], skip)
    yield "zero", mlp.AtomicMeasure(atoms[:0], masses[:0], skip)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("bias", "skip"), SETTINGS)
def test_perturbed_optima_are_not_certified(bias, skip, seed):
    solution = solved(seed, bias, skip, family=("gaussian", "grid", "low_rank", "copies")[seed])
    problem, best = solution.problem, solution.certificate.dual_value
    assert solution.certificate.verdict is mlp.Verdict.OPTIMAL
    rng = np.random.default_rng(100 + seed)
    for name, measure in perturbations(problem, solution.measure, rng):
        value = plain(problem, measure)
        excess = (value - best) / max(value, 1e-300)
        # Half of the true suboptimality asked for, and one tolerance for the whole world.
        for tol_gap in {1e-6, max(0.5 * excess, 1e-9)}:
            certificate = mlp.certify(problem, measure, dual=solution.dual, tol_gap=tol_gap)
            where = f"{name}, tolerance {tol_gap:g}: {certificate}"
            brute.assert_close(certificate.primal_value, value, rel=1e-9, what=where)
            assert (
                certificate.dual_value <= solution.certificate.primal_value * (1 + 1e-11) + 1e-14
            ), where
            if excess > tol_gap * (1 + 1e-6) + 1e-9:
                assert certificate.verdict in (mlp.Verdict.REFUTED, mlp.Verdict.BRACKETED), where
            if certificate.verdict is mlp.Verdict.REFUTED:
                assert_improves(problem, measure, certificate, where)
            else:
                assert certificate.improvement is None


def assert_improves(problem, measure, certificate, where="") -> None:
    """Adding the neuron to the candidate lowers the plain objective to what is stated."""
    improvement = certificate.improvement
    brute.assert_close(float(problem.weight_norm(improvement.weight[None])[0]), 1.0, rel=1e-9)
    # At an atom that is there already the masses add up.
    atoms, masses = measure.atoms, measure.masses
    norms = problem.weight_norm(atoms)
    atoms, masses = atoms / norms[:, None], masses * norms
    same = np.all(np.abs(atoms - improvement.weight) <= 1e-15, axis=1)
    if same.any():
        masses = masses.copy()
        masses[np.flatnonzero(same)[0]] += improvement.mass
    else:
        atoms, masses = np.vstack([atoms, improvement.weight]), np.append(masses, improvement.mass)
    value = plain(problem, mlp.AtomicMeasure(atoms, masses, measure.skip))
    if not value < plain(problem, measure):
        raise AssertionError(f"{where}: the improvement does not lower the objective")
    brute.assert_close(value, improvement.objective, rel=1e-9, what=where)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("bias", "skip"), SETTINGS)
def test_perturbed_interpolants_are_not_certified(bias, skip, seed):
    """Misfits make the objective inf; pairs that cancel on the data cost what they cost."""
    solution = solved(seed, bias, skip, loss="interpolation")
    problem = solution.problem
    if solution.certificate.verdict is mlp.Verdict.INFEASIBLE:
        pytest.skip("fewer degrees of freedom than targets")
    assert solution.certificate.verdict is mlp.Verdict.OPTIMAL
    best = solution.certificate.primal_value
    rng = np.random.default_rng(seed)
    for name, measure in perturbations(problem, solution.measure, rng):
        certificate = mlp.certify(problem, measure, dual=solution.dual)
        linear, constant = (
            (None, 0.0) if measure.skip is None else (measure.skip.linear, measure.skip.constant)
        )
        misfit, variation = brute.objective(
            problem.X, problem.y, measure.atoms, measure.masses, bias=bias, linear=linear,
            constant=constant, interpolate=True,
        )  # fmt: skip
        if misfit > 1.01e-8 * max(1.0, float(np.abs(problem.y).max())):
            assert certificate.verdict is not mlp.Verdict.OPTIMAL, name
            assert certificate.primal_value == math.inf
        elif variation > best * (1 + 2e-6):
            assert certificate.verdict is not mlp.Verdict.OPTIMAL, name
    extra = unit(problem, rng.standard_normal((1, problem.lifted.shape[1])))
    for size in (1e-1, 1e-3, 1e-5):
        padded = mlp.AtomicMeasure(
            np.vstack([solution.measure.atoms, extra, extra]),
            np.append(solution.measure.masses, [size * best, -size * best]), solution.measure.skip,
        )  # fmt: skip
        certificate = mlp.certify(problem, padded, dual=solution.dual)
        assert certificate.verdict is not mlp.Verdict.OPTIMAL
        assert certificate.primal_value == pytest.approx(best * (1 + 2 * size), rel=1e-7)


@settings(deadline=None, max_examples=25)
@given(
    seed=st.integers(0, 5), setting=st.sampled_from(SETTINGS), draw=st.integers(0, 10_000),
    exponent=st.integers(-100, 100), loss=st.sampled_from(["squared", "interpolation"]),
    mix=st.sampled_from([0.0, 1e-3, 1.0]),
)  # fmt: skip
def test_tampered_duals_never_exceed_the_optimum(seed, setting, draw, exponent, loss, mix):
    """Whatever vector is handed over, its proved bound stays below the optimum."""
    solution = solved(seed, *setting, loss=loss)
    if solution.certificate.verdict is mlp.Verdict.INFEASIBLE:
        return
    problem, rng = solution.problem, np.random.default_rng(draw)
    dual = (mix * solution.dual + rng.standard_normal(problem.n)) * 10.0**exponent
    elsewhere = mlp.AtomicMeasure(
        unit(problem, rng.standard_normal((2, problem.lifted.shape[1]))), rng.standard_normal(2)
    )
    certificate = mlp.certify(problem, elsewhere, dual=dual)
    best = solution.certificate.primal_value
    assert certificate.dual_value <= best * (1 + 1e-9) + 1e-14
    assert certificate.verdict is not mlp.Verdict.OPTIMAL


@pytest.mark.parametrize("factor", [-1.0, 0.0, 1e-8, 0.5, 1.0 + 1e-6, 2.0, 1e8])
def test_scaled_duals_never_exceed_the_optimum(factor):
    for bias, skip in SETTINGS:
        for loss in ("squared", "interpolation"):
            solution = solved(1, bias, skip, loss=loss)
            certificate = mlp.certify(
                solution.problem, solution.measure, dual=factor * solution.dual
            )
            assert certificate.dual_value <= solution.certificate.primal_value * (1 + 1e-9) + 1e-14


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_duals_that_are_not_numbers_are_refused(bad):
    solution = solved(0)
    dual = solution.dual.copy()
    dual[2] = bad
    with pytest.raises(InvalidProblem, match="dual"):
        mlp.certify(solution.problem, solution.measure, dual=dual)
    for shape in ((6,), (8,), (7, 1), ()):
        with pytest.raises(InvalidProblem, match="dual"):
            mlp.certify(solution.problem, solution.measure, dual=np.zeros(shape))


class Liar:
    """An oracle that returns a fine bracket, but says that it covered a sample only."""

    name = "liar"

    def __init__(self, scope):
        self.scope = scope

    def maximise(self, dual, *, level=0.0, tolerance=1e-9, starts=None, budget=None):
        width = dual.problem.lifted.shape[1]
        return OracleReport(
            lower=0.0, upper=1e-12, witness=np.eye(width)[0], peaks=np.zeros((0, dual.space.rank)),
            peak_values=np.zeros(0), scope=self.scope, termination=mlp.Termination.CONVERGED,
        )  # fmt: skip


def test_a_bound_from_a_sample_is_not_believed():
    solution = solved(2)
    liar = Liar(mlp.Scope.SAMPLED)
    certificate = mlp.certify(solution.problem, solution.measure, oracle=liar)
    assert certificate.verdict in (mlp.Verdict.UNVERIFIED, mlp.Verdict.REFUTED)
    assert certificate.scope is mlp.Scope.SAMPLED
    assert certificate.dual_value == -math.inf and certificate.relative_gap == math.inf
    found = mlp.solve(solution.problem, oracle=liar, max_rounds=30)
    assert found.certificate.verdict is not mlp.Verdict.OPTIMAL
    assert found.certificate.dual_value == -math.inf


@pytest.mark.parametrize("count", [1, 10, 10_000])
@pytest.mark.parametrize("oracle", [None, "auto", "cells", "cones", "angles"])
def test_a_sample_of_cells_never_proves_optimality(count, oracle):
    """Not even when the sample happens to be everything."""
    solution = solved(2, "none")
    problem = solution.problem
    sample = sample_cells(
        problem.lifted, np.random.default_rng(0).standard_normal((count, problem.d))
    )
    found = mlp.solve(problem, cells=sample, oracle=oracle, max_rounds=50)
    assert found.certificate.verdict is not mlp.Verdict.OPTIMAL
    certificate = mlp.certify(problem, solution.measure, oracle=CellOracle(sample))
    assert certificate.verdict is not mlp.Verdict.OPTIMAL


def test_all_cells_prove_optimality():
    solution = solved(2, "none")
    cells = mlp.enumerate_cells(solution.problem.lifted)
    found = mlp.solve(solution.problem, cells=cells)
    assert found.certificate.verdict is mlp.Verdict.OPTIMAL
    assert found.stats["oracle"] == "cells"


@pytest.mark.parametrize("oracle", ["cells", "cones"])
def test_every_oracle_certifies_the_same(oracle):
    for bias, skip in SETTINGS:
        solution = solved(3, bias, skip)
        certificate = mlp.certify(solution.problem, solution.measure, oracle=oracle)
        assert certificate.verdict is mlp.Verdict.OPTIMAL, (bias, skip, certificate)


@pytest.mark.parametrize("scale", [1e-3, 7.0])
def test_atoms_need_no_unit_norm(scale):
    solution = solved(1)
    measure = mlp.AtomicMeasure(solution.measure.atoms * scale, solution.measure.masses / scale)
    certificate = mlp.certify(solution.problem, measure)
    assert certificate.verdict is mlp.Verdict.OPTIMAL
    assert certificate.primal_value == pytest.approx(solution.certificate.primal_value, rel=1e-12)


@pytest.mark.parametrize(("candidate", "words"), [
    ("network", "candidate"), (None, "candidate"), (np.zeros(3), "candidate"),
    (mlp.AtomicMeasure(np.ones((1, 9)), np.ones(1)), "candidate"),
    (mlp.AtomicMeasure(np.ones((1, 3)), np.ones(1), mlp.Skip(np.zeros(2), 1.0)), "skip"),
    (mlp.AtomicMeasure(np.ones((1, 3)), np.ones(1), mlp.Skip(np.zeros(5), 0.0)), "skip"),
    (mlp.ReluNetwork(np.ones((1, 2)), np.ones(1), output_weights=[1.0], output_bias=1.0), "network"),
    (mlp.ReluNetwork(np.ones((1, 3)), np.ones(1), output_weights=[1.0]), "network"),
])  # fmt: skip
def test_candidates_that_do_not_fit_are_refused(candidate, words):
    problem = mlp.MeasureProblem(np.eye(2), [1.0, 2.0], lam=0.1)
    with pytest.raises(InvalidProblem, match=words):
        mlp.certify(problem, candidate)


def test_the_check_of_improvements_fails_when_it_should():
    from dataclasses import replace

    problem = mlp.MeasureProblem(np.eye(2), [3.0, 4.0], lam=0.5, bias="none")
    zero = mlp.AtomicMeasure(np.zeros((0, 2)), np.zeros(0))
    certificate = mlp.certify(problem, zero)
    assert_improves(problem, zero, certificate)
    worse = replace(certificate, improvement=replace(certificate.improvement, mass=-1.0))
    with pytest.raises(AssertionError, match="does not lower"):
        assert_improves(problem, zero, worse)
    other = replace(certificate, improvement=replace(certificate.improvement, objective=0.1))
    with pytest.raises(AssertionError, match="expected"):
        assert_improves(problem, zero, other)


class OracleWithoutNumbers:
    """What a bracket is after an overflow."""

    name = "overflowed"

    def maximise(self, dual, **_options):
        size = dual.space.rank
        return OracleReport(
            math.nan, math.nan, np.eye(dual.problem.lifted.shape[1])[0], np.zeros((0, size)),
            np.zeros(0), mlp.status.Scope.COMPLETE, mlp.Termination.CONVERGED,
        )  # fmt: skip


def test_a_bound_that_is_no_number_proves_nothing():
    """The zero network is far from optimal here, and no supremum is known for any dual vector."""
    problem = mlp.MeasureProblem(np.eye(2), [3.0, 4.0], lam=0.1, bias="none")
    zero = mlp.AtomicMeasure(np.zeros((0, 2)), np.zeros(0))
    certificate = mlp.certify(problem, zero, oracle=OracleWithoutNumbers())
    assert certificate.verdict is not mlp.Verdict.OPTIMAL
    assert certificate.dual_value == 0.0 and certificate.sup == (0.0, math.inf)
    for sup in (math.nan, math.inf):
        assert dual_bound(problem, problem.y, sup) == (0.0, 0.0)
    assert gap_between(math.nan, 1.0) == gap_between(1.0, math.nan) == math.inf
    assert gap_between(math.inf, math.inf) == math.inf and gap_between(1.0, 2.0) == 0.0


@pytest.mark.parametrize(("x", "y", "lam"), [
    ([[1e155], [2e155], [-1e155]], [1.0, 2.0, 0.0], 0.1),
    ([[1.0], [1e155]], [1.0, 2.0], 0.1),
    ([[1e-200], [2e-200]], [1.0, 2.0], 1e-201),
    ([[1.0], [2.0]], [1e-200, 2e-200], 1e-201),
    ([[1.0], [2.0]], [1e200, 2e200], 1.0),
    ([[1.0], [2.0]], [1.0, 2.0], 1e-201),
])  # fmt: skip
def test_numbers_whose_squares_overflow_or_vanish_are_refused(x, y, lam):
    with pytest.raises(InvalidProblem, match=r"^(X|y|lam): the largest magnitude is"):
        mlp.MeasureProblem(x, y, lam=lam, bias="none")


@pytest.mark.parametrize("exponents", [(74, 0), (-74, 0), (0, 74), (0, -74), (74, -74), (-37, -37)])
def test_units_do_not_change_what_is_proved(exponents):
    s, t = (10.0**e for e in exponents)
    plain_problem = solved(3, "none").problem
    base = solved(3, "none").certificate
    problem = mlp.MeasureProblem(
        s * plain_problem.X, t * plain_problem.y, lam=s * t * plain_problem.lam, bias="none"
    )
    with warnings.catch_warnings(action="error"):
        certificate = mlp.solve(problem).certificate
    assert certificate.is_optimal
    assert certificate.primal_value / t / t == pytest.approx(base.primal_value, rel=1e-6)


@pytest.mark.parametrize("options", [{}, {"bias": "none"}, {"skip": "affine"}, {"loss": mlp.Absolute()},
                                     {"ball": mlp.L1Ball()}])  # fmt: skip
def test_one_huge_entry_leaves_a_true_bracket(options):
    """No network of one neuron may be below what is proved."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((12, 2))
    y = np.maximum(X[:, 0], 0.0)
    X[3, 0] = 1e74
    problem = mlp.MeasureProblem(X, y, lam=0.3, **options)
    with warnings.catch_warnings(action="error"):
        certificate = mlp.solve(problem, max_rounds=20).certificate
    for atom in np.vstack(
        [np.eye(problem.lifted.shape[1]), rng.standard_normal((40, problem.lifted.shape[1]))]
    ):
        weight = unit(problem, atom[None, :])
        for mass in 10.0 ** np.arange(-60.0, 1.0, 5.0):
            value = problem.loss_value(problem.features(weight)[:, 0] * mass) + problem.lam * mass
            assert value >= certificate.dual_value * (1.0 - 1e-9)
