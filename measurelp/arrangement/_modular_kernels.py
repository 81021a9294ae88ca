"""Exact signs of determinants and exact linear dependence, from residues modulo 31-bit primes.

A table holds the residues of integer vectors (data rows, then flags) modulo primes p_0, ..., p_{P-1} with
``2 |det| < p_0 ... p_{P-1}`` for every determinant asked for (Hadamard).  A determinant is zero iff all its
residues are; its sign follows from its mixed-radix digits (Garner).  A set of m integer vectors is dependent iff it
is rank deficient modulo every one of enough primes, because some nonzero m x m minor cannot be divisible by
primes whose product exceeds it.  With an empty table every determinant is reported as zero.  All arithmetic is on uint64 with factors below 2^31, so nothing overflows.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit


class Residues(NamedTuple):
    """Residue table: ``rows[i, v]`` is vector v modulo ``primes[i]``."""

    rows: np.ndarray  # (P, n_vectors, d) uint64
    primes: np.ndarray  # (P,) uint64
    garner: np.ndarray  # (P, P) uint64, garner[j, i] = 1 / p_j modulo p_i for j < i
    n_dependence: (
        int  # how many of the primes decide dependence of data rows; 0 when the table is empty
    )


@njit(cache=True, nogil=True, _nrt=False, error_model="numpy")
def inverse_mod(a, p):
    """1 / a modulo the prime p by Euclid's algorithm (a not divisible by p)."""
    r0, r1 = np.int64(p), np.int64(a)
    t0, t1 = np.int64(0), np.int64(1)
    while r1 != 0:
        q = r0 // r1
        r0, r1 = r1, r0 - q * r1
        t0, t1 = t1, t0 - q * t1
    if t0 < 0:
        t0 += np.int64(p)
    return np.uint64(t0)


@njit(cache=True, nogil=True, _nrt=False, error_model="numpy")
def rank_mod(m, p):
    """Rank modulo the prime p < 2^31 of a matrix of residues, which is overwritten."""
    n, d = m.shape
    rank = 0
    for c in range(d):
        pivot = rank
        while pivot < n and m[pivot, c] == 0:
            pivot += 1
        if pivot == n:
            continue
        for q in range(c, d):
            m[rank, q], m[pivot, q] = m[pivot, q], m[rank, q]
        inverse = inverse_mod(m[rank, c], p)
        for r in range(rank + 1, n):
            if m[r, c] != 0:
                factor = p - (m[r, c] * inverse) % p
                for q in range(c, d):
                    m[r, q] = (m[r, q] + factor * m[rank, q]) % p
        rank += 1
    return rank


@njit(cache=True, nogil=True, _nrt=False, error_model="numpy")
def determinant_mod(table, i, ids, m):
    """Residue of the determinant of the d vectors ``ids`` modulo prime i; ``m`` is a (d, d) scratch."""
    p = table.primes[i]
    d = ids.shape[0]
    for r in range(d):
        for c in range(d):
            m[r, c] = table.rows[i, ids[r], c]
    result = np.uint64(1)
    for c in range(d):
        pivot = c
        while pivot < d and m[pivot, c] == 0:
            pivot += 1
        if pivot == d:
            return np.uint64(0)
        if pivot != c:
            for q in range(c, d):
                m[c, q], m[pivot, q] = m[pivot, q], m[c, q]
            result = p - result
        result = (result * m[c, c]) % p
        inverse = inverse_mod(m[c, c], p)
        for r in range(c + 1, d):
            if m[r, c] != 0:
                factor = p - (m[r, c] * inverse) % p
                for q in range(c + 1, d):
                    m[r, q] = (m[r, q] + factor * m[c, q]) % p
    return result


@njit(cache=True, nogil=True, _nrt=False, error_model="numpy")
def determinant_sign(table, ids, scratch, digits):
    """Exact sign (-1, 0, 1) of the determinant of the d vectors ``ids``.

    With residues r_i the mixed-radix digits are ``v_i = (...((r_i - v_0)/p_0 - v_1)/p_1 ... ) mod p_i``; the value in
    [0, p_0...p_{P-1}) is negative iff it exceeds half of the product, whose digits are ``(p_i - 1)/2``.
    """
    count = table.primes.shape[0]
    nonzero = False
    for i in range(count):
        p = table.primes[i]
        v = determinant_mod(table, i, ids, scratch)
        if v != 0:
            nonzero = True
        for j in range(i):
            v = ((v + p - digits[j] % p) % p * table.garner[j, i]) % p
        digits[i] = v
    if not nonzero:
        return 0
    for i in range(count - 1, -1, -1):
        half = (table.primes[i] - np.uint64(1)) // np.uint64(2)
        if digits[i] > half:
            return -1
        if digits[i] < half:
            return 1
    return 1


@njit(cache=True, nogil=True, _nrt=False, error_model="numpy")
def reduce_row(table, i, v, echelon, pivots, free, m, out):
    """Entries of vector v modulo prime i in the d - m free columns after reduction by m echelon rows, into ``out``.

    Three products of factors below 2^31 and one more residue stay below 2^64, so every third is reduced.
    """
    p = table.primes[i]
    row = table.rows[i, v]
    for q in range(row.shape[0] - m):
        c = free[q]
        value = row[c]
        for j in range(m):
            value += (p - row[pivots[j]]) * echelon[j, c]
            if j % 3 == 2:
                value %= p
        out[q] = value % p


@njit(cache=True, nogil=True, _nrt=False, error_model="numpy")
def extend_echelon(table, i, v, before, after, pivots, free, free_after, m, row):
    """Reduced echelon form of m + 1 vectors from that of m; ``pivots[m] = -1`` when vector v depends on them."""
    p = table.primes[i]
    d = row.shape[0]
    if m == 0:
        for c in range(d):
            free[c] = c
    reduce_row(table, i, v, before, pivots, free, m, row)
    at = 0
    while at < d - m and row[at] == 0:
        at += 1
    if at == d - m:
        pivots[m] = -1
        return
    pivot = free[at]
    pivots[m] = pivot
    inverse = inverse_mod(row[at], p)
    size = 0
    for q in range(d - m):
        if q == at:
            continue
        c = free[q]
        value = (row[q] * inverse) % p
        after[m, c] = value
        for j in range(m):
            after[j, c] = (before[j, c] + (p - before[j, pivot]) * value) % p
        free_after[size] = c
        size += 1


@njit(cache=True, nogil=True, _nrt=False, error_model="numpy")
def parallel_mod(p, one, two, size):
    """Whether the first ``size`` entries of two vectors are linearly dependent modulo p."""
    pivot = 0
    while pivot < size and one[pivot] == 0:
        pivot += 1
    for c in range(pivot + 1, size):
        if (one[pivot] * two[c]) % p != (one[c] * two[pivot]) % p:
            return False
    for c in range(min(pivot, size)):
        if pivot < size and two[c] != 0:
            return False
    return True
