"""Gradient training over methods, widths and seeds, each endpoint against the proved optimum."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from measurelp.certificate import Improvement
from measurelp.errors import InvalidProblem
from measurelp.problem import MeasureProblem
from measurelp.solving import Solution, certify, solve
from measurelp.status import Termination
from measurelp.training.run import TrainingRun, train
from measurelp.training.settings import TrainingSettings

THRESHOLDS = (1e-2, 1e-3, 1e-4)


@dataclass(frozen=True, eq=False)
class Endpoint:
    """Where one run ended.

    Attributes
    ----------
    method : str
    width, seed, steps : int
    objective : float
        Of the problem, at the network's measure; nan for a run that diverged.
    relative_gap : float
        To the proved lower bound; nan for a run that diverged.  Never less than the truth.
    verdict : str
        Of :func:`measurelp.certify`, "OPTIMAL", "REFUTED" or "BRACKETED"; "DIVERGED".
    improvement : Improvement or None
        For REFUTED, direction and mass whose addition lowers the objective, recomputed; on a neuron
        that is there, a change of its mass.
    neurons : int or None
        Distinct ones.
    """

    method: str
    width: int
    seed: int
    steps: int
    objective: float
    relative_gap: float
    verdict: str
    improvement: Improvement | None
    neurons: int | None


@dataclass(frozen=True, eq=False)
class Comparison:
    """All endpoints, the runs with their records, and the solution they are held against.

    Attributes
    ----------
    solution : Solution
    endpoints : tuple of Endpoint
        By method, width and seed.
    runs : dict of (method, width) to TrainingRun
    termination : Termination
        ROUND_LIMIT when all runs were made; INTERRUPTED by Ctrl-C: what is there is true.
    """

    solution: Solution
    endpoints: tuple[Endpoint, ...]
    runs: dict[tuple[str, int], TrainingRun]
    termination: Termination

    def fractions(self, method: str, width: int) -> dict[float, float]:
        """Shares of the seeds whose proved relative gap is at most 1e-2, 1e-3 and 1e-4."""
        gaps = np.array([e.relative_gap for e in self._of(method, width)])
        return {limit: float(np.mean(gaps <= limit)) for limit in THRESHOLDS}  # NaN: not within

    def table(self) -> str:
        """One line a method and width."""
        lines = [
            f"{'method':<14}{'width':>6}{'best gap':>11}{'median':>11}"
            + "".join(f"{f'<={limit:g}':>9}" for limit in THRESHOLDS)
            + f"{'neurons':>9}{'proved':>8}{'refuted':>9}{'diverged':>10}"
        ]
        for method, width in self.runs:
            ends = self._of(method, width)
            gaps = [e.relative_gap for e in ends if e.verdict != "DIVERGED"]
            found = [e.neurons for e in ends if e.neurons is not None]
            middle = (
                f"{min(gaps):>11.2e}{np.median(gaps):>11.2e}" if gaps else f"{'-':>11}{'-':>11}"
            )
            count = {
                v: sum(e.verdict == v for e in ends) for v in ("OPTIMAL", "REFUTED", "DIVERGED")
            }
            lines.append(
                f"{method:<14}{width:>6}{middle}"
                + "".join(f"{share:>9.2f}" for share in self.fractions(method, width).values())
                + (f"{np.median(found):>9g}" if found else f"{'-':>9}")
                + f"{count['OPTIMAL']:>8}{count['REFUTED']:>9}{count['DIVERGED']:>10}"
            )
        certificate = self.solution.certificate
        lines.append(
            f"optimum: {certificate.primal_value:.9g} with {len(self.solution.measure)} neurons, "
            f"{certificate.verdict.name}, relative gap {certificate.relative_gap:.2e}"
        )
        return "\n".join(lines)

    def facts(self) -> list[dict[str, Any]]:
        """Endpoints as plain data; None for what is unknown."""
        return [
            {
                "method": e.method, "width": e.width, "seed": e.seed, "steps": e.steps,
                "objective": _known(e.objective), "relative_gap": _known(e.relative_gap),
                "verdict": e.verdict, "neurons": e.neurons,
                "improvement": None if e.improvement is None else {
                    "weight": e.improvement.weight.tolist(), "mass": e.improvement.mass,
                    "objective": e.improvement.objective,
                },
            }
            for e in self.endpoints
        ]  # fmt: skip

    def csv(self) -> str:
        """The endpoints as a table of comma-separated values, without improving neurons."""
        stream = io.StringIO()
        rows = [{k: v for k, v in fact.items() if k != "improvement"} for fact in self.facts()]
        names = [
            "method", "width", "seed", "steps", "objective", "relative_gap", "verdict", "neurons",
        ]  # fmt: skip
        writer = csv.DictWriter(stream, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        return stream.getvalue()

    def __repr__(self) -> str:
        return f"Comparison({len(self.endpoints)} endpoints, {self.termination.name})"

    def _of(self, method: str, width: int) -> list[Endpoint]:
        return [e for e in self.endpoints if (e.method, e.width) == (method, width)]


def method_settings(problem: MeasureProblem, *, steps: int = 2000) -> dict[str, TrainingSettings]:
    r"""The methods known by a word: a start, not tuned to any problem.

    With :math:`M = |y|_2/|\tilde X|_2`, a guess of the path norm that is needed, all start at
    directions on the sphere with masses of :math:`\pm M` in all.  Near balanced weights of path
    norm M the curvature is about :math:`2M|\tilde X|_2^2`, so the rate of descent and of conic
    particles is :math:`h = 1/(8|\tilde X|_2|y|_2)`; h/10 with momentum 0.9, h/4 with batches of a
    quarter.  Adam's is :math:`0.01\sqrt M`; AdamW's not above 0.1/lam, as it decays by that factor of
    lam whatever the loss.  Label noise has a tenth of the targets' root mean square.
    """
    size, target = float(np.linalg.norm(problem.lifted, 2)), float(np.linalg.norm(problem.y))
    mass = target / size if size * target > 0.0 else 1.0
    rate = 0.125 / (size**2 * mass) if size > 0.0 else 1.0
    adam = 0.01 * mass**0.5
    common: dict[str, Any] = {
        "width": 1, "steps": steps, "record_every": max(1, steps // 20), "start": "mean_field",
        "scale": mass,
    }  # fmt: skip

    def of(method: str, learning_rate: float, **others: Any) -> TrainingSettings:
        return TrainingSettings(method=method, learning_rate=learning_rate, **common, **others)  # type: ignore[arg-type]

    return {
        "gd": of("gd", rate),
        "sgd": of("gd", 0.25 * rate, batch_size=max(1, problem.n // 4)),
        "momentum": of("gd", 0.1 * rate, momentum=0.9),
        "label_noise": of("gd", rate, label_noise=0.1 * target / problem.n**0.5),
        "adam": of("adam", adam),
        "adamw": of("adamw", min(adam, 0.1 / problem.lam)),
        "lbfgs": of("lbfgs", 1.0),
        "conic": of("conic", rate, penalty="variation"),
    }


def compare(
    problem: MeasureProblem, methods: Sequence[str] | Mapping[str, TrainingSettings], widths: Sequence[int],
    seeds: Sequence[int], *, steps: int = 2000, solution: Solution | None = None,
    tol_gap: float = 1e-6, callback: Callable[[str], None] | None = None,
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
    callback : callable, optional
        Given a line before each training.

    Returns
    -------
    Comparison
        Gaps are to the solution's proved lower bound; if it was not closed they are too large,
        never too small.  Ctrl-C returns what is there.

    Raises
    ------
    InvalidProblem
        For unknown methods, widths below 1, problems of another form or a foreign solution.
    MissingDependency
        Without torch.
    """
    chosen = _chosen(problem, methods, steps)
    for word, several in (("widths", widths), ("seeds", seeds)):
        if not isinstance(several, Sequence):
            raise InvalidProblem(f"{word}: expected a sequence of integers, found {several!r}.")
    plans = {
        (name, width): replace(settings, width=width, seeds=tuple(seeds))
        for name, settings in chosen.items() for width in widths
    }  # fmt: skip
    if not plans:
        raise InvalidProblem("methods, widths: expected at least one of each.")
    if solution is None:
        first = next(iter(plans.values()))
        train(problem, replace(first, steps=0))  # refuse what cannot be trained before solving
        solution = solve(problem, tol_gap=tol_gap)
    elif not _same(solution.problem, problem):
        raise InvalidProblem("solution: it is that of another problem.")
    ends: list[Endpoint] = []
    runs: dict[tuple[str, int], TrainingRun] = {}
    termination = Termination.ROUND_LIMIT
    try:
        for (name, width), settings in plans.items():
            if callback is not None:
                callback(f"{name}, width {width}, {len(settings.seeds)} seeds")
            run = train(problem, settings)
            found = [
                _endpoint(name, run, i, problem, solution, tol_gap)
                for i in range(len(settings.seeds))
            ]
            runs[name, width] = run
            ends += found
            if run.termination is Termination.INTERRUPTED:
                termination = Termination.INTERRUPTED
                break
    except KeyboardInterrupt:
        termination = Termination.INTERRUPTED
    return Comparison(solution, tuple(ends), runs, termination)


def _chosen(
    problem: MeasureProblem, methods: Sequence[str] | Mapping[str, TrainingSettings], steps: int
) -> dict[str, TrainingSettings]:
    if isinstance(methods, Mapping):
        for name, settings in methods.items():
            if not isinstance(settings, TrainingSettings):
                raise InvalidProblem(
                    f"methods[{name!r}]: expected TrainingSettings, found {settings!r}."
                )
        return dict(methods)
    known = method_settings(problem, steps=steps)
    names = [methods] if isinstance(methods, str) else list(methods)
    unknown = [name for name in names if name not in known]
    if unknown:
        raise InvalidProblem(f"methods: expected some of {', '.join(known)}, found {unknown[0]!r}.")
    return {name: known[name] for name in names}


def _same(a: MeasureProblem, b: MeasureProblem) -> bool:
    same = all(
        np.array_equal(getattr(a, name), getattr(b, name)) for name in ("X", "y", "sample_weight")
    )
    return same and repr(a) == repr(b) and a.lam == b.lam


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


def _known(value: float) -> float | None:
    return value if np.isfinite(value) else None
