"""State dicts and safetensors files: layers found by name and shape, nothing executed."""

import numpy as np
import pytest

import measurelp as mlp
from measurelp.errors import InvalidFile, InvalidProblem

from .families import assert_same_function, inputs_of, random_network

X23 = np.array([[0.5, -1.0, 2.0], [1.0, 1.0, 1.0]])


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch", reason="torch is optional")


def named(rng, *, first="fc1", second="fc2", d=3, k=5, c=2):
    return {
        f"{first}.weight": rng.standard_normal((k, d)), f"{first}.bias": rng.standard_normal(k),
        f"{second}.weight": rng.standard_normal((c, k)), f"{second}.bias": rng.standard_normal(c),
    }  # fmt: skip


def test_layers_are_found_by_shape_then_by_natural_order():
    rng = np.random.default_rng(0)
    state = named(rng, first="z", second="a")  # shapes leave no choice
    network = mlp.network_from_state_dict(state)
    np.testing.assert_array_equal(network.hidden_weights, state["z.weight"])
    square = named(rng, first="2", second="10", d=4, k=4, c=4)
    network = mlp.network_from_state_dict(dict(reversed(square.items())))
    np.testing.assert_array_equal(network.hidden_weights, square["2.weight"])
    network = mlp.network_from_state_dict(square, layers=("10", "2"))
    np.testing.assert_array_equal(network.hidden_weights, square["10.weight"])
    three = square | {"20.weight": np.ones((1, 4))}
    with pytest.raises(InvalidProblem, match="two linear layers"):
        mlp.network_from_state_dict(three)
    network = mlp.network_from_state_dict(three, layers=("10", "20"))
    assert network.output_weights.shape == (4,) and network.output_bias == 0.0


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"fc1.weight": np.ones((5, 3), dtype=np.int8)}, "integer"),
        ({"fc1.weight": np.ones((5, 3), dtype=complex)}, "complex"),
        ({"fc1.weight": np.full((5, 3), np.nan)}, "finite"),
        ({"fc1.bias": np.ones(4)}, "follow"),
        ({"fc2.weight": np.ones((2, 6))}, "follow"),
        ({"fc1.weight": np.ones((5, 3, 1, 1))}, "dimensions"),
        ({"norm.running_mean": np.ones(5)}, "two linear layers"),
        ({"fc1.weight": "words"}, "dtype"),
    ],
)
def test_other_weights_are_refused(change, word):
    with pytest.raises(InvalidProblem, match=word):
        mlp.network_from_state_dict(named(np.random.default_rng(0)) | change)


def test_no_weights_are_refused():
    for nothing in ({}, {"weight": np.ones((2, 2))}):
        with pytest.raises(InvalidProblem, match="two linear layers"):
            mlp.network_from_state_dict(nothing)
    with pytest.raises(InvalidProblem, match="no layer 'x'"):
        mlp.network_from_state_dict(named(np.random.default_rng(0)), layers=("x", "fc2"))


class Trap:
    """A pickle that would run code."""

    sprung = False

    def __reduce__(self):
        return (_spring, ())


def _spring():
    Trap.sprung = True
    return {}


def test_a_file_is_read_as_tensors_only(torch, tmp_path):
    network = random_network(4)
    X = inputs_of(network, 4)
    module = mlp.torch_from_network(network)
    torch.save(module.state_dict(), tmp_path / "state.pt")
    torch.save({"state_dict": module.state_dict(), "epoch": 3}, tmp_path / "checkpoint.pt")
    for file in ("state.pt", "checkpoint.pt"):
        assert_same_function(mlp.network_from_state_dict(tmp_path / file).predict(X), network, X)

    torch.save(module, tmp_path / "module.pt")
    torch.save({"fc1.weight": Trap()}, tmp_path / "trap.pt")
    torch.save([1, 2], tmp_path / "list.pt")
    content = (tmp_path / "state.pt").read_bytes()
    (tmp_path / "short.pt").write_bytes(content[: len(content) // 2])
    (tmp_path / "empty.pt").write_bytes(b"")
    (tmp_path / "words.pt").write_bytes(b"hello")
    for file in ("module.pt", "trap.pt", "list.pt", "short.pt", "empty.pt", "words.pt"):
        with pytest.raises(InvalidFile, match=file):
            mlp.network_from_state_dict(tmp_path / file)
    assert not Trap.sprung
    with pytest.raises(InvalidFile, match="does not exist"):
        mlp.network_from_state_dict(tmp_path / "nothing.pt")
    with pytest.raises(InvalidFile, match="not a file"):
        mlp.network_from_state_dict(tmp_path)
    with pytest.raises(InvalidFile, match="more than the 100 allowed"):
        mlp.network_from_state_dict(tmp_path / "state.pt", max_bytes=100)


def test_a_state_dict_that_unpacks_to_too_much_is_refused(torch, tmp_path):
    import zipfile

    with zipfile.ZipFile(tmp_path / "bomb.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"\0" * 10_000_000)
    with pytest.raises(InvalidFile, match="unpacks to"):
        mlp.network_from_state_dict(tmp_path / "bomb.pt", max_bytes=1_000_000)


def test_quantised_and_integer_tensors_are_refused(torch):
    state = {
        name: torch.from_numpy(array) for name, array in named(np.random.default_rng(0)).items()
    }
    whole = state | {"fc1.weight": torch.ones((5, 3), dtype=torch.int32)}
    with pytest.raises(InvalidProblem, match="integer"):
        mlp.network_from_state_dict(whole)
    sparse = state | {"fc1.weight": state["fc1.weight"].to_sparse()}
    with pytest.raises(InvalidProblem, match="dense"):
        mlp.network_from_state_dict(sparse)
    half = {name: tensor.half() for name, tensor in state.items()}
    np.testing.assert_array_equal(
        mlp.network_from_state_dict(half).hidden_weights, half["fc1.weight"].double().numpy()
    )


def test_safetensors_files(tmp_path):
    numpy_io = pytest.importorskip("safetensors.numpy", reason="safetensors is optional")
    network = random_network(3)
    X = inputs_of(network, 3)
    file = tmp_path / "net.safetensors"
    mlp.safetensors_from_network(network, file)
    assert_same_function(mlp.network_from_safetensors(file).predict(X), network, X)
    # Output weights are stored as the transpose of what the network holds: C-contiguous or wrong.
    stored = numpy_io.load_file(file)["output.weight"]
    kept = network.balanced().output_weights.reshape(network.width, -1).T
    np.testing.assert_array_equal(stored, kept)
    with pytest.raises(InvalidFile, match="exists already"):
        mlp.safetensors_from_network(network, file)
    mlp.safetensors_from_network(network, file, overwrite=True)
    content = file.read_bytes()
    for damaged in (content[:-8], content[:5], b"", b"\xff" * 64, b"\x80\x04]q\x00."):
        (tmp_path / "damaged").write_bytes(damaged)
        with pytest.raises(InvalidFile, match="cannot be read"):
            mlp.network_from_safetensors(tmp_path / "damaged")
    with pytest.raises(InvalidFile, match="allowed"):
        mlp.network_from_safetensors(file, max_bytes=10)
    whole = {key: np.ones((2, 2), dtype=np.int64) for key in ("a.weight", "b.weight")}
    with pytest.raises(InvalidProblem, match="integer"):
        mlp.network_from_safetensors(numpy_io.save(whole))
