"""The methods of training that are known by a word, with rates that fit the size of the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from measurelp.errors import InvalidProblem
from measurelp.problem import MeasureProblem
from measurelp.training.settings import TrainingSettings
from measurelp.training.trainable import check_trainable


def method_settings(problem: MeasureProblem, *, steps: int = 2000) -> dict[str, TrainingSettings]:
    r"""The methods known by a word: a start, not tuned to any problem.

    With :math:`\alpha` minus the gradient of the loss at the fit 0 (for the squared loss, y), all start
    at directions on the sphere with masses of :math:`M = t|\alpha|_2/|\tilde X|_2` in all, a guess of
    the path norm that is needed: t is the power of two at which the loss of the fit :math:`t\alpha`
    plus lam M is least.  Near balanced weights of path norm M the curvature is about
    :math:`2\kappa M|\tilde X|_2^2` with the loss's own :math:`\kappa`, largest at these two fits, so
    the rate of descent and of conic particles is :math:`h = 1/(8|\tilde X|_2 \max(|\alpha|_2, \kappa
    M|\tilde X|_2) + 4\kappa|S|^2)`, S the columns of the skip.  A loss with kinks has
    :math:`\kappa = 1/t` and h times :math:`10/\sqrt{\text{steps}}`, as subgradients do not shrink
    near the optimum.  With momentum 0.9 it is h/10, with batches of a quarter h/4.  Adam's rate is
    :math:`0.01\sqrt M`; AdamW's not above 0.1/lam, as it decays by that factor of lam whatever the
    loss.  Label noise has a tenth of the targets' root mean square.
    """
    check_trainable(problem)
    mass, rate = _scales(problem)
    if not problem.loss.is_smooth:
        rate *= min(1.0, 10.0 / max(1, steps) ** 0.5)
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
        "label_noise": of("gd", rate, label_noise=0.1 * float(np.sqrt(np.mean(problem.y**2)))),
        "adam": of("adam", adam),
        "adamw": of("adamw", min(adam, 0.1 / problem.lam)),
        "lbfgs": of("lbfgs", 1.0),
        "conic": of("conic", rate, penalty="variation"),
    }


def _scales(problem: MeasureProblem) -> tuple[float, float]:
    """A guess of the path norm, and the rate of descent."""
    size, weight = float(np.linalg.norm(problem.lifted, 2)), problem.sample_weight
    zero = np.zeros(problem.y.shape)
    low, high = problem.loss.dual_ends(zero, problem.y, weight)
    alpha = 0.5 * (low + high)
    length = float(np.linalg.norm(alpha))
    if size * length == 0.0:
        return 1.0, 0.125 / size**2 if size > 0.0 else 1.0
    factors = 2.0 ** np.arange(-60, 21)
    with np.errstate(over="ignore"):
        objectives = [
            problem.loss_value(t * alpha) + problem.lam * t * length / size for t in factors
        ]
    t = float(factors[np.nanargmin(objectives)])
    curvature = 1.0 / t
    if problem.loss.is_smooth:
        bends = [problem.loss.curvatures(fit, problem.y) for fit in (zero, t * alpha)]
        curvature = max(float((weight * bend.T).max()) for bend in bends)
    steepest = 8.0 * size * length * max(1.0, curvature * t)
    steepest += 4.0 * curvature * float(np.sum(problem.skip_columns**2))
    return t * length / size, 1.0 / steepest


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
