"""Networks in torch, ONNX, safetensors and scikit-learn: the function and the norm stay."""

import numpy as np
import pytest

import measurelp as mlp

from .families import assert_same_function, inputs_of, random_network

SEEDS = range(252)
X23 = np.array([[0.5, -1.0, 2.0], [1.0, 1.0, 1.0]])


def test_the_helper_that_compares_can_fail():
    network = random_network(0)
    X = inputs_of(network, 0)
    assert_same_function(network.predict(X), network, X)
    with pytest.raises(AssertionError):
        assert_same_function(network.predict(X) + 1e-10, network, X)


def assert_same_norm(back, network):
    assert back.path_norm == pytest.approx(network.path_norm, rel=1e-12, abs=1e-300)


def unpenalised_constants_moved(network):
    """Under a free bias the normal forms move constant neurons into the output bias."""
    return network.balanced() if network.bias == "free" else network


@pytest.mark.parametrize("seed", SEEDS)
def test_torch_and_back(seed):
    torch = pytest.importorskip("torch", reason="torch is optional")
    network = random_network(seed)
    X = inputs_of(network, seed)
    form = ("balanced", "unit", "as is")[seed % 3 if seed % 2 else 0]
    skip = ("module", "neurons")[seed % 5 == 0]
    before = torch.random.get_rng_state()
    module = mlp.torch_from_network(network, form=form, skip=skip)
    assert torch.equal(before, torch.random.get_rng_state())
    with torch.no_grad():
        found = module(torch.from_numpy(X)).numpy()
    assert found.shape == (len(X), network.outputs)
    assert_same_function(found, network, X)

    back = mlp.network_from_torch(module, bias=network.bias)
    assert_same_function(back.predict(X), network, X)
    kept = network if skip == "module" else network.skip_as_neurons()
    assert_same_norm(back, kept)
    if form == "balanced":
        assert back.weight_decay == pytest.approx(back.path_norm, rel=1e-12, abs=1e-300)
    elif form == "unit":
        np.testing.assert_allclose(back.neuron_norms, 1.0, rtol=1e-12)
    else:
        np.testing.assert_array_equal(back.hidden_weights, kept.hidden_weights)

    if network.width:  # shapes of a network without neurons do not tell which layer is first
        state = mlp.network_from_state_dict(module.state_dict(), bias=network.bias)
        np.testing.assert_array_equal(state.hidden_weights, back.hidden_weights)
        assert_same_function(state.predict(X), network, X)


@pytest.mark.parametrize("seed", SEEDS)
def test_onnx_and_back(seed):
    onnx = pytest.importorskip("onnx", reason="onnx is optional")
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is optional")
    network = random_network(seed)
    X = inputs_of(network, seed)
    skip = ("module", "neurons")[seed % 5 == 0]
    model = mlp.onnx_from_network(network, skip=skip)
    assert [(o.domain, o.version) for o in model.opset_import] == [("", 17)]
    assert 8 <= model.ir_version <= 10
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    session = runtime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    assert_same_function(session.run(None, {"x": X})[0], network, X)
    kept = network if skip == "module" else network.skip_as_neurons()
    for source in (model, model.SerializeToString()):
        back = mlp.network_from_onnx(source, bias=network.bias)
        assert_same_function(back.predict(X), network, X)
        assert_same_norm(back, kept)
    assert isinstance(model, onnx.ModelProto)


@pytest.mark.parametrize("seed", SEEDS)
def test_safetensors_and_back(seed):
    pytest.importorskip("safetensors", reason="safetensors is optional")
    network = random_network(seed)
    if not network.width:
        return
    X = inputs_of(network, seed)
    content = mlp.safetensors_from_network(network)
    back = mlp.network_from_safetensors(content, bias=network.bias)
    assert_same_function(back.predict(X), network, X)
    assert_same_norm(back, network)


@pytest.mark.parametrize("seed", SEEDS)
def test_sklearn_and_back(seed):
    pytest.importorskip("sklearn", reason="scikit-learn is optional")
    network = random_network(seed)
    X = inputs_of(network, seed)
    estimator = mlp.sklearn_from_network(network)
    assert_same_function(estimator.predict(X), network, X)
    back = mlp.network_from_sklearn(estimator, bias=network.bias)
    assert_same_function(back.predict(X), network, X)
    assert_same_norm(back, network.skip_as_neurons())


@pytest.mark.parametrize("seed", SEEDS)
def test_a_skip_as_neurons_costs_twice_its_nuclear_norm(seed):
    network = random_network(seed)
    X = inputs_of(network, seed)
    without = network.skip_as_neurons()
    assert without.skip is None
    assert_same_function(without.predict(X), network, X)
    cost = 0.0
    if network.skip is not None:
        linear = network.skip.linear.reshape(network.d, -1)
        cost = 2.0 * np.linalg.svd(linear, compute_uv=False).sum()
    assert without.path_norm == pytest.approx(network.path_norm + cost, rel=1e-12)


def test_numpy_and_back(tmp_path):
    """The constructor and the fields are the conversion; an npz and a folder hold the same."""
    for seed in range(60):
        network = random_network(seed)
        X = inputs_of(network, seed)
        network.save(tmp_path / f"n{seed}")
        back = mlp.load_network(tmp_path / f"n{seed}")
        assert_same_function(back.predict(X), network, X)
        assert_same_norm(back, network)
        parts = {
            "hidden_weights": network.hidden_weights, "hidden_bias": network.hidden_bias,
            "output_weights": network.output_weights, "output_bias": network.output_bias,
        }  # fmt: skip
        if network.skip is not None:
            parts["skip_linear"] = network.skip.linear
        np.savez(tmp_path / f"n{seed}.npz", **parts)
        assert_same_function(mlp.load_network(tmp_path / f"n{seed}.npz").predict(X), network, X)
