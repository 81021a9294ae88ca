"""Alpha by cross-validation, over warm paths."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.model_selection import check_cv
from sklearn.utils.validation import check_is_fitted, validate_data

from measurelp.errors import InvalidProblem
from measurelp.estimators._fitting import (
    REGRESSION_LOSSES,
    Samples,
    check_options,
    fit_to,
    loss_from_option,
    predictions,
    problem_from_samples,
    reporter,
    rounds,
)
from measurelp.estimators._patience import PatientOracle
from measurelp.interrupts import interruptible
from measurelp.paths import solve_path
from measurelp.problem import Ball, Loss, float_array, positive_number, whole_number
from measurelp.solving import lam_max

_FOLD_NODES = 200  # paths of folds are compared by what they predict, not by what is proved


class MeasureRegressorCV(RegressorMixin, BaseEstimator):
    """:class:`~measurelp.MeasureRegressor` with alpha chosen by cross-validation.

    In every fold a path is solved from the largest alpha down, each solution begun at the one
    before; the alpha with the least mean loss on what was left out is fitted to all samples, with
    a certificate.

    Parameters
    ----------
    eps : float
        The least alpha over the largest.
    n_alphas : int
        Length of the path.
    alphas : array_like, optional
        Alphas to try; by default ``n_alphas`` in geometric progression from the one at which
        nothing is learned.
    cv : int, splitter or iterable, optional
        As everywhere in scikit-learn; None for 5 folds.
    loss, ball, bias, fit_intercept, tol, max_iter, max_nodes, n_jobs, random_state, verbose
        As for :class:`~measurelp.MeasureRegressor`.
    time_limit : float or None
        Seconds for all paths together, and again for the last fit.  Alphas that some fold did not
        reach are not chosen.

    Attributes
    ----------
    alpha_ : float
        The one chosen.
    alphas_ : (m,) array
        Those tried, falling.
    loss_path_ : (m, folds) array
        Mean loss on what was left out; nan where time was over.
    atoms_, coef_, intercept_, certificate_, dual_gap_, n_iter_, solution_, n_features_in_
        As for :class:`~measurelp.MeasureRegressor`.

    Examples
    --------
    >>> import numpy as np
    >>> from measurelp import MeasureRegressorCV
    >>> X = np.linspace(-1, 1, 20)[:, None]
    >>> model = MeasureRegressorCV(n_alphas=5, cv=3).fit(X, np.abs(X[:, 0]))
    >>> model.loss_path_.shape, bool(model.alpha_ == model.alphas_[model.loss_path_.mean(axis=1).argmin()])
    ((5, 3), True)
    """

    def __init__(
        self,
        *,
        eps: float = 1e-2,
        n_alphas: int = 20,
        alphas: ArrayLike | None = None,
        cv: Any = None,
        loss: str | Loss = "squared",
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
        self.eps = eps
        self.n_alphas = n_alphas
        self.alphas = alphas
        self.cv = cv
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

    def fit(self, X: ArrayLike, y: ArrayLike) -> MeasureRegressorCV:
        """Choose alpha and fit.

        Parameters
        ----------
        X : (n, d) array_like
        y : (n,) array_like

        Returns
        -------
        MeasureRegressorCV
            Itself.
        """
        inputs, targets = validate_data(self, X, y, dtype=np.float64, y_numeric=True)
        targets = np.asarray(targets, dtype=np.float64)
        check_options(self)
        loss = loss_from_option(self.loss, REGRESSION_LOSSES)
        if loss.is_hard_constraint:
            raise InvalidProblem(
                "loss: alpha does not enter interpolation; there is nothing to choose."
            )
        samples = Samples.of(inputs, targets[:, None], None)
        self.alphas_ = self._grid(samples, loss)
        self.loss_path_ = self._losses(inputs, targets, loss)
        known = np.isfinite(self.loss_path_).all(axis=1)
        means = np.where(known, self.loss_path_.mean(axis=1), np.inf)
        self.alpha_ = float(self.alphas_[int(np.argmin(means))])
        problem = problem_from_samples(self, samples, samples.Y[:, 0], loss, self.alpha_)
        fit_to(self, problem, float(len(inputs)), is_table=False)
        return self

    def _grid(self, samples: Samples, loss: Loss) -> NDArray[np.float64]:
        """The alphas to try, falling."""
        if self.alphas is not None:
            given = np.unique(float_array("alphas", self.alphas).ravel())[::-1]
            if not len(given) or not (np.isfinite(given).all() and given[-1] > 0.0):
                raise InvalidProblem(f"alphas: expected finite numbers > 0, found {self.alphas!r}.")
            return given
        if positive_number("eps", self.eps) >= 1.0:
            raise InvalidProblem(f"eps: expected a number between 0 and 1, found {self.eps!r}.")
        length = whole_number("n_alphas", self.n_alphas)
        problem = problem_from_samples(self, samples, samples.Y[:, 0], loss, 1.0)
        top = lam_max(problem, oracle=self._patience, time_limit=self.time_limit)
        top /= float(samples.weight.sum())
        least = 1e-12 * float(np.abs(samples.Y).max(initial=0.0))
        if not top > least:  # the constant alone fits, whatever alpha is
            return np.ones(1)
        return np.geomspace(top, self.eps * top, length)

    def _losses(
        self, X: NDArray[np.float64], y: NDArray[np.float64], loss: Loss
    ) -> NDArray[np.float64]:
        """Mean loss on what each fold leaves out, (alphas, folds)."""
        folds = list(check_cv(self.cv).split(X, y))
        found = np.full((len(self.alphas_), len(folds)), np.nan)
        end = np.inf if self.time_limit is None else time.perf_counter() + self.time_limit
        for f, (train, test) in enumerate(folds):
            samples = Samples.of(X[train], y[train, None], None)
            problem = problem_from_samples(self, samples, samples.Y[:, 0], loss, 1.0)
            left = (end - time.perf_counter()) / (len(folds) - f)
            if left <= 0.0:
                break
            with interruptible():
                path = solve_path(
                    problem, self.alphas_ * float(samples.weight.sum()), tol_gap=self.tol,
                    max_rounds=rounds(self, problem), time_limit=None if np.isinf(left) else left,
                    oracle=self._patience, callback=reporter(self.verbose),
                )  # fmt: skip
            held = loss.prepared_targets(y[test])
            for i, solution in enumerate(path):
                found[i, f] = loss.value(solution.predict(X[test]), held) / len(test)
        return found

    @property
    def _patience(self) -> PatientOracle:
        return PatientOracle(
            min(_FOLD_NODES, self.max_nodes), 1 if self.n_jobs is None else self.n_jobs
        )

    def predict(self, X: ArrayLike) -> NDArray[np.float64]:
        """The network's values at the rows of ``X``, (n,)."""
        check_is_fitted(self)
        return predictions(self, validate_data(self, X, dtype=np.float64, reset=False))
