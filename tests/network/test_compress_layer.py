"""One layer: values against other solvers and closed forms, proofs that hold, few features."""

import math

import numpy as np
import pytest

import measurelp as mlp
from measurelp.errors import InvalidProblem
from measurelp.network.layer_compression import certified_layer
from measurelp.network.layer_lasso import (
    LayerPoint,
    minimise_layer,
    penalised_gap,
    reduce_layer,
)
from measurelp.network.layer_working_set import minimise_on_working_sets


def random_layer(rng, *, K, N, D, rank=None, output_rank=None):
    Phi = np.maximum(rng.standard_normal((K, N)), 0.0)
    if rank is not None:
        Phi = np.abs(rng.standard_normal((K, rank))) @ rng.random((rank, N))
    V = rng.standard_normal((D, K)) * (rng.random(K) < 0.5)
    if output_rank is not None:
        V = rng.standard_normal((D, output_rank)) @ rng.standard_normal((output_rank, K))
    return Phi, V @ Phi, V


def objective(Phi, Psi, V, lam):
    return 0.5 * np.sum((Psi - V @ Phi) ** 2) + lam * np.linalg.norm(V, axis=0).sum()


def spread(done, K):
    V = np.zeros((len(done.output_weights), K))
    V[:, done.kept] = done.output_weights
    return V


# ---- against others -------------------------------------------------------------------------------------


def by_cvxpy(Phi, Psi, lam):
    import cvxpy as cp

    V = cp.Variable((len(Psi), len(Phi)))
    norm = cp.sum(cp.norm(V, 2, axis=0))
    if lam is None:
        problem = cp.Problem(cp.Minimize(norm), [V @ Phi == Psi])
    else:
        problem = cp.Problem(cp.Minimize(0.5 * cp.sum_squares(Psi - V @ Phi) + lam * norm))
    problem.solve(solver="CLARABEL", tol_gap_rel=1e-10, tol_gap_abs=1e-12, tol_feas=1e-10)
    return problem.value


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("form", ["exact", 0.3, 0.03, 0.003])
def test_the_value_is_that_of_the_cone_program(seed, form):
    rng = np.random.default_rng(seed)
    K, N, D = (12, 30, 3) if seed % 2 else (20, 8, 2)
    Phi, Psi, _ = random_layer(rng, K=K, N=N, D=D, rank=None if seed % 3 else 5)
    lam = None
    if form != "exact":
        Psi = Psi + 0.1 * rng.standard_normal(Psi.shape)
        lam = form * float(np.linalg.norm(Psi @ Phi.T, axis=0).max())
    done = mlp.compress_layer(Phi, Psi, lam, tol_gap=1e-8)
    assert done.relative_gap <= 1e-8
    value = by_cvxpy(Phi, Psi, lam)
    assert done.primal_value == pytest.approx(value, rel=1e-6)
    assert done.dual_value <= value * (1 + 1e-6)
    assert done.dual_value <= done.primal_value
    if lam is not None:
        V = spread(done, K)
        assert done.primal_value == pytest.approx(objective(Phi, Psi, V, lam), rel=1e-12)


def test_the_value_is_that_of_sklearn():
    linear = pytest.importorskip("sklearn.linear_model", reason="scikit-learn is optional")
    rng = np.random.default_rng(1)
    Phi, Psi, _ = random_layer(rng, K=15, N=60, D=4)
    Psi = Psi + rng.standard_normal(Psi.shape)
    lam = 0.05 * float(np.linalg.norm(Psi @ Phi.T, axis=0).max())
    # Their objective has the mean over samples in front of the squares.
    model = linear.MultiTaskLasso(alpha=lam / 60, fit_intercept=False, tol=1e-10, max_iter=100_000)
    model.fit(Phi.T, Psi.T)
    done = mlp.compress_layer(Phi, Psi, lam, tol_gap=1e-9)
    assert done.primal_value == pytest.approx(objective(Phi, Psi, model.coef_, lam), rel=1e-9)
    np.testing.assert_allclose(spread(done, 15), model.coef_, atol=1e-5)


# ---- closed forms ---------------------------------------------------------------------------------------


def test_one_sample():
    """N = 1: everything goes to the largest feature, at |psi| / max phi, joint over outputs."""
    done = mlp.compress_layer([[1.0], [2.0], [0.5]], [[3.0], [4.0]])
    np.testing.assert_array_equal(done.kept, [1])
    assert done.primal_value == pytest.approx(2.5, rel=1e-9)
    assert done.bound == 1


def test_orthogonal_features_shrink_each_by_itself():
    """Phi = I: every column of V is the soft threshold of that of Psi."""
    Psi = np.array([[3.0, 0.3, 0.0], [4.0, 0.4, 1.0]])
    done = mlp.compress_layer(np.eye(3), Psi, 1.0, tol_gap=1e-10)
    np.testing.assert_allclose(
        spread(done, 3), [[2.4, 0.0, 0.0], [3.2, 0.0, 0.0]], atol=1e-5
    )  # (0.3, 0.4) has length 0.5 and (0, 1) has length 1: both vanish
    done = mlp.compress_layer(np.eye(3), Psi, 0.9, tol_gap=1e-10)
    expected = Psi * np.maximum(0.0, 1.0 - 0.9 / np.array([5.0, 0.5, 1.0]))
    np.testing.assert_allclose(spread(done, 3), expected, atol=1e-5)


def test_dependent_features_leave_the_longest():
    """phi_k = k phi_1: the exact minimum uses the last only."""
    Phi = np.outer(np.arange(1.0, 6.0), [1.0, 2.0, 2.0])
    done = mlp.compress_layer(Phi, [[10.0, 20.0, 20.0], [0.0, 0.0, 0.0]])
    np.testing.assert_array_equal(done.kept, [4])
    np.testing.assert_allclose(done.output_weights, [[2.0], [0.0]], atol=1e-9)
    assert (done.feature_rank, done.output_rank, done.bound) == (1, 1, 1)


def test_costs_are_those_of_scaled_features():
    rng = np.random.default_rng(2)
    Phi, Psi, V = random_layer(rng, K=14, N=9, D=3)
    costs = rng.uniform(0.5, 2.0, 14)
    done = mlp.compress_layer(Phi, Psi, costs=costs)
    plain = mlp.compress_layer(Phi / costs[:, None], Psi)
    assert done.norm == pytest.approx(plain.norm, rel=1e-9)
    weighted = float(costs[done.kept] @ np.linalg.norm(done.output_weights, axis=0))
    assert done.norm == pytest.approx(weighted, rel=1e-12)
    assert done.norm <= costs @ np.linalg.norm(V, axis=0)
    np.testing.assert_allclose(done.output_weights @ Phi[done.kept], Psi, atol=1e-9)


# ---- laws -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(12))
def test_exact_compression_keeps_outputs_within_the_width_bound(seed):
    rng = np.random.default_rng(seed)
    rank, output_rank = int(rng.integers(1, 5)), int(rng.integers(1, 4))
    Phi, Psi, V = random_layer(rng, K=50, N=30, D=5, rank=rank, output_rank=output_rank)
    done = mlp.compress_layer(Phi, Psi)
    assert (done.feature_rank, done.output_rank) == (rank, min(rank, output_rank))
    assert len(done.kept) <= done.bound == rank * min(rank, output_rank)
    assert done.relative_gap <= 1e-6
    assert np.all(np.diff(done.kept) > 0)
    np.testing.assert_allclose(
        done.output_weights @ Phi[done.kept], Psi, atol=1e-9 * np.abs(Psi).max()
    )
    assert done.norm <= np.linalg.norm(V, axis=0).sum() * (1 + 1e-9)


@pytest.mark.parametrize("seed", range(6))
def test_no_other_weights_beat_the_dual_value(seed):
    """The lower bound holds for the solutions of other lams and for random weights."""
    rng = np.random.default_rng(seed)
    Phi, Psi, V = random_layer(rng, K=10, N=20, D=2)
    Psi = Psi + rng.standard_normal(Psi.shape)
    top = float(np.linalg.norm(Psi @ Phi.T, axis=0).max())
    done = mlp.compress_layer(Phi, Psi, 0.1 * top)
    for ratio in (0.5, 0.11, 0.09, 0.01):
        other = spread(mlp.compress_layer(Phi, Psi, ratio * top), 10)
        assert objective(Phi, Psi, other, 0.1 * top) >= done.dual_value
    for scale in (0.01, 0.1, 1.0):
        other = spread(done, 10) + scale * rng.standard_normal(V.shape)
        assert objective(Phi, Psi, other, 0.1 * top) > done.dual_value


@pytest.mark.parametrize("limit", [None, 0.0])
def test_a_point_that_is_not_optimal_shows_its_gap(limit):
    """With no time to solve, the gap says so, and the bound still holds."""
    rng = np.random.default_rng(5)
    Phi, Psi, _ = random_layer(rng, K=30, N=60, D=4)
    lam = 0.01 * float(np.linalg.norm(Psi @ Phi.T, axis=0).max())
    best = mlp.compress_layer(Phi, Psi, lam, tol_gap=1e-9)
    done = mlp.compress_layer(Phi, Psi, lam, time_limit=limit)
    assert done.dual_value <= best.primal_value
    assert done.primal_value >= best.dual_value
    assert (done.relative_gap > 1e-3) == (limit == 0.0)


def test_lam_max_and_above_give_zero():
    rng = np.random.default_rng(0)
    Phi, Psi, _ = random_layer(rng, K=6, N=9, D=2)
    top = float(np.linalg.norm(Psi @ Phi.T, axis=0).max())
    done = mlp.compress_layer(Phi, Psi, 1.01 * top)
    assert len(done.kept) == 0 and done.output_weights.shape == (2, 0)
    assert done.relative_gap <= 1e-12
    assert done.primal_value == pytest.approx(0.5 * np.sum(Psi**2), rel=1e-14)
    assert len(mlp.compress_layer(Phi, Psi, 0.99 * top).kept) >= 1


def test_scaling_data_scales_the_answer():
    rng = np.random.default_rng(3)
    Phi, Psi, _ = random_layer(rng, K=12, N=20, D=3)
    lam = 0.02 * float(np.linalg.norm(Psi @ Phi.T, axis=0).max())
    plain = mlp.compress_layer(Phi, Psi, lam)
    for a, b in ((1e8, 1.0), (1e-8, 1e6), (1.0, 1e-9)):
        done = mlp.compress_layer(a * Phi, b * Psi, a * b * lam)
        np.testing.assert_array_equal(done.kept, plain.kept)
        np.testing.assert_allclose(
            done.output_weights * a / b, plain.output_weights, rtol=1e-3, atol=1e-6
        )
        assert done.primal_value == pytest.approx(b * b * plain.primal_value, rel=1e-6)


def test_nearly_dependent_features():
    """Features that depend on each other up to 1e-6: solved and proved all the same."""
    rng = np.random.default_rng(4)
    base = np.abs(rng.standard_normal((8, 40)))
    Phi = np.vstack([base, base + 1e-6 * rng.standard_normal(base.shape)])
    Psi = rng.standard_normal((3, 16)) @ Phi
    assert mlp.compress_layer(Phi, Psi).relative_gap <= 1e-6
    lam = 1e-4 * float(np.linalg.norm(Psi @ Phi.T, axis=0).max())
    assert mlp.compress_layer(Phi, Psi, lam).relative_gap <= 1e-6


def test_the_reduction_keeps_products():
    rng = np.random.default_rng(6)
    Phi, Psi, V = random_layer(rng, K=7, N=400, D=3, rank=4)
    Psi = Psi + rng.standard_normal(Psi.shape)
    layer = reduce_layer(Phi, Psi)
    assert layer.feature_rank == 4
    np.testing.assert_allclose(layer.features @ layer.features.T, Phi @ Phi.T, atol=1e-9)
    np.testing.assert_allclose(layer.outputs @ layer.features.T, Psi @ Phi.T, atol=1e-9)
    whole = np.sum((Psi - V @ Phi) ** 2)
    small = np.sum((layer.outputs - V @ layer.features) ** 2) + layer.outside**2
    assert small == pytest.approx(whole, rel=1e-12)


def test_a_start_leads_to_the_same_value():
    rng = np.random.default_rng(7)
    Phi, Psi, _ = random_layer(rng, K=20, N=50, D=3)
    layer = reduce_layer(Phi, Psi)
    lam = 0.01 * float(np.linalg.norm(Psi @ Phi.T, axis=0).max())
    start = minimise_layer(layer.penalised(3 * lam), tol=1e-8)
    cold = minimise_layer(layer.penalised(lam), tol=1e-8)
    warm = minimise_layer(layer.penalised(lam), tol=1e-8, start=start)
    assert warm.gap <= 1e-8
    np.testing.assert_allclose(warm.weights, cold.weights, atol=1e-5)


# ---- degenerate and bad input ---------------------------------------------------------------------------


def test_dead_features_and_zero_outputs():
    Phi = np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 2.0]])
    done = mlp.compress_layer(Phi, [[2.0, 0.0, 4.0]])
    np.testing.assert_array_equal(done.kept, [1])
    for lam in (None, 1.0):
        zero = mlp.compress_layer(Phi, np.zeros((2, 3)), lam)
        assert len(zero.kept) == 0 and zero.relative_gap == 0.0 and zero.residual == 0.0
        assert mlp.compress_layer(np.zeros((4, 3)), np.zeros((2, 3)), lam).bound == 0
    dead = mlp.compress_layer(np.zeros((4, 3)), np.ones((2, 3)), 1.0)
    assert len(dead.kept) == 0 and dead.relative_gap == 0.0 and dead.primal_value == 3.0


def test_outputs_outside_the_range_are_refused_with_their_distance():
    Phi = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    with pytest.raises(InvalidProblem, match=r"0\.6 of the outputs' norm"):
        mlp.compress_layer(Phi, [[8.0, 0.0, 6.0]])
    with pytest.raises(InvalidProblem, match="1 of the outputs' norm"):
        mlp.compress_layer(np.zeros((2, 3)), np.ones((1, 3)))
    kept = mlp.compress_layer(Phi, [[8.0, 0.0, 6.0]], range_tolerance=0.7)
    assert kept.residual == pytest.approx(0.6)
    np.testing.assert_allclose(kept.output_weights, [[8.0]], atol=1e-9)
    penalised = mlp.compress_layer(Phi, [[8.0, 0.0, 6.0]], 1.0, tol_gap=1e-12)
    np.testing.assert_allclose(penalised.output_weights, [[7.0]], atol=1e-5)


def test_fewer_samples_than_features():
    rng = np.random.default_rng(8)
    Phi = np.maximum(rng.standard_normal((40, 3)), 0.0) + 0.01
    Psi = rng.standard_normal((2, 3))
    done = mlp.compress_layer(Phi, Psi)
    assert done.feature_rank == 3 and len(done.kept) <= 6
    np.testing.assert_allclose(done.output_weights @ Phi[done.kept], Psi, atol=1e-9)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.int64])
def test_other_numbers_are_converted(dtype):
    Phi = np.array([[1, 0, 2], [0, 1, 1]], dtype=dtype)
    done = mlp.compress_layer(Phi, np.array([[2, 0, 4]], dtype=dtype))
    np.testing.assert_allclose(done.output_weights, [[2.0]], atol=1e-9)


@pytest.mark.parametrize(
    ("arguments", "options", "word"),
    [
        ((np.ones((2, 3)), np.ones((1, 4))), {}, r"outputs: expected 3 columns"),
        ((np.ones(3), np.ones((1, 3))), {}, "features"),
        ((np.ones((2, 3)), np.ones(3)), {}, "outputs"),
        ((np.full((2, 3), np.nan), np.ones((1, 3))), {}, "features"),
        ((np.ones((2, 3)), np.full((1, 3), np.inf)), {}, "outputs"),
        ((np.ones((2, 3)), np.ones((1, 3)), -1.0), {}, "lam"),
        ((np.ones((2, 3)), np.ones((1, 3)), math.nan), {}, "lam"),
        ((np.ones((2, 3)), np.ones((1, 3))), {"tol_gap": 0.0}, "tol_gap"),
        ((np.ones((2, 3)), np.ones((1, 3))), {"costs": [1.0]}, "costs"),
        ((np.ones((2, 3)), np.ones((1, 3))), {"costs": [1.0, 0.0]}, "costs"),
        (([["a"]], np.ones((1, 1))), {}, "features"),
    ],
)
def test_bad_arguments_are_refused(arguments, options, word):
    with pytest.raises(InvalidProblem, match=word):
        mlp.compress_layer(*arguments, **options)


@pytest.mark.slow
def test_a_layer_of_real_size():
    """512 features, 10 outputs, 50,000 samples: the size of the last layer of VGG-19."""
    rng = np.random.default_rng(0)
    Z = rng.standard_normal((50_000, 64)) * np.linspace(1.0, 0.05, 64)
    W = rng.standard_normal((512, 64))
    Phi = np.maximum(Z @ W.T + rng.standard_normal(512), 0.0).T
    V = rng.standard_normal((10, 512)) * (rng.random(512) < 0.15)
    exact = mlp.compress_layer(Phi, V @ Phi)
    assert exact.relative_gap <= 1e-6
    np.testing.assert_array_equal(exact.kept, np.flatnonzero(V.any(axis=0)))
    Psi = V @ Phi
    top = float(np.linalg.norm(Psi @ Phi.T, axis=0).max())
    for ratio in (0.1, 0.001):
        assert mlp.compress_layer(Phi, Psi, ratio * top).relative_gap <= 1e-6


# ---- working sets ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("ratio", [0.5, 0.05])
def test_working_sets_find_what_all_features_give(seed, ratio):
    rng = np.random.default_rng(seed)
    Phi, Psi, _ = random_layer(rng, K=150 if seed else 20, N=60 if seed % 2 else 200, D=3)
    layer = reduce_layer(Phi, Psi + 0.1 * Psi.std() * rng.standard_normal(Psi.shape))
    top = float(np.linalg.norm(layer.outputs @ layer.features.T, axis=0).max())
    scaled = layer.penalised(ratio * top)
    found = minimise_on_working_sets(scaled, tol=1e-8)
    whole = minimise_layer(scaled, tol=1e-8)
    assert found.gap <= 1e-8
    M, T, lam, _ = scaled
    values = [objective(M, T, point.weights, lam) for point in (found, whole)]
    assert values[0] == pytest.approx(values[1], rel=3e-8)
    assert found.gap == pytest.approx(penalised_gap(M, T, found.weights, lam), abs=1e-12)
    smaller = layer.penalised(0.5 * ratio * top)
    again = minimise_on_working_sets(smaller, tol=1e-6, start=found)
    assert again.gap <= 1e-6
    assert again.gap == pytest.approx(penalised_gap(M, T, again.weights, smaller.lam), abs=1e-12)


@pytest.mark.parametrize("seed", range(20))
def test_bounds_hold_for_any_weights(seed):
    """Weights whose residual points away from the outputs, which are far from optimal."""
    rng = np.random.default_rng(seed)
    Phi, Psi, V = random_layer(rng, K=8, N=20, D=2)
    layer = reduce_layer(Phi, Psi)
    lam = 0.05 * float(np.linalg.norm(Psi @ Phi.T, axis=0).max())
    best = mlp.compress_layer(Phi, Psi, lam, tol_gap=1e-9).primal_value
    overshoot = V * rng.uniform(1.0, 4.0) + 0.1 * rng.standard_normal(V.shape)
    point = LayerPoint(overshoot, np.zeros_like(layer.outputs), 1.0, 0.0, 0)
    done = certified_layer(Phi, Psi, layer, point, lam=lam, costs=np.ones(8), begin=0.0)
    assert done.dual_value <= best * (1 + 1e-8)
    assert done.primal_value >= best * (1 - 1e-8)
    scaled = layer.penalised(lam)
    assert (
        penalised_gap(scaled.features, scaled.outputs, overshoot / scaled.weight_scale, scaled.lam)
        >= 0.0
    )
