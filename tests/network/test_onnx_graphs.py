"""ONNX graphs and files: what is read, what is refused."""

import numpy as np
import pytest

import measurelp as mlp
from measurelp.errors import InvalidFile, InvalidProblem

from .families import assert_same_function, inputs_of, random_network

X23 = np.array([[0.5, -1.0, 2.0], [1.0, 1.0, 1.0]])


@pytest.fixture(scope="module")
def onnx():
    return pytest.importorskip("onnx", reason="onnx is optional")


def onnx_model(onnx, nodes, arrays, *, inputs=("x",), outputs=("y",)):
    helper = onnx.helper
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node(*node, **options) for *node, options in nodes], "g",
        [info(name, onnx.TensorProto.DOUBLE, ["m", 2]) for name in inputs],
        [info(name, onnx.TensorProto.DOUBLE, ["m", "c"]) for name in outputs],
        [onnx.numpy_helper.from_array(np.asarray(a), name) for name, a in arrays.items()],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


W, B, V = (
    np.array([[1.0, 2.0, -1.0], [0.5, 0.0, 3.0]]),
    np.ones(3),
    np.array([[1.0], [2.0], [-1.0]]),
)


def test_onnx_graphs_are_read_as_others_write_them(onnx):
    expected = np.maximum(X23[:, :2] @ W + B, 0.0) @ V
    nodes = [
        ("MatMul", ["x", "w"], ["a"], {}), ("Add", ["b", "a"], ["c"], {}),
        ("Relu", ["c"], ["r"], {}), ("Identity", ["r"], ["i"], {}), ("MatMul", ["i", "v"], ["y"], {}),
    ]  # fmt: skip
    network = mlp.network_from_onnx(onnx_model(onnx, nodes, {"w": W, "b": B, "v": V}))
    np.testing.assert_allclose(network.predict(X23[:, :2]), expected[:, 0], atol=1e-14)
    nodes = [
        ("Flatten", ["x"], ["f"], {"axis": 1}),
        ("Gemm", ["f", "w", "b"], ["c"], {"alpha": 0.5, "beta": 2.0}),
        ("Relu", ["c"], ["r"], {}), ("Gemm", ["r", "v"], ["y"], {"transB": 0}),
    ]  # fmt: skip
    network = mlp.network_from_onnx(onnx_model(onnx, nodes, {"w": W, "b": B, "v": V}))
    expected = np.maximum(X23[:, :2] @ W * 0.5 + 2.0 * B, 0.0) @ V
    np.testing.assert_allclose(network.predict(X23[:, :2]), expected[:, 0], atol=1e-14)


def test_onnx_graphs_that_are_no_mlp_are_refused(onnx, tmp_path):
    first = ("Gemm", ["x", "w", "b"], ["a"], {})
    relu, last = ("Relu", ["a"], ["r"], {}), ("Gemm", ["r", "v"], ["y"], {})
    bad = {
        "Tanh": [first, ("Tanh", ["a"], ["r"], {}), last],
        "no ReLU": [("Gemm", ["x", "w"], ["y"], {})],
        "without a ReLU": [first, ("Gemm", ["a", "v"], ["y"], {})],
        "transA": [("Gemm", ["x", "w"], ["a"], {"transA": 1}), relu, last],
        "adds two": [first, ("Add", ["a", "x"], ["s"], {}), ("Relu", ["s"], ["r"], {}), last],
        "MatMul": [("MatMul", ["w", "x"], ["a"], {}), relu, last],
        "Mul": [first, relu, ("Mul", ["r", "r"], ["s"], {}), ("Gemm", ["s", "v"], ["y"], {})],
        "Reshape": [("Reshape", ["x", "s"], ["a"], {}), relu, last],
        "one hidden layer": [
            first, relu, ("Gemm", ["r", "u"], ["c"], {}), ("Relu", ["c"], ["q"], {}),
            ("Gemm", ["q", "v"], ["y"], {}),
        ],
    }  # fmt: skip
    arrays = {"w": W, "b": B, "v": V, "u": np.eye(3), "s": np.array([-1, 2])}
    for word, nodes in bad.items():
        with pytest.raises(InvalidProblem, match=word):
            mlp.network_from_onnx(onnx_model(onnx, nodes, arrays))
    with pytest.raises(InvalidProblem, match="one input"):
        mlp.network_from_onnx(
            onnx_model(onnx, [("Add", ["x", "z"], ["y"], {})], {}, inputs=("x", "z"))
        )
    with pytest.raises(InvalidProblem, match="integer"):
        mlp.network_from_onnx(
            onnx_model(onnx, [first, relu, last], arrays | {"w": W.astype(np.int64)})
        )
    with pytest.raises(InvalidProblem, match="finite"):
        mlp.network_from_onnx(onnx_model(onnx, [first, relu, last], arrays | {"w": W * np.nan}))
    with pytest.raises(InvalidProblem, match="constant of shape"):
        mlp.network_from_onnx(onnx_model(onnx, [first, relu, last], arrays | {"b": np.ones(2)}))

    good = onnx_model(onnx, [first, relu, last], arrays)
    file = tmp_path / "net.onnx"
    onnx.save(
        good, file, save_as_external_data=True, location="weights", size_threshold=0,
    )  # fmt: skip
    with pytest.raises((InvalidProblem, InvalidFile), match=r"another file|weights"):
        mlp.network_from_onnx(file)


def test_onnx_files(onnx, tmp_path):
    network = random_network(5)
    X = inputs_of(network, 5)
    file = tmp_path / "net.onnx"
    mlp.onnx_from_network(network, file)
    assert_same_function(mlp.network_from_onnx(file).predict(X), network, X)
    with pytest.raises(InvalidFile, match="exists already"):
        mlp.onnx_from_network(network, file)
    content = file.read_bytes()
    for damaged in (content[: len(content) // 2], b"\xff" * 64, b"\x80\x04]q\x00."):
        (tmp_path / "damaged").write_bytes(damaged)
        with pytest.raises(InvalidFile, match="damaged"):
            mlp.network_from_onnx(tmp_path / "damaged")
    with pytest.raises(InvalidFile, match="allowed"):
        mlp.network_from_onnx(file, max_bytes=10)
    with pytest.raises(InvalidFile, match="does not exist"):
        mlp.network_from_onnx(tmp_path / "nothing")
