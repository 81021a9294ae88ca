"""What must hold for every solution, recomputed without the code under test."""

from __future__ import annotations

import numpy as np
from oracles import brute

import measurelp as mlp


def recomputed(solution, *, of: str = "measure"):
    """The objective from plain arrays; for interpolation the total variation, with its misfit."""
    problem = solution.problem
    options = {
        "lam": problem.lam, "bias": problem.bias, "interpolate": problem.loss.is_hard_constraint
    }  # fmt: skip
    if of == "network":
        return brute.objective_of_network(problem.X, problem.y, solution.network(), **options)
    return brute.objective(
        problem.X, problem.y, solution.measure.atoms, solution.measure.masses,
        linear=solution.skip.linear, constant=solution.skip.constant, **options,
    )  # fmt: skip


def assert_sound(solution, *, rel=1e-9) -> None:
    """Values, bracket, verdict and atoms of a solution fit together."""
    problem, certificate = solution.problem, solution.certificate
    primal, dual = certificate.primal_value, certificate.dual_value
    size = float(np.abs(problem.y).max())
    floor = 1e-9 * (size if problem.loss.is_hard_constraint else size**2) * problem.n
    if np.isfinite(primal):
        for source in ("measure", "network"):
            value = recomputed(solution, of=source)
            if problem.loss.is_hard_constraint:
                misfit, value = value
                if not misfit <= 2e-8 * max(1.0, size):
                    raise AssertionError(f"{source}: misses its targets by {misfit}")
            brute.assert_close(value, primal, rel=rel, floor=1e-5 * floor, what=source)
    if not dual <= primal * (1 + 1e-8) + floor:
        raise AssertionError(f"dual {dual!r} above primal {primal!r}")
    if np.isfinite(primal) and np.isfinite(dual):
        largest = max(abs(primal), abs(dual))
        expected = 0.0 if largest == 0.0 else max(primal - dual, 0.0) / largest
        brute.assert_close(
            certificate.relative_gap, expected, rel=1e-6, floor=1e-9, what="relative gap"
        )
    optimal = certificate.verdict is mlp.Verdict.OPTIMAL
    if optimal != (certificate.relative_gap <= certificate.tol_gap):
        raise AssertionError(f"{certificate} at tolerance {certificate.tol_gap}")
    if optimal and certificate.scope is not mlp.Scope.COMPLETE:
        raise AssertionError("OPTIMAL without all of weight space")
    if not certificate.sup[0] <= certificate.sup[1]:
        raise AssertionError(f"empty bracket {certificate.sup}")
    atoms, masses = solution.measure.atoms, solution.measure.masses
    if optimal and len(masses) > problem.n:
        raise AssertionError(f"{len(masses)} atoms for {problem.n} points")
    if len(masses):
        norms = np.linalg.norm(atoms[:, : problem.n_penalized], axis=1)
        np.testing.assert_allclose(norms, 1.0, atol=1e-9)
    if np.any(masses == 0.0):
        raise AssertionError("an atom of mass zero")


def assert_merged(solution, *, angle=1e-6) -> None:
    """No two atoms of one sign within an angle (in the space of inputs and bias)."""
    atoms, masses = solution.measure.atoms, solution.measure.masses
    directions = atoms / np.linalg.norm(atoms, axis=1, keepdims=True)
    for i in range(len(masses)):
        for j in range(i):
            if masses[i] * masses[j] > 0 and np.linalg.norm(directions[i] - directions[j]) <= angle:
                raise AssertionError(f"atoms {j} and {i} have one direction and one sign")


def assert_sup(solution, *, rel=1e-8) -> None:
    """The certificate's bracket on sup |eta| holds the supremum found by candidates."""
    problem, certificate = solution.problem, solution.certificate
    exact = brute.supremum(problem.X, certificate.dual, problem.bias)
    scale = float(np.abs(certificate.dual) @ np.linalg.norm(problem.lifted, axis=1))
    floor = 1e-13 * scale
    if problem.bias == "free":
        # There alpha sums to zero up to rounding only, and the rest sees the whole range of biases.
        floor += (
            2.0
            * abs(float(certificate.dual.sum()))
            * float(np.linalg.norm(problem.X, axis=1).max())
        )
    brute.assert_brackets(certificate.sup, exact, rel=rel, floor=floor, what="sup")


def assert_optimum(solution, expected, *, rel=1e-6, floor=1e-9) -> None:
    """The objective is the reference's, and the bracket holds it."""
    certificate = solution.certificate
    brute.assert_close(certificate.primal_value, expected, rel=rel, floor=floor, what="objective")
    lower, upper = certificate.dual_value, certificate.primal_value
    # An interpolant is one up to its tolerance, so it may lie that much below the optimum.
    slack = 1e-8 * abs(upper) + floor if solution.problem.loss.is_hard_constraint else 0.0
    brute.assert_brackets(
        (min(lower, upper + slack), upper + slack), expected, rel=rel, floor=floor
    )
