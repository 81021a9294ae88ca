r"""An exact stationary point near a numerical one, by Newton's method and Kantorovich's theorem.

With the faces of the atoms held fixed (columns B_k, coordinates u_k) and skip columns S, a
solution and its dual vector satisfy

.. math:: \sum_k B_k u_k + S c + \kappa\alpha = y,\qquad
          B_k^\top\alpha = \lambda u_k/|u_k|,\qquad S^\top\alpha = 0,

kappa = 1 for least squares and 0 for interpolation.  Newton's method converges to rounding; if
with an approximate inverse A of the Jacobian J the numbers
:math:`\eta = |A G|,\ \beta = |I - AJ| + |A| L\rho` (L the Lipschitz constant of J) satisfy
:math:`\eta \le (1-\beta)\rho`, then an exact solution lies within rho.  Its atoms are then
linearly independent on the data, because J is regular nearby.

Interpolation leaves alpha open where the columns have a smaller rank than there are data.  It is then
sought in the span of the columns, from a given vector: the one closest to that vector.  The fit is
solved for the targets nearest to y; how far these are is reported.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import qr

from measurelp.certificate.peaks import Matrix, Peak, Vector

_ROUNDOFF = 2.0**-53
_STEPS = 8
_DEPENDENT = 1e-9


@dataclass(frozen=True, eq=False)
class StationaryPoint:
    """A numerical point and how far an exact one is at most.

    Attributes
    ----------
    masses : (k,) array
        Not signed; positive.
    alpha : (n,) array
    mass_error, alpha_error : float
        Bounds on the distance of the exact masses and of the exact alpha, in 2-norms.
    target_shift : float
        How far the targets for which it is exact are from the given ones (2-norm); 0 unless
        interpolation has fewer unknowns than data.
    """

    masses: Vector
    alpha: Vector
    mass_error: float
    alpha_error: float
    target_shift: float


def stationary_point(
    rows: Matrix,
    skip: Matrix,
    y: Vector,
    lam: float,
    peaks: list[Peak],
    active: NDArray[np.bool_],
    masses: Vector,
    alpha: Vector,
    *,
    hard: bool,
    row_error: float,
) -> StationaryPoint | None:
    """Converge from given masses and alpha on the faces of ``peaks``; None without a proof.

    ``active`` (n, k) tells which data points are active at each; ``row_error`` is the relative
    error of ``rows`` (n, r) as coordinates of the data.  With ``hard``, the alpha that is found is
    the one closest to the given one among all that are stationary on these faces.
    """
    n, p = len(y), skip.shape[1]
    blocks = face_columns(rows, peaks, active)
    sizes = [block.shape[1] for block in blocks]
    ends = np.concatenate([[0], np.cumsum(sizes)]).astype(int)
    f = int(ends[-1])
    unit = np.concatenate([
        *(np.full(size, mass) for size, mass in zip(sizes, masses, strict=True)),
        np.ones(p) * max(float(np.linalg.norm(masses)), 1e-300),
    ])  # fmt: skip
    columns = np.hstack([*blocks, skip]) * unit
    u = np.concatenate([
        *(np.linalg.lstsq(peak.face, peak.point, rcond=None)[0] for peak in peaks), np.zeros(p)
    ])  # fmt: skip
    if p:
        rest = y - columns @ u - (0.0 if hard else 1.0) * alpha
        u[f:] = np.linalg.lstsq(columns[:, f:], rest, rcond=None)[0]
    q = f + p
    # alpha = start + spread z.  Where the columns do not span everything, alpha moves in their
    # span only, and so do the equations of the fit.
    span, angle = _spanning(columns) if hard else (columns, 0.0)
    thin = hard and span.shape[1] < n
    size = float(np.linalg.norm(alpha)) or 1.0
    start, spread = (alpha, span) if thin else (np.zeros(n), np.eye(n) * size)
    z = np.zeros(span.shape[1]) if thin else alpha / size
    top = span.T @ columns if thin else columns
    couple = np.zeros((len(top), len(z)))
    if not hard:
        couple = spread
    bottom = columns.T @ spread

    def residual(x: Vector) -> Vector:
        now, dual = x[:q], start + spread @ x[q:]
        fit = columns @ now - y
        first = span.T @ fit if thin else (fit if hard else fit + dual)
        slope = np.zeros(q)
        for k in range(len(peaks)):
            part = slice(ends[k], ends[k + 1])
            slope[part] = lam * masses[k] * now[part] / np.linalg.norm(now[part])
        return np.concatenate([first, columns.T @ dual - slope])

    def jacobian(x: Vector) -> Matrix:
        bent = np.zeros((q, q))
        for k in range(len(peaks)):
            part = slice(ends[k], ends[k + 1])
            length = float(np.linalg.norm(x[part]))
            along = x[part] / length
            bent[part, part] = (
                -lam * masses[k] / length * (np.eye(sizes[k]) - np.outer(along, along))
            )
        return np.block([[top, couple], [bent, bottom]])

    x = np.concatenate([u, z])
    for _ in range(_STEPS):
        if not all(np.linalg.norm(x[ends[k] : ends[k + 1]]) > 0.1 for k in range(len(peaks))):
            return None
        matrix = jacobian(x)
        if not np.isfinite(matrix).all():
            return None
        try:
            step = np.linalg.solve(matrix, residual(x))
        except np.linalg.LinAlgError:
            return None
        x = x - step
        if float(np.linalg.norm(step)) <= 1e-14 * float(np.linalg.norm(x)):
            break
    if not np.isfinite(x).all():
        return None
    try:
        inverse = np.linalg.inv(jacobian(x))
    except np.linalg.LinAlgError:
        return None
    # Rounding: sums of at most n + q products, and rows that are coordinates up to row_error.
    relative = (2.0 * (n + q) + 32.0) * _ROUNDOFF + row_error
    weight = np.abs(jacobian(x))
    if thin:
        weight[: len(top), :q] = np.abs(span).T @ np.abs(columns)
        weight[len(top) :, q:] = weight[: len(top), :q].T
    scale = np.abs(span).T @ np.abs(y) if thin else np.abs(y)
    fixed = np.concatenate([scale, np.abs(columns).T @ np.abs(start) + lam * unit[:q]])
    charged = relative * (weight @ np.abs(x) + fixed)
    moved = float(np.linalg.norm(inverse @ residual(x)))
    moved += float(np.linalg.norm(np.abs(inverse) @ charged)) * 1.01
    norm = float(np.linalg.norm(inverse[:, len(top) :], 2)) * 1.01  # J varies in these rows only
    off = float(np.linalg.norm(np.eye(len(x)) - inverse @ jacobian(x)))
    off += 2.0 * relative * float(np.linalg.norm(np.abs(inverse) @ weight))
    radius = 2.0 * moved
    lengths = np.array([np.linalg.norm(x[ends[k] : ends[k + 1]]) for k in range(len(peaks))])
    shortest = float(lengths.min(initial=1.0)) - radius
    if not (radius < 0.1 and shortest > 0.1):
        return None
    # The Hessian of the Euclidean norm has Lipschitz constant at most 3 / |u|^2.
    bend = 3.0 * lam * float(masses.max(initial=0.0)) / shortest**2
    if not off + norm * bend * radius <= 0.5:
        return None
    dual = start + spread @ x[q:]
    reach = float(np.linalg.norm(spread, 2)) * 1.01
    rounding = relative * float(np.linalg.norm(np.abs(start) + np.abs(spread) @ np.abs(x[q:])))
    shift = 0.0
    if thin:
        # The span is the columns' up to an angle.
        rounding += angle * float(np.linalg.norm(x[q:]))
        shift = float(np.linalg.norm(columns @ x[:q] - y))
        shift += relative * float(np.linalg.norm(np.abs(columns) @ np.abs(x[:q]) + np.abs(y)))
        shift += radius * float(np.linalg.norm(columns, 2))
    return StationaryPoint(
        masses=masses * lengths, alpha=dual, mass_error=radius * float(masses.max(initial=0.0)),
        alpha_error=radius * reach + rounding, target_shift=shift,
    )  # fmt: skip


def face_columns(rows: Matrix, peaks: list[Peak], active: NDArray[np.bool_]) -> list[Matrix]:
    """For each peak what a step on its face changes at the data, (n, f): s D X B."""
    return [peak.sign * (active[:, k, None] * (rows @ peak.face)) for k, peak in enumerate(peaks)]


def _spanning(columns: Matrix) -> tuple[Matrix, float]:
    """An orthonormal basis of the span up to rounding, and a bound on the sine of the angle between."""
    scale = np.linalg.norm(columns, axis=0)
    unit = columns / np.where(scale > 0.0, scale, 1.0)
    basis, triangle, _ = qr(unit, mode="economic", pivoting=True)
    size = np.abs(np.diagonal(triangle))
    rank = int(np.sum(size > _DEPENDENT * size.max(initial=0.0)))
    inverse = np.linalg.inv(triangle[:rank, :rank]) if rank else np.zeros((0, 0))
    angle = 64.0 * sum(columns.shape) * _ROUNDOFF * float(np.linalg.norm(inverse))
    return np.asarray(basis[:, :rank]), angle
