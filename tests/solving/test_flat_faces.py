"""The l1 and linf ball: every loss, bias and skip against CVXPY over all rays, found exactly."""

import numpy as np
import pytest
from oracles import brute
from oracles.families import SETTINGS
from oracles.rays import dictionary, program_over_atoms

import measurelp as mlp
from measurelp.problem import LOSSES, AbsoluteValue, L1Ball, LeakyReLU, LInfBall, ReLU

BALLS = {"l1": L1Ball(), "linf": LInfBall()}
ACTIVATIONS = {"relu": ReLU(), "leaky": LeakyReLU(0.2), "absolute": AbsoluteValue()}
PARAMETER = {"quantile": 0.3, "huber": 0.5}
OPTIONS = {"quantile": {"tau": 0.3}, "huber": {"delta": 0.5}}
SLOPES = {"relu": (1.0, 0.0), "leaky": (1.0, -0.2), "absolute": (1.0, 1.0)}


def draw(name, family, seed):
    """Inputs and targets that suit the loss."""
    rng = np.random.default_rng(seed)
    n, d = [(6, 2), (7, 1), (5, 2)][seed % 3]
    X = rng.standard_normal((n, d))
    if family == "grid":  # repeated, antiparallel and zero rows, rays where many lines meet
        X = rng.integers(-1, 2, size=(n, d)).astype(float)
    if name in ("hinge", "squared_hinge", "logistic"):
        y = rng.choice([-1.0, 1.0], size=n)
        y[:2] = -1.0, 1.0
    elif name == "poisson":
        y = rng.poisson(2.0, size=n).astype(float)
    else:
        y = rng.standard_normal(n)
    return X, y


def solved_both_ways(name, ball, bias, skip, family="gauss", activation="relu", seed=0):
    """Our solution, and CVXPY's value over all rays (the activation written out from its slopes)."""
    X, y = draw(name, family, seed)
    problem = mlp.MeasureProblem(
        X, y, lam=0.2, loss=LOSSES[name](**OPTIONS.get(name, {})), ball=BALLS[ball], bias=bias,
        skip=skip, activation=ACTIVATIONS[activation],
    )  # fmt: skip
    inner = brute.lifted(X, bias) @ dictionary(X, ball, bias).T
    positive, negative = SLOPES[activation]
    features = positive * np.maximum(inner, 0.0) + negative * np.maximum(-inner, 0.0)
    columns = brute.skip_columns(X, skip)
    if name == "interpolation":
        reachable = np.linalg.matrix_rank(np.hstack([features, columns])) == np.linalg.matrix_rank(
            np.hstack([features, columns, y[:, None]])
        )
        expected = program_over_atoms(features, columns, y=y) if reachable else np.inf
    else:
        weight = np.ones(len(y))
        expected = program_over_atoms(
            features, columns, lam=0.2,
            loss=lambda fit: brute.loss_expression(name, fit, y, weight, PARAMETER.get(name)),
        )  # fmt: skip
    return mlp.solve(problem), expected


def check(solution, expected, size):
    """Proved optimal, at the expected value, with no more atoms than data points, all of norm 1."""
    certificate = solution.certificate
    if np.isinf(expected):
        assert certificate.verdict is mlp.Verdict.INFEASIBLE
        return
    assert certificate.verdict is mlp.Verdict.OPTIMAL, solution
    assert certificate.primal_value == pytest.approx(expected, rel=2e-6, abs=2e-7 * size)
    assert len(solution.measure) <= solution.problem.n
    norms = solution.problem.weight_norm(solution.measure.atoms)
    assert norms == pytest.approx(np.ones(len(solution.measure)), abs=1e-12)


@pytest.mark.parametrize(("bias", "skip"), SETTINGS)
@pytest.mark.parametrize("ball", BALLS)
@pytest.mark.parametrize("name", sorted(set(LOSSES) - {"multinomial_logistic"}))
def test_general_position(name, ball, bias, skip):
    separable = name in ("logistic", "squared_hinge", "poisson") and skip == "affine"
    if separable:
        pytest.skip("with an affine skip these few points can be separated: no minimum is attained")
    check(*solved_both_ways(name, ball, bias, skip), size=10.0)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("ball", BALLS)
@pytest.mark.parametrize("name", ["absolute", "interpolation", "squared", "hinge"])
def test_grids(name, ball, seed):
    for bias, skip in (("none", "none"), ("penalized", "none"), ("free", "constant")):
        check(*solved_both_ways(name, ball, bias, skip, family="grid", seed=seed), size=10.0)


@pytest.mark.parametrize("activation", ["leaky", "absolute"])
@pytest.mark.parametrize("ball", BALLS)
@pytest.mark.parametrize("name", ["absolute", "interpolation", "squared"])
def test_activations(name, ball, activation):
    for bias, skip in (("none", "none"), ("penalized", "none"), ("free", "constant")):
        check(*solved_both_ways(name, ball, bias, skip, activation=activation), size=10.0)


def test_the_walls_of_the_norm_are_needed():
    """w = (1, 1) / 3 interpolates at 2/3; the rays of the data alone give 2."""
    problem = mlp.MeasureProblem(
        [[2.0, 1.0], [1.0, 2.0]], [1.0, 1.0], loss=mlp.Interpolation(), ball=L1Ball(), bias="none"
    )
    solution = mlp.solve(problem)
    assert solution.certificate.verdict is mlp.Verdict.OPTIMAL
    assert solution.certificate.primal_value == pytest.approx(2 / 3, abs=1e-9)


def test_fewer_points_than_coordinates():
    """One point (1, 1), target 1: the rays of the data alone cannot even interpolate."""
    for ball, value in ((L1Ball(), 1.0), (LInfBall(), 0.5)):
        problem = mlp.MeasureProblem(
            [[1.0, 1.0]], [1.0], loss=mlp.Interpolation(), ball=ball, bias="none"
        )
        assert mlp.solve(problem).certificate.primal_value == pytest.approx(value, abs=1e-12)


def test_branch_and_bound_and_rays_agree():
    rng = np.random.default_rng(3)
    X, y = rng.standard_normal((30, 3)), rng.standard_normal(30)
    for ball in BALLS.values():
        problem = mlp.MeasureProblem(X, y, lam=0.5, ball=ball)
        one, two = (mlp.solve(problem, oracle=name) for name in ("fans", "rays"))
        assert one.certificate.is_optimal
        assert two.certificate.is_optimal
        assert one.certificate.primal_value == pytest.approx(two.certificate.primal_value, rel=1e-8)


@pytest.mark.parametrize("name", ["absolute", "squared"])
def test_limits_leave_a_bracket_around_the_optimum(name):
    rng = np.random.default_rng(4)
    X, y = rng.standard_normal((20, 3)), rng.standard_normal(20)
    problem = mlp.MeasureProblem(X, y, lam=0.3, loss=LOSSES[name](), ball=L1Ball())
    best = mlp.solve(problem).certificate
    early = mlp.solve(problem, max_rounds=2).certificate
    assert early.verdict is mlp.Verdict.BRACKETED
    assert early.dual_value <= best.primal_value
    assert early.primal_value >= best.dual_value


def test_certify_measures_of_other_norms():
    """A solution certifies, a perturbed one does not, and one for another ball is refuted."""
    rng = np.random.default_rng(5)
    X, y = rng.standard_normal((15, 2)), rng.standard_normal(15)
    problem = mlp.MeasureProblem(X, y, lam=0.3, ball=L1Ball())
    solution = mlp.solve(problem)
    assert mlp.certify(problem, solution.measure).verdict is mlp.Verdict.OPTIMAL
    measure = solution.measure
    worse = mlp.AtomicMeasure(measure.atoms, measure.masses * 1.01)
    assert mlp.certify(problem, worse).verdict is mlp.Verdict.REFUTED
    euclidean = mlp.solve(mlp.MeasureProblem(X, y, lam=0.3))
    certificate = mlp.certify(problem, euclidean.measure)
    assert certificate.verdict is not mlp.Verdict.OPTIMAL
    assert certificate.primal_value >= solution.certificate.dual_value


def test_named_backends():
    rng = np.random.default_rng(6)
    X, y = rng.standard_normal((12, 2)), rng.standard_normal(12)
    problem = mlp.MeasureProblem(X, y, lam=0.3, loss=mlp.problem.Absolute(), ball=L1Ball())
    value = mlp.solve(problem).certificate.primal_value
    for backend in ("highs", "clarabel"):
        certificate = mlp.solve(problem, backend=backend).certificate
        assert certificate.is_optimal
        assert certificate.primal_value == pytest.approx(value, rel=1e-7)
    labels = np.where(y > 0.0, 1.0, -1.0)
    logistic = mlp.MeasureProblem(X, labels, lam=0.3, loss=mlp.problem.Logistic(), ball=L1Ball())
    with pytest.raises(mlp.InvalidProblem, match="backend: highs"):
        mlp.solve(logistic, backend="highs")


@pytest.mark.parametrize("name", ["absolute", "quantile", "huber", "hinge"])
@pytest.mark.parametrize("ball", [mlp.L1Ball(), mlp.L2Ball()])
def test_a_skip_that_fits_everything_leaves_zero(ball, name):
    rng = np.random.default_rng(2)
    X, y = rng.standard_normal((3, 2)), np.array([1.0, -1.0, 1.0])
    problem = mlp.MeasureProblem(
        X, y, lam=0.1, loss=LOSSES[name](**OPTIONS.get(name, {})), ball=ball, bias="free",
        skip="affine",
    )  # fmt: skip
    certificate = mlp.solve(problem).certificate
    assert certificate.verdict is mlp.Verdict.OPTIMAL
    assert certificate.primal_value == 0.0


@pytest.mark.parametrize("ball", [mlp.L2Ball(), mlp.LInfBall()])
def test_inputs_that_are_all_zero(ball):
    problem = mlp.MeasureProblem(
        np.zeros((2, 1)), [-5.0, -3.0], lam=0.1, loss=mlp.Quantile(0.3), ball=ball, bias="none",
        skip="affine",
    )  # fmt: skip
    certificate = mlp.solve(problem).certificate
    assert certificate.verdict is mlp.Verdict.OPTIMAL
    assert certificate.primal_value == pytest.approx(0.3 * 2.0, rel=1e-9)
