"""From a problem to a certified solution."""

from measurelp.solving.entry import solve
from measurelp.solving.largest_lam import lam_max
from measurelp.solving.progress import Callback, Progress
from measurelp.solving.solution import Solution, load_solution

__all__ = ["Callback", "Progress", "Solution", "lam_max", "load_solution", "solve"]
