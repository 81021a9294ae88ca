"""Solutions to report on, and one browser for all tests."""

import os

import numpy as np
import pytest

import measurelp as mlp

from .browser import DRIVER, MISSING, driver

pytest.importorskip("plotly", reason="plotly is not installed")
pytest.importorskip("jinja2", reason="jinja2 is not installed")


@pytest.fixture(scope="session")
def plane():
    rng = np.random.default_rng(1)
    X = rng.standard_normal((20, 2))
    y = np.maximum(X @ [1.0, 0.5], 0.0) - np.maximum(X @ [-0.5, 1.0] + 0.3, 0.0)
    return mlp.solve(mlp.MeasureProblem(X, y, lam=0.2), tol_gap=1e-9)


@pytest.fixture(scope="session")
def chromedriver():
    if MISSING and not os.environ.get("MEASURELP_REQUIRE_BROWSER"):
        pytest.skip(MISSING)
    assert DRIVER, MISSING
    with driver() as base:
        yield base
