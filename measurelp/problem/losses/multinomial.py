"""Several classes: the cross entropy of a softmax."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from measurelp.errors import InvalidProblem
from measurelp.problem.losses.base import Loss, Vector
from measurelp.problem.losses.cone_form import ConeForm, ConeRows, diagonal, together

_OFF = 1e-6  # how far from the simplex a vector may be and still be taken as rounded


@dataclass(frozen=True)
class MultinomialLogistic(Loss):
    r"""The cross entropy :math:`L(z) = \sum_i s_i (\log\sum_k e^{z_{ik}} - \sum_k y_{ik} z_{ik})`.

    Targets are class labels 0, ..., c - 1 of shape (n,), read as one-hot rows, or rows of class
    probabilities (n, c).  With :math:`p = y_i - \alpha_i / s_i` in the simplex the dual objective
    is the entropy :math:`-\sum_k p_k\log p_k`.
    """

    name: ClassVar[str] = "multinomial_logistic"
    couples_outputs: ClassVar[bool] = True

    def prepared_targets(self, y: Vector) -> Vector:
        if y.ndim == 2:
            off = np.flatnonzero(np.any(y < 0.0, axis=1) | (np.abs(y.sum(axis=1) - 1.0) > 1e-12))
            if len(off):
                raise InvalidProblem(
                    f"y: the {self.name} loss needs rows of class probabilities, which are >= 0 and sum "
                    f"to 1, or labels of shape (n,); row {off[0]} is {y[off[0]]}."
                )
            return y
        classes = np.unique(y)
        if np.any(classes != np.round(classes)) or classes[0] < 0.0:
            bad = classes[(classes != np.round(classes)) | (classes < 0.0)][0]
            raise InvalidProblem(
                f"y: the {self.name} loss needs labels 0, 1, ..., c - 1, found {bad:g}."
            )
        if len(classes) < 2 or classes[-1] >= 2 * len(y):
            raise InvalidProblem(
                f"y: the {self.name} loss needs labels 0, 1, ..., c - 1 of at least two classes, found "
                f"{len(classes)} up to {classes[-1]:g}."
            )
        return np.eye(int(classes[-1]) + 1)[y.astype(np.intp)]

    def values(self, fit: Vector, y: Vector) -> Vector:
        return np.asarray(np.logaddexp.reduce(fit, axis=1) - np.sum(y * fit, axis=1))

    def dual_values(self, alpha: Vector, y: Vector) -> Vector:
        """Term by term; what is off the simplex by rounding is charged by :meth:`domain_error`."""
        p = y - alpha
        bad = np.any(p < -_OFF, axis=1) | (np.abs(p.sum(axis=1) - 1.0) > _OFF)
        terms = -p * np.log(np.where(p > 0.0, p, 1.0))
        return np.where(bad[:, None], -np.inf, np.where(p > 0.0, terms, 0.0))

    def dual_sizes(self, alpha: Vector, y: Vector) -> Vector:
        p = np.where(y - alpha > 0.0, y - alpha, 1.0)
        return np.asarray((np.abs(y) + np.abs(alpha)) * (2.0 + np.abs(np.log(p))))

    def domain_error(self, alpha: Vector, y: Vector) -> Vector:
        """p over its sum, negative entries set to 0, is in the simplex: how far that is."""
        p = y - alpha
        below = np.maximum(-p, 0.0)
        off = np.abs(np.maximum(p, 0.0).sum(axis=1) - 1.0) + y.shape[1] * 2.0**-50
        return np.linalg.norm(below, axis=1) + off / np.maximum(1.0 - off, 0.5)

    def into_domain(self, alpha: Vector, y: Vector, weight: Vector) -> Vector:
        """Rows whose p is a vector of probabilities: negative entries set to 0, over its sum."""
        share = np.where(weight > 0.0, weight, 1.0)[:, None]
        p = np.maximum(y - alpha / share, 0.0)
        size = p.sum(axis=1, keepdims=True)
        p = np.where(size > 0.0, p / np.where(size > 0.0, size, 1.0), y)
        return np.where(weight[:, None] > 0.0, share * (y - p), 0.0)

    def dual_interval(self, fit: Vector, y: Vector) -> tuple[Vector, Vector]:
        alpha = y - _softmax(fit)
        return alpha, alpha

    def dual_domain(self, y: Vector) -> tuple[Vector, Vector]:
        return y - 1.0, np.array(y)

    def curvatures(self, fit: Vector, y: Vector) -> Vector:
        """A bound (n,) of the largest eigenvalue of diag(p) - p p^T, by its row sums."""
        p = _softmax(fit)
        return np.asarray(np.minimum((2.0 * p * (1.0 - p)).max(axis=1), 0.5))

    def cone_form(self, y: Vector, weight: Vector) -> ConeForm:
        # log sum e^z_k <= t iff e^(z_k - t) <= u_k and sum u_k <= 1; fits and u row by row.
        n, c = y.shape
        rows, entries = np.arange(n * c), np.ones(n * c)
        sample = rows // c
        rhs = np.zeros(3 * n * c)
        rhs[1::3] = 1.0
        return ConeForm(
            quadratic=np.zeros(n + n * c), linear=np.concatenate([weight, np.zeros(n * c)]),
            nonneg=ConeRows(np.ones(n), auxiliary=(sample, n + rows, entries)),
            exponential=ConeRows(
                rhs, diagonal(n * c, -1.0, step=3),
                together(
                    (3 * rows, sample, entries), diagonal(n * c, -1.0, row=2, column=n, step=3)
                ),
            ),
            fit_linear=-(weight[:, None] * y).ravel(),
        )  # fmt: skip


def _softmax(fit: Vector) -> Vector:
    p = np.exp(fit - fit.max(axis=1, keepdims=True))
    return np.asarray(p / p.sum(axis=1, keepdims=True))
