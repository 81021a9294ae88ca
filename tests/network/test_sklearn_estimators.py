"""MLPs of scikit-learn, and foreign networks as candidates of certify."""

import numpy as np
import pytest

import measurelp as mlp
from measurelp.errors import InvalidProblem
from measurelp.measure import Skip
from measurelp.network import ReluNetwork

from .families import assert_same_function, random_network

X23 = np.array([[0.5, -1.0, 2.0], [1.0, 1.0, 1.0]])


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch", reason="torch is optional")


@pytest.fixture(scope="module")
def neural():
    return pytest.importorskip("sklearn.neural_network", reason="scikit-learn is optional")


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_fitted_estimators_are_read(neural):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((40, 3))
    one, two = X[:, 0] - X[:, 1], np.column_stack([X[:, 0], np.abs(X[:, 1])])
    options = {"hidden_layer_sizes": 6, "max_iter": 5, "random_state": 0}
    for y in (one, two):
        model = neural.MLPRegressor(**options).fit(X, y)
        network = mlp.network_from_sklearn(model)
        assert_same_function(model.predict(X), network, X)
    for labels in (one > 0, np.digitize(one, [-1.0, 1.0])):
        model = neural.MLPClassifier(**options).fit(X, labels)
        network = mlp.network_from_sklearn(model)
        values = network.predict(X)
        guess = values.argmax(axis=1) if values.ndim == 2 else values > 0.0
        np.testing.assert_array_equal(
            model.classes_[np.asarray(guess, dtype=int)], model.predict(X)
        )
        again = mlp.sklearn_from_network(network, classes=model.classes_)
        np.testing.assert_allclose(again.predict_proba(X), model.predict_proba(X), atol=1e-12)
        np.testing.assert_array_equal(again.predict(X), model.predict(X))
    single = neural.MLPRegressor(**options).fit(X.astype(np.float32), one)
    assert mlp.network_from_sklearn(single).width == 6


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_other_estimators_are_refused(neural):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((20, 3))
    fit = {"max_iter": 2, "random_state": 0}
    bad = {
        "activation": neural.MLPRegressor(activation="tanh", **fit).fit(X, X[:, 0]),
        "one hidden layer": neural.MLPRegressor(hidden_layer_sizes=(4, 4), **fit).fit(X, X[:, 0]),
        "not fitted": neural.MLPRegressor(),
        "MLPRegressor or": object(),
    }
    for word, estimator in bad.items():
        with pytest.raises(InvalidProblem, match=word):
            mlp.network_from_sklearn(estimator)
    broken = neural.MLPRegressor(hidden_layer_sizes=4, **fit).fit(X, X[:, 0])
    broken.coefs_[0][0, 0] = np.nan
    with pytest.raises(InvalidProblem, match="finite"):
        mlp.network_from_sklearn(broken)
    with pytest.raises(InvalidProblem, match="labels"):
        mlp.sklearn_from_network(random_network(0), classes=[1, 2, 3])


def test_certify_takes_modules_and_estimators(torch, neural):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((12, 2))
    y = np.maximum(X[:, 0], 0.0)
    problem = mlp.MeasureProblem(X, y, lam=0.1)
    solution = mlp.solve(problem)
    network = solution.network()
    for candidate in (
        mlp.torch_from_network(network), mlp.torch_from_network(network, form="unit"),
        mlp.sklearn_from_network(network),
    ):  # fmt: skip
        certificate = mlp.certify(problem, candidate)
        assert certificate.verdict is mlp.Verdict.OPTIMAL
        assert certificate.primal_value == pytest.approx(
            solution.certificate.primal_value, rel=1e-12
        )
    worse = torch.nn.Sequential(
        torch.nn.Linear(2, 4), torch.nn.ReLU(), torch.nn.Linear(4, 1, False)
    )
    assert mlp.certify(problem, worse).verdict is mlp.Verdict.REFUTED
    deep = torch.nn.Sequential(worse, torch.nn.ReLU(), torch.nn.Linear(1, 1))
    with pytest.raises(InvalidProblem, match="one hidden layer"):
        mlp.certify(problem, deep)
    with pytest.raises(InvalidProblem, match="outputs"):
        mlp.certify(problem, torch.nn.Sequential(*worse[:2], torch.nn.Linear(4, 2)))
    with pytest.raises(InvalidProblem, match="candidate"):
        mlp.certify(problem, object())


def test_several_outputs_have_a_joint_norm():
    """One neuron with output weights (3, 4): its length 5 counts, not the sum 7."""
    network = ReluNetwork([[1.0, 0.0]], output_weights=[[3.0, 4.0]])
    assert network.path_norm == 5.0 and network.outputs == 2
    assert network.balanced().weight_decay == pytest.approx(5.0, rel=1e-15)
    np.testing.assert_allclose(network.unit_neurons().output_weights, [[3.0, 4.0]])
    np.testing.assert_array_equal(network.predict([[2.0, 1.0]]), [[6.0, 8.0]])
    shifted = ReluNetwork(
        [[1.0, 0.0]], output_weights=[[3.0, 4.0]], output_bias=1.0,
        skip=Skip(np.eye(2), np.array([1.0, 2.0])),
    )  # fmt: skip
    np.testing.assert_array_equal(shifted.predict([[2.0, 1.0]]), [[10.0, 12.0]])
    assert "2 outputs" in repr(shifted)
