"""Which problems gradients train, and why not others."""

from __future__ import annotations

from measurelp.errors import InvalidProblem
from measurelp.problem import Absolute, Huber, L2Ball, MeasureProblem, Quantile, ReLU, Squared

# Any number is a target of these, so a target with noise is one.
_OF_NUMBERS = (Squared, Absolute, Quantile, Huber)


def check_trainable(problem: MeasureProblem) -> None:
    """Refuse a problem that is not one of finitely many weights with a gradient and weight decay."""
    wrong = {
        "ball": problem.ball.name if not isinstance(problem.ball, L2Ball) else "",
        "activation": problem.activation.name if not isinstance(problem.activation, ReLU) else "",
        "bias": problem.bias if problem.bias == "free" else "",
    }
    for name, found in wrong.items():
        if found:
            raise InvalidProblem(
                f"{name}: training takes ReLU, the Euclidean ball and no free bias; found {found}."
            )
    if problem.loss.is_hard_constraint:
        raise InvalidProblem(
            f"loss: the {problem.loss.name} loss is infinite away from the targets, so it has no "
            "gradient to train by; train the squared loss with a small lam."
        )
    if problem.is_vector and problem.outputs == "separate":
        raise InvalidProblem(
            'outputs: the penalty of "separate" ones is not that of weight decay; choose "joint", or '
            "train problem.column(j) one by one."
        )


def check_label_noise(problem: MeasureProblem) -> None:
    """Refuse noise on labels, counts and class probabilities, which it makes into none."""
    if not isinstance(problem.loss, _OF_NUMBERS):
        raise InvalidProblem(
            f"label_noise: a target of the {problem.loss.name} loss is a label, a count or a "
            "probability, and with noise it is none; choose another method, or one of the losses "
            f"{', '.join(loss.name for loss in _OF_NUMBERS)}."
        )
