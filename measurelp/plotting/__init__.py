"""Pictures, drawn with matplotlib: every function takes ``ax`` and returns it.

matplotlib is imported when the first picture is drawn; ``pip install 'measurelp[plot]'`` brings
it.  Colours are told apart by everybody: vermilion is positive, blue negative.
"""

from measurelp.plotting.cells import plot_cells
from measurelp.plotting.certificate import plot_certificate, plot_dual_function
from measurelp.plotting.comparison import (
    plot_final_gaps,
    plot_neurons_found,
    plot_success,
    plot_training_gaps,
)
from measurelp.plotting.cover import plot_cover
from measurelp.plotting.curves import plot_gap, plot_path, plot_widths
from measurelp.plotting.fit import plot_fit
from measurelp.plotting.recovery import plot_recovery
from measurelp.plotting.weights import plot_balance, plot_singular_values, plot_weights

__all__ = [
    "plot_balance", "plot_cells", "plot_certificate", "plot_cover", "plot_dual_function",
    "plot_final_gaps", "plot_fit", "plot_gap", "plot_neurons_found", "plot_path", "plot_recovery",
    "plot_singular_values", "plot_success", "plot_training_gaps", "plot_weights", "plot_widths",
]  # fmt: skip
