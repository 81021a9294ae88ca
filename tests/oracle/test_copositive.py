"""Copositivity against the stationary points of the form on the faces of the simplex."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from measurelp.oracle._copositive_kernels import copositive_workspace, is_copositive


def least_on_simplex(Q) -> float:
    """``min t'Qt`` over t >= 0, sum t = 1: the least of the stationary values on all faces."""
    n, least = len(Q), np.inf
    for size in range(1, n + 1):
        for face in itertools.combinations(range(n), size):
            system = np.ones((size + 1, size + 1))
            system[:size, :size], system[-1, -1] = Q[np.ix_(face, face)], 0.0
            try:
                z = np.linalg.solve(system, np.append(np.zeros(size), 1.0))[:size]
            except np.linalg.LinAlgError:
                continue
            if np.all(z >= -1e-12):
                least = min(least, float(z @ Q[np.ix_(face, face)] @ z))
    return least


def draw(rng, r, kind):
    """A symmetric matrix, some of them at or near the boundary of the copositive cone."""
    Q = rng.standard_normal((r, r))
    if kind == "integers":
        Q = rng.integers(-2, 3, (r, r)).astype(float)
    elif kind == "difference":
        G = rng.standard_normal((2, r))
        Q = Q @ Q.T * rng.uniform(0, 3) - G.T @ G
    Q = Q + Q.T
    if kind == "boundary":
        Q = Q - (least_on_simplex(Q) + rng.choice([-1e-7, 1e-7])) * np.ones((r, r))
    return Q


def answer(Q):
    witness = np.empty(len(Q))
    found = is_copositive(np.ascontiguousarray(Q), copositive_workspace(len(Q)), witness)
    return found, witness


@pytest.mark.kernel_python
@pytest.mark.parametrize("kind", ["normal", "integers", "difference", "boundary"])
def test_against_all_faces(kind):
    rng = np.random.default_rng(4)
    for _ in range(150):
        Q = draw(rng, int(rng.integers(1, 6)), kind)
        least, scale = least_on_simplex(Q), float(np.abs(Q).max())
        found, witness = answer(Q)
        if least > 1e-10 * scale:
            assert found
        if least < -1e-12 * scale:
            assert not found
        if not found:
            assert np.all(witness >= 0.0) and witness.sum() > 0.0
            witness /= witness.sum()
            assert witness @ Q @ witness <= 1e-9 * scale


@pytest.mark.kernel_python
def test_horn_is_copositive_without_being_a_sum():
    """Horn's form is neither positive semidefinite plus nonnegative nor strictly copositive."""
    signs = np.array([1, -1, 1, 1, -1.0])
    horn = np.array([np.roll(signs, k) for k in range(5)])
    assert answer(horn + 1e-9)[0]
    assert not answer(horn - 1e-9)[0]


@pytest.mark.kernel_python
def test_what_is_not_a_number_is_not_copositive():
    for place in ((0, 0), (0, 1), (2, 1)):
        Q = np.eye(3)
        Q[place] = Q[place[::-1]] = np.nan
        assert not answer(Q)[0]
