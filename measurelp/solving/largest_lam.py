"""The smallest lam for which nothing is learned."""

from __future__ import annotations

import math
import time

import numpy as np
from threadpoolctl import threadpool_limits

from measurelp.certificate import skip_basis, without_skip
from measurelp.certificate.certify import DEFAULT_NODES
from measurelp.errors import InvalidProblem
from measurelp.oracle import Budget, DualFunction, Oracle, choose_oracle
from measurelp.problem import MeasureProblem, row_space
from measurelp.solving.interrupts import remembered_interrupts


def lam_max(
    problem: MeasureProblem,
    *,
    oracle: str | Oracle | None = None,
    time_limit: float | None = None,
) -> float:
    r"""The smallest lam for which the zero measure is optimal.

    :math:`\lambda_{\max} = \sup_{\|w\|\le1}|\sum_i\alpha_i\langle\tilde x_i,w\rangle_+|`
    with alpha = y, less its projection on the skip's columns.  The upper end of the
    oracle's proved bracket is returned, so that at ``lam_max(problem)`` zero is optimal; where
    ``time_limit`` (seconds) or the nodes of the oracle end the search, that is an upper bound.

    Examples
    --------
    >>> import measurelp as mlp
    >>> round(mlp.lam_max(mlp.MeasureProblem([[3.0, 4.0]], [2.0], lam=1.0, bias="none")), 9)
    10.0
    """
    if problem.loss.is_hard_constraint:
        raise InvalidProblem("problem: lam does not enter interpolation, so there is no lam_max.")
    deadline = math.inf if time_limit is None else time.perf_counter() + time_limit
    space = row_space(problem)
    alpha = problem.loss.dual_from_fit(np.zeros(problem.n), problem.y)
    assert alpha is not None
    alpha = without_skip(alpha, skip_basis(problem))
    chosen, _ = choose_oracle(oracle, space)
    dual = DualFunction(problem, space, alpha)
    with remembered_interrupts() as interrupts, threadpool_limits(limits=1):
        budget = Budget(deadline, DEFAULT_NODES, interrupts)
        upper = chosen.maximise(dual, tolerance=1e-10, budget=budget).upper
    if interrupts.requested:
        raise KeyboardInterrupt
    return upper
