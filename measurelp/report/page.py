"""From a solution to a page of HTML with everything in it."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from measurelp._optional import require
from measurelp._version import __version__
from measurelp.certificate import Uniqueness
from measurelp.certificate.facts import certificate_facts, number
from measurelp.certificate.uniqueness import is_plain
from measurelp.errors import InvalidProblem
from measurelp.measure import mass_sizes
from measurelp.network import InputScaler
from measurelp.network.files import write_file
from measurelp.paths import Stability
from measurelp.report import scenes
from measurelp.solving import Solution
from measurelp.status import Verdict

_MOST_NEURONS, _MOST_INPUTS = 200, 12
_BADGES = {
    Verdict.OPTIMAL: "proved optimal",
    Verdict.REFUTED: "not optimal",
    Verdict.BRACKETED: "bracketed",
    Verdict.INFEASIBLE: "infeasible",
    Verdict.UNVERIFIED: "nothing proved",
}


def write_report(
    solution: Solution,
    path: str | os.PathLike[str],
    *,
    features: Sequence[str] | None = None,
    target: str = "y",
    source: str | None = None,
    scaler: InputScaler | None = None,
    uniqueness: Uniqueness | None = None,
    stability: Stability | None = None,
    overwrite: bool = False,
) -> None:
    """Write a page about a solution: one file that needs no other and no network.

    What was asked, the answer in words, the bracket, the network as a table and a picture, the
    certificate's landscape to rotate and zoom, what is known of uniqueness, and how to reproduce
    it all.  The numbers are those of the solution's certificate, every digit of them in
    ``<data value>`` and once more as JSON in the page.

    Parameters
    ----------
    solution : Solution
    path
        The file to write, whole or not at all.
    features : sequence of str, optional
        Names of the inputs; x1, x2, ... if left out.
    target : str
        Name of the target.
    source : str, optional
        The folder in which the solution is saved, for the instructions.
    scaler : InputScaler, optional
        What standardised the inputs before they were solved; the page says so and how to undo it.
    uniqueness : Uniqueness, optional
        What :func:`measurelp.uniqueness` said of this solution.
    stability : Stability, optional
        What :func:`measurelp.stability` said of its problem.
    overwrite : bool
        Replace an existing file.

    Raises
    ------
    InvalidFile
        If the file exists or cannot be written.
    InvalidProblem
        If there is not one name an input.
    MissingDependency
        If plotly or jinja2 is not installed (``pip install 'measurelp[report]'``).

    Examples
    --------
    >>> import tempfile, pathlib, measurelp as mlp
    >>> solution = mlp.solve(mlp.MeasureProblem([[3.0, 4.0]], [2.0], lam=0.5, bias="none"))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder) / "report.html"
    ...     mlp.write_report(solution, file)
    ...     "proved optimal" in file.read_text(encoding="utf-8")
    True
    """
    text = report_html(
        solution, features=features, target=target, source=source, scaler=scaler,
        uniqueness=uniqueness, stability=stability,
    )  # fmt: skip
    write_file(path, text.encode("utf-8"), overwrite=overwrite)


def report_html(
    solution: Solution,
    *,
    features: Sequence[str] | None = None,
    target: str = "y",
    source: str | None = None,
    scaler: InputScaler | None = None,
    uniqueness: Uniqueness | None = None,
    stability: Stability | None = None,
) -> str:
    """The page of :func:`write_report` as text."""
    jinja2 = require("jinja2", extra="report")
    plotly_js = require("plotly.offline", extra="report").get_plotlyjs()
    d = solution.problem.d
    names = [f"x{j + 1}" for j in range(d)] if features is None else [str(f) for f in features]
    if len(names) != d:
        raise InvalidProblem(f"features: expected {d} names, one an input, found {len(names)}.")
    facts = report_facts(solution, names, target, uniqueness, stability)
    pictures: dict[str, Any] = {}
    if solution.certificate.verdict is not Verdict.INFEASIBLE:
        figure, words = scenes.landscape(solution, names)
        pictures["landscape"] = {"html": _div(figure, "landscape"), "words": words}
        axis = f"{names[0]} (standardised)" if scaler is not None else names[0]
        figure, words = scenes.fit(solution, axis, target)
        pictures["fit"] = {"html": _div(figure, "fit"), "words": words}
        if len(solution.measure):
            figure = scenes.weights(solution, names)
            pictures["weights"] = {"html": _div(figure, "weights"), "words": ""}
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.globals["value"] = _value
    template = environment.from_string(
        Path(__file__).with_name("page.html.j2").read_text(encoding="utf-8")
    )
    page: str = template.render(
        facts=facts, badge=_BADGES[solution.certificate.verdict], source=source, target=target,
        answer=_answer(solution), stopped=solution.termination.value, pictures=pictures, neurons=_neurons(solution, names),
        inputs=names[:_MOST_INPUTS], n_more_inputs=max(0, d - _MOST_INPUTS),
        n_more=max(0, len(solution.measure) - _MOST_NEURONS), bias=solution.problem.bias,
        standardised=_standardised(scaler, names), is_worked_out=is_plain(solution.problem),
        uniqueness=uniqueness, stability=stability, plotly_js=jinja2_markup(plotly_js),
        json_text=jinja2_markup(_json(facts)), skip=_skip(solution, names),
    )  # fmt: skip
    return page


def report_facts(
    solution: Solution,
    names: Sequence[str],
    target: str,
    uniqueness: Uniqueness | None,
    stability: Stability | None,
) -> dict[str, Any]:
    """What the page says, as plain data."""
    problem, stats = solution.problem, solution.stats
    data = (problem.X + 0.0).astype("<f8").tobytes() + (problem.y + 0.0).astype("<f8").tobytes()
    return {
        "measurelp": __version__,
        "problem": {
            "n": problem.n, "d": problem.d, "features": list(names), "target": target,
            "loss": problem.loss.name, "ball": problem.ball.name,
            "activation": problem.activation.name, "bias": problem.bias, "skip": problem.skip,
            "lam": None if problem.loss.is_hard_constraint else problem.lam,
        },
        **certificate_facts(solution.certificate),
        "termination": solution.termination.name,
        "neurons": len(solution.measure),
        "total_variation": number(solution.measure.total_variation),
        "rounds": stats.get("rounds"),
        "oracle": stats.get("oracle"),
        "seconds": number(stats.get("seconds")),
        "data_sha256": hashlib.sha256(data).hexdigest(),
        "uniqueness": None if uniqueness is None else {
            "verdict": uniqueness.verdict.name, "message": uniqueness.message,
            "saturated": len(uniqueness.saturated),
            "smallest_singular_value": number(uniqueness.smallest_singular_value),
            "margin": number(uniqueness.margin), "gap_to_next": number(uniqueness.gap_to_next),
        },
        "stability": None if stability is None else {
            "verdict": stability.verdict.name, "message": stability.message,
            "paths": len(stability.paths),
        },
    }  # fmt: skip


def _standardised(scaler: InputScaler | None, names: list[str]) -> list[tuple[str, float, float]]:
    """Name, mean and standard deviation of the inputs that were standardised."""
    if scaler is None:
        return []
    parts = zip(names, scaler.centre.tolist(), scaler.scale.tolist(), strict=True)
    return list(parts)[:_MOST_INPUTS]


def _answer(solution: Solution) -> str:
    """The verdict for somebody who does not know what a cone is."""
    verdict = solution.certificate.verdict
    width = f"{len(solution.measure)} neuron{'' if len(solution.measure) == 1 else 's'}"
    if verdict is Verdict.OPTIMAL:
        return (
            f"The network on this page has {width}, and no two-layer network of any width does better "
            "by more than the gap below. This is proved, over all possible weights, not sampled."
        )
    if verdict is Verdict.REFUTED:
        return (
            f"The network on this page, with {width}, is not optimal: adding the neuron below lowers its "
            "objective."
        )
    if verdict is Verdict.BRACKETED:
        return (
            f"The best network found has {width}. The optimum lies between the two values below; that is "
            "proved, and nothing more is."
        )
    if verdict is Verdict.INFEASIBLE:
        return "No network interpolates these targets. This is proved by a dual vector."
    return "Only a sample of weight space was looked at: nothing is proved about the network on this page."


def _neurons(solution: Solution, names: Sequence[str]) -> list[dict[str, Any]]:
    """Rows of the table, heaviest first: masses, share, unit weights."""
    measure, problem = solution.measure, solution.problem
    if not len(measure):
        return []
    sizes = mass_sizes(measure.masses)
    total = float(sizes.sum())
    shown = min(len(names), _MOST_INPUTS)
    rows = []
    for k in np.argsort(-sizes, kind="stable")[:_MOST_NEURONS]:
        atom = measure.atoms[k]
        rows.append(
            {
                "masses": [float(c) for c in np.atleast_1d(measure.masses[k])],
                "share": float(sizes[k]) / total,
                "weights": [float(w) for w in atom[:shown]],
                "bias": float(atom[-1]) if problem.has_bias else None,
            }
        )
    return rows


def _skip(solution: Solution, names: Sequence[str]) -> list[tuple[str, list[float]]]:
    """The unpenalised part, as pairs of a name and its coefficients."""
    problem, skip = solution.problem, solution.skip
    if problem.skip == "none":
        return []
    constant = [("constant", [float(c) for c in np.atleast_1d(skip.constant)])]
    if problem.skip == "constant":
        return constant
    linear = [
        (name, [float(c) for c in np.atleast_1d(row)])
        for name, row in zip(names, skip.linear, strict=True)
    ]
    return constant + linear[:_MOST_INPUTS]


def _value(number_: float | int | None, digits: int = 9) -> Any:
    """A number for reading, with all its digits for machines."""
    if number_ is None or not math.isfinite(number_):
        return "unknown"
    if isinstance(number_, int):
        return jinja2_markup(f'<data value="{number_}">{number_:,}</data>')
    return jinja2_markup(f'<data value="{number_!r}">{number_:.{digits}g}</data>')


def jinja2_markup(text: str) -> Any:
    """Text that is HTML already."""
    return require("markupsafe", extra="report").Markup(text)


def _json(facts: dict[str, Any]) -> str:
    """JSON that no content can end early."""
    text = json.dumps(facts, indent=1, allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _div(figure: Any, name: str) -> Any:
    """A picture as a division of the page; only what can be turned has buttons."""
    turns = any(trace.type == "surface" for trace in figure.data)
    text: str = require("plotly.io", extra="report").to_html(
        figure, include_plotlyjs=False, full_html=False, div_id=name,
        config={
            "responsive": True, "displaylogo": False, "scrollZoom": "gl3d",
            "displayModeBar": turns,
            **({"modeBarButtons": [["zoom3d", "orbitRotation", "resetCameraDefault3d"]]} if turns else {}),
        },
    )  # fmt: skip
    return jinja2_markup(text)
