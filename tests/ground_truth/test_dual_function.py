"""Suprema of the dual function that are known, by every oracle that can do them."""

import itertools
import math

import numpy as np
import pytest
from oracles import brute
from scipy.optimize import lsq_linear

import measurelp as mlp
from measurelp.oracle import AngleOracle, Budget, CellOracle, ConeOracle, DualFunction
from measurelp.problem import row_space


def dual_function(X, alpha, **options):
    """The dual function of a vector, whatever the targets."""
    X = np.asarray(X, dtype=float)
    options = {"bias": "none", "lam": 1.0} | options
    problem = mlp.MeasureProblem(X, np.zeros(len(X)), **options)
    return DualFunction(problem, row_space(problem), np.asarray(alpha, dtype=float))


def oracles(rank):
    return [ConeOracle(), CellOracle()] + ([AngleOracle()] if rank <= 2 else [])


@pytest.mark.parametrize("d", [1, 2, 3, 4])
def test_ones_on_the_identity(d):
    """sqrt d, at the diagonal; the first relaxation of a tree gives (sqrt d + d) / 2 or less."""
    dual = dual_function(np.eye(d), np.ones(d))
    for oracle in oracles(d):
        report = oracle.maximise(dual, tolerance=1e-10)
        brute.assert_brackets((report.lower, report.upper), math.sqrt(d), rel=1e-12)
        assert report.upper <= report.lower * (1 + 1e-8)
        np.testing.assert_allclose(report.witness, np.full(d, d**-0.5), atol=1e-6)


def test_a_budget_of_one_node_still_bounds():
    """(|sum x_i| + sum |x_i|) / 2 = 3 bounds sup = 2; one node must give a valid bracket as well."""
    report = ConeOracle().maximise(dual_function(np.eye(4), np.ones(4)), budget=Budget(nodes=1))
    assert report.lower <= 2.0 + 1e-12 and report.upper >= 2.0


def test_three_unit_vectors_at_120_degrees():
    """The longest sum of a subset has length 1."""
    angle = 2.0 * np.pi * np.arange(3) / 3.0
    dual = dual_function(np.column_stack([np.cos(angle), np.sin(angle)]), np.ones(3))
    for oracle in oracles(2):
        report = oracle.maximise(dual)
        brute.assert_brackets((report.lower, report.upper), 1.0, rel=1e-12)


def test_one_region_with_both_signs():
    """eta = 1 at e_1 and -1 at e_2 though rows 3 and 4 are active, 1 and 2 inactive at both."""
    X = [[-1.0, 0.0], [0.0, -1.0], [2.0, 1.0], [1.0, 2.0]]
    alpha = [1.0, -1.0, 1.0, -1.0]
    dual = dual_function(X, alpha)
    for oracle in oracles(2):
        report = oracle.maximise(dual, level=0.9)
        brute.assert_brackets((report.lower, report.upper), 1.0, rel=1e-12)
        for direction, sign in (([1.0, 0.0], 1.0), ([0.0, 1.0], -1.0)):
            near = report.peaks @ direction >= 1.0 - 1e-9
            assert np.any(near & (np.sign(report.peak_values) == sign)), (oracle.name, direction)


def test_a_zonotope_inside_the_other():
    """Twice the row with weights 1 and -2: eta <= 0 everywhere, and sup |eta| = 1."""
    dual = dual_function([[1.0, 0.0], [1.0, 0.0]], [1.0, -2.0])
    for oracle in oracles(2):
        report = oracle.maximise(dual)
        brute.assert_brackets((report.lower, report.upper), 1.0, rel=1e-12)
        assert np.all(report.peak_values <= 0.0)


def zonotope_distance(towards, other):
    """max over p in Z(towards) of dist(p, Z(other)), Z(A) = sum of segments [0, a]."""
    best = 0.0
    for bits in itertools.product((0.0, 1.0), repeat=len(towards)):
        p = np.array(bits) @ towards
        distance = np.linalg.norm(p)
        if len(other):
            distance = math.sqrt(2.0 * lsq_linear(other.T, p, bounds=(0.0, 1.0), tol=1e-14).cost)
        best = max(best, distance)
    return best


@pytest.mark.parametrize("seed", range(8))
def test_hausdorff_distance_of_zonotopes(seed):
    """sup |eta| is the Hausdorff distance of sum over +-alpha_i > 0 of |alpha_i| [0, x_i]."""
    rng = np.random.default_rng(seed)
    X, alpha = rng.standard_normal((6, 3)), rng.standard_normal(6)
    pieces = np.abs(alpha)[:, None] * X
    plus, minus = pieces[alpha > 0.0], pieces[alpha < 0.0]
    expected = max(zonotope_distance(plus, minus), zonotope_distance(minus, plus))
    assert brute.supremum(X, alpha) == pytest.approx(expected, rel=1e-7)
    for oracle in oracles(3):
        report = oracle.maximise(dual_function(X, alpha))
        brute.assert_brackets((report.lower, report.upper), expected, rel=1e-7)


def test_max_cut():
    """alpha = 1 on the incidence rows of a graph: sup^2 is its largest cut, here 6 of the 4-cycle's edges twice."""
    edges = [(0, 1), (1, 2), (2, 3), (3, 0)]
    rows = np.zeros((8, 4))
    for k, (i, j) in enumerate(edges):
        rows[2 * k, [i, j]] = (1.0, -1.0)
        rows[2 * k + 1] = -rows[2 * k]
    # eta(w) = sum over edges |w_i - w_j| <= |sum_e +-(e_i - e_j)|, largest for alternating signs: |(2,-2,2,-2)|.
    dual = dual_function(rows, np.ones(8))
    for oracle in oracles(4):
        report = oracle.maximise(dual)
        brute.assert_brackets((report.lower, report.upper), 4.0, rel=1e-9)
