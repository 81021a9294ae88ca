"""Solutions to draw, solved once, and figures that are closed."""

import numpy as np
import pytest

import measurelp as mlp

matplotlib = pytest.importorskip("matplotlib", reason="matplotlib is not installed")
matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


@pytest.fixture(scope="session")
def line():
    """One input: rank 2."""
    rng = np.random.default_rng(3)
    x = np.sort(rng.uniform(-2, 2, 12))
    return mlp.solve(mlp.MeasureProblem(x[:, None], np.sin(2 * x), lam=0.05))


@pytest.fixture(scope="session")
def plane():
    """Two inputs: rank 3."""
    rng = np.random.default_rng(1)
    X = rng.standard_normal((20, 2))
    y = np.maximum(X @ [1.0, 0.5], 0.0) - np.maximum(X @ [-0.5, 1.0] + 0.3, 0.0)
    return mlp.solve(mlp.MeasureProblem(X, y, lam=0.2))


@pytest.fixture(scope="session")
def rank_four():
    rng = np.random.default_rng(2)
    X = rng.standard_normal((30, 4))
    y = np.maximum(X @ [1.0, 0.5, -1.0, 0.2], 0.0) - np.maximum(X @ [0.0, 1.0, 0.0, 1.0], 0.0)
    return mlp.solve(mlp.MeasureProblem(X, y, lam=0.3, bias="none"))
