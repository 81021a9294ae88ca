"""Lowering of an `Arrangement` to the flat arrays that the search kernels read.

Rows and columns are scaled by powers of two until their largest entries are near one; that changes no sign.  Random
integer flags are drawn in those coordinates, so that they are generic *and* well balanced.  Level D - 1 is level D
restricted to the kernel of phi_D, with a running error bound; integers small enough keep level d exact.
"""

from __future__ import annotations

import random
from functools import lru_cache
from math import frexp, isqrt, ldexp

import numpy as np

from ._modular import empty_table, residue_table
from ._modular_kernels import Residues
from ._restriction_kernels import step_error
from ._search_state import (
    BETA_E,
    BETA_M,
    PHI_BETA_E,
    PHI_E,
    PHI_M,
    ROW_E,
    ROW_M,
    SCALE,
    UP,
    Level,
    U,
    Work,
)
from .arrangement import Arrangement

_FLAG_BITS = 50


def _mantissas(lines) -> tuple[np.ndarray, np.ndarray, bool]:
    """Mantissas in [0.5, 1), their exponents of two, and whether all integers are represented exactly."""
    try:
        values = np.array(lines, dtype=np.int64)
        exact = bool((np.abs(values) <= 2**53).all())
        mantissa, exponent = np.frexp(values.astype(np.float64))
        return mantissa, exponent.astype(np.int64), exact
    except OverflowError:
        pass
    mantissa = np.zeros((len(lines), len(lines[0])))
    exponent = np.zeros(mantissa.shape, dtype=np.int64)
    exact = True
    for i, line in enumerate(lines):
        for j, v in enumerate(line):
            shift = max(0, v.bit_length() - 1000)
            mantissa[i, j], e = frexp(float(v >> shift))
            exponent[i, j] = e + shift
            exact = exact and v.bit_length() <= 53
    return mantissa, exponent, exact


def _equilibrated(lines) -> tuple[np.ndarray, np.ndarray, bool]:
    """Rows with entries at most one in absolute value, column exponents, exactness."""
    mantissa, exponent, exact = _mantissas(lines)
    low = np.int64(-(2**40))
    size = np.where(mantissa == 0.0, low, exponent)
    columns = np.zeros(size.shape[1], dtype=np.int64)
    rows = np.zeros(size.shape[0], dtype=np.int64)
    for _ in range(3):
        columns = np.maximum.reduce(size - rows[:, None], axis=0)
        rows = np.maximum.reduce(size - columns, axis=1)
    shift = np.where(mantissa == 0.0, 0, exponent - rows[:, None] - columns)
    exact = exact and bool(shift.min() > -900)
    return np.ldexp(mantissa, np.maximum(shift, -1000).astype(np.int32)), columns, exact


def _has_small_minors(lines) -> bool:
    """Whether ``2 m^2 < 2^53`` for every minor m of order below d (Hadamard, by row norms and by entries)."""
    d = len(lines[0])
    entry = max(max(map(abs, line)) for line in lines)
    if 2 * entry * entry >= 2**53:
        return False
    norm2 = max(sum(v * v for v in line) for line in lines)
    bound = entry
    for k in range(1, d):
        bound = max(bound, min(isqrt(norm2**k), isqrt(entry ** (2 * k) * k**k)) + 1)
    return 2 * bound * bound < 2**53


def _padded(rows: np.ndarray, n_words: int) -> np.ndarray:
    out = np.zeros((rows.shape[1], 64 * n_words))
    out[:, : rows.shape[0]] = rows.T
    return out.ravel()


@lru_cache(maxsize=64)
def _draws(d: int, seed: int) -> tuple[list[list[int]], np.ndarray]:
    """Random integers of 51 bits, and the same divided by 2^50."""
    rng = random.Random(1_000_003 * seed + 17)
    draws = [[rng.randint(-(2**_FLAG_BITS), 2**_FLAG_BITS) for _ in range(d)] for _ in range(d)]
    return draws, np.array([[ldexp(v, -_FLAG_BITS) for v in draw] for draw in draws])


def _flags(columns, seed) -> tuple[np.ndarray, list[list[int]], list[int]]:
    """Flags phi_1, ..., phi_d in equilibrated coordinates (float64, exact) and as integers for the lines; column shifts."""
    draws, flags = _draws(len(columns), seed)
    exponents = columns.tolist()
    least = min(exponents)
    shifts = [e - least for e in exponents]
    integers = [[v << s for v, s in zip(draw, shifts, strict=True)] for draw in draws]
    return flags.copy(), integers, shifts


def equilibrated_vectors(
    arrangement: Arrangement, seed: int
) -> tuple[np.ndarray, np.ndarray, list[list[int]]]:
    """Lines and flags (n_lines + rank, rank) in equilibrated coordinates, the column exponents, the integer flags."""
    scaled, columns, _ = _equilibrated(arrangement.lines)
    flags, integers, _ = _flags(columns, seed)
    return np.vstack([scaled, flags]), columns, integers


def lowered(
    arrangement: Arrangement, seed: int, with_residues: bool = True
) -> tuple[list[Level], Residues]:
    """Levels d, d - 1, ..., 1 and the residue table of an arrangement of positive rank for one draw of flags.

    Without residues the table is empty: searches that need an exact decision end as if the flags were not generic.

    Complexity O(n d^3) floating and O(n d P) modular operations, P primes (P about d (b + 50) / 31 for b-bit data).
    """
    lines = arrangement.lines
    n, d = arrangement.n_lines, arrangement.rank
    n_words = (n + 63) // 64
    scaled, columns, exact = _equilibrated(lines)
    flags, flag_rows, shifts = _flags(columns, seed)
    table = residue_table(lines, flag_rows) if with_residues else empty_table(n + d, d)

    levels: list[Level] = []
    if exact and _has_small_minors(lines):
        integers = np.array(lines, dtype=np.float64)
        greatest = max(shifts)
        phi = np.array([ldexp(v, s - greatest) for v, s in zip(flags[d - 1], shifts, strict=True)])
        size, phi_size = float(np.abs(integers).max()), float(np.abs(phi).max())
        levels.append(
            Level(n, n_words, d, d, True, _padded(integers, n_words), phi, 0.0, 0.0, size, phi_size)
        )
    vectors = np.concatenate([scaled, flags])
    row_error, flag_error = 0.0 if exact else 1.01 * U, 0.0
    for dim in range(d, 0, -1):
        sizes = np.abs(vectors)
        size, flag_size = float(sizes[:n].max()), float(sizes[n:].max())
        phi = vectors[n + dim - 1]
        if dim < d or not levels:
            padded = _padded(vectors[:n], n_words)
            sizes_and_errors = (row_error, flag_error, size, flag_size)
            levels.append(Level(n, n_words, dim, d, False, padded, phi.copy(), *sizes_and_errors))
        if dim == 1:
            break
        p = int(sizes[n + dim - 1].argmax())
        pivot = float(phi[p])
        row_error = step_error(row_error, flag_error, size, pivot, 1.0)
        flag_error = step_error(flag_error, flag_error, flag_size, pivot, 1.0) * UP
        others = [q for q in range(dim) if q != p]
        with np.errstate(all="ignore"):
            vectors = vectors[:, others] - vectors[:, p : p + 1] * (phi[others] / pivot)
    return levels, table


def work_bytes(n: int, d: int, primes: int = 8) -> int:
    """Bytes of one search's scratch for n lines of rank d (without the residue table)."""
    padded = 64 * ((n + 63) // 64)
    return 8 * (d * d * padded + d * d * n + 6 * n + primes * d**3) + d * n


def new_work(level: Level, table: Residues) -> Work:
    """Scratch of one search at this level; it also serves lower levels, one after another."""
    n, dims, d = level.n, level.dim, level.rank
    depths = max(dims - 1, 1)
    padded = 64 * level.n_words
    return Work(
        rows=np.zeros((depths, dims * padded)),
        beta=np.zeros((depths, dims, n)),
        phi=np.zeros((depths, dims)),
        phi_beta=np.zeros((depths, dims)),
        bounds=np.zeros((depths, 9)),
        covered=np.zeros((depths, level.n_words), dtype=np.uint64),
        in_flat=np.zeros(level.n_words, dtype=np.uint64),
        flat_row=np.zeros(n, dtype=np.int64),
        flat_lead=np.zeros(n, dtype=np.int64),
        flat_sign=np.zeros(n, dtype=np.int64),
        flat_size=np.zeros(dims + 1, dtype=np.int64),
        path=np.zeros(dims, dtype=np.int64),
        cursor=np.zeros(dims, dtype=np.int64),
        state=np.zeros(6, dtype=np.int64),
        singles=np.zeros(2 * padded, dtype=np.float32),
        words=np.zeros((3, level.n_words), dtype=np.uint64),
        masks=np.zeros((2 * dims, level.n_words), dtype=np.uint64),
        extra_row=np.zeros(n, dtype=np.int64),
        extra_sign=np.zeros(n, dtype=np.int64),
        coefficient=np.zeros(dims + 1, dtype=np.int64),
        echelon=np.zeros((dims, table.n_dependence, dims, d), dtype=np.uint64),
        pivots=np.zeros((table.n_dependence, dims), dtype=np.int64),
        free=np.zeros((dims, table.n_dependence, d), dtype=np.int64),
        reduced=np.zeros((table.n_dependence + 1, d), dtype=np.uint64),
        ids=np.zeros(d, dtype=np.int64),
        matrix=np.zeros((d, d), dtype=np.uint64),
        digits=np.zeros(len(table.primes), dtype=np.uint64),
    )


def begin(level, work, first, stop):
    """Put a search at its beginning: first elements (the largest of S) run over first <= s < stop."""
    work.rows[0, : len(level.rows)] = level.rows
    work.phi[0, : level.dim] = level.phi
    work.bounds[0, ROW_E] = level.row_error
    work.bounds[0, PHI_E] = level.phi_error
    work.bounds[0, ROW_M] = level.row_max
    work.bounds[0, PHI_M] = level.phi_max
    work.bounds[0, SCALE] = 1.0
    work.bounds[0, BETA_E] = 0.0
    work.bounds[0, PHI_BETA_E] = 0.0
    work.bounds[0, BETA_M] = 0.0
    work.covered[:] = 0
    work.in_flat[:] = 0
    work.flat_size[0] = 0
    work.cursor[0] = first if level.dim > 2 else 0
    work.state[0] = 0
    work.state[1] = stop
    work.state[2] = 0
    work.state[4] = -1
