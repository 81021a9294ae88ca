import numpy as np
import pytest
from scipy import sparse

from measurelp.errors import InvalidProblem
from measurelp.program import ConeProgram
from measurelp.program.cone_program import csc_from_triplets


def _program(**changes):
    fields = {
        "P": sparse.csc_array(np.array([[2.0, 1.0], [0.0, 3.0]])),
        "q": np.array([1.0, -1.0]),
        "A": sparse.csc_array(np.ones((3, 2))),
        "b": np.zeros(3),
        "zero": 1,
        "nonneg": 0,
        "soc": (2,),
    }
    return ConeProgram(**{**fields, **changes})


def test_facts_of_a_program():
    program = _program()
    assert (program.n_variables, program.n_rows) == (2, 3)
    assert program.is_quadratic and program.has_cones and not program.is_linear
    assert _program(P=None, zero=3, soc=()).is_linear
    empty = sparse.csc_array((2, 2))
    assert not _program(P=empty).is_quadratic


def test_objective_reads_the_upper_triangle_as_a_symmetric_matrix():
    x = np.array([2.0, -1.0])
    full = np.array([[2.0, 1.0], [1.0, 3.0]])
    assert _program().objective(x) == pytest.approx(0.5 * x @ full @ x + 3.0)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"q": np.zeros(3)}, "q, b"),
        ({"b": np.zeros(2)}, "q, b"),
        ({"A": sparse.csr_array(np.ones((3, 2)))}, "csc"),
        ({"P": sparse.csc_array(np.eye(3))}, "P"),
        ({"P": sparse.csc_array(np.array([[1.0, 0.0], [1.0, 1.0]]))}, "upper"),
        ({"nonneg": 1}, "rows"),
        ({"zero": 3, "soc": (0,)}, "dimension"),
        ({"zero": -1, "nonneg": 2}, "counts"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(changes, word):
    with pytest.raises(InvalidProblem, match=word):
        _program(**changes)


def test_triplets_make_the_same_matrix_as_scipy():
    rng = np.random.default_rng(0)
    dense = rng.standard_normal((7, 9)) * (rng.random((7, 9)) < 0.4)
    row, column = np.nonzero(dense)
    ours = csc_from_triplets(row, column, dense[row, column], dense.shape)
    assert ours.has_sorted_indices
    np.testing.assert_array_equal(ours.toarray(), dense)
