"""Gradient training of two-layer networks, to be compared with the proved optimum."""

from measurelp.training.files import load_training
from measurelp.training.record import TrainingRecord
from measurelp.training.run import TrainingRun, train
from measurelp.training.settings import TrainingSettings

__all__ = ["TrainingRecord", "TrainingRun", "TrainingSettings", "load_training", "train"]
