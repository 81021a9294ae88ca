"""Compiled loops over the ReLU dictionary; no array of n x k numbers is ever made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np


def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """njit with an on-disk cache, or without one where no folder for it can be written."""
    try:
        return numba.njit(cache=True, nogil=True)(function)  # type: ignore[no-any-return]
    except RuntimeError:
        return numba.njit(nogil=True)(function)  # type: ignore[no-any-return]


@_compiled
def relu_columns(rows, atoms, out):  # type: ignore[no-untyped-def]
    """out[i, s] = max(<rows_i, atoms_s>, 0)."""
    n, d = rows.shape
    for i in range(n):
        for s in range(atoms.shape[0]):
            inner = 0.0
            for j in range(d):
                inner += rows[i, j] * atoms[s, j]
            out[i, s] = max(inner, 0.0)


@_compiled
def relu_matvec(rows, atoms, masses, out):  # type: ignore[no-untyped-def]
    """out[i] = sum_s masses[s] max(<rows_i, atoms_s>, 0)."""
    n, d = rows.shape
    for i in range(n):
        total = 0.0
        for s in range(atoms.shape[0]):
            inner = 0.0
            for j in range(d):
                inner += rows[i, j] * atoms[s, j]
            if inner > 0.0:
                total += masses[s] * inner
        out[i] = total


@_compiled
def relu_rmatvec(rows, atoms, alpha, out):  # type: ignore[no-untyped-def]
    """out[s] = sum_i alpha[i] max(<rows_i, atoms_s>, 0)."""
    n, d = rows.shape
    weight = np.empty(d)
    for s in range(atoms.shape[0]):
        # sum of alpha_i x_i over the active rows, then one inner product.
        weight[:] = 0.0
        for i in range(n):
            inner = 0.0
            for j in range(d):
                inner += rows[i, j] * atoms[s, j]
            if inner > 0.0:
                for j in range(d):
                    weight[j] += alpha[i] * rows[i, j]
        total = 0.0
        for j in range(d):
            total += weight[j] * atoms[s, j]
        out[s] = total
