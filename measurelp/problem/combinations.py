"""Which combinations of loss, ball, activation, bias, skip and outputs there is a theory for, and why not others."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from measurelp.errors import InvalidProblem
from measurelp.problem.activations import Activation, GatedReLU
from measurelp.problem.balls import Ball, L2Ball, UnitCount
from measurelp.problem.losses import Loss

Bias = Literal["none", "penalized", "free"]
Skip = Literal["none", "constant", "affine"]
Outputs = Literal["joint", "separate"]

_EXAMPLES = {"loss": "Squared()", "ball": "L2Ball()", "activation": "ReLU()"}


def check_instances(loss: object, ball: object, activation: object) -> None:
    """Refuse classes, words and other things in the place of instances."""
    for name, value, kind in (
        ("loss", loss, Loss), ("ball", ball, Ball), ("activation", activation, Activation)
    ):  # fmt: skip
        if isinstance(value, type) or not isinstance(value, kind):
            raise InvalidProblem(
                f"{name}: expected an instance such as mlp.{_EXAMPLES[name]}, found {value!r}."
            )


def ball_of_units(ball: Ball, activation: Activation) -> Ball:
    """The ball in which units of this kind are counted; refuse a norm where none enters."""
    if not activation.is_homogeneous:
        if not isinstance(ball, (L2Ball, UnitCount)):
            raise InvalidProblem(
                f"ball: a {activation.name} unit does not depend on the length of its weight, so "
                f"no norm enters; leave ball out, found {ball!r}."
            )
        return UnitCount()
    if isinstance(ball, UnitCount):
        raise InvalidProblem(
            f"ball: {activation.name} units grow with their weights, which must have a norm; "
            "choose L2Ball(), L1Ball() or LInfBall()."
        )
    return ball


def check_combination(
    loss: Loss,
    ball: Ball,
    activation: Activation,
    bias: Bias,
    skip: Skip,
    outputs: Outputs,
    inputs: NDArray[np.float64],
    targets: NDArray[np.float64],
) -> None:
    """Refuse what has no solution, no proof or no algorithm, with the reason."""
    if isinstance(activation, GatedReLU):
        _check_gated(activation, ball, bias, targets, inputs)
    if targets.ndim == 2 and outputs == "joint":
        _check_joint(loss, ball, activation)
    if outputs == "separate" and loss.couples_outputs:
        raise InvalidProblem(
            f'outputs: "separate" solves one problem an output, and the {loss.name} loss couples '
            'them; use outputs="joint".'
        )
    if bias == "free" and skip == "none":
        if not activation.is_homogeneous:
            raise InvalidProblem(
                f'bias="free" with skip="none": a {activation.name} unit has no norm in which its '
                'bias could count; bias="penalized" is the same problem.'
            )
        raise InvalidProblem(
            'bias="free" with skip="none": the infimum is not attained (a constant is the '
            "limit of units whose kinks run off to infinity, at a cost that tends to 0). "
            'Choose skip="constant" or skip="affine", or bias="penalized".'
        )


def _check_gated(
    activation: GatedReLU, ball: Ball, bias: Bias, targets: NDArray[np.float64],
    inputs: NDArray[np.float64],
) -> None:  # fmt: skip
    """Refuse what the gated model is not stated for."""
    if ball.name != "l2":
        raise InvalidProblem(
            f"ball: gated units are a group lasso in the l2 norm; use mlp.L2Ball(), found {ball.name}."
        )
    if targets.ndim == 2:
        raise InvalidProblem(
            f"y: gated units are solved for one output, found {targets.shape[1]} columns; solve them one by one."
        )
    if bias == "free":
        raise InvalidProblem(
            "bias: behind a fixed gate a bias outside the norm costs nothing, so gates would fit "
            'steps for free; choose bias="penalized" or bias="none".'
        )
    width = inputs.shape[1] + (bias == "penalized")
    if activation.gates is not None and activation.gates.shape[1] != width:
        raise InvalidProblem(
            f"gates: expected {width} columns, as many as hidden weights have entries, found "
            f"{activation.gates.shape[1]}."
        )


def _check_joint(loss: Loss, ball: Ball, activation: Activation) -> None:
    """Refuse what joint outputs have no proof or no algorithm for."""
    if activation.name != "relu":
        raise InvalidProblem(
            f"activation: joint outputs are solved for mlp.ReLU() only, found {activation.name}; use "
            'it or outputs="separate".'
        )
    if ball.name != "l2":
        raise InvalidProblem(
            f"ball: joint outputs are bounded over the l2 ball only, found {ball.name}; use mlp.L2Ball() "
            'or outputs="separate".'
        )
    if not (loss.is_smooth or loss.is_hard_constraint):
        raise InvalidProblem(
            f"loss: joint outputs are solved for smooth losses and mlp.Interpolation(), found {loss.name}, "
            'which has kinks; use one of them or outputs="separate".'
        )
