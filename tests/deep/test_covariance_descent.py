"""The covariance form against `solve`, a semidefinite program and the landscape of weights."""

import math

import numpy as np
import pytest

import measurelp as mlp
from measurelp.deep import narrow_local_minimum
from measurelp.errors import InvalidProblem
from measurelp.status import Verdict


def random_problem(seed, n, d, rel, **options):
    rng = np.random.default_rng(seed)
    X, y = rng.standard_normal((n, d)), rng.standard_normal(n)
    problem = mlp.MeasureProblem(X, y, lam=1.0, **options)
    return mlp.MeasureProblem(X, y, lam=rel * mlp.lam_max(problem), **options)


def by_samples(pair, problem):
    """The objective of a pair, from its definition with generic linear algebra."""
    K0 = problem.lifted @ problem.lifted.T
    first = np.trace(pair.preactivation @ np.linalg.pinv(K0, rcond=1e-12))
    inner = pair.activation + problem.lam * np.eye(problem.n)
    Y = problem.y.reshape(problem.n, -1)
    return 0.5 * problem.lam * (first + np.trace(Y.T @ np.linalg.solve(inner, Y)))


@pytest.mark.parametrize(
    ("seed", "n", "d", "rel", "options"),
    [
        (0, 8, 1, 0.05, {}), (1, 10, 2, 0.1, {"bias": "none"}), (2, 12, 2, 0.1, {}),
        (3, 15, 3, 0.2, {"bias": "none"}), (4, 6, 4, 0.1, {"bias": "none"}), (5, 20, 2, 0.02, {}),
    ],
)  # fmt: skip
def test_the_covariance_form_agrees_with_the_measure(seed, n, d, rel, options):
    problem = random_problem(seed, n, d, rel, **options)
    solution = mlp.solve(problem)
    found = mlp.minimise_covariances(problem)
    assert found.certificate.verdict is Verdict.OPTIMAL
    exact, ours = solution.certificate, found.certificate
    assert max(exact.dual_value, ours.dual_value) <= min(exact.primal_value, ours.primal_value) * (
        1 + 1e-12
    )
    assert found.value == pytest.approx(exact.primal_value, rel=2e-6)
    # The pair, its network and its outputs are one point.
    assert by_samples(found.pair, problem) == pytest.approx(found.value, rel=1e-8)
    assert mlp.covariance_objective(problem, found.pair) == pytest.approx(found.value, rel=1e-8)
    assert ours.primal_value <= found.value * (1 + 1e-12)
    np.testing.assert_allclose(found.outputs, solution.predict(problem.X), atol=1e-3)
    fit = problem.features(found.measure.atoms) @ found.measure.masses
    np.testing.assert_allclose(found.outputs, fit, atol=1e-9)
    assert max(found.bounds) <= min(found.values)


@pytest.mark.parametrize("outputs", [1, 2])
def test_orthonormal_inputs_against_a_semidefinite_program(outputs):
    """With X = I and n <= 4 the cone is that of doubly nonnegative matrices, and K = K^s."""
    cvxpy = pytest.importorskip("cvxpy")
    rng = np.random.default_rng(outputs)
    n, lam = 4, 0.3
    Y = rng.standard_normal((n, outputs))
    found = mlp.minimise_covariances(mlp.MeasureProblem(np.eye(n), Y, lam=lam, bias="none"))
    C = cvxpy.Variable((n, n), PSD=True)
    cost = cvxpy.trace(C) + cvxpy.matrix_frac(Y, C + lam * np.eye(n))
    program = cvxpy.Problem(cvxpy.Minimize(0.5 * lam * cost), [C >= 0])
    program.solve(solver="CLARABEL")
    assert found.certificate.verdict is Verdict.OPTIMAL
    assert found.value == pytest.approx(program.value, rel=1e-5)
    np.testing.assert_allclose(found.pair.activation, C.value, atol=1e-2)


@pytest.mark.parametrize("seed", range(3))
def test_orthonormal_inputs_in_closed_form(seed):
    """Positive and negative targets by themselves: lam |y| - lam^2 / 2, or nothing."""
    y, lam = np.random.default_rng(seed).standard_normal(4), 0.3
    found = mlp.minimise_covariances(mlp.MeasureProblem(np.eye(4), y, lam=lam, bias="none"))
    closed = sum(
        lam * size - 0.5 * lam**2 if size > lam else 0.5 * size**2
        for size in (np.linalg.norm(np.maximum(y, 0.0)), np.linalg.norm(np.maximum(-y, 0.0)))
    )
    assert found.value == pytest.approx(closed, rel=1e-6)


def test_nothing_is_optimal_at_large_lam():
    problem = random_problem(7, 6, 2, 1.5)
    found = mlp.minimise_covariances(problem)
    assert found.preactivations.shape == (6, 0)
    assert found.value == pytest.approx(0.5 * float(problem.y @ problem.y), rel=1e-12)
    assert found.certificate.verdict is Verdict.OPTIMAL
    np.testing.assert_array_equal(found.pair.activation, 0.0)


def test_a_short_run_keeps_its_bracket():
    problem = random_problem(2, 12, 2, 0.1)
    best = mlp.solve(problem).certificate.primal_value
    found = mlp.minimise_covariances(problem, max_rounds=2)
    assert found.certificate.verdict in (Verdict.BRACKETED, Verdict.REFUTED)
    assert found.certificate.dual_value < best < found.value
    assert len(found.values) == 2


def test_no_time_is_a_bracket_too():
    problem = random_problem(2, 12, 2, 0.1)
    best = mlp.solve(problem).certificate.primal_value
    found = mlp.minimise_covariances(problem, time_limit=1e-9)
    assert found.certificate.dual_value <= best <= found.value
    assert found.certificate.verdict is not Verdict.OPTIMAL


def test_the_objective_is_convex_along_segments():
    problem = random_problem(3, 7, 3, 0.1)
    rng = np.random.default_rng(0)
    ends = [mlp.covariance_pair(problem.lifted @ rng.standard_normal((4, k))) for k in (2, 5)]

    def along(t):
        mixed = mlp.CovariancePair(*((1 - t) * a + t * b for a, b in zip(*ends, strict=True)))
        return mlp.covariance_objective(problem, mixed)

    values = np.array([along(t) for t in np.linspace(0.0, 1.0, 9)])
    assert np.all(np.diff(values, 2) >= -1e-12)


# ---- Proposition 19 ------------------------------------------------------------------------------------


def weights_objective(stuck, lam, first, second):
    fit = np.maximum(stuck.X @ first.T, 0.0) @ second.T
    error = fit[:, 0] - stuck.y
    return 0.5 * error @ error + 0.5 * lam * (np.sum(first**2) + np.sum(second**2))


@pytest.mark.parametrize("lam", [0.02, 0.2, 0.8])
@pytest.mark.parametrize("angle", [0.3, math.pi / 4, 1.2])
def test_proposition_19(lam, angle):
    """F01: a local minimum in weights whose covariances are none."""
    stuck = narrow_local_minimum(lam, angle=angle)
    W, V = stuck.network.weights
    here = weights_objective(stuck, lam, W, V)
    assert here == pytest.approx(stuck.local_value, rel=1e-12)
    rng = np.random.default_rng(0)
    for size in (1e-1, 1e-2, 1e-3):
        for _ in range(200):
            dW, dV = rng.standard_normal(W.shape), rng.standard_normal(V.shape)
            scale = size * min(np.abs(W).min(), np.abs(V).min())
            assert weights_objective(stuck, lam, W + scale * dW, V + scale * dV) >= here - 1e-14
    # All angles have one covariance pair, and at the last one a neuron can be turned around.
    edge = narrow_local_minimum(lam, angle=0.0)
    pairs = [
        mlp.representations(s.network, s.X, constant=0.0).covariances[0] for s in (stuck, edge)
    ]
    for a, b in zip(*pairs, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-14)
    W, V = (w.copy() for w in edge.network.weights)
    W[1, 0], V[0, 1] = -1e-2, 1e-2
    assert weights_objective(stuck, lam, W, V) < here - 1e-6
    # In covariances the way to the global minimum falls from the first step on.
    problem = mlp.MeasureProblem(stuck.X, stuck.y, lam=lam, bias="none")
    best = mlp.minimise_covariances(problem)
    assert best.certificate.verdict is Verdict.OPTIMAL
    assert best.value == pytest.approx(stuck.global_value, rel=1e-6)
    values = [
        mlp.covariance_objective(
            problem,
            mlp.CovariancePair(
                *((1 - t) * a + t * b for a, b in zip(pairs[0], best.pair, strict=True))
            ),
        )
        for t in np.linspace(0.0, 1.0, 11)
    ]
    assert values[0] == pytest.approx(stuck.local_value, rel=1e-10)
    assert np.all(np.diff(values) < 0.0)


# ---- what is refused -----------------------------------------------------------------------------------


def test_what_is_refused():
    plain = mlp.MeasureProblem([[1.0, 0.0], [2.0, 0.0]], [1.0, 2.0], lam=0.1, bias="none")
    for options in ({"skip": "affine"}, {"bias": "free", "skip": "constant"}):
        problem = mlp.MeasureProblem([[1.0], [2.0]], [1.0, 2.0], lam=0.1, **options)
        with pytest.raises(InvalidProblem, match=next(iter(options))):
            mlp.minimise_covariances(problem)
    weighted = mlp.MeasureProblem([[1.0], [2.0]], [1.0, 2.0], lam=0.1, sample_weight=[1.0, 2.0])
    with pytest.raises(InvalidProblem, match="the sample_weight differ"):
        mlp.minimise_covariances(weighted)
    with pytest.raises(InvalidProblem, match="loss"):
        mlp.minimise_covariances(mlp.MeasureProblem([[1.0]], [1.0], loss=mlp.Interpolation()))
    with pytest.raises(InvalidProblem, match="activation"):
        mlp.covariance_objective(plain, mlp.CovariancePair(np.eye(2), np.eye(3)))
    for options in ({"tol_gap": 0.0}, {"max_rounds": 0}, {"time_limit": "long"}):
        with pytest.raises(InvalidProblem, match=next(iter(options))):
            mlp.minimise_covariances(plain, **options)
    with pytest.raises(InvalidProblem, match="range"):
        mlp.covariance_objective(plain, mlp.CovariancePair(np.eye(2), np.eye(2)))
