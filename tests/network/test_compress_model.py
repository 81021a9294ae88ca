"""Whole networks compressed: outputs stay within the tolerance, the given model stays as it is."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

import measurelp as mlp
from measurelp.errors import InvalidFile, InvalidProblem
from measurelp.measure import Skip
from measurelp.network import check_chain_path, load_chain, save_chain

ROOT = Path(__file__).resolve().parents[2]


def wasteful_chain(rng, *, inputs=3, useful=4, copies=5, outputs=2, layers=1):
    """Every hidden neuron comes in several scaled copies; their outputs are split among them."""
    weights, biases = [], []
    n = inputs
    for _ in range(layers):
        W, b = rng.standard_normal((useful, n)), rng.standard_normal(useful)
        scale = rng.uniform(0.5, 2.0, (copies, useful)).reshape(-1)
        weights.append(np.tile(W, (copies, 1)) * scale[:, None])
        biases.append(np.tile(b, copies) * scale)
        n = useful * copies
    weights.append(rng.standard_normal((outputs, n)))
    biases.append(rng.standard_normal(outputs))
    return mlp.ReluChain(weights, biases)


def relative(found, expected):
    return np.linalg.norm(found - expected) / np.linalg.norm(expected)


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("tol", [0.0, 1e-6, 0.05])
def test_copies_of_neurons_go(layers, tol):
    rng = np.random.default_rng(layers)
    chain = wasteful_chain(rng, layers=layers)
    X = rng.standard_normal((200, 3))
    done = mlp.compress(chain, X, tol)
    assert [report.name for report in done.layers] == [str(i + 1) for i in range(layers)]
    for report in done.layers:
        assert report.width_before == 20 and report.width_after <= 4
        assert report.output_error <= max(tol, 1e-9)
        assert report.selection.relative_gap <= 1e-6
        assert report.width_after <= report.bound
        assert report.norm_after <= report.norm_before * (1 + 1e-9)
    assert done.model.widths == tuple(report.width_after for report in done.layers)
    error = relative(done.model.predict(X), chain.predict(X))
    assert done.output_error == pytest.approx(error, abs=1e-12)
    assert done.output_error <= (1e-4 if tol < 0.01 else 0.5)
    assert np.isnan(done.accuracy_before) and done.samples == 200


def test_within_the_tolerance_on_one_layer_whatever_it_is():
    rng = np.random.default_rng(0)
    chain = mlp.ReluChain(
        [rng.standard_normal((60, 4)), rng.standard_normal((3, 60))], [np.zeros(60), np.ones(3)]
    )
    X = rng.standard_normal((300, 4))
    widths = []
    for tol in (1e-4, 0.01, 0.1, 0.5):
        for refit in (True, False):
            done = mlp.compress(chain, X, tol, refit=refit)
            (report,) = done.layers
            assert report.output_error <= tol
            features = chain.layers(X)[0]
            target = features @ chain.weights[1].T
            error = relative(done.model.layers(X)[0] @ done.model.weights[1].T, target)
            assert report.output_error == pytest.approx(error, abs=1e-10)
            if not refit:
                assert report.norm_after == pytest.approx(report.selection.norm, rel=1e-12)
        widths.append(report.width_after)
    assert widths == sorted(widths, reverse=True) and widths[0] > widths[-1]


def test_labels_give_accuracies():
    rng = np.random.default_rng(1)
    chain = wasteful_chain(rng, outputs=3)
    X = rng.standard_normal((100, 3))
    labels = chain.predict(X).argmax(axis=1)
    done = mlp.compress(chain, X, 1e-3, labels=labels)
    assert done.accuracy_before == 1.0
    assert done.accuracy_after == 1.0 - done.changed / 100
    with pytest.raises(InvalidProblem, match="labels"):
        mlp.compress(chain, X, 0.1, labels=labels[:3])
    for wrong in (X[:, 0], labels - 1, labels + 5, labels + 0.5, ["a"] * len(labels)):
        with pytest.raises(InvalidProblem, match=r"^labels: expected"):
            mlp.compress(chain, X, 0.1, labels=wrong)


def test_one_output_decides_only_where_there_are_labels():
    rng = np.random.default_rng(5)
    net = mlp.ReluNetwork(rng.standard_normal((4, 2)), output_weights=rng.standard_normal(4))
    X = rng.standard_normal((30, 2))
    assert mlp.compress(net, X, 0.5).changed is None
    done = mlp.compress(net, X, 0.5, labels=net.predict(X) > 0.0)
    assert done.accuracy_before == 1.0 and done.accuracy_after == 1.0 - done.changed / 30


def test_a_network_keeps_its_skip_and_its_kind_of_bias():
    rng = np.random.default_rng(2)
    W = rng.standard_normal((3, 2))
    network = mlp.ReluNetwork(
        np.vstack([W, 2 * W, 3 * W]), output_weights=rng.standard_normal(9), output_bias=0.5,
        skip=Skip(np.array([1.0, -1.0])), bias="none",
    )  # fmt: skip
    X = rng.standard_normal((50, 2))
    done = mlp.compress(network, X, 0.0)
    assert isinstance(done.model, mlp.ReluNetwork) and done.model.bias == "none"
    assert done.model.width <= 3
    np.testing.assert_allclose(done.model.predict(X), network.predict(X), atol=1e-8)
    np.testing.assert_array_equal(done.model.skip.linear, [1.0, -1.0])


def test_dead_layers():
    """No feature is ever active: nothing is kept, and the bias alone goes on."""
    chain = mlp.ReluChain([-np.ones((4, 2)), np.ones((2, 4))], [-np.ones(4), np.ones(2)])
    X = np.abs(np.random.default_rng(0).standard_normal((10, 2)))
    for tol in (0.0, 0.1):
        done = mlp.compress(chain, X, tol)
        assert done.model.widths == (0,)
        np.testing.assert_array_equal(done.model.predict(X), np.ones((10, 2)))


# ---- torch ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch", reason="torch is optional")


def test_a_torch_chain_is_copied_and_made_smaller(torch):
    rng = np.random.default_rng(3)
    chain = wasteful_chain(rng, layers=2)
    X = rng.standard_normal((150, 3))
    for dtype in ("float64", "float32"):
        module = mlp.torch_from_chain(chain, dtype=dtype)
        module.train()
        before = {name: value.clone() for name, value in module.state_dict().items()}
        done = mlp.compress(module, X, 1e-3)
        assert all(torch.equal(v, before[name]) for name, v in module.state_dict().items())
        assert module.training and done.model.training
        assert not any(m._forward_hooks or m._forward_pre_hooks for m in module.modules())
        small = done.model
        assert [report.name for report in done.layers] == ["2", "4"]
        assert small[0].out_features == small[2].in_features <= 4
        assert small[2].out_features == small[4].in_features <= 4
        assert next(small.parameters()).dtype == getattr(torch, dtype)
        plain = mlp.compress(chain, X, 1e-3)
        assert [r.width_after for r in done.layers] == [r.width_after for r in plain.layers]
        assert done.output_error < 0.05
        assert mlp.chain_from_torch(small).widths == plain.model.widths


def convolutional(torch):
    nn = torch.nn
    torch.manual_seed(0)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(1, 6, 3)
            self.fc1, self.fc2, self.fc3 = (
                nn.Linear(6 * 36, 30),
                nn.Linear(30, 20),
                nn.Linear(20, 4),
            )
            self.drop = nn.Dropout(0.5)

        def forward(self, x):
            x = torch.relu(self.conv(x)).flatten(1)
            x = self.drop(torch.relu(self.fc1(x)))
            x = torch.tanh(self.fc2(x))
            return self.fc3(x)

    return Net()


def test_layers_of_other_networks_are_compressed_by_name(torch):
    state = torch.random.get_rng_state()
    module = convolutional(torch)
    images = torch.randn(40, 1, 8, 8)
    torch.random.set_rng_state(state)
    module.train()
    done = mlp.compress(module, images, 1e-3, layers=["fc1", ("fc1", "fc2"), "fc3"])
    assert module.training and done.model.fc1.linear.training
    assert done.model.drop.training
    assert [report.name for report in done.layers] == ["fc1", "fc2", "fc3"]
    with torch.no_grad():
        module.eval(), done.model.eval()
        assert relative(done.model(images).numpy(), module(images).numpy()) == pytest.approx(
            done.output_error, rel=1e-4
        )
    assert done.output_error < 0.02
    first, second, _ = done.layers
    assert first.width_before == 216 and first.width_after <= 40
    assert done.model.fc1.linear.in_features == len(done.model.fc1.kept) == first.width_after
    assert done.model.fc1.linear.out_features == second.width_after == done.model.fc2.in_features
    assert "fc1.kept" in done.model.state_dict()


def test_other_requests_are_refused(torch):
    state = torch.random.get_rng_state()
    module = convolutional(torch)
    shared = torch.nn.Linear(2, 2)
    tied = torch.nn.Sequential(shared, torch.nn.ReLU(), shared)
    torch.random.set_rng_state(state)
    images = np.zeros((5, 1, 8, 8), dtype=np.float32)
    for layers, word in (
        (None, "module"), (["conv"], "Conv2d"), (["nothing"], "no layer"), ([], "at least one"),
        (["fc1", "fc1"], "twice"), ([("fc2", "fc3")], "something else than a ReLU"),
        ([("fc1", "fc3")], "something else than a ReLU"),
    ):  # fmt: skip
        with pytest.raises(InvalidProblem, match=word):
            mlp.compress(module, images, 0.1, layers=layers)
    for data, word in (
        (images[:, :, :4], "cannot be run"), (images * np.nan, "finite"), (images[:0], "rows"),
        ("words", "numbers"), (np.zeros(3), "rows"),
    ):  # fmt: skip
        with pytest.raises(InvalidProblem, match=word):
            mlp.compress(module, data, 0.1, layers=["fc3"])
    with pytest.raises(InvalidProblem, match="share"):
        mlp.compress(tied, np.ones((3, 2)), 0.1)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"tol": -0.1}, "tol"), ({"tol": np.nan}, "tol"), ({"layers": ["0"]}, "layers"),
        ({"data": np.ones((3, 7))}, "X"), ({"model": 3}, "model"),
        ({"data": np.full((3, 3), np.nan)}, "X"),
    ],
)  # fmt: skip
def test_bad_arguments_are_refused(change, word):
    rng = np.random.default_rng(0)
    good = {"model": wasteful_chain(rng), "data": rng.standard_normal((9, 3)), "tol": 0.1}
    with pytest.raises(InvalidProblem, match=word):
        mlp.compress(**(good | change))


@pytest.mark.slow
def test_the_digits_keep_a_tenth_of_the_neurons(torch):
    """The example: 512 neurons to at most 51, and at most one of 540 held-out digits decided anew."""
    pytest.importorskip("sklearn", reason="scikit-learn is optional")
    spec = importlib.util.spec_from_file_location(
        "digits", ROOT / "examples" / "compress_digits.py"
    )
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    figures = example.main()
    assert figures["held-out accuracy before"] > 0.97
    assert figures["width before"] == 512 and figures["width after"] <= 51
    assert figures["held-out digits decided otherwise"] <= 1
    assert figures["proved relative gap"] <= 1e-6
    assert figures["outputs changed by"] <= 0.03


# ---- chains in files ------------------------------------------------------------------------------------


def test_chains_in_files(tmp_path):
    rng = np.random.default_rng(5)
    X = rng.standard_normal((6, 3))
    chain = wasteful_chain(rng, layers=2)
    formats = {"onnx": "onnx", "safetensors": "safetensors"}
    for ending, package in formats.items():
        pytest.importorskip(package, reason=f"{package} is optional")
        file = tmp_path / f"chain.{ending}"
        save_chain(chain, file)
        np.testing.assert_array_equal(load_chain(file).predict(X), chain.predict(X))
        with pytest.raises(InvalidFile, match="exists already"):
            save_chain(chain, file)
        save_chain(chain, file, overwrite=True)
    network = mlp.ReluNetwork([[1.0, 2.0, 3.0]], output_weights=[2.0])
    network.save(tmp_path / "folder")
    np.savez(tmp_path / "net.npz", hidden_weights=[[1.0, 2.0, 3.0]], output_weights=[2.0])
    for name in ("folder", "net.npz"):
        assert load_chain(tmp_path / name).widths == (1,)
    for name, word in (
        ("nothing.onnx", "exist"),
        ("nothing.txt", "exist"),
        ("words.txt", "ending"),
    ):
        (tmp_path / "words.txt").write_text("x")
        with pytest.raises(InvalidFile, match=word):
            load_chain(tmp_path / name)
    for name, word in (("a.txt", "ending"), ("no/a.onnx", "folder"), ("chain.onnx", "exists")):
        with pytest.raises(InvalidFile, match=word):
            check_chain_path(tmp_path / name)


def test_chains_in_state_dicts(torch, tmp_path):
    rng = np.random.default_rng(6)
    X = rng.standard_normal((6, 3))
    chain = wasteful_chain(rng, layers=3)
    module = mlp.torch_from_chain(chain)
    torch.save(module.state_dict(), tmp_path / "chain.pt")
    np.testing.assert_array_equal(load_chain(tmp_path / "chain.pt").predict(X), chain.predict(X))
    with torch.no_grad():
        np.testing.assert_allclose(
            module(torch.from_numpy(X)).numpy(), chain.predict(X), rtol=1e-12, atol=1e-12
        )
    for bad, word in (
        ({}, "linear layers"), ({"a.weight": np.ones((2, 3)), "b.running": np.ones(2)}, "only"),
        ({"a.weight": np.ones((2, 3)), "b.weight": np.ones((2, 3)), "c.weight": np.ones((2, 9))}, "follow"),
    ):  # fmt: skip
        with pytest.raises(InvalidProblem, match=word):
            mlp.chain_from_state_dict(bad)


def test_onnx_runs_deep_chains():
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is optional")
    rng = np.random.default_rng(7)
    chain, X = wasteful_chain(rng, layers=3), rng.standard_normal((6, 3))
    session = runtime.InferenceSession(
        mlp.onnx_from_network(chain).SerializeToString(), providers=["CPUExecutionProvider"]
    )
    np.testing.assert_allclose(session.run(None, {"x": X})[0], chain.predict(X), rtol=1e-11)
