"""What the options ask for, completed by what is stored, and the problem itself."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

import click

from measurelp.cli.config import one_of
from measurelp.errors import InvalidFile, InvalidProblem

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from measurelp.network import InputScaler
    from measurelp.problem import Activation, MeasureProblem, TrainedLoss, TrainedPenalty
    from measurelp.problem.combinations import Bias, Outputs, Skip

_PARAMETERS = {"tau": "quantile", "delta": "huber"}


@dataclass(frozen=True)
class Request:
    """What was asked on the command line, or was stored with a solution; None: not said."""

    target: tuple[str, ...] = ()
    outputs: str | None = None
    features: tuple[str, ...] | None = None
    lam: float | None = None
    lam_ratio: float | None = None
    weight_decay: float | None = None
    trained_loss: str = "mean"
    trained_penalty: str = "half_squares"
    standardize: bool = False
    bias: str | None = None
    skip: str | None = None
    loss: str | None = None
    tau: float | None = None
    delta: float | None = None
    ball: str | None = None
    activation: str | None = None
    slope: float | None = None
    gates: str | None = None
    sample_weight: str | None = None
    header: bool | None = None
    delimiter: str = ","
    scaler: InputScaler | None = None

    @classmethod
    def from_options(cls, *, features: str | None, **options: Any) -> Request:
        """The request of parsed options; usage errors end the command here."""
        from measurelp.cli.data import split_names

        names = None if features is None else tuple(split_names("--features", features))
        request = cls(features=names, **one_of(options, "lam", "lam_ratio", "weight_decay"))
        for name in request.target:
            if request.target.count(name) > 1:
                raise click.UsageError(f"--target: the column {name!r} is named twice.")
        for parameter, loss in _PARAMETERS.items():
            if getattr(request, parameter) is not None and request.loss != loss:
                raise click.UsageError(f"--{parameter} is for --loss {loss}; leave it out.")
        if request.slope is not None and request.activation != "leaky_relu":
            raise click.UsageError("--slope is for --activation leaky_relu; leave it out.")
        if request.gates is not None and request.activation != "gated_relu":
            raise click.UsageError("--gates is for --activation gated_relu; leave it out.")
        if request.lam_ratio is not None and request.activation == "gated_relu":
            raise click.UsageError(
                "--lam-ratio: lam_max is about networks, which gated units are not; pass --lam."
            )
        if request.loss == "interpolation" and request.says_lam:
            raise click.UsageError("lam does not enter --loss interpolation; leave it out.")
        for option, value in (
            ("--lam", request.lam), ("--lam-ratio", request.lam_ratio),
            ("--weight-decay", request.weight_decay),
        ):  # fmt: skip
            check_positive(option, value)
        return request

    @property
    def says_lam(self) -> bool:
        """Whether lam was said in one of the three ways."""
        return not (self.lam is self.lam_ratio is self.weight_decay is None)

    def completed_by(self, stored: Mapping[str, Any], *, name: str) -> Request:
        """What was not said, taken from the request stored in the folder ``name``.

        The stored scaler holds whenever the columns are the stored ones.
        """
        from measurelp.network import scaler_from_document

        request = self
        features = stored.get("features")
        if request.features is None and features is not None:
            if not isinstance(features, list):
                raise InvalidFile(f"{name}: the stored entry request.features is damaged.")
            request = replace(request, features=tuple(str(entry) for entry in features))
        target = stored.get("target")
        if not request.target and target is not None:
            named = [target] if isinstance(target, str) else target
            if not isinstance(named, list) or not all(isinstance(one, str) for one in named):
                raise InvalidFile(f"{name}: the stored entry request.target is damaged.")
            request = replace(request, target=tuple(named))
        for field in ("outputs", "bias", "skip", "loss", "sample_weight", "ball", "activation"):
            if getattr(request, field) is None and isinstance(stored.get(field), str):
                request = replace(request, **{field: stored[field]})
        for field, loss in _PARAMETERS.items():
            if request.loss == loss and isinstance(stored.get(field), float):
                request = replace(request, **{field: getattr(request, field) or stored[field]})
        if request.activation == "leaky_relu" and isinstance(stored.get("slope"), float):
            slope = stored["slope"] if request.slope is None else request.slope
            request = replace(request, slope=slope)
        if not request.says_lam and request.loss != "interpolation":
            lam = stored.get("lam")
            request = replace(request, lam=lam if isinstance(lam, float) else None)
        if features is not None and request.features == tuple(features):
            scaler = scaler_from_document({"request": stored}, name=name)
            if scaler is not None:
                request = replace(request, scaler=scaler, standardize=True)
        return request


@dataclass(frozen=True)
class Stated:
    """A problem with the words that its data had on the command line."""

    problem: MeasureProblem
    features: tuple[str, ...]
    targets: tuple[str, ...]
    scaler: InputScaler | None
    lam_max: float | None
    sample_weight: str | None = None

    @property
    def target(self) -> str | list[str]:
        """The target column, or the list of them."""
        return self.targets[0] if len(self.targets) == 1 else list(self.targets)

    @property
    def lam(self) -> float | None:
        """lam, or None where it does not enter."""
        return None if self.problem.loss.is_hard_constraint else self.problem.lam

    @property
    def lam_ratio(self) -> float | None:
        """lam over lam_max where lam_max was computed, else None."""
        if self.lam is None or not self.lam_max:
            return None
        return self.lam / self.lam_max

    def stored(self) -> dict[str, Any]:
        """What a saved solution keeps of the request, as plain data."""
        return {
            "features": list(self.features),
            "target": self.target,
            "outputs": self.problem.outputs,
            "lam": self.lam,
            "lam_max": self.lam_max,
            "bias": self.problem.bias,
            "skip": self.problem.skip,
            "loss": self.problem.loss.name,
            **{name: getattr(self.problem.loss, name, None) for name in _PARAMETERS},
            **self._units(),
            "sample_weight": self.sample_weight,
            "centre": None if self.scaler is None else self.scaler.centre.tolist(),
            "scale": None if self.scaler is None else self.scaler.scale.tolist(),
        }

    def _units(self) -> dict[str, Any]:
        """The norm and the activation in words; a threshold unit has no norm."""
        ball = self.problem.ball.name
        gates = getattr(self.problem.activation, "gates", None)
        return {
            "ball": None if ball == "count" else ball,
            "activation": self.problem.activation.name,
            "slope": getattr(self.problem.activation, "slope", None),
            "gates": None if gates is None else len(gates),
        }

    def facts(self) -> dict[str, Any]:
        """The entry "problem" of the JSON that the commands print."""
        return {
            "n": self.problem.n,
            "d": self.problem.d,
            "features": list(self.features),
            "target": self.target,
            "outputs": self.problem.outputs,
            "standardized": self.scaler is not None,
            "loss": self.problem.loss.name,
            **{name: getattr(self.problem.loss, name, None) for name in _PARAMETERS},
            **self._units(),
            "sample_weight": self.sample_weight,
            "bias": self.problem.bias,
            "skip": self.problem.skip,
            "lam": self.lam,
            "lam_max": self.lam_max,
            "lam_ratio": self.lam_ratio,
        }


def state_problem(path: str, request: Request, *, time_limit: float | None = None) -> Stated:
    """Read the file and state the problem.

    Raises
    ------
    InvalidProblem, InvalidFile
        Naming the option, or the line and column, and what to do.
    """
    from measurelp.cli.data import listed
    from measurelp.cli.sources import read_source
    from measurelp.network import InputScaler
    from measurelp.problem import (
        ACTIVATIONS,
        BALLS,
        LOSSES,
        GatedReLU,
        MeasureProblem,
        lam_from_weight_decay,
    )

    given = {name: getattr(request, name) for name in _PARAMETERS}
    loss = LOSSES[request.loss or "squared"](
        **{name: value for name, value in given.items() if value is not None}
    )
    ball = None if request.ball is None else BALLS[request.ball]()
    if request.activation == "gated_relu":
        activation: Activation = GatedReLU(_gates(request))
    else:
        slope = {} if request.slope is None else {"slope": request.slope}
        activation = ACTIVATIONS[request.activation or "relu"](**slope)
    table = read_source(path, header=request.header, delimiter=request.delimiter)
    if not request.target:
        raise InvalidProblem(
            f"--target: missing; name the column of {path} to predict: {listed(table.names)}."
        )
    if not loss.is_hard_constraint and not request.says_lam:
        raise InvalidProblem("--lam: missing; pass --lam L, or --lam-ratio R for R times lam_max.")
    for name in request.target:
        table.position(name, option="--target")
    features = request.features
    if features is None:
        others = {*request.target, request.sample_weight}
        features = tuple(name for name in table.names if name not in others)
        if not features:
            raise InvalidProblem(f"--features: {path} has no column besides the target.")
    for name in features:
        table.position(name, option="--features")
    for name in request.target:
        if name in features:
            raise InvalidProblem(f"--features: {name!r} is the target; leave it out.")
    y = table.numbers(request.target)
    weight = None
    if request.sample_weight is not None:
        table.position(request.sample_weight, option="--sample-weight")
        weight = table.numbers([request.sample_weight])[:, 0]
    X = table.numbers(features)
    scaler = request.scaler
    if scaler is None and request.standardize:
        try:
            scaler = InputScaler.from_data(X, names=features)
        except InvalidProblem as error:
            raise InvalidProblem(f"--standardize: {error}") from None
    if scaler is not None:
        X = scaler.apply(X)
    lam = request.lam
    if request.lam_ratio is not None:
        lam = 1.0
    if request.weight_decay is not None:
        lam = lam_from_weight_decay(
            request.weight_decay, n=len(y), loss=cast("TrainedLoss", request.trained_loss),
            penalty=cast("TrainedPenalty", request.trained_penalty),
        )  # fmt: skip
    problem = MeasureProblem(
        X, y, lam=lam, loss=loss, ball=ball, activation=activation, sample_weight=weight,
        outputs=cast("Outputs", request.outputs or "joint"),
        bias=cast("Bias", request.bias or "penalized"), skip=cast("Skip", request.skip or "none"),
    )  # fmt: skip
    largest = None
    if request.lam_ratio is not None:
        from measurelp.solving import lam_max

        largest = lam_max(problem, time_limit=time_limit)
        if not largest > 0.0:
            raise InvalidProblem(
                "--lam-ratio: lam_max is 0, because the skip alone (or zero) fits every target; "
                "there is nothing to train. Pass --lam if the trivial answer is wanted."
            )
        problem = problem.with_lam(request.lam_ratio * largest)
    return Stated(problem, features, request.target, scaler, largest, request.sample_weight)


def _gates(request: Request) -> NDArray[np.float64] | None:
    """The gate vectors in the file that was named, one a row."""
    from measurelp.cli.sources import read_source

    if request.gates is None:
        return None
    table = read_source(request.gates, header=request.header, delimiter=request.delimiter)
    return table.numbers(table.names)


def check_positive(option: str, value: float | None) -> None:
    """Raise InvalidProblem unless the value is missing or a finite number > 0."""
    if value is not None and not (math.isfinite(value) and value > 0.0):
        raise InvalidProblem(f"{option}: expected a finite number > 0, found {value}.")


def numbers(option: str, text: str) -> list[float]:
    """The numbers of an option that takes several; InvalidProblem names the option."""
    try:
        return [float(word) for word in text.split(",")]
    except ValueError:
        raise InvalidProblem(
            f"{option}: expected numbers separated by commas, found {text!r}."
        ) from None
