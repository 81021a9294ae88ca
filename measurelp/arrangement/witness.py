"""A point of double precision inside every cell, certified; exact arithmetic where doubles are not enough."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction

import numpy as np

from ._levels import equilibrated_vectors
from ._witness_kernels import interior
from .arrangement import Arrangement


def interior_points(
    arrangement: Arrangement, seed: int, packed: np.ndarray, bases: np.ndarray, jobs: int = 1
) -> np.ndarray:
    """Points inside the half-cells ``packed`` found with the flags of ``seed``, shape (H, d), rows of NaN where none was.

    Every point is certified: the signs of the data, read as `Arrangement.numbers` says, at the returned doubles are
    those of the cell.  Points that floating point cannot certify are computed again in Fractions, rounded and
    checked exactly; a cell too thin for the rounded point gets NaN.

    Complexity O(n d) per cell and direction.
    """
    vectors, exponents, flags = equilibrated_vectors(arrangement, seed)
    n, d = arrangement.n_lines, arrangement.rank
    row_of_line = np.zeros(n, dtype=np.int64)
    seen = arrangement.line_of_row[::-1] >= 0
    row_of_line[arrangement.line_of_row[::-1][seen]] = np.arange(arrangement.n_rows)[::-1][seen]
    data = arrangement.data[row_of_line] * arrangement.orientation[row_of_line][:, None]
    with np.errstate(all="ignore"):
        to_data = np.ldexp(
            arrangement.coordinates.matrix(),
            -np.clip(exponents, -2000, 2000).astype(np.int32)[None, :],
        )
    half = len(packed)
    points = np.empty((half, data.shape[1]))
    failed = np.zeros(half, dtype=np.uint8)
    lines, by_column = np.ascontiguousarray(vectors[:n].T), np.ascontiguousarray(data.T)

    def run(part: slice) -> None:
        ratio = np.empty(n)
        scratch = (np.empty((d, d)), np.empty((d, d)), np.empty(n), np.empty(n), ratio)
        more = (ratio.view(np.int64), np.empty(64 * packed.shape[1]), np.empty(d))
        given = (lines, vectors, n, by_column, to_data, packed[part], bases[part], points[part])
        interior(*given, *scratch, *more, failed[part])

    step = max(1, -(-half // jobs))
    parts = [slice(at, at + step) for at in range(0, half, step)]
    if jobs == 1:
        run(slice(0, half))
    else:
        with ThreadPoolExecutor(jobs) as pool:
            list(pool.map(run, parts))
    for h in np.flatnonzero(failed):
        points[h] = _exact_point(arrangement, flags, packed[h], bases[h], row_of_line)
    points.setflags(write=False)
    return points


def _inverse(rows: list[list[Fraction]]) -> list[list[Fraction]]:
    d = len(rows)
    m = [row + [Fraction(int(i == j)) for j in range(d)] for i, row in enumerate(rows)]
    for c in range(d):
        p = next(r for r in range(c, d) if m[r][c])
        m[c], m[p] = m[p], m[c]
        head = m[c][c]
        m[c] = [v / head for v in m[c]]
        for r in range(d):
            if r != c and m[r][c]:
                f = m[r][c]
                m[r] = [a - f * b for a, b in zip(m[r], m[c], strict=True)]
    return [row[d:] for row in m]


def _dot(one, two):
    return sum((a * b for a, b in zip(one, two, strict=True)), Fraction(0))


def _exact_point(arrangement, flags, words, basis, row_of_line) -> np.ndarray:
    """The construction of `_witness_kernels.interior` in Fractions, rounded to doubles; NaN when rounding leaves the cell."""
    n = arrangement.n_lines
    lines = arrangement.lines
    signs = [1 if (int(words[l >> 6]) >> (l & 63)) & 1 else -1 for l in range(n)]
    rows = [[Fraction(v) for v in (lines[b] if b < n else flags[b - n])] for b in basis.tolist()]
    inverse = _inverse(rows)
    point = [Fraction(0)] * arrangement.rank
    values = [Fraction(0)] * n
    for j, b in enumerate(basis.tolist()):
        if b >= n:
            break
        column = [signs[b] * row[j] for row in inverse]
        size = max(abs(v) for v in column)
        column = [v / size for v in column]
        slopes = [_dot(line, column) for line in lines]
        step = Fraction(1)
        if j:
            limits = [
                -v / s
                for v, s in zip(values, slopes, strict=True)
                if v and s and (v > 0) != (s > 0)
            ]
            step = min([*limits, Fraction(1)]) / 2
        values = [v + step * s for v, s in zip(values, slopes, strict=True)]
        point = [v + step * c for v, c in zip(point, column, strict=True)]
    w = arrangement.coordinates.to_data(point)
    size = max(abs(v) for v in w)
    rounded = np.array([float(v / size) for v in w])
    exact = [Fraction(v) for v in rounded.tolist()]
    for l, i in enumerate(row_of_line.tolist()):
        if signs[l] * int(arrangement.orientation[i]) * _dot(arrangement.exact_row(i), exact) <= 0:
            return np.full(len(w), np.nan)
    return rounded
