r"""Compiled branch and bound over the signs of rows, with cap tightening.

Long because a node is one compiled function, whose working arrays are made once for a sweep, and because
the argument for its rounding stands with it.

One tree is worked for F(w) = sum_P (a_l.w)_+ - sum_M (a_l.w)_+ over the unit sphere, where P
holds the convex rows and M the concave ones.  A node is a set S of unit vectors: on it, t_l =
<a_l, w> lies in [lo_l, hi_l], and ends of one sign fix the sign of a row.  On S

* a row of P of fixed sign is linear; a free one lies below s t + k for any s in [0, 1] and
  k = max(-s lo, (1 - s) hi) (the secant has s = hi / (hi - lo));
* a row of M is below -theta t for any theta in [0, 1], 0 or 1 where its sign is fixed;
* rows of fixed sign are walls: rho <+-a_l, w> >= 0 may be added, rho >= 0.  Used are those that
  branching fixed and, where no chord is left, those that the maximiser of the bound violates.

So F(w) <= const + <y, w> <= const + |y| with const = sum k and any y = g - sum theta a + sum
rho (+-a).  The best y is a point of least norm (coordinate sweeps, then ``min_norm_point``).

*Cap tightening.*  Only where F exceeds the threshold does anything remain to be shown, and
there <y, w> > threshold - const, a cap about y.  Over a cap of cosine c (sine z) about the
unit vector e the largest <v, w> is |v| if v lies in the cap and <v, e> c + |v - <v,e> e| z
otherwise; v = +-a_l, or that plus nonnegative multiples of the walls, bounds the two ends.  S
is then the part of the node where F exceeds the threshold of that moment, and ends that pass
each other mean that there is none.  What the tree proves is therefore the maximum of the
bounds of the nodes that were given up and of the thresholds used in tightening.

Rounding.  Let u = 2^-53, n rows in r coordinates, K = sum |a_l|, R = sum rho |ray| and C = n +
r + 16.  The tree's a_l are *defined* as the rounded products |alpha_l| x_l, which changes F by
at most u K; walls are these rows times powers of two, so exact.  The k are off by 3 u K in
total and their sum by n u K; the sum that g and y are made of has at most 2 n + 2 r + 20
terms, of norms that add up to at most K + R, so it is off by (2 n + 2 r + 24) u (K + R), the
normalised weights of the corral of ``min_norm_point`` included, and |y| by (r + 2) u (K + R).
Together less than E = 8 u C (K + R), which is added to every bound and taken off every cap.
Norms of rows are rounded up.  An end is computed from <v, e> (off by (2 r + 4) u |v|, the
rounding of e included), from |v|^2 - <v, e>^2 (off by (5 r + 12) u |v|^2, so 8 (r + 8) u |v|^2
is added before the root) and three products: 8 (r + 8) u |v| is charged, and for v itself, a
sum of at most m + 1 terms, 4 (m + 8) u (|a_l| + sum rho |ray|) with m walls.
The cosine is rounded down, and the sine comes from (1 - c)(1 + c), which loses nothing.
"""

from __future__ import annotations

import numpy as np

from measurelp._jit_kernels import entry, inner
from measurelp.oracle._cap_kernels import U, tops_over_cap, tops_over_cone
from measurelp.oracle._frontier_kernels import (
    BEST,
    DONE,
    GROW,
    MAX_DEPTH,
    N_FREE,
    N_PILE,
    NODES,
    PAUSED,
    UPPER,
    WORK,
    peek,
    put,
    record,
    release,
    reserve,
    take,
)
from measurelp.oracle._kernels import min_norm_point, workspace

_NODE_WORK = 50  # what a node costs beside its rows, in rows
_ROW_WORK = 4  # and what a row costs, in rows of a cone
_SHARES = 32  # the newest walls of a path, which are used for the ends of intervals
_TURNS = 8  # bounds and tightenings of one node
_SWEEPS = 3  # over all multipliers, before the exact inner solver
_CLOSE = 1.02  # bounds up to this multiple of the threshold are refined by the exact solver
_FAR = 1.3  # and proofs that the least norm is above this multiple end it
_GAIN = 0.85  # tightening goes on while the chords' constants shrink by this factor


@inner()
def value_of(rows, convex, w):
    """F at one point."""
    total = 0.0
    for row in range(rows.shape[0]):
        inner = 0.0
        for c in range(rows.shape[1]):
            inner += rows[row, c] * w[c]
        if inner > 0.0:
            if convex[row] == 1:
                total += inner
            else:
                total -= inner
    return total


@entry()
def push_root(sizes, reach, frames, frontier):
    """Let the whole sphere wait."""
    state, wall, lo, hi, bound, theta, rho, depth = frames
    slot = reserve(frontier)
    for row in range(sizes.shape[0]):
        state[slot, row] = 0
        wall[slot, row] = 0
        lo[slot, row] = -sizes[row]
        hi[slot, row] = sizes[row]
        theta[slot, row] = 0.5
        rho[slot, row] = 0.0
    bound[slot] = reach
    depth[slot] = 0
    put(frontier, slot, reach, frontier[5][N_PILE] > 0)


@entry()
def sweep(
    rows, convex, rays, sizes, reach, frames, frontier, most_open, ints, floats, level,
    tolerance, node_limit, work_limit, peaks, peak_values,
):  # fmt: skip
    """Work the tree until nothing is open or so many nodes or so much work was done.

    A node is given up when its bound is at most max(level, best (1 + tolerance)).  ``rays``
    are the rows times powers of two, of length at most 1; ``sizes`` their norms before that,
    rounded up, and ``reach`` the sum of those.  Points found above
    ``level`` are appended to ``peaks``.  Children wait in the heap while fewer than
    ``most_open`` nodes are in use.
    """
    state, wall, lo, hi, bound, theta, rho, depth = frames
    counts = frontier[5]
    n, r = rows.shape
    squares = np.empty(n)
    ray_squares = np.empty(n)
    for row in range(n):
        squares[row] = 0.0
        ray_squares[row] = 0.0
        for c in range(r):
            squares[row] += rows[row, c] ** 2
            ray_squares[row] += rays[row, c] ** 2
    base = np.empty(r)
    y = np.empty(r)
    exact = np.empty(r)
    e = np.empty(r)
    v = np.empty((r, 2 * n))
    z = np.empty((r, 2 * n))
    walls = np.empty(n, np.int64)
    curved = np.empty(n, np.int64)
    signed = np.empty((n, r))
    q = np.empty((r, n)).T
    no_tag = np.empty(0)
    no_tags = np.empty((0, n)).T
    # First guesses of the multipliers of walls, for both ends of each row.
    shares = np.zeros((_SHARES, 2, n))
    share = np.empty((_SHARES, 2 * n))
    lengths = np.empty(2 * n)
    lost = np.empty(2 * n)
    along = np.empty(2 * n)
    square = np.empty(2 * n)
    tops = np.empty(2 * n)
    entries = np.empty(n, np.int64)
    newest = np.empty((_SHARES, r))
    newest_squares = np.empty(_SHARES)
    space = workspace(r, no_tag.shape[0])
    treated = 0
    work = 0
    while True:
        f = peek(frontier)
        if f < 0:
            ints[WORK] += work
            return DONE
        threshold = max(level, floats[BEST] * (1.0 + tolerance))
        if bound[f] <= threshold:
            floats[UPPER] = max(floats[UPPER], bound[f])
            release(frontier, take(frontier))
            continue
        if treated >= node_limit or work >= work_limit:
            ints[WORK] += work
            return PAUSED
        if counts[N_FREE] < 1:
            ints[WORK] += work
            return GROW
        on_pile = counts[N_PILE] > 0 or bound.shape[0] - counts[N_FREE] >= most_open
        take(frontier)
        treated += 1
        work += _NODE_WORK
        ints[NODES] += 1
        ints[MAX_DEPTH] = max(ints[MAX_DEPTH], depth[f])

        finished = False
        has_new_wall = False
        n_chords = 0
        length = 0.0
        for turn in range(_TURNS):
            # The linear majorant of this node.
            work += _ROW_WORK * n
            const = 0.0
            n_chords = 0
            n_q = np.int64(0)
            n_rays = depth[f]
            for c in range(r):
                base[c] = 0.0
            for row in range(n):
                factor = 0.0
                if convex[row] == 1:
                    if state[f, row] == 0:
                        n_chords += 1
                        factor = hi[f, row] / (hi[f, row] - lo[f, row])
                        if not (factor >= 0.0 and factor <= 1.0):
                            factor = 1.0
                        const += max(-factor * lo[f, row], (1.0 - factor) * hi[f, row])
                    elif state[f, row] > 0:
                        factor = 1.0
                elif state[f, row] > 0:
                    factor = -1.0
                elif state[f, row] == 0:
                    curved[n_q] = row
                    n_q += 1
                if wall[f, row] > 0:
                    walls[wall[f, row] - 1] = row
                if factor != 0.0:
                    for c in range(r):
                        base[c] += factor * rows[row, c]
            error = 8.0 * U * (n + r + 16.0) * reach

            # Coordinate sweeps from the multipliers of the node above.
            enough = (threshold - const - error) * (1.0 - 1e-9)
            _assemble(base, rows, rays, state[f], curved, n_q, walls, n_rays, theta[f], rho[f], y)
            for _ in range(_SWEEPS):
                for k in range(n_q):
                    row = curved[k]
                    if squares[row] > 0.0:
                        inner = 0.0
                        for c in range(r):
                            inner += rows[row, c] * y[c]
                        old = theta[f, row]
                        new = min(1.0, max(0.0, old + inner / squares[row]))
                        if new != old:
                            theta[f, row] = new
                            for c in range(r):
                                y[c] -= (new - old) * rows[row, c]
                for k in range(n_rays):
                    row = walls[k]
                    inner = 0.0
                    for c in range(r):
                        inner += rays[row, c] * y[c]
                    inner *= state[f, row]
                    old = rho[f, row]
                    if inner < 0.0 or old > 0.0:
                        new = max(0.0, old - inner / ray_squares[row])
                        if new != old:
                            rho[f, row] = new
                            for c in range(r):
                                y[c] += (new - old) * state[f, row] * rays[row, c]
                if _norm(y) <= enough:
                    break
            _assemble(base, rows, rays, state[f], curved, n_q, walls, n_rays, theta[f], rho[f], y)
            multipliers = 0.0
            for k in range(n_rays):
                multipliers += rho[f, walls[k]] * np.sqrt(ray_squares[walls[k]])
            length = _norm(y)
            spread = 8.0 * U * (n + r + 16.0) * multipliers
            proved = const + length + error + spread
            if not proved <= threshold and (n_chords == 0 or proved <= _CLOSE * threshold):
                for k in range(n_q):
                    for c in range(r):
                        q[k, c] = rows[curved[k], c]
                for k in range(n_rays):
                    for c in range(r):
                        signed[k, c] = state[f, walls[k]] * rays[walls[k], c]
                _, _, multipliers = min_norm_point(
                    base, no_tag, signed, n_rays, q, no_tags, n_q, y,
                    enough, np.inf if n_chords == 0 else max(enough, 0.0) * _FAR,
                    exact, no_tag, space,
                )  # fmt: skip
                shorter = _norm(exact)
                charge = 8.0 * U * (n + r + 16.0) * multipliers
                if const + shorter + error + charge < proved:
                    length = shorter
                    spread = charge
                    proved = const + length + error + spread
                    for c in range(r):
                        y[c] = exact[c]
            error += spread
            if proved < bound[f]:
                bound[f] = proved
            proved = bound[f]

            # The maximiser of the relaxation is a point to try.
            for c in range(r):
                e[c] = y[c] / length if length > 0.0 else 0.0
            if proved > threshold and length > 0.0:
                value = value_of(rows, convex, e)
                better = value > floats[BEST] * (1.0 + 1e-12)
                if value > level or better:
                    record(peaks, peak_values, ints, e, value, better)
                if value > floats[BEST]:
                    floats[BEST] = value
                threshold = max(level, floats[BEST] * (1.0 + tolerance))
            if n_chords == 0 and proved > threshold:
                known = _violated_row(rows, state[f], wall[f], e, sizes)
                if known >= 0:
                    # A sign that tightening fixed becomes a wall; the node is bounded again.
                    depth[f] += 1
                    wall[f, known] = depth[f]
                    rho[f, known] = 0.0
                    shares[(depth[f] - 1) % _SHARES] = 0.0
                    has_new_wall = True
                    break
            done = threshold
            if n_chords == 0:
                # Concave: the inner solver has converged, up to its own tolerance.
                done = max(threshold, floats[BEST] * (1.0 + 1e-12) + 2.0 * error)
                if n_q == 0:
                    done = np.inf
            if proved <= done:
                floats[UPPER] = max(floats[UPPER], proved)
                finished = True
                break
            if not length > 0.0:
                break

            # Tighten to the cap and to the walls.
            cosine = (threshold - const - error) / length if length > 0.0 else -1.0
            cosine -= 2.0 * U * (r + 8.0) * abs(cosine)
            if not cosine > -1.0:
                cosine = -1.0
            cosine = min(cosine, 1.0)
            sine = np.sqrt((1.0 - cosine) * (1.0 + cosine)) * (1.0 + 8.0 * U)
            floats[UPPER] = max(floats[UPPER], threshold)
            for k in range(max(0, n_rays - _SHARES), n_rays):
                for c in range(r):
                    newest[k % _SHARES, c] = state[f, walls[k]] * rays[walls[k], c]
                newest_squares[k % _SHARES] = ray_squares[walls[k]]
            # Caps alone first: they cost little, and while they gain, walls can wait.
            gains = False
            for uses_walls in range(2 if n_rays > 0 else 1):
                count = np.int64(0)
                for row in range(n):
                    entries[count] = row
                    wanted = state[f, row] == 0 and uses_walls <= convex[row]
                    count += wanted and lo[f, row] < 0.0 and hi[f, row] > 0.0
                for c in range(r):
                    for i in range(count):
                        v[c, i] = rows[entries[i], c]
                        v[c, count + i] = -rows[entries[i], c]
                if uses_walls == 0:
                    lost[: 2 * count] = 0.0
                    tops_over_cap(v, lost, 2 * count, e, cosine, sine, along, square, tops)
                else:
                    used = min(n_rays, _SHARES)
                    for i in range(count):
                        lengths[i] = sizes[entries[i]]
                        lengths[count + i] = sizes[entries[i]]
                    for k in range(used):
                        for i in range(count):
                            share[k, i] = shares[k, 0, entries[i]]
                            share[k, count + i] = shares[k, 1, entries[i]]
                    tops_over_cone(
                        v, lengths, 2 * count, newest, newest_squares, used, e, cosine, sine,
                        share, z, lost, along, square, tops,
                    )  # fmt: skip
                    for k in range(used):
                        for i in range(count):
                            shares[k, 0, entries[i]] = share[k, i]
                            shares[k, 1, entries[i]] = share[k, count + i]
                for i in range(count):
                    row = entries[i]
                    if tops[i] < hi[f, row]:
                        hi[f, row] = tops[i]
                    if -tops[count + i] > lo[f, row]:
                        lo[f, row] = -tops[count + i]
                    finished |= lo[f, row] > hi[f, row]
                remaining = 0.0
                n_free = 0
                for row in range(n):
                    if state[f, row] != 0:
                        continue
                    low, high = lo[f, row], hi[f, row]
                    if low >= 0.0:
                        state[f, row] = 1
                    elif high <= 0.0:
                        state[f, row] = -1
                    elif convex[row] == 1:
                        n_free += 1
                        remaining -= high * low / (high - low)
                gains = n_free == 0 or remaining <= _GAIN * const
                if finished or gains:
                    break
            if finished or not gains:
                break
        if finished:
            release(frontier, f)
            continue
        if has_new_wall:
            put(frontier, f, bound[f], on_pile)
            continue
        n_free = 0
        for row in range(n):
            n_free += convex[row] == 1 and state[f, row] == 0
        has_chords = n_free > 0
        if not has_chords and n_chords > 0:
            put(frontier, f, bound[f], on_pile)
            continue  # a leaf by tightening: it is bounded when it is taken again
        split = _branching_row(rows, convex, state[f], lo[f], hi[f], e, has_chords, sizes)
        if split < 0:
            floats[UPPER] = max(floats[UPPER], bound[f])
            release(frontier, f)
            continue

        # The child that holds the relaxation's maximiser comes first.
        inner = 0.0
        for c in range(r):
            inner += rows[split, c] * e[c]
        g = reserve(frontier)
        for row in range(n):
            state[g, row] = state[f, row]
            wall[g, row] = wall[f, row]
            lo[g, row] = lo[f, row]
            hi[g, row] = hi[f, row]
            theta[g, row] = theta[f, row]
            rho[g, row] = rho[f, row]
        bound[g] = bound[f]
        depth[f] += 1
        depth[g] = depth[f]
        shares[(depth[f] - 1) % _SHARES] = 0.0
        first = 1 if inner > 0.0 else -1
        state[g, split] = first
        state[f, split] = -first
        for child in (f, g):
            wall[child, split] = depth[child]
            rho[child, split] = 0.0
            if state[child, split] > 0:
                lo[child, split] = 0.0
            else:
                hi[child, split] = 0.0
        put(frontier, f, bound[f], on_pile)
        put(frontier, g, bound[g], on_pile)


@inner()
def _norm(y):
    total = 0.0
    for c in range(y.shape[0]):
        total += y[c] * y[c]
    return np.sqrt(total)


@inner()
def _assemble(base, rows, rays, state, curved, n_q, walls, n_rays, theta, rho, y):
    """y = base - sum theta a + sum rho (+-ray), afresh."""
    r = base.shape[0]
    for c in range(r):
        y[c] = base[c]
    for k in range(n_q):
        factor = theta[curved[k]]
        if factor != 0.0:
            for c in range(r):
                y[c] -= factor * rows[curved[k], c]
    for k in range(n_rays):
        factor = rho[walls[k]]
        if factor != 0.0:
            factor *= state[walls[k]]
            for c in range(r):
                y[c] += factor * rays[walls[k], c]


@inner()
def _violated_row(rows, state, wall, e, sizes):
    """The row of fixed sign that is no wall and of which e is farthest on the wrong side."""
    worst = -1e-10
    found = -1
    for row in range(rows.shape[0]):
        if state[row] != 0 and wall[row] == 0:
            t = 0.0
            for c in range(rows.shape[1]):
                t += rows[row, c] * e[c]
            t *= state[row]
            if t < worst * sizes[row]:
                worst = t / sizes[row]
                found = row
    return found


@inner()
def _branching_row(rows, convex, state, lo, hi, e, has_chords, sizes):
    """The free row whose chord is farthest above it, at e and at all; without, the nearest kink."""
    best = -1
    best_score = -np.inf
    for row in range(rows.shape[0]):
        if state[row] != 0:
            continue
        if has_chords and convex[row] == 0:
            continue
        t = 0.0
        for c in range(rows.shape[1]):
            t += rows[row, c] * e[c]
        if has_chords:
            t = min(max(t, lo[row]), hi[row])
            width = hi[row] - lo[row]
            worst = -lo[row] * hi[row] / width
            score = (hi[row] * (t - lo[row]) / width - max(t, 0.0) + 0.01 * worst) * worst
        else:
            score = -abs(t) / sizes[row]
        if score > best_score or best < 0:
            best_score = score
            best = row
    return best
