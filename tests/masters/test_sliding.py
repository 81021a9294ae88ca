"""The sliding Newton method against plain NumPy, and its laws."""

import numpy as np
import pytest
from scipy.optimize import nnls

import measurelp as mlp
from measurelp.certificate import skip_basis
from measurelp.masters import _line_kernels as line
from measurelp.masters import _pass_kernels as passes
from measurelp.masters import _sliding_kernels as kernels
from measurelp.masters import sliding
from measurelp.masters._sliding_state import Data
from measurelp.masters._wall_kernels import add_wall
from measurelp.masters.neurons import Neurons, Training
from measurelp.masters.sliding import Slider
from measurelp.masters.sliding_master import SlidingMaster
from measurelp.problem import row_space
from measurelp.solving import cell_generation

SETTINGS = [("none", "none"), ("penalized", "none"), ("none", "affine"), ("free", "constant")]


def training_of(seed, bias="none", skip="none", *, n=24, d=3, grid=False, lam=0.3):
    rng = np.random.default_rng(seed)
    X = rng.integers(-1, 2, (n, d)).astype(float) if grid else rng.standard_normal((n, d))
    problem = mlp.MeasureProblem(X, rng.standard_normal(n), lam=lam, bias=bias, skip=skip)
    space = row_space(problem)
    training = Training.of(problem, space)
    return training, skip_basis(problem), rng


def random_neurons(training, rng, count=5):
    return Neurons(
        rng.standard_normal((count, training.rows.shape[1])),
        rng.choice([-1.0, 1.0], count),
        rng.standard_normal(training.skip_columns.shape[1]),
    )


def arrays(training, basis, neurons):
    """The kernels' view of a problem and some neurons."""
    slider = Slider(training, basis)
    data = Data(
        slider._transposed, slider._sizes, slider._basis_rows, training.y, training.lam,
        training.n_penalized,
    )  # fmt: skip
    state, work = sliding._room(
        data, neurons.weights, neurons.signs, basis.T @ (training.skip_columns @ neurons.skip)
    )
    return data, state, work


def projected_gradient(training, neurons):
    """Of the objective in the weights, rows at zero left out; no walls are known."""
    residual = training.fit(neurons) - training.y
    rows = []
    for weight, sign in zip(neurons.weights, neurons.signs, strict=True):
        gradient = sign * training.rows.T @ (residual * (training.rows @ weight > 0.0))
        p = training.n_penalized
        gradient[:p] += training.lam * weight[:p] / np.linalg.norm(weight[:p])
        rows.append(gradient)
    return np.array(rows), residual


# ---- kernels against NumPy --------------------------------------------------------------------------


@pytest.mark.kernel_python
@pytest.mark.parametrize(("bias", "skip"), SETTINGS)
def test_products_and_gradients(bias, skip):
    training, basis, rng = training_of(0, bias, skip)
    neurons = random_neurons(training, rng)
    data, state, work = arrays(training, basis, neurons)
    passes.find_products(data, state, work)
    gradients, residual = projected_gradient(training, neurons)
    np.testing.assert_allclose(work.inner, (training.rows @ neurons.weights.T).T, atol=1e-12)
    np.testing.assert_allclose(work.residual, residual, atol=1e-11)
    np.testing.assert_allclose(work.gradients, gradients, atol=1e-10)


@pytest.mark.kernel_python
def test_gram_follows_the_sides_that_rows_are_on():
    """Updated over three moves, it is what it would be made anew."""
    training, basis, rng = training_of(1, skip="constant")
    data, state, work = arrays(training, basis, random_neurons(training, rng))
    for _ in range(3):
        passes.find_products(data, state, work)
        passes.flip_sides(data, state, work)
        active = (training.rows @ state.weights.T > 0.0).astype(float)
        gram = np.einsum("ik,il,ic,ie->klce", active, active, training.rows, training.rows)
        cross = np.einsum("ik,ic,iq->kcq", active, training.rows, basis)
        np.testing.assert_allclose(work.gram, gram, atol=1e-10)
        np.testing.assert_allclose(work.cross, cross, atol=1e-10)
        state.weights[:] += 0.5 * rng.standard_normal(state.weights.shape)
    kernels.remove(data, state, work, 1)
    kept = [0, 4, 2, 3]
    np.testing.assert_array_equal(work.active[:4], active.T[kept])
    np.testing.assert_allclose(work.gram[:4, :4], gram[np.ix_(kept, kept)], atol=1e-10)


@pytest.mark.kernel_python
@pytest.mark.parametrize("seed", range(6))
def test_common_line_search_is_exact(seed):
    """Its length is where the true objective along the line first stops falling."""
    training, basis, rng = training_of(seed, skip="constant" if seed % 2 else "none")
    neurons = random_neurons(training, rng)
    data, state, work = arrays(training, basis, neurons)
    passes.find_products(data, state, work)
    work.moves[:] = -0.2 * work.gradients + 0.05 * rng.standard_normal(work.moves.shape)
    work.skip_move[:] = -0.2 * (basis.T @ work.residual)
    passes.find_changes(data, state, work)
    length = line.walk(data, state, work)

    def objective(t):
        fit = np.maximum(training.rows @ (neurons.weights + t * work.moves).T, 0.0) @ neurons.signs
        fit = fit + training.skip_columns @ neurons.skip + t * (basis @ work.skip_move)
        norms = np.linalg.norm(neurons.weights + t * work.moves, axis=1).sum()
        return 0.5 * np.sum((fit - training.y) ** 2) + training.lam * norms

    assert 0.0 < length <= 1.0
    falling = [objective(t) for t in np.linspace(0.0, length, 400)]
    assert np.all(np.diff(falling) < 1e-12)
    if length < 1.0:
        assert objective(length + 1e-6) >= objective(length) - 1e-12


@pytest.mark.kernel_python
def test_difference_of_objectives():
    training, basis, rng = training_of(2, skip="affine")
    neurons = random_neurons(training, rng)
    data, state, work = arrays(training, basis, neurons)
    passes.find_products(data, state, work)
    work.moves[:] = rng.standard_normal(work.moves.shape)
    work.lengths[:] = rng.uniform(0.0, 1.0, len(work.lengths))
    passes.find_changes(data, state, work)
    gain = line.gain(data, state, work, 0.0)
    moved = Neurons(
        neurons.weights + work.lengths[:, None] * work.moves, neurons.signs, neurons.skip
    )
    assert gain == pytest.approx(training.objective(moved) - training.objective(neurons), abs=1e-9)


@pytest.mark.kernel_python
def test_walls_keep_the_face_and_the_normals():
    training, basis, rng = training_of(3, n=12, d=4)
    data, state, _ = arrays(training, basis, random_neurons(training, rng, count=1))
    assert [add_wall(data, state, 0, row) for row in (2, 7, 2, 5, 9)] == [
        True, True, False, True, False,
    ]  # fmt: skip
    np.testing.assert_allclose(training.rows[[2, 7, 5]] @ state.weights[0], 0.0, atol=1e-12)
    np.testing.assert_allclose(state.basis[0].T @ state.basis[0], np.eye(4), atol=1e-12)
    normals = training.rows[[2, 7, 5]] / np.linalg.norm(training.rows[[2, 7, 5]], axis=1)[:, None]
    np.testing.assert_allclose(
        state.basis[0][:, :3] @ np.triu(state.upper[0][:3, :3]), normals.T, atol=1e-12
    )


@pytest.mark.kernel_python
@pytest.mark.parametrize("seed", range(4))
def test_masses_solve_the_nonnegative_lasso(seed):
    rng = np.random.default_rng(seed)
    features, target, lam = rng.standard_normal((20, 6)), rng.standard_normal(20), 0.7
    masses = rng.uniform(0.0, 1.0, 6)
    kernels.nonnegative_masses(
        features.T @ features, features.T @ target, lam, masses, 2000 if seed else 4000
    )
    # The same problem as nonnegative least squares: lam sum(m) is linear in m.
    root = np.linalg.cholesky(features.T @ features).T
    exact, _ = nnls(root, np.linalg.solve(root.T, features.T @ target - lam))
    np.testing.assert_allclose(masses, exact, atol=1e-6)


# ---- laws of sliding ---------------------------------------------------------------------------------


@pytest.mark.parametrize("grid", [False, True])
@pytest.mark.parametrize(("bias", "skip"), SETTINGS)
def test_sliding_goes_down_and_ends_stationary(bias, skip, grid):
    for seed in range(6):
        training, basis, rng = training_of(seed, bias, skip, grid=grid)
        neurons = random_neurons(training, rng)
        values = [training.objective(neurons)]
        for max_steps in (1, 1, 3, 10, 300):
            slid = Slider(training, basis).slide(neurons, max_steps=max_steps)
            neurons = slid.neurons
            values.append(training.objective(neurons))
            assert slid.steps <= max_steps
        assert np.all(np.diff(values) <= 1e-12 * values[0])
        assert grid or slid.error <= 1e-8  # where walls depend on each other it may not see that


def test_sliding_is_deterministic_and_keeps_what_it_is_given():
    training, basis, rng = training_of(5)
    neurons = random_neurons(training, rng)
    before = neurons.weights.copy()
    one, two = (Slider(training, basis).slide(neurons) for _ in range(2))
    np.testing.assert_array_equal(neurons.weights, before)
    np.testing.assert_array_equal(one.neurons.weights, two.neurons.weights)


def test_neurons_of_one_cell_become_one():
    training, basis, rng = training_of(6)
    weight = rng.standard_normal(3)
    twins = np.vstack([weight, weight + 1e-9 * rng.standard_normal(3), 2.0 * weight])
    slid = Slider(training, basis).slide(Neurons(twins, np.ones(3), np.zeros(0)))
    assert len(slid.neurons) <= 1


def test_nothing_to_slide():
    training, basis, _ = training_of(7)
    slid = Slider(training, basis).slide(Neurons(np.zeros((0, 3)), np.zeros(0), np.zeros(0)))
    assert (len(slid.neurons), slid.error, slid.steps) == (0, 0.0, 0)


@pytest.mark.parametrize("lam_ratio", [0.1, 1e-3, 1e-4])
@pytest.mark.parametrize("labels", ["teacher", "random", "signs"])
def test_solve_survives_what_sliding_does_not(labels, lam_ratio):
    """Random labels and small lam, where kinks change sides within a step."""
    for seed in range(3):
        rng = np.random.default_rng(seed)
        X = rng.standard_normal((30, 3))
        y = {
            "teacher": np.maximum(X @ rng.standard_normal((3, 3)), 0.0).sum(axis=1),
            "random": rng.standard_normal(30),
            "signs": rng.choice([-1.0, 1.0], 30),
        }[labels]
        largest = mlp.lam_max(mlp.MeasureProblem(X, y, lam=1.0))
        solution = mlp.solve(mlp.MeasureProblem(X, y, lam=lam_ratio * largest))
        assert solution.certificate.verdict is mlp.Verdict.OPTIMAL
        assert solution.stats["master"] in ("sliding", "conic")


def test_both_masters_find_one_optimum():
    for seed in range(4):
        rng = np.random.default_rng(seed)
        problem = mlp.MeasureProblem(rng.standard_normal((20, 2)), rng.standard_normal(20), lam=0.2)
        sliding_one, conic_one = mlp.solve(problem), mlp.solve(problem, backend="clarabel")
        assert (sliding_one.stats["master"], conic_one.stats["master"]) == ("sliding", "conic")
        assert sliding_one.certificate.primal_value == pytest.approx(
            conic_one.certificate.primal_value, rel=3e-6
        )


def test_a_start_saves_the_way_to_it():
    """From its own optimum a problem takes one or two rounds, and fewer than from nothing."""
    rng = np.random.default_rng(3)
    X = rng.standard_normal((60, 3))
    y = np.maximum(X @ rng.standard_normal((3, 4)), 0.0).sum(axis=1)
    problem = mlp.MeasureProblem(X, y, lam=0.5)
    cold = mlp.solve(problem)
    warm = mlp.solve(problem, start=cold.measure)
    assert warm.certificate.verdict is mlp.Verdict.OPTIMAL
    assert warm.stats["rounds"] <= 2 < cold.stats["rounds"]


def test_master_keeps_only_useful_directions():
    training, basis, rng = training_of(8)
    master = SlidingMaster(training, basis)
    for point in rng.standard_normal((12, 3)):
        master.add(point, float(rng.choice([-1.0, 1.0])))
    solved = master.solve(training.y, training.lam, None)
    zero = Neurons(np.zeros((0, 3)), np.zeros(0), np.zeros(0))
    assert len(solved.neurons) < 12
    assert training.objective(solved.neurons) <= training.objective(zero)


@pytest.mark.parametrize("skip", ["constant", "affine"])
def test_a_unit_that_becomes_constant_joins_the_skip(skip):
    """With a free bias a neuron may lose its linear part and keep its bias: that costs nothing."""
    for seed in range(8):
        rng = np.random.default_rng(seed)
        n, d = int(rng.integers(6, 14)), int(rng.integers(1, 6))
        X, y = rng.standard_normal((n, d)), rng.standard_normal(n)
        largest = mlp.lam_max(mlp.MeasureProblem(X, y, lam=1.0, bias="free", skip=skip))
        if largest > 1e-9:
            problem = mlp.MeasureProblem(X, y, lam=0.05 * largest, bias="free", skip=skip)
            solution = mlp.solve(problem)
            assert solution.certificate.verdict is mlp.Verdict.OPTIMAL


def test_many_rows_start_from_some(monkeypatch):
    """The answer is that of the whole data, whatever a tenth of it says."""
    rng = np.random.default_rng(2)
    X = rng.standard_normal((400, 2))
    y = np.maximum(X @ rng.standard_normal((2, 3)), 0.0).sum(axis=1) + 0.1 * rng.standard_normal(
        400
    )
    for bias, skip in SETTINGS:
        problem = mlp.MeasureProblem(X, y, lam=2.0, bias=bias, skip=skip)
        whole = mlp.solve(problem)
        monkeypatch.setattr(cell_generation, "_MANY_ROWS", 400)
        coarse = cell_generation.CellGeneration._coarse_start
        starts = []

        def noted(run, coarse=coarse, starts=starts):
            starts.append(coarse(run))
            return starts[-1]

        monkeypatch.setattr(cell_generation.CellGeneration, "_coarse_start", noted)
        fast = mlp.solve(problem)
        monkeypatch.undo()
        assert len(starts) == 1
        assert len(starts[0]) > 0
        assert fast.certificate.verdict is whole.certificate.verdict is mlp.Verdict.OPTIMAL
        assert fast.certificate.primal_value == pytest.approx(
            whole.certificate.primal_value, rel=3e-6
        )
