"""Compiled ends of intervals: bounds of <v, w> over a cap, and over its part in a cone, for many v.

Vectors are the columns of ``v`` (r, room), so that everything runs along memory.  What is charged
for rounding is derived in ``_sign_kernels``.
"""

from __future__ import annotations

import numpy as np

from measurelp._jit_kernels import entry, inner

U = 2.0**-53

_SWEEPS = 2  # over the rays
_STEP = 1.3  # of the least point along a coordinate; a little more goes faster


@entry()
def tops_over_cap(v, lost, count, e, cosine, sine, along, square, tops):
    """Proved bounds of <v, w> over the cap {|w| = 1, <e, w> >= cosine}; v is off by ``lost``.

    ``along`` and ``square`` are room for as many numbers.
    """
    r = e.shape[0]
    _products(v, count, e, along, square)
    for i in range(count):
        size = np.sqrt(square[i])
        slack = 8.0 * U * (r + 8.0) * size
        rest = max(square[i] - along[i] * along[i], 0.0) + 8.0 * U * (r + 8.0) * square[i]
        far = along[i] * cosine + np.sqrt(rest) * sine
        inside = along[i] + slack >= cosine * size - slack
        tops[i] = (size if inside else far) + slack + lost[i]


@inner()
def _products(v, count, e, along, square):
    """<v, e> and |v|^2."""
    for i in range(count):
        along[i] = 0.0
        square[i] = 0.0
    for c in range(e.shape[0]):
        factor = e[c]
        for i in range(count):
            along[i] += v[c, i] * factor
            square[i] += v[c, i] * v[c, i]


@entry()
def tops_over_cone(
    v, sizes, count, rays, squares, n_rays, e, cosine, sine, shares, z, mu, along, square, tops
):
    """The same over the part of the cap where <ray, w> >= 0 for all rays; inf where rays do not help.

    Minimises |v + mu e + sum rho ray| - mu cosine over mu, rho >= 0 by coordinates, from the
    rho in ``shares`` (rays, room) (any will do) that an earlier node left; for given rho the best
    mu is what ``tops_over_cap`` has in closed form.  ``sizes`` bound the lengths of v, and ``z``,
    of the shape of v, and ``mu`` are room; v is overwritten.
    """
    r = e.shape[0]
    for c in range(r):
        for i in range(count):
            z[c, i] = v[c, i]
        for k in range(n_rays):
            factor = rays[k, c]
            for i in range(count):
                z[c, i] += max(shares[k, i], 0.0) * factor
    for _ in range(_SWEEPS):
        _products(z, count, e, along, square)
        for i in range(count):
            rest = np.sqrt(max(square[i] - along[i] * along[i], 0.0))
            enters = sine > 0.0 and along[i] < cosine * np.sqrt(square[i])
            mu[i] = rest * cosine / sine - along[i] if enters else 0.0
        for c in range(r):
            factor = e[c]
            for i in range(count):
                z[c, i] += mu[i] * factor
        for k in range(n_rays):
            for i in range(count):
                along[i] = 0.0
            for c in range(r):
                factor = rays[k, c]
                for i in range(count):
                    along[i] += factor * z[c, i]
            per_length = _STEP / squares[k]
            for i in range(count):
                new = max(0.0, shares[k, i] - per_length * along[i])
                along[i] = new - shares[k, i]
                shares[k, i] = new
            for c in range(r):
                factor = rays[k, c]
                for i in range(count):
                    z[c, i] += along[i] * factor
        for c in range(r):
            factor = e[c]
            for i in range(count):
                z[c, i] -= mu[i] * factor
    # Afresh, so that only one rounding a term is left to charge.
    added, lost = square, mu
    for i in range(count):
        added[i] = 0.0
    for k in range(n_rays):
        for i in range(count):
            added[i] += shares[k, i]
        for c in range(r):
            factor = rays[k, c]
            for i in range(count):
                v[c, i] += shares[k, i] * factor
    for i in range(count):
        helps = added[i] > 0.0
        lost[i] = 4.0 * U * (n_rays + 8.0) * (sizes[i] + added[i]) if helps else np.inf
    tops_over_cap(v, lost, count, e, cosine, sine, along, square, tops)
