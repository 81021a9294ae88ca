"""Steps of training, all seeds in one tensor program.  Importing this file imports torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from measurelp.problem import MeasureProblem
from measurelp.training._torch_losses import costs_of
from measurelp.training.settings import TrainingSettings
from measurelp.training.start import Weights

Memory = dict[str, NDArray[Any]]


def advance(
    problem: MeasureProblem, settings: TrainingSettings, weights: Weights, memory: Memory,
    steps: range, device: str,
) -> tuple[Weights, Memory]:  # fmt: skip
    """The weights and the optimiser's memory after these steps.

    Noise and batches of a step depend on seed and number of the step only, so a run that was cut
    off goes on as if it had not been.
    """
    parameters = [torch.tensor(part, dtype=torch.float64, device=device) for part in weights]
    data = _Data(problem, settings, device)
    if settings.method == "lbfgs":
        _lbfgs(data, parameters, len(steps))
        return _arrays(parameters), {}
    if settings.method == "conic":
        for step in steps:
            _conic_step(data, *parameters, step)
        return _arrays(parameters), {}
    parameters = [part.requires_grad_() for part in parameters]
    optimiser = _optimiser(settings, problem.lam, parameters)
    _remember(optimiser, parameters, memory, device)
    for step in steps:
        optimiser.zero_grad()
        data.objective(parameters, step).sum().backward()
        optimiser.step()
        if settings.penalty == "balanced":
            _balance(*parameters[:2])
    memory = {
        f"{i}.{key}": value.detach().cpu().numpy()
        for i, parameter in enumerate(parameters)
        for key, value in optimiser.state[parameter].items()
        if isinstance(value, torch.Tensor)
    }
    return _arrays(parameters), memory


def _arrays(parameters: list[Any]) -> Weights:
    return Weights(*(part.detach().cpu().numpy() for part in parameters))


class _Data:
    """The problem's data as tensors, and what a step makes of them; targets are (n, c)."""

    def __init__(self, problem: MeasureProblem, settings: TrainingSettings, device: str) -> None:
        self.settings, self.lam, self.n = settings, problem.lam, problem.n
        self.device = device
        self.costs = costs_of(problem.loss)
        self.rows, self.columns, self.targets, self.weights = (
            torch.tensor(np.array(array), device=device)
            for array in (
                problem.lifted, problem.skip_columns, problem.y.reshape(problem.n, -1),
                problem.sample_weight,
            )
        )  # fmt: skip

    def of_step(self, step: int) -> tuple[Any, Any, Any, Any]:
        """Rows, skip columns, targets and factors of the losses, with noise and batches drawn anew."""
        rows, columns, targets, weights = self.rows, self.columns, self.targets, self.weights
        settings = self.settings
        rngs = [np.random.default_rng([seed, 1, step]) for seed in settings.seeds]
        if settings.label_noise:
            noise = np.array([rng.standard_normal(targets.shape) for rng in rngs])
            targets = targets + settings.label_noise * torch.tensor(noise, device=self.device)
        if settings.batch_size is not None and settings.batch_size < self.n:
            size = settings.batch_size
            drawn = [rng.choice(self.n, size, replace=False) for rng in rngs]
            index = torch.tensor(np.array(drawn), device=self.device)
            rows, columns = rows[index], columns[index]
            weights = weights[index] * (self.n / size)
            targets = targets.expand(len(rngs), *targets.shape[-2:])
            targets = torch.take_along_dim(targets, index.unsqueeze(-1), dim=1)
        return rows, columns, targets, weights

    def loss(self, fit: Any, targets: Any, weights: Any) -> Any:
        """The weighted loss of fits (seeds, n, c), one number a seed."""
        return (weights * self.costs(fit, targets).sum(dim=-1)).sum(dim=-1)

    def objective(self, parameters: list[Any], step: int) -> Any:
        """What is trained, one number a seed; for AdamW without the penalty."""
        rows, columns, targets, weights = self.of_step(step)
        hidden, output, skip = parameters
        masses = by_output(output)
        fit = torch.relu(rows @ hidden.mT) @ masses + columns @ by_output(skip)
        value = self.loss(fit, targets, weights)
        if self.settings.method == "adamw" or self.settings.penalty == "none":
            return value
        if self.settings.penalty == "variation":
            return value + self.lam * (masses.norm(dim=-1) * hidden.norm(dim=-1)).sum(dim=-1)
        squares = masses.square().sum(dim=(-2, -1)) + hidden.square().sum(dim=(-2, -1))
        return value + 0.5 * self.lam * squares


def by_output(output: Any) -> Any:
    """Weights (seeds, k) or (seeds, k, c) as (seeds, k, c), the same memory."""
    return output if output.ndim == 3 else output.unsqueeze(-1)


def _optimiser(settings: TrainingSettings, lam: float, parameters: list[Any]) -> Any:
    rate = settings.learning_rate
    if settings.method == "adam":
        return torch.optim.Adam(parameters, lr=rate)
    if settings.method == "adamw":
        free = {"params": parameters[2:], "weight_decay": 0.0}
        return torch.optim.AdamW([{"params": parameters[:2]}, free], lr=rate, weight_decay=lam)
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
    masses = by_output(output)
    length, size = hidden.norm(dim=-1, keepdim=True), masses.norm(dim=-1, keepdim=True)
    both = (length > 0.0) & (size > 0.0)
    factor = torch.where(both, (size / length).sqrt(), torch.ones_like(size))
    hidden *= factor
    masses /= factor


@torch.no_grad()  # type: ignore[untyped-decorator, unused-ignore]
def _conic_step(data: _Data, directions: Any, output: Any, skip: Any, step: int) -> None:
    rows, columns, targets, weights = data.of_step(step)
    masses, coefficients = by_output(output), by_output(skip)
    inner = rows @ directions.mT
    active = torch.relu(inner)
    alpha = _minus_gradient(data, active @ masses + columns @ coefficients, targets, weights)
    size = masses.norm(dim=-1, keepdim=True)
    signs = _over(masses, size)
    values = active.mT @ alpha  # F at the directions
    eta = (signs * values).sum(dim=-1, keepdim=True)
    slope = ((inner > 0.0) * (alpha @ signs.mT)).mT @ rows
    rate = data.settings.learning_rate
    signs += rate * (values - eta * signs)  # with one output a sign stays as it is
    masses.copy_(
        size * torch.exp(-rate * (data.lam - eta)) * _over(signs, signs.norm(dim=-1, keepdim=True))
    )
    coefficients += rate * (columns.mT @ alpha)
    directions += rate * slope
    directions /= directions.norm(dim=-1, keepdim=True)


def _minus_gradient(data: _Data, fit: Any, targets: Any, weights: Any) -> Any:
    """The dual vectors (seeds, n, c) of fits."""
    with torch.enable_grad():
        fit = fit.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(data.loss(fit, targets, weights).sum(), fit)
    return -gradient


def _over(vectors: Any, size: Any) -> Any:
    """Vectors over their sizes, 0 where the size is."""
    return vectors / torch.where(size > 0.0, size, torch.ones_like(size))


def _lbfgs(data: _Data, everyone: list[Any], steps: int) -> None:
    """Seed by seed, in place: line searches differ."""
    for i in range(len(everyone[0])):
        own = [part[i : i + 1] for part in everyone]
        parameters = [part.clone().requires_grad_() for part in own]
        optimiser = torch.optim.LBFGS(
            parameters, lr=data.settings.learning_rate, max_iter=steps, max_eval=20 * steps,
            tolerance_grad=1e-13, tolerance_change=1e-15, line_search_fn="strong_wolfe",
        )  # fmt: skip
        optimiser.step(_closure(data, optimiser, parameters))
        with torch.no_grad():
            for part, trained in zip(own, parameters, strict=True):
                part.copy_(trained)
            if data.settings.penalty == "balanced":
                _balance(*own[:2])


def _closure(data: _Data, optimiser: Any, parameters: list[Any]) -> Callable[[], Any]:
    def evaluate() -> Any:
        optimiser.zero_grad()
        value = data.objective(parameters, 0).sum()
        value.backward()
        return value

    return evaluate
