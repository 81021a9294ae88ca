"""Which numbers the doubles of a column stand for."""

from __future__ import annotations

from fractions import Fraction
from math import nextafter, ulp

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from measurelp.arrangement import Arrangement, enumerate_cells, sample_cells
from measurelp.arrangement._exact_numbers import exact_entry, integer_column


def read(column, numbers="decimal") -> list[Fraction]:
    """The numbers of a column; the two ways to them have to agree."""
    column = np.array(column, dtype=float)
    integers, factor, rounded = integer_column(column, numbers)
    values = [factor * v for v in integers]
    assert values == [exact_entry(v, numbers, rounded) for v in column.tolist()]
    return values


def printed(column) -> list[Fraction]:
    return [Fraction(repr(float(v))) for v in column]


def steps(value: float, k: int) -> float:
    """The k-th double above (below for negative k) a value."""
    for _ in range(abs(k)):
        value = nextafter(value, np.inf if k > 0 else -np.inf)
    return value


TENTHS = [Fraction(k, 10) for k in range(11)]


@pytest.mark.parametrize(
    "values",
    [np.linspace(0, 1, 11), np.arange(11) * 0.1, np.arange(11) / 10, np.arange(0, 1.05, 0.1)],
    ids=["linspace", "product", "quotient", "arange"],
)
def test_every_way_to_tenths_gives_tenths(values):
    assert read(values) == TENTHS
    assert read(-values) == [-v for v in TENTHS]
    assert read(values, "binary") == [Fraction(v) for v in values.tolist()]


def test_other_grids():
    assert read(np.linspace(0, 1, 101)) == [Fraction(k, 100) for k in range(101)]
    assert read(np.linspace(20, 21, 1001)) == [20 + Fraction(k, 1000) for k in range(1001)]
    assert read(np.linspace(0, 1, 11) * 300) == [300 * v for v in TENTHS]
    assert read([0.1 + 0.7, 1.1 * 1.1, 4.35 * 100]) == [
        Fraction(8, 10), Fraction(121, 100), Fraction(435)
    ]  # fmt: skip


@pytest.mark.parametrize("k", [1, 4, -1, -4])
@pytest.mark.parametrize("value", [1.5, 0.3, -0.7, 123456789.012, 1e-7, 9.99999999999, 2.0**-30])
def test_up_to_four_units_are_noise(value, k):
    short = len(repr(value).split("e")[0].replace(".", "").strip("-0")) <= 12
    near = steps(value, k)
    assert read([near, 0.25]) == [
        Fraction(repr(value)) if short else Fraction(repr(near)),
        Fraction(1, 4),
    ]
    far = steps(value, 5 if k > 0 else -5)
    assert read([far, 0.25]) == [Fraction(repr(far)), Fraction(1, 4)]


def test_nearly_one_stays_distinct_from_one():
    for value in (1 + 1e-15, 1 - 1e-15, 1 + 5 * 2.0**-52):
        assert abs(value - 1) > 4 * ulp(value)
        assert read([value, 1.0]) == [Fraction(repr(value)), 1] != [1, 1]
        facts = Arrangement.from_data([[value, 1.0], [1.0, 1.0]])
        assert facts.n_lines == 2
    assert read([1 + 4 * 2.0**-52, 1.0]) == [1, 1]


def test_one_long_decimal_keeps_the_digits_of_its_column():
    values = [0.1 + 0.2, 0.3, 1 / 3]
    assert read(values) == printed(values)
    assert read(values[:2]) == [Fraction(3, 10)] * 2


@pytest.mark.parametrize("exponent", [-300, -200, -100, -40, -25, 25, 40, 100, 200, 300])
def test_huge_and_tiny_scales(exponent):
    values = np.arange(1, 11) * 0.1 * float(f"1e{exponent}")
    assert read(values) == [v * Fraction(10) ** exponent for v in TENTHS[1:]]
    mixed = [0.1 * 3, float(f"7e{exponent}")]
    assert read(mixed) == [Fraction(3, 10), 7 * Fraction(10) ** exponent]


def test_subnormal_numbers_are_as_printed():
    """Their units in the last place are coarser than twelve digits."""
    values = [5e-324, 1e-310, 0.0]
    assert read(values) == printed(values)
    assert read([*values, 0.1 * 3]) == printed([*values, 0.1 * 3])
    largest = float(np.finfo(float).max)
    assert read([0.1 * 3, largest]) == printed([0.1 * 3, largest])


def test_zeros_of_both_signs():
    assert read([0.0, -0.0, 0.0]) == [0, 0, 0]
    assert read([-0.0, 0.1 * 3, 0.0]) == [0, Fraction(3, 10), 0]
    assert read([0.0, 1 / 3, -0.0]) == [0, *printed([1 / 3]), 0]
    facts = Arrangement.from_data([[-0.0, 1.0], [0.0, 2.0], [0.1 * 3, 0.0], [0.3, -0.0]])
    assert facts.line_of_row.tolist() == [0, 0, 1, 1]


def test_whole_numbers_are_themselves():
    values = [5e15, 5e15 + 1, 5e15 + 3, 2.0**53 - 1]
    assert read(values) == [Fraction(v) for v in values]
    assert read([1e15, 1e15 + 1, 3.0]) == [10**15, 10**15 + 1, 3]


def test_a_gaussian_column_is_not_touched():
    rng = np.random.default_rng(0)
    for scale in (1.0, 1e-9, 1e12):
        X = rng.standard_normal((200, 5)) * scale
        assert [integer_column(column, "decimal")[2] for column in X.T] == [False] * 5
        for column in X.T:
            assert read(column) == printed(column)


@settings(deadline=None, max_examples=300)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=5))
def test_any_column_is_the_short_decimals_next_to_it_or_as_printed(values):
    near = [Fraction(f"{v:.11e}") for v in values]
    if read(values) != printed(values):
        assert read(values) == near
        for v, meant in zip(values, near, strict=True):
            assert abs(Fraction(v) - meant) <= 5 * Fraction(ulp(v))


@settings(deadline=None, max_examples=300)
@given(
    st.lists(st.integers(-(10**14) + 1, 10**14 - 1), min_size=1, max_size=5), st.integers(-40, 40)
)
def test_typed_decimals_of_fourteen_digits_are_themselves(mantissas, exponent):
    values = [float(f"{m}e{exponent}") for m in mantissas]
    assert read(values) == [m * Fraction(10) ** exponent for m in mantissas]


def test_rows_and_samples_follow_the_reading():
    """A direction on the wall of the intended numbers lies in no cell, whatever the stored doubles say."""
    X = [[0.1 + 0.2, 1.0], [0.2, 1.0], [0.7, 1.0]]
    facts = Arrangement.from_data(X)
    assert facts.rounded_columns == (True, False)
    assert facts.exact_row(0) == [Fraction(3, 10), 1]
    direction = [[10.0, -3.0]]
    assert len(sample_cells(X, direction)) == 0
    assert len(sample_cells(X, direction, numbers="binary")) == 2


def test_witnesses_hold_for_the_numbers_meant():
    rng = np.random.default_rng(1)
    X = np.column_stack([rng.integers(0, 11, (25, 2)) * 0.1, np.ones(25)])
    cells = enumerate_cells(X, witness=True)
    facts = cells.arrangement
    assert facts.rounded_columns == (True, True, False)
    rows = [facts.exact_row(i) for i in range(25)]
    for signs, point in zip(cells.signs[::7], cells.witnesses[::7], strict=True):
        w = [Fraction(v) for v in point.tolist()]
        values = [sum(a * b for a, b in zip(row, w, strict=True)) for row in rows]
        assert [(v > 0) - (v < 0) for v in values] == signs.tolist()
