"""Counts that theory or an independent program gives."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations
from math import factorial

import numpy as np
import pytest

from measurelp.arrangement import Arrangement, count_cells, enumerate_cells

from . import reference as ref


def distinct_count(X, **options) -> int:
    """Enumerate and check on the way that no cell is listed twice and that counting agrees."""
    cells = enumerate_cells(X, **options)
    assert len(np.unique(cells.packed, axis=0)) == cells.n_half
    options.pop("witness", None)
    assert count_cells(X, **options) == len(cells)
    return len(cells)


@pytest.mark.parametrize(
    ("n", "d"),
    [(1, 1), (5, 1), (1, 2), (2, 2), (7, 2), (65, 2), (2, 3), (3, 3), (30, 3), (64, 3), (129, 3), (3, 4), (4, 4), (40, 4),
     (200, 3), (5, 7), (20, 5), (33, 5), (14, 6), (12, 8), (11, 10)],
)  # fmt: skip
def test_general_position(n, d):
    X = np.random.default_rng(n * 100 + d).standard_normal((n, d))
    expected = 2 * 1 if d == 1 else ref.general_position_count(n, d)
    ref.assert_count(distinct_count(X), expected)
    assert Arrangement.from_data(X).bound_cells() == expected


@pytest.mark.parametrize("d", [1, 2, 3, 4, 5, 6])
def test_resonance(d):
    ref.assert_count(distinct_count(ref.resonance(d)), ref.RESONANCE[d])


@pytest.mark.parametrize("k", [1, 2, 3, 4, 5])
def test_threshold_functions(k):
    ref.assert_count(distinct_count(ref.grid((0, 1), k)), ref.THRESHOLD[k])


@pytest.mark.slow
def test_threshold_functions_of_six_inputs():
    cells = enumerate_cells(ref.grid((0, 1), 6))
    ref.assert_count(len(cells), ref.THRESHOLD[6])
    words = np.sort(cells.packed[:, 0])
    assert (words[1:] != words[:-1]).all()


@pytest.mark.parametrize("n", [3, 4, 5, 6, 7])
def test_braid(n):
    ref.assert_count(distinct_count(ref.braid(n)), factorial(n))


@pytest.mark.parametrize("n", [2, 3, 4, 5])
def test_type_b(n):
    ref.assert_count(distinct_count(ref.type_b(n)), ref.type_b_count(n))


@pytest.mark.parametrize(("k", "expected"), [(2, 14), (3, 58), (5, 402)])
def test_planar_grids(k, expected):
    ref.assert_count(distinct_count(ref.grid(range(k), 2)), expected)


@pytest.mark.parametrize(("k", "expected"), [(2, 104), (3, 2702), (4, 35516)])
def test_cubic_grids(k, expected):
    ref.assert_count(distinct_count(ref.grid(np.arange(k) / 10, 3)), expected)


def test_grid_of_half_steps_in_four_dimensions():
    ref.assert_count(distinct_count(ref.grid((0, 0.5, 1), 4)), 797682)


def planar_count(points) -> int:
    """Exact count for affine functions of the plane: twice ``1 + sum_v (m_v - 1)`` over the intersection lines v."""
    rows = [(Fraction(x), Fraction(y)) for x, y in points]
    members: dict[tuple, set[int]] = {}
    for i, j in combinations(range(len(rows)), 2):
        (a, b), (c, d) = rows[i], rows[j]
        u, v, w = b - d, c - a, a * d - b * c
        head = u if u else v
        members.setdefault((u / head, v / head, w / head), set()).update((i, j))
    return 2 * (1 + sum(len(m) - 1 for m in members.values()))


@pytest.mark.parametrize(
    ("values", "numbers", "expected"),
    [
        (np.arange(11) / 10, "decimal", 8986),
        (np.arange(11) * 0.1, "decimal", 8986),
        (np.linspace(0, 1, 11), "decimal", 8986),
        (np.arange(11) / 10, "binary", 11892),
        (np.arange(11) * 0.1, "binary", 11804),
        (np.linspace(0, 1, 11), "binary", 11804),
    ],
)
def test_steps_of_a_tenth_decimal_and_binary(values, numbers, expected):
    """3 * 0.1 prints as 0.30000000000000004; noise of arithmetic is no reason to leave the grid of decimals."""
    X = ref.grid(values, 2)
    ref.assert_count(distinct_count(X, numbers=numbers), expected)
    tenths = [Fraction(round(10 * v), 10) for v in values]
    read = dict(zip(values.tolist(), tenths, strict=True)) if numbers == "decimal" else {}
    exact = [[read.get(v, Fraction(v)) for v in row[:2]] for row in X.tolist()]
    ref.assert_count(planar_count(exact), expected)


def test_noise_beyond_a_few_units_is_kept():
    """One entry that is no short decimal, and all entries of its column mean what they print as."""
    values = np.linspace(0, 1, 11)
    values[5] = 0.5 + 2.0**-50
    X = ref.grid(values, 2)
    exact = [[Fraction(repr(v)) for v in row[:2]] for row in X.tolist()]
    ref.assert_count(distinct_count(X), planar_count(exact))


def test_single_precision_is_read_by_its_own_decimals():
    X = ref.grid(np.arange(11) / 10, 2).astype(np.float32)
    ref.assert_count(distinct_count(X), 8986)


def test_duplicates_opposites_and_zero_rows():
    rng = np.random.default_rng(3)
    base = rng.standard_normal((7, 3))
    X = np.vstack([base, -base[:3], np.zeros((2, 3)), base[2:5], 4.0 * base[:2], -0.5 * base[1:2]])
    cells = enumerate_cells(X, numbers="binary")
    ref.assert_count(len(cells), ref.general_position_count(7, 3))
    signs = cells.signs
    assert (signs[:, :3] == -signs[:, 7:10]).all()
    assert (signs[:, 10:12] == 0).all()
    assert (signs[:, 2:5] == signs[:, 12:15]).all()
    assert (signs[:, :2] == signs[:, 15:17]).all()
    assert (signs[:, 1] == -signs[:, 17]).all()


@pytest.mark.parametrize("rank", [0, 1, 2, 3])
@pytest.mark.parametrize("numbers", ["decimal", "binary"])
def test_rank_deficient(rank, numbers):
    rng = np.random.default_rng(rank)
    X = (
        rng.integers(-9, 10, (8, rank)).astype(float) @ rng.integers(-9, 10, (rank, 5))
        if rank
        else np.zeros((8, 5))
    )
    facts = Arrangement.from_data(X, numbers=numbers)
    assert facts.rank == rank
    cells = enumerate_cells(facts, witness=True)
    expected = {0: 1, 1: 2}.get(rank)
    if expected is not None:
        assert len(cells) == expected
    else:
        assert ref.as_set(cells.signs) == ref.lp_cells(X)
    assert (np.sign(cells.witnesses @ X.T) == cells.signs).all()


def test_a_constant_column_and_large_offsets():
    """A bias column lets large offsets be centred exactly; the cells do not change."""
    rng = np.random.default_rng(8)
    small = rng.integers(-2, 3, (12, 2)).astype(float)
    far = small + np.array([1e9, -3e7])
    assert ref.as_set(enumerate_cells(ref.with_bias(small)).signs) == ref.as_set(
        enumerate_cells(ref.with_bias(far)).signs
    )


def test_a_wrong_count_is_noticed():
    with pytest.raises(AssertionError, match="theory says 371"):
        ref.assert_count(len(enumerate_cells(ref.resonance(4))), 371)
    with pytest.raises(AssertionError, match="listed twice"):
        ref.as_set(np.array([[1, -1], [1, -1]]))
