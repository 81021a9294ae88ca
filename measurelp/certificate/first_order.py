r"""How an optimal measure begins to move: the bordered system of its optimality conditions.

Let the least-squares solution at lam with targets :math:`y + \lambda\nu` have, for small lam, its
atoms on fixed faces with bases :math:`B_k` of fixed cells, :math:`u_k = |c_k|\,\hat w_k` in
coordinates of its face.  With :math:`M = [\,s_k D_k X B_k,\ S\,]` (S the skip columns) and
:math:`q = (y + \lambda\nu - f)/\lambda`,

.. math:: M u + \lambda q = y + \lambda\nu,\qquad M^\top q = (\hat u_1, \dots, \hat u_m, 0).

Differentiated at lam = 0, with :math:`H = \mathrm{blkdiag}((I-\hat u_k\hat u_k^\top)/|u_k|, 0)`,

.. math:: \begin{pmatrix} M & 0\\ -H & M^\top\end{pmatrix}
          \begin{pmatrix}\dot u\\ \dot q\end{pmatrix}
          = \begin{pmatrix}\nu - q_\nu\\ 0\end{pmatrix}.

Where the features are independent this determines :math:`\dot u`; of :math:`\dot q` the part
orthogonal to the columns of M is zero.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from measurelp.certificate.peaks import Matrix, Peak, Vector
from measurelp.certificate.saturated_set import View
from measurelp.certificate.stationary import face_columns

_DEPENDENT = 1e-11


@dataclass(frozen=True, eq=False)
class FirstOrder:
    """Derivatives in lam at lam = 0.

    Attributes
    ----------
    masses : (k,) array
        Of the signed masses.
    atoms : (k, d') array
        Of the unit weights; zero where a face is a ray.
    dual : (n,) array
        Of the residual divided by lam.
    residual : float
        By how much the system is missed, relative to its right side: large where the features
        depend on each other.
    """

    masses: Vector
    atoms: Matrix
    dual: Vector
    residual: float


def first_order(
    view: View, support: list[Peak], masses: Vector, dual: Vector, noise: Vector
) -> FirstOrder:
    """Solve the bordered system for a limit with peaks, masses (not signed) and dual vector."""
    blocks = face_columns(view.space.rows, support, view.active(support))
    columns = np.hstack([*blocks, view.basis])
    n, q = columns.shape
    units = [np.linalg.lstsq(peak.face, peak.point, rcond=None)[0] for peak in support]
    ends = np.concatenate([[0], np.cumsum([len(unit) for unit in units])]).astype(int)
    bent = np.zeros((q, q))
    for k, unit in enumerate(units):
        part = slice(ends[k], ends[k + 1])
        bent[part, part] = (np.eye(len(unit)) - np.outer(unit, unit)) / masses[k]
    system = np.block([[columns, np.zeros((n, n))], [-bent, columns.T]])
    right = np.concatenate([noise - dual, np.zeros(q)])
    found = np.linalg.lstsq(system, right, rcond=_DEPENDENT)[0]
    missed = float(np.linalg.norm(system @ found - right))
    size = float(np.linalg.norm(right))
    mass_rates, atom_rates = (
        np.zeros(len(support)),
        np.zeros((len(support), len(view.space.rows.T))),
    )
    for k, (peak, unit) in enumerate(zip(support, units, strict=True)):
        step = found[ends[k] : ends[k + 1]]
        mass_rates[k] = peak.sign * float(unit @ step)
        atom_rates[k] = peak.face @ ((step - unit * float(unit @ step)) / masses[k])
    return FirstOrder(
        mass_rates, view.space.weights(atom_rates), found[q:], missed / size if size else 0.0
    )
