"""Training against closed forms, a loop in NumPy, and the proved optimum."""

import sys

import numpy as np
import pytest

import measurelp as mlp
from measurelp.errors import InvalidFile, InvalidProblem, MissingDependency
from measurelp.training import TrainingSettings, load_training, train

torch = pytest.importorskip("torch")


def small(n=8, d=2, lam=0.1, seed=0, **options):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    return mlp.MeasureProblem(X, np.abs(X[:, 0]) - 0.5 * X[:, 1], lam=lam, **options)


def one_neuron(w, v):
    return mlp.ReluNetwork([[w]], output_weights=[v], bias="none")


def objective(problem, w, v, penalty):
    fit = np.maximum(problem.lifted @ w.T, 0.0) @ v
    loss = 0.5 * np.sum(problem.sample_weight * (fit - problem.y) ** 2)
    size = np.linalg.norm(w, axis=1)
    return loss + problem.lam * {
        "none": 0.0, "variation": np.abs(v) @ size, "weight_decay": 0.5 * (v @ v + np.sum(w**2)),
    }[penalty]  # fmt: skip


def numerical_gradient(problem, w, v, penalty, h=1e-6):
    whole = np.concatenate([w.ravel(), v])
    gradient = np.zeros_like(whole)
    for i in range(len(whole)):
        values = []
        for sign in (1.0, -1.0):
            moved = whole.copy()
            moved[i] += sign * h
            values.append(
                objective(problem, moved[: w.size].reshape(w.shape), moved[w.size :], penalty)
            )
        gradient[i] = (values[0] - values[1]) / (2 * h)
    return gradient[: w.size].reshape(w.shape), gradient[w.size :]


@pytest.mark.parametrize("penalty", ["none", "variation", "weight_decay"])
def test_gradient_descent_with_momentum_is_the_textbook_s(penalty):
    problem = small(bias="penalized", sample_weight=np.arange(1.0, 9.0) / 4)
    settings = TrainingSettings(
        method="gd", width=3, seeds=(4, 5), steps=5, learning_rate=0.01, momentum=0.8,
        penalty=penalty,
    )  # fmt: skip
    begin = train(problem, TrainingSettings(**(settings.document() | {"steps": 0})))
    end = train(problem, settings)
    for i in range(2):
        w, v = begin.hidden[i], begin.output[i]
        speed_w, speed_v = 0.0, 0.0
        for _ in range(5):
            gw, gv = numerical_gradient(problem, w, v, penalty)
            speed_w, speed_v = 0.8 * speed_w + gw, 0.8 * speed_v + gv
            w, v = w - 0.01 * speed_w, v - 0.01 * speed_v
        np.testing.assert_allclose(end.hidden[i], w, atol=1e-7)
        np.testing.assert_allclose(end.output[i], v, atol=1e-7)


def test_balance_is_conserved_up_to_the_step():
    """Without weight decay v^2 - |w|^2 stays put along the flow, and drifts by O(h) in descent."""
    problem = small()
    drift = []
    for h in (1e-3, 5e-4):
        settings = TrainingSettings(
            method="gd", width=6, steps=round(1.0 / h), learning_rate=h, penalty="none",
            record_every=10**6,
        )  # fmt: skip
        begin = train(problem, TrainingSettings(**(settings.document() | {"steps": 0})))
        end = train(problem, settings)
        kept = [np.sum(r.hidden**2, axis=2) - r.output**2 for r in (begin, end)]
        drift.append(np.abs(kept[1] - kept[0]).max())
        assert end.record.loss[-1, 0] < 0.5 * end.record.loss[0, 0]
    assert drift[0] < 1e-2
    assert drift[1] == pytest.approx(drift[0] / 2, rel=0.1)
    decayed = train(problem, TrainingSettings(
        method="gd", width=6, steps=200, learning_rate=1e-3, penalty="weight_decay"))  # fmt: skip
    assert abs(decayed.record.imbalance[-1, 0] - decayed.record.imbalance[0, 0]) > 1e-3


def test_label_noise_balances_and_its_absence_does_not():
    """(v^2 - w^2) is multiplied by 1 - h^2 g^2 in each step, g the noisy residual: it tends to 0."""
    problem = mlp.MeasureProblem([[1.0]], [1.0], lam=1.0, bias="none")
    common = {"method": "gd", "width": 1, "steps": 1500, "learning_rate": 0.1, "penalty": "none"}
    quiet = train(problem, TrainingSettings(**common), start=one_neuron(0.5, 2.0))
    noisy = train(
        problem, TrainingSettings(**common, label_noise=0.5, seeds=(0, 1, 2), record_every=1500),
        start=one_neuron(0.5, 2.0),
    )  # fmt: skip
    assert quiet.record.imbalance[-1, 0] == pytest.approx(3.75, rel=0.02)
    rate = 0.1**2 * 0.5**2
    assert np.all(noisy.record.imbalance[-1] < 3.75 * np.exp(-0.8 * rate * 1500))
    for i, seed in enumerate((0, 1, 2)):
        w, v, factor = 0.5, 2.0, 1.0
        for step in range(1500):
            noise = np.random.default_rng([seed, 1, step]).standard_normal(1)[0]
            g = v * max(w, 0.0) - 1.0 - 0.5 * noise
            factor *= 1.0 - 0.01 * g * g if w > 0.0 else 1.0
            w, v = w - 0.1 * g * v * (w > 0.0), v - 0.1 * g * max(w, 0.0)
        assert noisy.hidden[i, 0, 0] == pytest.approx(w, rel=1e-9)
        assert noisy.output[i, 0] ** 2 - w**2 == pytest.approx(3.75 * factor, rel=1e-7)


def test_decoupled_decay_is_not_l2():
    """On a neuron that no sample reaches there is nothing but the decay."""
    problem = mlp.MeasureProblem([[1.0]], [1.0], lam=0.5, bias="none")
    ends = {}
    for method in ("adam", "adamw"):
        settings = TrainingSettings(method=method, width=1, steps=10, learning_rate=0.01)
        ends[method] = train(problem, settings, start=one_neuron(-2.0, 3.0))
    assert ends["adamw"].hidden[0, 0, 0] == pytest.approx(-2.0 * (1 - 0.01 * 0.5) ** 10, rel=1e-12)
    assert ends["adamw"].output[0, 0] == pytest.approx(3.0 * (1 - 0.01 * 0.5) ** 10, rel=1e-12)
    # Adam's step has the length of the rate, whatever the size of the gradient.
    assert ends["adam"].hidden[0, 0, 0] == pytest.approx(-2.0 + 0.1, rel=1e-3)


def test_label_noise_ends_where_its_implicit_price_is_least():
    """v^2 |x|^2 + <w, x>^2 at v <w, x> = y is least at v^2 = y/|x|; w across x feels nothing.

    Weight decay would balance v with |w| and shrink the part across x.
    """
    x, y = np.array([3.0, 4.0]), 2.0
    problem = mlp.MeasureProblem([x], [y], lam=0.01, bias="none")
    begin = mlp.ReluNetwork([[0.1 + 0.8, 0.2 - 0.6]], output_weights=[1.0], bias="none")
    across = np.array([0.8, -0.6])
    common = {"method": "gd", "width": 1, "learning_rate": 0.02, "record_every": 10**6}
    noisy = train(
        problem, TrainingSettings(
            **common, steps=1200, penalty="none", label_noise=0.5, seeds=(0, 1, 2, 3)
        ), start=begin,
    )  # fmt: skip
    quiet = train(problem, TrainingSettings(**common, steps=1200, penalty="none"), start=begin)
    np.testing.assert_allclose(
        noisy.hidden[:, 0] @ across, begin.hidden_weights[0] @ across, rtol=1e-9
    )
    ratio = np.abs(noisy.hidden[:, 0] @ x) / (np.linalg.norm(x) * np.abs(noisy.output[:, 0]))
    np.testing.assert_allclose(np.median(ratio), 1.0, rtol=0.1)
    started = quiet.hidden[0, 0] @ x / (np.linalg.norm(x) * quiet.output[0, 0])
    assert abs(started - 1.0) > 0.3  # without noise it stays unbalanced


def test_conic_descent_is_the_textbook_s_from_a_mean_field_start():
    problem = small(bias="penalized")
    settings = TrainingSettings(
        method="conic", width=400, steps=4, learning_rate=0.05, penalty="variation",
        start="mean_field", scale=0.7, seeds=(3, 8),
    )  # fmt: skip
    begin = train(problem, TrainingSettings(**(settings.document() | {"steps": 0})))
    np.testing.assert_allclose(np.linalg.norm(begin.hidden, axis=2), 1.0, rtol=1e-12)
    np.testing.assert_allclose(np.abs(begin.output), 0.7 / 400, rtol=1e-12)
    np.testing.assert_allclose(begin.record.path_norm[0], 0.7, rtol=1e-12)
    # Uniform directions and signs: means of unit vectors are of size 1/sqrt(width).
    assert np.abs(begin.hidden.mean(axis=1)).max() < 4.0 / np.sqrt(3 * 400)
    assert np.abs(np.sign(begin.output).mean(axis=1)).max() < 4.0 / np.sqrt(400)
    end = train(problem, settings)
    for i in range(2):
        w, m = begin.hidden[i].copy(), begin.output[i].copy()
        for _ in range(4):
            alpha = problem.y - np.maximum(problem.lifted @ w.T, 0.0) @ m
            eta = np.maximum(problem.lifted @ w.T, 0.0).T @ alpha
            slope = (problem.lifted @ w.T > 0.0).T @ (alpha[:, None] * problem.lifted)
            s = np.sign(m)
            m = m * np.exp(-0.05 * (problem.lam - s * eta))
            w = w + 0.05 * s[:, None] * slope
            w /= np.linalg.norm(w, axis=1, keepdims=True)
        np.testing.assert_allclose(end.hidden[i], w, atol=1e-12)
        np.testing.assert_allclose(end.output[i], m, rtol=1e-11)


def test_many_particles_come_near_the_optimum_and_few_do_not():
    problem = small(n=6)
    proved = mlp.solve(problem).certificate.dual_value
    gaps = {}
    for width in (2, 200):
        settings = TrainingSettings(
            method="conic", width=width, steps=2500, learning_rate=0.05, penalty="variation",
            start="mean_field", seeds=(0, 1, 2), record_every=2500,
        )  # fmt: skip
        gaps[width] = train(problem, settings).suboptimality(proved)[-1]
    assert np.all(gaps[200] < 1e-2) and np.all(gaps[200] >= -1e-9)
    assert np.max(gaps[2]) > 5e-2


def test_adamw_stands_still_where_l2_does_not():
    """A fixed point of AdamW has gradient of the loss = lam p times Adam's scale, not lam p."""
    problem = mlp.MeasureProblem([[1.0]], [1.0], lam=0.1, bias="none")
    ends = {}
    for method in ("adam", "adamw"):
        settings = TrainingSettings(
            method=method, width=1, steps=800, learning_rate=0.002, record_every=800
        )
        run = train(problem, settings, start=one_neuron(1.0, 1.0))
        ends[method] = run.hidden[0, 0, 0] * run.output[0, 0]
    assert ends["adam"] == pytest.approx(0.9, rel=1e-3)  # (c - 1)^2/2 + c/10 is least at 0.9
    # Near 1 the gradient's sign flips in each step: the step's mean balances the decay lam p.
    assert ends["adamw"] > 0.95


@pytest.mark.parametrize(
    ("method", "penalty", "rate", "steps"),
    [
        ("gd", "weight_decay", 0.01, 2000), ("gd", "balanced", 0.01, 2000),
        ("adam", "weight_decay", 0.005, 2000), ("lbfgs", "weight_decay", 1.0, 300),
        ("conic", "variation", 0.02, 2000),
    ],
)  # fmt: skip
def test_one_point_is_trained_to_the_proved_optimum(method, penalty, rate, steps):
    """min (5c - 2)^2/2 + c/2 is 0.195, at c = 0.38, wherever a positive neuron is active at first."""
    problem = mlp.MeasureProblem([[3.0, 4.0]], [2.0], lam=0.5, bias="none")
    settings = TrainingSettings(
        method=method, penalty=penalty, learning_rate=rate, steps=steps, width=30, seeds=(0, 1),
        record_every=steps,
    )  # fmt: skip
    run = train(problem, settings)
    proved = mlp.solve(problem).certificate
    assert proved.dual_value == pytest.approx(0.195, rel=1e-6)
    gap = run.suboptimality(proved.dual_value)
    assert np.all(gap >= -1e-9)
    assert np.all(gap[-1] < 1e-3)
    np.testing.assert_allclose(run.record.dual_at_atoms[-1], 0.5, rtol=0.02)


def test_the_record_says_what_the_networks_are():
    problem = small()
    run = train(
        problem, TrainingSettings(method="adam", width=7, steps=50, seeds=(0, 3), record_every=20)
    )
    assert run.record.step.tolist() == [0, 20, 40, 50]
    for i, network in enumerate(run.networks()):
        loss = 0.5 * np.sum((network.predict(problem.X) - problem.y) ** 2)
        assert run.record.loss[-1, i] == pytest.approx(loss, rel=1e-12)
        assert run.record.objective[-1, i] == pytest.approx(
            loss + 0.1 * network.path_norm, rel=1e-12
        )
        assert run.record.weight_decay[-1, i] == pytest.approx(network.weight_decay, rel=1e-12)
        assert mlp.certify(problem, network).primal_value == pytest.approx(
            run.record.objective[-1, i], rel=1e-9
        )
    twins = mlp.ReluNetwork([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0]], output_weights=[1.0, 1.0, 0.0])
    seen = train(problem, TrainingSettings(method="gd", width=3, steps=0), start=twins).record
    assert (seen.neurons[0, 0], seen.sparsity[0, 0], seen.imbalance[0, 0]) == (1, 1 / 3, 3.0)


def test_a_seed_does_not_depend_on_its_company():
    problem = small()
    options = {"method": "gd", "width": 4, "steps": 30, "label_noise": 0.1, "batch_size": 3}
    options |= {"learning_rate": 0.02}
    together = train(problem, TrainingSettings(**options, seeds=(7, 8, 9)))
    again = train(problem, TrainingSettings(**options, seeds=(7, 8, 9)))
    alone = train(problem, TrainingSettings(**options, seeds=(8,)))
    np.testing.assert_array_equal(together.hidden, again.hidden)
    np.testing.assert_allclose(together.hidden[1], alone.hidden[0], rtol=1e-10)
    assert not np.allclose(together.hidden[0], together.hidden[1])


def test_batches_of_all_samples_are_no_batches():
    problem = small()
    runs = [
        train(problem, TrainingSettings(method="gd", width=4, steps=9, batch_size=size))
        for size in (None, 8, 100)
    ]
    np.testing.assert_array_equal(runs[0].hidden, runs[1].hidden)
    np.testing.assert_array_equal(runs[0].hidden, runs[2].hidden)


@pytest.mark.parametrize(
    "options",
    [
        {"method": "adam"}, {"method": "adamw"}, {"method": "gd", "momentum": 0.9, "label_noise": 0.1},
        {"method": "lbfgs", "learning_rate": 1.0}, {"method": "conic", "penalty": "variation"},
        {"method": "gd", "batch_size": 2, "penalty": "balanced", "start": "mean_field"},
    ],
)  # fmt: skip
def test_a_run_that_was_cut_off_goes_on_as_if_it_had_not_been(options, tmp_path):
    problem = small()
    options = {"width": 4, "seeds": (0, 1), "record_every": 5, "learning_rate": 0.01} | options
    whole = train(problem, TrainingSettings(**options, steps=20))
    first = train(problem, TrainingSettings(**options, steps=10))
    first.save(tmp_path / "run")
    loaded = load_training(tmp_path / "run")
    rest = train(problem, TrainingSettings(**options, steps=20), resume=loaded)
    np.testing.assert_array_equal(rest.hidden, whole.hidden)
    np.testing.assert_array_equal(rest.output, whole.output)
    np.testing.assert_array_equal(rest.record.objective, whole.record.objective)
    np.testing.assert_array_equal(rest.record.step, [0, 5, 10, 15, 20])
    np.testing.assert_array_equal(rest.record.seconds[:3], first.record.seconds)
    assert rest.record.seconds[0] == 0.0 and np.all(np.diff(rest.record.seconds) > 0.0)


def test_resuming_is_refused_for_anything_else(tmp_path):
    problem = small()
    settings = TrainingSettings(method="adam", width=4, steps=10)
    run = train(problem, settings)
    for change, word in (({"learning_rate": 0.5}, "learning_rate"), ({"steps": 5}, "steps")):
        with pytest.raises(InvalidProblem, match=word):
            train(problem, TrainingSettings(**(settings.document() | change)), resume=run)
    with pytest.raises(InvalidProblem, match="another problem"):
        train(problem.with_lam(0.2), settings, resume=run)
    with pytest.raises(InvalidProblem, match="start"):
        train(problem, settings, resume=run, start=run.networks()[0])
    run.save(tmp_path / "run")
    with pytest.raises(InvalidFile):
        run.save(tmp_path / "run")
    run.networks()[0].save(tmp_path / "network")
    with pytest.raises(InvalidFile):
        load_training(tmp_path / "network")
    from measurelp.network import read_folder, write_folder

    document, arrays = read_folder(tmp_path / "run")
    for number, (change, extra) in enumerate(
        [
            ({"step": 3}, {}), ({"settings": {"method": "adam"}}, {}), ({"termination": "DONE"}, {}),
            ({}, {"hidden": arrays["hidden"][:, :2]}), ({}, {"memory.7.step": np.zeros(())}),
            ({}, {"memory.0.exp_avg": np.zeros(3)}),
        ]
    ):  # fmt: skip
        write_folder(tmp_path / f"{number}", document | change, arrays | extra, kind="training")
        with pytest.raises(InvalidFile, match="training run"):
            load_training(tmp_path / f"{number}")


def test_divergence_is_reported_and_stays_alone():
    problem = small()
    settings = TrainingSettings(
        method="gd", width=4, steps=400, learning_rate=30.0, seeds=(0, 1), record_every=1
    )
    run = train(problem, settings)
    assert run.termination is mlp.Termination.NUMERICAL and run.step < 400
    assert np.all(run.diverged_at > 0)
    for i, at in enumerate(run.diverged_at):
        values = run.record.objective[:, i]
        assert np.isfinite(values[run.record.step < at]).all()
        assert np.isnan(values[run.record.step >= at]).all()
    assert all(np.isfinite(network.predict(problem.X)).all() for network in run.networks())


def test_interruptions_return_the_last_record():
    problem = small()
    settings = TrainingSettings(method="gd", width=4, steps=100, record_every=10)
    told = train(problem, settings, monitor=lambda run: run.step >= 30)
    assert (told.termination, told.step) == (mlp.Termination.INTERRUPTED, 30)

    def interrupt(run):
        if run.step == 30:
            raise KeyboardInterrupt

    stopped = train(problem, settings, monitor=interrupt)
    assert (stopped.termination, stopped.step) == (mlp.Termination.INTERRUPTED, 30)
    np.testing.assert_array_equal(stopped.hidden, told.hidden)
    rest = train(problem, settings, resume=stopped)
    np.testing.assert_array_equal(rest.hidden, train(problem, settings).hidden)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"width": 0}, "width"), ({"method": "sgd"}, "method"), ({"seeds": ()}, "seeds"),
        ({"seeds": (1, 1)}, "seeds"), ({"seeds": 3}, "seeds"), ({"learning_rate": 0.0}, "learning_rate"),
        ({"momentum": 1.0}, "momentum"), ({"method": "adam", "momentum": 0.5}, "momentum"),
        ({"batch_size": 0}, "batch_size"), ({"label_noise": -1.0}, "label_noise"),
        ({"method": "lbfgs", "label_noise": 1.0}, "lbfgs"), ({"steps": -1}, "steps"),
        ({"method": "adamw", "penalty": "none"}, "adamw"), ({"method": "conic"}, "conic"),
        ({"record_every": 0}, "record_every"), ({"scale": float("nan")}, "scale"),
    ],
)  # fmt: skip
def test_settings_are_checked(options, word):
    with pytest.raises(InvalidProblem, match=word):
        TrainingSettings(**({"method": "gd", "width": 3} | options))


def test_problems_of_another_form_are_refused():
    settings = TrainingSettings(method="gd", width=3, steps=1)
    for problem, word in (
        (small(loss=mlp.Interpolation()), "loss"), (small(skip="affine", bias="free"), "bias"),
        (small(ball=mlp.L1Ball()), "ball"), (small(activation=mlp.LeakyReLU(0.1)), "activation"),
        (mlp.MeasureProblem(np.eye(2), np.eye(2), lam=1.0, outputs="separate"), "outputs"),
    ):  # fmt: skip
        with pytest.raises(InvalidProblem, match=word):
            train(problem, settings)
    with pytest.raises(InvalidProblem, match="width"):
        train(small(), settings, start=mlp.ReluNetwork(np.eye(2), output_weights=[1.0, 1.0]))
    with pytest.raises(InvalidProblem, match="device"):
        train(small(), settings, device="nowhere")


def test_without_torch_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingDependency, match="torch"):
        train(small(), TrainingSettings(method="gd", width=3, steps=1))
