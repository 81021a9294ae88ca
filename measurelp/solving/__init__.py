"""From a problem to a certified solution."""

from measurelp.solving.certifying import certify
from measurelp.solving.diagnosis import Diagnosis, diagnose
from measurelp.solving.entry import solve
from measurelp.solving.gated import gated_relaxation
from measurelp.solving.gated_units import GatedRelaxation
from measurelp.solving.label_noise import label_noise_optimum
from measurelp.solving.label_noise_result import LabelNoiseOptimum, label_noise_regulariser
from measurelp.solving.largest_lam import LamBracket, lam_max, lam_max_bracket
from measurelp.solving.progress import Callback, Progress
from measurelp.solving.solution import Solution, load_solution

__all__ = [
    "Callback", "Diagnosis", "GatedRelaxation", "LabelNoiseOptimum", "LamBracket", "Progress",
    "Solution", "certify", "diagnose", "gated_relaxation", "label_noise_optimum",
    "label_noise_regulariser", "lam_max",
    "lam_max_bracket", "load_solution", "solve",
]  # fmt: skip
