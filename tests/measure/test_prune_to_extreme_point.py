import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from measurelp.errors import InvalidProblem
from measurelp.measure import prune_to_extreme_point


def _laws(features, masses, free, pruned):
    before = features @ masses
    after = features @ pruned.masses + (0 if free is None else free @ pruned.free_shift)
    scale = np.linalg.norm(np.abs(features) @ np.abs(masses)) + 1e-300
    assert np.linalg.norm(after - before) <= 1e-11 * scale
    assert np.abs(pruned.masses).sum() <= np.abs(masses).sum() * (1 + 1e-12)
    np.testing.assert_array_equal(np.flatnonzero(pruned.masses), pruned.kept)
    assert np.all(np.sign(pruned.masses[pruned.kept]) == np.sign(masses[pruned.kept]))
    columns = features[:, pruned.kept]
    if free is not None:
        columns = np.hstack([columns, free])
    if columns.size:
        lengths = np.linalg.norm(columns, axis=0)
        singular = np.linalg.svd(columns / lengths, compute_uv=False)
        assert len(singular) == columns.shape[1] and singular[-1] > 1e-14


@settings(deadline=None, max_examples=120)
@given(
    seed=st.integers(0, 100_000), n=st.integers(1, 12), k=st.integers(1, 40),
    p=st.integers(0, 2), rank=st.integers(1, 12), spread=st.sampled_from([0.0, 4.0]),
)  # fmt: skip
def test_same_fit_no_more_variation_independent_columns(seed, n, k, p, rank, spread):
    rng = np.random.default_rng(seed)
    p = min(p, n - 1)
    rank = min(rank, n)
    features = rng.standard_normal((n, rank)) @ rng.standard_normal((rank, k))
    masses = rng.choice([-1.0, 1.0], k) * 10 ** (-spread * rng.random(k))
    free = rng.standard_normal((n, p)) if p else None
    _laws(features, masses, free, prune_to_extreme_point(features, masses, free_columns=free))


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 100_000), n=st.integers(3, 30), k=st.integers(2, 60))
def test_relu_dictionaries(seed, n, k):
    rng = np.random.default_rng(seed)
    X = np.round(rng.standard_normal((n, 3)), 1)
    features = np.maximum(X @ rng.integers(-2, 3, (k, 3)).T, 0.0)
    masses = rng.standard_normal(k)
    free = np.ones((n, 1))
    pruned = prune_to_extreme_point(features, masses, free_columns=free)
    assert len(pruned.kept) <= np.linalg.matrix_rank(np.hstack([features, free])) - 1
    _laws(features, masses, free, pruned)


def test_independent_columns_are_left_alone():
    rng = np.random.default_rng(0)
    features, masses = rng.standard_normal((9, 5)), rng.standard_normal(5)
    pruned = prune_to_extreme_point(features, masses)
    np.testing.assert_array_equal(pruned.masses, masses)
    np.testing.assert_array_equal(pruned.kept, np.arange(5))


def test_it_moves_towards_less_variation():
    """(1,0), (0,1) and their sum: the sum alone is cheaper for the fit (2,2)."""
    columns = np.array([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]])
    np.testing.assert_allclose(prune_to_extreme_point(columns, np.ones(3)).masses, [0, 0, 2])
    halves = np.array([[1.0, 0.0, 0.25], [0.0, 1.0, 0.25]])
    np.testing.assert_allclose(prune_to_extreme_point(halves, np.ones(3)).masses, [1.25, 1.25, 0.0])


def test_cancelling_atoms_vanish_and_free_columns_take_over():
    ones = np.ones((4, 1))
    features = np.column_stack([np.ones(4), np.arange(4.0), np.arange(4.0)])
    pruned = prune_to_extreme_point(features, np.array([3.0, 2.0, -2.0]), free_columns=ones)
    np.testing.assert_array_equal(pruned.kept, [])
    np.testing.assert_allclose(pruned.free_shift, [3.0])


def test_columns_of_zeros_and_empty_measures():
    pruned = prune_to_extreme_point(np.array([[0.0, 1.0], [0.0, 1.0]]), np.array([5.0, 1.0]))
    np.testing.assert_allclose(pruned.masses, [0.0, 1.0])
    assert len(prune_to_extreme_point(np.zeros((3, 0)), np.zeros(0)).kept) == 0
    with pytest.raises(InvalidProblem, match="masses"):
        prune_to_extreme_point(np.eye(2), np.ones(3))
    with pytest.raises(InvalidProblem, match="free_columns"):
        prune_to_extreme_point(np.eye(2), np.ones(2), free_columns=np.ones((3, 1)))
