"""Suprema of the dual function over the ball: by angles, by cells, by branch and bound."""

from measurelp.oracle.angles import AngleOracle
from measurelp.oracle.base import Budget, DualFunction, Oracle, OracleReport
from measurelp.oracle.cones import ConeOracle

__all__ = ["AngleOracle", "Budget", "ConeOracle", "DualFunction", "Oracle", "OracleReport"]
