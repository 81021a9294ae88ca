"""Suprema of the dual function over the ball: by angles, by cells, by two branch and bounds."""

from measurelp.oracle.angles import AngleOracle
from measurelp.oracle.base import Budget, Oracle, OracleReport
from measurelp.oracle.branch_and_bound import BranchAndBoundOracle
from measurelp.oracle.cells import CellOracle
from measurelp.oracle.choose import ORACLE_NAMES, choose_oracle
from measurelp.oracle.cones import ConeOracle
from measurelp.oracle.dual_function import DualFunction
from measurelp.oracle.fans import FanOracle
from measurelp.oracle.patterns import PatternOracle
from measurelp.oracle.rays import RayOracle
from measurelp.oracle.signs import SignOracle

__all__ = [
    "ORACLE_NAMES", "AngleOracle", "BranchAndBoundOracle", "Budget", "CellOracle", "ConeOracle",
    "DualFunction", "FanOracle", "Oracle", "OracleReport", "PatternOracle", "RayOracle", "SignOracle",
    "choose_oracle",
]  # fmt: skip
