"""Cone programs over given cells or atoms, and the way back from a solver's vectors."""

from measurelp.program.atoms import AtomLift, FeatureLift, feature_program, formulate_atoms
from measurelp.program.cone_program import ConeProgram
from measurelp.program.formulate import Lift, formulate, measure_from_weights
from measurelp.program.restricted import CellLift, restricted_program

__all__ = [
    "AtomLift", "CellLift", "ConeProgram", "FeatureLift", "Lift", "feature_program", "formulate", "formulate_atoms",
    "measure_from_weights", "restricted_program",
]  # fmt: skip
