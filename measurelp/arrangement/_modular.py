"""Primes below 2^31 and residue tables of integer vectors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from math import isqrt

import numpy as np

from ._modular_kernels import Residues


def _is_prime(p: int) -> bool:
    """Deterministic Miller-Rabin below 2^32 (bases 2, 7, 61)."""
    shift, odd = 0, p - 1
    while odd % 2 == 0:
        shift, odd = shift + 1, odd // 2
    for base in (2, 7, 61):
        value = pow(base, odd, p)
        if value in (1, p - 1):
            continue
        for _ in range(shift - 1):
            value = value * value % p
            if value == p - 1:
                break
        else:
            return False
    return True


def primes_below_2_31() -> Iterator[int]:
    """The primes below 2^31, largest first."""
    p = 2**31 - 1
    while True:
        if _is_prime(p):
            yield p
        p -= 2


@lru_cache(maxsize=256)
def prime_basis(bits: int) -> tuple[tuple[int, ...], np.ndarray]:
    """The largest primes whose product has more than ``bits`` bits, and ``garner[j, i] = 1 / p_j mod p_i`` for j < i."""
    primes: list[int] = []
    product = 1
    for p in primes_below_2_31():
        if product.bit_length() > bits:
            break
        primes.append(p)
        product *= p
    garner = np.zeros((len(primes), len(primes)), dtype=np.uint64)
    for i, p in enumerate(primes):
        for j in range(i):
            garner[j, i] = pow(primes[j], -1, p)
    garner.setflags(write=False)
    return tuple(primes), garner


def norm_bits(vectors: Sequence[Sequence[int]]) -> int:
    """b such that every vector has Euclidean norm below 2^b."""
    largest = 0
    for vector in vectors:
        largest = max(largest, sum(v * v for v in vector))
    return (isqrt(largest) + 1).bit_length()


def residue_table(rows: Sequence[Sequence[int]], flags: Sequence[Sequence[int]]) -> Residues:
    """Residues of rows and flags modulo enough primes for every determinant of d of them.

    By Hadamard a determinant is below 2^(d b) for norms below 2^b; primes are taken until their product exceeds
    twice that.  ``n_dependence`` primes are enough for minors of rows alone.
    """
    d = len(flags[0])
    row_bits = norm_bits(rows)
    primes, garner = prime_basis(d * max(row_bits, norm_bits(flags)) + 2)
    n_dependence = min(len(primes), len(prime_basis(d * row_bits + 2)[0]))
    vectors = [*rows, *flags]
    largest = max(max(abs(v) for v in vector) for vector in vectors)
    table = np.empty((len(primes), len(vectors), d), dtype=np.uint64)
    if largest < 2**62:
        array = np.array(vectors, dtype=np.int64)
    else:
        array = np.array(vectors, dtype=object).reshape(len(vectors), d)
    for i, p in enumerate(primes):
        table[i] = (array % p).astype(np.uint64)
    return Residues(table, np.array(primes, dtype=np.uint64), garner, n_dependence)


def empty_table(n_vectors: int, d: int) -> Residues:
    """A table without primes: whoever asks it for an exact decision is told that the flags are not generic."""
    nothing = np.zeros((0, 0), dtype=np.uint64)
    return Residues(np.zeros((0, n_vectors, d), dtype=np.uint64), nothing.ravel(), nothing, 0)
