"""The compiled products against their one-line NumPy twins."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from measurelp.dictionary import Dictionary
from measurelp.errors import BudgetExceeded, InvalidProblem


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10_000), n=st.integers(0, 40), k=st.integers(0, 30), d=st.integers(1, 6))
def test_products_are_those_of_the_matrix(seed, n, k, d):
    rng = np.random.default_rng(seed)
    rows, atoms = rng.standard_normal((n, d)), rng.standard_normal((k, d))
    dense = np.maximum(rows @ atoms.T, 0.0)
    A = Dictionary(rows, atoms)
    z, alpha = rng.standard_normal(k), rng.standard_normal(n)
    assert A.shape == (n, k)
    np.testing.assert_allclose(A.to_dense(), dense, atol=1e-13)
    np.testing.assert_allclose(A.matvec(z), dense @ z, atol=1e-12)
    np.testing.assert_allclose(A.rmatvec(alpha), dense.T @ alpha, atol=1e-12)
    some = rng.permutation(k)[: k // 2]
    np.testing.assert_allclose(A.columns(some), dense[:, some], atol=1e-13)
    if k:
        np.testing.assert_allclose(A.column(k - 1), dense[:, k - 1], atol=1e-13)


def test_linear_operator_is_adjoint():
    rng = np.random.default_rng(0)
    rows, atoms = rng.standard_normal((7, 3)), rng.standard_normal((5, 3))
    operator = Dictionary(rows, atoms).as_linear_operator()
    z, a = rng.standard_normal(5), rng.standard_normal(7)
    assert a @ (operator @ z) == pytest.approx(z @ (operator.T @ a))
    assert (operator @ np.eye(5)).shape == (7, 5)


def test_arrays_of_any_layout_are_taken():
    rng = np.random.default_rng(1)
    rows = rng.standard_normal((4, 8))[:, ::2]
    atoms = np.asfortranarray(rng.standard_normal((6, 4)))
    np.testing.assert_allclose(
        Dictionary(rows, atoms).to_dense(), np.maximum(rows @ atoms.T, 0), atol=1e-14
    )


def test_guards():
    A = Dictionary(np.eye(3), np.eye(3))
    with pytest.raises(BudgetExceeded, match="max_bytes"):
        A.to_dense(max_bytes=8)
    with pytest.raises(InvalidProblem, match="masses"):
        A.matvec(np.ones(2))
    with pytest.raises(InvalidProblem, match="rows, atoms"):
        Dictionary(np.eye(3), np.eye(2))
