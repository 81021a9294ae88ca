"""The label-noise regulariser against closed forms, CVXPY over brute-force active sets, and gradients."""

import cvxpy as cp
import numpy as np
import pytest
from oracles import brute

import measurelp as mlp


def program_over(rows, active, y, lam=None):
    """min sum of 2 sqrt(S_A) |(Xv)_A| over cones A and both signs, in CVXPY."""
    fit, cost, walls = 0, 0, []
    for a in active:
        for sign in (1.0, -1.0):
            v = cp.Variable(rows.shape[1])
            inner = rows @ v
            walls.append(cp.multiply(np.where(a, 1.0, -1.0), inner) >= 0)
            fit = fit + sign * cp.multiply(a.astype(float), inner)
            cost = cost + 2.0 * np.sqrt(np.sum(rows[a] ** 2)) * cp.norm2(inner[a])
    if lam is None:
        program = cp.Problem(cp.Minimize(cost), [*walls, fit == y])
    else:
        program = cp.Problem(cp.Minimize(0.5 * cp.sum_squares(fit - y) + lam * cost), walls)
    program.solve(solver=cp.CLARABEL)
    return float(program.value)


def gradients(network, X, *, bias):
    """sum_i |grad f(x_i)|^2 over hidden weights, hidden biases if trained, and output weights."""
    inner = X @ network.hidden_weights.T + network.hidden_bias
    on = (inner > 0.0).astype(float)
    by_output = np.sum(np.maximum(inner, 0.0) ** 2)
    size = np.sum(X**2, axis=1) + (1.0 if bias else 0.0)
    return by_output + size @ on @ network.output_weights**2


def active_sets(rows):
    sets = brute.sign_patterns(rows) > 0
    return sets[sets.any(axis=1)]


@pytest.mark.parametrize("y", [[3.0, 4.0, -5.0], [1.0, -0.25], [0.0, 2.0, 0.0]])
def test_orthonormal_inputs(y):
    """A10: X = I costs 2 |y|_1; the total variation would be |y_+| + |y_-|."""
    problem = mlp.MeasureProblem(np.eye(len(y)), y, loss=mlp.Interpolation(), bias="none")
    found = mlp.label_noise_optimum(problem)
    exact = 2.0 * np.abs(y).sum()
    assert found.value == pytest.approx(exact, rel=1e-6)
    assert found.lower <= exact * (1 + 1e-12)
    assert found.certificate.verdict is mlp.Verdict.OPTIMAL
    assert "label-noise" in found.certificate.message


@pytest.mark.parametrize("bias", ["none", "penalized"])
@pytest.mark.parametrize(("loss", "lam"), [(mlp.Interpolation(), None), (mlp.Squared(), 0.05)])
@pytest.mark.parametrize("seed", [0, 1])
def test_small_problems(bias, loss, lam, seed):
    rng = np.random.default_rng(seed)
    X, y = rng.standard_normal((5, 2)), rng.standard_normal(5)
    problem = mlp.MeasureProblem(X, y, lam=lam, loss=loss, bias=bias)
    found = mlp.label_noise_optimum(problem)
    expected = program_over(problem.lifted, active_sets(problem.lifted), y, lam)
    assert found.value == pytest.approx(expected, rel=2e-6)
    assert found.lower <= expected * (1 + 1e-6)
    assert found.relative_gap <= 1e-6
    assert len(found.measure) <= problem.n
    # The network in its best scaling has these gradients, and this objective.
    network = found.network()
    squares = gradients(network, X, bias=bias == "penalized")
    assert squares == pytest.approx(found.regulariser, rel=1e-7)
    assert mlp.label_noise_regulariser(network, X) == pytest.approx(squares, rel=1e-12)
    fit = network.predict(X)
    np.testing.assert_allclose(found.predict(X), fit)
    if lam is None:
        np.testing.assert_allclose(fit, y, atol=1e-7)
        # No other interpolant has smaller gradients, that of least total variation for one.
        other = mlp.solve(problem).network()
        assert gradients(other, X, bias=bias == "penalized") >= found.lower
    else:
        value = 0.5 * np.sum((fit - y) ** 2) + lam * squares
        assert value == pytest.approx(found.value, rel=1e-7)


def test_more_dimensions_than_active_rows():
    """Directions that no active row sees: rank of rows below the dimension, and few rows."""
    rng = np.random.default_rng(3)
    X = rng.standard_normal((4, 2)) @ rng.standard_normal((2, 3))
    y = rng.standard_normal(4)
    for data in (X, rng.standard_normal((3, 3))):
        problem = mlp.MeasureProblem(data, y[: len(data)], lam=0.1, bias="none")
        found = mlp.label_noise_optimum(problem)
        expected = program_over(data, active_sets(data), y[: len(data)], 0.1)
        assert found.value == pytest.approx(expected, rel=2e-6)
        assert found.relative_gap <= 1e-6


def test_a_face_that_is_cheaper_than_its_cells():
    """w = e_2 lies on both hyperplanes of +-e_1, so A = {2}: 2, and 2 sqrt(2) on the cells around."""
    X = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]])
    problem = mlp.MeasureProblem(X, [0.0, 0.0, 1.0], loss=mlp.Interpolation(), bias="none")
    found = mlp.label_noise_optimum(problem)
    assert found.value == pytest.approx(2.0, rel=1e-6)
    assert found.relative_gap <= 1e-6
    assert program_over(X, active_sets(X), problem.y) == pytest.approx(2.0 * np.sqrt(2), rel=1e-6)


def test_a_face_of_dependent_rows():
    """Three rows that add up to 0 and one off their plane, reached by its own direction alone: 2."""
    X = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [-1.0, -1.0, 0.0], [0.0, 0.0, 1.0]])
    problem = mlp.MeasureProblem(X, [0.0, 0.0, 0.0, -1.0], loss=mlp.Interpolation(), bias="none")
    found = mlp.label_noise_optimum(problem)
    assert found.value == pytest.approx(2.0, rel=1e-6)
    assert found.relative_gap <= 1e-6


@pytest.mark.parametrize(("loss", "lam"), [(mlp.Interpolation(), None), (mlp.Squared(), 0.02)])
def test_more_cells_than_one_program_takes(loss, lam):
    rng = np.random.default_rng(6)
    X, y = rng.standard_normal((12, 2)), rng.standard_normal(12)
    problem = mlp.MeasureProblem(X, y, lam=lam, loss=loss)
    found = mlp.label_noise_optimum(problem)
    assert found.relative_gap <= 1e-6
    assert found.termination is mlp.Termination.CONVERGED
    assert gradients(found.network(), X, bias=True) == pytest.approx(found.regulariser, rel=1e-7)


def test_bounds_are_suprema():
    """Each cell's bound against CVXPY, and never below what points of the cell reach."""
    from measurelp.oracle.seminorm_cells import SeminormCells
    from measurelp.problem import row_space

    rng = np.random.default_rng(5)
    X, alpha = rng.standard_normal((5, 3)), rng.standard_normal(5)
    problem = mlp.MeasureProblem(X, alpha, lam=1.0, bias="none")
    active = active_sets(X)[::3]
    factors = 2.0 * np.sqrt(active @ np.sum(X**2, axis=1))
    bounds = SeminormCells.of(problem, row_space(problem), active, factors).suprema(alpha)
    for a, f, pair in zip(active, factors, bounds, strict=True):
        for sign, bound in zip((1.0, -1.0), pair, strict=True):
            w = cp.Variable(3)
            inner = X @ w
            walls = [cp.multiply(np.where(a, 1.0, -1.0), inner) >= 0, f * cp.norm2(inner[a]) <= 1]
            program = cp.Problem(cp.Maximize(sign * (alpha[a] @ inner[a])), walls)
            exact = float(program.solve(solver=cp.CLARABEL))
            assert bound == pytest.approx(exact, rel=1e-6, abs=1e-6)
            assert bound >= exact - 1e-7


def test_zero_and_impossible_targets():
    zero = mlp.MeasureProblem(np.eye(2), [0.0, 0.0], lam=1.0, bias="none")
    found = mlp.label_noise_optimum(zero)
    assert (found.value, found.lower, len(found.measure)) == (0.0, 0.0, 0)
    assert found.certificate.is_optimal
    twice = mlp.MeasureProblem([[1.0], [1.0]], [1.0, 2.0], loss=mlp.Interpolation(), bias="none")
    assert mlp.label_noise_optimum(twice).certificate.verdict is mlp.Verdict.INFEASIBLE


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"loss": mlp.Absolute()}, "loss"), ({"ball": mlp.L1Ball()}, "ball"),
        ({"activation": mlp.AbsoluteValue()}, "activation"),
        ({"activation": mlp.GatedReLU()}, "activation"),
        ({"bias": "free", "skip": "constant"}, "bias and the skip"),
        ({"sample_weight": [1.0, 2.0, 1.0]}, "sample_weight"),
    ],
)  # fmt: skip
def test_refusals(options, word):
    with pytest.raises(mlp.InvalidProblem, match=f"the {word} differ"):
        mlp.label_noise_optimum(mlp.MeasureProblem(np.eye(3), np.ones(3), lam=1.0, **options))


@pytest.mark.parametrize("bias", ["none", "penalized"])
def test_regulariser_of_any_network(bias):
    """The sum of squared gradients, by central differences of the outputs in every weight."""
    rng = np.random.default_rng(4)
    X, k, h = rng.standard_normal((6, 3)), 5, 1e-6
    d = 3 if bias == "none" else 4
    start = np.concatenate([rng.standard_normal(k * d), rng.standard_normal(k)])

    def network(weights):
        W, v = weights[: k * d].reshape(k, d), weights[k * d :]
        if bias == "none":
            return mlp.ReluNetwork(W, output_weights=v, bias="none")
        return mlp.ReluNetwork(W[:, :3], W[:, 3], output_weights=v)

    slopes = [
        (network(start + h * e).predict(X) - network(start - h * e).predict(X)) / (2.0 * h)
        for e in np.eye(len(start))
    ]
    found = mlp.label_noise_regulariser(network(start), X)
    assert found == pytest.approx(np.sum(np.square(slopes)), rel=1e-6)


def test_regulariser_refuses_other_shapes():
    network = mlp.ReluNetwork([[1.0, 0.0]], output_weights=[[1.0, 2.0]])
    with pytest.raises(mlp.InvalidProblem, match="one output"):
        mlp.label_noise_regulariser(network, [[1.0, 2.0]])
    with pytest.raises(mlp.InvalidProblem, match="expected 2 columns"):
        mlp.label_noise_regulariser(
            mlp.ReluNetwork([[1.0, 0.0]], output_weights=[1.0]), [[1.0, 2.0, 3.0]]
        )
