"""Depth-first search over no-broken-circuit sets: one half of all cells, one packed sign vector each.

Let x_0, ..., x_{n-1} be pairwise non-parallel rows of rank d and phi_d, ..., phi_1 generic covectors ("flags").
At level D everything is restricted to V_D, the common kernel of phi_d, ..., phi_{D+1}.  The cells of one half
correspond one to one to the pairs (D, S), S = {s_1 < ... < s_{D-1}} without row 0, such that
``s_i = min cl{s_i, ..., s_{D-1}}`` for every i and row 0 is not in cl(S).  With the basis b = (0, s_1, ..., s_{D-1}),
its dual basis v_1, ..., v_D in V_D and every v_j oriented by phi_D(v_j) > 0 the cell is the sign vector of
``X (v_1 + eps v_2 + eps^2 v_3 + ...)``.

The search adds elements from the largest down.  A node keeps all rows restricted to S^perp (one array per remaining
coordinate); adding s eliminates one coordinate, and the rows that vanish are cl(S + s).  Candidates are visited in
ascending order and every row seen in cl(S + s), s the smallest of its class, is *covered*: covered candidates are
skipped, so no broken circuit is ever expanded.  At two remaining coordinates a row k gives the vertex v with
``<x_l, v> = a_k x a_l`` (cross product): 64 rows a step.

What is proved.  Float entries carry a uniform absolute error bound e (see `step_error` and `cross_tolerance`).
A sign is taken from floats only beyond its bound; everything else is decided modulo primes (`_modular_kernels`).  In
exact mode (small integers) the restricted entries are integer minors, e = 0 and zeros are zeros.  u = 2^-53.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from ._lanes_kernels import cross64, cross64_single, lowest_bit, minor64, narrow64, near64, popcount, subtract64
from ._modular_kernels import determinant_sign, extend_echelon, parallel_mod, reduce_row

U = 2.0**-53
U_SINGLE = 2.0**-24
SINGLE_WORDS = 3  # from so many words on, a single-precision pass goes first
UP = 1.0 + 1e-9  # inflates every bound to cover the rounding of its own evaluation

DONE = 0
FULL = 1
NOT_GENERIC = 2

COUNT = 0
SIGNS = 1
BASES = 2


class Level(NamedTuple):
    """The rows restricted to V_D and the functional phi_D there."""

    n: int  # rows
    n_words: int  # ceil(n / 64)
    dim: int  # D
    rank: int  # d
    exact: bool  # entries are integers whose minors stay exact in float64
    rows: np.ndarray  # (D * 64 * n_words,) one padded stretch per coordinate
    phi: np.ndarray  # (D,)
    row_error: float
    phi_error: float
    row_max: float
    phi_max: float


class Work(NamedTuple):
    """Scratch of one search; the whole state lives here, so that a search can stop at a full buffer and go on."""

    rows: np.ndarray  # (D - 1, D * 64 W) restricted rows by depth, flattened
    beta: np.ndarray  # (D - 1, D, n) coefficients on the elements of S
    phi: np.ndarray  # (D - 1, D)
    phi_beta: np.ndarray  # (D - 1, D)
    bounds: np.ndarray  # (D - 1, 9) errors and sizes by depth, see the constants below
    covered: np.ndarray  # (D - 1, W) uint64, bit l: row l is known not to be the smallest of its class
    in_flat: np.ndarray  # (W,) uint64, bit l: row l lies in cl(S)
    flat_row: np.ndarray  # (n,) rows of cl(S) in order of absorption
    flat_lead: np.ndarray  # (n,) position in S of the element that absorbed it
    flat_sign: np.ndarray  # (n,) sign relative to that element
    flat_size: np.ndarray  # (D + 1,) sizes by depth
    path: np.ndarray  # (D,) elements of S, descending
    cursor: np.ndarray  # (D,) next candidate by depth
    # state (6,): depth, end of the first elements, depth of the echelon forms, exact decisions, row reduced last, its depth
    state: np.ndarray
    singles: np.ndarray  # (128 W,) float32, the rows of a leaf
    words: np.ndarray  # (3, W) uint64: positive and near-zero rows at a vertex, rows with the orientation of k
    masks: np.ndarray  # (2 D, W) uint64: rows of cl(S) by the element that absorbed them, with its sign or the opposite
    extra_row: np.ndarray  # (n,) rows decided one by one at a leaf
    extra_sign: np.ndarray  # (n,) +-1 relative to k, or +-2 absolute
    coefficient: np.ndarray  # (D + 1,) signs of the coefficients of phi on S
    echelon: np.ndarray  # (D, P, D, d) uint64
    pivots: np.ndarray  # (P, D)
    free: np.ndarray  # (D, P, d) columns without a pivot
    reduced: np.ndarray  # (P + 1, d) uint64
    ids: np.ndarray  # (d,)
    matrix: np.ndarray  # (d, d) uint64
    digits: np.ndarray  # (P,) uint64


ROW_E, PHI_E, ROW_M, PHI_M, SCALE, BETA_E, PHI_BETA_E, BETA_M, PIVOT = range(9)


@njit(cache=True, nogil=True, _nrt=False)
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


@njit(cache=True, nogil=True, _nrt=False)
def cross_tolerance(k0, k1, ek, m0, m1, e):
    """Error of ``k0 l1 - k1 l0``, |l| <= (m0, m1): exact minus exact, then two products and one difference (3u)."""
    return (ek * (m0 + m1) + e * (abs(k0) + abs(k1)) + 2.0 * e * ek + 3.0 * U * (abs(k0) * m1 + abs(k1) * m0)) * UP + 1e-290


@njit(cache=True, nogil=True, _nrt=False)
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
                        table, i, path[m], echelon[m, i], echelon[m + 1, i], pivots[i], free[m, i], free[m + 1, i], m, reduced[count]
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
        reduce_row(table, i, row, echelon[depth, i], pivots[i], free[depth, i], depth, reduced[count])
        if not parallel_mod(table.primes[i], reduced[i], reduced[count], d - depth):
            return False
    return True


@njit(cache=True, nogil=True, _nrt=False)
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


@njit(cache=True, nogil=True, _nrt=False, inline="always")
def eliminate(level, work, depth, s):
    """Restrict the rows, phi and the coefficients at ``depth`` to the hyperplane of row s; fills ``depth + 1``."""
    n = level.n
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
    bound_next[ROW_E] = 0.0 if level.exact else (step_error(e, e, bound[ROW_M], pivot, 1.0) if usable else np.inf)
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


@njit(cache=True, nogil=True, _nrt=False, inline="always")
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


@njit(cache=True, nogil=True, _nrt=False, inline="always")
def absorb(level, table, work, depth, s, keep):
    """Cover the class of s at this depth; with ``keep`` also append it to cl(S). False when flags are not generic.

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
                if not depends(table, work.state, work.path, work.echelon, work.pivots, work.free, work.reduced, depth, s, l):
                    continue
                covered[w] |= bit
            if keep:
                value = work.rows[depth][p * padded + l]
                if abs(value) > e and abs(pivot) > e:
                    sign = 1 if (value > 0.0) == (pivot > 0.0) else -1
                else:
                    work.path[depth] = s
                    sign = coefficient_sign(level, table, work, depth + 1, -1, l, depth)
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


@njit(cache=True, nogil=True, _nrt=False, inline="always")
def resolve_zeros(level, table, work, depth, k, with_signs):
    """At a leaf with more near-zeros than expected: prove each; returns their number, or -1 when flags fail.

    Rows of cl(S + k) become covered; ``extra_sign`` is their sign relative to k (+-1).  In exact mode whole words are
    treated at once and none is counted: ``words[1]`` keeps these rows and ``words[2]`` those on the side of k.  A row that is near zero but
    independent gets its coefficient on row 0 from determinants (+-2, relative to the sign of phi's coefficient).
    """
    padded = 64 * level.n_words
    a = work.rows[depth]
    k0, k1 = a[k], a[padded + k]
    e = work.bounds[depth, ROW_E]
    q = 0 if abs(k0) >= abs(k1) else padded
    count = 0
    good = True
    covered = work.covered[depth]
    in_flat = work.in_flat
    one = np.uint64(1)
    for w in range(level.n_words):
        mask = work.words[1, w] & ~in_flat[w]
        if w == k >> 6:
            mask &= ~(one << np.uint64(k & 63))
        if w == level.n_words - 1:
            mask &= np.uint64(0xFFFFFFFFFFFFFFFF) >> np.uint64(padded - level.n)
        if level.exact:
            covered[w] |= mask
            if with_signs:
                work.words[1, w] = mask
                work.words[2, w], _ = cross64(a, 0, q + 64 * w, 1.0 if a[q + k] > 0.0 else -1.0, 0.0, 0.0)
            continue
        while mask != 0:
            l = 64 * w + lowest_bit(mask)
            bit = mask & (~mask + one)
            mask ^= bit
            sign = 0
            dependent = False
            if covered[w] & bit == 0:
                dependent = depends(table, work.state, work.path, work.echelon, work.pivots, work.free, work.reduced, depth, k, l)
            if dependent:
                covered[w] |= bit
                if with_signs:
                    if abs(a[q + l]) > e and abs(a[q + k]) > e:
                        sign = 1 if (a[q + l] > 0.0) == (a[q + k] > 0.0) else -1
                    else:
                        sign = coefficient_sign(level, table, work, depth, k, l, 1)
                        good = good and sign != 0
            elif with_signs:
                sign = 2 * coefficient_sign(level, table, work, depth, k, l, 0)
                good = good and sign != 0
            work.extra_row[count] = l
            work.extra_sign[count] = sign
            count += 1
    return count if good else -1


@njit(cache=True, nogil=True, _nrt=False)
def set_bit(words, l, sign):
    """Set bit l of a packed sign vector when ``sign > 0``, clear it otherwise."""
    bit = np.uint64(1) << np.uint64(l & 63)
    if sign > 0:
        words[l >> 6] |= bit
    else:
        words[l >> 6] &= ~bit


@njit(cache=True, nogil=True, _nrt=False)
def vertex_signs(level, table, work, depth, k):
    """Signs of the coefficients of phi on (0, k, S) at the vertex of k, into ``work.coefficient``.

    Returns the factor that turns the sign of the cross products into the sign at the oriented vertex, 0 when the flags
    fail.  With ``den = a_0 x a_k``: ``den c_0 = a_phi x a_k``, ``den c_k = a_0 x a_phi`` and
    ``den c_s = den beta_phi,s - (den c_0) beta_0,s - (den c_k) beta_k,s``.
    """
    padded = 64 * level.n_words
    a = work.rows[depth]
    bound = work.bounds[depth]
    e, e_phi = bound[ROW_E], bound[PHI_E]
    z0, z1 = a[0], a[padded]
    k0, k1 = a[k], a[padded + k]
    f0, f1 = work.phi[depth, 0], work.phi[depth, 1]
    den = z0 * k1 - z1 * k0
    on_zero = f0 * k1 - f1 * k0
    on_k = z0 * f1 - z1 * f0
    e_den = cross_tolerance(k0, k1, e, abs(z0), abs(z1), e)
    e_zero = cross_tolerance(k0, k1, e, abs(f0), abs(f1), e_phi)
    e_k = cross_tolerance(f0, f1, e_phi, abs(z0), abs(z1), e)
    sign_den = 1 if den > 0.0 else -1
    den_ok = abs(den) > e_den
    e_beta, e_phi_beta = bound[BETA_E], bound[PHI_BETA_E]
    signs = work.coefficient
    if den_ok and abs(on_zero) > e_zero:
        signs[0] = sign_den if on_zero > 0.0 else -sign_den
    else:
        signs[0] = coefficient_sign(level, table, work, depth, k, level.n + level.dim - 1, 0)
        if signs[0] == 0:
            return 0
    if den_ok and abs(on_k) > e_k:
        signs[1] = sign_den if on_k > 0.0 else -sign_den
    else:
        signs[1] = coefficient_sign(level, table, work, depth, k, level.n + level.dim - 1, 1)
        if signs[1] == 0:
            return 0
    for i in range(depth):
        b_phi, b_zero, b_k = work.phi_beta[depth, i], work.beta[depth, i, 0], work.beta[depth, i, k]
        value = b_phi * den - on_zero * b_zero - on_k * b_k
        one, two, three = abs(b_phi), abs(b_zero) + e_beta, abs(b_k) + e_beta
        error = one * e_den + (abs(den) + e_den) * e_phi_beta
        error += two * e_zero + abs(on_zero) * e_beta + three * e_k + abs(on_k) * e_beta
        error += 4.0 * U * (one * abs(den) + two * abs(on_zero) + three * abs(on_k))
        if den_ok and abs(value) > error * UP + 1e-290:
            signs[2 + i] = sign_den if value > 0.0 else -sign_den
        else:
            signs[2 + i] = coefficient_sign(level, table, work, depth, k, level.n + level.dim - 1, 2 + i)
            if signs[2 + i] == 0:
                return 0
    # cross products a_k x a_l at l = 0 is -den; the sign of row 0 at the vertex is that of c_0
    if den_ok:
        return -sign_den * signs[0]
    tol = cross_tolerance(k0, k1, e, bound[ROW_M], bound[ROW_M], e)
    for l in range(level.n):
        c = k0 * a[padded + l] - k1 * a[l]
        if abs(c) > tol:
            sign = coefficient_sign(level, table, work, depth, k, l, 0)
            if sign == 0:
                return 0
            return sign * signs[0] * (1 if c > 0.0 else -1)
    return 1


@njit(cache=True, nogil=True, _nrt=False, inline="always")
def leaf(level, table, work, mode, out, bases, start):
    """Emit the cells of all vertices on the line of the current S; returns (status, rows written so far).

    The common case, every sign beyond its bound, is written out here on local arrays; `vertex_signs` is the same
    computation with its exact ways out.
    """
    n = level.n
    n_words = level.n_words
    padded = 64 * n_words
    depth = level.dim - 2
    exact = level.exact
    a = work.rows[depth]
    covered = work.covered[depth]
    words, zeros = work.words[0], work.words[1]
    beta = work.beta[depth]
    phi_beta = work.phi_beta[depth]
    signs = work.coefficient
    masks, flat_words, sides = work.masks, work.in_flat, work.words[2]
    flat_row, flat_lead, flat_sign = work.flat_row, work.flat_lead, work.flat_sign
    limit = work.path[depth - 1] if depth > 0 else n
    bound = work.bounds[depth]
    e, e_phi, size = bound[ROW_E], bound[PHI_E], bound[ROW_M]
    e_beta, e_phi_beta = bound[BETA_E], bound[PHI_BETA_E]
    z0, z1 = a[0], a[padded]
    f0, f1 = work.phi[depth, 0], work.phi[depth, 1]
    size_z, size_f = abs(z0) + abs(z1), abs(f0) + abs(f1)
    on_k = z0 * f1 - z1 * f0
    e_k = cross_tolerance(f0, f1, e_phi, abs(z0), abs(z1), e)
    in_flat = work.flat_size[depth]
    expected = padded - n + in_flat + 1
    tail = np.uint64(0xFFFFFFFFFFFFFFFF) >> np.uint64(padded - n)
    one = np.uint64(1)
    by_masks = mode != COUNT and in_flat > depth * n_words
    if by_masks:
        masks[: 2 * depth] = 0
        for i in range(in_flat):
            l = flat_row[i]
            masks[2 * flat_lead[i] + (0 if flat_sign[i] > 0 else 1), l >> 6] |= one << np.uint64(l & 63)
    singles = work.singles
    if n_words >= SINGLE_WORDS:
        for w in range(0, 2 * padded, 64):
            narrow64(a, w, singles, w)
    k = work.cursor[depth]
    while k < limit:
        if (covered[k >> 6] >> np.uint64(k & 63)) & one != 0:
            k += 1
            continue
        if k > 0 and mode != COUNT and start >= out.shape[0]:
            work.cursor[depth] = k
            return FULL, start
        k0, k1 = a[k], a[padded + k]
        tol = 0.0
        if not exact:
            tol = cross_tolerance(k0, k1, e, size, size, e)
        near = -1
        if n_words >= SINGLE_WORDS:
            # entries and the product are rounded, then a difference: below 5.5 u of the sum of the products
            wide = (tol + 5.5 * U_SINGLE * size * (abs(k0) + abs(k1))) * (1.0 + 1e-6) + 1e-30
            near = 0
            for w in range(n_words):
                positive, mask = cross64_single(
                    singles, 64 * w, padded + 64 * w, np.float32(k0), np.float32(k1), np.float32(wide)
                )
                words[w] = positive
                zeros[w] = mask
                near += popcount(mask)
        if near != expected:
            near = 0
            for w in range(n_words):
                positive, mask = cross64(a, 64 * w, padded + 64 * w, k0, k1, tol)
                words[w] = positive
                zeros[w] = mask
                near += popcount(mask)
        extras = 0
        if near != expected:
            extras = resolve_zeros(level, table, work, depth, k, mode != COUNT and k > 0)
            if extras < 0:
                return NOT_GENERIC, start
        if k == 0:
            k += 1
            continue
        if mode == COUNT:
            start += 1
            k += 1
            continue
        # fast path of vertex_signs: coarser bounds, the same formulas
        den = z0 * k1 - z1 * k0
        on_zero = f0 * k1 - f1 * k0
        size_k = abs(k0) + abs(k1)
        e_den = (e * (size_k + size_z) + 2.0 * e * e + 3.0 * U * size_k * size_z) * UP + 1e-290
        e_zero = (e * size_f + e_phi * size_k + 2.0 * e * e_phi + 3.0 * U * size_k * size_f) * UP + 1e-290
        certain = abs(den) > e_den and abs(on_zero) > e_zero and abs(on_k) > e_k
        factor = 1 if on_zero < 0.0 else -1
        signs[0] = 1 if (on_zero > 0.0) == (den > 0.0) else -1
        signs[1] = 1 if (on_k > 0.0) == (den > 0.0) else -1
        den_most = abs(den) + e_den
        for i in range(depth):
            b_phi, b_zero, b_k = phi_beta[i], beta[i, 0], beta[i, k]
            value = b_phi * den - on_zero * b_zero - on_k * b_k
            one_, two, three = abs(b_phi), abs(b_zero) + e_beta, abs(b_k) + e_beta
            error = one_ * e_den + den_most * e_phi_beta
            error += two * e_zero + abs(on_zero) * e_beta + three * e_k + abs(on_k) * e_beta
            error += 4.0 * U * (one_ * abs(den) + two * abs(on_zero) + three * abs(on_k))
            certain = certain and abs(value) > error * UP + 1e-290
            signs[2 + i] = 1 if (value > 0.0) == (den > 0.0) else -1
        if not certain:
            factor = vertex_signs(level, table, work, depth, k)
            if factor == 0:
                return NOT_GENERIC, start
        if factor > 0:
            for w in range(n_words):
                out[start, w] = words[w]
        else:
            for w in range(n_words):
                out[start, w] = ~words[w]
            out[start, n_words - 1] &= tail
        if signs[1] > 0:
            out[start, k >> 6] |= one << np.uint64(k & 63)
        else:
            out[start, k >> 6] &= ~(one << np.uint64(k & 63))
        if by_masks:
            for w in range(n_words):
                word = out[start, w] & ~flat_words[w]
                for i in range(depth):
                    word |= masks[2 * i + (0 if signs[2 + i] > 0 else 1), w]
                out[start, w] = word
        else:
            for i in range(in_flat):
                l = flat_row[i]
                if flat_sign[i] * signs[2 + flat_lead[i]] > 0:
                    out[start, l >> 6] |= one << np.uint64(l & 63)
                else:
                    out[start, l >> 6] &= ~(one << np.uint64(l & 63))
        if exact and near != expected:
            flip = np.uint64(0) if signs[1] > 0 else ~np.uint64(0)
            for w in range(n_words):
                out[start, w] = (out[start, w] & ~zeros[w]) | (zeros[w] & (sides[w] ^ flip))
        for i in range(extras):
            sign = work.extra_sign[i]
            set_bit(out[start], work.extra_row[i], sign * signs[1] if abs(sign) == 1 else sign * signs[0])
        if mode == BASES:
            bases[start, 0] = 0
            bases[start, 1] = k
            for i in range(depth):
                bases[start, 2 + i] = work.path[depth - 1 - i]
            for i in range(depth + 2, level.rank):
                bases[start, i] = n + level.rank - 1 - (i - depth - 2)
        start += 1
        k += 1
    work.cursor[depth] = 0
    return DONE, start


@njit(cache=True, nogil=True, _nrt=False)
def search(level, table, work, mode, out, bases, start):
    """Run or resume a search; returns (DONE | FULL | NOT_GENERIC, number of rows written or counted)."""
    last = level.dim - 2
    depth = work.state[0]
    while depth >= 0:
        if depth == last:
            status, start = leaf(level, table, work, mode, out, bases, start)
            if status != DONE:
                work.state[0] = depth
                return status, start
            depth = leave(work, depth)
            continue
        s = work.cursor[depth]
        limit = work.state[1] if depth == 0 else work.path[depth - 1]
        while s < limit and (work.covered[depth, s >> 6] >> np.uint64(s & 63)) & np.uint64(1) != 0:
            s += 1
        if s >= limit:
            depth = leave(work, depth)
            continue
        work.cursor[depth] = s + 1
        keep = s >= last - depth + 1 and s > 0  # enough smaller rows are left to complete S
        if depth == 0 and not keep:
            continue
        work.path[depth] = s
        work.state[2] = min(work.state[2], depth)
        eliminate(level, work, depth, s)
        if not absorb(level, table, work, depth, s, keep):
            return NOT_GENERIC, start
        if keep:
            if mode != COUNT:
                update_coefficients(level, work, depth, s)
            depth += 1
            work.covered[depth, :] = 0
            work.cursor[depth] = 0
    work.state[0] = -1
    return DONE, start


@njit(cache=True, nogil=True, _nrt=False, inline="always")
def leave(work, depth):
    """Step back to the parent: the rows that its last element absorbed are free again."""
    depth -= 1
    if depth >= 0:
        for i in range(work.flat_size[depth], work.flat_size[depth + 1]):
            l = work.flat_row[i]
            work.in_flat[l >> 6] &= ~(np.uint64(1) << np.uint64(l & 63))
        work.state[2] = min(work.state[2], depth)
    return depth


@njit(cache=True, nogil=True, _nrt=False)
def last_cell(level, table, work, out):
    """The one cell of level 1: signs of the rows on the line where all flags but phi_1 vanish; False when flags fail."""
    d = level.rank
    ids = work.ids
    factor = 0
    out[:] = 0
    for l in range(level.n):
        x = level.rows[l]
        certain = abs(x) > level.row_error
        sign = 0
        if not certain or factor == 0:
            ids[0] = l
            for i in range(1, d):
                ids[i] = level.n + d - i
            sign = determinant_sign(table, ids, work.matrix, work.digits)
            if sign == 0:
                return False
            if certain:
                factor = sign * (1 if x > 0.0 else -1)
        else:
            sign = factor * (1 if x > 0.0 else -1)
        set_bit(out, l, sign)
    return True
