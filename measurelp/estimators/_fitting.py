"""What all estimators share: words to objects, samples to a problem, solutions to arrays."""

from __future__ import annotations

import logging
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import _check_sample_weight

from measurelp.certificate import Certificate
from measurelp.errors import InvalidProblem
from measurelp.estimators._patience import PatientOracle
from measurelp.interrupts import interruptible
from measurelp.problem import (
    LOSSES,
    Ball,
    L1Ball,
    L2Ball,
    LInfBall,
    Loss,
    MeasureProblem,
    positive_number,
    whole_number,
)
from measurelp.solving import Progress, Solution, solve
from measurelp.status import Verdict

Matrix = NDArray[np.float64]
_LOGGER = logging.getLogger("measurelp")
_PROVABLE = 6  # penalised coordinates up to which proofs take seconds
REGRESSION_LOSSES = ("squared", "absolute", "quantile", "huber", "poisson", "interpolation")
CLASS_LOSSES = ("logistic", "squared_hinge", "hinge", "multinomial_logistic")
_BALLS: dict[str, type[Ball]] = {"l1": L1Ball, "l2": L2Ball, "linf": LInfBall}


@dataclass(frozen=True, eq=False)
class Samples:
    """Different samples and how often each counts, in an order that only they decide.

    Repeated samples and samples with weights therefore are one and the same problem.

    Attributes
    ----------
    X : (m, d) array
    Y : (m, c) array
    weight : (m,) array
        Positive.
    """

    X: Matrix
    Y: Matrix
    weight: NDArray[np.float64]

    @classmethod
    def of(cls, X: Matrix, Y: Matrix, weight: NDArray[np.float64] | None) -> Samples:
        """Merge equal samples; those of weight 0 are left out."""
        weight = np.ones(len(X)) if weight is None else weight
        used = weight > 0.0
        if not used.any():
            raise InvalidProblem("sample_weight: all weights are 0, so there is no sample.")
        table = np.hstack([X[used], Y[used]]) + 0.0
        rows, which = np.unique(table, axis=0, return_inverse=True)
        totals = np.bincount(which.ravel(), weights=weight[used]).astype(np.float64)
        return cls(rows[:, : X.shape[1]], rows[:, X.shape[1] :], totals)


def check_options(estimator: Any) -> None:
    """Refuse, by the estimator's own names, what no problem and no solve is asked."""
    positive_number("tol", estimator.tol)
    whole_number("max_nodes", estimator.max_nodes)
    for name, check in (
        ("max_iter", whole_number), ("time_limit", positive_number), ("n_jobs", whole_number)
    ):  # fmt: skip
        if getattr(estimator, name) is not None:
            check(name, getattr(estimator, name))
    if not isinstance(estimator.fit_intercept, (bool, np.bool_)):
        raise InvalidProblem(
            f"fit_intercept: expected True or False, found {estimator.fit_intercept!r}."
        )
    if isinstance(estimator.bias, str) and estimator.bias == "free" and not estimator.fit_intercept:
        raise InvalidProblem(
            'bias: "free" needs fit_intercept=True, since without it the infimum is not attained.'
        )


def checked_weights(sample_weight: Any, X: Matrix) -> NDArray[np.float64] | None:
    """Numbers >= 0, one a sample, or None."""
    if sample_weight is None:
        return None
    weight: NDArray[np.float64] = _check_sample_weight(sample_weight, X, dtype=np.float64)
    if np.any(weight < 0.0):
        raise InvalidProblem("sample_weight: expected numbers >= 0, found a negative one.")
    return weight


def loss_from_option(loss: str | Loss, names: tuple[str, ...]) -> Loss:
    """One of the losses of these names, by its word or itself; or a loss of one's own."""
    if isinstance(loss, str) and loss in names:
        return LOSSES[loss]()
    if isinstance(loss, Loss) and (loss.name in names or loss.name not in LOSSES):
        return loss
    raise InvalidProblem(
        f"loss: expected one of {', '.join(names)}, or such a loss as an object, found {loss!r}."
    )


def ball_from_option(ball: str | Ball) -> Ball:
    """A ball by its word, or itself."""
    if isinstance(ball, str) and ball in _BALLS:
        return _BALLS[ball]()
    if isinstance(ball, Ball) and not isinstance(ball, type):
        return ball
    raise InvalidProblem(
        f"ball: expected one of {', '.join(_BALLS)}, or a ball such as mlp.L2Ball(), found {ball!r}."
    )


def problem_from_samples(
    estimator: Any, samples: Samples, y: Matrix, loss: Loss, alpha: Any, outputs: Any = "separate"
) -> MeasureProblem:
    """The problem whose lam is alpha times the number of samples."""
    return MeasureProblem(
        samples.X, y, lam=positive_number("alpha", alpha) * float(samples.weight.sum()), loss=loss,
        ball=ball_from_option(estimator.ball), bias=estimator.bias,
        skip="constant" if estimator.fit_intercept else "none", outputs=outputs,
        sample_weight=samples.weight,
    )  # fmt: skip


def fit_to(estimator: Any, problem: MeasureProblem, weight: float, *, is_table: bool) -> None:
    """Solve within the estimator's budget and set what is fitted; warn unless optimality is proved.

    Ctrl-C leaves the estimator fitted as far as it came, and is raised then: a search over many
    fits ends, too.  Targets that are a table have columns even if there is one.
    """
    with interruptible():
        solution = _solved(estimator, problem)
        _store(estimator, solution, weight, is_table)
    _warn_unless_optimal(type(estimator).__name__, solution.certificate)


def _solved(estimator: Any, problem: MeasureProblem) -> Solution:
    return solve(
        problem, tol_gap=estimator.tol, max_rounds=rounds(estimator, problem),
        time_limit=estimator.time_limit,
        oracle=PatientOracle(
            estimator.max_nodes, 1 if estimator.n_jobs is None else estimator.n_jobs
        ),
        callback=reporter(estimator.verbose),
    )  # fmt: skip


def rounds(estimator: Any, problem: MeasureProblem) -> int:
    """``max_iter``, or so many that something is gained by them: few where no proof is in reach."""
    if estimator.max_iter is not None:
        chosen: int = estimator.max_iter
        return chosen
    return 100 if problem.n_penalized <= _PROVABLE else 10


def reporter(verbose: int | bool) -> Any:
    """A callback that logs each round, or None."""
    if not verbose:
        return None

    def report(progress: Progress) -> None:
        _LOGGER.info(
            "round %d: objective %.9g, bound %.9g, %s", progress.round, progress.primal,
            progress.dual, progress.message,
        )  # fmt: skip

    return report


def _warn_unless_optimal(name: str, certificate: Certificate) -> None:
    """A ConvergenceWarning with the bracket, unless optimality was proved."""
    if certificate.is_optimal:
        return
    if certificate.verdict is Verdict.INFEASIBLE:
        raise InvalidProblem(f"y: {certificate.message}.")
    warnings.warn(
        f"{name} stopped with the verdict {certificate.verdict.name}: the optimum lies between "
        f"{certificate.dual_value:.9g} and {certificate.primal_value:.9g} (sums over samples), a "
        f"relative gap of {certificate.relative_gap:.2g}, and tol={certificate.tol_gap:g} was asked "
        "for. Raise max_iter, max_nodes or time_limit, or alpha or tol.",
        ConvergenceWarning,
        stacklevel=4,
    )


def _store(estimator: Any, solution: Solution, weight: float, is_table: bool) -> None:
    measure, constant = solution.measure, np.ravel(solution.skip.constant)
    columns = is_table and measure.masses.ndim == 1
    estimator.solution_ = solution
    estimator.atoms_ = measure.atoms
    estimator.coef_ = measure.masses[:, None] if columns else measure.masses
    estimator.intercept_ = constant if is_table else float(constant[0])
    estimator.certificate_ = solution.certificate
    estimator.dual_gap_ = solution.certificate.gap / weight
    estimator.n_iter_ = max(1, int(solution.stats["rounds"]))


def predictions(estimator: Any, X: Matrix) -> Matrix:
    """The network's outputs, or for counts the means whose logarithms they are."""
    values = scores(estimator, X)
    return np.exp(values) if estimator.solution_.problem.loss.name == "poisson" else values


def scores(estimator: Any, X: Matrix) -> Matrix:
    """The network's outputs, (n,) or (n, c)."""
    lifted = X if estimator.bias == "none" else np.hstack([X, np.ones((len(X), 1))])
    return np.asarray(
        np.maximum(lifted @ estimator.atoms_.T, 0.0) @ estimator.coef_ + estimator.intercept_
    )
