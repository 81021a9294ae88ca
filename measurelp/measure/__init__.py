"""The algebra of finitely supported measures: total variation, merging, pruning."""

from measurelp.measure.atomic import AtomicMeasure, Skip
from measurelp.measure.merge import merge_atoms
from measurelp.measure.prune import Pruned, prune_to_extreme_point

__all__ = ["AtomicMeasure", "Pruned", "Skip", "merge_atoms", "prune_to_extreme_point"]
