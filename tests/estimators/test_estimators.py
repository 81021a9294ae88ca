"""The estimators' objective, weights, budgets and manners against independent computations."""

import importlib
import logging
import pickle
import signal
from dataclasses import dataclass

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed")
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import measurelp as mlp
from measurelp.errors import InvalidProblem


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((25, 2))
    return X, np.maximum(X @ [1.0, -0.5], 0.0) - 0.3 + 0.1 * rng.standard_normal(25)


def objective(model, X, y, alpha, weight=None):
    """1/(2n) sum of squares + alpha times the path norm, from the fitted arrays."""
    weight = np.ones(len(y)) if weight is None else weight
    lifted = np.hstack([X, np.ones((len(X), 1))])
    fit = np.maximum(lifted @ model.atoms_.T, 0.0) @ model.coef_ + model.intercept_
    loss = 0.5 * (weight @ (fit - y) ** 2) / weight.sum()
    return loss + alpha * np.abs(model.coef_) @ np.linalg.norm(model.atoms_, axis=1)


def test_alpha_is_that_of_scikit_learn(data):
    X, y = data
    model = mlp.MeasureRegressor(alpha=0.02, tol=1e-7, time_limit=None).fit(X, y)
    assert model.certificate_.verdict is mlp.Verdict.OPTIMAL
    value = objective(model, X, y, 0.02)
    assert value == pytest.approx(model.certificate_.primal_value / 25)
    assert 0.0 <= model.dual_gap_ <= 1e-7 * value + 1e-15
    # The same problem, stated without the estimator.
    problem = mlp.MeasureProblem(X, y, lam=0.02 * 25, skip="constant")
    assert mlp.solve(problem).certificate.primal_value == pytest.approx(25 * value, rel=1e-6)
    np.testing.assert_allclose(np.linalg.norm(model.atoms_, axis=1), 1.0)


def test_a_weight_is_a_repetition(data):
    X, y = data
    weight = np.random.default_rng(1).integers(0, 4, len(y)).astype(float)
    order = np.random.default_rng(2).permutation(int(weight.sum()))
    repeated = np.repeat(np.arange(len(y)), weight.astype(int))[order]
    one = mlp.MeasureRegressor(alpha=0.02).fit(X, y, sample_weight=weight)
    two = mlp.MeasureRegressor(alpha=0.02).fit(X[repeated], y[repeated])
    np.testing.assert_array_equal(one.predict(X), two.predict(X))
    three = mlp.MeasureRegressor(alpha=0.02).fit(X, y, sample_weight=7.0 * weight)
    np.testing.assert_allclose(three.predict(X), one.predict(X), atol=1e-3)
    with pytest.raises(InvalidProblem, match="negative"):
        mlp.MeasureRegressor().fit(X, y, sample_weight=weight - 1.0)
    with pytest.raises(ValueError, match="weight"):
        mlp.MeasureRegressor().fit(X, y, sample_weight=0.0 * weight)


def test_several_outputs(data):
    X, y = data
    Y = np.column_stack([y, X[:, 0] ** 2])
    model = mlp.MeasureRegressor(alpha=0.02).fit(X, Y)
    assert model.predict(X).shape == (25, 2) and model.coef_.shape == (len(model.atoms_), 2)
    for j in range(2):
        alone = mlp.MeasureRegressor(alpha=0.02).fit(X, Y[:, j])
        np.testing.assert_allclose(model.predict(X)[:, j], alone.predict(X), atol=2e-3)
    assert mlp.MeasureRegressor().fit(X, Y[:, :1]).predict(X).shape == (25, 1)
    joint = mlp.MeasureRegressor(alpha=0.02, outputs="joint").fit(X, np.column_stack([y, 2.0 * y]))
    lengths = np.linalg.norm(joint.coef_, axis=1)
    np.testing.assert_allclose(
        lengths, joint.coef_[:, 0] * np.sqrt(5.0) * np.sign(joint.coef_[:, 0])
    )
    assert joint.certificate_.is_optimal


@pytest.mark.parametrize("loss", ["absolute", "huber", "quantile", mlp.Quantile(0.8)])
def test_losses(data, loss):
    X, y = data[0][:12], data[1][:12]
    model = mlp.MeasureRegressor(alpha=0.05, loss=loss, time_limit=None).fit(X, y)
    problem = model.solution_.problem
    assert problem.loss.name == (loss if isinstance(loss, str) else "quantile")
    assert problem.lam == pytest.approx(0.05 * 12)
    assert model.certificate_.relative_gap <= 1e-4


@pytest.mark.parametrize("ball", ["l2", "l1", "linf", mlp.L2Ball()])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_balls(data, ball):
    X, y = data[0][:12], data[1][:12]
    model = mlp.MeasureRegressor(alpha=0.05, ball=ball, max_iter=3).fit(X, y)
    problem = model.solution_.problem
    assert problem.ball.name == (ball if isinstance(ball, str) else "l2")
    orders = {"l1": 1, "l2": 2, "linf": np.inf}
    norms = np.linalg.norm(model.atoms_, orders[problem.ball.name], axis=1)
    np.testing.assert_allclose(norms, 1.0)
    assert model.certificate_.dual_value <= model.certificate_.primal_value


def test_poisson_predicts_means():
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (40, 1))
    y = rng.poisson(np.exp(0.5 + X[:, 0]))
    model = mlp.MeasureRegressor(alpha=1e-3, loss="poisson").fit(X, y)
    assert (model.predict(X) > 0).all()
    np.testing.assert_allclose(model.predict(X).sum(), y.sum(), rtol=1e-2)  # the constant is free


def test_interpolation_and_its_infeasibility():
    X = np.array([[0.0], [1.0], [2.0]])
    model = mlp.MeasureRegressor(loss="interpolation").fit(X, [1.0, 0.0, 2.0])
    np.testing.assert_allclose(model.predict(X), [1.0, 0.0, 2.0], atol=1e-6)
    with pytest.raises(ValueError, match="y: "):
        mlp.MeasureRegressor(loss="interpolation").fit([[1.0], [1.0]], [0.0, 1.0])


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_a_budget_gives_the_best_so_far_and_its_bracket(data):
    rng = np.random.default_rng(3)
    X, y = rng.standard_normal((60, 4)), rng.standard_normal(60)
    with pytest.warns(ConvergenceWarning, match="lies between .* and .*max_iter"):
        model = mlp.MeasureRegressor(alpha=0.001, max_iter=1).fit(X, y)
    assert np.isfinite(model.predict(X)).all() and not model.certificate_.is_optimal
    with pytest.warns(ConvergenceWarning):
        one = mlp.MeasureRegressor(alpha=0.05, max_nodes=1, tol=1e-9, time_limit=None).fit(X, y)
    with pytest.warns(ConvergenceWarning):
        two = mlp.MeasureRegressor(alpha=0.05, max_nodes=1, tol=1e-9, time_limit=None).fit(X, y)
    np.testing.assert_array_equal(one.coef_, two.coef_)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"alpha": 0.0}, "alpha"), ({"alpha": "x"}, "alpha"), ({"alpha": np.nan}, "alpha"),
        ({"loss": "hingle"}, "loss"), ({"ball": "l3"}, "ball"), ({"bias": "maybe"}, "bias"),
        ({"tol": -1.0}, "tol"), ({"tol": 0}, "tol"), ({"tol": None}, "tol"),
        ({"max_iter": 0}, "max_iter"), ({"max_nodes": 0}, "max_nodes"), ({"max_nodes": "a"}, "max_nodes"),
        ({"time_limit": 0.0}, "time_limit"), ({"time_limit": "a"}, "time_limit"), ({"n_jobs": 0}, "n_jobs"),
        ({"bias": "free", "fit_intercept": False}, "bias"), ({"fit_intercept": "no"}, "fit_intercept"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["MeasureRegressor", "MeasureClassifier", "MeasureRegressorCV"])
def test_mistakes_are_named(data, kind, options, name):
    if kind == "MeasureRegressorCV" and name == "alpha":
        pytest.skip("alpha is what it chooses")
    model = getattr(mlp, kind)(**options)
    y = data[1] > 0.0 if kind == "MeasureClassifier" else data[1]
    with pytest.raises(InvalidProblem, match=f"^{name}: ") as caught:
        model.fit(data[0], y)
    assert "skip" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"eps": "a"}, "eps"), ({"eps": None}, "eps"), ({"eps": 2.0}, "eps"),
        ({"n_alphas": 1.5}, "n_alphas"), ({"n_alphas": "a"}, "n_alphas"), ({"n_alphas": 0}, "n_alphas"),
        ({"alphas": ["a"]}, "alphas"), ({"alphas": [-1.0]}, "alphas"), ({"alphas": []}, "alphas"),
    ],
)  # fmt: skip
def test_mistakes_of_a_grid_are_named(data, options, name):
    with pytest.raises(InvalidProblem, match=f"^{name}: "):
        mlp.MeasureRegressorCV(**options).fit(*data)


def test_losses_that_are_offered_are_taken(data):
    X, y = data
    for model, other in ((mlp.MeasureRegressor, "hinge"), (mlp.MeasureClassifier, "squared")):
        for loss in ("foo", other, mlp.Hinge() if other == "hinge" else mlp.Squared()):
            with pytest.raises(InvalidProblem, match=r"^loss: ") as caught:
                model(loss=loss).fit(X, y > 0.0)
            offered = str(caught.value).partition("one of ")[2].partition(", or")[0].split(", ")
            assert other not in offered
            assert not hasattr(model(loss="foo"), "predict_proba")
    for loss in offered:
        assert mlp.MeasureClassifier(loss=loss).fit(X, y > 0.0).score(X, y > 0.0) > 0.5


def test_a_negative_weight_is_named_whatever_classes_are_left(data):
    X, y = data
    weight = np.where(y > 0.0, 1.0, -1.0)
    with pytest.raises(InvalidProblem, match=r"^sample_weight: "):
        mlp.MeasureClassifier().fit(X, y > 0.0, sample_weight=weight)


def test_pipelines_grids_clones_pickles_and_tables(data):
    pandas = pytest.importorskip("pandas")
    X, y = data
    table = pandas.DataFrame(X, columns=["a", "b"])
    grid = GridSearchCV(
        make_pipeline(StandardScaler(), mlp.MeasureRegressor()),
        {"measureregressor__alpha": [0.3, 0.01]}, cv=KFold(3),
    ).fit(table, y)  # fmt: skip
    best = grid.best_estimator_[-1]
    assert grid.best_params_ == {"measureregressor__alpha": 0.01}
    again = pickle.loads(pickle.dumps(grid))
    np.testing.assert_array_equal(again.predict(table), grid.predict(table))
    assert clone(best).alpha == 0.01 and not hasattr(clone(best), "atoms_")
    named = mlp.MeasureRegressor().fit(table, y)
    assert named.feature_names_in_.tolist() == ["a", "b"] and named.n_features_in_ == 2
    with pytest.raises(ValueError, match="feature names"):
        named.predict(table[["b", "a"]])


def test_rounds_are_logged_and_nothing_is_printed(data, caplog, capsys):
    with caplog.at_level(logging.INFO, logger="measurelp"):
        mlp.MeasureRegressor(verbose=1).fit(*data)
    assert any("round 1" in record.getMessage() for record in caplog.records)
    assert capsys.readouterr() == ("", "")


# -- classes ---------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", ["logistic", "squared_hinge", "hinge"])
def test_two_classes_are_one_problem(loss):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((30, 2))
    y = np.where(X[:, 0] * X[:, 1] > 0, "same", "other")
    model = mlp.MeasureClassifier(alpha=0.01, loss=loss).fit(X, y)
    assert model.classes_.tolist() == ["other", "same"] and model.score(X, y) > 0.85
    margins = np.where(y == "same", 1.0, -1.0) * model.decision_function(X)
    losses = {
        "logistic": np.logaddexp(0.0, -margins), "hinge": np.maximum(0.0, 1.0 - margins),
        "squared_hinge": np.maximum(0.0, 1.0 - margins) ** 2,
    }  # fmt: skip
    problem = model.solution_.problem
    factor = 0.5 if problem.loss.value(np.zeros(1), np.ones(1)) == 0.5 else 1.0
    value = factor * losses[loss].sum() + 0.01 * 30 * np.abs(model.coef_).sum()
    assert value == pytest.approx(model.certificate_.primal_value, rel=1e-9)
    assert model.certificate_.relative_gap <= 1e-4
    assert hasattr(model, "predict_proba") == (loss == "logistic")


def test_three_classes_are_each_against_the_others():
    rng = np.random.default_rng(1)
    X = np.vstack([rng.normal(centre, 0.4, (12, 2)) for centre in ((0, 0), (2, 0), (0, 2))])
    y = np.repeat([3, 5, 7], 12)
    model = mlp.MeasureClassifier(alpha=0.01).fit(X, y)
    assert model.score(X, y) > 0.9 and model.certificate_.is_optimal
    assert model.decision_function(X).shape == model.predict_proba(X).shape == (36, 3)
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1.0)
    alone = mlp.MeasureClassifier(alpha=0.01).fit(X, y == 5)
    np.testing.assert_allclose(
        model.decision_function(X)[:, 1], alone.decision_function(X), atol=1e-2
    )
    with pytest.raises(InvalidProblem, match="one class"):
        mlp.MeasureClassifier().fit(X, np.zeros(36))
    with pytest.raises(InvalidProblem, match="loss"):
        mlp.MeasureClassifier(loss="squared").fit(X, y)


# -- cross-validation ------------------------------------------------------------------------


def test_the_chosen_alpha_is_the_best_of_separate_fits(data):
    X, y = data
    alphas = [0.5, 0.05, 0.005]
    model = mlp.MeasureRegressorCV(alphas=alphas, cv=KFold(3), tol=1e-6).fit(X, y)
    expected = np.empty((3, 3))
    for i, alpha in enumerate(alphas):
        for f, (train, test) in enumerate(KFold(3).split(X)):
            one = mlp.MeasureRegressor(alpha=alpha, tol=1e-6).fit(X[train], y[train])
            expected[i, f] = 0.5 * np.mean((one.predict(X[test]) - y[test]) ** 2)
    np.testing.assert_allclose(model.loss_path_, expected, rtol=1e-2, atol=1e-5)
    assert model.alpha_ == alphas[int(expected.mean(axis=1).argmin())]
    final = mlp.MeasureRegressor(alpha=model.alpha_, tol=1e-6).fit(X, y)
    np.testing.assert_array_equal(model.predict(X), final.predict(X))


def test_the_default_path_begins_where_nothing_is_learned(data):
    X, y = data
    model = mlp.MeasureRegressorCV(n_alphas=3, eps=0.1, cv=2).fit(X, y)
    assert model.alphas_[-1] == pytest.approx(0.1 * model.alphas_[0])
    top = mlp.MeasureRegressor(alpha=float(model.alphas_[0])).fit(X, y)
    assert len(top.atoms_) == 0 and top.intercept_ == pytest.approx(y.mean())
    assert mlp.MeasureRegressorCV(cv=2).fit(X, np.ones(25)).predict(X[:1]) == pytest.approx(1.0)
    for options in ({"eps": 2.0}, {"n_alphas": 0}, {"alphas": [-1.0]}, {"loss": "interpolation"}):
        with pytest.raises(InvalidProblem):
            mlp.MeasureRegressorCV(**options).fit(X, y)


def test_the_multinomial_classifier_is_one_network_with_shared_neurons():
    """The proved optimum of the joint problem, softmax probabilities, and their gradient in balance."""
    from sklearn.datasets import load_iris

    X, y = load_iris(return_X_y=True)
    X, names = (X - X.mean(axis=0)) / X.std(axis=0), np.array(["a", "b", "c"])[y]
    model = mlp.MeasureClassifier(alpha=0.02, loss="multinomial_logistic").fit(X[:, 2:], names)
    assert model.certificate_.is_optimal
    problem = mlp.MeasureProblem(
        X[:, 2:], np.eye(3)[y], lam=0.02 * 150, loss=mlp.MultinomialLogistic(), skip="constant"
    )
    alone = mlp.solve(problem, tol_gap=1e-6).certificate
    assert model.certificate_.primal_value >= alone.dual_value
    assert model.certificate_.primal_value <= alone.primal_value * (1.0 + 2e-4)
    probabilities = model.predict_proba(X[:, 2:])
    assert np.allclose(probabilities.sum(axis=1), 1.0)
    # The constants are free, so predicted frequencies are those of the classes.
    assert probabilities.mean(axis=0) == pytest.approx([1 / 3] * 3, abs=1e-4)
    assert np.array_equal(model.predict(X[:, 2:]), model.classes_[probabilities.argmax(axis=1)])
    assert model.coef_.shape == (len(model.atoms_), 3)
    assert model.score(X[:, 2:], names) > 0.9

    pair = mlp.MeasureClassifier(alpha=0.02, loss="multinomial_logistic").fit(X[:100], names[:100])
    values = pair.decision_function(X[:100])
    assert values.shape == (100,)
    assert pair.predict_proba(X[:100])[:, 1] == pytest.approx(1.0 / (1.0 + np.exp(-values)))


def pressing(monkeypatch, name):
    """Press Ctrl-C in the first call of a function that estimators use."""

    def pressed(*arguments, **options):
        calls.append(arguments)
        if len(calls) == 1:
            signal.raise_signal(signal.SIGINT)
        return original(*arguments, **options)

    module, _, attribute = name.rpartition(".")
    calls, original = [], getattr(importlib.import_module(module), attribute)
    monkeypatch.setattr(name, pressed)
    return calls


SMALL = np.random.default_rng(2).standard_normal((12, 2))


def test_ctrl_c_leaves_an_estimator_fitted_and_is_raised(monkeypatch):
    pressing(monkeypatch, "measurelp.estimators._fitting.solve")
    model = mlp.MeasureRegressor(alpha=0.01)
    with pytest.raises(KeyboardInterrupt):
        model.fit(SMALL, SMALL[:, 0] ** 2)
    assert model.solution_.termination is mlp.Termination.INTERRUPTED
    assert np.isfinite(model.predict(SMALL)).all()
    assert model.certificate_.dual_value <= model.certificate_.primal_value


def test_ctrl_c_ends_a_search_over_many_fits(monkeypatch):
    calls = pressing(monkeypatch, "measurelp.estimators._fitting.solve")
    search = GridSearchCV(mlp.MeasureRegressor(), {"alpha": [0.1, 0.01, 0.001]}, cv=3)
    with pytest.raises(KeyboardInterrupt):
        search.fit(SMALL, SMALL[:, 0] ** 2)
    assert len(calls) == 1


def test_ctrl_c_ends_cross_validation(monkeypatch):
    calls = pressing(monkeypatch, "measurelp.estimators.cross_validation.solve_path")
    with pytest.raises(KeyboardInterrupt):
        mlp.MeasureRegressorCV(n_alphas=3, cv=3).fit(SMALL, SMALL[:, 0] ** 2)
    assert len(calls) == 1


def test_a_loss_of_ones_own_is_taken():
    @dataclass(frozen=True)
    class Own(mlp.Squared):
        name = "own"

    y = SMALL[:, 0] ** 2
    own, plain = (
        mlp.MeasureRegressor(alpha=0.05, loss=loss).fit(SMALL, y) for loss in (Own(), "squared")
    )
    assert own.certificate_.primal_value == pytest.approx(plain.certificate_.primal_value)
