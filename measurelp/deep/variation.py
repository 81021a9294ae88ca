r"""The deep variation-norm regulariser of Parhi and Nowak, as a network to be trained.

.. math:: x^{(l)} = V^{(l)}\sigma\bigl(W^{(l)}x^{(l-1)} + b^{(l)}\bigr) + C^{(l)}x^{(l-1)} + c_0^{(l)},
          \qquad \text{penalty} \ \sum_j|c_j|_1 + \sum_k\bigl(|v_k|_1^2 + |w_k|_2^2\bigr)

over all linear skips j and all ReLUs k.  The functional widths d_l bound the ranks of the weights
between ReLUs; :math:`K^{(l)} = N d_l` ReLUs in each layer suffice for an optimum.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from measurelp._optional import require
from measurelp.errors import InvalidProblem
from measurelp.problem import finite_matrix
from measurelp.problem.combinations import Bias

Matrix = NDArray[np.float64]


def variation_network(
    inputs: int,
    widths: Sequence[int],
    *,
    neurons: int | Sequence[int],
    bias: Bias = "free",
    skip: bool = True,
    start: float | None = None,
    seed: int | None = None,
) -> Any:
    r"""A torch module of the architecture and with the penalty of Parhi and Nowak's theorem.

    Parameters
    ----------
    inputs : int
        :math:`d_0`.
    widths : sequence of int
        Functional widths :math:`d_1, \dots, d_L`; the last is the number of outputs.
    neurons : int or sequence of int
        ReLUs of each layer.
    bias : {"free", "penalized", "none"}
        Whether a neuron's bias counts in :math:`|w_k|_2`; the theorem leaves it free.
    skip : bool
        Whether layers have an affine skip, whose linear part is penalised.
    start : float, optional
        All parameters are drawn uniformly from [-start, start]; left out, torch's way.
    seed : int, optional
        Of these draws; torch's global generator is not touched.

    Returns
    -------
    torch.nn.Module
        In double precision, with ``penalty()``, ``path_cost()`` (the least penalty that
        rescaling neurons reaches), ``squared_norm()`` (ordinary weight decay without its half),
        ``matrices_between()`` and ``rebalance()``; and ``layers``, each with ``hidden``, ``output``
        and ``skip``.  The training objective of the theorem is ``loss + lam * module.penalty()``.

    Raises
    ------
    InvalidProblem
        For sizes that make no network.
    MissingDependency
        Without torch.

    Notes
    -----
    With one layer, one output, ``skip=False`` and ``bias="penalized"`` the penalty is twice the
    total variation after rebalancing: training the mean squared error plus a times the penalty
    is :class:`measurelp.MeasureProblem` with lam = n a, and :func:`measurelp.certify` takes the
    module.

    References
    ----------
    Parhi and Nowak (2022), "What kinds of functions do deep neural networks learn?", theorem 3.2;
    Parhi, Wolf and Nowak (2022), "On the sparsity of deep neural networks in the
    overparameterized regime: an empirical study".
    """
    sizes = [_size("inputs", inputs), *(_size("widths", d) for d in widths)]
    if len(sizes) < 2:
        raise InvalidProblem("widths: expected at least one, the number of outputs.")
    each = [neurons] * (len(sizes) - 1) if isinstance(neurons, (int, np.integer)) else list(neurons)
    if len(each) != len(sizes) - 1:
        raise InvalidProblem(
            f"neurons: expected one number or {len(sizes) - 1}, one a layer, found {len(each)}."
        )
    counts = [_size("neurons", k) for k in each]
    if bias not in ("free", "penalized", "none"):
        raise InvalidProblem(f'bias: expected "free", "penalized" or "none", found {bias!r}.')
    if start is not None and not (np.isfinite(start) and start > 0.0):
        raise InvalidProblem(f"start: expected a positive number, found {start!r}.")
    torch = require("torch", extra="torch")
    from measurelp.deep._torch_variation import VariationNetwork  # needs torch

    with torch.random.fork_rng(devices=[]):
        if seed is not None:
            torch.manual_seed(seed)
        module = VariationNetwork(
            sizes, counts, bias=bias != "none", penalized_bias=bias == "penalized", skip=skip,
            dtype=torch.float64,
        )  # fmt: skip
        if start is not None:
            with torch.no_grad():
                for parameter in module.parameters():
                    parameter.uniform_(-start, start)
    return module


@dataclass(frozen=True, eq=False)
class MatrixReport:
    """How sparse and of how low a rank a matrix is.

    Attributes
    ----------
    density : float
        Share of entries whose modulus exceeds the threshold (elsewhere called "sparsity").
    rank : int
        Singular values above ``rank_tolerance`` times the largest.
    singular_values : array
        Decreasing.
    """

    density: float
    rank: int
    singular_values: Matrix


def matrix_report(
    matrix: ArrayLike, *, threshold: float = 1e-3, rank_tolerance: float = 1e-3
) -> MatrixReport:
    """Density, numerical rank and singular values of a weight matrix.

    Examples
    --------
    >>> report = matrix_report([[1.0, 1e-4], [0.0, 0.0]])
    >>> report.density, report.rank
    (0.25, 1)
    """
    A = finite_matrix("matrix", matrix)
    for name, value in (("threshold", threshold), ("rank_tolerance", rank_tolerance)):
        if not (np.isfinite(value) and value >= 0.0):
            raise InvalidProblem(f"{name}: expected a number of at least 0, found {value!r}.")
    values = np.asarray(np.linalg.svd(A, compute_uv=False), dtype=np.float64)
    density = float(np.count_nonzero(np.abs(A) > threshold)) / A.size
    return MatrixReport(density, int(np.count_nonzero(values > rank_tolerance * values[0])), values)


def _size(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise InvalidProblem(f"{name}: expected integers >= 1, found {value!r}.")
    return int(value)
