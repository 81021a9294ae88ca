import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from measurelp.errors import InvalidProblem
from measurelp.measure import AtomicMeasure, Skip, merge_atoms


def _unit(w):
    return w / np.linalg.norm(w, axis=1, keepdims=True)


def test_one_direction_and_sign_become_one_atom():
    e = np.array([0.6, 0.8])
    mu = AtomicMeasure(
        np.array([e, [1.0, 0.0], e, e, -e]), np.array([1.0, 4.0, 2.0, -1.5, 0.25]),
        Skip(np.zeros(1), 3.0),
    )  # fmt: skip
    merged = merge_atoms(mu)
    np.testing.assert_allclose(merged.masses, [4.0, 3.0, -1.5, 0.25])
    np.testing.assert_allclose(merged.atoms, [[1.0, 0.0], e, e, -e])
    assert merged.skip is mu.skip


def test_atoms_of_one_closed_cell_merge_at_any_angle_with_the_same_fit():
    """3 e1 and 4 e2 on X = I_2 cost 7, their sum costs 5, and the outputs agree."""
    mu = AtomicMeasure(_unit(np.array([[1.0, 0.1], [0.1, 1.0]])), np.array([3.0, 4.0]))
    merged = merge_atoms(mu, angle=1.0)
    assert len(merged) == 2
    near = AtomicMeasure(_unit(np.array([[1.0, 0.5], [0.5, 1.0]])), np.array([3.0, 4.0]))
    merged = merge_atoms(near, angle=1.0)
    assert len(merged) == 1
    for mu_k in (near, merged):
        fit = np.maximum(mu_k.atoms, 0).T @ mu_k.masses
        np.testing.assert_allclose(fit, near.atoms.T @ near.masses, rtol=1e-14)
    assert merged.total_variation < near.total_variation


def test_the_norm_of_a_free_bias():
    atoms = np.array([[1.0, 5.0], [1.0, 5.0]])
    merged = merge_atoms(AtomicMeasure(atoms, np.array([1.0, 2.0])), norm=lambda w: np.abs(w[:, 0]))
    np.testing.assert_allclose(merged.atoms, [[1.0, 5.0]])
    np.testing.assert_allclose(merged.masses, [3.0])


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 10_000), jitter=st.sampled_from([0.0, 1e-9, 1e-7]))
def test_laws(seed, jitter):
    """Total variation never grows, first moments stay, merging twice is merging once."""
    rng = np.random.default_rng(seed)
    heads = _unit(rng.standard_normal((4, 3)))
    atoms = _unit(np.repeat(heads, 3, axis=0) + jitter * rng.standard_normal((12, 3)))
    masses = np.repeat(rng.choice([-1.0, 1.0], 4), 3) * rng.random(12)
    mu = AtomicMeasure(atoms, masses)
    merged = merge_atoms(mu, angle=1e-5)
    assert len(merged) == 4
    assert merged.total_variation <= mu.total_variation * (1 + 1e-14)
    np.testing.assert_allclose(merged.masses @ merged.atoms, masses @ atoms, atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(merged.atoms, axis=1), 1.0)
    again = merge_atoms(merged, angle=1e-5)
    np.testing.assert_allclose(again.masses, merged.masses)


def test_nothing_and_zeros():
    assert len(merge_atoms(AtomicMeasure(np.zeros((0, 2)), np.zeros(0)))) == 0
    assert len(merge_atoms(AtomicMeasure(np.eye(2), np.array([0.0, 1.0])))) == 1
    with pytest.raises(InvalidProblem, match="angle"):
        merge_atoms(AtomicMeasure(np.eye(2), np.ones(2)), angle=-1.0)
