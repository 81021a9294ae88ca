"""Leaky ReLU and absolute value: solutions against the full cone program, networks, files."""

import cvxpy as cp
import numpy as np
import pytest
from oracles import brute

import measurelp as mlp
from measurelp.oracle import (
    AngleOracle,
    CellOracle,
    ConeOracle,
    DualFunction,
    FanOracle,
    RayOracle,
    SignOracle,
)
from measurelp.problem import row_space

# The activation and, written out here, its slopes on either side of 0: p t_+ + q (-t)_+.
CASES = [
    (mlp.LeakyReLU(0.2), 1.0, -0.2),
    (mlp.AbsoluteValue(), 1.0, 1.0),
    (mlp.LeakyReLU(-0.5), 1.0, 0.5),
]
SETTINGS = [("none", "none"), ("penalized", "none"), ("free", "constant"), ("none", "affine")]


def cone_value(problem, positive, negative):
    """The convex program over all cells, with both slopes in every cell."""
    rows = problem.lifted
    fit, size, walls = 0, 0, []
    for signs in brute.sign_patterns(rows):
        slopes = np.where(signs > 0, positive, np.where(signs < 0, -negative, 0.0))
        for output in (1.0, -1.0):
            u = cp.Variable(rows.shape[1])
            fit = fit + output * cp.multiply(slopes, rows @ u)
            size = size + cp.norm2(u[: problem.n_penalized])
            walls.append(cp.multiply(signs, rows @ u) >= 0)
    columns = brute.skip_columns(problem.X, problem.skip)
    if columns.shape[1]:
        fit = fit + columns @ cp.Variable(columns.shape[1])
    if problem.loss.is_hard_constraint:
        program = cp.Problem(cp.Minimize(size), [*walls, fit == problem.y])
    else:
        loss = brute.loss_expression(problem.loss.name, fit, problem.y, np.ones(problem.n))
        program = cp.Problem(cp.Minimize(loss + problem.lam * size), walls)
    program.solve(solver=cp.CLARABEL)
    return float(program.value)


@pytest.mark.parametrize(("bias", "skip"), SETTINGS)
@pytest.mark.parametrize("loss", [mlp.Squared(), mlp.Absolute(), mlp.Interpolation()])
@pytest.mark.parametrize("case", CASES, ids=["leaky", "absolute", "negative"])
def test_against_the_program_over_all_cells(case, loss, bias, skip):
    activation, positive, negative = case
    rng = np.random.default_rng(3)
    X, y = rng.standard_normal((6, 2)), rng.standard_normal(6)
    problem = mlp.MeasureProblem(
        X, y, lam=0.2, loss=loss, activation=activation, bias=bias, skip=skip
    )
    solution = mlp.solve(problem)
    assert solution.certificate.verdict is mlp.Verdict.OPTIMAL
    assert solution.certificate.primal_value == pytest.approx(
        cone_value(problem, positive, negative), rel=2e-6
    )
    assert len(solution.measure) <= problem.n


@pytest.mark.parametrize("ball", [mlp.L2Ball(), mlp.L1Ball(), mlp.LInfBall()])
@pytest.mark.parametrize("case", CASES, ids=["leaky", "absolute", "negative"])
def test_all_oracles_bracket_a_dense_sample(case, ball):
    activation = case[0]
    rng = np.random.default_rng(5)
    for bias, d in (("none", 3), ("penalized", 2), ("free", 2)):
        X, alpha = rng.standard_normal((8, d)), rng.standard_normal(8)
        skip = "none"
        if bias == "free":
            alpha, skip = alpha - alpha.mean(), "constant"
        problem = mlp.MeasureProblem(
            X, alpha, lam=1.0, ball=ball, activation=activation, bias=bias, skip=skip
        )
        dual = DualFunction(problem, row_space(problem), alpha)
        weights = rng.standard_normal((20_000, problem.lifted.shape[1]))
        norms = problem.weight_norm(weights)
        weights = weights[norms > 0.2] / norms[norms > 0.2, None]
        seen = np.abs(alpha @ activation.values(problem.lifted @ weights.T)).max()
        oracles = [FanOracle(), RayOracle()]
        if ball.name == "l2":
            oracles = [CellOracle(), ConeOracle(), SignOracle()]
            if dual.space.n_penalized <= 2:
                oracles.append(AngleOracle())
        reports = [oracle.maximise(dual) for oracle in oracles]
        for report in reports:
            assert seen <= report.upper * (1 + 1e-9)
            assert report.upper <= report.lower * (1 + 1e-7)
            assert report.lower == pytest.approx(reports[0].lower, rel=1e-8)
            assert report.lower <= 1.3 * seen


def test_a_leaky_relu_of_slope_zero_is_the_relu():
    rng = np.random.default_rng(6)
    X, y = rng.standard_normal((10, 2)), rng.standard_normal(10)
    values = [
        mlp.solve(mlp.MeasureProblem(X, y, lam=0.3, activation=a)).certificate.primal_value
        for a in (mlp.ReLU(), mlp.LeakyReLU(0.0))
    ]
    assert values[0] == pytest.approx(values[1], rel=1e-8)


def test_of_one_point_one_neuron():
    """|<w, x>| of one point: w = x / |x| with mass (y - lam / |x|) / |x|, whatever the sign."""
    problem = mlp.MeasureProblem(
        [[3.0, 4.0]], [2.0], lam=0.5, bias="none", activation=mlp.AbsoluteValue()
    )
    assert mlp.solve(problem).certificate.primal_value == pytest.approx(0.195, abs=1e-12)


@pytest.mark.parametrize("activation", [mlp.LeakyReLU(0.3), mlp.AbsoluteValue()])
@pytest.mark.parametrize("ball", [mlp.L2Ball(), mlp.LInfBall()])
def test_networks_and_folders_keep_the_activation(tmp_path, ball, activation):
    rng = np.random.default_rng(7)
    X, y = rng.standard_normal((9, 2)), rng.standard_normal(9)
    problem = mlp.MeasureProblem(
        X, y, lam=0.2, ball=ball, activation=activation, bias="free", skip="affine"
    )
    solution = mlp.solve(problem)
    network = solution.network()
    direct = activation.values(problem.lifted @ solution.measure.atoms.T) @ solution.measure.masses
    direct = direct + X @ solution.skip.linear + solution.skip.constant
    assert network.predict(X) == pytest.approx(direct, abs=1e-12)
    assert mlp.certify(problem, network).verdict is mlp.Verdict.OPTIMAL
    with pytest.raises(mlp.InvalidProblem, match="activation"):
        mlp.certify(mlp.MeasureProblem(X, y, lam=0.2, bias="free", skip="affine"), network)
    solution.save(str(tmp_path / "solution"))
    again = mlp.load_solution(str(tmp_path / "solution"))
    assert (again.problem.ball, again.problem.activation) == (ball, activation)
    assert again.certificate.verdict is mlp.Verdict.OPTIMAL
    loaded = mlp.load_network(str(tmp_path / "solution"))
    assert loaded.activation == activation
    assert loaded.predict(X) == pytest.approx(direct, abs=1e-12)


def test_what_is_worked_out_for_relu_and_l2_only_says_so():
    rng = np.random.default_rng(8)
    X, y = rng.standard_normal((8, 2)), rng.standard_normal(8)
    for options in ({"activation": mlp.AbsoluteValue()}, {"ball": mlp.L1Ball()}):
        problem = mlp.MeasureProblem(X, y, lam=0.2, **options)
        solution = mlp.solve(problem)
        for ask in (
            lambda s: mlp.uniqueness(s), lambda s: mlp.solution_set(s),
            lambda s: mlp.path_breakpoints(s.problem), lambda s: s.proof("never_written.json"),
            lambda s: mlp.diagnose(s.problem, s.network()),
        ):  # fmt: skip
            with pytest.raises(mlp.InvalidProblem):
                ask(solution)


@pytest.mark.parametrize("slope", [1.0, 2.0, -1.5, float("nan"), "0.1", True])
def test_slopes_outside_the_range_are_refused(slope):
    with pytest.raises(mlp.InvalidProblem, match=r"slope: expected a number in \[-1, 1\)"):
        mlp.LeakyReLU(slope)


def test_skips_become_pairs_of_leaky_neurons():
    network = mlp.ReluNetwork(
        [[1.0, 2.0]], [0.5], output_weights=[1.0], skip=mlp.Skip(np.array([1.0, -3.0])),
        activation=mlp.LeakyReLU(0.25),
    )  # fmt: skip
    X = np.random.default_rng(0).standard_normal((5, 2))
    assert network.skip_as_neurons().predict(X) == pytest.approx(network.predict(X), abs=1e-12)
    even = mlp.ReluNetwork(
        [[1.0, 2.0]], [0.5], output_weights=[1.0], skip=mlp.Skip(np.array([1.0, -3.0])),
        activation=mlp.AbsoluteValue(),
    )  # fmt: skip
    with pytest.raises(mlp.InvalidProblem, match="activation"):
        even.skip_as_neurons()


def test_conversions_say_what_they_cannot_say():
    leaky = mlp.ReluNetwork([[1.0]], output_weights=[1.0], activation=mlp.LeakyReLU(0.25))
    even = mlp.ReluNetwork([[1.0]], output_weights=[1.0], activation=mlp.AbsoluteValue())
    for convert in (
        mlp.onnx_from_network, mlp.sklearn_from_network, mlp.chain_from_network,
        lambda n: mlp.share_neurons(n, [[1.0]]),
    ):  # fmt: skip
        for network in (leaky, even):
            with pytest.raises(mlp.InvalidProblem, match="ReLU networks"):
                convert(network)
    with pytest.raises(mlp.InvalidProblem, match="torch"):
        mlp.torch_from_network(even)
    torch = pytest.importorskip("torch")
    module = mlp.torch_from_network(leaky)
    x = torch.tensor([[-2.0], [3.0]], dtype=torch.float64)
    assert module(x).detach().numpy()[:, 0] == pytest.approx([-0.5, 3.0])


@pytest.mark.parametrize("case", CASES, ids=["leaky", "absolute", "negative"])
def test_kinks_beyond_all_data_cost_nothing_to_move(case):
    """With a free bias, cone programs put kinks far away, on either side of the data."""
    activation, positive, negative = case
    for seed in range(3):
        rng = np.random.default_rng(seed)
        X = rng.standard_normal((7, 2))
        y = np.where(rng.standard_normal(7) > 0.0, 1.0, -1.0)
        y[:2] = 1.0, -1.0
        problem = mlp.MeasureProblem(
            X, y, lam=0.2, loss=mlp.Logistic(), activation=activation, bias="free",
            skip="constant",
        )  # fmt: skip
        certificate = mlp.solve(problem).certificate
        assert certificate.verdict is mlp.Verdict.OPTIMAL
        if seed == 0:
            assert certificate.primal_value == pytest.approx(
                cone_value(problem, positive, negative), rel=2e-6
            )
