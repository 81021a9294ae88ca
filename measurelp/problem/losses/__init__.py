"""Losses, one subclass of :class:`Loss` each."""

from measurelp.problem.losses.absolute import Absolute, Huber, Quantile
from measurelp.problem.losses.base import Loss
from measurelp.problem.losses.cone_form import ConeForm, ConeRows
from measurelp.problem.losses.interpolation import Interpolation
from measurelp.problem.losses.margin import Hinge, Logistic, MarginLoss, SquaredHinge
from measurelp.problem.losses.multinomial import MultinomialLogistic
from measurelp.problem.losses.poisson import Poisson
from measurelp.problem.losses.squared import Squared

LOSSES: dict[str, type[Loss]] = {
    loss.name: loss
    for loss in (
        Squared, Interpolation, Absolute, Quantile, Huber, Hinge, SquaredHinge, Logistic, Poisson,
        MultinomialLogistic,
    )
}  # fmt: skip

__all__ = [
    "LOSSES", "Absolute", "ConeForm", "ConeRows", "Hinge", "Huber", "Interpolation", "Logistic",
    "Loss", "MarginLoss", "MultinomialLogistic", "Poisson", "Quantile", "Squared", "SquaredHinge",
]  # fmt: skip
