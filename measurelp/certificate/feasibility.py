"""Can the data be interpolated at all?  A proof when they cannot."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from measurelp.arrangement import Arrangement
from measurelp.problem import Interpolation, MeasureProblem


def interpolation_obstacle(problem: MeasureProblem) -> NDArray[np.float64] | None:
    r"""A vector q with :math:`\eta_q\equiv0`, orthogonal to the skip, and <q, y> > 0, or None.

    If such a q exists then <q, f(X)> = 0 for every network f, so no network interpolates y;
    otherwise one does.  Write row i as :math:`o_i\kappa_i` times its line, o_i = +-1: the
    kink of eta on line l vanishes iff the sum of :math:`q_i\kappa_i` over its rows does, and
    what is left is the linear function :math:`-\sum_{o_i=-1}q_i\kappa_i\,\mathrm{line}`,
    which must vanish too.  A row alone on its line therefore has q_i = 0.

    Which rows are parallel is decided exactly, once with the data read as the decimals they
    print as, and once as the doubles they are.  Targets that a change within the tolerance of
    :class:`~measurelp.Interpolation` makes consistent are no obstacle.
    """
    tolerance = problem.loss.tolerance if isinstance(problem.loss, Interpolation) else 1e-8
    for numbers in ("decimal", "binary"):
        q = _obstacle(problem, Arrangement.from_data(problem.lifted, numbers=numbers), tolerance)
        if q is not None:
            return q
    return None


def _obstacle(
    problem: MeasureProblem, arrangement: Arrangement, tolerance: float
) -> NDArray[np.float64] | None:
    lifted, line = problem.lifted, arrangement.line_of_row
    count = np.bincount(line[line >= 0], minlength=max(arrangement.n_lines, 1))
    shared = np.flatnonzero((line < 0) | (count[np.maximum(line, 0)] > 1))
    if len(shared) == 0:
        return None
    rows, orientation = lifted[shared], arrangement.orientation[shared].astype(np.float64)
    size = np.linalg.norm(rows, axis=1)
    lines, position = np.unique(line[shared], return_inverse=True)
    kinks = np.zeros((len(lines), len(shared)))
    kinks[position, np.arange(len(shared))] = np.where(orientation != 0.0, size, 0.0)
    linear = np.where(orientation < 0.0, 1.0, 0.0)[None, :] * rows.T
    constraints = np.vstack([kinks, linear, problem.skip_columns[shared].T])
    return null_obstacle(constraints, shared, problem.y, tolerance)


def null_obstacle(
    constraints: NDArray[np.float64], samples: NDArray[np.intp], y: NDArray[np.float64],
    tolerance: float,
) -> NDArray[np.float64] | None:  # fmt: skip
    """The part of the targets of some samples that all constraints (m, s) annul; None if there is none."""
    scaled = constraints / np.maximum(np.linalg.norm(constraints, axis=1, keepdims=True), 1e-300)
    _, singular, right = np.linalg.svd(scaled, full_matrices=True)
    rank = int(np.sum(singular > 1e-10 * max(singular[0], 1e-300))) if len(singular) else 0
    null = right[rank:]
    part = null.T @ (null @ y[samples])
    if float(np.max(np.abs(part), initial=0.0)) <= tolerance * float(np.abs(y).max()):
        return None
    q = np.zeros(y.shape)
    q[samples] = part
    return q
