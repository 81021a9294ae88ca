"""Gradient training of two-layer networks, to be compared with the proved optimum."""

from measurelp.training.comparison import Comparison, Endpoint, compare, method_settings
from measurelp.training.files import load_training
from measurelp.training.record import TrainingRecord
from measurelp.training.run import TrainingRun, train
from measurelp.training.settings import TrainingSettings

__all__ = [
    "Comparison", "Endpoint", "TrainingRecord", "TrainingRun", "TrainingSettings", "compare",
    "load_training", "method_settings", "train",
]  # fmt: skip
