"""Cone programs over given cells or atoms, and the way back from a solver's vectors."""

from measurelp.program.cone_program import ConeProgram
from measurelp.program.restricted import CellLift, restricted_program

__all__ = ["CellLift", "ConeProgram", "restricted_program"]
