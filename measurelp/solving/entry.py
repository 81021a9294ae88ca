"""The door: check what is asked, choose backend and oracle, and generate cells."""

from __future__ import annotations

from functools import partial

from measurelp.arrangement import Cells
from measurelp.backends import Backend, backend_from_name
from measurelp.certificate.certify import candidate_measure
from measurelp.certificate.uniqueness import is_plain
from measurelp.errors import InvalidProblem
from measurelp.interrupts import remembered_interrupts
from measurelp.measure import AtomicMeasure
from measurelp.network import ReluNetwork
from measurelp.oracle import CellOracle, Oracle, PatternOracle, choose_oracle
from measurelp.problem import (
    MeasureProblem,
    RowSpace,
    check_problem,
    positive_number,
    row_space,
    whole_number,
)
from measurelp.solving.cell_generation import CellGeneration, solve_over_cells
from measurelp.solving.from_below import interpolant_from_below
from measurelp.solving.gated import solve_gated
from measurelp.solving.limits import Limits, deadline_after
from measurelp.solving.pattern_generation import PatternGeneration, solve_over_patterns
from measurelp.solving.progress import Callback
from measurelp.solving.separate import solve_separately
from measurelp.solving.solution import Solution
from measurelp.solving.threads import one_thread
from measurelp.status import Scope, Termination


def solve(
    problem: MeasureProblem,
    *,
    tol_gap: float = 1e-6,
    time_limit: float | None = None,
    max_rounds: int = 500,
    backend: str | Backend | None = None,
    oracle: str | Oracle | None = None,
    cells: Cells | None = None,
    start: AtomicMeasure | ReluNetwork | None = None,
    callback: Callback | None = None,
    n_jobs: int = 1,
) -> Solution:
    r"""Find a global optimum among all networks of any width, and prove it.

    Neurons slide over the cells of the data's hyperplane arrangement until the objective is
    stationary; their residual is a dual vector alpha.  Where :math:`|\eta_\alpha|` exceeds
    lam, neurons are missing: they are added, and so on.  Where sliding is stuck, a cone program
    over the neurons' cells, which is convex, goes on.  Cheap local ascent finds most of what is
    missing, and the oracle, which covers all of weight space, proves that nothing is left.
    Then atoms are merged and pruned to an extreme point (never more atoms than data points),
    and what is returned is certified from the data.

    Parameters
    ----------
    problem : MeasureProblem
    tol_gap : float
        Relative gap to prove.
    time_limit : float, optional
        Seconds; when they are over, or on Ctrl-C, the best measure so far is returned with
        its bracket.  The first call on a machine also compiles kernels, about a minute, which
        are kept on disk; that time is not counted.
    max_rounds : int
        Limit on restricted programs.
    backend : str or Backend, optional
        Solver of restricted cone programs: "clarabel", "scs", "cvxpy", "cvxpy:SOLVER".  By
        default neurons slide over cells by Newton's method, and Clarabel solves cone programs
        where that makes no headway, and for interpolation.
    oracle : str or Oracle, optional
        "auto" (default), "angles", "cells", "branch_and_bound", "cones" or "signs".
    cells : Cells, optional
        Cells of ``problem.lifted`` for the cell oracle.  A sample of cells can never lead to
        the verdict OPTIMAL.
    start : AtomicMeasure or ReluNetwork, optional
        Where to begin.
    callback : callable, optional
        Called with a :class:`~measurelp.solving.Progress` after each round.
    n_jobs : int
        Workers for the branch and bounds.  The bracket does not depend on their number; the
        workers may be Dask's, inside ``joblib.parallel_config(backend="dask")``.

    Returns
    -------
    Solution
        For gated units a :class:`~measurelp.GatedRelaxation`, about another class of models.

    Raises
    ------
    InvalidProblem
        For unusable arguments.  Infeasible data and limits are outcomes, not errors.

    References
    ----------
    Pilanci and Ergen (2020) for the program over cells; de Dios and Bruna (2020) for the
    finite linear program behind the measure.

    Examples
    --------
    >>> import measurelp as mlp
    >>> solution = mlp.solve(mlp.MeasureProblem([[3.0, 4.0]], [2.0], lam=0.5, bias="none"))
    >>> solution.certificate.verdict.name, round(solution.certificate.primal_value, 12)
    ('OPTIMAL', 0.195)
    """
    check_problem(problem)
    tol_gap = positive_number("tol_gap", tol_gap)
    time_limit = None if time_limit is None else positive_number("time_limit", time_limit)
    max_rounds, n_jobs = whole_number("max_rounds", max_rounds), whole_number("n_jobs", n_jobs)
    chosen_backend = backend_from_name("clarabel" if backend is None else backend)
    if chosen_backend.name == "highs" and not problem.is_polyhedral:
        raise InvalidProblem(
            "backend: highs solves linear and quadratic programs, and the l2 ball needs "
            'second-order cones; use "clarabel", "scs" or "cvxpy".'
        )
    if problem.is_vector and problem.outputs == "separate":
        return solve_separately(
            problem,
            partial(
                solve, tol_gap=tol_gap, max_rounds=max_rounds, backend=backend, oracle=oracle,
                cells=cells, callback=callback, n_jobs=n_jobs,
            ),
            tol_gap=tol_gap, time_limit=time_limit,
            start=None if start is None else candidate_measure(problem, start),
        )  # fmt: skip
    if problem.is_gated and (backend, oracle, cells, start) != (None, None, None, None):
        raise InvalidProblem(
            "backend, oracle, cells, start: gated units are solved over their gates, all of which are "
            "evaluated, by Clarabel; leave these out."
        )
    deadline = deadline_after(time_limit)
    with remembered_interrupts() as interrupts, one_thread():
        limits = Limits(tol_gap, max_rounds, deadline, interrupts, callback)
        if problem.is_gated:
            return solve_gated(problem, limits)
        space = row_space(problem)
        chosen_oracle, why = _chosen_oracle(oracle, cells, problem, space, n_jobs)
        if isinstance(chosen_oracle, PatternOracle):
            patterns = PatternGeneration(
                problem=problem, oracle=chosen_oracle, backend=chosen_backend,
                is_default_backend=backend is None,
            )  # fmt: skip
            return solve_over_patterns(patterns, why, limits)
        known = None if start is None else candidate_measure(problem, start)
        over_cells = CellGeneration(
            problem=problem, space=space, oracle=chosen_oracle, backend=chosen_backend,
            is_default_backend=backend is None, limits=limits, first=known,
        )  # fmt: skip
        solution = solve_over_cells(over_cells, why)
        stalled = solution.termination in (Termination.STALLED, Termination.NUMERICAL)
        chosen = (backend, oracle, cells) != (None, None, None)
        if problem.loss.is_hard_constraint and stalled and not chosen and is_plain(problem):
            return interpolant_from_below(solution, solve, tol_gap=tol_gap, deadline=deadline)
        return solution


def _chosen_oracle(
    oracle: str | Oracle | None,
    cells: Cells | None,
    problem: MeasureProblem,
    space: RowSpace,
    n_jobs: int,
) -> tuple[Oracle, str]:
    """The oracle and why; cells that were given are used unless another oracle is named."""
    if cells is None:
        return choose_oracle(oracle, space, n_jobs=n_jobs, problem=problem)
    if not isinstance(cells, Cells):
        raise InvalidProblem(
            f"cells: expected Cells, as enumerate_cells makes them, found {cells!r}."
        )
    if problem.is_vector:
        raise InvalidProblem("cells: cells serve one output; leave them out.")
    if space.ball.name != "l2":
        raise InvalidProblem(
            "cells: one cone program a cell is for the Euclidean ball; leave cells out."
        )
    if cells.scope is Scope.SAMPLED or oracle in (None, "auto", "cells"):
        return CellOracle(cells), "cells were given"
    return choose_oracle(oracle, space, cells, n_jobs)
