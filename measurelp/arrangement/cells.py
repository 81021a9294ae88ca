"""`Cells`: sign vectors of cells, one bit a hyperplane, one member of every opposite pair."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from measurelp.status import Scope

from .arrangement import Arrangement

_BLOCK_BYTES = 1 << 24


@dataclass(frozen=True, eq=False)
class Cells:
    """Cells of an arrangement: full-dimensional components of ``{w : <x_i, w> != 0 for all nonzero rows i}``.

    Only one member of every opposite pair is stored; cell ``h + n_half`` is the negative of cell ``h``.

    Attributes
    ----------
    arrangement : Arrangement
    packed : ndarray of shape (n_half, ceil(n_lines / 64)), uint64
        Bit l of a row is set where ``<line_l, w> > 0``.
    scope : Scope
        COMPLETE when these are all cells (or one block of a complete enumeration), SAMPLED otherwise.
    points : ndarray of shape (n_half, d) or None
        A point inside every stored cell, in the coordinates of the data; see `witnesses`.
    """

    arrangement: Arrangement
    packed: np.ndarray = field(repr=False)
    scope: Scope
    points: np.ndarray | None = field(default=None, repr=False)

    @property
    def n_half(self) -> int:
        """Number of stored sign vectors."""
        return len(self.packed)

    def __len__(self) -> int:
        """Number of cells, both members of every opposite pair (the only cell of rank 0 is its own opposite)."""
        return self.n_half if self.arrangement.rank == 0 else 2 * self.n_half

    @property
    def nbytes(self) -> int:
        """Bytes of the stored arrays."""
        return self.packed.nbytes + (0 if self.points is None else self.points.nbytes)

    @property
    def signs(self) -> np.ndarray:
        """All sign vectors over the rows of the data, shape (len, n_rows), int8 in {-1, 0, 1}; 0 only for zero rows.

        Row h + n_half is minus row h.  This unpacks everything: len * n_rows bytes.
        """
        half = self._half_signs(0, self.n_half)
        if self.arrangement.rank == 0:
            return half
        out = np.empty((2 * self.n_half, self.arrangement.n_rows), dtype=np.int8)
        out[: self.n_half] = half
        np.negative(half, out=out[self.n_half :])
        return out

    @property
    def witnesses(self) -> np.ndarray | None:
        """Interior points of all cells, shape (len, d), or None when they were not asked for.

        A row of NaN means that the cell is too thin to hold a point of double precision that was found.
        """
        if self.points is None or self.arrangement.rank == 0:
            return self.points
        return np.concatenate([self.points, -self.points])

    def active(self, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Activation patterns ``<x_i, w> > 0`` of cells ``start <= c < stop``, shape (m, n_rows), bool.

        Zero rows are inactive.
        """
        return self._range(start, stop) > 0

    def __getitem__(self, index) -> np.ndarray:
        """Sign vectors by position: an int gives shape (n_rows,), a slice or an index array (m, n_rows)."""
        if isinstance(index, slice):
            start, stop, step = index.indices(len(self))
            if step == 1:
                return self._range(start, stop)
            index = np.arange(start, stop, step)
        chosen = np.asarray(index)
        if chosen.dtype == bool:
            chosen = np.flatnonzero(chosen)
        size = len(self)
        if chosen.size and (chosen.min() < -size or chosen.max() >= size):
            raise IndexError(f"cell index out of range for {size} cells")
        chosen = chosen.astype(np.int64) % max(size, 1)
        flat = np.atleast_1d(chosen)
        signs = self._expanded(self.packed[flat % max(self.n_half, 1)])
        signs[flat >= self.n_half] *= -1
        return signs[0] if chosen.ndim == 0 else signs

    def __iter__(self) -> Iterator[np.ndarray]:
        """Sign vectors one by one, unpacked in blocks."""
        step = max(1, _BLOCK_BYTES // max(self.arrangement.n_rows, 1))
        for start in range(0, len(self), step):
            yield from self._range(start, min(start + step, len(self)))

    def _range(self, start: int, stop: int | None) -> np.ndarray:
        start, stop, _ = slice(start, stop).indices(len(self))
        stop = max(start, stop)
        half = self.n_half
        first = self._half_signs(min(start, half), min(stop, half))
        if stop <= half:
            return first
        second = self._half_signs(max(start - half, 0), stop - half)
        return np.concatenate([first, np.negative(second, out=second)])

    def _half_signs(self, start: int, stop: int) -> np.ndarray:
        return self._expanded(self.packed[start:stop])

    def _expanded(self, packed: np.ndarray) -> np.ndarray:
        """Packed rows to sign vectors over the rows of the data."""
        facts = self.arrangement
        out = np.zeros((len(packed), facts.n_rows), dtype=np.int8)
        if facts.n_lines == 0 or len(packed) == 0:
            return out
        nonzero = np.flatnonzero(facts.orientation)
        lines, orientation = facts.line_of_row[nonzero], facts.orientation[nonzero]
        step = max(1, _BLOCK_BYTES // facts.n_rows)
        for at in range(0, len(packed), step):
            octets = (
                np.ascontiguousarray(packed[at : at + step])
                .astype("<u8", copy=False)
                .view(np.uint8)
            )
            bits = np.unpackbits(octets, axis=1, bitorder="little")[:, : facts.n_lines].view(
                np.int8
            )
            out[at : at + step, nonzero] = (2 * bits[:, lines] - 1) * orientation
        return out


def packed_signs(positive: np.ndarray) -> np.ndarray:
    """Pack a boolean array (m, n_lines) into words (m, ceil(n_lines / 64))."""
    m, n = positive.shape
    words = (n + 63) // 64
    octets = np.zeros((m, 8 * words), dtype=np.uint8)
    if n:
        bits = np.packbits(positive, axis=1, bitorder="little")
        octets[:, : bits.shape[1]] = bits
    return octets.view("<u8").astype(np.uint64, copy=False).reshape(m, words)
