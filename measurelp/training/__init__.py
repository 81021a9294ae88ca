"""Gradient training of two-layer networks, to be compared with the proved optimum."""

from measurelp.training.comparing import compare
from measurelp.training.comparison import Comparison, ComparisonProgress, Endpoint
from measurelp.training.files import load_training
from measurelp.training.methods import method_settings
from measurelp.training.record import TrainingRecord
from measurelp.training.run import TrainingRun, train
from measurelp.training.settings import TrainingSettings

__all__ = [
    "Comparison", "ComparisonProgress", "Endpoint", "TrainingRecord", "TrainingRun", "TrainingSettings", "compare",
    "load_training", "method_settings", "train",
]  # fmt: skip
