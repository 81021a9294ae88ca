"""Losses by their definitions: conjugates, intervals, weights, cone forms, labels."""

import clarabel
import numpy as np
import pytest
from scipy import sparse

import measurelp as mlp
from measurelp.problem import LOSSES

REGRESSION = [
    mlp.Squared(), mlp.Absolute(), mlp.Quantile(0.2), mlp.Quantile(0.9), mlp.Huber(0.4),
    mlp.Huber(3.0),
]  # fmt: skip
CLASSES = [mlp.Hinge(), mlp.SquaredHinge(), mlp.Logistic()]
ALL = [*REGRESSION, *CLASSES, mlp.Poisson()]


def identity(loss):
    return repr(loss)


def draw(loss, rng, n=40):
    """Targets and fits, some of them on kinks."""
    if loss in CLASSES:
        y = rng.choice([-1.0, 1.0], size=n)
    elif loss.name == "poisson":
        y = rng.poisson(2.0, size=n).astype(float)
    else:
        y = rng.standard_normal(n)
    fit = 1.5 * rng.standard_normal(n)
    fit[:5] = y[:5]
    return y, fit


def definition(loss, z, y):
    """One loss value in plain Python."""
    return {
        "squared": lambda: (z - y) ** 2 / 2,
        "absolute": lambda: abs(z - y),
        "quantile": lambda: loss.tau * (y - z) if z < y else (1 - loss.tau) * (z - y),
        "huber": lambda: (
            (z - y) ** 2 / 2
            if abs(z - y) <= loss.delta
            else loss.delta * (abs(z - y) - loss.delta / 2)
        ),
        "hinge": lambda: max(0.0, 1 - y * z),
        "squared_hinge": lambda: max(0.0, 1 - y * z) ** 2,
        "logistic": lambda: np.log1p(np.exp(-y * z)),
        "poisson": lambda: np.exp(z) - y * z,
    }[loss.name]()


@pytest.mark.parametrize("loss", ALL, ids=identity)
def test_values_are_the_definition(loss):
    y, fit = draw(loss, np.random.default_rng(1))
    expected = [definition(loss, z, t) for z, t in zip(fit, y, strict=True)]
    np.testing.assert_allclose(loss.values(fit, y), expected, rtol=1e-12, atol=1e-14)
    assert loss.value(fit, y) == pytest.approx(sum(expected))


@pytest.mark.parametrize("loss", ALL, ids=identity)
def test_the_dual_is_a_conjugate(loss):
    """l(z) + l*(-a) + a z >= 0 for all z and a, and = 0 for a in the interval -dl(z)."""
    rng = np.random.default_rng(2)
    y, fit = draw(loss, rng)
    low, high = loss.dual_interval(fit, y)
    assert np.all(low <= high)
    for share in (0.0, 0.3, 1.0):
        a = low + share * (high - low)
        gap = loss.values(fit, y) - loss.dual_values(a, y) + a * fit
        np.testing.assert_allclose(gap, 0.0, atol=1e-12)
        for _ in range(20):
            other = 4.0 * rng.standard_normal(len(y))
            assert np.all(loss.values(other, y) - loss.dual_values(a, y) + a * other >= -1e-12)
    below, above = loss.dual_domain(y)
    assert np.all(below <= 0.0)
    assert np.all(above >= 0.0)
    for end, outside in ((below, -1e-6), (above, 1e-6)):
        finite = np.isfinite(end)
        if finite.any():
            ends = np.where(finite, end, 0.0)
            assert np.all(np.isfinite(loss.dual_values(ends, y)))
            assert np.all(np.isneginf(loss.dual_values(ends + outside, y)[finite]))
    assert np.all(loss.values(fit, y) >= loss.least_values(y) - 1e-12)


@pytest.mark.parametrize("loss", [loss for loss in ALL if loss.is_smooth], ids=identity)
def test_gradients_and_curvatures_are_differences(loss):
    rng = np.random.default_rng(3)
    y, _ = draw(loss, rng)
    fit, h = 1.3 * rng.standard_normal(len(y)), 1e-6
    slope = (loss.values(fit + h, y) - loss.values(fit - h, y)) / (2 * h)
    np.testing.assert_allclose(loss.dual_from_fit(fit, y), -slope, atol=1e-7)
    bend = (loss.dual_interval(fit - h, y)[0] - loss.dual_interval(fit + h, y)[0]) / (2 * h)
    np.testing.assert_allclose(loss.curvatures(fit, y), bend, atol=1e-5)


@pytest.mark.parametrize("loss", ALL, ids=identity)
def test_a_weight_is_a_repetition(loss):
    rng = np.random.default_rng(4)
    y, fit = draw(loss, rng)
    weight = rng.integers(0, 4, size=len(y))
    index = np.repeat(np.arange(len(y)), weight)
    weight = weight.astype(float)
    assert loss.value(fit, y, weight) == pytest.approx(loss.value(fit[index], y[index]))
    low, high = loss.dual_ends(fit, y, weight)
    alpha = 0.5 * (low + high)
    single = np.divide(alpha, weight, out=np.zeros(len(y)), where=weight > 0)[index]
    assert loss.dual_value(alpha, y, weight) == pytest.approx(loss.dual_value(single, y[index]))
    alpha[np.flatnonzero(weight == 0.0)[0]] = 1e-3
    assert loss.dual_value(alpha, y, weight) == -np.inf


@pytest.mark.parametrize("loss", ALL, ids=identity)
def test_the_best_scale_is_the_best_on_a_grid(loss):
    rng = np.random.default_rng(5)
    y, fit = draw(loss, rng)
    low, high = loss.dual_interval(fit, y)
    alpha = 1.7 * (low + high)
    found = loss.best_scale(alpha, y, 0.8)
    assert 0.0 <= found <= 0.8
    grid = max(loss.dual_value(s * alpha, y) for s in np.linspace(0.0, 0.8, 401))
    assert loss.dual_value(found * alpha, y) >= grid - 1e-6 * abs(grid)


@pytest.mark.parametrize("loss", [*ALL, mlp.Interpolation()], ids=identity)
def test_the_cone_form_has_the_losses_value(loss):
    """Minimised over its own variables at a given fit, by Clarabel."""
    rng = np.random.default_rng(6)
    y, fit = draw(loss, rng, n=12)
    if loss.is_hard_constraint:
        fit = y
    weight = rng.uniform(0.2, 3.0, size=len(y))
    form = loss.cone_form(y, weight)
    blocks, cones = [], []
    for rows, cone in (
        (form.zero, clarabel.ZeroConeT(len(form.zero))),
        (form.nonneg, clarabel.NonnegativeConeT(len(form.nonneg))),
        (form.exponential, None),
    ):
        if len(rows) == 0:
            continue
        row, column, value = rows.auxiliary
        matrix = sparse.csc_matrix((value, (row, column)), shape=(len(rows), len(form.linear)))
        row, column, value = rows.fit
        used = sparse.csc_matrix((value, (row, column)), shape=(len(rows), len(y))) @ fit
        blocks.append((matrix, rows.rhs - used))
        cones += [cone] if cone else [clarabel.ExponentialConeT()] * (len(rows) // 3)
    constant = 0.0 if form.fit_linear is None else float(form.fit_linear @ fit)
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    if len(form.linear) == 0:
        np.testing.assert_allclose(blocks[0][1], 0.0, atol=1e-12)
        return
    solution = clarabel.DefaultSolver(
        sparse.csc_matrix(np.diag(form.quadratic)), form.linear,
        sparse.csc_matrix(sparse.vstack([b for b, _ in blocks])),
        np.concatenate([b for _, b in blocks]), cones, settings,
    ).solve()  # fmt: skip
    assert solution.obj_val + constant == pytest.approx(loss.value(fit, y, weight), rel=1e-6)


@pytest.mark.parametrize("loss", CLASSES, ids=identity)
def test_labels(loss):
    zero_one, signs = np.array([0.0, 1.0, 1.0]), np.array([-1.0, 1.0, 1.0])
    np.testing.assert_array_equal(loss.prepared_targets(zero_one), signs)
    np.testing.assert_array_equal(loss.prepared_targets(signs), signs)
    with pytest.raises(mlp.InvalidProblem, match="labels -1 and 1"):
        loss.prepared_targets(np.array([0.0, 1.0, 2.0]))
    with pytest.raises(mlp.InvalidProblem, match="two classes"):
        mlp.MeasureProblem([[1.0], [2.0]], [1, 1], lam=1.0, loss=loss)
    problem = mlp.MeasureProblem([[1.0], [2.0]], [False, True], lam=1.0, loss=loss)
    np.testing.assert_array_equal(problem.y, [-1.0, 1.0])


@pytest.mark.parametrize("tau", [0.0, 1.0, -0.1, float("nan"), "half", None, True])
def test_bad_quantiles(tau):
    with pytest.raises(mlp.InvalidProblem, match="tau"):
        mlp.Quantile(tau)


@pytest.mark.parametrize("delta", [0.0, -1.0, float("inf"), float("nan"), "1"])
def test_bad_deltas(delta):
    with pytest.raises(mlp.InvalidProblem, match="delta"):
        mlp.Huber(delta)


def test_negative_counts():
    with pytest.raises(mlp.InvalidProblem, match=r"counts >= 0, found -2 at row 1"):
        mlp.MeasureProblem([[1.0], [2.0]], [1, -2], lam=1.0, loss=mlp.Poisson())


def test_words_are_unique_and_complete():
    others = {"interpolation", "multinomial_logistic"}
    assert set(LOSSES) == {loss.name for loss in ALL} | others
    assert all(LOSSES[name].name == name for name in LOSSES)


def test_zero_weights_on_a_constraint_are_refused():
    with pytest.raises(mlp.InvalidProblem, match="leave these rows out"):
        mlp.MeasureProblem([[1.0], [2.0]], [1, 2], loss=mlp.Interpolation(), sample_weight=[0, 1])


def cross_entropy(rng, n=12, c=4):
    """One-hot and probability targets, fits, and the loss by its definition."""
    y = np.vstack([np.eye(c)[rng.integers(0, c, n // 2)], rng.dirichlet(np.ones(c), n - n // 2)])
    fit = 2.0 * rng.standard_normal((n, c))
    expected = [np.log(np.exp(z).sum()) - float(t @ z) for z, t in zip(fit, y, strict=True)]
    return y, fit, np.array(expected)


def test_cross_entropy_and_its_dual():
    rng = np.random.default_rng(7)
    loss = mlp.MultinomialLogistic()
    y, fit, expected = cross_entropy(rng)
    np.testing.assert_allclose(loss.values(fit, y), expected, atol=1e-12)
    alpha = loss.dual_from_fit(fit, y)
    h = 1e-6
    for k in range(y.shape[1]):
        step = np.eye(y.shape[1])[k] * h
        slope = (loss.values(fit + step, y) - loss.values(fit - step, y)) / (2 * h)
        np.testing.assert_allclose(alpha[:, k], -slope, atol=1e-7)
    gap = expected - loss.dual_values(alpha, y).sum(axis=1) + np.sum(alpha * fit, axis=1)
    np.testing.assert_allclose(gap, 0.0, atol=1e-12)
    for _ in range(50):
        other = 3.0 * rng.standard_normal(fit.shape)
        above = loss.values(other, y) - loss.dual_values(alpha, y).sum(axis=1)
        assert np.all(above + np.sum(alpha * other, axis=1) >= -1e-12)
    assert np.all(loss.domain_error(alpha, y) <= 1e-13)
    assert loss.dual_value(alpha + 0.1, y) == -np.inf


def test_curvatures_bound_the_hessian():
    rng = np.random.default_rng(8)
    loss = mlp.MultinomialLogistic()
    y, fit, _ = cross_entropy(rng)
    p = y - loss.dual_from_fit(fit, y)
    for row, bound in zip(p, loss.curvatures(fit, y), strict=True):
        assert np.linalg.eigvalsh(np.diag(row) - np.outer(row, row))[-1] <= bound + 1e-12


def test_what_rounding_takes_off_the_simplex_is_charged():
    """An exact point of the simplex lies within domain_error of a perturbed one."""
    rng = np.random.default_rng(9)
    loss = mlp.MultinomialLogistic()
    y, fit, _ = cross_entropy(rng)
    alpha = loss.dual_from_fit(fit, y) + 1e-8 * rng.standard_normal(fit.shape)
    p = np.maximum(y - alpha, 0.0)
    exact = y - p / p.sum(axis=1, keepdims=True)
    distance = np.linalg.norm(exact - alpha, axis=1)
    assert np.all(distance <= loss.domain_error(alpha, y))
    assert np.any(distance > 0.0)


def test_class_labels():
    loss = mlp.MultinomialLogistic()
    problem = mlp.MeasureProblem([[1.0], [2.0], [3.0]], [0, 2, 1], lam=1.0, loss=loss)
    np.testing.assert_array_equal(problem.y, np.eye(3)[[0, 2, 1]])
    for y, said in (
        ([0, 1, 1.5], "labels 0, 1"), ([0, 1, -1], "found -1"), ([1, 1, 1], "two classes"),
        ([0, 1, 1000], "up to 1000"), (np.eye(3) * 2.0, "row 0"),
    ):  # fmt: skip
        with pytest.raises(mlp.InvalidProblem, match=said):
            mlp.MeasureProblem([[1.0], [2.0], [3.0]], y, lam=1.0, loss=loss)
    with pytest.raises(mlp.InvalidProblem, match="couples"):
        mlp.MeasureProblem([[1.0], [2.0]], [0, 1], lam=1.0, loss=loss, outputs="separate")
    with pytest.raises(mlp.InvalidProblem, match="kinks"):
        mlp.MeasureProblem([[1.0], [2.0]], np.eye(2), lam=1.0, loss=mlp.Absolute())
