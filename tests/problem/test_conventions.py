"""Weight decay in every convention: gradients of the training and of our objective are parallel."""

import math
import warnings

import numpy as np
import pytest

import measurelp as mlp
from measurelp.errors import InvalidProblem

DECAY, N, WIDTH = 0.037, 7, 4
LOSSES = {"mean": 1 / N, "sum": 1.0, "half_mean": 0.5 / N, "half_sum": 0.5}


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


def network(torch, *, balanced):
    """Random weights (v, W) with penalised biases in W, and data with a column of ones."""
    rng = np.random.default_rng(0)
    W, v = rng.standard_normal((WIDTH, 3)), rng.standard_normal(WIDTH)
    if balanced:
        scale = np.sqrt(np.abs(v) / np.linalg.norm(W, axis=1))
        W, v = W * scale[:, None], v / scale
    X, y = np.hstack([rng.standard_normal((N, 2)), np.ones((N, 1))]), rng.standard_normal(N)
    tensors = [torch.tensor(a, requires_grad=True) for a in (v, W)]
    return tensors, torch.tensor(X), torch.tensor(y)


def squares(torch, tensors, X, y):
    v, W = tensors
    return ((torch.relu(X @ W.T) @ v - y) ** 2).sum()


def gradient(torch, value, tensors):
    return np.concatenate([g.numpy().ravel() for g in torch.autograd.grad(value, tensors)])


def ours(torch, tensors, X, y, lam):
    half = sum((t**2).sum() for t in tensors) / 2
    return gradient(torch, 0.5 * squares(torch, tensors, X, y) + lam * half, tensors)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("kind", ["SGD", "Adam"])
def test_the_optimisers_weight_decay(torch, loss, kind):
    """What torch descends along, weight decay and all, is our gradient times 2a."""
    tensors, X, y = network(torch, balanced=False)
    options = {"lr": 1.0, "weight_decay": DECAY}
    # Adam's first step is g / (|g| + eps): with a large eps it is g / eps.
    optimiser = getattr(torch.optim, kind)(
        tensors, **options, **({"eps": 1e8} if kind == "Adam" else {})
    )
    before = np.concatenate([t.detach().numpy().ravel().copy() for t in tensors])
    (LOSSES[loss] * squares(torch, tensors, X, y)).backward()
    lam = mlp.lam_from_weight_decay(DECAY, n=N, loss=loss)
    expected = 2 * LOSSES[loss] * ours(torch, tensors, X, y, lam)
    optimiser.step()
    step = before - np.concatenate([t.detach().numpy().ravel() for t in tensors])
    if kind == "Adam":
        step = 1e8 * step
        np.testing.assert_allclose(step, expected, rtol=1e-5, atol=1e-6)
    else:
        np.testing.assert_allclose(step, expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("penalty", ["half_squares", "squares", "path_norm", "half_mean_squares"])
def test_penalties_written_out(torch, loss, penalty):
    """At a balanced network all gradients are parallel to ours."""
    tensors, X, y = network(torch, balanced=True)
    v, W = tensors
    total = sum((t**2).sum() for t in tensors)
    value = {
        "half_squares": total / 2, "squares": total, "half_mean_squares": total / (2 * N),
        "path_norm": (v.abs() * W.norm(dim=1)).sum(),
    }[penalty]  # fmt: skip
    theirs = gradient(torch, LOSSES[loss] * squares(torch, tensors, X, y) + DECAY * value, tensors)
    lam = mlp.lam_from_weight_decay(DECAY, n=N, loss=loss, penalty=penalty)
    np.testing.assert_allclose(
        theirs, 2 * LOSSES[loss] * ours(torch, tensors, X, y, lam), rtol=1e-12, atol=1e-14
    )
    wrong = 2 * LOSSES[loss] * ours(torch, tensors, X, y, 1.01 * lam)
    assert not np.allclose(theirs, wrong, rtol=1e-6, atol=1e-9)


def test_scikit_learns_alpha():
    """Its loss is ours over n, with free biases."""
    neural = pytest.importorskip("sklearn.neural_network")
    rng = np.random.default_rng(1)
    X, y = rng.standard_normal((20, 2)), rng.standard_normal(20)
    fitted = neural.MLPRegressor(
        hidden_layer_sizes=(5,),
        alpha=0.3,
        solver="lbfgs",
        max_iter=50,
        random_state=0,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted.fit(X, y)
    lam = mlp.lam_from_weight_decay(0.3, n=20, loss="half_mean", penalty="half_mean_squares")
    assert lam == pytest.approx(0.3)
    problem = mlp.MeasureProblem(X, y, lam=lam, bias="free", skip="constant")
    found = mlp.diagnose(problem, fitted)
    assert found.as_trained == pytest.approx(20 * fitted.loss_, rel=1e-6)


def test_a_training_to_the_end_is_stationary_here(torch):
    """SGD with its own weight decay on MSELoss, held against the converted lam only."""
    rng = np.random.default_rng(1)
    X, y = rng.standard_normal((10, 2)), rng.standard_normal(10)
    torch.manual_seed(1)
    module = torch.nn.Sequential(
        torch.nn.Linear(2, 2), torch.nn.ReLU(), torch.nn.Linear(2, 1, bias=False)
    ).double()
    optimiser = torch.optim.SGD(module.parameters(), lr=0.1, momentum=0.9, weight_decay=0.06)
    for _ in range(1500):
        optimiser.zero_grad()
        torch.nn.MSELoss()(module(torch.tensor(X))[:, 0], torch.tensor(y)).backward()
        optimiser.step()
    lam = mlp.lam_from_weight_decay(0.06, n=10)
    assert lam == pytest.approx(0.3)
    problem = mlp.MeasureProblem(X, y, lam=lam)
    found = mlp.diagnose(problem, module, tol_stationary=1e-6)
    assert found.is_stationary and found.is_balanced
    for wrong in (0.5 * lam, 2.0 * lam):
        assert not mlp.diagnose(problem.with_lam(wrong), module, tol_stationary=1e-6).is_stationary


@pytest.mark.parametrize(("change", "word"), [
    ({"weight_decay": 0.0}, "weight_decay"), ({"weight_decay": -1.0}, "weight_decay"),
    ({"weight_decay": math.nan}, "weight_decay"), ({"weight_decay": "1"}, "weight_decay"),
    ({"weight_decay": True}, "weight_decay"), ({"n": 0}, "n: "), ({"n": 2.5}, "n: "),
    ({"n": math.inf}, "n: "), ({"loss": "cross_entropy"}, "loss"), ({"penalty": "l1"}, "penalty"),
])  # fmt: skip
def test_what_cannot_be_converted_is_refused(change, word):
    arguments = {"weight_decay": 0.1, "n": 10, "loss": "mean", "penalty": "squares"} | change
    with pytest.raises(InvalidProblem, match=word):
        mlp.lam_from_weight_decay(arguments.pop("weight_decay"), **arguments)
