"""A point of double precision inside every cell, certified; exact arithmetic where doubles are not enough."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from math import gcd, lcm
from operator import mul

import numpy as np

from measurelp.interrupts import interruptible

from ._levels import equilibrated_vectors
from ._witness_kernels import interior
from .arrangement import Arrangement


def interior_points(
    arrangement: Arrangement, seed: int, packed: np.ndarray, bases: np.ndarray, jobs: int = 1
) -> np.ndarray:
    """Points inside the half-cells ``packed`` found with the flags of ``seed``, shape (H, d), rows of NaN where none was.

    Every point is certified: the signs of the data, read as `Arrangement.numbers` says, at the returned doubles are
    those of the cell.  Points that floating point cannot certify are computed again in integers, rounded and
    checked exactly; a cell too thin for the rounded point gets NaN, and so do those that are left when Ctrl-C is remembered
    by a caller.

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
    thin = np.flatnonzero(failed)
    points[thin] = np.nan
    rows = [_whole(arrangement.exact_row(i)) for i in row_of_line.tolist()] if len(thin) else []
    with interruptible() as interrupts:
        for h in thin:
            if interrupts():
                break
            points[h] = _exact_point(arrangement, flags, packed[h], bases[h], rows, row_of_line)
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


def _whole(numbers: list[Fraction]) -> list[int]:
    """A positive multiple of some numbers, in coprime integers."""
    common = lcm(*(v.denominator for v in numbers))
    integers = [v.numerator * (common // v.denominator) for v in numbers]
    divisor = gcd(*integers) or 1
    return [v // divisor for v in integers]


def _products(rows: Iterable[Sequence[int]], column: list[int]) -> list[int]:
    return [sum(map(mul, row, column)) for row in rows]


def _exact_point(arrangement, flags, words, basis, rows, row_of_line) -> np.ndarray:
    """The construction of `_witness_kernels.interior` in integers, rounded to doubles; NaN when rounding leaves the cell.

    Points, directions and ``rows``, those of the data by line, are known up to positive factors, which change no sign.
    """
    n = arrangement.n_lines
    lines = arrangement.lines
    signs = [1 if (int(words[l >> 6]) >> (l & 63)) & 1 else -1 for l in range(n)]
    spanning = [
        [Fraction(v) for v in (lines[b] if b < n else flags[b - n])] for b in basis.tolist()
    ]
    inverse = _inverse(spanning)
    point, values = [0] * arrangement.rank, [0] * n
    for j, b in enumerate(basis.tolist()):
        if b >= n:
            break
        column = _whole([signs[b] * row[j] for row in inverse])
        slopes = _products(lines, column)
        if not j:
            point, values = column, slopes
            continue
        # Half of the longest step that no value changes its sign before, and none longer than the point.
        along, back = max(map(abs, point)), max(map(abs, column))
        for v, s in zip(values, slopes, strict=True):
            if (v > 0 > s or v < 0 < s) and abs(v) * back < along * abs(s):
                along, back = abs(v), abs(s)
        divisor = gcd(along, 2 * back)
        along, back = along // divisor, 2 * back // divisor
        values = [back * v + along * s for v, s in zip(values, slopes, strict=True)]
        point = [back * v + along * c for v, c in zip(point, column, strict=True)]
    w = arrangement.coordinates.to_data(point)
    size = max(abs(v) for v in w)
    rounded = np.array([float(v / size) for v in w])
    products = _products(rows, _whole([Fraction(v) for v in rounded.tolist()]))
    facing = arrangement.orientation[row_of_line].tolist()
    if any(s * o * v <= 0 for s, o, v in zip(signs, facing, products, strict=True)):
        return np.full(len(w), np.nan)
    return rounded
