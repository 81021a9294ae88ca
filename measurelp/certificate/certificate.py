"""What a certificate is: numbers that were recomputed, and the verdict they allow."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from measurelp._display import compact, html_table
from measurelp.status import Scope, Verdict


@dataclass(frozen=True, eq=False)
class Improvement:
    """A neuron whose addition lowers the objective of a candidate.

    Attributes
    ----------
    weight : (d',) array
        Unit hidden weight, the bias last.
    mass : float or (c,) array
        Signed mass to add there.
    objective : float
        The lower objective, recomputed with the neuron added.
    """

    weight: NDArray[np.float64]
    mass: float | NDArray[np.float64]
    objective: float


@dataclass(frozen=True, eq=False)
class Certificate:
    r"""A bracket on the optimal value around one candidate, and what it proves.

    The dual vector alpha gives :math:`\eta(w)=\sum_i\alpha_i\langle\tilde x_i,w\rangle_+`.
    If :math:`\sup_{\|w\|\le1}|\eta|\le S` then :math:`\alpha\min(1,\mathrm{limit}/S)` is
    feasible for the dual problem, and its objective bounds every measure's objective from
    below.

    Attributes
    ----------
    verdict : Verdict
        OPTIMAL, REFUTED, BRACKETED, INFEASIBLE or UNVERIFIED.
    primal_value : float
        Objective of the candidate, recomputed from the data; inf if it violates a constraint.
    dual_value : float
        Proved lower bound on the optimal value; -inf when unknown.
    gap, relative_gap : float
        primal_value - dual_value, and that over max(\|primal\|, \|dual\|) (0 when both are 0).
    sup : (float, float)
        Proved bracket on the supremum of \|eta\| for ``dual``.
    limit : float
        What \|eta\| must not exceed: lam, or 1 for interpolation.
    scope : Scope
        COMPLETE when the bracket holds over all of weight space.
    witness : array or None
        Unit weight at which \|eta\| reaches ``sup[0]``; for INFEASIBLE the dual vector q
        with eta_q = 0 and <q, y> > 0.
    improvement : Improvement or None
        For REFUTED, the neuron that proves it.
    dual : (n,) or (n, c) array
        The dual vector used.
    tol_gap : float
        The relative gap up to which OPTIMAL is said.
    message : str
        The verdict in a sentence.
    """

    verdict: Verdict
    primal_value: float
    dual_value: float
    gap: float
    relative_gap: float
    sup: tuple[float, float]
    limit: float
    scope: Scope
    witness: NDArray[np.float64] | None
    improvement: Improvement | None
    dual: NDArray[np.float64]
    tol_gap: float
    message: str

    @property
    def is_optimal(self) -> bool:
        """Whether global optimality within ``tol_gap`` was proved."""
        return self.verdict is Verdict.OPTIMAL

    def __repr__(self) -> str:
        return (
            f"Certificate({self.verdict.name}, primal={self.primal_value:.9g}, "
            f"dual={self.dual_value:.9g}, relative_gap={self.relative_gap:.2g}, "
            f"sup=[{self.sup[0]:.9g}, {self.sup[1]:.9g}], limit={self.limit:.9g})"
        )

    def _repr_html_(self) -> str:
        rows = [
            ("objective", compact(self.primal_value, 12)),
            ("no network is below", compact(self.dual_value, 12)),
            ("relative gap", f"{self.relative_gap:.2e} (asked for {self.tol_gap:.0e})"),
            (
                "sup |η|",
                f"in [{compact(self.sup[0])}, {compact(self.sup[1])}], limit {compact(self.limit)}",
            ),
            ("scope", self.scope.value),
        ]
        if self.message:
            rows.append(("message", self.message))
        return html_table(f"{self.verdict.name}: {self.verdict.value}", rows)


def gap_between(primal: float, dual: float) -> float:
    """primal - dual, at least 0; inf where either is no number or the bracket is open."""
    gap = primal - dual
    return math.inf if math.isnan(gap) else max(gap, 0.0)


def relative(gap: float, primal: float, dual: float) -> float:
    """gap / max(|primal|, |dual|), 0 when both are 0, inf when the bracket is open."""
    if primal == 0.0 and dual == 0.0:
        return 0.0
    if not (np.isfinite(primal) and np.isfinite(dual)):
        return float("inf")
    return float(gap / max(abs(primal), abs(dual)))
