"""Gated units against group lassos in CVXPY, closed forms, and the ReLU problem above it."""

import cvxpy as cp
import numpy as np
import pytest
from oracles import brute

import measurelp as mlp


def group_lasso(problem, active):
    """min loss + lam sum |w_g| over given gates, in CVXPY."""
    rows, fit, size = problem.lifted, 0, 0
    for gate in active:
        w = cp.Variable(rows.shape[1])
        fit = fit + cp.multiply(gate.astype(float), rows @ w)
        size = size + cp.norm2(w)
    columns = brute.skip_columns(problem.X, problem.skip)
    if columns.shape[1]:
        fit = fit + columns @ cp.Variable(columns.shape[1])
    if problem.loss.is_hard_constraint:
        program = cp.Problem(cp.Minimize(size), [fit == problem.y])
    else:
        loss = brute.loss_expression(problem.loss.name, fit, problem.y, problem.sample_weight)
        program = cp.Problem(cp.Minimize(loss + problem.lam * size))
    program.solve(solver=cp.CLARABEL)
    return float(program.value)


@pytest.mark.parametrize(
    ("bias", "skip"), [("none", "none"), ("penalized", "none"), ("penalized", "constant")]
)
@pytest.mark.parametrize("loss", [mlp.Squared(), mlp.Absolute(), mlp.Interpolation()])
def test_all_gates_and_the_relu_above(loss, bias, skip):
    rng = np.random.default_rng(4)
    X, y = rng.standard_normal((7, 2)), rng.standard_normal(7)
    problem = mlp.MeasureProblem(X, y, lam=0.2, loss=loss, bias=bias, skip=skip)
    found = mlp.gated_relaxation(problem)
    expected = group_lasso(problem, brute.sign_patterns(problem.lifted) > 0)
    assert found.value == pytest.approx(expected, rel=2e-6)
    assert found.relative_gap <= 1e-6
    assert found.lower <= found.value * (1 + 1e-9)
    assert found.bounds_relu
    assert "bounds both" in found.message
    relu = mlp.solve(problem).certificate
    assert found.lower <= relu.primal_value * (1 + 1e-9)


def test_weighted_samples():
    rng = np.random.default_rng(5)
    X, y = rng.standard_normal((6, 2)), rng.standard_normal(6)
    weight = np.array([1.0, 0.0, 2.0, 3.0, 1.0, 0.5])
    problem = mlp.MeasureProblem(X, y, lam=0.2, sample_weight=weight)
    expected = group_lasso(problem, brute.sign_patterns(problem.lifted) > 0)
    found = mlp.gated_relaxation(problem)
    assert found.value == pytest.approx(expected, rel=2e-6)
    assert found.relative_gap <= 1e-6


def test_strict_on_orthonormal_inputs():
    """X = I: |y| for gates, |y_+| + |y_-| for the ReLU."""
    y = np.array([3.0, 4.0, -5.0, -12.0])
    problem = mlp.MeasureProblem(np.eye(4), y, loss=mlp.Interpolation(), bias="none")
    found = mlp.gated_relaxation(problem)
    assert found.value == pytest.approx(np.sqrt(194.0), rel=1e-7)
    assert found.lower == pytest.approx(np.sqrt(194.0), rel=1e-6)
    assert mlp.solve(problem).certificate.primal_value == pytest.approx(18.0, rel=1e-6)


def test_a_gate_that_no_cell_has_enlarges_the_model():
    """Inputs 1 and -1: gates of cells give 2, the gate of g = 0, active on both, gives 1."""
    problem = mlp.MeasureProblem(
        [[1.0], [-1.0]], [1.0, -1.0], loss=mlp.Interpolation(), bias="none"
    )
    assert mlp.gated_relaxation(problem).value == pytest.approx(2.0, rel=1e-7)
    more = mlp.gated_relaxation(problem, [[1.0], [-1.0], [0.0]])
    assert more.value == pytest.approx(1.0, rel=1e-7)
    assert not more.bounds_relu
    assert "bounds no other model" in more.message


def test_many_gates_are_generated():
    rng = np.random.default_rng(6)
    X, y = rng.standard_normal((40, 3)), rng.standard_normal(40)
    problem = mlp.MeasureProblem(X, y, lam=1.0, bias="none")
    found = mlp.gated_relaxation(problem)
    assert found.relative_gap <= 1e-6
    relu = mlp.solve(problem).certificate
    assert found.value <= relu.primal_value * (1 + 1e-6)
    fit = np.sum(found.active.T * (X @ found.weights.T), axis=1)
    value = 0.5 * np.sum((fit - y) ** 2) + np.linalg.norm(found.weights, axis=1).sum()
    assert value == pytest.approx(found.value, rel=1e-8)


def test_refusals():
    X, y = np.eye(3), np.ones(3)
    for options in (
        {"ball": mlp.L1Ball()}, {"activation": mlp.AbsoluteValue()},
        {"bias": "free", "skip": "constant"},
    ):  # fmt: skip
        with pytest.raises(mlp.InvalidProblem, match="problem"):
            mlp.gated_relaxation(mlp.MeasureProblem(X, y, lam=1.0, **options))
    with pytest.raises(mlp.InvalidProblem, match="gates"):
        mlp.gated_relaxation(mlp.MeasureProblem(X, y, lam=1.0), np.eye(3))
    wide = np.random.default_rng(0).standard_normal((200, 6))
    with pytest.raises(mlp.InvalidProblem, match="X: up to"):
        mlp.gated_relaxation(mlp.MeasureProblem(wide, np.ones(200), lam=1.0))


def test_solve_takes_gated_units():
    """E03: X = I_4 costs |y| = sqrt(194) behind gates, 18 with the ReLU."""
    y = [3.0, 4.0, -5.0, -12.0]
    problem = mlp.MeasureProblem(
        np.eye(4), y, loss=mlp.Interpolation(), bias="none", activation=mlp.GatedReLU()
    )
    found = mlp.solve(problem)
    certificate = found.certificate
    assert certificate.verdict is mlp.Verdict.OPTIMAL
    assert certificate.scope is mlp.Scope.COMPLETE
    assert certificate.primal_value == pytest.approx(np.sqrt(194.0), rel=1e-7)
    assert certificate.dual_value <= np.sqrt(194.0) * (1 + 1e-12)
    assert certificate.gap == pytest.approx(
        certificate.primal_value - certificate.dual_value, abs=1e-12
    )
    assert "gated model" in certificate.message
    assert found.bounds_relu
    assert found.termination is mlp.Termination.CONVERGED
    np.testing.assert_allclose(found.predict(np.eye(4)), y, atol=1e-6)
    assert np.linalg.norm(found.weights, axis=1).sum() == pytest.approx(found.total_variation)
    # the dual vector is feasible for every cell's gate, up to its scale
    reach = max(np.linalg.norm(g * found.dual) for g in brute.sign_patterns(np.eye(4)) > 0)
    assert found.certificate.sup[0] <= reach <= found.certificate.sup[1]


def test_solve_takes_given_gates():
    """E04: the gate of g = 0 lowers 2 to 1; the ReLU needs 2."""
    data = {"loss": mlp.Interpolation(), "bias": "none"}
    X, y = [[1.0], [-1.0]], [1.0, -1.0]
    values = [
        mlp.solve(mlp.MeasureProblem(X, y, activation=a, **data)).certificate.primal_value
        for a in (mlp.ReLU(), mlp.GatedReLU(), mlp.GatedReLU([[1.0], [-1.0], [0.0]]))
    ]
    assert values == pytest.approx([2.0, 2.0, 1.0], rel=1e-6)


@pytest.mark.parametrize("skip", ["none", "constant", "affine"])
def test_predictions_are_those_of_the_gate_vectors(skip):
    rng = np.random.default_rng(8)
    X, y = rng.standard_normal((8, 2)), rng.standard_normal(8)
    problem = mlp.MeasureProblem(X, y, lam=0.2, skip=skip, activation=mlp.GatedReLU())
    found = mlp.solve(problem)
    value = 0.5 * np.sum((found.predict(X) - y) ** 2) + 0.2 * found.total_variation
    assert value == pytest.approx(found.certificate.primal_value, rel=1e-9)
    new = rng.standard_normal((5, 2))
    lifted = np.hstack([new, np.ones((5, 1))])
    expected = found.skip.predict(new) + sum(
        np.where(lifted @ g >= 0.0, lifted @ w, 0.0)
        for g, w in zip(found.measure.gates, found.weights, strict=True)
    )
    np.testing.assert_allclose(found.predict(new), expected, atol=1e-12)
    with pytest.raises(mlp.InvalidProblem, match="X: expected 2 columns"):
        found.predict(np.ones((2, 3)))


def test_data_that_no_gates_fit():
    problem = mlp.MeasureProblem(
        [[1.0], [1.0]],
        [1.0, 2.0],
        loss=mlp.Interpolation(),
        bias="none",
        activation=mlp.GatedReLU(),
    )
    found = mlp.solve(problem)
    assert found.certificate.verdict is mlp.Verdict.INFEASIBLE
    assert found.termination is mlp.Termination.INFEASIBLE


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"ball": mlp.L1Ball()}, "ball"),
        ({"bias": "free", "skip": "constant"}, "bias"),
        ({"activation": mlp.GatedReLU(np.ones((2, 3)))}, "gates: expected 4 columns"),
    ],
)
def test_what_the_gated_model_is_not_stated_for(options, match):
    options = {"activation": mlp.GatedReLU(), **options}
    with pytest.raises(mlp.InvalidProblem, match=match):
        mlp.MeasureProblem(np.eye(3), np.ones(3), lam=1.0, **options)
    with pytest.raises(mlp.InvalidProblem, match="y: "):
        mlp.MeasureProblem(np.eye(3), np.ones((3, 2)), lam=1.0, activation=mlp.GatedReLU())


@pytest.mark.parametrize("gates", [[1.0], [[np.nan]], np.zeros((0, 2)), "cells", [[1j]]])
def test_bad_gates(gates):
    with pytest.raises(mlp.InvalidProblem, match="gates"):
        mlp.GatedReLU(gates)


def test_nothing_takes_gated_units_for_relu(tmp_path):
    """Every other entry refuses the problem and its solution."""
    X, y = np.random.default_rng(1).standard_normal((5, 2)), np.arange(5.0)
    plain = mlp.MeasureProblem(X, y, lam=0.3)
    problem = mlp.MeasureProblem(X, y, lam=0.3, activation=mlp.GatedReLU())
    relu, found = mlp.solve(plain), mlp.solve(problem)
    cells = mlp.enumerate_cells(plain.lifted)
    refused = [
        lambda: mlp.certify(problem, relu.measure),
        lambda: mlp.certify(problem, relu.network()),
        lambda: mlp.certify(problem, found.measure),
        lambda: mlp.certify(plain, found.measure),
        lambda: mlp.measure_from_network(relu.network(), problem),
        lambda: mlp.network_from_measure(found.measure),
        lambda: mlp.lam_max(problem),
        lambda: mlp.lam_max_bracket(problem),
        lambda: mlp.solve_path(problem, n_lams=3),
        lambda: mlp.solve_path(problem, [0.5, 0.1]),
        lambda: mlp.path_breakpoints(problem),
        lambda: mlp.stability(problem),
        lambda: mlp.diagnose(problem, relu.network()),
        lambda: mlp.cvxpy_from_problem(problem, cells),
        lambda: mlp.minimise_covariances(problem),
        lambda: mlp.plateau_curve(problem, [1, 2]),
        lambda: mlp.width_bounds(problem),
        lambda: mlp.solve(problem, start=relu.measure),
        lambda: mlp.solve(problem, oracle="cells"),
        lambda: mlp.solve(problem, cells=cells),
        lambda: mlp.solve(problem, backend="scs"),
        lambda: mlp.uniqueness(found),
        lambda: mlp.nondegeneracy(found),
        lambda: mlp.solution_set(found),
        lambda: mlp.fewest_knots(found),
        lambda: mlp.write_report(found, tmp_path / "report.html"),
        lambda: mlp.plotting.plot_certificate(found),
        lambda: mlp.plotting.plot_fit(found),
        lambda: found.network(),
        lambda: found.save(tmp_path / "folder"),
        lambda: found.proof(tmp_path / "proof.json"),
    ]
    for number, call in enumerate(refused):
        with pytest.raises(mlp.InvalidProblem):
            pytest.fail(f"entry {number} answered {call()!r}")
    assert not list(tmp_path.iterdir())
