"""The algebra of finitely supported measures: total variation, merging, pruning."""

from measurelp.measure.atomic import AtomicMeasure, Skip, mass_sizes
from measurelp.measure.merge import merge_atoms
from measurelp.measure.prune import Pruned, prune_to_extreme_point

__all__ = [
    "AtomicMeasure",
    "Pruned",
    "Skip",
    "mass_sizes",
    "merge_atoms",
    "prune_to_extreme_point",
]
