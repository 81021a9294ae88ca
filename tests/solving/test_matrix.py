"""The matrix of combinations against programs in CVXPY, and the page that prints it."""

from __future__ import annotations

import math
from functools import cache, partial

import numpy as np
import pytest
from oracles import brute, rays, vector

import measurelp as mlp
from solving import matrix

PARAMETER = {"quantile": 0.3, "huber": 0.5}
SLOPES = {
    "relu": (1.0, 0.0),
    "leaky_relu": (1.0, -0.2),
    "absolute_value": (1.0, 1.0),
    "gated_relu": (1.0, 0.0),
}
SOLVED = [one for one in matrix.EVERY if matrix.refusal(one) is None]


# ---- references: nothing of the library below ---------------------------------------------------------


@cache
def patterns(where, bias):
    return brute.sign_patterns(brute.lifted(matrix.DATA[where]["X"], bias))


@cache
def features(where, activation, ball, bias):
    """The finite dictionary of threshold units, or of a ball with flat faces, on the data."""
    X = matrix.DATA[where]["X"]
    rows = brute.lifted(X, bias)
    if activation == "threshold":
        return brute.step_patterns(rows).T
    inner = rows @ rays.dictionary(X, ball, bias).T
    positive, negative = SLOPES[activation]
    return positive * np.maximum(inner, 0.0) + negative * np.maximum(-inner, 0.0)


@cache
def reference_of_one(loss, ball, activation, bias, skip, where, column):
    """The optimal value of one output; inf where no network interpolates."""
    X, weight = matrix.DATA[where]["X"], matrix.DATA[where]["weight"]
    y = matrix.targets(loss, where, "separate")[:, column]
    value = partial(
        brute.loss_expression, loss, y=y, weight=weight, parameter=PARAMETER.get(loss)
    )  # fmt: skip
    interpolates = loss == "interpolation"
    if activation != "threshold" and ball == "l2":
        return brute.cone_program(
            X, y, lam=matrix.LAM, bias=bias, skip=skip, interpolate=interpolates, loss=value,
            patterns=patterns(where, bias), slopes=SLOPES[activation],
            walled=activation != "gated_relu",
        )  # fmt: skip
    columns, skips = features(where, activation, ball, bias), brute.skip_columns(X, skip)
    if interpolates:
        both = np.hstack([columns, skips])
        if np.linalg.matrix_rank(np.column_stack([both, y])) > np.linalg.matrix_rank(both):
            return math.inf
        return rays.program_over_atoms(columns, skips, y=y)
    return rays.program_over_atoms(columns, skips, lam=matrix.LAM, loss=value)


def reference(one, where):
    """The optimal value of a combination, by CVXPY."""
    if one.outputs == "joint":
        return vector.joint_optimum(
            matrix.DATA[where]["X"], matrix.targets(one.loss, where, "joint"), one.loss,
            lam=matrix.LAM, bias=one.bias, skip=one.skip, weight=matrix.DATA[where]["weight"],
            parameter=PARAMETER.get(one.loss),
        )  # fmt: skip
    columns = range(1 if one.outputs == "one" else 2)
    return sum(
        reference_of_one(one.loss, one.ball, one.activation, one.bias, one.skip, where, column)
        for column in columns
    )


# ---- the comparison -------------------------------------------------------------------------------------


def assert_agrees(certificate, expected, *, bracketed=False):
    """Fail unless the bracket holds the optimum and, unless it is known to stay open, is the optimum to 1e-6."""
    if math.isinf(expected):
        assert certificate.verdict is mlp.Verdict.INFEASIBLE, (certificate, expected)
        return
    slack = 1e-6 * max(1.0, abs(expected))
    assert certificate.dual_value <= expected + slack, (certificate, expected)
    assert certificate.primal_value >= expected - slack, (certificate, expected)
    if bracketed:
        assert certificate.verdict is mlp.Verdict.BRACKETED, certificate
        return
    assert certificate.verdict is mlp.Verdict.OPTIMAL, (certificate, expected)
    assert certificate.primal_value == pytest.approx(expected, rel=1e-6), (certificate, expected)


def assert_obstacle(one, where, y, q):
    """Fail unless q is orthogonal to what units and skip can make, and not to the targets."""
    X = matrix.DATA[where]["X"]
    rows = brute.lifted(X, one.bias)
    inner = rows @ np.random.default_rng(0).standard_normal((rows.shape[1], 50))
    if one.activation == "threshold":
        units = features(where, "threshold", "l2", one.bias)
    elif one.activation == "gated_relu":
        units = (inner[:, :, None] >= 0.0) * rows[:, None, :]
    else:
        positive, negative = SLOPES[one.activation]
        units = positive * np.maximum(inner, 0.0) + negative * np.maximum(-inner, 0.0)
    made = np.hstack([units.reshape(len(X), -1), brute.skip_columns(X, one.skip)])
    assert np.abs(made.T @ q).max() <= 1e-9 * np.abs(q).max(), q
    assert float(np.sum(q * y)) > 0.0


def recomputed(problem, solution):
    """The objective of the returned measure by its definition, the activation written out."""
    if problem.is_gated:
        weights, gates = solution.weights, solution.measure.gates
        rows = brute.lifted(problem.X, problem.bias)
        fit = np.sum(np.where(rows @ gates.T >= 0.0, rows @ weights.T, 0.0), axis=1)
        total = float(np.linalg.norm(weights, axis=1).sum())
        return value_of(problem, fit, solution.skip, total)
    inner = brute.lifted(problem.X, problem.bias) @ solution.measure.atoms.T
    if problem.activation.name == "threshold":
        units, norms = (inner >= 0.0).astype(float), np.ones(len(solution.measure))
    else:
        positive, negative = SLOPES[problem.activation.name]
        units = positive * np.maximum(inner, 0.0) + negative * np.maximum(-inner, 0.0)
        order = {"l1": 1, "l2": 2, "linf": np.inf}[problem.ball.name]
        counted = solution.measure.atoms[:, : problem.d + (problem.bias == "penalized")]
        norms = np.linalg.norm(counted, order, axis=1)
    masses = solution.measure.masses
    order = 2 if problem.outputs == "joint" else 1
    sizes = np.abs(masses) if masses.ndim == 1 else np.linalg.norm(masses, order, axis=1)
    return value_of(problem, units @ masses, solution.skip, float(norms @ sizes))


def value_of(problem, fit, skip, total):
    """Loss of a fit and its skip, and lam times what the measure costs."""
    if problem.skip != "none":
        fit = fit + problem.X @ skip.linear + skip.constant
    if problem.loss.is_hard_constraint:
        assert np.abs(fit - problem.y).max() <= 1e-7
        return total
    expression = brute.loss_expression(
        problem.loss.name, fit, problem.y, problem.sample_weight, PARAMETER.get(problem.loss.name)
    )
    return float(expression.value) + problem.lam * total


def check(one, where):
    """Solve a combination and compare it with its reference."""
    problem = matrix.problem_of(one, where)
    solution = mlp.solve(problem)
    assert_agrees(
        solution.certificate, reference(one, where), bracketed=(one, where) in matrix.BRACKETED
    )
    if solution.certificate.verdict is mlp.Verdict.INFEASIBLE:
        assert_obstacle(one, where, problem.y, solution.certificate.witness)
        return
    value = recomputed(problem, solution)
    assert value == pytest.approx(solution.certificate.primal_value, rel=1e-7, abs=1e-8)


@pytest.mark.parametrize(
    ("one", "where"),
    [(one, ("plane", "line")[k % 2]) for k, one in enumerate(matrix.sample())],
    ids=lambda value: value if isinstance(value, str) else "-".join(value),
)
def test_every_two_factors(one, where):
    check(one, where)


@pytest.mark.parametrize(
    ("words", "where"),
    [
        ("squared l2 absolute_value free constant one", "plane"),
        ("hinge l2 absolute_value none constant separate", "line"),
        ("interpolation l2 threshold none affine one", "line"),
        ("interpolation l2 threshold none affine separate", "line"),
        ("logistic l2 gated_relu penalized constant one", "plane"),
        ("poisson l2 gated_relu none constant one", "plane"),
    ],
)
def test_what_once_stayed_open(words, where):
    check(matrix.Combination(*words.split()), where)


@pytest.mark.slow
@pytest.mark.parametrize("where", list(matrix.DATA))
@pytest.mark.parametrize("one", SOLVED, ids="-".join)
def test_every_combination(one, where):
    check(one, where)


def test_the_page_says_what_the_library_does():
    assert matrix.PAGE.read_text(encoding="utf-8") == matrix.page(), (
        "docs/matrix.md is out of date: run python tests/solving/matrix.py"
    )


# ---- the helpers themselves ------------------------------------------------------------------------------


def test_references_of_two_kinds_agree():
    """Rays of a flat ball, and the cone program over sign patterns with that ball's norm."""
    for ball, order in (("l1", 1), ("linf", "inf")):
        for bias, skip in (("none", "none"), ("penalized", "constant"), ("free", "affine")):
            X, y = matrix.PLANE["X"], matrix.PLANE["numbers"][:, 0]
            cones = brute.cone_program(
                X, y, lam=matrix.LAM, bias=bias, skip=skip, patterns=patterns("plane", bias),
                slopes=SLOPES["leaky_relu"], order=order,
            )  # fmt: skip
            over_rays = reference_of_one("squared", ball, "leaky_relu", bias, skip, "plane", 0)
            assert over_rays == pytest.approx(cones, rel=1e-7)


def test_one_output_of_the_joint_reference_is_the_cone_program():
    X, y = matrix.PLANE["X"], matrix.PLANE["numbers"][:, :1]
    for bias, skip in (("penalized", "none"), ("free", "constant")):
        joint = vector.joint_optimum(
            X, y, "squared", lam=matrix.LAM, bias=bias, skip=skip, weight=np.ones(5)
        )
        one = reference_of_one("squared", "l2", "relu", bias, skip, "plane", 0)
        assert joint == pytest.approx(one, rel=1e-7)


def test_a_wrong_value_is_noticed():
    one = matrix.Combination("squared", "l2", "relu", "none", "none", "one")
    certificate = mlp.solve(matrix.problem_of(one)).certificate
    expected = reference(one, "plane")
    assert_agrees(certificate, expected)
    for wrong in (expected * (1.0 + 1e-5), expected * (1.0 - 1e-5), math.inf):
        with pytest.raises(AssertionError):
            assert_agrees(certificate, wrong)
    with pytest.raises(AssertionError):
        assert_agrees(certificate, expected, bracketed=True)
    y = matrix.targets("squared", "plane", "one")
    with pytest.raises(AssertionError):
        assert_obstacle(one, "plane", y, y)


def test_the_sample_covers_every_two_values_that_meet():
    meets = {(i, one[i], j, one[j]) for one in SOLVED for i in range(6) for j in range(i)}
    assert meets == {
        (i, one[i], j, one[j]) for one in matrix.sample() for i in range(6) for j in range(i)
    }
