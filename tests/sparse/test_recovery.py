"""Recovery by least l1 norms against what coherence and null spaces prove."""

import numpy as np
import pytest

import measurelp as mlp
from measurelp.errors import InvalidProblem
from measurelp.sparse import coherent_dictionary, fista, least_l1_code, recovery_rates


def mercedes(d):
    """The identity and a rotated one: coherence 1/sqrt d."""
    from scipy.linalg import hadamard

    return np.hstack([np.eye(d), hadamard(d) / np.sqrt(d)])


def test_coherence_proves_recovery_and_the_rates_agree():
    W = mercedes(16)
    rates = recovery_rates(W, [0, 1, 2, 12], trials=10)
    assert rates.coherence == pytest.approx(0.25)
    assert rates.proved_sparsity == pytest.approx(2.5)
    np.testing.assert_array_equal(rates.rates[:3], 1.0)
    assert rates.rates[3] < 0.5


def test_coherence_proves_nothing_where_columns_differ_in_length():
    W = np.random.default_rng(0).standard_normal((10, 40))
    rates = recovery_rates(W, [1], trials=200)
    assert rates.rates[0] < 1.0 and np.isnan(rates.proved_sparsity)
    scaled = recovery_rates(3.0 * W / np.linalg.norm(W, axis=0), [1], trials=50)
    assert scaled.rates[0] == 1.0 < scaled.proved_sparsity


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_null_space_constant_decides_whether_all_sparse_vectors_are_found(seed):
    """gamma_s < 1 if and only if l1 recovers every s-sparse vector: tried on supports and signs."""
    import itertools

    W = np.random.default_rng(seed).standard_normal((3, 5))
    m = W.shape[1]
    constants = mlp.dictionary_diagnostics(W, orders=(1, 2)).null_space
    for constant in constants:
        found = True
        for support in itertools.combinations(range(m), constant.order):
            for signs in itertools.product([-1.0, 1.0], repeat=constant.order):
                code = np.zeros(m)
                code[list(support)] = signs
                found &= bool(np.allclose(least_l1_code(W, W @ code), code, atol=1e-7))
        assert found == (constant.lower < 1.0), constant


def test_small_lam_finds_what_the_least_norm_finds():
    W = coherent_dictionary(6, 10, seed=1)
    code = np.zeros(10)
    code[3] = 2.0
    np.testing.assert_allclose(least_l1_code(W, W @ code), code, atol=1e-8)
    found = fista(W, W @ code, 1e-6, tol_gap=1e-9, max_iterations=100_000)
    np.testing.assert_allclose(found.codes, code, atol=1e-4)


def test_a_common_direction_makes_columns_coherent_and_recovery_rare():
    low, high = (coherent_dictionary(10, 20, common=c, seed=0) for c in (0.0, 30.0))
    rare, often = recovery_rates(high, [2], trials=1), recovery_rates(low, [2], trials=1)
    assert rare.coherence > 0.99 > often.coherence


def test_mistakes_are_named():
    with pytest.raises(InvalidProblem, match="range of W"):
        least_l1_code([[1.0, 0.0], [0.0, 0.0]], [0.0, 1.0])
    with pytest.raises(InvalidProblem, match="one target"):
        least_l1_code(np.eye(2), np.eye(2))
    with pytest.raises(InvalidProblem, match="sparsities"):
        recovery_rates(np.eye(2), [3])
    with pytest.raises(InvalidProblem, match="zero"):
        recovery_rates([[1.0, 0.0]], [1])
    with pytest.raises(InvalidProblem, match="common"):
        coherent_dictionary(2, 3, common=-1.0)
