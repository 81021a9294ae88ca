"""A problem refuses what it cannot mean, and names it."""

import math

import numpy as np
import pytest
from oracles.families import EVERY, SETTINGS

import measurelp as mlp
from measurelp.errors import InvalidProblem
from measurelp.problem import row_space

GOOD = {"X": [[1.0, 2.0], [3.0, 4.0]], "y": [1.0, 2.0], "lam": 0.1}


@pytest.mark.parametrize(("name", "value"), [
    ("X", [1.0, 2.0]), ("X", [[[1.0]]]), ("X", np.zeros((0, 2))), ("X", np.zeros((2, 0))),
    ("X", [[1.0, math.nan], [3.0, 4.0]]), ("X", [[1.0, math.inf], [3.0, 4.0]]),
    ("X", [["a", "b"], ["c", "d"]]), ("X", [[1.0], [1.0, 2.0]]), ("X", None), ("X", 3.0),
    ("y", [1.0]), ("y", [1.0, 2.0, 3.0]), ("y", [[[1.0]], [[2.0]]]), ("y", np.zeros((2, 0))), ("y", [[1.0, 2.0], [3.0, math.nan]]), ("y", [1.0, math.nan]),
    ("y", [1.0, -math.inf]), ("y", ["a", "b"]), ("y", 1.0), ("y", None), ("y", [[1.0, 2.0]]),
    ("lam", None), ("lam", 0.0), ("lam", -1.0), ("lam", math.nan), ("lam", math.inf), ("lam", "1"),
    ("lam", 10**400), ("X", [[10**400, 1.0], [1.0, 1.0]]), ("y", [10**400, 1.0]),
    ("lam", True), ("lam", [0.1]), ("lam", 1j), ("loss", mlp.Squared), ("loss", "squared"),
    ("loss", 3), ("ball", "l2"), ("ball", mlp.L2Ball), ("activation", "relu"),
    ("activation", np.tanh), ("bias", "penalised"), ("bias", True), ("bias", None),
    ("skip", "linear"), ("skip", False), ("outputs", "together"),
    ("sample_weight", [1.0]), ("sample_weight", [1.0, -1.0]), ("sample_weight", [0.0, 0.0]),
    ("sample_weight", [1.0, float("nan")]), ("sample_weight", "heavy"),
])  # fmt: skip
def test_bad_arguments_are_named(name, value):
    arguments = GOOD | {name: value}
    X, y = arguments.pop("X"), arguments.pop("y")
    with pytest.raises(InvalidProblem, match=name):
        mlp.MeasureProblem(X, y, **arguments)


@pytest.mark.parametrize("lam", [0.0, -1.0, math.nan, "1"])
def test_a_bad_lam_is_named_even_where_it_does_not_enter(lam):
    with pytest.raises(InvalidProblem, match="lam"):
        mlp.MeasureProblem([[1.0]], [1.0], lam=lam, loss=mlp.Interpolation())


@pytest.mark.parametrize("loss", [mlp.Squared(), mlp.Interpolation()])
def test_a_free_bias_needs_a_skip(loss):
    with pytest.raises(InvalidProblem, match="skip"):
        mlp.MeasureProblem([[1.0]], [1.0], lam=1.0, loss=loss, bias="free", skip="none")


def test_arrays_are_copied_and_cannot_be_changed():
    X, y = np.eye(2), np.ones(2)
    problem = mlp.MeasureProblem(X, y, lam=1.0)
    X[0, 0], y[0] = 5.0, 5.0
    assert problem.X[0, 0] == 1.0 and problem.y[0] == 1.0
    with pytest.raises(ValueError, match="read-only"):
        problem.X[0, 0] = 2.0
    with pytest.raises(ValueError, match="read-only"):
        problem.y[0] = 2.0
    with pytest.raises(AttributeError):
        problem.lam = 2.0


@pytest.mark.parametrize("dtype", [np.float32, np.int64, bool])
def test_other_numbers_are_taken(dtype):
    problem = mlp.MeasureProblem(
        np.eye(2, dtype=dtype), np.ones((2, 1), dtype=dtype), lam=np.float32(1)
    )
    assert problem.X.dtype == problem.y.dtype == np.float64
    assert problem.y.shape == (2,)


@pytest.mark.parametrize(("bias", "skip"), SETTINGS)
def test_shapes(bias, skip):
    problem = mlp.MeasureProblem(np.ones((4, 3)), np.ones(4), lam=1.0, bias=bias, skip=skip)
    assert problem.lifted.shape == (4, 3 + (bias != "none"))
    assert problem.n_penalized == 3 + (bias == "penalized")
    assert problem.skip_columns.shape[1] == {"none": 0, "constant": 1, "affine": 4}[skip]
    again = problem.with_lam(0.5)
    assert (again.lam, again.bias, again.skip) == (0.5, bias, skip)


@pytest.mark.parametrize("bias", ["none", "penalized", "free"])
@pytest.mark.parametrize("family", EVERY)
def test_row_space_keeps_inner_products(family, bias):
    """<x_i, w> = <z_i, u> up to the stated residual, there and back."""
    for seed in range(10):
        rng = np.random.default_rng(seed)
        n, d = int(rng.integers(1, 7)), int(rng.integers(1, 5))
        X = EVERY[family](rng, n, d)
        problem = mlp.MeasureProblem(
            X, np.zeros(n), lam=1.0, bias=bias, skip="constant" if bias == "free" else "none"
        )
        space = row_space(problem)
        np.testing.assert_array_equal(space.distinct[space.group], space.rows)
        u = rng.standard_normal((20, space.rank))
        w = space.weights(u)
        size = np.linalg.norm(problem.lifted, axis=1)[:, None] * np.linalg.norm(w, axis=1)[None, :]
        error = np.abs(problem.lifted @ w.T - space.rows @ u.T)
        assert np.all(error <= 1e-13 * size + space.residual[:, None] * space.norms(u) * 2)
        assert np.all(problem.weight_norm(w) <= space.norms(u) * (1 + 1e-12))
        w = rng.standard_normal((20, problem.lifted.shape[1]))
        u = space.coordinates(w)
        size = np.linalg.norm(problem.lifted, axis=1)[:, None] * np.linalg.norm(w, axis=1)[None, :]
        error = np.abs(problem.lifted @ w.T - space.rows @ u.T)
        reach = problem.weight_norm(w)
        assert np.all(error <= 1e-13 * size + 2 * space.residual[:, None] * reach)
        assert np.all(space.norms(u) <= reach * space.inflation * (1 + 1e-12))
