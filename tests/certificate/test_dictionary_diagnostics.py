"""Coherence, isometry, null space and least dual vectors against definitions tried one by one."""

import itertools

import cvxpy as cp
import numpy as np
import pytest
from scipy.optimize import linprog

import measurelp as mlp
from measurelp.certificate.least_dual import least_dual
from measurelp.certificate.null_space import null_space_constants
from measurelp.dictionary.coherence import coherence, restricted_isometry, unit_columns, welch_bound
from measurelp.errors import InvalidProblem


def gaussian(seed, n, m):
    return np.random.default_rng(seed).standard_normal((n, m))


def relu_dictionary(seed, n, d):
    X = gaussian(seed, n, d)
    return mlp.Dictionary(X, mlp.enumerate_cells(X, witness=True).witnesses).to_dense()


# ---- coherence and isometry ---------------------------------------------------------------------------


@pytest.mark.parametrize("m", [3, 5, 8])
def test_frames_of_equal_angles_meet_the_welch_bound(m):
    # A regular simplex: m vectors in m - 1 dimensions with inner products -1 / (m - 1).
    simplex = np.linalg.svd(np.eye(m) - 1.0 / m)[2][: m - 1]
    found = mlp.dictionary_diagnostics(simplex * np.linspace(1.0, 3.0, m))
    assert found.coherence == pytest.approx(1.0 / (m - 1), rel=1e-12)
    assert found.welch == pytest.approx(found.coherence, rel=1e-12)
    assert found.coherence_sparsity == (m - 1) // 2  # s < m / 2


def test_orthonormal_columns_have_no_coherence():
    found = mlp.dictionary_diagnostics(2.0 * np.eye(4))
    assert found.coherence == found.welch == 0.0 and found.coherence_sparsity == 4
    assert [one.upper for one in found.isometry] == pytest.approx([0.0] * 3, abs=1e-14)
    assert all(one.holds and one.upper == 0.0 for one in found.null_space)


@pytest.mark.parametrize("seed", range(3))
def test_coherence_by_pairs(seed):
    A = unit_columns(gaussian(seed, 4, 9))
    found = coherence(A, most=4)
    inner = {(i, j): abs(A[:, i] @ A[:, j]) for i, j in itertools.combinations(range(9), 2)}
    assert found.value == pytest.approx(max(inner.values())) == inner[found.pair]
    sums = [
        max(sum(sorted((abs(A[:, i] @ A[:, j]) for j in range(9) if j != i), reverse=True)[:p])
            for i in range(9)) for p in range(1, 5)
    ]  # fmt: skip
    np.testing.assert_allclose(found.cumulative, sums)
    assert welch_bound(4, 9) <= found.value


def isometry_by_definition(A, order):
    worst = 0.0
    for support in itertools.combinations(range(A.shape[1]), order):
        part = A[:, support]
        worst = max(worst, np.linalg.norm(part.T @ part - np.eye(order), 2))
    return worst


@pytest.mark.parametrize("make", [lambda: gaussian(0, 5, 9), lambda: relu_dictionary(1, 5, 2)])
@pytest.mark.parametrize("max_supports", [100_000, 10])
def test_isometry_is_exact_or_bracketed(make, max_supports):
    A = make()
    A = unit_columns(A[:, np.any(A > 0.0, axis=0)])
    previous = 0.0
    for one in restricted_isometry(A, (1, 2, 3, 4), max_supports=max_supports):
        true = isometry_by_definition(A, one.order)
        assert one.lower - 1e-12 <= true <= one.upper + 1e-12
        assert one.is_exact == (one.order <= 2 or max_supports > 10)
        assert one.lower >= previous
        previous = one.lower


# ---- null space --------------------------------------------------------------------------------------


def share_by_linear_programs(A, order):
    """max |z_S|_1 over Az = 0, |z|_1 <= 1, |S| = order: one program a support and sign pattern."""
    n, m = A.shape
    best = 0.0
    for support in itertools.combinations(range(m), order):
        for signs in itertools.product((1.0, -1.0), repeat=order):
            cost = np.zeros(m)
            cost[list(support)] = signs
            answer = linprog(
                np.append(-cost, cost), A_eq=np.hstack([A, -A]), b_eq=np.zeros(n),
                A_ub=np.ones((1, 2 * m)), b_ub=[1.0],
            )  # fmt: skip
            best = max(best, -answer.fun)
    return best


MATRICES = [gaussian(0, 4, 6), gaussian(1, 5, 7), gaussian(2, 2, 5), relu_dictionary(3, 3, 2)]


@pytest.mark.parametrize("A", MATRICES, ids=["4x6", "5x7", "2x5", "relu"])
def test_null_space_constants_against_all_programs(A):
    A = A[:, np.any(A != 0.0, axis=0)]
    exact, how = null_space_constants(A, (1, 2))
    rough, other = null_space_constants(A, (1, 2), max_supports=0)
    poor, last = null_space_constants(A, (1, 2), max_supports=0, max_programs=0)
    assert (how, other, last) == ("all circuits", "linear programs", "kernel vectors")
    for order, one, two, three in zip((1, 2), exact, rough, poor, strict=True):
        share = share_by_linear_programs(A, order)
        gamma = share / (1.0 - share) if share < 1.0 - 1e-9 else np.inf
        assert one.lower == one.upper == pytest.approx(gamma, rel=1e-7)
        assert two.lower <= gamma * (1 + 1e-7) and gamma <= two.upper * (1 + 1e-7)
        assert three.lower <= gamma * (1 + 1e-7) and three.upper == np.inf
        if order == 1:  # linear programs decide single columns
            assert two.lower == pytest.approx(two.upper, rel=1e-6) == pytest.approx(gamma, rel=1e-6)


@pytest.mark.parametrize("A", MATRICES[:3], ids=["4x6", "5x7", "2x5"])
def test_the_property_is_recovery_of_all_sparse_vectors(A):
    m = A.shape[1]
    for one in null_space_constants(A, (1, 2))[0]:
        recovered = True
        for support in itertools.combinations(range(m), one.order):
            for signs in itertools.product((1.0, -1.0), repeat=one.order):
                z = np.zeros(m)
                z[list(support)] = np.array(signs) * np.linspace(1.0, 1.3, one.order)
                answer = linprog(np.ones(2 * m), A_eq=np.hstack([A, -A]), b_eq=A @ z)
                recovered &= np.abs(answer.x[:m] - answer.x[m:] - z).max() < 1e-7
        if one.holds:
            assert recovered
        # Where it fails, some sign pattern on some support is not recovered, whatever its sizes.
        if one.lower > 1.01:
            assert not recovered


def test_equal_columns_are_never_told_apart():
    A = np.hstack([np.eye(3), np.eye(3)[:, :1]])
    found = mlp.dictionary_diagnostics(A)
    assert found.coherence == 1.0 and found.coherence_sparsity == 0
    assert [one.holds for one in found.null_space] == [False, False, False]
    assert found.null_space[0].lower == pytest.approx(1.0) and found.null_space[1].lower == np.inf
    rough = null_space_constants(A, (1,), max_supports=0)[0][0]
    assert rough.holds is False


# ---- least dual vectors ----------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:Solution may be inaccurate")
@pytest.mark.parametrize("seed", range(6))
def test_least_dual_against_a_quadratic_program(seed):
    A = gaussian(seed, 6, 15) if seed < 4 else relu_dictionary(seed, 7, 2)
    n, m = A.shape
    z = np.zeros(m)
    z[:3] = [1.0, -2.0, 0.5]
    y = A @ (z if seed % 2 else np.random.default_rng(seed).standard_normal(m))
    found = least_dual(A, y)
    q = cp.Variable(n)
    limits = [cp.norm_inf(A.T @ q) <= 1]
    options = {"solver": "CLARABEL", "tol_gap_abs": 1e-11, "tol_gap_rel": 1e-11, "tol_feas": 1e-11}
    best = cp.Problem(cp.Maximize(y @ q), limits)
    best.solve(**options)
    assert found.value == pytest.approx(best.value, rel=1e-7) == np.abs(found.masses).sum()
    np.testing.assert_allclose(A @ found.masses, y, atol=1e-8)
    near = cp.Problem(cp.Minimize(cp.sum_squares(q)), [*limits, y @ q >= best.value * (1 - 1e-9)])
    near.solve(**options)
    assert found.norm == pytest.approx(np.linalg.norm(q.value), rel=1e-4)
    np.testing.assert_allclose(found.dual, q.value, atol=3e-3 * found.norm)
    assert np.abs(A.T @ found.dual).max() <= 1.0 + 1e-8 and abs(found.gap) < 1e-8
    off = np.abs(A.T @ found.dual)[found.masses == 0.0]
    assert found.slack == pytest.approx(max(0.0, 1.0 - off.max()), abs=1e-12)


def test_the_lasso_residual_tends_to_the_least_dual():
    """Of the lasso with a small lam the residual over lam *is* it: projection on a polytope."""
    A, y = gaussian(1, 5, 12), gaussian(9, 5, 1)[:, 0]
    lam, q = 1e-3, cp.Variable(5)
    cp.Problem(
        cp.Maximize(y @ q - 0.5 * lam * cp.sum_squares(q)), [cp.norm_inf(A.T @ q) <= 1]
    ).solve(solver="CLARABEL")  # fmt: skip
    np.testing.assert_allclose(least_dual(A, y).dual, q.value, atol=1e-6)


def test_targets_out_of_reach():
    assert least_dual(np.array([[1.0], [0.0]]), np.array([0.0, 1.0])) is None
    zero = least_dual(np.eye(2), np.zeros(2))
    assert zero.value == zero.norm == 0.0


# ---- all together -------------------------------------------------------------------------------------------


def test_cells_solutions_and_dictionaries():
    X = gaussian(0, 8, 2)
    cells = mlp.enumerate_cells(X, witness=True)
    found = mlp.dictionary_diagnostics(cells)
    by_hand = mlp.dictionary_diagnostics(
        mlp.Dictionary(X, cells.witnesses / np.linalg.norm(cells.witnesses, axis=1)[:, None])
    )
    np.testing.assert_array_equal(found.matrix, by_hand.matrix)
    assert found.rank == by_hand.rank <= 8 and found.matrix.shape[1] + found.zero_columns == 16
    assert found.coherence > 0.8
    y = gaussian(1, 8, 1)[:, 0]
    for bias, skip in (("none", "none"), ("penalized", "constant")):
        solution = mlp.solve(mlp.MeasureProblem(X, y, lam=0.3, bias=bias, skip=skip), tol_gap=1e-9)
        of_atoms = mlp.dictionary_diagnostics(solution)
        k = len(solution.measure)
        assert of_atoms.matrix.shape == (8, k)
        assert all(one.holds for one in of_atoms.null_space)
        assert of_atoms.dual.value == pytest.approx(solution.measure.total_variation, rel=1e-8)
        features = solution.problem.features(solution.measure.atoms)
        np.testing.assert_allclose(
            features.T @ of_atoms.dual.dual, np.sign(solution.measure.masses), atol=1e-8
        )
        if skip == "constant":
            assert abs(of_atoms.dual.dual.sum()) < 1e-9
    table = of_atoms.table()
    for words in ("coherence", "Welch", "isometry", "null space", "dual"):
        assert words in table
    assert "DictionaryDiagnostics" in repr(of_atoms)


def test_solutions_with_several_outputs_have_no_target_of_their_own():
    X, Y = gaussian(0, 6, 2), gaussian(1, 6, 2)
    found = mlp.dictionary_diagnostics(mlp.solve(mlp.MeasureProblem(X, Y, lam=2.0)))
    assert found.dual is None and found.rank >= 1


def test_corners():
    nothing = mlp.dictionary_diagnostics(np.zeros((2, 3)))
    assert nothing.zero_columns == 3 and nothing.rank == 0 and np.isnan(nothing.coherence)
    assert "columns" in nothing.table()
    single = mlp.dictionary_diagnostics([[1.0], [2.0]], target=[2.0, 4.0])
    assert np.isnan(single.coherence) and [one.order for one in single.isometry] == [1]
    assert single.dual.value == pytest.approx(2.0) and single.dual.norm == pytest.approx(5**-0.5)


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_units_do_not_matter(scale):
    A = gaussian(0, 4, 6)
    plain = mlp.dictionary_diagnostics(A, target=A.sum(axis=1))
    scaled = mlp.dictionary_diagnostics(scale * A, target=A.sum(axis=1))
    assert scaled.coherence == pytest.approx(plain.coherence)
    for name in ("isometry", "null_space"):
        for one, other in zip(getattr(plain, name), getattr(scaled, name), strict=True):
            assert (one.lower, one.upper) == pytest.approx((other.lower, other.upper))
    assert scaled.dual.value * scale == pytest.approx(plain.dual.value)
    assert scaled.dual.norm * scale == pytest.approx(plain.dual.norm)


def test_many_columns_are_bracketed_and_say_so():
    A = gaussian(3, 10, 60)
    found = mlp.dictionary_diagnostics(A, orders=(1, 2, 3, 5), max_supports=2000)
    assert [one.is_exact for one in found.isometry] == [True, True, False, False]
    assert found.method == "linear programs"
    assert all(one.lower <= one.upper for one in (*found.isometry, *found.null_space))
    assert "in [" in found.table()


@pytest.mark.parametrize(("source", "options", "words"), [
    ([[np.nan]], {}, "source"), ([1.0, 2.0], {}, "source"), ("matrix", {}, "source"),
    (np.eye(2), {"orders": ()}, "orders"), (np.eye(2), {"orders": (0,)}, "orders"),
    (np.eye(2), {"orders": [1]}, "orders"), (np.eye(2), {"target": [1.0]}, "target"),
    (np.eye(2), {"target": [1.0, np.inf]}, "target"),
    (np.eye(2), {"max_supports": -1}, "max_supports"), (np.eye(2), {"max_programs": 0.5}, "max_p"),
])  # fmt: skip
def test_refusals(source, options, words):
    with pytest.raises(InvalidProblem, match=words):
        mlp.dictionary_diagnostics(source, **options)
    with pytest.raises(InvalidProblem, match="witness"):
        mlp.dictionary_diagnostics(mlp.enumerate_cells(np.eye(2)))
