"""Training of two-layer networks, recorded, stopped and resumed."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from measurelp._optional import require
from measurelp.errors import InvalidProblem
from measurelp.measure import Skip
from measurelp.network import ReluNetwork
from measurelp.problem import MeasureProblem
from measurelp.problem.combinations import Bias
from measurelp.status import Termination
from measurelp.training.record import TrainingRecord, record_of
from measurelp.training.settings import TrainingSettings
from measurelp.training.start import Weights, starting_weights, weights_of_network
from measurelp.training.trainable import check_label_noise, check_trainable

Matrix = NDArray[np.float64]

# A run whose objective exceeds this many times that of its start and of no network has diverged.
_EXPLODED = 1e6


@dataclass(frozen=True, eq=False)
class TrainingRun:
    """Networks in training: their weights, their record, and what is needed to go on.

    Attributes
    ----------
    settings : TrainingSettings
    fingerprint : str
        SHA-256 of the problem trained on.
    bias : str
        "penalized" or "none".
    step : int
        Steps done.
    hidden : (seeds, k, d') array
    output : (seeds, k) or (seeds, k, c) array
        Of a run that diverged: the last recorded before.
    skip : (seeds, p) or (seeds, p, c) array
        Coefficients of ``problem.skip_columns``: p is 0, 1 or d + 1.
    memory : dict of str to array
        The optimiser's.
    record : TrainingRecord
    diverged_at : (seeds,) integer array
        The first recorded step at which a run had diverged; -1 where it has not.
    termination : Termination
        ROUND_LIMIT: all steps were done.  INTERRUPTED, by Ctrl-C or the monitor: the state is that
        of the last record.  NUMERICAL: all runs diverged.
    """

    settings: TrainingSettings
    fingerprint: str
    bias: Bias
    step: int
    hidden: Matrix
    output: Matrix
    skip: Matrix
    memory: dict[str, NDArray[np.generic]]
    record: TrainingRecord
    diverged_at: NDArray[np.int64]
    termination: Termination

    @property
    def weights(self) -> Weights:
        """The three arrays of weights."""
        return Weights(self.hidden, self.output, self.skip)

    def networks(self) -> tuple[ReluNetwork, ...]:
        """The networks, one a seed, as they are now: for :func:`measurelp.certify`."""
        return tuple(self._network(*parts) for parts in zip(*self.weights, strict=True))

    def _network(self, hidden: Matrix, output: Matrix, skip: Matrix) -> ReluNetwork:
        if self.bias == "none":
            hidden = np.column_stack([hidden, np.zeros(len(hidden))])
        return ReluNetwork(
            hidden[:, :-1], hidden[:, -1], output_weights=output, bias=self.bias,
            output_bias=skip[-1] if len(skip) else 0.0,
            skip=Skip(skip[:-1]) if len(skip) > 1 else None,
        )  # fmt: skip

    def suboptimality(self, proved: float) -> Matrix:
        """The record's relative gaps to a proved lower bound, (records, seeds).

        ``proved`` is ``solution.certificate.dual_value``.  The gap is (objective - proved) over the
        larger of both moduli, 0 where both are 0: no network is better by more.
        """
        if not np.isfinite(proved):
            raise InvalidProblem(f"proved: expected a finite lower bound, found {proved!r}.")
        objective = self.record.objective
        size = np.maximum(np.abs(objective), abs(proved))
        return np.divide(objective - proved, size, out=0.0 * objective, where=size != 0.0)

    def save(self, folder: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write npz and JSON, whole or not at all; :func:`load_training` reads them."""
        from measurelp.training.files import save_training

        save_training(self, folder, overwrite=overwrite)

    def __repr__(self) -> str:
        lost = int(np.sum(self.diverged_at >= 0))
        return (
            f"TrainingRun({self.settings.method}, width {self.settings.width}, "
            f"{len(self.settings.seeds)} seeds, {lost} diverged, {self.step} steps, "
            f"{self.termination.name})"
        )


Monitor = Callable[[TrainingRun], bool | None]


def train(
    problem: MeasureProblem, settings: TrainingSettings, *, start: ReluNetwork | None = None,
    resume: TrainingRun | None = None, monitor: Monitor | None = None, device: str = "cpu",
) -> TrainingRun:  # fmt: skip
    """Train networks by gradients, all seeds at once.

    Parameters
    ----------
    problem : MeasureProblem
        Any loss of the library but interpolation, one output or joint ones, sample weights; ReLU,
        Euclidean ball, any skip, bias "penalized" or "none".
    settings : TrainingSettings
    start : ReluNetwork, optional
        Where all seeds begin, instead of what the settings draw.
    resume : TrainingRun, optional
        Go on from there: of the same problem and of settings that differ in ``steps`` only.  What
        comes out is what one run would have given, if the first part ended at a record; seconds
        are those that were spent.
    monitor : callable, optional
        Called with the run after each record (save it there); a true answer ends it.
    device : str
        torch's word, "cpu" or "cuda".

    Returns
    -------
    TrainingRun
        Diverging runs are reported in ``diverged_at``; they end alone and keep the weights of their
        last good record.  Ctrl-C returns the state of the last record.

    Raises
    ------
    InvalidProblem
        For problems of another form, for label noise on targets that are labels, counts or
        probabilities, and for a run to resume that is of another problem or of other settings.
    MissingDependency
        Without torch.

    Notes
    -----
    Nothing here is proved: compare with ``measurelp.solve(problem).certificate``, or hand
    ``run.networks()`` to :func:`measurelp.certify`.  Two runs with the same arguments on one machine
    agree to the last bit.
    """
    check_trainable(problem)
    if settings.label_noise:
        check_label_noise(problem)
    if resume is None:
        draw = starting_weights(problem, settings)
        weights = draw if start is None else weights_of_network(problem, settings, start)
        record = record_of(problem, 0, 0.0, weights, np.ones(len(weights[0]), dtype=bool))
        run = TrainingRun(
            settings, problem_fingerprint(problem), problem.bias, 0, *weights, {}, record,
            np.where(np.isfinite(record.objective[0]), -1, 0), Termination.ROUND_LIMIT,
        )  # fmt: skip
    else:
        if start is not None:
            raise InvalidProblem("start: a run that is resumed has its weights; leave start out.")
        run = _resumable(problem, settings, resume)
    require("torch", extra="torch")
    from measurelp.training._torch_steps import advance

    _check_device(device)
    largest = _EXPLODED * np.fmax(run.record.objective[0], problem.loss_value(0.0 * problem.y))
    try:
        while run.step < settings.steps:
            if np.all(run.diverged_at >= 0):
                return replace(run, termination=Termination.NUMERICAL)
            next_record = run.step - run.step % settings.record_every + settings.record_every
            steps = range(run.step, min(next_record, settings.steps))
            clock = time.perf_counter()
            after = advance(problem, settings, run.weights, run.memory, steps, device)
            seconds = float(run.record.seconds[-1]) + time.perf_counter() - clock
            run = _recorded(problem, run, after, steps, seconds, largest)
            if monitor is not None and monitor(run) and run.step < settings.steps:
                return replace(run, termination=Termination.INTERRUPTED)
    except KeyboardInterrupt:
        return replace(run, termination=Termination.INTERRUPTED)
    lost = bool(np.all(run.diverged_at >= 0))
    return replace(run, termination=Termination.NUMERICAL) if lost else run


def _recorded(
    problem: MeasureProblem, run: TrainingRun,
    after: tuple[Weights, dict[str, NDArray[np.generic]]], steps: range, seconds: float, largest: Matrix,
) -> TrainingRun:  # fmt: skip
    weights, memory = after
    was_healthy = run.diverged_at < 0
    entry = record_of(problem, steps.stop, seconds, weights, was_healthy)
    healthy = was_healthy & (entry.objective[0] <= largest)  # false for NaN
    if not healthy.all():
        weights = Weights(*(np.array(part) for part in weights))
        for part, before in zip(weights, run.weights, strict=True):
            part[~healthy] = before[~healthy]
        entry = record_of(problem, steps.stop, seconds, weights, healthy)
    return replace(
        run, step=steps.stop, **weights._asdict(), memory=memory,
        record=run.record.extended(entry),
        diverged_at=np.where(was_healthy & ~healthy, steps.stop, run.diverged_at),
    )  # fmt: skip


def problem_fingerprint(problem: MeasureProblem) -> str:
    """SHA-256 of what training sees of a problem."""
    digest = hashlib.sha256(
        f"{problem.lam!r} {problem.bias} {problem.skip} {problem.loss!r}".encode()
    )
    for array in (problem.X, problem.y, problem.sample_weight):
        digest.update(repr(array.shape).encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _resumable(
    problem: MeasureProblem, settings: TrainingSettings, run: TrainingRun
) -> TrainingRun:
    if run.fingerprint != problem_fingerprint(problem):
        raise InvalidProblem("resume: the run was trained on another problem.")
    outputs = problem.y.shape[1:]
    expected = (problem.lifted.shape[1:], outputs, (problem.skip_columns.shape[1], *outputs))
    if (run.hidden.shape[2:], run.output.shape[2:], run.skip.shape[1:]) != expected:
        raise InvalidProblem("resume: the run's weights do not have the shapes of its problem's.")
    ours, theirs = settings.document(), run.settings.document()
    other = sorted(key for key in ours if key != "steps" and ours[key] != theirs[key])
    if other:
        raise InvalidProblem(
            f"resume: the run was made with {other[0]}={theirs[other[0]]!r}, asked for is "
            f"{ours[other[0]]!r}; only steps may differ."
        )
    if settings.steps < run.step:
        raise InvalidProblem(
            f"steps: the run to resume has done {run.step}, asked for are {settings.steps}."
        )
    return replace(run, settings=settings, termination=Termination.ROUND_LIMIT)


def _check_device(device: str) -> None:
    torch = require("torch", extra="torch")
    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise InvalidProblem(f"device: {device!r} cannot be used ({error}).") from None
