"""What a checked proof must say, recomputed in floating point without the code under test."""

from __future__ import annotations

import hashlib
from fractions import Fraction

import numpy as np
from oracles import brute

import measurelp as mlp
from measurelp.oracle import ConeOracle, DualFunction
from measurelp.problem import row_space


def array(entry) -> np.ndarray:
    """Doubles from [denominator, numerators]."""
    denominator, numerators = entry
    flat = np.array(numerators, dtype=object)
    return np.array([int(v) / denominator for v in flat.ravel()]).reshape(flat.shape)


def problem_of(document) -> mlp.MeasureProblem:
    """The problem that a proof is about."""
    stated = document["problem"]
    interpolation = stated["loss"] == "interpolation"
    return mlp.MeasureProblem(
        array(stated["X"]), array(stated["y"]),
        lam=None if interpolation else stated["lam"][1] / stated["lam"][0],
        loss=mlp.Interpolation() if interpolation else mlp.Squared(),
        bias=stated["bias"], skip=stated["skip"],
    )  # fmt: skip


def assert_true(document, *, rel=1e-9) -> None:
    """The statement of a proof holds, up to rounding: dual feasible, gap as claimed."""
    problem = problem_of(document)
    hidden, output = array(document["network"]["hidden"]), array(document["network"]["output"])
    skip = array(document["network"]["skip"])
    atoms = hidden.reshape(len(output), -1)
    options = {
        "lam": problem.lam,
        "bias": problem.bias,
        "interpolate": problem.loss.is_hard_constraint,
    }
    primal = brute.objective(
        problem.X, problem.y, atoms, output, linear=skip[:-1], constant=skip[-1], **options
    )
    if problem.loss.is_hard_constraint:
        misfit, primal = primal
        claimed = document["claim"]["misfit"]
        if not misfit <= claimed[1] / claimed[0] + 1e-12 * np.abs(problem.y).max():
            raise AssertionError(f"misfit {misfit}")
    alpha = array(document["dual"])
    report = ConeOracle().maximise(
        DualFunction(problem, row_space(problem), alpha), level=0.5 * problem.lam, tolerance=1e-11
    )
    if not report.lower <= problem.lam * (1.0 + rel):
        raise AssertionError(f"|eta| reaches {report.lower}, limit {problem.lam}")
    leak = np.abs(problem.skip_columns.T @ alpha).max(initial=0.0)
    if not leak <= rel * np.abs(problem.skip_columns).sum() * np.abs(alpha).max(initial=0.0):
        raise AssertionError(f"not orthogonal to the skip: {leak}")
    gap = document["claim"]["gap"][1] / document["claim"]["gap"][0]
    dual = problem.loss.dual_value(alpha, problem.y)
    if not primal - dual <= gap + rel * abs(primal):
        raise AssertionError(f"gap {primal - dual}, claimed {gap}")


def digest(X, y) -> str:
    """The SHA-256 of the data, as a user computes it."""
    return hashlib.sha256((X + 0.0).tobytes() + (y + 0.0).tobytes()).hexdigest()


def exact(array) -> list[Fraction]:
    """Doubles as fractions."""
    return [Fraction(v) for v in np.ravel(array).tolist()]
