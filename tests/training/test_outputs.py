"""Several outputs: training against textbook steps, the joint penalty and proved optima."""

import json
from dataclasses import replace

import numpy as np
import pytest

import measurelp as mlp
from measurelp.errors import InvalidFile, InvalidProblem
from measurelp.network import read_folder, write_folder
from measurelp.training import TrainingSettings, compare, load_training, method_settings, train

torch = pytest.importorskip("torch")


def regression(n=8, c=3, lam=0.5, seed=0, **options):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 2))
    Y = np.maximum(X @ rng.standard_normal((2, 2)), 0.0) @ rng.standard_normal((2, c))
    return mlp.MeasureProblem(X, Y, lam=lam, **options)


def classes(labels, lam=0.3, seed=0, **options):
    X = np.random.default_rng(seed).standard_normal((len(labels), 2))
    return mlp.MeasureProblem(X, labels, lam=lam, loss=mlp.MultinomialLogistic(), **options)


def objective(problem, w, v, penalty):
    """Written down by hand: half squares, and sums over neurons of Euclidean norms."""
    fit = np.maximum(problem.lifted @ w.T, 0.0) @ v
    loss = 0.5 * np.sum(problem.sample_weight[:, None] * (fit - problem.y) ** 2)
    return loss + problem.lam * {
        "variation": np.linalg.norm(v, axis=1) @ np.linalg.norm(w, axis=1),
        "weight_decay": 0.5 * (np.sum(v**2) + np.sum(w**2)),
    }[penalty]  # fmt: skip


@pytest.mark.parametrize("penalty", ["variation", "weight_decay"])
def test_a_step_of_descent_is_minus_the_rate_times_differences(penalty):
    problem = regression(sample_weight=np.arange(1.0, 9.0) / 4)
    settings = TrainingSettings(
        method="gd", width=3, seeds=(4, 5), steps=1, learning_rate=0.01, penalty=penalty
    )
    begin, end = train(problem, replace(settings, steps=0)), train(problem, settings)
    assert end.output.shape == (2, 3, 3)
    for i in range(2):
        parts = [begin.hidden[i], begin.output[i]]
        for j, after in enumerate((end.hidden[i], end.output[i])):
            for at in np.ndindex(*parts[j].shape):
                values = []
                for sign in (1.0, -1.0):
                    moved = [part.copy() for part in parts]
                    moved[j][at] += sign * 1e-6
                    values.append(objective(problem, *moved, penalty))
                slope = (values[0] - values[1]) / 2e-6
                assert after[at] == pytest.approx(parts[j][at] - 0.01 * slope, abs=1e-8)
        assert end.record.objective[-1, i] == pytest.approx(
            objective(problem, end.hidden[i], end.output[i], "variation"), rel=1e-12
        )
        assert end.record.weight_decay[-1, i] >= end.record.path_norm[-1, i]


def test_balancing_keeps_the_network_and_makes_both_norms_equal():
    problem = regression()
    settings = TrainingSettings(method="gd", width=5, steps=1, learning_rate=0.01)
    plain, balanced = (
        train(problem, replace(settings, penalty=p)) for p in ("weight_decay", "balanced")
    )
    X = np.random.default_rng(1).standard_normal((30, 2))
    np.testing.assert_allclose(
        plain.networks()[0].predict(X), balanced.networks()[0].predict(X), atol=1e-12
    )
    assert plain.record.imbalance[-1, 0] > 1e-2
    assert balanced.record.imbalance[-1, 0] < 1e-12
    assert balanced.record.weight_decay[-1, 0] == pytest.approx(balanced.record.path_norm[-1, 0])


def test_the_mean_field_start_has_directions_on_both_spheres():
    settings = TrainingSettings(
        method="conic", width=400, steps=0, penalty="variation", start="mean_field", scale=0.7
    )
    begin = train(regression(), settings)
    np.testing.assert_allclose(np.linalg.norm(begin.hidden, axis=2), 1.0, rtol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(begin.output, axis=2), 0.7 / 400, rtol=1e-12)
    assert np.abs(begin.output.mean(axis=1)).max() < 4.0 * (0.7 / 400) / np.sqrt(3 * 400)


@pytest.mark.parametrize(
    "problem",
    [
        regression(), classes([0, 1, 2, 1, 0, 2, 1, 0]),
        regression(loss=mlp.Huber(0.3), lam=0.2), regression(n=2, c=5),
        classes([4, 0, 2]),  # five classes, three samples
    ],
    ids=lambda problem: f"{problem.loss.name}-{problem.n}x{problem.n_outputs}",
)  # fmt: skip
def test_ends_are_near_the_proved_optimum_and_never_below(problem):
    solution = mlp.solve(problem, tol_gap=1e-8)
    proved = solution.certificate
    assert proved.is_optimal
    done = compare(problem, ["adam", "conic"], [15], (0, 1), steps=250, solution=solution)
    for run in done.runs.values():
        assert np.all(run.record.objective >= proved.dual_value * (1.0 - 1e-12))
    assert all(end.relative_gap >= 0.0 for end in done.endpoints)
    assert min(end.relative_gap for end in done.endpoints) < 1e-2
    facts = json.loads(json.dumps(done.facts(), allow_nan=False))
    for end, fact in zip(done.endpoints, facts, strict=True):
        if end.improvement is not None:
            assert len(fact["improvement"]["mass"]) == problem.n_outputs
            assert end.improvement.objective < end.objective
    if problem.loss.is_quadratic:
        assert {end.verdict for end in done.endpoints} <= {"OPTIMAL", "REFUTED"}


def test_an_improving_neuron_improves_the_network():
    problem = regression()
    done = compare(problem, ["adam"], [4], [0], steps=50)
    (end,) = done.endpoints
    assert end.verdict == "REFUTED"
    measure = mlp.measure_from_network(done.runs["adam", 4].networks()[0], problem)
    twin = measure.atoms @ end.improvement.weight > 1.0 - 1e-12
    masses = measure.masses.copy()
    atoms = measure.atoms
    if twin.any():
        masses[np.flatnonzero(twin)[0]] += end.improvement.mass
    else:
        atoms = np.vstack([atoms, end.improvement.weight])
        masses = np.vstack([masses, end.improvement.mass])
    after = objective(problem, atoms, masses, "variation")
    assert after == pytest.approx(end.improvement.objective, rel=1e-9)
    assert after < end.objective


@pytest.mark.parametrize(
    "options",
    [
        {"method": "adam"}, {"method": "gd", "momentum": 0.9, "label_noise": 0.1, "batch_size": 3},
        {"method": "lbfgs", "learning_rate": 1.0}, {"method": "conic", "penalty": "variation"},
    ],
)  # fmt: skip
def test_a_run_that_was_saved_goes_on_as_if_it_had_not_been(options, tmp_path):
    problem = regression()
    common = {"width": 4, "seeds": (0, 1), "record_every": 5, "learning_rate": 0.01} | options
    whole = train(problem, TrainingSettings(**common, steps=20))
    train(problem, TrainingSettings(**common, steps=10)).save(tmp_path / "run")
    loaded = load_training(tmp_path / "run")
    rest = train(problem, TrainingSettings(**common, steps=20), resume=loaded)
    np.testing.assert_array_equal(rest.hidden, whole.hidden)
    np.testing.assert_array_equal(rest.output, whole.output)
    document, arrays = read_folder(tmp_path / "run")
    for name, damaged in (
        ("flat", arrays["output"][:, :, 0, None, None]),
        ("short", arrays["output"][:, :2]),
    ):
        write_folder(tmp_path / name, document, arrays | {"output": damaged}, kind="training")
        with pytest.raises(InvalidFile, match="training run"):
            load_training(tmp_path / name)


def test_one_column_is_one_output_to_the_last_bit():
    """(n, 1) is (n,); and each output of a vector is trained as its own weights say."""
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((6, 2)), rng.standard_normal(6)
    flat, column = (mlp.MeasureProblem(X, target, lam=0.1) for target in (y, y[:, None]))
    settings = TrainingSettings(method="conic", penalty="variation", width=5, steps=20)
    np.testing.assert_array_equal(train(flat, settings).output, train(column, settings).output)


def test_what_has_no_meaning_is_refused():
    settings = TrainingSettings(method="gd", width=2, steps=1)
    with pytest.raises(InvalidProblem, match=r"outputs: .*problem\.column"):
        train(regression(outputs="separate"), settings)
    with pytest.raises(InvalidProblem, match="start: expected 3 outputs"):
        train(regression(), settings, start=mlp.ReluNetwork(np.eye(2), output_weights=[1.0, 1.0]))
    with pytest.raises(
        InvalidProblem, match="labels 0, 1"
    ):  # more than twice as many classes as samples
        classes([0, 9])
    run = train(regression(), settings)
    with pytest.raises(InvalidProblem, match="another problem"):
        train(regression(c=2), settings, resume=run)
    with pytest.raises(InvalidProblem, match="shapes"):
        train(regression(), settings, resume=replace(run, output=run.output[:, :, :2]))
    network = run.networks()[0]
    again = train(regression(), replace(settings, steps=0, seeds=(0, 1)), start=network)
    np.testing.assert_array_equal(again.output[1], network.output_weights)


def test_rates_by_name_fit_classes_and_vectors():
    for problem in (regression(), classes([0, 1, 2, 1, 0, 2])):
        for name, settings in method_settings(problem, steps=40).items():
            if name != "label_noise" or problem.loss.is_quadratic:
                run = train(problem, replace(settings, width=6))
                assert run.record.objective[-1, 0] < run.record.objective[0, 0], name
