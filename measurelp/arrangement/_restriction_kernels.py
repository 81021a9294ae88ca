"""One step down the search tree: restrict all rows to the hyperplane of one, with proved error bounds.

Also the exact decisions (dependence, signs of coefficients) that the bounds leave open.  See `_search_kernels` for the
algorithm.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from ._lanes_kernels import lowest_bit, minor64, near64, subtract64
from ._modular_kernels import determinant_sign, extend_echelon, parallel_mod, reduce_row
from ._search_state import (
    BETA_E,
    BETA_M,
    PHI_BETA_E,
    PHI_E,
    PHI_M,
    PIVOT,
    ROW_E,
    ROW_M,
    SCALE,
    UP,
    U,
)


@njit(cache=True, nogil=True, _nrt=False, error_model="numpy")
def step_error(e, e_pivot, size, pivot, ratio):
    """Error of ``x'_q = (x_q P - x_p t_q) / Q`` for computed data, ``|t_q| <= |P|``, Q taken as exact, ``ratio = |P / Q|``.

    Exact minus exact: ``|x_q P - x^_q P^|`` and ``|x_p t_q - x^_p t^_q|`` are at most ``e |P^| + size e_t + e e_t``
    each.  Rounding: two products (u each), one difference and one division of terms at most ``size |P|``: in all
    below ``6.1 u size |P|``; the quotient form ``x_q - x_p (t_q / P)`` has the same bound.  An additional 1e-290
    stands for underflow.  A pivot that may vanish gives inf.
    """
    if not (abs(pivot) > 2.0 * e_pivot):
        return np.inf
    return ratio * (2.0 * (e + (size + e) * (e_pivot / abs(pivot))) + 6.1 * U * size) * UP + 1e-290


@njit(cache=True, nogil=True, _nrt=False, error_model="numpy")
def cross_tolerance(k0, k1, ek, m0, m1, e):
    """Error of ``k0 l1 - k1 l0``, |l| <= (m0, m1): exact minus exact, then two products and one difference (3u)."""
    return (
        ek * (m0 + m1)
        + e * (abs(k0) + abs(k1))
        + 2.0 * e * ek
        + 3.0 * U * (abs(k0) * m1 + abs(k1) * m0)
    ) * UP + 1e-290


@njit(cache=True, nogil=True, _nrt=False, error_model="numpy")
def depends(table, state, path, echelon, pivots, free, reduced, depth, s, row):
    """Exactly: does ``row`` lie in the span of the first ``depth`` elements of the path and s.

    Few arguments on purpose: it is called often, and every array of a tuple is passed by its fields.
    """
    state[3] += 1
    d = table.rows.shape[2]
    count = table.n_dependence
    if state[2] < depth or state[4] != s or state[5] != depth:
        while state[2] < depth:
            m = state[2]
            for i in range(count):
                if m > 0 and pivots[i, m - 1] < 0:
                    pivots[i, m] = -1
                else:
                    extend_echelon(
                        table,
                        i,
                        path[m],
                        echelon[m, i],
                        echelon[m + 1, i],
                        pivots[i],
                        free[m, i],
                        free[m + 1, i],
                        m,
                        reduced[count],
                    )
            state[2] += 1
        for i in range(count):
            if depth == 0:
                for c in range(d):
                    free[0, i, c] = c
            elif pivots[i, depth - 1] < 0:
                continue
            reduce_row(table, i, s, echelon[depth, i], pivots[i], free[depth, i], depth, reduced[i])
        state[4] = s
        state[5] = depth
    for i in range(count):
        if depth > 0 and pivots[i, depth - 1] < 0:
            continue
        reduce_row(
            table, i, row, echelon[depth, i], pivots[i], free[depth, i], depth, reduced[count]
        )
        if not parallel_mod(table.primes[i], reduced[i], reduced[count], d - depth):
            return False
    return True


@njit(cache=True, nogil=True, _nrt=False, error_model="numpy")
def coefficient_sign(level, table, work, depth, k, new, position):
    """Exact sign of the coefficient of vector ``new`` on element ``position`` of a basis; 0 when flags are not generic.

    The basis is (0, k, path..., flags phi_d ... phi_{D+1}) for a leaf: position 0 is row 0, 1 is k, 2 + i is path[i].
    With k < 0 it is (path..., flags phi_d, phi_{d-1}, ...) filled up to d vectors: position i is path[i].
    """
    work.state[3] += 1
    ids = work.ids
    size = 0
    if k >= 0:
        ids[0] = 0
        ids[1] = k
        size = 2
    for i in range(depth):
        ids[size] = work.path[i]
        size += 1
    flag = level.rank
    while size < level.rank:
        ids[size] = level.n + flag - 1
        flag -= 1
        size += 1
    below = determinant_sign(table, ids, work.matrix, work.digits)
    ids[position] = new
    above = determinant_sign(table, ids, work.matrix, work.digits)
    return above * below


@njit(cache=True, nogil=True, _nrt=False, error_model="numpy", inline="always")
def eliminate(level, work, depth, s):
    """Restrict the rows, phi and the coefficients at ``depth`` to the hyperplane of row s; fills ``depth + 1``."""
    padded = 64 * level.n_words
    dims = level.dim - depth
    a, b = work.rows[depth], work.rows[depth + 1]
    bound, bound_next = work.bounds[depth], work.bounds[depth + 1]
    p = 0
    for q in range(1, dims):
        if abs(a[q * padded + s]) > abs(a[p * padded + s]):
            p = q
    pivot = a[p * padded + s]
    bound[PIVOT] = p
    e, e_phi = bound[ROW_E], bound[PHI_E]
    scale = bound[SCALE] if level.exact else pivot
    usable = scale != 0.0 and pivot != 0.0
    ratio = abs(pivot / scale) if usable else np.inf
    bound_next[SCALE] = pivot
    bound_next[ROW_E] = (
        0.0 if level.exact else (step_error(e, e, bound[ROW_M], pivot, 1.0) if usable else np.inf)
    )
    bound_next[PHI_E] = step_error(e_phi, e, bound[PHI_M], pivot, ratio) if usable else np.inf
    bound_next[ROW_M] = 2.0 * bound[ROW_M] * ratio * UP
    bound_next[PHI_M] = 2.0 * bound[PHI_M] * ratio * UP
    if not usable:
        b[: (dims - 1) * padded] = 0.0
        work.phi[depth + 1, :] = 0.0
        return
    o = 0
    op = p * padded
    for q in range(dims):
        if q == p:
            continue
        oq = q * padded
        ob = o * padded
        t = a[oq + s]
        if level.exact:
            for w in range(0, padded, 64):
                minor64(a, oq + w, op + w, pivot, t, 1.0 / scale, b, ob + w)
        else:
            for w in range(0, padded, 64):
                subtract64(a, oq + w, op + w, t / pivot, b, ob + w)
        b[ob + s] = 0.0
        work.phi[depth + 1, o] = (work.phi[depth, q] * pivot - work.phi[depth, p] * t) / scale
        o += 1


@njit(cache=True, nogil=True, _nrt=False, error_model="numpy", inline="always")
def update_coefficients(level, work, depth, s):
    """Gauss-Jordan step: coefficients of rows l < s and of phi on the elements of S + s, with error bounds.

    ``g = x_lp / P`` is off by at most ``(e + |g| e_t) / (|P| - e_t) + u |g|``; an old coefficient becomes
    ``beta - g beta_s``.
    """
    padded = 64 * level.n_words
    a = work.rows[depth]
    bound, bound_next = work.bounds[depth], work.bounds[depth + 1]
    p = int(bound[PIVOT])
    pivot = a[p * padded + s]
    e, e_beta = bound[ROW_E], bound[BETA_E]
    if not (abs(pivot) > 2.0 * e):
        bound_next[BETA_E] = np.inf
        bound_next[PHI_BETA_E] = np.inf
        return
    old, new = work.beta[depth], work.beta[depth + 1]
    room = abs(pivot) - e
    op = p * padded
    head_row = a[op : op + padded]
    g_row = new[depth]
    for l in range(s):
        g_row[l] = head_row[l] / pivot
    largest = bound[ROW_M] / abs(pivot) * UP
    g_phi = work.phi[depth, p] / pivot
    head = 0.0
    for i in range(depth):
        t = old[i, s]
        head = max(head, abs(t))
        new_row, old_row = new[i], old[i]
        for l in range(s):
            new_row[l] = old_row[l] - g_row[l] * t
        work.phi_beta[depth + 1, i] = work.phi_beta[depth, i] - g_phi * t
    work.phi_beta[depth + 1, depth] = g_phi
    e_g = (e + largest * e) / room + U * largest
    size = bound[BETA_M]
    bound_next[BETA_M] = max(largest, size + largest * head) * UP
    e_new = e_beta + e_g * (head + e_beta) + largest * e_beta + 2.1 * U * (size + largest * head)
    bound_next[BETA_E] = max(e_g, e_new) * UP + 1e-290
    g = abs(g_phi)
    e_g = (bound[PHI_E] + g * e) / room + U * g
    size = 0.0
    for i in range(depth):
        size = max(size, abs(work.phi_beta[depth, i]))
    e_new = bound[PHI_BETA_E] + e_g * (head + e_beta) + g * e_beta + 2.1 * U * (size + g * head)
    bound_next[PHI_BETA_E] = max(e_g, e_new) * UP + 1e-290


@njit(cache=True, nogil=True, _nrt=False, error_model="numpy", inline="always")
def absorb(level, table, work, depth, s, keep):
    """Cover the class of s at this depth; with ``keep`` also append it to cl(S). False when flags are not generic or
    a decision needs residues that the table does not have.

    Rows whose restricted entries are all within their error are candidates; each is proved to lie in cl(S + s) or not.
    """
    padded = 64 * level.n_words
    dims = level.dim - depth - 1
    b = work.rows[depth + 1]
    tol = work.bounds[depth + 1, ROW_E]
    size = work.flat_size[depth]
    covered = work.covered[depth]
    in_flat = work.in_flat
    one = np.uint64(1)
    covered[s >> 6] |= one << np.uint64(s & 63)
    if keep:
        work.flat_row[size] = s
        work.flat_lead[size] = depth
        work.flat_sign[size] = 1
        in_flat[s >> 6] |= one << np.uint64(s & 63)
        size += 1
    p = int(work.bounds[depth, PIVOT])
    pivot = work.rows[depth][p * padded + s]
    e = work.bounds[depth, ROW_E]
    good = True
    for w in range(level.n_words):
        mask = near64(b, 64 * w, tol) & ~(covered[w] | in_flat[w])
        for q in range(1, dims):
            mask &= near64(b, q * padded + 64 * w, tol)
        if w == level.n_words - 1:
            mask &= np.uint64(0xFFFFFFFFFFFFFFFF) >> np.uint64(padded - level.n)
        if level.exact:
            covered[w] |= mask
            if not keep:
                continue
        while mask != 0:
            l = 64 * w + lowest_bit(mask)
            bit = mask & (~mask + one)
            mask ^= bit
            if not level.exact:
                if table.n_dependence == 0:
                    return False
                if not depends(
                    table,
                    work.state,
                    work.path,
                    work.echelon,
                    work.pivots,
                    work.free,
                    work.reduced,
                    depth,
                    s,
                    l,
                ):
                    continue
                covered[w] |= bit
            if keep:
                value = work.rows[depth][p * padded + l]
                if abs(value) > e and abs(pivot) > e:
                    sign = 1 if (value > 0.0) == (pivot > 0.0) else -1
                else:
                    work.path[depth] = s
                    sign = coefficient_sign(level, table, work, depth + 1, np.int64(-1), l, depth)
                    good = good and sign != 0
                work.flat_row[size] = l
                work.flat_lead[size] = depth
                work.flat_sign[size] = sign
                in_flat[w] |= bit
                size += 1
                for q in range(dims):
                    b[q * padded + l] = 0.0
    if keep:
        work.flat_size[depth + 1] = size
    return good
