"""scikit-learn's own checks, with no expected failures."""

import warnings

import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed")
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.estimator_checks import parametrize_with_checks

import measurelp as mlp


def assert_check(estimator, check):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        check(estimator)


@parametrize_with_checks(
    [mlp.MeasureRegressor(max_iter=3, time_limit=None), mlp.MeasureClassifier(max_iter=3)]
)
def test_scikit_learn_checks(estimator, check):
    assert_check(estimator, check)


@pytest.mark.slow
@parametrize_with_checks(
    [
        mlp.MeasureRegressor(),
        mlp.MeasureRegressor(loss="huber"),
        mlp.MeasureClassifier(),
        mlp.MeasureClassifier(loss="squared_hinge"),
        mlp.MeasureClassifier(loss="multinomial_logistic"),
        mlp.MeasureRegressorCV(n_alphas=4, cv=2, max_iter=3, time_limit=None),
    ]
)
def test_scikit_learn_checks_of_more(estimator, check):
    assert_check(estimator, check)
