"""The algebra of finitely supported measures: total variation, merging, pruning."""

from measurelp.measure.atomic import AtomicMeasure, Skip

__all__ = ["AtomicMeasure", "Skip"]
