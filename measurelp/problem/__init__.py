"""What is asked: data, loss, ball, activation, bias and skip.  Knows numpy only."""

from measurelp.problem.activations import Activation, ReLU
from measurelp.problem.balls import Ball, L2Ball
from measurelp.problem.losses import LOSSES, Interpolation, Loss, Squared
from measurelp.problem.measure_problem import MeasureProblem, finite_matrix
from measurelp.problem.row_space import RowSpace, row_space

__all__ = [
    "LOSSES", "Activation", "Ball", "Interpolation", "L2Ball", "Loss", "MeasureProblem", "ReLU",
    "RowSpace", "Squared", "finite_matrix", "row_space",
]  # fmt: skip
