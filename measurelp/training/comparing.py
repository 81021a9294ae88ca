"""Gradient training over methods, widths and seeds, each endpoint against the proved optimum."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from measurelp.errors import InvalidProblem
from measurelp.interrupts import interruptible, remembered_interrupts
from measurelp.problem import MeasureProblem
from measurelp.solving import Solution, certify, solve
from measurelp.solving.progress import Progress
from measurelp.status import Termination
from measurelp.training.comparison import Comparison, ComparisonProgress, Endpoint
from measurelp.training.comparison_file import ComparisonFile
from measurelp.training.methods import chosen_settings
from measurelp.training.run import TrainingRun, train
from measurelp.training.settings import TrainingSettings

Callback = Callable[[ComparisonProgress], object]
Plans = dict[tuple[str, int], TrainingSettings]

_PATIENCE = 5.0  # seconds between two writings of a training that is not finished


def compare(
    problem: MeasureProblem, methods: Sequence[str] | Mapping[str, TrainingSettings], widths: Sequence[int],
    seeds: Sequence[int], *, steps: int = 2000, solution: Solution | None = None,
    tol_gap: float = 1e-6, resume: str | os.PathLike[str] | None = None,
    callback: Callback | None = None,
) -> Comparison:  # fmt: skip
    """Train by several methods, and hold every endpoint against the proved optimum.

    Parameters
    ----------
    problem : MeasureProblem
        As for :func:`measurelp.train`.
    methods : sequence of str, or dict of name to TrainingSettings
        Of "gd", "sgd", "momentum", "label_noise", "adam", "adamw", "lbfgs", "conic", with rates
        that fit the data's size but are not tuned; or settings of one's own, whose width and
        seeds are replaced.
    widths, seeds : sequence of int
    steps : int
        For methods given by name.
    solution : Solution, optional
        Of the same problem; solved here if left out.
    tol_gap : float
        For solving, and for an endpoint to be proved optimal.
    resume : path, optional
        A file that keeps what is done: the solution, every finished training, and about every
        five seconds the one in progress.  If it exists, the comparison goes on from it, as if it
        had not been cut off (endpoints are certified again); it may ask for further methods and
        widths.  Each time it is written whole or not at all.
    callback : callable, optional
        Given a :class:`ComparisonProgress` before each training, after each of its records, and
        in each round of the solve.

    Returns
    -------
    Comparison
        Gaps are to the solution's proved lower bound; if it was not closed they are too large,
        never too small.  Ctrl-C returns what is there.

    Raises
    ------
    InvalidProblem
        For unknown methods, widths below 1, problems of another form or a foreign solution; for a
        file to resume that is of another problem, of other settings, or of trainings that are not
        asked for.
    InvalidFile
        For a file to resume that is damaged, no comparison, or cannot be written.
    MissingDependency
        Without torch.
    """
    chosen = chosen_settings(problem, methods, steps)
    for word, several in (("widths", widths), ("seeds", seeds)):
        if not isinstance(several, Sequence):
            raise InvalidProblem(f"{word}: expected a sequence of integers, found {several!r}.")
    plans: Plans = {
        (name, width): replace(settings, width=width, seeds=tuple(seeds))
        for name, settings in chosen.items() for width in widths
    }  # fmt: skip
    if not plans:
        raise InvalidProblem("methods, widths: expected at least one of each.")
    if solution is not None and not _same(solution.problem, problem):
        raise InvalidProblem("solution: it is that of another problem.")
    # Refuse what cannot be trained before solving, and let torch load before seconds are taken:
    # its modules must not be left half imported by Ctrl-C.
    with interruptible():
        for settings in chosen.values():
            train(problem, replace(settings, width=1, steps=1))
    kept = None if resume is None else _opened(resume, problem, tol_gap, plans)
    clock = _Clock(len(plans), callback)
    if solution is None:
        solution = None if kept is None else kept.solution
    with remembered_interrupts() as asked:
        if solution is None:
            solution = solve(problem, tol_gap=tol_gap, callback=clock.solving)
        is_whole = not asked() or solution.termination is not Termination.INTERRUPTED
        if kept is not None and is_whole:
            kept.keep_solution(solution)
    if asked():
        return Comparison(solution, (), {}, Termination.INTERRUPTED)
    return _trained(problem, plans, solution, tol_gap, kept, clock)


def _trained(
    problem: MeasureProblem, plans: Plans, solution: Solution, tol_gap: float,
    kept: ComparisonFile | None, clock: _Clock,
) -> Comparison:  # fmt: skip
    done: list[tuple[tuple[str, int], TrainingRun, list[Endpoint]]] = []
    termination = Termination.ROUND_LIMIT
    proved = solution.certificate.dual_value
    try:
        for number, (key, settings) in enumerate(plans.items()):
            begun = None if kept is None else kept.runs.get(key)
            written = time.perf_counter()
            clock.training(number, key, settings, begun, proved)

            def monitor(run: TrainingRun, number: int = number, key: tuple[str, int] = key) -> bool:
                nonlocal written
                clock.training(number, key, run.settings, run, proved)
                if kept is None or time.perf_counter() - written < _PATIENCE:
                    return False
                with remembered_interrupts() as asked:
                    kept.keep_run(key, run)
                written = time.perf_counter()
                return asked()

            run = train(problem, settings, resume=begun, monitor=monitor)
            with remembered_interrupts() as asked:
                if kept is not None and (begun is None or run.step > begun.step):
                    kept.keep_run(key, run)
                ends = [
                    _endpoint(key[0], run, i, problem, solution, tol_gap)
                    for i in range(len(settings.seeds))
                ]
                done.append((key, run, ends))
            if asked() or run.termination is Termination.INTERRUPTED:
                termination = Termination.INTERRUPTED
                break
    except KeyboardInterrupt:
        termination = Termination.INTERRUPTED
    return Comparison(
        solution, tuple(end for _, _, ends in done for end in ends),
        {key: run for key, run, _ in done}, termination,
    )  # fmt: skip


class _Clock:
    """Reports to the callback, with the seconds since the beginning."""

    def __init__(self, total: int, callback: Callback | None) -> None:
        self.total, self.callback, self.begin = total, callback, time.perf_counter()

    def solving(self, progress: Progress) -> None:
        self._report(0, "solving", progress.round, 0, progress.gap)

    def training(
        self, done: int, key: tuple[str, int], settings: TrainingSettings, run: TrainingRun | None,
        proved: float,
    ) -> None:  # fmt: skip
        gap = np.nan
        if run is not None and np.isfinite(proved):
            gap = float(
                np.min(run.suboptimality(proved)[-1], initial=np.inf, where=run.diverged_at < 0)
            )
        step = 0 if run is None else run.step
        self._report(done, f"{key[0]}, width {key[1]}", step, settings.steps, gap)

    def _report(self, done: int, task: str, step: int, steps: int, gap: float) -> None:
        if self.callback is not None:
            seconds = time.perf_counter() - self.begin
            self.callback(ComparisonProgress(done, self.total, task, step, steps, gap, seconds))


def _opened(
    resume: str | os.PathLike[str], problem: MeasureProblem, tol_gap: float, plans: Plans
) -> ComparisonFile:
    """The file to go on from, if it fits what is asked for."""
    kept = ComparisonFile(resume, tol_gap)
    if kept.tol_gap != tol_gap:
        raise InvalidProblem(
            f"resume: {resume} was made with tol_gap={kept.tol_gap!r}, asked for is {tol_gap!r}; "
            "choose another file."
        )
    if kept.solution is not None and not _same(kept.solution.problem, problem):
        raise InvalidProblem(f"resume: {resume} is of another problem; choose another file.")
    for key, run in kept.runs.items():
        if key not in plans:
            raise InvalidProblem(
                f"resume: {resume} holds {key[0]}, width {key[1]}, which is not asked for; ask for it "
                "as well, or choose another file."
            )
        try:  # no step is done; other settings, or fewer steps than there are, are refused
            train(problem, replace(plans[key], steps=min(run.step, plans[key].steps)), resume=run)
        except InvalidProblem as error:
            raise InvalidProblem(f"{error} ({key[0]}, width {key[1]} in {resume})") from None
    return kept


def _same(a: MeasureProblem, b: MeasureProblem) -> bool:
    arrays, words = (
        ("X", "y", "sample_weight"),
        ("lam", "loss", "ball", "activation", "bias", "skip", "outputs"),
    )
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in arrays) and all(
        getattr(a, name) == getattr(b, name) for name in words
    )


def _endpoint(
    name: str, run: TrainingRun, i: int, problem: MeasureProblem, solution: Solution, tol_gap: float
) -> Endpoint:
    settings = run.settings
    begin = (name, settings.width, settings.seeds[i], run.step)
    if run.diverged_at[i] >= 0:
        return Endpoint(*begin, float("nan"), float("nan"), "DIVERGED", None, None)
    certificate = certify(problem, run.networks()[i], dual=solution.dual, tol_gap=tol_gap)
    return Endpoint(
        *begin, certificate.primal_value, certificate.relative_gap, certificate.verdict.name,
        certificate.improvement, int(run.record.neurons[-1, i]),
    )  # fmt: skip
