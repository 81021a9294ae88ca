"""Depth-first search over no-broken-circuit sets: one half of all cells, one packed sign vector each.

Long because the search is one compiled recursion whose correctness rests on the argument below.

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

Compilation.  The kernels allocate nothing and own no array, so numba's reference counting is switched off
(``_nrt=False``): it would cost more than the arithmetic of a node.  For the same reason the functions of a node are
inlined into `search`.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from ._lanes_kernels import cross64, cross64_single, lowest_bit, narrow64, popcount
from ._modular_kernels import determinant_sign
from ._restriction_kernels import (
    absorb,
    coefficient_sign,
    cross_tolerance,
    depends,
    eliminate,
    update_coefficients,
)
from ._search_state import (
    BASES,
    BETA_E,
    COUNT,
    DONE,
    FULL,
    NOT_GENERIC,
    PAUSED,
    PHI_BETA_E,
    PHI_E,
    ROW_E,
    ROW_M,
    U_SINGLE,
    UP,
    U,
)

SINGLE_WORDS = 3  # from so many words on, a single-precision pass goes first


@njit(cache=True, nogil=True, _nrt=False, error_model="numpy", inline="always")
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
                work.words[2, w], _ = cross64(
                    a, 0, q + 64 * w, 1.0 if a[q + k] > 0.0 else -1.0, 0.0, 0.0
                )
            continue
        while mask != 0:
            l = 64 * w + lowest_bit(mask)
            bit = mask & (~mask + one)
            mask ^= bit
            sign = 0
            dependent = False
            if table.n_dependence == 0:
                return -1
            if covered[w] & bit == 0:
                dependent = depends(
                    table,
                    work.state,
                    work.path,
                    work.echelon,
                    work.pivots,
                    work.free,
                    work.reduced,
                    depth,
                    k,
                    l,
                )
            if dependent:
                covered[w] |= bit
                if with_signs:
                    if abs(a[q + l]) > e and abs(a[q + k]) > e:
                        sign = 1 if (a[q + l] > 0.0) == (a[q + k] > 0.0) else -1
                    else:
                        sign = coefficient_sign(level, table, work, depth, k, l, np.int64(1))
                        good = good and sign != 0
            elif with_signs:
                sign = 2 * coefficient_sign(level, table, work, depth, k, l, np.int64(0))
                good = good and sign != 0
            work.extra_row[count] = l
            work.extra_sign[count] = sign
            count += 1
    return count if good else -1


@njit(cache=True, nogil=True, _nrt=False, error_model="numpy")
def set_bit(words, l, sign):
    """Set bit l of a packed sign vector when ``sign > 0``, clear it otherwise."""
    bit = np.uint64(1) << np.uint64(l & 63)
    if sign > 0:
        words[l >> 6] |= bit
    else:
        words[l >> 6] &= ~bit


@njit(cache=True, nogil=True, _nrt=False, error_model="numpy")
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
        signs[0] = coefficient_sign(
            level, table, work, depth, k, level.n + level.dim - 1, np.int64(0)
        )
        if signs[0] == 0:
            return 0
    if den_ok and abs(on_k) > e_k:
        signs[1] = sign_den if on_k > 0.0 else -sign_den
    else:
        signs[1] = coefficient_sign(
            level, table, work, depth, k, level.n + level.dim - 1, np.int64(1)
        )
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
            signs[2 + i] = coefficient_sign(
                level, table, work, depth, k, level.n + level.dim - 1, 2 + i
            )
            if signs[2 + i] == 0:
                return 0
    # cross products a_k x a_l at l = 0 is -den; the sign of row 0 at the vertex is that of c_0
    if den_ok:
        return -sign_den * signs[0]
    tol = cross_tolerance(k0, k1, e, bound[ROW_M], bound[ROW_M], e)
    for l in range(level.n):
        c = k0 * a[padded + l] - k1 * a[l]
        if abs(c) > tol:
            sign = coefficient_sign(level, table, work, depth, k, l, np.int64(0))
            if sign == 0:
                return 0
            return sign * signs[0] * (1 if c > 0.0 else -1)
    return 1


@njit(cache=True, nogil=True, _nrt=False, error_model="numpy", inline="always")
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
            masks[2 * flat_lead[i] + (0 if flat_sign[i] > 0 else 1), l >> 6] |= one << np.uint64(
                l & 63
            )
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
                    singles,
                    64 * w,
                    padded + 64 * w,
                    np.float32(k0),
                    np.float32(k1),
                    np.float32(wide),
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
        e_zero = (
            e * size_f + e_phi * size_k + 2.0 * e * e_phi + 3.0 * U * size_k * size_f
        ) * UP + 1e-290
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
            set_bit(
                out[start],
                work.extra_row[i],
                sign * signs[1] if abs(sign) == 1 else sign * signs[0],
            )
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


@njit(cache=True, nogil=True, _nrt=False, error_model="numpy", inline="always")
def leave(work, depth):
    """Step back to the parent: the rows that its last element absorbed are free again."""
    depth -= 1
    if depth >= 0:
        for i in range(work.flat_size[depth], work.flat_size[depth + 1]):
            l = work.flat_row[i]
            work.in_flat[l >> 6] &= ~(np.uint64(1) << np.uint64(l & 63))
        work.state[2] = min(work.state[2], depth)
    return depth


@njit(cache=True, nogil=True, _nrt=False, error_model="numpy")
def search(level, table, work, mode, out, bases, start, pause):
    """Run or resume a search; returns (DONE | FULL | NOT_GENERIC | PAUSED, number of rows written or counted).

    It pauses after the first line with which there are ``pause`` rows or more.
    """
    last = level.dim - 2
    depth = work.state[0]
    while depth >= 0:
        if depth == last:
            status, start = leaf(level, table, work, mode, out, bases, start)
            if status != DONE:
                work.state[0] = depth
                return status, start
            depth = leave(work, depth)
            if start >= pause and depth >= 0:
                work.state[0] = depth
                return PAUSED, start
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


@njit(cache=True, nogil=True, _nrt=False, error_model="numpy")
def last_cell(level, table, work, out):
    """The one cell of level 1: signs of the rows on the line where all flags but phi_1 vanish; False when flags fail.

    Either of two opposite cells will do.  Rows within their error get the sign of a determinant, times that which
    takes determinants to the orientation of the floats (of any row beyond its error).
    """
    d = level.rank
    ids = work.ids
    factor = 0
    out[:] = 0
    for i in range(1, d):
        ids[i] = level.n + d - i
    for l in range(level.n):
        x = level.rows[l]
        sign = 1 if x > 0.0 else -1
        if not abs(x) > level.row_error:
            if factor == 0:
                factor = 1
                for j in range(level.n):
                    if abs(level.rows[j]) > level.row_error:
                        ids[0] = j
                        factor = determinant_sign(table, ids, work.matrix, work.digits)
                        factor *= 1 if level.rows[j] > 0.0 else -1
                        break
            ids[0] = l
            sign = factor * determinant_sign(table, ids, work.matrix, work.digits)
            if sign == 0:
                return False
        set_bit(out, l, sign)
    return True
