"""The methods of training that are known by a word, with rates that fit the size of the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from measurelp.errors import InvalidProblem
from measurelp.problem import MeasureProblem
from measurelp.training.settings import TrainingSettings


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


def chosen_settings(
    problem: MeasureProblem, methods: Sequence[str] | Mapping[str, TrainingSettings], steps: int
) -> dict[str, TrainingSettings]:
    """Settings by name, of words or of settings of one's own; their width and seeds say nothing yet."""
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
