"""Which torch modules are read as networks, and which are refused."""

import numpy as np
import pytest

import measurelp as mlp
from measurelp.errors import InvalidProblem

from .families import assert_same_function, random_network

X23 = np.array([[0.5, -1.0, 2.0], [1.0, 1.0, 1.0]])


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch", reason="torch is optional")


def in_many_classes(torch):
    """Linear-ReLU-Linear as people write it."""
    nn, functional = torch.nn, torch.nn.functional

    class ByMethod(nn.Module):
        def __init__(self, relu, shape=None):
            super().__init__()
            self.fc1, self.fc2 = nn.Linear(3, 5), nn.Linear(5, 2, bias=False)
            self.relu, self.shape = relu, shape

        def forward(self, x):
            if self.shape is not None:
                x = self.shape(x)
            return self.fc2(self.relu(self.fc1(x)))

    class Scalar(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = nn.Sequential(nn.Linear(3, 4), nn.ReLU(inplace=True))
            self.head, self.straight = nn.Linear(4, 1), nn.Linear(3, 1)

        def forward(self, x):
            return (self.straight(x) + self.head(self.body(x))).squeeze(-1)

    yield nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2))
    yield nn.Sequential(
        nn.Flatten(), nn.Sequential(nn.Linear(3, 5, bias=False), nn.Identity()), nn.ReLU(),
        nn.Dropout(0.5), nn.Linear(5, 1),
    ).eval()  # fmt: skip
    yield ByMethod(functional.relu)
    yield ByMethod(torch.relu, lambda x: x.view(x.size(0), -1))
    yield ByMethod(lambda x: x.relu(), lambda x: torch.flatten(x, 1))
    yield ByMethod(nn.ReLU(), lambda x: x.reshape(x.shape[0], -1))
    yield Scalar()


def test_modules_are_read_in_whatever_class_they_come(torch):
    for dtype in (torch.float64, torch.float32, torch.float16, torch.bfloat16):
        for module in in_many_classes(torch):
            module = module.to(dtype)
            before = {name: value.clone() for name, value in module.state_dict().items()}
            network = mlp.network_from_torch(module)
            with torch.no_grad():
                expected = module.double()(torch.from_numpy(X23)).numpy()
            assert_same_function(expected, network, X23)
            for name, value in before.items():
                assert torch.equal(value.double(), module.state_dict()[name])


def test_the_bias_is_read_off_the_module(torch):
    nn = torch.nn
    without = nn.Sequential(nn.Linear(3, 5, bias=False), nn.ReLU(), nn.Linear(5, 1))
    assert mlp.network_from_torch(without).bias == "none"
    with_bias = nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 1))
    assert mlp.network_from_torch(with_bias).bias == "penalized"
    assert mlp.network_from_torch(with_bias, bias="free").bias == "free"


def test_a_deep_module_is_a_chain_and_no_two_layer_network(torch):
    nn = torch.nn
    module = nn.Sequential(
        nn.Linear(3, 6), nn.ReLU(), nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 2)
    ).double()
    chain = mlp.chain_from_torch(module)
    assert chain.widths == (6, 5) and chain.depth == 3
    with torch.no_grad():
        expected = module(torch.from_numpy(X23)).numpy()
    np.testing.assert_allclose(chain.predict(X23), expected, atol=1e-13)
    with pytest.raises(InvalidProblem, match=r"one hidden layer.*found 2"):
        mlp.network_from_torch(module)


def refused_modules(torch):
    nn = torch.nn

    class Other(nn.Module):
        def __init__(self, forward):
            super().__init__()
            self.a, self.b, self._forward = nn.Linear(3, 3), nn.Linear(3, 3), forward

        def forward(self, x):
            return self._forward(self, x)

    hooked = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 3))
    hooked[1].register_forward_hook(lambda *call: call[2] + 1.0)
    nan = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 3))
    with torch.no_grad():
        nan[0].weight[1, 1] = float("nan")
    a, b = nn.Linear(3, 3), nn.Linear(3, 3)
    meta = nn.Sequential(nn.Linear(3, 3, device="meta"), nn.ReLU(), nn.Linear(3, 3))
    normed = nn.utils.parametrizations.weight_norm(nn.Linear(3, 3))
    return {
        "tanh": (nn.Sequential(a, nn.Tanh(), b), "Tanh"),
        "leaky": (nn.Sequential(a, nn.LeakyReLU(), b), "LeakyReLU"),
        "batch norm": (nn.Sequential(a, nn.BatchNorm1d(3), nn.ReLU(), b), "BatchNorm1d"),
        "convolution": (nn.Sequential(nn.Conv1d(1, 1, 1), nn.ReLU(), b), "Conv1d"),
        "no relu": (nn.Sequential(a), "no ReLU"),
        "two linear": (nn.Sequential(a, b, nn.ReLU(), a), "without a ReLU"),
        "relu at the end": (nn.Sequential(a, nn.ReLU(), b, nn.ReLU()), "ReLU at the end"),
        "relu first": (nn.Sequential(nn.ReLU(), a), "no affine layer"),
        "dropout": (nn.Sequential(a, nn.ReLU(), nn.Dropout(0.5), b), "eval"),
        "hook": (hooked, "not those of"),
        "nan": (nan, "finite"),
        "meta": (meta, "meta"),
        "weight norm": (nn.Sequential(a, nn.ReLU(), normed), "ParametrizedLinear"),
        "branch": (Other(lambda s, x: s.b(s.a(x).relu()) if x.sum() > 0 else x), "traced"),
        "square": (Other(lambda s, x: s.b(s.a(x).relu()) ** 2), "pow"),
        "residual": (Other(lambda s, x: s.b(s.a(x).relu()) + x), "adds two tensors"),
        "product": (Other(lambda s, x: s.b(s.a(x).relu()) * x), "mul"),
        "concatenated": (Other(lambda s, x: torch.cat([s.b(s.a(x).relu()), x])), "cat"),
        "two outputs": (Other(lambda s, x: (s.b(s.a(x).relu()), x)), "output"),
        "raises": (Other(lambda *_: 1 / 0), "ZeroDivisionError"),
        "none": (Other(lambda *_: None), "output"),
        "script": (torch.jit.script(nn.Sequential(a, nn.ReLU(), b)), "traced|Script"),
    }


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_other_modules_are_refused(torch):
    for module, word in refused_modules(torch).values():
        with pytest.raises(InvalidProblem, match=word):
            mlp.network_from_torch(module)
    with pytest.raises(InvalidProblem, match=r"torch\.nn\.Module"):
        mlp.network_from_torch([1.0])


def test_single_precision_rounds_and_other_types_are_refused(torch):
    network = random_network(4)
    module = mlp.torch_from_network(network, dtype="float32")
    assert next(module.parameters()).dtype == torch.float32
    for wrong in ("int64", "no such type", 32):
        with pytest.raises(InvalidProblem, match="dtype"):
            mlp.torch_from_network(network, dtype=wrong)
    with pytest.raises(InvalidProblem, match="form"):
        mlp.torch_from_network(network, form="equal")
    with pytest.raises(InvalidProblem, match="skip"):
        mlp.torch_from_network(network, skip="none")
