"""The smallest lam for which nothing is learned."""

from __future__ import annotations

import math
import time

from threadpoolctl import threadpool_limits

from measurelp.backends import backend_from_name
from measurelp.certificate import admissible_dual, skip_basis
from measurelp.certificate.certify import DEFAULT_NODES
from measurelp.errors import InvalidProblem
from measurelp.oracle import Budget, DualFunction, Oracle, choose_oracle
from measurelp.problem import MeasureProblem, row_space
from measurelp.solving.interrupts import remembered_interrupts
from measurelp.solving.neurons import Training
from measurelp.solving.null_model import null_model


def lam_max(
    problem: MeasureProblem,
    *,
    oracle: str | Oracle | None = None,
    time_limit: float | None = None,
) -> float:
    r"""The smallest lam for which the zero measure is optimal.

    :math:`\lambda_{\max} = \sup_{\|w\|\le1}|\sum_i\alpha_i\langle\tilde x_i,w\rangle_+|`
    with alpha minus the gradient of the loss at the best skip (at 0 without one): y less its
    projection on the skip's columns, for the squared loss.  The upper end of the oracle's
    proved bracket is returned, so that at ``lam_max(problem)`` zero is optimal.  It is an upper
    bound where ``time_limit`` (seconds) or the nodes of the oracle end the search, and for
    losses with kinks, whose dual vector at the best skip need not be the only one.

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
    training = Training.of(problem, space)
    _, start = null_model(training, backend_from_name("clarabel"))
    alpha = admissible_dual(problem, training.to_problem(start), skip_basis(problem))
    chosen, _ = choose_oracle(oracle, space, problem=problem)
    dual = DualFunction(problem, space, alpha)
    with remembered_interrupts() as interrupts, threadpool_limits(limits=1):
        budget = Budget(deadline, DEFAULT_NODES, interrupts)
        upper = chosen.maximise(dual, tolerance=1e-10, budget=budget).upper
    if interrupts.requested:
        raise KeyboardInterrupt
    return upper
