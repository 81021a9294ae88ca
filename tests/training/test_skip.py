"""The part of the output that is not penalised, in training: steps, starts, files and optima."""

from dataclasses import replace

import numpy as np
import pytest

import measurelp as mlp
from measurelp.errors import InvalidFile, InvalidProblem
from measurelp.network import read_folder, write_folder
from measurelp.training import TrainingSettings, compare, load_training, method_settings, train

torch = pytest.importorskip("torch")


def shifted(skip, n=8, lam=0.2, **options):
    """Targets far from 0 with a slope, which only a skip fits for nothing."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, 2))
    y = np.abs(X[:, 0]) - 0.5 * X[:, 1] + 2.0
    return mlp.MeasureProblem(X, y, lam=lam, skip=skip, **options)


def objective(problem, w, v, c, decay):
    fit = np.maximum(problem.lifted @ w.T, 0.0) @ v
    fit = fit + c[-1:].sum()
    if problem.skip == "affine":
        fit = fit + problem.X @ c[:-1]
    loss = 0.5 * np.sum(problem.sample_weight * (fit - problem.y) ** 2)
    return loss + decay * problem.lam * 0.5 * (v @ v + np.sum(w**2))


@pytest.mark.parametrize("bias", ["penalized", "none"])
@pytest.mark.parametrize("skip", ["none", "constant", "affine"])
def test_a_step_of_descent_is_minus_the_rate_times_differences(skip, bias):
    problem = shifted(skip, bias=bias, sample_weight=np.arange(1.0, 9.0) / 4)
    settings = TrainingSettings(method="gd", width=3, steps=2, learning_rate=0.01)
    parts = [part[0] for part in train(problem, replace(settings, steps=0)).weights]
    assert parts[2].shape == ({"none": 0, "constant": 1, "affine": 3}[skip],)
    for _ in range(2):
        slopes = [np.zeros_like(part) for part in parts]
        for slope, part in zip(slopes, parts, strict=True):
            for at in np.ndindex(*part.shape):
                values, kept = [], part[at]
                for sign in (1.0, -1.0):
                    part[at] = kept + sign * 1e-6
                    values.append(objective(problem, *parts, 1.0))
                part[at], slope[at] = kept, (values[0] - values[1]) / 2e-6
        parts = [part - 0.01 * slope for part, slope in zip(parts, slopes, strict=True)]
    run = train(problem, settings)
    for after, expected in zip(run.weights, parts, strict=True):
        np.testing.assert_allclose(after[0], expected, atol=1e-7)
    network = run.networks()[0]
    fit = network.predict(problem.X)
    value = problem.loss_value(fit) + problem.lam * network.path_norm
    assert run.record.objective[-1, 0] == pytest.approx(value, rel=1e-12)
    assert mlp.certify(problem, network).primal_value == pytest.approx(value, rel=1e-9)


def test_the_skip_does_not_decay():
    """Where no sample reaches a neuron and the constant fits, AdamW moves nothing but the neuron."""
    problem = mlp.MeasureProblem([[1.0]], [2.0], lam=0.5, bias="none", skip="constant")
    start = mlp.ReluNetwork([[-2.0]], output_weights=[3.0], output_bias=2.0, bias="none")
    for method in ("adamw", "adam", "gd", "lbfgs"):
        settings = TrainingSettings(method=method, width=1, steps=10, learning_rate=0.01)
        run = train(problem, settings, start=start)
        assert run.skip[0, 0] == 2.0, method
        assert abs(run.output[0, 0]) < 3.0, method


@pytest.mark.parametrize(
    ("skip", "loss"),
    [
        ("constant", mlp.Squared()), ("affine", mlp.Squared()), ("affine", mlp.Huber(0.3)),
        ("constant", mlp.Absolute()),
    ],
)  # fmt: skip
def test_ends_are_near_the_proved_optimum_and_never_below(skip, loss):
    problem = shifted(skip, loss=loss)
    solution = mlp.solve(problem, tol_gap=1e-9)
    proved = solution.certificate
    assert proved.is_optimal
    done = compare(problem, ["lbfgs", "conic"], [12], (0, 1), steps=150, solution=solution)
    for run in done.runs.values():
        assert np.all(run.diverged_at == -1)
        assert np.all(run.record.objective >= proved.dual_value * (1.0 - 1e-12))
    assert all(end.relative_gap >= 0.0 for end in done.endpoints)
    if loss.is_smooth:
        assert min(end.relative_gap for end in done.endpoints) < 1e-2
    # The skip is used: without it the same training cannot come near.
    without = mlp.solve(replace(problem, skip="none")).certificate
    assert min(end.objective for end in done.endpoints) < without.dual_value


def test_several_outputs_have_a_skip_each():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((8, 2))
    Y = np.column_stack([np.abs(X[:, 0]) + 1.0, X[:, 1] - 1.0])
    problem = mlp.MeasureProblem(X, Y, lam=0.2, skip="affine")
    solution = mlp.solve(problem, tol_gap=1e-9)
    done = compare(problem, ["lbfgs"], [10], [0], steps=300, solution=solution)
    run = done.runs["lbfgs", 10]
    assert run.skip.shape == (1, 3, 2)
    assert done.endpoints[0].objective >= solution.certificate.dual_value * (1.0 - 1e-12)
    assert done.endpoints[0].relative_gap < 1e-2


@pytest.mark.parametrize(
    "options",
    [
        {"method": "adam"}, {"method": "gd", "momentum": 0.9, "batch_size": 3},
        {"method": "conic", "penalty": "variation"}, {"method": "lbfgs", "learning_rate": 1.0},
    ],
)  # fmt: skip
def test_a_run_that_was_saved_goes_on_as_if_it_had_not_been(options, tmp_path):
    problem = shifted("affine")
    common = {"width": 4, "seeds": (0, 1), "record_every": 5, "learning_rate": 0.01} | options
    whole = train(problem, TrainingSettings(**common, steps=20))
    train(problem, TrainingSettings(**common, steps=10)).save(tmp_path / "run")
    rest = train(
        problem, TrainingSettings(**common, steps=20), resume=load_training(tmp_path / "run")
    )
    for after, expected in zip(rest.weights, whole.weights, strict=True):
        np.testing.assert_array_equal(after, expected)
    document, arrays = read_folder(tmp_path / "run")
    for i, damaged in enumerate(
        (arrays["skip"][:, :2], arrays["skip"][0], np.zeros(()), arrays["skip"] * np.nan)
    ):
        write_folder(tmp_path / f"{i}", document, arrays | {"skip": damaged}, kind="training")
        with pytest.raises(InvalidFile, match="training run"):
            load_training(tmp_path / f"{i}")


def test_a_network_to_start_from_has_the_problem_s_skip():
    network = shifted("affine")
    settings = TrainingSettings(method="gd", width=2, steps=0)
    affine = mlp.ReluNetwork(
        np.eye(2), output_weights=[1.0, 1.0], output_bias=3.0, skip=mlp.Skip(np.array([1.0, 2.0]))
    )
    np.testing.assert_array_equal(train(network, settings, start=affine).skip, [[1.0, 2.0, 3.0]])
    again = train(network, settings, start=affine).networks()[0]
    X = np.random.default_rng(2).standard_normal((5, 2))
    np.testing.assert_allclose(again.predict(X), affine.predict(X), rtol=1e-14)
    for skip in ("none", "constant"):
        with pytest.raises(InvalidProblem, match=r"start.*skip"):
            train(shifted(skip), settings, start=affine)
    with pytest.raises(InvalidProblem, match="another problem"):
        train(shifted("none"), settings, resume=train(network, settings))


def test_rates_by_name_are_stable_with_a_skip():
    """Also where the neurons have little to do, so that the skip is what limits the rate."""
    for lam, scale in ((0.01, 1e2), (3.0, 1e-2)):
        problem = shifted("affine", lam=lam * scale)
        problem = replace(problem, y=scale * problem.y)
        for name, settings in method_settings(problem, steps=30).items():
            if name != "adamw":
                run = train(problem, replace(settings, width=6))
                assert run.record.objective[-1, 0] < run.record.objective[0, 0], name
