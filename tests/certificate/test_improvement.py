"""The improving neuron of candidates that are not optimal, for every loss and one or many outputs."""

import numpy as np
import pytest

import measurelp as mlp

RNG = np.random.default_rng(0)
X = RNG.standard_normal((9, 2))
CLASSES = np.eye(3)[np.arange(9) % 3]
REAL = RNG.standard_normal((9, 3))
SIGNS = np.where(REAL > 0.0, 1.0, -1.0)
CASES = {
    "squared": (mlp.Squared(), REAL[:, 0]), "absolute": (mlp.Absolute(), REAL[:, 0]),
    "hinge": (mlp.Hinge(), SIGNS[:, 0]), "logistic": (mlp.Logistic(), SIGNS[:, 0]),
    "poisson": (mlp.Poisson(), np.arange(9) % 4), "squared, joint": (mlp.Squared(), REAL),
    "multinomial": (mlp.MultinomialLogistic(), CLASSES),
}  # fmt: skip


def objective(problem, atoms, masses):
    """From the definition."""
    fit = np.maximum(problem.lifted @ atoms.T, 0.0) @ masses
    sizes = np.linalg.norm(atoms, axis=1) * np.linalg.norm(masses.reshape(len(atoms), -1), axis=1)
    z, y = fit, problem.y
    loss = {
        "squared": lambda: 0.5 * (z - y) ** 2, "absolute": lambda: np.abs(z - y),
        "hinge": lambda: np.maximum(0.0, 1.0 - y * z), "logistic": lambda: np.log1p(np.exp(-y * z)),
        "poisson": lambda: np.exp(z) - y * z,
        "multinomial_logistic": lambda: np.log(np.exp(z).sum(axis=1)) - (y * z).sum(axis=1),
    }[problem.loss.name]()  # fmt: skip
    return float(loss.sum() + problem.lam * sizes.sum())


@pytest.mark.parametrize("name", CASES)
def test_a_candidate_that_is_not_optimal_is_refuted_by_a_neuron(name):
    loss, y = CASES[name]
    problem = mlp.MeasureProblem(X, y, lam=1.0, loss=loss)
    problem = problem.with_lam(0.2 * mlp.lam_max(problem))
    best = mlp.solve(problem)
    shrunk = mlp.AtomicMeasure(best.measure.atoms, 0.8 * best.measure.masses)
    small = mlp.AtomicMeasure(best.measure.atoms[:1], 1e-6 * best.measure.masses[:1])
    for candidate in (shrunk, small):
        certificate = mlp.certify(problem, candidate)
        assert certificate.verdict is mlp.Verdict.REFUTED
        found = certificate.improvement
        atoms = np.vstack([candidate.atoms, found.weight])
        masses = np.concatenate([candidate.masses, np.asarray(found.mass)[None]])
        value = objective(problem, atoms, masses)
        # An atom that is there already is merged, which may cost less.
        assert found.objective <= value * (1.0 + 1e-12)
        assert certificate.dual_value <= found.objective < certificate.primal_value * (1.0 - 1e-4)
        np.testing.assert_allclose(
            certificate.primal_value,
            objective(problem, candidate.atoms, candidate.masses),
            rtol=1e-12,
        )


def test_a_network_without_neurons_lacks_one_for_classes():
    problem = mlp.MeasureProblem(X, CLASSES, lam=0.05, loss=mlp.MultinomialLogistic())
    certificate = mlp.certify(problem, mlp.AtomicMeasure(np.zeros((0, 3)), np.zeros((0, 3))))
    assert certificate.verdict is mlp.Verdict.REFUTED
    found = certificate.improvement
    after = objective(problem, found.weight[None], found.mass[None])
    np.testing.assert_allclose(found.objective, after, rtol=1e-12)
    assert after < 9 * np.log(3.0)
