"""Arrays and numbers as callers give them."""

from fractions import Fraction

import numpy as np
import pytest

import measurelp as mlp
from measurelp.errors import InvalidProblem
from measurelp.problem import float_array, positive_number


@pytest.mark.parametrize("value", [[1, 2], (1.0, 2.0), np.array([1, 2], np.float16), [True, 2]])
def test_real_numbers_become_a_copy_in_double_precision(value):
    array = float_array("x", value)
    assert array.dtype == np.float64
    np.testing.assert_array_equal(array, [1.0, 2.0])
    assert array is not value


@pytest.mark.parametrize("value", [[1.0, 2j], ["a", 1.0], [[1.0], [1.0, 2.0]], [None, {}]])
def test_what_is_no_array_of_real_numbers_is_refused(value):
    with pytest.raises(InvalidProblem, match="x: expected numbers"):
        float_array("x", value)


def test_tensors_with_gradients_are_refused_with_the_way_out():
    torch = pytest.importorskip("torch")
    with pytest.raises(InvalidProblem, match="detach"):
        float_array("x", torch.ones(2, requires_grad=True))


def test_complex_data_are_refused():
    with pytest.raises(InvalidProblem, match=r"X: .*complex"):
        mlp.MeasureProblem([[1.0 + 0j]], [1.0], lam=1.0)
    with pytest.raises(InvalidProblem, match=r"features: .*complex"):
        mlp.compress_layer([[1.0 + 1j]], [[1.0]])


@pytest.mark.parametrize("value", [1, 2.5, np.float32(1.0), np.int64(3), Fraction(1, 3)])
def test_positive_numbers(value):
    assert positive_number("x", value) == float(value)


@pytest.mark.parametrize("value", [0, -1.0, np.inf, np.nan, "1", None, True, [1.0], 1j])
def test_what_is_no_positive_number_is_refused(value):
    with pytest.raises(InvalidProblem, match="x: expected"):
        positive_number("x", value)


@pytest.mark.parametrize("lam", ["a", -1.0, np.nan, [1.0]])
def test_lam_of_a_layer(lam):
    with pytest.raises(InvalidProblem, match="lam"):
        mlp.compress_layer([[1.0]], [[1.0]], lam)
    chain = mlp.ReluChain([[[1.0]], [[1.0]]], [[0.0], [0.0]])
    with pytest.raises(InvalidProblem, match="lam"):
        mlp.certify_layers(chain, [[1.0]], lam)
