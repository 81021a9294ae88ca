"""The public face: input errors, budgets, `Cells`, witnesses, samples."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from measurelp.arrangement import (
    Arrangement,
    count_cells,
    enumerate_cells,
    iter_cells,
    sample_cells,
)
from measurelp.errors import BudgetExceeded, InvalidProblem
from measurelp.interrupts import remembered_interrupts
from measurelp.status import Scope

from . import reference as ref


@pytest.mark.parametrize(
    ("X", "match"),
    [
        ([[1.0, np.nan]], "X must be finite"),
        ([[1.0, np.inf]], "X must be finite"),
        (np.empty((0, 3)), "X must not be empty"),
        (np.empty((3, 0)), "X must not be empty"),
        ([1.0, 2.0], "X must be two-dimensional"),
        (np.zeros((2, 2, 2)), "X must be two-dimensional"),
        ([["a", "b"]], "X must hold real numbers"),
        ([[1j, 2.0]], "X must hold real numbers"),
        (np.array([[None, 1]], dtype=object), "X must hold real numbers"),
        ([[1.0], [1.0, 2.0]], "X must be a matrix"),
        (np.array([[2**53 + 1, 1]]), "integer that float64 cannot hold"),
    ],
)
def test_unacceptable_data_are_named(X, match):
    for function in (Arrangement.from_data, enumerate_cells, count_cells, iter_cells):
        with pytest.raises(InvalidProblem, match=match):
            function(X)


def test_unacceptable_options_are_named():
    X = np.eye(3)
    with pytest.raises(InvalidProblem, match="numbers must be one of"):
        enumerate_cells(X, numbers="rational")
    for wrong in (0, -3, 2.5, "many", True):
        with pytest.raises(InvalidProblem, match="max_cells must be an integer"):
            enumerate_cells(X, max_cells=wrong)
    for wrong in (0, -1.0, "much", float("nan")):
        with pytest.raises(InvalidProblem, match="max_memory must be"):
            enumerate_cells(X, max_memory=wrong)
    with pytest.raises(InvalidProblem, match="n_jobs"):
        enumerate_cells(X, n_jobs=0)
    with pytest.raises(InvalidProblem, match="block_size"):
        iter_cells(X, block_size=1)
    with pytest.raises(InvalidProblem, match="directions must have 3 columns"):
        sample_cells(X, np.ones((4, 2)))
    with pytest.raises(InvalidProblem, match="directions must be finite"):
        sample_cells(X, [[np.nan, 0, 0]])


def test_budgets_refuse_before_the_work():
    X = np.random.default_rng(0).standard_normal((2000, 8))
    bound = str(ref.general_position_count(2000, 8))
    with pytest.raises(BudgetExceeded, match=bound):
        enumerate_cells(X)
    with pytest.raises(BudgetExceeded, match=bound):
        count_cells(X, max_cells=10**6)
    with pytest.raises(BudgetExceeded, match="max_memory = 1000"):
        enumerate_cells(np.eye(4), max_memory=1000)
    assert len(enumerate_cells(np.eye(4), max_cells=16)) == 16
    first = next(iter_cells(X, block_size=100))
    assert len(first) == 100


def test_cells_behave_like_a_list_of_sign_vectors():
    X = np.vstack([ref.resonance(4), np.zeros((1, 4)), -ref.resonance(4)[3:5]])
    cells = enumerate_cells(X)
    signs = cells.signs
    assert len(cells) == 370 == len(signs) == 2 * cells.n_half
    assert signs.dtype == np.int8 and signs.shape == (370, len(X))
    assert (signs[185:] == -signs[:185]).all()
    assert (
        (cells[0] == signs[0]).all()
        and (cells[-1] == signs[-1]).all()
        and (cells[200] == signs[200]).all()
    )
    assert (cells[100:300] == signs[100:300]).all() and (cells[300:20:-7] == signs[300:20:-7]).all()
    assert (cells[[5, 369, -2]] == signs[[5, 369, -2]]).all()
    assert (cells[signs[:, 0] > 0] == signs[signs[:, 0] > 0]).all()
    assert (np.array(list(cells)) == signs).all()
    assert (cells.active() == (signs > 0)).all()
    assert (cells.active(150, 210) == (signs[150:210] > 0)).all() and cells.active(10, 5).shape == (
        0,
        len(X),
    )
    assert not cells.active()[:, 15].any()
    assert cells.scope is Scope.COMPLETE and cells.witnesses is None
    assert cells.nbytes == 8 * 185
    with pytest.raises(IndexError):
        cells[370]
    assert not cells.packed.flags.writeable


def test_rank_zero_is_one_cell():
    for X in (np.zeros((3, 2)), np.zeros((1, 1))):
        cells = enumerate_cells(X, witness=True)
        assert len(cells) == 1 == count_cells(X) == cells.arrangement.bound_cells()
        assert cells.signs.shape == (1, len(X))
        assert not cells.signs.any() and cells.witnesses.shape == (1, X.shape[1])
        assert [len(block) for block in iter_cells(X)] == [1]
        assert len(sample_cells(X, np.ones((4, X.shape[1])))) == 1


@pytest.mark.parametrize(
    "X",
    [np.random.default_rng(1).standard_normal((60, 3)), ref.resonance(5), ref.grid((0, 0.5, 1), 3), ref.braid(5),
     ref.with_bias(np.random.default_rng(2).uniform(size=(20, 3)) * [1, 1e-6, 1e6])],
    ids=["gauss", "R5", "grid", "braid", "scales"],
)  # fmt: skip
def test_witnesses_reproduce_their_cells(X):
    cells = enumerate_cells(X, witness=True)
    assert cells.witnesses.shape == (len(cells), X.shape[1])
    assert (np.sign(cells.witnesses @ X.T) == cells.signs).all()
    for block in iter_cells(X, witness=True, block_size=1000):
        assert (np.sign(block.witnesses @ X.T) == block.signs).all()


def test_witnesses_of_thin_cells_are_exact_or_absent():
    rng = np.random.default_rng(9)
    Z = rng.integers(-1, 2, (9, 3)) + rng.integers(-2, 3, (9, 3)) * 2.0**-46
    cells = enumerate_cells(Z, numbers="binary", witness=True)
    rows = [[Fraction(v) for v in row] for row in Z.tolist()]
    present = 0
    for signs, w in zip(cells.signs, cells.witnesses, strict=True):
        if np.isnan(w).any():
            continue
        present += 1
        values = [
            sum(x * Fraction(v) for x, v in zip(row, w.tolist(), strict=True)) for row in rows
        ]
        assert [(v > 0) - (v < 0) for v in values] == signs.tolist()
    assert present > len(cells) // 2


def crossing_almost():
    """Lines through common points but for the last digits of standardised columns."""
    columns = np.random.default_rng(5).integers(0, 6, (30, 2)).astype(float)
    return ref.with_bias((columns - columns.mean(axis=0)) / columns.std(axis=0))


def test_points_that_doubles_cannot_certify_are_exact():
    cells = enumerate_cells(crossing_almost(), witness=True)
    facts = cells.arrangement
    rows = [facts.exact_row(i) for i in range(facts.n_rows)]
    thin = 0
    for signs, w in zip(cells.signs, cells.witnesses, strict=True):
        if not np.isnan(w).any():
            at = [Fraction(v) for v in w.tolist()]
            values = [sum(a * b for a, b in zip(row, at, strict=True)) for row in rows]
            assert [(v > 0) - (v < 0) for v in values] == signs.tolist()
            thin += min(map(abs, values)) < 1e-15
    assert thin > 20 and np.isfinite(cells.witnesses).all(axis=1).mean() > 0.9


def test_ctrl_c_leaves_the_thin_cells_without_a_point():
    """Where a caller remembers it; elsewhere it is raised."""
    with remembered_interrupts() as interrupts:
        interrupts.requested = True
        cells = enumerate_cells(crossing_almost(), witness=True)
    whole = enumerate_cells(crossing_almost(), witness=True)
    assert (cells.packed == whole.packed).all()
    left = np.isnan(cells.witnesses).any(axis=1)
    assert left.sum() > 30 and (cells.witnesses[~left] == whole.witnesses[~left]).all()


def test_samples_are_cells():
    rng = np.random.default_rng(4)
    X = np.vstack([ref.resonance(4), np.zeros((1, 4)), -ref.resonance(4)[:2]])
    complete = ref.as_set(enumerate_cells(X).signs)
    sample = sample_cells(X, rng.standard_normal((20000, 4)))
    assert sample.scope is Scope.SAMPLED
    assert ref.as_set(sample.signs) <= complete and len(sample) > 0.9 * len(complete)
    assert (np.sign(sample.witnesses @ X.T) == sample.signs).all()
    on_walls = sample_cells(X, rng.integers(-1, 2, (500, 4)))
    assert ref.as_set(on_walls.signs) <= complete
    pair = sample_cells(X, [[1.0, 2.0, 4.0, 8.0], [-1.0, -2.0, -4.0, -8.0], [2.0, 4.0, 8.0, 16.0]])
    assert len(pair) == 2
    assert len(sample_cells(X, [[1.0, -1.0, 0.0, 3.0]])) == 0


def test_a_direction_next_to_a_decimal_wall_is_decided_exactly():
    """<(0.1, 0.3), (3, -1)> is zero for decimals and -5.6e-17 for doubles."""
    X = [[0.1, 0.3], [1.0, 1.0]]
    assert len(sample_cells(X, [[3.0, -1.0]])) == 0
    binary = sample_cells(X, [[3.0, -1.0]], numbers="binary")
    exact = Fraction(0.1) * 3 - Fraction(0.3)
    assert len(binary) == 2
    assert binary.signs[0, 0] * binary.signs[0, 1] == (exact > 0) - (exact < 0)


def test_facts_of_an_arrangement():
    facts = Arrangement.from_data(
        [[0.5, 0.25, 1.0], [0, 0, 0], [-2.0, -1.0, -4.0], [0.1, 0.2, 1.0]]
    )
    assert (facts.n_rows, facts.n_lines, facts.rank) == (4, 2, 2)
    assert facts.line_of_row.tolist() == [0, -1, 0, 1]
    assert facts.orientation.tolist()[0] == -facts.orientation.tolist()[2] != 0
    assert facts.bound_cells() == 4
    assert all(isinstance(v, int) for line in facts.lines for v in line)
    with pytest.raises(AttributeError):
        facts.rank = 3
