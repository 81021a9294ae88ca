r"""The program over a few cells: values, the way back, strong duality, scaling, compression."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from measurelp.backends import ClarabelBackend, HighsBackend
from measurelp.errors import InvalidProblem
from measurelp.problem import Interpolation, Squared
from measurelp.program import restricted_program
from measurelp.status import PointKind, Termination

SOLVE = ClarabelBackend().solve


def _instance(n, r, n_cells, *, seed=0, p=0):
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((n, r))
    directions = rng.standard_normal((n_cells, r))
    patterns = directions @ rows.T > 0
    signs = rng.choice([-1.0, 1.0], n_cells)
    return rng, rows, directions, patterns, signs, rng.standard_normal((n, p))


def _variation(weights, n_penalized):
    return float(np.linalg.norm(weights[:, :n_penalized], axis=1).sum())


def _dual_function_sup(rows, pattern, sign, alpha, walls, n_penalized):
    """max of sign * sum_{i active} alpha_i <x_i, u> on the cell's imposed walls and the ball."""
    import cvxpy as cp

    u = cp.Variable(rows.shape[1])
    side = np.where(pattern, 1.0, -1.0)[walls]
    constraints = [cp.norm(u[:n_penalized]) <= 1]
    if len(walls):
        constraints.append(cp.multiply(side, rows[walls] @ u) >= 0)
    gain = sign * (alpha * pattern) @ rows
    return float(cp.Problem(cp.Maximize(gain @ u), constraints).solve(solver="CLARABEL"))


@pytest.mark.parametrize(("n", "p"), [(6, 0), (6, 2), (80, 0), (80, 2)])
def test_squared_primal_and_dual_values_meet(n, p):
    """n = 80 goes through the QR compression, n = 6 does not."""
    rng, rows, _, patterns, signs, skip = _instance(n, 3, 5, p=p)
    y = rng.standard_normal(n)
    walls = [np.arange(n)] * 5
    program, lift = restricted_program(
        rows, patterns, signs, walls, y=y, lam=0.7, loss=Squared(),
        skip_columns=skip, n_penalized=3,
    )  # fmt: skip
    report = SOLVE(program)
    assert report.kind is PointKind.OPTIMAL
    weights, alpha = lift.weights(report.x), lift.dual(report)
    by_hand = sum(
        s * np.where(d, rows @ u, 0.0) for s, d, u in zip(signs, patterns, weights, strict=True)
    )
    np.testing.assert_allclose(lift.fit(report.x), by_hand + skip @ lift.skip(report.x), atol=1e-12)
    primal = 0.5 * np.sum((lift.fit(report.x) - y) ** 2) + 0.7 * _variation(weights, 3)
    assert lift.objective(report.objective) == pytest.approx(primal, rel=1e-8)
    assert alpha @ y - 0.5 * alpha @ alpha == pytest.approx(primal, rel=1e-7)
    np.testing.assert_allclose(skip.T @ alpha, 0.0, atol=1e-7)
    for k in range(5):
        sup = _dual_function_sup(rows, patterns[k], signs[k], alpha, walls[k], 3)
        assert sup <= 0.7 * (1 + 1e-6)


@pytest.mark.parametrize(("n", "p"), [(5, 0), (5, 1), (40, 0), (40, 1)])
def test_interpolation_multiplier_has_the_sign_of_the_stated_dual(n, p):
    """max <q, y> s.t. |sum_i q_i <x_i, w>_+| <= |w|, n = 40 > 3 * 6 + p goes through the basis."""
    rng, rows, directions, patterns, signs, skip = _instance(n, 3, 6, p=p, seed=3)
    true = directions * rng.random((6, 1))
    y = ((rows @ (true * signs[:, None]).T) * patterns.T).sum(axis=1) + skip @ np.ones(p)
    walls = [np.arange(n)] * 6
    program, lift = restricted_program(
        rows, patterns, signs, walls, y=y, lam=1.0, loss=Interpolation(),
        skip_columns=skip, n_penalized=3,
    )  # fmt: skip
    report = SOLVE(program)
    weights, q = lift.weights(report.x), lift.dual(report)
    np.testing.assert_allclose(lift.fit(report.x), y, atol=1e-8)
    assert _variation(weights, 3) == pytest.approx(lift.objective(report.objective), rel=1e-8)
    assert q @ y == pytest.approx(_variation(weights, 3), rel=1e-7)
    np.testing.assert_allclose(skip.T @ q, 0.0, atol=1e-8)
    for k in range(6):
        assert _dual_function_sup(rows, patterns[k], signs[k], q, walls[k], 3) <= 1 + 1e-6


def test_one_point_needs_its_target_over_its_length():
    """|y| / |x| = 2/5 at x = (3, 4), and the multiplier is 1/|x|."""
    program, lift = restricted_program(
        np.array([[3.0, 4.0]]), np.array([[True]]), np.array([1.0]), [np.array([0])],
        y=np.array([2.0]), lam=1.0, loss=Interpolation(), skip_columns=np.zeros((1, 0)),
        n_penalized=2,
    )  # fmt: skip
    report = SOLVE(program)
    assert lift.objective(report.objective) == pytest.approx(0.4, abs=1e-9)
    np.testing.assert_allclose(lift.weights(report.x), [[0.24, 0.32]], atol=1e-9)
    np.testing.assert_allclose(lift.dual(report), [0.2], atol=1e-9)


def test_repeated_and_zero_rows_are_compressed_away():
    rows = np.array([[1.0, 2.0], [1.0, 2.0], [-1.0, 1.0], [0.0, 0.0]])
    patterns = np.array([[True, True, True, False]])
    kw = {"lam": 1.0, "loss": Interpolation(), "skip_columns": np.zeros((4, 0)), "n_penalized": 2}
    y = np.array([1.0, 1.0, 2.0, 0.0])
    program, lift = restricted_program(rows, patterns, np.ones(1), [np.arange(4)], y=y, **kw)
    assert program.zero == 2
    report = SOLVE(program)
    # <(1,2),u> = 1 and <(-1,1),u> = 2 have the solution u = (-1, 1).
    np.testing.assert_allclose(lift.weights(report.x), [[-1.0, 1.0]], atol=1e-9)
    assert lift.dual(report).shape == (4,)


@pytest.mark.parametrize("y", [[1.0, 5.0, 2.0, 0.0], [1.0, 1.0, 2.0, 3.0]])
def test_contradictory_targets_come_back_as_a_direction_that_proves_it(y):
    rows = np.array([[1.0, 2.0], [1.0, 2.0], [-1.0, 1.0], [0.0, 0.0]])
    patterns = np.array([[True, True, True, False]])
    y = np.array(y)
    program, lift = restricted_program(
        rows, patterns, np.ones(1), [np.arange(4)], y=y, lam=1.0, loss=Interpolation(),
        skip_columns=np.zeros((4, 0)), n_penalized=2,
    )  # fmt: skip
    report = SOLVE(program)
    assert report.termination is Termination.INFEASIBLE
    q = lift.dual(report)
    assert q @ y > 0
    # On the cell <x_1, u> = <x_2, u> >= 0 and <x_3, u> >= 0, where q gains nothing.
    assert max(q[0] + q[1], q[2]) <= 1e-8 * np.linalg.norm(q)


def test_a_cell_that_cannot_reach_the_targets_gives_a_direction_to_price_with():
    """One negative target and only a positive unit: no cell of the program gains along q."""
    rows = np.eye(2)
    program, lift = restricted_program(
        rows, np.ones((1, 2), dtype=bool), np.ones(1), [np.arange(2)], y=np.array([1.0, -1.0]),
        lam=1.0, loss=Interpolation(), skip_columns=np.zeros((2, 0)), n_penalized=2,
    )  # fmt: skip
    report = SOLVE(program)
    assert report.kind is PointKind.INFEASIBILITY_PROOF
    q = lift.dual(report)
    assert q @ np.array([1.0, -1.0]) > 0
    assert max(q) <= 1e-8 * np.abs(q).max()  # sup over the cell u >= 0


def test_one_penalised_entry_keeps_the_program_linear():
    rng, rows, _, patterns, signs, skip = _instance(12, 2, 4, p=1, seed=5)
    y = rng.standard_normal(12)
    kw = {"y": y, "lam": 0.3, "loss": Squared(), "skip_columns": skip, "n_penalized": 1}
    program, lift = restricted_program(rows, patterns, signs, [np.arange(12)] * 4, **kw)
    assert not program.has_cones
    values = [
        lift.objective(backend.solve(program).objective)
        for backend in (ClarabelBackend(), HighsBackend())
    ]
    assert values[0] == pytest.approx(values[1], rel=1e-8)


@settings(deadline=None, max_examples=15)
@given(
    seed=st.integers(0, 10_000),
    data=st.sampled_from([1e-4, 1.0, 1e5]),
    targets=st.sampled_from([1e-5, 1.0, 1e4]),
)
def test_units_of_data_and_targets_do_not_matter(seed, data, targets):
    r"""X -> aX, y -> by, lam -> ab lam multiplies the weights by b/a."""
    rng, rows, _, patterns, signs, skip = _instance(30, 3, 4, seed=seed)
    y = rng.standard_normal(30)
    kw = {"loss": Squared(), "skip_columns": skip, "n_penalized": 3}
    walls = [np.arange(10)] * 4

    def solved(a, b):
        program, lift = restricted_program(
            a * rows, patterns, signs, walls, y=b * y, lam=a * b * 0.5, **kw
        )
        report = SOLVE(program)
        value = lift.objective(report.objective) / b**2
        return value, lift.fit(report.x) / b, lift.weights(report.x) * a / b

    for found, expected, atol in zip(
        solved(data, targets), solved(1.0, 1.0), (1e-8, 1e-5, 1e-4), strict=True
    ):
        np.testing.assert_allclose(found, expected, atol=atol)


def test_compression_keeps_accuracy_at_small_lam():
    """The value at n > Kr (compressed) equals that with two zero rows a column (not compressed)."""
    rng, rows, _, patterns, signs, _ = _instance(200, 4, 6, seed=2)
    y = rng.standard_normal(200)
    kw = {"lam": 1e-5, "loss": Squared(), "n_penalized": 4}
    none = [np.zeros(0, dtype=int)] * 6
    program, lift = restricted_program(
        rows, patterns, signs, none, y=y, skip_columns=np.zeros((200, 0)), **kw
    )
    assert program.zero == 24
    report = SOLVE(program)
    wide = np.hstack([s * d[:, None] * rows for s, d in zip(signs, patterns, strict=True)])
    least = np.linalg.lstsq(wide, y, rcond=None)[0]
    np.testing.assert_allclose(lift.weights(report.x).ravel(), least, atol=1e-4)
    weights = lift.weights(report.x)
    gradient = wide.T @ lift.dual(report)
    expected = 1e-5 * (weights / np.linalg.norm(weights, axis=1, keepdims=True)).ravel()
    np.testing.assert_allclose(gradient, expected, rtol=1e-3)


def test_many_rows_are_taken_in_blocks():
    rng, rows, _, patterns, signs, _ = _instance(40_000, 2, 3, seed=4)
    y = rng.standard_normal(40_000)
    program, lift = restricted_program(
        rows, patterns, signs, [np.arange(5)] * 3, y=y, lam=10.0, loss=Squared(),
        skip_columns=np.ones((40_000, 1)), n_penalized=2,
    )  # fmt: skip
    assert program.n_rows < 60
    report = SOLVE(program)
    alpha = lift.dual(report)
    primal = 0.5 * alpha @ alpha + 10.0 * _variation(lift.weights(report.x), 2)
    assert alpha @ y - 0.5 * alpha @ alpha == pytest.approx(primal, rel=1e-9)
    assert lift.objective(report.objective) == pytest.approx(primal, rel=1e-9)


def test_only_skip_columns_is_least_squares():
    rng = np.random.default_rng(1)
    y, skip = rng.standard_normal(9), np.hstack([rng.standard_normal((9, 2)), np.ones((9, 1))])
    program, lift = restricted_program(
        rng.standard_normal((9, 2)), np.zeros((0, 9), dtype=bool), np.zeros(0), [], y=y, lam=1.0,
        loss=Squared(), skip_columns=skip, n_penalized=2,
    )  # fmt: skip
    report = SOLVE(program)
    np.testing.assert_allclose(
        lift.skip(report.x), np.linalg.lstsq(skip, y, rcond=None)[0], atol=1e-8
    )
    assert lift.weights(report.x).shape == (0, 2)


def test_nothing_to_optimise_is_refused():
    kw = {"y": np.ones(2), "lam": 1.0, "skip_columns": np.zeros((2, 0)), "n_penalized": 2}
    nothing = (np.eye(2), np.zeros((0, 2), dtype=bool), np.zeros(0), [])
    with pytest.raises(InvalidProblem, match="at least one"):
        restricted_program(*nothing, loss=Squared(), **kw)


def test_targets_of_zero_need_no_weights():
    program, lift = restricted_program(
        np.eye(2), np.ones((1, 2), bool), np.ones(1), [np.arange(2)], y=np.zeros(2), lam=1.0,
        loss=Squared(), skip_columns=np.zeros((2, 0)), n_penalized=2,
    )  # fmt: skip
    np.testing.assert_allclose(lift.weights(SOLVE(program).x), 0.0, atol=1e-8)
