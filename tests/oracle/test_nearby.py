"""Ascent from close to known weights: eta over the rows that cut a cap is eta over all rows."""

import numpy as np
import pytest

from measurelp import LeakyReLU, MeasureProblem
from measurelp.oracle import DualFunction
from measurelp.oracle.ascent import climbed, climbed_nearby
from measurelp.problem import row_space

RADII = np.array([0.3, 0.05, 0.004])


def dual_of(seed, n, d, **options):
    rng = np.random.default_rng(seed)
    X, y = rng.standard_normal((n, d)), rng.standard_normal(n)
    problem = MeasureProblem(X, y, lam=1.0, **options)
    return DualFunction(problem, row_space(problem), rng.standard_normal(n)), rng


@pytest.mark.kernel_python
@pytest.mark.parametrize("options", [
    {"bias": "none"}, {"bias": "penalized"}, {"bias": "none", "activation": LeakyReLU(0.3)},
])  # fmt: skip
def test_values_are_those_of_all_rows_and_no_ascent_from_the_ends_gains(options):
    dual, rng = dual_of(5, 40, 3, **options)
    centres = rng.standard_normal((4, dual.space.rank))
    centres /= np.linalg.norm(centres, axis=1)[:, None]
    points, values = climbed_nearby(dual, centres, RADII, rng, starts=2)
    assert 0 < len(points) <= 4 * 3 * 2
    assert np.linalg.norm(points, axis=1) == pytest.approx(1.0, abs=1e-12)
    assert values == pytest.approx(dual.values(points), abs=1e-12 * dual.magnitude)
    # Every end lies in the widest cap around some centre.
    assert np.all((points @ centres.T).max(axis=1) >= np.sqrt(1.0 - 4.0 * RADII[0] ** 2) - 1e-12)
    further = np.abs(dual.values(climbed(dual, points)))
    assert further == pytest.approx(np.abs(values), rel=1e-6)


def test_a_peak_close_to_a_known_one_is_found():
    dual, rng = dual_of(6, 400, 3, bias="none")
    starts = rng.standard_normal((200, dual.space.rank))
    tops = climbed(dual, starts)
    top = tops[np.argmax(np.abs(dual.values(tops)))]
    away = top + 0.02 * rng.standard_normal(3)
    away /= np.linalg.norm(away)
    _, values = climbed_nearby(dual, away[None, :], np.array([0.05]), rng, starts=8)
    assert np.abs(values).max() == pytest.approx(abs(dual.values(top[None, :])[0]), rel=1e-9)


def test_without_rows_nothing_is_found():
    dual, rng = dual_of(7, 5, 2, bias="none")
    nothing = DualFunction(dual.problem, dual.space, np.zeros(5))
    points, values = climbed_nearby(nothing, np.eye(2), RADII, rng, starts=1)
    assert len(points) == len(values) == 0
