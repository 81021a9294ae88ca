"""From a problem to a certified solution."""

from measurelp.solving.breakpoints import path_breakpoints
from measurelp.solving.certifying import certify
from measurelp.solving.diagnosis import Diagnosis, diagnose
from measurelp.solving.entry import solve
from measurelp.solving.gated import gated_relaxation
from measurelp.solving.gated_units import GatedRelaxation
from measurelp.solving.label_noise import LabelNoiseOptimum, label_noise_optimum
from measurelp.solving.largest_lam import LamBracket, lam_max, lam_max_bracket
from measurelp.solving.path import SolutionPath, solve_path
from measurelp.solving.path_events import Breakpoints, EventKind, PathEvent, PathSegment
from measurelp.solving.progress import Callback, Progress
from measurelp.solving.solution import Solution, load_solution
from measurelp.solving.splines import fewest_knots
from measurelp.solving.stability_paths import (
    Rate,
    Stability,
    StabilityPath,
    StabilityVerdict,
    stability,
)
from measurelp.solving.stability_steps import StabilityStep

__all__ = [
    "Breakpoints", "Callback", "Diagnosis", "EventKind", "GatedRelaxation", "LabelNoiseOptimum", "LamBracket", "PathEvent", "PathSegment", "Progress",
    "Rate", "Solution", "SolutionPath", "Stability", "StabilityPath", "StabilityStep",
    "StabilityVerdict", "certify", "diagnose", "fewest_knots", "gated_relaxation", "label_noise_optimum", "lam_max", "lam_max_bracket", "load_solution",
    "path_breakpoints", "solve", "solve_path", "stability",
]  # fmt: skip
