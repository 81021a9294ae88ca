"""Families of solutions: along lam, between two lams, and towards small lam and noise."""

from measurelp.paths.breakpoints import path_breakpoints
from measurelp.paths.events import Breakpoints, EventKind, PathEvent, PathSegment
from measurelp.paths.path import SolutionPath, solve_path
from measurelp.paths.splines import fewest_knots
from measurelp.paths.stability_paths import (
    Rate,
    Stability,
    StabilityPath,
    StabilityVerdict,
    stability,
)
from measurelp.paths.stability_steps import StabilityStep

__all__ = [
    "Breakpoints", "EventKind", "PathEvent", "PathSegment", "Rate", "SolutionPath", "Stability",
    "StabilityPath", "StabilityStep", "StabilityVerdict", "fewest_knots", "path_breakpoints",
    "solve_path", "stability",
]  # fmt: skip
