r"""Compiled bound of |F| on one simplicial cone, F(w) = sum_l A_l <x_l, w>_+ in R^c.

With w = sum t_j r_j, t >= 0, a cut row has values v_j = <x_l, r_j>, P = max(v, 0), M = max(-v, 0), and

* <x_l, w>_+ = P't - delta with 0 <= delta <= min(P't, M't);
* <x_l, w>_+ = theta v't + kappa with 0 <= kappa <= ((1 - theta) P + theta M)'t, theta in [0, 1].

Let |F(w)| > thr |w|, and u' = F(w) / |F(w)|, so that |F(w)| = <u', F(w)>.  If u' is known to lie
in a cap around u, the sign of <u', A_l> is known for most rows: where it is >= 0 the row lies
below P't, where it is <= 0 below theta v't, for any theta, and otherwise one of the two holds with
an error that is linear in t.  Together |F(w)| <= |B't| + e't.

The cap: taking the middle of each row's interval, F = C't up to +- D't / 2 for each row (D the one
of P, M that is smaller), so the part of F that is orthogonal to u is at most

    sum_j t_j (|C_j - u u'C_j| + 1/2 sum_l |A_l - u u'A_l| D_lj) =: sum_j t_j q_j,

and |F(w)| > thr |w| >= thr sum_j t_j beta_j with beta_j = <r_j, axis>, axis a unit vector.  Hence
the sine of the angle between u' and u or -u is at most max q_j / (beta_j thr).  That u' is not near
-u is tested by a lower bound of <u, F>.

Then |F| <= thr |w| on the cone if, for some g > 0,

    thr^2 R - (1 + g) B B' - (1 + 1/g) e e'     with R_jk = <r_j, r_k>

is copositive, because (a + b)^2 <= (1 + g) a^2 + (1 + 1/g) b^2.  The values of u, theta and g matter
for tightness only.  Where no row cuts the cone, B is F itself and the test is exact.

Rounding is charged in two places.  ``delta`` bounds the error of each B_j, each q_j and e_j: since
sum_j t_j = |w|_1 <= sqrt(r) |w| (generators are convex combinations of an orthant's axes), 2 delta
sqrt(r) is taken off thr.  ``slack`` bounds the error of each entry of R.
"""

from __future__ import annotations

import numpy as np

from measurelp._jit_kernels import inner
from measurelp.oracle._copositive_kernels import U, is_copositive

_SWEEPS = 3


@inner
def relaxation(
    rows, weights, sizes, generator, normal, uncut, direction, beta, arena_row, arena_v, first,
    last, threshold, delta, majorant, error, loss, room,
):  # fmt: skip
    """Fill ``majorant`` B (r, c) and ``error`` e (r,), valid where |F(w)| > threshold |w|.

    ``weights`` (n, c) are the A_l and ``sizes`` their lengths; the last row of ``arena_v`` is
    theta, which is improved in place.  ``loss`` receives, for each cut row, what the relaxation
    may lose for each unit of its kink.
    """
    r, c = uncut.shape
    centre, half, low, height, y, multiplier, inner, off = room
    for j in range(r):
        half[j] = 0.0
        low[j] = 0.0
        height[j] = 0.0
        for q in range(c):
            centre[j, q] = uncut[j, q]
            majorant[j, q] = uncut[j, q]
            height[j] += direction[q] * uncut[j, q]
        error[j] = 0.0
    for k in range(first, last):
        row = arena_row[k]
        along = 0.0
        for q in range(c):
            along += direction[q] * weights[row, q]
        perp = 0.0
        for q in range(c):
            perp += (weights[row, q] - along * direction[q]) ** 2
        perp = np.sqrt(perp) + 16.0 * U * sizes[row]
        inner[k - first] = along
        off[k - first] = perp
        above, below = 0.0, 0.0
        for j in range(r):
            above = max(above, arena_v[j, k])
            below = max(below, -arena_v[j, k])
        for j in range(r):
            v = arena_v[j, k]
            positive, negative = max(v, 0.0), max(-v, 0.0)
            gap = 0.5 * (positive if above <= below else negative)
            middle = gap if above <= below else positive - gap
            half[j] += perp * gap
            low[j] -= abs(along) * gap
            for q in range(c):
                centre[j, q] += weights[row, q] * middle
            if along >= 0.0:
                height[j] += along * positive
                for q in range(c):
                    majorant[j, q] += weights[row, q] * positive

    # The cap around the direction that holds F(w) / |F(w)|.
    sine = 0.0
    for j in range(r):
        along = 0.0
        for q in range(c):
            along += direction[q] * centre[j, q]
        perp = 0.0
        for q in range(c):
            perp += (centre[j, q] - along * direction[q]) ** 2
        sine = max(sine, (np.sqrt(perp) + half[j] + 4.0 * delta) / (beta[j] * threshold))
        low[j] += along
    sine *= 1.0 + 1e-9
    has_cap = sine < 1.0
    cosine = np.sqrt(1.0 - sine * sine) * (1.0 - 1e-9) if has_cap else 0.0
    for j in range(r):
        if not low[j] - 4.0 * delta > -cosine * threshold * beta[j]:
            has_cap = False

    _improve_thetas(rows, normal, height, arena_row, arena_v, first, last, inner, y, multiplier)

    for k in range(first, last):
        row = arena_row[k]
        along = inner[k - first]
        excess = sizes[row] * (1.0 + 8.0 * U)
        if has_cap:
            excess = min(excess, off[k - first] * sine - abs(along) * cosine)
        loss[k - first] = max(along, excess, 0.0)
        if along >= 0.0:
            if excess > 0.0:
                above, below = 0.0, 0.0
                for j in range(r):
                    above = max(above, arena_v[j, k])
                    below = max(below, -arena_v[j, k])
                for j in range(r):
                    v = arena_v[j, k] if above <= below else -arena_v[j, k]
                    error[j] += excess * max(v, 0.0)
        else:
            theta = arena_v[r, k]
            for j in range(r):
                v = arena_v[j, k]
                for q in range(c):
                    majorant[j, q] += weights[row, q] * (theta * v)
                if excess > 0.0:
                    error[j] += excess * ((1.0 - theta) * max(v, 0.0) + theta * max(-v, 0.0))
    for j in range(r):
        error[j] *= 1.0 + 1e-9


@inner
def _improve_thetas(rows, normal, height, arena_row, arena_v, first, last, inner, y, multiplier):
    """Sweeps over the coordinates of min |y|, y = sum h_j n_j - sum theta_l |a_l| x_l + cone(n)."""
    r = height.shape[0]
    for i in range(r):
        y[i] = 0.0
        multiplier[i] = 0.0
        for j in range(r):
            y[i] += height[j] * normal[j, i]
    for k in range(first, last):
        if inner[k - first] < 0.0:
            for i in range(r):
                y[i] += arena_v[r, k] * inner[k - first] * rows[arena_row[k], i]
    for _ in range(_SWEEPS):
        for j in range(r):
            along, square = 0.0, 0.0
            for i in range(r):
                along += normal[j, i] * y[i]
                square += normal[j, i] ** 2
            new = max(multiplier[j] - along / square, 0.0)
            if np.isfinite(new):
                for i in range(r):
                    y[i] += (new - multiplier[j]) * normal[j, i]
                multiplier[j] = new
        for k in range(first, last):
            size = -inner[k - first]
            if not size > 0.0:
                continue
            along, square = 0.0, 0.0
            for i in range(r):
                along += rows[arena_row[k], i] * y[i]
                square += rows[arena_row[k], i] ** 2
            new = arena_v[r, k] + along / (size * square)
            new = min(max(new, 0.0), 1.0) if np.isfinite(new) else arena_v[r, k]
            change = (arena_v[r, k] - new) * size
            arena_v[r, k] = new
            for i in range(r):
                y[i] += change * rows[arena_row[k], i]


@inner
def stays_below(generator, gram, majorant, error, threshold, delta, slack, t, form, space, witness):
    """Whether |B't| + e't <= threshold |sum t_j r_j| is proved for all t >= 0.

    ``t`` is where the two parts of the bound are balanced.  If not, ``witness`` receives the
    coordinates of a point that may exceed it.
    """
    r, c = majorant.shape
    lower = (threshold - 2.0 * delta * np.sqrt(float(r)) * (1.0 + 1e-9)) * (1.0 - 8.0 * U)
    if not lower > 0.0:
        for j in range(r):
            witness[j] = t[j]
        return False
    whole, rest = 0.0, 0.0
    for q in range(c):
        part = 0.0
        for j in range(r):
            part += majorant[j, q] * t[j]
        whole += part * part
    has_error = False
    for j in range(r):
        rest += error[j] * t[j]
        has_error |= not error[j] == 0.0
    ratio = rest / np.sqrt(whole) if whole > 0.0 else 1.0
    ratio = min(max(ratio, 1e-12), 1e12) if np.isfinite(ratio) else 1.0
    charged = 2.0 * (c + 8.0) * U
    for j in range(r):
        for k in range(j, r):
            along, size = 0.0, 0.0
            for q in range(c):
                along += majorant[j, q] * majorant[k, q]
                size += abs(majorant[j, q] * majorant[k, q])
            away = 0.0
            if has_error:
                along *= 1.0 + ratio
                size *= 1.0 + ratio
                away = (1.0 + 1.0 / ratio) * error[j] * error[k]
            square = lower * lower
            value = square * (gram[j, k] - slack) - along - away
            value -= charged * (square * (abs(gram[j, k]) + slack) + size + away)
            if not np.isfinite(value):
                for i in range(r):
                    witness[i] = t[i]
                return False
            form[j, k] = value
            form[k, j] = value
    return is_copositive(form, space, witness)
