"""From a problem to a certified solution."""

from measurelp.solving.certifying import certify
from measurelp.solving.diagnosis import Diagnosis, diagnose
from measurelp.solving.entry import solve
from measurelp.solving.largest_lam import lam_max
from measurelp.solving.progress import Callback, Progress
from measurelp.solving.solution import Solution, load_solution
from measurelp.solving.stability_paths import (
    Rate,
    Stability,
    StabilityPath,
    StabilityVerdict,
    stability,
)
from measurelp.solving.stability_steps import StabilityStep

__all__ = [
    "Callback", "Diagnosis", "Progress", "Rate", "Solution", "Stability", "StabilityPath", "StabilityStep",
    "StabilityVerdict", "certify", "diagnose", "lam_max",
    "load_solution", "solve", "stability",
]  # fmt: skip
