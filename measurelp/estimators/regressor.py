"""Regression by the global optimum over networks of every width."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from measurelp.estimators._fitting import (
    REGRESSION_LOSSES,
    Samples,
    check_options,
    checked_weights,
    fit_to,
    loss_from_option,
    predictions,
    problem_from_samples,
)
from measurelp.problem import Ball, Loss


class MeasureRegressor(RegressorMixin, BaseEstimator):
    r"""Infinitely wide two-layer ReLU regression, solved to a proved gap.

    .. math:: \min_{\mu, c_0}\; \frac{1}{2n}\sum_i\bigl(y_i - f(x_i)\bigr)^2 + \alpha\,|\mu|_{TV},
              \qquad f(x) = \int\langle w, (x, 1)\rangle_+\,d\mu(w) + c_0 ,

    which is :func:`measurelp.solve` with lam = alpha n (with sample weights, lam = alpha times
    their sum), so that a weight of 2 is the sample given twice.  Other losses are means over samples,
    too.

    Parameters
    ----------
    alpha : float
        Factor of the total variation, as in :class:`sklearn.linear_model.Lasso`.
    loss : str or Loss
        "squared", "absolute", "quantile", "huber", "poisson" (then ``predict`` returns means,
        exp of the network), "interpolation", or a loss such as ``mlp.Quantile(0.9)``.
    ball : str or Ball
        Norm of hidden weights: "l2", "l1", "linf".
    bias : {"penalized", "none", "free"}
        Hidden bias: inside the norm, absent, outside it (then ``fit_intercept`` must be True).
    fit_intercept : bool
        Whether to add an unpenalised constant.
    outputs : {"separate", "joint"}
        Several outputs: each with neurons of its own, as if fitted alone, or with shared neurons, whose
        masses are vectors and cost their Euclidean length.
    tol : float
        Relative gap to prove.
    max_iter : int or None
        Limit on restricted programs (rounds).  None: 100, or 10 for more than 6 penalised weights
        a neuron, where a proof is seldom in reach and rounds are dear.
    max_nodes : int
        Limit on branch-and-bound nodes for each proof, which costs most of the time in many
        dimensions.  Unlike ``time_limit`` it makes the same fit on every machine.
    time_limit : float or None
        Seconds; the last resort, since fits that it ends differ from run to run.
    n_jobs : int or None
        Workers of the oracle.  The fit does not depend on their number.
    random_state : None
        Not used, since nothing is random; here because meta-estimators may set it.
    verbose : int
        With 1, rounds are logged at level INFO of ``logging.getLogger("measurelp")``.

    Attributes
    ----------
    atoms_ : (k, d + 1) or (k, d) array
        Hidden weights of unit norm, the bias last unless ``bias="none"``.
    coef_ : (k,) or (k, c) array
        Their signed masses.
    intercept_ : float or (c,) array
    certificate_ : Certificate
        What was proved, in sums over samples.
    dual_gap_ : float
        Proved gap of the objective above.
    n_iter_ : int
        Rounds.
    solution_ : Solution
        Everything else; ``solution_.save(folder)`` keeps it.
    n_features_in_, feature_names_in_
        As everywhere in scikit-learn.

    Warns
    -----
    ConvergenceWarning
        When the budget ended first; the message has the bracket on the optimum.

    Examples
    --------
    >>> import numpy as np
    >>> from measurelp import MeasureRegressor
    >>> X = np.linspace(-1, 1, 9)[:, None]
    >>> model = MeasureRegressor(alpha=0.001).fit(X, np.abs(X[:, 0]))
    >>> model.certificate_.verdict.name, bool(model.score(X, np.abs(X[:, 0])) > 0.99)
    ('OPTIMAL', True)
    """

    def __init__(
        self,
        alpha: float = 0.1,
        *,
        loss: str | Loss = "squared",
        ball: str | Ball = "l2",
        bias: str = "penalized",
        fit_intercept: bool = True,
        outputs: str = "separate",
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
        self.outputs = outputs
        self.tol = tol
        self.max_iter = max_iter
        self.max_nodes = max_nodes
        self.time_limit = time_limit
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    def fit(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> MeasureRegressor:
        """Solve the problem on the samples.

        Parameters
        ----------
        X : (n, d) array_like
        y : (n,) or (n, c) array_like
        sample_weight : (n,) array_like, optional
            Numbers >= 0.

        Returns
        -------
        MeasureRegressor
            Itself.

        Raises
        ------
        InvalidProblem
            A ValueError: unusable data or options, or targets that cannot be interpolated.
        """
        inputs, targets = validate_data(
            self, X, y, dtype=np.float64, y_numeric=True, multi_output=True
        )
        columns = np.asarray(targets, dtype=np.float64).reshape(len(inputs), -1)
        check_options(self)
        weight = checked_weights(sample_weight, inputs)
        loss = loss_from_option(self.loss, REGRESSION_LOSSES)
        samples = Samples.of(inputs, columns, weight)
        y = samples.Y if samples.Y.shape[1] > 1 else samples.Y[:, 0]
        problem = problem_from_samples(self, samples, y, loss, self.alpha, self.outputs)
        fit_to(self, problem, float(samples.weight.sum()), is_table=np.ndim(targets) == 2)
        return self

    def predict(self, X: ArrayLike) -> NDArray[np.float64]:
        """The network's values at the rows of ``X``, (n,) or (n, c)."""
        check_is_fitted(self)
        return predictions(self, validate_data(self, X, dtype=np.float64, reset=False))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
