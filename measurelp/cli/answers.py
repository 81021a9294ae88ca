"""Certificates in words for people and as plain data for programs."""

from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING, Any

from measurelp.certificate.facts import certificate_facts as certificate_facts
from measurelp.certificate.facts import number as number
from measurelp.cli.errors import terminal_width

if TYPE_CHECKING:
    from measurelp.certificate import Certificate
    from measurelp.cli.request import Stated
    from measurelp.problem import MeasureProblem
    from measurelp.solving import Diagnosis

_BIAS = {
    "penalized": "penalised bias",
    "none": "no bias",
    "free": "free bias",
}
_SKIP = {"none": "no skip", "constant": "free constant", "affine": "free affine part"}
_ACTIVATION = {
    "leaky_relu": "leaky ReLU of slope {slope:g}",
    "absolute_value": "absolute value units",
    "threshold": "threshold units",
    "gated_relu": "linear units behind fixed gates",
}
_LOSS = {
    "squared": "half the sum of squares",
    "interpolation": "interpolation",
    "absolute": "absolute deviations",
    "quantile": "quantile loss, tau = {tau:g}",
    "huber": "Huber's loss, delta = {delta:g}",
    "hinge": "hinge loss",
    "squared_hinge": "squared hinge loss",
    "logistic": "logistic loss",
    "poisson": "Poisson loss",
    "multinomial_logistic": "multinomial logistic loss",
}


def _units(problem: MeasureProblem) -> list[str]:
    """The norm and the activation, where they are not the l2 norm and the ReLU."""
    words = []
    if problem.ball.name in ("l1", "linf"):
        words.append(f"{problem.ball.name} norm")
    if problem.activation.name != "relu":
        slope = getattr(problem.activation, "slope", None)
        words.append(_ACTIVATION[problem.activation.name].format(slope=slope))
    return words


def problem_lines(stated: Stated) -> list[tuple[str, str]]:
    """The rows of the table that say what was asked."""
    shown = ", ".join(stated.features[:8]) + (", ..." if len(stated.features) > 8 else "")
    scaled = "; standardised" if stated.scaler is not None else ""
    problem = stated.problem
    loss = _LOSS[problem.loss.name].format(**vars(problem.loss))
    if stated.sample_weight is not None:
        loss += f" weighted by {stated.sample_weight}"
    rows = [
        (
            "problem",
            f"{problem.n} rows, {problem.d} inputs ({shown}{scaled}), "
            + (
                f"target {stated.target}"
                if len(stated.targets) == 1
                else f"{len(stated.targets)} {problem.outputs} targets {', '.join(stated.targets)}"
            ),
        ),
        ("model", ", ".join((loss, *_units(problem), _BIAS[problem.bias], _SKIP[problem.skip]))),
    ]
    if stated.lam is not None:
        ratio = ""
        if stated.lam_max is not None:
            ratio = f" ({stated.lam_ratio:.6g} of lam_max = {stated.lam_max:.6g})"
        rows.append(("lam", f"{stated.lam:.8g}{ratio}"))
    return rows


def certificate_lines(certificate: Certificate, words: str | None = None) -> list[tuple[str, str]]:
    """The rows of the table that say what was proved; ``words`` stand for the verdict's own."""
    lower, upper = certificate.sup
    verdict = ("verdict", f"{certificate.verdict.name}: {words or certificate.verdict.value}")
    if certificate.verdict.name == "INFEASIBLE":
        return [verdict, ("reason", certificate.message)]
    rows = [
        verdict,
        ("primal", f"{certificate.primal_value:.12g}"),
        ("dual", f"{certificate.dual_value:.12g}"),
        ("relative gap", f"{certificate.relative_gap:.2e} (asked for {certificate.tol_gap:.0e})"),
        (
            "sup |eta|",
            f"in [{lower:.10g}, {upper:.10g}], to be at most {certificate.limit:.10g}",
        ),
    ]
    if certificate.message:
        rows.append(("reason", certificate.message))
    better = certificate.improvement
    if better is not None:
        entries = ", ".join(f"{w:.6g}" for w in better.weight)
        parts = ", ".join(
            f"{float(c):.6g}"
            for c in ([better.mass] if isinstance(better.mass, float) else better.mass)
        )
        mass = parts if isinstance(better.mass, float) else f"({parts})"
        words = (
            f"adding the neuron {mass} <w, x>_+ with w = ({entries}) lowers the "
            f"objective to {better.objective:.12g}"
        )
        rows.append(("better", words))
    return rows


_REMEDIES = (
    ("as trained", "as_trained", "with the weights as they are: half the sum of their squares"),
    ("rebalanced", "rebalanced", "after rescaling neurons"),
    ("merged", "merged", "after merging neurons that can share"),
    ("pruned", "pruned", "after pruning to independent neurons"),
    ("within cells", "within_cells", "at best by moving neurons within their cells"),
    ("best known", "best", "of the best network found"),
)


def diagnosis_facts(diagnosis: Diagnosis) -> dict[str, Any]:
    """The diagnosis without its certificate as JSON data."""
    lower, upper = diagnosis.suboptimality
    return {
        "standing": diagnosis.standing.name,
        "suboptimality_percent": [number(lower), number(upper)],
        "is_balanced": diagnosis.is_balanced,
        "is_stationary": diagnosis.is_stationary,
        "imbalance": number(diagnosis.imbalance),
        **{field: number(getattr(diagnosis, field)) for _, field, _ in _REMEDIES},
        "merged_width": diagnosis.merged_width,
        "pruned_width": diagnosis.pruned_width,
    }


def diagnosis_lines(diagnosis: Diagnosis) -> list[tuple[str, str]]:
    """The rows of the table that say why a network is not optimal."""
    lower, upper = diagnosis.suboptimality
    rows = [
        ("standing", f"{diagnosis.standing.name}: {diagnosis.standing.value}"),
        ("suboptimal", f"the optimum is {lower:.4g} to {upper:.4g} % below, proved"),
    ]
    for name, field, words in _REMEDIES:
        value = getattr(diagnosis, field)
        if math.isfinite(value):
            rows.append((name, f"{value:.12g} {words}"))
    return rows


def table(rows: list[tuple[str, str]]) -> str:
    """Two columns, the second wrapped."""
    width = max(len(name) for name, _ in rows) + 2
    room = max(20, terminal_width() - width)
    lines = []
    for name, text in rows:
        wrapped = textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False)
        for k, part in enumerate(wrapped or [""]):
            lines.append(f"{name if k == 0 else '':<{width}}{part}")
    return "\n".join(lines)
