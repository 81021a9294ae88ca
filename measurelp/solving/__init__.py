"""From a problem to a certified solution."""

from measurelp.solving.progress import Callback, Progress
from measurelp.solving.solution import Solution, load_solution
from measurelp.solving.cell_generation import lam_max, solve

__all__ = ["Callback", "Progress", "Solution", "lam_max", "load_solution", "solve"]
