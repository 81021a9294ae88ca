"""What is recorded of networks in training, computed from their weights and the problem."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from measurelp.measure import AtomicMeasure
from measurelp.measure.merge import merge_atoms
from measurelp.problem import MeasureProblem
from measurelp.training.start import Weights

Matrix = NDArray[np.float64]

_ANGLE = 1e-3  # neurons of one sign within this angle count as one
_SMALL = 1e-6  # neurons below this share of the heaviest count as none


@dataclass(frozen=True, eq=False)
class TrainingRecord:
    r"""Arrays of shape (records, seeds); NaN from the record on at which a run had diverged.

    Attributes
    ----------
    step : (records,) array
    seconds : (records,) array
        Wall-clock seconds spent in steps until then, of all seeds together and without the time
        that recording takes; a run that is resumed counts on.
    objective : array
        :math:`L + \lambda\sum_k|v_k||w_k|`: the problem's objective at the network's measure, whatever
        penalty is trained; never below the optimum.
    loss, path_norm : array
        Its parts, :math:`L` and :math:`\sum_k|v_k||w_k|`.
    weight_decay : array
        :math:`\tfrac12\sum_k(|v_k|^2 + |w_k|^2)`, at least the path norm.
    dual_at_atoms : array
        The largest :math:`|\eta(w_k/|w_k|)|`, for several outputs :math:`|F|_2`, with minus the gradient
        of the loss as dual vector: lam at a stationary point.  NaN for losses with kinks (absolute,
        quantile, hinge), at which the fit does not say what the dual vector is.
    neurons : array
        Distinct directions and signs, of several outputs directions alone: within an angle of 1e-3,
        and above 1e-6 of the heaviest.
    imbalance : array
        The largest :math:`||v_k|^2 - |w_k|^2|`.  The conic method keeps :math:`|w_k|` at 1, so there this
        and ``weight_decay`` say nothing.
    sparsity : array
        The share of neurons that are below 1e-6 of the heaviest.
    """

    step: NDArray[np.int64]
    seconds: NDArray[np.float64]
    objective: Matrix
    loss: Matrix
    path_norm: Matrix
    weight_decay: Matrix
    dual_at_atoms: Matrix
    neurons: Matrix
    imbalance: Matrix
    sparsity: Matrix

    def __len__(self) -> int:
        return len(self.step)

    def extended(self, after: TrainingRecord) -> TrainingRecord:
        """This record and, below it, another."""
        return TrainingRecord(
            *(np.concatenate([getattr(self, f.name), getattr(after, f.name)]) for f in fields(self))
        )


def record_of(
    problem: MeasureProblem, step: int, seconds: float, weights: Weights,
    healthy: NDArray[np.bool_],
) -> TrainingRecord:  # fmt: skip
    """One entry; NaN where not healthy or not finite."""
    rows = np.full((len(healthy), 8), np.nan)
    for i in np.flatnonzero(healthy):
        own = [part[i] for part in weights]
        if all(np.isfinite(part).all() for part in own):
            with np.errstate(over="ignore", invalid="ignore"):
                rows[i] = _row(problem, *own)
    return TrainingRecord(
        np.array([step], dtype=np.int64), np.array([seconds]), *rows.T[:, None, :]
    )


def _row(problem: MeasureProblem, hidden: Matrix, output: Matrix, skip: Matrix) -> list[float]:
    length, price = np.linalg.norm(hidden, axis=1), problem.mass_norm(output)
    mass, size = (output.T * length).T, price * length
    fit = problem.features(hidden) @ output + problem.skip_columns @ skip
    loss, path = problem.loss_value(fit), float(size.sum())
    if not np.isfinite(loss + problem.lam * path):
        return [np.nan] * 8
    alpha = problem.dual_from_fit(fit)
    used = size > _SMALL * float(size.max())
    atoms = hidden[used] / length[used, None]
    dual = np.nan
    if alpha is not None:
        dual = problem.mass_norm(problem.features(atoms).T @ alpha).max(initial=0.0)
    signed = size if problem.is_vector else mass
    distinct = merge_atoms(AtomicMeasure(atoms, signed[used]), angle=_ANGLE) if used.any() else ()
    return [
        loss + problem.lam * path, loss, path,
        0.5 * float(price @ price + length @ length), float(dual), len(distinct),
        float(np.abs(price**2 - length**2).max()), float(np.mean(~used)),
    ]  # fmt: skip
