"""Suprema of the dual function over the ball: by angles, by cells, by branch and bound."""

from measurelp.oracle.angles import AngleOracle
from measurelp.oracle.base import Budget, DualFunction, Oracle, OracleReport
from measurelp.oracle.cells import CellOracle
from measurelp.oracle.choose import ORACLE_NAMES, choose_oracle
from measurelp.oracle.cones import ConeOracle

__all__ = [
    "ORACLE_NAMES", "AngleOracle", "Budget", "CellOracle", "ConeOracle", "DualFunction",
    "Oracle", "OracleReport", "choose_oracle",
]  # fmt: skip
