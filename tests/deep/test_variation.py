"""The deep variation-norm regulariser: its formula, rebalancing, and the shallow case as a measure."""

import numpy as np
import pytest

import measurelp as mlp
from measurelp.errors import InvalidProblem

torch = pytest.importorskip("torch")


def arrays(layer):
    skip = layer.skip
    bias = layer.hidden.bias
    return (
        layer.hidden.weight.detach().numpy(),
        np.zeros(layer.hidden.out_features) if bias is None else bias.detach().numpy(),
        layer.output.weight.detach().numpy(),
        None if skip is None else skip.weight.detach().numpy(),
        0.0 if skip is None else skip.bias.detach().numpy(),
    )


@pytest.mark.parametrize("bias", ["free", "penalized", "none"])
@pytest.mark.parametrize("skip", [True, False])
def test_function_and_penalty_are_what_the_theorem_says(bias, skip):
    module = mlp.variation_network(
        4, [3, 5, 2], neurons=[7, 6, 8], bias=bias, skip=skip, start=1.0, seed=0
    )
    X = np.random.default_rng(0).standard_normal((9, 4))
    values, penalty, path = X, 0.0, 0.0
    for layer in module.layers:
        W, b, V, C, c0 = arrays(layer)
        after = np.maximum(values @ W.T + b, 0.0) @ V.T
        lengths = (W**2).sum(axis=1) + (b**2 if bias == "penalized" else 0.0)
        size = np.abs(V).sum(axis=0)
        penalty += lengths.sum() + (size**2).sum()
        path += 2.0 * np.sqrt(lengths) @ size
        if C is not None:
            after = after + values @ C.T + c0
            penalty, path = penalty + np.abs(C).sum(), path + np.abs(C).sum()
        values = after
    np.testing.assert_allclose(module(torch.tensor(X)).detach().numpy(), values, atol=1e-10)
    assert module.penalty().item() == pytest.approx(penalty, rel=1e-12)
    assert module.path_cost().item() == pytest.approx(path, rel=1e-12)
    assert path < penalty
    norm = sum(float((p.detach() ** 2).sum()) for p in module.parameters())
    assert module.squared_norm().item() == pytest.approx(norm, rel=1e-12)
    module.rebalance()
    assert module.penalty().item() == pytest.approx(path, rel=1e-12)
    np.testing.assert_allclose(module(torch.tensor(X)).detach().numpy(), values, atol=1e-10)


def test_weights_between_relus_have_the_functional_rank():
    module = mlp.variation_network(4, [3, 1], neurons=20, start=1.0, seed=1)
    (between,) = module.matrices_between()
    W, V = module.layers[1].hidden.weight, module.layers[0].output.weight
    np.testing.assert_allclose(between.detach().numpy(), (W @ V).detach().numpy())
    report = mlp.matrix_report(between.detach().numpy(), rank_tolerance=1e-10)
    assert report.rank == 3
    assert report.singular_values.shape == (20,)


def test_a_seed_decides_the_start_and_touches_nothing_else():
    before = torch.random.get_rng_state()
    first, again, other = (
        mlp.variation_network(2, [1], neurons=3, start=1.0, seed=s) for s in (5, 5, 6)
    )
    torch.testing.assert_close(torch.random.get_rng_state(), before)
    for a, b in zip(first.parameters(), again.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)
    assert not torch.equal(first.layers[0].hidden.weight, other.layers[0].hidden.weight)
    biggest = max(float(p.detach().abs().max()) for p in first.parameters())
    assert 0.1 < biggest <= 1.0


def test_dead_and_silent_neurons_survive_rebalancing():
    module = mlp.variation_network(2, [1], neurons=3, start=1.0, seed=0)
    with torch.no_grad():
        module.layers[0].hidden.weight[0] = 0.0
        module.layers[0].output.weight[:, 1] = 0.0
    X = torch.randn(5, 2, dtype=torch.float64)
    before = module(X).detach()
    module.rebalance()
    torch.testing.assert_close(module(X).detach(), before)
    assert all(torch.isfinite(p).all() for p in module.parameters())


def test_the_shallow_penalty_is_twice_the_total_variation():
    """(1/n) sum of squares + a penalty = (2/n)(1/2 sum of squares + n a TV), so certify decides."""
    rng = np.random.default_rng(2)
    X, y, a = rng.standard_normal((12, 2)), rng.standard_normal(12), 0.02
    module = mlp.variation_network(2, [1], neurons=40, bias="penalized", skip=False, seed=0)
    inputs, targets = torch.tensor(X), torch.tensor(y)[:, None]
    optimiser = torch.optim.Adam(module.parameters(), lr=3e-3)
    for _ in range(400):
        optimiser.zero_grad()
        objective = (module(inputs) - targets).square().mean() + a * module.penalty()
        objective.backward()
        optimiser.step()
    module.rebalance()
    lam = mlp.lam_from_weight_decay(a, n=12, loss="mean", penalty="squares")
    problem = mlp.MeasureProblem(X, y, lam=lam)
    error = (module(inputs) - targets).square().mean() + a * module.penalty()
    certificate = mlp.certify(problem, module)
    assert 2.0 / 12 * certificate.primal_value == pytest.approx(error.item(), rel=1e-9)
    floor = 2.0 / 12 * mlp.solve(problem).certificate.dual_value
    assert floor <= error.item()


def test_what_is_refused():
    for options in (
        {"inputs": 0, "widths": [1], "neurons": 2}, {"inputs": 1, "widths": [], "neurons": 2},
        {"inputs": 1, "widths": [1], "neurons": [2, 3]}, {"inputs": 1, "widths": [1.5], "neurons": 2},
        {"inputs": 1, "widths": [1], "neurons": 2, "bias": "some"},
        {"inputs": 1, "widths": [1], "neurons": 2, "start": -1.0},
    ):  # fmt: skip
        with pytest.raises(InvalidProblem):
            mlp.variation_network(options.pop("inputs"), options.pop("widths"), **options)
    with pytest.raises(InvalidProblem, match="threshold"):
        mlp.matrix_report([[1.0]], threshold=float("nan"))


def test_matrix_report_by_hand():
    A = np.diag([1.0, 1e-2, 5e-4, 0.0])
    report = mlp.matrix_report(A)
    assert report.density == 2 / 16
    assert report.rank == 2
    np.testing.assert_allclose(report.singular_values, [1.0, 1e-2, 5e-4, 0.0])
    assert mlp.matrix_report(np.zeros((2, 3))).rank == 0
