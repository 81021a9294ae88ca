"""Steps of training, all seeds in one tensor program.  Importing this file imports torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from measurelp.problem import MeasureProblem
from measurelp.training.settings import TrainingSettings

Matrix = NDArray[np.float64]


class Weights(NamedTuple):
    """Weights and the optimiser's memory at a step, as arrays."""

    hidden: Matrix
    output: Matrix
    memory: dict[str, NDArray[Any]]


def advance(
    problem: MeasureProblem, settings: TrainingSettings, begin: Weights, steps: range, device: str
) -> Weights:
    """The weights after these steps.

    Noise and batches of a step depend on seed and number of the step only, so a run that was cut
    off goes on as if it had not been.
    """
    hidden, output = (
        torch.tensor(array, dtype=torch.float64, device=device) for array in begin[:2]
    )
    data = _Data(problem, settings, device)
    if settings.method == "lbfgs":
        _lbfgs(data, hidden, output, len(steps))
        return Weights(hidden.cpu().numpy(), output.cpu().numpy(), {})
    if settings.method == "conic":
        for step in steps:
            _conic_step(data, hidden, output, step)
        return Weights(hidden.cpu().numpy(), output.cpu().numpy(), {})
    parameters = [hidden.requires_grad_(), output.requires_grad_()]
    optimiser = _optimiser(settings, problem.lam, parameters)
    _remember(optimiser, parameters, begin.memory, device)
    for step in steps:
        optimiser.zero_grad()
        data.objective(hidden, output, step).sum().backward()
        optimiser.step()
        if settings.penalty == "balanced":
            _balance(hidden, output)
    memory = {
        f"{i}.{key}": value.detach().cpu().numpy()
        for i, parameter in enumerate(parameters)
        for key, value in optimiser.state[parameter].items()
        if isinstance(value, torch.Tensor)
    }
    return Weights(hidden.detach().cpu().numpy(), output.detach().cpu().numpy(), memory)


class _Data:
    """The problem's data as tensors, and what a step makes of them."""

    def __init__(self, problem: MeasureProblem, settings: TrainingSettings, device: str) -> None:
        self.settings, self.lam, self.n = settings, problem.lam, problem.n
        self.device = device
        self.rows, self.targets, self.weights = (
            torch.tensor(np.array(array), device=device)
            for array in (problem.lifted, problem.y, problem.sample_weight)
        )

    def of_step(self, step: int) -> tuple[Any, Any, Any]:
        """Rows, targets and factors of the losses, with noise and batches drawn anew."""
        rows, targets, weights = self.rows, self.targets, self.weights
        settings = self.settings
        rngs = [np.random.default_rng([seed, 1, step]) for seed in settings.seeds]
        if settings.label_noise:
            noise = np.array([rng.standard_normal(self.n) for rng in rngs])
            targets = targets + settings.label_noise * torch.tensor(noise, device=self.device)
        if settings.batch_size is not None and settings.batch_size < self.n:
            size = settings.batch_size
            drawn = [rng.choice(self.n, size, replace=False) for rng in rngs]
            index = torch.tensor(np.array(drawn), device=self.device)
            rows, weights = rows[index], weights[index] * (self.n / size)
            targets = targets.expand(len(rngs), self.n).gather(1, index)
        return rows, targets, weights

    def objective(self, hidden: Any, output: Any, step: int) -> Any:
        """What is trained, one number a seed; for AdamW without the penalty."""
        rows, targets, weights = self.of_step(step)
        fit = fitted(rows, hidden, output)
        value = 0.5 * (weights * (fit - targets).square()).sum(dim=-1)
        if self.settings.method == "adamw" or self.settings.penalty == "none":
            return value
        if self.settings.penalty == "variation":
            return value + self.lam * (output.abs() * hidden.norm(dim=-1)).sum(dim=-1)
        squares = output.square().sum(dim=-1) + hidden.square().sum(dim=(-2, -1))
        return value + 0.5 * self.lam * squares


def fitted(rows: Any, hidden: Any, output: Any) -> Any:
    """Networks' values (seeds, n) at rows (n, d') or (seeds, n, d')."""
    active = torch.relu(rows @ hidden.transpose(-1, -2))
    return (active @ output.unsqueeze(-1)).squeeze(-1)


def _optimiser(settings: TrainingSettings, lam: float, parameters: list[Any]) -> Any:
    rate = settings.learning_rate
    if settings.method == "adam":
        return torch.optim.Adam(parameters, lr=rate)
    if settings.method == "adamw":
        return torch.optim.AdamW(parameters, lr=rate, weight_decay=lam)
    return torch.optim.SGD(parameters, lr=rate, momentum=settings.momentum)


def _remember(
    optimiser: Any, parameters: list[Any], memory: Mapping[str, NDArray[Any]], device: str
) -> None:
    for name, array in memory.items():
        i, _, key = name.partition(".")
        where = "cpu" if key == "step" else device
        optimiser.state[parameters[int(i)]][key] = torch.tensor(np.array(array), device=where)


@torch.no_grad()  # type: ignore[untyped-decorator, unused-ignore]
def _balance(hidden: Any, output: Any) -> None:
    length, size = hidden.norm(dim=-1), output.abs()
    both = (length > 0.0) & (size > 0.0)
    factor = torch.where(both, (size / length).sqrt(), torch.ones_like(size))
    hidden *= factor.unsqueeze(-1)
    output /= factor


@torch.no_grad()  # type: ignore[untyped-decorator, unused-ignore]
def _conic_step(data: _Data, directions: Any, masses: Any, step: int) -> None:
    rows, targets, weights = data.of_step(step)
    alpha = weights * (targets - fitted(rows, directions, masses))
    inner = rows @ directions.transpose(-1, -2)
    signs = masses.sign()
    eta = (alpha.unsqueeze(-2) @ torch.relu(inner)).squeeze(-2)
    slope = (alpha.unsqueeze(-1) * (inner > 0.0)).transpose(-1, -2) @ rows
    rate = data.settings.learning_rate
    masses *= torch.exp(-rate * (data.lam - signs * eta))
    directions += rate * signs.unsqueeze(-1) * slope
    directions /= directions.norm(dim=-1, keepdim=True)


def _lbfgs(data: _Data, hidden: Any, output: Any, steps: int) -> None:
    """Seed by seed, in place: line searches differ."""
    for i in range(len(hidden)):
        parameters = [part[i].clone().requires_grad_() for part in (hidden, output)]
        optimiser = torch.optim.LBFGS(
            parameters, lr=data.settings.learning_rate, max_iter=steps, max_eval=20 * steps,
            tolerance_grad=1e-13, tolerance_change=1e-15, line_search_fn="strong_wolfe",
        )  # fmt: skip
        optimiser.step(_closure(data, optimiser, parameters))
        with torch.no_grad():
            hidden[i], output[i] = parameters
            if data.settings.penalty == "balanced":
                _balance(hidden[i], output[i])


def _closure(data: _Data, optimiser: Any, parameters: list[Any]) -> Callable[[], Any]:
    def evaluate() -> Any:
        optimiser.zero_grad()
        hidden, output = parameters
        value = data.objective(hidden, output, 0)
        value.backward()
        return value

    return evaluate
