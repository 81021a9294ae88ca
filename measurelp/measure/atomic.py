"""Finitely supported measures on hidden weights, with an optional unpenalised affine part."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from measurelp._display import compact, html_table
from measurelp.errors import InvalidProblem


@dataclass(frozen=True, eq=False)
class Skip:
    r"""The unpenalised affine part :math:`x \mapsto \langle c, x\rangle + c_0`.

    Attributes
    ----------
    linear : (d,) or (d, c) array
        c, one column for each of several outputs.
    constant : float or (c,) array
        :math:`c_0`.
    """

    linear: NDArray[np.float64]
    constant: float | NDArray[np.float64] = 0.0

    def predict(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        """The affine function at the rows of ``X``, (n,) or (n, c)."""
        return np.asarray(X @ self.linear + self.constant)

    @property
    def is_zero(self) -> bool:
        """Whether the function vanishes identically."""
        return not np.any(self.constant) and not np.any(self.linear)


def mass_sizes(masses: NDArray[np.float64]) -> NDArray[np.float64]:
    """Moduli of masses (k,), Euclidean norms of masses (k, c)."""
    return np.asarray(np.abs(masses) if masses.ndim == 1 else np.linalg.norm(masses, axis=1))


@dataclass(frozen=True, eq=False)
class AtomicMeasure:
    r"""The signed measure :math:`\mu = \sum_k c_k \delta_{w_k}`.

    Attributes
    ----------
    atoms : (k, d') array
        Hidden weights of unit norm, one a row; the bias, if there is one, is the last entry
        (d' = d + 1).
    masses : (k,) or (k, c) array
        :math:`c_k`, signed numbers, or vectors for several outputs.
    skip : Skip or None
        Unpenalised part that goes with the measure.

    Examples
    --------
    >>> import numpy as np
    >>> mu = AtomicMeasure(np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([2.0, -3.0]))
    >>> mu.total_variation
    5.0
    """

    atoms: NDArray[np.float64]
    masses: NDArray[np.float64]
    skip: Skip | None = field(default=None)

    def __post_init__(self) -> None:
        atoms = np.array(self.atoms, dtype=np.float64)
        masses = np.array(self.masses, dtype=np.float64)
        if atoms.ndim != 2 or masses.ndim not in (1, 2) or len(masses) != len(atoms):
            raise InvalidProblem(
                "atoms, masses: expected shapes (k, d) and (k,) or (k, c), "
                f"found {atoms.shape} and {masses.shape}."
            )
        if not (np.isfinite(atoms).all() and np.isfinite(masses).all()):
            raise InvalidProblem("atoms, masses: entries must be finite; NaN or inf was found.")
        atoms.setflags(write=False)
        masses.setflags(write=False)
        object.__setattr__(self, "atoms", atoms)
        object.__setattr__(self, "masses", masses)

    @property
    def total_variation(self) -> float:
        r""":math:`|\mu|_{TV} = \sum_k |c_k|`, Euclidean norms of vectors, for atoms of unit norm."""
        return float(mass_sizes(self.masses).sum())

    def __len__(self) -> int:
        """Number of atoms."""
        return len(self.masses)

    def __repr__(self) -> str:
        return f"AtomicMeasure({len(self)} atoms, total variation {self.total_variation:.6g})"

    def _repr_html_(self) -> str:
        shown = [
            (np.array2string(mass, precision=5), np.array2string(atom, precision=4, threshold=12))
            for mass, atom in zip(self.masses[:20], self.atoms, strict=False)
        ]
        if len(self) > 20:
            shown.append(("...", f"and {len(self) - 20} more"))
        title = f"{len(self)} atoms, total variation {compact(self.total_variation)}: mass, weight"
        return html_table(title, shown)
