r"""All rays of an arrangement of hyperplanes: the finite dictionary of a ball with flat faces.

A ray is where p - 1 independent hyperplanes of p-space meet.  The dual function and the norm of
such a ball are linear on the cells of the data's hyperplanes together with the walls of
the norm, so measures on the rays of this arrangement lose nothing.  (Rays of the data's hyperplanes
alone do: on the inputs (2, 1) and (1, 2) with targets 1 the l1 ball needs the ray (1, 1),
which interpolates at 2/3, and the data's own rays cost 2.)
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import combinations, islice
from math import comb, gcd, lcm

import numpy as np
from numpy.typing import NDArray

from measurelp.errors import InvalidProblem
from measurelp.problem import MeasureProblem

Matrix = NDArray[np.float64]

ROUNDOFF = 2.0**-53
MOST_RAYS = 2_000_000
_BLOCK = 4096
_UNCERTAIN = 1e-7  # relative error from which on a ray is computed in integers


def distinct_lines(normals: Matrix) -> Matrix:
    """Normals without zeros and without those that are bitwise multiples of one another."""
    size = np.abs(normals).max(axis=1, initial=0.0)
    kept = normals[size > 0.0]
    first = np.argmax(kept != 0.0, axis=1)
    scaled = kept / kept[np.arange(len(kept)), first][:, None]
    _, index = np.unique(scaled, axis=0, return_index=True)
    return np.ascontiguousarray(kept[np.sort(index)])


def count_rays(n_lines: int, p: int) -> int:
    """How many rays, up to sign, so many hyperplanes have in general position."""
    return comb(n_lines, p - 1)


def iter_rays(normals: Matrix) -> Iterator[tuple[Matrix, NDArray[np.float64]]]:
    r"""Rays, one of each opposite pair, in blocks, with what their computation may have lost.

    Parameters
    ----------
    normals : (m, p) array
        Read as exact binary numbers; see :func:`distinct_lines`.

    Yields
    ------
    directions : (k, p) array
        Largest entry 1 in modulus.  Where more than p - 1 hyperplanes meet, a ray comes more
        than once.
    errors : (k,) array
        Bounds on the sum of moduli of the errors of a direction's entries: the exact ray is a
        positive multiple of a vector so near.

    Notes
    -----
    The entries are the maximal minors of p - 1 normals, by expansion along the rows with
    running bounds of their size; where rounding leaves more than 1e-7 of a direction in doubt,
    that is for nearly or wholly dependent normals, the minors are computed in integers.
    C(m, p - 1) subsets, each p 2^p operations.
    """
    m, p = normals.shape
    subsets = combinations(range(m), p - 1)
    while True:
        block = list(islice(subsets, _BLOCK))
        if not block:
            return
        chosen = np.array(block, dtype=np.intp).reshape(len(block), p - 1)
        vectors, sizes = _minors(normals[chosen])
        errors = 2.0 * p * p * ROUNDOFF * sizes.sum(axis=1)
        largest = np.abs(vectors).max(axis=1)
        sure = errors < _UNCERTAIN * largest
        exact = [_integer_minors(normals[chosen[k]]) for k in np.flatnonzero(~sure)]
        found = np.array([v for v in exact if v is not None]).reshape(-1, p)
        vectors, errors, largest = vectors[sure], errors[sure], largest[sure]
        errors = np.append(errors / largest, np.full(len(found), 2.0 * p * ROUNDOFF))
        vectors = np.vstack([vectors / largest[:, None], found])
        yield vectors, errors + 2.0 * p * ROUNDOFF


def all_rays(problem: MeasureProblem) -> Matrix:
    """The complete dictionary of a problem with the l1 or linf ball: unit hidden weights (k, d').

    Both of each pair of opposite rays; distinct up to 1e-10.  With a free bias, the rays of
    each slice on which a data point lies on the kink.

    Raises
    ------
    InvalidProblem
        For the Euclidean ball, which has no finite dictionary, and for more than two million rays.
    """
    fan, p = problem.ball.fan, problem.n_penalized
    if fan is None:
        raise InvalidProblem(f"ball: {problem.ball!r} has no finite dictionary.")
    walls = fan.walls(p)
    found = []
    for normals, centre in _slices(problem):
        lines = distinct_lines(np.vstack([normals, walls]))
        if count_rays(len(lines), p) > MOST_RAYS:
            raise InvalidProblem(
                f"X: {len(lines)} hyperplanes in {p} dimensions have more than {MOST_RAYS} rays; "
                "generate them as they are needed: mlp.solve does."
            )
        for directions, _ in iter_rays(lines):
            both = np.vstack([directions, -directions])
            both = both / problem.ball.norm(both)[:, None]
            found.append(both if centre is None else np.column_stack([both, -both @ centre]))
    rays = np.vstack(found)
    _, index = np.unique(np.round(rays, 10) + 0.0, axis=0, return_index=True)
    return np.ascontiguousarray(rays[np.sort(index)])


def _slices(problem: MeasureProblem) -> Iterator[tuple[Matrix, NDArray[np.float64] | None]]:
    if problem.bias != "free":
        yield problem.lifted, None
        return
    for centre in np.unique(problem.X, axis=0):
        yield problem.X - centre, centre


def _minors(matrices: Matrix) -> tuple[Matrix, Matrix]:
    """Signed maximal minors (S, p) of (S, p - 1, p) matrices, and the sums of moduli they are of."""
    count, rows, p = matrices.shape
    minors: dict[tuple[int, ...], Matrix] = {(): np.ones(count)}
    sizes: dict[tuple[int, ...], Matrix] = {(): np.ones(count)}
    for row in range(rows):
        entries, moduli = matrices[:, row], np.abs(matrices[:, row])
        new, new_sizes = {}, {}
        for columns in combinations(range(p), row + 1):
            total, size = np.zeros(count), np.zeros(count)
            for place, c in enumerate(columns):
                rest = columns[:place] + columns[place + 1 :]
                sign = -1.0 if (row + place) % 2 else 1.0
                total += sign * entries[:, c] * minors[rest]
                size += moduli[:, c] * sizes[rest]
            new[columns], new_sizes[columns] = total, size
        minors, sizes = new, new_sizes
    everything = tuple(range(p))
    without = [everything[:c] + everything[c + 1 :] for c in range(p)]
    signs = np.array([-1.0 if c % 2 else 1.0 for c in range(p)])
    return (
        signs * np.column_stack([minors[rest] for rest in without]),
        np.column_stack([sizes[rest] for rest in without]),
    )


def _integer_minors(matrix: Matrix) -> NDArray[np.float64] | None:
    """The ray of p - 1 normals, largest entry 1, from exact integers; None if they are dependent."""
    rows, p = matrix.shape
    integers = []
    for row in matrix:
        exact = [Fraction(float(v)) for v in row]
        common = lcm(*(v.denominator for v in exact))
        whole = [int(v * common) for v in exact]
        divisor = gcd(*whole) or 1
        integers.append([v // divisor for v in whole])
    minors: dict[tuple[int, ...], int] = {(): 1}
    for row in range(rows):
        minors = {
            columns: sum(
                (-1) ** (row + place)
                * integers[row][c]
                * minors[columns[:place] + columns[place + 1 :]]
                for place, c in enumerate(columns)
            )
            for columns in combinations(range(p), row + 1)
        }
    everything = tuple(range(p))
    vector = [(-1) ** c * minors[everything[:c] + everything[c + 1 :]] for c in range(p)]
    largest = max(abs(v) for v in vector)
    if largest == 0:
        return None
    return np.array([float(Fraction(v, largest)) for v in vector])
