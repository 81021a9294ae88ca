"""From a problem to a certified solution."""

from measurelp.solving.certifying import certify
from measurelp.solving.diagnosis import Diagnosis, diagnose
from measurelp.solving.entry import solve
from measurelp.solving.largest_lam import lam_max
from measurelp.solving.progress import Callback, Progress
from measurelp.solving.solution import Solution, load_solution

__all__ = [
    "Callback", "Diagnosis", "Progress", "Solution", "certify", "diagnose", "lam_max",
    "load_solution", "solve",
]  # fmt: skip
