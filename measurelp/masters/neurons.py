"""What the master works on: neurons in row-space coordinates, merged and pruned."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from measurelp.measure import prune_to_extreme_point
from measurelp.problem import Activation, Ball, Loss, MeasureProblem, RowSpace, Squared

_LEAST_CURVATURE = 1e-9
_ROUNDING = 1e-14  # of a fit or an objective

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Neurons:
    """Weights u_k = |c_k| w_k in row-space coordinates with the signs of c_k, and a skip.

    Attributes
    ----------
    weights : (k, r) array
    signs : (k,) array of +-1, or (k, c) array
        c_k / |c_k|: for several joint outputs, unit vectors.
    skip : (p,) or (p, c) array
        Coefficients of the skip columns.
    """

    weights: Matrix
    signs: Vector
    skip: Vector

    def __len__(self) -> int:
        """Number of neurons."""
        return len(self.signs)

    @property
    def is_finite(self) -> bool:
        """Whether all numbers are finite."""
        return bool(np.isfinite(self.weights).all() and np.isfinite(self.skip).all())


@dataclass(frozen=True, eq=False)
class Training:
    r"""The numbers of a problem that the masters work with, in row-space coordinates.

    The ReLU is positively homogeneous, so the squared loss with weights :math:`s_i` is the
    plain one after rows, targets and skip columns were multiplied by :math:`\sqrt{s_i}`
    (``root``).  Masters see only that; :meth:`to_problem` and :meth:`from_problem` translate
    dual vectors.  Other losses keep their ``weight``.
    """

    rows: Matrix
    y: Vector
    lam: float
    loss: Loss
    skip_columns: Matrix
    n_penalized: int
    activation: Activation
    ball: Ball
    weight: Vector | None = None
    root: Vector | None = None

    @classmethod
    def of(cls, problem: MeasureProblem, space: RowSpace) -> Training:
        """Those of a problem."""
        rows, y, columns = space.rows, problem.y, problem.skip_columns
        weight = problem.sample_weight if problem.is_weighted else None
        root: Vector | None = None
        if weight is not None and problem.loss.is_quadratic:
            root, weight = np.sqrt(weight), None
            rows, columns, y = rows * root[:, None], columns * root[:, None], (y.T * root).T
        return cls(
            rows, y, problem.lam, problem.loss, columns, space.n_penalized, problem.activation,
            problem.ball, weight, root,
        )  # fmt: skip

    def to_problem(self, alpha: Vector) -> Vector:
        """The problem's dual vector from one in the units of this training."""
        return alpha if self.root is None else np.asarray((alpha.T * self.root).T)

    def from_problem(self, alpha: Vector) -> Vector:
        """The way back; 0 where a sample has no weight."""
        if self.root is None:
            return alpha
        return np.asarray((alpha.T / np.where(self.root > 0.0, self.root, np.inf)).T)

    def dual(self, neurons: Neurons) -> Vector:
        """Minus the gradient of the loss; its end nearest to 0 at a kink."""
        fit = self.fit(neurons)
        alpha = self.loss.dual_from_fit(fit, self.y, self.weight)
        if alpha is not None:
            return alpha
        weight = np.ones(len(fit)) if self.weight is None else self.weight
        return np.asarray(np.clip(0.0, *self.loss.dual_ends(fit, self.y, weight)))

    def quadratic_model(
        self, neurons: Neurons, damping: float = 0.0, before: Neurons | None = None
    ) -> Training:
        """The quadratic model of a smooth loss at the fit of some neurons, as a squared loss.

        With ``damping``, curvature is added, relative to the largest.  Several outputs of a
        sample share one curvature, at most the largest of theirs: that of the loss along the
        way from the neurons ``before``, as differences of gradients show it.
        """
        if self.loss.is_quadratic:
            return self
        fit, alpha = self.fit(neurons), self.dual(neurons)
        curvature = self.loss.curvatures(fit, self.y)
        if curvature.ndim == 2:
            curvature = curvature.max(axis=1)
        if self.weight is not None:
            curvature = curvature * self.weight
        if self.y.ndim == 2 and before is not None:
            step, change = fit - self.fit(before), alpha - self.dual(before)
            size = np.sum(step * step, axis=1)
            along = -np.sum(step * change, axis=1) / np.where(size > 0.0, size, np.inf)
            seen = size > 1e-24 * float(np.sum(fit * fit))
            curvature = np.where(seen, np.clip(along, 0.05 * curvature, curvature), curvature)
        largest = float(curvature.max()) or 1.0  # flat: Huber's loss far from every target
        curvature = curvature + (damping + _LEAST_CURVATURE) * largest
        root = np.sqrt(curvature)
        return replace(
            self, rows=self.rows * root[:, None], y=((fit.T + alpha.T / curvature) * root).T,
            loss=Squared(), skip_columns=self.skip_columns * root[:, None], weight=None,
        )  # fmt: skip

    def norms(self, weights: Matrix) -> Vector:
        """The ball's norm of each weight."""
        return self.ball.norm(weights[:, : self.n_penalized])

    def features(self, weights: Matrix) -> Matrix:
        """The activation's values of each weight, (n, k)."""
        return self.activation.values(self.rows @ weights.T)

    def fit(self, neurons: Neurons) -> Vector:
        """The network's outputs on the data."""
        active = self.features(neurons.weights)
        return np.asarray(active @ neurons.signs + self.skip_columns @ neurons.skip)

    def without_far_kinks(self, neurons: Neurons) -> Neurons:
        """With a free bias, move kinks that lie beyond all data to their edge, at no cost.

        Rows end in the scale R of the largest input, so a unit with bias above |w| is active
        everywhere and its excess is a constant, which joins the skip; one with bias below -|w| is on
        the other side everywhere, where the slope is that of (-t)_+.
        """
        p = self.n_penalized
        if p == self.rows.shape[1] or not len(neurons):
            return neurons
        weights, skip = np.array(neurons.weights), np.array(neurons.skip)
        reach = self.norms(weights)
        above, below = (np.maximum(side * weights[:, p] - reach, 0.0) for side in (1.0, -1.0))
        positive, negative = self.activation.slopes
        excess = positive * above + negative * below
        skip[-1] += (excess @ neurons.signs) * float(self.rows[0, p])
        weights[:, p] = np.clip(weights[:, p], -reach, reach)
        return Neurons(weights, neurons.signs, skip)

    def objective(self, neurons: Neurons) -> float:
        """Loss plus lam times the total variation."""
        value = self.loss.value(self.fit(neurons), self.y, self.weight)
        return value + self.lam * float(self.norms(neurons.weights).sum())


def merged(training: Training, neurons: Neurons, *, cosine: float, slack: float) -> Neurons:
    """Add up neurons of one sign whose directions nearly agree, while that costs nothing.

    A pair is replaced by its sum when the objective, by a difference formula, grows by at
    most ``slack`` and rounding; neurons of one closed cell always qualify.  With several outputs the pair's
    masses are added, at the direction of the sum of the weights.
    """
    along = neurons.weights[:, : training.n_penalized]
    lengths = np.linalg.norm(along, axis=1)
    near = along @ along.T >= cosine * np.outer(lengths, lengths)
    if np.count_nonzero(near) <= len(neurons):  # of none to another
        return neurons
    weights = [np.array(w) for w in neurons.weights]
    signs = list(neurons.signs)
    fit = training.fit(neurons)
    hard = training.loss.is_hard_constraint
    size = float(np.abs(fit).max()) if hard else abs(training.objective(neurons))
    slack = slack + _ROUNDING * size
    k = 0
    while k < len(weights):
        other = k + 1
        while other < len(weights):
            a, b = weights[k], weights[other]
            p = training.n_penalized
            length_a, length_b = float(np.linalg.norm(a[:p])), float(np.linalg.norm(b[:p]))
            close = float(a[:p] @ b[:p]) >= cosine * length_a * length_b
            several = neurons.signs.ndim == 2
            if not close or not (several or signs[k] == signs[other]):
                other += 1
                continue
            together, output = a + b, signs[k]
            if several:
                mass = length_a * signs[k] + length_b * signs[other]
                size = max(float(np.linalg.norm(mass)), 1e-300)
                output = np.asarray(mass / size, dtype=np.float64)
                stretch = size / float(np.linalg.norm(together[:p]))
                together = np.asarray(together * stretch, dtype=np.float64)
            active = training.features(np.stack([together, a, b]))
            change = (
                np.multiply.outer(active[:, 0], output)
                - np.multiply.outer(active[:, 1], signs[k])
                - np.multiply.outer(active[:, 2], signs[other])
            )
            saved = float(training.norms(np.stack([a, b, together])) @ (1.0, 1.0, -1.0))
            if _growth(training, fit, change, saved) > slack:
                other += 1
                continue
            fit = fit + change
            weights[k], signs[k] = together, output
            del weights[other], signs[other]
        k += 1
    if not weights:
        return neurons
    return Neurons(np.array(weights), np.array(signs), neurons.skip)


def _growth(training: Training, fit: Vector, change: Vector, saved: float) -> float:
    """How much the objective grows when the fit changes and total variation is saved."""
    loss = training.loss
    if loss.is_hard_constraint:
        return float(np.max(np.abs(change)))
    if loss.is_quadratic:
        growth = float(np.sum(change * (fit - training.y + 0.5 * change)))
    else:
        after = loss.value(fit + change, training.y, training.weight)
        growth = after - loss.value(fit, training.y, training.weight)
    return growth - training.lam * saved


def pruned(training: Training, neurons: Neurons) -> Neurons:
    r"""An extreme point: independent features only, same fit, no more total variation.

    With several outputs the fit is :math:`\sum_k|v_k|\,\phi_k\otimes\hat v_k`, so what is independent is
    :math:`\phi_k\otimes\hat v_k`: at most rank(features) rank(outputs) neurons are left.
    """
    norms = training.norms(neurons.weights)
    weights, signs = neurons.weights[norms > 0.0], neurons.signs[norms > 0.0]
    norms = norms[norms > 0.0]
    if not len(weights):
        return neurons
    features, free = training.features(weights / norms[:, None]), training.skip_columns
    masses = signs * norms if signs.ndim == 1 else norms
    if signs.ndim == 2:
        features = np.einsum("nk,kc->nck", features, signs).reshape(-1, len(norms))
        free = np.asarray(np.kron(free, np.eye(signs.shape[1])), dtype=np.float64)
    fewer = prune_to_extreme_point(features, masses, free_columns=free)
    kept = fewer.kept
    factor = np.abs(fewer.masses[kept]) / norms[kept]
    shift = fewer.free_shift.reshape(neurons.skip.shape)
    found = Neurons(weights[kept] * factor[:, None], signs[kept], neurons.skip + shift)
    before, after = training.objective(neurons), training.objective(found)
    return found if after <= before + 1e-9 * abs(before) else neurons
