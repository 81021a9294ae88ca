"""Neurons followed along a path of measures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from measurelp.measure import AtomicMeasure

_SAME = 0.9  # the least cosine between a neuron and its successor


@dataclass(frozen=True, eq=False)
class Track:
    """One neuron along a path.

    Attributes
    ----------
    steps : (m,) array of int
        Consecutive positions on the path; a first or last one may be a position without it.
    masses : (m,) array
        Its mass there, 0 where it is not.
    """

    steps: NDArray[np.int64]
    masses: NDArray[np.float64]


def tracked_masses(measures: Sequence[AtomicMeasure]) -> list[Track]:
    """Follow atoms from each measure to the next: nearest directions of equal sign, one to one.

    Every atom of every measure belongs to exactly one track.
    """
    done: list[Track] = []
    live: list[tuple[int, list[float]]] = []  # (step of the first mass, masses), in order of atoms
    last = AtomicMeasure(np.zeros((0, 1)), np.zeros(0))
    for step, measure in enumerate(measures):
        successor = _matched(last, measure)
        continued: dict[int, tuple[int, list[float]]] = {}
        for k, (first, masses) in enumerate(live):
            if k in successor:
                masses.append(float(measure.masses[successor[k]]))
                continued[successor[k]] = (first, masses)
            else:
                done.append(_track(first, [*masses, 0.0]))
        live = [
            continued.get(j)
            or ((step, [float(mass)]) if step == 0 else (step - 1, [0.0, float(mass)]))
            for j, mass in enumerate(measure.masses)
        ]
        last = measure
    return done + [_track(first, masses) for first, masses in live]


def _matched(before: AtomicMeasure, after: AtomicMeasure) -> dict[int, int]:
    if not len(before) or not len(after):
        return {}
    one, two = (m.atoms / np.linalg.norm(m.atoms, axis=1)[:, None] for m in (before, after))
    cosines = np.where(
        np.sign(before.masses)[:, None] == np.sign(after.masses)[None, :], one @ two.T, -2.0
    )
    rows, columns = linear_sum_assignment(-cosines)
    return {int(i): int(j) for i, j in zip(rows, columns, strict=True) if cosines[i, j] >= _SAME}


def _track(first: int, masses: list[float]) -> Track:
    return Track(np.arange(first, first + len(masses)), np.array(masses))
