"""``measurelp certify`` for networks from anywhere, and what it refuses."""

import pickle

import numpy as np
import pytest

import measurelp as mlp

from .test_bad_input import assert_refused

LAM = 0.3
STATED = ("--target", "y", "--features", "a,b")


@pytest.fixture
def solution(table_file):
    table = np.genfromtxt(table_file, delimiter=",", skip_header=1, usecols=(0, 1, 2))
    return mlp.solve(mlp.MeasureProblem(table[:, :2], table[:, 2], lam=LAM))


def write(kind, network, folder):
    """The network as a file of a kind; skips the test where the kind's package is missing."""
    path = folder / f"net.{kind}"
    if kind == "npz":
        np.savez(path, hidden_weights=network.hidden_weights, hidden_bias=network.hidden_bias,
                 output_weights=network.output_weights)  # fmt: skip
    elif kind in ("pt", "pth"):
        torch = pytest.importorskip("torch")
        torch.save(mlp.torch_from_network(network).state_dict(), path)
    else:
        pytest.importorskip({"onnx": "onnx", "safetensors": "safetensors"}[kind])
        writer = {"onnx": mlp.onnx_from_network, "safetensors": mlp.safetensors_from_network}[kind]
        writer(network, path)
    return path


KINDS = ["npz", "pt", "pth", "onnx", "safetensors"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_file(kind, solution, table_file, tmp_path, run_json):
    path = write(kind, solution.network(), tmp_path)
    assert mlp.load_network(path).path_norm == pytest.approx(
        solution.measure.total_variation, rel=1e-6
    )
    code, facts = run_json("certify", path, table_file, *STATED, "--lam", LAM, "--tol", "1e-5")
    assert (code, facts["verdict"], facts["diagnosis"]) == (0, "OPTIMAL", None)
    assert facts["primal_value"] == pytest.approx(solution.certificate.primal_value, rel=1e-6)
    code, facts = run_json("certify", path, table_file, *STATED, "--lam", 2 * LAM)
    assert (code, facts["verdict"]) == (1, "REFUTED")
    assert facts["improvement"]["objective"] < facts["primal_value"]


@pytest.mark.parametrize(("decay", "words"), [
    (2 * LAM / 12, ()), (LAM, ("--trained-loss", "half_sum")),
    (LAM / 12, ("--trained-penalty", "squares")),
    (LAM, ("--trained-loss", "half_mean", "--trained-penalty", "half_mean_squares")),
])  # fmt: skip
def test_lam_in_the_words_of_a_training(decay, words, solution, table_file, tmp_path, run_json):
    path = write("npz", solution.network(), tmp_path)
    code, facts = run_json(
        "certify", path, table_file, *STATED, "--weight-decay", repr(decay), *words
    )
    assert (code, facts["verdict"]) == (0, "OPTIMAL")
    assert facts["problem"]["lam"] == pytest.approx(LAM, rel=1e-12)


def test_a_diagnosis(tmp_path, run, run_json):
    """Jacot's spurious minimum, from its own mean squared error and squared norm at 0.1."""
    (tmp_path / "two.csv").write_text("x,y\n1,1\n-1,1\n")
    root = np.sqrt([0.4, 0.4])
    network = mlp.ReluNetwork(root[:, None], output_weights=root, bias="none")
    path = write("npz", network, tmp_path)
    arguments = ("certify", path, tmp_path / "two.csv", "--target", "y", "--bias", "none",
                 "--weight-decay", "0.1", "--trained-penalty", "squares", "--diagnose")  # fmt: skip
    code, facts = run_json(*arguments)
    found = facts["diagnosis"]
    assert (code, found["standing"]) == (1, "SPURIOUS")
    assert found["rebalanced"] == pytest.approx(0.68) == found["within_cells"]
    assert found["best"] == pytest.approx(0.36)
    assert found["suboptimality_percent"] == pytest.approx([47.0588, 47.0588], abs=1e-3)
    result = run(*arguments)
    text = " ".join(result.stdout.split())
    assert result.exit_code == 1
    assert "SPURIOUS" in text and "47.06" in text and "within cells 0.68" in text


def test_a_stored_dual_of_another_lam_does_not_stop_the_search(
    solution, table_file, tmp_path, run_json
):
    solution.save(tmp_path / "run")
    stated = (*STATED, "--lam", repr(LAM * (1 + 1e-9)))
    code, facts = run_json("certify", tmp_path / "run", table_file, *stated)
    assert (code, facts["verdict"]) == (0, "OPTIMAL")
    code, facts = run_json("certify", tmp_path / "run", table_file, *STATED, "--lam", "0.5")
    other = mlp.solve(solution.problem.with_lam(0.5)).certificate.primal_value
    assert code == 1 and facts["dual_value"] == pytest.approx(other, rel=1e-6)


class Danger:
    """Writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


def test_pickles_are_not_executed(table_file, tmp_path, run):
    pytest.importorskip("torch")
    danger = pickle.dumps({"0.weight": Danger(str(tmp_path / "out"))})
    for name in ("net.pt", "net.pth", "net.npz", "net.pkl", "net.onnx", "net.safetensors"):
        (tmp_path / name).write_bytes(danger)
        result = run("certify", tmp_path / name, table_file, *STATED, "--lam", "1")
        assert_refused(result, "net.", tmp_path)
    pickle.loads(danger)["0.weight"].close()  # the pickle is one that does what it says
    assert (tmp_path / "out").exists()


def bad_networks(folder):
    """Files that are no candidate for two inputs, with what is said about them."""
    ones = np.ones((3, 2))
    good = mlp.ReluNetwork(ones, np.ones(3), output_weights=np.ones(3))
    deep = mlp.ReluChain([ones, np.ones((4, 3)), np.ones((1, 4))],
                         [np.zeros(3), np.zeros(4), np.zeros(1)])  # fmt: skip
    wide = mlp.ReluNetwork(np.ones((3, 4)), np.ones(3), output_weights=np.ones(3))
    pair = mlp.ReluNetwork(ones, np.ones(3), output_weights=np.ones((3, 2)))
    mlp.safetensors_from_network(wide, folder / "wide.safetensors")
    yield "wide.safetensors", "expected 2 inputs"
    mlp.safetensors_from_network(deep, folder / "deep.safetensors")
    yield "deep.safetensors", "two linear layers"
    mlp.onnx_from_network(deep, folder / "deep.onnx")
    yield "deep.onnx", "hidden layer"
    mlp.safetensors_from_network(pair, folder / "pair.safetensors")
    yield "pair.safetensors", "2 outputs"
    mlp.onnx_from_network(good, folder / "good.onnx")
    content = (folder / "good.onnx").read_bytes()
    (folder / "cut.onnx").write_bytes(content[: len(content) // 2])
    yield "cut.onnx", "cut.onnx"
    (folder / "tanh.onnx").write_bytes(content.replace(b"Relu", b"Tanh"))
    yield "tanh.onnx", "Tanh"
    mlp.safetensors_from_network(good, folder / "good.safetensors")
    content = (folder / "good.safetensors").read_bytes()
    (folder / "cut.safetensors").write_bytes(content[:-5])
    yield "cut.safetensors", "cut.safetensors"
    np.savez(folder / "nan.npz", hidden_weights=[[np.nan, 1.0]], output_weights=[1.0])
    yield "nan.npz", "nan.npz"
    np.savez(folder / "misses.npz", hidden_weights=ones)
    yield "misses.npz", "output_weights"
    np.savez(folder / "objects.npz", hidden_weights=np.array([[{}, {}]]), output_weights=[1.0])
    yield "objects.npz", "objects.npz"
    (folder / "empty.pt").write_bytes(b"")
    yield "empty.pt", "empty.pt"
    yield "nothing.pt", "does not exist"
    yield "nothing", "does not exist"


def test_files_that_are_no_candidate_are_refused(table_file, tmp_path, run):
    for package in ("torch", "onnx", "safetensors"):
        pytest.importorskip(package)
    for name, words in bad_networks(tmp_path):
        result = run("certify", tmp_path / name, table_file, *STATED, "--lam", "1")
        assert_refused(result, words, tmp_path)


def test_a_file_that_is_too_large_is_not_read(table_file, tmp_path, run, monkeypatch):
    for package in ("torch", "onnx", "safetensors"):
        pytest.importorskip(package)
    for kind in KINDS:
        path = tmp_path / f"huge.{kind}"
        with open(path, "wb") as file:
            file.truncate(2**30 + 1)  # sparse: no byte is written
        result = run("certify", path, table_file, *STATED, "--lam", "1")
        assert_refused(result, "huge", tmp_path)


@pytest.mark.parametrize(("arguments", "words"), [
    (("--weight-decay", "0"), "--weight-decay: expected"),
    (("--weight-decay", "nan"), "--weight-decay: expected"),
    (("--weight-decay", "1", "--lam", "1"), "--lam and --weight-decay exclude each other"),
    (("--weight-decay", "1", "--loss", "interpolation"), "lam does not enter"),
    (("--weight-decay", "1", "--trained-loss", "huber"), "'huber' is not one of"),
    (("--weight-decay", "1", "--trained-penalty", "l1"), "'l1' is not one of"),
    (("--lam", "1", "--rounds", "-1"), "rounds"),
    ((), "--lam: missing"),
])  # fmt: skip
def test_bad_options_are_refused(arguments, words, solution, table_file, tmp_path, run):
    path = write("npz", solution.network(), tmp_path)
    assert_refused(run("certify", path, table_file, *STATED, *arguments), words, tmp_path)
