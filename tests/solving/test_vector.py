"""Several outputs: closed forms, laws, dense programs, separate outputs, networks, files."""

from __future__ import annotations

import signal

import numpy as np
import pytest
from oracles import families, vector
from oracles.brute import lifted

import measurelp as mlp
from measurelp.errors import InvalidProblem

INTERPOLATION = mlp.Interpolation()


def recomputed(problem, measure) -> float:
    """The joint objective from its definition."""
    features = np.maximum(lifted(problem.X, problem.bias) @ measure.atoms.T, 0.0)
    fit = features @ measure.masses
    if measure.skip is not None:
        fit = fit + problem.X @ measure.skip.linear + measure.skip.constant
    norms = np.linalg.norm(measure.atoms[:, : problem.n_penalized], axis=1)
    order = 2 if problem.outputs == "joint" else 1
    cost = float(norms @ np.linalg.norm(measure.masses, order, axis=1))
    if problem.loss.is_hard_constraint:
        assert np.abs(fit - problem.y).max() <= 1e-7 * np.abs(problem.y).max()
        return cost
    loss = 0.5 * float(problem.sample_weight @ ((fit - problem.y) ** 2).sum(axis=1))
    return loss + problem.lam * cost


def solved(problem, **options):
    """An optimal solution whose numbers are those of its measure."""
    solution = mlp.solve(problem, **options)
    certificate = solution.certificate
    assert certificate.verdict.name == "OPTIMAL", solution
    assert certificate.primal_value == pytest.approx(recomputed(problem, solution.measure))
    # An interpolant may miss its targets by 1e-8; what that may pretend to gain is in the gap.
    slack = 1e-7 if problem.loss.is_hard_constraint else 1e-12
    assert certificate.dual_value <= certificate.primal_value * (1.0 + slack)
    assert certificate.relative_gap <= options.get("tol_gap", 1e-6)
    return solution


def random_problem(rng, n, d, c, *, rel=0.1, family="gaussian", **options):
    X = getattr(families, family)(rng, n, d)
    Y = rng.standard_normal((n, c))
    plain = mlp.MeasureProblem(X, Y, lam=1.0, **options)
    return plain.with_lam(max(rel * mlp.lam_max(plain), 1e-6))


# ---- closed forms ----------------------------------------------------------------------------------

EDGES = {
    m: np.array(
        [[float(v in (i, m + j)) for i in range(m) for j in range(m)] for v in range(2 * m)]
    )
    for m in (2, 3)
}
ONE_HOT = np.repeat(np.eye(2), [4, 9], axis=0)


@pytest.mark.parametrize(
    ("X", "Y", "options", "value", "atoms"),
    [
        ([[2.0, 0.0]], [[3.0, 4.0]], {"bias": "none"}, 2.5, 1),
        ([[1.0]], [[3.0, 4.0]], {"bias": "none"}, 5.0, 1),
        ([[1.0]], [[3.0, 4.0]], {"bias": "none", "outputs": "separate"}, 7.0, 1),
        (np.eye(2), [[1.0, 1.0], [0.0, 1.0]], {"bias": "none"}, np.sqrt(5.0), None),
        (np.eye(2), [[1.0, -1.0], [0.0, 1.0]], {"bias": "none"}, 1.0 + np.sqrt(2.0), None),
        (np.eye(4), EDGES[2] @ EDGES[2].T, {"bias": "none"}, 8.0, 4),
        (np.eye(6), EDGES[3] @ EDGES[3].T, {"bias": "none"}, 18.0, 9),
        (np.eye(13), ONE_HOT, {"bias": "none"}, 5.0, 2),
        (
            [[0.0], [1.0], [2.0], [4.0], [5.0]],
            np.array([[0.0, 1.0, 0.0, 2.0, 2.0], [1.0, 1.0, 3.0, 0.0, -1.0]]).T,
            {"bias": "free", "skip": "affine"}, 7.977589987645359, None,
        ),
    ],
    ids=["one point", "joint", "separate", "nuclear", "obtuse", "K22", "K33", "one-hot", "dots"],
)  # fmt: skip
def test_closed_forms(X, Y, options, value, atoms):
    solution = solved(mlp.MeasureProblem(X, Y, loss=INTERPOLATION, **options))
    assert solution.certificate.primal_value == pytest.approx(value, rel=1e-6)
    if atoms is not None:
        assert len(solution.measure) == atoms


def test_a_five_cycle_is_dearer_than_its_nuclear_norm():
    """A doubly nonnegative matrix that is not completely positive: the nuclear norm 10 is not reached."""
    Y = [[1.0, 1, 0, 0, 1], [1, 2, 1, 0, 0], [0, 1, 2, 1, 0], [0, 0, 1, 2, 1], [1, 0, 0, 1, 3]]
    solution = mlp.solve(
        mlp.MeasureProblem(np.eye(5), Y, loss=INTERPOLATION, bias="none"), tol_gap=1e-4
    )
    assert 10.001 < solution.certificate.dual_value <= 10.047607
    assert solution.certificate.primal_value <= 10.0477


# ---- laws ------------------------------------------------------------------------------------------


def test_outputs_of_one_direction_are_one_output():
    rng = np.random.default_rng(0)
    for _ in range(6):
        X, y, u = rng.standard_normal((12, 3)), rng.standard_normal(12), rng.standard_normal(3)
        u /= np.linalg.norm(u)
        one = mlp.solve(mlp.MeasureProblem(X, y, lam=0.3))
        many = solved(mlp.MeasureProblem(X, np.outer(y, u), lam=0.3))
        assert many.certificate.primal_value == pytest.approx(
            one.certificate.primal_value, rel=3e-6
        )


@pytest.mark.parametrize(("bias", "skip"), [
    ("none", "none"), ("penalized", "none"), ("penalized", "constant"), ("free", "constant"),
    ("free", "affine"), ("none", "affine"),
])  # fmt: skip
def test_turning_the_outputs_changes_nothing(bias, skip):
    rng = np.random.default_rng(1)
    for loss in (mlp.Squared(), INTERPOLATION):
        X, Y = rng.standard_normal((8, 2)), rng.standard_normal((8, 2))
        turn = np.linalg.qr(rng.standard_normal((2, 2)))[0]
        values = [
            solved(mlp.MeasureProblem(X, Z, lam=0.2, loss=loss, bias=bias, skip=skip)).certificate
            for Z in (Y, Y @ turn)
        ]
        assert values[0].primal_value == pytest.approx(values[1].primal_value, rel=3e-6)


def test_never_worse_than_a_dense_program_and_close_to_it():
    rng = np.random.default_rng(2)
    angles = np.linspace(0.0, 2.0 * np.pi, 240, endpoint=False)
    for family in ("gaussian", "grid", "copies", "mirrored"):
        problem = random_problem(rng, 7, 2, 2, family=family, bias="none")
        walls = problem.X[np.any(problem.X != 0.0, axis=1)] @ np.array([[0.0, 1.0], [-1.0, 0.0]])
        grid = np.vstack([np.column_stack([np.cos(angles), np.sin(angles)]), walls, -walls])
        grid /= np.linalg.norm(grid, axis=1)[:, None]
        dense = vector.group_lasso(problem.X, problem.y, grid, lam=problem.lam)
        certificate = solved(problem).certificate
        assert certificate.primal_value <= dense * (1.0 + 1e-6)
        assert dense <= certificate.primal_value * 1.003


@pytest.mark.slow
@pytest.mark.parametrize(
    "family", ["gaussian", "grid", "copies", "low_rank", "mirrored", "clustered"]
)
def test_many_small_problems_against_dense_programs(family):
    """Proved bounds lie below any feasible value, and values at or above any proved bound."""
    rng = np.random.default_rng(3)
    for trial in range(20):
        d, c = int(rng.integers(1, 4)), int(rng.integers(2, 4))
        problem = random_problem(
            rng, int(rng.integers(2, 9)), d, c, rel=float(rng.choice([0.5, 0.1, 0.02])),
            family=family, bias="none",
        )  # fmt: skip
        directions = rng.standard_normal((400, d))
        directions /= np.linalg.norm(directions, axis=1)[:, None]
        solution = mlp.solve(problem, time_limit=60)
        certificate = solution.certificate
        assert certificate.verdict.name == "OPTIMAL", (family, trial, solution)
        atoms = solution.measure.atoms
        dense = vector.group_lasso(
            problem.X, problem.y, np.vstack([directions, atoms]), lam=problem.lam
        )
        assert certificate.dual_value <= dense * (1.0 + 1e-7)
        assert certificate.primal_value <= dense * (1.0 + 3e-6) + 1e-9


def test_weights_are_repetitions():
    rng = np.random.default_rng(4)
    X, Y, weight = (
        rng.standard_normal((7, 2)),
        rng.standard_normal((7, 3)),
        np.array([1, 2, 1, 3, 1, 1, 2]),
    )
    weighted = solved(mlp.MeasureProblem(X, Y, lam=0.4, sample_weight=weight))
    again = solved(
        mlp.MeasureProblem(np.repeat(X, weight, axis=0), np.repeat(Y, weight, axis=0), lam=0.4)
    )
    assert weighted.certificate.primal_value == pytest.approx(
        again.certificate.primal_value, rel=3e-6
    )


def test_at_lam_max_nothing_is_learned():
    rng = np.random.default_rng(5)
    problem = random_problem(rng, 15, 3, 4, rel=1.0)
    assert len(solved(problem).measure) == 0
    assert len(solved(problem.with_lam(0.98 * problem.lam)).measure) > 0


def test_no_more_neurons_than_independent_features_times_outputs():
    rng = np.random.default_rng(6)
    for _ in range(4):
        problem = random_problem(rng, 12, 3, 3, rel=0.02)
        solution = solved(problem)
        features = problem.features(solution.measure.atoms)
        outputs = features @ solution.measure.masses
        most = np.linalg.matrix_rank(features) * np.linalg.matrix_rank(outputs)
        assert len(solution.measure) <= most


# ---- separate outputs ----------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", [mlp.Squared(), mlp.Absolute(), INTERPOLATION, mlp.Logistic()])
def test_separate_outputs_are_a_sum(loss):
    rng = np.random.default_rng(7)
    X, Y = rng.standard_normal((9, 2)), rng.standard_normal((9, 3))
    if loss.name == "logistic":
        Y = np.sign(Y)
    problem = mlp.MeasureProblem(X, Y, lam=0.5, loss=loss, outputs="separate", skip="constant")
    solution = mlp.solve(problem)
    assert solution.certificate.verdict.name == "OPTIMAL"
    columns = [mlp.solve(problem.column(j)).certificate.primal_value for j in range(3)]
    assert solution.certificate.primal_value == pytest.approx(sum(columns), rel=3e-6)
    assert solution.measure.masses.shape[1] == 3 and solution.dual.shape == (9, 3)
    joint_cost = solution.measure.total_variation
    assert joint_cost <= float(np.abs(solution.measure.masses).sum()) + 1e-12


def test_joint_costs_at_most_what_separate_costs():
    rng = np.random.default_rng(8)
    joint = random_problem(rng, 12, 2, 3)
    separate = mlp.MeasureProblem(joint.X, joint.y, lam=joint.lam, outputs="separate")
    assert solved(joint).certificate.dual_value <= mlp.solve(separate).certificate.primal_value


# ---- candidates, files, limits -------------------------------------------------------------------------


def test_candidates_are_certified_or_refuted():
    rng = np.random.default_rng(9)
    problem = random_problem(rng, 20, 3, 2)
    solution = solved(problem)
    network = solution.network()
    assert network.outputs == 2
    assert mlp.certify(problem, network).verdict.name == "OPTIMAL"
    optimum = solution.certificate.primal_value
    for outputs in ("joint", "separate"):
        stated = mlp.MeasureProblem(problem.X, problem.y, lam=problem.lam, outputs=outputs)
        worse = mlp.AtomicMeasure(solution.measure.atoms, 1.05 * solution.measure.masses)
        certificate = mlp.certify(stated, worse)
        assert certificate.verdict.name == "REFUTED"
        improvement = certificate.improvement
        assert improvement.mass.shape == (2,)
        atoms = np.vstack([worse.atoms, improvement.weight])
        masses = np.vstack([worse.masses, improvement.mass])
        better = recomputed(stated, merged(mlp.AtomicMeasure(atoms, masses)))
        assert better == pytest.approx(improvement.objective) and better < certificate.primal_value
        assert certificate.dual_value <= certificate.primal_value
        if outputs == "joint":
            assert certificate.dual_value <= optimum * (1.0 + 1e-9)


def merged(measure):
    """Masses at atoms that are equal up to rounding (certify scales them to unit norm) added up."""
    _, first, index = np.unique(
        np.round(measure.atoms, 12), axis=0, return_index=True, return_inverse=True
    )
    masses = np.zeros((len(first), measure.masses.shape[1]))
    np.add.at(masses, index.ravel(), measure.masses)
    return mlp.AtomicMeasure(measure.atoms[first], masses)


def test_trained_networks_of_scikit_learn():
    neural = pytest.importorskip("sklearn.neural_network")
    rng = np.random.default_rng(10)
    X = rng.standard_normal((30, 2))
    Y = np.column_stack([np.maximum(X[:, 0], 0.0), np.abs(X[:, 1])])
    model = neural.MLPRegressor(
        hidden_layer_sizes=(6,), alpha=0.5, max_iter=300, random_state=0
    ).fit(X, Y)
    problem = mlp.MeasureProblem(X, Y, lam=0.5, bias="free", skip="constant")
    certificate = mlp.certify(problem, model)
    assert certificate.verdict.name in ("REFUTED", "BRACKETED")
    assert certificate.dual_value < certificate.primal_value
    with pytest.raises(InvalidProblem, match="2 outputs"):
        mlp.certify(mlp.MeasureProblem(X, Y[:, 0], lam=0.5, bias="free", skip="constant"), model)


@pytest.mark.parametrize("outputs", ["joint", "separate"])
def test_saved_and_certified_again(tmp_path, outputs):
    rng = np.random.default_rng(11)
    X, Y = rng.standard_normal((10, 2)), rng.standard_normal((10, 2))
    problem = mlp.MeasureProblem(X, Y, lam=0.5, outputs=outputs, bias="free", skip="affine")
    solution = mlp.solve(problem)
    solution.save(tmp_path / "saved")
    again = mlp.load_solution(tmp_path / "saved")
    assert again.certificate.verdict.name == "OPTIMAL"
    assert again.problem.outputs == outputs
    assert np.array_equal(again.measure.masses, solution.measure.masses)
    new = rng.standard_normal((5, 2))
    assert np.allclose(again.predict(new), solution.predict(new))
    assert np.allclose(
        again.predict(new),
        np.maximum(lifted(new, "free") @ solution.measure.atoms.T, 0.0) @ solution.measure.masses
        + new @ solution.skip.linear + solution.skip.constant,
    )  # fmt: skip


def test_targets_that_no_network_has():
    X = [[1.0, 2.0], [1.0, 2.0], [0.0, 1.0]]
    Y = [[1.0, 1.0], [1.0, 2.0], [0.0, 0.0]]
    for outputs in ("joint", "separate"):
        problem = mlp.MeasureProblem(X, Y, loss=INTERPOLATION, outputs=outputs)
        solution = mlp.solve(problem)
        assert solution.certificate.verdict.name == "INFEASIBLE"
        q = solution.certificate.witness
        assert q.shape == (3, 2) and float(np.sum(q * problem.y)) > 0.0
        w = np.random.default_rng(0).standard_normal((50, 3))
        assert np.abs(vector.outputs(problem.lifted, q, w)).max() <= 1e-12


def test_early_ends_leave_a_valid_bracket():
    rng = np.random.default_rng(12)
    problem = random_problem(rng, 40, 3, 3, rel=0.02)
    optimum = solved(problem).certificate
    for options in ({"max_rounds": 1}, {"max_rounds": 3}, {"time_limit": 1e-3}):
        certificate = mlp.solve(problem, **options).certificate
        assert certificate.verdict.name in ("BRACKETED", "OPTIMAL")
        assert certificate.dual_value <= optimum.primal_value * (1.0 + 1e-9)
        assert certificate.primal_value >= optimum.dual_value * (1.0 - 1e-9)


def test_many_coordinates_are_bracketed_honestly():
    rng = np.random.default_rng(13)
    X, Y = rng.standard_normal((40, 9)), rng.standard_normal((40, 3))
    solution = mlp.solve(mlp.MeasureProblem(X, Y, lam=3.0, bias="none"), time_limit=5.0)
    certificate = solution.certificate
    assert 0.0 <= certificate.dual_value <= certificate.primal_value
    if certificate.verdict.name != "OPTIMAL":
        assert certificate.verdict.name == "BRACKETED"


def test_what_joint_outputs_are_not_solved_for_is_refused():
    X, Y = np.eye(2), np.eye(2)
    from measurelp.problem import L1Ball

    for options, name in (
        ({"loss": mlp.Absolute()}, "loss"), ({"ball": L1Ball()}, "ball"),
    ):  # fmt: skip
        with pytest.raises(InvalidProblem, match=name):
            mlp.MeasureProblem(X, Y, lam=1.0, **options)
    problem = mlp.MeasureProblem(X, Y, lam=0.1)
    with pytest.raises(InvalidProblem, match="oracle"):
        mlp.solve(problem, oracle="signs")
    with pytest.raises(InvalidProblem, match="masses"):
        mlp.certify(problem, mlp.AtomicMeasure(np.zeros((0, 3)), np.zeros(0)))
    with pytest.raises(InvalidProblem, match="dual"):
        mlp.certify(
            problem, mlp.AtomicMeasure(np.zeros((0, 3)), np.zeros((0, 2))), dual=np.zeros(2)
        )
    column = mlp.MeasureProblem(X, Y[:, :1], lam=0.1)
    assert not column.is_vector and mlp.solve(column).measure.masses.ndim == 1


def test_one_ctrl_c_is_for_all_separate_outputs():
    rng = np.random.default_rng(1)
    problem = mlp.MeasureProblem(
        rng.standard_normal((30, 3)), rng.standard_normal((30, 4)), lam=0.05, outputs="separate"
    )
    reports = []

    def press(progress):
        reports.append(progress)
        if len(reports) == 1:
            signal.raise_signal(signal.SIGINT)

    cut = mlp.solve(problem, callback=press)
    assert cut.termination is mlp.Termination.INTERRUPTED
    assert not cut.certificate.is_optimal
    assert 0.0 <= cut.certificate.dual_value <= mlp.solve(problem).certificate.primal_value
    assert cut.certificate.primal_value < np.inf
