"""Classification by the global optimum over networks of every width."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from measurelp.errors import InvalidProblem
from measurelp.estimators._fitting import (
    CLASS_LOSSES,
    Samples,
    check_options,
    checked_weights,
    fit_to,
    loss_from_option,
    problem_from_samples,
    scores,
)
from measurelp.problem import Ball, Loss, MultinomialLogistic


def _has_probabilities(classifier: Any) -> bool:
    word = getattr(classifier.loss, "name", classifier.loss)
    return word in ("logistic", "multinomial_logistic")


class MeasureClassifier(ClassifierMixin, BaseEstimator):
    r"""Infinitely wide two-layer ReLU classification, solved to a proved gap.

    .. math:: \min_{\mu, c_0}\; \frac1n\sum_i\ell\bigl(y_i f(x_i)\bigr) + \alpha\,|\mu|_{TV}

    with labels of -1 and 1; of three or more classes each is separated from the others, and the
    objectives are added up.  With ``loss="multinomial_logistic"`` one network has an output for each
    class and is trained by the cross entropy of their softmax, with the joint total variation
    :math:`\sum_k |v_k|_2|w_k|_2`, which lets classes share neurons.

    Parameters
    ----------
    alpha : float
        Factor of the total variation; lam is alpha times the sum of sample weights.
    loss : str or Loss
        "logistic", "squared_hinge", "hinge" or "multinomial_logistic".
    ball, bias, fit_intercept, tol, max_iter, max_nodes, time_limit, n_jobs, random_state, verbose
        As for :class:`~measurelp.MeasureRegressor`.

    Attributes
    ----------
    classes_ : (c,) array
    atoms_ : (k, d + 1) or (k, d) array
        Hidden weights of unit norm.
    coef_ : (k,) or (k, c) array
        Their masses, a column a class for three or more classes and for the multinomial loss.
    intercept_ : float or (c,) array
    certificate_, dual_gap_, n_iter_, solution_, n_features_in_, feature_names_in_
        As for :class:`~measurelp.MeasureRegressor`.

    Warns
    -----
    ConvergenceWarning
        When the budget ended first; the message has the bracket on the optimum.

    Examples
    --------
    >>> import numpy as np
    >>> from measurelp import MeasureClassifier
    >>> X = np.array([[0.0, 0.0], [1.0, 1.0], [0.0, 1.0], [1.0, 0.0]])
    >>> model = MeasureClassifier(alpha=0.001).fit(X, ["same", "same", "other", "other"])
    >>> model.certificate_.verdict.name, model.predict(X).tolist()
    ('OPTIMAL', ['same', 'same', 'other', 'other'])
    """

    def __init__(
        self,
        alpha: float = 0.01,
        *,
        loss: str | Loss = "logistic",
        ball: str | Ball = "l2",
        bias: str = "penalized",
        fit_intercept: bool = True,
        tol: float = 1e-4,
        max_iter: int | None = None,
        max_nodes: int = 2000,
        time_limit: float | None = 120.0,
        n_jobs: int | None = None,
        random_state: None = None,
        verbose: int = 0,
    ) -> None:
        self.alpha = alpha
        self.loss = loss
        self.ball = ball
        self.bias = bias
        self.fit_intercept = fit_intercept
        self.tol = tol
        self.max_iter = max_iter
        self.max_nodes = max_nodes
        self.time_limit = time_limit
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    def fit(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> MeasureClassifier:
        """Solve the problem, or one a class, on the samples.

        Parameters
        ----------
        X : (n, d) array_like
        y : (n,) array_like
            Labels of any kind, of at least two classes.
        sample_weight : (n,) array_like, optional
            Numbers >= 0.

        Returns
        -------
        MeasureClassifier
            Itself.
        """
        inputs, labels = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(labels)
        check_options(self)
        loss = loss_from_option(self.loss, CLASS_LOSSES)
        is_joint = isinstance(loss, MultinomialLogistic)
        weight = checked_weights(sample_weight, inputs)
        self.classes_, codes = np.unique(labels, return_inverse=True)
        if len(np.unique(codes if weight is None else codes[weight > 0.0])) < 2:
            raise InvalidProblem(
                "y: samples of at least two classes are needed, and there is one class only (among "
                "those with a weight > 0)."
            )
        samples = Samples.of(inputs, codes[:, None].astype(np.float64), weight)
        is_table = is_joint or len(self.classes_) > 2
        members = np.arange(len(self.classes_)) == samples.Y
        targets = members.astype(np.float64) if is_joint else np.where(members, 1.0, -1.0)
        problem = problem_from_samples(
            self, samples, targets if is_table else targets[:, 1], loss, self.alpha,
            outputs="joint" if is_joint else "separate",
        )  # fmt: skip
        fit_to(self, problem, float(samples.weight.sum()), is_table=is_table)
        return self

    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:
        """The networks' values: (n,) for two classes, (n, c) for more.

        For two classes of the multinomial loss it is the difference of the two outputs.
        """
        check_is_fitted(self)
        values = scores(self, validate_data(self, X, dtype=np.float64, reset=False))
        return values[:, 1] - values[:, 0] if values.shape[1:] == (2,) else values

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """The class with the largest value."""
        values = self.decision_function(X)
        index = (values > 0.0).astype(int) if values.ndim == 1 else values.argmax(axis=1)
        return np.asarray(self.classes_[index])

    @available_if(_has_probabilities)
    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Probabilities of the model, (n, c); those of classes separated one by one, brought to sum 1."""
        values = self.decision_function(X)
        if values.ndim == 1:
            positive = expit(values)
            return np.column_stack([1.0 - positive, positive])
        if self.solution_.problem.loss.name == "multinomial_logistic":
            return np.asarray(softmax(values, axis=1))
        single = expit(values)
        total = single.sum(axis=1, keepdims=True)
        even = np.full_like(single, 1.0 / single.shape[1])
        return np.where(total > 0.0, single / np.where(total > 0.0, total, 1.0), even)
