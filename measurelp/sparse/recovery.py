r"""How often the least l1 norm finds a sparse vector: data for pictures of the phase transition.

A sparse z with image x = Wz is *recovered* if :math:`\min|z|_1,\ Wz = x` returns it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from measurelp.backends import HighsBackend
from measurelp.dictionary.coherence import coherence, unit_columns
from measurelp.errors import InvalidProblem
from measurelp.problem import finite_matrix, whole_number
from measurelp.program import ConeProgram
from measurelp.sparse.lasso import dictionary_and_rows

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class RecoveryRates:
    r"""Fractions of random sparse vectors that are recovered.

    Attributes
    ----------
    sparsities : (p,) array
        Numbers of entries s.
    rates : (p,) array
        Measured: a sample proves nothing about vectors that were not drawn.
    trials : int
    coherence : float
        :math:`\mu`, of the columns scaled to unit length.
    shape : (int, int)
        (d, m) of the dictionary.
    equal_norms : bool
        Whether its columns are of one length, up to rounding.
    """

    sparsities: NDArray[np.intp]
    rates: Vector
    trials: int
    coherence: float
    shape: tuple[int, int]
    equal_norms: bool

    @property
    def proved_sparsity(self) -> float:
        r""":math:`(1 + 1/\mu)/2`: all vectors with fewer entries are recovered.

        nan unless columns are of one length: a long column may replace a short one at less norm,
        and coherence, which does not see lengths, proves nothing.
        """
        if not self.equal_norms:
            return float("nan")
        return 0.5 * (1.0 + 1.0 / self.coherence) if self.coherence > 0.0 else float("inf")


def least_l1_code(W: ArrayLike, x: ArrayLike) -> Vector:
    """A code of least l1 norm with Wz = x, (m,), by a linear program.

    Raises
    ------
    InvalidProblem
        If shapes do not fit, or the solver finds no code: x is not in the range of W.

    Examples
    --------
    >>> least_l1_code([[1.0, 0.0, 0.8], [0.0, 1.0, 0.8]], [0.8, 0.8]).round(9).tolist()
    [0.0, 0.0, 1.0]
    """
    W, X = dictionary_and_rows(W, x)
    if len(X) != 1:
        raise InvalidProblem(f"x: expected one target, found {len(X)}.")
    d, m = W.shape
    program = ConeProgram(
        None, np.ones(2 * m),
        sparse.csc_array(np.vstack([np.hstack([W, -W]), -np.eye(2 * m)])),
        np.concatenate([X[0], np.zeros(2 * m)]), zero=d, nonneg=2 * m,
    )  # fmt: skip
    report = HighsBackend().solve(program)
    if report.x is None:
        raise InvalidProblem(
            f"x: no code with Wz = x was found (solver: {report.termination.value}); x must lie in "
            "the range of W."
        )
    return np.asarray(report.x[:m] - report.x[m:])


def recovery_rates(
    W: ArrayLike, sparsities: Sequence[int], *, trials: int = 50, seed: int = 0,
    tolerance: float = 1e-6,
) -> RecoveryRates:  # fmt: skip
    """Draw sparse vectors with normal entries and see how many the least l1 norm finds.

    W is used as it is.  Scale its columns to one length for a bound by coherence beside the rates.

    Parameters
    ----------
    W : (d, m) array_like
    sparsities : sequence of int
        From 0 to m.
    trials : int
        Vectors for each, each with its own support.
    seed : int
    tolerance : float
        Recovered means equal up to this times the largest modulus.

    Raises
    ------
    InvalidProblem
        For arguments out of range, or a column of zeros.

    Examples
    --------
    >>> import numpy as np
    >>> W = np.random.default_rng(0).standard_normal((8, 16))
    >>> recovery_rates(W, [1, 8], trials=5).rates.tolist()
    [1.0, 0.0]
    """
    W = finite_matrix("W", W)
    m = W.shape[1]
    trials = whole_number("trials", trials, least=1)
    counts = [whole_number("sparsities", s, least=0) for s in sparsities]
    if not counts or max(counts) > m:
        raise InvalidProblem(f"sparsities: expected integers from 0 to {m}, found {counts}.")
    if not np.abs(W).max(axis=0).all():
        raise InvalidProblem("W: a column is zero; leave it out.")
    rng = np.random.default_rng(whole_number("seed", seed, least=0))
    rates = []
    for count in counts:
        found = 0
        for _ in range(trials):
            code = np.zeros(m)
            code[rng.choice(m, count, replace=False)] = rng.standard_normal(count)
            error = np.abs(least_l1_code(W, W @ code) - code).max()
            found += bool(error <= tolerance * max(np.abs(code).max(), 1e-300))
        rates.append(found / trials)
    lengths = np.linalg.norm(W / np.abs(W).max(), axis=0)
    return RecoveryRates(
        np.array(counts, dtype=np.intp), np.array(rates), trials, coherence(unit_columns(W)).value,
        W.shape, bool(np.ptp(lengths) <= 1e-12 * lengths.max()),
    )  # fmt: skip


def coherent_dictionary(d: int, m: int, *, common: float = 0.0, seed: int = 0) -> Matrix:
    r"""Unit columns along :math:`g_j + c\,g_0`, independent standard normal g in :math:`R^d`.

    Inner products are about :math:`c^2/(1 + c^2)`: ``common`` c makes columns coherent.

    Examples
    --------
    >>> import numpy as np
    >>> W = coherent_dictionary(4, 9, common=3.0)
    >>> W.shape, bool(np.allclose(np.linalg.norm(W, axis=0), 1.0))
    ((4, 9), True)
    """
    whole_number("d", d, least=1)
    whole_number("m", m, least=1)
    if not (np.isfinite(common) and common >= 0.0):
        raise InvalidProblem(f"common: expected a finite number >= 0, found {common!r}.")
    rng = np.random.default_rng(whole_number("seed", seed, least=0))
    draws = rng.standard_normal((d, m + 1))
    return unit_columns(draws[:, 1:] + common * draws[:, :1])
