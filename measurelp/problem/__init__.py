"""What is asked: data, loss, ball, activation, bias and skip.  Knows numpy only."""

from measurelp.problem.activations import (
    ACTIVATIONS,
    AbsoluteValue,
    Activation,
    GatedReLU,
    LeakyReLU,
    ReLU,
    Threshold,
    activation_document,
    activation_from_document,
)
from measurelp.problem.balls import BALLS, Ball, L2Ball, UnitCount
from measurelp.problem.conventions import TrainedLoss, TrainedPenalty, lam_from_weight_decay
from measurelp.problem.losses import (
    LOSSES,
    Absolute,
    ConeForm,
    Hinge,
    Huber,
    Interpolation,
    Logistic,
    Loss,
    MultinomialLogistic,
    Poisson,
    Quantile,
    Squared,
    SquaredHinge,
)
from measurelp.problem.measure_problem import MeasureProblem, check_measures, check_problem
from measurelp.problem.numbers import (
    check_magnitude,
    finite_matrix,
    float_array,
    positive_number,
    whole_number,
)
from measurelp.problem.polyhedral_balls import L1Ball, LInfBall
from measurelp.problem.row_space import RowSpace, row_space

__all__ = [
    "ACTIVATIONS",
    "BALLS",
    "LOSSES",
    "Absolute",
    "AbsoluteValue",
    "Activation",
    "Ball",
    "ConeForm",
    "GatedReLU",
    "Hinge",
    "Huber",
    "Interpolation",
    "L1Ball",
    "L2Ball",
    "LInfBall",
    "LeakyReLU",
    "Logistic",
    "Loss",
    "MeasureProblem",
    "MultinomialLogistic",
    "Poisson",
    "Quantile",
    "ReLU",
    "RowSpace",
    "Squared",
    "SquaredHinge",
    "Threshold",
    "TrainedLoss",
    "TrainedPenalty",
    "UnitCount",
    "activation_document",
    "activation_from_document",
    "check_magnitude",
    "check_measures",
    "check_problem",
    "finite_matrix",
    "float_array",
    "lam_from_weight_decay",
    "positive_number",
    "row_space",
    "whole_number",
]  # fmt: skip
