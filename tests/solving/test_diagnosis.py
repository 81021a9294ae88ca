"""Where a network stands: spurious, unfinished or optimal, and what each remedy alone gains."""

import itertools
import math

import numpy as np
import pytest
from oracles import brute

import measurelp as mlp
from measurelp import Standing
from measurelp.errors import InvalidProblem

from . import faults
from .training import data, torch_objective, trained


def jacot(lam=0.1):
    """Proposition 19 of Jacot et al. 2022: X = (1, -1), Y = (1, 1), mean squared error, no biases.

    Their (1/N) |f - y|^2 + lam |W|^2 is (2/N) times ours at N lam, and N = 2.
    """
    return mlp.MeasureProblem([[1.0], [-1.0]], [1.0, 1.0], lam=2.0 * lam, bias="none")


@pytest.mark.parametrize("lam", [0.1, 0.3])
@pytest.mark.parametrize("split", [(0.5, 0.5), (0.9, 0.1)])
def test_the_spurious_minimum_of_jacot_is_classified_so(lam, split):
    problem = jacot(lam)
    root = np.sqrt(np.array(split) * (1.0 - 2.0 * lam))
    network = mlp.ReluNetwork(root[:, None], output_weights=root, bias="none")
    found = mlp.diagnose(problem, network)
    assert found.standing is Standing.SPURIOUS
    assert found.certificate.verdict is mlp.Verdict.REFUTED
    assert found.is_stationary and found.is_balanced and found.imbalance < 1e-12
    assert found.rebalanced == pytest.approx(0.5 + 2 * lam - 2 * lam**2, rel=1e-12)
    assert found.within_cells == pytest.approx(found.rebalanced, rel=1e-7)
    assert found.best == pytest.approx(4 * lam - 4 * lam**2, rel=1e-6)
    percent = 100 * (1 - found.best / found.rebalanced)
    assert found.suboptimality == pytest.approx((percent, percent), abs=1e-3)
    assert (found.width, found.merged_width, found.pruned_width) == (2, 1, 1)
    assert found.merged == pytest.approx(found.rebalanced, rel=1e-12)


def test_after_ctrl_c_there_is_a_diagnosis_of_what_is_known():
    problem = jacot()
    network = mlp.ReluNetwork([[0.9], [-0.2]], output_weights=[0.9, 0.2], bias="none")
    oracle = faults.InterruptedOracle("branch_and_bound", problem, at=1, before=True)
    found = mlp.diagnose(problem, network, oracle=oracle)
    assert oracle.calls == 1
    undecided = math.isnan(found.within_cells)  # or its small program ended at once
    assert found.standing is (Standing.UNDECIDED if undecided else Standing.UNFINISHED)
    lower, upper = found.suboptimality
    assert lower <= 100 * (1 - 0.36 / found.rebalanced) <= upper


def test_with_a_neuron_on_the_other_side_training_is_only_unfinished():
    network = mlp.ReluNetwork([[0.9], [-0.2]], output_weights=[0.9, 0.2], bias="none")
    found = mlp.diagnose(jacot(), network)
    assert found.standing is Standing.UNFINISHED and not found.is_stationary
    assert found.within_cells == pytest.approx(0.36, rel=1e-7)


def test_the_zero_network_is_stationary():
    problem = jacot()
    zero = mlp.ReluNetwork(np.zeros((0, 1)), output_weights=np.zeros(0), bias="none")
    found = mlp.diagnose(problem, zero)
    assert found.standing is Standing.SPURIOUS
    assert found.rebalanced == found.within_cells == found.as_trained == 1.0
    above = mlp.diagnose(problem.with_lam(5.0), zero)
    assert above.standing is Standing.OPTIMAL and above.suboptimality[1] < 1e-9


@pytest.mark.parametrize(
    ("bias", "skip"), [("penalized", "none"), ("none", "constant"), ("free", "affine")]
)
def test_an_optimum_is_optimal_and_its_distortions_are_told_apart(bias, skip):
    X, y = data(2, 9, 2)
    problem = mlp.MeasureProblem(X, y, lam=0.3, bias=bias, skip=skip)
    solution = mlp.solve(problem, tol_gap=1e-9)
    best, network = solution.certificate.primal_value, solution.network()
    found = mlp.diagnose(problem, network)
    assert found.standing is Standing.OPTIMAL and found.is_balanced and found.is_stationary
    for value in (found.as_trained, found.rebalanced, found.merged, found.pruned,
                  found.within_cells, found.best):  # fmt: skip
        assert value == pytest.approx(best, rel=1e-6)
    # The same function with one neuron out of balance, and with each neuron twice.
    factor = np.append(3.0, np.ones(network.width - 1))
    unbalanced = mlp.ReluNetwork(
        network.hidden_weights * factor[:, None], network.hidden_bias * factor,
        output_weights=network.output_weights / factor, output_bias=network.output_bias,
        skip=network.skip, bias=bias,
    )  # fmt: skip
    found = mlp.diagnose(problem, unbalanced)
    assert found.standing is Standing.OPTIMAL and not found.is_balanced
    assert found.imbalance == pytest.approx(math.log(9.0))
    square = 0.5 * float(
        unbalanced.output_weights @ unbalanced.output_weights
        + unbalanced.neuron_norms @ unbalanced.neuron_norms
    )
    fit = unbalanced.predict(X)
    assert found.as_trained == pytest.approx(0.5 * (fit - y) @ (fit - y) + 0.3 * square, rel=1e-12)
    assert found.rebalanced == pytest.approx(best, rel=1e-6)
    twice = mlp.AtomicMeasure(
        np.vstack([solution.measure.atoms] * 2), np.tile(0.5 * solution.measure.masses, 2),
        solution.measure.skip,
    )  # fmt: skip
    found = mlp.diagnose(problem, twice)
    assert found.standing is Standing.OPTIMAL
    assert found.merged_width <= network.width < found.width == 2 * network.width
    assert found.pruned_width <= network.width


@pytest.mark.parametrize(
    ("how", "width", "steps"), [("lbfgs", 2, 400), ("adam", 40, 200), ("sgd", 10, 50)]
)
def test_trained_networks(how, width, steps):
    """Every value is the objective of a network that exists, and no remedy makes things worse."""
    torch = pytest.importorskip("torch")
    X, y = data(1, 10, 2)
    problem = mlp.MeasureProblem(X, y, lam=0.3)
    module = trained(torch, X, y, 0.3, width=width, how=how, steps=steps, seed=1)
    found = mlp.diagnose(problem, module)
    best = mlp.solve(problem).certificate
    with torch.no_grad():
        assert found.as_trained == pytest.approx(float(torch_objective(torch, module, X, y, 0.3)))
    ladder = (found.as_trained, found.rebalanced, found.merged, best.dual_value)
    assert all(more >= less * (1 - 1e-12) for more, less in itertools.pairwise(ladder))
    assert found.rebalanced >= found.pruned * (1 - 1e-12) >= best.dual_value * (1 - 1e-9)
    assert found.rebalanced >= found.within_cells >= best.dual_value * (1 - 1e-9)
    assert brute.objective_of_network(X, y, found.better, lam=0.3) == pytest.approx(
        found.best, rel=1e-9
    )
    lower, upper = found.suboptimality
    true = 100 * (1 - best.primal_value / found.rebalanced)
    assert lower - 1e-4 <= true <= upper + 1e-4 and upper - lower < 1e-3
    assert found.standing is (Standing.SPURIOUS if how == "lbfgs" else Standing.UNFINISHED)


def test_without_a_search_the_improving_neuron_is_the_better_network():
    problem = jacot()
    root = np.sqrt([0.4, 0.4])
    network = mlp.ReluNetwork(root[:, None], output_weights=root, bias="none")
    found = mlp.diagnose(problem, network, rounds=0)
    assert found.standing is Standing.SPURIOUS
    assert found.best == found.certificate.improvement.objective
    value = brute.objective_of_network(problem.X, problem.y, found.better, lam=0.2, bias="none")
    assert value == pytest.approx(found.best, rel=1e-12)
    assert found.suboptimality[0] < found.suboptimality[1]


def test_interpolants_have_no_stationarity():
    X, y = data(5, 6, 2)
    problem = mlp.MeasureProblem(X, y, loss=mlp.Interpolation())
    found = mlp.diagnose(problem, mlp.solve(problem).measure)
    assert found.standing is Standing.OPTIMAL
    assert found.is_stationary is None and math.isnan(found.within_cells)


@pytest.mark.parametrize("network", [None, "net", np.zeros(3)])
def test_what_is_no_network_is_refused(network):
    with pytest.raises(InvalidProblem, match="network"):
        mlp.diagnose(jacot(), network)


@pytest.mark.parametrize("tolerance", [0.0, -1.0, math.nan])
def test_tolerances_that_are_none_are_refused(tolerance):
    zero = mlp.ReluNetwork(np.zeros((0, 1)), output_weights=np.zeros(0), bias="none")
    with pytest.raises(InvalidProblem, match="tol_stationary"):
        mlp.diagnose(jacot(), zero, tol_stationary=tolerance)
