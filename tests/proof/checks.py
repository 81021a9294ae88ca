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
    parameter = stated["parameter"][1] / stated["parameter"][0]
    loss = {
        "squared": mlp.Squared, "interpolation": mlp.Interpolation, "absolute": mlp.Absolute,
        "hinge": mlp.Hinge, "squared_hinge": mlp.SquaredHinge,
        "quantile": lambda: mlp.Quantile(parameter), "huber": lambda: mlp.Huber(parameter),
    }[stated["loss"]]()  # fmt: skip
    return mlp.MeasureProblem(
        array(stated["X"]), array(stated["y"]), lam=stated["lam"][1] / stated["lam"][0], loss=loss,
        bias=stated["bias"], skip=stated["skip"],
    )  # fmt: skip


def loss_value(problem, fit) -> float:
    """The loss of a fit, from its definition in the literature."""
    y, loss = problem.y, problem.loss
    r = fit - y
    return float(np.sum({
        "squared": lambda: r**2 / 2, "interpolation": lambda: 0 * r, "absolute": lambda: np.abs(r),
        "quantile": lambda: np.where(r < 0, -loss.tau * r, (1 - loss.tau) * r),
        "huber": lambda: np.where(
            np.abs(r) <= loss.delta, r**2 / 2, loss.delta * (np.abs(r) - loss.delta / 2)
        ),
        "hinge": lambda: np.maximum(0, 1 - y * fit),
        "squared_hinge": lambda: np.maximum(0, 1 - y * fit) ** 2,
    }[loss.name]()))  # fmt: skip


def assert_true(document, proved=None, *, rel=1e-9) -> None:
    """The statement of a proof holds, up to rounding: dual feasible, gap as claimed; what the
    checker says of it (``proved``), too."""
    problem = problem_of(document)
    weights, biases, output, linear, constant = (
        array(document["network"][key])
        for key in ("weights", "biases", "output", "linear", "constant")
    )
    atoms = weights.reshape(len(output), -1)
    if problem.bias != "none":
        atoms = np.column_stack([atoms, biases])
    interpolated = {"lam": 1.0, "bias": problem.bias, "interpolate": True}
    misfit, variation = brute.objective(
        problem.X, problem.y, atoms, output, linear=linear, constant=constant, **interpolated
    )
    lifted = (
        problem.X if problem.bias == "none" else np.column_stack([problem.X, np.ones(problem.n)])
    )
    fit = np.maximum(lifted @ atoms.T, 0.0) @ output + problem.X @ linear + constant
    primal = loss_value(problem, fit) + problem.lam * variation
    if proved is not None:
        assert misfit <= proved["misfit"] + 1e-12 * np.abs(problem.y).max()
        assert primal <= proved["primal_value"] + rel * abs(primal)
    alpha = array(document["dual"])
    report = ConeOracle().maximise(
        DualFunction(problem, row_space(problem), alpha), level=0.5 * problem.lam, tolerance=1e-11
    )
    if not report.lower <= problem.lam * (1.0 + rel):
        raise AssertionError(f"|eta| reaches {report.lower}, limit {problem.lam}")
    leak = np.abs(problem.skip_columns.T @ alpha).max(initial=0.0)
    if not leak <= rel * np.abs(problem.skip_columns).sum() * np.abs(alpha).max(initial=0.0):
        raise AssertionError(f"not orthogonal to the skip: {leak}")
    gap = document["gap"][1] / document["gap"][0]
    dual = problem.loss.dual_value(alpha, problem.y)
    if proved is not None:
        assert proved["dual_value"] <= dual + rel * abs(dual)
        near = dual - misfit * np.abs(alpha).sum()
        assert proved["near"] <= near + rel * (abs(dual) + np.abs(alpha * problem.y).sum())
    if not primal - dual <= gap + rel * abs(primal):
        raise AssertionError(f"gap {primal - dual}, claimed {gap}")


def digest(X, y) -> str:
    """The SHA-256 of the data, as a user computes it."""
    return hashlib.sha256((X + 0.0).tobytes() + (y + 0.0).tobytes()).hexdigest()


def exact(array) -> list[Fraction]:
    """Doubles as fractions."""
    return [Fraction(v) for v in np.ravel(array).tolist()]
