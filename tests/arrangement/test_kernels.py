"""Exact signs modulo primes, the packed lanes, and the kernels without compilation."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from numba import njit

from measurelp.arrangement._lanes_kernels import cross64, near64
from measurelp.arrangement._modular import primes_below_2_31, residue_table
from measurelp.arrangement._modular_kernels import determinant_sign, rank_mod


def exact_determinant(rows) -> int:
    """Fraction-free elimination in Python integers."""
    m = [list(map(int, row)) for row in rows]
    n, sign, previous = len(m), 1, 1
    for c in range(n - 1):
        if m[c][c] == 0:
            other = next((r for r in range(c + 1, n) if m[r][c]), None)
            if other is None:
                return 0
            m[c], m[other] = m[other], m[c]
            sign = -sign
        for r in range(c + 1, n):
            for q in range(c + 1, n):
                m[r][q] = (m[r][q] * m[c][c] - m[r][c] * m[c][q]) // previous
        previous = m[c][c]
    return sign * m[-1][-1]


def kernel_sign(rows) -> int:
    d = len(rows)
    table = residue_table(rows, rows)
    scratch = np.empty((d, d), dtype=np.uint64)
    return determinant_sign(
        table, np.arange(d), scratch, np.empty(len(table.primes), dtype=np.uint64)
    )


def sign(value) -> int:
    return (value > 0) - (value < 0)


@pytest.mark.parametrize("bits", [1, 3, 20, 53, 200, 900])
def test_determinant_signs_equal_python_integers(bits):
    rng = np.random.default_rng(bits)

    def entry():
        return int.from_bytes(rng.bytes(bits // 8 + 1), "little", signed=True) >> (
            7 - (bits - 1) % 8
        )

    zeros = 0
    for _ in range(60):
        d = int(rng.integers(1, 7))
        rows = [[entry() for _ in range(d)] for _ in range(d)]
        if not any(map(any, rows)):
            continue
        kind = rng.integers(0, 3)
        if d > 1 and kind == 1:  # exactly dependent
            rows[-1] = (
                [3 * a - 7 * b for a, b in zip(rows[0], rows[d // 2], strict=True)]
                if d > 2
                else [5 * a for a in rows[0]]
            )
        if d > 1 and kind == 2:  # dependent up to one unit
            rows[-1] = [5 * a for a in rows[0]]
            rows[-1][0] += int(rng.choice([-1, 1]))
        expected = sign(exact_determinant(rows))
        zeros += expected == 0
        assert kernel_sign(rows) == expected
    assert zeros > 0


@pytest.mark.parametrize("p", [5, 2**31 - 1])
def test_ranks_modulo_a_prime(p):
    """Products of random factors have the rank of the factors; modulo 5 a multiple of 5 counts for nothing."""
    rng = np.random.default_rng(p % 1000)
    for _ in range(60):
        n, d, r = (int(v) for v in rng.integers(1, 7, 3))
        left, right = rng.integers(0, p, (n, r)).tolist(), rng.integers(0, p, (r, d)).tolist()
        m = [[sum(a * b for a, b in zip(row, c, strict=True)) % p for c in zip(*right, strict=True)]
             for row in left]  # fmt: skip
        rank, rest = 0, [row[:] for row in m]
        for c in range(d):  # the same in Python integers
            at = next((i for i in range(rank, n) if rest[i][c]), None)
            if at is None:
                continue
            rest[rank], rest[at] = rest[at], rest[rank]
            inverse = pow(rest[rank][c], -1, p)
            for i in range(rank + 1, n):
                f = rest[i][c] * inverse
                rest[i] = [(a - f * b) % p for a, b in zip(rest[i], rest[rank], strict=True)]
            rank += 1
        assert rank_mod(np.array(m, dtype=np.uint64), np.uint64(p)) == rank
        assert p == 5 or rank == min(n, d, r)
    assert rank_mod(np.array([[5, 10], [15, 3]], dtype=np.uint64) % np.uint64(5), np.uint64(5)) == 1


def test_primes():
    primes = primes_below_2_31()
    found = [next(primes) for _ in range(5)]
    assert found[0] == 2**31 - 1
    assert all(all(p % q for q in range(2, 47000)) for p in found)


@njit
def cross(values, first, second, k0, k1, tol):
    return cross64(values, first, second, k0, k1, tol)


@njit
def close(values, first, tol):
    return near64(values, first, tol)


def test_lanes_equal_numpy():
    rng = np.random.default_rng(0)
    values = rng.standard_normal(256)
    values[[3, 70, 131, 200]] = 0.0
    values[[5, 133]] = np.nan
    k0, k1, tol = 0.3, -1.7, 0.2
    positive, near = cross(values, 64, 128, k0, k1, tol)
    c = k0 * values[128:192] - k1 * values[64:128]
    assert [int(positive) >> i & 1 for i in range(64)] == (c > tol).astype(int).tolist()
    assert [int(near) >> i & 1 for i in range(64)] == (~(np.abs(c) > tol)).astype(int).tolist()
    near = close(values, 128, tol)
    assert [int(near) >> i & 1 for i in range(64)] == (~(np.abs(values[128:192]) > tol)).astype(
        int
    ).tolist()


SCRIPT = """
import numpy as np
from measurelp.arrangement import count_cells, enumerate_cells, iter_cells
X = np.array([[a, b, 1] for a in (0, 1, 2) for b in (0, 1)], dtype=float)
expected = {expected}
for scale in (1.0, 0.1234567890123456):
    cells = enumerate_cells(X * scale, witness=True, numbers="binary")
    assert len(cells) == count_cells(X * scale, numbers="binary") == expected, len(cells)
    assert (np.sign(cells.witnesses @ X.T) == cells.signs).all()
    assert sum(len(block) for block in iter_cells(X * scale, block_size=4, numbers="binary")) == expected
wide = np.column_stack([np.arange(140.0), np.ones(140)])
assert count_cells(wide) == 280
assert len(enumerate_cells(wide)) == 280
"""


def test_kernels_run_without_compilation():
    from measurelp.arrangement import count_cells

    X = np.array([[a, b, 1] for a in (0, 1, 2) for b in (0, 1)], dtype=float)
    environment = dict(os.environ, NUMBA_DISABLE_JIT="1")
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(expected=count_cells(X))],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
