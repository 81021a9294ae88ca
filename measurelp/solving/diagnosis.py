"""What is wrong with a trained network: balance, redundancy, its cells, or all of it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from measurelp._display import compact, html_table
from measurelp.backends import backend_from_name
from measurelp.certificate import Certificate, candidate_measure, evaluate
from measurelp.certificate.bounds import merge_repeated
from measurelp.errors import InvalidProblem
from measurelp.interrupts import Interrupts, remembered_interrupts
from measurelp.masters.conic_master import ConicMaster
from measurelp.masters.neurons import Neurons, Training
from measurelp.measure import AtomicMeasure
from measurelp.network import (
    ReluNetwork,
    balance_report,
    measure_from_network,
    network_from_candidate,
    network_from_measure,
    prune_network,
    share_neurons,
)
from measurelp.oracle import Budget, Oracle
from measurelp.problem import MeasureProblem, check_problem, row_space
from measurelp.program.formulate import skip_from_coefficients
from measurelp.solving.certifying import ROUNDS, certified
from measurelp.status import Standing

_MOST_PROGRAMS = 50  # each imposes walls that the one before violated; a few are usual


@dataclass(frozen=True, eq=False)
class Diagnosis:
    r"""A network's certificate, and what each of the usual remedies alone would gain.

    All values are objectives recomputed from the data, so they compare with each other.

    Attributes
    ----------
    standing : Standing
        OPTIMAL, SPURIOUS, UNFINISHED or UNDECIDED.
    certificate : Certificate
        Of the network as it is; its ``primal_value`` is the objective with the path norm.
    as_trained : float
        Loss + lam times half the sum of squared weights: what weight decay charges for.
    rebalanced : float
        The same after rescaling every neuron, which is the objective with the path norm.
    merged, pruned : float
        After :func:`~measurelp.share_neurons` and :func:`~measurelp.prune_network`.
    within_cells : float
        Least value that the neurons can reach by moving within the closed cells and keeping
        the signs they have, from a cone program over these cells; NaN for interpolation, and
        after Ctrl-C.
    best : float
        Of the best network that is known, ``better`` or this one.
    better : ReluNetwork or None
        A network that was found to have a lower objective.
    width, merged_width, pruned_width : int
    imbalance : float
        The largest :math:`|\log(|v_k|/|w_k|)|` of a neuron; 0 for a balanced network, inf where
        a neuron has one side only.
    is_balanced : bool
        Whether balance would gain no more than ``tol_stationary``, relatively.
    is_stationary : bool or None
        Whether moving within the cells would gain no more than ``tol_stationary``.
    """

    standing: Standing
    certificate: Certificate
    as_trained: float
    rebalanced: float
    merged: float
    pruned: float
    within_cells: float
    best: float
    better: ReluNetwork | None
    width: int
    merged_width: int
    pruned_width: int
    imbalance: float
    is_balanced: bool
    is_stationary: bool | None

    @property
    def suboptimality(self) -> tuple[float, float]:
        """Proved bracket on how far below ``rebalanced`` the optimum lies, in percent of it."""
        value, bound = self.rebalanced, self.certificate.dual_value
        if not (value > 0.0 and math.isfinite(value)):
            return (0.0, 0.0) if value == 0.0 else (math.nan, math.nan)
        lower = 100.0 * (value - self.best) / value
        upper = 100.0 * (value - bound) / value if math.isfinite(bound) else 100.0
        return lower, max(lower, upper)

    def __repr__(self) -> str:
        lower, upper = self.suboptimality
        return (
            f"Diagnosis({self.standing.name}, {self.certificate.verdict.name}, objective="
            f"{self.rebalanced:.9g}, the optimum is {lower:.3g} to {upper:.3g} % below)"
        )

    def _repr_html_(self) -> str:
        lower, upper = self.suboptimality
        rows = [
            ("verdict", self.certificate.verdict.name),
            ("objective", compact(self.rebalanced)),
            ("the optimum is below by", f"{lower:.4g} to {upper:.4g} %, proved"),
        ]
        return html_table(f"{self.standing.name}: {self.standing.value}", rows)


def diagnose(
    problem: MeasureProblem,
    network: ReluNetwork | AtomicMeasure | Any,
    *,
    tol_gap: float = 1e-6,
    tol_stationary: float = 1e-3,
    oracle: str | Oracle | None = None,
    budget: Budget | None = None,
    rounds: int = ROUNDS,
) -> Diagnosis:
    r"""Certify a trained network, and tell why it is not optimal if it is not.

    With P the network's objective, V the least one with neurons in the same closed cells and of
    the same signs, and B that of the best network known: the network is stationary when
    :math:`P - V` is at most ``tol_stationary`` P, because over fixed cells the problem is convex
    (its stationary points are the optima over their own cells: Wang, Lacotte and Pilanci
    2022).  If it is, and more can be gained outside its cells, :math:`V - B > P - V`, it is
    SPURIOUS: training that only moves its neurons within their cells cannot leave it.

    Parameters
    ----------
    problem : MeasureProblem
    network : ReluNetwork, AtomicMeasure, torch.nn.Module or scikit-learn MLP
        As for :func:`measurelp.certify`; a measure is taken as a balanced network.
    tol_gap : float
        Relative gap up to which the network is OPTIMAL, and which V - B must exceed.
    tol_stationary : float
        Relative gain up to which the network counts as stationary, and as balanced.
    oracle, budget, rounds
        As for :func:`measurelp.certify`.

    Returns
    -------
    Diagnosis

    Raises
    ------
    InvalidProblem
        As :func:`measurelp.certify`.

    Notes
    -----
    The certificate is proved, and so is that ``better`` is better.  V is the value of a cone
    program, whose accuracy (about 1e-8) is not proved.  Neurons that are zero belong to no
    cell: a network without any is stationary, and SPURIOUS if a better one exists.  A spurious
    network whose neurons all lie inside their cells is a local minimum; on walls, and with
    neurons that are zero, it may be a saddle.

    Examples
    --------
    Two neurons look the same way and cannot turn round (Jacot et al. 2022, Proposition 19):

    >>> import numpy as np, measurelp as mlp
    >>> problem = mlp.MeasureProblem([[1.0], [-1.0]], [1.0, 1.0], lam=0.2, bias="none")
    >>> a = np.sqrt(0.4)
    >>> trained = mlp.ReluNetwork([[a], [a]], output_weights=[a, a], bias="none")
    >>> found = mlp.diagnose(problem, trained)
    >>> found.standing.name, round(found.rebalanced, 6), round(found.best, 6)
    ('SPURIOUS', 0.68, 0.36)
    """
    check_problem(problem)
    if not (math.isfinite(tol_stationary) and tol_stationary > 0.0):
        raise InvalidProblem(
            f"tol_stationary: expected a finite number > 0, found {tol_stationary!r}."
        )
    if problem.ball.name != "l2" or problem.activation.name != "relu":
        raise InvalidProblem(
            f"problem: a diagnosis merges and rescales ReLU neurons by their Euclidean norm; found "
            f"{problem.ball!r} and {problem.activation!r}."
        )
    if problem.is_vector:
        raise InvalidProblem(
            f"problem: a diagnosis is worked out for one output, found {problem.n_outputs}; mlp.certify "
            "certifies a network with several."
        )
    given = _network(problem, network)
    measure = candidate_measure(problem, given)
    with remembered_interrupts() as interrupts:
        certificate, found = certified(
            problem, measure, dual=None, tol_gap=tol_gap, oracle=oracle, space=None, budget=budget,
            rounds=rounds,
        )  # fmt: skip
        within = _within_cells(problem, measure, certificate.primal_value, interrupts)
    value = certificate.primal_value
    best, better = value, None
    if found is not None and found.certificate.primal_value < value:
        best, better = found.certificate.primal_value, found.network()
    elif certificate.improvement is not None:
        best = certificate.improvement.objective
        better = network_from_measure(_with_neuron(measure, certificate), bias=problem.bias)
    plain = problem.loss.is_quadratic and not problem.is_weighted
    targets = problem.y if plain else None  # the sharing radius is for the squared loss
    shared = share_neurons(
        given, problem.X, targets, lam=None if targets is None else problem.lam
    ).network
    pruned = prune_network(given, problem.X)
    balance = balance_report(given)
    unbalanced = problem.lam * (balance.weight_decay - given.path_norm)
    is_stationary = None if math.isnan(within) else value - within <= tol_stationary * abs(value)
    return Diagnosis(
        standing=_standing(certificate, value, within, best, tol_gap, is_stationary),
        certificate=certificate, as_trained=value + unbalanced, rebalanced=value,
        merged=_objective(problem, shared), pruned=_objective(problem, pruned),
        within_cells=within, best=best, better=better, width=given.width,
        merged_width=shared.width, pruned_width=pruned.width, imbalance=balance.imbalance,
        is_balanced=bool(unbalanced <= tol_stationary * abs(value)), is_stationary=is_stationary,
    )  # fmt: skip


def _standing(
    certificate: Certificate,
    value: float,
    within: float,
    best: float,
    tol_gap: float,
    is_stationary: bool | None,
) -> Standing:
    if certificate.is_optimal:
        return Standing.OPTIMAL
    inside, outside = value - within, within - best
    if is_stationary and outside > max(inside, tol_gap * abs(value)):
        return Standing.SPURIOUS
    if inside > tol_gap * abs(value):
        return Standing.UNFINISHED
    return Standing.UNDECIDED


def _network(problem: MeasureProblem, candidate: Any) -> ReluNetwork:
    """The candidate as a network with one output whose biases count as the problem says."""
    network: ReluNetwork | None
    if isinstance(candidate, AtomicMeasure):
        network = network_from_measure(candidate_measure(problem, candidate), bias=problem.bias)
    else:
        network = network_from_candidate(candidate)
    if network is None:
        raise InvalidProblem(
            "network: expected a ReluNetwork, an AtomicMeasure, a torch.nn.Module or a fitted MLP "
            f"of scikit-learn, found {type(candidate).__name__}."
        )
    measure_from_network(network, problem)  # refuse what is no candidate, in its words
    return replace(network, bias=problem.bias)


def _objective(problem: MeasureProblem, network: ReluNetwork) -> float:
    return evaluate(problem, candidate_measure(problem, network)).objective


def _with_neuron(measure: AtomicMeasure, certificate: Certificate) -> AtomicMeasure:
    neuron = certificate.improvement
    assert neuron is not None
    added = AtomicMeasure(
        np.vstack([measure.atoms, neuron.weight]), np.append(measure.masses, neuron.mass),
        measure.skip,
    )  # fmt: skip
    return merge_repeated(added)


def _within_cells(
    problem: MeasureProblem, measure: AtomicMeasure, value: float, interrupts: Interrupts
) -> float:
    """The least objective over measures in the same closed cells with the same signs."""
    if problem.loss.is_hard_constraint:
        return math.nan
    if not len(measure) and problem.skip == "none":
        return value
    space = row_space(problem)
    training = Training.of(problem, space)
    master = ConicMaster(training, backend_from_name("clarabel"))
    free = np.zeros(training.skip_columns.shape[1])
    master.begin(Neurons(space.coordinates(measure.atoms), np.sign(measure.masses), free))
    with threadpool_limits(limits=1):
        for _ in range(_MOST_PROGRAMS):
            solved = master.solve(training.y, problem.lam, None)
            if solved is None or solved.is_settled or interrupts.requested:
                break
    if solved is None or not solved.is_settled:
        return math.nan
    neurons = solved.neurons
    weights = space.weights(neurons.weights)
    norms = problem.weight_norm(weights)
    keep = norms > 0.0
    moved = AtomicMeasure(
        weights[keep] / norms[keep, None], neurons.signs[keep] * norms[keep],
        skip_from_coefficients(problem, neurons.skip),
    )  # fmt: skip
    return min(value, evaluate(problem, moved).objective)
