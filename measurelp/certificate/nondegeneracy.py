"""Is an interpolating optimum non-degenerate, so that small lam and noise only move its atoms a little?"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from measurelp.certificate.examination import Examination, examine
from measurelp.certificate.first_order import FirstOrder, first_order
from measurelp.certificate.saturated_set import View
from measurelp.certificate.uniqueness import (
    DEFAULT_WORK,
    Solved,
    UniquenessVerdict,
    check_optimal,
    first_dual,
    uniqueness,
)
from measurelp.errors import InvalidProblem


@dataclass(frozen=True, eq=False)
class Nondegeneracy:
    r"""The conditions under which atoms only move a little, and by how much they hold.

    Attributes
    ----------
    holds : bool or None
        True: proved.  False: one is violated, as the message says.  None: undecided.
    message : str
        In a sentence.
    noise : (n,) array
        Label noise in units of lam; 0 for the path without noise.
    dual : (n,) array
        The limit q of the residual over lam: the dual vector of interpolation that is nearest
        to ``noise``, without noise the one of least norm.  nan where it is not known.
    atoms : (k, d') array
        Unit weights of the limit.
    masses : (k,) array
        Signed.
    mass_error : float
        Proved bound on their error (2-norm); nan if unknown.
    walls : (k,) array
        Number of hyperplanes of data through each atom; 0 inside a cell.
    freedom : (k,) array
        Dimension of the face of each atom minus one: in how many directions it can move.
    margins : (k,) array
        Strict complementarity of each: over all directions out of its face, the least descent
        of \|eta\|; inf inside a cell, where the ball's curvature suffices.
    gap_to_next : float
        1 minus the height of the highest other peak that was met; nan if none was.
    smallest_singular_value : float
        Of the atoms' features in units of their lengths, modulo the skip.
    dual_error : float
        Proved bound on the error of eta over the ball; nan if unknown.
    target_shift : float
        The proof is about targets at most this far (2-norm) from the given ones.
    first_order : FirstOrder or None
        How the atoms begin to move with lam; None where the limit is not known to be regular.
    search_complete : bool
        Whether all of weight space was covered.
    """

    holds: bool | None
    message: str
    noise: NDArray[np.float64]
    dual: NDArray[np.float64]
    atoms: NDArray[np.float64]
    masses: NDArray[np.float64]
    mass_error: float
    walls: NDArray[np.intp]
    freedom: NDArray[np.intp]
    margins: NDArray[np.float64]
    gap_to_next: float
    smallest_singular_value: float
    dual_error: float
    target_shift: float
    first_order: FirstOrder | None
    search_complete: bool

    def __repr__(self) -> str:
        word = {True: "holds", False: "fails", None: "undecided"}[self.holds]
        return f"Nondegeneracy({word}, {len(self.masses)} atoms: {self.message})"


def nondegeneracy(
    solution: Solved, *, noise: ArrayLike | None = None, max_work: float = DEFAULT_WORK
) -> Nondegeneracy:
    r"""Check that a minimal-norm interpolant is non-degenerate.

    The least-squares solutions for targets :math:`y + \lambda\nu` have residuals
    :math:`\lambda q_\lambda`, and q_lam is the point of
    :math:`\{|\eta_q|\le1\}` at which :math:`\langle q, y\rangle - \tfrac\lambda2|q-\nu|^2` is
    greatest.  So as lam tends to 0 it tends to the dual vector :math:`q_\nu` of interpolation
    that is nearest to nu.  If

    1. :math:`|\eta_{q_\nu}| < 1` off the atoms,
    2. at atoms on walls, :math:`|\eta_{q_\nu}|` falls strictly out of the face (strict
       complementarity; inside a cell the curvature of the sphere suffices),
    3. the atoms' features are linearly independent modulo the skip,

    then from some lam on the solution is unique, has the same number of atoms with the same
    signs on the same faces, and is an analytic function of lam: masses and locations differ
    from the limit's by O(lam).

    Parameters
    ----------
    solution : Solution
        Of an interpolation problem, with the verdict OPTIMAL.
    noise : (n,) array_like, optional
        nu, label noise in units of lam; 0 if left out.
    max_work : float
        As for :func:`~measurelp.uniqueness`.

    Returns
    -------
    Nondegeneracy
        ``holds`` is True only if all three are proved, rounding included.  It is False if two
        optimal measures are known, or if the only vector q that satisfies the equations of 1
        and 2 exceeds the limit somewhere, so that the true one touches it at another point.

    Raises
    ------
    InvalidProblem
        If the solution is not an OPTIMAL one of interpolation, or ``noise`` has another shape.

    Notes
    -----
    From which lam on this holds is not computed.  Sources: Del Grande, Brune and Carioni 2026 for
    atoms inside cells; for atoms on walls the implicit function theorem on their faces.

    Examples
    --------
    >>> import measurelp as mlp
    >>> problem = mlp.MeasureProblem([[3.0, 4.0]], [2.0], loss=mlp.Interpolation(), bias="none")
    >>> found = mlp.nondegeneracy(mlp.solve(problem))
    >>> found.holds, found.dual.round(12).tolist()
    (True, [0.2])
    """
    check_optimal(solution, "nondegeneracy")
    problem = solution.problem
    if not problem.loss.is_hard_constraint:
        raise InvalidProblem(
            f"solution: nondegeneracy asks about interpolation, found the {problem.loss.name} "
            "loss; solve with loss=mlp.Interpolation(), or call mlp.stability(problem)."
        )
    if not max_work > 0.0:
        raise InvalidProblem(f"max_work: expected a number > 0, found {max_work!r}.")
    nu = np.zeros(problem.n) if noise is None else np.asarray(noise, dtype=np.float64)
    if nu.shape != (problem.n,) or not np.isfinite(nu).all():
        raise InvalidProblem(
            f"noise: expected {problem.n} finite numbers, one a row of X, found shape {nu.shape}."
        )
    view = View(problem, solution.measure)
    found = examine(view, first_dual(solution), max_work, nearest_to=nu)
    holds, message = _decided(found, solution, max_work)
    dual = np.full(problem.n, math.nan)
    derivative = None
    if found.is_error_known and holds is not False:
        dual = found.point.alpha if found.point is not None else found.alpha
        if not found.polytope.dimension and not found.idle:
            derivative = first_order(view, found.support, found.masses, dual, nu)
    signs = np.array([peak.sign for peak in found.support])
    points = np.array([peak.point for peak in found.support]).reshape(len(signs), view.space.rank)
    return Nondegeneracy(
        holds=holds, message=message, noise=nu, dual=dual, atoms=view.space.weights(points),
        masses=signs * found.masses,
        mass_error=math.nan if found.point is None else found.point.mass_error,
        walls=np.array([int(peak.walls.sum()) for peak in found.support], dtype=np.intp),
        freedom=np.array([peak.face.shape[1] - 1 for peak in found.support], dtype=np.intp),
        margins=np.array([peak.margin for peak in found.support]),
        gap_to_next=1.0 - found.next_height,
        smallest_singular_value=found.smallest_singular_value,
        dual_error=found.error if found.is_error_known else math.nan,
        target_shift=found.target_shift, first_order=derivative, search_complete=found.is_complete,
    )  # fmt: skip


def _decided(found: Examination, solution: Solved, max_work: float) -> tuple[bool | None, str]:
    """What was proved, and in words."""
    known = found.is_error_known and not found.loose
    higher = [peak.height for peak in found.idle if peak.height > 1.0 + found.error]
    if known and higher:
        return False, (
            f"the vector that is stationary at the atoms exceeds the limit (|eta| = {max(higher):.6g}), so "
            "in the limit |eta| reaches it at a further point, or falls not strictly from a wall"
        )
    if found.polytope.dimension or not known:
        among = uniqueness(solution, max_work=max_work)
        if among.verdict is UniquenessVerdict.NOT_UNIQUE:
            return False, f"the limit is not unique: {among.message}"
    if known and found.idle:
        return None, (
            f"at {len(found.idle)} further points |eta| equals the limit up to rounding without any "
            "mass there"
        )
    obstacle = found.obstacle(max_work)
    if not obstacle:
        shift = found.target_shift
        targets = f", for targets within {shift:.2g} of the given ones" if shift > 0.0 else ""
        return True, (
            f"|eta| is at its limit at the {len(found.support)} atoms only, falls away from them "
            f"strictly, and their features are independent (dual error {found.error:.2g}){targets}"
        )
    return None, obstacle
