"""What a comparison of gradient training with the proved optimum comes to: endpoints, shares, tables."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import Any

import numpy as np

from measurelp.certificate import Improvement
from measurelp.solving import Solution
from measurelp.status import Termination
from measurelp.training.run import TrainingRun

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


@dataclass(frozen=True)
class ComparisonProgress:
    """What a callback is given; as a string, one line for people.

    Attributes
    ----------
    done, total : int
        Trainings (a method and a width each) that are finished, and all.
    task : str
        What is being done.
    step, steps : int
        Of this training; rounds, and 0, while the problem is being solved.
    gap : float
        Relative: the best seed's to the proved bound, or that of the solve.
    seconds : float
        Since the beginning.
    """

    done: int
    total: int
    task: str
    step: int
    steps: int
    gap: float
    seconds: float

    @property
    def fraction(self) -> float:
        """The share of the trainings' steps that is done, each training counted alike."""
        part = self.step / self.steps if self.steps else 0.0
        return min(1.0, (self.done + part) / self.total)

    def __str__(self) -> str:
        words = [f"{self.task}, round {self.step}"]
        if self.steps:
            words = [
                f"{self.task} ({self.done + 1} of {self.total})",
                f"step {self.step} of {self.steps}",
            ]
        if not np.isnan(self.gap):
            words.append(f"gap {self.gap:.2e}")
        return " | ".join([*words, f"{self.seconds:.1f} s"])


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
        ROUND_LIMIT when all runs were made; INTERRUPTED by Ctrl-C: what is there is true, and the
        last run may have fewer steps.
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
                    "weight": e.improvement.weight.tolist(),
                    "mass": np.asarray(e.improvement.mass).tolist(), "objective": e.improvement.objective,
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


def _known(value: float) -> float | None:
    return value if np.isfinite(value) else None
