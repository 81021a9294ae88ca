"""Smooth losses of several joint outputs: laws, dense dictionaries, and what is not proved."""

import cvxpy as cp
import numpy as np
import pytest

import measurelp as mlp


def data(seed, n=14, d=2):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d)) if seed % 2 else rng.integers(-3, 4, (n, d)).astype(float)
    return X, rng


@pytest.mark.parametrize(("bias", "skip"), [("none", "none"), ("penalized", "constant")])
@pytest.mark.parametrize("seed", range(3))
def test_two_classes_are_the_binary_logistic_loss(seed, bias, skip):
    """Logits +-m/2 give m to the binary loss at |v| = |m| / sqrt 2, so lam is lam / sqrt 2 there."""
    X, rng = data(seed)
    label = (X[:, 0] + 0.5 * rng.standard_normal(len(X)) > 0.0).astype(int)
    label[:2] = 0, 1
    lam = 0.4
    joint = mlp.solve(
        mlp.MeasureProblem(X, label, lam=lam, loss=mlp.MultinomialLogistic(), bias=bias, skip=skip)
    )
    binary = mlp.solve(
        mlp.MeasureProblem(
            X, label, lam=lam / np.sqrt(2.0), loss=mlp.Logistic(), bias=bias, skip=skip
        )
    )
    assert joint.certificate.is_optimal, joint
    assert binary.certificate.is_optimal, binary
    assert joint.certificate.primal_value == pytest.approx(
        binary.certificate.primal_value, rel=2e-6
    )


@pytest.mark.parametrize("name", ["multinomial", "huber", "poisson"])
@pytest.mark.parametrize("seed", range(2))
def test_no_dense_dictionary_does_better(name, seed):
    """A group lasso over 720 directions of the plane is an upper bound, and a close one."""
    X, rng = data(seed + 10)
    n, c, lam = len(X), 3, 0.3
    weight = rng.integers(1, 3, n).astype(float)
    if name == "multinomial":
        loss, y = mlp.MultinomialLogistic(), np.eye(c)[rng.permutation(np.arange(n) % c)]
    elif name == "huber":
        loss, y = mlp.Huber(0.5), rng.standard_normal((n, c))
    else:
        loss, y = mlp.Poisson(), rng.poisson(2.0, (n, c)).astype(float)
    problem = mlp.MeasureProblem(X, y, lam=lam, loss=loss, bias="none", sample_weight=weight)
    solution = mlp.solve(problem)
    assert solution.certificate.is_optimal, solution
    angle = np.linspace(0.0, 2.0 * np.pi, 720, endpoint=False)
    features = np.maximum(X @ np.vstack([np.cos(angle), np.sin(angle)]), 0.0)
    V = cp.Variable((len(angle), c))
    fit = features @ V
    value = {
        "multinomial": lambda: (
            weight @ (cp.log_sum_exp(fit, axis=1) - cp.sum(cp.multiply(y, fit), axis=1))
        ),
        "huber": lambda: cp.sum(weight @ (0.5 * cp.huber(fit - y, 0.5))),
        "poisson": lambda: cp.sum(weight @ (cp.exp(fit) - cp.multiply(y, fit))),
    }[name]()
    program = cp.Problem(cp.Minimize(value + lam * cp.sum(cp.norm(V, axis=1))))
    program.solve(solver="CLARABEL")
    size = abs(program.value) + n
    assert solution.certificate.dual_value <= program.value + 1e-6 * size
    assert solution.certificate.primal_value >= program.value - 2e-3 * size


def test_a_network_of_several_classes_is_certified_and_refuted():
    X, _rng = data(21, n=16)
    label = np.arange(16) % 3
    problem = mlp.MeasureProblem(X, label, lam=0.5, loss=mlp.MultinomialLogistic(), skip="constant")
    solution = mlp.solve(problem)
    assert solution.certificate.is_optimal, solution
    assert mlp.certify(problem, solution.network()).is_optimal
    worse = mlp.AtomicMeasure(
        solution.measure.atoms, 0.5 * solution.measure.masses, solution.measure.skip
    )
    found = mlp.certify(problem, worse, rounds=0)
    assert not found.is_optimal
    assert found.dual_value <= solution.certificate.primal_value * (1.0 + 1e-9)


def test_objectives_are_never_certified_below_the_optimum():
    """Perturbed optima: brackets hold the optimum, and OPTIMAL only within the tolerance."""
    X, rng = data(31, n=12)
    problem = mlp.MeasureProblem(
        X, np.arange(12) % 3, lam=0.3, loss=mlp.MultinomialLogistic(), bias="none"
    )
    solution = mlp.solve(problem, tol_gap=1e-8)
    best = solution.certificate.primal_value
    for size in (1e-6, 1e-4, 1e-2):
        noise = rng.standard_normal(solution.measure.masses.shape)
        moved = mlp.AtomicMeasure(
            solution.measure.atoms, solution.measure.masses * (1.0 + size * noise)
        )
        certificate = mlp.certify(problem, moved, rounds=0)
        assert certificate.dual_value <= best * (1.0 + 1e-9)
        if certificate.is_optimal:
            assert certificate.primal_value <= best * (1.0 + 2e-6)


@pytest.mark.parametrize("skip", ["none", "constant", "affine"])
@pytest.mark.parametrize("seed", range(3))
def test_a_solve_that_ends_early_has_a_bound(seed, skip):
    """Its dual vectors miss the simplex and the skip's columns by what the solve has not done yet."""
    X, rng = data(seed, n=30)
    label = np.digitize(X[:, 0] + 0.3 * rng.standard_normal(30), [-0.5, 0.5])
    label[:3] = 0, 1, 2
    weight = rng.integers(0, 3, 30) + (np.arange(30) < 3)
    problem = mlp.MeasureProblem(
        X, label, lam=0.3, loss=mlp.MultinomialLogistic(), skip=skip, sample_weight=weight
    )
    whole = mlp.solve(problem, max_rounds=400).certificate
    for rounds in (4, 15):
        cut = mlp.solve(problem, max_rounds=rounds).certificate
        assert cut.dual_value <= whole.primal_value * (1.0 + 1e-9)
        if skip != "affine":  # for which projections in turn may take long
            assert cut.dual_value > 0.5 * whole.primal_value
