"""The data's hyperplanes and their cells; knows nothing of targets, losses or regularisation."""

from .arrangement import Arrangement, CoordinateChange
from .cells import Cells
from .enumeration import count_cells, enumerate_cells, iter_cells
from .sampling import sample_cells

__all__ = [
    "Arrangement",
    "Cells",
    "CoordinateChange",
    "count_cells",
    "enumerate_cells",
    "iter_cells",
    "sample_cells",
]
