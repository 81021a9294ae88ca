"""Compiled proofs for one cone: lengths of y that pass all inequalities, rounding included.

What is charged is derived in ``_cone_kernels``.
"""

from __future__ import annotations

import numpy as np

from measurelp._jit_kernels import inner

U = 2.0**-53


@inner()
def proved_length(generator, y, h, delta, depth, axis):
    """Lengthen y until <r_j, y> >= h_j holds with all rounding charged; return |y| or inf.

    ``delta`` covers the rounding of h, and ``axis`` is room for a vector.
    """
    r = h.shape[0]
    for c in range(r):
        axis[c] = 0.0
        for j in range(r):
            axis[c] += generator[j, c]
    excess = 0.0
    size = 0.0
    for c in range(r):
        size += abs(y[c])
    charge = delta + 2.0 * U * size * (20.0 * depth + r + 2.0)
    for j in range(r):
        inner = 0.0
        along = 0.0
        for c in range(r):
            inner += generator[j, c] * y[c]
            along += generator[j, c] * axis[c]
        if not along > 0.0:
            return np.inf
        missing = (h[j] + charge - inner) / along
        if not missing <= excess:
            excess = missing
    if not np.isfinite(excess):
        return np.inf
    # The added part is charged as well: its own rounding is below a millionth of it.
    excess *= 1.0 + 1e-6
    square = 0.0
    for c in range(r):
        square += (y[c] + excess * axis[c]) ** 2
    return np.sqrt(square) * (1.0 + 1e-14)


@inner()
def least_over_faces(generator, h, delta, depth, axis):
    """The least proved length over the points that make some of the inequalities tight.

    For each set of generators, y is the shortest solution of <r_j, y> = h_j over the set, by
    Gram-Schmidt, which solves the equations to rounding however thin the cone is.  The best
    y for given h is among them.
    """
    r = h.shape[0]
    q = np.empty((r, r))
    y = np.empty(r)
    v = np.empty(r)
    least = np.inf
    for chosen in range(1, 1 << r):
        size = 0
        for c in range(r):
            y[c] = 0.0
        usable = True
        for j in range(r):
            if not (chosen >> j) & 1:
                continue
            if size == r:
                usable = False
                break
            missing = h[j]
            before = 0.0
            for c in range(r):
                v[c] = generator[j, c]
                before += v[c] * v[c]
                missing -= v[c] * y[c]
            for _ in range(2):
                for k in range(size):
                    inner = 0.0
                    for c in range(r):
                        inner += q[k, c] * v[c]
                    for c in range(r):
                        v[c] -= inner * q[k, c]
            after = 0.0
            for c in range(r):
                after += v[c] * v[c]
            if not after > 1e-26 * before:
                usable = False
                break
            after = np.sqrt(after)
            along = 0.0
            for c in range(r):
                q[size, c] = v[c] / after
                along += q[size, c] * generator[j, c]
            for c in range(r):
                y[c] += (missing / along) * q[size, c]
            size += 1
        if usable:
            least = min(least, proved_length(generator, y, h, delta, depth, axis))
    return least
