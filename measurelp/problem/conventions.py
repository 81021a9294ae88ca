"""From an optimiser's weight decay to lam."""

from __future__ import annotations

import math
from typing import Literal, get_args

import numpy as np

from measurelp.errors import InvalidProblem

TrainedLoss = Literal["mean", "sum", "half_mean", "half_sum", "mean_loss", "sum_loss"]
TrainedPenalty = Literal["half_squares", "squares", "path_norm", "half_mean_squares"]

# What multiplies sum (f - y)^2, and p at balance over sum |v_k| |w_k|: a factor, and whether over n.
_LOSS = {
    "mean": (1.0, True), "sum": (1.0, False), "half_mean": (0.5, True), "half_sum": (0.5, False),
    "mean_loss": (0.5, True), "sum_loss": (0.5, False),
}  # fmt: skip
_PENALTY = {
    "half_squares": (1.0, False), "squares": (2.0, False), "path_norm": (1.0, False),
    "half_mean_squares": (1.0, True),
}  # fmt: skip


def lam_from_weight_decay(
    weight_decay: float,
    *,
    n: int,
    loss: TrainedLoss = "mean",
    penalty: TrainedPenalty = "half_squares",
) -> float:
    r"""The lam of the problem that a training with weight decay minimises.

    A training that minimises :math:`a\sum_i(f(x_i)-y_i)^2 + \beta\,p(v, w)` minimises
    :math:`\tfrac12\sum_i(f(x_i)-y_i)^2 + \tfrac{\beta}{2a}\,p`.  A balanced network has
    :math:`\tfrac12\sum_k(v_k^2+|w_k|^2) = \sum_k|v_k||w_k|`, hence

    .. math:: \lambda = \frac{\beta}{2a}\,\frac{p}{\sum_k |v_k||w_k|} .

    Parameters
    ----------
    weight_decay : float
        :math:`\beta > 0`.
    n : int
        Number of rows of the data.  With mini-batches of B rows of a mean, too: its expectation
        is the mean over all rows (a sum over B rows is not the sum over all).
    loss : {"mean", "sum", "half_mean", "half_sum", "mean_loss", "sum_loss"}
        Mean or sum of squared errors, or half of that.  ``torch.nn.MSELoss()`` is "mean".
        "mean_loss" and "sum_loss" are the mean and the sum of any loss as this package defines
        it (``torch.nn.L1Loss()``, ``BCEWithLogitsLoss()``: "mean_loss"), so that
        :math:`\lambda = n\beta\,p/\sum_k|v_k||w_k|` and without the n.
    penalty : {"half_squares", "squares", "path_norm", "half_mean_squares"}
        p: "half_squares" is :math:`\tfrac12\sum_k(v_k^2+|w_k|^2)`, which is what the argument
        ``weight_decay`` of torch's ``SGD`` and ``Adam`` amounts to (they add
        :math:`\beta\theta` to the gradient); "squares" without the half; "path_norm" is
        :math:`\sum_k|v_k||w_k|`; "half_mean_squares" is "half_squares" over n, as in
        scikit-learn's MLPs, whose loss is "half_mean", so that there lam = alpha.

    Returns
    -------
    float
        lam for :class:`~measurelp.MeasureProblem`.

    Raises
    ------
    InvalidProblem
        If a number is not positive and finite, or a word is not known.

    Notes
    -----
    Both layers must be decayed.  Hidden biases that are decayed too mean
    ``bias="penalized"``, others ``bias="free"``; an output bias must not be decayed
    (``skip="constant"``).  Decoupled weight decay with an adaptive step (``AdamW``) minimises
    no such objective: its fixed points are not stationary for any lam.

    Examples
    --------
    >>> lam_from_weight_decay(1e-3, n=200)
    0.1
    >>> lam_from_weight_decay(1e-3, n=200, loss="half_sum")
    0.001
    >>> lam_from_weight_decay(1e-3, n=200, loss="mean_loss", penalty="path_norm")
    0.2
    """
    for name, value in (("weight_decay", weight_decay), ("n", n)):
        number = isinstance(value, (int, float, np.integer, np.floating))
        if isinstance(value, bool) or not number or not (math.isfinite(value) and value > 0):
            raise InvalidProblem(f"{name}: expected a finite number > 0, found {value!r}.")
    if int(n) != n:
        raise InvalidProblem(f"n: expected a number of samples, found {n!r}.")
    for name, word, known in (
        ("loss", loss, get_args(TrainedLoss)), ("penalty", penalty, get_args(TrainedPenalty))
    ):  # fmt: skip
        if word not in known:
            raise InvalidProblem(f"{name}: expected one of {', '.join(known)}, found {word!r}.")
    (a, loss_is_mean), (p, penalty_is_mean) = _LOSS[loss], _PENALTY[penalty]
    lam = weight_decay * p / (2.0 * a)
    if loss_is_mean != penalty_is_mean:
        lam = lam * n if loss_is_mean else lam / n
    return float(lam)
