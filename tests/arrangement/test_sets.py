"""The set of cells against brute force and against the Fractions reference; laws."""

from __future__ import annotations

import signal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from measurelp.arrangement import Arrangement, count_cells, enumerate_cells, iter_cells
from measurelp.arrangement import _levels as levels_module
from measurelp.arrangement import enumeration as module
from measurelp.arrangement._levels import lowered
from measurelp.errors import MeasurelpError

from . import reference as ref


def distinct_rows(rows) -> list[list]:
    """Nonzero, pairwise non-parallel rows."""
    kept: list[list] = []
    for row in rows:
        d = len(row)
        if any(row) and all(
            any(row[i] * q[j] != row[j] * q[i] for i in range(d) for j in range(i)) for q in kept
        ):
            kept.append(row)
    return kept


def degenerate_rows(rng, most=(0, 1, 9, 9, 8, 8)):
    """A small random integer matrix of full rank with many coincidences."""
    while True:
        d = int(rng.integers(2, 6))
        n = int(rng.integers(d, most[d] + 1))
        size = int(rng.integers(1, 4))
        rows = distinct_rows(rng.integers(-size, size + 1, (n, d)).tolist())
        if len(rows) >= d and ref.exact_rank(rows) == d:
            return rows


def decimals(rows, exponents):
    """Doubles whose shortest decimals are ``rows * 10^exponents``."""
    return np.array(
        [[float(f"{v}e{e}") for v, e in zip(row, exponents, strict=True)] for row in rows]
    )


def rescaled(rng, rows, kind):
    """The same arrangement in other numbers: (X, reading)."""
    X = np.array(rows, dtype=float)
    n, d = X.shape
    if kind == "plain":
        return X, "decimal"
    if kind == "rows":
        return X * 2.0 ** rng.integers(-20, 21, (n, 1)), "binary"
    if kind == "columns":
        return X * 2.0 ** rng.integers(-20, 21, (1, d)), "binary"
    if kind == "decimal columns":
        return decimals(rows, rng.integers(-12, 13, d)), "decimal"
    if kind == "huge and tiny":
        return X * 2.0 ** rng.integers(-300, 301, (1, d)) * 2.0 ** rng.integers(
            -100, 101, (n, 1)
        ), "binary"
    mix = rng.integers(-(10**6), 10**6, (d, d))
    while abs(np.linalg.det(mix.astype(float))) < 1:
        mix = rng.integers(-(10**6), 10**6, (d, d))
    return (np.array(rows) @ mix).astype(float), "binary"


KINDS = ["plain", "rows", "columns", "decimal columns", "huge and tiny", "mixed"]


@pytest.mark.parametrize("kind", KINDS)
def test_random_degenerate_instances_equal_the_reference(kind):
    rng = np.random.default_rng(KINDS.index(kind))
    for _ in range(55):
        rows = degenerate_rows(rng)
        X, numbers = rescaled(rng, rows, kind)
        expected = ref.nbc_cells(rows)
        assert ref.as_set(enumerate_cells(X, numbers=numbers).signs) == expected
        ref.assert_count(count_cells(X, numbers=numbers), len(expected))


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_many_random_degenerate_instances_equal_the_reference(kind):
    rng = np.random.default_rng(100 + KINDS.index(kind))
    for _ in range(300):
        rows = degenerate_rows(rng, (0, 1, 12, 11, 10, 9))
        X, numbers = rescaled(rng, rows, kind)
        assert ref.as_set(enumerate_cells(X, numbers=numbers).signs) == ref.nbc_cells(rows)


def test_small_instances_equal_all_sign_vectors_by_linear_programming():
    rng = np.random.default_rng(11)
    for _ in range(12):
        rows = degenerate_rows(rng, (0, 1, 7, 7, 7, 6))
        X = np.array(rows, dtype=float)
        expected = ref.lp_cells(X)
        assert ref.as_set(enumerate_cells(X).signs) == expected
        assert ref.nbc_cells(rows) == expected


def test_ties_among_decimals_of_seventeen_digits():
    """Columns with few distinct long decimals: dependencies that floats can only suspect and residues prove."""
    rng = np.random.default_rng(5)
    decided = 0
    for _ in range(40):
        d = int(rng.integers(3, 5))
        n = int(rng.integers(d + 3, 11))
        X = np.column_stack(
            [rng.choice(rng.standard_normal(3), n) for _ in range(d - 1)] + [np.ones(n)]
        )
        X = np.unique(X, axis=0)
        for numbers in ("decimal", "binary"):
            exact = [
                [Fraction(repr(v)) if numbers == "decimal" else Fraction(v) for v in row]
                for row in X.tolist()
            ]
            if len(exact) < d or ref.exact_rank(exact) < d:
                continue
            assert ref.as_set(enumerate_cells(X, numbers=numbers).signs) == ref.nbc_cells(exact)
            decided += exact_decisions(X, numbers)
    assert decided > 100


def exact_decisions(X, numbers) -> int:
    """How many predicates of an enumeration had to be decided modulo primes."""
    facts = Arrangement.from_data(X, numbers=numbers)
    levels, table = lowered(facts, 0)
    decided = 0
    for level in levels:
        if level.dim == 1:
            continue
        work = module.new_work(level, table)
        module.begin(level, work, 1, level.n)
        packed = np.empty((facts.bound_cells(), level.n_words), dtype=np.uint64)
        no_bases = np.empty((0, 1), dtype=np.int32)
        module.search(level, table, work, module.SIGNS, packed, no_bases, 0, len(packed))
        decided += int(work.state[3])
    return decided


def test_nearly_dependent_rows():
    """Rows that differ from dependent ones in the last bits only: floats cannot tell, the answer is exact."""
    rng = np.random.default_rng(6)
    for _ in range(40):
        d = int(rng.integers(2, 5))
        Z = rng.integers(-1, 2, (8, d)) + rng.integers(-2, 3, (8, d)) * 2.0**-50
        exact = distinct_rows([[Fraction(v) for v in row] for row in Z.tolist()])
        if len(exact) < d or ref.exact_rank(exact) < d:
            continue
        X = np.array([[float(v) for v in row] for row in exact])
        assert ref.as_set(enumerate_cells(X, numbers="binary").signs) == ref.nbc_cells(exact)


def test_flags_that_are_not_generic_are_drawn_again(monkeypatch):
    """Equal flags make determinants vanish: the search must notice, and the next draw must give the answer."""
    honest = levels_module._flags
    seeds = []

    def equal_at_first(columns, seed):
        seeds.append(seed)
        flags, integers, shifts = honest(columns, seed)
        if seed == 0:
            flags[:] = flags[0]
            integers = [integers[0]] * len(integers)
        return flags, integers, shifts

    monkeypatch.setattr(levels_module, "_flags", equal_at_first)
    X = ref.grid((0, 1), 3)
    ref.assert_count(len(ref.as_set(enumerate_cells(X).signs)), ref.THRESHOLD[3])
    assert seeds == [0, 0, 1]  # first without residues
    ref.assert_count(count_cells(X), ref.THRESHOLD[3])
    ref.assert_count(sum(len(block) for block in iter_cells(X, block_size=1000)), ref.THRESHOLD[3])
    with pytest.raises(MeasurelpError, match="generic"):
        list(iter_cells(X, block_size=2))


@pytest.mark.parametrize("jobs", [1, 3])
def test_too_little_memory_for_the_bound_costs_a_first_pass(monkeypatch, jobs):
    honest = module._buffers
    asked = []

    def short(rows, n_words, n_bases):
        asked.append(rows)
        if rows > 600:
            raise MemoryError
        return honest(rows, n_words, n_bases)

    monkeypatch.setattr(module, "_buffers", short)
    X = ref.braid(6)
    cells = enumerate_cells(X, witness=True, n_jobs=jobs)
    assert set(asked[:-1]) == {cells.arrangement.bound_cells() // 2} and asked[-1] == 360
    assert len(ref.as_set(cells.signs)) == 720
    assert (np.sign(cells.witnesses @ X.T) == cells.signs).all()


# ---- laws -------------------------------------------------------------------------------------------


@st.composite
def integer_matrices(draw):
    d = draw(st.integers(1, 4))
    n = draw(st.integers(1, 9))
    entries = st.integers(-3, 3)
    return np.array(
        draw(st.lists(st.lists(entries, min_size=d, max_size=d), min_size=n, max_size=n)),
        dtype=float,
    )


@settings(deadline=None, max_examples=150)
@given(integer_matrices(), st.randoms(use_true_random=False))
def test_permuting_scaling_and_negating_rows_permutes_cells(X, random):
    order = list(range(len(X)))
    random.shuffle(order)
    factors = np.array([random.choice((-4.0, -1.0, 0.5, 3.0)) for _ in order])
    there = ref.as_set(enumerate_cells(X[order] * factors[:, None]).signs)
    here = enumerate_cells(X).signs[:, order] * np.sign(factors).astype(int)
    assert there == ref.as_set(here)


@settings(deadline=None, max_examples=100)
@given(integer_matrices())
def test_opposites_come_together(X):
    cells = enumerate_cells(X)
    signs = ref.as_set(cells.signs)
    assert {tuple(-s for s in t) for t in signs} == signs
    assert len(cells) == count_cells(X) <= cells.arrangement.bound_cells()


@settings(deadline=None, max_examples=80)
@given(integer_matrices(), st.integers(2, 40))
def test_blocks_are_the_whole(X, block_size):
    blocks = list(iter_cells(X, block_size=block_size))
    assert all(len(block) <= block_size for block in blocks)
    together = np.concatenate([block.signs for block in blocks])
    assert ref.as_set(together) == ref.as_set(enumerate_cells(X).signs)


@pytest.mark.parametrize(
    "X", [ref.resonance(5), ref.grid((0, 0.1, 0.2), 3), ref.type_b(4)], ids=["R5", "grid", "B4"]
)
def test_flags_and_threads_do_not_change_the_set(X):
    facts = Arrangement.from_data(X)
    first = ref.as_set(enumerate_cells(facts).signs)
    for seed in (1, 2):
        assert ref.as_set(module._complete(facts, seed, False, 1).signs) == first
    for jobs in (2, 5):
        assert ref.as_set(enumerate_cells(facts, n_jobs=jobs).signs) == first
        assert count_cells(facts, n_jobs=jobs) == len(first)


def test_wide_sign_vectors_in_threads_and_blocks():
    """Several words a cell: single-precision pass, threads and blocks against one another."""
    rng = np.random.default_rng(2)
    X = np.vstack(
        [
            ref.grid(np.arange(13) / 4, 2),
            np.column_stack([rng.standard_normal((60, 2)), np.ones(60)]),
        ]
    )
    cells = enumerate_cells(X)
    rows = np.sort(
        np.ascontiguousarray(cells.packed).view([("", np.uint64)] * cells.packed.shape[1]).ravel()
    )
    assert (rows[1:] != rows[:-1]).all()
    threads = enumerate_cells(X, n_jobs=3)
    assert (np.unique(threads.packed, axis=0) == np.unique(cells.packed, axis=0)).all()
    blocks = np.concatenate([block.packed for block in iter_cells(X, block_size=5000)])
    assert (np.unique(blocks, axis=0) == np.unique(cells.packed, axis=0)).all()
    exact = [[Fraction(v) for v in row] for row in X.tolist()]
    assert ref.exact_rank(exact) == 3
    points = rng.standard_normal((4000, 3))
    found = {tuple(t) for t in np.sign(points @ X.T).astype(int).tolist()}
    assert found <= ref.as_set(cells.signs)


@pytest.mark.parametrize(
    "X", [ref.resonance(4), ref.grid((0, 0.1, 0.2), 2), ref.type_b(3)], ids=["R4", "grid", "B3"]
)
def test_pauses_do_not_change_the_set(X, monkeypatch):
    whole = enumerate_cells(X, witness=True)
    monkeypatch.setattr(module, "_TURN", 1)
    paused = enumerate_cells(X, witness=True)
    assert np.array_equal(paused.packed, whole.packed)
    assert np.array_equal(paused.points, whole.points)
    assert count_cells(X) == len(whole)
    blocks = [block.packed for block in iter_cells(X, block_size=6)]
    assert np.array_equal(np.sort(np.concatenate(blocks), axis=0), np.sort(whole.packed, axis=0))


@pytest.mark.parametrize("work", [count_cells, enumerate_cells, lambda X: list(iter_cells(X))])
def test_ctrl_c_is_heard_between_turns(work, monkeypatch):
    X = ref.type_b(4)
    turns = []

    def pressed(*arguments):
        turns.append(arguments)
        if len(turns) == 3:
            signal.raise_signal(signal.SIGINT)
        return search(*arguments)

    search = module.search
    monkeypatch.setattr(module, "search", pressed)
    monkeypatch.setattr(module, "_TURN", 1)
    with pytest.raises(KeyboardInterrupt):
        work(X)
    assert len(turns) == 3
