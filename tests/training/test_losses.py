"""Training by every loss: values and slopes against the library's, ends against proved optima."""

from dataclasses import replace

import numpy as np
import pytest

import measurelp as mlp
from measurelp.errors import InvalidProblem
from measurelp.problem import LOSSES
from measurelp.training import TrainingSettings, compare, method_settings, train

torch = pytest.importorskip("torch")

TRAINED = (
    mlp.Squared(), mlp.Absolute(), mlp.Quantile(0.7), mlp.Huber(0.3), mlp.Hinge(), mlp.SquaredHinge(),
    mlp.Logistic(), mlp.Poisson(), mlp.MultinomialLogistic(),
)  # fmt: skip
OF_NUMBERS = {"squared", "absolute", "quantile", "huber"}
by_name = pytest.mark.parametrize("loss", TRAINED, ids=lambda loss: loss.name)


def targets_for(loss, values, rng):
    """Targets that the loss reads, made of numbers (n,)."""
    if loss.name in OF_NUMBERS:
        return values
    if loss.name == "poisson":
        return rng.poisson(np.exp(values)).astype(float)
    if loss.name == "multinomial_logistic":
        return np.digitize(values, np.quantile(values, [1 / 3, 2 / 3])).astype(float)
    return (values > np.median(values)).astype(float)


def small(loss, n=8, share=0.2, **options):
    """A problem of the loss at a share of its lam_max."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, 2))
    y = targets_for(loss, np.abs(X[:, 0]) - 0.5 * X[:, 1] + 0.3, rng)
    problem = mlp.MeasureProblem(X, y, lam=1.0, loss=loss, **options)
    return problem.with_lam(share * mlp.lam_max(problem))


def test_every_loss_is_trained_or_has_no_gradient():
    assert {loss.name for loss in TRAINED} == set(LOSSES) - {"interpolation"}


@by_name
def test_values_and_slopes_are_the_library_s(loss):
    """Also far out, where exponentials would overflow if written down as they are defined."""
    from measurelp.training._torch_losses import costs_of

    rng = np.random.default_rng(1)
    n, c = 40, 3 if loss.couples_outputs else 1
    y = loss.prepared_targets(targets_for(loss, rng.standard_normal(n), rng)).reshape(n, c)
    for size in (1.0, 30.0, 600.0):
        fit = size * rng.standard_normal((n, c))
        fit[0] = y[0]  # a kink of some
        if loss.name == "poisson":
            fit = np.minimum(fit, 600.0)
        z = torch.tensor(fit, requires_grad=True)
        costs = costs_of(loss)(z, torch.tensor(y)).sum(dim=-1)
        shape = (n, c) if loss.couples_outputs else (n,)
        values = loss.values(fit.reshape(shape), y.reshape(shape))
        np.testing.assert_allclose(costs.detach().numpy(), values, rtol=1e-13, atol=1e-13)
        (slope,) = torch.autograd.grad(costs.sum(), z)
        low, high = loss.dual_interval(fit.reshape(shape), y.reshape(shape))
        alpha = -slope.numpy().reshape(shape)
        slack = 1e-12 * (1.0 + np.abs(alpha))
        assert np.all(alpha >= low - slack) and np.all(alpha <= high + slack)


@by_name
def test_slopes_are_differences_of_values(loss):
    """Independent of the library's gradients: central differences, away from kinks."""
    from measurelp.training._torch_losses import costs_of

    rng = np.random.default_rng(2)
    n, c, h = 15, 4 if loss.couples_outputs else 1, 1e-6
    y = torch.tensor(rng.dirichlet(np.ones(c), n) if c > 1 else rng.choice([-1.0, 1.0], (n, c)))
    if loss.name == "poisson":
        y = y + 1.0
    z = torch.tensor(2.0 * rng.standard_normal((n, c)), requires_grad=True)
    costs = costs_of(loss)
    (slope,) = torch.autograd.grad(costs(z, y).sum(), z)
    for j in range(c):
        step = torch.zeros(n, c, dtype=torch.float64)
        step[:, j] = h
        with torch.no_grad():
            change = (costs(z + step, y) - costs(z - step, y)).sum(dim=-1) / (2 * h)
        np.testing.assert_allclose(slope[:, j].numpy(), change.numpy(), rtol=1e-6, atol=1e-8)


# What is asked of the best seed, relative; subgradients of constant step stay away from kinks.
NEAR = {"absolute": 5e-2, "quantile": 3e-2, "hinge": 3e-2}


@by_name
def test_no_end_is_below_the_proved_bound_and_the_best_is_near(loss):
    problem = small(loss)
    solution = mlp.solve(problem, tol_gap=1e-9)
    proved = solution.certificate
    assert proved.is_optimal
    done = compare(problem, ["adam", "conic"], [12], (0, 1), steps=250, solution=solution)
    slack = 1e-12 * abs(proved.dual_value)
    for run in done.runs.values():
        assert np.all(run.diverged_at == -1)
        assert np.all(run.record.objective >= proved.dual_value - slack)
    for end in done.endpoints:
        assert end.relative_gap >= 0.0 and end.verdict != "DIVERGED"
        if end.improvement is not None:
            assert end.improvement.objective < end.objective
            assert end.improvement.objective >= proved.dual_value - slack
        if end.verdict == "OPTIMAL":
            assert end.objective <= proved.primal_value + 2e-6 * abs(proved.primal_value)
    best = min(end.relative_gap for end in done.endpoints)
    assert best < NEAR.get(loss.name, 5e-3)


@pytest.mark.slow
@by_name
def test_every_method_by_name_stays_above_and_adam_comes_near(loss):
    problem = small(loss, n=12, share=0.1)
    solution = mlp.solve(problem, tol_gap=1e-9)
    words = [w for w in method_settings(problem) if w != "label_noise" or loss.name in OF_NUMBERS]
    done = compare(problem, words, [30], (0, 1), steps=2000, solution=solution)
    bound = solution.certificate.dual_value
    for (word, _), run in done.runs.items():
        assert np.all(run.diverged_at == -1)
        assert np.all(run.record.objective >= bound - 1e-12 * abs(bound))
        if word != "adamw":  # which minimises another objective
            assert np.all(run.record.objective[-1] < run.record.objective[0])
    near = [end.relative_gap for end in done.endpoints if end.method == "adam"]
    assert max(near) < NEAR.get(loss.name, 1e-2)


@by_name
def test_the_record_is_recomputed_from_the_networks(loss):
    problem = small(loss, sample_weight=np.arange(1.0, 9.0) / 4)
    settings = replace(method_settings(problem, steps=30)["gd"], width=5, seeds=(0, 1))
    run = train(problem, settings)
    for i, network in enumerate(run.networks()):
        value = loss.value(network.predict(problem.X), problem.y, problem.sample_weight)
        assert run.record.loss[-1, i] == pytest.approx(value, rel=1e-12)
        assert run.record.path_norm[-1, i] == pytest.approx(network.path_norm, rel=1e-12)
        certificate = mlp.certify(problem, network, dual=np.zeros(problem.y.shape))
        assert certificate.primal_value == pytest.approx(run.record.objective[-1, i], rel=1e-9)
    assert np.all(run.record.objective[-1] < run.record.objective[0])
    assert np.isfinite(run.record.dual_at_atoms).all() == loss.is_smooth


@pytest.mark.parametrize("loss", [l for l in TRAINED if l.is_smooth], ids=lambda loss: loss.name)
def test_the_dual_function_is_lam_at_atoms_of_a_stationary_network(loss):
    """Started at the optimum; small steps stay near, where an atom on a wall has no gradient."""
    problem = small(loss)
    solution = mlp.solve(problem, tol_gap=1e-10)
    network = solution.network().balanced()
    settings = TrainingSettings(method="gd", width=network.width, steps=50, learning_rate=1e-4)
    run = train(problem, settings, start=network)
    best = solution.certificate.primal_value
    assert run.record.dual_at_atoms[0, 0] == pytest.approx(problem.lam, rel=1e-4)
    assert run.record.objective[0, 0] == pytest.approx(best, rel=1e-9)
    assert run.record.dual_at_atoms[1, 0] == pytest.approx(problem.lam, rel=1e-2)
    assert run.record.objective[1, 0] == pytest.approx(best, rel=1e-4)
    assert run.record.neurons[0, 0] == len(solution.measure)


@by_name
def test_conic_particles_follow_the_dual_function_of_the_loss(loss):
    """One step in NumPy, with the library's own gradient of the loss; unit vectors u for signs."""
    problem = small(loss, sample_weight=np.arange(1.0, 9.0) / 4)
    h = 0.02
    settings = TrainingSettings(
        method="conic", width=6, steps=1, learning_rate=h, penalty="variation", seeds=(3,)
    )
    begin = train(problem, replace(settings, steps=0))
    end = train(problem, settings)
    w, v = begin.hidden[0], begin.output[0]
    fit = problem.features(w) @ v
    low, high = problem.loss.dual_ends(fit, problem.y, problem.sample_weight)
    np.testing.assert_array_equal(low, high)  # no kink is met
    F = (problem.features(w).T @ low).reshape(6, -1)
    masses = v.reshape(6, -1)
    size = np.linalg.norm(masses, axis=1)
    for k in range(6):
        u = masses[k] / size[k]
        eta = u @ F[k]
        slope = ((problem.lifted @ w[k] > 0.0) * (low.reshape(8, -1) @ u)) @ problem.lifted
        turned = u + h * (F[k] - eta * u)
        turned /= np.linalg.norm(turned)
        mass = size[k] * np.exp(-h * (problem.lam - eta)) * turned
        np.testing.assert_allclose(end.output[0][k], mass if v.ndim == 2 else mass[0], rtol=1e-11)
        moved = w[k] + h * slope
        np.testing.assert_allclose(end.hidden[0, k], moved / np.linalg.norm(moved), rtol=1e-11)


@by_name
def test_label_noise_needs_targets_that_are_numbers(loss):
    problem = small(loss)
    settings = TrainingSettings(method="gd", width=3, steps=3, label_noise=2.0, learning_rate=1e-3)
    if loss.name in OF_NUMBERS:
        noisy = train(problem, settings)
        assert not np.array_equal(
            noisy.hidden, train(problem, replace(settings, label_noise=0.0)).hidden
        )
        return
    with pytest.raises(InvalidProblem, match=f"label_noise.* {loss.name} "):
        train(problem, settings)
    with pytest.raises(InvalidProblem, match="label_noise"):
        compare(problem, ["gd", "label_noise"], [2], [0], steps=5)


def test_losses_without_a_gradient_and_strangers_are_refused():
    X = np.random.default_rng(0).standard_normal((5, 2))
    settings = TrainingSettings(method="gd", width=3, steps=1)
    with pytest.raises(InvalidProblem, match="loss: the interpolation loss"):
        train(mlp.MeasureProblem(X, X[:, 0], loss=mlp.Interpolation()), settings)

    class Tripled(mlp.Squared):
        def values(self, fit, y):
            return 3.0 * super().values(fit, y)

    with pytest.raises(InvalidProblem, match="training knows squared, absolute"):
        train(mlp.MeasureProblem(X, X[:, 0], lam=1.0, loss=Tripled()), settings)


@pytest.mark.parametrize("method", ["gd", "adam", "lbfgs", "conic"])
def test_exponentials_that_run_away_are_reported(method):
    """Poisson's e^z overflows at once with such a rate; nothing becomes NaN but the record."""
    problem = small(mlp.Poisson())
    wild = TrainingSettings(
        method=method, width=5, steps=60, learning_rate=1e4, record_every=5, scale=5.0,
        start="mean_field", penalty="variation" if method == "conic" else "weight_decay",
    )  # fmt: skip
    done = compare(problem, {"wild": wild}, [5], [0, 1])
    run = done.runs["wild", 5]
    assert np.isfinite(run.hidden).all() and np.isfinite(run.output).all()
    for end, at in zip(done.endpoints, run.diverged_at, strict=True):
        assert (end.verdict == "DIVERGED") == (at >= 0) == np.isnan(end.objective)
    assert "nan" not in done.table() and "nan" not in done.csv()
    if method in ("gd", "adam"):  # a line search, or masses that shrink to 0, may save others
        assert np.all(run.diverged_at >= 0)


def test_a_start_that_overflows_has_diverged_at_step_0():
    problem = small(mlp.Poisson())
    settings = TrainingSettings(method="adam", width=5, steps=20, scale=1e3, seeds=(0, 1, 2))
    run = train(problem, settings)
    lost = ~np.isfinite(run.record.objective[0])
    assert lost.any() and np.array_equal(run.diverged_at == 0, lost)


def test_a_run_of_another_loss_is_not_gone_on_from(tmp_path):
    kept = tmp_path / "kept"
    problem = small(mlp.Huber(0.3))
    settings = method_settings(problem, steps=20)["gd"]
    run = train(problem, settings)
    compare(problem, {"gd": settings}, [2], [0], resume=kept)
    for loss in (mlp.Huber(0.4), mlp.Squared(), mlp.Absolute()):
        other = mlp.MeasureProblem(problem.X, problem.y, lam=problem.lam, loss=loss)
        with pytest.raises(InvalidProblem, match="another problem"):
            train(other, settings, resume=run)
        with pytest.raises(InvalidProblem, match="another problem"):
            compare(other, {"gd": settings}, [2], [0], resume=kept)


@pytest.mark.parametrize("scale", [0.0, 1e-3, 1e4])
def test_rates_by_name_fit_targets_of_any_size(scale):
    """Zero targets, counts in the ten thousands: nothing diverges, and what can be gained is."""
    X = np.random.default_rng(0).standard_normal((8, 2))
    values = scale * np.abs(X[:, 0])
    for loss in (mlp.Squared(), mlp.Absolute(), mlp.Huber(0.3), mlp.Poisson()):
        y = np.round(values) if loss.name == "poisson" else values
        problem = mlp.MeasureProblem(X, y, lam=1e-2, loss=loss)
        for name in ("gd", "conic", "adam"):
            settings = replace(method_settings(problem, steps=40)[name], width=6)
            run = train(problem, settings)
            assert run.diverged_at[0] == -1, (loss.name, name)
            assert run.record.objective[-1, 0] < run.record.objective[0, 0], (loss.name, name)
